// Counts checks and tells of those that fail.
import { isDeepStrictEqual, inspect } from "node:util";

let scenario = "";
let passed = 0;
let failed = 0;

function fail(what, details) {
  failed++;
  console.error(`FAIL ${scenario}: ${what}: ${details}`);
}

// shown is a value for people to read. Of an error it is the message alone: some
// carry the request, and that the root key.
const shown = (value) => (value instanceof Error ? `${value.name}: ${value.message}` : inspect(value, { depth: 8, breakLength: Infinity }));

// plain is a value as JSON has it, so that an absent member and an undefined one
// are the same, and null is neither.
export const plain = (value) => (value === undefined ? undefined : JSON.parse(JSON.stringify(value)));

// same checks that two values are equal in every field, and returns whether they
// are.
export function same(what, got, want) {
  const equal = isDeepStrictEqual(plain(got), plain(want));
  if (equal) passed++;
  else fail(what, `got ${shown(got)}, want ${shown(want)}`);
  return equal;
}

// holds checks a condition. The details are printed if it doesn't hold.
export function holds(what, condition, details = "") {
  if (condition) passed++;
  else fail(what, shown(details));
}

// sorted puts a list into the order of a member, or of its strings, for lists
// whose order is not promised.
export function sorted(list, by = (item) => item) {
  return list?.toSorted((a, b) => (by(a) < by(b) ? -1 : 1));
}

// errorOf returns what a promise is rejected with, or undefined.
export const errorOf = (promise) => promise.then(() => undefined, (error) => error);

// runAll runs scenarios one after the other and ends the process. A scenario
// that can't go on counts as a failed check, and the next is run all the same.
export async function runAll(scenarios) {
  for (const [name, run] of Object.entries(scenarios)) {
    scenario = name;
    try {
      await run();
    } catch (error) {
      fail("the scenario could not go on", shown(error));
    }
  }
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed > 0 ? 1 : 0);
}
