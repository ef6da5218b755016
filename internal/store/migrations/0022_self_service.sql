-- oldest: 2
-- What the holders of an API's keys can do with them without a root key. A program that
-- doesn't know it offers nothing.
ALTER TABLE apis ADD COLUMN self_service TEXT NOT NULL DEFAULT ''; -- separated by spaces
