// Exercises older clients of version 2: the common operations of @unkey/api and a limit.
// BASE_URL and ROOT_KEY are set by compat/run.
import assert from "node:assert";
import * as api20 from "api-2.0";
import * as api24 from "api-2.4";
import { Ratelimit } from "ratelimit-2.0";
import { recorded, tried } from "../lib/results.mjs";

const { BASE_URL: baseUrl, ROOT_KEY: rootKey } = process.env;
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

// common calls the common operations of a version of @unkey/api.
async function common(version, { Unkey }) {
  const methods = new Set();
  const unkey = recorded(new Unkey({ rootKey, serverURL: baseUrl }), methods);
  const { apiId } = (await unkey.apis.createApi({ name: "payments" })).data;
  same(`${version} getApi`, (await unkey.apis.getApi({ apiId })).data.name, "payments");
  const limits = [{ name: "calls", limit: 3, duration: 60_000, autoApply: true }];
  const { key, keyId } = (await unkey.keys.createKey({
    apiId, externalId: "user", credits: { remaining: 5 }, permissions: ["docs.read"], ratelimits: limits,
  })).data;
  const seen = (await unkey.keys.verifyKey({ key, permissions: "docs.read" })).data;
  same(`${version} verifyKey`, [seen.valid, seen.code, seen.credits, seen.identity.externalId], [true, "VALID", 4, "user"]);
  await unkey.keys.updateKey({ keyId, name: null, enabled: false });
  same(`${version} updateKey`, (await unkey.keys.verifyKey({ key })).data.code, "DISABLED");
  same(`${version} getKey`, (await unkey.keys.getKey({ keyId })).data.ratelimits.length, 1);
  same(`${version} whoami`, (await unkey.keys.whoami({ key })).data.keyId, keyId);
  const page = await unkey.apis.listKeys({ apiId });
  const keys = page.data ?? page.result.data;
  same(`${version} listKeys`, keys.length, 1);
  const limited = (await unkey.ratelimit.limit({ namespace: "older", identifier: version, limit: 2, duration: 60_000 })).data;
  same(`${version} limit`, [limited.success, limited.remaining], [true, 1]);
  const error = await unkey.keys.getKey({ keyId: "key_unknown" }).catch((e) => e);
  same(`${version} an unknown key`, error.name, "NotFoundErrorResponse");
  await unkey.keys.deleteKey({ keyId });
  await unkey.apis.deleteApi({ apiId });
  tried("`@unkey/api`", version, methods);
}

await common("2.0.3", api20);
await common("2.4.0", api24);
const methods = new Set();
const ratelimit = recorded(new Ratelimit({ rootKey, baseUrl, namespace: "older.mail", limit: 2, duration: "60s" }), methods);
for (const want of [true, true, false]) {
  same("@unkey/ratelimit 2.0.0", (await ratelimit.limit("bob")).success, want);
}
tried("`@unkey/ratelimit`", "2.0.0", methods);
console.log(`${counts.passed} passed, ${counts.failed} failed`);
process.exit(counts.failed ? 1 : 0);
