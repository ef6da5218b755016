import { errorOf, holds, same } from "../lib/tally.mjs";
import { unique } from "../lib/server.mjs";
import { keyOf, limit, newAPI, newKey, newRole, un, verify } from "./client.mjs";
import { badRequest, expectError } from "./errors.mjs";

// updates changes each property of a key alone, clears those that null clears, and
// checks that the others do not change.
export async function updates() {
  const { keyId, key } = await newKey({ apiId: await newAPI(), name: "before" });
  const want = await keyOf(keyId);

  // update requests a change and checks that nothing else changed. If the record differs
  // from the request, the third argument is the change of the record.
  async function update(what, change, record = change) {
    same(`${what}, response`, (await un.keys.updateKey({ keyId, ...change })).data, {});
    Object.assign(want, record);
    const got = await keyOf(keyId);
    want.updatedAt = got.updatedAt;
    if (want.identity) want.identity.id = got.identity?.id;
    same(what, got, want);
  }
  await update("nothing", {});
  holds("the moment of the update", want.updatedAt >= want.createdAt, want.updatedAt);
  await values(update);
  await creditsOf(update);
  await lists(update);

  await update("disabled", { enabled: false });
  same("a disabled key verified", (await verify(key)).code, "DISABLED");
  await update("enabled", { enabled: true });
  same("an enabled key verified", (await verify(key)).code, "VALID");
}

async function values(update) {
  const externalId = unique("owner");
  await update("name", { name: "after" });
  await update("name null", { name: null }, { name: undefined });
  await update("meta", { meta: { plan: "free" } });
  await update("meta null", { meta: null }, { meta: undefined });
  await update("expires", { expires: Date.now() + 3_600_000 });
  await update("expires null", { expires: null }, { expires: undefined });
  await update("externalId", { externalId }, { identity: { externalId } });
  await update("externalId null", { externalId: null }, { identity: undefined });
}

async function creditsOf(update) {
  const daily = { interval: "daily", amount: 30 };
  const monthly = { interval: "monthly", amount: 9, refillDay: 31 };
  await update("credits", { credits: { remaining: 20, refill: daily } });
  await update("the balance alone", { credits: { remaining: 8 } }, { credits: { remaining: 8, refill: daily } });
  await update("the refill alone", { credits: { refill: monthly } }, { credits: { remaining: 8, refill: monthly } });
  await update("refill null", { credits: { refill: null } }, { credits: { remaining: 8 } });
  await update("remaining null", { credits: { remaining: null } }, { credits: undefined });
  await update("credits again", { credits: { remaining: 3 } });
  await update("credits null", { credits: null }, { credits: undefined });
}

async function lists(update) {
  await update("ratelimits", { ratelimits: [limit("requests", 5, false)] });
  await update("ratelimits emptied", { ratelimits: [] }, { ratelimits: undefined });
  await update("permissions", { permissions: [unique("docs.read"), unique("docs.write")].sort() });
  await update("permissions emptied", { permissions: [] }, { permissions: undefined });
  await update("roles", { roles: [await newRole()] });
  await update("roles emptied", { roles: [] }, { roles: undefined });
}

// credits changes the balance of a key in every way.
export async function credits() {
  const refill = { interval: "monthly", amount: 100, refillDay: 15 };
  const { keyId, key } = await newKey({ apiId: await newAPI(), credits: { remaining: 50, refill } });
  async function change(request, want) {
    const what = `${request.operation} ${request.value}`;
    same(`${what}, response`, (await un.keys.updateCredits({ keyId, ...request })).data, want);
    same(`${what}, stored`, (await keyOf(keyId)).credits, want.remaining === null ? undefined : want);
  }
  await change({ operation: "set", value: 10 }, { remaining: 10, refill });
  await change({ operation: "increment", value: 5 }, { remaining: 15, refill });
  await change({ operation: "decrement", value: 4 }, { remaining: 11, refill });
  await change({ operation: "decrement", value: 100 }, { remaining: 0, refill });
  same("a key without credits verified", (await verify(key)).code, "USAGE_EXCEEDED");
  await change({ operation: "set", value: null }, { remaining: null });
  await change({ operation: "set", value: 2 }, { remaining: 2 });
  await change({ operation: "set" }, { remaining: null });
  same("a key without a limit verified", (await verify(key)).credits, undefined);
  expectError("an increment of no limit", await errorOf(un.keys.updateCredits({ keyId, operation: "increment", value: 1 })), badRequest);
}
