-- Whose database this is: coordinators that share it are one coordinator, with one identity.
CREATE TABLE network (
    one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    identity BYTEA NOT NULL,                 -- 32 bytes: Ed25519
    assembler_epoch BIGINT NOT NULL         -- the highest epoch of an assembler key that ever was
);

-- Processes that serve from this database. One that was not seen for a while is dead.
CREATE TABLE coordinators (
    id TEXT NOT NULL PRIMARY KEY,           -- drawn at every start
    seen_at BIGINT NOT NULL                 -- milliseconds, by the database's clock
);

-- What nodes said last, and where they are connected.
CREATE TABLE presence (
    node BYTEA NOT NULL PRIMARY KEY,         -- 32 bytes: Ed25519 identity
    connection BIGINT NOT NULL,             -- counts the node's connections, wherever: the highest is the one that counts
    coordinator TEXT,                       -- NULL: not connected
    hello BYTEA NOT NULL                     -- the node's Hello, as it sent it
);

-- Offers that are out: a place is offered once at a time, whoever offers.
CREATE TABLE in_hand (
    deal BYTEA NOT NULL REFERENCES jobs (deal) ON DELETE CASCADE,
    idx BIGINT NOT NULL,
    node BYTEA NOT NULL,
    coordinator TEXT NOT NULL,
    connection BIGINT NOT NULL,
    lost BIGINT NOT NULL,                  -- 1: the connection ended before a reply
    PRIMARY KEY (deal, idx)
);
CREATE INDEX in_hand_of_node ON in_hand (node);
CREATE INDEX in_hand_of_coordinator ON in_hand (coordinator);

-- Who assembles a job at present, and up to which version of it that was tried.
CREATE TABLE assembling (
    deal BYTEA NOT NULL PRIMARY KEY REFERENCES jobs (deal) ON DELETE CASCADE,
    coordinator TEXT,                       -- NULL: nobody
    until BIGINT NOT NULL,                  -- milliseconds, by the database's clock
    tried BIGINT NOT NULL                   -- the job's version
);

-- Assembler keys, sealed under a key that is derived from the identity.
CREATE TABLE assembler_keys (
    epoch BIGINT NOT NULL PRIMARY KEY,
    expiry BIGINT NOT NULL,
    certificate BYTEA NOT NULL,
    sealed BYTEA NOT NULL
);

-- What waits for a node is found without looking at what has ended.
ALTER TABLE assignments ADD COLUMN created_at BIGINT NOT NULL DEFAULT 0;
UPDATE assignments SET created_at = (SELECT j.created_at FROM jobs j WHERE j.deal = assignments.deal);
DROP INDEX assignments_waiting;
CREATE INDEX assignments_offerable ON assignments (node, created_at, deal, idx) WHERE state = 0 AND envelope IS NOT NULL;
CREATE INDEX jobs_to_assemble ON jobs (created_at) WHERE ended_at IS NULL AND assembler = 1 AND state = 1;

-- BLAKE3 of the key's file, and the verification key as snarkjs's JSON; NULL for what was registered before.
ALTER TABLE circuits ADD COLUMN file_digest BYTEA;
ALTER TABLE circuits ADD COLUMN verification_key TEXT;

-- Files of circuits, in pieces: a circuit that was registered at one coordinator is at hand at all.
CREATE TABLE file_pieces (
    digest BYTEA NOT NULL,                  -- 32 bytes: BLAKE3 of the file
    piece BIGINT NOT NULL,                  -- from 0
    bytes BYTEA NOT NULL,
    added_at BIGINT NOT NULL,
    PRIMARY KEY (digest, piece)
);
ALTER TABLE file_pieces ALTER COLUMN bytes SET STORAGE EXTERNAL;
