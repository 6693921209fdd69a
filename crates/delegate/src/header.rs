//! The deal's header: everything about a deal that is not secret. Its digest names the deal.
//!
//! | bytes | field |
//! |---|---|
//! | 3 | version, message code ([`crate::encoding`]) |
//! | 1 | curve: 1 BN254, 2 BLS12-381 |
//! | 32 | circuit id; with the handover `msm` the id of the bases |
//! | 1 | handover: 1 `witness`, 2 `quotient`, 4 `msm`; 3 is reserved |
//! | 1 | `n` |
//! | 1 | `t` |
//! | 1 | groups |
//! | 1 each group | the slice of the proving key that the group handles: its own number, from 0 |
//! | 4 | length of the assembler's key |
//! | that | the assembler's public sealing key, at most [`MAX_ASSEMBLER_KEY`] bytes |
//! | 32 | the client's Ed25519 key, which signs the assignments |
//! | 8 | expiry, seconds since 1970 |
//! | 32 | nonce, drawn by the client for this deal |
//! | 4 | number of public inputs |
//! | 32 each | public inputs |

use std::fmt;

use ark_ff::{BigInteger, PrimeField};
use tacit_algebra::CurveId;
use tacit_groth16::CircuitId;
use thiserror::Error;

use crate::blame::Culprit;
use crate::dials::{Dials, Handover};
use crate::encoding::{self, EncodingError, Malformed, Message, Reader};
use crate::labels;

/// The longest key of an assembler that a header may carry, in bytes (an X-Wing public key has 1216).
pub const MAX_ASSEMBLER_KEY: usize = 2048;

/// A deal's name: the digest of its header. It feeds the expansion of every seed and is bound into every envelope.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DealId(pub [u8; 32]);

impl fmt::Display for DealId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for DealId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DealId({self})")
    }
}

/// What the client decides about a deal; all of it is public.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DealTerms<F> {
    /// The curve.
    pub curve: CurveId,
    /// The circuit; with the handover `msm`, the [bases](crate::msm::BasesId).
    pub circuit: CircuitId,
    /// Handover, nodes, threshold.
    pub dials: Dials,
    /// Public key to which responses are sealed.
    pub assembler_key: Vec<u8>,
    /// Ed25519 key that signs the assignments.
    pub client_key: [u8; 32],
    /// No node answers after this, in seconds since 1970.
    pub expiry: u64,
    /// The public inputs, the constant wire not among them.
    pub public: Vec<F>,
}

/// The terms with the nonce that makes the deal the only one of its name. [`crate::deal()`] draws it, so that nothing
/// dealt ever serves two deals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DealHeader<F> {
    /// The terms.
    pub terms: DealTerms<F>,
    /// Drawn by the client for this deal.
    pub nonce: [u8; 32],
}

/// The deal's time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the deal expired {} s ago; deal afresh", now.saturating_sub(*expiry))]
pub struct Expired {
    /// The deal's expiry, seconds since 1970.
    pub expiry: u64,
    /// The caller's time, seconds since 1970.
    pub now: u64,
}

impl Expired {
    /// Whom this points at.
    pub fn culprits(&self) -> Vec<Culprit> {
        vec![Culprit::Nobody]
    }
}

/// The curve that an encoded header is for, so that the caller knows which field to decode it with. Nothing after it
/// is checked.
///
/// # Errors
/// [`EncodingError`].
pub fn curve_of(bytes: &[u8]) -> Result<CurveId, EncodingError> {
    read_curve(&mut Reader::start(Message::Header, bytes)?)
}

/// The dials of an encoded header, for whoever does not know the field to decode it with. Nothing after them is checked.
///
/// # Errors
/// [`EncodingError`].
pub fn dials_of(bytes: &[u8]) -> Result<Dials, EncodingError> {
    let mut reader = Reader::start(Message::Header, bytes)?;
    read_curve(&mut reader)?;
    let _: [u8; 32] = reader.array("circuit id")?;
    read_dials(&mut reader)
}

fn read_curve(reader: &mut Reader<'_>) -> Result<CurveId, EncodingError> {
    let got = reader.u8("curve")?;
    CurveId::from_code(got).ok_or_else(|| reader.error(Malformed::Code { field: "curve", got }))
}

impl<F: PrimeField> DealHeader<F> {
    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let DealTerms { curve, circuit, dials, assembler_key, client_key, expiry, public } = &self.terms;
        let mut out = encoding::start(Message::Header);
        out.push(curve.code());
        out.extend_from_slice(&circuit.0);
        out.extend_from_slice(&[dials.handover().code(), dials.nodes(), dials.threshold(), dials.groups()]);
        // Group g handles slice g; with one group, slice 0 is the whole key.
        out.extend(0..dials.groups());
        out.extend_from_slice(&(assembler_key.len() as u32).to_le_bytes());
        out.extend_from_slice(assembler_key);
        out.extend_from_slice(client_key);
        out.extend_from_slice(&expiry.to_le_bytes());
        out.extend_from_slice(&self.nonce);
        encoding::write_elements(public, &mut out);
        out
    }

    /// Decodes with all checks.
    ///
    /// # Errors
    /// [`EncodingError`]; a reserved handover is [`DialsError::NotSupported`](crate::DialsError::NotSupported) inside it.
    pub fn decode(bytes: &[u8]) -> Result<Self, EncodingError> {
        let mut reader = Reader::start(Message::Header, bytes)?;
        let curve = read_curve(&mut reader)?;
        let mut modulus = F::MODULUS.to_bytes_le();
        modulus.resize(tacit_algebra::field::byte_len::<F>(), 0);
        if curve.scalar_modulus_le() != modulus {
            return Err(reader.error(Malformed::Curve { curve }));
        }
        let circuit = CircuitId(reader.array("circuit id")?);
        let dials = read_dials(&mut reader)?;
        let key_len = reader.u32("length of the assembler's key")?;
        if key_len as usize > MAX_ASSEMBLER_KEY {
            return Err(reader.error(Malformed::Range {
                field: "length of the assembler's key",
                got: u64::from(key_len),
            }));
        }
        let assembler_key = reader.take("assembler's key", key_len as usize)?.to_vec();
        let client_key = reader.array("client's key")?;
        let expiry = reader.u64("expiry")?;
        let nonce = reader.array("nonce")?;
        let public = reader.elements("public inputs", None)?;
        reader.end()?;
        let terms = DealTerms { curve, circuit, dials, assembler_key, client_key, expiry, public };
        Ok(Self { terms, nonce })
    }

    /// The deal's name.
    pub fn deal_id(&self) -> DealId {
        DealId(labels::digest(labels::DEAL_ID, &[&self.encode()]))
    }

    /// Whether the deal may still be answered at `now`, in seconds since 1970.
    ///
    /// # Errors
    /// [`Expired`].
    pub fn check_expiry(&self, now: u64) -> Result<(), Expired> {
        let expiry = self.terms.expiry;
        if now > expiry { Err(Expired { expiry, now }) } else { Ok(()) }
    }
}

fn read_dials(reader: &mut Reader<'_>) -> Result<Dials, EncodingError> {
    let [handover, n, t, groups] = reader.array("handover, n, t, groups")?;
    let checked = Handover::from_code(handover)
        .and_then(|handover| Dials::new(handover, n, t))
        .and_then(|dials| dials.with_groups(groups));
    let dials = checked.map_err(|e| reader.error(Malformed::Dials(e)))?;
    for group in 0..groups {
        let got = reader.u8("slice")?;
        if got != group {
            return Err(reader.error(Malformed::Code { field: "slice", got }));
        }
    }
    Ok(dials)
}
