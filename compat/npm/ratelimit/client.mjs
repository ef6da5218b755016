// The package under test and what its scenarios share.
import { Overrides, Ratelimit } from "@unkey/ratelimit";
import { allPowerful, baseURL, unique } from "../lib/server.mjs";

// exercised holds the methods that were called.
export const exercised = new Set();

// watched is the object, its calls remembered.
export function watched(object) {
  return new Proxy(object, {
    get(target, name) {
      if (typeof target[name] !== "function") return target[name];
      exercised.add(`${target.constructor.name}.${name}`);
      return target[name].bind(target);
    },
  });
}

// limiter is a limiter of 3 a day in a namespace of its own.
export const limiter = (options) =>
  watched(new Ratelimit({ baseUrl: baseURL, rootKey: allPowerful, namespace: unique("namespace"), limit: 3, duration: "1d", ...options }));

export const overridesOf = (options) => watched(new Overrides({ baseUrl: baseURL, rootKey: allPowerful, ...options }));
