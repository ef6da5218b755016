import { same, sorted } from "../lib/tally.mjs";
import { day, unique } from "../lib/server.mjs";
import { newAPI, newKey, un } from "./client.mjs";
import { count } from "./ratelimits.mjs";

// Seven items in pages of three make three pages. The last one is not full.
const items = 7;
const limit = 3;

// paging reads every list to its end with the SDK's paginator.
export async function paging() {
  const [apiId, namespace, search] = [await newAPI(), unique("namespace"), unique("paged")];
  await count(namespace, "anybody", 0);
  const names = Array.from({ length: items }, (_, i) => `${search}_${i}`);
  const keyIds = [];
  for (const name of names) {
    keyIds.push((await newKey({ apiId })).keyId);
    await un.identities.createIdentity({ externalId: name });
    await un.permissions.createPermission({ name: "Paged", slug: name });
    await un.permissions.createRole({ name });
    await un.ratelimit.setOverride({ namespace, identifier: name, limit: 1, duration: day });
  }
  await walk("listKeys", await un.apis.listKeys({ apiId, limit }), "keyId", keyIds);
  await walk("listIdentities", await un.identities.listIdentities({ limit, search }), "externalId", names);
  await walk("listPermissions", await un.permissions.listPermissions({ limit, search }), "slug", names);
  await walk("listRoles", await un.permissions.listRoles({ limit, search }), "name", names);
  await walk("listOverrides", await un.ratelimit.listOverrides({ namespace, limit }), "identifier", names);
}

// walk reads a list to its end and checks that it has three pages and every item once.
async function walk(what, list, member, want) {
  const pages = [];
  for await (const page of list) pages.push(page.result.data.map((item) => item[member]));
  same(`${what} has every item once`, sorted(pages.flat()), sorted(want));
  same(`${what}, sizes of pages`, pages.map((page) => page.length), [3, 3, 1]);
}
