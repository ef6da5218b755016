import { errorOf, holds, same } from "../lib/tally.mjs";
import { viaProxy } from "../lib/proxy.mjs";
import { latchkey, unique } from "../lib/server.mjs";
import { limiter } from "./client.mjs";

// silent is a step of the proxy that never responds.
const silent = () => {};

// blocking checks that a denied identifier is denied locally, from a map that the
// application can share.
export async function blocking() {
  const cache = new Map();
  const namespace = unique("namespace");
  const requests = await viaProxy([], async (baseUrl) => {
    const limit = limiter({ baseUrl, cache, namespace, limit: 1 });
    await limit.limit("user_1");
    const denied = await limit.limit("user_1");
    same("one too many", denied.success, false);
    same("denied again", await limit.limit("user_1"), denied);
    same("denied by another limiter with the same map", await limiter({ baseUrl, cache, namespace, limit: 1 }).limit("user_1"), denied);
  });
  same("requests sent", requests, 2);
  same("identifiers in the map", cache.size, 1);
}

// timeouts checks a server that does not respond: the package denies by default, or
// returns the fallback of the application.
export async function timeouts() {
  const pass = { success: true, limit: 0, remaining: 0, reset: 0 };
  await viaProxy([silent, silent], async (baseUrl) => {
    same("a fallback", await limiter({ baseUrl, timeout: { ms: 50, fallback: pass } }).limit("user_1"), pass);
    const fallback = (identifier) => ({ ...pass, success: identifier === "user_2" });
    same("a fallback for an identifier", await limiter({ baseUrl, timeout: { ms: "50ms", fallback } }).limit("user_2"), pass);
  });
  const never = { ms: "10s", fallback: () => ({ ...pass, limit: -1 }) };
  same("a server in time", (await limiter({ timeout: never }).limit("user_1")).limit, 3);
  same("no timeout", (await limiter({ timeout: false }).limit("user_1")).limit, 3);
  await viaProxy([silent], async (baseUrl) => {
    const { success, limit, remaining } = await limiter({ baseUrl }).limit("user_1");
    same("the package's own fallback, after five seconds", { success, limit, remaining }, { success: false, limit: 0, remaining: 0 });
  });
}

// errors checks that errors of the server reach the application, directly or through
// onError.
export async function errors() {
  const bad = await errorOf(limiter({ rootKey: unique("latchkey") }).limit("user_1"));
  same("an unknown root key", [bad?.name, bad?.statusCode], ["UnauthorizedErrorResponse", 401]);
  const calls = [];
  const onError = (error, identifier) => {
    calls.push([error instanceof Error, identifier]);
    return { success: true, limit: 0, remaining: 0, reset: 0 };
  };
  same("onError decides", (await limiter({ rootKey: unique("latchkey"), onError }).limit("user_1")).success, true);
  same("what onError is told", calls, [[true, "user_1"]]);

  const namespace = unique("gone");
  await limiter({ namespace }).limit("user_1");
  latchkey("namespaces", "delete", namespace);
  const gone = await errorOf(limiter({ namespace }).limit("user_1"));
  same("a deleted namespace", [gone?.name, gone?.statusCode], ["GoneErrorResponse", 410]);

  const limited = latchkey("workspaces", "create", unique("limited"), "--requests-per-minute", "0");
  const tooMany = await errorOf(limiter({ rootKey: limited }).limit("user_1"));
  same("above the workspace's limit", [tooMany?.name, tooMany?.statusCode], ["APIError", 429]);
}

// retries checks that the embedded SDK's retries reach the server and count once.
export async function retries() {
  const namespace = unique("namespace");
  const requests = await viaProxy([500, 503], async (baseUrl) => {
    const { success, remaining } = await limiter({ baseUrl, namespace }).limit("user_1");
    same("counted once", { success, remaining }, { success: true, remaining: 2 });
  });
  same("500 and 503, then success, requests", requests, 3);
  holds("counted once on the server", (await limiter({ namespace }).limit("user_1", { cost: 0 })).remaining === 2);
}
