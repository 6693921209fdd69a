//! Privacy above `t = 1`, where there is too much to enumerate: a rank argument, over a field of 17 elements and with the product's code.
//!
//! Fix the corrupted nodes `T`, `|T| = t`. A deal draws a vector `rho`: `r`, `s`, the free shares, the mask's drawn shares.
//!
//! 1. *Packages.* The packages of `T` are an affine function of `rho`, whose linear part does not depend on the witness and has
//!    full rank. So they are uniform, whatever the witness.
//! 2. *`A` and `B`.* Given the packages of `T`, the polynomials of degree `t` behind `A_i` and `B_i` are determined by their values at 0,
//!    which `r` and `s` shift. The rows of "packages of `T`, `r`, `s`" together have full rank: so (packages, `A(0)`, `B(0)`) is uniform,
//!    whatever the witness, and for the same (packages, `A(0)`, `B(0)`) all `A_i` and `B_i` are the same (checked).
//! 3. *`C`.* It holds products of shares, so it is no affine function of `rho`. But given the packages of `T`, `r` and `s`, and the
//!    witness, every polynomial that enters a product is fixed (`t` shares and the constant term), and what is left of `rho` is the mask:
//!    `C` is uniform over a coset of `Z`, the values of degree-`2t` masks that vanish on `T` (and at 0). `Z` has dimension `t`.
//!    It remains that for two witnesses with the same (packages, `A(0)`, `B(0)`) the coset is the same, that is, that
//!    the difference of the two `C` lies in `Z`. This is checked for many `rho` and all `T`.
//!
//! Together: the joint distribution of packages, `A`, `B`, `C` is the same for both witnesses.
//!
//! With a mask of degree `t` the space of masks that vanish on `T` and at 0 is zero, and the difference is not: the argument sees the attack.

use ark_ff::{AdditiveGroup, Field, PrimeField};
use rand_chacha::rand_core::Rng;

use super::support::*;
use crate::package::Shares;
use crate::response::Response;
use crate::{Dials, respond};

type Toy17 = ToyGroups<F17>;

pub fn row_reduce<F: PrimeField>(rows: &mut Vec<Vec<F>>) -> Vec<usize> {
    let mut pivots = Vec::new();
    let columns = rows.first().map_or(0, Vec::len);
    for column in 0..columns {
        let done = pivots.len();
        let Some(found) = (done..rows.len()).find(|k| rows[*k][column] != F::ZERO) else { continue };
        rows.swap(done, found);
        let inverse = rows[done][column].inverse().unwrap();
        rows[done].iter_mut().for_each(|x| *x *= inverse);
        let pivot = rows[done].clone();
        for (k, row) in rows.iter_mut().enumerate() {
            let factor = row[column];
            if k != done && factor != F::ZERO {
                row.iter_mut().zip(&pivot).for_each(|(x, p)| *x -= factor * p);
            }
        }
        pivots.push(column);
    }
    rows.truncate(pivots.len());
    pivots
}

fn rank<F: PrimeField>(rows: &[Vec<F>]) -> usize {
    row_reduce(&mut rows.to_vec()).len()
}

/// Some `x` with `rows * x = values`.
fn solve<F: PrimeField>(rows: &[Vec<F>], values: &[F]) -> Vec<F> {
    let unknowns = rows[0].len();
    let mut augmented: Vec<Vec<F>> =
        rows.iter().zip(values).map(|(row, v)| row.iter().copied().chain([*v]).collect()).collect();
    let pivots = row_reduce(&mut augmented);
    assert!(!pivots.contains(&unknowns), "no solution");
    let mut x = vec![F::ZERO; unknowns];
    for (row, pivot) in augmented.iter().zip(pivots) {
        x[pivot] = row[unknowns];
    }
    x
}

/// A basis of `x` with `rows * x = 0`.
fn kernel<F: PrimeField>(rows: &[Vec<F>]) -> Vec<Vec<F>> {
    let unknowns = rows[0].len();
    let mut reduced = rows.to_vec();
    let pivots = row_reduce(&mut reduced);
    (0..unknowns)
        .filter(|free| !pivots.contains(free))
        .map(|free| {
            let mut x = vec![F::ZERO; unknowns];
            x[free] = F::ONE;
            for (row, pivot) in reduced.iter().zip(&pivots) {
                x[*pivot] = -row[free];
            }
            x
        })
        .collect()
}

#[test]
fn linear_algebra_is_right() {
    let f = |x: u64| F17::from(x);
    let rows = vec![vec![f(1), f(2), f(3)], vec![f(2), f(4), f(6)], vec![f(0), f(1), f(5)]];
    assert_eq!(rank(&rows), 2);
    let times = |x: &[F17]| -> Vec<F17> {
        rows.iter().map(|row| row.iter().zip(x).map(|(a, b)| *a * b).sum()).collect()
    };
    assert_eq!(times(&solve(&rows, &[f(5), f(10), f(3)])), [f(5), f(10), f(3)]);
    let basis = kernel(&rows);
    assert_eq!(basis.len(), 1);
    assert_eq!(times(&basis[0]), [f(0); 3]);
}

fn flat<F: PrimeField>(shares: &Shares<F>) -> Vec<F> {
    shares.wires.iter().copied().chain([shares.r, shares.s, shares.mask]).collect()
}

fn random(rng: &mut impl Rng, len: usize) -> Vec<F17> {
    (0..len).map(|_| F17::from(rng.next_u64() % 17)).collect()
}

/// Two witnesses of one statement of [`small_circuit`].
pub fn two_witnesses() -> (Vec<F17>, [Vec<F17>; 2]) {
    let all: Vec<_> = (1..17).flat_map(|a| (1..17).map(move |b| small_witness::<F17>(a, b))).collect();
    for (k, (public, one)) in all.iter().enumerate() {
        if let Some((_, two)) = all[k + 1..].iter().find(|(p, w)| p == public && w[2] == -one[2]) {
            return (public.clone(), [one.clone(), two.clone()]);
        }
    }
    panic!("no statement has two witnesses")
}

/// Linear parts: for each unit vector of `rho`, all packages. (The dealing is linear in witness and `rho` together.)
fn columns(dials: Dials, n_private: usize) -> Vec<Vec<Vec<F17>>> {
    let m = randomness(dials, n_private);
    (0..m)
        .map(|k| {
            let mut unit = vec![F17::ZERO; m];
            unit[k] = F17::ONE;
            deal_with(dials, &vec![F17::ZERO; n_private], &unit).iter().map(flat).collect()
        })
        .collect()
}

struct Report {
    /// The differences of `C` that would have to be hidden by the mask, over all trials and all `T`.
    differences: Vec<Vec<F17>>,
}

fn check(n: u8, t: u8, trials: usize) -> Report {
    let dials = dials(n, t);
    let key = setup::<Toy17>(&small_circuit(), &Trapdoor::new(0, 2, 3, 5, 7));
    let domain = key.domain().unwrap();
    let (public, witnesses) = two_witnesses();
    let n_private = witnesses[0].len();
    let (entries, m) = (n_private + 3, randomness(dials, n_private));
    let columns = columns(dials, n_private);
    let mut rng = rng(u64::from(n) * 100 + u64::from(t));
    let mut report = Report { differences: Vec::new() };

    let respond_all = |packages: &[Shares<F17>]| -> Vec<Response<Toy17>> {
        packages.iter().map(|p| respond::on_shares(&key, &domain, &public, p)).collect()
    };
    for corrupted in (0u32..1 << n).filter(|s| s.count_ones() == u32::from(t)) {
        let nodes: Vec<usize> = (0..usize::from(n)).filter(|i| corrupted >> i & 1 == 1).collect();
        // Step 1: the packages of T.
        let mut rows: Vec<Vec<F17>> = nodes
            .iter()
            .flat_map(|node| (0..entries).map(move |e| (*node, e)))
            .map(|(node, e)| columns.iter().map(|column| column[node][e]).collect())
            .collect();
        assert_eq!(rank(&rows), usize::from(t) * entries, "packages of {nodes:?} are not uniform");
        // Step 2: and r, s, the first two elements drawn.
        for k in 0..2 {
            rows.push((0..m).map(|column| if column == k { F17::ONE } else { F17::ZERO }).collect());
        }
        assert_eq!(rank(&rows), usize::from(t) * entries + 2);
        // Step 3: what is left moves masks only, and t dimensions of them.
        let left: Vec<Vec<F17>> = kernel(&rows);
        let moved: Vec<Vec<F17>> = left
            .iter()
            .map(|direction| {
                let packages = deal_with(dials, &vec![F17::ZERO; n_private], direction);
                for shares in &packages {
                    let unmoved = shares.wires.iter().chain([&shares.r, &shares.s]);
                    assert!(unmoved.copied().all(|x| x == F17::ZERO));
                }
                packages.iter().map(|p| p.mask).collect()
            })
            .collect();
        assert_eq!(rank(&moved), usize::from(t), "masks that vanish on {nodes:?}");

        for _ in 0..trials {
            let rho = random(&mut rng, m);
            let packages = deal_with(dials, &witnesses[0], &rho);
            let one = respond_all(&packages);
            // The outcome under the other witness with the same packages of T, A(0) and B(0).
            let zero = deal_with(dials, &witnesses[1], &vec![F17::ZERO; m]);
            let mut target: Vec<F17> = nodes
                .iter()
                .flat_map(|node| {
                    flat(&packages[*node]).into_iter().zip(flat(&zero[*node])).map(|(a, b)| a - b)
                })
                .collect();
            let sum = |query: &[Toy<F17>], witness: &[F17]| -> F17 {
                query[key.n_public + 1..].iter().zip(witness).map(|(q, w)| q.0 * w).sum()
            };
            let shift = |query: &[Toy<F17>]| {
                (sum(query, &witnesses[0]) - sum(query, &witnesses[1])) * key.delta_g1.0.inverse().unwrap()
            };
            target.push(rho[0] + shift(&key.a_query));
            target.push(rho[1] + shift(&key.b_g1_query));
            let other_packages = deal_with(dials, &witnesses[1], &solve(&rows, &target));
            for node in &nodes {
                assert!(other_packages[*node] == packages[*node]);
            }
            let two = respond_all(&other_packages);
            for (one, two) in one.iter().zip(&two) {
                assert_eq!((one.a, one.b), (two.a, two.b));
            }
            let difference: Vec<F17> = one.iter().zip(&two).map(|(o, t)| t.c.0 - o.c.0).collect();
            let mut with_difference = moved.clone();
            with_difference.push(difference.clone());
            assert_eq!(rank(&with_difference), usize::from(t), "C of nodes {nodes:?} depends on the witness");
            // Undo the mask's part: what the difference would be if the masks of both outcomes were the same. In the weakened
            // variants below this is what has to be zero.
            let unmasked = difference
                .iter()
                .zip(packages.iter().zip(&other_packages))
                .map(|(d, (p, q))| *d - (q.mask - p.mask))
                .collect();
            report.differences.push(unmasked);
        }
    }
    report
}

#[test]
fn five_nodes_two_corrupted() {
    check(5, 2, 25);
}

#[test]
fn six_and_seven_nodes_two_and_three_corrupted() {
    check(6, 2, 10);
    check(7, 3, 10);
}

#[test]
fn nine_nodes_four_corrupted() {
    check(9, 4, 2);
}

/// Without a mask, or with one of degree `t` (given the shares of `T`, one polynomial: nothing is left to hide behind), the
/// difference of the two `C` would have to be zero. It is not: the argument above is one that the weakened variants fail.
#[test]
fn the_argument_sees_a_missing_mask() {
    for (n, t) in [(5, 2), (7, 3)] {
        let report = check(n, t, 5);
        let visible = report.differences.iter().filter(|d| d.iter().any(|x| *x != F17::ZERO)).count();
        assert!(visible * 2 > report.differences.len(), "{visible} of {}", report.differences.len());
    }
}
