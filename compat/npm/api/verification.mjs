import { errorOf, holds, same } from "../lib/tally.mjs";
import { allPowerful, day, latchkey, unique } from "../lib/server.mjs";
import { limit, newAPI, newKey, un, verify } from "./client.mjs";
import { badRequest, expectError } from "./errors.mjs";

// code checks the code of a verification, and that only VALID is valid.
function code(what, got, want) {
  same(what, { code: got.code, valid: got.valid }, { code: want, valid: want === "VALID" });
}

// verification makes the server respond with every code.
export async function verification() {
  const apiId = await newAPI();
  const { key } = await newKey({ apiId });
  code("a good key", await verify(key), "VALID");
  same("an unknown key", await verify(unique("sk")), { valid: false, code: "NOT_FOUND" });
  same("a root key", await verify(allPowerful), { valid: false, code: "NOT_FOUND" });
  code("a disabled key", await verify((await newKey({ apiId, enabled: false })).key), "DISABLED");
  code("an expired key", await verify((await newKey({ apiId, expires: Date.now() - 60_000 })).key), "EXPIRED");
  await spending(apiId);
  await queries(apiId);

  latchkey("apis", "update", apiId, "--ip-whitelist=192.0.2.7");
  code("a key from an address that is not listed", await verify(key), "FORBIDDEN");
  latchkey("apis", "update", apiId, "--ip-whitelist=192.0.2.7,127.0.0.0/8,::1");
  code("a key from a listed network", await verify(key), "VALID");
}

// spending verifies a key with different costs.
async function spending(apiId) {
  const { key } = await newKey({ apiId, credits: { remaining: 5 } });
  async function spend(what, request, want, balance) {
    const got = await verify(key, request);
    code(what, got, want);
    same(`${what}, credits`, got.credits, balance);
  }
  await spend("a cost within the balance", { credits: { cost: 3 } }, "VALID", 2);
  await spend("a cost above the balance", { credits: { cost: 3 } }, "USAGE_EXCEEDED", 2);
  await spend("the default cost", {}, "VALID", 1);
  await spend("the last credit", { credits: { cost: 1 } }, "VALID", 0);
  await spend("an empty balance", {}, "USAGE_EXCEEDED", 0);
  await spend("no cost", { credits: { cost: 0 } }, "VALID", 0);
}

// queries checks queries for permissions that a key has and does not have.
async function queries(apiId) {
  const { key } = await newKey({ apiId, permissions: ["docs.read", "docs.write"] });
  for (const permissions of ["docs.read", "docs.read AND docs.write", "docs.delete OR docs.write", "docs.read and (docs.delete or docs.write)"]) {
    code(permissions, await verify(key, { permissions }), "VALID");
  }
  for (const permissions of ["docs.delete", "docs.read AND docs.delete", "docs.*", "(docs.delete OR docs.admin) AND docs.read"]) {
    code(permissions, await verify(key, { permissions }), "INSUFFICIENT_PERMISSIONS");
  }
  const permissions = "docs.read AND (";
  const syntax = { ...badRequest, type: "user/bad_request/permissions_query_syntax_error" };
  expectError("an invalid query", await errorOf(verify(key, { permissions })), syntax);
  code("an unknown key with a query that is no query", await verify(unique("sk"), { permissions }), "NOT_FOUND");
}

// keyLimits verifies a key until its own, its identity's and ad hoc limits deny.
export async function keyLimits() {
  const apiId = await newAPI();
  const externalId = unique("user");
  await un.identities.createIdentity({ externalId, ratelimits: [limit("shared", 3, true)] });
  const request = { apiId, externalId, ratelimits: [limit("own", 2, false)] };
  const [one, other] = [await newKey(request), await newKey(request)];
  async function ask({ key }, ratelimits) {
    const got = await verify(key, { ratelimits });
    return { code: got.code, ...Object.fromEntries((got.ratelimits ?? []).map((l) => [l.name, l])) };
  }
  const own = [{ name: "own" }];
  let got = await ask(one, own);
  same("own and shared limit, first", [got.own.remaining, got.shared.remaining], [1, 2]);
  holds("limits have ids", got.own.id && got.shared.id, got);
  same("shared limit through the other key", (await ask(other)).shared.remaining, 1);
  same("own limit, last", (await ask(one, own)).own.remaining, 0);
  got = await ask(one, own);
  same("own and shared limit, too many", [got.code, got.own.exceeded, got.own.remaining, got.shared.exceeded], ["RATE_LIMITED", true, 0, true]);

  const free = await newKey({ apiId });
  const adHoc = [{ name: "burst", limit: 5, duration: day, cost: 4 }];
  const { reset, id, ...burst } = (await ask(free, adHoc)).burst;
  same("an ad-hoc limit", burst, { ...limit("burst", 5, false), exceeded: false, remaining: 1 });
  same("an ad-hoc limit exceeded", (await ask(free, adHoc)).code, "RATE_LIMITED");
  expectError("a limit that does not exist", await errorOf(verify(free.key, { ratelimits: own })), { name: "APIError", status: 412 });
}
