-- oldest: 23
-- Budgets, their reservations and statements. The balance of a budget is a row of balances with the
-- budget's id, beside those of keys. A program that doesn't know budgets spends nothing of them.
CREATE TABLE budgets (
    id           TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL,
    name         TEXT NOT NULL,
    search       TEXT NOT NULL,
    unit         TEXT NOT NULL,
    allowance    BIGINT, -- of each period; NULL for none
    every        TEXT NOT NULL, -- '', hour, day, week or month
    time_zone    TEXT NOT NULL,
    anchor       BIGINT NOT NULL,
    overshoot    TEXT NOT NULL, -- charge or clamp
    on_expiry    TEXT NOT NULL, -- release or charge
    max_open     BIGINT, -- NULL for no bound
    thresholds   TEXT NOT NULL, -- percentages in ascending order, separated by spaces
    enabled      BOOLEAN NOT NULL,
    meta         TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL DEFAULT 0,
    UNIQUE (workspace_id, name)
);
CREATE INDEX budgets_workspace ON budgets (workspace_id, id);

-- What only the balances of budgets have. Their remaining is the prepaid part, of which open
-- reservations have taken theirs.
ALTER TABLE balances ADD COLUMN used BIGINT NOT NULL DEFAULT 0; -- of the period's allowance, spent or reserved
ALTER TABLE balances ADD COLUMN spent BIGINT NOT NULL DEFAULT 0; -- in the period, settled
ALTER TABLE balances ADD COLUMN reserved BIGINT NOT NULL DEFAULT 0; -- by open reservations, as far as it counts in the period
ALTER TABLE balances ADD COLUMN held BIGINT NOT NULL DEFAULT 0; -- by open reservations, of the prepaid part
ALTER TABLE balances ADD COLUMN open BIGINT NOT NULL DEFAULT 0; -- reservations
ALTER TABLE balances ADD COLUMN period_start BIGINT NOT NULL DEFAULT 0;
ALTER TABLE balances ADD COLUMN period_end BIGINT NOT NULL DEFAULT 0;
ALTER TABLE balances ADD COLUMN next_expiry BIGINT NOT NULL DEFAULT 0; -- no open reservation expires before
ALTER TABLE balances ADD COLUMN granted BIGINT NOT NULL DEFAULT 0; -- the prepaid part after the last grant
ALTER TABLE balances ADD COLUMN granted_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE balances ADD COLUMN crossed BIGINT NOT NULL DEFAULT 0; -- the highest threshold that was crossed, in percent

-- Which keys and identities have which budgets. The id of a family of keys stands for all of them.
CREATE TABLE budget_attachments (
    budget_id  TEXT NOT NULL,
    owner_id   TEXT NOT NULL,
    auto_apply BOOLEAN NOT NULL,
    PRIMARY KEY (budget_id, owner_id)
);
CREATE INDEX budget_attachments_owner ON budget_attachments (owner_id);

CREATE TABLE reservations (
    id              TEXT PRIMARY KEY,
    workspace_id    TEXT NOT NULL,
    key_id          TEXT NOT NULL, -- '' without a key
    api_id          TEXT NOT NULL,
    keyspace_id     TEXT NOT NULL,
    balance_id      TEXT NOT NULL, -- of the reserved credits; '' for none
    credits         BIGINT NOT NULL,
    credits_asked   BIGINT NOT NULL DEFAULT 0, -- by the settlement
    credits_charged BIGINT NOT NULL DEFAULT 0,
    state           TEXT NOT NULL, -- open, settled, released or expired
    late            BOOLEAN NOT NULL DEFAULT FALSE, -- settled after it had expired
    created_at      BIGINT NOT NULL,
    expires_at      BIGINT NOT NULL,
    ended_at        BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX reservations_workspace ON reservations (workspace_id, created_at, id);
CREATE INDEX reservations_key ON reservations (key_id, created_at, id) WHERE key_id <> '';
CREATE INDEX reservations_expiry ON reservations (expires_at) WHERE state = 'open';
CREATE INDEX reservations_ended ON reservations (ended_at) WHERE ended_at <> 0;

-- What a reservation has of each budget.
CREATE TABLE reservation_parts (
    reservation_id TEXT NOT NULL,
    budget_id      TEXT NOT NULL,
    workspace_id   TEXT NOT NULL,
    amount         BIGINT NOT NULL,
    prepaid        BIGINT NOT NULL, -- as much of it was taken from the prepaid part
    period_start   BIGINT NOT NULL, -- of its admission
    entry_at       BIGINT NOT NULL, -- the hour of the statement that its charge is in
    asked          BIGINT NOT NULL DEFAULT 0, -- by the settlement
    charged        BIGINT NOT NULL DEFAULT 0,
    expires_at     BIGINT NOT NULL, -- 0 when the reservation has ended
    PRIMARY KEY (reservation_id, budget_id)
);
CREATE INDEX reservation_parts_budget ON reservation_parts (budget_id, reservation_id);
CREATE INDEX reservation_parts_expiry ON reservation_parts (budget_id, expires_at) WHERE expires_at <> 0;

-- The statement of a budget: sums of an hour, and the day and the month of its time zone that the
-- hour is in.
CREATE TABLE budget_entries (
    budget_id TEXT NOT NULL,
    hour      BIGINT NOT NULL,
    kind      TEXT NOT NULL, -- spend, settle, grant or expire
    key_id    TEXT NOT NULL,
    day       BIGINT NOT NULL,
    month     BIGINT NOT NULL,
    count     BIGINT NOT NULL,
    amount    BIGINT NOT NULL,
    PRIMARY KEY (budget_id, hour, kind, key_id)
);
CREATE INDEX budget_entries_age ON budget_entries (hour);

-- The thresholds that were crossed, each once in a period or after a grant.
CREATE TABLE budget_crossings (
    budget_id    TEXT NOT NULL,
    since        BIGINT NOT NULL, -- the beginning of the period, or the time of the grant
    percent      BIGINT NOT NULL,
    workspace_id TEXT NOT NULL,
    time         BIGINT NOT NULL,
    PRIMARY KEY (budget_id, since, percent)
);
CREATE INDEX budget_crossings_age ON budget_crossings (time);
