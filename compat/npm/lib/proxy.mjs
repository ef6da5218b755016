// A proxy in front of the server that responds to the first requests itself.
import { createServer } from "node:http";
import { buffer } from "node:stream/consumers";
import { baseURL } from "./server.mjs";

// lost forwards the request, drops the server's response and responds with 503.
export const lost = 0;

const trouble = (status) => ({
  meta: { requestId: "req_proxy" },
  error: { title: "Trouble", detail: "Try again.", status, type: "about:blank" },
});

// forward forwards a request without the headers of its connection.
async function forward(request) {
  const { host, connection, "transfer-encoding": chunked, "content-length": length, ...headers } = request.headers;
  return fetch(baseURL + request.url, { method: request.method, headers, body: await buffer(request) });
}

async function respond(request, response, status) {
  if (status === undefined || status === lost) {
    const real = await forward(request);
    const body = await real.text();
    if (status === undefined) {
      response.writeHead(real.status, { "content-type": real.headers.get("content-type") }).end(body);
      return;
    }
    status = 503;
  }
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(trouble(status)));
}

// viaProxy starts a proxy with a script of statuses, runs calls through it, and returns
// the number of requests. It forwards the requests after those of the script. A status
// can also be a function that responds.
export async function viaProxy(script, calls) {
  let requests = 0;
  const server = createServer((request, response) => {
    const step = script[requests++];
    if (typeof step === "function") step(request, response);
    else respond(request, response, step).catch((error) => response.destroy(error));
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  try {
    await calls(`http://127.0.0.1:${server.address().port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
  return requests;
}
