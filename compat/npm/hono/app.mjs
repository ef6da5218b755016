// A Hono application on a loopback port.
import { serve } from "@hono/node-server";
import { unkey } from "@unkey/hono";
import { Hono } from "hono";
import { allPowerful } from "../lib/server.mjs";

// invalid is the handler for invalid keys. Without one, the package lets invalid keys
// through.
export const invalid = (c, result) => c.json({ code: result.data.code }, 401);

// served runs calls against an application that responds with the result of the
// middleware. The calls get a function that requests one request with headers.
export async function served(config, calls) {
  const app = new Hono();
  app.use("*", unkey({ rootKey: allPowerful, handleInvalidKey: invalid, ...config }));
  app.get("/", (c) => c.json({ handler: true, unkey: c.get("unkey") }));
  app.onError((error, c) => c.json({ unhandled: error.name, status: error.statusCode }, 500));
  const server = await new Promise((ready) => {
    const server = serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }, () => ready(server));
  });
  try {
    await calls(async (headers) => {
      const response = await fetch(`http://127.0.0.1:${server.address().port}/`, { headers });
      return { status: response.status, body: await response.json() };
    });
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

export const bearer = (key) => ({ Authorization: `Bearer ${key}` });
