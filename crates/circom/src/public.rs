//! `public.json`: the values of the public wires, the constant one not included.

use ark_ff::{BigInteger, PrimeField};
use serde_json::Value;
use tacit_algebra::field;

use crate::error::FileKind;
use crate::json::{self, JsonError, JsonReason, Node};

/// As snarkjs writes it.
pub fn to_json<F: PrimeField>(public: &[F]) -> String {
    json::write(&Value::Array(public.iter().map(|x| json::decimal(&x.into_bigint().to_bytes_le())).collect()))
}

/// Parses the file. Values that are not below the field's order are refused, as snarkjs's verifier does.
///
/// # Errors
/// [`JsonError`].
pub fn from_json<F: PrimeField>(bytes: impl AsRef<[u8]>) -> Result<Vec<F>, JsonError> {
    let value: Value = json::parse(FileKind::Public, bytes.as_ref())?;
    let items = Node::root(FileKind::Public, &value).items()?;
    let element = |item: &Node<'_>| {
        let le = item.integer_le(field::byte_len::<F>())?;
        field::read_le(&le).map_err(|why| item.fail(JsonReason::Decode(why)))
    };
    items.iter().map(element).collect()
}
