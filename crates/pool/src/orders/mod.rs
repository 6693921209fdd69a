//! The orders around delegation: who proves, who may, and since when no more.
//!
//! | order | signed by | says |
//! |---|---|---|
//! | [`ProverRegistration`] | the prover | where it is reached, what it seals to, for which pool, what it asks |
//! | [`DelegationGrant`] | the owner | this prover may be given the owner's witness data, until then |
//! | [`RotationNotice`] | the owner | the seed of an epoch is being replaced; these provers are former ones |
//! | [`KeyBinding`] | the owner's Ethereum key | this order key speaks for my address |
//!
//! Every order but the last is signed with Ed25519 **and** ML-DSA-65, and is one only if both verify: forging one takes a quantum
//! computer and a break of lattices. An order names its signer, its place (chain and pool) and a sequence number; of two orders of
//! one kind by one signer about one subject, the higher number counts. None of them moves money: an intent does.
//!
//! A prover's key is known to whoever pinned it. An owner's key counts for the address that an order names only if that address said so:
//! [`Signed::verify`] asks for a [`BoundKey`], which only [`KeyBinding::verify`] makes.
//!
//! Encoding: `version (1) || kind (1) || body || key (1984) || Ed25519 signature (64) || ML-DSA-65 signature (3309)`; of a key binding see
//! [`binding`].

pub mod binding;
pub mod grant;
pub mod registration;
pub mod rotation;
pub mod signature;

use tacit_wire::codec::{DecodeError, DecodeReason, Reader, Writer};

pub use binding::{BoundKey, KeyBinding};
pub use grant::DelegationGrant;
pub use registration::ProverRegistration;
pub use rotation::RotationNotice;
pub use signature::{OrderKey, OrderKeyId, OrderPublicKey, OrderSignature, OrderSignatureError};

use crate::delivery::Place;
use crate::value::Address;

/// The version of the encoding.
pub const VERSION: u8 = 1;

/// Something that can be ordered: fixed encoding, kind and label.
pub trait Body: Sized {
    /// Its code.
    const KIND: u8;
    /// What a signature over it is about.
    const LABEL: &'static str;
    /// By what a reader knows who may sign it: a key that it pinned, or one that is bound to an address.
    type Signer;

    /// Writes the fields.
    fn write(&self, writer: &mut Writer);

    /// Reads the fields.
    ///
    /// # Errors
    /// [`DecodeError`].
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError>;

    /// The key that must have signed this.
    ///
    /// # Errors
    /// [`OrderError::Address`], where the signer speaks for another address.
    fn signed_by(&self, signer: &Self::Signer) -> Result<OrderKeyId, OrderError>;

    /// For which pool it is.
    fn place(&self) -> Place;

    /// Of two orders about one subject the one with the higher number counts.
    fn sequence(&self) -> u64;

    /// From when to when it holds, in seconds since 1970.
    fn validity(&self) -> Validity;
}

/// A span of time in seconds since 1970: from `from` up to and without `until`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first second.
    pub from: u64,
    /// The first second after it.
    pub until: u64,
}

impl Validity {
    fn check(self, now: u64) -> Result<(), OrderError> {
        let Self { from, until } = self;
        if (from..until).contains(&now) { Ok(()) } else { Err(OrderError::Time { from, until, now }) }
    }

    fn write(self, writer: &mut Writer) {
        writer.u64(self.from).u64(self.until);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let from = reader.u64("valid from")?;
        let until = reader.u64("valid until")?;
        if from < until {
            Ok(Self { from, until })
        } else {
            Err(reader.invalid("valid until", "not after its beginning"))
        }
    }
}

/// A signed order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed<B> {
    /// What is ordered.
    pub body: B,
    /// By whom.
    pub key: OrderPublicKey,
    /// Both signatures.
    pub signature: OrderSignature,
}

/// Why an order is not followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OrderError {
    /// Somebody else signed.
    #[error("the order is signed by {got}, not by {expected}")]
    Signer {
        /// Who should have.
        expected: OrderKeyId,
        /// Who did.
        got: OrderKeyId,
    },
    /// The key speaks for another address.
    #[error("the order is about {expected}, its signer's key is bound to {got}")]
    Address {
        /// Whom the order names.
        expected: Address,
        /// For whom the key speaks.
        got: Address,
    },
    /// An order for another pool.
    #[error("the order is for {got}, not for {expected}")]
    Place {
        /// Which pool is meant.
        expected: Place,
        /// Which one the order names.
        got: Place,
    },
    /// An order that a later one replaced.
    #[error("the order has sequence number {got}, and one with {least} is known: ask for the newest")]
    Replayed {
        /// The least number that is accepted.
        least: u64,
        /// The order's.
        got: u64,
    },
    /// A signature does not verify.
    #[error(transparent)]
    Signature(#[from] OrderSignatureError),
    /// The Ethereum signature of a key binding does not verify.
    #[error("no valid Ethereum signature by {0} over this key binding")]
    Ethereum(Address),
    /// Before its time or after.
    #[error("the order holds from {from} to {until} (seconds since 1970), and it is {now}")]
    Time {
        /// Its first second.
        from: u64,
        /// The first second after it.
        until: u64,
        /// The time that was given.
        now: u64,
    },
}

impl<B: Body> Signed<B> {
    /// Signs an order.
    ///
    /// # Errors
    /// [`OrderSignatureError::Signing`], which nobody will ever see.
    pub fn sign(body: B, key: &OrderKey) -> Result<Self, OrderSignatureError> {
        let signature = key.sign(B::LABEL, &signed_bytes(&body))?;
        Ok(Self { body, key: key.public().clone(), signature })
    }

    /// Whether this signer ordered this for this pool, and it holds at `now`. `least` is the highest sequence number of such an order that the
    /// caller has seen (0 for none): an older one may be a replay.
    ///
    /// # Errors
    /// [`OrderError`].
    pub fn verify(&self, signer: &B::Signer, place: Place, least: u64, now: u64) -> Result<&B, OrderError> {
        let (expected, got) = (self.body.signed_by(signer)?, self.key.id());
        if got != expected {
            return Err(OrderError::Signer { expected, got });
        }
        self.key.verify(B::LABEL, &signed_bytes(&self.body), &self.signature)?;
        check_use((self.body.place(), self.body.sequence(), self.body.validity()), place, least, now)?;
        Ok(&self.body)
    }

    /// The encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.raw(&signed_bytes(&self.body));
        self.key.write(&mut writer);
        self.signature.write(&mut writer);
        writer.finish()
    }

    /// Reads what [`Self::encode`] wrote. Nothing is verified.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("order", bytes);
        read_kind(B::KIND, &mut reader)?;
        let body = B::read(&mut reader)?;
        let key = OrderPublicKey::read(&mut reader)?;
        let signature = OrderSignature::read(&mut reader)?;
        reader.finish()?;
        Ok(Self { body, key, signature })
    }
}

/// Whether what an order says of itself is what is asked for.
fn check_use(
    (got, sequence, validity): (Place, u64, Validity),
    expected: Place,
    least: u64,
    now: u64,
) -> Result<(), OrderError> {
    if got != expected {
        return Err(OrderError::Place { expected, got });
    }
    if sequence < least {
        return Err(OrderError::Replayed { least, got: sequence });
    }
    validity.check(now)
}

fn signed_bytes<B: Body>(body: &B) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.u8(VERSION).u8(B::KIND);
    body.write(&mut writer);
    writer.finish()
}

fn read_kind(kind: u8, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    for (field, expected) in [("version", VERSION), ("kind", kind)] {
        let got = reader.u8(field)?;
        if got != expected {
            return Err(reader.error(DecodeReason::UnknownCode { field, got: got.into() }));
        }
    }
    Ok(())
}

fn write_place(place: Place, writer: &mut Writer) {
    writer.raw(&place.encode());
}

fn read_place(reader: &mut Reader<'_>) -> Result<Place, DecodeError> {
    Ok(Place { chain_id: reader.u32("chain")?, pool: Address(reader.array("pool")?) })
}
