//! Submissions, and how jobs are read.

use std::collections::HashMap;

use sqlx::Row as _;
use sqlx::any::AnyRow;
use tacit_wire::{Digest32, IdentityKey};

use super::offers::hold;
use super::rows::{
    AnswerRow, Insertion, JobRow, JobState, NewJob, SeatRow, SeatState, digest, job_row, seat_row, signed,
    small, unsigned,
};
use super::{Event, Result, Shares, Store, shares};

impl Store {
    /// Stores a job with its envelopes, unless the deal is known or there is no room.
    pub async fn insert_job(&self, job: &NewJob, now: u64, shares: impl Into<Shares>) -> Result<Insertion> {
        let shares = shares.into();
        let mut tx = self.write().await?;
        let bytes = shares::bytes_of(job.seats.iter().map(|s| s.envelope.as_slice()));
        // Where there is no room in any case, nothing is written. What decides is the look at the end, where others may write meanwhile.
        if let Some(excess) = self.excess(&mut tx, job.owner, &shares, 1, unsigned(bytes)?).await? {
            drop(tx);
            return Ok(match self.submission(&job.deal).await? {
                Some(known) => known_already(known == job.submission),
                None => Insertion::Full(excess),
            });
        }
        // Of two that submit one deal at two coordinators, the second waits here for the first's commit.
        let inserted = sqlx::query(
            "INSERT INTO jobs
             (deal, submission, header, circuit, n, t, needed, handover, assembler, state, version, expiry, created_at, owner,
              envelope_bytes)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1, $11, $12, $13, $14) ON CONFLICT (deal) DO NOTHING",
        )
        .bind(job.deal.0.as_slice())
        .bind(job.submission.0.as_slice())
        .bind(job.header.as_slice())
        .bind(job.circuit.0.as_slice())
        .bind(i64::from(job.n))
        .bind(i64::from(job.t))
        .bind(i64::from(job.needed))
        .bind(job.handover.as_str())
        .bind(i64::from(job.coordinator_assembles))
        .bind(JobState::Open as i64)
        .bind(signed(job.expiry))
        .bind(signed(now))
        .bind(job.owner)
        .bind(bytes)
        .execute(&mut *tx)
        .await;
        let inserted = match inserted {
            // Removed since it was looked up.
            Err(sqlx::Error::Database(e)) if e.is_foreign_key_violation() => return Ok(Insertion::NoCircuit),
            inserted => inserted?,
        };
        if inserted.rows_affected() == 0 {
            let known = sqlx::query("SELECT submission FROM jobs WHERE deal = $1")
                .bind(job.deal.0.as_slice())
                .fetch_one(&mut *tx)
                .await?;
            return Ok(known_already(digest(&known, "submission")? == job.submission));
        }
        for seat in &job.seats {
            sqlx::query(
                "INSERT INTO assignments (deal, idx, node, assignment, envelope, envelope_bytes, state, created_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            )
            .bind(job.deal.0.as_slice())
            .bind(i64::from(seat.index))
            .bind(seat.node.0.as_slice())
            .bind(seat.assignment.as_slice())
            .bind(seat.envelope.as_slice())
            .bind(signed(seat.envelope.len() as u64))
            .bind(SeatState::Waiting as i64)
            .bind(signed(now))
            .execute(&mut *tx)
            .await?;
            hold(&mut tx, &job.deal, seat).await?;
            tx.tell(Event::Work(seat.node));
        }
        tx.tell(Event::Job(job.deal));
        self.lock_shares(&mut tx).await?;
        // With this job among them.
        if self.is_shared()
            && let Some(excess) = self.excess(&mut tx, job.owner, &shares, 0, 0).await?
        {
            return Ok(Insertion::Full(excess));
        }
        let circuit = sqlx::query("SELECT 1 FROM circuits WHERE id = $1 AND removed_at IS NULL")
            .bind(job.circuit.0.as_slice())
            .fetch_optional(&mut *tx)
            .await?;
        if circuit.is_none() {
            return Ok(Insertion::NoCircuit);
        }
        tx.commit().await?;
        Ok(Insertion::New)
    }

    /// The digest of what was submitted under a deal's name.
    pub async fn submission(&self, deal: &Digest32) -> Result<Option<Digest32>> {
        sqlx::query("SELECT submission FROM jobs WHERE deal = $1")
            .bind(deal.0.as_slice())
            .fetch_optional(&self.pool)
            .await?
            .map(|r| digest(&r, "submission"))
            .transpose()
    }

    /// One job with its whole header, which may have megabytes: not for those who wait.
    pub async fn job(&self, deal: &Digest32) -> Result<Option<JobRow>> {
        self.job_by(
            deal,
            "SELECT deal, header, circuit, n, t, needed, handover, assembler, state, version, failure, proof, expiry, created_at,
                    ended_at, owner
             FROM jobs WHERE deal = $1",
        )
        .await
    }

    /// One job without its header beyond the dials.
    pub async fn job_head(&self, deal: &Digest32) -> Result<Option<JobRow>> {
        self.job_by(
            deal,
            "SELECT deal, SUBSTR(header, 1, 512) AS header, circuit, n, t, needed, handover, assembler, state, version, failure, proof,
                    expiry, created_at, ended_at, owner
             FROM jobs WHERE deal = $1",
        )
        .await
    }

    async fn job_by(&self, deal: &Digest32, query: &'static str) -> Result<Option<JobRow>> {
        let row = sqlx::query(query).bind(deal.0.as_slice()).fetch_optional(&self.pool).await?;
        row.as_ref().map(job_row).transpose()
    }

    /// The newest jobs, newest first, with their committees: neither headers beyond the dials nor proofs, envelopes or answers are read.
    /// Only those of `owner`, if there is one.
    pub async fn jobs(&self, limit: u32, owner: Option<i64>) -> Result<Vec<(JobRow, Vec<SeatRow>)>> {
        let rows = sqlx::query(
            "SELECT deal, SUBSTR(header, 1, 512) AS header, circuit, n, t, needed, handover, assembler, state, version,
                    failure, NULL AS proof, expiry, created_at, ended_at, owner
             FROM jobs WHERE $2 = 0 OR owner = $3 ORDER BY created_at DESC, deal LIMIT $1",
        )
        .bind(i64::from(limit))
        .bind(i64::from(owner.is_some()))
        .bind(owner.unwrap_or(0))
        .fetch_all(&self.pool)
        .await?;
        let jobs: Vec<JobRow> = rows.iter().map(job_row).collect::<Result<_>>()?;
        let rows = sqlx::query(
            "SELECT a.deal, a.idx, a.node, a.envelope_bytes, a.state, COALESCE(LENGTH(a.answer), 0) AS answer_bytes, a.refusal,
                    a.answered_at, CASE WHEN a.contradiction IS NULL THEN 0 ELSE 1 END AS contradicted,
                    CASE WHEN h.deal IS NULL THEN 0 WHEN h.lost = 0 THEN 1 ELSE 2 END AS in_hand,
                    CASE WHEN p.coordinator IS NULL THEN 0 ELSE 1 END AS connected
             FROM assignments a JOIN (SELECT deal FROM jobs WHERE $2 = 0 OR owner = $3 ORDER BY created_at DESC, deal LIMIT $1) j
                  ON j.deal = a.deal
                    LEFT JOIN in_hand h ON h.deal = a.deal AND h.idx = a.idx AND h.node = a.node
                    LEFT JOIN presence p ON p.node = a.node
             ORDER BY a.deal, a.idx",
        )
        .bind(i64::from(limit))
        .bind(i64::from(owner.is_some()))
        .bind(owner.unwrap_or(0))
        .fetch_all(&self.pool)
        .await?;
        let mut committees: HashMap<Digest32, Vec<SeatRow>> = HashMap::new();
        for row in &rows {
            committees.entry(digest(row, "deal")?).or_default().push(seat_row(row)?);
        }
        // A job that came in between the two queries has no committee here: it is in the next listing.
        Ok(jobs
            .into_iter()
            .filter_map(|job| committees.remove(&job.deal).map(|seats| (job, seats)))
            .collect())
    }

    /// A job's committee, by index, without what its nodes answered.
    pub async fn seats(&self, deal: &Digest32) -> Result<Vec<SeatRow>> {
        Ok(self.versioned_seats(deal).await?.1)
    }

    /// A job's committee, with the job's version at which it is this.
    pub async fn versioned_seats(&self, deal: &Digest32) -> Result<(u64, Vec<SeatRow>)> {
        let rows = sqlx::query(
            "SELECT a.idx, a.node, a.envelope_bytes, a.state, COALESCE(LENGTH(a.answer), 0) AS answer_bytes, a.refusal,
                    a.answered_at, CASE WHEN a.contradiction IS NULL THEN 0 ELSE 1 END AS contradicted,
                    CASE WHEN h.deal IS NULL THEN 0 WHEN h.lost = 0 THEN 1 ELSE 2 END AS in_hand,
                    CASE WHEN p.coordinator IS NULL THEN 0 ELSE 1 END AS connected, j.version
             FROM assignments a JOIN jobs j ON j.deal = a.deal
                    LEFT JOIN in_hand h ON h.deal = a.deal AND h.idx = a.idx AND h.node = a.node
                    LEFT JOIN presence p ON p.node = a.node
             WHERE a.deal = $1 ORDER BY a.idx",
        )
        .bind(deal.0.as_slice())
        .fetch_all(&self.pool)
        .await?;
        let version = rows.first().map(|row| unsigned(row.try_get("version")?)).transpose()?.unwrap_or(0);
        Ok((version, rows.iter().map(seat_row).collect::<Result<_>>()?))
    }

    /// What a job's nodes answered, by index.
    pub async fn answers(&self, deal: &Digest32) -> Result<Vec<AnswerRow>> {
        let rows = sqlx::query(
            "SELECT idx, assignment, answer FROM assignments WHERE deal = $1 AND state = 1 AND answer IS NOT NULL ORDER BY idx",
        )
        .bind(deal.0.as_slice())
        .fetch_all(&self.pool)
        .await?;
        let answer = |row: &AnyRow| {
            Ok(AnswerRow {
                index: small(row, "idx")?,
                assignment: row.try_get("assignment")?,
                answer: row.try_get("answer")?,
            })
        };
        rows.iter().map(answer).collect()
    }

    /// The answers of nodes that gave two, by index: the one that counts with the other.
    pub async fn contradictions(&self, deal: &Digest32) -> Result<Vec<(AnswerRow, IdentityKey, Vec<u8>)>> {
        let rows = sqlx::query(
            "SELECT idx, node, assignment, answer, contradiction FROM assignments
             WHERE deal = $1 AND state = 1 AND answer IS NOT NULL AND contradiction IS NOT NULL ORDER BY idx",
        )
        .bind(deal.0.as_slice())
        .fetch_all(&self.pool)
        .await?;
        let contradiction = |row: &AnyRow| {
            let first = AnswerRow {
                index: small(row, "idx")?,
                assignment: row.try_get("assignment")?,
                answer: row.try_get("answer")?,
            };
            Ok((first, IdentityKey(digest(row, "node")?.0), row.try_get("contradiction")?))
        };
        rows.iter().map(contradiction).collect()
    }

    /// How many jobs have not ended.
    pub async fn count_open(&self) -> Result<u64> {
        let row =
            sqlx::query("SELECT COUNT(*) FROM jobs WHERE ended_at IS NULL").fetch_one(&self.pool).await?;
        unsigned(row.try_get(0)?)
    }

    /// How many envelopes are stored: none of them belongs to a job that has ended.
    pub async fn count_envelopes(&self) -> Result<u64> {
        let row = sqlx::query("SELECT COUNT(*) FROM assignments WHERE envelope IS NOT NULL")
            .fetch_one(&self.pool)
            .await?;
        unsigned(row.try_get(0)?)
    }
}

fn known_already(same: bool) -> Insertion {
    if same { Insertion::Same } else { Insertion::Conflict }
}
