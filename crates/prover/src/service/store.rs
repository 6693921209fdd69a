//! What the service keeps on disk, one folder, a few small files for each request:
//!
//! | file | holds | until |
//! |---|---|---|
//! | `ID.sealed` | the envelope as it came, which only the service's key opens | the request ends |
//! | `ID.signed` | hash (32 bytes), number (8) and bytes of its transaction, from before it is sent | the request ends, or the node does not take it |
//! | `ID.outcome` | how it ended, as JSON | the configured time is over |
//!
//! A file is on disk when a function returns. A request exists once its envelope does, and has ended once its outcome does: whatever a crash leaves in
//! between is carried on or tidied up at the next start.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tacit_vault::{VaultError, dir};
use tacit_wire::Digest32;

use super::submit::SignedTransaction;
use crate::sealed::RequestId;
use crate::status::SpendStatus;

const SEALED: &str = "sealed";
const SIGNED: &str = "signed";
const OUTCOME: &str = "outcome";

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// As its owner sees it.
    pub status: SpendStatus,
    /// Of what was asked: the same again is the same request.
    pub digest: Digest32,
    /// When, in seconds since 1970.
    pub ended_at: u64,
}

/// A request that was accepted and has not ended.
#[derive(Debug)]
pub struct Open {
    /// Its name.
    pub id: RequestId,
    /// The file of its envelope.
    pub path: PathBuf,
    /// The envelope.
    pub envelope: Vec<u8>,
    /// Its transaction, if it may have been sent.
    pub signed: Option<SignedTransaction>,
}

/// The folder.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// Opens the folder and reads what is in it.
    ///
    /// # Errors
    /// When a file cannot be read or removed.
    pub fn open(folder: PathBuf) -> Result<(Self, Vec<Open>, Vec<Outcome>), VaultError> {
        let store = Self { folder };
        let (mut sealed, mut outcomes) = (Vec::new(), Vec::new());
        let io = |source| VaultError::Io { path: store.folder.clone(), source };
        for entry in std::fs::read_dir(&store.folder).map_err(io)? {
            let path = entry.map_err(io)?.path();
            let id = path.file_stem().and_then(|stem| stem.to_str()?.parse::<Digest32>().ok());
            match (id, path.extension().and_then(|extension| extension.to_str())) {
                (Some(id), Some(SEALED)) => sealed.push(id),
                (Some(_), Some(OUTCOME)) => {
                    if let Some(outcome) = read_outcome(&path)? {
                        outcomes.push(outcome);
                    }
                }
                (Some(_), Some(SIGNED)) => {}
                // Being written when the program ended: nobody was told of it.
                (_, Some("new")) => dir::destroy_secret(&path)?,
                _ => tracing::warn!(path = %path.display(), "not a file of this service"),
            }
        }
        let mut open = Vec::new();
        for id in sealed {
            if outcomes.iter().any(|outcome: &Outcome| outcome.status.id == id) {
                store.forget_request(id)?;
                continue;
            }
            let path = store.path(id, SEALED);
            let Some(envelope) = dir::read_secret(&path)? else { continue };
            let signed = read_signed(&store.path(id, SIGNED))?;
            open.push(Open { id, path, envelope: envelope.to_vec(), signed });
        }
        Ok((store, open, outcomes))
    }

    fn path(&self, id: RequestId, extension: &str) -> PathBuf {
        self.folder.join(format!("{id}.{extension}"))
    }

    /// Accepts a request.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn accept(&self, id: RequestId, envelope: &[u8]) -> Result<(), VaultError> {
        dir::write_secret(&self.path(id, SEALED), envelope)
    }

    /// Notes a transaction that is about to be sent.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn signed(&self, id: RequestId, transaction: &SignedTransaction) -> Result<(), VaultError> {
        let mut bytes = transaction.hash.to_vec();
        bytes.extend_from_slice(&transaction.nonce.to_le_bytes());
        bytes.extend_from_slice(&transaction.raw);
        dir::write_secret(&self.path(id, SIGNED), &bytes)
    }

    /// Forgets a transaction that the chain's node did not take.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn unsigned(&self, id: RequestId) -> Result<(), VaultError> {
        dir::destroy_secret(&self.path(id, SIGNED))
    }

    /// Ends a request.
    ///
    /// # Errors
    /// When a file cannot be written or removed.
    pub fn end(&self, outcome: &Outcome) -> Result<(), VaultError> {
        let id = outcome.status.id;
        let path = self.path(id, OUTCOME);
        let json = serde_json::to_vec(outcome)
            .map_err(|error| VaultError::Io { path: path.clone(), source: error.into() })?;
        dir::write_secret(&path, &json)?;
        self.forget_request(id)
    }

    fn forget_request(&self, id: RequestId) -> Result<(), VaultError> {
        dir::destroy_secret(&self.path(id, SEALED))?;
        dir::destroy_secret(&self.path(id, SIGNED))
    }

    /// Forgets how a request ended.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn forget(&self, id: RequestId) -> Result<(), VaultError> {
        dir::destroy_secret(&self.path(id, OUTCOME))
    }
}

/// A transaction that may have been sent. One that cannot be read is no reason to sign another: both could be in blocks.
fn read_signed(path: &Path) -> Result<Option<SignedTransaction>, VaultError> {
    let Some(bytes) = dir::read_secret(path)? else { return Ok(None) };
    if !bytes.is_empty() && bytes.iter().all(|byte| *byte == 0) {
        // Its destruction was cut off: the chain's node had not taken it.
        return Ok(None);
    }
    let read = || {
        let (hash, rest) = bytes.split_first_chunk::<32>()?;
        let (nonce, raw) = rest.split_first_chunk::<8>().filter(|(_, raw)| !raw.is_empty())?;
        Some(SignedTransaction { hash: *hash, nonce: u64::from_le_bytes(*nonce), raw: raw.to_vec() })
    };
    let what = "it is not a transaction that this program noted; look what became of the request, and move its files away";
    read().map(Some).ok_or(VaultError::Damaged { path: path.to_owned(), what })
}

/// An outcome, or none where the file is not one of this version: it is of no further use.
fn read_outcome(path: &Path) -> Result<Option<Outcome>, VaultError> {
    let Some(bytes) = dir::read_secret(path)? else { return Ok(None) };
    let outcome = serde_json::from_slice(&bytes);
    if let Err(error) = &outcome {
        tracing::warn!(path = %path.display(), %error, "an outcome cannot be read");
    }
    Ok(outcome.ok())
}
