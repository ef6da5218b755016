import { errorOf, holds, same } from "../lib/tally.mjs";
import { unique } from "../lib/server.mjs";
import { newKey, un, verify } from "./client.mjs";
import { notFound, expectError } from "./errors.mjs";

// apis creates, reads and deletes an API.
export async function apis() {
  const name = unique("payments");
  const { meta, data } = await un.apis.createApi({ name });
  const { apiId } = data;
  holds("an API's id", apiId.startsWith("api_"), apiId);
  holds("a request's id", meta.requestId.startsWith("req_"), meta);
  same("the API read back", (await un.apis.getApi({ apiId })).data, { id: apiId, name });

  const keys = (await un.apis.listKeys({ apiId })).result;
  same("the keys of a new API", keys.data, []);
  same("the page of no keys", keys.pagination, { hasMore: false });

  const { key } = await newKey({ apiId });
  same("the response to a deletion", (await un.apis.deleteApi({ apiId })).data, {});
  expectError("getApi of a deleted API", await errorOf(un.apis.getApi({ apiId })), notFound);
  same("a key of a deleted API", await verify(key), { valid: false, code: "NOT_FOUND" });
  expectError("createKey in a deleted API", await errorOf(un.keys.createKey({ apiId })), notFound);
}
