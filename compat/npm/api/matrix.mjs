import { UnkeyCore } from "@unkey/api/core.js";
import { errorOf, same } from "../lib/tally.mjs";
import { baseURL, day, latchkey, rootKey, unique } from "../lib/server.mjs";
import { client, newAPI, newKey, newRole, un } from "./client.mjs";
import { badRequest, forbidden, notFound, refused, tooManyRequests, unauthorized } from "./errors.mjs";
import { count, threeADay } from "./ratelimits.mjs";

// requests is every operation as a function from what it is about to its
// request. About real things it is one that a root key with permissions could
// make, about unknown ones it finds nothing, and about empty names it is
// malformed; an empty name asks for pages of no items, which is malformed too.
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

// needNothing matches the operations that are not about something that may not
// exist.
const needNothing = /\.(create(?!Key)|list(?!Keys|Overrides)|limit|multiLimit|verifyKey)/;

const members = ["api", "key", "secret", "identity", "permission", "role", "namespace", "identifier", "migration"];
const named = (name) => Object.fromEntries(members.map((member) => [member, name]));

// realThings makes one of everything.
async function realThings() {
  const [identity, permission, namespace] = [unique("user"), unique("docs.read"), unique("namespace")];
  const api = await newAPI();
  const made = await newKey({ apiId: api, externalId: identity, permissions: [permission] });
  await count(namespace, "user_1");
  await un.ratelimit.setOverride({ namespace, identifier: "user_1", limit: 1, duration: day });
  const migration = latchkey("migrations", "create", "sha256");
  return { api, key: made.keyId, secret: made.key, identity, permission, role: await newRole(), namespace, identifier: "user_1", migration };
}

// withoutPermission is how an operation is refused to a root key that lacks its
// permission. Some hide what the caller may not know of.
function withoutPermission(operation) {
  switch (operation) {
    case "apis.listKeys": case "keys.createKey": case "keys.whoami": case "ratelimit.getOverride":
      return notFound;
    case "keys.verifyKey":
      return { name: undefined, status: undefined };
  }
  return forbidden;
}

// ofNothing is how an operation is refused that is about something which does
// not exist. The SDK has no class for that error of deleteRole.
const ofNothing = (operation) => (operation === "permissions.deleteRole" ? { name: "APIError", status: 404 } : notFound);

// errorsOfAll makes each operation fail in each way that operations share, as a
// method and as a standalone function, and checks that the SDK knows the error.
export async function errorsOfAll() {
  const limited = client(latchkey("workspaces", "create", unique("limited"), "--requests-per-minute", "0"));
  const [powerless, nobody] = [client(rootKey("ratelimit.*.read_analytics")), client(unique("latchkey"))];
  const [real, unknown, empty] = [await realThings(), named("unknown_12345"), named("")];
  for (const [operation, request] of Object.entries(requests)) {
    const [group, method] = operation.split(".");
    const call = (un, about) => errorOf(un[group][method](request(about)));
    refused(`${operation} malformed`, await call(un, empty), badRequest);
    refused(`${operation} with an unknown root key`, await call(nobody, unknown), unauthorized);
    refused(`${operation} without permission`, await call(powerless, real), withoutPermission(operation));
    refused(`${operation} above the workspace's limit`, await call(limited, unknown), tooManyRequests);
    refused(`${operation} as a function`, await standalone(group, method, request(unknown)), unauthorized);
    if (!needNothing.test(operation)) refused(`${operation} of nothing`, await call(un, unknown), ofNothing(operation));
  }
}

// standalone calls the SDK's function for an operation, whose errors are values.
async function standalone(group, method, request) {
  const name = group + method[0].toUpperCase() + method.slice(1);
  const { [name]: call } = await import(`@unkey/api/funcs/${name}.js`);
  const result = await call(new UnkeyCore({ serverURL: baseURL, rootKey: unique("latchkey") }), request);
  same(`${name} has failed`, result.ok, false);
  return result.error;
}
