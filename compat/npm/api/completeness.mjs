import { readdirSync } from "node:fs";
import { tried } from "../../lib/results.mjs";
import { holds, same } from "../lib/tally.mjs";
import { succeeded, un } from "./client.mjs";
import { requests } from "./matrix.mjs";

const groups = ["apis", "identities", "keys", "permissions", "ratelimit"];

// sdkOperations is the number of operations of SDK version 2.5.1 in the five groups. It
// makes the check fail if the enumeration misses operations.
const sdkOperations = 39;

// completeness checks that every operation of the SDK in the five groups succeeded at
// least once, and failed as a method and as a standalone function.
export function completeness() {
  const operations = groups.flatMap((group) =>
    Object.getOwnPropertyNames(Object.getPrototypeOf(un[group])).filter((name) => name !== "constructor").map((name) => `${group}.${name}`),
  );
  for (const operation of operations) {
    holds(`${operation} succeeded`, succeeded.has(operation));
    holds(`${operation} failed`, operation in requests);
  }
  tried("`@unkey/api`", "2.5.1", operations.filter((operation) => succeeded.has(operation)));
  same("operations of the SDK", operations.length, sdkOperations);
  const functions = readdirSync(new URL("../node_modules/@unkey/api/src/funcs", import.meta.url));
  same("standalone functions", functions.filter((file) => groups.some((group) => file.startsWith(group))).length, sdkOperations);
}
