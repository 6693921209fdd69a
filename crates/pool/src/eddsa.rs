//! EdDSA over BabyJubjub with Poseidon2, as `auth_eddsa` checks it (docs/src/pool.md).
//!
//! Scalars are multiplied by a ladder without branches on their bits; the field arithmetic under it is not free of
//! data-dependent timing, so sign where nobody measures. A key is used only for what this file does: its nonces are
//! derived from the key and the message, never drawn.

use std::fmt;

use ark_ec::{AffineRepr, CurveGroup, twisted_edwards::TECurveConfig};
use ark_ff::{BigInteger, PrimeField, Zero};
use taceo_ark_babyjubjub::{EdwardsAffine, EdwardsConfig, EdwardsProjective, Fr as Scalar};
use tacit_algebra::field;
use zeroize::{Zeroize, Zeroizing};

use crate::hash::{Domain, Fr, tagged};

/// A public key `A`: on the curve, in the subgroup, not neutral.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(EdwardsAffine);

/// A signature `(R, S)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature {
    r: EdwardsAffine,
    s: Scalar,
}

/// Why bytes or coordinates are no key, or a signature none of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EddsaError {
    /// Not a point of the curve.
    #[error("the point is not on BabyJubjub")]
    NotOnCurve,
    /// A point outside the subgroup, or its neutral element.
    #[error("the public key is not in BabyJubjub's prime-order subgroup, or is its neutral element")]
    Subgroup,
    /// An `S` that is not below the subgroup's order.
    #[error("the signature's S is not below the subgroup's order")]
    Scalar,
    /// It does not verify.
    #[error("the EdDSA signature is not one of this message by this key")]
    Forged,
}

fn point(x: Fr, y: Fr) -> Result<EdwardsAffine, EddsaError> {
    let point = EdwardsAffine::new_unchecked(x, y);
    if point.is_on_curve() { Ok(point) } else { Err(EddsaError::NotOnCurve) }
}

impl PublicKey {
    /// Takes coordinates that are a public key.
    ///
    /// # Errors
    /// [`EddsaError::NotOnCurve`], [`EddsaError::Subgroup`].
    pub fn new(x: Fr, y: Fr) -> Result<Self, EddsaError> {
        let point = point(x, y)?;
        if point.is_zero() || !EdwardsConfig::is_in_correct_subgroup_assuming_on_curve(&point) {
            return Err(EddsaError::Subgroup);
        }
        Ok(Self(point))
    }

    /// Its coordinates.
    pub fn coordinates(&self) -> [Fr; 2] {
        [self.0.x, self.0.y]
    }

    /// `authDataCommitment`.
    pub fn auth_data(&self) -> Fr {
        tagged(Domain::AuthDataEddsa, &self.coordinates())
    }

    /// Whether the signature is one of this message: `8 (S * B8 - R - h * A) = 0`.
    ///
    /// # Errors
    /// [`EddsaError::Forged`].
    pub fn verify(&self, message: &Fr, signature: &Signature) -> Result<(), EddsaError> {
        let h = challenge(&signature.r, &self.0, message);
        // `h` is below p, which is above the subgroup's order: reduced, as A is in the subgroup.
        let difference: EdwardsProjective =
            base() * signature.s - signature.r.into_group() - self.0 * reduced(&h);
        if difference.into_affine().mul_by_cofactor_to_group().is_zero() {
            Ok(())
        } else {
            Err(EddsaError::Forged)
        }
    }
}

impl Signature {
    /// Takes a signature's three numbers, `S` as an integer.
    ///
    /// # Errors
    /// [`EddsaError::NotOnCurve`], [`EddsaError::Scalar`].
    pub fn new(r: [Fr; 2], s: &Fr) -> Result<Self, EddsaError> {
        let [x, y] = r;
        let s = Scalar::from_bigint(s.into_bigint()).ok_or(EddsaError::Scalar)?;
        Ok(Self { r: point(x, y)?, s })
    }

    /// `R`'s coordinates.
    pub fn r(&self) -> [Fr; 2] {
        [self.r.x, self.r.y]
    }

    /// `S` as an integer, which is below the field's order.
    pub fn s(&self) -> Fr {
        // The subgroup's order is below p.
        Fr::from_bigint(self.s.into_bigint()).unwrap_or_default()
    }
}

/// A signing key. Wiped when dropped and never printed.
#[derive(Clone)]
pub struct SigningKey {
    scalar: Scalar,
    nonce_key: [u8; 32],
    public: PublicKey,
}

impl SigningKey {
    /// The key of a 32-byte seed; a seed whose scalar is zero, which nobody will ever see, has none.
    pub fn from_seed(seed: &[u8; 32]) -> Option<Self> {
        let mut wide = expand("tacit v1 pool eddsa scalar", seed, &[]);
        let scalar: Scalar = field::from_uniform_bytes(wide.as_slice());
        wide.zeroize();
        let point = (base() * scalar).into_affine();
        let nonce_key = blake3::derive_key("tacit v1 pool eddsa nonce key", seed);
        (!scalar.is_zero()).then_some(Self { scalar, nonce_key, public: PublicKey(point) })
    }

    /// The public key.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a field element, always with the same result.
    pub fn sign(&self, message: &Fr) -> Signature {
        let mut under = field::to_le(&self.public.0.x);
        field::write_le(&self.public.0.y, &mut under);
        field::write_le(message, &mut under);
        let wide = expand("tacit v1 pool eddsa nonce", &self.nonce_key, &under);
        let mut nonce: Scalar = field::from_uniform_bytes(wide.as_slice());
        let r = (base() * nonce).into_affine();
        let h = challenge(&r, &self.public.0, message);
        let s = nonce + reduced(&h) * self.scalar;
        nonce.zeroize();
        Signature { r, s }
    }
}

impl Drop for SigningKey {
    fn drop(&mut self) {
        self.scalar.zeroize();
        self.nonce_key.zeroize();
    }
}

impl zeroize::ZeroizeOnDrop for SigningKey {}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(hidden)")
    }
}

/// `B8`.
fn base() -> EdwardsAffine {
    EdwardsConfig::GENERATOR
}

/// `h = poseidon(EDDSA_CHALLENGE_DOMAIN, R.x, R.y, A.x, A.y, message)`.
fn challenge(r: &EdwardsAffine, a: &EdwardsAffine, message: &Fr) -> Fr {
    tagged(Domain::EddsaChallenge, &[r.x, r.y, a.x, a.y, *message])
}

/// An integer below `p` modulo the subgroup's order.
fn reduced(x: &Fr) -> Scalar {
    Scalar::from_le_bytes_mod_order(&x.into_bigint().to_bytes_le())
}

/// 64 bytes from a key and a message.
fn expand(context: &str, key: &[u8; 32], message: &[u8]) -> Zeroizing<[u8; 64]> {
    let mut out = Zeroizing::new([0; 64]);
    let mut hasher = blake3::Hasher::new_derive_key(context);
    hasher.update(key).update(message).finalize_xof().fill(out.as_mut_slice());
    out
}
