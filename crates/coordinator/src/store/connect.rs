//! How each database is opened, and what durability is asked of it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use sqlx::Row as _;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AnyPool, Connection as _};
use tacit_vault::VaultError;

use super::connections::{Connections, roll_back, roll_back_on_server};
use super::{Kind, Result, Store, StoreError};
use crate::config::{Config, DatabaseUrl};

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// Connections at a time: each coordinator's share of what a server admits (100 by default).
const POSTGRES_CONNECTIONS: u32 = 8;

/// SQLite lets many read while one writes.
const SQLITE_CONNECTIONS: u32 = 4;

/// For what may be lost; see [`Store`].
const LIGHT_CONNECTIONS: u32 = 4;

/// A connection to a server that rested for longer is tried before it is used. One that did not was tried when it was put aside.
const RESTED: Duration = Duration::from_millis(100);

/// Where the data is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Database {
    /// A file, of this process alone.
    Sqlite(PathBuf),
    /// A PostgreSQL server, which several coordinators may share.
    Postgres(DatabaseUrl),
}

impl Database {
    /// The one that a configuration names.
    pub fn of(config: &Config) -> Self {
        match &config.database {
            Some(url) => Self::Postgres(url.clone()),
            None => Self::Sqlite(config.data_dir.join("coordinator.sqlite")),
        }
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => path.display().fmt(f),
            Self::Postgres(url) => url.fmt(f),
        }
    }
}

/// The number of the last migration that this program knows.
pub(super) fn newest_migration(kind: Kind) -> i64 {
    let migrations = match kind {
        Kind::Sqlite => &SQLITE,
        Kind::Postgres => &POSTGRES,
    };
    migrations.iter().map(|m| m.version).max().unwrap_or(0)
}

impl Store {
    /// Opens the database, creating or completing its schema.
    ///
    /// # Errors
    /// When it cannot be reached, has a schema that this program does not know, or would not keep what it accepts.
    pub async fn open(database: &Database) -> Result<Self> {
        sqlx::any::install_default_drivers();
        match database {
            Database::Sqlite(path) => {
                // Creates the file for its owner only, turns the write-ahead log on and brings the schema up to date.
                tacit_vault::sqlite::open(path, &SQLITE).await?.close().await;
                sqlite(path).await
            }
            Database::Postgres(url) => postgres(url, true).await,
        }
    }

    /// Opens the database as a coordinator made it: creates and changes nothing.
    ///
    /// # Errors
    /// When there is none, or it has not the schema of this program.
    pub async fn open_existing(database: &Database) -> Result<Self> {
        sqlx::any::install_default_drivers();
        let store = match database {
            Database::Sqlite(path) if !path.exists() => {
                return Err(StoreError::None { database: database.to_string() });
            }
            Database::Sqlite(path) => sqlite(path).await?,
            Database::Postgres(url) => postgres(url, false).await?,
        };
        match store.schema_is_current().await {
            Ok(true) => Ok(store),
            // Without the table in which migrations are noted.
            Ok(false) | Err(StoreError::Database(sqlx::Error::Database(_))) => {
                store.close().await;
                Err(StoreError::OtherSchema { database: database.to_string() })
            }
            Err(error) => Err(error),
        }
    }
}

async fn sqlite(path: &Path) -> Result<Store> {
    let failed = |source| VaultError::Database { path: path.to_owned(), source };
    let path = path.canonicalize().map_err(|source| VaultError::Io { path: path.to_owned(), source })?;
    let options = AnyConnectOptions::from_str(&format!("sqlite://{}", encode(&path))).map_err(failed)?;
    let open = async |connections, last: &'static str| {
        AnyPoolOptions::new()
            .max_connections(connections)
            // There is no server that could have gone away.
            .test_before_acquire(false)
            // A full disk can end a transaction by itself.
            .after_release(|connection, _| Box::pin(roll_back(connection)))
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    for pragma in tacit_vault::sqlite::PRAGMAS.iter().chain([&last]) {
                        sqlx::query(*pragma).execute(&mut *connection).await?;
                    }
                    Ok(())
                })
            })
            .connect_with(options.clone())
            .await
    };
    let pool = open(SQLITE_CONNECTIONS, "PRAGMA synchronous = FULL").await.map_err(failed)?;
    // The write-ahead log keeps what these commit, but for the last of it when the power fails.
    let light = open(LIGHT_CONNECTIONS, "PRAGMA synchronous = NORMAL").await.map_err(failed)?;
    Ok(Store {
        // There is no server that could have gone away.
        pool: Connections::new(pool, None),
        light: Connections::new(light, None),
        kind: Kind::Sqlite,
        postgres: None,
        instance: instance(),
        keeper: None,
        own_clock: None,
    })
}

async fn postgres(url: &DatabaseUrl, migrate: bool) -> Result<Store> {
    let database = url.to_string();
    let failed = |source| StoreError::Connect { database: database.clone(), source };
    let options = AnyConnectOptions::from_str(url.reveal()).map_err(failed)?;
    let pool = to_server(POSTGRES_CONNECTIONS).connect_with(options.clone()).await.map_err(failed)?;
    refuse_loss(&pool, &database).await?;
    if migrate {
        // Takes a lock on the server: of several coordinators that start at once, one migrates.
        POSTGRES
            .run(&pool)
            .await
            .map_err(|source| StoreError::Migration { database: database.clone(), source })?;
    }
    let light = to_server(LIGHT_CONNECTIONS)
        .after_connect(|connection, _| {
            Box::pin(async move {
                sqlx::query("SET synchronous_commit = off").execute(connection).await?;
                Ok(())
            })
        })
        .connect_with(options)
        .await
        .map_err(failed)?;
    let postgres = Some(PgConnectOptions::from_str(url.reveal()).map_err(failed)?);
    Ok(Store {
        pool: Connections::new(pool, Some(RESTED)),
        light: Connections::new(light, Some(RESTED)),
        kind: Kind::Postgres,
        postgres,
        instance: instance(),
        keeper: None,
        own_clock: None,
    })
}

/// Connections to a server. Each statement would else cost a round trip more.
fn to_server(connections: u32) -> AnyPoolOptions {
    AnyPoolOptions::new()
        .max_connections(connections)
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for > RESTED {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .after_release(|connection, _| Box::pin(roll_back_on_server(connection)))
}

/// A name for this process that no other has.
fn instance() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// "Accepted" is said when the commit has returned: it must not be lost with the server's power.
async fn refuse_loss(pool: &AnyPool, database: &str) -> Result<()> {
    for setting in ["synchronous_commit", "fsync"] {
        let row = sqlx::query("SELECT current_setting($1)").bind(setting).fetch_one(pool).await?;
        if row.try_get::<String, _>(0)? == "off" {
            return Err(StoreError::NotDurable { database: database.to_owned(), setting });
        }
    }
    Ok(())
}

/// A path as a URL has it.
fn encode(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    let mut out = String::new();
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn any_path_is_opened_as_it_is_and_durably() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a b?c#d%41é.sqlite");
        let store = Store::open(&Database::Sqlite(path.clone())).await.unwrap();
        for (pragma, value) in [("synchronous", 2i64), ("secure_delete", 1), ("foreign_keys", 1)] {
            let row = sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA {pragma}")))
                .fetch_one(&store.pool)
                .await
                .unwrap();
            assert_eq!(row.try_get::<i64, _>(0).unwrap(), value, "{pragma}");
        }
        store.close().await;
        assert!(path.exists());
        assert!(
            std::fs::read_dir(root.path()).unwrap().all(|e| e
                .unwrap()
                .path()
                .to_string_lossy()
                .contains("é"))
        );
    }
}
