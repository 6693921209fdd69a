-- envelope_bytes is what a job takes of its share: while it is open its header and its envelopes, and from its end on its header, its answers and its proof.
UPDATE jobs SET envelope_bytes = envelope_bytes + LENGTH(header) WHERE ended_at IS NULL;
UPDATE jobs SET envelope_bytes = LENGTH(header) + COALESCE(LENGTH(proof), 0)
    + (SELECT COALESCE(SUM(LENGTH(a.assignment) + COALESCE(LENGTH(a.answer), 0) + COALESCE(LENGTH(a.contradiction), 0)), 0)
       FROM assignments a WHERE a.deal = jobs.deal)
WHERE ended_at IS NOT NULL;
-- What has ended of one key, the newest first, without reading the jobs.
CREATE INDEX jobs_kept ON jobs (owner, ended_at, deal, envelope_bytes) WHERE ended_at IS NOT NULL;
