//! What a tree grows from: the hashes of the complete subtrees that cover it, from left to right.

use tacit_wire::Digest32;

use crate::hash::{empty_root, node_hash};
use crate::inclusion::SubtreeProof;
use crate::subtree::{Leaves, NodeId, fold};

/// A tree without its inside: enough to append and to have the root.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Digest32>,
}

/// So many peaks do not belong to a tree of this size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a log of {size} entries is covered by {expected} subtrees, {got} are given")]
pub struct NotAFrontier {
    /// Leaves.
    pub size: u64,
    /// Complete subtrees that cover them.
    pub expected: u32,
    /// Given.
    pub got: usize,
}

impl Frontier {
    /// Of the tree without leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// From its parts.
    ///
    /// # Errors
    /// When the number of peaks is not the number of ones in the size's binary form.
    pub fn from_parts(size: u64, peaks: Vec<Digest32>) -> Result<Self, NotAFrontier> {
        let expected = size.count_ones();
        if peaks.len() != expected as usize {
            return Err(NotAFrontier { size, expected, got: peaks.len() });
        }
        Ok(Self { size, peaks })
    }

    /// Leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The hashes of the complete subtrees that cover the tree, from left to right.
    pub fn peaks(&self) -> &[Digest32] {
        &self.peaks
    }

    /// The root.
    pub fn root(&self) -> Digest32 {
        fold(&self.peaks).unwrap_or_else(empty_root)
    }

    /// Appends a leaf by its hash; returns the subtrees that are complete now and were not before, from the leaf upwards.
    pub fn append(&mut self, leaf: Digest32) -> Vec<(NodeId, Digest32)> {
        let (mut node, mut hash) = (NodeId::leaf(self.size), leaf);
        let mut complete = vec![(node, hash)];
        // A subtree on the right completes the one of its height on the left.
        while node.index & 1 == 1 {
            let Some(left) = self.peaks.pop() else { break };
            hash = node_hash(&left, &hash);
            node = NodeId { level: node.level + 1, index: node.index >> 1 };
            complete.push((node, hash));
        }
        self.peaks.push(hash);
        self.size += 1;
        complete
    }

    /// Proofs that each of the peaks is in the tree.
    pub fn peak_proofs(&self) -> Vec<SubtreeProof> {
        let nodes = Leaves { begin: 0, end: self.size }.cover();
        (nodes.into_iter().zip(&self.peaks).enumerate())
            .map(|(at, (node, hash))| {
                let (before, after) = (self.peaks.get(..at), self.peaks.get(at + 1..));
                let mut path: Vec<Digest32> = fold(after.unwrap_or_default()).into_iter().collect();
                path.extend(before.unwrap_or_default().iter().rev());
                SubtreeProof { node, hash: *hash, path }
            })
            .collect()
    }
}
