-- oldest: 2
-- Whether changing what keys of the API are granted needs the permissions that the
-- operations for grants need. A program that doesn't know it doesn't ask for them.
ALTER TABLE apis ADD COLUMN strict_grants BOOLEAN NOT NULL DEFAULT FALSE;
