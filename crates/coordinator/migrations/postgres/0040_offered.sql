-- Whether a package was ever given to the node, or may have been: set before it is sent, and never taken back. Of what was there before it is not known.
ALTER TABLE holders ADD COLUMN offered BIGINT NOT NULL DEFAULT 1;
