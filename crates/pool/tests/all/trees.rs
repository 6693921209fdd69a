//! Trees against their definition.

use proptest::prelude::*;
use tacit_pool::Fr;
use tacit_pool::hash::poseidon;
use tacit_pool::tree::notes::NoteTree;
use tacit_pool::tree::sparse::SparseTree;
use tacit_pool::tree::{TreeError, empty};

use crate::common::*;

const DEPTH: usize = 5;
const LEAVES: usize = 1 << DEPTH;

/// Section 3.4, all nodes.
fn naive_root(leaves: &[Fr]) -> Fr {
    let mut level = leaves.to_vec();
    level.resize(LEAVES, Fr::default());
    while level.len() > 1 {
        level = level.chunks(2).map(poseidon).collect();
    }
    level[0]
}

fn leaf(n: usize) -> Fr {
    fr(1000 + n as u64)
}

#[test]
fn empty_trees_follow_the_ladder() {
    assert_eq!(empty(0), fr(0));
    assert_eq!(empty(2), poseidon(&[poseidon(&[fr(0), fr(0)]), poseidon(&[fr(0), fr(0)])]));
    assert_eq!(NoteTree::<DEPTH>::new().root().unwrap(), naive_root(&[]));
    assert_eq!(SparseTree::<DEPTH>::new().root(), naive_root(&[]));
}

#[test]
fn a_full_tree_takes_no_more() {
    let mut tree = NoteTree::<DEPTH>::new();
    let leaves: Vec<Fr> = (0..LEAVES).map(leaf).collect();
    for (i, leaf) in leaves.iter().enumerate() {
        assert_eq!(tree.append(*leaf, i % 3 == 0), Ok(i as u64));
        assert_eq!(tree.root().unwrap(), naive_root(&leaves[..=i]));
    }
    assert_eq!(tree.append(fr(1), false), Err(TreeError::Full { depth: DEPTH }));
    for index in (0..LEAVES).step_by(3) {
        assert_eq!(tree.path(index as u64).unwrap().root(leaves[index]), naive_root(&leaves));
    }
    assert_eq!(tree.path(1), Err(TreeError::NotMarked { index: 1 }));
}

/// What is done to a tree.
#[derive(Debug, Clone)]
enum Step {
    Append { mark: bool },
    Checkpoint,
    Rewind(usize),
    Settle(usize),
    Forget(usize),
    Store,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => any::<bool>().prop_map(|mark| Step::Append { mark }),
        3 => Just(Step::Checkpoint),
        1 => (0usize..6).prop_map(Step::Rewind),
        1 => (0usize..6).prop_map(Step::Settle),
        1 => (0usize..LEAVES).prop_map(Step::Forget),
        1 => Just(Step::Store),
    ];
    proptest::collection::vec(step, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_note_tree_is_the_naive_tree(steps in steps()) {
        let mut tree = NoteTree::<DEPTH>::new();
        // The leaves, which of them are marked, and at each checkpoint how many there were.
        let (mut leaves, mut marked, mut saved): (Vec<Fr>, Vec<usize>, Vec<(u64, usize)>) = Default::default();
        let mut clock = 0;
        for step in steps {
            match step {
                Step::Append { mark } => {
                    // Another leaf after each rewind.
                    clock += 1;
                    let next = leaf(clock);
                    let appended = tree.append(next, mark);
                    prop_assert_eq!(appended.is_ok(), leaves.len() < LEAVES);
                    if appended.is_ok() {
                        if mark {
                            marked.push(leaves.len());
                        }
                        leaves.push(next);
                    }
                }
                Step::Checkpoint => {
                    clock += 1;
                    tree.checkpoint(clock as u64).unwrap();
                    saved.push((clock as u64, leaves.len()));
                    prop_assert!(tree.checkpoint(clock as u64).is_err());
                }
                Step::Rewind(back) => match saved.len().checked_sub(back + 1) {
                    Some(at) => {
                        let (id, size) = saved[at];
                        tree.rewind(id).unwrap();
                        saved.truncate(at + 1);
                        leaves.truncate(size);
                        marked.retain(|leaf| *leaf < size);
                    }
                    None => prop_assert!(tree.rewind(u64::MAX).is_err()),
                },
                Step::Settle(back) => {
                    if let Some(at) = saved.len().checked_sub(back + 1) {
                        tree.settle(saved[at].0);
                        saved.drain(..at);
                    }
                }
                Step::Forget(leaf) => {
                    tree.forget(leaf as u64);
                    marked.retain(|known| *known != leaf);
                }
                Step::Store => {
                    let text = serde_json::to_string(&tree).unwrap();
                    tree = serde_json::from_str(&text).unwrap();
                }
            }
            let root = naive_root(&leaves);
            prop_assert_eq!(tree.root().unwrap(), root);
            prop_assert_eq!(tree.size(), leaves.len() as u64);
            for index in &marked {
                prop_assert_eq!(tree.path(*index as u64).unwrap().root(leaves[*index]), root);
            }
            prop_assert_eq!(tree.marked().count(), marked.len());
        }
    }

    #[test]
    fn the_sparse_tree_is_the_naive_tree(steps in proptest::collection::vec((0u32..LEAVES as u32, 0u64..3, 0u8..8), 0..40)) {
        let mut tree = SparseTree::<DEPTH>::new();
        let mut leaves = vec![fr(0); LEAVES];
        let mut saved: Vec<(u64, Vec<Fr>)> = Vec::new();
        for (clock, (index, value, action)) in steps.into_iter().enumerate() {
            match action {
                0 => {
                    tree.checkpoint(clock as u64).unwrap();
                    saved.push((clock as u64, leaves.clone()));
                }
                1 if !saved.is_empty() => {
                    let at = index as usize % saved.len();
                    tree.rewind(saved[at].0).unwrap();
                    leaves.clone_from(&saved[at].1);
                    saved.truncate(at + 1);
                }
                2 if !saved.is_empty() => {
                    let at = index as usize % saved.len();
                    tree.settle(saved[at].0);
                    saved.drain(..at);
                }
                3 => tree = serde_json::from_str(&serde_json::to_string(&tree).unwrap()).unwrap(),
                _ => {
                    tree.set(index, fr(value)).unwrap();
                    leaves[index as usize] = fr(value);
                }
            }
            prop_assert_eq!(tree.root(), naive_root(&leaves));
            let path = tree.path(index).unwrap();
            prop_assert_eq!(path.root(leaves[index as usize]), tree.root());
        }
        prop_assert!(tree.set(LEAVES as u32, fr(1)).is_err());
    }

    /// Whatever is stored: what reads back works or is refused.
    #[test]
    fn damaged_trees_are_refused(cut in 0usize..400, with in "[0-9,\\[\\]\"]{0,3}") {
        let mut tree = NoteTree::<DEPTH>::new();
        tree.checkpoint(0).unwrap();
        for n in 0..11 {
            tree.append(leaf(n), n % 4 == 1).unwrap();
        }
        tree.checkpoint(1).unwrap();
        let mut text = serde_json::to_string(&tree).unwrap();
        let cut = cut % text.len();
        text.replace_range(cut..=cut, &with);
        if let Ok(mut read) = serde_json::from_str::<NoteTree<DEPTH>>(&text) {
            read.root().unwrap();
            for index in read.marked().collect::<Vec<_>>() {
                read.path(index).unwrap();
            }
            let _ = read.rewind(0);
            read.root().unwrap();
        }
    }
}
