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
    #[error("{} is open to others (mode {mode:o}): chmod go-rwx it, and replace what it keeps secret if others may have read it", path.display())]
    Exposed {
        /// The file or directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Another process uses the directory.
    #[error("{} is in use by another process: wait until that one has ended, or end it", path.display())]
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
    /// The secret files are encrypted and nothing was given to open them.
    #[error(
        "the keys in {} are encrypted: give the {needs} (--passphrase-file or --key-file, passphrase_file or key_file in the configuration, TACIT_PASSPHRASE_FILE, a \
         systemd credential, or at the terminal)", path.display()
    )]
    Locked {
        /// The directory.
        path: PathBuf,
        /// What it takes.
        needs: &'static str,
    },
    /// The secret files do not open with what was given.
    #[error("the keys in {} do not open: they need their {needs}, given was {given}", path.display())]
    WrongUnlock {
        /// The directory.
        path: PathBuf,
        /// What it takes.
        needs: &'static str,
        /// What there was.
        given: &'static str,
    },
    /// A copy of an encrypted file without what it takes to open it.
    #[error("{} is encrypted: {missing}", path.display())]
    EncryptedCopy {
        /// The copy.
        path: PathBuf,
        /// What it takes.
        missing: &'static str,
    },
    /// A passphrase that is to be set is too short.
    #[error("a passphrase needs at least {shortest} bytes: six random words are a good one")]
    ShortPassphrase {
        /// The fewest bytes.
        shortest: usize,
    },
    /// A passphrase and a key file at once.
    #[error("both a passphrase file and a key file ({}) are given: keep one of them", path.display())]
    TwoUnlocks {
        /// The key file.
        path: PathBuf,
    },
    /// A passphrase or key file beside what it unlocks.
    #[error("{} would lie in the directory that it unlocks: whoever takes one takes both. Keep it elsewhere", path.display())]
    KeyInside {
        /// The passphrase or key file.
        path: PathBuf,
    },
    /// Something is given to open secret files that are not encrypted.
    #[error(
        "a {given} is given and the keys in {} are not encrypted (there is no file `protection`). If they never were, encrypt them: `tacit node passphrase`, or `tacit coordinator passphrase`. If they should not \
         be, take the {given} out of the configuration, the options and the environment. If they were, somebody put other keys there or took the file away: begin with new ones", path.display()
    )]
    NotProtected {
        /// The directory.
        path: PathBuf,
        /// What was given.
        given: &'static str,
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
