// Exercises @unkey/api 0.36 and @unkey/ratelimit 0.5, which speak version 1.
// BASE_URL, ROOT_KEY and LATCHKEY are set by compat/run.
import assert from "node:assert";
import { execFileSync } from "node:child_process";
import { Unkey, verifyKey } from "api-0.36";
import { NoopRatelimit, Overrides, Ratelimit } from "ratelimit-0.5";
import { recorded, tried } from "../lib/results.mjs";

const { BASE_URL: baseUrl, LATCHKEY, ROOT_KEY: rootKey } = process.env;
const methods = new Set(), limits = new Set();
const unkey = recorded(new Unkey({ rootKey, baseUrl, retry: { attempts: 1 } }), methods);
const counts = { passed: 0, failed: 0 };

function same(what, got, want) {
  try {
    assert.deepStrictEqual(got, want);
    counts.passed++;
  } catch {
    counts.failed++;
    console.error(`FAIL ${what}: got ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
  }
}

async function result(what, promise) {
  const { result, error } = await promise;
  same(what, error, undefined);
  return result;
}

const { apiId } = await result("apis.create", unkey.apis.create({ name: "payments" }));
same("apis.get", (await result("apis.get", unkey.apis.get({ apiId }))).name, "payments");
const limit = { type: "fast", limit: 3, refillRate: 3, refillInterval: 60_000 };
const { key, keyId } = await result("keys.create", unkey.keys.create({ apiId, ownerId: "u", remaining: 5, ratelimit: limit }));
let seen = await result("keys.verify", unkey.keys.verify({ apiId, key }));
same("keys.verify", [seen.valid, seen.code, seen.remaining, seen.ratelimit.remaining, seen.ownerId], [true, "VALID", 4, 2, "u"]);
const got = await result("keys.get", unkey.keys.get({ keyId }));
same("keys.get", [got.id, got.apiId, got.remaining, got.ratelimit.limit], [keyId, apiId, 4, 3]);
same("apis.listKeys", (await result("apis.listKeys", unkey.apis.listKeys({ apiId }))).keys.map((k) => k.id), [keyId]);
await result("keys.update", unkey.keys.update({ keyId, name: "other", ratelimit: null }));
same("keys.update", (await unkey.keys.get({ keyId })).result.ratelimit, undefined);
same("keys.updateRemaining", await result("keys.updateRemaining", unkey.keys.updateRemaining({ keyId, op: "increment", value: 2 })), { remaining: 6 });
same("an unknown key", (await unkey.keys.get({ keyId: "key_unknown" })).error.code, "NOT_FOUND");
same("a bad request", (await unkey.apis.create({ name: "" })).error.code, "BAD_REQUEST");
same("an unknown root key", (await new Unkey({ rootKey: "unknown", baseUrl }).apis.get({ apiId })).error.code, "UNAUTHORIZED");

// verifyKey has no option for the server, so the global fetch is redirected.
const { fetch } = globalThis;
globalThis.fetch = (url, init) => fetch(String(url).replace("https://api.unkey.dev", baseUrl), init);
seen = await result("verifyKey", verifyKey({ key, apiId }));
same("verifyKey", [seen.valid, seen.remaining], [true, 5]);
globalThis.fetch = fetch;

const key2 = { keyId: (await result("keys.create", unkey.keys.create({ apiId }))).keyId };
for (const [one, many] of [["Permission", "permissions"], ["Role", "roles"]]) {
  const name = one === "Role" ? "editor" : "letters.write";
  const id = (await result(`create${one}`, unkey.permissions[`create${one}`]({ name })))[`${one.toLowerCase()}Id`];
  const query = { [`${one.toLowerCase()}Id`]: id };
  same(`get${one}`, await result(`get${one}`, unkey.permissions[`get${one}`](query)), { id, name });
  for (const method of [`add${one}s`, `set${one}s`]) {
    same(method, await result(method, unkey.keys[method]({ ...key2, [many]: [{ name }] })), [{ id, name }]);
  }
  await result(`remove${one}s`, unkey.keys[`remove${one}s`]({ ...key2, [many]: [{ id }] }));
  same(`remove${one}s`, (await unkey.keys.get(key2)).result[many], undefined);
  await result(`delete${one}`, unkey.permissions[`delete${one}`](query));
  same(`delete${one}`, (await unkey.permissions[`get${one}`](query)).error.code, "NOT_FOUND");
}

const ratelimits = [{ name: "calls", limit: 1, duration: 60_000 }];
const identityId = (await result("identities.create", unkey.identities.create({ externalId: "v1_user", meta: { a: 1 }, ratelimits }))).identityId;
const owner = { id: identityId, externalId: "v1_user", meta: { a: 1 }, ratelimits };
same("identities.get", await result("identities.get", unkey.identities.get({ externalId: "v1_user" })), owner);
same("identities.list", (await result("identities.list", unkey.identities.list({}))).identities.some((i) => i.id === identityId), true);
same("identities.update", (await result("identities.update", unkey.identities.update({ identityId, meta: { b: 2 } }))).meta, { b: 2 });
await result("identities.delete", unkey.identities.delete({ identityId }));

const where = { namespaceName: "v1.overrides", identifier: "bob" };
same("ratelimits.limit", (await result("ratelimits.limit", unkey.ratelimits.limit({ namespace: "v1.overrides", identifier: "bob", limit: 5, duration: 60_000 }))).remaining, 4);
await result("ratelimits.setOverride", unkey.ratelimits.setOverride({ ...where, limit: 9, duration: 60_000 }));
same("ratelimits.getOverride", (await result("ratelimits.getOverride", unkey.ratelimits.getOverride(where))).limit, 9);
same("ratelimits.listOverrides", (await result("ratelimits.listOverrides", unkey.ratelimits.listOverrides({ namespaceName: "v1.overrides" }))).total, 1);
await result("ratelimits.deleteOverride", unkey.ratelimits.deleteOverride(where));

same("migrations.createKeys", (await result("migrations.createKeys", unkey.migrations.createKeys([{ apiId, plaintext: "old" }]))).keyIds.length, 1);
const migrationId = execFileSync(LATCHKEY, ["migrations", "create", "sha256"], { encoding: "utf8" }).trim().split("\n").pop();
await result("migrations.enqueueKeys", unkey.migrations.enqueueKeys({ migrationId, apiId, keys: [{ plaintext: "new" }] }));
same("verify of an imported key", (await unkey.keys.verify({ key: "old", apiId })).result.code, "VALID");

const ratelimit = recorded(new Ratelimit({ rootKey, baseUrl, namespace: "v1.mail", limit: 2, duration: "60s" }), limits, "Ratelimit.");
const overrides = recorded(new Overrides({ rootKey, baseUrl }), limits, "Overrides.");
for (const want of [true, true, false]) {
  same("ratelimit.limit", (await ratelimit.limit("bob")).success, want);
}
const mail = { namespaceName: "v1.mail", identifier: "eve" };
await result("setOverride", overrides.setOverride({ ...mail, limit: 0, duration: 60_000 }));
same("getOverride", (await result("getOverride", overrides.getOverride(mail))).limit, 0);
same("an override of 0", (await ratelimit.limit("eve")).success, false);
same("listOverrides", (await result("listOverrides", overrides.listOverrides({ namespaceName: "v1.mail" }))).overrides.length, 1);
await result("deleteOverride", overrides.deleteOverride(mail));
same("noop", (await recorded(new NoopRatelimit(), limits, "NoopRatelimit.").limit("bob")).success, true);
const down = new Ratelimit({ rootKey: "unknown", baseUrl, namespace: "v1.mail", limit: 2, duration: "60s", onError: () => ({ success: true, limit: 0, remaining: 0, reset: 0 }) });
same("an error", (await down.limit("bob").catch((error) => error.message.split(" ")[2])), "[UNAUTHORIZED"); // onError isn't called
await result("keys.delete", unkey.keys.delete({ keyId }));
await result("apis.delete", unkey.apis.delete({ apiId }));

// Version 1 refuses analytics.
const without = new Set(["keys.getVerifications", "analytics.getVerifications"]);
const groups = ["keys", "apis", "permissions", "ratelimits", "identities", "analytics", "migrations"];
const all = groups.flatMap((group) => Object.keys(unkey[group]).map((name) => `${group}.${name}`));
same("methods that never succeeded", all.filter((name) => !methods.has(name) && !without.has(name)), []);
tried("`@unkey/api`", "0.36.0", methods.add("verifyKey"));
tried("`@unkey/ratelimit`", "0.5.5", limits);
console.log(`${counts.passed} passed, ${counts.failed} failed`);
process.exit(counts.failed ? 1 : 0);
