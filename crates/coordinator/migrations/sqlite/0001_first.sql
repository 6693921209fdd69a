-- Circuits that this coordinator hands to nodes. Their files are in the data directory, named by these digests.
CREATE TABLE circuits (
    id BLOB NOT NULL PRIMARY KEY,           -- 32 bytes: digest of the key's proving sections
    curve INTEGER NOT NULL,                 -- 1 BN254, 2 BLS12-381
    n_wires BIGINT NOT NULL,                -- the constant one included
    n_public BIGINT NOT NULL,
    log_domain BIGINT NOT NULL,
    zkey_bytes BIGINT NOT NULL,
    r1cs_digest BLOB,                       -- 32 bytes, BLAKE3
    r1cs_bytes BIGINT,
    added_at BIGINT NOT NULL                -- Unix seconds, as every time here
);

-- One row for each accepted deal.
CREATE TABLE jobs (
    deal BLOB NOT NULL PRIMARY KEY,         -- 32 bytes: the job's name
    submission BLOB NOT NULL,               -- 32 bytes: digest of the submitted bytes, for idempotency
    header BLOB NOT NULL,                   -- the deal header, canonical
    circuit BLOB NOT NULL REFERENCES circuits (id),
    n INTEGER NOT NULL,
    t INTEGER NOT NULL,
    needed INTEGER NOT NULL,                -- answers that make a proof
    handover TEXT NOT NULL,
    assembler INTEGER NOT NULL,             -- 0 the client, 1 this coordinator
    state INTEGER NOT NULL,                 -- see JobState in store.rs
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
    deal BLOB NOT NULL REFERENCES jobs (deal) ON DELETE CASCADE,
    idx INTEGER NOT NULL,                   -- evaluation point, 1..=n
    node BLOB NOT NULL,                     -- 32 bytes: Ed25519 identity
    assignment BLOB NOT NULL,               -- signed by the client
    envelope BLOB,                          -- sealed to the node; NULL as soon as the job has ended
    envelope_bytes BIGINT NOT NULL,
    state INTEGER NOT NULL,                 -- see SeatState in store.rs
    answer BLOB,                            -- acknowledgement and sealed response, as the node signed them
    contradiction BLOB,                     -- a second, different answer to the same assignment: evidence
    refusal TEXT,                           -- JSON {code, message, blame}, when refused
    answered_at BIGINT,
    PRIMARY KEY (deal, idx)
);
CREATE INDEX assignments_waiting ON assignments (node, deal) WHERE state = 0;
