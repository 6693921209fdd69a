//! What comes from a coordinator's log: receipts, their files, evidence, proofs. Nothing panics, what is read is what is written, and a proof of inclusion verifies
//! exactly if the root follows from its path by the definition (RFC 9162, section 2.1.3.1).

use tacit_log::inclusion::SubtreeProof;
use tacit_log::{ConsistencyProof, Digest32, InclusionProof, LogEvidence, NodeId, ProvenReceipt, node_hash};
use tacit_wire::SignedReceipt;

/// The target.
pub fn run(data: &[u8]) {
    if let Ok(receipt) = SignedReceipt::decode(data) {
        assert_eq!(receipt.encode(), data);
        drop((receipt.verify(&receipt.receipt.coordinator), receipt.view()));
    }
    if let Ok(proven) = ProvenReceipt::from_json(data) {
        assert_eq!(ProvenReceipt::from_json(proven.to_json().as_bytes()).as_ref(), Ok(&proven));
        let _ = proven.verify(&proven.head.head.log);
    }
    if let Ok(evidence) = LogEvidence::from_json(data) {
        assert_eq!(LogEvidence::from_json(evidence.to_json().as_bytes()).as_ref(), Ok(&evidence));
        let _ = evidence.verify(&evidence.log());
    }
    proofs(data);
}

/// Two numbers, a level, then hashes: the leaf's, the root's, the path.
fn proofs(data: &[u8]) {
    let Some((numbers, hashes)) = data.split_at_checked(17) else { return };
    let number = |at: usize| u64::from_le_bytes(numbers[at..at + 8].try_into().expect("eight bytes"));
    let (one, size, level) = (number(0), number(8), numbers[16]);
    let hashes: Vec<Digest32> = hashes.as_chunks::<32>().0.iter().copied().map(Digest32).collect();
    let [leaf, root, path @ ..] = &hashes[..] else { return };
    let path = path.to_vec();
    let proof = InclusionProof { leaf: one, size, path: path.clone() };
    let by_definition = (one < size).then(|| rebuild(one, size, *leaf, &path)).flatten();
    assert_eq!(proof.verify(leaf, root).is_ok(), by_definition == Some(*root));
    // The right root, too: the fuzzer cannot find one.
    if let Some(right) = by_definition {
        proof.verify(leaf, &right).expect("the root follows from the path");
    }
    let subtree = SubtreeProof { node: NodeId { level, index: one }, hash: *leaf, path: path.clone() };
    let _ = subtree.verify(size, root);
    let _ = ConsistencyProof { from: one, to: size, path }.verify(leaf, root);
}

fn rebuild(leaf: u64, size: u64, hash: Digest32, path: &[Digest32]) -> Option<Digest32> {
    if size == 1 {
        return path.is_empty().then_some(hash);
    }
    let (last, path) = path.split_last()?;
    let half = 1 << (size - 1).ilog2();
    Some(if leaf < half {
        node_hash(&rebuild(leaf, half, hash, path)?, last)
    } else {
        node_hash(last, &rebuild(leaf - half, size - half, hash, path)?)
    })
}
