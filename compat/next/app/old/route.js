// Routes protected by @unkey/nextjs 0.18.11, which speaks version 1. Its keys are verified
// without a root key.
import { withUnkey } from "nextjs-0.18";

const apiId = process.env.API_ID;
const handler = (req) => Response.json(req.unkey);
const handleInvalidKey = (req, { code }) => Response.json({ code }, { status: 403 });
const onError = (req, error) => Response.json({ onError: error.code }, { status: 502 });

export const GET = withUnkey(handler, { apiId, handleInvalidKey, disableTelemetry: true });
export const POST = withUnkey(handler, { apiId });
export const PUT = withUnkey(handler, { apiId, getKey: (req) => req.headers.get("x-api-key") });
export const PATCH = withUnkey(handler, { apiId, getKey: () => Response.json({ mine: true }, { status: 418 }) });
export const DELETE = withUnkey(handler, { getKey: () => "", onError });
