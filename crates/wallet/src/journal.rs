//! What a wallet did, and what came in: its history.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tacit_pool::delivery::memo_text;
use tacit_pool::orders::OrderKeyId;
use tacit_pool::value::Text;
use tacit_pool::{Address, Amount, Fr, Wallet};

use crate::token::Token;

/// What this wallet did, oldest first, and whom it dealt with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    records: Vec<Record>,
    /// The newest registration that was seen of each prover: its sequence number by the prover's id.
    registrations: BTreeMap<String, u64>,
    /// Tokens as they described themselves when this wallet first dealt with them: a node cannot change later what an amount means.
    #[serde(default)]
    tokens: BTreeMap<Address, KnownToken>,
}

/// How a token is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KnownToken {
    symbol: String,
    decimals: u8,
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
    /// That transaction's number among those of the account, where it is the wallet's own.
    #[serde(default)]
    pub nonce: Option<u64>,
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
        /// Whose the fee is: the owner of a receiving address.
        #[serde(default)]
        fee_to: Option<Text>,
        /// Who was to prove: with a comma and a space between them where a `resume` went to another one.
        prover: String,
    },
}

/// How it went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    /// Begun; nothing more is known. With a transaction it may be on the chain any moment.
    Begun {
        /// What went wrong since.
        #[serde(default)]
        trouble: Option<String>,
    },
    /// Signed: whoever has it can execute it, once, until its time is over.
    Signed {
        /// Until when, in seconds since 1970 by the chain's time.
        until: u32,
        /// What went wrong on the way to the chain, so far.
        trouble: Option<String>,
    },
    /// In this block.
    Confirmed {
        /// Its number.
        block: u64,
    },
    /// Not done, and not to be done by anybody.
    Failed {
        /// Why.
        reason: String,
    },
}

impl Journal {
    /// Notes what is begun; returns its place, for [`Self::ended`].
    pub fn begin(&mut self, at: u64, what: What) -> usize {
        self.records.push(Record {
            at,
            what,
            transaction: None,
            nonce: None,
            outcome: Outcome::Begun { trouble: None },
        });
        self.records.len() - 1
    }

    /// Notes how it went.
    pub fn ended(&mut self, place: usize, transaction: Option<String>, outcome: Outcome) {
        if let Some(record) = self.records.get_mut(place) {
            record.transaction = transaction.or(record.transaction.take());
            record.outcome = outcome;
        }
    }

    /// Notes a transaction of the wallet's own before it leaves.
    pub(crate) fn left(&mut self, place: usize, transaction: String, nonce: u64) {
        if let Some(record) = self.records.get_mut(place) {
            (record.transaction, record.nonce) = (Some(transaction), Some(nonce));
        }
    }

    /// The wallet's own transactions of which it is not known what became: place, hash, number.
    pub(crate) fn unknown(&self) -> Vec<(usize, [u8; 32], u64)> {
        let unknown = |(place, record): (usize, &Record)| {
            let Outcome::Begun { .. } = record.outcome else { return None };
            let mut hash = [0; 32];
            hex::decode_to_slice(record.transaction.as_ref()?.strip_prefix("0x")?, &mut hash).ok()?;
            Some((place, hash, record.nonce?))
        };
        self.records.iter().enumerate().filter_map(unknown).collect()
    }

    /// Whether a deposit of so much was sent and is not seen on the chain.
    pub(crate) fn is_deposited(&self, of: Address, how_much: Amount) -> bool {
        self.records.iter().any(|record| {
            let same =
                matches!(record.what, What::Deposit { token, amount } if token == of && amount == how_much);
            same && record.transaction.is_some() && matches!(record.outcome, Outcome::Begun { .. })
        })
    }

    /// Notes who is to prove a payment now.
    pub(crate) fn asks(&mut self, place: usize, now: &str) {
        if let Some(Record { what: What::Payment { prover, .. }, .. }) = self.records.get_mut(place)
            && prover.split(", ").last() != Some(now)
        {
            *prover = format!("{prover}, {now}");
        }
    }

    /// Notes how an intent went, whose transaction is another's affair.
    pub(crate) fn now(&mut self, place: usize, outcome: Outcome) {
        self.ended(place, None, outcome);
    }

    /// A payment's token and amount.
    pub fn payment(&self, of: &Fr) -> Option<(Address, Amount)> {
        self.records.iter().find_map(|record| match &record.what {
            What::Payment { replay_id, token, amount, .. } if replay_id.0 == *of => Some((*token, *amount)),
            _ => None,
        })
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

    /// A token as it described itself first.
    pub fn token(&self, address: Address) -> Option<Token> {
        let KnownToken { symbol, decimals } = self.tokens.get(&address)?.clone();
        Some(Token { address, symbol, decimals })
    }

    /// Notes how a token describes itself.
    pub fn saw_token(&mut self, token: &Token) {
        let known = KnownToken { symbol: token.symbol.clone(), decimals: token.decimals };
        self.tokens.insert(token.address, known);
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
