-- Whether a record holds an answer: what is owed is found without reading those that do. Records of before are looked at as if they held none.
ALTER TABLE records ADD COLUMN answered INTEGER NOT NULL DEFAULT 0;
CREATE INDEX records_owed ON records (expiry) WHERE retired = 0 AND answered = 0;
