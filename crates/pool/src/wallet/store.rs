//! The stored form of a wallet: JSON with a version, read strictly. It holds the secrets of XMSS keys, and everything that the owner has and did:
//! encrypt it. Nothing else has the XMSS keys and the registered policies: a wallet that is restored from its phrase draws and registers new ones.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Anchor, Credentials, Epochs, OwnNote, Pending, Wallet};
use crate::delivery::Place;
use crate::note::Note;
use crate::policy::Entry;
use crate::rules::Rules;
use crate::tree::notes::NoteTree;
use crate::tree::sparse::SparseTree;
use crate::value::{Address, Text, as_text};

/// The version of the form.
pub const VERSION: u32 = 1;

/// Why a stored wallet was not read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Not the form.
    #[error("not a stored wallet: {0}")]
    Form(String),
    /// Another version.
    #[error("the stored wallet has version {0}, this program reads {VERSION}: use a newer one")]
    Version(u32),
    /// Parts that contradict each other.
    #[error("the stored wallet is damaged ({0}): scan again from the seed phrase")]
    Damaged(&'static str),
    /// It could not be written.
    #[error("the wallet could not be encoded: {0}")]
    Encode(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored<C> {
    version: u32,
    bind: bool,
    rotate: bool,
    chain_id: u32,
    pool: Address,
    user: Address,
    #[serde(with = "as_text")]
    owner: crate::hash::Fr,
    tree: NoteTree,
    registry: SparseTree,
    entries: Vec<(u64, Entry)>,
    notes: Vec<StoredNote>,
    pending: Vec<(Text, Pending)>,
    /// Number, hash and time.
    anchors: Vec<(u64, String, u64)>,
    epochs: Epochs,
    /// Borrowed where they are written: they can not be cloned.
    credentials: C,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredNote {
    note: Note,
    nullifier: Text,
    block: u64,
    spent: Option<u64>,
    memo: String,
}

impl Wallet {
    /// The stored form. It holds secrets: encrypt it.
    ///
    /// # Errors
    /// [`StoreError::Encode`], never.
    pub fn encode(&self) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let stored = Stored {
            version: VERSION,
            bind: self.rules.bind,
            rotate: self.rules.rotate,
            chain_id: self.place.chain_id,
            pool: self.place.pool,
            user: self.user,
            owner: self.owner,
            tree: self.tree.clone(),
            registry: self.registry.clone(),
            entries: self.entries.clone(),
            notes: self.notes.values().map(StoredNote::from).collect(),
            pending: self.pending.iter().map(|(id, pending)| (Text(*id), pending.clone())).collect(),
            anchors: (self.anchors.iter())
                .map(|known| (known.number, hex::encode(known.hash), known.timestamp))
                .collect(),
            epochs: self.epochs.clone(),
            credentials: &self.credentials,
        };
        let failed = |error: serde_json::Error| StoreError::Encode(error.to_string());
        // Measured first, so that the buffer does not grow and leave copies behind.
        let mut length = Length(0);
        serde_json::to_writer(&mut length, &stored).map_err(failed)?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(length.0));
        serde_json::to_writer(&mut *bytes, &stored).map_err(failed)?;
        Ok(bytes)
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let form = |error: serde_json::Error| {
            StoreError::Form(format!(
                "line {}, column {}: {:?}",
                error.line(),
                error.column(),
                error.classify()
            ))
        };
        let Versioned { version } = serde_json::from_slice(bytes).map_err(form)?;
        if version != VERSION {
            return Err(StoreError::Version(version));
        }
        let stored: Stored<Credentials> = serde_json::from_slice(bytes).map_err(form)?;
        let mut wallet = Self {
            rules: Rules { bind: stored.bind, rotate: stored.rotate },
            place: Place { chain_id: stored.chain_id, pool: stored.pool },
            user: stored.user,
            owner: stored.owner,
            tree: stored.tree,
            registry: stored.registry,
            entries: stored.entries,
            notes: Default::default(),
            pending: Default::default(),
            anchors: Default::default(),
            epochs: stored.epochs,
            credentials: stored.credentials,
        };
        for note in stored.notes {
            let own = OwnNote::try_from(note)?;
            let leaf = own.note.leaf_index;
            if own.note.body.owner_nullifier_key_hash != wallet.owner || u64::from(leaf) >= wallet.tree.size()
            {
                return Err(StoreError::Damaged("a note is not the owner's, or beyond the tree"));
            }
            if wallet.notes.insert(leaf, own).is_some() {
                return Err(StoreError::Damaged("two notes are at one leaf"));
            }
        }
        for (id, pending) in stored.pending {
            wallet.pending.insert(id.0, pending);
        }
        for (number, hash, timestamp) in stored.anchors {
            let mut anchor = Anchor { number, hash: [0; 32], timestamp };
            hex::decode_to_slice(&hash, &mut anchor.hash)
                .map_err(|_| StoreError::Damaged("a block's hash"))?;
            wallet.anchors.push_back(anchor);
        }
        wallet.check()?;
        Ok(wallet)
    }

    /// What must hold between the parts.
    fn check(&self) -> Result<(), StoreError> {
        let follows = |a: &Anchor, b: &Anchor| a.number < b.number && a.timestamp <= b.timestamp;
        if self.anchors.is_empty() || !self.anchors.iter().is_sorted_by(|a, b| follows(a, b)) {
            return Err(StoreError::Damaged("its blocks are not in order"));
        }
        let anchors = || self.anchors.iter().map(|known| known.number);
        if !self.tree.checkpoints().eq(anchors()) || !self.registry.checkpoints().eq(anchors()) {
            return Err(StoreError::Damaged("its trees can not go back to its blocks"));
        }
        if !self.epochs.is_sound() {
            return Err(StoreError::Damaged("its epochs are not in order"));
        }
        if !self.credentials.is_sound() {
            return Err(StoreError::Damaged("an XMSS key is missing"));
        }
        let registered = self
            .entry()
            .is_none_or(|entry| self.registry.leaf(entry.leaf_position) == entry.leaf(self.rules, self.user));
        if !registered {
            return Err(StoreError::Damaged("its entry is not in its registry"));
        }
        let paths = self.notes.values().filter(|own| own.spent.is_none()).all(|own| {
            let path = self.tree.path(own.note.leaf_index.into());
            path.is_ok_and(|path| self.tree.root().is_ok_and(|root| path.root(own.note.commitment()) == root))
        });
        if paths { Ok(()) } else { Err(StoreError::Damaged("a note's path does not lead to the root")) }
    }
}

impl From<&OwnNote> for StoredNote {
    fn from(own: &OwnNote) -> Self {
        Self {
            note: own.note.clone(),
            nullifier: Text(own.nullifier),
            block: own.block,
            spent: own.spent,
            memo: hex::encode(own.memo),
        }
    }
}

impl TryFrom<StoredNote> for OwnNote {
    type Error = StoreError;

    fn try_from(stored: StoredNote) -> Result<Self, StoreError> {
        let mut memo = [0; crate::delivery::MEMO_BYTES];
        hex::decode_to_slice(&stored.memo, &mut memo).map_err(|_| StoreError::Damaged("a memo"))?;
        Ok(Self {
            note: stored.note,
            nullifier: stored.nullifier.0,
            block: stored.block,
            spent: stored.spent,
            memo,
        })
    }
}

/// Counts bytes.
struct Length(usize);

impl std::io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
