//! The tree of note commitments: grows to the right, keeps the paths of marked leaves, goes back to a checkpoint.
//!
//! Kept are the roots of complete subtrees that something still needs: the frontier (from which the tree grows) and the
//! siblings on the ways of marked leaves. That is O(depth) for each marked leaf, whatever the tree's size.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::{DEPTH, Path, TreeError, empty};
use crate::hash::{Fr, poseidon};
use crate::value::Text;

/// A complete subtree: its height and its index among those of that height.
type Node = (u8, u64);

/// Where the tree was when a block ended.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Checkpoint {
    id: u64,
    size: u64,
    frontier: Vec<(Node, Fr)>,
}

/// An append-only tree of depth `D`, at most 32.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NoteTree<const D: usize = DEPTH> {
    size: u64,
    nodes: BTreeMap<Node, Fr>,
    marked: BTreeSet<u64>,
    checkpoints: VecDeque<Checkpoint>,
}

impl<const D: usize> NoteTree<D> {
    const CAPACITY: u64 = 1 << D;

    /// An empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// Leaves so far, which is also the index of the next one.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf and returns its index; a marked leaf has a path until it is forgotten.
    ///
    /// # Errors
    /// [`TreeError::Full`].
    pub fn append(&mut self, leaf: Fr, mark: bool) -> Result<u64, TreeError> {
        let index = self.size;
        if index >= Self::CAPACITY {
            return Err(TreeError::Full { depth: D });
        }
        if mark {
            self.marked.insert(index);
        }
        self.size += 1;
        let (mut height, mut at, mut hash) = (0u8, index, leaf);
        // A right child completes its parent.
        while at & 1 == 1 {
            let left = self.node((height, at - 1))?;
            self.nodes.insert((height, at), hash);
            hash = poseidon(&[left, hash]);
            for child in [(height, at - 1), (height, at)] {
                if !self.beside_marked(child) {
                    self.nodes.remove(&child);
                }
            }
            (height, at) = (height + 1, at >> 1);
        }
        self.nodes.insert((height, at), hash);
        Ok(index)
    }

    /// The root.
    pub fn root(&self) -> Result<Fr, TreeError> {
        if self.size == Self::CAPACITY {
            return self.node((D as u8, 0));
        }
        Ok(self.edges()?.get(D).copied().unwrap_or_default())
    }

    /// The path of a marked leaf to the present root.
    ///
    /// # Errors
    /// [`TreeError::NotMarked`].
    pub fn path(&self, index: u64) -> Result<Path<D>, TreeError> {
        if !self.marked.contains(&index) {
            return Err(TreeError::NotMarked { index });
        }
        let edges = self.edges()?;
        let mut siblings = [Fr::default(); D];
        for (height, to) in siblings.iter_mut().enumerate() {
            let beside = index >> height ^ 1;
            *to = if (beside + 1) << height <= self.size {
                self.node((height as u8, beside))?
            } else if beside << height >= self.size {
                empty(height)
            } else {
                edges.get(height).copied().unwrap_or_default()
            };
        }
        Ok(Path { index, siblings })
    }

    /// The leaves for which paths are kept.
    pub fn marked(&self) -> impl Iterator<Item = u64> + '_ {
        self.marked.iter().copied()
    }

    /// Keeps no path for a leaf any more: for notes whose spending is final.
    pub fn forget(&mut self, index: u64) {
        if self.marked.remove(&index) {
            self.prune();
        }
    }

    /// Remembers the tree as it is, under a name greater than all before.
    ///
    /// # Errors
    /// [`TreeError::Order`].
    pub fn checkpoint(&mut self, id: u64) -> Result<(), TreeError> {
        if let Some(last) = self.checkpoints.back().filter(|last| last.id >= id) {
            return Err(TreeError::Order { id, last: last.id });
        }
        let frontier = self.frontier().map(|node| Ok((node, self.node(node)?))).collect::<Result<_, _>>()?;
        self.checkpoints.push_back(Checkpoint { id, size: self.size, frontier });
        Ok(())
    }

    /// Goes back to a checkpoint, which stays; later ones are gone.
    ///
    /// # Errors
    /// [`TreeError::NoCheckpoint`], with the tree as it was.
    pub fn rewind(&mut self, id: u64) -> Result<(), TreeError> {
        let at = self.checkpoints.iter().position(|known| known.id == id);
        let Some(found) = at.and_then(|at| self.checkpoints.get(at)).cloned() else {
            return Err(TreeError::NoCheckpoint { id });
        };
        self.checkpoints.retain(|known| known.id <= id);
        self.size = found.size;
        self.marked.retain(|leaf| *leaf < found.size);
        self.nodes.retain(|(height, at), _| (at + 1) << height <= found.size);
        self.nodes.extend(found.frontier);
        self.prune();
        Ok(())
    }

    /// The checkpoints, oldest first.
    pub fn checkpoints(&self) -> impl Iterator<Item = u64> + '_ {
        self.checkpoints.iter().map(|known| known.id)
    }

    /// Forgets the checkpoints before `id`.
    pub fn settle(&mut self, id: u64) {
        self.checkpoints.retain(|known| known.id >= id);
    }

    /// For each height the root of the subtree that holds the next leaf.
    fn edges(&self) -> Result<Vec<Fr>, TreeError> {
        let mut edges = vec![empty(0)];
        let mut edge = empty(0);
        for height in 0..D {
            edge = if self.size >> height & 1 == 1 {
                poseidon(&[self.node((height as u8, (self.size >> height) - 1))?, edge])
            } else if self.size.trailing_zeros() as usize > height {
                empty(height + 1)
            } else {
                poseidon(&[edge, empty(height)])
            };
            edges.push(edge);
        }
        Ok(edges)
    }

    /// The complete subtrees whose parents are not complete.
    fn frontier(&self) -> impl Iterator<Item = Node> + use<D> {
        let size = self.size;
        (0..=D)
            .filter(move |height| size >> height & 1 == 1)
            .map(move |height| (height as u8, (size >> height) - 1))
    }

    fn node(&self, node: Node) -> Result<Fr, TreeError> {
        self.nodes.get(&node).copied().ok_or(TreeError::Damaged("a node is missing"))
    }

    /// Whether the subtree beside this one holds a marked leaf.
    fn beside_marked(&self, (height, at): Node) -> bool {
        let beside = at ^ 1;
        self.marked.range(beside << height..(beside + 1) << height).next().is_some()
    }

    fn prune(&mut self) {
        let frontier: BTreeSet<Node> = self.frontier().collect();
        let kept =
            self.nodes.keys().copied().filter(|node| frontier.contains(node) || self.beside_marked(*node));
        let kept: BTreeSet<Node> = kept.collect();
        self.nodes.retain(|node, _| kept.contains(node));
    }

    fn needed(&self) -> impl Iterator<Item = Node> + '_ {
        let beside = self
            .marked
            .iter()
            .flat_map(move |leaf| (0..D as u8).map(move |height| (height, leaf >> height ^ 1)));
        beside.filter(|(height, at)| (at + 1) << height <= self.size).chain(self.frontier())
    }
}

/// A tree as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    size: u64,
    nodes: Vec<(u8, u64, Text)>,
    marked: Vec<u64>,
    checkpoints: Vec<StoredCheckpoint>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredCheckpoint {
    id: u64,
    size: u64,
    frontier: Vec<(u8, u64, Text)>,
}

fn stored(nodes: impl IntoIterator<Item = (Node, Fr)>) -> Vec<(u8, u64, Text)> {
    nodes.into_iter().map(|((height, at), hash)| (height, at, Text(hash))).collect()
}

fn read(nodes: Vec<(u8, u64, Text)>) -> impl Iterator<Item = (Node, Fr)> {
    nodes.into_iter().map(|(height, at, hash)| ((height, at), hash.0))
}

impl<const D: usize> Serialize for NoteTree<D> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let checkpoints = self.checkpoints.iter().map(|known| StoredCheckpoint {
            id: known.id,
            size: known.size,
            frontier: stored(known.frontier.clone()),
        });
        Stored {
            size: self.size,
            nodes: stored(self.nodes.clone()),
            marked: self.marked().collect(),
            checkpoints: checkpoints.collect(),
        }
        .serialize(serializer)
    }
}

impl<'de, const D: usize> Deserialize<'de> for NoteTree<D> {
    fn deserialize<E: serde::Deserializer<'de>>(deserializer: E) -> Result<Self, E::Error> {
        let stored = Stored::deserialize(deserializer)?;
        Self::from_stored(stored).map_err(serde::de::Error::custom)
    }
}

impl<const D: usize> NoteTree<D> {
    /// Takes what was stored if every hash that an operation will ask for is there.
    fn from_stored(stored: Stored) -> Result<Self, TreeError> {
        let within = |(height, at): &Node| u32::from(*height) <= D as u32 && *at < Self::CAPACITY >> height;
        let mut tree = Self {
            size: stored.size,
            nodes: read(stored.nodes).collect(),
            marked: stored.marked.into_iter().collect(),
            checkpoints: VecDeque::new(),
        };
        if tree.size > Self::CAPACITY || !tree.nodes.keys().all(within) {
            return Err(TreeError::Damaged("it is larger than its depth allows"));
        }
        if tree.marked.last().is_some_and(|last| *last >= tree.size) {
            return Err(TreeError::Damaged("a marked leaf is beyond its end"));
        }
        if !tree.needed().all(|node| tree.nodes.contains_key(&node)) {
            return Err(TreeError::Damaged("a node is missing"));
        }
        for known in stored.checkpoints {
            let before = Self { size: known.size, ..Self::default() };
            let frontier: Vec<(Node, Fr)> = read(known.frontier).collect();
            let ordered =
                tree.checkpoints.back().is_none_or(|last| last.id < known.id && last.size <= known.size);
            if !ordered
                || known.size > tree.size
                || !before.frontier().eq(frontier.iter().map(|(node, _)| *node))
            {
                return Err(TreeError::Damaged("a checkpoint does not fit"));
            }
            tree.checkpoints.push_back(Checkpoint { id: known.id, size: known.size, frontier });
        }
        Ok(tree)
    }
}
