//! Proofs of an authorisation that come with a request: checked as the verifier's contract would, before anything is paid for.

use tacit_algebra::field;
use tacit_chain::account::{Recoverable, authorization_hash};
use tacit_pool::Fr;
use tacit_pool::policy::{auth_data_ecdsa, blinded_auth_commitment};

use super::config::{AuthMethod, ServiceConfig};
use super::refusal::{Code, Refusal};
use crate::circuits::PoolCircuits;
use crate::proved::from_evm;
use crate::statement::Statement;

/// Half of secp256k1's order, big-endian: the contract takes no higher `s`.
const HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x5d,
    0x57, 0x6e, 0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
];

/// How the contract that the statement names checks authorisations.
///
/// # Errors
/// [`Code::VerifierNotServed`].
pub(super) fn method(config: &ServiceConfig, statement: &Statement) -> Result<AuthMethod, Refusal> {
    let named = statement.public_inputs().auth_verifier;
    let known = config.auth_verifiers.iter().find(|verifier| verifier.address == named);
    known.map(|verifier| verifier.method).ok_or_else(|| {
        let message = "the intent's auth verifier is none of the pool's that this service runs: set a policy with one of pool.toml";
        Refusal::new(Code::VerifierNotServed, message)
    })
}

/// Whether the verifier takes the proof. Without its circuit that is left to the contract, which is asked before anything is sent. Reads a
/// circuit if that was not done before: call it where one may wait.
///
/// # Errors
/// [`Code::BadProof`], [`Code::VerifierNotServed`], [`Code::Circuits`].
pub(super) fn check(
    config: &ServiceConfig,
    circuits: &PoolCircuits,
    statement: &Statement,
    proof: &[u8],
) -> Result<(), Refusal> {
    let holds = match method(config, statement)? {
        AuthMethod::Ecdsa => is_signed(statement, proof) == Some(true),
        AuthMethod::Circuit(circuit) if circuits.has(circuit) => {
            let circuit = circuits.load(circuit).map_err(|error| Refusal::circuits(&error))?;
            let proof = proof.try_into().ok().and_then(|proof| from_evm(proof).ok());
            proof.is_some_and(|proof| circuit.verify(&statement.auth_publics(), &proof).is_ok())
        }
        AuthMethod::Circuit(_) => true,
    };
    if holds {
        return Ok(());
    }
    let message = "the proof of the authorisation is none that the intent's auth verifier takes";
    Err(Refusal::new(Code::BadProof, message))
}

/// What `EcdsaAuthVerifier` checks; `None` for what is no proof of it.
fn is_signed(statement: &Statement, proof: &[u8]) -> Option<bool> {
    let proof: &[u8; 128] = proof.try_into().ok()?;
    let [blinding, r, s, v] = proof.as_chunks::<32>().0 else { return None };
    let blinding: Fr = field::read_be(blinding).ok()?;
    let y_parity = match v.split_last()? {
        (27, rest) if rest.iter().all(|byte| *byte == 0) => false,
        (28, rest) if rest.iter().all(|byte| *byte == 0) => true,
        _ => return None,
    };
    let public = statement.public_inputs();
    let hash = authorization_hash(
        public.execution_chain_id,
        public.auth_verifier,
        &public.transaction_intent_digest,
        &blinding,
    );
    let signer = Recoverable { r: *r, s: *s, y_parity }.signer(&hash)?;
    let commitment = blinded_auth_commitment(&auth_data_ecdsa(signer), &blinding);
    Some(*s <= HALF_ORDER && commitment == public.blinded_auth_commitment)
}
