//! Slices of a key: cut where client and nodes agree, and answering as the whole key does.

use std::borrow::Cow;

use ark_ff::{AdditiveGroup, Field};
use tacit_algebra::{Bls12_381, Bn254, CurveId, Group, Groups, Point};
use tacit_groth16::{KeyError, ProvingKey};
use zeroize::Zeroizing;

use super::quotient::{dealt, dials, key_slices, layout, real_key};
use super::support::*;
use crate::circuit::Slice;
use crate::encoding::Malformed;
use crate::package::QuotientShares;
use crate::{
    Body, CircuitShape, Culprit, Deal, Dials, Handover, KeyPart, KeySlice, Layout, NodeKey, Package,
    RespondError, Response, Secrets, ShareCounts, key_slice, respond,
};

type Fr = <Bn254 as Groups>::Scalar;

/// A circuit in which some private wires have a base in A, some in B, some in both and some in neither. Nobody proves it.
fn patchy_circuit() -> Circuit {
    let wire = |k: u32| 3 + k % 45;
    Circuit {
        n_wires: 48,
        n_public: 2,
        log_domain: 5,
        constraints: (0..24)
            .map(|k| (vec![(wire(7 * k), 1), (k % 3, 2)], vec![(wire(2 * k), 3)], vec![(wire(5 * k + 1), 1)]))
            .collect(),
        rows: vec![0, 1, 2],
    }
}

fn patchy_key<G: Groups>() -> ProvingKey<G> {
    setup(&patchy_circuit(), &Trapdoor::new(3, 2, 3, 5, 7))
}

/// A deal of values that are no witness: formulas do not mind.
fn deal_of_anything<G: Groups>(key: &ProvingKey<G>, dials: Dials, seed: u64) -> Deal<G::Scalar> {
    let values =
        |n: usize, first: u64| (first..).take(n).map(|k| G::Scalar::from(k * k + 3)).collect::<Vec<_>>();
    let (public, private) = (values(key.n_public, 1), values(key.n_private(), 5));
    let quotient = values(key.h_query.len(), 11);
    let secrets = Secrets { private: &private, quotient: &quotient };
    let terms = terms(key, CurveId::Bn254, dials, &public);
    crate::deal(terms, &layout(key), secrets, &mut rng(seed)).unwrap()
}

/// How a node computed before there were slices: over the whole key, with a zero for each wire that is not the slice's.
fn over_the_whole_key<G: Groups>(
    key: &ProvingKey<G>,
    layout: &Layout,
    slice: &Slice,
    public: &[G::Scalar],
    shares: &QuotientShares<G::Scalar>,
) -> Response<G> {
    let zero = G::Scalar::ZERO;
    let [r, s, rs] = shares.blinders.unwrap_or([zero; 3]);
    let [mask_a, mask_b, mask_c] = shares.masks.unwrap_or([zero; 3]);
    let once = if shares.blinders.is_some() { G::Scalar::ONE } else { zero };
    let on_wires = |multiple: G::Scalar, dealt: &mut dyn Iterator<Item = (usize, &G::Scalar)>| {
        let mut values = Zeroizing::new(Vec::with_capacity(key.n_wires));
        values.push(multiple);
        values.extend(public.iter().map(|x| multiple * x));
        values.resize(key.n_wires, zero);
        for (wire, value) in dealt {
            values[key.n_public + 1 + wire] = *value;
        }
        values
    };
    let [with_s, with_r] = layout.wires_of_products(slice);
    let index = |wire: &u32| *wire as usize;
    let wires = on_wires(once, &mut slice.wires.clone().zip(&shares.wires));
    let times_s = on_wires(s, &mut with_s.iter().map(index).zip(&shares.times_s));
    let times_r = on_wires(r, &mut with_r.iter().map(index).zip(&shares.times_r));
    let l_query = &key.l_query[slice.wires.clone()];
    let h_query = &key.h_query[slice.quotient.clone()];
    let mut a = G::G1::msm(&key.a_query, &wires);
    let mut b = G::G2::msm(&key.b_g2_query, &wires);
    let mut c = G::G1::msm_of([(l_query, &shares.wires), (h_query, &shares.quotient)])
        + G::G1::msm_of([(&key.a_query, &times_s), (&key.b_g1_query, &times_r)]);
    if shares.blinders.is_some() {
        let (alpha, delta) = (G::G1::from_affine(&key.vk.alpha_g1), G::G1::from_affine(&key.delta_g1));
        a += alpha + delta.scale(&r);
        b += G::G2::from_affine(&key.vk.beta_g2) + G::G2::from_affine(&key.vk.delta_g2).scale(&s);
        c += alpha.scale(&s) + G::G1::from_affine(&key.beta_g1).scale(&r) + delta.scale(&rs);
    }
    if shares.masks.is_some() {
        a += G::G1::generator().scale(&mask_a);
        b += G::G2::generator().scale(&mask_b);
        c += G::G1::generator().scale(&mask_c);
    }
    Response { a: a.to_affine(), b: b.to_affine(), c: c.to_affine() }
}

/// Every place of every number of groups: slice, whole key and the formulas of before give the same bytes.
fn the_same_answers<G: Groups>(key: &ProvingKey<G>, groups: impl IntoIterator<Item = u8>) {
    let layout = layout(key);
    for groups in groups {
        let dials = dials(2, 1).with_groups(groups).unwrap();
        let deal = deal_of_anything(key, dials, groups.into());
        let slices = key_slices(key, groups);
        for package in &deal.packages {
            let (group, _) = dials.seat_at(package.place).unwrap();
            let slice = &slices[usize::from(group)];
            let shares = package.quotient_shares(&ShareCounts::of_slice(slice)).unwrap();
            let cut = layout.slice(group, groups);
            let before = over_the_whole_key(key, &layout, &cut, &deal.header.terms.public, &shares).encode();
            let from_slice = respond(slice, &deal.header, package).unwrap().encode();
            let from_key = respond(key, &deal.header, package).unwrap().encode();
            assert!(from_slice == before && from_key == before, "{groups} groups, place {}", package.place);
        }
    }
}

#[test]
fn answers_are_those_of_the_whole_key_on_bn254() {
    the_same_answers(&patchy_key::<Bn254>(), 1..=9);
    the_same_answers(&real_key::<Bn254>(), [1, 2, 9]);
}

#[test]
fn answers_are_those_of_the_whole_key_on_bls12_381() {
    the_same_answers(&patchy_key::<Bls12_381>(), [1, 2, 5]);
}

#[test]
fn answers_are_those_of_the_whole_key_over_toy_fields() {
    the_same_answers(&super::privacy::key(), 1..=32);
    let key: ProvingKey<ToyGroups<F17>> = setup(&small_circuit(), &Trapdoor::new(0, 2, 3, 5, 7));
    the_same_answers(&key, 1..=32);
}

/// Client and nodes agree: for every number of groups each slice has what the layout deals its group, in the layout's order, and together
/// the slices have each base once.
fn slices_are_the_layouts<G: Groups>(key: &ProvingKey<G>) {
    let layout = layout(key);
    let public = key.n_public + 1;
    for groups in 1..=9 {
        let slices = key_slices(key, groups);
        for (group, slice) in (0..groups).zip(&slices) {
            let cut = layout.slice(group, groups);
            assert_eq!(slice.check_shape(), Ok(()));
            assert_eq!((slice.group, slice.groups, slice.once.is_some()), (group, groups, group == 0));
            assert_eq!(ShareCounts::of_slice(slice), layout.share_counts(group, groups));
            let node = NodeKey::from(slice);
            assert_eq!(node.circuit(), CircuitShape::of(key));
            let dials = dials(2, 1).with_groups(groups).unwrap();
            assert_eq!(node.share_counts(dials, group), NodeKey::from(key).share_counts(dials, group));
            assert_eq!(slice.l_query, key.l_query[cut.wires.clone()]);
            assert_eq!(slice.h_query, key.h_query[cut.quotient.clone()]);
            let [in_a, in_b] = layout.wires_of_products(&cut);
            let of_key = |relative: &[u32]| -> Vec<u32> {
                relative.iter().map(|wire| wire + cut.wires.start as u32).collect()
            };
            assert_eq!(
                (of_key(&slice.wires_in_a), of_key(&slice.wires_in_b)),
                (in_a.to_vec(), in_b.to_vec())
            );
            for (k, wire) in in_a.iter().enumerate() {
                assert_eq!(slice.a_query[k], key.a_query[public + *wire as usize]);
                assert!(!slice.a_query[k].is_identity());
            }
            for (k, wire) in in_b.iter().enumerate() {
                assert_eq!(slice.b_g1_query[k], key.b_g1_query[public + *wire as usize]);
                assert_eq!(slice.b_g2_query[k], key.b_g2_query[public + *wire as usize]);
            }
        }
        let finite = |query: &[<G::G1 as Group<G::Scalar>>::Affine]| {
            query.iter().skip(public).filter(|base| !base.is_identity()).count()
        };
        let sum = |of: fn(&KeySlice<G>) -> usize| slices.iter().map(of).sum::<usize>();
        assert_eq!(sum(|slice| slice.l_query.len()), key.l_query.len());
        assert_eq!(sum(|slice| slice.h_query.len()), key.h_query.len());
        assert_eq!(sum(|slice| slice.a_query.len()), finite(&key.a_query));
        assert_eq!(sum(|slice| slice.b_g1_query.len()), finite(&key.b_g1_query));
        let once = slices[0].once.as_ref().unwrap();
        assert_eq!(once.a_query, key.a_query[..public]);
        assert_eq!(once.b_g1_query, key.b_g1_query[..public]);
        assert_eq!(once.b_g2_query, key.b_g2_query[..public]);
    }
}

#[test]
fn slices_are_cut_where_the_layout_has_them_cut() {
    slices_are_the_layouts(&patchy_key::<Bn254>());
    slices_are_the_layouts(&real_key::<Bls12_381>());
    slices_are_the_layouts(&super::privacy::key());
}

/// The bases that no share is multiplied with and the matrices stay away, so that even the only slice is smaller than the key.
#[test]
fn slices_are_smaller_than_the_key() {
    let key = patchy_key::<Bn254>();
    let whole = key.bytes_in_memory();
    assert!(key_slice(&key, 0, 1).unwrap().bytes_in_memory() < whole);
    let largest = key_slices(&key, 4).iter().map(KeySlice::bytes_in_memory).max().unwrap();
    // A small circuit: what there is once and the vectors' own sizes weigh more than in a real one.
    assert!(2 * largest < whole, "{largest} of {whole}");
}

#[test]
fn there_are_as_many_slices_as_groups() {
    let key = real_key::<Bn254>();
    for (group, groups) in [(0, 0), (1, 1), (2, 2), (255, 9)] {
        assert_eq!(key_slice(&key, group, groups), Err(KeyError::Slice { group, groups }));
    }
    let dials = dials(2, 1).with_groups(3).unwrap();
    assert_eq!(KeyPart::of(dials, 2), Some(KeyPart::Slice { group: 2, groups: 3 }));
    assert_eq!(KeyPart::of(dials, 3), None);
    assert_eq!(KeyPart::of(super::support::dials(3, 1), 0), Some(KeyPart::Whole));
    assert_eq!(KeyPart::of(super::support::dials(3, 1), 1), None);
}

/// A node that mixes up its slices says so and blames nobody; it does not answer with the wrong one.
#[test]
fn a_slice_answers_for_its_own_seats_only() {
    let key = real_key::<Bn254>();
    let witness = small_witness::<Fr>(20, 30);
    let dials = dials(2, 1).with_groups(2).unwrap();
    let deal = dealt(&key, dials, &witness, 5);
    let slice = |group, groups| key_slice(&key, group, groups).unwrap();
    let needed = KeyPart::Slice { group: 0, groups: 2 };
    for held in [(1, 2), (0, 1), (0, 3)] {
        let error = respond(&slice(held.0, held.1), &deal.header, &deal.packages[0]).unwrap_err();
        let held = KeyPart::Slice { group: held.0, groups: held.1 };
        assert_eq!(error, RespondError::Part { needed, held });
        assert_eq!(error.culprits(), [Culprit::Nobody]);
        let said = "the seat needs slice 0 of 2 of the proving key, at hand is";
        assert!(error.to_string().starts_with(said), "{error}");
    }
    let (public, private) = &witness;
    let other = super::support::dealt(&key, super::support::dials(3, 1), public, private, 1);
    assert_eq!(
        respond(&slice(0, 1), &other.header, &other.packages[0]),
        Err(RespondError::Part { needed: KeyPart::Whole, held: KeyPart::Slice { group: 0, groups: 1 } })
    );
    let mut of_another = slice(0, 2);
    of_another.circuit_id.0 = [9; 32];
    let error = respond(&of_another, &deal.header, &deal.packages[0]).unwrap_err();
    assert!(matches!(error, RespondError::Circuit { .. }));
}

/// A package is decoded with what the slice knows alone, for places of its group; its shares are in memory once.
#[test]
fn a_node_decodes_with_its_slice_and_holds_the_shares_once() {
    let key = real_key::<Bn254>();
    let dials = dials(2, 1).with_groups(2).unwrap();
    let deal = dealt(&key, dials, &small_witness::<Fr>(20, 30), 5);
    for group in 0..2u8 {
        let slice = key_slice(&key, group, 2).unwrap();
        let counts = NodeKey::from(&slice).share_counts(dials, group).unwrap();
        assert_eq!(NodeKey::from(&slice).share_counts(dials, 1 - group), None);
        for package in &deal.packages {
            let bytes = package.encode();
            let decoded = Package::<Fr>::decode_for(&bytes, &counts, dials);
            if dials.seat_at(package.place).unwrap().0 != group {
                let error = decoded.unwrap_err();
                let got = package.place.into();
                assert_eq!(error.reason, Malformed::Range { field: "place", got });
                assert_eq!(error.culprits(), [Culprit::Client]);
                continue;
            }
            let decoded = decoded.unwrap();
            assert_eq!(&decoded, package);
            assert_eq!(decoded, Package::decode(&bytes, &layout(&key), dials).unwrap());
            let shares = decoded.quotient_shares(&counts).unwrap();
            let written_out = matches!(decoded.body, Body::ExplicitQuotient(_));
            assert_eq!(matches!(shares, Cow::Borrowed(_)), written_out);
        }
    }
    let witness = Layout::of(&key, Handover::Witness).share_counts(0, 1);
    let dials = super::support::dials(3, 1);
    assert_eq!(NodeKey::from(&key).share_counts(dials, 0), Some(witness));
}
