-- oldest: 2
-- What was asked about the caller whose answer is kept, in JSON, to be asked again
-- of whoever repeats the request. A program that doesn't know it keeps no checks;
-- "" is such an answer.
ALTER TABLE answers ADD COLUMN checks TEXT NOT NULL DEFAULT '';
