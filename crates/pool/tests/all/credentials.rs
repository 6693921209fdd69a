//! EdDSA and XMSS: what verifies, what is forged, and that an index signs once.

use ark_ff::{BigInteger, PrimeField};
use proptest::prelude::*;
use tacit_pool::Fr;
use tacit_pool::eddsa::{self, EddsaError};
use tacit_pool::hash::Domain;
use tacit_pool::xmss::{self, OneTimeIndex, StoredKey, XmssError};

use crate::common::*;

fn dec(text: &str) -> Fr {
    tacit_pool::value::parse_field(text).unwrap()
}

/// The base point of ERC-2494, which is circomlib's `BASE8`.
#[test]
fn the_curve_is_erc_2494s() {
    use ark_ec::twisted_edwards::TECurveConfig;
    use taceo_ark_babyjubjub::EdwardsConfig;
    let base = EdwardsConfig::GENERATOR;
    assert_eq!(base.x, dec("5299619240641551281634865583518297030282874472190772894086521144482721001553"));
    assert_eq!(base.y, dec("16950150798460657717958625567821834550301663161624707787222815936182638968203"));
    assert_eq!((EdwardsConfig::COEFF_A, EdwardsConfig::COEFF_D), (fr(168_700), fr(168_696)));
    let order = "2736030358979909402780800718157159386076813972158567259200215660948447373041";
    assert_eq!(taceo_ark_babyjubjub::Fr::MODULUS.to_string(), order);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_signature_is_of_one_message_by_one_key(seed: [u8; 32], message in element(), other in element()) {
        prop_assume!(message != other);
        let key = eddsa::SigningKey::from_seed(&seed).unwrap();
        let signature = key.sign(&message);
        prop_assert_eq!(key.sign(&message), signature, "nonces are derived");
        prop_assert_ne!(key.sign(&other).r(), signature.r(), "another message has another nonce");
        prop_assert_eq!(key.public().verify(&message, &signature), Ok(()));
        prop_assert_eq!(key.public().verify(&other, &signature), Err(EddsaError::Forged));
        let [x, y] = key.public().coordinates();
        prop_assert_eq!(eddsa::PublicKey::new(x, y), Ok(*key.public()));
        prop_assert_eq!(eddsa::Signature::new(signature.r(), &signature.s()), Ok(signature));
        let changed = eddsa::Signature::new(signature.r(), &(signature.s() + fr(1))).unwrap();
        prop_assert_eq!(key.public().verify(&message, &changed), Err(EddsaError::Forged));
        let stranger = eddsa::SigningKey::from_seed(&[7; 32]).unwrap();
        prop_assert_eq!(stranger.public().verify(&message, &signature), Err(EddsaError::Forged));
    }
}

#[test]
fn malformed_keys_and_signatures_are_refused() {
    let key = eddsa::SigningKey::from_seed(&[1; 32]).unwrap();
    let [x, y] = key.public().coordinates();
    assert_eq!(eddsa::PublicKey::new(x, x), Err(EddsaError::NotOnCurve));
    // The neutral element, the point of order 2, and a key shifted by it.
    assert_eq!(eddsa::PublicKey::new(fr(0), fr(1)), Err(EddsaError::Subgroup));
    assert_eq!(eddsa::PublicKey::new(fr(0), -fr(1)), Err(EddsaError::Subgroup));
    assert_eq!(eddsa::PublicKey::new(-x, -y), Err(EddsaError::Subgroup));
    // S and S + l stand for one scalar: the greater is no encoding.
    let signature = key.sign(&fr(5));
    let order = Fr::from_bigint(taceo_ark_babyjubjub::Fr::MODULUS).unwrap();
    assert_eq!(eddsa::Signature::new(signature.r(), &(signature.s() + order)), Err(EddsaError::Scalar));
    assert_eq!(eddsa::Signature::new([fr(1), fr(1)], &fr(1)), Err(EddsaError::NotOnCurve));
}

/// The equation in affine coordinates, as the circuit has it: with an `h` of 254 bits that is not reduced.
#[test]
fn the_equation_holds_with_the_challenge_as_an_integer() {
    use ark_ec::{AffineRepr, CurveGroup, twisted_edwards::TECurveConfig};
    use taceo_ark_babyjubjub::{EdwardsAffine, EdwardsConfig};
    let key = eddsa::SigningKey::from_seed(&[3; 32]).unwrap();
    let signature = key.sign(&fr(9));
    let ([rx, ry], [ax, ay]) = (signature.r(), key.public().coordinates());
    let h = tacit_pool::hash::tagged(Domain::EddsaChallenge, &[rx, ry, ax, ay, fr(9)]);
    let times = |point: EdwardsAffine, bits: &[bool]| {
        bits.iter().rev().fold(EdwardsAffine::zero().into_group(), |sum, bit| {
            let twice = sum + sum;
            if *bit { twice + point } else { twice }
        })
    };
    let left = times(EdwardsConfig::GENERATOR, &signature.s().into_bigint().to_bits_le());
    let right = times(EdwardsAffine::new_unchecked(ax, ay), &h.into_bigint().to_bits_le());
    assert_eq!(left.into_affine(), (right + EdwardsAffine::new_unchecked(rx, ry)).into_affine());
}

fn drawn(height: u32, seed: u64) -> StoredKey {
    StoredKey::generate(height, &mut rng(seed)).unwrap()
}

fn sure(key: &mut StoredKey) -> OneTimeIndex {
    key.reserve().unwrap().durable(|| Ok::<(), ()>(())).unwrap()
}

#[test]
fn xmss_signs_once_for_each_index_and_then_no_more() {
    let mut stored = drawn(2, 5);
    let key = stored.signing_key().unwrap();
    assert_eq!(*key.public(), stored.public());
    for index in 0..4u32 {
        assert_eq!(stored.left(), 4 - index);
        let reserved = stored.reserve().unwrap();
        // What goes to disk before the signature says that the index is used, and is what the next start goes on from.
        let mut disk = Vec::new();
        let write = || {
            disk = serde_json::to_vec(&stored).unwrap();
            Ok::<(), ()>(())
        };
        let one_time = reserved.durable(write).unwrap();
        let message = fr(100 + u64::from(index));
        let signature = key.sign(one_time, &message).unwrap();
        assert_eq!(signature.index, index);
        assert_eq!(key.public().verify(2, &message, &signature), Ok(()));
        assert!(key.public().verify(2, &fr(1), &signature).is_err());
        assert_eq!(key.public().verify(3, &message, &signature), Err(XmssError::Forged));
        stored = serde_json::from_slice(&disk).unwrap();
    }
    assert_eq!(stored.reserve().unwrap_err(), XmssError::Exhausted(4));
}

#[test]
fn an_index_whose_reservation_was_not_written_is_lost() {
    let mut stored = drawn(2, 5);
    let key = stored.signing_key().unwrap();
    assert_eq!(stored.reserve().unwrap().durable(|| Err("disk full")).unwrap_err(), "disk full");
    let next = sure(&mut stored);
    assert_eq!(key.sign(next, &fr(1)).unwrap().index, 1);
    // An index of another key signs nothing.
    assert_eq!(key.sign(sure(&mut drawn(2, 6)), &fr(1)), Err(XmssError::OtherKey));
    for height in [0, 99] {
        assert_eq!(StoredKey::generate(height, &mut rng(1)).unwrap_err(), XmssError::Height(height));
    }
}

/// Keys are random: the same wallet never draws one twice. And a stored one that was damaged signs nothing.
#[test]
fn xmss_keys_are_drawn_and_damaged_ones_refused() {
    let mut random = rng(7);
    let mut draw = || StoredKey::generate(1, &mut random).unwrap();
    let (one, other) = (draw(), draw());
    assert_ne!(one.public(), other.public());
    let stored = serde_json::to_value(&one).unwrap();
    let damaged = |field: &str, value: serde_json::Value| {
        let mut stored = stored.clone();
        stored[field] = value;
        serde_json::from_value::<StoredKey>(stored)
    };
    let others = serde_json::to_value(&other).unwrap();
    assert_eq!(
        damaged("root", others["root"].clone()).unwrap().signing_key().unwrap_err(),
        XmssError::Damaged
    );
    let tall = damaged("height", 60.into()).unwrap();
    assert_eq!((tall.left(), tall.signing_key().unwrap_err()), (0, XmssError::Height(60)));
    let over = damaged("next", u32::MAX.into()).unwrap();
    assert_eq!(over.left(), 0);
    let cut = damaged("seed", "00ff".into()).unwrap_err().to_string();
    assert!(!cut.contains("00ff"), "{cut}");
}

#[test]
fn a_changed_xmss_signature_is_refused() {
    let mut stored = drawn(3, 5);
    let key = stored.signing_key().unwrap();
    for _ in 0..5 {
        let _ = sure(&mut stored);
    }
    let one_time = sure(&mut stored);
    let signature = key.sign(one_time, &fr(8)).unwrap();
    let good = |signature: &xmss::Signature| key.public().verify(3, &fr(8), signature).is_ok();
    assert!(good(&signature));
    let changes: [fn(&mut xmss::Signature); 7] = [
        |s| s.index ^= 1,
        |s| s.index += 8,
        |s| s.randomizer += Fr::from(1u64),
        |s| s.chains[0] += Fr::from(1u64),
        |s| s.chains[127] += Fr::from(1u64),
        |s| s.siblings[2] += Fr::from(1u64),
        |s| s.siblings.truncate(2),
    ];
    for (i, change) in changes.into_iter().enumerate() {
        let mut changed = signature.clone();
        change(&mut changed);
        assert!(!good(&changed), "change {i}");
    }
}
