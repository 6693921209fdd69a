-- What this node keeps about each deal: the encodings of tacit_delegate's records. Nothing here opens a share.
CREATE TABLE records (
    deal BLOB NOT NULL,                     -- 32 bytes
    grp INTEGER NOT NULL,                   -- group of the committee
    sealing_key BLOB NOT NULL,              -- 32 bytes: which key opens the envelope
    expiry BIGINT NOT NULL,                 -- of the deal, Unix seconds
    retired INTEGER NOT NULL,               -- 1: only the tombstone is left
    record BLOB NOT NULL,
    PRIMARY KEY (deal, grp)
);
CREATE INDEX records_by_key ON records (sealing_key);
CREATE INDEX records_to_retire ON records (expiry) WHERE retired = 0;
