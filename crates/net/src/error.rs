//! What goes wrong between two machines, and whose fault it is.

use std::{net::SocketAddr, time::Duration};

use quinn::ConnectionError;
use tacit_wire::{Blame, FrameError, IdentityKey, MessageType, PeerMisbehaved};

/// Application close codes of a connection.
pub(crate) mod close {
    pub(crate) const DONE: u32 = 0;
    pub(crate) const NOT_ADMITTED: u32 = 1;
}

/// Why a connection, a stream or a message failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetError {
    /// The local address cannot be used.
    #[error("cannot bind UDP {address}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The configuration is unusable; nothing that a peer sends causes this.
    #[error("transport configuration: {0}")]
    Configuration(String),
    /// The other side does not answer.
    #[error(
        "{address} did not complete a handshake within {waited:?}: is it running, and does UDP reach it?"
    )]
    Unreachable {
        /// The address that was dialled.
        address: SocketAddr,
        /// For how long.
        waited: Duration,
    },
    /// Somebody else answers at that address.
    #[error("{address} has identity {got}, expected {expected}: a wrong address, or someone in between")]
    WrongIdentity {
        /// The address that was dialled.
        address: SocketAddr,
        /// The pinned identity.
        expected: IdentityKey,
        /// The identity that was proven.
        got: IdentityKey,
    },
    /// A node that is not on the list dialled.
    #[error("node {got} at {address} is not admitted")]
    NotAdmitted {
        /// Where it dialled from.
        address: SocketAddr,
        /// The identity that it proved.
        got: IdentityKey,
    },
    /// The peer has no common application protocol.
    #[error("{address} does not speak {ours}: it runs another version or another program")]
    NoCommonProtocol {
        /// The peer.
        address: SocketAddr,
        /// The protocol that is spoken here.
        ours: &'static str,
    },
    /// The peer has no common key exchange, cipher or signature scheme, or shows no raw Ed25519 key.
    #[error(
        "{address} and this program have no cryptography in common; this one insists on TLS 1.3, X25519MLKEM768 and \
         raw Ed25519 keys: {reason}"
    )]
    NoCommonCryptography {
        /// The peer.
        address: SocketAddr,
        /// What the handshake said.
        reason: String,
    },
    /// The handshake failed otherwise.
    #[error("handshake with {address}: {reason}")]
    Handshake {
        /// The peer.
        address: SocketAddr,
        /// What happened.
        reason: ConnectionError,
    },
    /// The peer closed the connection and said why.
    #[error("{by} {peer} closed the connection: {text} (code {code})")]
    Closed {
        /// The peer's role.
        by: Blame,
        /// The peer.
        peer: IdentityKey,
        /// Its code: 0 done, 1 not admitted.
        code: u64,
        /// Its text.
        text: String,
    },
    /// The connection broke.
    #[error("connection with {by} {peer}: {reason}")]
    Lost {
        /// The peer's role.
        by: Blame,
        /// The peer.
        peer: IdentityKey,
        /// What happened.
        reason: ConnectionError,
    },
    /// A deadline passed.
    #[error("{by} {peer} was silent for {after:?} while {waiting_for} was due")]
    Timeout {
        /// The peer's role.
        by: Blame,
        /// The peer.
        peer: IdentityKey,
        /// What was waited for.
        waiting_for: &'static str,
        /// For how long.
        after: Duration,
    },
    /// A frame that is none.
    #[error("{by} {peer} sent a bad frame: {error}")]
    Frame {
        /// The peer's role.
        by: Blame,
        /// The peer.
        peer: IdentityKey,
        /// What is wrong with it.
        error: FrameError,
    },
    /// A stream that ended where more was due.
    #[error("{by} {peer} ended the stream where {expected} was due")]
    Ended {
        /// The peer's role.
        by: Blame,
        /// The peer.
        peer: IdentityKey,
        /// What was due.
        expected: &'static str,
    },
    /// A well-formed message at the wrong time.
    #[error("{by} {peer} sent {got:?} where {expected} was due")]
    Unexpected {
        /// The peer's role.
        by: Blame,
        /// The peer.
        peer: IdentityKey,
        /// What came.
        got: MessageType,
        /// What was due.
        expected: &'static str,
    },
    /// The peer reset or stopped the stream.
    #[error("{by} {peer} abandoned the stream (code {code})")]
    Abandoned {
        /// The peer's role.
        by: Blame,
        /// The peer.
        peer: IdentityKey,
        /// Its code.
        code: u64,
    },
    /// A message of one's own that no peer would take.
    #[error("{kind:?} has {bytes} bytes, the protocol allows {limit}")]
    TooLarge {
        /// Its type.
        kind: MessageType,
        /// Bytes of its body.
        bytes: usize,
        /// Bytes that are allowed.
        limit: usize,
    },
    /// The stream was closed on this side.
    #[error("the stream was closed on this side")]
    ClosedHere,
}

impl NetError {
    /// The peer's misbehaviour, if this is one. A broken connection is nobody's fault.
    pub fn misbehaviour(&self) -> Option<PeerMisbehaved> {
        match self {
            Self::Frame { by, error, .. } => Some(PeerMisbehaved::BadFrame { by: *by, error: error.clone() }),
            Self::Timeout { by, waiting_for, after, .. } => Some(PeerMisbehaved::Silent {
                by: *by,
                waiting_for,
                milliseconds: u64::try_from(after.as_millis()).unwrap_or(u64::MAX),
            }),
            Self::Unexpected { by, got, expected, .. } => {
                Some(PeerMisbehaved::UnexpectedMessage { by: *by, got: *got, expected })
            }
            Self::Ended { by, expected, .. } => Some(PeerMisbehaved::Truncated { by: *by, expected }),
            Self::Bind { .. }
            | Self::Configuration(_)
            | Self::Unreachable { .. }
            | Self::WrongIdentity { .. }
            | Self::NotAdmitted { .. }
            | Self::NoCommonProtocol { .. }
            | Self::NoCommonCryptography { .. }
            | Self::Handshake { .. }
            | Self::Closed { .. }
            | Self::Lost { .. }
            | Self::Abandoned { .. }
            | Self::TooLarge { .. }
            | Self::ClosedHere => None,
        }
    }

    /// Whether dialling again can help without anyone changing a configuration.
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Handshake { .. }
            | Self::Lost { .. }
            | Self::Timeout { .. }
            | Self::Abandoned { .. }
            | Self::Ended { .. } => true,
            Self::Closed { code, .. } => *code == close::DONE as u64,
            Self::Bind { .. }
            | Self::Configuration(_)
            | Self::WrongIdentity { .. }
            | Self::NotAdmitted { .. }
            | Self::NoCommonProtocol { .. }
            | Self::NoCommonCryptography { .. }
            | Self::Frame { .. }
            | Self::Unexpected { .. }
            | Self::TooLarge { .. }
            | Self::ClosedHere => false,
        }
    }
}
