// The client under test and what its scenarios share.
import { Unkey } from "@unkey/api";
import { HTTPClient } from "@unkey/api/lib/http.js";
import { allPowerful, baseURL, day, unique } from "../lib/server.mjs";

// answered holds the operations that were answered with success.
export const answered = new Set();

const httpClient = new HTTPClient().addHook("response", (response, request) => {
  if (response.status === 200) answered.add(new URL(request.url).pathname.slice("/v2/".length));
});

// client is the SDK with a root key.
export const client = (rootKey, options) => new Unkey({ serverURL: baseURL, rootKey, httpClient, ...options });

export const un = client(allPowerful);

// limit is a rate limit as requests carry it, and as answers do but for its id.
export const limit = (name, limit, autoApply) => ({ name, limit, duration: day, autoApply });

// newAPI makes an API and returns its id.
export async function newAPI() {
  return (await un.apis.createApi({ name: unique("api") })).data.apiId;
}

// newRole makes a role and returns its name.
export async function newRole() {
  const name = unique("role");
  await un.permissions.createRole({ name });
  return name;
}

export const newKey = async (request) => (await un.keys.createKey(request)).data;

export const verify = async (key, more) => (await un.keys.verifyKey({ key, ...more })).data;

// withoutIDs leaves out of rate limits what only the server can know.
export const withoutIDs = (limits) => limits?.map(({ id, ...rest }) => rest).toSorted((a, b) => (a.name < b.name ? -1 : 1));

// identity reads an identity, its limits without their ids.
export async function identity(name) {
  const { ratelimits, ...rest } = (await un.identities.getIdentity({ identity: name })).data;
  return { ...rest, ratelimits: withoutIDs(ratelimits) };
}

// comparable is a key's record in a form that can be compared: lists in order,
// limits without their ids.
export function comparable({ ratelimits, permissions, roles, ...rest }) {
  return { ...rest, ratelimits: withoutIDs(ratelimits), permissions: permissions?.toSorted(), roles: roles?.toSorted() };
}

// keyOf reads a key.
export const keyOf = async (keyId) => comparable((await un.keys.getKey({ keyId })).data);
