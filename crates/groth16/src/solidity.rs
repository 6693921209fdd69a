//! A verifier contract for the EVM.
//!
//! The contract calls the precompiled contracts for BN254: addition (6) and multiplication (7) of EIP-196, the pairing
//! check (8) of EIP-197. Its function takes what `snarkjs zkey export soliditycalldata` prints. Inputs that are not
//! canonical make it return `false`: public signals not below the group's order are refused by the contract,
//! coordinates not below the field's order (and points off the curve or outside the subgroup) by the precompiles.
//!
//! Tacit's own contracts (`contracts/`) are compiled once and take the verification key as an argument of their
//! constructor: [`contract_key`].

use std::fmt::Write;

use tacit_algebra::{Curve, CurveId, G1Affine, Group, Point};
use tacit_circom::VerificationKey;
use thiserror::Error;

use crate::key::{KeyError, check_verification_key};

/// The licence under which the contract is published.
const LICENCE: &str = "MIT OR Apache-2.0";

/// Why no contract was written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SolidityError {
    /// The contract's precompiles know one curve.
    #[error(
        "a verifier contract can be exported for BN254 only, the key is over {curve}: the contract's precompiles \
         (EIP-196, EIP-197) compute on BN254; those for BLS12-381 (EIP-2537) have other addresses and encodings"
    )]
    Curve {
        /// The key's curve.
        curve: CurveId,
    },
    /// The key is worthless.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A key that cannot come from a finished ceremony.
    #[error(
        "the key's {0} are the same or opposite points, as before the first contribution: anyone can forge proofs; take a key \
         with contributions in both phases"
    )]
    Unfinished(&'static str),
}

/// The source of a contract `Groth16Verifier` for Solidity 0.8 with
///
/// ```text
/// function verifyProof(uint256[2] calldata _pA, uint256[2][2] calldata _pB, uint256[2] calldata _pC,
///                      uint256[N] calldata _pubSignals) public view returns (bool)
/// ```
///
/// A circuit without public signals has no last argument (Solidity knows no empty arrays).
///
/// # Errors
/// [`SolidityError::Curve`] for BLS12-381; [`SolidityError::Key`] for a key with a neutral element.
pub fn export<C: Curve>(vk: &VerificationKey<C>) -> Result<String, SolidityError> {
    if C::ID != CurveId::Bn254 {
        return Err(SolidityError::Curve { curve: C::ID });
    }
    check_verification_key(vk)?;
    let n_public = vk.ic.len().saturating_sub(1);
    let mut constants = String::new();
    constant(
        &mut constants,
        "R",
        "order of the groups: public signals are below it",
        &hex_le(&C::ID.scalar_modulus_le()),
    );
    constant(&mut constants, "Q", "order of the field of coordinates", &hex_le(&C::ID.base_modulus_le()));
    g1_constants::<C>(&mut constants, "ALPHA", &vk.alpha_g1);
    for (name, point) in [("BETA", &vk.beta_g2), ("GAMMA", &vk.gamma_g2), ("DELTA", &vk.delta_g2)] {
        let mut bytes = Vec::new();
        point.write_be(&mut bytes);
        for (suffix, limb) in ["X1", "X0", "Y1", "Y0"].iter().zip(bytes.chunks(32)) {
            constant(&mut constants, &format!("{name}_{suffix}"), "", &hex_be(limb));
        }
    }
    for (k, point) in vk.ic.iter().enumerate() {
        g1_constants::<C>(&mut constants, &format!("IC{k}"), point);
    }
    let mut accumulate = String::new();
    for k in 1..=n_public {
        let _ = writeln!(
            accumulate,
            "        if (!_accumulate(inputs, IC{k}_X, IC{k}_Y, _pubSignals[{}])) return false;",
            k - 1
        );
    }
    let signals = match n_public {
        0 => String::new(),
        n => format!(",\n        uint256[{n}] calldata _pubSignals"),
    };
    let mut source = TEMPLATE
        .replace("@LICENCE@", LICENCE)
        .replace("@CONSTANTS@\n", &constants)
        .replace("@SIGNALS@", &signals)
        .replace("@ACCUMULATE@\n", &accumulate);
    if n_public == 0
        && let Some(at) = source.find("\n    /// inputs += ")
    {
        // Nothing to add up: leave out the function that would.
        source.truncate(at);
        source.push_str("}\n");
    }
    Ok(source)
}

/// Where a key comes from, which a contract must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provenance {
    /// A ceremony whose contributions were verified, at least one of them by an honest party.
    Ceremony,
    /// One party knows the trapdoor: contracts refuse the key on any chain that is not local (31337, 1337).
    Development,
}

impl Provenance {
    /// The key's first 32 bytes.
    fn tag(self) -> [u8; 32] {
        let text: &[u8] = match self {
            Self::Ceremony => b"tacit-groth16-key-v1-ceremony",
            Self::Development => b"tacit-groth16-key-v1-development",
        };
        let mut tag = [0; 32];
        tag.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
        tag
    }
}

/// The key as the constructors in `contracts/` take it (`contracts/src/Groth16.sol`):
///
/// ```text
/// provenance (32) alpha (64) beta (128) gamma (128) delta (128) IC_0 .. IC_n (64 each)
/// ```
///
/// with points as EIP-196 and EIP-197 encode them.
///
/// # Errors
/// As for [`export`]; [`SolidityError::Unfinished`] for a key of [`Provenance::Ceremony`] of which two of beta, gamma and delta are equal or
/// opposite, or beta or delta is the generator.
pub fn contract_key<C: Curve>(
    vk: &VerificationKey<C>,
    provenance: Provenance,
) -> Result<Vec<u8>, SolidityError> {
    if C::ID != CurveId::Bn254 {
        return Err(SolidityError::Curve { curve: C::ID });
    }
    check_verification_key(vk)?;
    if provenance == Provenance::Ceremony {
        check_finished(vk)?;
    }
    let mut key = provenance.tag().to_vec();
    vk.alpha_g1.write_be(&mut key);
    for point in [&vk.beta_g2, &vk.gamma_g2, &vk.delta_g2] {
        point.write_be(&mut key);
    }
    for point in &vk.ic {
        point.write_be(&mut key);
    }
    Ok(key)
}

/// If delta is gamma, then `A = alpha, B = beta, C = -(IC_0 + sum x_i IC_i)` is a proof of anything; with any other two of the three one finds
/// the like.
fn check_finished<C: Curve>(vk: &VerificationKey<C>) -> Result<(), SolidityError> {
    let generator = C::G2::generator().to_affine();
    for (names, one, other) in [
        ("beta and gamma", &vk.beta_g2, &vk.gamma_g2),
        ("beta and delta", &vk.beta_g2, &vk.delta_g2),
        ("gamma and delta", &vk.gamma_g2, &vk.delta_g2),
        ("beta and the generator", &vk.beta_g2, &generator),
        ("delta and the generator", &vk.delta_g2, &generator),
    ] {
        if x(one) == x(other) {
            return Err(SolidityError::Unfinished(names));
        }
    }
    Ok(())
}

/// A point's first coordinate, which its opposite has as well.
fn x<P: Point>(point: &P) -> Vec<u8> {
    let mut bytes = Vec::new();
    point.write_be(&mut bytes);
    bytes.truncate(bytes.len() / 2);
    bytes
}

fn constant(out: &mut String, name: &str, meaning: &str, value: &str) {
    if !meaning.is_empty() {
        let _ = writeln!(out, "    // The {meaning}.");
    }
    let _ = writeln!(out, "    uint256 private constant {name} = {value};");
}

fn g1_constants<C: Curve>(out: &mut String, name: &str, point: &G1Affine<C>) {
    let mut bytes = Vec::new();
    point.write_be(&mut bytes);
    for (suffix, limb) in ["X", "Y"].iter().zip(bytes.chunks(32)) {
        constant(out, &format!("{name}_{suffix}"), "", &hex_be(limb));
    }
}

fn hex_be(bytes: &[u8]) -> String {
    let mut out = String::from("0x");
    bytes.iter().for_each(|b| {
        let _ = write!(out, "{b:02x}");
    });
    out
}

fn hex_le(bytes: &[u8]) -> String {
    let reversed: Vec<u8> = bytes.iter().rev().copied().collect();
    hex_be(&reversed)
}

const TEMPLATE: &str = r#"// SPDX-License-Identifier: @LICENCE@
// Written by Tacit from a Groth16 verification key. Do not edit: export it again.
pragma solidity >=0.8.4 <0.9.0;

/// Checks Groth16 proofs over BN254 for one circuit:
///     e(A, B) = e(alpha, beta) + e(IC_0 + sum x_i IC_i, gamma) + e(C, delta).
/// Coordinates in the second group come imaginary part (1) first, as EIP-197 has it.
contract Groth16Verifier {
@CONSTANTS@

    /// Whether the proof holds for these public signals. Never reverts on a malformed proof: it returns false.
    function verifyProof(
        uint256[2] calldata _pA,
        uint256[2][2] calldata _pB,
        uint256[2] calldata _pC@SIGNALS@
    ) public view returns (bool) {
        uint256[2] memory inputs = [IC0_X, IC0_Y];
@ACCUMULATE@
        // -A: the other coordinate is left to the pairing precompile, which refuses what is not canonical.
        if (_pA[1] >= Q) return false;
        uint256 negatedY = _pA[1] == 0 ? 0 : Q - _pA[1];

        uint256[24] memory pairs;
        (pairs[0], pairs[1]) = (_pA[0], negatedY);
        (pairs[2], pairs[3], pairs[4], pairs[5]) = (_pB[0][0], _pB[0][1], _pB[1][0], _pB[1][1]);
        (pairs[6], pairs[7]) = (ALPHA_X, ALPHA_Y);
        (pairs[8], pairs[9], pairs[10], pairs[11]) = (BETA_X1, BETA_X0, BETA_Y1, BETA_Y0);
        (pairs[12], pairs[13]) = (inputs[0], inputs[1]);
        (pairs[14], pairs[15], pairs[16], pairs[17]) = (GAMMA_X1, GAMMA_X0, GAMMA_Y1, GAMMA_Y0);
        (pairs[18], pairs[19]) = (_pC[0], _pC[1]);
        (pairs[20], pairs[21], pairs[22], pairs[23]) = (DELTA_X1, DELTA_X0, DELTA_Y1, DELTA_Y0);

        bool success;
        uint256[1] memory holds;
        assembly ("memory-safe") {
            success := staticcall(gas(), 8, pairs, 768, holds, 32)
        }
        return success && holds[0] == 1;
    }

    /// inputs += signal * (x, y). False if the signal is not canonical (two signals would stand for one).
    function _accumulate(uint256[2] memory inputs, uint256 x, uint256 y, uint256 signal)
        private
        view
        returns (bool success)
    {
        if (signal >= R) return false;
        uint256[4] memory buffer = [x, y, signal, 0];
        assembly ("memory-safe") {
            // The product replaces the second half of the buffer, the sum so far its first half.
            success := staticcall(gas(), 7, buffer, 96, add(buffer, 64), 64)
            mstore(buffer, mload(inputs))
            mstore(add(buffer, 32), mload(add(inputs, 32)))
            success := and(success, staticcall(gas(), 6, buffer, 128, inputs, 64))
        }
    }
}
"#;
