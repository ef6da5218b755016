-- oldest: 2
-- Webhooks: who receives events, the events that wait or were sent, and what was reported
-- once. A program that doesn't know them sends none.
CREATE TABLE webhooks (
    id               TEXT PRIMARY KEY,
    workspace_id     TEXT NOT NULL,
    url              TEXT NOT NULL,
    description      TEXT NOT NULL,
    events           TEXT NOT NULL, -- their types, separated by spaces
    expiring_days    BIGINT NOT NULL,
    credit_threshold BIGINT NOT NULL,
    enabled          BOOLEAN NOT NULL,
    disabled_reason  TEXT NOT NULL, -- '' unless the service disabled it
    secrets          BYTEA NOT NULL, -- sealed: the secret and, after a space, the one before it
    data_key         TEXT NOT NULL, -- what they are sealed under
    rotated_at       BIGINT NOT NULL, -- when the secret replaced the one before it; 0 if there is none
    place            BIGINT NOT NULL, -- in audit_logs: what is after it was not looked at
    failing_since    BIGINT NOT NULL, -- the first failed attempt since one succeeded; 0 for none
    created_at       BIGINT NOT NULL,
    updated_at       BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX webhooks_workspace ON webhooks (workspace_id, id);
CREATE INDEX webhooks_sealed ON webhooks (data_key, id);

CREATE TABLE webhook_deliveries (
    id           TEXT PRIMARY KEY, -- the header webhook-id
    webhook_id   TEXT NOT NULL,
    event        TEXT NOT NULL,
    payload      TEXT NOT NULL, -- JSON
    created_at   BIGINT NOT NULL,
    attempts     BIGINT NOT NULL,
    next_at      BIGINT NOT NULL, -- when the next attempt is due; 0 if there is none
    attempted_at BIGINT NOT NULL, -- when the last attempt ended; 0 before
    delivered_at BIGINT NOT NULL, -- 0 unless the last attempt succeeded
    status       BIGINT NOT NULL, -- of the last response; 0 for none
    error        TEXT NOT NULL -- of the last attempt
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook_id, next_at) WHERE next_at <> 0;
CREATE INDEX webhook_deliveries_page ON webhook_deliveries (webhook_id, created_at, id);
CREATE INDEX webhook_deliveries_age ON webhook_deliveries (created_at);

CREATE TABLE webhook_marks (
    webhook_id TEXT NOT NULL,
    event      TEXT NOT NULL,
    subject    TEXT NOT NULL, -- the key or the limit
    period     BIGINT NOT NULL, -- in which the event is reported once
    ends_at    BIGINT NOT NULL, -- when the row can be deleted
    PRIMARY KEY (webhook_id, event, subject, period)
);
CREATE INDEX webhook_marks_end ON webhook_marks (ends_at);
