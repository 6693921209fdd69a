//! A shielded pool after [EIP-8182](https://eips.ethereum.org/EIPS/eip-8182), seen from outside the chain: what a wallet and a prover need. Section
//! numbers are that text's; what this pool adds to it is in docs/src/pool.md and behind [`Rules`], encodings
//! are in docs/src/pool-wallet.md.
//!
//! Sans-IO: nothing here opens a file or a socket or reads a clock, and random numbers are an argument.
//!
//! | module | what it holds |
//! |---|---|
//! | [`hash`] | the Poseidon2 sponge and its domain tags |
//! | [`value`] | addresses, amounts, texts of field elements, secrets |
//! | [`rules`] | the two switches between the EIP's form and ours |
//! | [`tree`] | note tree with paths of one's own leaves, registry, policy set; all of them go back when the chain does |
//! | [`keys`] | a wallet's keys from a seed phrase |
//! | [`note`], [`nullifier`], [`policy`], [`intent`] | the formulas and rules of sections 6 to 8 |
//! | [`eddsa`], [`xmss`] | credentials that circuits check |
//! | [`delivery`] | note data: sealed to its owner, the same size for everybody; receiving addresses |
//! | [`transaction`] | from notes and an intent to a circuit's input and the public inputs; which notes to spend |
//! | [`events`], [`ledger`] | what the contract says, and a model of what it does |
//! | [`wallet`] | what a wallet knows: notes, balances, spends on their way, rotation |
//! | [`orders`] | prover registrations, grants and rotation notices, signed by two schemes |

mod decimal;
pub mod delivery;
pub mod eddsa;
pub mod events;
pub mod hash;
pub mod intent;
pub mod keys;
pub mod ledger;
pub mod note;
pub mod nullifier;
pub mod orders;
pub mod policy;
pub mod rules;
pub mod transaction;
pub mod tree;
pub mod value;
pub mod wallet;
pub mod xmss;

pub use delivery::{Place, ReceivingAddress};
pub use hash::{Domain, Fr, poseidon};
pub use intent::{Fee, Intent, IntentFields, Operation, Terms};
pub use keys::{SeedPhrase, WalletSeed};
pub use note::{Note, NoteBody};
pub use policy::{Policy, PolicySet};
pub use rules::Rules;
pub use transaction::{PublicInputs, Transaction};
pub use value::{Address, Amount, SecretField};
pub use wallet::Wallet;
