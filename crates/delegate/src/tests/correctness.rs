//! Delegated proofs are Groth16 proofs: over both curves, for every committee of up to nine nodes, from any sufficient subset.

use rand_chacha::rand_core::Rng;
use tacit_algebra::{Bls12_381, Bn254, Curve, Groups};
use tacit_groth16::prove::prove_with_blinders;
use tacit_groth16::{ProvingKey, verify};
use tacit_sharing::interpolate::in_field;

use super::support::*;
use crate::{Answer, Deal, Dials, Handover, Layout, Secrets, assemble, respond};

fn real_key<C: Curve>() -> ProvingKey<C> {
    setup(&small_circuit(), &Trapdoor::new(987_654_321, 2, 3, 5, 7))
}

fn answers<G: Groups>(key: &ProvingKey<G>, deal: &Deal<G::Scalar>) -> Vec<Answer<G>> {
    let answer = |package: &crate::Package<G::Scalar>| Answer {
        place: package.place,
        response: respond(key, &deal.header, package).unwrap(),
    };
    deal.packages.iter().map(answer).collect()
}

/// Keeps `size` answers, in any order.
fn choose<T: Copy>(from: &[T], size: usize, rng: &mut impl Rng) -> Vec<T> {
    let mut pool = from.to_vec();
    (0..size).map(|_| pool.swap_remove(rng.next_u64() as usize % pool.len())).collect()
}

fn grid<C: Curve + PartialEq>(ns: std::ops::RangeInclusive<u8>) {
    let key = real_key::<C>();
    let (public, private) = small_witness::<C::Scalar>(20, 30);
    let mut rng = rng(1);
    for n in ns {
        for t in 1..=(n - 1) / 2 {
            let terms = terms(&key, C::ID, dials(n, t), &public);
            let deal = crate::deal(terms, &layout(&key), Secrets::witness(&private), &mut rng).unwrap();
            assert_eq!(deal.packages.len(), usize::from(n));
            let answers = answers(&key, &deal);
            let all = assemble(&key.vk, &deal.header, &answers).unwrap();
            assert_eq!(verify::verify(&key.vk, &public, &all.proof), Ok(()));
            for _ in 0..2 {
                let some = choose(&answers, usize::from(2 * t + 1), &mut rng);
                let assembled = assemble(&key.vk, &deal.header, &some).unwrap();
                // Whichever answered, it is the same proof: that of the blinders that were dealt.
                assert_eq!(assembled, all, "n = {n}, t = {t}");
            }
            assert!(all.suspects.is_empty());
        }
    }
}

#[test]
fn any_sufficient_subset_gives_the_proof_on_bn254() {
    grid::<Bn254>(3..=9);
}

#[test]
fn any_sufficient_subset_gives_the_proof_on_bls12_381() {
    grid::<Bls12_381>(3..=7);
}

/// Every setting of at most nine nodes over all groups, with every number of spare answers: what the first verifier that comes along takes.
#[test]
fn every_setting_of_up_to_nine_nodes_with_every_number_of_spare_answers() {
    let key = real_key::<Bn254>();
    let (public, private) = small_witness::<<Bn254 as Groups>::Scalar>(20, 30);
    let quotient = super::quotient::quotient(&key, &public, &private);
    let mut rng = rng(7);
    let mut settings = 0;
    for handover in [Handover::Witness, Handover::Quotient] {
        for (n, t, groups) in
            (2u8..=9).flat_map(|n| (1..n).flat_map(move |t| (1..=9 / n).map(move |g| (n, t, g))))
        {
            let dials = Dials::new(handover, n, t).and_then(|dials| dials.with_groups(groups));
            let Ok(dials) = dials else {
                let possible = match handover {
                    Handover::Witness => 2 * t < n && groups == 1,
                    _ => true,
                };
                assert!(!possible, "{handover} n = {n}, t = {t}, groups = {groups}");
                continue;
            };
            let secrets = match handover {
                Handover::Witness => Secrets::witness(&private),
                _ => Secrets { private: &private, quotient: &quotient },
            };
            let terms = terms(&key, Bn254::ID, dials, &public);
            let deal = crate::deal(terms, &Layout::of(&key, handover), secrets, &mut rng).unwrap();
            let answers = answers(&key, &deal);
            for spare in 0..=n - dials.answers_needed() {
                let each = usize::from(dials.answers_needed() + spare);
                let some: Vec<_> =
                    answers.chunks(usize::from(n)).flat_map(|group| choose(group, each, &mut rng)).collect();
                let assembled = assemble(&key.vk, &deal.header, &some).unwrap();
                assert_eq!(verify::verify(&key.vk, &public, &assembled.proof), Ok(()));
                assert!(assembled.suspects.is_empty(), "{handover} {n} {t} {groups}, {spare} to spare");
                settings += 1;
            }
        }
    }
    assert!(settings > 150, "{settings}");
}

#[test]
fn the_largest_committee() {
    grid::<Bn254>(16..=16);
}

#[test]
fn the_proof_is_the_one_that_a_single_prover_makes_with_the_same_blinders() {
    let key = real_key::<Bn254>();
    let (public, private) = small_witness(4, 5);
    let deal = dealt(&key, dials(4, 1), &public, &private, 5);
    let [one, two, ..] = &deal.packages[..] else { panic!("four packages") };
    let (one, two) = (one.shares(3).unwrap(), two.shares(3).unwrap());
    let zero = 0u64.into();
    let r = in_field(zero, &[(1, one.r), (2, two.r)]).unwrap();
    let s = in_field(zero, &[(1, one.s), (2, two.s)]).unwrap();
    let witness: Vec<_> = [1u64.into()].into_iter().chain(public).chain(private).collect();
    let alone = prove_with_blinders(&key, &witness, r, s).unwrap();
    assert_eq!(assemble(&key.vk, &deal.header, &answers(&key, &deal)).unwrap().proof, alone);
}

#[test]
fn the_toy_groups_prove_too() {
    for witness in super::privacy::WITNESSES {
        let key = super::privacy::key();
        let private: Vec<F5> = witness.iter().map(|w| F5::from(*w)).collect();
        for seed in 0..100 {
            let deal = dealt(&key, dials(4, 1), &[F5::from(1u64)], &private, seed);
            let assembled = assemble(&key.vk, &deal.header, &answers(&key, &deal)[1..]).unwrap();
            assert_eq!(verify::verify(&key.vk, &[F5::from(1u64)], &assembled.proof), Ok(()));
            assert!(verify::verify(&key.vk, &[F5::from(2u64)], &assembled.proof).is_err());
        }
    }
}

#[test]
fn responding_twice_gives_the_same_bytes() {
    let key = real_key::<Bls12_381>();
    let (public, private) = small_witness(4, 5);
    let terms = terms(&key, Bls12_381::ID, dials(3, 1), &public);
    let deal = crate::deal(terms, &layout(&key), Secrets::witness(&private), &mut rng(4)).unwrap();
    for package in &deal.packages {
        let first = respond(&key, &deal.header, package).unwrap();
        assert_eq!(first.encode(), respond(&key, &deal.header, package).unwrap().encode());
    }
}
