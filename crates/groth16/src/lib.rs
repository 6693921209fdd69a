//! Groth16 as circom uses it: proving, verifying, keys and their setup.
//!
//! | module | what it holds |
//! |---|---|
//! | [`key`] | the proving key, its circuit id, and what is checked once when a key is pinned |
//! | [`mod@slice`] | a part of a proving key, for one of several groups of nodes |
//! | [`qap`] | from wire values to the quotient |
//! | [`prove`] | a proof on one machine, and its three points from wires or from shares of them |
//! | [`verify`], [`batch`] | checking one proof, or many at once |
//! | [`prepared`] | a checked key, or a slice of one, on disk, opened at every later start |
//! | [`setup`] | a proving key from powers of tau, or from secrets of one's own for development |
//! | [`contribute`], [`zkey_verify`] | adding to a ceremony, and checking its result |
//! | [`transcript`] | what a ceremony hashes and how points derive from it |
//! | [`powersoftau`] | powers of tau for development |
//! | [`solidity`] | a verifier contract |

pub mod batch;
mod beyond;
mod blake2b;
pub mod contribute;
pub mod key;
pub mod powersoftau;
pub mod prepared;
pub mod prove;
pub mod qap;
pub mod setup;
pub mod slice;
pub mod solidity;
pub mod transcript;
pub mod verify;
pub mod zkey_verify;

pub use batch::{BatchVerifyError, Claim, batch_verify};
pub use key::{CircuitId, KeyError, ProvingKey, SparseMatrix};
pub use slice::KeySlice;
pub use tacit_circom::{Proof, VerificationKey};
