-- oldest: 2
-- What nodes that share a database tell one another.

-- One row: how far the two logs have come. Whoever changes anything locks it
-- first, until the commit: the changes of all nodes are serial, and the order of
-- the logs is the order of the commits.
CREATE TABLE heads (
    id      BIGINT PRIMARY KEY, -- always 1
    changes BIGINT NOT NULL,    -- the last place in changes
    audit   BIGINT NOT NULL     -- the last place in audit_logs
);
INSERT INTO heads (id, changes, audit)
SELECT 1, 0, CAST(COALESCE(MAX(a.seq), 0) AS BIGINT) FROM audit_logs a;

-- What was changed, for the memories of other nodes. Places follow one another
-- without a gap, so a node that finds one knows that it has missed something.
CREATE TABLE changes (
    seq     BIGINT PRIMARY KEY,
    node    TEXT NOT NULL,   -- who made the change
    time    BIGINT NOT NULL, -- when, by that node's clock
    touched TEXT NOT NULL    -- a JSON list of ids; '' for everything
);

-- The nodes that run. A node counts its beats up; one whose beats stand still is gone.
CREATE TABLE nodes (
    id    TEXT PRIMARY KEY,
    beats BIGINT NOT NULL
);

-- What happens to a limit while the counters that nodes share are out of reach:
-- '' decides with a share of it on each node, 'refuse' refuses.
ALTER TABLE namespaces ADD COLUMN when_degraded TEXT NOT NULL DEFAULT '';
