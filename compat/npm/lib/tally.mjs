// Counts checks and prints the failed ones.
import { isDeepStrictEqual, inspect } from "node:util";

let scenario = "";
let passed = 0;
let failed = 0;

function fail(what, details) {
  failed++;
  console.error(`FAIL ${scenario}: ${what}: ${details}`);
}

// shown formats a value for people. Of an error it shows only the message, because some
// errors contain the request with the root key.
const shown = (value) => (value instanceof Error ? `${value.name}: ${value.message}` : inspect(value, { depth: 8, breakLength: Infinity }));

// plain converts a value to JSON and back, so that absent and undefined members are
// equal, and differ from null.
export const plain = (value) => (value === undefined ? undefined : JSON.parse(JSON.stringify(value)));

// same checks that two values are equal in every field, and returns the result.
export function same(what, got, want) {
  const equal = isDeepStrictEqual(plain(got), plain(want));
  if (equal) passed++;
  else fail(what, `got ${shown(got)}, want ${shown(want)}`);
  return equal;
}

// holds checks a condition, and prints the details if it is false.
export function holds(what, condition, details = "") {
  if (condition) passed++;
  else fail(what, shown(details));
}

// sorted sorts a list by a member, or by its strings, for lists whose order is not
// specified.
export function sorted(list, by = (item) => item) {
  return list?.toSorted((a, b) => (by(a) < by(b) ? -1 : 1));
}

// errorOf returns the rejection of a promise, or undefined.
export const errorOf = (promise) => promise.then(() => undefined, (error) => error);

// runAll runs scenarios one after the other and exits. A scenario that throws counts as
// a failed check, and the next one still runs.
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
