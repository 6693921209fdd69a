use tacit_net::NetError;
use tacit_vault::VaultError;
use thiserror::Error;

use crate::ledger::LedgerError;

/// Why a node cannot start or go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The data directory or its keys.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The records.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The connection to the coordinator; it will be dialled again.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The coordinator's address does not resolve.
    #[error("coordinator address {address}: {problem}")]
    Address {
        /// The address as configured.
        address: String,
        /// What is wrong.
        problem: String,
    },
    /// The coordinator refused this node.
    #[error("the coordinator refused this node: {0}")]
    Refused(String),
    /// The configuration is not usable.
    #[error("configuration: {0}")]
    Config(String),
}
