// Exercises @unkey/api, as it is published, against a running Latchkey.
//
// compat/run sets its environment:
//
//   BASE_URL      the URL of the server
//   ROOT_KEY      a root key with every permission in its workspace
//   ROOT_KEY_CMD  a command; with permissions as arguments, its last line of output is
//                 a new root key with these permissions
//   LATCHKEY      the latchkey program, configured to call the server as its operator
//
// Its last line of output is the number of passed and failed checks. It fails if any
// check failed.
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

// The last scenario checks what the others called.
await runAll({
  apis, identities, permissions, keys, updates, credits, grants, migration, verification, "rate limits of keys": keyLimits,
  "rate limits": ratelimits, overrides, paging, "errors of every operation": errorsOfAll, "other errors": otherErrors, retries, completeness,
});
