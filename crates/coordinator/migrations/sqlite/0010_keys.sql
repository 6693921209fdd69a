-- API keys. The keys themselves are kept nowhere.
CREATE TABLE api_keys (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,              -- never used again, also after it was revoked
    role BIGINT NOT NULL,                   -- see Role in access.rs
    digest BLOB NOT NULL UNIQUE,           -- 32 bytes: BLAKE3 of the key, with a context of its own
    created_at BIGINT NOT NULL,
    revoked_at BIGINT
);

-- Whose job it is: the key that submitted it; nobody's where access was open.
ALTER TABLE jobs ADD COLUMN owner BIGINT;
CREATE INDEX jobs_by_owner ON jobs (owner, created_at);

-- Requests with an Idempotency-Key, for a day.
CREATE TABLE idempotency_keys (
    scope TEXT NOT NULL,                    -- whose key it is
    name TEXT NOT NULL,                     -- the key
    contents BLOB NOT NULL,                -- 32 bytes: digest of the request's path and body
    status BIGINT,                          -- of the first response, once there is one
    body TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (scope, name)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
