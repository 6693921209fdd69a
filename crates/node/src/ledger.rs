//! What the node has promised, durably.
//!
//! `tacit_delegate::record` decides; this stores what it says. Before the node computes, its record says which envelope it
//! took for a deal; before it sends, the record has the answer. It answers that envelope identically ever after and no
//! other envelope of that deal at all: else an envelope replayed under other public inputs would make it use one mask
//! twice. A record goes only with the sealing key that opens its envelope.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sqlx::{Row, Sqlite, SqlitePool, Transaction};
use tacit_delegate::{Decision, Record, Refusal, Request, decide};
use tacit_vault::{Run, VaultError};
use tacit_wire::{Digest32, SealingKeyId};
use thiserror::Error;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

/// In the column `answered`: neither answered nor owed.
const GIVEN_UP: i64 = 2;

/// Why the ledger gave no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The database failed.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// A row is not what this program writes.
    #[error("database: {0} is damaged")]
    Damaged(&'static str),
}

/// What to do with an offer, now that the ledger knows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is recorded and not answered: open and compute.
    Open,
    /// It was answered: send these bytes again.
    Answered(Vec<u8>),
    /// It is not to be answered.
    Refused(Refusal),
}

/// A deal that was begun and not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owed {
    /// The deal.
    pub deal: Digest32,
    /// Which group of its committee this node answers for.
    pub group: u8,
    /// As which index.
    pub index: u8,
}

/// The node's database.
#[derive(Debug, Clone)]
pub struct Ledger {
    pool: SqlitePool,
    path: PathBuf,
}

impl Ledger {
    /// Opens the database file, creating it where it is missing.
    ///
    /// # Errors
    /// See [`VaultError`].
    pub async fn open(path: &Path) -> Result<Self, VaultError> {
        Ok(Self { pool: tacit_vault::sqlite::open(path, &MIGRATIONS).await?, path: path.to_owned() })
    }

    /// The database's inode.
    ///
    /// # Errors
    /// When the file cannot be looked at.
    pub fn inode(&self) -> Result<u64, VaultError> {
        let metadata = std::fs::metadata(&self.path);
        Ok(metadata.map_err(|source| VaultError::Io { path: self.path.clone(), source })?.ino())
    }

    /// The run of the node that was recorded last: see [`tacit_vault::KeyRing::begin_run`].
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn run(&self) -> Result<Run, LedgerError> {
        let Some(row) = sqlx::query("SELECT number, name FROM run").fetch_optional(&self.pool).await? else {
            return Ok(Run::default());
        };
        let name: [u8; 16] =
            row.try_get::<Vec<u8>, _>(1)?.try_into().map_err(|_| LedgerError::Damaged("a run's name"))?;
        let number =
            u64::try_from(row.try_get::<i64, _>(0)?).map_err(|_| LedgerError::Damaged("a run's number"))?;
        Ok(Run { number, name: u128::from_le_bytes(name) })
    }

    /// Records a run. On disk when this returns.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn begin_run(&self, run: Run) -> Result<(), LedgerError> {
        sqlx::query(
            "INSERT INTO run (one, number, name) VALUES (1, $1, $2)
             ON CONFLICT (one) DO UPDATE SET number = excluded.number, name = excluded.name",
        )
        .bind(signed(run.number))
        .bind(run.name.to_le_bytes().to_vec())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// What was begun and not answered, and is not over: the deals with their expiry. Their envelopes come again from the coordinator.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn owed(&self, now: u64) -> Result<Vec<Owed>, LedgerError> {
        let rows = sqlx::query(
            "SELECT record FROM records WHERE retired = 0 AND answered = 0 AND expiry >= $1 ORDER BY expiry",
        )
        .bind(signed(now))
        .fetch_all(&self.pool)
        .await?;
        let mut owed = Vec::new();
        for row in rows {
            let record = decode(&row.try_get::<Vec<u8>, _>(0)?)?;
            if record.sealed_response().is_none() && !record.is_tombstone() {
                owed.push(Owed {
                    deal: Digest32(record.deal().0),
                    group: record.group(),
                    index: record.index(),
                });
            }
        }
        Ok(owed)
    }

    /// Checks the database: what SQLite finds, and that every record decodes.
    ///
    /// # Errors
    /// See [`LedgerError`]: the first that is wrong.
    pub async fn check(&self) -> Result<u64, LedgerError> {
        let found: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&self.pool).await?;
        if found != "ok" {
            tracing::error!(%found, "the database of records is damaged");
            return Err(LedgerError::Damaged("the file"));
        }
        let mut after = 0i64;
        let mut records = 0;
        loop {
            let rows =
                sqlx::query("SELECT rowid, record FROM records WHERE rowid > $1 ORDER BY rowid LIMIT 1000")
                    .bind(after)
                    .fetch_all(&self.pool)
                    .await?;
            if rows.is_empty() {
                return Ok(records);
            }
            for row in rows {
                after = row.try_get(0)?;
                decode(&row.try_get::<Vec<u8>, _>(1)?)?;
                records += 1;
            }
        }
    }

    /// Opens the database file to look at it: nothing is created, nothing changed. What a crash left beside the file is read in a copy, in a folder of its own
    /// below `scratch`, because SQLite would have to write to read it.
    ///
    /// # Errors
    /// See [`VaultError`].
    pub async fn open_to_look(path: &Path, scratch: &Path, running: bool) -> Result<Self, VaultError> {
        let beside = |end: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(end);
            PathBuf::from(name)
        };
        let wal = beside("-wal");
        if running || !wal.exists() {
            // What nobody writes may be read without the files that readers and writers share.
            let pool = tacit_vault::sqlite::open_to_look(path, !running).await?;
            return Ok(Self { pool, path: path.to_owned() });
        }
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| VaultError::Io { path, source }
        };
        let copy = scratch.join("records.sqlite");
        std::fs::copy(path, &copy).map_err(failed(path))?;
        std::fs::copy(&wal, scratch.join("records.sqlite-wal")).map_err(failed(&wal))?;
        Ok(Self { pool: tacit_vault::sqlite::open_to_look(&copy, false).await?, path: copy })
    }

    /// Bytes that records take; what they took before and left free is not counted.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn bytes(&self) -> Result<u64, LedgerError> {
        let row = sqlx::query(
            "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size",
        );
        let row = row.fetch_one(&self.pool).await?;
        u64::try_from(row.try_get::<i64, _>(0)?).map_err(|_| LedgerError::Damaged("its size"))
    }

    /// Notes that what was begun can never be answered, because its package cannot: it is no longer owed. The same envelope may still come again, and is looked at again.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn give_up(&self, request: &Request) -> Result<(), LedgerError> {
        let seat = request.seat();
        sqlx::query("UPDATE records SET answered = $3 WHERE deal = $1 AND grp = $2 AND answered = 0")
            .bind(seat.deal.0.as_slice())
            .bind(i64::from(seat.group))
            .bind(GIVEN_UP)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Waits until every connection is closed.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Says where an offer stands, without recording it.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn look(&self, request: &Request) -> Result<Standing, LedgerError> {
        let mut tx = self.pool.begin().await?;
        let held = load(&mut tx, request).await?;
        Ok(match decide(held.as_ref(), request) {
            Decision::Answer(_) => Standing::Open,
            Decision::Repeat(answer) => Standing::Answered(answer),
            Decision::Refuse(refusal) => Standing::Refused(refusal),
        })
    }

    /// Records an accepted offer, or says where the one on record stands. On disk when this returns.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn begin(&self, request: &Request) -> Result<Standing, LedgerError> {
        let mut tx = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let held = load(&mut tx, request).await?;
        Ok(match decide(held.as_ref(), request) {
            Decision::Answer(record) => {
                save(&mut tx, request, &record).await?;
                tx.commit().await?;
                Standing::Open
            }
            Decision::Repeat(answer) => Standing::Answered(answer),
            Decision::Refuse(refusal) => Standing::Refused(refusal),
        })
    }

    /// Records the answer to an offer that was begun. Returns the one on record, which is the first that ever was. On
    /// disk when this returns.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn answer(&self, request: &Request, answer: Vec<u8>) -> Result<Standing, LedgerError> {
        let mut tx = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let held = load(&mut tx, request).await?;
        // Decided anew: it must still be this envelope's record.
        Ok(match decide(held.as_ref(), request) {
            Decision::Answer(record) => {
                let record = record.answered(answer);
                save(&mut tx, request, &record).await?;
                tx.commit().await?;
                let stored = record.sealed_response().ok_or(LedgerError::Damaged("an answer just made"))?;
                Standing::Answered(stored.to_vec())
            }
            Decision::Repeat(first) => Standing::Answered(first),
            Decision::Refuse(refusal) => Standing::Refused(refusal),
        })
    }

    /// Turns the records of expired deals into tombstones.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn retire(&self, now: u64) -> Result<u64, LedgerError> {
        let mut tx = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let due =
            sqlx::query("SELECT deal, grp, record FROM records WHERE retired = 0 AND expiry < $1 LIMIT 1000")
                .bind(signed(now))
                .fetch_all(&mut *tx)
                .await?;
        for row in &due {
            let record = decode(&row.try_get::<Vec<u8>, _>("record")?)?.retired(now);
            sqlx::query("UPDATE records SET record = $3, retired = $4 WHERE deal = $1 AND grp = $2")
                .bind(row.try_get::<Vec<u8>, _>("deal")?)
                .bind(row.try_get::<i64, _>("grp")?)
                .bind(record.encode())
                .bind(i64::from(record.is_tombstone()))
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(due.len() as u64)
    }

    /// Forgets tombstones under a sealing key. Only after the key is destroyed: until then they keep envelopes from being
    /// answered twice.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn forget_key(&self, destroyed: &SealingKeyId) -> Result<u64, LedgerError> {
        let done = sqlx::query("DELETE FROM records WHERE sealing_key = $1 AND retired = 1")
            .bind(destroyed.0.as_slice())
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected())
    }

    /// The sealing keys that there are records under.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn sealing_keys(&self) -> Result<Vec<SealingKeyId>, LedgerError> {
        let rows = sqlx::query("SELECT DISTINCT sealing_key FROM records").fetch_all(&self.pool).await?;
        rows.iter()
            .map(|row| {
                let name: [u8; 32] = row
                    .try_get::<Vec<u8>, _>(0)?
                    .try_into()
                    .map_err(|_| LedgerError::Damaged("a key's name"))?;
                Ok(name.into())
            })
            .collect()
    }

    /// How many records there are.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn count(&self) -> Result<u64, LedgerError> {
        let row = sqlx::query("SELECT COUNT(*) FROM records").fetch_one(&self.pool).await?;
        u64::try_from(row.try_get::<i64, _>(0)?).map_err(|_| LedgerError::Damaged("a count"))
    }
}

async fn load(
    tx: &mut Transaction<'static, Sqlite>,
    request: &Request,
) -> Result<Option<Record>, LedgerError> {
    let seat = request.seat();
    sqlx::query("SELECT record FROM records WHERE deal = $1 AND grp = $2")
        .bind(seat.deal.0.as_slice())
        .bind(i64::from(seat.group))
        .fetch_optional(&mut **tx)
        .await?
        .map(|row| decode(&row.try_get::<Vec<u8>, _>("record")?))
        .transpose()
}

async fn save(
    tx: &mut Transaction<'static, Sqlite>,
    request: &Request,
    record: &Record,
) -> Result<(), LedgerError> {
    let seat = request.seat();
    sqlx::query(
        "INSERT INTO records (deal, grp, sealing_key, expiry, retired, record, answered) VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (deal, grp) DO UPDATE SET record = excluded.record, retired = excluded.retired, answered = excluded.answered",
    )
    .bind(seat.deal.0.as_slice())
    .bind(i64::from(seat.group))
    .bind(seat.sealing_key.as_slice())
    .bind(signed(request.expiry()))
    .bind(i64::from(record.is_tombstone()))
    .bind(record.encode())
    .bind(i64::from(record.sealed_response().is_some()))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

fn decode(bytes: &[u8]) -> Result<Record, LedgerError> {
    Record::decode(bytes).map_err(|_| LedgerError::Damaged("a record"))
}

fn signed(x: u64) -> i64 {
    i64::try_from(x).unwrap_or(i64::MAX)
}
