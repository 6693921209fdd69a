//! The handover `msm`: its sums, its privacy, its files, and the attack that its MAC closes.
//!
//! # Privacy, exactly
//!
//! What `t` nodes and the coordinator see is `t` packages: responses are sealed to the client. Over five elements every outcome of a deal is
//! counted (`rho`, all free shares), together with what the client makes of the answers, for every way in which a node of the coalition can shift its own: whether it
//! accepts, and whom it suspects. The counts are the same for all vectors. For more nodes and scalars a rank argument says the same of the packages: for given `rho` they are an affine function of the free
//! shares, whose linear part has full rank and depends on neither vector nor `rho`.

use std::collections::BTreeMap;

use ark_ff::{AdditiveGroup, Field, PrimeField};
use proptest::prelude::*;
use tacit_algebra::{
    Bls12_381, Bn254, Curve, CurveId, DecodeError, G1Affine, Group, Groups, Point, ScalarField, field,
};
use tacit_groth16::CircuitId;

use super::rank::row_reduce;
use super::support::*;
use crate::deal::Dealer;
use crate::encoding::Malformed;
use crate::msm::respond::on_shares;
use crate::msm::{
    Bases, BasesError, BasesId, MacKey, MsmAnswer, MsmBody, MsmDeal, MsmResponse, MsmShares, assemble_msm,
    bases, deal_msm, respond_msm,
};
use crate::package::Vector;
use crate::{
    AssembleError, Body, CircuitShape, Culprit, DealError, DealHeader, DealTerms, Dials, DialsError,
    Handover, Layout, Package, RespondError, Secrets, assemble, respond,
};

type Fr = <Bn254 as Groups>::Scalar;
type G1 = <Bn254 as Groups>::G1;

fn dials(n: u8, t: u8) -> Dials {
    Dials::new(Handover::Msm, n, t).unwrap()
}

fn terms_for<F: PrimeField>(bases: BasesId, curve: CurveId, dials: Dials) -> DealTerms<F> {
    DealTerms {
        curve,
        circuit: bases.into(),
        dials,
        assembler_key: vec![0xa5; 1216],
        client_key: [0xc1; 32],
        expiry: 2_000_000_000,
        public: vec![],
    }
}

/// Bases without a known relation, as far as tests go.
fn bases<C: Curve>(count: usize) -> Bases<C> {
    let scalars: Vec<C::Scalar> =
        (0..count as u64).map(|k| C::Scalar::from(k * k * 977 + 13).square()).collect();
    Bases::new(C::G1::multiples(&C::G1::generator(), &scalars)).unwrap()
}

fn vector<F: PrimeField>(count: usize) -> Vec<F> {
    (0..count as u64).map(|k| -F::from(k * k + 3)).collect()
}

fn dealt<C: Curve>(bases: &Bases<C>, dials: Dials, scalars: &[C::Scalar], seed: u64) -> MsmDeal<C::Scalar> {
    deal_msm(terms_for(bases.id(), C::ID, dials), scalars, &mut rng(seed)).unwrap()
}

fn answers<G: Groups>(bases: &Bases<G>, deal: &MsmDeal<G::Scalar>) -> Vec<MsmAnswer<G>> {
    let answer = |package: &Package<G::Scalar>| MsmAnswer {
        place: package.place,
        response: respond_msm(bases, &deal.deal.header, package).unwrap(),
    };
    deal.deal.packages.iter().map(answer).collect()
}

/// Moves an answer.
fn shift<G: Groups>(answer: &mut MsmAnswer<G>, d: G::G1, e: G::G1) {
    answer.response.x = (G::G1::from_affine(&answer.response.x) + d).to_affine();
    answer.response.y = (G::G1::from_affine(&answer.response.y) + e).to_affine();
}

fn grid<C: Curve + PartialEq>(largest: u8) {
    let bases = bases::<C>(9);
    for n in (2..=largest).chain([16]) {
        for t in if n == 16 { 15..n } else { 1..n } {
            // Also shorter than the bases.
            for count in [1, 5, 9] {
                let scalars = vector::<C::Scalar>(count);
                let expected = C::G1::msm(&bases.points()[..count], &scalars).to_affine();
                let deal = dealt(&bases, dials(n, t), &scalars, u64::from(n) * 16 + u64::from(t));
                let answers = answers(&bases, &deal);
                for some in answers.windows(usize::from(t) + 1).chain([&answers[..]]) {
                    let found = assemble_msm(&deal.key, &deal.deal.header, some).unwrap();
                    assert_eq!((found.sum, found.suspects), (expected, vec![]), "n = {n}, t = {t}");
                }
                let too_few = assemble_msm(&deal.key, &deal.deal.header, &answers[..usize::from(t)]);
                let Err(AssembleError::TooFew { needed, got, silent, .. }) = too_few else { panic!() };
                assert_eq!((needed, got), (usize::from(t) + 1, usize::from(t)));
                assert_eq!(silent, (t + 1..=n).collect::<Vec<_>>());
            }
        }
    }
}

#[test]
fn any_sufficient_subset_gives_the_sum_on_bn254() {
    grid::<Bn254>(6);
}

#[test]
fn any_sufficient_subset_gives_the_sum_on_bls12_381() {
    grid::<Bls12_381>(4);
}

#[test]
fn zeros_and_neutral_bases_are_no_special_case() {
    let mut points = bases::<Bn254>(3).points().to_vec();
    points[1] = Point::identity();
    let bases = Bases::<Bn254>::new(points).unwrap();
    let zeros = [Fr::ZERO; 3];
    let deal = dealt(&bases, dials(3, 2), &zeros, 1);
    let found = assemble_msm(&deal.key, &deal.deal.header, &answers(&bases, &deal)).unwrap();
    assert!(found.sum.is_identity());
}

/// With `t = n - 1` one node gets vectors, each other 32 bytes and a length; nothing serves two deals.
#[test]
fn all_but_one_node_get_seeds_and_deals_share_nothing() {
    let bases = bases::<Bn254>(4);
    let scalars: Vec<Fr> = vector(4);
    let mut rng = rng(5);
    let mut deal = || deal_msm(terms_for(bases.id(), Bn254::ID, dials(4, 3)), &scalars, &mut rng).unwrap();
    let (one, two) = (deal(), deal());
    let [seeds @ .., last] = &one.deal.packages[..] else { panic!("four packages") };
    assert!(seeds.iter().all(|p| matches!(p.body, Body::Msm(MsmBody::Seed { count: 4, .. }))));
    assert!(matches!(&last.body, Body::Msm(MsmBody::Explicit(shares)) if shares.macs.len() == 4));
    assert_eq!(seeds[0].encode().len(), 3 + 32 + 1 + 32 + 1 + 4 + 32);
    assert_eq!(last.encode().len(), Package::<Fr>::largest(&Layout::msm(bases.shape()), dials(4, 3)));
    assert_ne!(one.key, two.key);
    assert_ne!(one.deal.id, two.deal.id);
    for (one, two) in one.deal.packages.iter().zip(&two.deal.packages) {
        assert!(one.body != two.body && one.salt != two.salt);
    }
    // Nothing secret is printed.
    let printed = format!("{one:?}");
    for secret in [format!("{:?}", one.key.0), format!("{:?}", scalars[0])] {
        assert!(!printed.contains(&secret), "{printed}");
    }
    assert!(printed.contains("MacKey(..)") && printed.contains("Seed { count: 4, .. }"), "{printed}");
}

/// Everything that is drawn, in the order of the dealing: `rho`, then the free shares.
fn shares_of_all<F: PrimeField>(dials: Dials, scalars: &[F], drawn: &[F]) -> Vec<MsmShares<F>> {
    let (rho, free) = drawn.split_first().unwrap();
    let mut given = Given::new(free);
    let explicit = Dealer::new(dials).unwrap().share_out_msm(scalars, &MacKey(*rho), &mut given).unwrap();
    assert!(given.values.next().is_none());
    let of = |node: usize| {
        let column = |vector| {
            let handed = given.handed.iter().filter(move |(v, _)| *v == vector);
            handed.map(|(_, shares)| shares[node]).collect::<Vec<F>>()
        };
        MsmShares { scalars: column(Vector::Scalars), macs: column(Vector::Macs) }
    };
    (0..usize::from(dials.threshold())).map(of).chain(explicit).collect()
}

fn toy_bases<F: ScalarField>(count: usize) -> Bases<ToyGroups<F>> {
    Bases::named(BasesId([7; 32]), (0..count as u64).map(|k| Toy(F::from(k + 2))).collect())
}

fn toy_header<F: PrimeField>(dials: Dials) -> DealHeader<F> {
    DealHeader { terms: terms_for(BasesId([7; 32]), CurveId::Bn254, dials), nonce: [3; 32] }
}

/// What the client makes of the answers: nothing, or a sum and suspects.
type Outcome = Option<Vec<u8>>;

/// How often the coalition sees what, over everything that is drawn: its packages, and for each shift of its first node's answer (all its nodes' answers if
/// `together`) whether the client accepts, and whom it suspects.
fn seen(
    dials: Dials,
    coalition: &[usize],
    scalars: &[F5],
    together: bool,
) -> BTreeMap<(Vec<F5>, Vec<Outcome>), usize> {
    let bases = toy_bases::<F5>(scalars.len());
    let header = toy_header(dials);
    let elements: Vec<F5> = (0..5u64).map(F5::from).collect();
    let drawn = 1 + 2 * scalars.len() * usize::from(dials.threshold());
    let mut counts = BTreeMap::new();
    for outcome in 0..5usize.pow(drawn as u32) {
        let drawn: Vec<F5> = (0..drawn).map(|k| elements[outcome / 5usize.pow(k as u32) % 5]).collect();
        let shares = shares_of_all(dials, scalars, &drawn);
        let mut view = Vec::new();
        for node in coalition {
            view.extend(shares[*node].scalars.iter().chain(&shares[*node].macs));
        }
        let honest: Vec<MsmAnswer<ToyGroups<F5>>> = (1u8..)
            .zip(&shares)
            .map(|(place, shares)| MsmAnswer { place, response: on_shares(&bases, shares) })
            .collect();
        let mut accepted = Vec::new();
        for d in &elements {
            for e in &elements {
                let mut answers = honest.clone();
                for node in coalition.iter().take(if together { coalition.len() } else { 1 }) {
                    shift(&mut answers[*node], Toy(*d), Toy(*e));
                }
                let found = assemble_msm(&MacKey(drawn[0]), &header, &answers);
                accepted.push(found.ok().map(|found| found.suspects));
            }
        }
        *counts.entry((view, accepted)).or_insert(0) += 1;
    }
    counts
}

fn coalitions(n: u8, size: u32) -> Vec<Vec<usize>> {
    let members = |set: u32| (0..usize::from(n)).filter(|i| set >> i & 1 == 1).collect();
    (0u32..1 << n).filter(|set| set.count_ones() == size).map(members).collect()
}

/// Packages and acceptance together, for every coalition of `t` nodes and all vectors of one scalar; of two scalars for some.
#[test]
fn t_nodes_learn_nothing_from_packages_or_from_acceptance() {
    let of = |xs: &[u64]| xs.iter().map(|x| F5::from(*x)).collect::<Vec<_>>();
    for (n, t) in [(2, 1), (3, 1), (3, 2)] {
        for coalition in coalitions(n, t.into()) {
            for together in [false, true] {
                let reference = seen(dials(n, t), &coalition, &of(&[0]), together);
                for v in 1..5 {
                    let other = seen(dials(n, t), &coalition, &of(&[v]), together);
                    assert!(other == reference, "n = {n}, t = {t}, v = {v}");
                }
            }
        }
        let one_more = &coalitions(n, u32::from(t) + 1)[0];
        assert!(
            seen(dials(n, t), one_more, &of(&[0]), false) != seen(dials(n, t), one_more, &of(&[1]), false)
        );
    }
    for coalition in coalitions(2, 1) {
        let reference = seen(dials(2, 1), &coalition, &of(&[0, 0]), false);
        for v in [[1, 0], [0, 1], [2, 3], [4, 4]] {
            assert!(seen(dials(2, 1), &coalition, &of(&v), false) == reference, "{v:?}");
        }
    }
}

/// With the MAC key known to a node, or used again after it became known, its lies pass: acceptance holds more than shifts then.
#[test]
fn a_mac_key_that_a_node_knows_protects_nothing() {
    let bases = bases::<Bn254>(4);
    let scalars = vector(4);
    let deal = dealt(&bases, dials(2, 1), &scalars, 6);
    let honest = answers(&bases, &deal);
    let d = G1::generator().scale(&Fr::from(77u64));
    let mut knows = honest.clone();
    shift(&mut knows[0], d, d.scale(&deal.key.0));
    let wrong = assemble_msm(&deal.key, &deal.deal.header, &knows).unwrap().sum;
    assert_ne!(wrong, assemble_msm(&deal.key, &deal.deal.header, &honest).unwrap().sum);
    // The product draws a key for each deal: what was learnt of another deal's key is of no use.
    let other = dealt(&bases, dials(2, 1), &scalars, 7);
    let mut guesses = answers(&bases, &other);
    shift(&mut guesses[0], d, d.scale(&deal.key.0));
    let refused = assemble_msm(&other.key, &other.deal.header, &guesses).unwrap_err();
    assert!(matches!(refused, AssembleError::NoAuthenticSum { .. }), "{refused}");
}

/// The attack: a client goes on if its sum is a commitment that everybody knows, and stops if not, so that its going on tells what it committed to. A node that wants to know whether
/// the vector is its guess moves `X` by the difference of the guess's sum and the known one: then the client goes on exactly if the guess is right. With the MAC
/// checked first, the client stops in either case.
#[test]
fn without_the_mac_what_the_client_does_next_tells_a_guess() {
    let bases = bases::<Bn254>(4);
    let known = G1::generator().scale(&Fr::from(31_337u64));
    let vectors = [vector::<Fr>(4), [5u64, 6, 7, 8].map(Fr::from).to_vec()];
    let sum = |v: &[Fr]| G1::msm(bases.points(), v);
    let guess = &vectors[0];
    let mut went_on_unchecked = Vec::new();
    let mut went_on = Vec::new();
    for secret in &vectors {
        let deal = dealt(&bases, dials(2, 1), secret, 8);
        let mut answers = answers(&bases, &deal);
        // Node 1's answer enters with the coefficient that interpolation at 0 gives it: 2.
        let move_by = (known - sum(guess)).scale(&Fr::from(2u64).inverse().unwrap());
        shift(&mut answers[0], move_by, G1::identity());
        // The weakened client: it interpolates, and looks at what it has.
        let x: Vec<(u8, G1)> = answers.iter().map(|a| (a.place, G1::from_affine(&a.response.x))).collect();
        let unchecked = tacit_sharing::interpolate::in_group(Fr::ZERO, &x).unwrap();
        went_on_unchecked.push(unchecked == known);
        // The product.
        let checked = assemble_msm(&deal.key, &deal.deal.header, &answers);
        went_on.push(checked.is_ok_and(|found| found.sum == known.to_affine()));
    }
    assert_eq!(went_on_unchecked, [true, false], "the attack works without the check");
    assert_eq!(went_on, [false, false]);
}

/// For given `rho`, packages of `t` nodes are an affine function of the free shares whose linear part is the same for all vectors and all `rho`, and has full rank.
#[test]
fn packages_of_t_nodes_are_uniform_for_larger_committees() {
    for (n, t, count) in [(5, 2, 3), (5, 4, 3), (7, 6, 2), (16, 15, 1)] {
        let dials = dials(n, t);
        let n_free = 2 * count * usize::from(t);
        let flat = |scalars: &[F17], drawn: &[F17]| -> Vec<Vec<F17>> {
            shares_of_all(dials, scalars, drawn)
                .iter()
                .map(|s| s.scalars.iter().chain(&s.macs).copied().collect())
                .collect()
        };
        let columns = |scalars: &[F17], rho: u64| -> Vec<Vec<Vec<F17>>> {
            let mut drawn = vec![F17::ZERO; 1 + n_free];
            drawn[0] = F17::from(rho);
            let offset = flat(scalars, &drawn);
            (1..=n_free)
                .map(|k| {
                    let mut drawn = drawn.clone();
                    drawn[k] = F17::ONE;
                    let moved = flat(scalars, &drawn);
                    let less =
                        |(a, b): (&Vec<F17>, &Vec<F17>)| a.iter().zip(b).map(|(a, b)| *a - b).collect();
                    moved.iter().zip(&offset).map(less).collect()
                })
                .collect()
        };
        let linear = columns(&vec![F17::ZERO; count], 0);
        assert_eq!(linear, columns(&vector(count), 11));
        let of_size = coalitions(n, t.into());
        for coalition in of_size.iter().take(30) {
            let mut rows: Vec<Vec<F17>> =
                linear.iter().map(|c| coalition.iter().flat_map(|node| c[*node].clone()).collect()).collect();
            assert_eq!(row_reduce(&mut rows).len(), n_free, "{coalition:?}");
        }
    }
}

#[test]
fn liars_are_outvoted_and_named_wherever_t_plus_one_are_honest() {
    let bases = bases::<Bn254>(3);
    let scalars = vector(3);
    let expected = G1::msm(bases.points(), &scalars).to_affine();
    for (n, t, liars) in
        [(3, 1, vec![0usize]), (4, 1, vec![1, 3]), (6, 2, vec![0, 2, 5]), (9, 4, vec![0, 1, 2, 3])]
    {
        let deal = dealt(&bases, dials(n, t), &scalars, 9);
        let mut answers = answers(&bases, &deal);
        for liar in &liars {
            // Consistent with one another: off by one polynomial of degree t, in both values.
            let by = Fr::from(*liar as u64 + 40);
            shift(&mut answers[*liar], G1::generator().scale(&by), G1::generator().scale(&by.square()));
        }
        let found = assemble_msm(&deal.key, &deal.deal.header, &answers).unwrap();
        let named: Vec<u8> = liars.iter().map(|k| *k as u8 + 1).collect();
        assert_eq!((found.sum, found.suspects), (expected, named));
    }
}

/// One honest subset among the 792 of twelve answers.
#[test]
fn the_only_honest_subset_is_found() {
    let bases = bases::<Bn254>(1);
    let scalars = vector(1);
    let deal = dealt(&bases, dials(12, 6), &scalars, 10);
    let mut answers = answers(&bases, &deal);
    for (liar, by) in (0..5).zip([1u64, 20, 300, 4000, 50000]) {
        shift(&mut answers[liar], G1::generator().scale(&Fr::from(by)), G1::identity());
    }
    let found = assemble_msm(&deal.key, &deal.deal.header, &answers).unwrap();
    assert_eq!(found.sum, G1::msm(bases.points(), &scalars).to_affine());
    assert_eq!(found.suspects, (1..=5).collect::<Vec<u8>>());
}

/// Two liars of five whose shifts cancel out at 0, so that a subset with both gives the right sum: the honest ones are more, and who is suspected does not
/// depend on the vector.
#[test]
fn liars_whose_shifts_cancel_out_are_suspected_all_the_same() {
    let bases = bases::<Bn254>(2);
    for (seed, scalars) in [vector(2), vec![Fr::from(8u64), Fr::ZERO]].into_iter().enumerate() {
        let expected = G1::msm(bases.points(), &scalars).to_affine();
        let deal = dealt(&bases, dials(5, 1), &scalars, seed as u64);
        let mut answers = answers(&bases, &deal);
        // The line `k -> k` vanishes at 0.
        for liar in [1u64, 2] {
            let off = G1::generator().scale(&Fr::from(liar));
            shift(&mut answers[liar as usize - 1], off, off.scale(&Fr::from(3u64)));
        }
        let bent = assemble_msm(&deal.key, &deal.deal.header, &answers[..2]).unwrap();
        assert_eq!((bent.sum, bent.suspects), (expected, vec![]));
        let found = assemble_msm(&deal.key, &deal.deal.header, &answers).unwrap();
        assert_eq!((found.sum, found.suspects), (expected, vec![1, 2]));
    }
}

/// The order in which subsets are tried follows from the key and from who answered, not from what was answered.
#[test]
fn the_order_of_subsets_tells_nothing_of_the_answers() {
    let bases = bases::<Bn254>(2);
    // Two pairs of liars of four, each of which gives the right sum and suspects the other: which is found is the order's.
    let suspects = |scalars: &[Fr], key: u64| {
        let mut deal = dealt(&bases, dials(4, 1), scalars, 1);
        deal.key = MacKey(Fr::from(key));
        let of = |k: u64| -> MsmAnswer<Bn254> {
            // Two lines through the sum, and two through its MAC; mixed, they pass through neither.
            let (in_x, in_y) = if k < 3 { (5u64, 7u64) } else { (9, 12) };
            let sum = G1::msm(bases.points(), scalars);
            let moved = |by: u64| G1::generator().scale(&Fr::from(by * k));
            let (x, y) = (sum + moved(in_x), sum.scale(&deal.key.0) + moved(in_y));
            MsmAnswer { place: k as u8, response: MsmResponse { x: x.to_affine(), y: y.to_affine() } }
        };
        // The two pairs are asked about in the order of their places; the first subset is always the first answers.
        let answers = [of(1), of(3), of(2), of(4)];
        assemble_msm(&deal.key, &deal.deal.header, &answers).unwrap().suspects
    };
    let mut seen = std::collections::BTreeSet::new();
    for key in 1..20 {
        let one = suspects(&vector(2), key);
        assert_eq!(one, suspects(&[Fr::from(1u64), Fr::from(2u64)], key));
        assert_eq!(one, suspects(&[Fr::from(3u64), Fr::from(77u64)], key));
        seen.insert(one);
    }
    assert!(seen.len() > 1, "{seen:?}");
}

#[test]
fn too_many_liars_give_no_sum_and_nobody_is_blamed_wrongly() {
    let bases = bases::<Bn254>(2);
    let deal = dealt(&bases, dials(4, 2), &vector(2), 11);
    let honest = answers(&bases, &deal);
    let header = &deal.deal.header;
    let off = G1::generator();
    for (d, e) in [(off, G1::identity()), (G1::identity(), off), (off, off)] {
        let mut answers = honest[..3].to_vec();
        shift(&mut answers[1], d, e);
        let error = assemble_msm(&deal.key, header, &answers).unwrap_err();
        assert_eq!(
            error,
            AssembleError::NoAuthenticSum { needed: 3, answered: vec![1, 2, 3], silent: vec![4] }
        );
        assert_eq!(error.culprits(), [Culprit::Unknown]);
        let text = error.to_string();
        assert!(
            text.contains("at least 1 of nodes 1, 2 and 3") && text.contains("Wait for nodes 4"),
            "{text}"
        );
    }
    let mut swapped = honest.clone();
    (swapped[0].response, swapped[1].response) = (honest[1].response, honest[0].response);
    assert!(matches!(
        assemble_msm(&deal.key, header, &swapped),
        Err(AssembleError::NoAuthenticSum { silent, .. }) if silent.is_empty()
    ));
    let mut stranger = honest.clone();
    stranger[0].place = 5;
    assert_eq!(assemble_msm(&deal.key, header, &stranger), Err(AssembleError::Place { place: 5, seats: 4 }));
    stranger[0].place = 2;
    assert_eq!(assemble_msm(&deal.key, header, &stranger), Err(AssembleError::Duplicate { place: 2 }));
}

#[test]
fn a_client_and_a_node_refuse_what_does_not_fit() {
    let bases = bases::<Bn254>(4);
    let terms = || terms_for::<Fr>(bases.id(), Bn254::ID, dials(3, 1));
    let refused = |terms, scalars: &[Fr]| deal_msm(terms, scalars, &mut rng(1)).unwrap_err();
    assert_eq!(refused(terms(), &[]), DealError::Scalars { got: 0 });
    let one = vector(1);
    let public = DealTerms { public: one.clone(), ..terms() };
    assert_eq!(refused(public, &one), DealError::PublicInputs { expected: 0, got: 1 });
    let long = DealTerms { assembler_key: vec![0; 3000], ..terms() };
    assert_eq!(refused(long, &one), DealError::AssemblerKey { got: 3000 });
    let handover = Handover::Quotient;
    let proof = DealTerms { dials: Dials::new(handover, 3, 1).unwrap(), ..terms() };
    assert_eq!(refused(proof, &one), DealError::NotDealtSo { handover });
    // Nor is a witness dealt so.
    let layout = Layout::msm(bases.shape());
    assert_eq!(
        crate::deal(terms(), &layout, Secrets::witness(&vector(4)), &mut rng(1)),
        Err(DealError::NotDealtSo { handover: Handover::Msm })
    );

    let deal = deal_msm(terms(), &vector(4), &mut rng(1)).unwrap();
    let header = &deal.deal.header;
    let [seeded, explicit, _] = &deal.deal.packages[..] else { panic!("three packages") };
    let fails =
        |header: &DealHeader<Fr>, package: &Package<Fr>| respond_msm(&bases, header, package).unwrap_err();
    let mut other = header.clone();
    other.nonce = [1; 32];
    assert!(matches!(fails(&other, explicit), RespondError::WrongDeal { .. }));
    let moved_to = |terms: DealTerms<Fr>, package: &Package<Fr>| {
        let header = DealHeader { terms, nonce: [0; 32] };
        let mut package = package.clone();
        package.deal = header.deal_id();
        (header, package)
    };
    let (elsewhere, package) = moved_to(DealTerms { circuit: CircuitId([9; 32]), ..terms() }, explicit);
    let error = fails(&elsewhere, &package);
    assert_eq!(error, RespondError::Bases { deal: CircuitId([9; 32]), held: bases.id() });
    assert_eq!(error.culprits(), [Culprit::Nobody]);
    let (with_public, package) = moved_to(DealTerms { public: vector(1), ..terms() }, explicit);
    assert_eq!(fails(&with_public, &package), RespondError::PublicInputs { expected: 0, got: 1 });
    let (as_proof, package) =
        moved_to(DealTerms { dials: Dials::new(Handover::Quotient, 3, 1).unwrap(), ..terms() }, explicit);
    assert_eq!(fails(&as_proof, &package), RespondError::Handover { handover: Handover::Quotient });
    let changed = |change: &dyn Fn(&mut Package<Fr>)| {
        let mut package = explicit.clone();
        change(&mut package);
        package
    };
    assert_eq!(fails(header, &changed(&|p| p.place = 4)), RespondError::Place { place: 4, seats: 3 });
    assert_eq!(fails(header, &changed(&|p| p.place = 1)), RespondError::Body { place: 1, seeded: true });
    let mut unseeded = seeded.clone();
    unseeded.place = 2;
    assert_eq!(fails(header, &unseeded), RespondError::Body { place: 2, seeded: false });
    let shares = |p: &mut Package<Fr>, change: &dyn Fn(&mut MsmShares<Fr>)| match &mut p.body {
        Body::Msm(MsmBody::Explicit(shares)) => change(shares),
        _ => panic!("shares written out"),
    };
    let error = fails(header, &changed(&|p| shares(p, &|s| s.macs.truncate(3))));
    assert_eq!(error, RespondError::Shares { of: "MACs", expected: 4, got: 3 });
    let longer = changed(&|p| {
        shares(p, &|s| {
            s.macs.push(Fr::ONE);
            s.scalars.push(Fr::ONE);
        })
    });
    let error = fails(header, &longer);
    assert_eq!(error, RespondError::TooManyScalars { scalars: 5, bases: 4 });
    assert_eq!(error.culprits(), [Culprit::Client]);
    // Neither does it decode.
    let error = Package::<Fr>::decode(&longer.encode(), &layout, dials(3, 1)).unwrap_err();
    assert_eq!(error.reason, Malformed::Range { field: "number of scalars", got: 5 });

    // A package of this handover for a proof, and the reverse.
    let key = setup::<Bn254>(&small_circuit(), &Trapdoor::new(987_654_321, 2, 3, 5, 7));
    let (public, private) = small_witness(4, 5);
    let proof = super::support::dealt(&key, super::support::dials(3, 1), &public, &private, 1);
    for (package, at) in [(seeded, 0), (explicit, 1)] {
        let mut package = package.clone();
        package.deal = proof.id;
        assert!(respond(&key, &proof.header, &package).is_err());
        let witness = super::support::layout(&key);
        assert!(Package::<Fr>::decode(&package.encode(), &witness, super::support::dials(3, 1)).is_err());
        let mut package = proof.packages[at].clone();
        assert!(Package::<Fr>::decode(&package.encode(), &layout, dials(3, 1)).is_err());
        package.deal = deal.deal.id;
        assert_eq!(fails(header, &package), RespondError::Handover { handover: Handover::Msm });
    }
    let to_proof = assemble::<Bn254>(&key.vk, header, &[]).unwrap_err();
    assert_eq!(to_proof, AssembleError::Handover { handover: Handover::Msm });
    let to_sum = assemble_msm::<Bn254>(&deal.key, &proof.header, &[]).unwrap_err();
    assert_eq!(to_sum, AssembleError::Handover { handover: Handover::Witness });
}

#[test]
fn dials_of_two_to_sixteen_nodes_in_one_group() {
    assert_eq!((dials(2, 1).answers_needed(), dials(16, 15).answers_needed()), (2, 16));
    assert_eq!(Handover::from_code(4), Ok(Handover::Msm));
    assert_eq!("msm".parse(), Ok(Handover::Msm));
    assert!(matches!(Dials::new(Handover::Msm, 1, 1), Err(DialsError::Committee { .. })));
    assert!(matches!(Dials::new(Handover::Msm, 3, 3), Err(DialsError::Threshold { most: 2, .. })));
    let error = dials(3, 1).with_groups(2).unwrap_err();
    assert_eq!(
        error.to_string(),
        "with the handover `msm` 2 groups of 3 nodes are not possible: there is one"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn packages_and_responses_have_one_encoding(
        count in 1..6usize, n in 2..6u8, seed in any::<u64>(), at in any::<prop::sample::Index>(), flip in 1..=255u8,
    ) {
        let bases = bases::<Bn254>(6);
        let layout = Layout::msm(bases.shape());
        let dials = dials(n, 1);
        let deal = dealt(&bases, dials, &vector(count), seed);
        for package in &deal.deal.packages[..2] {
            let bytes = package.encode();
            prop_assert_eq!(&Package::<Fr>::decode(&bytes, &layout, dials).unwrap(), package);
            for len in 0..bytes.len() {
                prop_assert!(Package::<Fr>::decode(&bytes[..len], &layout, dials).is_err());
            }
            let longer = [&bytes[..], &[0]].concat();
            prop_assert!(Package::<Fr>::decode(&longer, &layout, dials).is_err());
            let mut changed = bytes.to_vec();
            changed[at.index(bytes.len())] ^= flip;
            if let Ok(other) = Package::<Fr>::decode(&changed, &layout, dials) {
                prop_assert_eq!(&*other.encode(), &changed);
            }
            let response = respond_msm(&bases, &deal.deal.header, package).unwrap();
            let bytes = response.encode();
            prop_assert_eq!(bytes.len(), MsmResponse::<Bn254>::LEN);
            prop_assert_eq!(MsmResponse::<Bn254>::decode(&bytes).unwrap(), response);
            let mut changed = bytes.clone();
            changed[at.index(bytes.len())] ^= flip;
            if let Ok(other) = MsmResponse::<Bn254>::decode(&changed) {
                prop_assert_eq!(other.encode(), changed);
            }
            prop_assert!(MsmResponse::<Bn254>::decode(&bytes[..bytes.len() - 1]).is_err());
            let error = MsmAnswer::<Bn254>::decode(2, &bytes[1..]).unwrap_err();
            prop_assert_eq!(error.culprits(), [Culprit::Node(2)]);
        }
    }
}

/// A count that is not there, none, or more than there are bases.
#[test]
fn claimed_counts_are_compared_before_anything_is_allocated() {
    let bases = bases::<Bn254>(2);
    let huge = CircuitShape { n_private: u32::MAX as usize, ..bases.shape() };
    let deal = dealt(&bases, dials(2, 1), &vector(2), 1);
    let bytes = deal.deal.packages[1].encode();
    let with_count = |count: u32| {
        let mut bytes = bytes.to_vec();
        bytes[69..73].copy_from_slice(&count.to_le_bytes());
        bytes
    };
    for (count, shape) in [(0, bases.shape()), (3, bases.shape())] {
        let error = Package::<Fr>::decode(&with_count(count), &Layout::msm(shape), dials(2, 1)).unwrap_err();
        assert_eq!(error.reason, Malformed::Range { field: "number of scalars", got: count.into() });
        assert_eq!(error.culprits(), [Culprit::Client]);
    }
    let error = Package::<Fr>::decode(&with_count(u32::MAX), &Layout::msm(huge), dials(2, 1)).unwrap_err();
    assert!(matches!(error.reason, Malformed::Truncated { .. }), "{error}");
}

fn files<C: Curve + PartialEq>() {
    let bases = bases::<C>(3);
    let bytes = bases.encode();
    let len = G1Affine::<C>::LEN;
    assert!(bases::is_bases(&bytes));
    assert_eq!(bases::curve_of(&bytes), Ok(C::ID));
    assert_eq!(Bases::<C>::read(&bytes), Ok(bases.clone()));
    assert_eq!(Bases::<C>::read_checked(&bytes, bases.id()), Ok(bases.clone()));
    // The name is the content's: one point fewer is another name.
    assert_ne!(Bases::<C>::new(bases.points()[..2].to_vec()).unwrap().id(), bases.id());

    let fails = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = bytes.clone();
        change(&mut bytes);
        // Whatever it is, it is not the file of that name.
        assert!(matches!(Bases::<C>::read_checked(&bytes, bases.id()), Err(BasesError::Id { .. })));
        Bases::<C>::read(&bytes).unwrap_err()
    };
    assert_eq!(fails(&|b| b[0] ^= 1), BasesError::Magic);
    assert_eq!(fails(&|b| b.truncate(4)), BasesError::Magic);
    for cut in [8, 11, 15] {
        assert_eq!(fails(&|b| b.truncate(cut)), BasesError::Truncated { got: cut });
    }
    assert_eq!(fails(&|b| b.truncate(20)), BasesError::Truncated { got: 20 });
    assert_eq!(fails(&|b| b[8] = 2), BasesError::Version { got: 2 });
    assert_eq!(fails(&|b| b[12] = 9), BasesError::UnknownCurve { code: 9 });
    assert_eq!(fails(&|b| b[13] = 1), BasesError::UnknownCurve { code: 256 + u32::from(C::ID.code()) });
    let other = if C::ID == CurveId::Bn254 { CurveId::Bls12_381 } else { CurveId::Bn254 };
    assert_eq!(fails(&|b| b[12] = other.code()), BasesError::Curve { expected: C::ID, got: other });
    assert_eq!(fails(&|b| b[16] = 0), BasesError::Empty);
    assert_eq!(fails(&|b| b.truncate(b.len() - 1)), BasesError::Length { count: 3, got: 3 * len - 1 });
    assert_eq!(fails(&|b| b.push(0)), BasesError::Length { count: 3, got: 3 * len + 1 });
    assert_eq!(fails(&|b| b[16..24].fill(0xff)), BasesError::Length { count: u64::MAX, got: 3 * len });
    let off_curve = fails(&|b| b[24 + len] ^= 1);
    assert_eq!(off_curve, BasesError::Point { index: 1, error: DecodeError::NotOnCurve });
    let not_canonical = fails(&|b| b[24 + 2 * len..24 + 2 * len + len / 2].fill(0xff));
    assert!(
        matches!(not_canonical, BasesError::Point { index: 2, error } if error != DecodeError::NotOnCurve)
    );
    assert_eq!(Bases::<C>::new(vec![]), Err(BasesError::Empty));
}

#[test]
fn files_of_bases_are_checked_in_full() {
    files::<Bn254>();
    files::<Bls12_381>();
}

/// BLS12-381's first group has a cofactor.
#[test]
fn a_base_outside_the_subgroup_is_refused() {
    let x = <Bls12_381 as Groups>::G1::generator().to_affine().x;
    let one = x * x.inverse().unwrap();
    let outside = (1..20)
        .filter_map(|k| {
            let moved = (0..k).fold(x, |x, _| x + one);
            G1Affine::<Bls12_381>::get_point_from_x_unchecked(moved, false)
        })
        .find(|p| !G1Affine::<Bls12_381>::all_are_members(&[*p]))
        .unwrap();
    let mut points = bases::<Bls12_381>(3).points().to_vec();
    points[2] = outside;
    let refused = BasesError::Point { index: 2, error: DecodeError::NotInSubgroup };
    assert_eq!(Bases::<Bls12_381>::new(points.clone()), Err(refused.clone()));
    let mut bytes = bases::<Bls12_381>(3).encode();
    bytes.truncate(24 + 2 * 96);
    outside.write_montgomery_le(&mut bytes);
    assert_eq!(Bases::<Bls12_381>::read(&bytes), Err(refused));
}

/// A scalar's byte is little-endian, as every element's: the vectors in `tests/vectors` say the rest.
#[test]
fn a_package_written_out_is_as_the_table_says() {
    let bases = bases::<Bn254>(2);
    let deal = dealt(&bases, dials(2, 1), &vector(2), 3);
    let package = &deal.deal.packages[1];
    let Body::Msm(MsmBody::Explicit(shares)) = &package.body else { panic!("shares written out") };
    let mut expected = vec![1, 0, 2];
    expected.extend(deal.deal.id.0);
    expected.push(2);
    expected.extend(package.salt);
    expected.push(7);
    expected.extend(2u32.to_le_bytes());
    for share in shares.scalars.iter().chain(&shares.macs) {
        field::write_le(share, &mut expected);
    }
    assert_eq!(*package.encode(), expected);
}
