//! What the service needs of the chain.

use async_trait::async_trait;

use crate::proved::Proved;
use crate::statement::Statement;

/// What the chain knows of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The time of the newest block, in seconds since 1970: the contract goes by it.
    pub time: u64,
    /// Whether one of the nullifiers was marked before.
    pub spent: bool,
    /// Whether the intent was executed before.
    pub executed: bool,
    /// Whether the contract accepts both roots.
    pub roots_accepted: bool,
    /// Whether ether is withdrawn to an address that has code.
    pub recipient_is_contract: bool,
    /// Whether the recipient of a withdrawal, or the token's contract, would refuse it: no proof helps then.
    pub payout_refused: bool,
}

/// A signed transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedTransaction {
    /// Its name.
    pub hash: [u8; 32],
    /// Its number among the account's transactions.
    pub nonce: u64,
    /// As a node takes it.
    pub raw: Vec<u8>,
}

/// A transaction in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mined {
    /// The block.
    pub block: u64,
    /// Whether it did what it was to do.
    pub success: bool,
    /// How many blocks there are from its own up to the newest: 1 in the newest.
    pub confirmations: u64,
}

/// Why the chain did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// The node cannot be reached, or fails. Asking again may help.
    #[error("the chain's node does not answer: {0}")]
    Unreachable(String),
    /// The contract would refuse the transaction as things are.
    #[error("{0}")]
    Reverted(String),
    /// The transaction takes more gas than it may.
    #[error("the transaction takes {needed} units of gas, more than the {most} that it may")]
    TooMuchGas {
        /// As estimated.
        needed: u64,
        /// What was allowed.
        most: u64,
    },
    /// The account has sent another transaction with the same number: this one can never be in a block.
    #[error("the account has sent another transaction in its place")]
    Replaced,
    /// The account cannot pay, or the node does not take the transaction for another reason of the account's.
    #[error("{0}")]
    Account(String),
}

/// The chain, the pool's contract on it, and the account that sends.
#[async_trait]
pub trait Submit: Send + Sync + 'static {
    /// What the chain knows of the transaction.
    ///
    /// # Errors
    /// [`ChainError::Unreachable`].
    async fn look(&self, statement: &Statement) -> Result<Seen, ChainError>;

    /// Tries the transaction on the newest block and signs it, with the account's next number and a gas limit of at most `max_gas`. Nothing
    /// is sent.
    ///
    /// # Errors
    /// [`ChainError`]; [`ChainError::TooMuchGas`] where the estimate is above `max_gas`.
    async fn sign(
        &self,
        statement: &Statement,
        proved: &Proved,
        max_gas: u64,
    ) -> Result<SignedTransaction, ChainError>;

    /// Gives it to the node; the same again is no error, also when it is in a block already.
    ///
    /// # Errors
    /// [`ChainError`]; [`ChainError::Replaced`] only if it is in no block, [`ChainError::Account`] only if the node has looked at it and has not
    /// taken it.
    async fn send(&self, transaction: &SignedTransaction) -> Result<(), ChainError>;

    /// Where it is, if it is in a block.
    ///
    /// # Errors
    /// [`ChainError::Unreachable`].
    async fn mined(&self, hash: [u8; 32]) -> Result<Option<Mined>, ChainError>;
}
