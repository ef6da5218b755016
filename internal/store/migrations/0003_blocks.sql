-- oldest: 2
-- Windows of the in-memory limiter in blocks, in place of a row for each of
-- them. Where nodes share the database their counts stay rows of cells. A
-- program that doesn't know blocks works beside them but forgives what they hold.
CREATE TABLE cell_blocks (
    part       BIGINT NOT NULL, -- of the windows; those of a later process have higher numbers
    seq        BIGINT NOT NULL, -- numbers the blocks of a part
    expires_at BIGINT NOT NULL, -- when the last count in it no longer matters
    cells      BYTEA NOT NULL,  -- as CellBlock writes them
    PRIMARY KEY (part, seq)
);
