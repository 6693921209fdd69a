//! The handover `quotient`: its proofs, its privacy, and the attack that its dealt products close.
//!
//! # Privacy, exactly
//!
//! Everything dealt is a sharing of degree `t`, and a response is a linear function of a package: nobody multiplies shares. So for
//! given blinders `r, s` the joint view of coordinator, assembler and `t` nodes (all responses, the packages of the corrupted nodes) is an
//! affine function of the free shares, whose linear part depends neither on the witness nor on `r, s` (checked). Its distribution is uniform on
//! a coset of one linear space, and over all `r, s` a mixture of such. Two witnesses give the same distribution exactly if they
//! give the same cosets equally often: this is counted, over all `r, s`, for every set of `t` nodes.

use ark_ff::{Field, PrimeField};
use tacit_algebra::{Bls12_381, Bn254, Curve, Group, Groups, ScalarField};
use tacit_groth16::prove::prove_with_blinders;
use tacit_groth16::{Proof, ProvingKey, qap, verify};

use super::rank::{row_reduce, two_witnesses};
use super::support::*;
use crate::circuit::Slice;
use crate::deal::{Dealer, Part};
use crate::package::{BLINDERS, MASKS, QuotientShares, Vector, WhichGroup};
use crate::{
    Answer, AssembleError, Body, CircuitShape, Culprit, Deal, DealError, Dials, DialsError, Handover,
    KeySlice, Layout, Package, RespondError, Secrets, assemble, key_slice, respond,
};

type Fr = <Bn254 as Groups>::Scalar;

pub(super) fn dials(n: u8, t: u8) -> Dials {
    Dials::new(Handover::Quotient, n, t).unwrap()
}

pub(super) fn layout<G: Groups>(key: &ProvingKey<G>) -> Layout {
    Layout::of(key, Handover::Quotient)
}

pub(super) fn key_slices<G: Groups>(key: &ProvingKey<G>, groups: u8) -> Vec<KeySlice<G>> {
    (0..groups).map(|group| key_slice(key, group, groups).unwrap()).collect()
}

/// The quotient of a witness.
pub(super) fn quotient<G: Groups>(
    key: &ProvingKey<G>,
    public: &[G::Scalar],
    private: &[G::Scalar],
) -> Vec<G::Scalar> {
    let wires: Vec<G::Scalar> = [G::Scalar::ONE].iter().chain(public).chain(private).copied().collect();
    qap::quotient(key, &key.domain().unwrap(), &wires)
}

pub(super) fn dealt<C: Curve>(
    key: &ProvingKey<C>,
    dials: Dials,
    (public, private): &(Vec<C::Scalar>, Vec<C::Scalar>),
    seed: u64,
) -> Deal<C::Scalar> {
    let quotient = quotient(key, public, private);
    let secrets = Secrets { private, quotient: &quotient };
    crate::deal(terms(key, C::ID, dials, public), &layout(key), secrets, &mut rng(seed)).unwrap()
}

fn answers<G: Groups>(key: &ProvingKey<G>, deal: &Deal<G::Scalar>) -> Vec<Answer<G>> {
    let answer = |package: &Package<G::Scalar>| Answer {
        place: package.place,
        response: respond(key, &deal.header, package).unwrap(),
    };
    deal.packages.iter().map(answer).collect()
}

pub(super) fn real_key<C: Curve>() -> ProvingKey<C> {
    setup(&small_circuit(), &Trapdoor::new(987_654_321, 2, 3, 5, 7))
}

/// Every committee of up to nine nodes, every threshold, every window of `t + 1` answers.
fn grid<C: Curve + PartialEq>(largest: u8) {
    let key = real_key::<C>();
    let witness = small_witness::<C::Scalar>(20, 30);
    for n in (2..=largest).chain([16]) {
        for t in if n == 16 { 15..n } else { 1..n } {
            let deal = dealt(&key, dials(n, t), &witness, u64::from(n) * 16 + u64::from(t));
            assert_eq!(deal.packages.len(), usize::from(n));
            let answers = answers(&key, &deal);
            let all = assemble(&key.vk, &deal.header, &answers).unwrap();
            assert_eq!(verify::verify(&key.vk, &witness.0, &all.proof), Ok(()));
            assert!(all.suspects.is_empty());
            for some in answers.windows(usize::from(t) + 1) {
                assert_eq!(assemble(&key.vk, &deal.header, some).unwrap(), all, "n = {n}, t = {t}");
            }
            assert!(matches!(
                assemble(&key.vk, &deal.header, &answers[..usize::from(t)]),
                Err(AssembleError::TooFew { .. })
            ));
        }
    }
}

#[test]
fn any_sufficient_subset_gives_the_proof_on_bn254() {
    grid::<Bn254>(9);
}

#[test]
fn any_sufficient_subset_gives_the_proof_on_bls12_381() {
    grid::<Bls12_381>(5);
}

#[test]
fn the_proof_is_the_one_that_a_single_prover_makes_with_the_same_blinders() {
    let key = real_key::<Bn254>();
    let witness = small_witness(4, 5);
    let deal = dealt(&key, dials(2, 1), &witness, 3);
    let counts = layout(&key).share_counts(0, 1);
    let shares: Vec<_> = deal.packages.iter().map(|p| p.quotient_shares(&counts).unwrap()).collect();
    let open = |of: fn(&QuotientShares<_>) -> _| {
        tacit_sharing::interpolate::in_field(0u64.into(), &[(1, of(&shares[0])), (2, of(&shares[1]))])
            .unwrap()
    };
    let (r, s) = (open(|shares| shares.blinders.unwrap()[0]), open(|shares| shares.blinders.unwrap()[1]));
    let wires: Vec<_> = [1u64.into()].into_iter().chain(witness.0).chain(witness.1).collect();
    let alone = prove_with_blinders(&key, &wires, r, s).unwrap();
    assert_eq!(assemble(&key.vk, &deal.header, &answers(&key, &deal)).unwrap().proof, alone);
}

/// With `t = n - 1` one node gets vectors, each other 32 bytes; products only where there is a base.
#[test]
fn all_but_one_node_get_seeds_and_products_are_dealt_where_a_base_is() {
    let key = real_key::<Bn254>();
    let deal = dealt(&key, dials(5, 4), &small_witness(4, 5), 4);
    let [seeds @ .., last] = &deal.packages[..] else { panic!("five packages") };
    assert!(seeds.iter().all(|p| matches!(p.body, Body::Seed(_))));
    let Body::ExplicitQuotient(shares) = &last.body else { panic!("shares written out") };
    let finite = |query: &[_]| {
        query[key.n_public + 1..].iter().filter(|p| !tacit_algebra::Point::is_identity(*p)).count()
    };
    assert_eq!(shares.wires.len(), 3);
    assert_eq!(shares.quotient.len(), 8);
    // Every wire is in some row of A, the first one in none of B.
    assert_eq!((shares.times_s.len(), shares.times_r.len()), (finite(&key.a_query), finite(&key.b_g1_query)));
    assert!(shares.times_s.len() + shares.times_r.len() < 2 * shares.wires.len());
}

const ONLY: WhichGroup = WhichGroup { number: 0, of: 1 };

/// The shares of all places as a function of the witness, of what is drawn once (`r`, `s`, and the masks of all groups but the first) and of
/// the free shares, by the product's dealing.
fn shares_of_all<F: PrimeField>(
    dealer: &Dealer<F>,
    dials: Dials,
    layout: &Layout,
    secrets: Secrets<'_, F>,
    once: &[F],
    free: &[F],
) -> Vec<QuotientShares<F>> {
    let (blinders, drawn_masks) = once.split_at(2);
    let (drawn_masks, _) = drawn_masks.as_chunks::<3>();
    let first: [F; 3] = std::array::from_fn(|k| -drawn_masks.iter().map(|masks| masks[k]).sum::<F>());
    let mut free = free;
    let mut all = Vec::new();
    for (number, slice) in (0u8..).zip(&layout.slices(dials.groups())) {
        let masks = if number == 0 { first } else { drawn_masks[usize::from(number) - 1] };
        let group = WhichGroup { number, of: dials.groups() };
        let part = Part { layout, slice, group, blinders: (blinders[0], blinders[1]), masks };
        let (here, rest) = free.split_at(free_shares(dials, slice, group));
        free = rest;
        let mut given = Given::new(here);
        let explicit = dealer.share_out_quotient(&part, secrets, &mut given).unwrap();
        assert!(given.values.next().is_none());
        let of = |node: usize| {
            let column = |vector| {
                let handed = given.handed.iter().filter(move |(v, _)| *v == vector);
                handed.map(move |(_, s)| s[node]).collect::<Vec<F>>()
            };
            let three = |vectors: [Vector; 3]| vectors.map(|vector| column(vector)[0]);
            QuotientShares {
                wires: column(Vector::Wires),
                quotient: column(Vector::Quotient),
                times_s: column(Vector::TimesS),
                times_r: column(Vector::TimesR),
                blinders: group.has_blinders().then(|| three(BLINDERS)),
                masks: group.has_masks().then(|| three(MASKS)),
            }
        };
        all.extend((0..usize::from(dials.threshold())).map(of).chain(explicit));
    }
    assert!(free.is_empty());
    all
}

/// How many shares of a group are free.
fn free_shares(dials: Dials, slice: &Slice, group: WhichGroup) -> usize {
    let single = 3 * (usize::from(group.has_blinders()) + usize::from(group.has_masks()));
    let vectors = slice.wires.len() + slice.quotient.len() + slice.times_s.len() + slice.times_r.len();
    usize::from(dials.threshold()) * (vectors + single)
}

/// One statement with the witnesses that are to be told apart.
struct Statement<F: ScalarField> {
    key: ProvingKey<ToyGroups<F>>,
    public: Vec<F>,
    witnesses: Vec<Vec<F>>,
}

impl<F: ScalarField> Statement<F> {
    /// All views of the nodes at the `corrupted` places, as how often each coset occurs: sorted, with the dimension of the linear space. The masks of the
    /// groups are drawn uniformly, so they belong to the linear space.
    fn views(
        &self,
        dials: Dials,
        corrupted: &[usize],
        witness: &[F],
        elements: &[F],
    ) -> (usize, Vec<Vec<F>>) {
        let layout = layout(&self.key);
        let slices = layout.slices(dials.groups());
        let key_slices = key_slices(&self.key, dials.groups());
        let dealer = Dealer::new(dials).unwrap();
        let quotient = quotient(&self.key, &self.public, witness);
        let groups = (0..dials.groups()).map(|number| WhichGroup { number, of: dials.groups() });
        let n_free: usize =
            slices.iter().zip(groups).map(|(slice, group)| free_shares(dials, slice, group)).sum();
        let n_masks = 3 * (usize::from(dials.groups()) - 1);
        // `drawn`: the masks, then the free shares.
        let view = |(r, s): (F, F), secrets: Secrets<'_, F>, drawn: &[F]| -> Vec<F> {
            let (masks, free) = drawn.split_at(n_masks);
            let once = [&[r, s], masks].concat();
            let shares = shares_of_all(&dealer, dials, &layout, secrets, &once, free);
            let mut view = Vec::new();
            for (node, place) in shares.iter().zip(1u8..) {
                let (group, _) = dials.seat_at(place).unwrap();
                let response = respond::on_slice(&key_slices[usize::from(group)], &self.public, node);
                view.extend([response.a.0, response.b.0, response.c.0]);
            }
            for node in corrupted {
                let shares = &shares[*node];
                for vector in [&shares.wires, &shares.quotient, &shares.times_s, &shares.times_r] {
                    view.extend(vector);
                }
                view.extend(shares.blinders.iter().chain(&shares.masks).flatten());
            }
            view
        };
        let secrets = Secrets { private: witness, quotient: &quotient };
        let zero = vec![F::ZERO; n_masks + n_free];
        // The linear part, at two places.
        let columns = |blinders: (F, F), secrets: Secrets<'_, F>| -> Vec<Vec<F>> {
            let offset = view(blinders, secrets, &zero);
            (0..zero.len())
                .map(|k| {
                    let mut unit = zero.clone();
                    unit[k] = F::ONE;
                    view(blinders, secrets, &unit).iter().zip(&offset).map(|(v, o)| *v - o).collect()
                })
                .collect()
        };
        let mut space = columns((F::ZERO, F::ZERO), secrets);
        let (no_witness, no_quotient) = (vec![F::ZERO; witness.len()], vec![F::ZERO; quotient.len()]);
        let nothing = Secrets { private: &no_witness, quotient: &no_quotient };
        assert_eq!(space, columns((F::ONE, elements[2]), nothing));
        // And it is affine: anywhere, the view is what the columns say.
        let drawn: Vec<F> = (0..zero.len()).map(|k| elements[(k * k + 3 * k + 1) % elements.len()]).collect();
        let mut expected = view((F::ONE, F::ONE), secrets, &zero);
        for (column, x) in space.iter().zip(&drawn) {
            expected.iter_mut().zip(column).for_each(|(e, c)| *e += *c * x);
        }
        assert_eq!(view((F::ONE, F::ONE), secrets, &drawn), expected);

        let pivots = row_reduce(&mut space);
        let mut cosets = Vec::new();
        for r in elements {
            for s in elements {
                let mut offset = view((*r, *s), secrets, &zero);
                for (row, pivot) in space.iter().zip(&pivots) {
                    let factor = offset[*pivot];
                    offset.iter_mut().zip(row).for_each(|(o, x)| *o -= factor * x);
                }
                cosets.push(offset);
            }
        }
        cosets.sort_unstable();
        (pivots.len(), cosets)
    }

    /// Whether some coalition of `size` nodes sees a difference between some two witnesses.
    fn tells_apart(&self, dials: Dials, size: u32, elements: &[F]) -> bool {
        (0u32..1 << dials.seats()).filter(|set| set.count_ones() == size).any(|set| {
            let corrupted: Vec<usize> =
                (0..usize::from(dials.seats())).filter(|i| set >> i & 1 == 1).collect();
            let of = |witness: &Vec<F>| self.views(dials, &corrupted, witness, elements);
            let reference = of(&self.witnesses[0]);
            self.witnesses[1..].iter().any(|witness| of(witness) != reference)
        })
    }
}

fn smallest() -> (Statement<F5>, Vec<F5>) {
    let witnesses =
        super::privacy::WITNESSES.iter().map(|w| w.iter().map(|x| F5::from(*x)).collect()).collect();
    let statement = Statement { key: super::privacy::key(), public: vec![F5::from(1u64)], witnesses };
    (statement, (0..5u64).map(F5::from).collect())
}

fn larger() -> (Statement<F17>, Vec<F17>) {
    let key = setup(&small_circuit(), &Trapdoor::new(0, 2, 3, 5, 7));
    let (public, witnesses) = two_witnesses();
    (Statement { key, public, witnesses: witnesses.to_vec() }, (0..17u64).map(F17::from).collect())
}

/// Two, three and four nodes and every threshold, over five elements: the joint view of coordinator, assembler and any `t` nodes
/// has exactly the same distribution for all witnesses of one statement; that of `t + 1` nodes has not.
#[test]
fn t_nodes_learn_nothing_and_one_more_does() {
    let (statement, elements) = smallest();
    for n in 2..=4 {
        for t in 1..n {
            assert!(!statement.tells_apart(dials(n, t), u32::from(t), &elements), "n = {n}, t = {t}");
            assert!(statement.tells_apart(dials(n, t), u32::from(t) + 1, &elements), "n = {n}, t = {t}");
        }
    }
}

#[test]
fn t_nodes_learn_nothing_of_a_larger_circuit() {
    let (statement, elements) = larger();
    for (n, t) in [(2, 1), (3, 2), (5, 2), (5, 4), (7, 6)] {
        assert!(!statement.tells_apart(dials(n, t), u32::from(t), &elements), "n = {n}, t = {t}");
    }
}

/// Two and three groups: also the group's sums, which the assembler sees, tell nothing, and any `t` nodes of whichever groups.
#[test]
fn groups_give_nothing_away() {
    let (statement, elements) = smallest();
    for (n, t, groups) in [(2, 1, 2), (2, 1, 3), (3, 1, 2), (3, 2, 2)] {
        let dials = dials(n, t).with_groups(groups).unwrap();
        assert!(
            !statement.tells_apart(dials, u32::from(t), &elements),
            "n = {n}, t = {t}, groups = {groups}"
        );
    }
    let (statement, elements) = larger();
    for (n, t, groups) in [(2, 1, 2), (2, 1, 4), (3, 2, 2)] {
        let dials = dials(n, t).with_groups(groups).unwrap();
        assert!(
            !statement.tells_apart(dials, u32::from(t), &elements),
            "n = {n}, t = {t}, groups = {groups}"
        );
    }
}

/// Without masks the sum of a group is a function of the witness.
#[test]
fn without_masks_a_groups_sum_tells_the_witness() {
    let (statement, elements) = larger();
    let dials = dials(2, 1).with_groups(2).unwrap();
    let layout = layout(&statement.key);
    let dealer = Dealer::new(dials).unwrap();
    let slices = layout.slices(2);
    let key_slices = key_slices(&statement.key, 2);
    let groups = [0, 1].map(|number| WhichGroup { number, of: 2 });
    let n_free: usize =
        slices.iter().zip(groups).map(|(slice, group)| free_shares(dials, slice, group)).sum();
    // What the second group's answers are at 0, without the masks and with them.
    let sums = |witness: &[F17], masks: [F17; 3]| {
        let quotient = quotient(&statement.key, &statement.public, witness);
        let secrets = Secrets { private: witness, quotient: &quotient };
        let once = [&[elements[3], elements[5]], &masks[..]].concat();
        let free: Vec<F17> = (0..n_free).map(|k| elements[(7 * k + 2) % 17]).collect();
        let shares = shares_of_all(&dealer, dials, &layout, secrets, &once, &free);
        let at_zero = |of: fn(&crate::Response<ToyGroups<F17>>) -> F17| {
            let values: Vec<(u8, F17)> = [(1, &shares[2]), (2, &shares[3])]
                .map(|(index, shares)| {
                    let response = respond::on_slice(&key_slices[1], &statement.public, shares);
                    (index, of(&response))
                })
                .to_vec();
            tacit_sharing::interpolate::in_field(F17::from(0u64), &values).unwrap()
        };
        [at_zero(|r| r.a.0), at_zero(|r| r.b.0), at_zero(|r| r.c.0)]
    };
    let none = [F17::from(0u64); 3];
    let [one, two] = [0, 1].map(|k| sums(&statement.witnesses[k], none));
    assert_ne!(one, two);
    let masks = [one, two].map(|sum| std::array::from_fn(|k| elements[11] - sum[k]));
    assert_eq!(sums(&statement.witnesses[0], masks[0]), sums(&statement.witnesses[1], masks[1]));
}

/// Slices are cut where the cost is the same on either side, each in one piece, and together they are everything.
#[test]
fn slices_are_balanced_by_cost() {
    let n_private = 3000;
    let circuit = CircuitShape { id: tacit_groth16::CircuitId([0; 32]), n_public: 1, n_private };
    // Wires with bases in B stand at the end: a slice by index would be of unequal cost.
    let in_a: Vec<u32> = (0..3000).step_by(2).collect();
    let in_b: Vec<u32> = (2000..3000).collect();
    let layout = Layout::quotient(circuit, 4096, in_a.clone(), in_b.clone());
    for groups in [1, 2, 3, 4, 7, 16] {
        let slices = layout.slices(groups);
        let cost = |slice: &Slice| {
            3 * (slice.wires.len() + slice.quotient.len() + slice.times_s.len() + slice.times_r.len())
                + 4 * slice.times_s.len()
                + 12 * slice.times_r.len()
        };
        let total: usize = slices.iter().map(cost).sum();
        assert_eq!(total, 3 * (3000 + 4096 + 1500 + 1000) + 4 * 1500 + 12 * 1000);
        for slice in &slices {
            assert!(cost(slice).abs_diff(total / usize::from(groups)) < 40, "{groups} groups: {slice:?}");
        }
        let (mut wires, mut quotient, mut times_s, mut times_r) = (0, 0, 0, 0);
        for slice in &slices {
            assert_eq!((slice.wires.start, slice.times_s.start), (wires.min(n_private), times_s));
            assert_eq!((slice.quotient.start, slice.times_r.start), (quotient, times_r));
            (wires, quotient) = (slice.wires.end, slice.quotient.end);
            (times_s, times_r) = (slice.times_s.end, slice.times_r.end);
        }
        assert_eq!((wires, quotient, times_s, times_r), (3000, 4096, 1500, 1000));
    }
}

/// Groups and spare nodes: any `t + 1` answers of each group give the proof, one fewer of one group does not; a liar in each group is named.
#[test]
fn any_sufficient_answers_of_each_group_give_the_proof() {
    let key = real_key::<Bn254>();
    let witness = small_witness::<Fr>(20, 30);
    for (n, t, groups) in [(2, 1, 1), (2, 1, 2), (3, 1, 4), (4, 1, 3), (3, 2, 2), (2, 1, 9)] {
        let dials = dials(n, t).with_groups(groups).unwrap();
        let deal = dealt(&key, dials, &witness, 40);
        assert_eq!(deal.packages.len(), usize::from(dials.seats()));
        // What each package has is known before it is dealt.
        let sizes: Vec<usize> = deal.packages.iter().map(|p| p.encode().len()).collect();
        assert_eq!(Package::<Fr>::sizes(&layout(&key), dials), sizes);
        assert_eq!(Package::<Fr>::largest(&layout(&key), dials), *sizes.iter().max().unwrap());
        let answers = answers(&key, &deal);
        let all = assemble(&key.vk, &deal.header, &answers).unwrap();
        assert_eq!(verify::verify(&key.vk, &witness.0, &all.proof), Ok(()));
        assert!(all.suspects.is_empty());
        let last: Vec<_> =
            answers.iter().filter(|a| dials.seat_at(a.place).unwrap().1 > n - t - 1).copied().collect();
        assert_eq!(assemble(&key.vk, &deal.header, &last).unwrap(), all, "{n} {t} {groups}");
        assert!(dials.suffice(last.iter().map(|a| a.place)));
        let (first, fewer) = last.split_first().unwrap();
        assert!(!dials.suffice(fewer.iter().map(|a| a.place)));
        let error = assemble(&key.vk, &deal.header, fewer).unwrap_err();
        assert!(
            matches!(&error, AssembleError::TooFew { silent, .. } if silent.contains(&first.place)),
            "{error}"
        );
    }
    // Two spare nodes of each group make up for a liar in each, whatever it says.
    let dials = dials(4, 1).with_groups(3).unwrap();
    let deal = dealt(&key, dials, &witness, 41);
    let mut answers = answers(&key, &deal);
    let proof = assemble(&key.vk, &deal.header, &answers).unwrap().proof;
    for place in [1, 6, 12] {
        let other = answers[place % 12].response;
        answers[place - 1].response = crate::Response { a: other.c, b: other.b, c: other.a };
    }
    let assembled = assemble(&key.vk, &deal.header, &answers).unwrap();
    assert_eq!((assembled.proof, assembled.suspects), (proof, vec![1, 6, 12]));
}

/// Two colluding nodes of four in one of two groups, who know a third one's answer and bend the line through it: the two honest answers
/// still give the proof.
#[test]
fn liars_who_bend_a_line_through_an_honest_answer_do_not_stop_a_group() {
    let key = real_key::<Bn254>();
    let dials = dials(4, 1).with_groups(2).unwrap();
    let deal = dealt(&key, dials, &small_witness::<Fr>(20, 30), 42);
    let mut answers = answers(&key, &deal);
    let proof = assemble(&key.vk, &deal.header, &answers).unwrap().proof;
    for index in [1u64, 2] {
        // Off by a line that vanishes at 3.
        let response = &mut answers[index as usize - 1].response;
        let off = <Bn254 as Groups>::G1::generator().scale(&(Fr::from(index) - Fr::from(3u64)));
        response.c = (<Bn254 as Groups>::G1::from_affine(&response.c) + off).to_affine();
    }
    let assembled = assemble(&key.vk, &deal.header, &answers).unwrap();
    assert_eq!((assembled.proof, assembled.suspects), (proof, vec![1, 2]));
}

fn proof(statement: &Statement<F5>, witness: &[F5], r: F5, s: F5) -> Proof<ToyGroups<F5>> {
    let wires: Vec<F5> = [F5::ONE].iter().chain(&statement.public).chain(witness).copied().collect();
    prove_with_blinders(&statement.key, &wires, r, s).unwrap()
}

/// For how many of the blinders a proof is accepted after `tamper`.
fn accepted(
    statement: &Statement<F5>,
    elements: &[F5],
    witness: &[F5],
    tamper: impl Fn(&mut Proof<ToyGroups<F5>>, F5),
) -> usize {
    let pairs = elements.iter().flat_map(|r| elements.iter().map(move |s| (*r, *s)));
    pairs
        .filter(|(r, s)| {
            let mut proof = proof(statement, witness, *r, *s);
            tamper(&mut proof, *s);
            verify::verify(&statement.key.vk, &statement.public, &proof).is_ok()
        })
        .count()
}

/// The shortcut: nodes return `A`, `B` and a part `K` of `C`, the client adds `s A + r B1`. A node that shifts its answer so that `A`
/// is off by 1 and `K` by a guess then sees from whether the proof is accepted whether the guess was right: always, or never.
/// With the products dealt a shifted answer is accepted as often for one witness as for another.
#[test]
fn without_dealt_products_acceptance_tells_a_guess() {
    let (statement, elements) = smallest();
    let counts = |tamper: &dyn Fn(&mut Proof<ToyGroups<F5>>, F5)| -> Vec<usize> {
        statement.witnesses.iter().map(|w| accepted(&statement, &elements, w, tamper)).collect()
    };
    // What the client would multiply: the shift of `A` comes back with the blinder.
    let mut told = 0;
    for guess in &elements {
        let counts = counts(&|proof, s| {
            proof.a.0 += F5::ONE;
            proof.c.0 += *guess + s;
        });
        assert!(counts.iter().all(|c| [0, 25].contains(c)), "{counts:?}");
        told += usize::from(counts.iter().any(|c| *c != counts[0]));
    }
    assert!(told >= 2);

    // The product, dealt and answered: whatever node 1, given its package, makes of its answer, the client accepts for as many of
    // the blinders with one witness as with another.
    let dials = dials(2, 1);
    let layout = layout(&statement.key);
    let (dealer, slice) = (Dealer::new(dials).unwrap(), layout.slice(0, 1));
    let key_slice: KeySlice<ToyGroups<F5>> = key_slice(&statement.key, 0, 1).unwrap();
    let n_free = free_shares(dials, &slice, ONLY);
    for package in 0..4 {
        let free: Vec<F5> = (0..n_free).map(|k| elements[(k * k + package * (k + 1)) % 5]).collect();
        let answers: Vec<Vec<[[F5; 3]; 2]>> = statement
            .witnesses
            .iter()
            .map(|witness| {
                let quotient = quotient(&statement.key, &statement.public, witness);
                let secrets = Secrets { private: witness, quotient: &quotient };
                let pairs = elements.iter().flat_map(|r| elements.iter().map(move |s| [*r, *s]));
                let answered = pairs.map(|once| {
                    let shares = shares_of_all(&dealer, dials, &layout, secrets, &once, &free);
                    [0, 1].map(|node| {
                        let r = respond::on_slice(&key_slice, &statement.public, &shares[node]);
                        [r.a.0, r.b.0, r.c.0]
                    })
                });
                answered.collect()
            })
            .collect();
        for shift in (0..125).map(|k| [elements[k / 25], elements[k / 5 % 5], elements[k % 5]]) {
            let accepted = |answers: &Vec<[[F5; 3]; 2]>| {
                let accepts = |[one, two]: &&[[F5; 3]; 2]| {
                    let [a, b, c] = std::array::from_fn(|k| {
                        let shares = [(1, one[k] + shift[k]), (2, two[k])];
                        Toy(tacit_sharing::interpolate::in_field(F5::from(0u64), &shares).unwrap())
                    });
                    verify::verify(&statement.key.vk, &statement.public, &Proof { a, b, c }).is_ok()
                };
                answers.iter().filter(accepts).count()
            };
            let counts: Vec<usize> = answers.iter().map(accepted).collect();
            assert!(counts.iter().all(|count| *count == counts[0]), "shift {shift:?}: {counts:?}");
            assert!(shift.iter().any(|x| *x != F5::from(0u64)) || counts[0] == 25);
        }
    }
}

#[test]
fn dials_of_two_to_sixteen_nodes() {
    assert_eq!(dials(2, 1).answers_needed(), 2);
    assert_eq!(dials(16, 15).answers_needed(), 16);
    assert_eq!(
        Dials::new(Handover::Quotient, 1, 1),
        Err(DialsError::Committee { handover: Handover::Quotient, n: 1 })
    );
    let error = Dials::new(Handover::Quotient, 3, 3).unwrap_err();
    assert_eq!(error, DialsError::Threshold { handover: Handover::Quotient, n: 3, t: 3, most: 2 });
    assert_eq!(
        Dials::new(Handover::Witness, 2, 1).unwrap_err().to_string(),
        "with the handover `witness` a committee of 2 nodes is not possible: take between 3 and 16"
    );
}

#[test]
fn a_client_and_a_node_refuse_what_does_not_fit() {
    let key = real_key::<Bn254>();
    let (public, private) = small_witness(20, 30);
    let good = quotient(&key, &public, &private);
    let terms = || terms(&key, Bn254::ID, dials(3, 2), &public);
    let deal = |layout: &Layout, quotient: &[_]| {
        crate::deal(terms(), layout, Secrets { private: &private, quotient }, &mut rng(1))
    };
    assert_eq!(deal(&layout(&key), &good[1..]), Err(DealError::Quotient { expected: 8, got: 7 }));
    assert_eq!(
        deal(&super::support::layout(&key), &[]),
        Err(DealError::Handover { terms: Handover::Quotient, layout: Handover::Witness })
    );
    let deal = deal(&layout(&key), &good).unwrap();
    let explicit = &deal.packages[2];
    for (cut, of) in [
        ((|s| &mut s.wires) as fn(&mut QuotientShares<_>) -> &mut Vec<_>, "private wires"),
        (|s| &mut s.quotient, "quotient"),
        (|s| &mut s.times_s, "products with s"),
        (|s| &mut s.times_r, "products with r"),
    ] {
        let mut short = explicit.clone();
        let Body::ExplicitQuotient(shares) = &mut short.body else { panic!("shares written out") };
        let expected = cut(shares).len();
        cut(shares).pop();
        let error = respond(&key, &deal.header, &short).unwrap_err();
        assert_eq!(error, RespondError::Shares { of, expected, got: expected - 1 });
        assert_eq!(error.culprits(), [Culprit::Client]);
        // Nor does it decode.
        assert!(Package::<Fr>::decode(&short.encode(), &layout(&key), dials(3, 2)).is_err());
    }
    // A package of the other handover, and a layout of the other one.
    let other = super::support::dealt(&key, super::support::dials(3, 1), &public, &private, 1);
    let mut moved = other.packages[2].clone();
    moved.deal = deal.id;
    assert_eq!(
        respond(&key, &deal.header, &moved),
        Err(RespondError::Handover { handover: Handover::Quotient })
    );
    assert!(Package::<Fr>::decode(&explicit.encode(), &super::support::layout(&key), dials(3, 2)).is_err());
    assert_eq!(&Package::decode(&explicit.encode(), &layout(&key), dials(3, 2)).unwrap(), explicit);
}

/// Unique decoding: with `t + 1 + 2e` answers, `e` liars are outvoted and named.
#[test]
fn liars_are_outvoted_and_named() {
    let key = real_key::<Bn254>();
    let deal = dealt(&key, dials(6, 1), &small_witness(20, 30), 9);
    let honest = answers(&key, &deal);
    let proof = assemble(&key.vk, &deal.header, &honest).unwrap().proof;
    for liars in [vec![0], vec![1, 4], vec![0, 5]] {
        let mut answers = honest.clone();
        for liar in &liars {
            // Points of other answers: they are in the group, and wrong.
            answers[*liar].response.c = honest[3].response.a;
            answers[*liar].response.a = honest[2].response.c;
        }
        let assembled = assemble(&key.vk, &deal.header, &answers).unwrap();
        let named: Vec<u8> = liars.iter().map(|k| *k as u8 + 1).collect();
        assert_eq!((assembled.proof, assembled.suspects), (proof, named));
    }
}
