//! Trees whose leaves change: the registry of auth policies and the policy set of one user.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::{DEPTH, Path, TreeError, empty};
use crate::hash::{Fr, poseidon};
use crate::value::Text;

/// A tree of depth `D`, at most 32, of which only what differs from the empty tree is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SparseTree<const D: usize = DEPTH> {
    nodes: BTreeMap<(u8, u32), Fr>,
    /// What leaves were before they changed, since the first checkpoint.
    journal: VecDeque<Change>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Change {
    Checkpoint(u64),
    Leaf { index: u32, before: Fr },
}

impl<const D: usize> SparseTree<D> {
    /// An empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    fn node(&self, height: usize, at: u32) -> Fr {
        self.nodes.get(&(height as u8, at)).copied().unwrap_or_else(|| empty(height))
    }

    /// The root.
    pub fn root(&self) -> Fr {
        self.node(D, 0)
    }

    /// A leaf; zero where none was written.
    pub fn leaf(&self, index: u32) -> Fr {
        self.node(0, index)
    }

    fn within(index: u32) -> Result<(), TreeError> {
        if u64::from(index) < 1 << D {
            Ok(())
        } else {
            Err(TreeError::Outside { index: index.into(), depth: D })
        }
    }

    /// Writes a leaf; zero empties it.
    ///
    /// # Errors
    /// [`TreeError::Outside`].
    pub fn set(&mut self, index: u32, leaf: Fr) -> Result<(), TreeError> {
        Self::within(index)?;
        if !self.journal.is_empty() {
            self.journal.push_back(Change::Leaf { index, before: self.leaf(index) });
        }
        self.write(index, leaf);
        Ok(())
    }

    fn write(&mut self, index: u32, leaf: Fr) {
        let mut hash = leaf;
        for height in 0..=D {
            let at = index.checked_shr(height as u32).unwrap_or(0);
            if hash == empty(height) {
                self.nodes.remove(&(height as u8, at));
            } else {
                self.nodes.insert((height as u8, at), hash);
            }
            if height < D {
                let beside = self.node(height, at ^ 1);
                hash = if at & 1 == 1 { poseidon(&[beside, hash]) } else { poseidon(&[hash, beside]) };
            }
        }
    }

    /// The path of a leaf, written or not.
    ///
    /// # Errors
    /// [`TreeError::Outside`].
    pub fn path(&self, index: u32) -> Result<Path<D>, TreeError> {
        Self::within(index)?;
        let mut siblings = [Fr::default(); D];
        for (height, to) in siblings.iter_mut().enumerate() {
            *to = self.node(height, index.checked_shr(height as u32).unwrap_or(0) ^ 1);
        }
        Ok(Path { index: index.into(), siblings })
    }

    /// Remembers the tree as it is, under a name greater than all before.
    ///
    /// # Errors
    /// [`TreeError::Order`].
    pub fn checkpoint(&mut self, id: u64) -> Result<(), TreeError> {
        if let Some(last) = self.checkpoints().next_back().filter(|last| *last >= id) {
            return Err(TreeError::Order { id, last });
        }
        self.journal.push_back(Change::Checkpoint(id));
        Ok(())
    }

    /// Goes back to a checkpoint, which stays; later ones are gone.
    ///
    /// # Errors
    /// [`TreeError::NoCheckpoint`], with the tree as it was.
    pub fn rewind(&mut self, id: u64) -> Result<(), TreeError> {
        if !self.journal.contains(&Change::Checkpoint(id)) {
            return Err(TreeError::NoCheckpoint { id });
        }
        while let Some(change) = self.journal.back().cloned() {
            match change {
                Change::Checkpoint(known) if known == id => break,
                Change::Checkpoint(_) => {}
                Change::Leaf { index, before } => self.write(index, before),
            }
            self.journal.pop_back();
        }
        Ok(())
    }

    /// The checkpoints, oldest first.
    pub fn checkpoints(&self) -> impl DoubleEndedIterator<Item = u64> + '_ {
        self.journal.iter().filter_map(|change| match change {
            Change::Checkpoint(id) => Some(*id),
            Change::Leaf { .. } => None,
        })
    }

    /// Forgets the checkpoints before `id`.
    pub fn settle(&mut self, id: u64) {
        while let Some(first) = self.journal.front() {
            if matches!(first, Change::Checkpoint(known) if *known >= id) {
                break;
            }
            self.journal.pop_front();
        }
    }
}

/// A tree as it is stored: leaves only, inner nodes are computed again.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    leaves: Vec<(u32, Text)>,
    journal: Vec<StoredChange>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum StoredChange {
    Checkpoint(u64),
    Leaf(u32, Text),
}

impl<const D: usize> Serialize for SparseTree<D> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let leaves = self.nodes.range((0, 0)..(1, 0)).map(|((_, at), leaf)| (*at, Text(*leaf))).collect();
        let journal = self.journal.iter().map(|change| match change {
            Change::Checkpoint(id) => StoredChange::Checkpoint(*id),
            Change::Leaf { index, before } => StoredChange::Leaf(*index, Text(*before)),
        });
        Stored { leaves, journal: journal.collect() }.serialize(serializer)
    }
}

impl<'de, const D: usize> Deserialize<'de> for SparseTree<D> {
    fn deserialize<E: serde::Deserializer<'de>>(deserializer: E) -> Result<Self, E::Error> {
        use serde::de::Error;
        let stored = Stored::deserialize(deserializer)?;
        let mut tree = Self::new();
        for (index, leaf) in stored.leaves {
            tree.set(index, leaf.0).map_err(E::Error::custom)?;
        }
        for change in stored.journal {
            match change {
                StoredChange::Checkpoint(id) => tree.checkpoint(id).map_err(E::Error::custom)?,
                StoredChange::Leaf(index, before) => {
                    Self::within(index).map_err(E::Error::custom)?;
                    // A journal begins with a checkpoint.
                    if tree.journal.is_empty() {
                        return Err(E::Error::custom(TreeError::Damaged("its journal has no beginning")));
                    }
                    tree.journal.push_back(Change::Leaf { index, before: before.0 });
                }
            }
        }
        Ok(tree)
    }
}
