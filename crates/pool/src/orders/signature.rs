//! Ed25519 and ML-DSA-65 (FIPS 204) together.
//!
//! Both sign `length of the label (1) || label || id of the key pair (32) || bytes`; ML-DSA has the label as its context, too. The id is a hash
//! of both public keys, so that neither half can be taken out and put beside another. The crate `ml-dsa` has not been audited; it is tested
//! against vectors of NIST and Wycheproof.

use std::fmt;

use ed25519_dalek::Signer;
use ml_dsa::{ExpandedSigningKey, MlDsa65};
use tacit_wire::codec::{DecodeError, Reader, Writer};
use zeroize::{ZeroizeOnDrop, Zeroizing};

/// Bytes of an ML-DSA-65 public key.
pub const ML_DSA_KEY_BYTES: usize = 1952;
/// Bytes of an ML-DSA-65 signature.
pub const ML_DSA_SIGNATURE_BYTES: usize = 3309;

/// Names a pair of keys: `BLAKE3 derive_key("tacit v1 pool order key id", Ed25519 key || ML-DSA key)`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OrderKeyId(pub [u8; 32]);

impl fmt::Display for OrderKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for OrderKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The public halves.
#[derive(Clone, PartialEq, Eq)]
pub struct OrderPublicKey {
    ed25519: [u8; 32],
    ml_dsa: Box<[u8; ML_DSA_KEY_BYTES]>,
}

/// Both signatures.
#[derive(Clone, PartialEq, Eq)]
pub struct OrderSignature {
    ed25519: [u8; 64],
    ml_dsa: Box<[u8; ML_DSA_SIGNATURE_BYTES]>,
}

/// Which half does not verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OrderSignatureError {
    /// The Ed25519 half.
    #[error("no valid Ed25519 signature by {0} over this order")]
    Ed25519(OrderKeyId),
    /// The ML-DSA half.
    #[error("no valid ML-DSA-65 signature by {0} over this order")]
    MlDsa(OrderKeyId),
    /// ML-DSA's signing loop found nothing, which nobody will ever see.
    #[error("signing failed")]
    Signing,
}

fn message(label: &str, id: &OrderKeyId, bytes: &[u8]) -> Vec<u8> {
    let mut message = Writer::new();
    // Labels are constants of this crate, far shorter than 255 bytes.
    message.u8(u8::try_from(label.len()).unwrap_or(u8::MAX)).raw(label.as_bytes()).raw(&id.0).raw(bytes);
    message.finish()
}

/// FIPS 204, algorithm 3 (`ML-DSA.Verify`): a key or signature of the wrong length, or not canonical, verifies nothing.
pub fn ml_dsa_verify(key: &[u8], message: &[u8], context: &[u8], signature: &[u8]) -> bool {
    let Ok(key) = ml_dsa::EncodedVerifyingKey::<MlDsa65>::try_from(key) else { return false };
    let Ok(signature) = ml_dsa::Signature::<MlDsa65>::try_from(signature) else { return false };
    ml_dsa::VerifyingKey::<MlDsa65>::decode(&key).verify_with_context(message, context, &signature)
}

/// RFC 8032, strictly: keys of small order and encodings that are not canonical verify nothing.
pub fn ed25519_verify(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    ed25519_dalek::VerifyingKey::from_bytes(key)
        .is_ok_and(|key| key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature)).is_ok())
}

impl OrderPublicKey {
    /// The pair's name.
    pub fn id(&self) -> OrderKeyId {
        let mut both = self.ed25519.to_vec();
        both.extend_from_slice(self.ml_dsa.as_slice());
        OrderKeyId(blake3::derive_key("tacit v1 pool order key id", &both))
    }

    /// Verifies both signatures, Ed25519's strictly.
    ///
    /// # Errors
    /// [`OrderSignatureError`].
    pub fn verify(
        &self,
        label: &str,
        bytes: &[u8],
        signature: &OrderSignature,
    ) -> Result<(), OrderSignatureError> {
        let id = self.id();
        let message = message(label, &id, bytes);
        if !ed25519_verify(&self.ed25519, &message, &signature.ed25519) {
            return Err(OrderSignatureError::Ed25519(id));
        }
        if !ml_dsa_verify(self.ml_dsa.as_slice(), &message, label.as_bytes(), signature.ml_dsa.as_slice()) {
            return Err(OrderSignatureError::MlDsa(id));
        }
        Ok(())
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.raw(&self.ed25519).raw(self.ml_dsa.as_slice());
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { ed25519: reader.array("Ed25519 key")?, ml_dsa: Box::new(reader.array("ML-DSA key")?) })
    }
}

impl fmt::Debug for OrderPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OrderPublicKey({})", self.id())
    }
}

impl OrderSignature {
    pub(super) fn write(&self, writer: &mut Writer) {
        writer.raw(&self.ed25519).raw(self.ml_dsa.as_slice());
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let ed25519 = reader.array("Ed25519 signature")?;
        Ok(Self { ed25519, ml_dsa: Box::new(reader.array("ML-DSA signature")?) })
    }
}

impl fmt::Debug for OrderSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OrderSignature({}…)", hex::encode(self.ed25519))
    }
}

/// A pair of signing keys. Wiped when dropped and never printed.
#[derive(Clone)]
pub struct OrderKey {
    ed25519: ed25519_dalek::SigningKey,
    ml_dsa: Box<ExpandedSigningKey<MlDsa65>>,
    public: OrderPublicKey,
}

impl OrderKey {
    /// The pair of two independent seeds.
    pub fn from_seeds(ed25519: &[u8; 32], ml_dsa: &[u8; 32]) -> Self {
        let ed25519 = ed25519_dalek::SigningKey::from_bytes(ed25519);
        let seed = Zeroizing::new(ml_dsa::Seed::from(*ml_dsa));
        let ml_dsa = Box::new(ExpandedSigningKey::<MlDsa65>::from_seed(&seed));
        let public = OrderPublicKey {
            ed25519: ed25519.verifying_key().to_bytes(),
            ml_dsa: Box::new(ml_dsa.verifying_key().encode().into()),
        };
        Self { ed25519, ml_dsa, public }
    }

    /// The public halves.
    pub fn public(&self) -> &OrderPublicKey {
        &self.public
    }

    /// Signs with both, always with the same result.
    ///
    /// # Errors
    /// [`OrderSignatureError::Signing`], which nobody will ever see.
    pub fn sign(&self, label: &str, bytes: &[u8]) -> Result<OrderSignature, OrderSignatureError> {
        let message = message(label, &self.public.id(), bytes);
        let ml_dsa = (self.ml_dsa.sign_deterministic(&message, label.as_bytes()))
            .map_err(|_| OrderSignatureError::Signing)?;
        Ok(OrderSignature {
            ed25519: self.ed25519.sign(&message).to_bytes(),
            ml_dsa: Box::new(ml_dsa.encode().into()),
        })
    }
}

impl ZeroizeOnDrop for OrderKey {}

impl fmt::Debug for OrderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OrderKey({}, secret hidden)", self.public.id())
    }
}
