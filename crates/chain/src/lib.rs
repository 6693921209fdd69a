//! The [shielded pool](tacit_pool) on a chain: all that Tacit says to an Ethereum node.
//!
//! | module | what it holds |
//! |---|---|
//! | [`rpc`] | JSON-RPC over HTTP, every answer checked and bounded |
//! | [`account`] | keys (BIP-44), transactions (EIP-1559), authorisations (EIP-712) |
//! | [`abi`], [`revert`] | the contracts' calls, events and errors |
//! | [`pool`] | the pool's contract: its form and its views |
//! | [`mod@send`] | trying, signing, sending, waiting, replacing |
//! | [`mod@follow`] | bringing a wallet to the chain's head, across reorganisations |
//! | [`deploy`] | the pool and its verifiers from contracts/artifacts |
//! | [`devnet`] | a chain of one's own, for development |
//!
//! A node is asked, not trusted: what is checked of its answers and what is not is in docs/src/pool-wallet.md, "Reading the
//! chain". No clock is read; time passes by `tokio::time` only.

pub mod abi;
pub mod account;
mod convert;
pub mod deploy;
pub mod devnet;
pub mod follow;
pub mod pool;
pub mod revert;
pub mod rpc;
pub mod send;

pub use abi::Call;
pub use account::Account;
pub use alloy_primitives::U256;
pub use convert::{from_wei, to_wei};
pub use follow::{FollowError, Followed, follow};
pub use pool::{PoolContract, PoolError};
pub use revert::Revert;
pub use rpc::{At, Header, Receipt, Rpc, RpcError};
pub use send::{SendError, SendOptions, Signed, least_price, prepare, send, simulate, submit, wait};
