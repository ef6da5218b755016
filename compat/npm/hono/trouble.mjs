import { holds, same } from "../lib/tally.mjs";
import { viaProxy } from "../lib/proxy.mjs";
import { baseURL, latchkey, rootKey, unique } from "../lib/server.mjs";
import { bearer, served } from "./app.mjs";
import { newKey } from "./keys.mjs";
import { redirect } from "./redirect.mjs";

// notServed does not set handleInvalidKey. The package then continues with the request,
// and the handler must check the result itself.
export async function notServed() {
  await served({ handleInvalidKey: undefined }, async (get) => {
    const { status, body } = await get(bearer(unique("sk")));
    same("the handler decides", { status, data: body.unkey.data }, { status: 200, data: { valid: false, code: "NOT_FOUND" } });
  });
}

// serverErrors checks that errors with a class in the SDK reach the application's error
// handler. The package does not pass them to its onError.
export async function serverErrors() {
  const { key } = await newKey();
  const told = [];
  const onError = (c, error) => told.push(error.name) && c.json({ told: error.name }, 500);
  const unhandled = (unhandled, status) => ({ status: 500, body: { unhandled, status } });
  await served({ rootKey: unique("latchkey"), onError }, async (get) => {
    same("an unknown root key", await get(bearer(key)), unhandled("UnauthorizedErrorResponse", 401));
  });
  const limited = latchkey("workspaces", "create", unique("limited"), "--requests-per-minute", "0");
  await served({ rootKey: limited, onError }, async (get) => {
    same("above the workspace's limit", await get(bearer(key)), unhandled("TooManyRequestsErrorResponse", 429));
  });
  await served({ permissions: "docs.read AND (", onError }, async (get) => {
    same("an invalid query", await get(bearer(key)), unhandled("BadRequestErrorResponse", 400));
  });
  await served({ rootKey: rootKey("api.*.read_api") }, async (get) => {
    same("a root key that may not verify", await get(bearer(key)), { status: 401, body: { code: "NOT_FOUND" } });
  });
  same("what onError was told", told, []);
}

// onError checks that the package's onError gets errors without a class in the SDK, and
// that the SDK's retries work below the middleware.
export async function onError() {
  const { key } = await newKey();
  await viaProxy([418], async (url) => {
    redirect.to = url;
    const told = (c, error) => c.json({ told: error.name, status: error.statusCode }, 502);
    await served({ onError: told }, async (get) => {
      same("an error without a class", await get(bearer(key)), { status: 502, body: { told: "APIError", status: 418 } });
    });
  });
  const requests = await viaProxy([500, 503], async (url) => {
    redirect.to = url;
    await served({}, async (get) => holds("success after retries", (await get(bearer(key))).status === 200));
  });
  same("500 and 503, then success, requests", requests, 3);
  redirect.to = baseURL;
}
