-- What one API key has of what is bounded.

-- Bytes of the job's envelopes that are stored: those of open jobs count.
ALTER TABLE jobs ADD COLUMN envelope_bytes BIGINT NOT NULL DEFAULT 0;
UPDATE jobs SET envelope_bytes = (SELECT COALESCE(SUM(a.envelope_bytes), 0) FROM assignments a WHERE a.deal = jobs.deal)
WHERE ended_at IS NULL;
CREATE INDEX jobs_open_shares ON jobs (owner, envelope_bytes) WHERE ended_at IS NULL;

-- Who registered a circuit: a key; nobody where access was open.
ALTER TABLE circuits ADD COLUMN owner BIGINT;
-- When it was removed: the row stays for as long as there are jobs that name it.
ALTER TABLE circuits ADD COLUMN removed_at BIGINT;
CREATE INDEX jobs_by_circuit ON jobs (circuit);
