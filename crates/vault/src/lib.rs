//! What a service keeps on disk, and how: the node and the coordinator share these rules.
//!
//! | module | what it holds |
//! |---|---|
//! | [`clock`] | the time, which tests can set |
//! | [`dir`] | a directory for its owner only, locked by one process; secret files replaced as a whole |
//! | [`identity`] | the Ed25519 identity a service is known by |
//! | [`protection`] | secret files encrypted at rest, unlocked by a passphrase or a key file |
//! | [`keyring`] | sealing keys: rotated, and destroyed when they expire |
//! | [`sqlite`] | the embedded database, durable at every commit |

pub mod clock;
pub mod dir;
mod error;
pub mod identity;
pub mod keyring;
pub mod protection;
pub mod sqlite;

pub use clock::Clock;
pub use dir::DataDir;
pub use error::VaultError;
pub use keyring::{HeldKey, KeyRing, Run};
pub use protection::{Protection, Unlock};
