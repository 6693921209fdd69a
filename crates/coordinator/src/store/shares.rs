//! What there may be of jobs, envelopes and circuits, and how much of it may be one API key's.
//!
//! Two that come at once cannot both take the last place: whoever adds something takes the one row of `network` before it
//! counts, after everything that takes time, and holds it until its commit.

use sqlx::Row as _;

use super::rows::{signed, unsigned};
use super::{Kind, Result, Store, Write};

/// What there may be of jobs that have not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    /// Jobs.
    pub jobs: u64,
    /// Jobs of one key.
    pub jobs_of_one: u64,
    /// Bytes of their envelopes.
    pub bytes: u64,
    /// Bytes of the envelopes of one key's jobs.
    pub bytes_of_one: u64,
}

/// What there may be of circuits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CircuitShares {
    /// All together.
    pub all: u64,
    /// Those that one key registered; `None` for whoever has no bound of its own.
    pub of_one: Option<u64>,
}

/// What there is too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Excess {
    /// Open jobs.
    Jobs,
    /// Open jobs of the key.
    JobsOfOne,
    /// Bytes of envelopes.
    Bytes,
    /// Bytes of the key's envelopes.
    BytesOfOne,
}

/// Of jobs alone, for all together.
impl From<u64> for Shares {
    fn from(jobs: u64) -> Self {
        Self { jobs, jobs_of_one: u64::MAX, bytes: u64::MAX, bytes_of_one: u64::MAX }
    }
}

/// What there is, a new job or replacement included.
struct Counted {
    jobs: u64,
    bytes: u64,
}

impl Store {
    /// Waits until nobody else is between counting and its commit. A transaction that is here locks nothing else.
    pub(super) async fn lock_shares(&self, tx: &mut Write) -> Result<()> {
        // SQLite has one writer.
        if self.kind == Kind::Postgres {
            sqlx::query("SELECT 1 FROM network WHERE one = 1 FOR NO KEY UPDATE")
                .fetch_optional(&mut **tx)
                .await?;
        }
        Ok(())
    }

    /// What there is too much of, if anything, when `jobs` more come with `bytes` more.
    pub(super) async fn excess(
        &self,
        tx: &mut Write,
        owner: Option<i64>,
        shares: &Shares,
        jobs: u64,
        bytes: u64,
    ) -> Result<Option<Excess>> {
        let all = count(tx, None).await?;
        if all.jobs.saturating_add(jobs) > shares.jobs {
            return Ok(Some(Excess::Jobs));
        }
        if all.bytes.saturating_add(bytes) > shares.bytes {
            return Ok(Some(Excess::Bytes));
        }
        // Where nobody has a key nobody has a share: all are one.
        let Some(owner) = owner else { return Ok(None) };
        let own = count(tx, Some(owner)).await?;
        if own.jobs.saturating_add(jobs) > shares.jobs_of_one {
            return Ok(Some(Excess::JobsOfOne));
        }
        Ok((own.bytes.saturating_add(bytes) > shares.bytes_of_one).then_some(Excess::BytesOfOne))
    }
}

async fn count(tx: &mut Write, owner: Option<i64>) -> Result<Counted> {
    let row = match owner {
        None => sqlx::query(
            "SELECT COUNT(*) AS jobs, CAST(COALESCE(SUM(envelope_bytes), 0) AS BIGINT) AS bytes FROM jobs
             WHERE ended_at IS NULL",
        ),
        Some(owner) => sqlx::query(
            "SELECT COUNT(*) AS jobs, CAST(COALESCE(SUM(envelope_bytes), 0) AS BIGINT) AS bytes FROM jobs
             WHERE ended_at IS NULL AND owner = $1",
        )
        .bind(owner),
    }
    .fetch_one(&mut **tx)
    .await?;
    Ok(Counted { jobs: unsigned(row.try_get("jobs")?)?, bytes: unsigned(row.try_get("bytes")?)? })
}

/// As the database keeps a sum of bytes.
pub(super) fn bytes_of<'a>(envelopes: impl Iterator<Item = &'a [u8]>) -> i64 {
    signed(envelopes.map(|e| e.len() as u64).sum())
}
