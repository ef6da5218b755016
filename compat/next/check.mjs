// Exercises both generations of @unkey/nextjs in a Next.js application, which next dev
// serves. BASE_URL and ROOT_KEY are set by compat/run.
import assert from "node:assert";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { tried } from "../lib/results.mjs";

const { BASE_URL, ROOT_KEY } = process.env;
const counts = { passed: 0, failed: 0 };

function same(what, got, want) {
  try {
    assert.deepStrictEqual(got, want);
    counts.passed++;
  } catch {
    counts.failed++;
    console.error(`FAIL ${what}: got ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
  }
}

// call calls an operation of Latchkey and returns its data.
async function call(operation, body) {
  const response = await fetch(`${BASE_URL}/v2/${operation}`, {
    method: "POST",
    headers: { Authorization: `Bearer ${ROOT_KEY}`, "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  assert.equal(response.status, 200, operation);
  return (await response.json()).data;
}

const { apiId } = await call("apis.createApi", { name: "payments" });
const newKey = (more) => call("keys.createKey", { apiId, externalId: "user_1", permissions: ["docs.read"], ...more });
const good = await newKey({ meta: { plan: "pro" }, credits: { remaining: 100 } });
const other = await call("keys.createKey", { apiId: (await call("apis.createApi", { name: "other" })).apiId });
const bad = {
  NOT_FOUND: "sk_unknown",
  DISABLED: (await newKey({ enabled: false })).key,
  EXPIRED: (await newKey({ expires: 1 })).key,
  USAGE_EXCEEDED: (await newKey({ credits: { remaining: 0 } })).key,
};

let output = ""; // of the application

// start starts the application and returns its URL.
async function start() {
  const next = fileURLToPath(new URL("node_modules/next/dist/bin/next", import.meta.url));
  const app = spawn(process.execPath, [next, "dev", "--hostname", "127.0.0.1", "--port", "0"], {
    cwd: fileURLToPath(new URL(".", import.meta.url)),
    env: { ...process.env, API_ID: apiId, NEXT_TELEMETRY_DISABLED: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  process.on("exit", () => app.kill());
  app.stderr.on("data", (chunk) => (output += chunk));
  const url = await new Promise((ready, fail) => {
    app.stdout.on("data", (chunk) => {
      output += chunk;
      const found = output.match(/http:\/\/127\.0\.0\.1:\d+/);
      if (found) ready(found[0]);
    });
    app.on("exit", () => fail(new Error(`the application did not start: ${output}`)));
  });
  return [url, app];
}

const [url, app] = await start();

async function visit(method, path, headers) {
  const response = await fetch(url + path, { method, headers });
  const text = await response.text();
  return { status: response.status, body: text.startsWith("{") ? JSON.parse(text) : text };
}

const bearer = (key) => ({ Authorization: `Bearer ${key}` });

// both checks what the two generations have in common. Their results differ in shape.
async function both(path, invalidStatus) {
  const seen = await visit("GET", path, bearer(good.key));
  same(`${path}: a valid key`, [seen.status, seen.body.valid, seen.body.code, seen.body.keyId, seen.body.meta], [200, true, "VALID", good.keyId, { plan: "pro" }]);
  for (const [code, key] of Object.entries(bad)) same(`${path}: ${code}`, await visit("GET", path, bearer(key)), { status: 403, body: { code } });
  same(`${path}: no key`, await visit("GET", path, {}), { status: 401, body: { error: "unauthorized" } });
  same(`${path}: an invalid key without a handler`, await visit("POST", path, bearer("sk_unknown")), { status: invalidStatus, body: "Unauthorized" });
  same(`${path}: a header of one's own`, (await visit("PUT", path, { "X-API-Key": good.key })).status, 200);
  same(`${path}: a response instead of a key`, await visit("PATCH", path, {}), { status: 418, body: { mine: true } });
}

await both("/current", 401);
same("/current: INSUFFICIENT_PERMISSIONS", await visit("GET", "/current", bearer(other.key)), { status: 403, body: { code: "INSUFFICIENT_PERMISSIONS" } });
same("/current: a wrong root key is an error of the application", (await visit("DELETE", "/current", bearer(good.key))).status, 500);
await both("/old", 500);
same("/old: a key of another API", await visit("GET", "/old", bearer(other.key)), { status: 403, body: { code: "FORBIDDEN" } });
same("/old: an error of the server", await visit("DELETE", "/old", {}), { status: 502, body: { onError: "BAD_REQUEST" } });

tried("`@unkey/nextjs`", "2.0.0", ["withUnkey"]);
tried("`@unkey/nextjs`", "0.18.11", ["withUnkey"]);
app.kill();
await once(app, "exit");
if (counts.failed) console.error(output);
console.log(`${counts.passed} passed, ${counts.failed} failed`);
process.exit(counts.failed ? 1 : 0);
