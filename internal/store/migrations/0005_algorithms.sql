-- oldest: 2
-- How a limit counts: '' for the default, a sliding window, or the name of an
-- algorithm. A program that doesn't know it counts in sliding windows.
ALTER TABLE limits ADD COLUMN algorithm TEXT NOT NULL DEFAULT '';
ALTER TABLE overrides ADD COLUMN algorithm TEXT NOT NULL DEFAULT '';
ALTER TABLE namespaces ADD COLUMN algorithm TEXT NOT NULL DEFAULT '';
