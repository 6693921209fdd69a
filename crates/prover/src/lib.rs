//! Three ways to prove one and the same signed intent of the shielded pool (`tacit_pool`, docs/src/provers.md):
//!
//! | way | who sees the witness | module |
//! |---|---|---|
//! | on this machine | nobody else | [`local`] |
//! | by a prover service, which also submits | the service; it can change nothing | [`client`], [`service`] |
//! | by a committee of Tacit nodes | nobody | [`committee`] |
//!
//! All of them take a [`Work`] and give a [`Proved`]: what the contract is called with, beside what is public anyway. No proof leaves
//! this crate that was not verified against the keys it was made with and the public inputs of the work.
//!
//! | module | what it holds |
//! |---|---|
//! | [`circuits`] | the pool's circuits: keys and witness programs, loaded and checked once |
//! | [`statement`] | what the chain gets to see of a transaction |
//! | [`signals`] | the inputs of each circuit in their order |
//! | [`check`] | whether work can be proved, in milliseconds |
//! | [`work`] | what a prover needs: a statement, witness data, the authorisation; its encoding |
//! | [`proved`] | what comes out |
//! | [`sealed`] | requests to a service, sealed to its key |
//! | [`status`] | how far a request is, and why it was refused, as JSON |

pub mod check;
#[cfg(feature = "full")]
pub mod circuits;
#[cfg(feature = "full")]
pub mod client;
#[cfg(feature = "full")]
pub mod committee;
#[cfg(feature = "full")]
pub mod local;
pub mod proved;
pub mod sealed;
mod secret;
#[cfg(feature = "full")]
pub mod service;
pub mod signals;
pub mod statement;
pub mod status;
pub mod work;

#[cfg(feature = "full")]
pub use circuits::{CircuitFiles, CircuitKind, PoolCircuits};
#[cfg(feature = "full")]
pub use client::ProverClient;
pub use proved::Proved;
pub use sealed::{Request, RequestId, Task};
pub use statement::Statement;
pub use work::{Auth, AuthCircuit, Work};
