import { errorOf, holds, same } from "../lib/tally.mjs";
import { day, unique } from "../lib/server.mjs";
import { limiter } from "./client.mjs";

// limits calls a limiter until it denies.
export async function limits() {
  const limit = limiter();
  const first = await limit.limit("user_1", { cost: 2 });
  const { reset } = first;
  holds("the window ends at a multiple of its length", reset % day === 0 && reset > Date.now(), reset);
  same("a first request of cost 2", first, { success: true, limit: 3, remaining: 1, reset });
  same("the last request that fits", await limit.limit("user_1"), { success: true, limit: 3, remaining: 0, reset });
  same("one too many", await limit.limit("user_1"), { success: false, limit: 3, remaining: 0, reset });
  same("another identifier", await limit.limit("user_2"), { success: true, limit: 3, remaining: 2, reset });
  const own = { limit: { limit: 10, duration: "2d" } };
  const { reset: later, ...got } = await limit.limit("user_1", own);
  same("a limit of the request's own", got, { success: true, limit: 10, remaining: 9 });
  same("its window", later % (2 * day), 0);
}

// units sets the window in every unit of the package.
export async function units() {
  const lengths = { "5000ms": 5000, "30s": 30_000, "5 m": 300_000, "1h": 3_600_000, "1d": day };
  for (const [duration, ms] of [...Object.entries(lengths), [60_000, 60_000]]) {
    const { success, reset } = await limiter({ duration }).limit("user_1");
    same(`a window of ${duration}`, { success, rest: reset % ms, next: reset - Date.now() <= ms }, { success: true, rest: 0, next: true });
  }
  const error = await errorOf(limiter({ duration: "500ms", namespace: unique("short") }).limit("user_1"));
  same("a window below one second", [error?.name, error?.statusCode], ["BadRequestErrorResponse", 400]);
}
