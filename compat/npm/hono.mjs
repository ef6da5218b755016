// Exercises @unkey/hono, as it is published, in a real Hono application that
// listens on a port, against a running Latchkey.
//
// It takes the server from the environment as api.mjs does, and ends as that
// does. The package has no option for the server's address: it always calls
// https://api.unkey.com. See redirect for how the calls get here.
import * as published from "@unkey/hono";
import { holds, runAll, same } from "./lib/tally.mjs";
import { redirect } from "./hono/redirect.mjs";
import { codes, keysFrom, result } from "./hono/keys.mjs";
import { notServed, onError, serverErrors } from "./hono/trouble.mjs";

function completeness() {
  same("what the package exports", Object.keys(published).filter((name) => name !== "default" && name !== "module.exports"), ["unkey"]);
  holds("calls of https://api.unkey.com that came here", redirect.calls > 10, redirect.calls);
}

await runAll({ result, codes, "where keys come from": keysFrom, "no handler for invalid keys": notServed, "errors of the server": serverErrors, onError, completeness });
