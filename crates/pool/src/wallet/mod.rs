//! What a wallet knows of a pool: its notes, found by going through every event; what it can spend; what is on its way;
//! what of its secrets is still needed.
//!
//! The caller brings blocks in order ([`Wallet::apply`]) and goes back when the chain did ([`Wallet::rewind`]): it asks its node
//! which of [`Wallet::anchors`] the chain still has. The roots that events state must be those that follow from them; of a node that lies consistently that is no
//! proof, and what is in no root (note data, nullifiers, replay ids) is believed. What is older than [`Wallet::settle`]'s block cannot be undone any more,
//! and whether an intent can still be executed is decided by that block alone: not by a clock, nor by a block that may go away again.
//!
//! | module | what it holds |
//! |---|---|
//! | [`keys`] | the secrets that reading and spending need, derived anew at each start and never stored |
//! | [`rotation`] | which seed the registry has, which ones are still needed |
//! | [`credentials`] | the registered policies and what signs under them |
//! | [`spend`] | choosing notes, sealing outputs, signing: a transaction |
//! | [`store`] | the stored form |

pub mod credentials;
pub mod keys;
pub mod rotation;
pub mod spend;
pub mod store;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use serde::{Deserialize, Serialize};
use tacit_wire::SealError;

use crate::delivery::{self, MEMO_BYTES, Opened, Place};
use crate::events::{Block, Event};
use crate::hash::Fr;
use crate::note::Note;
use crate::nullifier::nullifier;
use crate::policy::Entry;
use crate::rules::Rules;
use crate::tree::notes::NoteTree;
use crate::tree::sparse::SparseTree;
use crate::tree::{Path, TreeError};
use crate::value::{Address, Amount};

pub use credentials::{Credential, Credentials};
pub use keys::Keys;
pub use rotation::Epochs;
pub use spend::{AddressError, Payment, Prepared, RegistrationError, SpendError};
pub use store::StoreError;

/// A note of the wallet's.
#[derive(Clone, PartialEq, Eq)]
pub struct OwnNote {
    /// The note.
    pub note: Note,
    /// Its nullifier.
    pub nullifier: Fr,
    /// The block that brought it.
    pub block: u64,
    /// The block in which it was spent.
    pub spent: Option<u64>,
    /// The sender's words.
    pub memo: [u8; MEMO_BYTES],
}

impl fmt::Debug for OwnNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnNote(leaf {}, block {}, spent {:?})", self.note.leaf_index, self.block, self.spent)
    }
}

/// A block to which the wallet can go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Anchor {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: [u8; 32],
    /// When it was made, in seconds since 1970.
    pub timestamp: u64,
}

/// An intent on its way: what it spends is not spent again meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pending {
    /// The notes that the wallet chose, by leaf.
    pub inputs: Vec<u32>,
    /// When the intent expires.
    pub valid_until: u32,
    /// The epoch whose seed its outputs come from.
    pub epoch: u32,
    /// The version of the policy under which it was signed.
    pub policy_version: u32,
    /// The block in which it was executed.
    pub executed: Option<u64>,
}

/// What is there of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Balance {
    /// Can be spent now.
    pub spendable: Amount,
    /// In notes that an intent on its way spends.
    pub reserved: Amount,
}

/// What a block brought.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Leaves of notes that came.
    pub received: Vec<u32>,
    /// Leaves of notes that were spent.
    pub spent: Vec<u32>,
    /// Replay ids of the wallet's intents that were executed.
    pub executed: Vec<Fr>,
    /// Whether the wallet's entry in the registry changed.
    pub entry_changed: bool,
}

/// Why blocks were not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WalletError {
    /// A block that is not above the last.
    #[error("block {got} does not come after block {last}: rewind first")]
    Order {
        /// The wallet's last block.
        last: u64,
        /// The block that was given.
        got: u64,
    },
    /// A block that was made before the last.
    #[error("block {block} says that it was made before the one below it: the node changed its time")]
    Time {
        /// The block.
        block: u64,
    },
    /// Keys of somebody else.
    #[error("these keys are not the wallet's: they are of another phrase, account, chain or pool")]
    Keys,
    /// An event that leaves a gap: the node left one out.
    #[error(
        "block {block}: the next note has leaf {expected}, the event says {got}: the node left events out"
    )]
    Leaf {
        /// The block.
        block: u64,
        /// The next leaf.
        expected: u64,
        /// What the event says.
        got: u64,
    },
    /// A root that does not follow.
    #[error(
        "block {block}: the {tree} root does not follow from the events: the node changed or left out some"
    )]
    Root {
        /// The block.
        block: u64,
        /// Which tree.
        tree: &'static str,
    },
    /// A leaf of the registry that does not follow from its entry.
    #[error("block {block}: the registry's leaf of {user} does not follow from its entry")]
    RegistryLeaf {
        /// The block.
        block: u64,
        /// Whose.
        user: Address,
    },
    /// The chain went back beyond what is kept.
    #[error(
        "the chain went back to block {to}, before what this wallet can undo: scan again from the pool's deployment (tacit wallet rescan)"
    )]
    TooDeep {
        /// Where to.
        to: u64,
    },
    /// A tree could not do something.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A reading key could not be derived, for no seed that is known.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// A wallet's knowledge of a pool. Its secrets are in [`Keys`], but for XMSS keys and registration blinders. Not to be cloned, as XMSS keys
/// ([`Credentials`]) are not.
#[derive(PartialEq, Eq)]
pub struct Wallet {
    rules: Rules,
    place: Place,
    user: Address,
    owner: Fr,
    tree: NoteTree,
    registry: SparseTree,
    /// The wallet's entries, with the blocks that set them.
    entries: Vec<(u64, Entry)>,
    notes: BTreeMap<u32, OwnNote>,
    pending: BTreeMap<Fr, Pending>,
    /// Blocks to which the wallet can go back, from the oldest, which is settled.
    anchors: VecDeque<Anchor>,
    epochs: Epochs,
    credentials: Credentials,
}

impl fmt::Debug for Wallet {
    /// Neither notes nor intents: a wallet says what its owner has and did.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wallet({}, block {})", self.user, self.head().number)
    }
}

impl Wallet {
    /// A wallet that has seen nothing: its first block is one after `start`, a settled block before the pool was deployed.
    ///
    /// # Errors
    /// [`WalletError::Tree`], never.
    pub fn new(
        rules: Rules,
        place: Place,
        user: Address,
        keys: &Keys,
        start: Anchor,
    ) -> Result<Self, WalletError> {
        let mut wallet = Self {
            rules,
            place,
            user,
            owner: *keys.owner(),
            tree: NoteTree::new(),
            registry: SparseTree::new(),
            entries: Vec::new(),
            notes: BTreeMap::new(),
            pending: BTreeMap::new(),
            anchors: VecDeque::new(),
            epochs: Epochs::new(keys),
            credentials: Credentials::default(),
        };
        wallet.anchor(start)?;
        Ok(wallet)
    }

    fn anchor(&mut self, block: Anchor) -> Result<(), WalletError> {
        self.tree.checkpoint(block.number)?;
        self.registry.checkpoint(block.number)?;
        self.anchors.push_back(block);
        Ok(())
    }

    /// The form of the pool's relation.
    pub fn rules(&self) -> Rules {
        self.rules
    }

    /// Chain and pool.
    pub fn place(&self) -> Place {
        self.place
    }

    /// The owner's address in the registry.
    pub fn user(&self) -> Address {
        self.user
    }

    /// The last block.
    pub fn head(&self) -> Anchor {
        self.anchors.back().copied().unwrap_or_default()
    }

    /// The last block that [`Self::settle`] said is final.
    pub fn settled(&self) -> Anchor {
        self.anchors.front().copied().unwrap_or_default()
    }

    /// The blocks to which the wallet can go back, newest first.
    pub fn anchors(&self) -> impl Iterator<Item = Anchor> + '_ {
        self.anchors.iter().rev().copied()
    }

    /// Takes the next block. Blocks without events may be left out, as long as some block is given now and then as an anchor. `keys` learn of
    /// the epochs that the block registers before its notes are looked at, so that a wallet that begins with its phrase alone reads every
    /// note in one pass.
    ///
    /// # Errors
    /// [`WalletError`], with the wallet as it was.
    pub fn apply(&mut self, block: &Block, keys: &mut Keys) -> Result<Changes, WalletError> {
        if *keys.owner() != self.owner {
            return Err(WalletError::Keys);
        }
        let last = self.head();
        if block.number <= last.number {
            return Err(WalletError::Order { last: last.number, got: block.number });
        }
        if block.timestamp < last.timestamp {
            return Err(WalletError::Time { block: block.number });
        }
        let epochs = self.epochs.clone();
        match self.take_all(block, keys) {
            Ok(changes) => Ok(changes),
            Err(error) => {
                self.undo_to(last.number)?;
                self.epochs = epochs;
                Err(error)
            }
        }
    }

    fn take_all(&mut self, block: &Block, keys: &mut Keys) -> Result<Changes, WalletError> {
        // A note may be sealed to an epoch that is registered further on in the block.
        for event in &block.events {
            if let Event::PolicyChanged(change) = event
                && change.user == self.user
            {
                self.epochs.recognise(keys, &change.entry.note_secret_seed_hash);
            }
        }
        keys.advance(self.epochs.newest().saturating_add(rotation::READ_AHEAD))?;
        let mut changes = Changes::default();
        for event in &block.events {
            self.take(block.number, event, keys, &mut changes)?;
        }
        self.anchor(Anchor { number: block.number, hash: block.hash, timestamp: block.timestamp })?;
        Ok(changes)
    }

    fn take(
        &mut self,
        block: u64,
        event: &Event,
        keys: &Keys,
        changes: &mut Changes,
    ) -> Result<(), WalletError> {
        match event {
            Event::Deposited(deposit) => {
                self.next_leaf(block, deposit.leaf_index)?;
                self.append(block, &deposit.note_commitment, &deposit.note_data, keys, changes)?;
                self.check_root(block, &deposit.root)
            }
            Event::Transacted(spend) => {
                self.next_leaf(block, spend.leaf_index)?;
                for own in self.notes.values_mut() {
                    if own.spent.is_none() && spend.nullifiers.contains(&own.nullifier) {
                        own.spent = Some(block);
                        changes.spent.push(own.note.leaf_index);
                    }
                }
                if let Some(pending) = self.pending.get_mut(&spend.intent_replay_id) {
                    pending.executed = Some(block);
                    changes.executed.push(spend.intent_replay_id);
                }
                for (commitment, data) in spend.note_commitments.iter().zip(&spend.note_data) {
                    self.append(block, commitment, data, keys, changes)?;
                }
                self.check_root(block, &spend.root)
            }
            Event::PolicyChanged(change) => {
                if change.entry.leaf(self.rules, change.user) != change.leaf {
                    return Err(WalletError::RegistryLeaf { block, user: change.user });
                }
                self.registry.set(change.entry.leaf_position, change.leaf)?;
                if self.registry.root() != change.root {
                    return Err(WalletError::Root { block, tree: "registry's" });
                }
                if change.user == self.user {
                    self.entries.push((block, change.entry.clone()));
                    self.epochs.registered(&change.entry.note_secret_seed_hash, block);
                    changes.entry_changed = true;
                }
                Ok(())
            }
        }
    }

    fn next_leaf(&self, block: u64, got: u32) -> Result<(), WalletError> {
        let expected = self.tree.size();
        if u64::from(got) == expected {
            Ok(())
        } else {
            Err(WalletError::Leaf { block, expected, got: got.into() })
        }
    }

    fn check_root(&self, block: u64, stated: &Fr) -> Result<(), WalletError> {
        if self.tree.root()? == *stated { Ok(()) } else { Err(WalletError::Root { block, tree: "note" }) }
    }

    /// Appends a leaf, and keeps it if it is a note of the wallet's.
    fn append(
        &mut self,
        block: u64,
        commitment: &Fr,
        note_data: &[u8],
        keys: &Keys,
        changes: &mut Changes,
    ) -> Result<(), WalletError> {
        let index =
            u32::try_from(self.tree.size()).map_err(|_| TreeError::Full { depth: crate::tree::DEPTH })?;
        let found = keys.readers().find_map(|key| delivery::open(self.place, key, note_data));
        let own = found.and_then(|opened: Opened| {
            let memo = opened.memo;
            // A note of nothing can not be spent for anything: not kept, so that nobody fills the wallet for free.
            let note =
                opened.note(&self.owner, commitment, index).filter(|note| !note.body.amount.is_zero())?;
            let nullifier = nullifier(self.rules, &note, keys.owner_nullifier_key().expose());
            Some(OwnNote { note, nullifier, block, spent: None, memo })
        });
        self.tree.append(*commitment, own.is_some())?;
        if let Some(own) = own {
            changes.received.push(index);
            self.notes.insert(index, own);
        }
        Ok(())
    }

    /// Goes back to a block, which must be one of [`Self::anchors`].
    ///
    /// # Errors
    /// [`WalletError::TooDeep`], with the wallet as it was.
    pub fn rewind(&mut self, number: u64) -> Result<(), WalletError> {
        if !self.anchors.iter().any(|known| known.number == number) {
            return Err(WalletError::TooDeep { to: number });
        }
        self.undo_to(number)
    }

    fn undo_to(&mut self, number: u64) -> Result<(), WalletError> {
        self.tree.rewind(number)?;
        self.registry.rewind(number)?;
        self.anchors.retain(|known| known.number <= number);
        self.entries.retain(|(block, _)| *block <= number);
        self.notes.retain(|_, own| own.block <= number);
        for own in self.notes.values_mut() {
            own.spent = own.spent.filter(|block| *block <= number);
        }
        for pending in self.pending.values_mut() {
            pending.executed = pending.executed.filter(|block| *block <= number);
        }
        self.epochs.undo_to(self.entries.iter().map(|(block, entry)| (*block, entry.note_secret_seed_hash)));
        Ok(())
    }

    /// Says that a block is final: what only going back beyond it would need is forgotten, as are intents that were executed by then. Of the
    /// blocks that were applied the last one up to `number` is settled now; by its number and time intents die ([`Self::is_live`]).
    pub fn settle(&mut self, number: u64) {
        let last = self.anchors.iter().rev().map(|known| known.number).find(|known| *known <= number);
        let Some(last) = last else { return };
        self.anchors.retain(|known| known.number >= last);
        self.tree.settle(last);
        self.registry.settle(last);
        for own in self.notes.values() {
            if own.spent.is_some_and(|block| block <= last) {
                self.tree.forget(own.note.leaf_index.into());
            }
        }
        self.pending.retain(|_, pending| pending.executed.is_none_or(|block| block > last));
    }

    /// Every note, also spent ones.
    pub fn notes(&self) -> impl Iterator<Item = &OwnNote> {
        self.notes.values()
    }

    /// The intents on their way, by replay id.
    pub fn pending(&self) -> impl Iterator<Item = (&Fr, &Pending)> {
        self.pending.iter()
    }

    /// The wallet's entry in the registry, at the last block.
    pub fn entry(&self) -> Option<&Entry> {
        self.entries.last().map(|(_, entry)| entry)
    }

    /// The block that set it.
    pub fn entry_set(&self) -> Option<u64> {
        self.entries.last().map(|(block, _)| *block)
    }

    /// The path of the wallet's leaf in the registry.
    ///
    /// # Errors
    /// [`TreeError::Outside`] never.
    pub fn registry_path(&self) -> Result<Option<Path<{ crate::tree::DEPTH }>>, TreeError> {
        self.entry().map(|entry| self.registry.path(entry.leaf_position)).transpose()
    }

    /// The note tree's root at the last block.
    ///
    /// # Errors
    /// [`TreeError::Damaged`] never.
    pub fn note_root(&self) -> Result<Fr, TreeError> {
        self.tree.root()
    }

    /// The registry's root at the last block.
    pub fn registry_root(&self) -> Fr {
        self.registry.root()
    }

    /// Which seeds are needed.
    pub fn epochs(&self) -> &Epochs {
        &self.epochs
    }

    /// Draws up the next epoch, to be registered with `setAuthPolicy`. Until the registry has it, the present one counts.
    pub fn prepare_rotation(&mut self, keys: &Keys) -> rotation::Epoch {
        self.epochs.prepare(keys)
    }

    /// The epochs whose seeds are no longer needed (section 6.1), whatever becomes of blocks that are not settled.
    pub fn epochs_done(&self) -> Vec<u32> {
        let live = |epoch| self.pending.values().any(|known| known.epoch == epoch && self.is_live(known));
        self.epochs.done(self.settled().number, live)
    }

    /// The policies and their credentials.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The policies and their credentials, to be changed.
    pub fn credentials_mut(&mut self) -> &mut Credentials {
        &mut self.credentials
    }

    /// Whether an intent can still be executed in a block after the settled one ([`Self::settled`]): it was not executed by then, has not
    /// expired by that block's time, and the registry's leaf under which it was signed is still reachable (section 5.2.1). What happened
    /// in later blocks does not count: they may go away.
    pub fn is_live(&self, pending: &Pending) -> bool {
        let settled = self.settled();
        let replaced = self.entries.iter().find(|(_, entry)| entry.policy_version > pending.policy_version);
        let reachable = replaced.is_none_or(|(block, _)| rotation::in_window(*block, settled.number));
        let executed = pending.executed.is_some_and(|block| block <= settled.number);
        !executed && settled.timestamp <= u64::from(pending.valid_until) && reachable
    }

    fn is_reserved(&self, leaf: u32) -> bool {
        self.pending.values().any(|pending| pending.inputs.contains(&leaf) && self.is_live(pending))
    }

    /// The notes that can be spent: not spent by the last block, and not reserved for an intent that is live.
    pub fn spendable(&self) -> impl Iterator<Item = &Note> {
        let free = |own: &&OwnNote| own.spent.is_none() && !self.is_reserved(own.note.leaf_index);
        self.notes.values().filter(free).map(|own| &own.note)
    }

    /// What is there of each token.
    pub fn balances(&self) -> BTreeMap<Address, Balance> {
        let mut balances: BTreeMap<Address, Balance> = BTreeMap::new();
        for own in self.notes.values().filter(|own| own.spent.is_none()) {
            let balance = balances.entry(own.note.body.token).or_default();
            let reserved = self.is_reserved(own.note.leaf_index);
            let part = if reserved { &mut balance.reserved } else { &mut balance.spendable };
            // What a pool holds of a token is below 2^248.
            *part = part.checked_add(own.note.body.amount).unwrap_or(Amount::MAX);
        }
        balances
    }

    /// Frees what is reserved for an intent whose signature never left the caller's process: nobody can execute it. Says whether there was
    /// such a one. After a signature has left, its notes stay reserved until it can not be executed any more ([`Self::abandon`]).
    pub fn release(&mut self, intent_replay_id: &Fr) -> bool {
        self.pending.remove(intent_replay_id).is_some()
    }

    /// Forgets what the chain said, and begins again after `start`, a settled block before the pool was deployed. Credentials, epochs and intents
    /// on their way stay: no chain has them.
    ///
    /// # Errors
    /// [`WalletError::Keys`], and [`WalletError::Tree`] never; the wallet is then as it was.
    pub fn rescan(&mut self, keys: &Keys, start: Anchor) -> Result<(), WalletError> {
        if *keys.owner() != self.owner {
            return Err(WalletError::Keys);
        }
        let fresh = Self::new(self.rules, self.place, self.user, keys, start)?;
        let Self { mut epochs, mut pending, credentials, .. } = std::mem::replace(self, fresh);
        epochs.undo_to(std::iter::empty());
        for intent in pending.values_mut() {
            intent.executed = None;
        }
        (self.epochs, self.pending, self.credentials) = (epochs, pending, credentials);
        Ok(())
    }

    /// Drops what is known of an intent that can not be executed any more; says whether there was such a one.
    pub fn abandon(&mut self, intent_replay_id: &Fr) -> bool {
        let dead = self.pending.get(intent_replay_id).is_some_and(|pending| !self.is_live(pending));
        dead && self.pending.remove(intent_replay_id).is_some()
    }
}
