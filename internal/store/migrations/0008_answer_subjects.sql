-- oldest: 2
-- The key or root key whose secret an answer has; it ends with it. '' for others.
-- Answers from before could be opened without the caller's root key.
DELETE FROM answers;
ALTER TABLE answers ADD COLUMN subject TEXT NOT NULL DEFAULT '';
CREATE INDEX answers_subject ON answers (subject) WHERE subject <> '';
