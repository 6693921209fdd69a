use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why a service's stored state cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
    /// Others than the owner have access to what must be private.
    #[error("{} is open to others (mode {mode:o}): chmod go-rwx it, and replace its keys if others may have read them", path.display())]
    Exposed {
        /// The file or directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Another process uses the directory.
    #[error("{} is in use by another process", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// There is no identity here.
    #[error("{} holds no identity: run the init command first", path.display())]
    NotInitialised {
        /// The directory.
        path: PathBuf,
    },
    /// A file is not what it should be.
    #[error("{} is damaged: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The system's random number generator failed.
    #[error("the system's random number generator failed: {0}")]
    Random(String),
    /// The database cannot be used.
    #[error("database {}: {source}", path.display())]
    Database {
        /// The database file.
        path: PathBuf,
        /// What it said.
        source: sqlx::Error,
    },
    /// The database cannot be brought to this program's schema.
    #[error("database {}: {source}", path.display())]
    Migration {
        /// The database file.
        path: PathBuf,
        /// What it said.
        source: sqlx::migrate::MigrateError,
    },
}

impl VaultError {
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}
