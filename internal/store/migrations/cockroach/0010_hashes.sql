CREATE UNIQUE INDEX keys_hash ON keys (hash, workspace_id);
DROP INDEX keys_hash_key CASCADE;
