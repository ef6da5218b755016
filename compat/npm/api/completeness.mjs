import { readdirSync } from "node:fs";
import { holds, same } from "../lib/tally.mjs";
import { answered, un } from "./client.mjs";
import { requests } from "./matrix.mjs";

const groups = ["apis", "identities", "keys", "permissions", "ratelimit"];

// sdkOperations is how many operations version 2.5.1 of the SDK has in the five
// groups. It keeps the enumeration from finding nothing and being content.
const sdkOperations = 39;

// completeness checks that each operation the SDK has in the five groups was
// answered with success at least once, and made to fail as a method and as a
// standalone function.
export function completeness() {
  const operations = groups.flatMap((group) =>
    Object.getOwnPropertyNames(Object.getPrototypeOf(un[group])).filter((name) => name !== "constructor").map((name) => `${group}.${name}`),
  );
  for (const operation of operations) {
    holds(`${operation} was exercised`, answered.has(operation));
    holds(`${operation} was made to fail`, operation in requests);
  }
  same("operations of the SDK", operations.length, sdkOperations);
  const functions = readdirSync(new URL("../node_modules/@unkey/api/src/funcs", import.meta.url));
  same("standalone functions", functions.filter((file) => groups.some((group) => file.startsWith(group))).length, sdkOperations);
}
