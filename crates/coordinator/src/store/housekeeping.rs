//! How jobs end, and are forgotten.

use sqlx::Row as _;
use sqlx::any::AnyRow;
use tacit_wire::Digest32;

use super::rows::{JobState, digest, signed, small, unsigned};
use super::{Event, Kind, Result, Store, Write};

/// A job's new state.
macro_rules! change {
    () => {
        "UPDATE jobs SET state = $2, version = version + 1, failure = $3, proof = $4, ended_at = $5"
    };
}

/// The bytes of what is kept of a job that has ended.
macro_rules! kept {
    () => {
        "LENGTH(header) + COALESCE(LENGTH($4), 0) + COALESCE((SELECT SUM(LENGTH(a.assignment) + COALESCE(LENGTH(a.answer), 0)
                + COALESCE(LENGTH(a.contradiction), 0)) FROM assignments a WHERE a.deal = $1), 0)"
    };
}

impl Store {
    /// Ends a job of which its client needs nothing more: done if it had enough answers, else failed with `gave_up` (JSON). Returns
    /// how it ended, `None` if it had before.
    pub async fn cancel(&self, deal: &Digest32, gave_up: &str, now: u64) -> Result<Option<JobState>> {
        let mut tx = self.write().await?;
        let Some(row) = self.lock_open(&mut tx, deal).await? else { return Ok(None) };
        // What this coordinator assembles is done with its proof alone.
        let ready =
            JobState::from_code(row.try_get("state")?)? == JobState::Ready && small(&row, "assembler")? == 0;
        let (state, failure) = if ready { (JobState::Done, None) } else { (JobState::Failed, Some(gave_up)) };
        set_state(&mut tx, deal, state, failure, None, now).await?;
        tx.commit().await?;
        Ok(Some(state))
    }

    /// How far a job is that has not ended; nobody else changes it until this transaction ends.
    async fn lock_open(&self, tx: &mut Write, deal: &Digest32) -> Result<Option<AnyRow>> {
        let query = match self.kind {
            Kind::Sqlite => "SELECT state, assembler, version FROM jobs WHERE deal = $1 AND ended_at IS NULL",
            // Of this one row: who waited for it sees it as it was left.
            Kind::Postgres => {
                "SELECT state, assembler, version FROM jobs WHERE deal = $1 AND ended_at IS NULL FOR NO KEY UPDATE"
            }
        };
        Ok(sqlx::query(query).bind(deal.0.as_slice()).fetch_optional(&mut **tx).await?)
    }

    /// Ends a job with a proof or a failure (JSON both), unless it has ended; returns whether it did. A failure is of the version that was
    /// `tried`: a job that changed since goes on.
    pub async fn finish(
        &self,
        deal: &Digest32,
        tried: u64,
        outcome: Result<&str, &str>,
        now: u64,
    ) -> Result<bool> {
        let mut tx = self.write().await?;
        let Some(row) = self.lock_open(&mut tx, deal).await? else { return Ok(false) };
        if outcome.is_err() && unsigned(row.try_get("version")?)? != tried {
            return Ok(false);
        }
        let state = if outcome.is_ok() { JobState::Done } else { JobState::Failed };
        set_state(&mut tx, deal, state, outcome.err(), outcome.ok(), now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Ends every job whose deal has expired; returns them. Those that had enough answers for their client are done,
    /// the others expired.
    pub async fn expire(&self, now: u64) -> Result<Vec<Digest32>> {
        let due = sqlx::query(
            "SELECT deal FROM jobs WHERE ended_at IS NULL AND expiry < $1 ORDER BY deal LIMIT 200",
        )
        .bind(signed(now))
        .fetch_all(&self.pool)
        .await?;
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let mut tx = self.write().await?;
        // In the order of their names, and all before the log: two coordinators that do this at once do not wait for one another in a circle.
        let mut open = Vec::with_capacity(due.len());
        for row in &due {
            let deal = digest(row, "deal")?;
            if let Some(job) = self.lock_open(&mut tx, &deal).await? {
                open.push((deal, job));
            }
        }
        let mut ended = Vec::with_capacity(open.len());
        for (deal, job) in open {
            let ready = JobState::from_code(job.try_get("state")?)? == JobState::Ready;
            let state =
                if ready && small(&job, "assembler")? == 0 { JobState::Done } else { JobState::Expired };
            set_state(&mut tx, &deal, state, None, None, now).await?;
            ended.push(deal);
        }
        tx.commit().await?;
        Ok(ended)
    }

    /// Forgets jobs that have ended where they take more than `all` bytes together, or those of one key more than `of_one`: the oldest, until the rest
    /// does not. Returns how many.
    pub async fn forget_beyond(&self, all: u64, of_one: u64) -> Result<u64> {
        let mut forgotten = 0;
        let owners = sqlx::query(
            "SELECT owner FROM jobs WHERE ended_at IS NOT NULL AND owner IS NOT NULL GROUP BY owner HAVING SUM(envelope_bytes) > $1",
        )
        .bind(signed(of_one))
        .fetch_all(&self.pool)
        .await?;
        for row in &owners {
            let done = sqlx::query(
                "DELETE FROM jobs WHERE deal IN (SELECT deal FROM
                        (SELECT deal, SUM(envelope_bytes) OVER (ORDER BY ended_at DESC, deal) AS bytes FROM jobs
                         WHERE ended_at IS NOT NULL AND owner = $1) kept WHERE bytes > $2)",
            )
            .bind(row.try_get::<i64, _>("owner")?)
            .bind(signed(of_one))
            .execute(&self.pool)
            .await?;
            forgotten += done.rows_affected();
        }
        let row = sqlx::query(
            "SELECT CAST(COALESCE(SUM(envelope_bytes), 0) AS BIGINT) FROM jobs WHERE ended_at IS NOT NULL",
        )
        .fetch_one(&self.pool)
        .await?;
        if unsigned(row.try_get(0)?)? > all {
            let done = sqlx::query(
                "DELETE FROM jobs WHERE deal IN (SELECT deal FROM
                        (SELECT deal, SUM(envelope_bytes) OVER (ORDER BY ended_at DESC, deal) AS bytes FROM jobs
                         WHERE ended_at IS NOT NULL) kept WHERE bytes > $1)",
            )
            .bind(signed(all))
            .execute(&self.pool)
            .await?;
            forgotten += done.rows_affected();
        }
        Ok(forgotten)
    }

    /// Forgets jobs that ended before a time.
    pub async fn forget_before(&self, time: u64) -> Result<u64> {
        let done = sqlx::query("DELETE FROM jobs WHERE ended_at < $1")
            .bind(signed(time))
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected())
    }
}

/// Every change of a job's state goes through here: a job that ends loses its envelopes, and gets its entry in the log, in the same commit. After it,
/// a transaction locks no other job.
pub(super) async fn set_state(
    tx: &mut Write,
    deal: &Digest32,
    state: JobState,
    failure: Option<&str>,
    proof: Option<&str>,
    now: u64,
) -> Result<()> {
    // Whoever had the package in hand may have seen it.
    let query = match (state.has_ended(), tx.is_shared()) {
        (false, _) => concat!(change!(), " WHERE deal = $1"),
        (true, false) => concat!(
            change!(),
            " WHERE deal = $1;
             UPDATE jobs SET envelope_bytes = (",
            kept!(),
            ") WHERE deal = $1;
             UPDATE assignments SET envelope = NULL WHERE deal = $1;
             UPDATE holders SET offered = 1 WHERE deal = $1 AND offered = 0
                    AND node IN (SELECT node FROM in_hand WHERE deal = $1);
             DELETE FROM in_hand WHERE deal = $1;
             DELETE FROM assembling WHERE deal = $1"
        ),
        // Offers first and what is assembled after them, in the order of the module `cluster`.
        (true, true) => concat!(
            "WITH job AS (",
            change!(),
            ", envelope_bytes = (",
            kept!(),
            ") WHERE deal = $1),
             sealed AS (UPDATE assignments SET envelope = NULL WHERE deal = $1),
             locked AS (SELECT idx FROM in_hand WHERE deal = $1 ORDER BY idx FOR UPDATE),
             gone AS (DELETE FROM in_hand h USING locked l WHERE h.deal = $1 AND h.idx = l.idx RETURNING h.node),
             seen AS (UPDATE holders o SET offered = 1 FROM gone g WHERE o.deal = $1 AND o.node = g.node AND o.offered = 0)
             DELETE FROM assembling WHERE deal = $1 AND (SELECT COUNT(*) FROM gone) >= 0"
        ),
    };
    sqlx::query(query)
        .bind(deal.0.as_slice())
        .bind(state as i64)
        .bind(failure)
        .bind(proof)
        .bind(state.has_ended().then(|| signed(now)))
        .execute(&mut **tx)
        .await?;
    if state.has_ended() {
        tx.tell(Event::Job(*deal));
        super::log::append(tx, deal, now).await?;
    }
    Ok(())
}
