import { errorOf, holds, same } from "../lib/tally.mjs";
import { day, latchkey, unique } from "../lib/server.mjs";
import { comparable, keyOf, limit, newAPI, newKey, newRole, un, verify } from "./client.mjs";
import { notFound, expectError } from "./errors.mjs";

const minute = 60_000;

// fullKey returns a request for a key with every property, and the expected record.
export async function fullKey(apiId) {
  const shared = {
    name: "full",
    meta: { plan: "pro", seats: 3, nested: { on: true } },
    roles: [await newRole()],
    permissions: [unique("docs.read"), unique("docs.write")].sort(),
    expires: Date.now() + 60 * minute,
    enabled: true,
    credits: { remaining: 50, refill: { interval: "monthly", amount: 100, refillDay: 15 } },
    ratelimits: [limit("requests", 10, true), limit("tokens", 500, false)],
  };
  const externalId = unique("user");
  const request = { apiId, prefix: "my_app", byteLength: 24, externalId, recoverable: true, ...shared };
  return { request, want: { ...shared, identity: { externalId } } };
}

// keys creates a key with every property and reads it back in all four ways. Then it
// rerolls and deletes keys.
export async function keys() {
  const apiId = await newAPI();
  latchkey("apis", "update", apiId, "--store-encrypted-keys");
  const { request, want } = await fullKey(apiId);
  const before = Date.now() - minute;
  const { keyId, key } = await newKey(request);
  holds("the key has its whole prefix", key.startsWith("my_app_"));

  const got = await keyOf(keyId);
  holds("the moment of creation in milliseconds", before < got.createdAt && got.createdAt < before + 2 * minute, got.createdAt);
  want.identity.id = got.identity.id;
  Object.assign(want, { keyId, start: key.slice(0, "my_app_".length + 4), createdAt: got.createdAt });
  same("the key by getKey", got, want);
  same("the key by whoami", comparable((await un.keys.whoami({ key })).data), want);
  const decrypted = { ...want, plaintext: key };
  same("the key decrypted by getKey", comparable((await un.keys.getKey({ keyId, decrypt: true })).data), decrypted);
  const list = await un.apis.listKeys({ apiId, externalId: request.externalId, decrypt: true, revalidateKeysCache: true });
  same("the key decrypted by listKeys", list.result.data.map(comparable), [decrypted]);

  await verified(key, want);
  await bareKey(apiId);
  await reroll(request);
  await remove(apiId);
}

// verified verifies the key, which costs one credit and one call of its limit.
async function verified(key, { start, createdAt, ...want }) {
  const { ratelimits, ...got } = await verify(key, { tags: ["path=/compat", "sdk=ts"] });
  same("the key by verifyKey", comparable(got), { ...want, ratelimits: undefined, valid: true, code: "VALID", credits: 49 });
  const checked = ratelimits.map(({ id, reset, ...rest }) => rest);
  same("the limits that were checked", checked, [{ ...limit("requests", 10, true), exceeded: false, remaining: 9 }]);
  holds("a limit's window ends at a multiple of its length", ratelimits[0].reset % day === 0 && ratelimits[0].reset > Date.now(), ratelimits);
}

// bareKey creates a key with only its API.
async function bareKey(apiId) {
  const { keyId, key } = await newKey({ apiId });
  const got = await keyOf(keyId);
  same("a bare key", got, { keyId, start: key.slice(0, 4), enabled: true, createdAt: got.createdAt });
  same("a bare key verified", await verify(key), { valid: true, code: "VALID", keyId, enabled: true });
  const unlimited = await newKey({ apiId, credits: { remaining: null } });
  same("a key created with remaining null has no credits", (await keyOf(unlimited.keyId)).credits, undefined);
}

// reroll rerolls keys without and with a grace period of one minute.
async function reroll(request) {
  const old = await newKey(request);
  const fresh = (await un.keys.rerollKey({ keyId: old.keyId, expiration: 0 })).data;
  const { createdAt, ...after } = await keyOf(fresh.keyId);
  const { createdAt: earlier, expires, ...before } = await keyOf(old.keyId);
  holds("the replaced key ends now", expires <= Date.now(), expires);
  delete before.updatedAt;
  same("the rerolled key", after, { ...before, expires: request.expires, keyId: fresh.keyId, start: fresh.key.slice(0, "my_app_".length + 4) });
  same("the old key, no grace", (await verify(old.key)).code, "EXPIRED");
  same("the new key", (await verify(fresh.key)).code, "VALID");

  const again = (await un.keys.rerollKey({ keyId: fresh.keyId, expiration: minute })).data;
  same("the replaced key within its grace", (await verify(fresh.key)).code, "VALID");
  same("the key that replaces it", (await verify(again.key)).code, "VALID");
  holds("the grace ends the replaced key", (await keyOf(fresh.keyId)).expires <= Date.now() + minute);
}

// remove deletes a key softly and another permanently.
async function remove(apiId) {
  for (const permanent of [false, true]) {
    const { keyId, key } = await newKey({ apiId });
    same("the response to a deletion", (await un.keys.deleteKey({ keyId, permanent })).data, {});
    same("a deleted key", await verify(key), { valid: false, code: "NOT_FOUND" });
    expectError("getKey of a deleted key", await errorOf(un.keys.getKey({ keyId })), notFound);
    expectError("whoami of a deleted key", await errorOf(un.keys.whoami({ key })), notFound);
    expectError("a second deletion", await errorOf(un.keys.deleteKey({ keyId, permanent })), notFound);
  }
}
