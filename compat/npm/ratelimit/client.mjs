// The package under test, and helpers of its scenarios.
import { Overrides, Ratelimit } from "@unkey/ratelimit";
import { allPowerful, baseURL, unique } from "../lib/server.mjs";

// exercised has the called methods.
export const exercised = new Set();

// watched returns the object and records its calls.
export function watched(object) {
  return new Proxy(object, {
    get(target, name) {
      if (typeof target[name] !== "function") return target[name];
      exercised.add(`${target.constructor.name}.${name}`);
      return target[name].bind(target);
    },
  });
}

// limiter returns a limiter of 3 per day in a new namespace.
export const limiter = (options) =>
  watched(new Ratelimit({ baseUrl: baseURL, rootKey: allPowerful, namespace: unique("namespace"), limit: 3, duration: "1d", ...options }));

export const overridesOf = (options) => watched(new Overrides({ baseUrl: baseURL, rootKey: allPowerful, ...options }));
