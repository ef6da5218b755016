// A proxy that stands before the server and answers the first requests itself.
import { createServer } from "node:http";
import { buffer } from "node:stream/consumers";
import { baseURL } from "./server.mjs";

// lost lets a request through and answers 503 in place of the server.
export const lost = 0;

const trouble = (status) => ({
  meta: { requestId: "req_proxy" },
  error: { title: "Trouble", detail: "Try again.", status, type: "about:blank" },
});

// forward sends a request on, without the headers that are about the connection
// it came by.
async function forward(request) {
  const { host, connection, "transfer-encoding": chunked, "content-length": length, ...headers } = request.headers;
  return fetch(baseURL + request.url, { method: request.method, headers, body: await buffer(request) });
}

async function answer(request, response, status) {
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

// through starts a proxy with a script of statuses, runs calls that go through
// it, and returns how many requests came. The requests after those of the script
// go through. A status may also be a function that answers by itself.
export async function through(script, calls) {
  let sends = 0;
  const server = createServer((request, response) => {
    const step = script[sends++];
    if (typeof step === "function") step(request, response);
    else answer(request, response, step).catch((error) => response.destroy(error));
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  try {
    await calls(`http://127.0.0.1:${server.address().port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
  return sends;
}
