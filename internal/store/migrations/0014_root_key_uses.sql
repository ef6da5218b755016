-- oldest: 2
-- When a root key was last used, and its last characters. A program that doesn't know them
-- leaves them as they are.
ALTER TABLE root_keys ADD COLUMN last_used_at BIGINT NOT NULL DEFAULT 0; -- 0: never
ALTER TABLE root_keys ADD COLUMN ending TEXT NOT NULL DEFAULT ''; -- '' if it isn't known
