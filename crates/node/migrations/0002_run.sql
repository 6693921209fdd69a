-- The run of the node that wrote last, as the stamp beside its sealing keys names it: a database from another time does not.
CREATE TABLE run (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    number BIGINT NOT NULL,
    name BLOB NOT NULL                      -- 16 random bytes
);
