//! Bad input and faults: each gets a typed error that names the culprit, or is survived.

use ark_ff::Field;
use tacit_algebra::{Bls12_381, Bn254, CurveId, DecodeError, G1Affine, G2Affine, Group, Groups, Point};
use tacit_groth16::{CircuitId, ProvingKey};

use super::support::*;
use crate::encoding::Malformed;
use crate::{
    Answer, AssembleError, Body, Culprit, Deal, DealError, DealId, Dials, DialsError, Handover, Package,
    RespondError, Response, Secrets, assemble, respond,
};

type Fr = <Bn254 as Groups>::Scalar;
type G1 = <Bn254 as Groups>::G1;
type G2 = <Bn254 as Groups>::G2;

fn key() -> ProvingKey<Bn254> {
    setup(&small_circuit(), &Trapdoor::new(987_654_321, 2, 3, 5, 7))
}

struct Job {
    key: ProvingKey<Bn254>,
    deal: Deal<Fr>,
    answers: Vec<Answer<Bn254>>,
}

fn job_with(dials: Dials, private: &[Fr]) -> Job {
    let key = key();
    let (public, _) = small_witness(20, 30);
    let deal = dealt(&key, dials, &public, private, 11);
    let answer =
        |p: &Package<Fr>| Answer { place: p.place, response: respond(&key, &deal.header, p).unwrap() };
    let answers = deal.packages.iter().map(answer).collect();
    Job { key, deal, answers }
}

fn job(dials: Dials) -> Job {
    job_with(dials, &small_witness(20, 30).1)
}

/// Which part of its answer a liar changes.
#[derive(Debug, Clone, Copy)]
enum Lie {
    A,
    B,
    C,
    All,
}

const LIES: [Lie; 4] = [Lie::A, Lie::B, Lie::C, Lie::All];

impl Job {
    fn lie(&mut self, index: u8, lie: Lie) {
        let response = &mut self.answers.iter_mut().find(|a| a.place == index).unwrap().response;
        let k = Fr::from(1000 + u64::from(index) * u64::from(index));
        if matches!(lie, Lie::A | Lie::All) {
            response.a = (G1::from_affine(&response.a) + G1::generator().scale(&k)).to_affine();
        }
        if matches!(lie, Lie::B | Lie::All) {
            response.b = (G2::from_affine(&response.b) + G2::generator().scale(&k)).to_affine();
        }
        if matches!(lie, Lie::C | Lie::All) {
            response.c = (G1::from_affine(&response.c) + G1::generator().scale(&k)).to_affine();
        }
    }

    fn assemble(&self, indices: &[u8]) -> Result<Vec<u8>, AssembleError> {
        let chosen: Vec<_> = indices.iter().map(|i| self.answers[usize::from(*i) - 1]).collect();
        assemble(&self.key.vk, &self.deal.header, &chosen).map(|assembled| assembled.suspects)
    }
}

#[test]
fn one_liar_among_four_is_survived_and_suspected() {
    for liar in 1..=4 {
        for lie in LIES {
            let mut job = job(dials(4, 1));
            job.lie(liar, lie);
            assert_eq!(job.assemble(&[1, 2, 3, 4]), Ok(vec![liar]), "node {liar} lies in {lie:?}");
        }
    }
}

#[test]
fn several_liars_are_survived_while_enough_are_honest() {
    let mut job = job(dials(9, 2));
    job.lie(1, Lie::C);
    job.lie(2, Lie::All);
    assert_eq!(job.assemble(&[1, 2, 3, 4, 5, 6, 7, 8, 9]), Ok(vec![1, 2]));
    job.lie(8, Lie::A);
    job.lie(3, Lie::C);
    // Four liars of nine: beyond unique decoding, yet the five honest ones give the one subset that verifies.
    assert_eq!(job.assemble(&[9, 8, 7, 6, 5, 4, 3, 2, 1]), Ok(vec![1, 2, 3, 8]));
    job.lie(9, Lie::B);
    let error = job.assemble(&[1, 2, 3, 4, 5, 6, 7, 8, 9]).unwrap_err();
    assert!(matches!(&error, AssembleError::Contradiction { silent, .. } if silent.is_empty()));
    assert_eq!(error.culprits(), [Culprit::Unknown]);
    assert!(error.to_string().contains("Deal afresh, to a disjoint committee"), "{error}");
}

#[test]
fn too_few_answers_say_how_many_are_missing_and_whose() {
    let job = job(dials(7, 2));
    let error = job.assemble(&[2, 7, 4]).unwrap_err();
    assert_eq!(error, AssembleError::TooFew { group: None, needed: 5, got: 3, silent: vec![1, 3, 5, 6] });
    assert_eq!(error.to_string(), "3 answers, 5 are needed: 2 missing, of nodes 1, 3, 5 and 6");
    assert_eq!(error.culprits(), [1, 3, 5, 6].map(Culprit::Node));
    assert!(matches!(job.assemble(&[]), Err(AssembleError::TooFew { got: 0, .. })));
}

#[test]
fn indices_that_are_none_or_come_twice_are_refused() {
    let job = job(dials(4, 1));
    assert_eq!(job.assemble(&[1, 2, 2]), Err(AssembleError::Duplicate { place: 2 }));
    for index in [0, 5, 255] {
        let mut answers = job.answers.clone();
        answers[0].place = index;
        let error = assemble(&job.key.vk, &job.deal.header, &answers).unwrap_err();
        assert_eq!(error, AssembleError::Place { place: index, seats: 4 });
        assert_eq!(error.culprits(), [Culprit::Coordinator]);
    }
}

#[test]
fn a_wrong_witness_blames_no_node() {
    for (n, t) in [(3, 1), (4, 1), (7, 2)] {
        let mut private = small_witness::<Fr>(20, 30).1;
        private[0] += Fr::ONE;
        let job = job_with(dials(n, t), &private);
        let indices: Vec<u8> = (1..=n).collect();
        let error = job.assemble(&indices).unwrap_err();
        let spare = usize::from(n - 2 * t - 1);
        assert_eq!(error, AssembleError::Invalid { spare, suspects: vec![] });
        assert!(error.to_string().contains("the witness may be wrong"), "{error}");
        assert_eq!(error.to_string().contains("no spare answer"), spare == 0);
        assert_eq!(error.culprits(), [Culprit::Unknown]);
    }
}

#[test]
fn a_wrong_witness_and_a_liar_are_told_apart_where_decoding_is_unique() {
    let mut private = small_witness::<Fr>(20, 30).1;
    private[1] += Fr::ONE;
    for lie in LIES {
        // Five answers, three needed: one liar is tolerated.
        let mut job = job_with(dials(5, 1), &private);
        job.lie(2, lie);
        assert_eq!(
            job.assemble(&[1, 2, 3, 4, 5]),
            Err(AssembleError::Invalid { spare: 2, suspects: vec![2] }),
            "{lie:?}"
        );
    }
}

#[test]
fn a_lie_without_spare_answers_is_caught_and_blames_nobody_wrongly() {
    for lie in LIES {
        let mut job = job(dials(4, 1));
        job.lie(3, lie);
        let error = job.assemble(&[2, 3, 4]).unwrap_err();
        match lie {
            // Three points are on one polynomial of degree 2, whatever they are.
            Lie::C => assert_eq!(error, AssembleError::Invalid { spare: 0, suspects: vec![] }),
            Lie::A | Lie::B | Lie::All => {
                let expected =
                    AssembleError::Contradiction { answered: vec![2, 3, 4], silent: vec![1], tried: 1 };
                assert_eq!(error, expected);
                assert!(error.to_string().contains("Wait for nodes 1"), "{error}");
            }
        }
        assert_eq!(error.culprits(), [Culprit::Unknown]);
        // The node that had not answered answers: now there is a proof.
        assert_eq!(job.assemble(&[1, 2, 3, 4]), Ok(vec![3]));
    }
}

#[test]
fn a_verification_key_of_another_circuit_is_named() {
    let mut job = job(dials(3, 1));
    job.key.vk.ic.pop();
    assert_eq!(job.assemble(&[1, 2, 3]), Err(AssembleError::PublicInputs { expected: 1, got: 2 }));
}

#[test]
fn a_node_refuses_what_is_not_its_deal() {
    let Job { key, deal, .. } = job(dials(5, 2));
    let seed = &deal.packages[0];
    let explicit = &deal.packages[4];
    let refused =
        |header: &crate::DealHeader<Fr>, package: &Package<Fr>| respond(&key, header, package).unwrap_err();

    let mut moved = explicit.clone();
    moved.deal = DealId([1; 32]);
    let error = refused(&deal.header, &moved);
    assert_eq!(error, RespondError::WrongDeal { package: moved.deal, header: deal.id });
    assert_eq!(error.culprits(), [Culprit::Client]);

    for index in [0, 6, 255] {
        let mut moved = explicit.clone();
        moved.place = index;
        assert_eq!(refused(&deal.header, &moved), RespondError::Place { place: index, seats: 5 });
    }
    for (package, index) in [(seed, 3), (explicit, 2)] {
        let mut moved = package.clone();
        moved.place = index;
        let error = refused(&deal.header, &moved);
        assert_eq!(error, RespondError::Body { place: index, seeded: index <= 2 });
        assert_eq!(error.culprits(), [Culprit::Client]);
    }
    let mut short = explicit.clone();
    if let Body::Explicit(shares) = &mut short.body {
        shares.wires.pop();
    }
    let error = refused(&deal.header, &short);
    assert_eq!(error, RespondError::Shares { of: "private wires", expected: 3, got: 2 });
    assert_eq!(error.culprits(), [Culprit::Client]);

    // Headers that name another circuit or have other public inputs are other deals; a package of them is refused too.
    let mut header = deal.header.clone();
    header.terms.circuit = CircuitId([8; 32]);
    let mut package = explicit.clone();
    package.deal = header.deal_id();
    let error = refused(&header, &package);
    assert_eq!(error, RespondError::Circuit { deal: CircuitId([8; 32]), key: CircuitId([7; 32]) });
    let mut header = deal.header.clone();
    header.terms.public.push(Fr::ONE);
    package.deal = header.deal_id();
    let error = refused(&header, &package);
    assert_eq!(error, RespondError::PublicInputs { expected: 2, got: 3 });
}

#[test]
fn a_client_deals_only_what_fits_the_circuit() {
    let key = key();
    let (public, private) = small_witness::<Fr>(20, 30);
    let layout = layout(&key);
    let deal = |terms, private: &[Fr]| {
        crate::deal(terms, &layout, Secrets::witness(private), &mut rng(1)).unwrap_err()
    };
    let good = || terms(&key, CurveId::Bn254, dials(4, 1), &public);
    assert_eq!(deal(good(), &private[1..]), DealError::PrivateWires { expected: 3, got: 2 });
    let mut bad = good();
    bad.public.pop();
    assert_eq!(deal(bad, &private), DealError::PublicInputs { expected: 2, got: 1 });
    let mut bad = good();
    bad.circuit = CircuitId([0; 32]);
    assert!(matches!(deal(bad, &private), DealError::Circuit { .. }));
    let mut bad = good();
    bad.assembler_key = vec![0; 2049];
    assert_eq!(deal(bad, &private), DealError::AssemblerKey { got: 2049 });
}

#[test]
fn a_field_too_small_for_the_committee_is_refused() {
    let key = super::privacy::key();
    let terms = terms(&key, CurveId::Bn254, dials(5, 1), &[F5::ONE]);
    let error =
        crate::deal(terms, &layout(&key), Secrets::witness(&[F5::ONE, F5::ONE]), &mut rng(1)).unwrap_err();
    assert!(matches!(error, DealError::Sharing(tacit_sharing::SharingError::SmallField { n: 5 })));
    assert_eq!(error.culprits(), [Culprit::Nobody]);
}

#[test]
fn dials_have_their_ranges_and_reserved_codes() {
    for n in 0..=255u8 {
        for t in 0..=255u8 {
            let possible = (3..=16).contains(&n) && t >= 1 && u16::from(n) > 2 * u16::from(t);
            assert_eq!(Dials::new(Handover::Witness, n, t).is_ok(), possible, "n = {n}, t = {t}");
        }
    }
    let four = dials(4, 1);
    assert_eq!((four.answers_needed(), four.product_degree(), four.groups()), (3, 2, 1));
    let error = DialsError::NotSupported { handover: "inputs" };
    assert_eq!(Handover::from_code(3), Err(error.clone()));
    assert_eq!("inputs".parse::<Handover>(), Err(error.clone()));
    assert_eq!(error.culprits(), [Culprit::Nobody]);
    assert!(error.to_string().contains("not supported by this version"));
    assert!(matches!(Handover::from_code(0), Err(DialsError::UnknownHandover { .. })));
    assert!(matches!("wit".parse::<Handover>(), Err(DialsError::UnknownHandover { .. })));
    for handover in [Handover::Witness, Handover::Quotient] {
        assert_eq!(handover.name().parse(), Ok(handover));
        assert_eq!(Handover::from_code(handover.code()), Ok(handover));
    }
}

/// A point of the curve that is not in the subgroup, big-endian as in a response.
fn outside_subgroup<P: Point>(candidate: impl Fn(u64) -> Option<P>) -> Vec<u8> {
    (1..)
        .filter_map(candidate)
        .map(|p| {
            let mut bytes = Vec::new();
            p.write_be(&mut bytes);
            bytes
        })
        .find(|bytes| P::read_be(bytes) == Err(DecodeError::NotInSubgroup))
        .unwrap()
}

/// The error that decoding a node's bytes gives, after checking that the node is named.
fn refused<G: Groups>(bytes: &[u8]) -> Malformed {
    let error = Answer::<G>::decode(6, bytes).unwrap_err();
    assert_eq!(error.culprits(), [Culprit::Node(6)]);
    assert!(error.to_string().starts_with("node 6 gave no valid response: malformed response"), "{error}");
    error.error.reason
}

#[test]
fn a_response_that_is_garbage_or_no_point_names_the_node() {
    let job = job(dials(3, 1));
    let good = job.answers[0].response.encode();
    assert_eq!(good.len(), Response::<Bn254>::LEN);
    assert_eq!(Response::<Bn254>::decode(&good), Ok(job.answers[0].response));

    assert!(matches!(refused::<Bn254>(b""), Malformed::Truncated { .. }));
    assert!(matches!(refused::<Bn254>(b"who knows"), Malformed::Version { .. }));
    assert!(matches!(refused::<Bls12_381>(&good), Malformed::Element { .. } | Malformed::Truncated { .. }));
    let change = |at: usize, with: &[u8]| {
        let mut bytes = good.clone();
        bytes[at..at + with.len()].copy_from_slice(with);
        refused::<Bn254>(&bytes)
    };
    assert_eq!(change(0, &[2]), Malformed::Version { got: 2 });
    assert_eq!(change(2, &[1]), Malformed::Message { got: 1 });
    // A: a coordinate not below the modulus; a point off the curve.
    let element = |field, error| Malformed::Element { field, error };
    assert_eq!(change(3, &[0xff; 32]), element("A", DecodeError::NonCanonical));
    assert_eq!(change(3 + 63, &[good[3 + 63] ^ 1]), element("A", DecodeError::NotOnCurve));
    assert_eq!(change(3 + 64 + 127, &[good[3 + 64 + 127] ^ 1]), element("B", DecodeError::NotOnCurve));
    assert_eq!(change(3 + 192 + 63, &[good[3 + 192 + 63] ^ 1]), element("C", DecodeError::NotOnCurve));
    // B outside the subgroup: on the twist of BN254 almost every point is.
    let x = G2::generator().to_affine().x;
    let one = x * x.inverse().unwrap();
    let b = outside_subgroup(|k| {
        let moved = (0..k).fold(x, |x, _| x + one);
        G2Affine::<Bn254>::get_point_from_x_unchecked(moved, false)
    });
    assert_eq!(change(3 + 64, &b), element("B", DecodeError::NotInSubgroup));
}

/// The first group of BLS12-381 has a cofactor too.
#[test]
fn a_response_outside_the_first_subgroup_is_refused() {
    type G1 = <Bls12_381 as Groups>::G1;
    let x = G1::generator().to_affine().x;
    let one = x * x.inverse().unwrap();
    let a = outside_subgroup(|k| {
        let moved = (0..k).fold(x, |x, _| x + one);
        G1Affine::<Bls12_381>::get_point_from_x_unchecked(moved, false)
    });
    let identity = Response::<Bls12_381> { a: Point::identity(), b: Point::identity(), c: Point::identity() };
    for (field, at) in [("A", 3), ("C", 3 + 96 + 192)] {
        let mut bytes = identity.encode();
        bytes[at..at + 96].copy_from_slice(&a);
        let expected = Malformed::Element { field, error: DecodeError::NotInSubgroup };
        assert_eq!(refused::<Bls12_381>(&bytes), expected);
    }
}
