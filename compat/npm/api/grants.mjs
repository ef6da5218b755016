import { createHash } from "node:crypto";
import { errorOf, same, sorted } from "../lib/tally.mjs";
import { latchkey, unique } from "../lib/server.mjs";
import { keyOf, limit, newAPI, newKey, newRole, un, verify } from "./client.mjs";
import { notFound, expectError } from "./errors.mjs";

// grants adds, sets and removes permissions and roles of a key.
export async function grants() {
  const { keyId } = await newKey({ apiId: await newAPI() });
  await permissions(keyId);
  await roles(keyId);
}

const orNothing = (list) => (list.length > 0 ? list.toSorted() : undefined);

async function permissions(keyId) {
  const [a, b] = [unique("a.read"), unique("b.write")];
  // held checks the whole response, and then the permissions or roles of the key.
  async function held(what, call, want) {
    const { data } = await call;
    const all = await Promise.all(want.map(async (permission) => (await un.permissions.getPermission({ permission })).data));
    same(what, sorted(data, (p) => p.slug), all);
    same(`${what}, read back`, (await keyOf(keyId)).permissions, orNothing(want));
  }
  await held("permissions added", un.keys.addPermissions({ keyId, permissions: [a, b] }), [a, b]);
  await held("permissions added again", un.keys.addPermissions({ keyId, permissions: [a] }), [a, b]);
  await held("a permission removed", un.keys.removePermissions({ keyId, permissions: [a] }), [b]);
  await held("permissions set", un.keys.setPermissions({ keyId, permissions: [a] }), [a]);
  await held("permissions cleared", un.keys.setPermissions({ keyId, permissions: [] }), []);
  const nowhere = un.keys.removePermissions({ keyId, permissions: [unique("nowhere")] });
  expectError("removing a permission that does not exist", await errorOf(nowhere), notFound);
}

async function roles(keyId) {
  const [a, b] = [await newRole(), await newRole()].sort();
  async function held(what, call, want) {
    const { data } = await call;
    const all = await Promise.all(want.map(async (role) => (await un.permissions.getRole({ role })).data));
    same(what, sorted(data, (r) => r.name), all);
    same(`${what}, read back`, (await keyOf(keyId)).roles, orNothing(want));
  }
  await held("roles added", un.keys.addRoles({ keyId, roles: [a, b] }), [a, b]);
  await held("a role removed", un.keys.removeRoles({ keyId, roles: [a] }), [b]);
  await held("roles set", un.keys.setRoles({ keyId, roles: [a] }), [a]);
  await held("roles cleared", un.keys.setRoles({ keyId, roles: [] }), []);
  expectError("adding a role that does not exist", await errorOf(un.keys.addRoles({ keyId, roles: [unique("nobody")] })), notFound);
}

// hashOf returns the hash of a migrated key.
const hashOf = (key) => createHash("sha256").update(key).digest("base64");

// migration imports keys of another system by their hashes.
export async function migration() {
  const [first, second] = [unique("old"), unique("old")];
  const externalId = unique("user");
  const record = {
    name: "moved",
    meta: { from: "elsewhere" },
    roles: [await newRole()],
    permissions: [unique("docs.read")],
    enabled: true,
    credits: { remaining: 4 },
    ratelimits: [limit("requests", 10, false)],
  };
  const request = {
    migrationId: latchkey("migrations", "create", "sha256"),
    apiId: await newAPI(),
    keys: [{ hash: hashOf(first), externalId, ...record }, { hash: hashOf(second) }],
  };
  const { data } = await un.keys.migrateKeys(request);
  const hashes = request.keys.map((key) => key.hash);
  same("the keys brought in", { ...data, migrated: data.migrated.map((key) => key.hash) }, { migrated: hashes, failed: [] });
  const { keyId } = data.migrated[0];
  const { createdAt, identity, ...got } = await keyOf(keyId);
  same("a key brought in", { ...got, externalId: identity.externalId }, { ...record, keyId, start: "", externalId });
  same("it verifies at once", (await verify(first)).code, "VALID");

  const again = (await un.keys.migrateKeys(request)).data;
  same("none is brought in twice", { ...again, failed: sorted(again.failed) }, { migrated: [], failed: sorted(hashes) });
  await prefixedMigration(request.apiId);
}

// prefixedMigration imports a key of which only the long part was hashed. The first
// verification needs the migration's id, later ones do not.
async function prefixedMigration(apiId) {
  const migrationId = latchkey("migrations", "create", "github.com/seamapi/prefixed-api-key");
  const long = unique("long").replace("_", "");
  const key = `my_shop_short_${long}`;
  const hash = createHash("sha256").update(long).digest("hex");
  await un.keys.migrateKeys({ migrationId, apiId, keys: [{ hash }] });
  same("a prefixed key before its migration", (await verify(key)).code, "NOT_FOUND");
  same("a prefixed key with its migration", (await verify(key, { migrationId })).code, "VALID");
  same("a prefixed key after its migration", (await verify(key)).code, "VALID");
}
