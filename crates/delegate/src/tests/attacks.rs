//! For each rule of the protocol that concerns the handover `witness`, the attack that it closes: mounted on a variant without the
//! rule (which lives here and nowhere else), where it succeeds, and on the product, where it fails.
//!
//! | rule | test |
//! |---|---|
//! | every value of degree `2t` is masked | [`without_a_mask_the_view_tells_witnesses_apart`] |
//! | the mask has degree `2t` | [`with_a_mask_of_degree_t_the_view_tells_witnesses_apart`] |
//! | one deal id, in every envelope and every expansion | [`an_envelope_replayed_under_other_public_inputs`] |
//! | independent seeds | [`one_seed_for_two_nodes`], [`seeds_that_follow_from_one_another`] |
//! | expansion names the vector | [`one_stream_for_all_vectors`] |
//! | expansion has 48 bytes or more an element | `tacit-sharing`, `tests/expansion.rs` |
//! | `r, s` never serve two statements | [`blinders_used_for_two_statements`] |
//! | check, then release | [`releasing_without_the_pairing_check`] |
//! | answer once, tombstones | `tests/node.rs` |
//!
//! "Tells apart" is exact: over the toy field the multiset of all joint views of coordinator, assembler and one node differs between two
//! witnesses of one statement. For the product it is the same for all (`tests/privacy.rs`).

use std::collections::BTreeSet;

use ark_ff::AdditiveGroup;
use tacit_algebra::{Bn254, Group, Groups};
use tacit_groth16::prove::prove_with_blinders;
use tacit_groth16::{Proof, verify};
use tacit_sharing::Seed;
use tacit_sharing::interpolate::in_field;

use super::privacy::{WITNESSES, all_responses, joint_views, key};
use super::support::*;
use crate::deal::Dealer;
use crate::package::{self, Body, Package, Shares, Vector};
use crate::{Answer, AssembleError, Deal, RespondError, Seat, Secrets, assemble, respond};

/// A field in which nothing coincides by chance.
type Fr = <Bn254 as Groups>::Scalar;

fn f(x: u64) -> F5 {
    F5::from(x)
}

/// Whether some corrupted node's view differs between some two witnesses.
fn tells_apart(views: impl Fn(&[F5]) -> Vec<Vec<u64>>) -> bool {
    let of = |w: [u64; 2]| views(&[f(w[0]), f(w[1])]);
    let reference = of(WITNESSES[0]);
    WITNESSES[1..].iter().any(|w| of(*w) != reference)
}

#[test]
fn without_a_mask_the_view_tells_witnesses_apart() {
    let (dials, tables) = (dials(3, 1), [all_responses(&key(), 1)]);
    assert!(tells_apart(|witness| joint_views(6, 3, &tables, |drawn| {
        // The mask's two values drawn as zero: no mask.
        let outcome = [drawn[0], drawn[1], F5::ZERO, drawn[2], drawn[3], drawn[4], drawn[5], F5::ZERO];
        let packages = deal_with(dials, witness, &outcome);
        assert!(packages.iter().all(|p| p.mask == F5::ZERO));
        packages
    })));
}

#[test]
fn with_a_mask_of_degree_t_the_view_tells_witnesses_apart() {
    let (dials, tables) = (dials(3, 1), [all_responses(&key(), 1)]);
    assert!(tells_apart(|witness| joint_views(7, 3, &tables, |drawn| {
        // A share of zero of degree 1: z(X) = c X.
        let c = drawn[6];
        let outcome = [drawn[0], drawn[1], c + c, drawn[2], drawn[3], drawn[4], drawn[5], c];
        let packages = deal_with(dials, witness, &outcome);
        assert!(packages.iter().zip(1u64..).all(|(p, i)| p.mask == c * f(i)));
        packages
    })));
}

/// Two answers with one mask, to two lists of public inputs: the attack on a node that opens an envelope under any header.
///
/// With `x` replaced by `x'` in a factor whose other factor is private, the rows' products change by that private factor times `x' - x`, and
/// so does `C`: the difference of two answers, free of the mask, is linear in the node's shares, and its value at 0 in the witness. (In a circuit
/// where public wires meet private ones in no product the difference follows from `A` and `B`, which are seen anyway.)
#[test]
fn an_envelope_replayed_under_other_public_inputs() {
    // Without the rule: envelopes and seeds are not bound to the deal, so every honest node, given its envelope a second
    // time with x = 2, answers a second time from the same shares.
    let (key, dials) = (key(), dials(3, 1));
    let tables = [all_responses(&key, 1), all_responses(&key, 2)];
    let drawn = randomness(dials, 2);
    let dealer = Dealer::new(dials).unwrap();
    assert!(tells_apart(|witness| joint_views(drawn, 3, &tables, |outcome| shares_of_all(
        &dealer, dials, witness, outcome
    ))));

    // With it. The other public inputs are another deal ...
    let deal = dealt(&key, dials, &[f(1)], &[f(2), f(3)], 1);
    let mut other = deal.header.clone();
    other.terms.public = vec![f(2)];
    assert_ne!(other.deal_id(), deal.id);
    // ... so the envelope's associated data differ, under which alone it opens ...
    let seat =
        Seat { deal: deal.id, group: 0, slice: 0, index: 2, node: [1; 32], sealing_key: [2; 32], epoch: 3 };
    let replayed = Seat { deal: other.deal_id(), ..seat };
    assert_ne!(seat.associated_data(), replayed.associated_data());
    // ... and even a node that got the package open refuses it, be it shares or a seed ...
    for package in &deal.packages {
        assert_eq!(
            respond(&key, &other, package),
            Err(RespondError::WrongDeal { package: deal.id, header: other.deal_id() })
        );
    }
    // ... whose expansion is another one. (Over a large field: five elements would coincide by chance.)
    let seed = Seed([9; 32]);
    let mut streams =
        [deal.id, other.deal_id()].map(|id| package::expander::<Fr>(&id, &seed, 0, Vector::Mask));
    assert_ne!(streams[0].next_element(), streams[1].next_element());
}

/// What a coalition opens by interpolating its own shares and those that it computes for others.
fn open(shares: &[(u8, Fr)]) -> Fr {
    in_field(Fr::ZERO, shares).unwrap()
}

#[test]
fn one_seed_for_two_nodes() {
    // Without the rule, t = 2: nodes 1 and 2 have one seed, so their shares are equal, and nodes 1 and 3, who are only two, hold three points.
    let (dials, secret) = (dials(5, 2), [Fr::from(20u64), Fr::from(30u64), Fr::from(600u64)]);
    let seed = Seed([4; 32]);
    let id = crate::DealId([5; 32]);
    let mut free = Vec::new();
    for (vector, len) in [(Vector::Wires, 3), (Vector::BlinderR, 1), (Vector::BlinderS, 1), (Vector::Mask, 1)]
    {
        let mut stream = package::expander::<Fr>(&id, &seed, 0, vector);
        free.extend((0..len).flat_map(|_| [stream.next_element(); 2]));
    }
    let constants = [Fr::from(1u64), Fr::from(2u64), Fr::from(3u64), Fr::from(4u64)];
    let packages = deal_with(dials, &secret, &[&constants[..], &free].concat());
    let attack = |one: &Shares<Fr>, three: &Shares<Fr>, k: usize| {
        open(&[(1, one.wires[k]), (2, one.wires[k]), (3, three.wires[k])])
    };
    for (k, wire) in secret.iter().enumerate() {
        assert_eq!(attack(&packages[0], &packages[2], k), *wire);
    }

    // With it: the seeds of a deal, and of any two deals, are all different, and the attack opens something else.
    let key = setup::<Bn254>(&small_circuit(), &Trapdoor::new(1234, 2, 3, 5, 7));
    let (public, private) = small_witness::<Fr>(20, 30);
    let mut seeds = BTreeSet::new();
    for rng_seed in 0..20 {
        let deal = dealt(&key, dials, &public, &private, rng_seed);
        for package in &deal.packages {
            if let Body::Seed(seed) = &package.body {
                assert!(seeds.insert(seed.0), "a seed came twice");
            }
        }
        let [one, _, three, ..] = &deal.packages[..] else { panic!("five packages") };
        for (k, wire) in private.iter().enumerate() {
            assert_ne!(attack(&one.shares(3).unwrap(), &three.shares(3).unwrap(), k), *wire);
        }
    }
    assert_eq!(seeds.len(), 40);
}

#[test]
fn seeds_that_follow_from_one_another() {
    // Without the rule: a client that draws one seed and counts up. Node 1 computes the seed of node 2, and with it t = 2
    // nodes, 1 and 3, hold three points.
    let next = |seed: &Seed| {
        let mut bytes = seed.0;
        bytes[0] = bytes[0].wrapping_add(1);
        Seed(bytes)
    };
    let id = crate::DealId([5; 32]);
    let (dials, secret) = (dials(5, 2), [Fr::from(42u64)]);
    let seed = Seed([4; 32]);
    let first = |seed: &Seed, vector| package::expander::<Fr>(&id, seed, 0, vector).next_element();
    let vectors = [Vector::Wires, Vector::BlinderR, Vector::BlinderS, Vector::Mask];
    let free: Vec<Fr> = vectors.iter().flat_map(|v| [first(&seed, *v), first(&next(&seed), *v)]).collect();
    let constants = [Fr::from(1u64), Fr::from(2u64), Fr::from(3u64), Fr::from(4u64)];
    let packages = deal_with(dials, &secret, &[&constants[..], &free].concat());
    let guess = |seed: &Seed, three: Fr| {
        open(&[(1, first(seed, Vector::Wires)), (2, first(&next(seed), Vector::Wires)), (3, three)])
    };
    assert_eq!(guess(&seed, packages[2].wires[0]), secret[0]);

    // With it: knowing one seed of a deal, none that is computed from it is another's.
    let key = setup::<Bn254>(&small_circuit(), &Trapdoor::new(1234, 2, 3, 5, 7));
    let (public, private) = small_witness::<Fr>(20, 30);
    let deal = dealt(&key, dials, &public, &private, 3);
    let (Body::Seed(one), Body::Seed(two)) = (&deal.packages[0].body, &deal.packages[1].body) else {
        panic!("two seeds")
    };
    assert_ne!(next(one), *two);
    let mut stream = package::expander::<Fr>(&deal.id, &next(one), 0, Vector::Wires);
    let three = deal.packages[2].shares(3).unwrap().wires[0];
    let opened =
        open(&[(1, deal.packages[0].shares(3).unwrap().wires[0]), (2, stream.next_element()), (3, three)]);
    assert_ne!(opened, private[0]);
}

#[test]
fn one_stream_for_all_vectors() {
    // Without the rule: the vector is not named, so wires, blinders and mask of a seeded node all begin with the same element.
    let (dials, tables) = (dials(3, 1), [all_responses(&key(), 1)]);
    assert!(tells_apart(|witness| joint_views(5, 3, &tables, |drawn| {
        let [r, s, mask, first, second] = drawn else { panic!("five elements") };
        deal_with(dials, witness, &[*r, *s, *mask, *first, *second, *first, *first, *first])
    })));

    // With it: the streams of one seed begin differently.
    let id = crate::DealId([5; 32]);
    let mut vectors = vec![Vector::Wires, Vector::Mask, Vector::Quotient, Vector::TimesS, Vector::TimesR];
    vectors.extend(package::BLINDERS.into_iter().chain(package::MASKS));
    let first = |vector, slice| package::expander::<Fr>(&id, &Seed([4; 32]), slice, vector).next_element();
    let firsts: BTreeSet<Fr> = vectors.iter().flat_map(|v| [first(*v, 0), first(*v, 1)]).collect();
    assert_eq!(firsts.len(), 2 * 11);
}

/// Both proofs, as whoever sees them does, over all blinders: `pairs` are the blinders of the first and the second statement.
fn two_proofs(first: [u64; 3], second: [u64; 3], pairs: impl Iterator<Item = [F5; 4]>) -> Vec<[F5; 6]> {
    let key = key();
    let wires = |w: [u64; 3]| [f(1), f(w[0]), f(w[1]), f(w[2])];
    let mut seen: Vec<[F5; 6]> = pairs
        .map(|[r, s, r2, s2]| {
            let one = prove_with_blinders(&key, &wires(first), r, s).unwrap();
            let two = prove_with_blinders(&key, &wires(second), r2, s2).unwrap();
            [one.a.0, one.b.0, one.c.0, two.a.0, two.b.0, two.c.0]
        })
        .collect();
    seen.sort_unstable();
    seen
}

#[test]
fn blinders_used_for_two_statements() {
    let elements = || (0..5u64).map(f);
    let same = || elements().flat_map(move |r| elements().map(move |s| [r, s, r, s]));
    let fresh = || {
        elements().flat_map(move |r| {
            elements()
                .flat_map(move |s| elements().flat_map(move |r2| elements().map(move |s2| [r, s, r2, s2])))
        })
    };
    // Statements x = 1 and x = 2; the second one's witness differs.
    let (one, two, other) = ([1, 0, 1], [2, 4, 1], [2, 0, 3]);
    // Without the rule, whoever sees both proofs tells which: their difference holds no blinder.
    assert_ne!(two_proofs(one, two, same()), two_proofs(one, other, same()));
    // With it the pair of proofs is the same for both.
    assert_eq!(two_proofs(one, two, fresh()), two_proofs(one, other, fresh()));

    // And the product draws afresh: nothing of two deals under the same terms coincides.
    let key = setup::<Bn254>(&small_circuit(), &Trapdoor::new(1234, 2, 3, 5, 7));
    let (public, private) = small_witness::<Fr>(20, 30);
    let mut rng = rng(8);
    let terms = terms(&key, tacit_algebra::CurveId::Bn254, dials(4, 1), &public);
    let layout = layout(&key);
    let deals: Vec<Deal<Fr>> = (0..2)
        .map(|_| crate::deal(terms.clone(), &layout, Secrets::witness(&private), &mut rng).unwrap())
        .collect();
    assert_ne!(deals[0].header.nonce, deals[1].header.nonce);
    assert_ne!(deals[0].id, deals[1].id);
    let mut elements = BTreeSet::new();
    for deal in &deals {
        let shares: Vec<Shares<Fr>> =
            deal.packages.iter().map(|p| p.shares(3).unwrap().into_owned()).collect();
        elements.insert(open(&[(1, shares[0].r), (2, shares[1].r)]));
        elements.insert(open(&[(1, shares[0].s), (2, shares[1].s)]));
        elements.extend(shares.iter().flat_map(|s| s.wires.iter().copied().chain([s.r, s.s, s.mask])));
        // The mask is of zero, and of degree 2, not 1.
        let masks: Vec<(u8, Fr)> = shares.iter().zip(1..).map(|(s, i)| (i, s.mask)).collect();
        assert_eq!(open(&masks[..3]), Fr::ZERO);
        assert_ne!(open(&masks[..2]), Fr::ZERO);
    }
    assert_eq!(elements.len(), 2 * (2 + 4 * 6));
}

#[test]
fn releasing_without_the_pairing_check() {
    let key = setup::<Bn254>(&small_circuit(), &Trapdoor::new(1234, 2, 3, 5, 7));
    let (public, private) = small_witness::<Fr>(20, 30);
    let deal = dealt(&key, dials(3, 1), &public, &private, 3);
    let answer = |package: &Package<Fr>| Answer {
        place: package.place,
        response: respond(&key, &deal.header, package).unwrap(),
    };
    let mut answers: Vec<_> = deal.packages.iter().map(answer).collect();
    // The lie: node 3 adds a point to its share of C.
    let shifted =
        <Bn254 as Groups>::G1::from_affine(&answers[2].response.c) + <Bn254 as Groups>::G1::generator();
    answers[2].response.c = shifted.to_affine();

    // Without the rule, whoever interpolates and publishes publishes a proof that is none.
    type G1 = <Bn254 as Groups>::G1;
    type G2 = <Bn254 as Groups>::G2;
    let zero = Fr::ZERO;
    let interpolate_g1 = |of: fn(&Answer<Bn254>) -> G1| {
        let shares: Vec<_> = answers.iter().map(|a| (a.place, of(a))).collect();
        tacit_sharing::interpolate::in_group(zero, &shares).unwrap().to_affine()
    };
    let b: Vec<(u8, G2)> = answers.iter().map(|a| (a.place, G2::from_affine(&a.response.b))).collect();
    let released: Proof<Bn254> = Proof {
        a: interpolate_g1(|a| G1::from_affine(&a.response.a)),
        b: tacit_sharing::interpolate::in_group(zero, &b).unwrap().to_affine(),
        c: interpolate_g1(|a| G1::from_affine(&a.response.c)),
    };
    assert!(verify::verify(&key.vk, &public, &released).is_err());

    // With it nothing is released.
    let error = assemble(&key.vk, &deal.header, &answers).unwrap_err();
    assert_eq!(error, AssembleError::Invalid { spare: 0, suspects: vec![] });
}
