import { Unkey } from "@unkey/api";
import * as errors from "@unkey/api/models/errors";
import { errorOf, holds, same } from "../lib/tally.mjs";
import { baseURL, latchkey, unique } from "../lib/server.mjs";
import { client, newAPI, un } from "./client.mjs";
import { count, threeADay } from "./ratelimits.mjs";

// The errors that operations share: the SDK's class, the status and the suffix of the
// error's type.
export const badRequest = { name: "BadRequestErrorResponse", status: 400, type: "unkey/application/invalid_input" };
export const unauthorized = { name: "UnauthorizedErrorResponse", status: 401, type: "unkey/authentication/key_not_found" };
export const forbidden = { name: "ForbiddenErrorResponse", status: 403, type: "unkey/authorization/insufficient_permissions" };
export const notFound = { name: "NotFoundErrorResponse", status: 404, type: "_not_found" };
export const conflict = { name: "ConflictErrorResponse", status: 409, type: "_already_exists" };
export const gone = { name: "GoneErrorResponse", status: 410, type: "unkey/data/ratelimit_namespace_gone" };
export const protectedResource = { name: "PreconditionFailedErrorResponse", status: 412, type: "unkey/application/protected_resource" };
export const tooManyRequests = { name: "TooManyRequestsErrorResponse", status: 429, type: "user/too_many_requests/workspace_rate_limited" };

// expectError checks that an error has the expected class of the SDK, with title,
// detail and request id. Without a type, the SDK has no class for the error.
export function expectError(what, error, want) {
  const type = error?.error?.type;
  const got = { name: error?.name, status: error?.statusCode, type: want.type && type?.endsWith(want.type) ? want.type : type };
  if (!same(what, got, want) || !want.type) return;
  holds(`${what} is of the exported class`, error instanceof errors[want.name] && error instanceof errors.UnkeyError, error);
  const { title, detail, status } = error.error;
  holds(`${what} is explained`, error.meta.requestId && title && detail && status === want.status, error);
}

// otherErrors checks errors that only some operations have, or only some servers.
export async function otherErrors() {
  const apiId = await newAPI();
  latchkey("apis", "update", apiId, "--delete-protection");
  expectError("deleteApi of a protected API", await errorOf(un.apis.deleteApi({ apiId })), protectedResource);
  const recoverable = await errorOf(un.keys.createKey({ apiId, recoverable: true }));
  expectError("a recoverable key in an API without encrypted storage", recoverable, { name: "APIError", status: 412 });

  const namespace = unique("gone");
  await count(namespace, "anybody");
  latchkey("namespaces", "delete", namespace);
  expectError("limit in a deleted namespace", await errorOf(count(namespace, "anybody")), gone);
  expectError("multiLimit in a deleted namespace", await errorOf(un.ratelimit.multiLimit([threeADay(namespace, "anybody")])), gone);

  const few = client(latchkey("workspaces", "create", unique("few"), "--requests-per-minute", "2"));
  const seen = [];
  for (let i = 0; i < 4; i++) seen.push((await errorOf(few.permissions.listRoles({})))?.statusCode);
  same("a workspace with two requests a minute", seen, [undefined, undefined, 429, 429]);
  const error = await errorOf(few.permissions.listRoles({}));
  expectError("the request after them", error, tooManyRequests);
  holds("how long to wait, in seconds", Number(error.headers.get("retry-after")) > 0, error.headers);

  const nobody = new Unkey({ serverURL: baseURL });
  expectError("no root key", await errorOf(nobody.permissions.listRoles({})), badRequest);
  await badRequestFaults();
}

// badRequestFaults checks that the error of a malformed request names its faults.
async function badRequestFaults() {
  const error = await errorOf(un.apis.createApi({ name: "" }));
  expectError("an empty name", error, badRequest);
  holds("what is wrong with it", error.error.errors.length > 0 && error.error.errors.every((e) => e.location && e.message), error);
}
