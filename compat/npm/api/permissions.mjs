import { errorOf, same, sorted } from "../lib/tally.mjs";
import { unique } from "../lib/server.mjs";
import { un } from "./client.mjs";
import { conflict, notFound, expectError } from "./errors.mjs";

// permissions creates, reads and deletes permissions and roles, and sets the
// permissions of a role.
export async function permissions() {
  await onePermission();
  await oneRole();
}

async function onePermission() {
  const slug = unique("documents.read");
  const create = { name: `Read ${slug}`, slug, description: "May read." };
  const id = (await un.permissions.createPermission(create)).data.permissionId;
  const want = { id, ...create };
  for (const permission of [id, slug]) {
    same(`the permission by ${permission}`, (await un.permissions.getPermission({ permission })).data, want);
  }
  same("the permission found by search", (await un.permissions.listPermissions({ search: slug })).result.data, [want]);

  expectError("a slug taken twice", await errorOf(un.permissions.createPermission(create)), conflict);
  same("the response to a deletion", (await un.permissions.deletePermission({ permission: slug })).data, {});
  expectError("getPermission of a deleted permission", await errorOf(un.permissions.getPermission({ permission: id })), notFound);
}

async function oneRole() {
  const create = { name: unique("editor"), description: "May edit.", permissions: [unique("a.read"), unique("b.write")] };
  const id = (await un.permissions.createRole(create)).data.roleId;
  const want = { ...create, id, permissions: await named(create.permissions) };
  for (const role of [id, create.name]) same(`the role by ${role}`, await roleOf(role), want);
  const { data } = (await un.permissions.listRoles({ search: create.name })).result;
  same("the role found by search", data.map(inOrder), [want]);

  await rolePermissions(id, create.permissions[0]);
  expectError("a role's name taken twice", await errorOf(un.permissions.createRole(create)), conflict);
  same("the response to a deletion", (await un.permissions.deleteRole({ role: create.name })).data, {});
  expectError("getRole of a deleted role", await errorOf(un.permissions.getRole({ role: id })), notFound);
}

const inOrder = (role) => ({ ...role, permissions: sorted(role.permissions, (p) => p.slug) });
const roleOf = async (role) => inOrder((await un.permissions.getRole({ role })).data);

// named reads permissions by their slugs.
const named = (slugs) => Promise.all(slugs.map(async (permission) => (await un.permissions.getPermission({ permission })).data));

// rolePermissions replaces the permissions of a role: one stays, one is added, one is
// removed.
async function rolePermissions(roleId, kept) {
  const permissions = [kept, unique("c.delete")];
  const { data } = await un.permissions.setRolePermissions({ roleId, permissions });
  same("a role's permissions in the response", data, await named(permissions));
  same("a role's permissions read back", (await roleOf(roleId)).permissions, await named(permissions));
  same("a role's permissions cleared", (await un.permissions.setRolePermissions({ roleId, permissions: [] })).data, []);
  same("a role without permissions", (await roleOf(roleId)).permissions, undefined);
}
