//! How jobs end, and are forgotten.

use sqlx::Row as _;
use tacit_wire::Digest32;

use super::rows::{JobState, digest, signed, small, unsigned};
use super::{Event, Result, Store, Write};

impl Store {
    /// Ends a job of which its client needs nothing more: done if it had enough answers, else failed with `gave_up` (JSON). Returns
    /// whether it had not ended.
    pub async fn cancel(&self, deal: &Digest32, gave_up: &str, now: u64) -> Result<bool> {
        let mut tx = self.write_job(deal).await?;
        let row = sqlx::query("SELECT state, assembler FROM jobs WHERE deal = $1 AND ended_at IS NULL")
            .bind(deal.0.as_slice())
            .fetch_optional(&mut *tx)
            .await?;
        let Some(row) = row else { return Ok(false) };
        // What this coordinator assembles is done with its proof alone.
        let ready =
            JobState::from_code(row.try_get("state")?)? == JobState::Ready && small(&row, "assembler")? == 0;
        let (state, failure) = if ready { (JobState::Done, None) } else { (JobState::Failed, Some(gave_up)) };
        set_state(&mut tx, deal, state, failure, None, now).await?;
        tx.commit().await?;
        Ok(true)
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
        let mut tx = self.write_job(deal).await?;
        let row = sqlx::query("SELECT version FROM jobs WHERE deal = $1 AND ended_at IS NULL")
            .bind(deal.0.as_slice())
            .fetch_optional(&mut *tx)
            .await?;
        let Some(row) = row else { return Ok(false) };
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
        for row in &due {
            self.lock_job(&mut tx, &digest(row, "deal")?).await?;
        }
        let mut ended = Vec::with_capacity(due.len());
        for row in &due {
            let deal = digest(row, "deal")?;
            let job = sqlx::query("SELECT state, assembler FROM jobs WHERE deal = $1 AND ended_at IS NULL")
                .bind(deal.0.as_slice())
                .fetch_optional(&mut *tx)
                .await?;
            let Some(job) = job else { continue };
            let ready = JobState::from_code(job.try_get("state")?)? == JobState::Ready;
            let state =
                if ready && small(&job, "assembler")? == 0 { JobState::Done } else { JobState::Expired };
            set_state(&mut tx, &deal, state, None, None, now).await?;
            ended.push(deal);
        }
        tx.commit().await?;
        Ok(ended)
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
    sqlx::query(
        "UPDATE jobs SET state = $2, version = version + 1, failure = $3, proof = $4, ended_at = $5
         WHERE deal = $1",
    )
    .bind(deal.0.as_slice())
    .bind(state as i64)
    .bind(failure)
    .bind(proof)
    .bind(state.has_ended().then(|| signed(now)))
    .execute(&mut **tx)
    .await?;
    tx.tell(Event::Job(*deal));
    if state.has_ended() {
        let offers = if tx.is_shared() {
            // In the order of the module `cluster`.
            "WITH locked AS (SELECT idx FROM in_hand WHERE deal = $1 ORDER BY idx FOR UPDATE)
             DELETE FROM in_hand h USING locked l WHERE h.deal = $1 AND h.idx = l.idx"
        } else {
            "DELETE FROM in_hand WHERE deal = $1"
        };
        for query in [
            "UPDATE assignments SET envelope = NULL WHERE deal = $1",
            offers,
            "DELETE FROM assembling WHERE deal = $1",
        ] {
            sqlx::query(query).bind(deal.0.as_slice()).execute(&mut **tx).await?;
        }
        super::log::append(tx, deal, now).await?;
    }
    Ok(())
}
