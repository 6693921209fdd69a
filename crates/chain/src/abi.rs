//! The contracts' interface: calls, events, errors. What it says is held against contracts/artifacts by a test.

use alloy_primitives::{Bytes, U256};
use alloy_sol_types::{SolCall, SolEvent};
use tacit_pool::events::{Deposited, Event, PolicyChanged, Transacted};
use tacit_pool::policy::Entry;
use tacit_pool::{Address, Amount, Fr, PublicInputs};

use crate::convert::{address_of, field_of, from_eth, from_wei, to_eth, to_wei, word};
use crate::rpc::Log;

/// The declarations, as in contracts/src.
#[allow(missing_docs, clippy::too_many_arguments)]
pub mod sol {
    alloy_sol_types::sol! {
        #[derive(Debug, PartialEq, Eq)]
        struct PublicInputs {
            uint256 noteCommitmentRoot;
            uint256 nullifier0;
            uint256 nullifier1;
            uint256 noteBodyCommitment0;
            uint256 noteBodyCommitment1;
            uint256 noteBodyCommitment2;
            uint256 publicAmountOut;
            uint256 publicRecipientAddress;
            uint256 publicTokenAddress;
            uint256 intentReplayId;
            uint256 validUntilSeconds;
            uint256 executionChainId;
            uint256 authPolicyRoot;
            uint256 outputNoteDataHash0;
            uint256 outputNoteDataHash1;
            uint256 outputNoteDataHash2;
            uint256 authVerifier;
            uint256 blindedAuthCommitment;
            uint256 transactionIntentDigest;
        }

        #[derive(Debug, PartialEq, Eq)]
        interface Pool {
            event ShieldedPoolTransact(
                uint256 indexed nullifier0,
                uint256 indexed nullifier1,
                uint256 indexed intentReplayId,
                address authVerifier,
                uint256 noteCommitment0,
                uint256 noteCommitment1,
                uint256 noteCommitment2,
                uint256 leafIndex0,
                uint256 postInsertionCommitmentRoot,
                bytes outputNoteData0,
                bytes outputNoteData1,
                bytes outputNoteData2
            );
            event ShieldedPoolDeposit(
                address indexed depositor,
                uint256 noteCommitment,
                uint256 leafIndex,
                uint256 amount,
                uint256 tokenAddress,
                uint256 postInsertionCommitmentRoot,
                bytes outputNoteData
            );

            function transact(
                bytes calldata poolProof,
                bytes calldata authProof,
                PublicInputs calldata publicInputs,
                bytes calldata outputNoteData0,
                bytes calldata outputNoteData1,
                bytes calldata outputNoteData2
            ) external;
            function deposit(address token, uint256 amount, uint256 ownerCommitment, bytes calldata outputNoteData)
                external
                payable;
            function setAuthPolicy(uint256 ownerNullifierKeyHash, uint256 noteSecretSeedHash, uint256 policySetCommitment)
                external
                returns (uint256 leafPosition);
            function getCurrentRoots() external view returns (uint256 noteCommitmentRoot, uint256 authPolicyRoot);
            function isAcceptedNoteCommitmentRoot(uint256 root) external view returns (bool);
            function isAcceptedAuthPolicyRoot(uint256 root) external view returns (bool);
            function isNullifierSpent(uint256 nullifier) external view returns (bool);
            function isIntentReplayIdUsed(uint256 intentReplayId) external view returns (bool);
        }

        /// What Tacit's form has of its own.
        #[derive(Debug, PartialEq, Eq)]
        interface Bound {
            struct UserEntry {
                uint32 leafPosition;
                uint256 ownerNullifierKeyHash;
                uint256 noteSecretSeedHash;
                uint256 policySetCommitment;
                uint32 policyVersion;
            }
            event AuthPolicySet(
                address indexed user,
                uint256 ownerNullifierKeyHash,
                uint256 noteSecretSeedHash,
                uint256 policySetCommitment,
                uint256 leafPosition,
                uint256 leafValue,
                uint256 postUpdateAuthPolicyRoot,
                uint32 policyVersion
            );
            function getAuthPolicyEntry(address user) external view returns (bool registered, UserEntry memory entry);
        }

        /// What the EIP's form has of its own.
        #[derive(Debug, PartialEq, Eq)]
        interface Unbound {
            struct UserEntry {
                uint32 leafPosition;
                uint256 ownerNullifierKeyHash;
                uint256 noteSecretSeedHash;
                uint256 policySetCommitment;
            }
            event AuthPolicySet(
                address indexed user,
                uint256 ownerNullifierKeyHash,
                uint256 noteSecretSeedHash,
                uint256 policySetCommitment,
                uint256 leafPosition,
                uint256 leafValue,
                uint256 postUpdateAuthPolicyRoot
            );
            function getAuthPolicyEntry(address user) external view returns (bool registered, UserEntry memory entry);
        }

        /// ERC-20, and the demo token's `mint`.
        #[derive(Debug, PartialEq, Eq)]
        interface Token {
            function approve(address spender, uint256 amount) external returns (bool);
            function allowance(address owner, address spender) external view returns (uint256);
            function balanceOf(address owner) external view returns (uint256);
            function symbol() external view returns (string);
            function decimals() external view returns (uint8);
            function mint(address to, uint256 amount) external;
        }
    }
}

/// A call of a contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The contract.
    pub to: Address,
    /// Wei.
    pub value: U256,
    /// Calldata.
    pub data: Vec<u8>,
}

impl Call {
    fn new(to: Address, call: &impl SolCall) -> Self {
        Self { to, value: U256::ZERO, data: call.abi_encode() }
    }
}

/// `deposit` (section 5.4.2). A token must have been approved; ether is sent along.
pub fn deposit(
    pool: Address,
    token: Address,
    amount: Amount,
    owner_commitment: &Fr,
    note_data: &[u8],
) -> Call {
    let amount = to_wei(amount);
    let call = sol::Pool::depositCall {
        token: to_eth(token),
        amount,
        ownerCommitment: word(owner_commitment),
        outputNoteData: Bytes::copy_from_slice(note_data),
    };
    let value = if token.is_zero() { amount } else { U256::ZERO };
    Call { value, ..Call::new(pool, &call) }
}

/// `setAuthPolicy` (section 5.3): registers the sender, or replaces its seed and policies.
pub fn set_auth_policy(
    pool: Address,
    owner_nullifier_key_hash: &Fr,
    note_secret_seed_hash: &Fr,
    policy_set_commitment: &Fr,
) -> Call {
    let call = sol::Pool::setAuthPolicyCall {
        ownerNullifierKeyHash: word(owner_nullifier_key_hash),
        noteSecretSeedHash: word(note_secret_seed_hash),
        policySetCommitment: word(policy_set_commitment),
    };
    Call::new(pool, &call)
}

/// `transact` (section 5.4.1). The pool proof is 256 bytes, the auth proof in its verifier's encoding.
pub fn transact(
    pool: Address,
    pool_proof: &[u8],
    auth_proof: &[u8],
    inputs: &PublicInputs,
    note_data: &[Vec<u8>; 3],
) -> Call {
    let [
        root,
        n0,
        n1,
        b0,
        b1,
        b2,
        amount,
        recipient,
        token,
        replay,
        until,
        chain,
        policy,
        h0,
        h1,
        h2,
        verifier,
        blinded,
        digest,
    ] = inputs.words().map(U256::from_be_bytes);
    let [d0, d1, d2] = note_data.each_ref().map(|data| Bytes::copy_from_slice(data));
    let call = sol::Pool::transactCall {
        poolProof: Bytes::copy_from_slice(pool_proof),
        authProof: Bytes::copy_from_slice(auth_proof),
        publicInputs: sol::PublicInputs {
            noteCommitmentRoot: root,
            nullifier0: n0,
            nullifier1: n1,
            noteBodyCommitment0: b0,
            noteBodyCommitment1: b1,
            noteBodyCommitment2: b2,
            publicAmountOut: amount,
            publicRecipientAddress: recipient,
            publicTokenAddress: token,
            intentReplayId: replay,
            validUntilSeconds: until,
            executionChainId: chain,
            authPolicyRoot: policy,
            outputNoteDataHash0: h0,
            outputNoteDataHash1: h1,
            outputNoteDataHash2: h2,
            authVerifier: verifier,
            blindedAuthCommitment: blinded,
            transactionIntentDigest: digest,
        },
        outputNoteData0: d0,
        outputNoteData1: d1,
        outputNoteData2: d2,
    };
    Call::new(pool, &call)
}

/// ERC-20's `approve`: the pool may take the amount.
pub fn approve(token: Address, spender: Address, amount: Amount) -> Call {
    Call::new(token, &sol::Token::approveCall { spender: to_eth(spender), amount: to_wei(amount) })
}

/// The demo token's `mint`: for local chains.
pub fn mint(token: Address, to: Address, amount: Amount) -> Call {
    Call::new(token, &sol::Token::mintCall { to: to_eth(to), amount: to_wei(amount) })
}

/// Why a log of the pool's is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("log {index} of block {block} is no event of the pool's: {reason}")]
pub struct LogError {
    /// The block.
    pub block: u64,
    /// The log's place in it.
    pub index: u64,
    /// What is wrong.
    pub reason: String,
}

/// Reads a log of the pool at `pool`; `bind` says which form it has. Every value must be in its range.
///
/// # Errors
/// [`LogError`].
pub fn event(log: &Log, pool: Address, bind: bool) -> Result<Event, LogError> {
    let failed = |reason: String| LogError { block: log.block, index: log.index, reason };
    if log.address != pool {
        return Err(failed(format!("the contract {} emitted it", log.address)));
    }
    let topic = log.topics.first().ok_or_else(|| failed("it has no topic".into()))?;
    let read = if *topic == sol::Pool::ShieldedPoolTransact::SIGNATURE_HASH.0 {
        transacted(log)
    } else if *topic == sol::Pool::ShieldedPoolDeposit::SIGNATURE_HASH.0 {
        deposited(log)
    } else if bind && *topic == sol::Bound::AuthPolicySet::SIGNATURE_HASH.0 {
        decode::<sol::Bound::AuthPolicySet>(log).and_then(|e| {
            let entry = (e.ownerNullifierKeyHash, e.noteSecretSeedHash, e.policySetCommitment);
            policy_changed(
                e.user,
                entry,
                e.leafPosition,
                e.policyVersion,
                e.leafValue,
                e.postUpdateAuthPolicyRoot,
            )
        })
    } else if !bind && *topic == sol::Unbound::AuthPolicySet::SIGNATURE_HASH.0 {
        decode::<sol::Unbound::AuthPolicySet>(log).and_then(|e| {
            let entry = (e.ownerNullifierKeyHash, e.noteSecretSeedHash, e.policySetCommitment);
            policy_changed(e.user, entry, e.leafPosition, 0, e.leafValue, e.postUpdateAuthPolicyRoot)
        })
    } else {
        Err("its first topic is unknown".to_owned())
    };
    read.map_err(failed)
}

/// Decodes, and accepts the one encoding that the contract makes.
fn decode<E: SolEvent>(log: &Log) -> Result<E, String> {
    if log.topics.len() != E::TOPICS_LENGTH {
        return Err(format!("{} topics instead of {}", log.topics.len(), E::TOPICS_LENGTH));
    }
    E::decode_raw_log_validate(log.topics.iter().copied(), &log.data).map_err(|error| error.to_string())
}

trait TopicsLength {
    const TOPICS_LENGTH: usize;
}

impl<E: SolEvent> TopicsLength for E {
    const TOPICS_LENGTH: usize = <E::TopicList as alloy_sol_types::TopicList>::COUNT;
}

fn element(name: &str, x: U256) -> Result<Fr, String> {
    field_of(x).ok_or_else(|| format!("{name} is not a canonical field element"))
}

fn uint32(name: &str, x: U256) -> Result<u32, String> {
    x.try_into().map_err(|_| format!("{name} is not below 2^32"))
}

fn transacted(log: &Log) -> Result<Event, String> {
    let e: sol::Pool::ShieldedPoolTransact = decode(log)?;
    let leaf_index = uint32("leafIndex0", e.leafIndex0)?;
    leaf_index.checked_add(2).ok_or("leafIndex0 leaves no room for three leaves")?;
    Ok(Event::Transacted(Transacted {
        nullifiers: [element("nullifier0", e.nullifier0)?, element("nullifier1", e.nullifier1)?],
        intent_replay_id: element("intentReplayId", e.intentReplayId)?,
        auth_verifier: from_eth(e.authVerifier),
        note_commitments: [
            element("noteCommitment0", e.noteCommitment0)?,
            element("noteCommitment1", e.noteCommitment1)?,
            element("noteCommitment2", e.noteCommitment2)?,
        ],
        leaf_index,
        root: element("postInsertionCommitmentRoot", e.postInsertionCommitmentRoot)?,
        note_data: [e.outputNoteData0, e.outputNoteData1, e.outputNoteData2].map(Into::into),
    }))
}

fn deposited(log: &Log) -> Result<Event, String> {
    let e: sol::Pool::ShieldedPoolDeposit = decode(log)?;
    Ok(Event::Deposited(Deposited {
        depositor: from_eth(e.depositor),
        note_commitment: element("noteCommitment", e.noteCommitment)?,
        leaf_index: uint32("leafIndex", e.leafIndex)?,
        amount: from_wei(e.amount).ok_or("amount is not below 2^248")?,
        token: address_of(e.tokenAddress).ok_or("tokenAddress is not below 2^160")?,
        root: element("postInsertionCommitmentRoot", e.postInsertionCommitmentRoot)?,
        note_data: e.outputNoteData.into(),
    }))
}

fn policy_changed(
    user: alloy_primitives::Address,
    (owner, seed, set): (U256, U256, U256),
    position: U256,
    policy_version: u32,
    leaf: U256,
    root: U256,
) -> Result<Event, String> {
    Ok(Event::PolicyChanged(PolicyChanged {
        user: from_eth(user),
        entry: entry(owner, seed, set, uint32("leafPosition", position)?, policy_version)?,
        leaf: element("leafValue", leaf)?,
        root: element("postUpdateAuthPolicyRoot", root)?,
    }))
}

pub(crate) fn entry(
    owner: U256,
    seed: U256,
    set: U256,
    leaf_position: u32,
    policy_version: u32,
) -> Result<Entry, String> {
    if leaf_position == 0 {
        return Err("leafPosition is zero".into());
    }
    Ok(Entry {
        leaf_position,
        owner_nullifier_key_hash: element("ownerNullifierKeyHash", owner)?,
        note_secret_seed_hash: element("noteSecretSeedHash", seed)?,
        policy_set_commitment: element("policySetCommitment", set)?,
        policy_version,
    })
}
