//! Privacy, exactly: over a field of five elements every outcome of the dealing is enumerated, and the joint view of the
//! coordinator, the assembler and `t` nodes is counted.
//!
//! The view of the adversary is the header, which is public and the same for all witnesses, all responses (it plays coordinator
//! *and* assembler, so it opens them all), and the packages of the corrupted nodes. What else it sees is
//! a function of these: ciphertexts of honest nodes' packages hide everything but their length, acknowledgements are
//! digests salted with what only client and node know, the proof is interpolated from the responses.
//!
//! The model: a seed's expansion is uniform. So the free shares are enumerated instead of the seeds, through the
//! product's own dealing ([`crate::deal::Dealer`]) and the product's own response ([`crate::respond::on_shares`]).

use ark_ff::{BigInteger, PrimeField};

use super::support::*;
use crate::deal::Dealer;
use crate::package::Shares;
use crate::respond;
use tacit_groth16::ProvingKey;

pub type Key = ProvingKey<ToyGroups<F5>>;

/// The witnesses of `(w1 + x) * w2 = 1` for `x = 1`.
pub const WITNESSES: [[u64; 2]; 4] = [[0, 1], [1, 3], [2, 2], [3, 4]];

pub fn key() -> Key {
    setup(&product_circuit(), &Trapdoor::new(0, 2, 3, 4, 2))
}

fn digit(x: F5) -> u64 {
    x.into_bigint().to_bytes_le()[0].into()
}

/// A package as a number below `5^5`.
pub fn package_number(shares: &Shares<F5>) -> usize {
    let elements = shares.wires.iter().chain([&shares.r, &shares.s, &shares.mask]);
    elements.fold(0, |number, x| number * 5 + digit(*x) as usize)
}

/// The response to every possible package, as a number below `5^3`: a node's answer depends on its package and the public
/// inputs only, so the enumeration looks it up.
pub fn all_responses(key: &Key, public: u64) -> Vec<u64> {
    let domain = key.domain().unwrap();
    let element = |number: usize, place: u32| F5::from((number / 5usize.pow(place) % 5) as u64);
    (0..5usize.pow(5))
        .map(|number| {
            let shares = Shares {
                wires: vec![element(number, 4), element(number, 3)],
                r: element(number, 2),
                s: element(number, 1),
                mask: element(number, 0),
            };
            assert_eq!(package_number(&shares), number);
            let response = respond::on_shares(key, &domain, &[F5::from(public)], &shares);
            digit(response.a.0) * 25 + digit(response.b.0) * 5 + digit(response.c.0)
        })
        .collect()
}

/// The multiset of joint views over all randomness, for each corrupted node: `views[node]`, sorted. `deal` makes the packages of
/// all nodes from one outcome of `drawn` field elements; `tables` are the sets of responses that each node gives.
pub fn joint_views(
    drawn: usize,
    nodes: usize,
    tables: &[Vec<u64>],
    deal: impl Fn(&[F5]) -> Vec<Shares<F5>>,
) -> Vec<Vec<u64>> {
    let mut views = vec![Vec::with_capacity(5usize.pow(drawn as u32)); nodes];
    let mut outcome = vec![F5::from(0u64); drawn];
    for number in 0..5u64.pow(drawn as u32) {
        let mut rest = number;
        for x in &mut outcome {
            *x = F5::from(rest % 5);
            rest /= 5;
        }
        let packages: Vec<usize> = deal(&outcome).iter().map(package_number).collect();
        let mut responses = 0u64;
        for table in tables {
            for package in &packages {
                responses = responses * 125 + table[*package];
            }
        }
        for (view, package) in views.iter_mut().zip(&packages) {
            view.push(responses.checked_mul(3125).unwrap() + *package as u64);
        }
    }
    for view in &mut views {
        view.sort_unstable();
    }
    views
}

fn private(witness: [u64; 2]) -> Vec<F5> {
    witness.iter().map(|w| F5::from(*w)).collect()
}

/// The product's views for a witness.
fn product_views(n: u8, witness: [u64; 2]) -> Vec<Vec<u64>> {
    let private = private(witness);
    let dials = dials(n, 1);
    let drawn = randomness(dials, 2);
    assert_eq!(drawn, 8);
    let dealer = Dealer::new(dials).unwrap();
    joint_views(drawn, usize::from(n), &[all_responses(&key(), 1)], |outcome| {
        shares_of_all(&dealer, dials, &private, outcome)
    })
}

/// The joint view of coordinator, assembler and any one node has exactly the same distribution for every two witnesses of one statement.
fn views_do_not_depend_on_the_witness(n: u8) {
    let reference = product_views(n, WITNESSES[0]);
    for witness in &WITNESSES[1..] {
        assert!(product_views(n, *witness) == reference, "n = {n}: the view tells {witness:?} apart");
    }
    // The enumeration is not vacuous: views are many, and corrupted packages uniform.
    for view in &reference {
        let mut counts = vec![0u32; 3125];
        view.iter().for_each(|v| counts[(*v % 3125) as usize] += 1);
        assert!(counts.iter().all(|c| *c == 5u32.pow(3)));
    }
}

#[test]
fn three_nodes_one_corrupted_exactly() {
    views_do_not_depend_on_the_witness(3);
}

#[test]
fn four_nodes_one_corrupted_exactly() {
    views_do_not_depend_on_the_witness(4);
}

/// Two corrupted nodes of a committee with `t = 1` do learn the witness: the enumeration can see a leak, and `t` means what it says.
#[test]
fn one_node_more_than_the_threshold_learns_the_witness() {
    let dials = dials(3, 1);
    for witness in WITNESSES {
        let packages = deal_with(dials, &private(witness), &[F5::from(3u64); 8]);
        let opened: Vec<F5> = (0..2)
            .map(|k| {
                let shares = [(1, packages[0].wires[k]), (3, packages[2].wires[k])];
                tacit_sharing::interpolate::in_field(F5::from(0u64), &shares).unwrap()
            })
            .collect();
        assert_eq!(opened, private(witness));
    }
}
