-- oldest: 2
-- The orders in which keys.listKeys looks at the keys of a workspace, and those of a role.
CREATE INDEX keys_workspace ON keys (workspace_id, id) WHERE deleted_at = 0;
CREATE INDEX keys_created ON keys (workspace_id, created_at, id) WHERE deleted_at = 0;
CREATE INDEX keys_expires ON keys (workspace_id, expires, id) WHERE deleted_at = 0 AND expires IS NOT NULL;
CREATE INDEX keys_start ON keys (workspace_id, start, id) WHERE deleted_at = 0;
CREATE INDEX key_roles_keys ON key_roles (role_id, key_id);
DROP INDEX key_roles_role;
