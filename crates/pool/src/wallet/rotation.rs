//! Rotation of `noteSecretSeed` (sections 6.1 and 7.8): a new seed counts from its registration on, and the old one is needed
//! until its root has left the registry's window and nothing signed under it is on its way.

use serde::{Deserialize, Serialize};

use super::keys::Keys;
use crate::hash::Fr;
use crate::ledger::POLICY_ROOT_BLOCKS;
use crate::value::as_text;

/// How many epochs after the newest one a wallet looks for a seed that it does not know.
pub const LOOK_AHEAD: u32 = 64;

/// How many epochs after the newest one a wallet reads note data for: what was sealed to an epoch whose registration a
/// reorganisation took away is found as well.
pub const READ_AHEAD: u32 = 1;

/// Whether a leaf that was replaced in block `replaced` can still be spent under in a block after `settled`.
pub fn in_window(replaced: u64, settled: u64) -> bool {
    settled.saturating_add(1).saturating_sub(replaced) <= POLICY_ROOT_BLOCKS
}

/// A seed that counts, or did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Epoch {
    /// Its number, from which the seed is derived.
    pub number: u32,
    /// `noteSecretSeedHash`.
    #[serde(with = "as_text")]
    pub seed_hash: Fr,
    /// The block in which it was registered first.
    pub registered: Option<u64>,
    /// The block in which a later one was.
    pub replaced: Option<u64>,
}

/// The seeds that a wallet keeps in mind, oldest first. There is always one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epochs(Vec<Epoch>);

impl Epochs {
    /// Epoch 0, not registered yet.
    pub fn new(keys: &Keys) -> Self {
        Self(vec![Epoch {
            number: 0,
            seed_hash: keys.note_secret_seed_hash(0),
            registered: None,
            replaced: None,
        }])
    }

    /// The epochs.
    pub fn iter(&self) -> impl Iterator<Item = &Epoch> {
        self.0.iter()
    }

    /// The newest epoch, registered or not.
    pub fn newest(&self) -> u32 {
        self.0.last().map_or(0, |epoch| epoch.number)
    }

    /// The epoch whose seed has this hash.
    pub fn with_seed_hash(&self, seed_hash: &Fr) -> Option<&Epoch> {
        self.0.iter().find(|epoch| epoch.seed_hash == *seed_hash)
    }

    /// Draws up the next epoch, to be registered with `setAuthPolicy`; the same one again until it is.
    pub fn prepare(&mut self, keys: &Keys) -> Epoch {
        let unregistered = self.0.last().filter(|last| last.registered.is_none()).cloned();
        unregistered.unwrap_or_else(|| {
            let number = self.newest().saturating_add(1);
            let seed_hash = keys.note_secret_seed_hash(number);
            let next = Epoch { number, seed_hash, registered: None, replaced: None };
            self.0.push(next.clone());
            next
        })
    }

    /// Finds the epoch of a hash that the registry has and this wallet does not know: it was restored from its phrase, or
    /// another copy rotated.
    pub(super) fn recognise(&mut self, keys: &Keys, seed_hash: &Fr) {
        if self.with_seed_hash(seed_hash).is_some() {
            return;
        }
        let next = self.newest().saturating_add(1);
        let found = (next..next.saturating_add(LOOK_AHEAD))
            .find(|number| keys.note_secret_seed_hash(*number) == *seed_hash);
        if let Some(number) = found {
            self.0.push(Epoch { number, seed_hash: *seed_hash, registered: None, replaced: None });
        }
    }

    /// The registry has this seed's hash since `block`.
    pub(super) fn registered(&mut self, seed_hash: &Fr, block: u64) {
        let Some(number) = self.with_seed_hash(seed_hash).map(|epoch| epoch.number) else { return };
        for epoch in &mut self.0 {
            if epoch.number == number {
                epoch.registered = epoch.registered.or(Some(block));
                epoch.replaced = None;
            } else if epoch.registered.is_some() {
                epoch.replaced = epoch.replaced.or(Some(block));
            }
        }
    }

    /// What a stored list must be: in order, and without gaps that no look-ahead finds.
    pub(super) fn is_sound(&self) -> bool {
        let numbers = || self.0.iter().map(|epoch| epoch.number);
        numbers().next() == Some(0)
            && numbers()
                .zip(numbers().skip(1))
                .all(|(one, next)| next.checked_sub(one).is_some_and(|gap| (1..=LOOK_AHEAD).contains(&gap)))
    }

    /// Goes back: the entries that are left, oldest first, say what was registered.
    pub(super) fn undo_to(&mut self, entries: impl Iterator<Item = (u64, Fr)>) {
        for epoch in &mut self.0 {
            (epoch.registered, epoch.replaced) = (None, None);
        }
        for (block, seed_hash) in entries {
            self.registered(&seed_hash, block);
        }
    }

    /// The epochs whose seeds are no longer needed once block `settled` is final: replaced, out of the window, and not among those of
    /// intents on their way.
    pub fn done(&self, settled: u64, live: impl Fn(u32) -> bool) -> Vec<u32> {
        let over = |epoch: &&Epoch| epoch.replaced.is_some_and(|block| !in_window(block, settled));
        self.0.iter().filter(over).map(|epoch| epoch.number).filter(|number| !live(*number)).collect()
    }
}
