//! What a log's keeper signs: heads, receipts with their proofs, and what shows that it contradicted itself. Byte-exact vectors; forgeries.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::HashMap;

use serde_json::{Value, json};
use tacit_delegate::{Acknowledgement, Dials, Handover};
use tacit_log::inclusion::SubtreeProof;
use tacit_log::{
    Digest32, Frontier, HeadError, InclusionProof, LogEvidence, NoLogEvidence, NodeId, ProvenReceipt,
    ReceiptError, SignedTreeHead, TreeHead, leaf_hash,
};
use tacit_wire::messages::Assembler;
use tacit_wire::{Identity, JobOutcome, Receipt, ReceiptSeat, SeatOutcome, SignedAcknowledgement};

const THEN: u64 = 1_900_000_000;

fn keeper() -> Identity {
    Identity::from_seed(&[0x50; 32])
}

fn another() -> Identity {
    Identity::from_seed(&[0x51; 32])
}

/// A job's entry, told apart by a number.
fn entry(i: u8) -> Vec<u8> {
    entry_at(i, THEN, THEN + u64::from(i))
}

fn entry_at(i: u8, accepted: u64, ended: u64) -> Vec<u8> {
    let node = Identity::from_seed(&[i; 32]);
    let acknowledgement = Acknowledgement { assignment: [i; 32], package: [7; 32] };
    let silent = |place| ReceiptSeat {
        place,
        node: Identity::from_seed(&[100 + place; 32]).key(),
        outcome: SeatOutcome::Silent,
    };
    let answered = SeatOutcome::Acknowledged(SignedAcknowledgement::sign(&node, acknowledgement));
    let receipt = Receipt {
        coordinator: keeper().key(),
        job: Digest32([i; 32]),
        circuit: Digest32([9; 32]),
        curve: tacit_algebra::CurveId::Bn254,
        dials: Dials::new(Handover::Quotient, 2, 1).unwrap(),
        assembler: Assembler::Coordinator,
        accepted,
        ended,
        outcome: JobOutcome::Proved,
        seats: vec![ReceiptSeat { place: 1, node: node.key(), outcome: answered }, silent(2)],
    };
    receipt.sign(&keeper()).encode()
}

struct Log {
    frontier: Frontier,
    nodes: HashMap<NodeId, Digest32>,
}

impl Log {
    fn of(entries: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let (mut frontier, mut nodes) = (Frontier::new(), HashMap::new());
        entries.into_iter().for_each(|entry| nodes.extend(frontier.append(leaf_hash(&entry))));
        Self { frontier, nodes }
    }

    fn head(&self, timestamp: u64) -> SignedTreeHead {
        let head = TreeHead {
            log: keeper().key(),
            size: self.frontier.size(),
            root: self.frontier.root(),
            timestamp,
        };
        head.sign(&keeper())
    }
}

/// The receipt of entry 2 of 5.
fn proven() -> ProvenReceipt {
    let log = Log::of((0..5).map(entry));
    let inclusion = InclusionProof::of(2, 5, &log.nodes).unwrap();
    ProvenReceipt { entry: entry(2), inclusion, head: log.head(THEN + 100) }
}

fn forked() -> LogEvidence {
    let (one, other) = (Log::of((0..5).map(entry)), Log::of((1..6).map(entry)));
    LogEvidence::of_heads(one.head(THEN + 10), other.head(THEN + 11)).unwrap()
}

fn turned_back() -> LogEvidence {
    let log = |n| Log::of((0..n).map(entry));
    LogEvidence::of_heads(log(5).head(THEN + 10), log(3).head(THEN + 12)).unwrap()
}

/// Entry 1 is another one in the larger log.
fn rewritten() -> LogEvidence {
    let before = Log::of((0..5).map(entry));
    let after = Log::of((0..7).map(|i| if i == 1 { entry(77) } else { entry(i) }));
    let node = NodeId { level: 2, index: 0 };
    let proof = |log: &Log| SubtreeProof::of(node, log.frontier.size(), &log.nodes).unwrap();
    LogEvidence::of_rewriting(
        (before.head(THEN + 10), proof(&before)),
        (after.head(THEN + 20), proof(&after)),
    )
}

fn read(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

#[test]
fn vectors() {
    let head = Log::of((0..3).map(entry)).head(THEN + 3);
    let evidence = [forked(), turned_back(), rewritten()].map(|e| read(&e.to_json()));
    let value = json!({
        "about": "A log's keeper is the Ed25519 seed of 32 times 0x50. `signed_bytes` is the label's length, the label, and the head's encoding.",
        "tree_head": {
            "head": head,
            "encoding": hex::encode(head.head.encode()),
            "signed_bytes": hex::encode(tacit_wire::identity::Label::TreeHead.message(&head.head.encode())),
        },
        "receipt": read(&proven().to_json()),
        "evidence": evidence,
    });
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/log.json");
    let text = format!("{}\n", serde_json::to_string_pretty(&value).unwrap());
    if std::env::var_os("TACIT_BLESS").is_some() {
        std::fs::write(path, text).unwrap();
        return;
    }
    assert!(
        std::fs::read_to_string(path).unwrap_or_default() == text,
        "{path} differs from what this program makes"
    );
}

#[test]
fn a_head_is_its_keepers_alone() {
    let signed = Log::of((0..3).map(entry)).head(THEN);
    signed.verify(&keeper().key()).unwrap();
    let wrong = signed.verify(&another().key()).unwrap_err();
    assert_eq!(wrong, HeadError::OtherLog { expected: another().key(), got: keeper().key() });
    for change in
        [(|h: &mut TreeHead| h.size += 1) as fn(&mut TreeHead), |h| h.root.0[0] ^= 1, |h| h.timestamp -= 1]
    {
        let mut forged = signed;
        change(&mut forged.head);
        assert!(matches!(forged.verify(&keeper().key()), Err(HeadError::Signature(_))));
    }
    let by_another = signed.head.sign(&another());
    assert!(matches!(by_another.verify(&keeper().key()), Err(HeadError::Signature(_))));
    let json = serde_json::to_string(&signed).unwrap();
    assert_eq!(serde_json::from_str::<SignedTreeHead>(&json).unwrap(), signed);
}

#[test]
fn a_receipt_is_checked_without_asking_anybody() {
    let receipt = proven();
    let read = ProvenReceipt::from_json(receipt.to_json().as_bytes()).unwrap();
    assert_eq!(read, receipt);
    assert_eq!(read.verify(&keeper().key()).unwrap().receipt.job, Digest32([2; 32]));
    assert!(matches!(read.verify(&another().key()), Err(ReceiptError::Invalid(_))));
}

#[test]
fn a_receipt_that_was_changed_says_what_is_wrong() {
    let check = |change: fn(&mut ProvenReceipt)| {
        let mut receipt = proven();
        change(&mut receipt);
        receipt.verify(&keeper().key()).unwrap_err()
    };
    // Another job's entry, properly signed.
    assert!(matches!(check(|r| r.entry = entry(3)), ReceiptError::NotIncluded { leaf: 2, .. }));
    assert!(matches!(check(|r| r.inclusion.leaf = 3), ReceiptError::NotIncluded { leaf: 3, .. }));
    assert!(matches!(check(|r| r.inclusion.path.truncate(1)), ReceiptError::NotIncluded { .. }));
    assert!(matches!(check(|r| r.inclusion.size = 6), ReceiptError::Sizes { proof: 6, head: 5 }));
    assert!(matches!(check(|r| r.entry.truncate(10)), ReceiptError::Decode(_)));
    assert!(matches!(check(|r| r.entry[60] ^= 1), ReceiptError::Invalid(_)));
    assert!(matches!(check(|r| r.head.head.timestamp += 1), ReceiptError::Head(_)));
    // A head from before the entry, signed.
    let error = check(|r| r.head = TreeHead { timestamp: THEN + 1, ..r.head.head }.sign(&keeper()));
    assert_eq!(error, ReceiptError::Backdated { accepted: THEN, ended: THEN + 2, signed: THEN + 1 });
    // It ended before it was accepted.
    let backdated = entry_at(1, THEN, THEN - 1);
    let log = Log::of([backdated.clone()]);
    let inclusion = InclusionProof::of(0, 1, &log.nodes).unwrap();
    let receipt = ProvenReceipt { entry: backdated, inclusion, head: log.head(THEN + 5) };
    assert!(matches!(receipt.verify(&keeper().key()), Err(ReceiptError::Backdated { .. })));
}

#[test]
fn files_that_are_none_are_refused_with_a_reason() {
    for text in ["", "{}", "[]", "{\"version\":1}"] {
        assert!(matches!(ProvenReceipt::from_json(text.as_bytes()), Err(ReceiptError::Malformed(_))));
        assert!(matches!(LogEvidence::from_json(text.as_bytes()), Err(NoLogEvidence::Malformed(_))));
    }
    let later = proven().to_json().replace("\"version\": 1", "\"version\": 2");
    let error = ProvenReceipt::from_json(later.as_bytes()).unwrap_err().to_string();
    assert_eq!(error, "not a receipt: version 2 is not known, this program reads 1");
}

#[test]
fn contradictions_convict_and_files_keep_them() {
    for (evidence, charge, says) in [
        (forked(), "forked", "two logs of 5 entries with different roots"),
        (
            turned_back(),
            "turned_back",
            "5 entries at 1900000010, and no earlier than that, at 1900000012, only 3",
        ),
        (rewritten(), "rewritten", "what was entry 0 to 3 of its log of 5 entries"),
    ] {
        assert_eq!(evidence.charge(), charge);
        let read = LogEvidence::from_json(evidence.to_json().as_bytes()).unwrap();
        assert_eq!(read, evidence);
        assert_eq!(read.log(), keeper().key());
        let said = read.verify(&keeper().key()).unwrap();
        assert!(said.contains(says), "{said}");
        assert!(matches!(read.verify(&another().key()), Err(NoLogEvidence::Head(_))));
    }
}

#[test]
fn an_honest_log_is_convicted_by_nothing() {
    let heads: Vec<SignedTreeHead> =
        (0..6).map(|n| Log::of((0..n).map(entry)).head(THEN + 10 + u64::from(n))).collect();
    for one in &heads {
        for other in &heads {
            assert_eq!(LogEvidence::of_heads(*one, *other), None);
        }
    }
    // One size signed at two times is no contradiction.
    let again = Log::of((0..5).map(entry)).head(THEN + 99);
    assert_eq!(LogEvidence::of_heads(heads[5], again), None);
    // The same subtree in both trees.
    let (before, after) = (Log::of((0..4).map(entry)), Log::of((0..6).map(entry)));
    let node = NodeId { level: 1, index: 1 };
    let proof = |log: &Log| SubtreeProof::of(node, log.frontier.size(), &log.nodes).unwrap();
    let evidence = LogEvidence::of_rewriting((heads[4], proof(&before)), (heads[5], proof(&after)));
    assert!(matches!(evidence.verify(&keeper().key()), Err(NoLogEvidence::Proof(_))));
    let evidence = LogEvidence::of_rewriting(
        (before.head(THEN + 20), proof(&before)),
        (after.head(THEN + 21), proof(&after)),
    );
    assert_eq!(evidence.verify(&keeper().key()), Err(NoLogEvidence::NoContradiction));
}

#[test]
fn nobody_is_framed_by_heads_that_were_not_signed() {
    // Whoever holds one true head makes the other up.
    let honest = Log::of((0..5).map(entry)).head(THEN + 10);
    let made_up = TreeHead { root: Digest32([1; 32]), ..honest.head }.sign(&another());
    let evidence = LogEvidence::of_heads(honest, made_up).unwrap();
    assert!(matches!(evidence.verify(&keeper().key()), Err(NoLogEvidence::Head(HeadError::Signature(_)))));
    // Or changes a charge that holds into one that does not.
    let text = forked().to_json().replace("\"forked\"", "\"turned_back\"");
    let evidence = LogEvidence::from_json(text.as_bytes()).unwrap();
    assert_eq!(evidence.verify(&keeper().key()), Err(NoLogEvidence::NoContradiction));
    // Heads of two logs.
    let other_log = TreeHead { log: another().key(), ..honest.head }.sign(&another());
    assert_eq!(LogEvidence::of_heads(honest, other_log), None);
}
