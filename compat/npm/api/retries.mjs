import { errorOf, same } from "../lib/tally.mjs";
import { lost, viaProxy } from "../lib/proxy.mjs";
import { allPowerful, unique } from "../lib/server.mjs";
import { client, newAPI, newKey, un, verify } from "./client.mjs";
import { notFound, expectError } from "./errors.mjs";

const byWay = (serverURL, options) => client(allPowerful, { serverURL, ...options });

// retries checks that the SDK's retries reach the server and take effect once.
export async function retries() {
  const name = unique("retried");
  let requests = await viaProxy([500, 503], async (url) => {
    const { apiId } = (await byWay(url).apis.createApi({ name })).data;
    same("the API created after retries", (await un.apis.getApi({ apiId })).data, { id: apiId, name });
  });
  same("500 and 503, then success, requests", requests, 3);

  const unknown = { apiId: "unknown_12345" };
  requests = await viaProxy([], async (url) => expectError("getApi of nothing", await errorOf(byWay(url).apis.getApi(unknown)), notFound));
  same("an error of the server, requests", requests, 1);
  requests = await viaProxy([429], async (url) => {
    expectError("429 as application/json", await errorOf(byWay(url).apis.getApi(unknown)), { name: "APIError", status: 429 });
  });
  same("429, requests", requests, 1);
  requests = await viaProxy([500], async (url) => {
    const error = await errorOf(byWay(url, { retryConfig: { strategy: "none" } }).apis.getApi(unknown));
    expectError("500", error, { name: "InternalServerErrorResponse", status: 500, type: "about:blank" });
  });
  same("500 without retries, requests", requests, 1);
  await spendsOnce();
  await createsOnce();
}

// spendsOnce verifies a key with credits while the first attempts do not reach the
// server.
async function spendsOnce() {
  const { key } = await newKey({ apiId: await newAPI(), credits: { remaining: 10 } });
  const requests = await viaProxy([503, 500], async (url) => {
    same("credits spent once", (await byWay(url).keys.verifyKey({ key })).data.credits, 9);
  });
  same("verifyKey, requests", requests, 3);
}

// createsOnce drops the response to a createKey that took effect. With the header
// Idempotency-Key, the retry does not create a second key.
async function createsOnce() {
  const apiId = await newAPI();
  const headers = { "Idempotency-Key": unique("once") };
  const requests = await viaProxy([lost], async (url) => {
    const { key } = (await byWay(url).keys.createKey({ apiId }, { headers })).data;
    same("created keys", (await un.apis.listKeys({ apiId })).result.data.length, 1);
    same("the created key", (await verify(key)).code, "VALID");
  });
  same("a dropped response, requests", requests, 2);
}
