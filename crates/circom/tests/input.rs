//! What stands in `input.json`, and what must not.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use ark_ff::{Field, PrimeField};
use proptest::prelude::*;
use tacit_algebra::{Bn254, Groups};
use tacit_circom::{FileKind, Inputs, JsonError, JsonReason};

type F = <Bn254 as Groups>::Scalar;

fn parse(json: &str) -> Result<Inputs<F>, JsonError> {
    Inputs::from_json(json)
}

fn reason(json: &str) -> (String, JsonReason) {
    let error = parse(json).unwrap_err();
    assert_eq!(error.file, FileKind::Input);
    (error.path, error.reason)
}

fn f(n: i64) -> F {
    F::from(n)
}

#[test]
fn every_kind_of_value() {
    let json = std::fs::read_to_string(common::fixtures().join("input.json")).unwrap();
    let inputs = parse(&json).unwrap();
    let names: Vec<_> = inputs.0.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a", "open", "grid", "spare"]);
    assert_eq!(inputs.get("a"), Some(&[f(1)][..]));
    assert_eq!(inputs.get("open"), Some(&[f(42)][..]));
    assert_eq!(inputs.get("grid"), Some(&[f(4), f(-2), f(-1), f(9)][..]));
    assert_eq!(inputs.get("none"), None);
}

#[test]
fn numbers_are_exact_at_any_size() {
    let expected = F::from(2u64).pow([200]) + F::ONE;
    let decimal = "1606938044258990275541962092341162602522202993782792835301377";
    assert_eq!(parse(&format!(r#"{{"a":{decimal}}}"#)).unwrap().0[0].1, [expected]);
    assert_eq!(parse(&format!(r#"{{"a":"{decimal}"}}"#)).unwrap().0[0].1, [expected]);
    assert_eq!(parse(&format!(r#"{{"a":-{decimal}}}"#)).unwrap().0[0].1, [-expected]);
    assert_eq!(parse(r#"{"a":[0,-0,9007199254740993]}"#).unwrap().0[0].1, [f(0), f(0), f(9007199254740993)]);
}

#[test]
fn values_are_reduced_as_circom_reduces_them() {
    let order = F::MODULUS.to_string();
    let json = format!(r#"{{"a":["{order}", "-1", "0XfF", "-0", "007", " 1"]}}"#);
    assert_eq!(reason(&json), ("a (value 5)".into(), JsonReason::NotInteger));
    let json = json.replace(r#", " 1""#, "");
    assert_eq!(parse(&json).unwrap().0[0].1, [f(0), f(-1), f(255), f(0), f(7)]);
    let ones = "f".repeat(64);
    let expected = F::from(2u64).pow([256]) - F::ONE;
    assert_eq!(parse(&format!(r#"{{"a":"0x{ones}"}}"#)).unwrap().0[0].1, [expected]);
}

#[test]
fn arrays_are_flattened_and_buses_are_named() {
    let inputs = parse(r#"{"a":[[1,[2]],3,[]],"b":[],"p":{"x":1,"y":[2,3]},"q":[{"x":1},{"x":2}]}"#).unwrap();
    let expected = [
        ("a", vec![1, 2, 3]),
        ("b", vec![]),
        ("p.x", vec![1]),
        ("p.y", vec![2, 3]),
        ("q[0].x", vec![1]),
        ("q[1].x", vec![2]),
    ];
    let expected = expected.map(|(name, values)| (name.to_owned(), values.into_iter().map(f).collect()));
    assert_eq!(inputs.0, expected);
    // A circuit without inputs.
    assert!(parse("{}").unwrap().0.is_empty());
}

#[test]
fn what_is_not_an_integer_is_refused_without_being_shown() {
    for value in [
        r#""""#,
        r#""0x""#,
        r#""-""#,
        r#""12a""#,
        r#""--1""#,
        r#""-0x1""#,
        r#""0b1""#,
        "null",
        r#""tru\u0065""#,
    ] {
        let json = format!(r#"{{"a":[7,{value}]}}"#);
        let error = parse(&json).unwrap_err();
        assert_eq!((error.path.as_str(), &error.reason), ("a (value 1)", &JsonReason::NotInteger), "{value}");
        assert!(!error.to_string().contains("12a"));
    }
    for value in ["1.5", "1e3", "1E400", "1.0"] {
        assert_eq!(reason(&format!(r#"{{"a":{value}}}"#)), ("a (value 0)".into(), JsonReason::InexactNumber));
    }
}

#[test]
fn malformed_files_are_refused() {
    let root = String::new;
    assert_eq!(reason("[1]"), (root(), JsonReason::Type { expected: "object" }));
    assert_eq!(reason(r#""secret""#), (root(), JsonReason::Type { expected: "object" }));
    assert_eq!(reason(r#"{"a":1"#), (root(), JsonReason::Syntax { line: 1, column: 6 }));
    assert!(matches!(reason(r#"{"a":1} x"#).1, JsonReason::Syntax { .. }));
    assert!(matches!(reason("").1, JsonReason::Syntax { .. }));
    assert_eq!(reason(r#"{"a":1,"b":2,"a":3}"#), ("a".into(), JsonReason::DuplicateField));
    assert_eq!(reason(r#"{"p":{"x":1},"p.x":3}"#), ("p.x".into(), JsonReason::DuplicateField));
    assert_eq!(reason(r#"{"a":[1,{"x":1}]}"#), ("a".into(), JsonReason::MixedArray));
    assert_eq!(reason(r#"{"a":[{"x":1},1]}"#).0, "a[1]");
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert!(matches!(reason(&deep).1, JsonReason::TooDeep { .. }));
    let deep = format!("{}1{}", r#"{"a":"#.repeat(1000), "}".repeat(1000));
    assert!(matches!(reason(&deep).1, JsonReason::TooDeep { .. }));
}

proptest! {
    #[test]
    fn any_text_parses_or_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Inputs::<F>::from_json(&bytes);
    }

    #[test]
    fn json_like_text_parses_or_is_refused(text in r#"[\{\}\[\]",:0-9a-fxe.\- ]{0,60}"#) {
        let _ = Inputs::<F>::from_json(format!(r#"{{"a":{text}}}"#));
    }

    #[test]
    fn integers_mean_themselves(x in any::<i64>()) {
        let json = format!(r#"{{"a":[{x},"{x}"]}}"#);
        prop_assert_eq!(&parse(&json).unwrap().0[0].1, &vec![f(x); 2]);
    }

    #[test]
    fn hexadecimal_means_itself(x in any::<u64>()) {
        prop_assert_eq!(&parse(&format!(r#"{{"a":"{x:#x}"}}"#)).unwrap().0[0].1, &vec![F::from(x)]);
    }
}
