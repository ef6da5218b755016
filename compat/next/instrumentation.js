// Sends what @unkey/nextjs sends to Unkey to Latchkey. The package has no option for the
// server. An application in production would do the same.
export function register() {
  const { fetch } = globalThis;
  globalThis.fetch = (input, init) => {
    const request = new Request(input, init);
    const { origin, pathname } = new URL(request.url);
    if (!["https://api.unkey.com", "https://api.unkey.dev"].includes(origin)) return fetch(input, init);
    return fetch(new Request(process.env.BASE_URL + pathname, request));
  };
}
