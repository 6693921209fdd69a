//! Sealing to one recipient: HPKE (RFC 9180) in base mode with the X-Wing KEM.
//!
//! | part | choice | code point |
//! |---|---|---|
//! | KEM | X-Wing: X25519 and ML-KEM-768 (draft-connolly-cfrg-xwing-kem-10) | `0x647a` |
//! | KDF | SHAKE256, one stage (draft-ietf-hpke-pq) | `0x0011` |
//! | AEAD | ChaCha20-Poly1305 | `0x0003` |
//!
//! The suite is fixed: another one is another protocol version. A sealed message is `encapsulation (1120 bytes) ||
//! ciphertext || tag (16 bytes)`. Base mode does not authenticate the sender: whoever seals also signs, see
//! [`crate::envelope`]. **The implementation (crate `hpke`) has not been audited**; it is tested against the vectors of
//! the X-Wing draft and of the HPKE working group.

use std::fmt;

use hpke::{
    Deserializable, HpkeError, Kem, OpModeR, OpModeS, Serializable, aead::ChaCha20Poly1305, kdf::KdfShake256,
    kem::XWing,
};
use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::digest::Digest32;

/// Code point of the KEM.
pub const KEM_ID: u16 = 0x647a;
/// Code point of the KDF.
pub const KDF_ID: u16 = 0x0011;
/// Code point of the AEAD.
pub const AEAD_ID: u16 = 0x0003;

/// Bytes of a public key.
pub const PUBLIC_KEY_BYTES: usize = 1216;
/// Bytes of an encapsulation.
pub const ENCAPSULATION_BYTES: usize = 1120;
/// Bytes of an authentication tag.
pub const TAG_BYTES: usize = 16;
/// By how many bytes a sealed message is longer than what it holds.
pub const OVERHEAD_BYTES: usize = ENCAPSULATION_BYTES + TAG_BYTES;
/// The longest `info`: the key schedule's own limit is 65535 less a few bytes.
pub const MAX_INFO_BYTES: usize = 1024;

/// Names a sealing key: `BLAKE3 derive_key("tacit v1 sealing key id", public key)`.
pub type SealingKeyId = Digest32;

/// A sealing key's public half, checked: 1216 bytes, ML-KEM coefficients reduced.
#[derive(Clone, PartialEq, Eq)]
pub struct SealingPublicKey(Box<[u8; PUBLIC_KEY_BYTES]>);

impl SealingPublicKey {
    /// Checks and takes the encoding.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SealError> {
        let key: [u8; PUBLIC_KEY_BYTES] =
            bytes.try_into().map_err(|_| SealError::PublicKeyLength { got: bytes.len() })?;
        <XWing as Kem>::PublicKey::from_bytes(bytes).map_err(|_| SealError::PublicKey)?;
        Ok(Self(Box::new(key)))
    }

    /// The encoding.
    pub fn as_bytes(&self) -> &[u8; PUBLIC_KEY_BYTES] {
        &self.0
    }

    /// The key's name.
    pub fn id(&self) -> SealingKeyId {
        Digest32(blake3::derive_key("tacit v1 sealing key id", self.0.as_slice()))
    }
}

impl fmt::Debug for SealingPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingPublicKey({})", self.id())
    }
}

/// A sealing key. The 32-byte secret is wiped when dropped and never printed.
#[derive(Clone)]
pub struct SealingKeyPair {
    secret: SecretSeed,
    public: SealingPublicKey,
    id: SealingKeyId,
}

#[derive(Clone, Zeroize, ZeroizeOnDrop)]
struct SecretSeed([u8; 32]);

impl SealingKeyPair {
    /// The key pair of an X-Wing decapsulation key, which is a 32-byte seed.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, SealError> {
        let secret = <XWing as Kem>::PrivateKey::from_bytes(seed).map_err(|_| SealError::PublicKey)?;
        let public = SealingPublicKey::from_bytes(&XWing::sk_to_pk(&secret).to_bytes())?;
        let id = public.id();
        Ok(Self { secret: SecretSeed(*seed), public, id })
    }

    /// A fresh key pair.
    pub fn generate<R: CryptoRng + ?Sized>(rng: &mut R) -> Result<Self, SealError> {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut_slice());
        Self::from_seed(&seed)
    }

    /// The seed, to be stored where only its owner reads it, and deleted after the certificate's expiry.
    pub fn to_seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.secret.0)
    }

    /// The public half.
    pub fn public(&self) -> &SealingPublicKey {
        &self.public
    }

    /// The key's name.
    pub fn id(&self) -> SealingKeyId {
        self.id
    }
}

impl fmt::Debug for SealingKeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKeyPair({}, secret hidden)", self.id)
    }
}

/// Why nothing was sealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The public key has the wrong length.
    #[error("an X-Wing public key has {PUBLIC_KEY_BYTES} bytes, got {got}")]
    PublicKeyLength {
        /// Bytes that were given.
        got: usize,
    },
    /// The bytes are no X-Wing public key.
    #[error("not an X-Wing public key: its ML-KEM part is not canonical")]
    PublicKey,
    /// `info` is longer than [`MAX_INFO_BYTES`].
    #[error("info has {got} bytes, at most {MAX_INFO_BYTES} are allowed")]
    InfoTooLong {
        /// Bytes that were given.
        got: usize,
    },
    /// The cipher refused; nothing that a caller can pass causes this.
    #[error("sealing failed: {0}")]
    Cipher(String),
}

/// Why a sealed message was not opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Shorter than an empty message would be.
    #[error("a sealed message has at least {OVERHEAD_BYTES} bytes, got {got}")]
    TooShort {
        /// Bytes that were given.
        got: usize,
    },
    /// `info` is longer than [`MAX_INFO_BYTES`].
    #[error("info has {got} bytes, at most {MAX_INFO_BYTES} are allowed")]
    InfoTooLong {
        /// Bytes that were given.
        got: usize,
    },
    /// The message was changed, or sealed to another key, or for another purpose.
    #[error(
        "the seal does not open with key {key}: it was sealed to another key, for another assignment, or changed"
    )]
    Authentication {
        /// The key that was tried.
        key: SealingKeyId,
    },
}

/// Lets an unsized generator pass where `hpke` wants a sized one.
struct Borrowed<'a, R: ?Sized>(&'a mut R);

impl<R: CryptoRng + ?Sized> rand_core::TryRng for Borrowed<'_, R> {
    type Error = rand_core::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(self.0.next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(self.0.next_u64())
    }

    fn try_fill_bytes(&mut self, destination: &mut [u8]) -> Result<(), Self::Error> {
        self.0.fill_bytes(destination);
        Ok(())
    }
}

impl<R: CryptoRng + ?Sized> rand_core::TryCryptoRng for Borrowed<'_, R> {}

/// Seals `plaintext` to `public`; draws 64 bytes from `rng`.
pub fn seal<R: CryptoRng + ?Sized>(
    public: &SealingPublicKey,
    info: &[u8],
    aad: &[u8],
    plaintext: &[u8],
    rng: &mut R,
) -> Result<Vec<u8>, SealError> {
    if info.len() > MAX_INFO_BYTES {
        return Err(SealError::InfoTooLong { got: info.len() });
    }
    let recipient =
        <XWing as Kem>::PublicKey::from_bytes(public.0.as_slice()).map_err(|_| SealError::PublicKey)?;
    let (encapsulation, ciphertext) =
        hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, KdfShake256, XWing>(
            &OpModeS::Base,
            &recipient,
            info,
            plaintext,
            aad,
            &mut Borrowed(rng),
        )
        .map_err(|error| SealError::Cipher(error.to_string()))?;
    let mut sealed = encapsulation.to_bytes().to_vec();
    sealed.extend_from_slice(&ciphertext);
    Ok(sealed)
}

/// Opens what [`seal`] made with the same `info` and `aad`.
pub fn open(
    pair: &SealingKeyPair,
    info: &[u8],
    aad: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    if info.len() > MAX_INFO_BYTES {
        return Err(OpenError::InfoTooLong { got: info.len() });
    }
    let too_short = OpenError::TooShort { got: sealed.len() };
    if sealed.len() < OVERHEAD_BYTES {
        return Err(too_short);
    }
    let Some((encapsulation, ciphertext)) = sealed.split_at_checked(ENCAPSULATION_BYTES) else {
        return Err(too_short);
    };
    let attempt = || -> Result<Vec<u8>, HpkeError> {
        hpke::single_shot_open::<ChaCha20Poly1305, KdfShake256, XWing>(
            &OpModeR::Base,
            &<XWing as Kem>::PrivateKey::from_bytes(&pair.secret.0)?,
            &<XWing as Kem>::EncappedKey::from_bytes(encapsulation)?,
            info,
            ciphertext,
            aad,
        )
    };
    attempt().map(Zeroizing::new).map_err(|_| OpenError::Authentication { key: pair.id })
}
