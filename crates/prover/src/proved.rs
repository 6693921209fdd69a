//! What `transact` is called with, beside the public inputs and the note data.

use std::fmt;

use tacit_algebra::{Bn254, Point};
use tacit_circom::Proof;
use tacit_wire::codec::{DecodeError, Reader, Writer};

use crate::work::MAX_AUTH_PROOF_BYTES;

/// Bytes of a Groth16 proof in a call.
pub const PROOF_BYTES: usize = 256;

/// Both proofs of a transaction.
#[derive(Clone, PartialEq, Eq)]
pub struct Proved {
    /// `A B C` as EIP-196 and EIP-197 encode points.
    pub pool_proof: [u8; PROOF_BYTES],
    /// In the auth verifier's encoding.
    pub auth_proof: Vec<u8>,
}

impl fmt::Debug for Proved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proved({} and {} bytes)", self.pool_proof.len(), self.auth_proof.len())
    }
}

impl Proved {
    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.raw(&self.pool_proof).bytes(&self.auth_proof);
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            pool_proof: reader.array("pool proof")?,
            auth_proof: reader.bytes("auth proof", MAX_AUTH_PROOF_BYTES)?.to_vec(),
        })
    }
}

/// A proof as the contracts take it: `A B C`, coordinates of 32 bytes big-endian, in the second group the imaginary part first (EIP-196, EIP-197).
pub fn evm_proof(proof: &Proof<Bn254>) -> [u8; PROOF_BYTES] {
    let mut bytes = Vec::with_capacity(PROOF_BYTES);
    proof.a.write_be(&mut bytes);
    proof.b.write_be(&mut bytes);
    proof.c.write_be(&mut bytes);
    let mut proof = [0; PROOF_BYTES];
    for (to, from) in proof.iter_mut().zip(bytes) {
        *to = from;
    }
    proof
}

/// Reads what [`evm_proof`] wrote; every point is checked for curve and subgroup.
///
/// # Errors
/// When a coordinate is not canonical or a point is not in its group.
pub fn from_evm(bytes: &[u8; PROOF_BYTES]) -> Result<Proof<Bn254>, tacit_algebra::DecodeError> {
    let (a, rest) = bytes.split_at(64);
    let (b, c) = rest.split_at(128);
    Ok(Proof { a: Point::read_be(a)?, b: Point::read_be(b)?, c: Point::read_be(c)? })
}
