import { UnkeyCore } from "@unkey/api/core.js";
import { errorOf, same } from "../lib/tally.mjs";
import { baseURL, day, latchkey, rootKey, unique } from "../lib/server.mjs";
import { client, newAPI, newKey, newRole, un } from "./client.mjs";
import { badRequest, forbidden, notFound, expectError, tooManyRequests, unauthorized } from "./errors.mjs";
import { count, threeADay } from "./ratelimits.mjs";

// requests has a function for every operation that returns its request for a target.
// With real names a request succeeds for a root key with permissions, with unknown
// names it finds nothing, and with empty names it is malformed. An empty name gives a
// page size of 0, which is malformed too.
export const requests = {
  "apis.createApi": (t) => ({ name: t.api }),
  "apis.getApi": (t) => ({ apiId: t.api }),
  "apis.deleteApi": (t) => ({ apiId: t.api }),
  "apis.listKeys": (t) => ({ apiId: t.api }),
  "identities.createIdentity": (t) => ({ externalId: t.identity }),
  "identities.getIdentity": (t) => ({ identity: t.identity }),
  "identities.listIdentities": (t) => ({ limit: t.identity.length }),
  "identities.updateIdentity": (t) => ({ identity: t.identity }),
  "identities.deleteIdentity": (t) => ({ identity: t.identity }),
  "keys.createKey": (t) => ({ apiId: t.api }),
  "keys.getKey": (t) => ({ keyId: t.key }),
  "keys.whoami": (t) => ({ key: t.secret }),
  "keys.updateKey": (t) => ({ keyId: t.key }),
  "keys.deleteKey": (t) => ({ keyId: t.key }),
  "keys.verifyKey": (t) => ({ key: t.secret }),
  "keys.rerollKey": (t) => ({ keyId: t.key, expiration: 0 }),
  "keys.updateCredits": (t) => ({ keyId: t.key, operation: "set" }),
  "keys.migrateKeys": (t) => ({ migrationId: t.migration, apiId: t.api, keys: [{ hash: unique("hash") }] }),
  "keys.addPermissions": (t) => ({ keyId: t.key, permissions: [t.permission] }),
  "keys.removePermissions": (t) => ({ keyId: t.key, permissions: [t.permission] }),
  "keys.setPermissions": (t) => ({ keyId: t.key, permissions: [t.permission] }),
  "keys.addRoles": (t) => ({ keyId: t.key, roles: [t.role] }),
  "keys.removeRoles": (t) => ({ keyId: t.key, roles: [t.role] }),
  "keys.setRoles": (t) => ({ keyId: t.key, roles: [t.role] }),
  "permissions.createPermission": (t) => ({ name: t.permission, slug: t.permission }),
  "permissions.getPermission": (t) => ({ permission: t.permission }),
  "permissions.listPermissions": (t) => ({ limit: t.permission.length }),
  "permissions.deletePermission": (t) => ({ permission: t.permission }),
  "permissions.createRole": (t) => ({ name: t.role }),
  "permissions.getRole": (t) => ({ role: t.role }),
  "permissions.listRoles": (t) => ({ limit: t.role.length }),
  "permissions.deleteRole": (t) => ({ role: t.role }),
  "permissions.setRolePermissions": (t) => ({ roleId: t.role, permissions: [t.permission] }),
  "ratelimit.limit": (t) => threeADay(t.namespace, t.identifier),
  "ratelimit.multiLimit": (t) => [threeADay(t.namespace, t.identifier)],
  "ratelimit.setOverride": (t) => ({ namespace: t.namespace, identifier: t.identifier, limit: 1, duration: day }),
  "ratelimit.getOverride": (t) => ({ namespace: t.namespace, identifier: t.identifier }),
  "ratelimit.listOverrides": (t) => ({ namespace: t.namespace }),
  "ratelimit.deleteOverride": (t) => ({ namespace: t.namespace, identifier: t.identifier }),
};

// needNothing matches the operations that do not need an existing object.
const needNothing = /\.(create(?!Key)|list(?!Keys|Overrides)|limit|multiLimit|verifyKey)/;

const members = ["api", "key", "secret", "identity", "permission", "role", "namespace", "identifier", "migration"];
const named = (name) => Object.fromEntries(members.map((member) => [member, name]));

// realThings creates one object of each kind.
async function realThings() {
  const [identity, permission, namespace] = [unique("user"), unique("docs.read"), unique("namespace")];
  const api = await newAPI();
  const made = await newKey({ apiId: api, externalId: identity, permissions: [permission] });
  await count(namespace, "user_1");
  await un.ratelimit.setOverride({ namespace, identifier: "user_1", limit: 1, duration: day });
  const migration = latchkey("migrations", "create", "sha256");
  return { api, key: made.keyId, secret: made.key, identity, permission, role: await newRole(), namespace, identifier: "user_1", migration };
}

// withoutPermission returns the error of an operation for a root key without its
// permission. Some operations mask it as not found.
function withoutPermission(operation) {
  switch (operation) {
    case "apis.listKeys": case "keys.createKey": case "keys.whoami": case "ratelimit.getOverride":
      return notFound;
    case "keys.verifyKey":
      return { name: undefined, status: undefined };
  }
  return forbidden;
}

// ofNothing returns the error of an operation on an object that does not exist. The SDK
// has no class for this error of deleteRole.
const ofNothing = (operation) => (operation === "permissions.deleteRole" ? { name: "APIError", status: 404 } : notFound);

// errorsOfAll makes every operation fail in each shared way, as a method and as a
// standalone function, and checks that the SDK returns its own error class.
export async function errorsOfAll() {
  const limited = client(latchkey("workspaces", "create", unique("limited"), "--requests-per-minute", "0"));
  const [powerless, nobody] = [client(rootKey("ratelimit.*.read_analytics")), client(unique("latchkey"))];
  const [real, unknown, empty] = [await realThings(), named("unknown_12345"), named("")];
  for (const [operation, request] of Object.entries(requests)) {
    const [group, method] = operation.split(".");
    const call = (un, about) => errorOf(un[group][method](request(about)));
    expectError(`${operation} malformed`, await call(un, empty), badRequest);
    expectError(`${operation} with an unknown root key`, await call(nobody, unknown), unauthorized);
    expectError(`${operation} without permission`, await call(powerless, real), withoutPermission(operation));
    expectError(`${operation} above the workspace's limit`, await call(limited, unknown), tooManyRequests);
    expectError(`${operation} as a function`, await standalone(group, method, request(unknown)), unauthorized);
    if (!needNothing.test(operation)) expectError(`${operation} of nothing`, await call(un, unknown), ofNothing(operation));
  }
}

// standalone calls the SDK's function for an operation, which returns errors as values.
async function standalone(group, method, request) {
  const name = group + method[0].toUpperCase() + method.slice(1);
  const { [name]: call } = await import(`@unkey/api/funcs/${name}.js`);
  const result = await call(new UnkeyCore({ serverURL: baseURL, rootKey: unique("latchkey") }), request);
  same(`${name} has failed`, result.ok, false);
  return result.error;
}
