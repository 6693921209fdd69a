//! The Groth16 verification key, and its JSON form as snarkjs writes it.

use serde_json::{Map, Value};
use tacit_algebra::{Curve, G1Affine, G2Affine, Group, Groups};

use crate::error::FileKind;
use crate::json::{self, JsonError, JsonReason, Node};

/// What a verifier needs: `e(A, B) = e(alpha, beta) + e(sum x_i IC_i, gamma) + e(C, delta)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerificationKey<G: Groups> {
    /// `alpha` in the first group.
    pub alpha_g1: G1Affine<G>,
    /// `beta` in the second group.
    pub beta_g2: G2Affine<G>,
    /// `gamma` in the second group.
    pub gamma_g2: G2Affine<G>,
    /// `delta` in the second group.
    pub delta_g2: G2Affine<G>,
    /// One point for the constant wire, then one for each public input: `n_public + 1` points.
    pub ic: Vec<G1Affine<G>>,
}

impl<C: Curve> VerificationKey<C> {
    /// `verification_key.json` as snarkjs writes it, `e(alpha, beta)` included.
    pub fn to_json(&self) -> String {
        let len = json::limb_len::<C>();
        let pairing = C::pairing_coordinates_le(
            &C::G1::from_affine(&self.alpha_g1),
            &C::G2::from_affine(&self.beta_g2),
        );
        let quadratic = |limbs: &[Vec<u8>]| Value::Array(limbs.iter().map(|x| json::decimal(x)).collect());
        let cubic = |limbs: &[Vec<u8>]| Value::Array(limbs.chunks(2).map(quadratic).collect());
        let mut key = Map::new();
        key.insert("protocol".into(), "groth16".into());
        key.insert("curve".into(), C::ID.snarkjs_name().into());
        key.insert("nPublic".into(), self.ic.len().saturating_sub(1).into());
        key.insert("vk_alpha_1".into(), json::point(&self.alpha_g1, len));
        key.insert("vk_beta_2".into(), json::point(&self.beta_g2, len));
        key.insert("vk_gamma_2".into(), json::point(&self.gamma_g2, len));
        key.insert("vk_delta_2".into(), json::point(&self.delta_g2, len));
        key.insert("vk_alphabeta_12".into(), Value::Array(pairing.chunks(6).map(cubic).collect()));
        key.insert("IC".into(), Value::Array(self.ic.iter().map(|p| json::point(p, len)).collect()));
        json::write(&Value::Object(key))
    }

    /// Parses `verification_key.json`. Every point is checked for curve and subgroup; `alpha`, `beta`, `gamma` and
    /// `delta` must not be the point at infinity. `vk_alphabeta_12` follows from the others and is not read.
    ///
    /// # Errors
    /// [`JsonError`].
    pub fn from_json(bytes: impl AsRef<[u8]>) -> Result<Self, JsonError> {
        let file = FileKind::VerificationKey;
        let value: Value = json::parse(file, bytes.as_ref())?;
        let root = Node::root(file, &value);
        root.expect_groth16::<C>()?;
        let len = json::limb_len::<C>();
        let n_public = root.at("nPublic").u64()?;
        let ic = root.at("IC");
        let items = ic.items()?;
        if items.len() as u64 != n_public.saturating_add(1) {
            let expected = usize::try_from(n_public).unwrap_or(usize::MAX).saturating_add(1);
            return Err(ic.fail(JsonReason::Length { expected, got: items.len() }));
        }
        Ok(Self {
            alpha_g1: root.at("vk_alpha_1").finite_point(len)?,
            beta_g2: root.at("vk_beta_2").finite_point(len)?,
            gamma_g2: root.at("vk_gamma_2").finite_point(len)?,
            delta_g2: root.at("vk_delta_2").finite_point(len)?,
            ic: items.iter().map(|item| item.point(len)).collect::<Result<_, _>>()?,
        })
    }
}
