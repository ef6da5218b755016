// Exercises @unkey/hono, as it is published, in a real Hono application on a port,
// against a running Latchkey.
//
// Its environment and output are those of api.mjs. The package has no option for the
// server's address: it always calls https://api.unkey.com. See redirect.mjs.
import * as published from "@unkey/hono";
import { tried } from "../lib/results.mjs";
import { holds, runAll, same } from "./lib/tally.mjs";
import { redirect } from "./hono/redirect.mjs";
import { codes, keysFrom, result } from "./hono/keys.mjs";
import { notServed, onError, serverErrors } from "./hono/trouble.mjs";

function completeness() {
  same("what the package exports", Object.keys(published).filter((name) => name !== "default" && name !== "module.exports"), ["unkey"]);
  holds("calls of https://api.unkey.com that came here", redirect.calls > 10, redirect.calls);
  tried("`@unkey/hono`", "2.0.0", ["unkey"]);
}

await runAll({ result, codes, "where keys come from": keysFrom, "no handler for invalid keys": notServed, "errors of the server": serverErrors, onError, completeness });
