-- Every node that was ever given a place of a job, those that were replaced among them: an assignment that was superseded is never taken again.
CREATE TABLE holders (
    deal BLOB NOT NULL REFERENCES jobs (deal) ON DELETE CASCADE,
    node BLOB NOT NULL,                     -- 32 bytes: Ed25519 identity
    idx INTEGER NOT NULL,
    PRIMARY KEY (deal, node)
);
INSERT INTO holders (deal, node, idx) SELECT deal, node, idx FROM assignments;
