//! The secrets that reading and spending need, of one account in one pool. Derived at each start, wiped when dropped, never stored.

use std::fmt;

use tacit_wire::{SealError, SealingKeyPair};

use crate::delivery::Place;
use crate::eddsa;
use crate::hash::Fr;
use crate::keys::WalletSeed;
use crate::note::{note_secret_seed_hash, owner_nullifier_key_hash};
use crate::orders::OrderKey;
use crate::value::SecretField;

/// One account's secrets.
#[derive(Clone)]
pub struct Keys {
    seed: WalletSeed,
    place: Place,
    account: u32,
    owner_nullifier_key: SecretField,
    owner: Fr,
    /// Of every epoch so far, the newest first: most note data is sealed to it.
    readers: Vec<SealingKeyPair>,
}

impl Keys {
    /// The secrets of an account in a pool. [`super::Wallet::apply`] sees to it that there are reading keys of every epoch.
    ///
    /// # Errors
    /// [`SealError`], for no seed that is known.
    pub fn new(seed: &WalletSeed, place: Place, account: u32) -> Result<Self, SealError> {
        let owner_nullifier_key = seed.owner_nullifier_key(place, account);
        let owner = owner_nullifier_key_hash(owner_nullifier_key.expose());
        let mut keys =
            Self { seed: seed.clone(), place, account, owner_nullifier_key, owner, readers: Vec::new() };
        keys.advance(0)?;
        Ok(keys)
    }

    /// Adds the reading keys of the epochs up to and with this one.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn advance(&mut self, epoch: u32) -> Result<(), SealError> {
        while self.readers.len() <= epoch as usize {
            let next = u32::try_from(self.readers.len()).unwrap_or(u32::MAX);
            self.readers.insert(0, self.note_data_key(next)?);
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
        self.seed.note_secret_seed(self.place, self.account, epoch)
    }

    /// `noteSecretSeedHash` of an epoch.
    pub fn note_secret_seed_hash(&self, epoch: u32) -> Fr {
        note_secret_seed_hash(self.note_secret_seed(epoch).expose())
    }

    /// The key to which note data is sealed in an epoch.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn note_data_key(&self, epoch: u32) -> Result<SealingKeyPair, SealError> {
        self.seed.note_data_key(self.place, self.account, epoch)
    }

    /// The keys that note data may be sealed to, the likeliest first.
    pub fn readers(&self) -> impl Iterator<Item = &SealingKeyPair> {
        self.readers.iter()
    }

    /// An EdDSA credential by its number; `None` for a seed that nobody will ever see.
    pub fn eddsa(&self, number: u32) -> Option<eddsa::SigningKey> {
        self.seed.eddsa(self.place, self.account, number)
    }

    /// The key that signs orders.
    pub fn order_key(&self) -> OrderKey {
        self.seed.order_key(self.place, self.account)
    }

    /// The seed.
    pub fn seed(&self) -> &WalletSeed {
        &self.seed
    }

    /// Chain and pool.
    pub fn place(&self) -> Place {
        self.place
    }

    /// The account's number.
    pub fn account(&self) -> u32 {
        self.account
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({}, account {}, secrets hidden)", self.place, self.account)
    }
}
