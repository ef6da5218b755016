// The client under test, and helpers of its scenarios.
import { Unkey } from "@unkey/api";
import { HTTPClient } from "@unkey/api/lib/http.js";
import { allPowerful, baseURL, day, unique } from "../lib/server.mjs";

// succeeded has the operations that succeeded.
export const succeeded = new Set();

const httpClient = new HTTPClient().addHook("response", (response, request) => {
  if (response.status === 200) succeeded.add(new URL(request.url).pathname.slice("/v2/".length));
});

// client returns an SDK client with a root key.
export const client = (rootKey, options) => new Unkey({ serverURL: baseURL, rootKey, httpClient, ...options });

export const un = client(allPowerful);

// limit returns a rate limit of a request, which is that of a response without the id.
export const limit = (name, limit, autoApply) => ({ name, limit, duration: day, autoApply });

// newAPI creates an API and returns its id.
export async function newAPI() {
  return (await un.apis.createApi({ name: unique("api") })).data.apiId;
}

// newRole creates a role and returns its name.
export async function newRole() {
  const name = unique("role");
  await un.permissions.createRole({ name });
  return name;
}

export const newKey = async (request) => (await un.keys.createKey(request)).data;

export const verify = async (key, more) => (await un.keys.verifyKey({ key, ...more })).data;

// withoutIDs removes the ids of rate limits, which the server chooses.
export const withoutIDs = (limits) => limits?.map(({ id, ...rest }) => rest).toSorted((a, b) => (a.name < b.name ? -1 : 1));

// identity reads an identity without the ids of its limits.
export async function identity(name) {
  const { ratelimits, ...rest } = (await un.identities.getIdentity({ identity: name })).data;
  return { ...rest, ratelimits: withoutIDs(ratelimits) };
}

// comparable sorts the lists of a key's record and removes the ids of its limits.
export function comparable({ ratelimits, permissions, roles, ...rest }) {
  return { ...rest, ratelimits: withoutIDs(ratelimits), permissions: permissions?.toSorted(), roles: roles?.toSorted() };
}

// keyOf reads a key.
export const keyOf = async (keyId) => comparable((await un.keys.getKey({ keyId })).data);
