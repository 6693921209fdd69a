//! A wallet's folder: for its owner only, opened by one process at a time, its secrets encrypted.
//!
//! | file | holds |
//! |---|---|
//! | `wallet.toml` | the configuration: no secret |
//! | `seed` | the 64 bytes that every key comes from |
//! | `state` | what is known of the pool: notes, policies, used one-time keys |
//! | `journal` | what this wallet did |
//! | `intent-N` | what proves the signed payment that is number N in the journal, as long as it can be executed |
//! | `protection` | how the secret files are unlocked |

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use tacit_pool::wallet::store::StoreError;
use tacit_pool::{Wallet, WalletSeed};
use tacit_vault::protection::Secret;
use tacit_vault::{DataDir, Unlock, VaultError};

use crate::config::Config;
use crate::files::WalletFileError;
use crate::journal::Journal;

const CONFIG: &str = "wallet.toml";
const SEED: &str = "seed";
const STATE: &str = "state";
const JOURNAL: &str = "journal";
/// Purposes of the encrypted files: one cannot stand for another.
const SEED_PURPOSE: &str = "wallet seed";
const STATE_PURPOSE: &str = "wallet state";
const JOURNAL_PURPOSE: &str = "wallet journal";
const INTENT_PURPOSE: &str = "wallet intent";
/// A state or journal that is longer is not read: about a million registry entries.
const LONGEST: u64 = 1 << 29;

/// Why a wallet's folder was not read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// The folder or one of its secret files.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A file without secrets.
    #[error(transparent)]
    File(#[from] WalletFileError),
    /// The stored state.
    #[error("{path}: {source}")]
    State {
        /// The file.
        path: PathBuf,
        /// Why.
        source: StoreError,
    },
    /// The stored journal.
    #[error(
        "{path}: not a journal of this version (line {line}). Without it the wallet does not tell you what is signed and may yet be paid: keep it, and put back a copy"
    )]
    Journal {
        /// The file.
        path: PathBuf,
        /// Where.
        line: usize,
    },
    /// No wallet there.
    #[error("{0}: there is no wallet: make one with `tacit wallet init --dir {0}`", path.display())]
    Missing {
        /// The folder.
        path: PathBuf,
    },
    /// A wallet there already.
    #[error("{0}: there is a wallet already; nothing was changed", path.display())]
    Present {
        /// The folder.
        path: PathBuf,
    },
    /// The seed's file.
    #[error("{path}: not a wallet's seed")]
    Seed {
        /// The file.
        path: PathBuf,
    },
}

/// An opened folder.
#[derive(Debug)]
pub struct WalletFolder {
    dir: DataDir,
}

impl WalletFolder {
    /// Where a folder's configuration is.
    pub fn config_path(dir: &Path) -> PathBuf {
        dir.join(CONFIG)
    }

    /// Makes a wallet's folder with its seed and configuration.
    ///
    /// # Errors
    /// [`FolderError`]; [`FolderError::Present`] where there is one.
    pub fn create(
        path: &Path,
        unlock: &Unlock,
        seed: &WalletSeed,
        config: &Config,
    ) -> Result<Self, FolderError> {
        if path.join(SEED).exists() {
            return Err(FolderError::Present { path: path.to_owned() });
        }
        let mut dir = DataDir::open(path)?;
        dir.protect(unlock)?;
        let folder = Self { dir };
        let config_path = Self::config_path(path);
        let failed = |e: std::io::Error| WalletFileError::io(&config_path, &e);
        // Last, as what makes the folder a wallet: the seed.
        let mut file = fs::OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&config_path)
            .map_err(failed)?;
        file.write_all(config.to_toml()?.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        folder.dir.protection().write(&path.join(SEED), SEED_PURPOSE, seed.expose())?;
        Ok(folder)
    }

    /// Opens a wallet's folder; `unlock` as for a service's.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn open(path: &Path, unlock: &Unlock) -> Result<Self, FolderError> {
        if !path.join(SEED).exists() {
            return Err(FolderError::Missing { path: path.to_owned() });
        }
        Ok(Self { dir: DataDir::open_with(path, unlock)? })
    }

    /// The configuration.
    ///
    /// # Errors
    /// [`FolderError::File`].
    pub fn config(&self) -> Result<Config, FolderError> {
        Ok(Config::load(&Self::config_path(self.dir.path()))?)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The seed.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn seed(&self) -> Result<WalletSeed, FolderError> {
        let path = self.dir.path().join(SEED);
        let secret = self.dir.protection().read(&path, SEED_PURPOSE)?;
        let secret = secret.ok_or_else(|| FolderError::Missing { path: self.dir.path().to_owned() })?;
        let bytes: &[u8; 64] = secret[..].try_into().map_err(|_| FolderError::Seed { path: path.clone() })?;
        self.dir.protection().keep(&path, SEED_PURPOSE, &secret)?;
        Ok(WalletSeed::from_bytes(bytes))
    }

    /// What was known last; `None` before anything was.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn state(&self) -> Result<Option<Wallet>, FolderError> {
        let path = self.dir.path().join(STATE);
        let Some(stored) = self.dir.protection().read_up_to(&path, STATE_PURPOSE, LONGEST)? else {
            return Ok(None);
        };
        let state =
            Wallet::decode(&stored).map_err(|source| FolderError::State { path: path.clone(), source })?;
        self.dir.protection().keep(&path, STATE_PURPOSE, &stored)?;
        Ok(Some(state))
    }

    /// Keeps what is known: on disk when this returns.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn keep_state(&self, state: &Wallet) -> Result<(), FolderError> {
        let path = self.dir.path().join(STATE);
        let stored = state.encode().map_err(|source| FolderError::State { path: path.clone(), source })?;
        Ok(self.dir.protection().write(&path, STATE_PURPOSE, &stored)?)
    }

    /// What this wallet did.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn journal(&self) -> Result<Journal, FolderError> {
        let path = self.dir.path().join(JOURNAL);
        let Some(stored) = self.dir.protection().read_up_to(&path, JOURNAL_PURPOSE, LONGEST)? else {
            return Ok(Journal::default());
        };
        serde_json::from_slice(&stored).map_err(|e| FolderError::Journal { path, line: e.line() })
    }

    /// Keeps what this wallet did: on disk when this returns.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn keep_journal(&self, journal: &Journal) -> Result<(), FolderError> {
        let path = self.dir.path().join(JOURNAL);
        let stored = zeroize::Zeroizing::new(
            serde_json::to_vec(journal)
                .map_err(|e| FolderError::Journal { path: path.clone(), line: e.line() })?,
        );
        Ok(self.dir.protection().write(&path, JOURNAL_PURPOSE, &stored)?)
    }

    fn intent_path(&self, record: usize) -> PathBuf {
        self.dir.path().join(format!("intent-{record}"))
    }

    /// Keeps what proves a signed payment.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn keep_intent(&self, record: usize, work: &[u8]) -> Result<(), FolderError> {
        Ok(self.dir.protection().write(&self.intent_path(record), INTENT_PURPOSE, work)?)
    }

    /// What proves a signed payment; `None` once it can no longer be executed.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn intent(&self, record: usize) -> Result<Option<Secret>, FolderError> {
        Ok(self.dir.protection().read(&self.intent_path(record), INTENT_PURPOSE)?)
    }

    /// Forgets what proves a payment.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn forget_intent(&self, record: usize) -> Result<(), FolderError> {
        Ok(tacit_vault::dir::destroy_secret(&self.intent_path(record))?)
    }
}
