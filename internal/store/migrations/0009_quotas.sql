-- oldest: 2
-- How many objects of each kind a workspace has and may have, and an index of what can be
-- removed. A program that doesn't know the counts changes rows without counting them.
ALTER TABLE workspaces ADD COLUMN quotas TEXT NOT NULL DEFAULT ''; -- JSON; '' for the defaults

CREATE TABLE counts (
    workspace_id TEXT NOT NULL,
    kind         TEXT NOT NULL,
    amount       BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, kind)
);
INSERT INTO counts SELECT workspace_id, 'keys', COUNT(*) FROM keys WHERE deleted_at = 0 GROUP BY workspace_id;
INSERT INTO counts SELECT workspace_id, 'identities', COUNT(*) FROM identities GROUP BY workspace_id;
INSERT INTO counts SELECT workspace_id, 'permissions', COUNT(*) FROM permissions GROUP BY workspace_id;
INSERT INTO counts SELECT workspace_id, 'roles', COUNT(*) FROM roles GROUP BY workspace_id;
INSERT INTO counts SELECT workspace_id, 'namespaces', COUNT(*) FROM namespaces GROUP BY workspace_id;
INSERT INTO counts SELECT workspace_id, 'rootKeys', COUNT(*) FROM root_keys GROUP BY workspace_id;
INSERT INTO counts SELECT workspace_id, 'apis', COUNT(*) FROM apis WHERE deleted_at = 0 GROUP BY workspace_id;
