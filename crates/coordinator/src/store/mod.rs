//! Everything the coordinator knows for longer than a connection, and every query there is.
//!
//! | module | what it holds |
//! |---|---|
//! | [`rows`] | what goes in and comes out |
//! | `connect` | SQLite or PostgreSQL: how each is opened, and where they differ |
//! | `connections` | connections that go from one statement to the next |
//! | `circuits` | circuits and bases |
//! | `files` | circuits' files, where coordinators share them |
//! | `jobs` | submissions, and how jobs are read |
//! | `shares` | how much there may be of what, and of it one key's |
//! | `offers` | what nodes are offered, what they reply, who replaces whom |
//! | `log` | the log of jobs that ended: entries, tree, heads |
//! | `housekeeping` | how jobs end, and are forgotten |
//! | `health` | how the database and the jobs in it are |
//! | `api_keys` | API keys and idempotency keys |
//! | `cluster` | who lives, where nodes are connected, who offers and assembles what |
//! | `events` | what one coordinator tells the others at a commit |
//! | `keys` | assembler keys, sealed |
//!
//! No other module speaks SQL. Placeholders and clauses are those that SQLite and PostgreSQL share, so that a query stands
//! here once; `connect` has what they do not share. A method that changes something returns after the commit is on disk.
//!
//! **Who may change a job at once.** SQLite has one writer. On PostgreSQL a transaction that decides by what it reads takes
//! the job's row first (`Store::write_job`).

mod api_keys;
mod circuits;
mod cluster;
mod connect;
mod connections;
mod events;
mod files;
mod health;
mod housekeeping;
mod jobs;
mod keys;
mod log;
mod offers;
pub mod rows;
mod shares;

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AnyConnection, Executor as _, SqlSafeStr as _};
use tacit_vault::{Clock, VaultError};
use tacit_wire::{Digest32, Identity};
use thiserror::Error;

use connections::{Connections, Lent};

pub use api_keys::Claim;
pub use cluster::{Claimed, Place, PresenceRow};
pub use connect::Database;
pub use events::{Event, Heard, Listener};
pub use files::PIECE_BYTES;
pub use health::Holder;
pub use keys::KeyRow;
pub use rows::*;
pub use shares::{CircuitShare, CircuitShares, Excess, Shares};

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
    /// The embedded database's file.
    #[error(transparent)]
    File(#[from] VaultError),
    /// The database cannot be reached.
    #[error("database {database}: {source}")]
    Connect {
        /// Which, without its password.
        database: String,
        /// What it said.
        source: sqlx::Error,
    },
    /// The database cannot be brought to this program's schema.
    #[error("database {database}: {source}")]
    Migration {
        /// Which, without its password.
        database: String,
        /// What it said.
        source: sqlx::migrate::MigrateError,
    },
    /// There is no database yet.
    #[error("database {database}: there is none; `tacit coordinator run` makes it")]
    None {
        /// Which, without its password.
        database: String,
    },
    /// It was not brought to this program's schema.
    #[error(
        "database {database} has no schema of this program, or an older one: `tacit coordinator run` brings it up to date"
    )]
    OtherSchema {
        /// Which, without its password.
        database: String,
    },
    /// A job ended, and nobody can sign its receipt.
    #[error("database: it was opened without the identity that signs receipts")]
    NoKeeper,
    /// The server may lose what it said was stored.
    #[error(
        "database {database}: {setting} is off there, so that what was accepted could be lost; turn it on for this database \
         (ALTER DATABASE ... SET synchronous_commit = on; fsync is the server's)"
    )]
    NotDurable {
        /// Which, without its password.
        database: String,
        /// The server's setting.
        setting: &'static str,
    },
}

pub(crate) type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Which database it is, where that makes a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Embedded, of one process.
    Sqlite,
    /// A server, of any number of coordinators.
    Postgres,
}

/// The database.
#[derive(Debug, Clone)]
pub struct Store {
    pool: Connections,
    /// For what may be lost: its commits do not wait for the disk.
    light: Connections,
    kind: Kind,
    /// How to reach the server, for those who listen.
    postgres: Option<PgConnectOptions>,
    instance: String,
    /// Who signs what is logged.
    keeper: Option<Arc<Identity>>,
    /// This machine's clock, beside the database's.
    own_clock: Option<Clock>,
}

/// A transaction that writes. Dropped without a commit it is rolled back.
pub(crate) struct Write {
    lent: Lent,
    /// Who speaks, and what the others are told at the commit.
    tells: Option<(String, Vec<Event>)>,
    keeper: Option<Arc<Identity>>,
    own_clock: Option<Clock>,
}

impl Write {
    /// The log's time: the earlier one of what the caller says and this machine's clock. The log never goes back, so that one clock that is ahead for a moment, be it the
    /// database's, must not take it along.
    pub(crate) fn log_time(&self, now: u64) -> u64 {
        self.own_clock.as_ref().map_or(now, |own| now.min(own.now()))
    }

    /// Tells the other coordinators, if this is committed.
    pub(crate) fn tell(&mut self, event: Event) {
        if let Some((_, events)) = &mut self.tells {
            events.push(event);
        }
    }

    /// Whether other coordinators may use this database.
    pub(crate) fn is_shared(&self) -> bool {
        self.tells.is_some()
    }

    /// Returns when it is on disk.
    pub(crate) async fn commit(self) -> Result<()> {
        let Self { mut lent, tells, .. } = self;
        let statement = match tells.filter(|(_, events)| !events.is_empty()) {
            // In one message.
            Some((instance, events)) => {
                sqlx::AssertSqlSafe(format!("{}; COMMIT", events::telling(&events, &instance))).into_sql_str()
            }
            None => "COMMIT".into_sql_str(),
        };
        lent.execute(statement).await?;
        lent.keep();
        Ok(())
    }
}

impl Deref for Write {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        &self.lent
    }
}

impl DerefMut for Write {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.lent
    }
}

impl Store {
    /// With the identity that signs receipts and the log's heads: no job can end without it.
    #[must_use]
    pub fn signing_as(self, keeper: &Identity) -> Self {
        Self { keeper: Some(Arc::new(keeper.clone())), ..self }
    }

    /// With this machine's clock: what is logged is no later than it says.
    #[must_use]
    pub fn beside(self, own_clock: Clock) -> Self {
        Self { own_clock: Some(own_clock), ..self }
    }

    /// Waits until every connection is closed.
    pub async fn close(&self) {
        self.light.close().await;
        self.pool.close().await;
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<()> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    /// Begins a transaction that writes. On SQLite it is the only one; on PostgreSQL whoever decides by what it reads must
    /// lock that first.
    pub(crate) async fn write(&self) -> Result<Write> {
        self.begin(&self.pool).await
    }

    async fn begin(&self, connections: &Connections) -> Result<Write> {
        let begin = match self.kind {
            // A transaction that begins by reading cannot always become a writing one.
            Kind::Sqlite => "BEGIN IMMEDIATE",
            Kind::Postgres => "BEGIN",
        };
        let tells = self.postgres.as_ref().map(|_| (self.instance.clone(), Vec::new()));
        let (keeper, own_clock) = (self.keeper.clone(), self.own_clock.clone());
        let mut tx = Write { lent: connections.lend().await?, tells, keeper, own_clock };
        tx.execute(begin).await?;
        Ok(tx)
    }

    /// [`Store::write`] with a job's row locked: nobody else changes the job or its seats until this ends.
    pub(crate) async fn write_job(&self, deal: &Digest32) -> Result<Write> {
        let mut tx = self.write().await?;
        if self.kind == Kind::Postgres {
            sqlx::query("SELECT 1 FROM jobs WHERE deal = $1 FOR NO KEY UPDATE")
                .bind(deal.0.as_slice())
                .fetch_optional(&mut *tx)
                .await?;
        }
        Ok(tx)
    }

    /// Whether other coordinators may use this database.
    pub(crate) fn is_shared(&self) -> bool {
        self.kind == Kind::Postgres
    }
}
