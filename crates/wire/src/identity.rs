//! Ed25519 identities of nodes, clients and coordinators, and signatures that say what they are about.
//!
//! A signature covers `length of the label (1 byte) || label || bytes`, so that a signature made for one purpose never
//! verifies for another. Verification is strict: small-order keys and non-canonical encodings are refused.

use std::{fmt, str::FromStr};

use ed25519_dalek::{
    Signer, SigningKey, VerifyingKey,
    pkcs8::{DecodePrivateKey, EncodePrivateKey, spki::der::pem::LineEnding},
};
use rand_core::CryptoRng;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tacit_delegate::labels;
use zeroize::{Zeroize, Zeroizing};

use crate::digest::{HexError, parse_hex};

/// What a signature is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Label {
    /// A client assigns one index of a deal to a node.
    Assignment,
    /// A client needs nothing more of a deal.
    Cancellation,
    /// A node says which package it opened.
    Acknowledgement,
    /// A node answers, for the package that it acknowledged.
    Response,
    /// An identity vouches for a sealing key.
    Certificate,
    /// A coordinator says how a job ended.
    Receipt,
    /// A coordinator says what its log holds.
    TreeHead,
}

/// A label as text; a label that is no text would be caught by every signature's vector.
const fn ascii(label: &'static [u8]) -> &'static str {
    match std::str::from_utf8(label) {
        Ok(text) => text,
        Err(_) => "",
    }
}

impl Label {
    /// The text that goes under the signature.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Assignment => ascii(labels::ASSIGNMENT),
            Self::Cancellation => ascii(labels::CANCELLATION),
            Self::Acknowledgement => ascii(labels::ACKNOWLEDGEMENT),
            Self::Response => ascii(labels::RESPONSE),
            Self::Certificate => "tacit v1 sealing key certificate",
            Self::Receipt => "tacit v1 job receipt",
            Self::TreeHead => "tacit v1 log tree head",
        }
    }

    /// The message that Ed25519 signs: for what `tacit_delegate` defines, its `signing_bytes`.
    pub fn message(self, bytes: &[u8]) -> Vec<u8> {
        let label = self.text().as_bytes();
        let mut message = Vec::with_capacity(1 + label.len() + bytes.len());
        // Labels are constants of this file, all far shorter than 255 bytes.
        message.push(u8::try_from(label.len()).unwrap_or(u8::MAX));
        message.extend_from_slice(label);
        message.extend_from_slice(bytes);
        message
    }
}

/// A signing identity. The secret is wiped when dropped and never printed.
#[derive(Clone)]
pub struct Identity(SigningKey);

/// The identity of a node.
pub type NodeIdentity = Identity;

/// The identity of a client: the same kind of key, the other end of an assignment.
pub type ClientIdentity = Identity;

/// Why an identity could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// Not a PKCS#8 PEM file with an Ed25519 key.
    #[error("not an Ed25519 private key in PKCS#8 PEM ({0}); `openssl genpkey -algorithm ed25519` makes one")]
    Pem(String),
    /// The key could not be encoded.
    #[error("the identity could not be encoded: {0}")]
    Encode(String),
}

impl Identity {
    /// The identity of a 32-byte Ed25519 seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// A fresh identity.
    pub fn generate<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        let mut seed = [0; 32];
        rng.fill_bytes(&mut seed);
        let identity = Self::from_seed(&seed);
        seed.zeroize();
        identity
    }

    /// Reads PKCS#8 PEM, as `openssl genpkey -algorithm ed25519` writes it.
    pub fn from_pkcs8_pem(pem: &str) -> Result<Self, IdentityError> {
        SigningKey::from_pkcs8_pem(pem).map(Self).map_err(|error| IdentityError::Pem(error.to_string()))
    }

    /// Writes PKCS#8 PEM.
    pub fn to_pkcs8_pem(&self) -> Result<Zeroizing<String>, IdentityError> {
        self.0.to_pkcs8_pem(LineEnding::LF).map_err(|error| IdentityError::Encode(error.to_string()))
    }

    /// Writes PKCS#8 DER, for TLS libraries.
    pub fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>, IdentityError> {
        self.0
            .to_pkcs8_der()
            .map(|der| der.to_bytes())
            .map_err(|error| IdentityError::Encode(error.to_string()))
    }

    /// The 32-byte seed.
    pub fn to_seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public half.
    pub fn key(&self) -> IdentityKey {
        IdentityKey(self.0.verifying_key().to_bytes())
    }

    /// Signs `bytes` for one purpose.
    pub fn sign(&self, label: Label, bytes: &[u8]) -> Signature {
        Signature(self.0.sign(&label.message(bytes)).to_bytes())
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({}, secret hidden)", self.key())
    }
}

/// The public key that names a node, client or coordinator: 64 hexadecimal digits when written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdentityKey(pub [u8; 32]);

/// A signature that does not verify.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no valid signature by {key} over this {}", label.text())]
pub struct SignatureError {
    /// Who should have signed.
    pub key: IdentityKey,
    /// What should have been signed.
    pub label: Label,
}

impl IdentityKey {
    /// Verifies a signature strictly.
    pub fn verify(&self, label: Label, bytes: &[u8], signature: &Signature) -> Result<(), SignatureError> {
        VerifyingKey::from_bytes(&self.0)
            .and_then(|key| {
                key.verify_strict(&label.message(bytes), &ed25519_dalek::Signature::from_bytes(&signature.0))
            })
            .map_err(|_| SignatureError { key: *self, label })
    }
}

impl fmt::Display for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for IdentityKey {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        parse_hex(text).map(Self)
    }
}

impl Serialize for IdentityKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for IdentityKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// An Ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl Serialize for Signature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.0))
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parse_hex(&String::deserialize(deserializer)?).map(Self).map_err(serde::de::Error::custom)
    }
}
