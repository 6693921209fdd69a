//! `network.toml`, with the API key file of the command line in the place of its own.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tacit_client::network::{Network, NetworkError};

/// The file of `--api-key-file`.
static FILE: OnceLock<PathBuf> = OnceLock::new();

/// Takes the option of the command line, once.
pub fn set_file(file: Option<PathBuf>) {
    if let Some(file) = file {
        let _ = FILE.set(file);
    }
}

/// Reads a `network.toml`.
///
/// # Errors
/// See [`NetworkError`].
pub fn load_network(path: &Path) -> Result<Network, NetworkError> {
    let mut network = Network::load(path)?;
    if let Some(file) = FILE.get() {
        network.coordinator.api_key_file = Some(file.clone());
    }
    Ok(network)
}
