// Exercises @unkey/api 0.36 and @unkey/ratelimit 0.5, which speak version 1.
// BASE_URL and ROOT_KEY are set by compat/run.
import assert from "node:assert";
import { Unkey, verifyKey } from "api-0.36";
import { Ratelimit } from "ratelimit-0.5";

const { BASE_URL: baseUrl, ROOT_KEY: rootKey } = process.env;
const unkey = new Unkey({ rootKey, baseUrl, retry: { attempts: 1 } });
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

const ratelimit = new Ratelimit({ rootKey, baseUrl, namespace: "v1.mail", limit: 2, duration: "60s" });
for (const want of [true, true, false]) {
  same("ratelimit.limit", (await ratelimit.limit("bob")).success, want);
}
await result("keys.delete", unkey.keys.delete({ keyId }));
await result("apis.delete", unkey.apis.delete({ apiId }));
console.log(`${counts.passed} passed, ${counts.failed} failed`);
process.exit(counts.failed ? 1 : 0);
