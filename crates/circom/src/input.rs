//! `input.json`: what a circuit is given.
//!
//! As snarkjs and circom have it: an object whose members are signals of the main component; arrays, nested to any
//! depth, are flattened in order; a value is a decimal string (with a sign, if need be), a `0x` string, a whole
//! number or a boolean. Values are reduced modulo the field's order, so `"-1"` is the order minus one. An object
//! within stands for a bus: its members are named `bus.member`, in an array of buses `bus[0].member`.
//!
//! Three things differ from JavaScript, all on the safe side: whole numbers of any size are exact, a signal named
//! twice is refused rather than overwritten, and so are strings that JavaScript happens to read as numbers (empty
//! ones, ones with blanks, octal and binary ones).

use std::collections::HashSet;
use std::fmt;

use ark_ff::PrimeField;
use serde_json::value::RawValue;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::error::FileKind;
use crate::json::{JsonError, JsonReason, Pairs, parse};

/// How deep arrays and objects may be nested.
const MAX_DEPTH: usize = 32;

/// A circuit's inputs: for each signal its values, flattened, in the file's order. Erased when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Inputs<F: Zeroize>(pub Vec<(String, Vec<F>)>);

impl<F: Zeroize> fmt::Debug for Inputs<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sizes = self.0.iter().map(|(name, values)| (name, values.len()));
        f.write_str("Inputs ")?;
        f.debug_map().entries(sizes).finish()
    }
}

impl<F: Zeroize> Drop for Inputs<F> {
    fn drop(&mut self) {
        for (_, values) in &mut self.0 {
            values.zeroize();
        }
    }
}

impl<F: Zeroize> ZeroizeOnDrop for Inputs<F> {}

impl<F: PrimeField> Inputs<F> {
    /// Parses `input.json`. Errors name the signal, never a value.
    ///
    /// # Errors
    /// [`JsonError`].
    pub fn from_json(bytes: impl AsRef<[u8]>) -> Result<Self, JsonError> {
        let pairs: Pairs<'_> = parse(FileKind::Input, bytes.as_ref())?;
        let mut inputs = Self(Vec::new());
        for (name, value) in &pairs.0 {
            inputs.qualify(name.clone(), value, 0)?;
        }
        let mut seen = HashSet::new();
        for (name, _) in &inputs.0 {
            if !seen.insert(name.as_str()) {
                return Err(fail(name, JsonReason::DuplicateField));
            }
        }
        Ok(inputs)
    }

    /// The values of one signal.
    pub fn get(&self, name: &str) -> Option<&[F]> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, values)| values.as_slice())
    }

    /// Adds what one member stands for: a signal, or the members of a bus or of an array of buses.
    fn qualify(&mut self, name: String, value: &RawValue, depth: usize) -> Result<(), JsonError> {
        if depth > MAX_DEPTH {
            return Err(fail(&name, JsonReason::TooDeep { limit: MAX_DEPTH }));
        }
        match value.get().as_bytes().first() {
            Some(b'{') => {
                let members: Pairs<'_> = parse_at(&name, value.get())?;
                for (member, value) in &members.0 {
                    self.qualify(format!("{name}.{member}"), value, depth + 1)?;
                }
                Ok(())
            }
            Some(b'[') if holds_objects(&name, value, depth)? => {
                let items: Vec<&RawValue> = parse_at(&name, value.get())?;
                for (i, item) in items.into_iter().enumerate() {
                    if !item.get().starts_with(['{', '[']) {
                        return Err(fail(&format!("{name}[{i}]"), JsonReason::MixedArray));
                    }
                    self.qualify(format!("{name}[{i}]"), item, depth + 1)?;
                }
                Ok(())
            }
            _ => {
                // Entered first, so that the values read before a fault are erased with the rest.
                self.0.push((name.clone(), Vec::new()));
                match self.0.last_mut() {
                    Some((_, values)) => flatten(&name, value, depth, values),
                    None => Ok(()),
                }
            }
        }
    }
}

fn fail(path: &str, reason: JsonReason) -> JsonError {
    JsonError { file: FileKind::Input, path: path.to_owned(), reason }
}

/// Parses a part of a text that already parsed as a whole.
fn parse_at<'a, T: serde::Deserialize<'a>>(path: &str, text: &'a str) -> Result<T, JsonError> {
    serde_json::from_str(text).map_err(|_| fail(path, JsonReason::Value))
}

/// Whether the first innermost item of nested arrays is an object.
fn holds_objects(name: &str, value: &RawValue, depth: usize) -> Result<bool, JsonError> {
    if depth > MAX_DEPTH {
        return Err(fail(name, JsonReason::TooDeep { limit: MAX_DEPTH }));
    }
    match value.get().as_bytes().first() {
        Some(b'{') => Ok(true),
        Some(b'[') => {
            let items: Vec<&RawValue> = parse_at(name, value.get())?;
            items.first().map_or(Ok(false), |item| holds_objects(name, item, depth + 1))
        }
        _ => Ok(false),
    }
}

fn flatten<F: PrimeField>(
    name: &str,
    value: &RawValue,
    depth: usize,
    out: &mut Vec<F>,
) -> Result<(), JsonError> {
    if depth > MAX_DEPTH {
        return Err(fail(name, JsonReason::TooDeep { limit: MAX_DEPTH }));
    }
    let text = value.get();
    match text.as_bytes().first() {
        Some(b'[') => {
            let items: Vec<&RawValue> = parse_at(name, text)?;
            for item in items {
                flatten(name, item, depth + 1, out)?;
            }
            return Ok(());
        }
        Some(b'{') => return Err(fail(name, JsonReason::MixedArray)),
        _ => {}
    }
    let parsed = match text {
        "true" => Some(F::ONE),
        "false" => Some(F::ZERO),
        _ => match text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(string) => integer(string),
            None if text.bytes().any(|b| matches!(b, b'.' | b'e' | b'E')) => {
                return Err(fail(&place(name, out.len()), JsonReason::InexactNumber));
            }
            None => integer_decimal(text),
        },
    };
    match parsed {
        Some(x) => {
            push_erasing(out, x);
            Ok(())
        }
        None => Err(fail(&place(name, out.len()), JsonReason::NotInteger)),
    }
}

fn place(name: &str, index: usize) -> String {
    format!("{name} (value {index})")
}

/// Pushes without leaving a copy of the old buffer behind when it grows.
fn push_erasing<F: Zeroize + Clone>(out: &mut Vec<F>, x: F) {
    if out.len() == out.capacity() {
        let mut grown = Vec::with_capacity(out.len().saturating_mul(2).max(4));
        grown.extend_from_slice(out);
        std::mem::swap(out, &mut grown);
        grown.zeroize();
    }
    out.push(x);
}

/// A decimal or `0x` string, modulo the field's order.
fn integer<F: PrimeField>(text: &str) -> Option<F> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => horner(digits, 16),
        None => integer_decimal(text),
    }
}

fn integer_decimal<F: PrimeField>(text: &str) -> Option<F> {
    match text.strip_prefix('-') {
        Some(digits) => horner::<F>(digits, 10).map(|x| -x),
        None => horner(text, 10),
    }
}

/// Horner's rule in the field: linear time however long the text is, and no big integer left on the heap.
fn horner<F: PrimeField>(digits: &str, radix: u32) -> Option<F> {
    const DIGITS: usize = 15;
    if digits.is_empty() {
        return None;
    }
    let mut sum = F::ZERO;
    for chunk in digits.as_bytes().chunks(DIGITS) {
        let (mut value, mut scale) = (0u64, 1u64);
        for digit in chunk {
            value = value * u64::from(radix) + u64::from(char::from(*digit).to_digit(radix)?);
            scale *= u64::from(radix);
        }
        sum = sum * F::from(scale) + F::from(value);
    }
    Some(sum)
}
