//! Names of complete subtrees. They never change once their last leaf is there, so they are what is stored.

use tacit_wire::Digest32;

use crate::hash::node_hash;

/// A complete subtree: the `2^level` leaves from `index * 2^level` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId {
    /// Its height: 0 is a leaf.
    pub level: u8,
    /// How many subtrees of its height stand before it.
    pub index: u64,
}

impl NodeId {
    /// A leaf.
    pub const fn leaf(index: u64) -> Self {
        Self { level: 0, index }
    }

    /// The subtree's number in the order in which a walk from left to right passes through the tree's nodes: one number for each
    /// subtree of whatever height, for whoever stores them in one table. `None` where it does not fit 63 bits.
    pub fn position(&self) -> Option<u64> {
        let level = u32::from(self.level);
        let step = 1u64.checked_shl(level.checked_add(1)?)?;
        let position = self.index.checked_mul(step)?.checked_add(step / 2 - 1)?;
        i64::try_from(position).ok().map(|_| position)
    }
}

/// Whoever stores a tree's complete subtrees.
pub trait Subtrees {
    /// The hash of a complete subtree; `None` if it is not at hand.
    fn subtree(&self, node: NodeId) -> Option<Digest32>;
}

impl Subtrees for std::collections::HashMap<NodeId, Digest32> {
    fn subtree(&self, node: NodeId) -> Option<Digest32> {
        self.get(&node).copied()
    }
}

/// Leaves `begin..end`, where `begin` is a multiple of the smallest power of two that is at least `end - begin`: the only
/// ranges of which a tree has a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaves {
    /// The first leaf.
    pub begin: u64,
    /// One past the last.
    pub end: u64,
}

impl Leaves {
    /// The complete subtrees that they are made of, from left to right: each smaller than the one before.
    pub fn cover(self) -> Vec<NodeId> {
        let mut nodes = Vec::new();
        let mut begin = self.begin;
        while begin < self.end {
            let level = (self.end - begin).ilog2();
            // Levels are at most 63.
            nodes.push(NodeId { level: level as u8, index: begin >> level });
            begin = begin.saturating_add(1 << level);
        }
        nodes
    }

    /// Their hash; `None` if a subtree is not at hand, or there are no leaves.
    pub fn hash(self, from: &impl Subtrees) -> Option<Digest32> {
        let hashes = self.cover().into_iter().map(|node| from.subtree(node)).collect::<Option<Vec<_>>>()?;
        fold(&hashes)
    }
}

/// The root over subtrees that stand side by side, each smaller than the one before; `None` over none.
pub(crate) fn fold(peaks: &[Digest32]) -> Option<Digest32> {
    peaks.iter().rev().copied().reduce(|right, left| node_hash(&left, &right))
}

/// The largest power of two below `n`, which is at least 2: where RFC 9162 divides a tree of `n` leaves.
pub(crate) fn split(n: u64) -> u64 {
    1 << (n - 1).ilog2()
}
