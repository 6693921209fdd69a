//! The contract's error for each of the model's reasons, with its arguments.

use alloy_primitives::U256;
use tacit_chain::Revert;
use tacit_chain::deploy::LOCAL_CHAINS;
use tacit_chain::revert::{Known, errors::Contracts as E};
use tacit_pool::intent::MAX_LIFETIME;
use tacit_pool::{Address, ledger};

use crate::calls::{Attempt, Deposit, Kind, Transact};
use crate::dice::number;
use crate::scene::{Asset, Odd};
use crate::sequence::State;

/// The names of `PublicInputs`' fields in the model's reasons.
const FIELDS: [(&str, usize); 16] = [
    ("nullifier0", 1),
    ("nullifier1", 2),
    ("noteBodyCommitment0", 3),
    ("noteBodyCommitment1", 4),
    ("noteBodyCommitment2", 5),
    ("publicAmountOut", 6),
    ("publicRecipientAddress", 7),
    ("publicTokenAddress", 8),
    ("intentReplayId", 9),
    ("validUntilSeconds", 10),
    ("outputNoteDataHash0", 13),
    ("outputNoteDataHash1", 14),
    ("outputNoteDataHash2", 15),
    ("authVerifier", 16),
    ("blindedAuthCommitment", 17),
    ("transactionIntentDigest", 18),
];

fn position(name: &str) -> usize {
    FIELDS.iter().find(|field| field.0 == name).unwrap().1
}

fn eth(word: U256) -> alloy_primitives::Address {
    alloy_primitives::Address::from_word(word.into())
}

/// What the contract must say; `before` is the model before the call, `users` are who calls.
pub fn error(revert: &ledger::Revert, attempt: &Attempt, before: &State, users: &[Address]) -> Revert {
    let known = match &attempt.kind {
        // A function that is not payable says nothing.
        Kind::Policy(_) | Kind::Transact(_) if *revert == ledger::Revert::Value => return Revert::Empty,
        Kind::Deposit(deposit) => of_deposit(revert, deposit, attempt, before),
        Kind::Policy(fields) => of_policy(revert, fields, attempt.sender, before, users),
        Kind::Transact(transact) => of_transact(revert, transact, before),
    };
    Revert::Known(Box::new(known))
}

fn of_deposit(revert: &ledger::Revert, deposit: &Deposit, attempt: &Attempt, before: &State) -> Known {
    use ledger::Revert as R;
    let Deposit { token, amount, owner, .. } = *deposit;
    let address = alloy_primitives::Address::from(token.address.0);
    match revert {
        R::Range("amount") if amount.is_zero() => Known::AmountZero(E::AmountZero {}),
        R::Range("amount") => Known::AmountOutOfRange(E::AmountOutOfRange { amount }),
        R::Range(_) | R::NonCanonical(_) => {
            Known::OwnerCommitmentInvalid(E::OwnerCommitmentInvalid { ownerCommitment: owner })
        }
        R::Value => {
            let expected = if token.address.is_zero() { amount } else { U256::ZERO };
            Known::WrongValue(E::WrongValue { expected, got: attempt.value })
        }
        R::Asset => match token.asset {
            Asset::Odd(Odd { balance_bytes: 32, surplus, answer_in, .. }) if answer_in.is_good() => {
                let before = U256::from_be_slice(&before.ledger.holding(token.address).to_be_bytes());
                let surplus = if surplus < 0 { U256::MAX } else { U256::from(surplus.unsigned_abs()) };
                Known::TokenAmountMismatch(E::TokenAmountMismatch {
                    expected: amount,
                    balanceBefore: before,
                    balanceAfter: before.wrapping_add(amount).wrapping_add(surplus),
                })
            }
            Asset::Odd(Odd { balance_bytes: 32, .. }) | Asset::Demo => {
                Known::TokenTransferFailed(E::TokenTransferFailed { token: address })
            }
            _ => Known::TokenBalanceFailed(E::TokenBalanceFailed { token: address }),
        },
        other => panic!("a deposit is not refused so: {other}"),
    }
}

fn of_policy(
    revert: &ledger::Revert,
    fields: &[U256; 3],
    sender: usize,
    before: &State,
    users: &[Address],
) -> Known {
    use ledger::Revert as R;
    let [owner, seed, set] = *fields;
    let dummy = number(&tacit_pool::note::dummy_owner());
    let registered =
        |user: Address| before.ledger.entry(user).map(|entry| number(&entry.owner_nullifier_key_hash));
    match revert {
        R::Reserved("ownerNullifierKeyHash") if owner == dummy => {
            Known::OwnerNullifierKeyHashReserved(E::OwnerNullifierKeyHashReserved {})
        }
        R::Reserved(name) | R::NonCanonical(name) => {
            let value = match *name {
                "ownerNullifierKeyHash" => owner,
                "noteSecretSeedHash" => seed,
                "policySetCommitment" => set,
                other => panic!("{other}"),
            };
            Known::AuthPolicyFieldInvalid(E::AuthPolicyFieldInvalid { value })
        }
        R::OwnerTaken => {
            let other = users.iter().find(|user| registered(**user) == Some(owner)).unwrap();
            let owner = alloy_primitives::Address::from(other.0);
            Known::OwnerNullifierKeyHashTaken(E::OwnerNullifierKeyHashTaken { owner })
        }
        R::OwnerChanged => {
            let registered = registered(users[sender]).unwrap();
            Known::OwnerNullifierKeyHashChanged(E::OwnerNullifierKeyHashChanged { registered })
        }
        other => panic!("setAuthPolicy is not refused so: {other}"),
    }
}

fn of_transact(revert: &ledger::Revert, transact: &Transact, before: &State) -> Known {
    use ledger::Revert as R;
    let fields = &transact.fields;
    let (until, now) = (fields[10], U256::from(before.time));
    match revert {
        R::Chain => {
            let chain = U256::from(LOCAL_CHAINS[0]);
            Known::WrongChain(E::WrongChain { executionChainId: fields[11], chainId: chain })
        }
        R::Expiry if now > until || until.is_zero() => {
            Known::IntentExpired(E::IntentExpired { validUntilSeconds: until, timestamp: now })
        }
        R::Expiry => Known::IntentTooEarly(E::IntentTooEarly {
            validUntilSeconds: until,
            latest: now + U256::from(MAX_LIFETIME),
        }),
        R::NoteRoot => {
            Known::NoteCommitmentRootNotAccepted(E::NoteCommitmentRootNotAccepted { root: fields[0] })
        }
        R::PolicyRoot => Known::AuthPolicyRootNotAccepted(E::AuthPolicyRootNotAccepted { root: fields[12] }),
        R::SameNullifiers => Known::NullifiersEqual(E::NullifiersEqual { nullifier: fields[1] }),
        R::Range("publicAmountOut") => Known::AmountOutOfRange(E::AmountOutOfRange { amount: fields[6] }),
        R::Range("validUntilSeconds") => Known::NotAUint32(E::NotAUint32 { value: until }),
        R::Range("authVerifier") if fields[16].is_zero() => Known::AuthVerifierZero(E::AuthVerifierZero {}),
        R::Range(name) => Known::NotAnAddress(E::NotAnAddress { value: fields[position(name)] }),
        R::NonCanonical(name) => {
            let index = U256::from(position(name));
            Known::PublicInputNotCanonical(E::PublicInputNotCanonical { index })
        }
        R::PoolProof if transact.pool_proof.len() == 256 => Known::PoolProofInvalid(E::PoolProofInvalid {}),
        R::PoolProof => {
            let length = U256::from(transact.pool_proof.len());
            Known::PoolProofLength(E::PoolProofLength { length })
        }
        R::AuthProof => Known::AuthProofInvalid(E::AuthProofInvalid { authVerifier: eth(fields[16]) }),
        R::Spent(which) => Known::NullifierSpent(E::NullifierSpent { nullifier: fields[1 + which] }),
        R::Replayed => Known::IntentReplayed(E::IntentReplayed { intentReplayId: fields[9] }),
        R::NoteData(which) => {
            Known::OutputNoteDataMismatch(E::OutputNoteDataMismatch { output: U256::from(*which) })
        }
        R::Movement if fields[6].is_zero() => Known::TransferWithPublicFields(E::TransferWithPublicFields {}),
        R::Movement => Known::RecipientZero(E::RecipientZero {}),
        R::Asset if fields[8].is_zero() => {
            let recipient = eth(fields[7]);
            Known::EthTransferFailed(E::EthTransferFailed { recipient, amount: fields[6] })
        }
        R::Asset => Known::TokenTransferFailed(E::TokenTransferFailed { token: eth(fields[8]) }),
        other => panic!("transact is not refused so: {other}"),
    }
}
