import { Unkey } from "@unkey/api";
import { holds, same } from "../lib/tally.mjs";
import { allPowerful, baseURL, day, latchkey, unique } from "../lib/server.mjs";
import { bearer, invalid, served } from "./app.mjs";

const un = new Unkey({ serverURL: baseURL, rootKey: allPowerful });
const newAPI = async () => (await un.apis.createApi({ name: unique("api") })).data.apiId;
export const newKey = async (request) => (await un.keys.createKey({ apiId: await newAPI(), ...request })).data;

// result checks the argument of an application's handler.
export async function result() {
  const { keyId, key } = await newKey({ name: "hono", meta: { plan: "pro" }, permissions: ["docs.read"], credits: { remaining: 5 } });
  await served({ tags: ["path=/"], permissions: "docs.read" }, async (get) => {
    const { status, body } = await get(bearer(key));
    same("the handler was reached", { status, handler: body.handler }, { status: 200, handler: true });
    holds("the request's id", body.unkey.meta.requestId.startsWith("req_"), body);
    same("the result", body.unkey.data, {
      valid: true, code: "VALID", keyId, name: "hono", meta: { plan: "pro" }, enabled: true, permissions: ["docs.read"], credits: 4,
    });
  });
}

// codes checks that invalid keys are denied with their code.
export async function codes() {
  const apiId = await newAPI();
  const limited = await newKey({ ratelimits: [{ name: "requests", limit: 1, duration: day, autoApply: true }] });
  const listed = await newKey({ apiId });
  latchkey("apis", "update", apiId, "--ip-whitelist=192.0.2.7");
  const keys = {
    NOT_FOUND: unique("sk"),
    DISABLED: (await newKey({ enabled: false })).key,
    EXPIRED: (await newKey({ expires: Date.now() - 60_000 })).key,
    USAGE_EXCEEDED: (await newKey({ credits: { remaining: 0 } })).key,
    RATE_LIMITED: limited.key,
    FORBIDDEN: listed.key,
  };
  await served({}, async (get) => {
    same("a limit, first request", (await get(bearer(limited.key))).status, 200);
    for (const [code, key] of Object.entries(keys)) same(code, await get(bearer(key)), { status: 401, body: { code } });
  });
  await served({ permissions: "docs.read" }, async (get) => {
    same("INSUFFICIENT_PERMISSIONS", await get(bearer((await newKey()).key)), { status: 401, body: { code: "INSUFFICIENT_PERMISSIONS" } });
  });
}

// keysFrom checks how the package finds the key of a request.
export async function keysFrom() {
  const { key } = await newKey();
  const unauthorized = { status: 401, body: { error: "unauthorized" } };
  await served({}, async (get) => {
    same("without a key", await get({}), unauthorized);
    same("with the scheme left out", (await get({ Authorization: key })).status, 200);
  });
  await served({ getKey: (c) => c.req.header("X-API-Key") }, async (get) => {
    same("a header of one's own", (await get({ "X-API-Key": key })).status, 200);
    same("the usual header instead", await get(bearer(key)), unauthorized);
  });
  await served({ getKey: (c) => c.json({ mine: true }, 418), handleInvalidKey: invalid }, async (get) => {
    same("a response instead of a key", await get(bearer(key)), { status: 418, body: { mine: true } });
  });
}
