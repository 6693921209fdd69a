//! The embedded database, opened so that a commit is on disk when it returns.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, SqlitePool};

use crate::VaultError;

/// What [`open`] asks of each connection, for those that open the same file by other means.
pub const PRAGMAS: &[&str] = &[
    "PRAGMA busy_timeout = 10000",
    "PRAGMA foreign_keys = ON",
    "PRAGMA synchronous = FULL",
    // Deleted envelopes are overwritten, not only unlinked from the tree.
    "PRAGMA secure_delete = ON",
];

/// Opens (or creates, mode 0600) the database and brings it to the current schema.
///
/// # Errors
/// When the file cannot be opened, is no database, or has a schema this program does not know.
pub async fn open(path: &Path, migrations: &Migrator) -> Result<SqlitePool, VaultError> {
    // SQLite would create the file with the process's umask, and gives its WAL the mode of the file.
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(|e| VaultError::io(path, e))?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(10))
        // Deleted envelopes are overwritten, not only unlinked from the tree.
        .pragma("secure_delete", "ON");
    let pool = SqlitePoolOptions::new()
        .max_connections(4)
        .before_acquire(|connection, _| {
            // A full disk can end a transaction by itself; its rollback fails then, and the driver would begin no other on
            // this connection ever after.
            Box::pin(async move { Ok(!connection.is_in_transaction()) })
        })
        .connect_with(options)
        .await
        .map_err(|source| VaultError::Database { path: path.to_owned(), source })?;
    migrations.run(&pool).await.map_err(|source| VaultError::Migration { path: path.to_owned(), source })?;
    Ok(pool)
}

/// Opens a database to read it, as it is: nothing is created and nothing changed. `alone`: nobody else has it open, and nothing lies beside the file.
///
/// # Errors
/// When the file cannot be opened or is no database.
pub async fn open_to_look(path: &Path, alone: bool) -> Result<SqlitePool, VaultError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .read_only(true)
        .immutable(alone)
        .busy_timeout(Duration::from_secs(10));
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await;
    pool.map_err(|source| VaultError::Database { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_transaction_that_ended_by_itself_spoils_no_connection() {
        let root = tempfile::tempdir().unwrap();
        let migrations = Migrator::with_migrations(Vec::new());
        let pool = open(&root.path().join("x.sqlite"), &migrations).await.unwrap();
        for _ in 0..8 {
            let mut tx = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
            // What SQLite does when a write finds the disk full.
            sqlx::query("ROLLBACK").execute(&mut *tx).await.unwrap();
        }
        let tx = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
        tx.commit().await.unwrap();
    }
}
