//! Files that hold no secret.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// No file of ours is longer.
const LONGEST: u64 = 1 << 20;

/// Why a file was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WalletFileError {
    /// Not readable or writable.
    #[error("{path}: {problem}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        problem: String,
    },
    /// Not what it should be.
    #[error("{path}: {problem}")]
    Form {
        /// The file.
        path: PathBuf,
        /// Where and why.
        problem: String,
    },
}

impl WalletFileError {
    pub(crate) fn io(path: &Path, error: &io::Error) -> Self {
        Self::Io { path: path.to_owned(), problem: error.to_string() }
    }
}

/// Reads a TOML file.
pub(crate) fn read_toml<T: DeserializeOwned>(path: &Path) -> Result<T, WalletFileError> {
    let failed = |e: io::Error| WalletFileError::io(path, &e);
    let mut text = String::new();
    fs::File::open(path).map_err(failed)?.take(LONGEST).read_to_string(&mut text).map_err(failed)?;
    toml::from_str(&text).map_err(|e| WalletFileError::Form {
        path: path.to_owned(),
        // One paragraph: TOML's errors are drawn over several lines.
        problem: e.to_string().split_whitespace().collect::<Vec<_>>().join(" "),
    })
}
