// Records which methods of clients succeeded, for compat/results.md.
import { appendFileSync } from "node:fs";

// tried writes the methods of a client that succeeded.
export function tried(client, version, methods) {
  appendFileSync(process.env.RESULTS, [...methods].map((method) => `${client}\t${version}\t${method}\n`).join(""));
}

// recorded returns a client, or one of its services, whose methods are recorded when they
// succeed.
export function recorded(target, methods, prefix = "") {
  return new Proxy(target, {
    get(_, name) {
      const member = target[name];
      if (typeof member === "object" && member !== null) return recorded(member, methods, `${prefix}${String(name)}.`);
      if (typeof member !== "function") return member;
      return async (...args) => {
        const response = await member.apply(target, args);
        if (!response?.error) methods.add(prefix + String(name));
        return response;
      };
    },
  });
}
