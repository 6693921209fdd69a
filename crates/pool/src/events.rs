//! What the contract emits (section 5.3), as plain values.

use crate::hash::Fr;
use crate::policy::Entry;
use crate::value::{Address, Amount};

/// `ShieldedPoolTransact`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transacted {
    /// Of both input slots.
    pub nullifiers: [Fr; 2],
    /// The intent's replay id.
    pub intent_replay_id: Fr,
    /// Who checked the auth proof.
    pub auth_verifier: Address,
    /// The leaves, in order.
    pub note_commitments: [Fr; 3],
    /// Where the first of them is.
    pub leaf_index: u32,
    /// The note tree's root afterwards.
    pub root: Fr,
    /// Note data of each output.
    pub note_data: [Vec<u8>; 3],
}

/// `ShieldedPoolDeposit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deposited {
    /// Who deposited.
    pub depositor: Address,
    /// The leaf.
    pub note_commitment: Fr,
    /// Where it is.
    pub leaf_index: u32,
    /// How much.
    pub amount: Amount,
    /// Of which token.
    pub token: Address,
    /// The note tree's root afterwards.
    pub root: Fr,
    /// Note data.
    pub note_data: Vec<u8>,
}

/// `AuthPolicySet`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyChanged {
    /// Whose.
    pub user: Address,
    /// The entry as it is now; without `BIND` its version counts for nothing.
    pub entry: Entry,
    /// The leaf.
    pub leaf: Fr,
    /// The registry's root afterwards.
    pub root: Fr,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A spend.
    Transacted(Transacted),
    /// A deposit.
    Deposited(Deposited),
    /// A registration, rotation or revocation.
    PolicyChanged(PolicyChanged),
}

/// The events of a block, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: [u8; 32],
    /// When it was made, in seconds since 1970, as the node claims: the hash stands for it, and nobody here computes the hash. Expiry is
    /// decided by it, so `tacit_chain::follow` takes no time far ahead of the caller's clock, none after the head's, and with a second
    /// node only what both say of the head and of what is final. [`crate::Wallet::apply`] takes none before the last block's.
    pub timestamp: u64,
    /// What the pool emitted in it.
    pub events: Vec<Event>,
}
