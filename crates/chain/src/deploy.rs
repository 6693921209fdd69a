//! Deploying the pool and its auth verifiers from contracts/artifacts.

use std::time::Duration;

use alloy_primitives::U256;
use alloy_sol_types::SolValue;
use tacit_pool::{Address, Place};

use crate::account::Account;
use crate::convert::to_eth;
use crate::rpc::{At, CallParams, Header, Rpc, RpcError};
use crate::send::{SendError, SendOptions, on_chain, prepare_any, submit, wait};

/// Chains on which keys of development setups are taken: those of local nodes.
pub const LOCAL_CHAINS: [u64; 2] = [31_337, 1337];
/// How long a deployment is waited for.
const TIMEOUT: Duration = Duration::from_secs(600);

const CEREMONY: &[u8] = b"tacit-groth16-key-v1-ceremony";
const DEVELOPMENT: &[u8] = b"tacit-groth16-key-v1-development";

/// Why nothing, or not everything, was deployed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeployError {
    /// The text of a key's file.
    #[error("the verifying key is not hexadecimal: write it with `tacit zkey export contractkey`")]
    Hex,
    /// Not a key for contracts.
    #[error("the verifying key is of an unknown kind: write it with `tacit zkey export contractkey`")]
    Kind,
    /// A key for another circuit.
    #[error(
        "the verifying key is for {got} bytes of public inputs' points, {contract} wants {expected}: it is another circuit's"
    )]
    Length {
        /// Which contract.
        contract: &'static str,
        /// What the contract wants, in bytes.
        expected: usize,
        /// What the key has.
        got: usize,
    },
    /// A key that one party could forge with, on a chain where it would matter.
    #[error(
        "the verifying key of {contract} was made by one party for development, and chain {chain_id} is not local: nothing was \
         sent. Deploy with a key from a ceremony"
    )]
    Development {
        /// Which contract.
        contract: &'static str,
        /// The chain.
        chain_id: u64,
    },
    /// The demo token elsewhere than on a local chain.
    #[error("the demo token is for local chains, not for chain {0}: nothing was sent")]
    Token(u64),
    /// A chain that can have no pool.
    #[error("the chain has the id {0}; a pool's chain has one below 2^32")]
    ChainId(u64),
    /// The node gave no usable answer.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// A transaction was not sent.
    #[error("{contract}: {source}")]
    Send {
        /// Which contract.
        contract: &'static str,
        /// Why.
        source: SendError,
    },
    /// A transaction reverted after all.
    #[error("the deployment of {contract} failed on the chain, in transaction 0x{}", hex::encode(.transaction))]
    Failed {
        /// Which contract.
        contract: &'static str,
        /// The transaction.
        transaction: [u8; 32],
    },
    /// The program's own artefacts are damaged.
    #[error("the artefact of {0} cannot be read")]
    Artefact(&'static str),
}

/// A verifying key for a contract's constructor, as `tacit zkey export contractkey` writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContractKey {
    bytes: Vec<u8>,
    development: bool,
}

/// Bytes of a key before its public inputs' points, and of each point.
const FIXED: usize = 480;
const POINT: usize = 64;

impl ContractKey {
    /// Reads the bytes.
    ///
    /// # Errors
    /// [`DeployError::Kind`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, DeployError> {
        let is = |kind: &[u8]| {
            bytes.strip_prefix(kind).is_some_and(|rest| {
                rest.iter().take(32 - kind.len()).all(|byte| *byte == 0) && bytes.len() >= FIXED
            })
        };
        let development = is(DEVELOPMENT);
        if development || is(CEREMONY) { Ok(Self { bytes, development }) } else { Err(DeployError::Kind) }
    }

    /// Reads the text of the file: hexadecimal, with or without `0x`.
    ///
    /// # Errors
    /// [`DeployError::Hex`], [`DeployError::Kind`].
    pub fn parse(text: &str) -> Result<Self, DeployError> {
        let text = text.trim();
        let digits = text.strip_prefix("0x").unwrap_or(text);
        Self::from_bytes(hex::decode(digits).map_err(|_| DeployError::Hex)?)
    }

    /// Whether one party made it, and can forge proofs.
    pub fn is_development(&self) -> bool {
        self.development
    }
}

/// What to deploy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Whether the pool has Tacit's form (`ShieldedPool`) or the EIP's (`Eip8182ShieldedPool`).
    pub bind: bool,
    /// The key of `pool_transact`.
    pub pool_key: ContractKey,
    /// Keys of `Groth16AuthVerifier`s, one contract for each: `auth_eddsa`, `auth_xmss`, or others with their inputs.
    pub auth_keys: Vec<ContractKey>,
    /// Whether to deploy `EcdsaAuthVerifier`.
    pub ecdsa: bool,
    /// Whether to deploy the demo token.
    pub token: bool,
}

/// What was deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployed {
    /// Chain and pool.
    pub place: Place,
    /// The block that has the pool.
    pub block: u64,
    /// The block before it, from which a wallet starts.
    pub start: Header,
    /// The verifiers of [`Plan::auth_keys`], in their order.
    pub auth_verifiers: Vec<Address>,
    /// `EcdsaAuthVerifier`.
    pub ecdsa_verifier: Option<Address>,
    /// The demo token.
    pub token: Option<Address>,
}

struct Artefact {
    name: &'static str,
    json: &'static str,
}

macro_rules! artefact {
    ($name:literal) => {
        Artefact { name: $name, json: include_str!(concat!("../../../contracts/artifacts/", $name, ".json")) }
    };
}

const SHIELDED_POOL: Artefact = artefact!("ShieldedPool");
const EIP_POOL: Artefact = artefact!("Eip8182ShieldedPool");
const GROTH16_VERIFIER: Artefact = artefact!("Groth16AuthVerifier");
const ECDSA_VERIFIER: Artefact = artefact!("EcdsaAuthVerifier");
const DEMO_TOKEN: Artefact = artefact!("DemoToken");

impl Artefact {
    /// Creation code and what the constructor is given.
    fn creation(&self, key: Option<&ContractKey>) -> Result<Vec<u8>, DeployError> {
        #[derive(serde::Deserialize)]
        struct File {
            bytecode: String,
        }
        let read = || {
            let file: File = serde_json::from_str(self.json).ok()?;
            hex::decode(file.bytecode.strip_prefix("0x")?).ok()
        };
        let mut code = read().ok_or(DeployError::Artefact(self.name))?;
        if let Some(key) = key {
            code.extend((alloy_primitives::Bytes::from(key.bytes.clone()),).abi_encode_params());
        }
        Ok(code)
    }
}

fn check(contract: &'static str, key: &ContractKey, inputs: usize, chain_id: u64) -> Result<(), DeployError> {
    let expected = FIXED + POINT * (inputs + 1);
    let got = key.bytes.len();
    if got != expected {
        return Err(DeployError::Length { contract, expected, got });
    }
    if key.development && !LOCAL_CHAINS.contains(&chain_id) {
        return Err(DeployError::Development { contract, chain_id });
    }
    Ok(())
}

/// Deploys what the plan says on the chain `chain_id`, one contract after another, the pool last. Everything that would be refused is
/// refused before the first transaction; also a node of another chain, with [`SendError::OtherChain`] in [`DeployError::Send`].
///
/// # Errors
/// [`DeployError`].
pub async fn deploy(
    rpc: &Rpc,
    account: &Account,
    chain_id: u64,
    plan: &Plan,
    options: &SendOptions,
) -> Result<Deployed, DeployError> {
    let id = u32::try_from(chain_id).map_err(|_| DeployError::ChainId(chain_id))?;
    let pool = if plan.bind { SHIELDED_POOL } else { EIP_POOL };
    check(pool.name, &plan.pool_key, if plan.bind { 20 } else { 19 }, chain_id)?;
    for key in &plan.auth_keys {
        check(GROTH16_VERIFIER.name, key, 2, chain_id)?;
    }
    if plan.token && !LOCAL_CHAINS.contains(&chain_id) {
        return Err(DeployError::Token(chain_id));
    }
    on_chain(rpc, chain_id).await.map_err(|source| DeployError::Send { contract: pool.name, source })?;
    let sender = Sender { rpc, account, chain_id, options };
    let mut auth_verifiers = Vec::new();
    for key in &plan.auth_keys {
        auth_verifiers.push(sender.create(&GROTH16_VERIFIER, Some(key)).await?.0);
    }
    let mut optional = [None; 2];
    for (slot, (wanted, artefact)) in
        optional.iter_mut().zip([(plan.ecdsa, ECDSA_VERIFIER), (plan.token, DEMO_TOKEN)])
    {
        if wanted {
            *slot = Some(sender.create(&artefact, None).await?.0);
        }
    }
    let [ecdsa_verifier, token] = optional;
    let (address, block) = sender.create(&pool, Some(&plan.pool_key)).await?;
    let start = block.saturating_sub(1);
    let header = rpc.block(start).await?;
    let header = header.ok_or_else(|| rpc.malformed("eth_getBlockByNumber", "a block is missing"))?;
    Ok(Deployed {
        place: Place { chain_id: id, pool: address },
        block,
        start: header,
        auth_verifiers,
        ecdsa_verifier,
        token,
    })
}

/// Who deploys, by which node, on which chain.
struct Sender<'a> {
    rpc: &'a Rpc,
    account: &'a Account,
    chain_id: u64,
    options: &'a SendOptions,
}

impl Sender<'_> {
    /// A contract's address and the block that has it.
    async fn create(
        &self,
        artefact: &Artefact,
        key: Option<&ContractKey>,
    ) -> Result<(Address, u64), DeployError> {
        let Self { rpc, account, chain_id, options } = *self;
        let contract = artefact.name;
        let data = artefact.creation(key)?;
        let failed = |source| DeployError::Send { contract, source };
        let call = CallParams { from: Some(account.address()), to: None, value: U256::ZERO, data: &data };
        let signed = prepare_any(rpc, account, chain_id, &call, options).await.map_err(failed)?;
        submit(rpc, &signed).await.map_err(failed)?;
        let receipt = wait(rpc, &signed, TIMEOUT).await.map_err(failed)?;
        // Not where the node says, which could name somebody else's: where an account's creations are.
        let address = Address(to_eth(signed.from).create(signed.nonce).into_array());
        let is_there = receipt.success
            && receipt.contract.is_none_or(|said| said == address)
            && rpc.has_code(address, At::Latest).await?;
        if !is_there {
            return Err(DeployError::Failed { contract, transaction: receipt.hash });
        }
        Ok((address, receipt.block))
    }
}
