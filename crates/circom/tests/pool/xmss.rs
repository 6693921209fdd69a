//! `auth_xmss` against forgers.

use num_bigint::BigUint;

use super::auth::{Auth, expanding_to, is_comparison, plus_order};
use super::*;

const INDEX: u64 = 777;

fn public_seed() -> Fr {
    Fr::from(4242u64)
}

fn start(i: usize) -> Fr {
    Fr::from(1_000_000 + i as u64)
}

fn end(i: usize) -> Fr {
    let tweak = domain("tacit.xmss_chain") + Fr::from(256 * INDEX + i as u64);
    poseidon(&[tweak, public_seed(), start(i)])
}

fn siblings() -> Vec<Fr> {
    (0..10u64).map(|h| Fr::from(h + 31)).collect()
}

fn root() -> Fr {
    let ends: Vec<Fr> = (0..128).map(end).collect();
    let tweak = domain("tacit.xmss_leaf") + Fr::from(INDEX);
    let leaf = poseidon(&[&[tweak, public_seed()][..], &ends].concat());
    (1u64..).zip(siblings()).fold(leaf, |node, (h, sibling)| {
        let tweak = domain("tacit.xmss_node") + Fr::from((h << 32) + (INDEX >> h));
        let right = (INDEX >> (h - 1)) & 1 == 1;
        if right { poseidon(&[tweak, sibling, node]) } else { poseidon(&[tweak, node, sibling]) }
    })
}

fn digest(randomizer: u64, root: Fr, message: Fr) -> Fr {
    poseidon(&[domain("tacit.xmss_message"), Fr::from(randomizer), root, Fr::from(INDEX), message])
}

fn ones(number: &BigUint) -> usize {
    (0..128).filter(|i| number.bit(*i)).count()
}

/// The inputs that reveal what the number's codeword asks for.
fn inputs(auth: &Auth, randomizer: u64, number: &BigUint) -> Vec<Fr> {
    let chains: Vec<Fr> = (0..128).map(|i| if number.bit(i as u64) { end(i) } else { start(i) }).collect();
    auth.with(&[
        ("root", &[root()]),
        ("publicSeed", &[public_seed()]),
        ("index", &[Fr::from(INDEX)]),
        ("randomizer", &[Fr::from(randomizer)]),
        ("chains", &chains),
        ("siblings", &siblings()),
    ])
}

#[test]
fn a_signature_is_of_its_message_by_its_key() {
    let auth = Auth::of("auth_xmss", "transfer_phantom");
    assert_eq!(auth.broken_by(&[]).len(), 0);
    let other = Fr::from(77u64);
    for (name, _) in INTENT.iter().chain(&BOUND).chain(&XMSS) {
        assert!(!auth.broken_by(&[(name, &[other])]).is_empty(), "{name}");
    }
    let index = auth.circuit.wires("index").start - auth.circuit.r1cs.input_wires().start;
    let next_tree = auth.inputs[index as usize] + Fr::from(1024u64);
    assert!(!auth.broken_by(&[("index", &[next_tree])]).is_empty());
}

#[test]
fn a_codeword_has_as_many_ones_as_zeros() {
    let auth = Auth::of("auth_xmss", "transfer_phantom");
    let determination = &auth.determination;
    let root = root();
    let mut seen = [false; 2];
    for randomizer in 0.. {
        let number = BigUint::from(digest(randomizer, root, auth.message));
        let is_codeword = ones(&number) == 64;
        if seen[usize::from(is_codeword)] {
            continue;
        }
        seen[usize::from(is_codeword)] = true;
        let inputs = inputs(&auth, randomizer, &number);
        let witness = determination.complete(&auth.circuit.r1cs, &inputs).unwrap();
        // The sum of the bits, and nothing else.
        assert_eq!(auth.circuit.violated(&witness).len(), usize::from(!is_codeword));
        if seen == [true; 2] {
            break;
        }
    }
}

/// The digest plus the order would be a second codeword for the same randomizer.
#[test]
fn the_digest_has_one_expansion() {
    let auth = Auth::of("auth_xmss", "transfer_phantom");
    let root = root();
    let (randomizer, second) = (0u64..)
        .find_map(|randomizer| {
            let number = plus_order(digest(randomizer, root, auth.message))?;
            (ones(&number) == 64).then_some((randomizer, number))
        })
        .unwrap();
    let inputs = inputs(&auth, randomizer, &second);
    let witness = expanding_to(&auth.circuit, &inputs, &second);
    let broken = auth.circuit.violated(&witness);
    assert!(!broken.is_empty() && broken.iter().all(|i| is_comparison(&auth.circuit, *i)));
}
