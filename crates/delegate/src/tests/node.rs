//! A node's checks before it answers, and that it answers once.

use super::support::*;
use crate::record::{Request, decide};
use crate::{
    AcceptError, Acknowledgement, AcknowledgementError, Assignment, CircuitShape, Culprit, Deal, Decision,
    Holder, Record, Refusal, Seat, accept,
};
use tacit_algebra::{Bn254, Groups};
use tacit_groth16::CircuitId;

type Fr = <Bn254 as Groups>::Scalar;

const ENVELOPE: &[u8] = b"an envelope, as far as this crate is concerned";
const NOW: u64 = 1_900_000_000;
const HOLDER: Holder = Holder { node: [1; 32], sealing_key: [2; 32], epoch: 3 };

struct Offer {
    deal: Deal<Fr>,
    circuit: CircuitShape,
    seat: Seat,
}

impl Offer {
    fn new(seed: u64) -> Self {
        let key = setup::<Bn254>(&small_circuit(), &Trapdoor::new(987_654_321, 2, 3, 5, 7));
        let (public, private) = small_witness(20, 30);
        let deal = dealt(&key, dials(4, 1), &public, &private, seed);
        let seat = Seat {
            deal: deal.id,
            group: 0,
            slice: 0,
            index: 2,
            node: HOLDER.node,
            sealing_key: HOLDER.sealing_key,
            epoch: HOLDER.epoch,
        };
        Self { deal, circuit: CircuitShape::of(&key), seat }
    }

    fn accept(&self, assignment: &Assignment, envelope: &[u8], now: u64) -> Result<Request, AcceptError> {
        accept(&self.deal.header, assignment, envelope, &HOLDER, &self.circuit, now)
    }

    fn request(&self, envelope: &[u8]) -> Request {
        self.accept(&self.seat.assign(envelope), envelope, NOW).unwrap()
    }
}

#[test]
fn what_is_not_right_about_an_offer_is_named() {
    let offer = Offer::new(1);
    let good = offer.seat.assign(ENVELOPE);
    let request = offer.accept(&good, ENVELOPE, NOW).unwrap();
    assert_eq!((request.seat(), request.expiry()), (&offer.seat, 2_000_000_000));

    let check = |assignment: Assignment, envelope: &[u8], culprit: Culprit| {
        let error = offer.accept(&assignment, envelope, NOW).unwrap_err();
        assert_eq!(error.culprits(), [culprit], "{error}");
        error
    };
    let with = |change: fn(&mut Seat)| {
        let mut seat = offer.seat;
        change(&mut seat);
        seat.assign(ENVELOPE)
    };
    let error = check(with(|s| s.deal.0[0] ^= 1), ENVELOPE, Culprit::Coordinator);
    assert!(matches!(error, AcceptError::WrongDeal { .. }));
    for index in [0, 5, 255] {
        let mut seat = offer.seat;
        seat.index = index;
        let error = check(seat.assign(ENVELOPE), ENVELOPE, Culprit::Client);
        assert_eq!(error, AcceptError::NoSuchSeat { group: 0, slice: 0, index });
    }
    assert!(matches!(
        check(with(|s| s.group = 1), ENVELOPE, Culprit::Client),
        AcceptError::NoSuchSeat { .. }
    ));
    assert!(matches!(
        check(with(|s| s.slice = 1), ENVELOPE, Culprit::Client),
        AcceptError::NoSuchSeat { .. }
    ));
    assert_eq!(check(with(|s| s.node[0] ^= 1), ENVELOPE, Culprit::Coordinator), AcceptError::WrongNode);
    assert_eq!(
        check(with(|s| s.epoch += 1), ENVELOPE, Culprit::Nobody),
        AcceptError::WrongSealingKey { assigned: 4, held: 3 }
    );
    assert!(matches!(
        check(with(|s| s.sealing_key[0] ^= 1), ENVELOPE, Culprit::Nobody),
        AcceptError::WrongSealingKey { .. }
    ));
    assert_eq!(check(good, b"another envelope", Culprit::Coordinator), AcceptError::WrongEnvelope);

    let mut other = CircuitShape { id: CircuitId([9; 32]), ..offer.circuit };
    let accept_for = |circuit: &CircuitShape| {
        accept(&offer.deal.header, &good, ENVELOPE, &HOLDER, circuit, NOW).unwrap_err()
    };
    assert!(matches!(accept_for(&other), AcceptError::Circuit { .. }));
    other = CircuitShape { n_public: 3, ..offer.circuit };
    assert_eq!(accept_for(&other), AcceptError::PublicInputs { expected: 3, got: 2 });
}

#[test]
fn an_offer_expires() {
    let offer = Offer::new(1);
    let good = offer.seat.assign(ENVELOPE);
    assert!(offer.accept(&good, ENVELOPE, 2_000_000_000).is_ok());
    let error = offer.accept(&good, ENVELOPE, 2_000_000_001).unwrap_err();
    assert!(matches!(error, AcceptError::Expired(_)));
    assert_eq!(error.to_string(), "the deal expired 1 s ago; deal afresh");
}

fn record(decision: Decision) -> Record {
    match decision {
        Decision::Answer(record) => record,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_deal_is_answered_once_and_identically_ever_after() {
    let offer = Offer::new(1);
    let request = offer.request(ENVELOPE);
    let begun = record(decide(None, &request));
    assert_eq!((begun.deal(), begun.group(), begun.index()), (offer.deal.id, 0, 2));
    assert_eq!(begun.sealed_response(), None);
    // A crash before the response is on disk: the same record, the same response computed again.
    assert_eq!(decide(Some(&begun), &request), Decision::Answer(begun.clone()));

    let answered = begun.clone().answered(vec![1, 2, 3]);
    assert_eq!(decide(Some(&answered), &request), Decision::Repeat(vec![1, 2, 3]));
    // Sealing is randomised; a second sealed response never takes the place of the first.
    let again = answered.clone().answered(vec![4, 5, 6]);
    assert_eq!(again.sealed_response(), Some(&[1, 2, 3][..]));
}

#[test]
fn another_envelope_or_index_of_the_same_deal_is_refused() {
    let offer = Offer::new(1);
    let begun = record(decide(None, &offer.request(ENVELOPE)));
    let second_index = {
        let seat = Seat { index: 3, ..offer.seat };
        offer.accept(&seat.assign(ENVELOPE), ENVELOPE, NOW).unwrap()
    };
    for held in
        [begun.clone(), begun.clone().answered(vec![1]), begun.clone().answered(vec![1]).retired(u64::MAX)]
    {
        let refusal = Refusal::OtherEnvelope { index: 2 };
        assert_eq!(decide(Some(&held), &offer.request(b"a second one")), Decision::Refuse(refusal));
        assert_eq!(refusal.culprits(), [Culprit::Client]);
        let refusal = Refusal::OtherIndex { held: 2, asked: 3 };
        assert_eq!(decide(Some(&held), &second_index), Decision::Refuse(refusal));
        assert_eq!(refusal.culprits(), [Culprit::Client]);
    }
    // Another deal is another record.
    let other = Offer::new(2);
    assert_ne!(other.deal.id, offer.deal.id);
    assert_eq!(decide(Some(&begun), &other.request(ENVELOPE)), Decision::Refuse(Refusal::WrongRecord));
    assert!(matches!(decide(None, &other.request(ENVELOPE)), Decision::Answer(_)));
}

/// The attack that tombstones close: an old offer comes back to a node that has cleaned up, whose clock is wrong.
#[test]
fn a_tombstone_outlives_the_deal() {
    let offer = Offer::new(1);
    let request = offer.request(ENVELOPE);
    let answered = record(decide(None, &request)).answered(vec![1]);
    let after = 2_000_000_001;

    // Without the rule: the record is deleted at expiry, the clock goes back, and the node computes an answer again.
    let forgotten: Option<&Record> = None;
    assert!(matches!(decide(forgotten, &offer.request(ENVELOPE)), Decision::Answer(_)));

    // With it.
    assert_eq!(answered.clone().retired(NOW), answered);
    let tombstone = answered.clone().retired(after);
    assert!(tombstone.is_tombstone());
    assert_eq!(tombstone.sealed_response(), None);
    assert_eq!(decide(Some(&tombstone), &offer.request(ENVELOPE)), Decision::Refuse(Refusal::Over));
    // It does not rise again, and goes only with the key that opens the envelope.
    assert!(tombstone.clone().retired(NOW).is_tombstone());
    assert!(tombstone.clone().answered(vec![9]).is_tombstone());
    assert!(!tombstone.may_be_forgotten(|_| false));
    assert!(tombstone.may_be_forgotten(|key| *key == HOLDER.sealing_key));
    assert!(!answered.may_be_forgotten(|_| true));
}

/// A crash at any point between two writes: whatever is on disk then, all responses that ever leave are the same bytes.
#[test]
fn a_crash_at_any_point_changes_nothing() {
    let offer = Offer::new(1);
    let request = offer.request(ENVELOPE);
    for crash_after in 0..4 {
        let mut disk: Option<Vec<u8>> = None;
        let mut sent: Vec<Vec<u8>> = Vec::new();
        let mut sealings = 0u8;
        for run in 0..3 {
            let steps = if run == 0 { crash_after } else { usize::MAX };
            let held = disk.as_ref().map(|bytes| Record::decode(bytes).unwrap());
            match decide(held.as_ref(), &request) {
                Decision::Answer(record) => {
                    if steps < 1 {
                        continue;
                    }
                    disk = Some(record.encode());
                    if steps < 2 {
                        continue;
                    }
                    sealings += 1;
                    let answered = record.answered(vec![sealings]);
                    disk = Some(answered.encode());
                    if steps < 3 {
                        continue;
                    }
                    sent.push(answered.sealed_response().unwrap().to_vec());
                }
                Decision::Repeat(sealed) => sent.push(sealed),
                Decision::Refuse(refusal) => panic!("{refusal}"),
            }
        }
        assert!(sent.len() >= 2);
        assert!(sent.windows(2).all(|w| w[0] == w[1]), "crash after {crash_after} steps");
    }
}

#[test]
fn an_acknowledgement_of_something_else_names_the_node() {
    let offer = Offer::new(1);
    let assignment = offer.seat.assign(ENVELOPE);
    let package = offer.deal.packages[1].encode();
    let good = Acknowledgement::new(&assignment, &package);
    assert_eq!(good.check(&assignment, &package, dials(4, 1)), Ok(()));
    let other_package = Acknowledgement::new(&assignment, &offer.deal.packages[2].encode());
    let error = other_package.check(&assignment, &package, dials(4, 1)).unwrap_err();
    assert_eq!(error, AcknowledgementError::Package { place: 2 });
    assert_eq!(error.culprits(), [Culprit::Node(2)]);
    let other_assignment = Acknowledgement::new(&offer.seat.assign(b"other"), &package);
    assert_eq!(
        other_assignment.check(&assignment, &package, dials(4, 1)),
        Err(AcknowledgementError::Assignment { place: 2 })
    );
}

/// The salt: an acknowledgement of known shares does not confirm a guess of them.
#[test]
fn an_acknowledgement_does_not_confirm_a_guess() {
    let offer = Offer::new(1);
    let assignment = offer.seat.assign(ENVELOPE);
    let package = &offer.deal.packages[1];
    let mut guess = package.clone();
    guess.salt = [0; 32];
    assert_ne!(
        Acknowledgement::new(&assignment, &guess.encode()),
        Acknowledgement::new(&assignment, &package.encode())
    );
    let salts: std::collections::BTreeSet<_> = offer.deal.packages.iter().map(|p| p.salt).collect();
    assert_eq!(salts.len(), 4);
}

#[test]
fn secrets_are_not_printed() {
    let offer = Offer::new(1);
    let shown = format!("{:?}", offer.deal);
    assert!(shown.contains("Explicit(..)") && shown.contains("Seed(..)"), "{shown}");
    for package in &offer.deal.packages {
        assert!(!shown.contains(&format!("{:?}", package.salt)));
        for wire in &package.shares(3).unwrap().wires {
            assert!(!shown.contains(&wire.to_string()));
        }
    }
}
