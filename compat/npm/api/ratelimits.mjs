import { errorOf, holds, same, sorted } from "../lib/tally.mjs";
import { day, unique } from "../lib/server.mjs";
import { un } from "./client.mjs";
import { notFound, expectError } from "./errors.mjs";

// threeADay returns a request against a limit of 3 per day.
export const threeADay = (namespace, identifier, cost = 1) => ({ namespace, identifier, limit: 3, duration: day, cost });

export const count = async (...request) => (await un.ratelimit.limit(threeADay(...request))).data;

// ratelimits calls limit and multiLimit.
export async function ratelimits() {
  const namespace = unique("email.send");
  await single(namespace);
  await several(namespace);
}

async function single(namespace) {
  const first = await count(namespace, "user_1", 2);
  const { reset } = first;
  holds("the window ends at a multiple of its length", reset % day === 0 && reset > Date.now(), reset);
  const want = (success, remaining) => ({ success, limit: 3, remaining, reset });
  same("a first request of cost 2", first, want(true, 1));
  same("a second request of cost 2", await count(namespace, "user_1", 2), want(false, 0));
  same("a denied request does not consume", await count(namespace, "user_1", 1), want(true, 0));
  same("a request of cost 0", await count(namespace, "user_1", 0), want(true, 0));
  same("another identifier", await count(namespace, "user_2"), want(true, 2));
}

async function several(namespace) {
  const ask = async (...limits) => {
    const { data } = await un.ratelimit.multiLimit(limits);
    return { ...data, limits: data.limits.map(({ reset, ...rest }) => rest) };
  };
  const check = (identifier, passed, remaining) => ({ namespace, identifier, limit: 3, passed, remaining });
  same("several limits that all pass", await ask(threeADay(namespace, "m1"), threeADay(namespace, "m2", 3)), {
    passed: true,
    limits: [check("m1", true, 2), check("m2", true, 0)],
  });
  same("several limits of which one denies", await ask(threeADay(namespace, "m1"), threeADay(namespace, "m2")), {
    passed: false,
    limits: [check("m1", true, 2), check("m2", false, 0)],
  });
  same("nothing was consumed", (await count(namespace, "m1", 0)).remaining, 2);
}

// overrides sets, reads, lists and deletes overrides, and calls limits with overrides.
export async function overrides() {
  const namespace = unique("email.send");
  await count(namespace, "user_1");
  const set = async (identifier, limit) => (await un.ratelimit.setOverride({ namespace, identifier, limit, duration: day })).data.overrideId;
  const get = async (identifier) => (await un.ratelimit.getOverride({ namespace, identifier })).data;
  const one = { overrideId: await set("user_1", 10), identifier: "user_1", limit: 10, duration: day };
  const team = { overrideId: await set("team_*", 20), identifier: "team_*", limit: 20, duration: day };
  same("an override", await get("user_1"), one);
  same("an override by a name its pattern matches", await get("team_blue"), team);
  const { reset, ...got } = await count(namespace, "user_1");
  same("a limit under an override", got, { success: true, limit: 10, remaining: 8, overrideId: one.overrideId });
  const { data } = await un.ratelimit.multiLimit([threeADay(namespace, "team_blue")]);
  same("several limits under an override", data.limits[0].overrideId, team.overrideId);
  same("setting an override again keeps its id", await set("user_1", 0), one.overrideId);
  same("an override of 0 blocks", (await count(namespace, "user_1")).success, false);
  const list = (await un.ratelimit.listOverrides({ namespace })).result;
  same("the overrides listed", sorted(list.data, (o) => o.limit), [{ ...one, limit: 0 }, team]);

  const remove = (identifier) => un.ratelimit.deleteOverride({ namespace, identifier });
  expectError("deleteOverride by a name the pattern matches", await errorOf(remove("team_blue")), notFound);
  same("the response to a deletion", (await remove("team_*")).data, {});
  expectError("getOverride of a deleted override", await errorOf(get("team_blue")), notFound);
  same("a limit without its override", (await count(namespace, "team_blue", 0)).overrideId, undefined);
}
