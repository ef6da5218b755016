-- oldest: 2
-- A disabled identity's keys are DISABLED. A program that doesn't know it admits them.
ALTER TABLE identities ADD COLUMN enabled BOOLEAN NOT NULL DEFAULT TRUE;
