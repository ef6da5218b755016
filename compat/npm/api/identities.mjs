import { errorOf, holds, same } from "../lib/tally.mjs";
import { unique } from "../lib/server.mjs";
import { identity, limit, un, withoutIDs } from "./client.mjs";
import { conflict, notFound, expectError } from "./errors.mjs";

// identities creates, reads, updates and deletes an identity.
export async function identities() {
  const create = {
    externalId: unique("user"),
    meta: { plan: "pro", seats: 3, tags: ["a", "b"], nested: { on: true } },
    ratelimits: [limit("requests", 100, true), limit("tokens", 5000, false)],
  };
  const id = (await un.identities.createIdentity(create)).data.identityId;
  const want = { id, ...create };
  same("the identity by its id", await identity(id), want);
  same("the identity by its external id", await identity(create.externalId), want);
  expectError("an external id taken twice", await errorOf(un.identities.createIdentity(create)), conflict);

  await change(id, create.externalId);
  await list(id, create.externalId);
  await remove(id, create.externalId);
}

async function change(id, externalId) {
  const limitID = async () => (await un.identities.getIdentity({ identity: id })).data.ratelimits.find((l) => l.name === "requests").id;
  const before = await limitID();
  const want = { id, externalId, meta: { plan: "free" }, ratelimits: [limit("requests", 7, true)] };
  const { data } = await un.identities.updateIdentity({ identity: id, meta: want.meta, ratelimits: want.ratelimits });
  same("the response to an update", { ...data, ratelimits: withoutIDs(data.ratelimits) }, want);
  same("the updated identity", await identity(id), want);
  same("the id of a limit of the same name", await limitID(), before);

  await un.identities.updateIdentity({ identity: id, ratelimits: [] });
  same("limits removed, meta kept", await identity(id), { id, externalId, meta: want.meta });
  await un.identities.updateIdentity({ identity: id, meta: {} });
  same("meta cleared", await identity(id), { id, externalId });
}

async function list(id, externalId) {
  const { result } = await un.identities.listIdentities({ search: externalId });
  same("the identity found by search", result.data, [{ id, externalId }]);
  same("the only page", result.pagination, { hasMore: false });
}

async function remove(id, externalId) {
  const deleted = await un.identities.deleteIdentity({ identity: externalId });
  holds("the response to a deletion has a request id", deleted.meta.requestId);
  expectError("getIdentity of a deleted identity", await errorOf(un.identities.getIdentity({ identity: id })), notFound);
  expectError("a second deletion", await errorOf(un.identities.deleteIdentity({ identity: externalId })), notFound);
}
