//! Receipts of jobs: what is written is read, nothing else is; byte-exact vectors; whose signatures are checked; what is not in them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use common::*;
use proptest::prelude::*;
use serde_json::json;
use tacit_algebra::CurveId;
use tacit_delegate::{Dials, Handover};
use tacit_wire::messages::{Assembler, RefusalCode};
use tacit_wire::receipt::{JobOutcome, MAX_FAILURE_CODE, MAX_RECEIPT_BYTES, ReceiptInvalid};
use tacit_wire::{
    Acknowledgement, Digest32, Identity, Receipt, ReceiptSeat, SeatOutcome, SignedAcknowledgement,
    SignedReceipt,
};

fn coordinator() -> Identity {
    Identity::from_seed(&counting(0x50))
}

fn nth_node(i: u8) -> Identity {
    Identity::from_seed(&[i; 32])
}

fn acknowledged(node: &Identity, i: u8) -> SeatOutcome {
    let acknowledgement = Acknowledgement { assignment: [i; 32], package: [i + 1; 32] };
    SeatOutcome::Acknowledged(SignedAcknowledgement::sign(node, acknowledgement))
}

/// One of each.
fn receipt(outcome: JobOutcome) -> Receipt {
    let seat = |place, i, outcome| ReceiptSeat { place, node: nth_node(i).key(), outcome };
    Receipt {
        coordinator: coordinator().key(),
        job: Digest32(counting(0xa0)),
        circuit: Digest32(counting(0xc0)),
        curve: CurveId::Bn254,
        dials: Dials::new(Handover::Witness, 4, 1).unwrap(),
        assembler: Assembler::Client,
        accepted: 1_900_000_000,
        ended: 1_900_000_007,
        outcome,
        seats: vec![
            seat(1, 1, acknowledged(&nth_node(1), 0x61)),
            seat(2, 2, SeatOutcome::Refused(RefusalCode::StaleSealingKey)),
            seat(3, 3, SeatOutcome::Replaced),
            seat(3, 5, acknowledged(&nth_node(5), 0x71)),
            seat(4, 4, SeatOutcome::Silent),
        ],
    }
}

#[test]
fn vectors() {
    let cases: Vec<_> = [
        JobOutcome::Answered,
        JobOutcome::Proved,
        JobOutcome::Failed("not_enough_nodes".to_owned()),
        JobOutcome::Expired,
    ]
    .into_iter()
    .map(|outcome| {
        let signed = receipt(outcome).sign(&coordinator());
        let encoding = signed.encode();
        assert_eq!(SignedReceipt::decode(&encoding).unwrap(), signed);
        signed.verify(&coordinator().key()).unwrap();
        json!({ "view": signed.view(), "encoding": hex::encode(encoding) })
    })
    .collect();
    let about = "A receipt as it stands in the log; the table in crates/wire/src/receipt.rs says what each byte is. The coordinator's seed is \
                 `coordinator_seed`, that of the node of a seat 32 times the same byte (1 for place 1, 5 for the one that replaced node 3).";
    check_vectors(
        "receipt",
        &json!({ "about": about, "coordinator_seed": hex::encode(*coordinator().to_seed()), "vectors": cases }),
    );
}

#[test]
fn every_byte_matters_and_no_other_length_is_read() {
    let signed = receipt(JobOutcome::Failed("cancelled".to_owned())).sign(&coordinator());
    let encoding = signed.encode();
    for cut in 0..encoding.len() {
        assert!(SignedReceipt::decode(&encoding[..cut]).is_err(), "{cut} bytes");
    }
    assert!(SignedReceipt::decode(&[&encoding[..], &[0]].concat()).is_err());
    for at in 0..encoding.len() {
        let mut changed = encoding.clone();
        changed[at] ^= 1;
        let read = SignedReceipt::decode(&changed);
        assert!(read.is_err() || read.unwrap().verify(&coordinator().key()).is_err(), "byte {at}");
    }
}

#[test]
fn only_one_order_and_one_node_for_each_place_are_read() {
    // `sign` puts them into order.
    let mut shuffled = receipt(JobOutcome::Answered);
    shuffled.seats.reverse();
    let signed = shuffled.sign(&coordinator());
    assert_eq!(signed, receipt(JobOutcome::Answered).sign(&coordinator()));
    let mut wrong: Vec<Receipt> = Vec::new();
    for change in [
        (|r: &mut Receipt| r.seats.truncate(r.seats.len() - 1)) as fn(&mut Receipt),
        |r| r.seats[4].place = 5,
        |r| r.seats[4].place = 0,
        |r| r.seats[2].outcome = SeatOutcome::Silent,
        |r| r.seats.push(r.seats[2].clone()),
        |r| r.seats.clear(),
        |r| r.outcome = JobOutcome::Failed(String::new()),
        |r| r.outcome = JobOutcome::Failed("No Capitals".to_owned()),
        |r| r.outcome = JobOutcome::Failed("x".repeat(MAX_FAILURE_CODE + 1)),
    ] {
        let mut receipt = receipt(JobOutcome::Answered);
        change(&mut receipt);
        wrong.push(receipt);
    }
    for receipt in wrong {
        let error = SignedReceipt::decode(&receipt.clone().sign(&coordinator()).encode()).unwrap_err();
        assert_eq!(error.what, "receipt", "{receipt:?}");
    }
}

#[test]
fn a_failure_of_any_text_becomes_a_code() {
    for (text, code) in [
        ("not_enough_nodes", "not_enough_nodes"),
        ("", "failed"),
        ("ÄÖÜ", "failed"),
        ("a b\u{7}c", "abc"),
        (&*"z".repeat(1000), &*"z".repeat(MAX_FAILURE_CODE)),
    ] {
        assert_eq!(JobOutcome::failed(text), JobOutcome::Failed(code.to_owned()));
        SignedReceipt::decode(&receipt(JobOutcome::failed(text)).sign(&coordinator()).encode()).unwrap();
    }
}

#[test]
fn nobody_else_can_sign_and_no_acknowledgement_can_be_made_up() {
    let key = coordinator().key();
    let by_another = receipt(JobOutcome::Proved).sign(&nth_node(9));
    assert!(matches!(by_another.verify(&key), Err(ReceiptInvalid::Coordinator(_))));
    let other = nth_node(9).key();
    let signed = receipt(JobOutcome::Proved).sign(&coordinator());
    assert_eq!(signed.verify(&other), Err(ReceiptInvalid::OtherCoordinator { expected: other, got: key }));
    // The coordinator says that node 4 acknowledged; the signature is another node's.
    let mut made_up = receipt(JobOutcome::Proved);
    made_up.seats[4].outcome = acknowledged(&nth_node(1), 0x61);
    let error = made_up.sign(&coordinator()).verify(&key).unwrap_err();
    assert!(matches!(error, ReceiptInvalid::Acknowledgement { place: 4, .. }), "{error}");
    assert!(error.to_string().contains("node 4 acknowledged"), "{error}");
}

#[test]
fn the_largest_receipt_is_within_the_bound() {
    let node = nth_node(1);
    let mut largest = receipt(JobOutcome::Failed("x".repeat(MAX_FAILURE_CODE)));
    largest.dials = Dials::new(Handover::Quotient, 16, 1).unwrap().with_groups(4).unwrap();
    largest.seats = (1..=64)
        .map(|place| ReceiptSeat { place, node: node.key(), outcome: acknowledged(&node, 0x20) })
        .chain((0..960u32).map(|i| {
            let mut identity = node.key();
            identity.0[..4].copy_from_slice(&i.to_be_bytes());
            ReceiptSeat { place: 64, node: identity, outcome: SeatOutcome::Replaced }
        }))
        .collect();
    let encoding = largest.sign(&coordinator()).encode();
    assert!(encoding.len() <= MAX_RECEIPT_BYTES);
    assert_eq!(SignedReceipt::decode(&encoding).unwrap().receipt.seats.len(), 1024);
}

proptest! {
    #[test]
    fn whatever_bytes_come_nothing_panics_and_what_is_read_is_what_is_written(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        if let Ok(signed) = SignedReceipt::decode(&bytes) {
            prop_assert_eq!(signed.encode(), bytes);
        }
    }

    #[test]
    fn changed_receipts_do_not_panic(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = receipt(JobOutcome::Answered).sign(&coordinator()).encode();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(signed) = SignedReceipt::decode(&bytes) {
            prop_assert_eq!(signed.encode(), bytes);
        }
    }
}
