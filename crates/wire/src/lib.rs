//! What travels between clients, coordinators and nodes: encodings, seals, signatures, versions.
//!
//! Sans-IO: nothing here opens a socket, reads a clock or draws ambient randomness. The *contents* of a deal
//! (header, assignment, package, response) are encoded by `tacit_delegate`; this crate signs, seals and frames
//! those bytes. Everything is little-endian, length-prefixed and canonical: one value, one encoding. Byte-exact
//! vectors for another implementation are in `tests/vectors/`.
//!
//! | module | what it holds |
//! |---|---|
//! | [`identity`] | Ed25519 identities, signatures with a domain label |
//! | [`seal`] | HPKE with X-Wing: sealing to one recipient |
//! | [`certificate`] | sealing keys signed by the identity that owns them |
//! | [`envelope`] | packages sealed to nodes, signed assignments, acknowledgements, sealed responses |
//! | [`evidence`] | what a client can show about a node, and what an arbiter makes of it |
//! | [`frame`] | the eight bytes before every message, versions and size limits |
//! | [`messages`] | the messages themselves, a file per conversation |
//! | [`status`] | JSON bodies of the HTTP API |
//! | [`receipt`] | how a job ended: what an entry of the coordinator's log holds |
//! | [`peer`] | everything a peer can do wrong, and whose fault it is |
//! | [`codec`] | reading and writing canonical bytes |

pub mod certificate;
pub mod codec;
pub mod digest;
pub mod envelope;
pub mod evidence;
pub mod frame;
pub mod identity;
pub mod messages;
#[cfg(feature = "openapi")]
mod openapi;
pub mod peer;
pub mod receipt;
pub mod seal;
pub mod status;

pub use certificate::{CertificateError, Purpose, SealingKeyCertificate};
pub use codec::{DecodeError, DecodeReason};
pub use digest::Digest32;
pub use envelope::{SignedAcknowledgement, SignedAssignment, SignedResponse, Slot};
pub use evidence::{AuditError, Evidence, NoEvidence, Verdict};
pub use frame::{Body, FrameError, FrameHeader, MessageType, PROTOCOL_VERSION, SUPPORTED_VERSIONS};
pub use identity::{ClientIdentity, Identity, IdentityKey, NodeIdentity, Signature};
pub use messages::Message;
pub use peer::{Blame, PeerMisbehaved};
pub use receipt::{JobOutcome, Receipt, ReceiptSeat, SeatOutcome, SignedReceipt};
pub use seal::{OpenError, SealError, SealingKeyId, SealingKeyPair, SealingPublicKey};
pub use tacit_delegate::{Acknowledgement, Assignment, CircuitId, DealId, Seat, ciphertext_digest};
