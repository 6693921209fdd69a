//! What snarkjs's JSON files have in common: decimal strings, points as arrays of them, one space of indentation.

use std::fmt;

use num_bigint::BigUint;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use tacit_algebra::{Curve, CurveId, DecodeError, Point};
use thiserror::Error;

use crate::error::FileKind;

/// A JSON file that is not what it claims to be. Never holds a value of the file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("malformed {file}: {}{reason}", Path(.path))]
#[non_exhaustive]
pub struct JsonError {
    /// The kind of file.
    pub file: FileKind,
    /// The member at fault, `""` for the whole file.
    pub path: String,
    /// What is wrong.
    pub reason: JsonReason,
}

struct Path<'a>(&'a str);

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, "{}: ", self.0) }
    }
}

/// What is wrong with a JSON file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JsonReason {
    /// Not JSON.
    #[error("not valid JSON at line {line}, column {column}")]
    Syntax {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// JSON, but not the object or array that belongs there.
    #[error("not the {expected} that belongs there")]
    Type {
        /// What belongs there.
        expected: &'static str,
    },
    /// A member that must be there is not.
    #[error("the member is missing")]
    MissingField,
    /// A member occurs twice.
    #[error("the member occurs more than once")]
    DuplicateField,
    /// A JSON value that means nothing here.
    #[error("a value that cannot stand here")]
    Value,
    /// A string or a value that is not an integer.
    #[error("not an integer: write a decimal string, a 0x string, a whole number or a boolean")]
    NotInteger,
    /// A number in floating-point notation.
    #[error("a number with a fraction or an exponent is not exact: write the integer as a string in quotes")]
    InexactNumber,
    /// An array that mixes objects and other values.
    #[error("the array mixes objects with other values")]
    MixedArray,
    /// Arrays or objects nested too deep.
    #[error("nested deeper than {limit} levels")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// An array of the wrong length.
    #[error("{got} items, expected {expected}")]
    Length {
        /// How many there should be.
        expected: usize,
        /// How many there are.
        got: usize,
    },
    /// The third coordinate is neither 1 nor 0.
    #[error("the point is not normalised: its third coordinate must be 1, or 0 for the point at infinity")]
    NotNormalised,
    /// Coordinates or elements that do not decode.
    #[error("{0}")]
    Decode(#[from] DecodeError),
    /// The point at infinity where it makes the key worthless.
    #[error("the point at infinity, which makes the key unsound")]
    Infinity,
    /// Another proof system.
    #[error("the file is for {got:?}; only groth16 is supported")]
    Protocol {
        /// The name in the file.
        got: String,
    },
    /// A curve that this program does not know.
    #[error("curve {got:?} is not supported; the curves are bn128 and bls12381")]
    UnknownCurve {
        /// The name in the file.
        got: String,
    },
    /// The other curve.
    #[error("the file is over {got}, expected {expected}")]
    WrongCurve {
        /// The curve that the caller works with.
        expected: CurveId,
        /// The curve that the file is over.
        got: CurveId,
    },
}

/// The members of an object in the file's order, their values unread.
pub(crate) struct Pairs<'a>(pub Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// Parses, without letting the parser's message (which may quote the file) through.
pub(crate) fn parse<'a, T: Deserialize<'a>>(file: FileKind, bytes: &'a [u8]) -> Result<T, JsonError> {
    serde_json::from_slice(bytes).map_err(|e| {
        let reason = match e.classify() {
            serde_json::error::Category::Data => JsonReason::Type { expected: "object" },
            _ => JsonReason::Syntax { line: e.line(), column: e.column() },
        };
        JsonError { file, path: String::new(), reason }
    })
}

/// The curve that a proof or a verification key (JSON) says it is over.
///
/// # Errors
/// When the text is not an object, has no member `curve`, or the curve is unknown.
pub fn curve_of(bytes: impl AsRef<[u8]>) -> Result<CurveId, JsonError> {
    let file = FileKind::ProofOrKey;
    let value: Value = parse(file, bytes.as_ref())?;
    let root = Node::root(file, &value);
    root.curve()?.ok_or_else(|| root.at("curve").fail(JsonReason::MissingField))
}

/// The curve of that name; besides snarkjs's own names, those that it understands.
pub fn curve_from_name(name: &str) -> Option<CurveId> {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_uppercase();
    match plain.as_str() {
        "BN128" | "BN254" | "ALTBN128" => Some(CurveId::Bn254),
        "BLS12381" => Some(CurveId::Bls12_381),
        _ => None,
    }
}

/// A value with the path that leads to it.
pub(crate) struct Node<'a> {
    file: FileKind,
    path: String,
    value: Option<&'a Value>,
}

impl<'a> Node<'a> {
    pub fn root(file: FileKind, value: &'a Value) -> Self {
        Self { file, path: String::new(), value: Some(value) }
    }

    pub fn fail(&self, reason: JsonReason) -> JsonError {
        JsonError { file: self.file, path: self.path.clone(), reason }
    }

    fn value(&self) -> Result<&'a Value, JsonError> {
        self.value.ok_or_else(|| self.fail(JsonReason::MissingField))
    }

    pub fn at(&self, member: &str) -> Node<'a> {
        let path = if self.path.is_empty() { member.to_owned() } else { format!("{}.{member}", self.path) };
        Node { file: self.file, path, value: self.value.and_then(|v| v.get(member)) }
    }

    pub fn items(&self) -> Result<Vec<Node<'a>>, JsonError> {
        let items =
            self.value()?.as_array().ok_or_else(|| self.fail(JsonReason::Type { expected: "array" }))?;
        let node =
            |(i, value)| Node { file: self.file, path: format!("{}[{i}]", self.path), value: Some(value) };
        Ok(items.iter().enumerate().map(node).collect())
    }

    pub fn items_exactly(&self, expected: usize) -> Result<Vec<Node<'a>>, JsonError> {
        let items = self.items()?;
        if items.len() == expected {
            Ok(items)
        } else {
            Err(self.fail(JsonReason::Length { expected, got: items.len() }))
        }
    }

    pub fn string(&self) -> Result<&'a str, JsonError> {
        self.value()?.as_str().ok_or_else(|| self.fail(JsonReason::Type { expected: "string" }))
    }

    pub fn u64(&self) -> Result<u64, JsonError> {
        self.value()?.as_u64().ok_or_else(|| self.fail(JsonReason::NotInteger))
    }

    /// A decimal or `0x` string, or a whole number, little-endian in exactly `len` bytes.
    pub fn integer_le(&self, len: usize) -> Result<Vec<u8>, JsonError> {
        let not_integer = || self.fail(JsonReason::NotInteger);
        let number = match self.value()? {
            Value::String(text) => {
                // Twice the digits of any canonical value: longer ones cannot be, and conversion is quadratic.
                if text.len() > 5 * len {
                    return Err(self.fail(JsonReason::Decode(DecodeError::NonCanonical)));
                }
                let (digits, radix) = match text.strip_prefix("0x") {
                    Some(digits) => (digits, 16),
                    None => (text.as_str(), 10),
                };
                if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
                    return Err(not_integer());
                }
                BigUint::parse_bytes(digits.as_bytes(), radix).ok_or_else(not_integer)?
            }
            Value::Number(number) => number.as_u64().map(BigUint::from).ok_or_else(|| {
                self.fail(if number.is_f64() { JsonReason::InexactNumber } else { JsonReason::NotInteger })
            })?,
            _ => return Err(not_integer()),
        };
        let mut bytes = number.to_bytes_le();
        if bytes.len() > len {
            return Err(self.fail(JsonReason::Decode(DecodeError::NonCanonical)));
        }
        bytes.resize(len, 0);
        Ok(bytes)
    }

    /// A point of a group over the base field or an extension of it: `[x, y, 1]`, where each coordinate is an integer
    /// or an array of them; `[0, 1, 0]` at infinity.
    pub fn point<P: Point>(&self, limb_len: usize) -> Result<P, JsonError> {
        let limbs = P::LEN / (2 * limb_len).max(1);
        let mut coordinates: Vec<Vec<u8>> = Vec::with_capacity(3 * limbs);
        for coordinate in self.items_exactly(3)? {
            if limbs == 1 {
                coordinates.push(coordinate.integer_le(limb_len)?);
            } else {
                for limb in coordinate.items_exactly(limbs)? {
                    coordinates.push(limb.integer_le(limb_len)?);
                }
            }
        }
        let z = coordinates.split_off(2 * limbs);
        let is_zero = |limb: &Vec<u8>| limb.iter().all(|b| *b == 0);
        let is_one = |limbs: &[Vec<u8>]| match limbs.split_first() {
            Some((first, rest)) => {
                first.first() == Some(&1) && first.iter().skip(1).all(|b| *b == 0) && rest.iter().all(is_zero)
            }
            None => false,
        };
        if is_one(&z) {
            P::from_coordinates_le(&coordinates).map_err(|why| self.fail(JsonReason::Decode(why)))
        } else {
            let (x, y) = coordinates.split_at(limbs);
            if z.iter().all(is_zero) && x.iter().all(is_zero) && is_one(y) {
                Ok(P::identity())
            } else {
                Err(self.fail(JsonReason::NotNormalised))
            }
        }
    }

    /// As [`Node::point`], refusing the neutral element.
    pub fn finite_point<P: Point>(&self, limb_len: usize) -> Result<P, JsonError> {
        let point: P = self.point(limb_len)?;
        if point.is_identity() { Err(self.fail(JsonReason::Infinity)) } else { Ok(point) }
    }

    /// The member `curve`, if there is one.
    pub fn curve(&self) -> Result<Option<CurveId>, JsonError> {
        let curve = self.at("curve");
        match curve.value {
            None => Ok(None),
            Some(_) => {
                let name = curve.string()?;
                match curve_from_name(name) {
                    Some(id) => Ok(Some(id)),
                    None => Err(curve.fail(JsonReason::UnknownCurve { got: shorten(name) })),
                }
            }
        }
    }

    /// Refuses another proof system or curve. Some provers leave one or both members out of a proof.
    pub fn expect_groth16<C: Curve>(&self) -> Result<(), JsonError> {
        let protocol = self.at("protocol");
        if protocol.value.is_some() {
            let name = protocol.string()?;
            if name != "groth16" {
                return Err(protocol.fail(JsonReason::Protocol { got: shorten(name) }));
            }
        }
        match self.curve()? {
            Some(got) if got != C::ID => {
                Err(self.at("curve").fail(JsonReason::WrongCurve { expected: C::ID, got }))
            }
            _ => Ok(()),
        }
    }
}

/// Names from a file are quoted, but not at any length.
fn shorten(name: &str) -> String {
    name.chars().take(40).collect()
}

/// Bytes of a base-field element in files.
pub(crate) fn limb_len<C: Curve>() -> usize {
    C::ID.base_modulus_le().len()
}

/// A little-endian integer as a decimal string.
pub(crate) fn decimal(le: &[u8]) -> Value {
    Value::String(BigUint::from_bytes_le(le).to_string())
}

/// A point as snarkjs writes it.
pub(crate) fn point<P: Point>(point: &P, limb_len: usize) -> Value {
    let limbs = P::LEN / (2 * limb_len).max(1);
    let small = |x: u8| -> Vec<Vec<u8>> {
        let mut limb = vec![vec![0]; limbs.max(1)];
        if let Some(first) = limb.first_mut() {
            *first = vec![x];
        }
        limb
    };
    let (coordinates, z) = match point.coordinates_le() {
        Some(coordinates) => (coordinates, small(1)),
        None => ([small(0), small(1)].concat(), small(0)),
    };
    let coordinate = |limbs: &[Vec<u8>]| match limbs {
        [x] => decimal(x),
        _ => Value::Array(limbs.iter().map(|x| decimal(x)).collect()),
    };
    Value::Array(coordinates.chunks(limbs.max(1)).chain([z.as_slice()]).map(coordinate).collect())
}

/// As JavaScript's `JSON.stringify(value, null, 1)`.
pub(crate) fn write(value: &Value) -> String {
    let mut out = String::new();
    put(value, 0, &mut out);
    out
}

fn put(value: &Value, depth: usize, out: &mut String) {
    let line = |depth: usize, out: &mut String| {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', depth));
    };
    match value {
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                line(depth + 1, out);
                put(item, depth + 1, out);
            }
            // The writer that snarkjs uses breaks the line in empty arrays too.
            line(depth, out);
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (i, (name, member)) in members.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                line(depth + 1, out);
                out.push_str(&Value::String(name.clone()).to_string());
                out.push_str(": ");
                put(member, depth + 1, out);
            }
            line(depth, out);
            out.push('}');
        }
        leaf => out.push_str(&leaf.to_string()),
    }
}
