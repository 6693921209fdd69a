-- The schema of migrations/sqlite up to 0003, in PostgreSQL's types.

-- Circuits that this coordinator hands to nodes.
CREATE TABLE circuits (
    id BYTEA NOT NULL PRIMARY KEY,          -- 32 bytes: digest of the key's proving sections, or of the file of bases
    kind BIGINT NOT NULL DEFAULT 0,         -- 0 a circuit with its proving key, 1 bases, of which n_wires is the number
    curve BIGINT NOT NULL,                  -- 1 BN254, 2 BLS12-381
    n_wires BIGINT NOT NULL,                -- the constant one included
    n_public BIGINT NOT NULL,
    log_domain BIGINT NOT NULL,
    zkey_bytes BIGINT NOT NULL,
    r1cs_digest BYTEA,                      -- 32 bytes, BLAKE3
    r1cs_bytes BIGINT,
    added_at BIGINT NOT NULL                -- Unix seconds, as every time here
);

-- One row for each accepted deal.
CREATE TABLE jobs (
    deal BYTEA NOT NULL PRIMARY KEY,        -- 32 bytes: the job's name
    submission BYTEA NOT NULL,              -- 32 bytes: digest of the submitted bytes, for idempotency
    header BYTEA NOT NULL,                  -- the deal header, canonical
    circuit BYTEA NOT NULL REFERENCES circuits (id),
    n BIGINT NOT NULL,
    t BIGINT NOT NULL,
    needed BIGINT NOT NULL,                 -- answers that make a proof
    handover TEXT NOT NULL,
    assembler BIGINT NOT NULL,              -- 0 the client, 1 this coordinator
    state BIGINT NOT NULL,                  -- see JobState in store/rows.rs
    version BIGINT NOT NULL,                -- counts the changes that a poller can see
    failure TEXT,                           -- JSON {code, message, blame}, when failed
    proof TEXT,                             -- JSON, when this coordinator assembled one
    expiry BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    ended_at BIGINT
);
CREATE INDEX jobs_by_age ON jobs (created_at);
CREATE INDEX jobs_open_by_expiry ON jobs (expiry) WHERE ended_at IS NULL;
CREATE INDEX jobs_ended ON jobs (ended_at) WHERE ended_at IS NOT NULL;

-- One row for each seat of each committee.
CREATE TABLE assignments (
    deal BYTEA NOT NULL REFERENCES jobs (deal) ON DELETE CASCADE,
    idx BIGINT NOT NULL,                    -- evaluation point, 1..=n
    node BYTEA NOT NULL,                    -- 32 bytes: Ed25519 identity
    assignment BYTEA NOT NULL,              -- signed by the client
    envelope BYTEA,                         -- sealed to the node; NULL as soon as the job has ended
    envelope_bytes BIGINT NOT NULL,
    state BIGINT NOT NULL,                  -- see SeatState in store/rows.rs
    answer BYTEA,                           -- acknowledgement and sealed response, as the node signed them
    contradiction BYTEA,                    -- a second, different answer to the same assignment: evidence
    refusal TEXT,                           -- JSON {code, message, blame}, when refused
    answered_at BIGINT,
    PRIMARY KEY (deal, idx)
);
CREATE INDEX assignments_waiting ON assignments (node, deal) WHERE state = 0;
-- What is sealed does not compress: do not try.
ALTER TABLE assignments ALTER COLUMN envelope SET STORAGE EXTERNAL;
ALTER TABLE assignments ALTER COLUMN answer SET STORAGE EXTERNAL;

-- Every node that was ever given a place of a job, those that were replaced among them: an assignment that was superseded is never taken again.
CREATE TABLE holders (
    deal BYTEA NOT NULL REFERENCES jobs (deal) ON DELETE CASCADE,
    node BYTEA NOT NULL,                    -- 32 bytes: Ed25519 identity
    idx BIGINT NOT NULL,
    PRIMARY KEY (deal, node)
);
