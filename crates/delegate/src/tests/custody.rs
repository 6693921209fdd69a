//! What the client may do with a deal after dealing it.

use tacit_algebra::{Bn254, CurveId, Group, Groups};
use tacit_groth16::{ProvingKey, qap};

use super::support::*;
use crate::{
    Answer, Body, Custody, CustodyError, Deal, Dials, Handover, Judgement, Layout, OpeningError, Package,
    Secrets, respond,
};

type Fr = <Bn254 as Groups>::Scalar;
type G1 = <Bn254 as Groups>::G1;

/// A deal with all that was needed for it.
struct Case {
    key: ProvingKey<Bn254>,
    layout: Layout,
    private: Vec<Fr>,
    quotient: Vec<Fr>,
    deal: Deal<Fr>,
    custody: Custody<Fr>,
}

fn small_key() -> ProvingKey<Bn254> {
    setup(&small_circuit(), &Trapdoor::new(987_654_321, 2, 3, 5, 7))
}

fn case(dials: Dials, tolerated: u8, seed: u64) -> Case {
    let key = small_key();
    let (public, private) = small_witness::<Fr>(20, 30);
    let wires: Vec<Fr> = [Fr::from(1u64)].iter().chain(&public).chain(&private).copied().collect();
    let quotient = match dials.handover() {
        Handover::Quotient => qap::quotient(&key, &key.domain().unwrap(), &wires),
        _ => Vec::new(),
    };
    let layout = Layout::of(&key, dials.handover());
    let secrets = Secrets { private: &private, quotient: &quotient };
    let terms = terms(&key, CurveId::Bn254, dials, &public);
    let (deal, custody) = Custody::deal(terms, &layout, secrets, tolerated, &mut rng(seed)).unwrap();
    Case { key, layout, private, quotient, deal, custody }
}

impl Case {
    fn secrets(&self) -> Secrets<'_, Fr> {
        Secrets { private: &self.private, quotient: &self.quotient }
    }

    fn answer(&self, place: u8) -> Answer<Bn254> {
        let package = &self.deal.packages[usize::from(place) - 1];
        Answer { place, response: respond(&self.key, &self.deal.header, package).unwrap() }
    }

    fn lie(&self, place: u8) -> Answer<Bn254> {
        let mut answer = self.answer(place);
        answer.response.a = (G1::from_affine(&answer.response.a) + G1::generator()).to_affine();
        answer
    }

    fn judge(&self, answer: &Answer<Bn254>) -> Judgement<Fr> {
        self.custody.judge(&self.key, &self.layout, self.secrets(), answer).unwrap()
    }

    fn resend(&mut self, place: u8, node: u8) -> Result<Package<Fr>, CustodyError> {
        let secrets = Secrets { private: &self.private, quotient: &self.quotient };
        self.custody.resend(&self.layout, secrets, place, [node; 32])
    }
}

fn witness(n: u8, t: u8) -> Dials {
    Dials::new(Handover::Witness, n, t).unwrap()
}

fn quotient(n: u8, t: u8, groups: u8) -> Dials {
    Dials::new(Handover::Quotient, n, t).unwrap().with_groups(groups).unwrap()
}

#[test]
fn a_package_is_sent_again_byte_for_byte_and_to_nobody_who_holds_one() {
    for dials in [witness(4, 1), witness(7, 3), quotient(3, 2, 1), quotient(3, 2, 2)] {
        let mut case = case(dials, 1, 1);
        for place in 1..=dials.seats() {
            case.custody.assign(place, [place; 32]).unwrap();
        }
        for place in 1..=dials.seats() {
            let again = case.resend(place, 100 + place).unwrap();
            assert_eq!(*again.encode(), *case.deal.packages[usize::from(place) - 1].encode());
            // Neither another's holder, nor its own once more, nor who replaced one.
            for holder in (1..=dials.seats()).chain(101..=100 + place) {
                let held = if holder > 100 { holder - 100 } else { holder };
                assert_eq!(case.resend(place, holder).unwrap_err(), CustodyError::HoldsPlace { held });
            }
        }
        assert_eq!(case.custody.holders().len(), 2 * usize::from(dials.seats()));
        let seats = dials.seats();
        for place in [0, seats + 1, u8::MAX] {
            assert_eq!(case.resend(place, 99).unwrap_err(), CustodyError::Place { place, seats });
            assert_eq!(
                case.custody.assign(place, [99; 32]).unwrap_err(),
                CustodyError::Place { place, seats }
            );
        }
    }
}

#[test]
fn two_deals_of_one_witness_share_nothing() {
    let (one, other) = (case(witness(4, 1), 1, 1), case(witness(4, 1), 1, 2));
    assert_ne!(one.deal.id, other.deal.id);
    for (a, b) in one.deal.packages.iter().zip(&other.deal.packages) {
        assert_ne!(a.salt, b.salt);
        match (&a.body, &b.body) {
            (Body::Seed(a), Body::Seed(b)) => assert_ne!(a.0, b.0),
            (Body::Explicit(a), Body::Explicit(b)) => {
                assert!(a.wires.iter().zip(&b.wires).all(|(a, b)| a != b));
                assert!(a.r != b.r && a.s != b.s && a.mask != b.mask);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn other_secrets_are_never_dealt_with_the_same_randomness() {
    let mut case = case(witness(4, 1), 1, 3);
    let other: Vec<Fr> = case.private.iter().map(|w| *w + Fr::from(1u64)).collect();
    let secrets = Secrets::witness(&other);
    // Place 1 has a seed, which is the same whatever the witness: to send it again is as safe as the first time.
    for place in 2..=4 {
        let refused = case.custody.resend(&case.layout, secrets, place, [9; 32]).unwrap_err();
        assert_eq!(refused, CustodyError::OtherSecrets { place });
        let refused = case.custody.judge(&case.key, &case.layout, secrets, &case.answer(place)).unwrap_err();
        assert_eq!(refused, CustodyError::OtherSecrets { place });
    }
    assert!(case.custody.holders().is_empty());
}

#[test]
fn only_what_was_computed_wrongly_can_be_opened() {
    for dials in [witness(7, 2), quotient(5, 2, 1), quotient(5, 2, 2)] {
        let mut case = case(dials, 1, 4);
        for place in 1..=dials.seats() {
            // There is nothing to call `open` with.
            assert!(matches!(case.judge(&case.answer(place)), Judgement::Right), "place {place}");
        }
        let Judgement::Wrong(wrong) = case.judge(&case.lie(3)) else { panic!("a lie passed") };
        assert_eq!(wrong.place(), 3);
        let opened = case.custody.open(&wrong).unwrap();
        assert_eq!(opened.place(), 3);
        assert_eq!(*opened.into_bytes(), *case.deal.packages[2].encode());
    }
}

#[test]
fn shares_opened_and_corruptions_tolerated_stay_within_the_threshold_of_each_group() {
    for (dials, tolerated) in [
        (witness(4, 1), 1),
        (witness(9, 4), 1),
        (witness(9, 4), 3),
        (quotient(5, 4, 2), 2),
        (quotient(3, 2, 3), 2),
    ] {
        let mut case = case(dials, tolerated, 5);
        let t = dials.threshold();
        for group in 0..dials.groups() {
            for index in 1..=dials.nodes() {
                let place = dials.place(group, index);
                let Judgement::Wrong(wrong) = case.judge(&case.lie(place)) else { panic!("a lie passed") };
                if index + tolerated <= t {
                    case.custody.open(&wrong).unwrap();
                    // Once more is no more.
                    case.custody.open(&wrong).unwrap();
                } else {
                    let expected =
                        OpeningError::TooMany { place, threshold: t, tolerated, opened: t - tolerated };
                    assert_eq!(case.custody.open(&wrong).unwrap_err(), expected);
                }
            }
        }
    }
}

#[test]
fn a_wrong_answer_of_another_deal_opens_nothing() {
    let one = case(witness(7, 2), 1, 6);
    let mut other = case(witness(7, 2), 1, 7);
    let Judgement::Wrong(wrong) = one.judge(&one.lie(2)) else { panic!("a lie passed") };
    assert_eq!(other.custody.open(&wrong).unwrap_err(), OpeningError::OtherDeal);
}

#[test]
fn tolerating_none_or_more_than_the_threshold_is_refused() {
    let key = small_key();
    let (public, private) = small_witness::<Fr>(20, 30);
    for tolerated in [0, 3, u8::MAX] {
        let terms = terms(&key, CurveId::Bn254, witness(7, 2), &public);
        let refused = Custody::deal(terms, &layout(&key), Secrets::witness(&private), tolerated, &mut rng(8))
            .unwrap_err();
        assert_eq!(refused, CustodyError::Tolerated { threshold: 2, tolerated });
    }
}
