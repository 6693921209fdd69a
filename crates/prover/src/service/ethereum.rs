//! The chain through an Ethereum node, and the account that pays for transactions.

use async_trait::async_trait;
use tacit_chain::{
    Account, At, Call, PoolContract, PoolError, RpcError, SendError, SendOptions, Signed, abi, prepare,
    submit,
};

use super::submit::{ChainError, Mined, Seen, SignedTransaction, Submit};
use crate::proved::Proved;
use crate::statement::Statement;

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
        Ok(Seen { time: head.timestamp, spent, executed, roots_accepted })
    }

    async fn sign(&self, statement: &Statement, proved: &Proved) -> Result<SignedTransaction, ChainError> {
        let call = self.call(statement, proved);
        let Signed { hash, raw, nonce, .. } =
            prepare(self.pool.rpc(), &self.account, &call, &self.options).await?;
        Ok(SignedTransaction { hash, nonce, raw })
    }

    async fn send(&self, transaction: &SignedTransaction) -> Result<(), ChainError> {
        let SignedTransaction { hash, nonce, raw } = transaction.clone();
        let signed = Signed { hash, raw, nonce, from: self.account.address() };
        Ok(submit(self.pool.rpc(), &signed).await?)
    }

    async fn mined(&self, hash: [u8; 32]) -> Result<Option<Mined>, ChainError> {
        let rpc = self.pool.rpc();
        let Some(receipt) = rpc.receipt(&hash).await? else { return Ok(None) };
        let head = rpc.head().await?.number;
        let confirmations = head.saturating_sub(receipt.block).saturating_add(1);
        Ok(Some(Mined { block: receipt.block, success: receipt.success, confirmations }))
    }
}
