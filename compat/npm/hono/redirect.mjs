// The way of @unkey/hono to a server of one's own. The package makes its SDK
// with a root key alone, so that it calls the SDK's built-in address, by the
// global fetch. Replacing that function is the one place where an application
// can say otherwise, and leaves both packages as they are; this is also what an
// application in production would do.
import { baseURL } from "../lib/server.mjs";

const builtIn = "https://api.unkey.com";
const fetchElsewhere = globalThis.fetch;

// redirect counts the calls and says where they go.
export const redirect = { calls: 0, to: baseURL };

globalThis.fetch = async (input, init) => {
  const request = new Request(input, init);
  if (!request.url.startsWith(`${builtIn}/`)) return fetchElsewhere(request);
  redirect.calls++;
  return fetchElsewhere(new Request(redirect.to + request.url.slice(builtIn.length), request));
};
