//! The secrets that reading and spending need, of one account. Derived at each start, wiped when dropped, never stored.

use std::fmt;

use tacit_wire::{SealError, SealingKeyPair};

use crate::delivery::ReceivingAddress;
use crate::hash::Fr;
use crate::keys::WalletSeed;
use crate::note::{note_secret_seed_hash, owner_nullifier_key_hash};
use crate::value::SecretField;

/// One account's secrets.
#[derive(Clone)]
pub struct Keys {
    seed: WalletSeed,
    account: u32,
    owner_nullifier_key: SecretField,
    owner: Fr,
    /// Of every epoch so far, the newest first: most note data is sealed to it.
    readers: Vec<SealingKeyPair>,
}

impl Keys {
    /// The secrets of an account up to and with a rotation epoch.
    ///
    /// # Errors
    /// [`SealError`], for no seed that is known.
    pub fn new(seed: &WalletSeed, account: u32, epoch: u32) -> Result<Self, SealError> {
        let owner_nullifier_key = seed.owner_nullifier_key(account);
        let owner = owner_nullifier_key_hash(owner_nullifier_key.expose());
        let mut keys = Self { seed: seed.clone(), account, owner_nullifier_key, owner, readers: Vec::new() };
        keys.advance(epoch)?;
        Ok(keys)
    }

    /// Adds the reading keys of later epochs.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn advance(&mut self, epoch: u32) -> Result<(), SealError> {
        while self.readers.len() <= epoch as usize {
            let next = u32::try_from(self.readers.len()).unwrap_or(u32::MAX);
            self.readers.insert(0, self.seed.note_data_key(self.account, next)?);
        }
        Ok(())
    }

    /// `ownerNullifierKeyHash`.
    pub fn owner(&self) -> &Fr {
        &self.owner
    }

    /// `ownerNullifierKey`.
    pub fn owner_nullifier_key(&self) -> &SecretField {
        &self.owner_nullifier_key
    }

    /// `noteSecretSeed` of an epoch.
    pub fn note_secret_seed(&self, epoch: u32) -> SecretField {
        self.seed.note_secret_seed(self.account, epoch)
    }

    /// `noteSecretSeedHash` of an epoch.
    pub fn note_secret_seed_hash(&self, epoch: u32) -> Fr {
        note_secret_seed_hash(self.note_secret_seed(epoch).expose())
    }

    /// The keys that note data may be sealed to, the likeliest first.
    pub fn readers(&self) -> impl Iterator<Item = &SealingKeyPair> {
        self.readers.iter()
    }

    /// Where the account receives, by the newest epoch that [`Self::advance`] was told of.
    pub fn receiving_address(&self) -> Option<ReceivingAddress> {
        let key = self.readers.first()?.public().clone();
        Some(ReceivingAddress { owner_nullifier_key_hash: self.owner, key })
    }

    /// The account's number.
    pub fn account(&self) -> u32 {
        self.account
    }

    /// The seed, for credentials.
    pub fn seed(&self) -> &WalletSeed {
        &self.seed
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys(account {}, secrets hidden)", self.account)
    }
}
