//! Seed expansion: against SHAKE-256 as others implement it, its separation of domains, and why an element takes more than 32 bytes.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;

use ark_bn254::Fr;
use ark_ff::{BigInteger, Field, PrimeField};
use num_bigint::BigUint;
use proptest::prelude::*;
use tacit_sharing::expand::Stream;
use tacit_sharing::{Expander, Seed};

fn first<F: PrimeField>(stream: &Stream<'_>, seed: &[u8; 32]) -> F {
    Expander::new(stream, &Seed(*seed)).next_element()
}

/// Made with Python's `hashlib`:
///
/// ```python
/// frame = lambda b: len(b).to_bytes(8, "little") + b
/// u32 = lambda x: x.to_bytes(4, "little")
/// parts = [b"label", bytes(range(32)), u32(3), u32(1), bytes([7] * 32)]
/// out = hashlib.shake_256(b"".join(map(frame, parts))).digest(64 * 4)
/// [int.from_bytes(out[64 * k:64 * k + 64], "little") % r for k in range(4)]
/// ```
#[test]
fn expansion_is_shake_256_of_the_framed_parts() {
    let deal: Vec<u8> = (0..32).collect();
    let stream = Stream { label: b"label", deal: &deal, vector: 3, slice: 1 };
    let seed = Seed([7; 32]);
    let bn: Vec<String> =
        Expander::<Fr>::new(&stream, &seed).take_elements(4).iter().map(ToString::to_string).collect();
    assert_eq!(bn, BN254);
    let bls: Vec<String> = Expander::<ark_bls12_381::Fr>::new(&stream, &seed)
        .take_elements(4)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(bls, BLS12_381);
}

const BN254: [&str; 4] = [
    "6451051442051934144169882941149674757999847060444785443312851894713332949138",
    "6588380031261261398708967460998157715462111425424227659781171204600108414460",
    "16416552768438872977259209295473230349805512134543074354202054655006670123563",
    "12701344382400721914086187110792194507490711441461398243447329993422558845030",
];
const BLS12_381: [&str; 4] = [
    "49904861188775131623934915893298052745485816513406224361990183615958671302478",
    "35225518146002680046810877872405398798163716553673076693898921986940488279849",
    "17745977930527985252048748548532469700155652008598843256867068640065936189624",
    "19147764163938863558583642353559174846196489902823766594969416512900594086725",
];

proptest! {
    #[test]
    fn expansion_is_a_function_of_all_parts(
        label in prop::collection::vec(any::<u8>(), 0..20),
        deal in any::<[u8; 32]>(),
        [vector, slice] in any::<[u32; 2]>(),
        seed in any::<[u8; 32]>(),
        flip in 0..256usize,
    ) {
        let stream = Stream { label: &label, deal: &deal, vector, slice };
        let expected: Fr = first(&stream, &seed);
        prop_assert_eq!(first::<Fr>(&stream, &seed), expected);

        let flipped = |mut bytes: [u8; 32]| { bytes[flip / 8] ^= 1 << (flip % 8); bytes };
        let longer = [&label[..], &[0]].concat();
        // Bytes moved over the border between two parts.
        let shifted_label = [&label[..], &deal[..1]].concat();
        let other_deal = flipped(deal);
        let others = [
            first(&Stream { label: &longer, ..stream }, &seed),
            first(&Stream { label: &shifted_label, deal: &deal[1..], ..stream }, &seed),
            first(&Stream { deal: &other_deal, ..stream }, &seed),
            first(&Stream { vector: vector ^ 1, ..stream }, &seed),
            first(&Stream { vector: slice.wrapping_add(1), slice: vector, ..stream }, &seed),
            first(&Stream { slice: slice ^ 1, ..stream }, &seed),
            first(&stream, &flipped(seed)),
        ];
        let all: BTreeSet<Fr> = others.into_iter().chain([expected]).collect();
        prop_assert_eq!(all.len(), 8);
    }

    #[test]
    fn a_stream_does_not_depend_on_how_it_is_read(seed in any::<[u8; 32]>(), cut in 0..20usize) {
        let stream = Stream { label: b"l", deal: b"d", vector: 0, slice: 0 };
        let whole = Expander::<Fr>::new(&stream, &Seed(seed)).take_elements(20);
        let mut expander = Expander::<Fr>::new(&stream, &Seed(seed));
        let mut parts = expander.take_elements(cut);
        parts.extend(expander.take_elements(20 - cut));
        prop_assert_eq!(&parts, &whole);
        prop_assert_eq!(whole.into_iter().collect::<BTreeSet<_>>().len(), 20);
    }
}

/// The statistical distance from uniform of a uniform `8 * bytes`-bit integer reduced modulo the field's order, as
/// (numerator, denominator): with `2^b = q m + e`, `e` residues come up `q + 1` times and `m - e` come up `q` times, and the
/// distance is `e (m - e) / (m 2^b)`.
fn distance<F: PrimeField>(bytes: usize) -> (BigUint, BigUint) {
    let m = BigUint::from_bytes_le(&F::MODULUS.to_bytes_le());
    let range = BigUint::from(1u8) << (8 * bytes);
    let e = &range % &m;
    (&e * (&m - &e), m * range)
}

/// The rule "at least 48 bytes an element": with 32, an attacker tells the shares of a guessed secret from others with an
/// advantage of several per cent an element; with 48 and with the 64 that are used, never.
#[test]
fn thirty_two_bytes_an_element_are_biased_and_forty_eight_are_not() {
    fn check<F: PrimeField>() {
        let below = |bytes, log: u32| {
            let (numerator, denominator) = distance::<F>(bytes);
            (numerator << log) < denominator
        };
        // Without the rule: more than 1/64.
        assert!(!below(32, 6));
        // With it.
        assert!(below(48, 120));
        assert!(below(tacit_sharing::expand::BYTES_PER_ELEMENT, 250));
    }
    check::<Fr>();
    check::<ark_bls12_381::Fr>();
}

#[test]
fn seeds_and_expanders_are_not_printed() {
    let seed = Seed([0xab; 32]);
    assert_eq!(format!("{seed:?}"), "Seed(..)");
    let stream = Stream { label: b"l", deal: b"d", vector: 0, slice: 0 };
    assert_eq!(format!("{:?}", Expander::<Fr>::new(&stream, &seed)), "Expander(..)");
    assert_ne!(first::<Fr>(&stream, &seed.0), Fr::ONE);
}
