// The server under test. compat/run sets the environment.
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";

function env(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; compat/run sets it`);
  return value;
}

export const baseURL = env("BASE_URL");

// allPowerful is a root key with every permission in its workspace.
export const allPowerful = env("ROOT_KEY");

// day is a window in milliseconds. It is long, so that a run seldom crosses its end.
export const day = 24 * 60 * 60 * 1000;

// unique returns a name that is unique on the server.
export const unique = (prefix) => `${prefix}_${randomBytes(6).toString("hex")}`;

// lastLine runs a command and returns the last line of its output, where the latchkey
// program prints ids and keys.
function lastLine(command, ...args) {
  return execFileSync(command, args, { encoding: "utf8" }).trim().split("\n").at(-1);
}

// latchkey runs the latchkey program as the server's operator.
export const latchkey = (...args) => lastLine(env("LATCHKEY"), ...args);

// rootKey creates a root key with only these permissions.
export const rootKey = (...permissions) => lastLine(...env("ROOT_KEY_CMD").split(" "), ...permissions);
