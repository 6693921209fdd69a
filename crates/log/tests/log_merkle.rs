//! The tree: against vectors that others published, against another implementation, and against the definition.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::HashMap;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use proptest::prelude::*;
use serde_json::Value;
use sha2::Sha256;
use tacit_log::inclusion::SubtreeProof;
use tacit_log::{
    ConsistencyProof, Digest32, Frontier, InclusionProof, NodeId, ProofError, Subtrees, empty_root,
    leaf_hash, node_hash,
};

/// A tree with everything in it.
#[derive(Clone, Default)]
struct Tree {
    frontier: Frontier,
    nodes: HashMap<NodeId, Digest32>,
    leaves: Vec<Digest32>,
}

impl Tree {
    fn push(&mut self, entry: &[u8]) {
        let leaf = leaf_hash(entry);
        self.leaves.push(leaf);
        self.nodes.extend(self.frontier.append(leaf));
    }

    fn of(size: u64, entry: impl Fn(u64) -> Vec<u8>) -> Self {
        let mut tree = Self::default();
        (0..size).for_each(|i| tree.push(&entry(i)));
        tree
    }
}

/// `MTH(D[n])` as RFC 9162, section 2.1.1, defines it.
fn root_by_definition(leaves: &[Digest32]) -> Digest32 {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            node_hash(&root_by_definition(left), &root_by_definition(right))
        }
    }
}

fn entry(i: u64) -> Vec<u8> {
    format!("entry {i}").into_bytes()
}

fn vectors() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/merkle.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn digest(value: &Value) -> Digest32 {
    value.as_str().unwrap().parse().unwrap()
}

fn path(value: &Value) -> Vec<Digest32> {
    value.as_array().unwrap().iter().map(digest).collect()
}

#[test]
fn published_vectors() {
    let vectors = vectors();
    let entries: Vec<Vec<u8>> = vectors["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| hex::decode(e.as_str().unwrap()).unwrap())
        .collect();
    assert_eq!(empty_root(), digest(&vectors["empty_root"]));
    let mut tree = Tree::default();
    let roots = path(&vectors["roots"]);
    for (entry, root) in entries.iter().zip(&roots) {
        tree.push(entry);
        assert_eq!(tree.frontier.root(), *root);
    }
    let number = |value: &Value| value.as_u64().unwrap();
    let root = |size: u64| &roots[usize::try_from(size).unwrap() - 1];
    let inclusion = vectors["inclusion"].as_array().unwrap();
    for v in inclusion {
        let (leaf, size) = (number(&v["leaf"]), number(&v["size"]));
        let proof = InclusionProof { leaf, size, path: path(&v["path"]) };
        assert_eq!(InclusionProof::of(leaf, size, &tree.nodes).as_ref(), Some(&proof));
        proof.verify(&tree.leaves[leaf as usize], root(size)).unwrap();
    }
    let consistency = vectors["consistency"].as_array().unwrap();
    for v in consistency {
        let (from, to) = (number(&v["from"]), number(&v["to"]));
        let proof = ConsistencyProof { from, to, path: path(&v["path"]) };
        assert_eq!(ConsistencyProof::of(from, to, &tree.nodes).as_ref(), Some(&proof));
        proof.verify(root(from), root(to)).unwrap();
    }
    assert_eq!((roots.len(), inclusion.len(), consistency.len()), (8, 5, 4));
}

/// Up to this size everything is tried.
const ALL: u64 = 130;

#[test]
fn roots_follow_the_definition_and_every_proof_of_every_size_verifies() {
    let tree = Tree::of(ALL, entry);
    let roots: Vec<Digest32> = (0..=ALL as usize).map(|n| root_by_definition(&tree.leaves[..n])).collect();
    let mut grown = Tree::default();
    for size in 0..=ALL {
        assert_eq!(grown.frontier.root(), roots[size as usize]);
        assert_eq!(grown.frontier.peaks().len(), size.count_ones() as usize);
        for leaf in 0..size {
            let proof = InclusionProof::of(leaf, size, &tree.nodes).unwrap();
            proof.verify(&tree.leaves[leaf as usize], &roots[size as usize]).unwrap();
        }
        assert_eq!(InclusionProof::of(size, size, &tree.nodes), None);
        for from in 0..=size {
            let proof = ConsistencyProof::of(from, size, &tree.nodes).unwrap();
            proof.verify(&roots[from as usize], &roots[size as usize]).unwrap();
        }
        for proof in grown.frontier.peak_proofs() {
            proof.verify(size, &roots[size as usize]).unwrap();
            assert_eq!(SubtreeProof::of(proof.node, size, &tree.nodes).unwrap(), proof);
        }
        grown.push(&entry(size));
    }
    for (node, hash) in &tree.nodes {
        let proof = SubtreeProof::of(*node, ALL, &tree.nodes).unwrap();
        assert_eq!(proof.hash, *hash);
        proof.verify(ALL, &roots[ALL as usize]).unwrap();
    }
}

#[test]
fn another_implementation_makes_the_same_roots_and_proofs() {
    let tree = Tree::of(ALL, entry);
    let mut theirs = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    for size in 1..=ALL {
        theirs.push(entry(size - 1));
        let bytes = |path: &[Digest32]| path.iter().flat_map(|hash| hash.0).collect::<Vec<u8>>();
        let mut frontier = Frontier::new();
        tree.leaves[..size as usize].iter().for_each(|leaf| drop(frontier.append(*leaf)));
        assert_eq!(theirs.root().as_bytes().as_slice(), frontier.root().0);
        for leaf in 0..size {
            let ours = InclusionProof::of(leaf, size, &tree.nodes).unwrap();
            assert_eq!(theirs.prove_inclusion(leaf as usize).as_bytes(), bytes(&ours.path));
        }
        for from in 1..size {
            let ours = ConsistencyProof::of(from, size, &tree.nodes).unwrap();
            assert_eq!(theirs.prove_consistency((size - from) as usize).as_bytes(), bytes(&ours.path));
        }
    }
}

/// Counts what is read.
struct Counting<'a>(&'a HashMap<NodeId, Digest32>, std::cell::Cell<usize>);

impl Subtrees for Counting<'_> {
    fn subtree(&self, node: NodeId) -> Option<Digest32> {
        self.1.set(self.1.get() + 1);
        self.0.subtree(node)
    }
}

#[test]
fn a_proof_reads_what_it_says_and_no_more_than_two_subtrees_a_level() {
    let tree = Tree::of(300, entry);
    for size in [1, 2, 3, 127, 128, 129, 255, 256, 257, 299, 300] {
        let most = 2 * (size as f64).log2().ceil() as usize + 1;
        for other in 0..size {
            let counting = Counting(&tree.nodes, 0.into());
            InclusionProof::of(other, size, &counting).unwrap();
            assert_eq!(counting.1.get(), InclusionProof::needs(other, size).len());
            assert!(counting.1.get() <= most);
            let counting = Counting(&tree.nodes, 0.into());
            ConsistencyProof::of(other, size, &counting).unwrap();
            assert_eq!(counting.1.get(), ConsistencyProof::needs(other, size).len());
            assert!(counting.1.get() <= most);
        }
    }
}

#[test]
fn positions_name_each_subtree_once() {
    let tree = Tree::of(200, entry);
    let mut positions: Vec<u64> = tree.nodes.keys().map(|node| node.position().unwrap()).collect();
    positions.sort_unstable();
    let count = positions.len();
    positions.dedup();
    assert_eq!(positions.len(), count);
    assert_eq!(NodeId { level: 0, index: u64::MAX }.position(), None);
    assert_eq!(NodeId { level: 255, index: 0 }.position(), None);
    assert_eq!(NodeId { level: 62, index: 0 }.position(), Some((1 << 62) - 1));
    assert_eq!(NodeId { level: 63, index: 0 }.position(), None);
}

#[test]
fn sizes_at_the_end_of_the_numbers_are_refused_and_not_computed_with() {
    let (root, leaf) = (Digest32([1; 32]), Digest32([2; 32]));
    for size in [u64::MAX, u64::MAX - 1, 1 << 63, (1 << 63) + 1] {
        for path in [Vec::new(), vec![leaf; 64], vec![leaf; 65], vec![leaf; 100]] {
            for other in [0, 1, size / 2, size - 1, size] {
                let proof = InclusionProof { leaf: other, size, path: path.clone() };
                assert!(proof.verify(&leaf, &root).is_err());
                let proof = ConsistencyProof { from: other, to: size, path: path.clone() };
                assert!(proof.verify(&leaf, &root).is_err());
            }
            for level in [0, 1, 62, 63, 64, 255] {
                for index in [0, 1, u64::MAX] {
                    let node = NodeId { level, index };
                    assert!(
                        SubtreeProof { node, hash: leaf, path: path.clone() }.verify(size, &root).is_err()
                    );
                }
            }
        }
        assert!(InclusionProof::needs(size - 1, size).len() <= 130);
        assert!(ConsistencyProof::needs(size / 2 + 1, size).len() <= 130);
        assert_eq!(InclusionProof::of(0, size, &HashMap::new()), None);
        assert_eq!(ConsistencyProof::of(1, size, &HashMap::new()), None);
    }
}

#[test]
fn a_frontier_has_as_many_peaks_as_its_size_has_ones() {
    assert!(Frontier::from_parts(5, vec![Digest32([0; 32]); 2]).is_ok());
    let error = Frontier::from_parts(5, vec![Digest32([0; 32]); 3]).unwrap_err();
    assert_eq!(error.to_string(), "a log of 5 entries is covered by 2 subtrees, 3 are given");
}

/// What can be done to a path.
fn mutations(path: &[Digest32], other: Digest32) -> Vec<Vec<Digest32>> {
    let mut all = Vec::new();
    for i in 0..path.len() {
        for bit in [0, 100, 255] {
            let mut changed = path.to_vec();
            changed[i].0[bit / 8] ^= 1 << (bit % 8);
            all.push(changed);
        }
        let mut shorter = path.to_vec();
        shorter.remove(i);
        all.push(shorter);
        if i + 1 < path.len() && path[i] != path[i + 1] {
            let mut swapped = path.to_vec();
            swapped.swap(i, i + 1);
            all.push(swapped);
        }
    }
    for at in 0..=path.len() {
        let mut longer = path.to_vec();
        longer.insert(at, other);
        all.push(longer);
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_changed_inclusion_proof_verifies(size in 1u64..400, at in any::<prop::sample::Index>()) {
        let leaf = at.index(size as usize) as u64;
        let tree = Tree::of(size, entry);
        let (root, hash) = (tree.frontier.root(), tree.leaves[leaf as usize]);
        let proof = InclusionProof::of(leaf, size, &tree.nodes).unwrap();
        prop_assert_eq!(proof.verify(&hash, &root), Ok(()));
        for path in mutations(&proof.path, root) {
            let changed = InclusionProof { path, ..proof.clone() };
            prop_assert!(changed.verify(&hash, &root).is_err());
        }
        for other in [leaf.wrapping_sub(1), leaf + 1, leaf ^ 2, size] {
            let changed = InclusionProof { leaf: other, ..proof.clone() };
            prop_assert!(other == leaf || changed.verify(&hash, &root).is_err());
        }
        prop_assert!(proof.verify(&leaf_hash(b"another entry"), &root).is_err());
        prop_assert!(proof.verify(&hash, &empty_root()).is_err());
    }

    #[test]
    fn no_changed_consistency_proof_verifies(to in 2u64..400, at in any::<prop::sample::Index>()) {
        let from = 1 + at.index(to as usize - 1) as u64;
        let tree = Tree::of(to, entry);
        let (earlier, later) = (root_by_definition(&tree.leaves[..from as usize]), tree.frontier.root());
        let proof = ConsistencyProof::of(from, to, &tree.nodes).unwrap();
        prop_assert_eq!(proof.verify(&earlier, &later), Ok(()));
        for path in mutations(&proof.path, later) {
            let changed = ConsistencyProof { path, ..proof.clone() };
            prop_assert!(changed.verify(&earlier, &later).is_err());
        }
        prop_assert!(proof.verify(&later, &earlier).is_err());
        let turned = ConsistencyProof { from: to, to: from, ..proof.clone() };
        prop_assert!(turned.verify(&later, &earlier).is_err());
        prop_assert!(proof.verify(&empty_root(), &later).is_err());
    }

    #[test]
    fn a_rewritten_history_has_no_consistency_proof(
        to in 2u64..300, at in any::<prop::sample::Index>(), changed in any::<prop::sample::Index>(),
    ) {
        let from = 1 + at.index(to as usize - 1) as u64;
        let changed = changed.index(from as usize) as u64;
        let before = Tree::of(from, entry);
        let after = Tree::of(to, |i| if i == changed { b"rewritten".to_vec() } else { entry(i) });
        let proof = ConsistencyProof::of(from, to, &after.nodes).unwrap();
        let refused = proof.verify(&before.frontier.root(), &after.frontier.root());
        // Where the path does not cover the changed leaf the earlier root comes out right and the later one does not.
        prop_assert!(matches!(refused, Err(ProofError::EarlierRoot { .. } | ProofError::Root { .. })), "{refused:?}");
        // The proof for the tree as it was, with what came after.
        let honest = Tree::of(to, entry);
        let proof = ConsistencyProof::of(from, to, &honest.nodes).unwrap();
        prop_assert!(proof.verify(&before.frontier.root(), &after.frontier.root()).is_err());
    }
}
