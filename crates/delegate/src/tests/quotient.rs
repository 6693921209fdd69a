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
use tacit_algebra::{Bls12_381, Bn254, Curve, Groups, ScalarField};
use tacit_groth16::prove::prove_with_blinders;
use tacit_groth16::{Proof, ProvingKey, qap, verify};

use super::rank::{row_reduce, two_witnesses};
use super::support::*;
use crate::deal::Dealer;
use crate::package::{QuotientShares, Vector};
use crate::{
    Answer, AssembleError, Body, Culprit, Deal, DealError, Dials, DialsError, Handover, Layout, Package,
    RespondError, Secrets, assemble, respond,
};

type Fr = <Bn254 as Groups>::Scalar;

fn dials(n: u8, t: u8) -> Dials {
    Dials::new(Handover::Quotient, n, t).unwrap()
}

fn layout<G: Groups>(key: &ProvingKey<G>) -> Layout {
    Layout::of(key, Handover::Quotient)
}

/// The quotient of a witness.
fn quotient<G: Groups>(key: &ProvingKey<G>, public: &[G::Scalar], private: &[G::Scalar]) -> Vec<G::Scalar> {
    let wires: Vec<G::Scalar> = [G::Scalar::ONE].iter().chain(public).chain(private).copied().collect();
    qap::quotient(key, &key.domain().unwrap(), &wires)
}

fn dealt<C: Curve>(
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
        index: package.index,
        response: respond(key, &deal.header, package).unwrap(),
    };
    deal.packages.iter().map(answer).collect()
}

fn real_key<C: Curve>() -> ProvingKey<C> {
    setup(&small_circuit(), &Trapdoor::new(987_654_321, 2, 3, 5, 7))
}

/// Every committee of up to nine nodes, every threshold, every window of `t + 1` answers.
fn grid<C: Curve + PartialEq>(largest: u8) {
    let key = real_key::<C>();
    let witness = small_witness::<C::Scalar>(20, 30);
    for n in 2..=largest {
        for t in 1..n {
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
    let shares: Vec<_> = deal.packages.iter().map(|p| p.quotient_shares(&layout(&key)).unwrap()).collect();
    let open = |of: fn(&QuotientShares<_>) -> _| {
        tacit_sharing::interpolate::in_field(0u64.into(), &[(1, of(&shares[0])), (2, of(&shares[1]))])
            .unwrap()
    };
    let (r, s) = (open(|shares| shares.r), open(|shares| shares.s));
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
    // The last wire is in no row of B, the first one in ... every matrix counts by itself.
    assert_eq!((shares.times_s.len(), shares.times_r.len()), (finite(&key.a_query), finite(&key.b_g1_query)));
    assert!(shares.times_s.len() + shares.times_r.len() < 2 * shares.wires.len());
}

/// The shares of all nodes as a function of the witness, the blinders and the free shares, by the product's dealing.
fn shares_of_all<F: PrimeField>(
    dealer: &Dealer<F>,
    dials: Dials,
    layout: &Layout,
    secrets: Secrets<'_, F>,
    blinders: (F, F),
    free: &[F],
) -> Vec<QuotientShares<F>> {
    let mut given = Given::new(free);
    let explicit = dealer.share_out_quotient(layout, secrets, blinders, &mut given).unwrap();
    assert!(given.values.next().is_none());
    let of = |node: usize| {
        let column = |vector| {
            given
                .handed
                .iter()
                .filter(move |(v, _)| *v == vector)
                .map(move |(_, s)| s[node])
                .collect::<Vec<F>>()
        };
        let one = |vector| column(vector)[0];
        QuotientShares {
            wires: column(Vector::Wires),
            quotient: column(Vector::Quotient),
            times_s: column(Vector::TimesS),
            times_r: column(Vector::TimesR),
            r: one(Vector::BlinderR),
            s: one(Vector::BlinderS),
            rs: one(Vector::BlinderRs),
        }
    };
    (0..usize::from(dials.threshold())).map(of).chain(explicit).collect()
}

/// One statement with the witnesses that are to be told apart.
struct Statement<F: ScalarField> {
    key: ProvingKey<ToyGroups<F>>,
    public: Vec<F>,
    witnesses: Vec<Vec<F>>,
}

impl<F: ScalarField> Statement<F> {
    /// All views of `corrupted`, as how often each coset occurs: sorted, with the dimension of the linear space.
    fn views(
        &self,
        dials: Dials,
        corrupted: &[usize],
        witness: &[F],
        elements: &[F],
    ) -> (usize, Vec<Vec<F>>) {
        let layout = layout(&self.key);
        let dealer = Dealer::new(dials).unwrap();
        let quotient = quotient(&self.key, &self.public, witness);
        let n_free = usize::from(dials.threshold())
            * (witness.len() + quotient.len() + layout.times_s.len() + layout.times_r.len() + 3);
        let view = |blinders: (F, F), secrets: Secrets<'_, F>, free: &[F]| -> Vec<F> {
            let shares = shares_of_all(&dealer, dials, &layout, secrets, blinders, free);
            let mut view = Vec::new();
            for node in &shares {
                let response = respond::on_quotient_shares(&self.key, &layout, &self.public, node);
                view.extend([response.a.0, response.b.0, response.c.0]);
            }
            for node in corrupted {
                let shares = &shares[*node];
                for vector in [&shares.wires, &shares.quotient, &shares.times_s, &shares.times_r] {
                    view.extend(vector);
                }
                view.extend([shares.r, shares.s, shares.rs]);
            }
            view
        };
        let secrets = Secrets { private: witness, quotient: &quotient };
        let zero = vec![F::ZERO; n_free];
        // The linear part, at two places.
        let columns = |blinders: (F, F), secrets: Secrets<'_, F>| -> Vec<Vec<F>> {
            let offset = view(blinders, secrets, &zero);
            (0..n_free)
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
        let free: Vec<F> = (0..n_free).map(|k| elements[(k * k + 3 * k + 1) % elements.len()]).collect();
        let mut expected = view((F::ONE, F::ONE), secrets, &zero);
        for (column, x) in space.iter().zip(&free) {
            expected.iter_mut().zip(column).for_each(|(e, c)| *e += *c * x);
        }
        assert_eq!(view((F::ONE, F::ONE), secrets, &free), expected);

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
        (0u32..1 << dials.nodes()).filter(|set| set.count_ones() == size).any(|set| {
            let corrupted: Vec<usize> =
                (0..usize::from(dials.nodes())).filter(|i| set >> i & 1 == 1).collect();
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

    // The product: whatever a liar makes of the three values at 0, which is all that it can move.
    for (a, b, c) in (0..125).map(|k| (elements[k / 25], elements[k / 5 % 5], elements[k % 5])) {
        let counts = counts(&|proof, _| {
            proof.a.0 += a;
            proof.b.0 += b;
            proof.c.0 += c;
        });
        assert!(counts.iter().all(|count| *count == counts[0]), "shift {a} {b} {c}: {counts:?}");
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
        assert!(Package::<Fr>::decode(&short.encode(), &layout(&key)).is_err());
    }
    // A package of the other handover, and a layout of the other one.
    let other = super::support::dealt(&key, super::support::dials(3, 1), &public, &private, 1);
    let mut moved = other.packages[2].clone();
    moved.deal = deal.id;
    assert_eq!(
        respond(&key, &deal.header, &moved),
        Err(RespondError::Handover { handover: Handover::Quotient })
    );
    assert!(Package::<Fr>::decode(&explicit.encode(), &super::support::layout(&key)).is_err());
    assert_eq!(&Package::decode(&explicit.encode(), &layout(&key)).unwrap(), explicit);
}

/// Unique decoding: with `t + 1 + 2e` answers, `e` liars of any kind are outvoted and named.
#[test]
fn liars_are_outvoted_and_named() {
    let key = real_key::<Bn254>();
    let deal = dealt(&key, dials(6, 1), &small_witness(20, 30), 9);
    let honest = answers(&key, &deal);
    let proof = assemble(&key.vk, &deal.header, &honest).unwrap().proof;
    for liars in [vec![0], vec![1, 4], vec![0, 5]] {
        let mut answers = honest.clone();
        for liar in &liars {
            // Two liars of one mind: the same shift.
            answers[*liar].response.c = honest[3].response.a;
            answers[*liar].response.a = honest[2].response.c;
        }
        let assembled = assemble(&key.vk, &deal.header, &answers).unwrap();
        let named: Vec<u8> = liars.iter().map(|k| *k as u8 + 1).collect();
        assert_eq!((assembled.proof, assembled.suspects), (proof.clone(), named));
    }
}
