//! A wallet of the shielded pool, as applications embed it: a folder with encrypted secrets, followed along a chain, that pays through whichever
//! prover its owner picks. The rules are `tacit_pool`'s, the chain's words `tacit_chain`'s, proving `tacit_prover`'s; here they come together.
//!
//! | module | what it holds |
//! |---|---|
//! | [`description`] | `pool.toml`: which pool |
//! | [`config`] | `wallet.toml`: which node, who proves |
//! | [`folder`] | the secrets on disk |
//! | [`open`] | an opened wallet: following the chain, balances, its own account |
//! | [`policy`] | registering, choosing what signs, rotating |
//! | [`deposit`] | money in |
//! | [`pay`], [`execute`], [`intents`] | money on, and out: signed; proved and submitted; what became of it |
//! | [`journal`] | what it did |
//! | [`token`] | amounts as people write them |

pub mod config;
pub mod deposit;
pub mod description;
pub mod execute;
mod files;
pub mod folder;
pub mod intents;
pub mod journal;
pub mod open;
pub mod pay;
pub mod policy;
pub mod token;

pub use config::{Config, Prover, Way};
pub use description::PoolDescription;
pub use execute::Delegation;
pub use files::WalletFileError;
pub use folder::{FolderError, WalletFolder};
pub use open::{OpenWallet, WalletError};
pub use pay::{Order, Paid};
