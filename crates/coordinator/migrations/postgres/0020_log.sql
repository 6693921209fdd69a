-- The log: one entry for each job that ended, which outlives the job. Nothing here is ever changed or deleted, but for the one row of log_state.
CREATE TABLE log_leaves (
    idx BIGINT NOT NULL PRIMARY KEY,        -- from 0, without gaps
    deal BYTEA NOT NULL UNIQUE,              -- 32 bytes: a job has one entry
    entry BYTEA NOT NULL                     -- the signed receipt
);
-- The tree: hashes of complete subtrees, each under its number (NodeId::position in tacit-log).
CREATE TABLE log_nodes (
    position BIGINT NOT NULL PRIMARY KEY,
    hash BYTEA NOT NULL                      -- 32 bytes
);
-- Heads that were signed: one for each size.
CREATE TABLE log_heads (
    size BIGINT NOT NULL PRIMARY KEY,
    root BYTEA NOT NULL,                     -- 32 bytes
    signed_at BIGINT NOT NULL,              -- Unix seconds; a larger head is later
    signature BYTEA NOT NULL                 -- 64 bytes
);
-- What the tree grows from. Whoever appends or signs takes this row first.
CREATE TABLE log_state (
    id BIGINT NOT NULL PRIMARY KEY,         -- 1
    size BIGINT NOT NULL,
    peaks BYTEA NOT NULL,                    -- 32 bytes for each complete subtree, from left to right
    last_time BIGINT NOT NULL               -- no entry and no head is later
);
INSERT INTO log_state (id, size, peaks, last_time) VALUES (1, 0, '', 0);
