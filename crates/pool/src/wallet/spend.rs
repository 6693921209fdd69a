//! A payment: notes chosen, outputs sealed and locked, the intent drawn up. Signing is one more step ([`Prepared::message`]), as the
//! credential may be elsewhere; the [`Transaction`] goes to whoever proves.

use rand_core::CryptoRng;
use tacit_algebra::field;
use tacit_wire::SealError;

use super::credentials::{Held, policy_set};
use super::rotation::Epoch;
use super::{Keys, Pending, Wallet};
use crate::delivery::{MEMO_BYTES, ReceivingAddress};
use crate::hash::Fr;
use crate::intent::{Fee, Intent, IntentError, MAX_LIFETIME, Operation, Terms};
use crate::policy::{Entry, auth_message};
use crate::transaction::coins::{CoinError, choose};
use crate::transaction::{
    Input, Parts, SealOutputsError, Spend, Spender, Transaction, TransactionError, locks, seal_outputs,
};
use crate::tree::TreeError;
use crate::value::{Address, Amount, SecretField};

/// To whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// Somebody in the pool.
    Private(ReceivingAddress),
    /// An Ethereum address.
    Public(Address),
}

/// What is to be paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// To whom.
    pub recipient: Recipient,
    /// Of which token; zero for ether.
    pub token: Address,
    /// How much.
    pub amount: Amount,
    /// What whoever executes it gets, and where.
    pub fee: Option<(ReceivingAddress, Amount)>,
    /// For the recipient's eyes.
    pub memo: [u8; MEMO_BYTES],
    /// Until when it can be executed, in seconds since 1970.
    pub valid_until: u32,
    /// The slot of the policy that authorises.
    pub slot: u8,
}

/// Why the registry's entry is nothing that the wallet can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistrationError {
    /// No entry in the registry.
    #[error("this wallet is not registered: call setAuthPolicy first")]
    NotRegistered,
    /// An entry with another owner's hash, which can not be changed.
    #[error(
        "the registry has another owner's hash for this address: use the phrase and account that it was registered with"
    )]
    Owner,
    /// An entry that this wallet did not make.
    #[error(
        "the registry has a {0} that this wallet does not know: it was set from another copy of the wallet"
    )]
    Unknown(&'static str),
    /// Keys of somebody else.
    #[error("these keys are not the wallet's: they are of another phrase, account, chain or pool")]
    Keys,
}

/// Why there is no receiving address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// Not registered, or not by this wallet.
    #[error(transparent)]
    Registration(#[from] RegistrationError),
    /// The key could not be derived, for no seed that is known.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// Why a payment was not prepared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpendError {
    /// Not registered, or not by this wallet.
    #[error(transparent)]
    Registration(#[from] RegistrationError),
    /// No policy there.
    #[error("slot {0} of the policy set is empty")]
    EmptySlot(u8),
    /// An expiry that the chain would refuse.
    #[error("valid_until is {got}: it must be after {now} and at most {MAX_LIFETIME} seconds later")]
    Expiry {
        /// The time that was given.
        now: u64,
        /// What was asked.
        got: u32,
    },
    /// No notes.
    #[error(transparent)]
    Coins(#[from] CoinError),
    /// No intent.
    #[error(transparent)]
    Intent(#[from] IntentError),
    /// No transaction.
    #[error(transparent)]
    Transaction(#[from] TransactionError),
    /// Not sealed.
    #[error(transparent)]
    Seal(#[from] SealOutputsError),
    /// A tree is damaged.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

/// A transaction without its authorisation.
#[derive(Debug, Clone)]
pub struct Prepared {
    transaction: Transaction,
    replay_id: Fr,
    pending: Pending,
    message: Fr,
    held: Held,
    blinding_factor: SecretField,
}

impl Prepared {
    /// What the credential signs.
    pub fn message(&self) -> &Fr {
        &self.message
    }

    /// What an ECDSA verifier needs beside the signature.
    pub fn blinding_factor(&self) -> &SecretField {
        &self.blinding_factor
    }

    /// The policy that authorises, with its credential.
    pub fn held(&self) -> &Held {
        &self.held
    }

    /// What is to be proved.
    pub fn transaction(&self) -> &Transaction {
        &self.transaction
    }

    /// The replay id, by which the wallet knows it.
    pub fn replay_id(&self) -> &Fr {
        &self.replay_id
    }
}

impl Wallet {
    /// The entry and the epoch of its seed, if both are this wallet's.
    fn registered(&self, keys: &Keys) -> Result<(&Entry, &Epoch), RegistrationError> {
        if *keys.owner() != self.owner {
            return Err(RegistrationError::Keys);
        }
        let entry = self.entry().ok_or(RegistrationError::NotRegistered)?;
        if entry.owner_nullifier_key_hash != self.owner {
            return Err(RegistrationError::Owner);
        }
        let epoch = self.epochs.with_seed_hash(&entry.note_secret_seed_hash);
        Ok((entry, epoch.ok_or(RegistrationError::Unknown("seed"))?))
    }

    /// Where the wallet receives, by the epoch that the registry has. There is none before the registration: an address tells the owner's
    /// hash, which the registry gives to the first that claims it.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn receiving_address(&self, keys: &Keys) -> Result<ReceivingAddress, AddressError> {
        let (_, epoch) = self.registered(keys)?;
        let key = keys.note_data_key(epoch.number)?.public().clone();
        Ok(ReceivingAddress { owner_nullifier_key_hash: self.owner, key })
    }

    /// Prepares a payment from what the wallet knows at its last block. Nothing is reserved before [`Self::commit`]. `now` is the caller's
    /// time, for the intent's expiry.
    ///
    /// # Errors
    /// [`SpendError`].
    pub fn prepare<R: CryptoRng + ?Sized>(
        &self,
        keys: &Keys,
        payment: &Payment,
        now: u64,
        rng: &mut R,
    ) -> Result<Prepared, SpendError> {
        let lifetime = u64::from(payment.valid_until).saturating_sub(now);
        if lifetime == 0 || lifetime > MAX_LIFETIME.into() {
            return Err(SpendError::Expiry { now, got: payment.valid_until });
        }
        let (spender, held, epoch) = self.spender(keys, payment.slot)?;
        let fee = payment.fee.as_ref();
        let needed = payment.amount.checked_add(fee.map(|(_, fee)| *fee).unwrap_or_default());
        let needed = needed.ok_or(IntentError::TooMuch)?;
        let chosen = choose(self.spendable(), payment.token, needed)?;
        let inputs = chosen
            .iter()
            .map(|note| Ok(Input { note: (*note).clone(), path: self.tree.path(note.leaf_index.into())? }))
            .collect::<Result<Vec<_>, TreeError>>()?;
        let input_sum =
            Amount::sum(chosen.iter().map(|note| note.body.amount)).ok_or(TransactionError::TooMuch)?;
        let (operation, recipient_key) = match &payment.recipient {
            Recipient::Private(to) => {
                (Operation::Transfer { recipient: to.owner_nullifier_key_hash }, Some(&to.key))
            }
            Recipient::Public(to) => (Operation::Withdrawal { recipient: *to }, None),
        };
        let mut terms = Terms {
            auth_verifier: held.policy.auth_verifier,
            authorizing_address: self.user,
            token: payment.token,
            amount: payment.amount,
            fee: fee.map(|(to, amount)| Fee { recipient: to.owner_nullifier_key_hash, amount: *amount }),
            locks: [None; 3],
            nonce: field::random(rng),
            valid_until: payment.valid_until,
            chain_id: self.place.chain_id,
            policy_version: spender.entry.policy_version,
            pool: self.place.pool,
        };
        let draft = Intent::new(operation.clone(), terms.clone())?;
        let spend = Spend { rules: self.rules, spender: &spender, input_sum };
        let outputs = spend.outputs(draft.fields(), &operation)?;
        // To the epoch that the registry has: whoever restores the wallet from its phrase learns of no other.
        let own = keys.note_data_key(epoch).map_err(SealOutputsError::from)?;
        let own = Some(own.public());
        let none = [0; MEMO_BYTES];
        let (sealed_to, memos) = match &operation {
            Operation::Transfer { .. } => {
                ([recipient_key, own, fee.map(|(to, _)| &to.key)], [payment.memo, none, none])
            }
            Operation::Withdrawal { .. } => ([own, None, fee.map(|(to, _)| &to.key)], [none; 3]),
        };
        let note_data = seal_outputs(self.place, &outputs, sealed_to, &memos, rng)?;
        terms.locks = locks(&outputs, &note_data);
        let intent = Intent::new(operation, terms)?;
        let blinding_factor = SecretField::new(field::random(rng));
        let message = auth_message(&intent.digest(self.rules), blinding_factor.expose());
        let replay_id = intent.replay_id(self.rules, keys.owner_nullifier_key().expose());
        let pending = Pending {
            inputs: chosen.iter().map(|note| note.leaf_index).collect(),
            valid_until: payment.valid_until,
            epoch,
            policy_version: spender.entry.policy_version,
            executed: None,
        };
        let transaction = Transaction::new(
            self.rules,
            Parts { intent, blinding_factor: blinding_factor.clone(), spender, inputs, note_data },
        )?;
        Ok(Prepared { transaction, replay_id, pending, message, held, blinding_factor })
    }

    /// Reserves what a payment spends. The wallet must be on disk before the signature leaves it.
    pub fn commit(&mut self, prepared: &Prepared) {
        self.pending.insert(prepared.replay_id, prepared.pending.clone());
    }

    fn spender(&self, keys: &Keys, slot: u8) -> Result<(Spender, Held, u32), SpendError> {
        let (entry, epoch) = self.registered(keys)?;
        let registry_path = self.registry.path(entry.leaf_position)?;
        let set = self.credentials.held(&entry.policy_set_commitment);
        let set = set.ok_or(RegistrationError::Unknown("policy set"))?;
        let held = set.iter().find(|held| held.slot == slot).ok_or(SpendError::EmptySlot(slot))?.clone();
        let policy_path = policy_set(set)?.path(slot)?;
        let spender = Spender {
            owner_nullifier_key: keys.owner_nullifier_key().clone(),
            note_secret_seed: keys.note_secret_seed(epoch.number),
            entry: entry.clone(),
            registry_path,
            policy: held.policy.clone(),
            policy_path,
        };
        Ok((spender, held, epoch.number))
    }
}
