//! The chain through an Ethereum node, and the account that pays for transactions.

use async_trait::async_trait;
use tacit_chain::rpc::CallParams;
use tacit_chain::{
    Account, At, Call, PoolContract, PoolError, RpcError, SendError, SendOptions, Signed, U256, abi, prepare,
    simulate, submit, to_wei,
};
use tacit_pool::Fr;
use tacit_pool::transaction::public::word;

use super::submit::{ChainError, Mined, Seen, SignedTransaction, Submit};
use crate::proved::Proved;
use crate::statement::Statement;

/// Selector of ERC-20's `transfer(address,uint256)`.
const TRANSFER: [u8; 4] = [0xa9, 0x05, 0x9c, 0xbb];

/// A pool's contract with an account that sends.
#[derive(Debug)]
pub struct OnChain {
    pool: PoolContract,
    account: Account,
    options: SendOptions,
}

impl OnChain {
    /// The account sends to the pool, at no higher fees than the options say.
    pub fn new(pool: PoolContract, account: Account, options: SendOptions) -> Self {
        Self { pool, account, options }
    }

    /// Whether a withdrawal's last step would succeed, tried in the pool's name.
    async fn pays_out(&self, statement: &Statement) -> Result<bool, RpcError> {
        let public = statement.public_inputs();
        let (token, recipient) = (public.public_token_address, public.public_recipient_address);
        let mut call = CallParams { from: Some(self.pool.address()), to: None, value: U256::ZERO, data: &[] };
        let transfer;
        if token.is_zero() {
            (call.to, call.value) = (Some(recipient), to_wei(public.public_amount_out));
        } else {
            let amount = word(&public.public_amount_out.to_field());
            transfer = [TRANSFER.as_slice(), &[0; 12], &recipient.0, &amount].concat();
            (call.to, call.data) = (Some(token), &transfer);
        }
        match self.pool.rpc().call(&call, At::Latest).await {
            // Of a token nothing, or true, as the pool's contract wants it.
            Ok(answer) => Ok(token.is_zero() || answer.is_empty() || answer == word(&Fr::from(true))),
            Err(error) if error.is_of_execution() => {
                tracing::debug!(%error, "a withdrawal would be refused");
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    fn call(&self, statement: &Statement, proved: &Proved) -> Call {
        let Proved { pool_proof, auth_proof } = proved;
        abi::transact(
            self.pool.address(),
            pool_proof,
            auth_proof,
            statement.public_inputs(),
            statement.note_data(),
        )
    }
}

impl From<RpcError> for ChainError {
    fn from(error: RpcError) -> Self {
        Self::Unreachable(error.to_string())
    }
}

impl From<PoolError> for ChainError {
    fn from(error: PoolError) -> Self {
        Self::Unreachable(error.to_string())
    }
}

impl From<SendError> for ChainError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Rpc(error) => error.into(),
            SendError::Revert(revert) => Self::Reverted(revert.to_string()),
            SendError::Replaced { .. } => Self::Replaced,
            other => Self::Account(other.to_string()),
        }
    }
}

#[async_trait]
impl Submit for OnChain {
    async fn look(&self, statement: &Statement) -> Result<Seen, ChainError> {
        let (pool, public) = (&self.pool, statement.public_inputs());
        let [first, second] = &public.nullifiers;
        let head = pool.rpc().head().await?;
        let (spent0, spent1, executed, notes, policies) = tokio::try_join!(
            pool.is_nullifier_spent(first, At::Latest),
            pool.is_nullifier_spent(second, At::Latest),
            pool.is_replay_id_used(&public.intent_replay_id, At::Latest),
            pool.is_accepted_note_root(&public.note_commitment_root, At::Latest),
            pool.is_accepted_policy_root(&public.auth_policy_root, At::Latest),
        )?;
        let (spent, roots_accepted) = (spent0 || spent1, notes && policies);
        let (mut recipient_is_contract, mut payout_refused) = (false, false);
        if !public.public_amount_out.is_zero() {
            let recipient = public.public_recipient_address;
            // A token's contract runs none of its recipient's, unless the token was made for that.
            recipient_is_contract =
                public.public_token_address.is_zero() && pool.rpc().has_code(recipient, At::Latest).await?;
            payout_refused = !self.pays_out(statement).await?;
        }
        let time = head.timestamp;
        Ok(Seen { time, spent, executed, roots_accepted, recipient_is_contract, payout_refused })
    }

    async fn sign(
        &self,
        statement: &Statement,
        proved: &Proved,
        max_gas: u64,
    ) -> Result<SignedTransaction, ChainError> {
        let call = self.call(statement, proved);
        let needed = simulate(self.pool.rpc(), self.account.address(), &call).await?;
        if needed > max_gas {
            return Err(ChainError::TooMuchGas { needed, most: max_gas });
        }
        // Other transactions come first and change what this one takes; never beyond what it may.
        let limit = needed.saturating_add(needed / 4).min(max_gas);
        let options = SendOptions { gas_limit: Some(limit), ..self.options };
        let chain_id = self.pool.place().chain_id.into();
        let Signed { hash, raw, nonce, .. } =
            prepare(self.pool.rpc(), &self.account, chain_id, &call, &options).await?;
        Ok(SignedTransaction { hash, nonce, raw })
    }

    async fn send(&self, transaction: &SignedTransaction) -> Result<(), ChainError> {
        let SignedTransaction { hash, nonce, raw } = transaction.clone();
        let signed = Signed { hash, raw, nonce, from: self.account.address() };
        match submit(self.pool.rpc(), &signed).await {
            // The node has it before it and does not take it: for want of ether, or of a higher fee.
            Err(SendError::Rpc(error @ RpcError::Node { .. })) if !error.is_transient() => {
                Err(ChainError::Account(error.to_string()))
            }
            done => Ok(done?),
        }
    }

    async fn mined(&self, hash: [u8; 32]) -> Result<Option<Mined>, ChainError> {
        let rpc = self.pool.rpc();
        let Some(receipt) = rpc.receipt(&hash).await? else { return Ok(None) };
        let head = rpc.head().await?.number;
        let confirmations = head.saturating_sub(receipt.block).saturating_add(1);
        Ok(Some(Mined { block: receipt.block, success: receipt.success, confirmations }))
    }
}
