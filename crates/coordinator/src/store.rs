//! Everything the coordinator knows for longer than a connection, and every query there is.
//!
//! No other module speaks SQL: another database joins by another file like this one. Placeholders and clauses are
//! those that SQLite and PostgreSQL share. A method that changes something returns after the commit is on disk.

mod health;

use std::path::Path;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, SqlitePool, Transaction};
use tacit_delegate::header;
use tacit_vault::VaultError;
use tacit_wire::status::CircuitKind;
use tacit_wire::{Digest32, IdentityKey};
use thiserror::Error;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

/// Why the database gave no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database failed.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// A row is not what this program writes.
    #[error("database: {0} is damaged")]
    Damaged(&'static str),
}

/// How far a job is. The codes are the database's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i64)]
pub enum JobState {
    /// Fewer answers than make a proof.
    Open = 0,
    /// Enough answers; the seats that are left may still answer.
    Ready = 1,
    /// Nothing more will come, and there is enough: every seat has spoken, or the proof is made.
    Done = 2,
    /// No proof can come of it.
    Failed = 3,
    /// The deal expired first.
    Expired = 4,
}

impl JobState {
    fn from_code(code: i64) -> Result<Self, StoreError> {
        [Self::Open, Self::Ready, Self::Done, Self::Failed, Self::Expired]
            .into_iter()
            .find(|s| *s as i64 == code)
            .ok_or(StoreError::Damaged("a job's state"))
    }

    /// Whether nothing changes any more.
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Expired)
    }
}

/// How far a seat of a committee is. The codes are the database's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i64)]
pub enum SeatState {
    /// Its node has not spoken.
    Waiting = 0,
    /// Its node answered.
    Answered = 1,
    /// Its node refused for good.
    Refused = 2,
}

impl SeatState {
    fn from_code(code: i64) -> Result<Self, StoreError> {
        [Self::Waiting, Self::Answered, Self::Refused]
            .into_iter()
            .find(|s| *s as i64 == code)
            .ok_or(StoreError::Damaged("a seat's state"))
    }
}

/// A circuit, or bases, as they are listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CircuitRow {
    /// Digest of the key's proving sections, or of the file of bases.
    pub id: Digest32,
    /// Which of the two.
    pub kind: CircuitKind,
    /// Code of the curve.
    pub curve: u8,
    /// All wires, the constant one included; or the number of bases.
    pub n_wires: u64,
    /// Public wires, the constant one not included.
    pub n_public: u64,
    /// `log2` of the domain's size.
    pub log_domain: u32,
    /// Bytes of the file.
    pub zkey_bytes: u64,
    /// BLAKE3 digest and bytes of the constraint system, where one was registered.
    pub r1cs: Option<(Digest32, u64)>,
    /// Unix seconds.
    pub added_at: u64,
}

/// A deal as it is accepted.
#[derive(Debug)]
pub struct NewJob {
    /// The job's name.
    pub deal: Digest32,
    /// Digest of what the client sent.
    pub submission: Digest32,
    /// The deal header, canonical.
    pub header: Vec<u8>,
    /// Which circuit.
    pub circuit: Digest32,
    /// Seats of all groups.
    pub n: u8,
    /// Privacy threshold.
    pub t: u8,
    /// Answers that make a proof, of all groups.
    pub needed: u8,
    /// The handover's name.
    pub handover: String,
    /// Whether this coordinator assembles.
    pub coordinator_assembles: bool,
    /// Unix seconds.
    pub expiry: u64,
    /// The committee.
    pub seats: Vec<NewSeat>,
}

/// A seat as it is accepted.
#[derive(Debug)]
pub struct NewSeat {
    /// Its place in the deal: with one group, the evaluation point.
    pub index: u8,
    /// Whose.
    pub node: IdentityKey,
    /// The client's signed assignment.
    pub assignment: Vec<u8>,
    /// The sealed package.
    pub envelope: Vec<u8>,
}

/// What became of a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Insertion {
    /// It is stored.
    New,
    /// The same bytes were stored before.
    Same,
    /// Another submission has this deal's name.
    Conflict,
    /// Too many jobs are open.
    Full,
}

/// What became of a node's replacement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reassigned {
    /// The place is the new node's; whose it was.
    Done(IdentityKey),
    /// It was so already.
    Same,
    /// The job has ended, or is over.
    Ended,
    /// The place's node has answered.
    Answered,
    /// The node has, or had, a place of this job.
    HasPlace(u8),
    /// There is no such job or place.
    Unknown,
}

/// A job without its envelopes and answers.
#[derive(Debug, Clone)]
pub struct JobRow {
    /// Its name.
    pub deal: Digest32,
    /// The deal header, canonical.
    pub header: Vec<u8>,
    /// Which circuit.
    pub circuit: Digest32,
    /// Committee size.
    pub n: u8,
    /// Privacy threshold.
    pub t: u8,
    /// Answers that make a proof.
    pub needed: u8,
    /// The handover's name.
    pub handover: String,
    /// Whether this coordinator assembles.
    pub coordinator_assembles: bool,
    /// How far it is.
    pub state: JobState,
    /// Counts the changes that a poller can see.
    pub version: u64,
    /// JSON of the failure.
    pub failure: Option<String>,
    /// JSON of the proof.
    pub proof: Option<String>,
    /// Unix seconds.
    pub expiry: u64,
    /// Unix seconds.
    pub created_at: u64,
    /// Unix seconds.
    pub ended_at: Option<u64>,
}

/// A seat without its envelope.
#[derive(Debug, Clone)]
pub struct SeatRow {
    /// Its place in the deal: with one group, the evaluation point.
    pub index: u8,
    /// Whose.
    pub node: IdentityKey,
    /// The client's signed assignment.
    pub assignment: Vec<u8>,
    /// Bytes of the envelope.
    pub envelope_bytes: u64,
    /// How far it is.
    pub state: SeatState,
    /// The node's answer.
    pub answer: Option<Vec<u8>>,
    /// JSON of the refusal.
    pub refusal: Option<String>,
    /// When it answered or refused.
    pub answered_at: Option<u64>,
    /// Whether it signed two different answers.
    pub contradicted: bool,
}

/// What a node is offered.
#[derive(Debug)]
pub struct OfferRow {
    /// The deal header, canonical.
    pub header: Vec<u8>,
    /// The client's signed assignment.
    pub assignment: Vec<u8>,
    /// The sealed package.
    pub envelope: Vec<u8>,
    /// Unix seconds.
    pub expiry: u64,
}

/// What a node says to an offer.
#[derive(Debug)]
pub enum Reply<'a> {
    /// It answered; the bytes as it signed them.
    Answer(&'a [u8]),
    /// It refuses for good; JSON of the reason.
    Refusal(&'a str),
}

/// What became of a node's reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It is stored; this is how the job stands now.
    New {
        /// Its state.
        state: JobState,
        /// Seats that answered.
        answered: u8,
        /// Seats that have not spoken.
        waiting: u8,
        /// Whether this coordinator can try to assemble it now.
        assemble: bool,
    },
    /// It was stored before.
    Same,
    /// The node gave another answer before. Both are kept.
    Contradiction,
    /// There is no such seat, or the job has ended.
    Unwanted,
}

/// Places of seats by state.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tally {
    answered: Vec<u8>,
    waiting: Vec<u8>,
}

/// The database.
#[derive(Debug, Clone)]
pub struct Store {
    pool: SqlitePool,
}

type Result<T, E = StoreError> = std::result::Result<T, E>;

impl Store {
    /// Opens the database file, creating it where it is missing.
    ///
    /// # Errors
    /// See [`VaultError`].
    pub async fn open(path: &Path) -> Result<Self, VaultError> {
        Ok(Self { pool: tacit_vault::sqlite::open(path, &MIGRATIONS).await? })
    }

    /// Waits until every connection is closed.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<()> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    // SQLite: a transaction that begins by reading cannot always become a writing one.
    async fn write(&self) -> Result<Transaction<'static, Sqlite>> {
        Ok(self.pool.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// Adds a circuit; `false` where it is known already.
    pub async fn add_circuit(&self, c: &CircuitRow) -> Result<bool> {
        let done = sqlx::query(
            "INSERT INTO circuits (id, curve, n_wires, n_public, log_domain, zkey_bytes, added_at, kind)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING",
        )
        .bind(c.id.0.as_slice())
        .bind(i64::from(c.curve))
        .bind(signed(c.n_wires))
        .bind(signed(c.n_public))
        .bind(i64::from(c.log_domain))
        .bind(signed(c.zkey_bytes))
        .bind(signed(c.added_at))
        .bind(i64::from(c.kind == CircuitKind::Bases))
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Records a circuit's constraint system. Returns the digest that is recorded now: the first one stays.
    pub async fn set_r1cs(&self, id: &Digest32, digest: &Digest32, bytes: u64) -> Result<Option<Digest32>> {
        sqlx::query(
            "UPDATE circuits SET r1cs_digest = $2, r1cs_bytes = $3 WHERE id = $1 AND r1cs_digest IS NULL",
        )
        .bind(id.0.as_slice())
        .bind(digest.0.as_slice())
        .bind(signed(bytes))
        .execute(&self.pool)
        .await?;
        Ok(self.circuit(id).await?.and_then(|c| c.r1cs).map(|(digest, _)| digest))
    }

    /// One circuit.
    pub async fn circuit(&self, id: &Digest32) -> Result<Option<CircuitRow>> {
        sqlx::query("SELECT * FROM circuits WHERE id = $1")
            .bind(id.0.as_slice())
            .fetch_optional(&self.pool)
            .await?
            .as_ref()
            .map(circuit_row)
            .transpose()
    }

    /// All circuits, oldest first.
    pub async fn circuits(&self) -> Result<Vec<CircuitRow>> {
        let rows = sqlx::query("SELECT * FROM circuits ORDER BY added_at, id").fetch_all(&self.pool).await?;
        rows.iter().map(circuit_row).collect()
    }

    /// How many circuits there are.
    pub async fn count_circuits(&self) -> Result<u64> {
        let row = sqlx::query("SELECT COUNT(*) FROM circuits").fetch_one(&self.pool).await?;
        unsigned(row.try_get(0)?)
    }

    /// Stores a job with its envelopes, unless the deal is known.
    pub async fn insert_job(&self, job: &NewJob, now: u64, max_open: u64) -> Result<Insertion> {
        let mut tx = self.write().await?;
        let known = sqlx::query("SELECT submission FROM jobs WHERE deal = $1")
            .bind(job.deal.0.as_slice())
            .fetch_optional(&mut *tx)
            .await?;
        if let Some(row) = known {
            let same = row.try_get::<Vec<u8>, _>(0)? == job.submission.0;
            return Ok(if same { Insertion::Same } else { Insertion::Conflict });
        }
        let open =
            sqlx::query("SELECT COUNT(*) FROM jobs WHERE ended_at IS NULL").fetch_one(&mut *tx).await?;
        if unsigned(open.try_get(0)?)? >= max_open {
            return Ok(Insertion::Full);
        }
        sqlx::query(
            "INSERT INTO jobs
             (deal, submission, header, circuit, n, t, needed, handover, assembler, state, version, expiry, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1, $11, $12)",
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
        .execute(&mut *tx)
        .await?;
        for seat in &job.seats {
            sqlx::query(
                "INSERT INTO assignments (deal, idx, node, assignment, envelope, envelope_bytes, state)
                 VALUES ($1, $2, $3, $4, $5, $6, $7)",
            )
            .bind(job.deal.0.as_slice())
            .bind(i64::from(seat.index))
            .bind(seat.node.0.as_slice())
            .bind(seat.assignment.as_slice())
            .bind(seat.envelope.as_slice())
            .bind(signed(seat.envelope.len() as u64))
            .bind(SeatState::Waiting as i64)
            .execute(&mut *tx)
            .await?;
            hold(&mut tx, &job.deal, seat).await?;
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

    /// One job.
    pub async fn job(&self, deal: &Digest32) -> Result<Option<JobRow>> {
        sqlx::query("SELECT * FROM jobs WHERE deal = $1")
            .bind(deal.0.as_slice())
            .fetch_optional(&self.pool)
            .await?
            .as_ref()
            .map(job_row)
            .transpose()
    }

    /// The newest jobs, newest first.
    pub async fn jobs(&self, limit: u32) -> Result<Vec<JobRow>> {
        let rows = sqlx::query("SELECT * FROM jobs ORDER BY created_at DESC, deal LIMIT $1")
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(job_row).collect()
    }

    /// A job's committee, by index.
    pub async fn seats(&self, deal: &Digest32) -> Result<Vec<SeatRow>> {
        let rows = sqlx::query(
            "SELECT idx, node, assignment, envelope_bytes, state, answer, refusal, answered_at,
                    contradiction IS NOT NULL AS contradicted
             FROM assignments WHERE deal = $1 ORDER BY idx",
        )
        .bind(deal.0.as_slice())
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(seat_row).collect()
    }

    /// What this node has not spoken to yet, oldest first: deals and indices.
    pub async fn waiting_for(&self, node: &IdentityKey, now: u64, limit: u32) -> Result<Vec<(Digest32, u8)>> {
        let rows = sqlx::query(
            "SELECT a.deal, a.idx FROM assignments a JOIN jobs j ON j.deal = a.deal
             WHERE a.node = $1 AND a.state = 0 AND j.ended_at IS NULL AND j.expiry >= $2
             ORDER BY j.created_at, a.deal, a.idx LIMIT $3",
        )
        .bind(node.0.as_slice())
        .bind(signed(now))
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|r| Ok((digest(r, "deal")?, small(r, "idx")?))).collect()
    }

    /// What to offer to a node; `None` once the job has ended, the node has spoken, or the place is another's.
    pub async fn offer(&self, deal: &Digest32, index: u8, node: &IdentityKey) -> Result<Option<OfferRow>> {
        let row = sqlx::query(
            "SELECT j.header, j.expiry, a.assignment, a.envelope FROM assignments a JOIN jobs j ON j.deal = a.deal
             WHERE a.deal = $1 AND a.idx = $2 AND a.node = $3 AND a.state = 0 AND a.envelope IS NOT NULL
                   AND j.ended_at IS NULL",
        )
        .bind(deal.0.as_slice())
        .bind(i64::from(index))
        .bind(node.0.as_slice())
        .fetch_optional(&self.pool)
        .await?;
        row.map(|r| {
            Ok(OfferRow {
                header: r.try_get("header")?,
                assignment: r.try_get("assignment")?,
                envelope: r.try_get("envelope")?,
                expiry: unsigned(r.try_get("expiry")?)?,
            })
        })
        .transpose()
    }

    /// Stores what a node said; counts; ends the job where nothing more can come.
    ///
    /// A job that this coordinator assembles does not end here by having every answer: see [`Store::finish`].
    pub async fn record(
        &self,
        deal: &Digest32,
        node: &IdentityKey,
        reply: Reply<'_>,
        now: u64,
        not_enough: &str,
    ) -> Result<Recorded> {
        let mut tx = self.write().await?;
        let row = sqlx::query(
            "SELECT a.idx, a.state, a.answer, j.state AS job_state, j.header, j.assembler
             FROM assignments a JOIN jobs j ON j.deal = a.deal WHERE a.deal = $1 AND a.node = $2",
        )
        .bind(deal.0.as_slice())
        .bind(node.0.as_slice())
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { return Ok(Recorded::Unwanted) };
        let index: i64 = row.try_get("idx")?;
        let seat = SeatState::from_code(row.try_get("state")?)?;
        let job_state = JobState::from_code(row.try_get("job_state")?)?;
        let first: Option<Vec<u8>> = row.try_get("answer")?;
        let assembler = small(&row, "assembler")?;
        let job_header: Vec<u8> = row.try_get("header")?;
        let dials = header::dials_of(&job_header).map_err(|_| StoreError::Damaged("a job's header"))?;
        match (&reply, seat, first) {
            (Reply::Answer(answer), SeatState::Answered, Some(first)) if first == **answer => {
                return Ok(Recorded::Same);
            }
            (Reply::Answer(answer), SeatState::Answered, Some(_)) => {
                sqlx::query("UPDATE assignments SET contradiction = $3 WHERE deal = $1 AND idx = $2")
                    .bind(deal.0.as_slice())
                    .bind(index)
                    .bind(*answer)
                    .execute(&mut *tx)
                    .await?;
                tx.commit().await?;
                return Ok(Recorded::Contradiction);
            }
            (_, SeatState::Waiting, _) if !job_state.has_ended() => {}
            // A refusal does not take back an answer, and nothing changes a job that has ended.
            _ => return Ok(Recorded::Unwanted),
        }
        let (state, answer, refusal) = match reply {
            Reply::Answer(bytes) => (SeatState::Answered, Some(bytes), None),
            Reply::Refusal(reason) => (SeatState::Refused, None, Some(reason)),
        };
        sqlx::query(
            "UPDATE assignments SET state = $3, answer = $4, refusal = $5, answered_at = $6
             WHERE deal = $1 AND idx = $2",
        )
        .bind(deal.0.as_slice())
        .bind(index)
        .bind(state as i64)
        .bind(answer)
        .bind(refusal)
        .bind(signed(now))
        .execute(&mut *tx)
        .await?;
        let tally = tally(&mut tx, deal).await?;
        let possible = tally.answered.iter().chain(&tally.waiting).copied();
        // A client that assembles can still give the packages of nodes that refused to others; for one that went away nobody will.
        let state = if assembler != 0 && !dials.suffice(possible) {
            JobState::Failed
        } else if !dials.suffice(tally.answered.iter().copied()) {
            JobState::Open
        } else if !tally.waiting.is_empty() || assembler != 0 {
            JobState::Ready
        } else {
            JobState::Done
        };
        set_state(&mut tx, deal, state, (state == JobState::Failed).then_some(not_enough), None, now).await?;
        tx.commit().await?;
        let assemble = assembler != 0 && state == JobState::Ready;
        let [answered, waiting] =
            [&tally.answered, &tally.waiting].map(|places| u8::try_from(places.len()).unwrap_or(u8::MAX));
        Ok(Recorded::New { state, answered, waiting, assemble })
    }

    /// Gives a place of an open job to another node, unless its node has answered.
    pub async fn reassign(&self, deal: &Digest32, new: &NewSeat, now: u64) -> Result<Reassigned> {
        let mut tx = self.write().await?;
        let seat = sqlx::query(
            "SELECT a.node, a.assignment, a.state, j.expiry, j.ended_at FROM assignments a JOIN jobs j ON j.deal = a.deal
             WHERE a.deal = $1 AND a.idx = $2",
        )
        .bind(deal.0.as_slice())
        .bind(i64::from(new.index))
        .fetch_optional(&mut *tx)
        .await?;
        let Some(seat) = seat else { return Ok(Reassigned::Unknown) };
        if seat.try_get::<Vec<u8>, _>("assignment")? == new.assignment {
            return Ok(Reassigned::Same);
        }
        let over = unsigned(seat.try_get("expiry")?)? < now;
        if over || seat.try_get::<Option<i64>, _>("ended_at")?.is_some() {
            return Ok(Reassigned::Ended);
        }
        if SeatState::from_code(seat.try_get("state")?)? == SeatState::Answered {
            return Ok(Reassigned::Answered);
        }
        let holds = sqlx::query("SELECT idx FROM holders WHERE deal = $1 AND node = $2")
            .bind(deal.0.as_slice())
            .bind(new.node.0.as_slice())
            .fetch_optional(&mut *tx)
            .await?;
        if let Some(row) = holds {
            return Ok(Reassigned::HasPlace(small(&row, "idx")?));
        }
        sqlx::query(
            "UPDATE assignments SET node = $3, assignment = $4, envelope = $5, envelope_bytes = $6, state = $7,
                    answer = NULL, contradiction = NULL, refusal = NULL, answered_at = NULL
             WHERE deal = $1 AND idx = $2",
        )
        .bind(deal.0.as_slice())
        .bind(i64::from(new.index))
        .bind(new.node.0.as_slice())
        .bind(new.assignment.as_slice())
        .bind(new.envelope.as_slice())
        .bind(signed(new.envelope.len() as u64))
        .bind(SeatState::Waiting as i64)
        .execute(&mut *tx)
        .await?;
        hold(&mut tx, deal, new).await?;
        sqlx::query("UPDATE jobs SET version = version + 1 WHERE deal = $1")
            .bind(deal.0.as_slice())
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(Reassigned::Done(IdentityKey(digest(&seat, "node")?.0)))
    }

    /// Whether this node's word about a place is still wanted.
    pub async fn is_wanted(&self, deal: &Digest32, index: u8, node: &IdentityKey) -> Result<bool> {
        let row = sqlx::query(
            "SELECT 1 FROM assignments a JOIN jobs j ON j.deal = a.deal
             WHERE a.deal = $1 AND a.idx = $2 AND a.node = $3 AND a.state = 0 AND j.ended_at IS NULL",
        )
        .bind(deal.0.as_slice())
        .bind(i64::from(index))
        .bind(node.0.as_slice())
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.is_some())
    }

    /// Ends a job of which its client needs nothing more: done if it had enough answers, else failed with `gave_up` (JSON). Returns
    /// whether it had not ended.
    pub async fn cancel(&self, deal: &Digest32, gave_up: &str, now: u64) -> Result<bool> {
        let mut tx = self.write().await?;
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

    /// Ends a job with a proof or a failure (JSON both), unless it has ended; returns whether it did.
    pub async fn finish(&self, deal: &Digest32, outcome: Result<&str, &str>, now: u64) -> Result<bool> {
        let mut tx = self.write().await?;
        let row = sqlx::query("SELECT 1 FROM jobs WHERE deal = $1 AND ended_at IS NULL")
            .bind(deal.0.as_slice())
            .fetch_optional(&mut *tx)
            .await?;
        if row.is_none() {
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
        let due = sqlx::query("SELECT deal FROM jobs WHERE ended_at IS NULL AND expiry < $1 LIMIT 1000")
            .bind(signed(now))
            .fetch_all(&self.pool)
            .await?;
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let mut tx = self.write().await?;
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

    /// Jobs that have enough answers and wait for this coordinator to assemble.
    pub async fn to_assemble(&self) -> Result<Vec<Digest32>> {
        let rows =
            sqlx::query("SELECT deal FROM jobs WHERE ended_at IS NULL AND assembler = 1 AND state = 1")
                .fetch_all(&self.pool)
                .await?;
        rows.iter().map(|r| digest(r, "deal")).collect()
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

/// Notes that a node has, or had, a place.
async fn hold(tx: &mut Transaction<'static, Sqlite>, deal: &Digest32, seat: &NewSeat) -> Result<()> {
    sqlx::query("INSERT INTO holders (deal, node, idx) VALUES ($1, $2, $3)")
        .bind(deal.0.as_slice())
        .bind(seat.node.0.as_slice())
        .bind(i64::from(seat.index))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

async fn tally(tx: &mut Transaction<'static, Sqlite>, deal: &Digest32) -> Result<Tally> {
    let rows = sqlx::query("SELECT idx, state FROM assignments WHERE deal = $1")
        .bind(deal.0.as_slice())
        .fetch_all(&mut **tx)
        .await?;
    let mut tally = Tally { answered: Vec::new(), waiting: Vec::new() };
    for row in &rows {
        let place = small(row, "idx")?;
        match SeatState::from_code(row.try_get("state")?)? {
            SeatState::Answered => tally.answered.push(place),
            SeatState::Waiting => tally.waiting.push(place),
            SeatState::Refused => {}
        }
    }
    Ok(tally)
}

/// Every change of a job's state goes through here: a job that ends loses its envelopes in the same commit.
async fn set_state(
    tx: &mut Transaction<'static, Sqlite>,
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
    if state.has_ended() {
        sqlx::query("UPDATE assignments SET envelope = NULL WHERE deal = $1")
            .bind(deal.0.as_slice())
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

fn circuit_row(row: &SqliteRow) -> Result<CircuitRow> {
    let r1cs_bytes: Option<i64> = row.try_get("r1cs_bytes")?;
    let r1cs = match r1cs_bytes {
        Some(bytes) => Some((digest(row, "r1cs_digest")?, unsigned(bytes)?)),
        None => None,
    };
    Ok(CircuitRow {
        id: digest(row, "id")?,
        kind: match small(row, "kind")? {
            0 => CircuitKind::Circuit,
            1 => CircuitKind::Bases,
            _ => return Err(StoreError::Damaged("a circuit's kind")),
        },
        curve: small(row, "curve")?,
        n_wires: unsigned(row.try_get("n_wires")?)?,
        n_public: unsigned(row.try_get("n_public")?)?,
        log_domain: u32::from(small(row, "log_domain")?),
        zkey_bytes: unsigned(row.try_get("zkey_bytes")?)?,
        r1cs,
        added_at: unsigned(row.try_get("added_at")?)?,
    })
}

fn job_row(row: &SqliteRow) -> Result<JobRow> {
    Ok(JobRow {
        deal: digest(row, "deal")?,
        header: row.try_get("header")?,
        circuit: digest(row, "circuit")?,
        n: small(row, "n")?,
        t: small(row, "t")?,
        needed: small(row, "needed")?,
        handover: row.try_get("handover")?,
        coordinator_assembles: small(row, "assembler")? == 1,
        state: JobState::from_code(row.try_get("state")?)?,
        version: unsigned(row.try_get("version")?)?,
        failure: row.try_get("failure")?,
        proof: row.try_get("proof")?,
        expiry: unsigned(row.try_get("expiry")?)?,
        created_at: unsigned(row.try_get("created_at")?)?,
        ended_at: row.try_get::<Option<i64>, _>("ended_at")?.map(unsigned).transpose()?,
    })
}

fn seat_row(row: &SqliteRow) -> Result<SeatRow> {
    Ok(SeatRow {
        index: small(row, "idx")?,
        node: IdentityKey(digest(row, "node")?.0),
        assignment: row.try_get("assignment")?,
        envelope_bytes: unsigned(row.try_get("envelope_bytes")?)?,
        state: SeatState::from_code(row.try_get("state")?)?,
        answer: row.try_get("answer")?,
        refusal: row.try_get("refusal")?,
        answered_at: row.try_get::<Option<i64>, _>("answered_at")?.map(unsigned).transpose()?,
        contradicted: row.try_get::<i64, _>("contradicted")? != 0,
    })
}

fn digest(row: &SqliteRow, column: &'static str) -> Result<Digest32> {
    let bytes: Vec<u8> = row.try_get(column)?;
    <[u8; 32]>::try_from(bytes).map(Digest32).map_err(|_| StoreError::Damaged("a digest"))
}

fn small(row: &SqliteRow, column: &'static str) -> Result<u8> {
    u8::try_from(row.try_get::<i64, _>(column)?).map_err(|_| StoreError::Damaged("a small number"))
}

// SQL's integers are signed. Times and sizes beyond 2^63 saturate: they mean "never" and "too large" as well.
fn signed(x: u64) -> i64 {
    i64::try_from(x).unwrap_or(i64::MAX)
}

fn unsigned(x: i64) -> Result<u64> {
    u64::try_from(x).map_err(|_| StoreError::Damaged("a size or time"))
}
