// The server that the checks run against, as compat/run sets it in the
// environment.
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";

function env(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; compat/run sets it`);
  return value;
}

export const baseURL = env("BASE_URL");

// allPowerful is a root key that may do everything in its workspace.
export const allPowerful = env("ROOT_KEY");

// day is a window long enough that no run crosses its end by bad luck alone, in
// milliseconds.
export const day = 24 * 60 * 60 * 1000;

// unique returns a name that nothing else on the server has.
export const unique = (prefix) => `${prefix}_${randomBytes(6).toString("hex")}`;

// lastLine runs a command and returns the last line it prints, where the
// latchkey program puts what other programs want of it.
function lastLine(command, ...args) {
  return execFileSync(command, args, { encoding: "utf8" }).trim().split("\n").at(-1);
}

// latchkey runs the latchkey program as the server's operator.
export const latchkey = (...args) => lastLine(env("LATCHKEY"), ...args);

// rootKey makes a root key that holds the permissions and nothing else.
export const rootKey = (...permissions) => lastLine(...env("ROOT_KEY_CMD").split(" "), ...permissions);
