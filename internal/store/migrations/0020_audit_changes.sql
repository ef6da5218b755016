-- oldest: 2
-- What an update changed, and indexes for the filters of the audit log. A program that doesn't
-- know them writes records without changes.
ALTER TABLE audit_logs ADD COLUMN changes TEXT NOT NULL DEFAULT ''; -- a JSON list of {field, before, after}; '' for none
CREATE INDEX audit_logs_event ON audit_logs (workspace_id, event, seq);
CREATE INDEX audit_logs_actor ON audit_logs (workspace_id, actor_id, seq);
