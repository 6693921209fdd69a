//! The Groth16 proof, and its JSON form as snarkjs writes it.

use serde_json::{Map, Value};
use tacit_algebra::{Curve, G1Affine, G2Affine, Groups};

use crate::error::FileKind;
use crate::json::{self, JsonError, Node};

/// A Groth16 proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof<G: Groups> {
    /// `A` in the first group (`pi_a`).
    pub a: G1Affine<G>,
    /// `B` in the second group (`pi_b`).
    pub b: G2Affine<G>,
    /// `C` in the first group (`pi_c`).
    pub c: G1Affine<G>,
}

impl<C: Curve> Proof<C> {
    /// `proof.json` as snarkjs writes it.
    pub fn to_json(&self) -> String {
        let len = json::limb_len::<C>();
        let mut proof = Map::new();
        proof.insert("pi_a".into(), json::point(&self.a, len));
        proof.insert("pi_b".into(), json::point(&self.b, len));
        proof.insert("pi_c".into(), json::point(&self.c, len));
        proof.insert("protocol".into(), "groth16".into());
        proof.insert("curve".into(), C::ID.snarkjs_name().into());
        json::write(&Value::Object(proof))
    }

    /// Parses `proof.json`. Every point is checked for curve and subgroup. `protocol` and `curve` may be missing, as
    /// some provers leave them out, but must be right if they are there.
    ///
    /// # Errors
    /// [`JsonError`].
    pub fn from_json(bytes: impl AsRef<[u8]>) -> Result<Self, JsonError> {
        let value: Value = json::parse(FileKind::Proof, bytes.as_ref())?;
        let root = Node::root(FileKind::Proof, &value);
        root.expect_groth16::<C>()?;
        let len = json::limb_len::<C>();
        Ok(Self {
            a: root.at("pi_a").point(len)?,
            b: root.at("pi_b").point(len)?,
            c: root.at("pi_c").point(len)?,
        })
    }
}
