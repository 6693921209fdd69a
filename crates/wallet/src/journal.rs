//! What a wallet did, and what came in: its history.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tacit_pool::delivery::memo_text;
use tacit_pool::orders::OrderKeyId;
use tacit_pool::value::Text;
use tacit_pool::{Address, Amount, Wallet};

/// What this wallet did, oldest first, and whom it dealt with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    records: Vec<Record>,
    /// The newest registration that was seen of each prover: its sequence number by the prover's id.
    registrations: BTreeMap<String, u64>,
}

/// One thing that it did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// When it was begun, in seconds since 1970, by this machine's clock.
    pub at: u64,
    /// What.
    pub what: What,
    /// The Ethereum transaction, `0x` and 64 digits, once it is known.
    pub transaction: Option<String>,
    /// How it went.
    pub outcome: Outcome,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum What {
    /// `setAuthPolicy` with a new policy.
    Policy {
        /// How spends are authorised from then on.
        credential: String,
    },
    /// `setAuthPolicy` with the next epoch's seed.
    Rotation {
        /// The epoch.
        epoch: u32,
    },
    /// A deposit.
    Deposit {
        /// Of which token.
        token: Address,
        /// How much.
        amount: Amount,
    },
    /// A payment inside the pool, or out of it.
    Payment {
        /// By which the chain knows it.
        replay_id: Text,
        /// A receiving address's owner, or an Ethereum address.
        to: String,
        /// Whether it leaves the pool.
        withdrawal: bool,
        /// Of which token.
        token: Address,
        /// How much.
        amount: Amount,
        /// What the prover or relay got.
        fee: Amount,
        /// Who proved.
        prover: String,
    },
}

/// How it went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    /// Begun; nothing more is known.
    Begun,
    /// In this block.
    Confirmed {
        /// Its number.
        block: u64,
    },
    /// Not done.
    Failed {
        /// Why.
        reason: String,
    },
}

impl Journal {
    /// Notes what is begun; returns its place, for [`Self::ended`].
    pub fn begin(&mut self, at: u64, what: What) -> usize {
        self.records.push(Record { at, what, transaction: None, outcome: Outcome::Begun });
        self.records.len() - 1
    }

    /// Notes how it went.
    pub fn ended(&mut self, place: usize, transaction: Option<String>, outcome: Outcome) {
        if let Some(record) = self.records.get_mut(place) {
            record.transaction = transaction.or(record.transaction.take());
            record.outcome = outcome;
        }
    }

    /// Everything, oldest first.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The sequence number of the newest registration that was seen of a prover; 0 before any was.
    pub fn registration(&self, prover: &OrderKeyId) -> u64 {
        self.registrations.get(&prover.to_string()).copied().unwrap_or_default()
    }

    /// Notes the newest registration that was seen of a prover.
    pub fn saw_registration(&mut self, prover: &OrderKeyId, sequence: u64) {
        self.registrations.insert(prover.to_string(), sequence);
    }
}

/// A note that came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Received {
    /// Of which token.
    pub token: Address,
    /// How much.
    pub amount: Amount,
    /// The block in which it arose.
    pub block: u64,
    /// Its leaf in the note tree.
    pub leaf: u32,
    /// The block in which it was spent.
    pub spent: Option<u64>,
    /// What its sender wrote.
    pub memo: String,
}

/// The notes that a wallet received, change among them, oldest first.
pub fn received(wallet: &Wallet) -> Vec<Received> {
    wallet
        .notes()
        .map(|own| Received {
            token: own.note.body.token,
            amount: own.note.body.amount,
            block: own.block,
            leaf: own.note.leaf_index,
            spent: own.spent,
            memo: memo_text(&own.memo),
        })
        .collect()
}
