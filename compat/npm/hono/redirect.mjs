// Redirects @unkey/hono to another server. The package creates its SDK from a root key
// alone, so the SDK calls its built-in address with the global fetch. Replacing that
// function is the only way to change the address without modifying the packages. An
// application in production would do the same.
import { baseURL } from "../lib/server.mjs";

const builtIn = "https://api.unkey.com";
const fetchElsewhere = globalThis.fetch;

// redirect counts the calls and has their target URL.
export const redirect = { calls: 0, to: baseURL };

globalThis.fetch = async (input, init) => {
  const request = new Request(input, init);
  if (!request.url.startsWith(`${builtIn}/`)) return fetchElsewhere(request);
  redirect.calls++;
  return fetchElsewhere(new Request(redirect.to + request.url.slice(builtIn.length), request));
};
