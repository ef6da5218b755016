-- oldest: 23
-- What an open reservation has of a balance is given back only into the epoch that it was taken
-- from. A random number; setting a balance and a refill that raises it draw another one.
ALTER TABLE balances ADD COLUMN epoch BIGINT NOT NULL DEFAULT 0;
ALTER TABLE reservations ADD COLUMN credits_epoch BIGINT NOT NULL DEFAULT 0;
