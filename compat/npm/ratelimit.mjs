// Exercises @unkey/ratelimit, as it is published, against a running Latchkey.
//
// Its environment and output are those of api.mjs. The package contains @unkey/api
// 2.2.0.
import * as published from "@unkey/ratelimit";
import { tried } from "../lib/results.mjs";
import { holds, runAll, same } from "./lib/tally.mjs";
import { limits, units } from "./ratelimit/limits.mjs";
import { overrides, overridePages } from "./ratelimit/overrides.mjs";
import { blocking, errors, retries, timeouts } from "./ratelimit/trouble.mjs";
import { exercised, watched } from "./ratelimit/client.mjs";

// noop allows everything without a request.
async function noop() {
  const limiter = watched(new published.NoopRatelimit());
  same("the limiter that does nothing", await limiter.limit("user_1"), { success: true, limit: 0, remaining: 0, reset: 0 });
}

// completeness checks that every public method of every exported class was called.
function completeness() {
  same("what the package exports", Object.keys(published).filter((name) => name !== "default" && name !== "module.exports").sort(), ["NoopRatelimit", "Overrides", "Ratelimit"]);
  const classes = [published.NoopRatelimit, published.Overrides, published.Ratelimit];
  const methods = classes.flatMap((c) =>
    Object.getOwnPropertyNames(c.prototype).filter((name) => name !== "constructor" && !name.startsWith("_")).map((name) => `${c.name}.${name}`),
  );
  for (const method of methods) holds(`${method} succeeded`, exercised.has(method));
  same("methods of the package", methods.length, 6);
  tried("`@unkey/ratelimit`", "2.1.4", exercised);
}

await runAll({
  limits, units, overrides, "pages of overrides": overridePages, blocking, timeouts, errors, retries, noop, completeness,
});
