//! Addresses, amounts and texts: one text for one value, and nothing out of range.

use num_bigint::BigUint;
use proptest::prelude::*;
use tacit_pool::value::{ValueError, field_text, parse_field};
use tacit_pool::{Address, Amount, Fr};

use crate::common::*;

#[test]
fn addresses_have_the_letters_of_eip_55() {
    for text in [
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ] {
        let address: Address = text.parse().unwrap();
        assert_eq!(address.to_string(), text);
        assert_eq!(text.to_lowercase().parse(), Ok(address));
        let swapped = text.replacen('b', "B", 1);
        if swapped != text {
            assert!(matches!(swapped.parse::<Address>(), Err(ValueError::Checksum(_))), "{swapped}");
        }
    }
    for text in ["", "0x", "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0x00"] {
        assert!(matches!(text.parse::<Address>(), Err(ValueError::Address(_))), "{text}");
    }
}

#[test]
fn amounts_end_at_two_to_the_248() {
    let max = "452312848583266388373324160190187140051835877600158453279131187530910662655";
    assert_eq!(max.parse(), Ok(Amount::MAX));
    assert_eq!(Amount::MAX.to_string(), max);
    assert_eq!(Amount::MAX.checked_add(amount(1)), None);
    assert_eq!(amount(1).checked_sub(amount(2)), None);
    assert_eq!(Amount::from_field(&(Amount::MAX.to_field() + Fr::from(1u64))), None);
    let above = "452312848583266388373324160190187140051835877600158453279131187530910662656";
    for text in [above, "", "-1", "+1", "01", "1.0", "0x1", " 1", "1e3", &"9".repeat(500)] {
        assert!(text.parse::<Amount>().is_err(), "{text}");
    }
    let mut word = [0xff; 32];
    assert_eq!(Amount::from_word(&word), None);
    word[0] = 0;
    assert_eq!(Amount::from_word(&word), Some(Amount::MAX));
}

#[test]
fn a_field_element_has_one_text() {
    let order = "21888242871839275222246405745257275088548364400416034343698204186575808495617";
    assert!(parse_field(order).is_err());
    assert_eq!(parse_field(&field_text(&-Fr::from(1u64))), Ok(-Fr::from(1u64)));
    for text in ["", "00", "-1", "+1", "0x1", " 1", "1_0", "１", &"9".repeat(500)] {
        assert!(parse_field(text).is_err(), "{text}");
    }
}

/// Texts agree with a library that was written for numbers, also at the ends of its words.
fn agrees(n: [u8; 32]) -> Result<(), TestCaseError> {
    let number = BigUint::from_bytes_be(&n);
    let text = number.to_string();
    let amount = Amount::from_word(&n);
    prop_assert_eq!(amount.is_some(), number.bits() <= 248);
    prop_assert_eq!(text.parse().ok(), amount);
    if let Some(amount) = amount {
        prop_assert_eq!(amount.to_string(), text.clone());
    }
    let element = tacit_algebra::field::read_be::<Fr>(&n).ok();
    prop_assert_eq!(parse_field(&text).ok(), element);
    if let Some(element) = element {
        prop_assert_eq!(field_text(&element).to_string(), text);
    }
    Ok(())
}

#[test]
fn texts_at_the_ends_of_limbs_and_chunks_are_those_of_numbers() {
    let ten = BigUint::from(10u8);
    let powers = (0..=256u32).map(|bits| BigUint::from(1u8) << bits).chain((0..78).map(|n| ten.pow(n)));
    for n in powers.flat_map(|n| [&n - 1u8, n.clone(), n + 1u8]) {
        let bytes = n.to_bytes_be();
        if bytes.len() <= 32 {
            let mut word = [0; 32];
            word[32 - bytes.len()..].copy_from_slice(&bytes);
            agrees(word).unwrap();
        }
    }
    // 2^256 and above are no number, whatever they are modulo 2^256.
    for bits in [256u32, 257, 320] {
        let text = (BigUint::from(1u8) << bits).to_string();
        assert!(parse_field(&text).is_err() && text.parse::<Amount>().is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn texts_are_those_of_numbers(n: [u8; 32], zeros in 0usize..32) {
        let mut n = n;
        n[..zeros].fill(0);
        agrees(n)?;
    }

    #[test]
    fn amounts_add_like_numbers(a: u128, b: u128, x in element()) {
        let (one, other) = (amount(a), amount(b));
        prop_assert_eq!(one.checked_add(other).unwrap().checked_sub(other), Some(one));
        prop_assert_eq!(one.checked_sub(other).is_some(), a >= b);
        prop_assert_eq!(one < other, a < b);
        prop_assert_eq!(one.to_string(), a.to_string());
        prop_assert_eq!(a.to_string().parse(), Ok(one));
        prop_assert_eq!(Amount::from_be_bytes(&one.to_be_bytes()), one);
        prop_assert_eq!(Amount::from_field(&one.to_field()), Some(one));
        prop_assert_eq!(parse_field(&field_text(&x)), Ok(x));
        prop_assert_eq!(Address::from_field(&x).map(|address| address.to_field()).unwrap_or(x), x);
    }
}
