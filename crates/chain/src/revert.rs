//! Why a call reverted: every error of contracts/src, with its way out.

use std::fmt;

use alloy_sol_types::{SolError, SolInterface};
use tacit_pool::{Address, value::field_text};

use crate::convert::{field_of, from_eth};

/// The errors, as in contracts/src.
#[allow(missing_docs)]
pub mod errors {
    alloy_sol_types::sol! {
        #[derive(Debug, PartialEq, Eq)]
        interface Contracts {
            error Reentered();
            error ChainIdOutOfRange(uint256 chainId);
            error WrongChain(uint256 executionChainId, uint256 chainId);
            error IntentExpired(uint256 validUntilSeconds, uint256 timestamp);
            error IntentTooEarly(uint256 validUntilSeconds, uint256 latest);
            error NoteCommitmentRootNotAccepted(uint256 root);
            error AuthPolicyRootNotAccepted(uint256 root);
            error NullifiersEqual(uint256 nullifier);
            error AmountOutOfRange(uint256 amount);
            error NotAnAddress(uint256 value);
            error NotAUint32(uint256 value);
            error AuthVerifierZero();
            error PublicInputNotCanonical(uint256 index);
            error PoolProofLength(uint256 length);
            error PoolProofInvalid();
            error AuthProofInvalid(address authVerifier);
            error NullifierSpent(uint256 nullifier);
            error IntentReplayed(uint256 intentReplayId);
            error OutputNoteDataMismatch(uint256 output);
            error RecipientZero();
            error TransferWithPublicFields();
            error EthTransferFailed(address recipient, uint256 amount);
            error TokenTransferFailed(address token);
            error NoteCommitmentZero();
            error AmountZero();
            error OwnerCommitmentInvalid(uint256 ownerCommitment);
            error WrongValue(uint256 expected, uint256 got);
            error TokenBalanceFailed(address token);
            error TokenAmountMismatch(uint256 expected, uint256 balanceBefore, uint256 balanceAfter);
            error AuthPolicyFieldInvalid(uint256 value);
            error OwnerNullifierKeyHashReserved();
            error OwnerNullifierKeyHashTaken(address owner);
            error OwnerNullifierKeyHashChanged(uint256 registered);
            error LeafZero();
            error PolicyVersionExhausted();
            error AuthRegistryFull();
            error NoteTreeFull(uint256 nextLeafIndex);
            error VerifyingKeyOfUnknownKind(bytes32 kind);
            error DevelopmentKeyOnPublicChain(uint256 chainId);
            error VerifyingKeyLength(uint256 expected, uint256 got);
            error VerifyingKeyPoint(uint256 offset);
            error VerifyingKeyUnfinished();
            error VerifyingKeyNotKept();
            error Poseidon2NotDeployed();
            error OnlyLocal(uint256 chainId);
        }
    }
}

pub use errors::Contracts::ContractsErrors as Known;

/// Why a call reverted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Revert {
    /// An error of the pool's contracts.
    Known(Box<Known>),
    /// `require` or `revert` with words: a token's, say.
    Reason(String),
    /// Solidity's `Panic`, with its code.
    Panic(u64),
    /// Another contract's error.
    Unknown(Vec<u8>),
    /// Nothing was returned: no contract's words, or gas ran out.
    Empty,
}

/// Characters that are shown of another contract's words.
const SHOWN: usize = 300;

impl Revert {
    /// Reads what a call that reverted returned.
    pub fn decode(data: &[u8]) -> Self {
        if data.is_empty() {
            return Self::Empty;
        }
        if let Ok(known) = Known::abi_decode_validate(data) {
            return Self::Known(Box::new(known));
        }
        if let Ok(reason) = alloy_sol_types::Revert::abi_decode_validate(data) {
            let clean = reason.reason.chars().map(|c| if c.is_control() { ' ' } else { c });
            return Self::Reason(clean.take(SHOWN).collect());
        }
        if let Ok(panic) = alloy_sol_types::Panic::abi_decode_validate(data) {
            return Self::Panic(panic.code.try_into().unwrap_or(u64::MAX));
        }
        Self::Unknown(data.to_vec())
    }

    /// Whether the same intent can be executed after it is proved again against current roots.
    pub fn needs_current_roots(&self) -> bool {
        matches!(self, Self::Known(known) if matches!(
            **known,
            Known::NoteCommitmentRootNotAccepted(_) | Known::AuthPolicyRootNotAccepted(_)
        ))
    }

    /// Whether the intent was executed already, or its notes were spent by another.
    pub fn is_spent(&self) -> bool {
        matches!(self, Self::Known(known) if matches!(**known, Known::NullifierSpent(_) | Known::IntentReplayed(_)))
    }
}

impl std::error::Error for Revert {}

impl fmt::Display for Revert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(known) => write_known(f, known),
            Self::Reason(reason) => write!(f, "the contract says: {reason}"),
            Self::Panic(code) => write!(f, "the contract panicked with code {code:#x}"),
            Self::Unknown(data) => {
                let shown = data.get(..data.len().min(36)).unwrap_or_default();
                write!(f, "the contract refused with an error that is none of the pool's: 0x{}", hex::encode(shown))
            }
            Self::Empty => f.write_str(
                "the call failed and nothing says why: there may be no contract at the address, too little gas, or a \
                 token that gives no reason",
            ),
        }
    }
}

/// A field element as it is shown elsewhere, or a number.
fn shown(x: alloy_primitives::U256) -> String {
    field_of(x).map_or_else(|| x.to_string(), |x| field_text(&x).to_string())
}

fn at(address: alloy_primitives::Address) -> Address {
    from_eth(address)
}

#[allow(clippy::too_many_lines)]
fn write_known(f: &mut fmt::Formatter<'_>, known: &Known) -> fmt::Result {
    match known {
        Known::Reentered(_) => {
            f.write_str("the pool is in the middle of a deposit or transact: call it from outside of that")
        }
        Known::ChainIdOutOfRange(e) => write!(
            f,
            "intents have 32 bits for a chain's id: the chain {} cannot have a pool",
            e.chainId
        ),
        Known::WrongChain(e) => {
            write!(f, "the intent is for chain {}, this is {}: sign it for this one", e.executionChainId, e.chainId)
        }
        Known::IntentExpired(e) => write!(
            f,
            "the intent was good until {} (seconds since 1970), the chain's time is {}: sign a new one",
            e.validUntilSeconds, e.timestamp
        ),
        Known::IntentTooEarly(e) => write!(
            f,
            "the intent runs until {}, at most {} is allowed now: submit it within the last 24 hours before it expires",
            e.validUntilSeconds, e.latest
        ),
        Known::NoteCommitmentRootNotAccepted(e) => write!(
            f,
            "500 insertions have passed since the note root {}, or it never was one: prove again against a current root",
            shown(e.root)
        ),
        Known::AuthPolicyRootNotAccepted(e) => write!(
            f,
            "the registry root {} left the window of 64 blocks, or it never was one: prove again against a current root",
            shown(e.root)
        ),
        Known::NullifiersEqual(e) => write!(f, "both inputs have one nullifier, {}", shown(e.nullifier)),
        Known::AmountOutOfRange(e) => write!(f, "amounts are below 2^248, got {}", e.amount),
        Known::NotAnAddress(e) => write!(f, "addresses are below 2^160, got {}", e.value),
        Known::NotAUint32(e) => write!(f, "times and chain ids are below 2^32, got {}", e.value),
        Known::AuthVerifierZero(_) => f.write_str("the intent names no auth verifier"),
        Known::PublicInputNotCanonical(e) => {
            write!(f, "public input {} (counted from 0) is not below the field's order: reduce it", e.index)
        }
        Known::PoolProofLength(e) => write!(
            f,
            "a pool proof is 256 bytes (A, B, C as EIP-196 and EIP-197 encode points), got {}",
            e.length
        ),
        Known::PoolProofInvalid(_) => f.write_str(
            "the pool proof does not hold for these public inputs: it was made with another key or for other inputs, or \
             gas ran out",
        ),
        Known::AuthProofInvalid(e) => write!(
            f,
            "the auth verifier {} did not accept the auth proof: it was made with another key, for other inputs or for \
             another verifier, or there is no such contract",
            at(e.authVerifier)
        ),
        Known::NullifierSpent(e) => {
            write!(f, "a note of this transaction was spent before (nullifier {})", shown(e.nullifier))
        }
        Known::IntentReplayed(e) => {
            write!(f, "the intent {}, or another with its nonce, was executed before", shown(e.intentReplayId))
        }
        Known::OutputNoteDataMismatch(e) => write!(f, "note data {} is not what was proved", e.output),
        Known::RecipientZero(_) => f.write_str("a withdrawal needs a recipient"),
        Known::TransferWithPublicFields(_) => {
            f.write_str("a transfer (of no public amount) has no public recipient and no public token")
        }
        Known::EthTransferFailed(e) => write!(
            f,
            "the recipient {} did not take {} wei, or the pool is short of it",
            at(e.recipient),
            e.amount
        ),
        Known::TokenTransferFailed(e) => write!(
            f,
            "the token {} did not move: approve the pool for the amount, and have it; or the token failed or answered with \
             something else than nothing or true",
            at(e.token)
        ),
        Known::NoteCommitmentZero(_) => f.write_str("a note commitment is zero: use another note secret"),
        Known::AmountZero(_) => f.write_str("this deposits nothing: name an amount"),
        Known::OwnerCommitmentInvalid(e) => {
            write!(f, "the owner commitment is zero or not below the field's order: {}", e.ownerCommitment)
        }
        Known::WrongValue(e) => write!(
            f,
            "send exactly {} wei, got {}: the amount for ether, nothing for a token",
            e.expected, e.got
        ),
        Known::TokenBalanceFailed(e) => {
            write!(f, "the token {} did not say its balance: it is no ERC-20 contract", at(e.token))
        }
        Known::TokenAmountMismatch(e) => write!(
            f,
            "the pool received another amount than {} (its balance went from {} to {}): tokens that charge a fee cannot be \
             deposited",
            e.expected, e.balanceBefore, e.balanceAfter
        ),
        Known::AuthPolicyFieldInvalid(e) => write!(
            f,
            "an argument of setAuthPolicy is not below the field's order, or zero where it must not be: {}",
            e.value
        ),
        Known::OwnerNullifierKeyHashReserved(_) => {
            f.write_str("the owner nullifier key hash is that of dummy notes: use a key of your own")
        }
        Known::OwnerNullifierKeyHashTaken(e) => write!(
            f,
            "the address {} registered this owner nullifier key hash: register with a key of your own",
            at(e.owner)
        ),
        Known::OwnerNullifierKeyHashChanged(e) => write!(
            f,
            "the owner nullifier key hash of an address is permanent (registered is {}): register from a fresh address and \
             move the notes",
            shown(e.registered)
        ),
        Known::LeafZero(_) => f.write_str("the registry's leaf is zero: choose another seed"),
        Known::PolicyVersionExhausted(_) => f.write_str(
            "this address has set its policy 2^32 - 1 times: register from a fresh address and move the notes",
        ),
        Known::AuthRegistryFull(_) => {
            f.write_str("all 2^32 - 1 positions of the registry are taken: deploy another pool")
        }
        Known::NoteTreeFull(e) => write!(
            f,
            "the note tree has {} leaves and no room for more: deploy another pool",
            e.nextLeafIndex
        ),
        Known::VerifyingKeyOfUnknownKind(e) => write!(
            f,
            "the verifying key is of an unknown kind (0x{}): export it with `tacit zkey export contractkey`",
            hex::encode(e.kind)
        ),
        Known::DevelopmentKeyOnPublicChain(e) => write!(
            f,
            "the verifying key was made by one party for development, and chain {} is not local: deploy with a key from a \
             ceremony",
            e.chainId
        ),
        Known::VerifyingKeyLength(e) => write!(
            f,
            "the verifying key is for another number of public inputs: {} bytes instead of {}",
            e.got, e.expected
        ),
        Known::VerifyingKeyPoint(e) => write!(
            f,
            "the point at byte {} of the verifying key is not on the curve or in the group, not canonical, or neutral",
            e.offset
        ),
        Known::VerifyingKeyUnfinished(_) => f.write_str(
            "the verifying key calls itself a ceremony's and has no finished contribution, so that anyone can forge proofs: \
             deploy with the key of a finished ceremony",
        ),
        Known::VerifyingKeyNotKept(_) => f.write_str(
            "the contract that keeps the verifying key was not created: give the deployment more gas",
        ),
        Known::Poseidon2NotDeployed(_) => {
            f.write_str("the contract that hashes was not created: give the deployment more gas")
        }
        Known::OnlyLocal(e) => {
            write!(f, "the demo token is for local chains, not for chain {}", e.chainId)
        }
    }
}
