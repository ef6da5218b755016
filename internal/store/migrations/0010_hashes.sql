-- oldest: 2
-- A hash belongs to a workspace: keys of several workspaces can have the same one. A
-- program that doesn't know it finds the key of one of them, and rejects the others.
-- The new index is first, because dropping the constraint locks out readers.
CREATE UNIQUE INDEX keys_hash ON keys (hash, workspace_id);
ALTER TABLE keys DROP CONSTRAINT keys_hash_key;
