import { errorOf, same, sorted } from "../lib/tally.mjs";
import { day, unique } from "../lib/server.mjs";
import { limiter, overridesOf } from "./client.mjs";

// overrides sets, reads, lists and deletes overrides, and calls limits with overrides.
export async function overrides() {
  const namespace = unique("namespace");
  const [limit, overrides] = [limiter({ namespace }), overridesOf()];
  const missing = await errorOf(overrides.listOverrides({ namespace }));
  same("overrides of a namespace that does not exist", [missing?.name, missing?.statusCode], ["NotFoundErrorResponse", 404]);
  await limit.limit("user_1");

  const set = async (identifier, limit) => (await overrides.setOverride({ namespace, identifier, limit, duration: day })).data.overrideId;
  const one = { overrideId: await set("user_1", 10), identifier: "user_1", limit: 10, duration: day };
  const team = { overrideId: await set("team_*", 20), identifier: "team_*", limit: 20, duration: day };
  same("an override", (await overrides.getOverride({ namespace, identifier: "user_1" })).data, one);
  same("an override by a name its pattern matches", (await overrides.getOverride({ namespace, identifier: "team_red" })).data, team);
  same("the overrides listed", sorted((await overrides.listOverrides({ namespace })).data, (o) => o.limit), [one, team]);

  const { reset, ...got } = await limit.limit("user_1");
  same("a limit under an override", got, { success: true, limit: 10, remaining: 8, overrideId: one.overrideId });
  same("setting an override again keeps its id", await set("user_1", 0), one.overrideId);
  same("an override of 0 blocks", (await limit.limit("user_1")).success, false);

  same("the response to a deletion", (await overrides.deleteOverride({ namespace, identifier: "team_*" })).data, {});
  const gone = await errorOf(overrides.getOverride({ namespace, identifier: "team_red" }));
  same("a deleted override", [gone?.name, gone?.statusCode], ["NotFoundErrorResponse", 404]);
}

// overridePages passes the cursor itself, because the package has no paginator.
export async function overridePages() {
  const namespace = unique("namespace");
  await limiter({ namespace }).limit("anybody");
  const overrides = overridesOf();
  const want = Array.from({ length: 7 }, (_, i) => `paged_${i}`);
  for (const identifier of want) await overrides.setOverride({ namespace, identifier, limit: 1, duration: day });
  const pages = [];
  let cursor;
  do {
    const { data, pagination } = await overrides.listOverrides({ namespace, limit: 3, cursor });
    pages.push(data.map((override) => override.identifier));
    same("a cursor where there is more, and only there", typeof pagination.cursor === "string", pagination.hasMore);
    cursor = pagination.cursor;
  } while (cursor);
  same("every override once", sorted(pages.flat()), want);
  same("sizes of pages", pages.map((page) => page.length), [3, 3, 1]);
}
