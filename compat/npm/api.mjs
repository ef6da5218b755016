// Exercises @unkey/api, as it is published, against a running Latchkey.
//
// It takes the server from the environment, as compat/run sets it:
//
//   BASE_URL      where the server is
//   ROOT_KEY      a root key that may do everything in its workspace
//   ROOT_KEY_CMD  a command; with permissions appended as arguments it prints, on
//                 its last line, a new root key that holds them
//   LATCHKEY      the latchkey program, set up to reach the server as its operator
//
// It ends with one line, how many checks passed and how many failed, and fails
// if any did.
import { runAll } from "./lib/tally.mjs";
import { apis } from "./api/apis.mjs";
import { identities } from "./api/identities.mjs";
import { permissions } from "./api/permissions.mjs";
import { keys } from "./api/keys.mjs";
import { credits, updates } from "./api/updates.mjs";
import { grants, migration } from "./api/grants.mjs";
import { keyLimits, verification } from "./api/verification.mjs";
import { overrides, ratelimits } from "./api/ratelimits.mjs";
import { paging } from "./api/paging.mjs";
import { otherErrors } from "./api/errors.mjs";
import { errorsOfAll } from "./api/matrix.mjs";
import { retries } from "./api/retries.mjs";
import { completeness } from "./api/completeness.mjs";

// The last scenario looks back at the others.
await runAll({
  apis, identities, permissions, keys, updates, credits, grants, migration, verification, "rate limits of keys": keyLimits,
  "rate limits": ratelimits, overrides, paging, "errors of every operation": errorsOfAll, "other errors": otherErrors, retries, completeness,
});
