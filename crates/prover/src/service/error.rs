//! Why a service does not start, or ends.

use std::net::SocketAddr;
use std::path::PathBuf;

use tacit_vault::VaultError;

use crate::sealed::EnvelopeError;

/// Why a service does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Its folder.
    #[error(transparent)]
    Folder(#[from] VaultError),
    /// A request that was accepted and cannot be read any more. It is not thrown away: somebody relies on it.
    #[error(
        "{}: an accepted request does not open: {source}. Start with the wallet that it was sealed to, or remove the file and with it the request",
        path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: EnvelopeError,
    },
    /// Not a URL that wallets take.
    #[error("the endpoint {0:?} is not an https:// URL of at most 256 bytes")]
    Endpoint(String),
    /// Not a list of fees that wallets take.
    #[error("fees must name at most 64 tokens, each once, in ascending order")]
    Fees,
    /// Nothing that may authorise.
    #[error(
        "the service knows no auth verifier of its pool and would refuse everything: name those of pool.toml"
    )]
    Verifiers,
    /// The fee address is one whose notes the service cannot open.
    #[error("the service has no key that opens notes to its own fee address")]
    FeeKey,
    /// The registration cannot be signed, which nobody will ever see.
    #[error("the registration cannot be signed")]
    Sign,
    /// An address is taken, or not this machine's.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
}
