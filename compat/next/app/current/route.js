// Routes protected by @unkey/nextjs 2.0.0.
import { withUnkey } from "@unkey/nextjs";

const rootKey = process.env.ROOT_KEY;
const handler = (req) => Response.json(req.unkey.data);
const handleInvalidKey = (req, { data }) => Response.json({ code: data.code }, { status: 403 });
const onError = (req, error) => Response.json({ onError: error.statusCode }, { status: 502 });

export const GET = withUnkey(handler, { rootKey, handleInvalidKey, permissions: "docs.read", tags: ["path=/current"] });
export const POST = withUnkey(handler, { rootKey });
export const PUT = withUnkey(handler, { rootKey, getKey: (req) => req.headers.get("x-api-key") });
export const PATCH = withUnkey(handler, { rootKey, getKey: () => Response.json({ mine: true }, { status: 418 }) });
export const DELETE = withUnkey(handler, { rootKey: "unknown", onError });
