//! The pool's contract: which form it has, and what its views say.

use alloy_primitives::U256;
use alloy_sol_types::SolCall;
use tacit_pool::policy::Entry;
use tacit_pool::{Address, Fr, Place, Rules};

use crate::abi::{self, sol};
use crate::convert::{field_of, to_eth, word};
use crate::rpc::{At, CallParams, Rpc, RpcError};

/// Why a pool was not found or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// The node gave no usable answer.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// No contract.
    #[error("there is no contract at {0} on this chain: check the address and the node's chain")]
    NoCode(Address),
    /// A contract that is no pool.
    #[error("the contract at {0} is no shielded pool: it does not answer as one. Check the address")]
    NoPool(Address),
    /// A chain that can have no pool.
    #[error("the node's chain has the id {0}; a pool's chain has one below 2^32")]
    ChainId(u64),
    /// An answer out of its range.
    #[error("{call} of the contract at {pool}: {reason}")]
    Answer {
        /// The function.
        call: &'static str,
        /// The pool.
        pool: Address,
        /// What is wrong.
        reason: String,
    },
}

/// A pool on a chain, through one node. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PoolContract {
    rpc: Rpc,
    place: Place,
    bind: bool,
}

type Result<T, E = PoolError> = std::result::Result<T, E>;

/// Bytes of what `getAuthPolicyEntry` returns in Tacit's form and in the EIP's.
const ENTRY_BYTES: (usize, usize) = (192, 160);

impl PoolContract {
    /// Finds the pool at an address, and which of the two forms it has: an entry has one word more in Tacit's.
    ///
    /// # Errors
    /// [`PoolError`].
    pub async fn connect(rpc: Rpc, address: Address) -> Result<Self> {
        let chain_id = rpc.chain_id().await?;
        let chain_id = u32::try_from(chain_id).map_err(|_| PoolError::ChainId(chain_id))?;
        if !rpc.has_code(address, At::Latest).await? {
            return Err(PoolError::NoCode(address));
        }
        let mut pool = Self { rpc, place: Place { chain_id, pool: address }, bind: true };
        let call = sol::Bound::getAuthPolicyEntryCall { user: to_eth(Address::ZERO) };
        let answer = match pool.raw(&call.abi_encode(), At::Latest).await {
            Ok(answer) => answer,
            // The contract reverted: it has no such function.
            Err(RpcError::Node { .. }) => return Err(PoolError::NoPool(address)),
            Err(error) => return Err(error.into()),
        };
        pool.bind = match answer.len() {
            n if n == ENTRY_BYTES.0 => true,
            n if n == ENTRY_BYTES.1 => false,
            _ => return Err(PoolError::NoPool(address)),
        };
        match pool.roots(At::Latest).await {
            Ok(_) => Ok(pool),
            Err(PoolError::Rpc(RpcError::Node { .. }) | PoolError::Answer { .. }) => {
                Err(PoolError::NoPool(address))
            }
            Err(error) => Err(error),
        }
    }

    /// The node.
    pub fn rpc(&self) -> &Rpc {
        &self.rpc
    }

    /// Chain and pool.
    pub fn place(&self) -> Place {
        self.place
    }

    /// The pool's address.
    pub fn address(&self) -> Address {
        self.place.pool
    }

    /// Whether intents are bound to the pool and the policy's version.
    pub fn binds(&self) -> bool {
        self.bind
    }

    /// The form of the relation. `ROTATE` is the circuits' alone and the contract does not say it.
    pub fn rules(&self, rotate: bool) -> Rules {
        Rules { bind: self.bind, rotate }
    }

    async fn raw(&self, data: &[u8], at: At) -> Result<Vec<u8>, RpcError> {
        let call = CallParams { from: None, to: Some(self.place.pool), value: U256::ZERO, data };
        self.rpc.call(&call, at).await
    }

    async fn view<C: SolCall>(&self, call: C, at: At) -> Result<C::Return> {
        let answer = self.raw(&call.abi_encode(), at).await?;
        C::abi_decode_returns_validate(&answer)
            .map_err(|error| self.answer(C::SIGNATURE, format!("the answer is not valid ({error})")))
    }

    fn answer(&self, call: &'static str, reason: String) -> PoolError {
        PoolError::Answer { call, pool: self.place.pool, reason }
    }

    /// `getCurrentRoots`: of the note tree and of the registry.
    ///
    /// # Errors
    /// [`PoolError`].
    pub async fn roots(&self, at: At) -> Result<(Fr, Fr)> {
        let call = "getCurrentRoots";
        let roots = self.view(sol::Pool::getCurrentRootsCall {}, at).await?;
        let root =
            |root| field_of(root).ok_or_else(|| self.answer(call, "a root is no field element".into()));
        Ok((root(roots.noteCommitmentRoot)?, root(roots.authPolicyRoot)?))
    }

    /// The registry's entry of an address; `None` if it is not registered. In the EIP's form its version is 0.
    ///
    /// # Errors
    /// [`PoolError`].
    pub async fn entry(&self, user: Address, at: At) -> Result<Option<Entry>> {
        let user = to_eth(user);
        let (registered, position, fields, version) = if self.bind {
            let answer = self.view(sol::Bound::getAuthPolicyEntryCall { user }, at).await?;
            let e = answer.entry;
            let fields = (e.ownerNullifierKeyHash, e.noteSecretSeedHash, e.policySetCommitment);
            (answer.registered, e.leafPosition, fields, e.policyVersion)
        } else {
            let answer = self.view(sol::Unbound::getAuthPolicyEntryCall { user }, at).await?;
            let e = answer.entry;
            let fields = (e.ownerNullifierKeyHash, e.noteSecretSeedHash, e.policySetCommitment);
            (answer.registered, e.leafPosition, fields, 0)
        };
        if !registered {
            return Ok(None);
        }
        let (owner, seed, set) = fields;
        abi::entry(owner, seed, set, position, version)
            .map(Some)
            .map_err(|reason| self.answer("getAuthPolicyEntry", reason))
    }

    /// Whether a note with this nullifier was spent.
    ///
    /// # Errors
    /// [`PoolError`].
    pub async fn is_nullifier_spent(&self, nullifier: &Fr, at: At) -> Result<bool> {
        self.view(sol::Pool::isNullifierSpentCall { nullifier: word(nullifier) }, at).await
    }

    /// Whether an intent with this replay id was executed.
    ///
    /// # Errors
    /// [`PoolError`].
    pub async fn is_replay_id_used(&self, replay_id: &Fr, at: At) -> Result<bool> {
        self.view(sol::Pool::isIntentReplayIdUsedCall { intentReplayId: word(replay_id) }, at).await
    }

    /// Whether a proof about this note root would be accepted.
    ///
    /// # Errors
    /// [`PoolError`].
    pub async fn is_accepted_note_root(&self, root: &Fr, at: At) -> Result<bool> {
        self.view(sol::Pool::isAcceptedNoteCommitmentRootCall { root: word(root) }, at).await
    }

    /// Whether a proof about this registry root would be accepted.
    ///
    /// # Errors
    /// [`PoolError`].
    pub async fn is_accepted_policy_root(&self, root: &Fr, at: At) -> Result<bool> {
        self.view(sol::Pool::isAcceptedAuthPolicyRootCall { root: word(root) }, at).await
    }
}

/// An ERC-20 token, as far as a wallet shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenInfo {
    /// Its symbol, shortened and without control characters: it is the token's own claim.
    pub symbol: String,
    /// Decimals of what is shown.
    pub decimals: u8,
}

/// Reads a token's symbol and decimals.
///
/// # Errors
/// [`PoolError`].
pub async fn token_info(rpc: &Rpc, token: Address) -> Result<TokenInfo> {
    let symbol = token_view(rpc, token, sol::Token::symbolCall {}).await?;
    let decimals = token_view(rpc, token, sol::Token::decimalsCall {}).await?;
    let symbol = symbol.chars().filter(|c| !c.is_control()).take(16).collect();
    Ok(TokenInfo { symbol, decimals })
}

/// How much of a token an address has, in its smallest unit.
///
/// # Errors
/// [`PoolError`].
pub async fn token_balance(rpc: &Rpc, token: Address, owner: Address) -> Result<U256> {
    token_view(rpc, token, sol::Token::balanceOfCall { owner: to_eth(owner) }).await
}

/// How much of a token `spender` may take from `owner`.
///
/// # Errors
/// [`PoolError`].
pub async fn token_allowance(rpc: &Rpc, token: Address, owner: Address, spender: Address) -> Result<U256> {
    token_view(rpc, token, sol::Token::allowanceCall { owner: to_eth(owner), spender: to_eth(spender) }).await
}

async fn token_view<C: SolCall>(rpc: &Rpc, token: Address, call: C) -> Result<C::Return> {
    let data = call.abi_encode();
    let params = CallParams { from: None, to: Some(token), value: U256::ZERO, data: &data };
    let answer = rpc.call(&params, At::Latest).await?;
    C::abi_decode_returns_validate(&answer).map_err(|_| PoolError::Answer {
        call: C::SIGNATURE,
        pool: token,
        reason: "it is no ERC-20 token".into(),
    })
}
