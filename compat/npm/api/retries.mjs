import { errorOf, same } from "../lib/tally.mjs";
import { lost, through } from "../lib/proxy.mjs";
import { allPowerful, unique } from "../lib/server.mjs";
import { client, newAPI, newKey, un, verify } from "./client.mjs";
import { notFound, refused } from "./errors.mjs";

const byWay = (serverURL, options) => client(allPowerful, { serverURL, ...options });

// retries checks that the SDK's retries reach the server and do what was asked
// once.
export async function retries() {
  const name = unique("retried");
  let sends = await through([500, 503], async (url) => {
    const { apiId } = (await byWay(url).apis.createApi({ name })).data;
    same("the API made in the end", (await un.apis.getApi({ apiId })).data, { id: apiId, name });
  });
  same("500 and 503, then success, sends", sends, 3);

  const unknown = { apiId: "unknown_12345" };
  sends = await through([], async (url) => refused("getApi of nothing", await errorOf(byWay(url).apis.getApi(unknown)), notFound));
  same("a refusal by the server, sends", sends, 1);
  sends = await through([429], async (url) => {
    refused("429 as application/json", await errorOf(byWay(url).apis.getApi(unknown)), { name: "APIError", status: 429 });
  });
  same("429, sends", sends, 1);
  sends = await through([500], async (url) => {
    const error = await errorOf(byWay(url, { retryConfig: { strategy: "none" } }).apis.getApi(unknown));
    refused("500", error, { name: "InternalServerErrorResponse", status: 500, type: "about:blank" });
  });
  same("500 without retries, sends", sends, 1);
  await spentOnce();
  await madeOnce();
}

// spentOnce verifies with a cost while the first tries do not reach the server.
async function spentOnce() {
  const { key } = await newKey({ apiId: await newAPI(), credits: { remaining: 10 } });
  const sends = await through([503, 500], async (url) => {
    same("credits spent once", (await byWay(url).keys.verifyKey({ key })).data.credits, 9);
  });
  same("verifyKey, sends", sends, 3);
}

// madeOnce loses the answer to a createKey that was carried out. The header
// Idempotency-Key, which the SDK sends along if told to, makes the repetition
// harmless.
async function madeOnce() {
  const apiId = await newAPI();
  const headers = { "Idempotency-Key": unique("once") };
  const sends = await through([lost], async (url) => {
    const { key } = (await byWay(url).keys.createKey({ apiId }, { headers })).data;
    same("keys made", (await un.apis.listKeys({ apiId })).result.data.length, 1);
    same("the key made", (await verify(key)).code, "VALID");
  });
  same("a lost answer, sends", sends, 2);
}
