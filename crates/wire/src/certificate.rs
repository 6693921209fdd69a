//! A sealing key, signed by the identity that owns it.
//!
//! ```text
//! version u16 = 1 | purpose u8 | identity [32] | key id [32] | public key [1216] | epoch u64
//!   | not_before u64 | expiry u64 | signature [64]
//! ```
//!
//! The signature ([`Label::Certificate`]) covers everything before it. A key is deleted once its certificate has
//! expired: until then, whoever takes the key opens every envelope of its epoch (no forward secrecy before that).

use rand_core::CryptoRng;

use crate::{
    codec::{DecodeError, DecodeReason, Reader, Writer},
    digest::Digest32,
    identity::{Identity, IdentityKey, Label, Signature, SignatureError},
    seal::{PUBLIC_KEY_BYTES, SealError, SealingKeyId, SealingKeyPair, SealingPublicKey},
};

/// The version of the encoding.
pub const CERTIFICATE_VERSION: u16 = 1;

/// Bytes of an encoded certificate.
pub const CERTIFICATE_BYTES: usize = 2 + 1 + 32 + 32 + PUBLIC_KEY_BYTES + 8 + 8 + 8 + 64;

/// What a sealing key may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Purpose {
    /// Packages are sealed to it; a node opens them.
    NodeEnvelope,
    /// Responses are sealed to it; who assembles opens them.
    Assembler,
}

impl Purpose {
    const fn code(self) -> u8 {
        match self {
            Self::NodeEnvelope => 1,
            Self::Assembler => 2,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::NodeEnvelope),
            2 => Some(Self::Assembler),
            _ => None,
        }
    }
}

/// A sealing key with its purpose and lifetime, signed by its owner. Decoding does not verify: call
/// [`verify_for`](Self::verify_for).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealingKeyCertificate {
    /// What the key is for.
    pub purpose: Purpose,
    /// Who vouches for it.
    pub identity: IdentityKey,
    /// The key's name; decoding checks that it belongs to `public_key`.
    pub key_id: SealingKeyId,
    /// The key.
    pub public_key: SealingPublicKey,
    /// Counts the owner's keys upwards; rotated also whenever a node starts from a restored backup.
    pub epoch: u64,
    /// First second, in Unix time, at which the key may be used.
    pub not_before: u64,
    /// Last second, in Unix time, at which the key may be used.
    pub expiry: u64,
    /// By `identity`, over everything above.
    pub signature: Signature,
}

/// Why a certificate is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The signature is not the identity's.
    #[error("sealing key certificate: {0}")]
    Signature(#[from] SignatureError),
    /// Another identity signed it than the one that is pinned.
    #[error("the sealing key certificate is of {got}, expected {expected}")]
    WrongIdentity {
        /// Who was expected.
        expected: IdentityKey,
        /// Who signed.
        got: IdentityKey,
    },
    /// The key is for something else.
    #[error("the sealing key of {identity} is for {got:?}, not for {expected:?}")]
    WrongPurpose {
        /// Whose key.
        identity: IdentityKey,
        /// The use that was wanted.
        expected: Purpose,
        /// The use that was signed.
        got: Purpose,
    },
    /// Not valid yet.
    #[error(
        "the sealing key of {identity} is valid from {not_before}, it is {now} (Unix seconds): compare the clocks"
    )]
    NotYetValid {
        /// Whose key.
        identity: IdentityKey,
        /// The first valid second.
        not_before: u64,
        /// The time it was compared with.
        now: u64,
    },
    /// Not valid any more.
    #[error(
        "the sealing key of {identity} expired at {expiry}, it is {now} (Unix seconds): ask for the current one"
    )]
    Expired {
        /// Whose key.
        identity: IdentityKey,
        /// The last valid second.
        expiry: u64,
        /// The time it was compared with.
        now: u64,
    },
}

impl CertificateError {
    /// Whose certificate it is.
    pub const fn identity(&self) -> IdentityKey {
        match self {
            Self::Signature(error) => error.key,
            Self::WrongIdentity { got, .. } => *got,
            Self::WrongPurpose { identity, .. }
            | Self::NotYetValid { identity, .. }
            | Self::Expired { identity, .. } => *identity,
        }
    }
}

impl SealingKeyCertificate {
    /// Signs a key.
    pub fn issue(
        identity: &Identity,
        purpose: Purpose,
        public_key: &SealingPublicKey,
        epoch: u64,
        not_before: u64,
        expiry: u64,
    ) -> Self {
        let mut certificate = Self {
            purpose,
            identity: identity.key(),
            key_id: public_key.id(),
            public_key: public_key.clone(),
            epoch,
            not_before,
            expiry,
            signature: Signature([0; 64]),
        };
        certificate.signature = identity.sign(Label::Certificate, &certificate.signed_bytes());
        certificate
    }

    /// Makes a key and signs it.
    pub fn generate<R: CryptoRng + ?Sized>(
        identity: &Identity,
        purpose: Purpose,
        epoch: u64,
        not_before: u64,
        expiry: u64,
        rng: &mut R,
    ) -> Result<(SealingKeyPair, Self), SealError> {
        let pair = SealingKeyPair::generate(rng)?;
        let certificate = Self::issue(identity, purpose, pair.public(), epoch, not_before, expiry);
        Ok((pair, certificate))
    }

    /// Checks the signature and the lifetime against `now` (Unix seconds). Who signed is not compared with anyone:
    /// see [`verify_for`](Self::verify_for).
    pub fn verify(&self, now: u64) -> Result<(), CertificateError> {
        self.identity.verify(Label::Certificate, &self.signed_bytes(), &self.signature)?;
        let identity = self.identity;
        if now < self.not_before {
            return Err(CertificateError::NotYetValid { identity, not_before: self.not_before, now });
        }
        if now > self.expiry {
            return Err(CertificateError::Expired { identity, expiry: self.expiry, now });
        }
        Ok(())
    }

    /// [`verify`](Self::verify), and that it is the expected identity's key for the expected purpose.
    pub fn verify_for(
        &self,
        purpose: Purpose,
        identity: IdentityKey,
        now: u64,
    ) -> Result<(), CertificateError> {
        if self.identity != identity {
            return Err(CertificateError::WrongIdentity { expected: identity, got: self.identity });
        }
        self.verify(now)?;
        if self.purpose != purpose {
            return Err(CertificateError::WrongPurpose { identity, expected: purpose, got: self.purpose });
        }
        Ok(())
    }

    fn signed_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer
            .u16(CERTIFICATE_VERSION)
            .u8(self.purpose.code())
            .raw(&self.identity.0)
            .raw(&self.key_id.0)
            .raw(self.public_key.as_bytes())
            .u64(self.epoch)
            .u64(self.not_before)
            .u64(self.expiry);
        writer.finish()
    }

    /// The canonical encoding, [`CERTIFICATE_BYTES`] long.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.signed_bytes();
        bytes.extend_from_slice(&self.signature.0);
        bytes
    }

    /// Reads an encoding; checks everything but the signature and the lifetime.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("sealing key certificate", bytes);
        let version = reader.u16("version")?;
        if version != CERTIFICATE_VERSION {
            return Err(reader.invalid(
                "version",
                format!("certificate version {version} is not supported, only {CERTIFICATE_VERSION}"),
            ));
        }
        let code = reader.u8("purpose")?;
        let purpose = Purpose::from_code(code)
            .ok_or_else(|| reader.error(DecodeReason::UnknownCode { field: "purpose", got: code.into() }))?;
        let identity = IdentityKey(reader.array("identity")?);
        let key_id = Digest32(reader.array("key id")?);
        let public_key: [u8; PUBLIC_KEY_BYTES] = reader.array("public key")?;
        let public_key =
            SealingPublicKey::from_bytes(&public_key).map_err(|error| reader.invalid("public key", error))?;
        if public_key.id() != key_id {
            return Err(reader.invalid("public key", "its hash is not the key id"));
        }
        let certificate = Self {
            purpose,
            identity,
            key_id,
            public_key,
            epoch: reader.u64("epoch")?,
            not_before: reader.u64("not before")?,
            expiry: reader.u64("expiry")?,
            signature: Signature(reader.array("signature")?),
        };
        reader.finish()?;
        Ok(certificate)
    }
}
