//! What there may be of jobs, envelopes and circuits, and how much of it may be one API key's.
//!
//! Two that come at once cannot both take the last place: whoever adds something takes the one row of `network` before it
//! counts, after everything that takes time, and holds it until its commit.

use sqlx::Row as _;

use tacit_wire::Digest32;

use super::rows::{NewJob, unsigned};
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
    pub all: CircuitShare,
    /// Those that one key registered; `None` for whoever has no bound of its own.
    pub of_one: Option<CircuitShare>,
}

/// How many, and how large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CircuitShare {
    /// Circuits.
    pub circuits: u64,
    /// Bytes of their files, constraint systems among them.
    pub bytes: u64,
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

/// What there is, all together and of one key.
pub(super) struct Counted {
    jobs: u64,
    bytes: u64,
    own_jobs: u64,
    own_bytes: u64,
    /// Whether a circuit is registered that was asked for.
    pub(super) has_circuit: bool,
}

/// What there is of open jobs, of all and of the key with the placeholder that is given.
macro_rules! counted {
    ($owner:literal) => {
        concat!(
            "SELECT COUNT(*) AS jobs, CAST(COALESCE(SUM(envelope_bytes), 0) AS BIGINT) AS bytes,
                    COUNT(CASE WHEN owner = ",
            $owner,
            " THEN 1 END) AS own_jobs, CAST(COALESCE(SUM(CASE WHEN owner = ",
            $owner,
            " THEN envelope_bytes END), 0) AS BIGINT) AS own_bytes FROM jobs WHERE ended_at IS NULL"
        )
    };
}
pub(super) use counted;

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
}

impl Counted {
    /// What there is too much of, if anything, when `jobs` more come with `bytes` more.
    pub(super) fn excess(
        &self,
        owner: Option<i64>,
        shares: &Shares,
        jobs: u64,
        bytes: u64,
    ) -> Option<Excess> {
        if self.jobs.saturating_add(jobs) > shares.jobs {
            return Some(Excess::Jobs);
        }
        if self.bytes.saturating_add(bytes) > shares.bytes {
            return Some(Excess::Bytes);
        }
        // Where nobody has a key nobody has a share: all are one.
        owner?;
        if self.own_jobs.saturating_add(jobs) > shares.jobs_of_one {
            return Some(Excess::JobsOfOne);
        }
        (self.own_bytes.saturating_add(bytes) > shares.bytes_of_one).then_some(Excess::BytesOfOne)
    }
}

/// Counts, and looks whether a circuit is registered.
pub(super) async fn count(tx: &mut Write, owner: Option<i64>, circuit: &Digest32) -> Result<Counted> {
    let row = sqlx::query(concat!(
        "SELECT c.*, (SELECT COUNT(*) FROM circuits WHERE id = $2 AND removed_at IS NULL) AS circuits FROM (",
        counted!("$1"),
        ") c"
    ))
    .bind(owner)
    .bind(circuit.0.as_slice())
    .fetch_one(&mut **tx)
    .await?;
    Ok(Counted {
        jobs: unsigned(row.try_get("jobs")?)?,
        bytes: unsigned(row.try_get("bytes")?)?,
        own_jobs: unsigned(row.try_get("own_jobs")?)?,
        own_bytes: unsigned(row.try_get("own_bytes")?)?,
        has_circuit: row.try_get::<i64, _>("circuits")? != 0,
    })
}

/// What a job takes of its share: its envelopes, and its header, which may have megabytes of public inputs.
pub(super) fn bytes_of(job: &NewJob) -> u64 {
    job.seats.iter().fold(job.header.len() as u64, |sum, seat| sum.saturating_add(seat.envelope.len() as u64))
}
