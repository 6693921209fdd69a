//! An accepted request, from its turn to its end.
//!
//! ```text
//! queued -> proving -> submitting -> submitted -> confirmed
//!                          ^------------'  the account's number went to another transaction: sign anew
//! ```
//!
//! and `failed` from anywhere. What time can mend (a node that is away) is tried again until the intent's time is over; what the operator has to mend
//! (an account without ether, gas that costs too much) a few times, so that the wallet can go elsewhere. Nobody waits while another request waits
//! for its next try.

use std::sync::Arc;
use std::time::Instant;

use tacit_vault::VaultError;
use tacit_vault::identity::system_rng;
use tokio::sync::SemaphorePermit;
use tracing::Instrument as _;

use super::accept;
use super::patience::{ACCOUNT_TRIES, account};
use super::refusal::{Code, Refusal};
use super::store::{Outcome, Store};
use super::submit::{ChainError, Mined, Seen, SignedTransaction};
use super::{Desk, Spend};
use crate::local::{self, ProveError, Step};
use crate::proved::Proved;
use crate::sealed::{RequestId, Task};
use crate::statement::Statement;
use crate::status::{Phase, SpendStatus};

/// After so many polls without the transaction in a block it is sent again.
const SEND_AGAIN: u32 = 15;

/// Seconds of the chain's time that an intent must have left before anything is proved or signed for it: else the next block refuses what the last one
/// would have taken, at the service's cost.
const TIME_TO_MINE: u64 = 60;

/// Where a transaction came to be.
enum Settled {
    In(Mined),
    Replaced,
}

impl Desk {
    /// Does what was accepted, in a task of its own.
    pub(super) fn carry(self: &Arc<Self>, id: RequestId, task: Task, signed: Option<SignedTransaction>) {
        let desk = Arc::clone(self);
        let span = tracing::info_span!("spend", %id);
        let work = async move {
            let ended = tokio::select! {
                () = desk.shutdown.cancelled() => return,
                ended = desk.execute(id, Arc::new(task), signed) => ended,
            };
            desk.end(id, ended).await;
        };
        self.tasks.spawn(work.instrument(span));
    }

    fn tell(&self, id: RequestId, change: impl FnOnce(&mut SpendStatus)) {
        if let Some(Spend { status, .. }) = self.spends().get(&id) {
            status.send_modify(change);
        }
    }

    /// Notes how it ended, on disk first.
    async fn end(self: &Arc<Self>, id: RequestId, ended: Result<Mined, Refusal>) {
        let Some((digest, mut status)) =
            self.spends().get(&id).map(|spend| (spend.digest, spend.status.borrow().clone()))
        else {
            return;
        };
        let outcome = match &ended {
            Ok(mined) => {
                (status.phase, status.block) = (Phase::Confirmed, Some(mined.block));
                tracing::info!(block = mined.block, "a transaction is confirmed");
                "confirmed"
            }
            Err(refusal) => {
                (status.phase, status.error) = (Phase::Failed, Some(refusal.problem()));
                tracing::warn!(code = refusal.code.name(), "a request failed");
                refusal.code.name()
            }
        };
        let ended_at = self.clock.now();
        let (desk, record) = (Arc::clone(self), Outcome { status: status.clone(), digest, ended_at });
        match tokio::task::spawn_blocking(move || desk.store.end(&record)).await {
            Ok(Ok(())) => {}
            // Its owner is told; the next start finds out again what became of it.
            failed => tracing::error!(?failed, "an outcome cannot be written"),
        }
        if let Some(spend) = self.spends().get_mut(&id) {
            (spend.claims, spend.client, spend.ended_at) = (None, None, Some(ended_at));
            spend.status.send_replace(status);
        }
        if ended.is_err() {
            let desk = Arc::clone(self);
            if let Err(error) = tokio::task::spawn_blocking(move || desk.forget_outcomes()).await {
                tracing::error!(%error, "outcomes cannot be forgotten");
            }
        }
        self.metrics.ended(outcome);
        self.count();
    }

    async fn execute(
        self: &Arc<Self>,
        id: RequestId,
        task: Arc<Task>,
        mut signed: Option<SignedTransaction>,
    ) -> Result<Mined, Refusal> {
        let mut proved: Option<Proved> = None;
        loop {
            let statement = task.statement();
            let transaction = match signed.take() {
                Some(transaction) => transaction,
                None => {
                    let proofs = match proved.take() {
                        Some(proofs) => proofs,
                        None => self.proofs(id, &task).await?,
                    };
                    self.tell(id, |status| status.phase = Phase::Submitting);
                    let transaction = self.sign(id, statement, &proofs).await?;
                    proved = Some(proofs);
                    transaction
                }
            };
            let hash = format!("0x{}", hex::encode(transaction.hash));
            self.tell(id, |status| (status.phase, status.transaction) = (Phase::Submitted, Some(hash)));
            match self.settle(statement, &transaction).await? {
                Settled::In(mined) if mined.success => return Ok(mined),
                Settled::In(mined) => {
                    self.tell(id, |status| status.block = Some(mined.block));
                    return Err(Refusal::new(
                        Code::Reverted,
                        "the transaction is in a block and was reverted: something in the pool changed just before it",
                    ));
                }
                Settled::Replaced => {
                    tracing::warn!("the transaction's number went to another one: signing anew");
                    self.tell(id, |status| status.transaction = None);
                }
            }
        }
    }

    /// Makes the proofs in their turn, or takes those that were handed in.
    async fn proofs(self: &Arc<Self>, id: RequestId, task: &Arc<Task>) -> Result<Proved, Refusal> {
        if let Task::Relay { proved, .. } = &**task {
            return Ok(proved.clone());
        }
        let _turn = self.turn(task.statement()).await?;
        self.tell(id, |status| status.phase = Phase::Proving);
        let (circuits, task) = (Arc::clone(&self.circuits), Arc::clone(task));
        let began = Instant::now();
        let prove = move || -> Result<Proved, Refusal> {
            let Task::Prove(work) = &*task else { return Err(internal()) };
            let mut rng = system_rng().map_err(|_| internal())?;
            let progress = |step: Step| tracing::debug!(?step, "proving");
            local::prove(&circuits, work, &mut rng, &progress).map_err(|error| refused(&error))
        };
        let span = tracing::Span::current();
        let proved = tokio::task::spawn_blocking(move || span.in_scope(prove)).await;
        let proved = proved.unwrap_or_else(|error| {
            tracing::error!(%error, "proving broke off");
            Err(internal())
        })?;
        self.metrics.proved(began.elapsed().as_secs_f64());
        Ok(proved)
    }

    /// A place among those that prove, given when the chain would still take the transaction: much may have changed since it was accepted.
    async fn turn(&self, statement: &Statement) -> Result<Option<SemaphorePermit<'_>>, Refusal> {
        let mut patience = self.patience(statement);
        loop {
            // Closed never.
            let turn = self.proving.acquire().await.ok();
            accept::check_time(statement, self.clock.now(), 1).map_err(|_| expired())?;
            match self.chain.look(statement).await {
                Ok(seen) => return self.still_taken(statement, &seen, TIME_TO_MINE).map(|()| turn),
                Err(error) => {
                    drop(turn);
                    self.pause(&mut patience, error).await?;
                }
            }
        }
    }

    /// Whether the chain would still take the transaction.
    fn still_taken(&self, statement: &Statement, seen: &Seen, needed: u64) -> Result<(), Refusal> {
        accept::check_chain(&self.config, statement, seen, needed).map_err(|refusal| match refusal.code {
            Code::ExpiresTooSoon => expired(),
            _ => refusal,
        })
    }

    /// Tries, signs, notes, sends.
    async fn sign(
        self: &Arc<Self>,
        id: RequestId,
        statement: &Statement,
        proved: &Proved,
    ) -> Result<SignedTransaction, Refusal> {
        let mut patience = self.patience(statement);
        loop {
            let seen = self.patiently(statement, || self.chain.look(statement)).await?;
            self.still_taken(statement, &seen, TIME_TO_MINE)?;
            match self.sign_in_turn(id, statement, proved).await? {
                Ok(transaction) => return Ok(transaction),
                Err(error) => self.pause(&mut patience, error).await?,
            }
        }
    }

    /// Signs, notes and hands in, once: no other transaction is signed in between, so that the account's next number is in one transaction
    /// only, and the next one is signed when the node has this one. One that the node does not take is forgotten, and its number is the next one's.
    async fn sign_in_turn(
        self: &Arc<Self>,
        id: RequestId,
        statement: &Statement,
        proved: &Proved,
    ) -> Result<Result<SignedTransaction, ChainError>, Refusal> {
        let mut unanswered = self.sending.lock().await;
        if let Some((other, before)) = unanswered.as_ref().filter(|(other, _)| self.is_open(*other)) {
            if let Err(error @ ChainError::Unreachable(_)) = self.chain.send(before).await {
                return Ok(Err(error));
            }
            tracing::info!(id = %other, "handed in again");
        }
        *unanswered = None;
        let transaction = match self.chain.sign(statement, proved, self.config.max_gas).await {
            Ok(transaction) => transaction,
            Err(error) => return Ok(Err(error)),
        };
        let record = transaction.clone();
        self.stored(move |store| store.signed(id, &record)).await?;
        match self.chain.send(&transaction).await {
            Err(error @ ChainError::Account(_)) => {
                self.stored(move |store| store.unsigned(id)).await?;
                Ok(Err(error))
            }
            Err(ChainError::Unreachable(why)) => {
                tracing::warn!(%why, "nobody knows whether the node has the transaction");
                *unanswered = Some((id, transaction.clone()));
                Ok(Ok(transaction))
            }
            // What became of it is found out where it is waited for.
            _ => Ok(Ok(transaction)),
        }
    }

    /// Writes what must be on disk before anything is sent.
    async fn stored(
        self: &Arc<Self>,
        write: impl FnOnce(&Store) -> Result<(), VaultError> + Send + 'static,
    ) -> Result<(), Refusal> {
        let desk = Arc::clone(self);
        match tokio::task::spawn_blocking(move || write(&desk.store)).await {
            Ok(Ok(())) => Ok(()),
            failed => {
                tracing::error!(?failed, "a transaction cannot be noted, and is not sent");
                let message = "this service cannot keep its transactions; tell its operator";
                Err(Refusal::new(Code::Storage, message))
            }
        }
    }

    /// Waits until the transaction is in enough blocks, or can be in none.
    async fn settle(
        &self,
        statement: &Statement,
        transaction: &SignedTransaction,
    ) -> Result<Settled, Refusal> {
        let until = u64::from(statement.public_inputs().valid_until_seconds);
        let (mut polls, mut refused) = (0u32, 0u32);
        let mut replaced = false;
        loop {
            let mined = self.patiently(statement, || self.chain.mined(transaction.hash)).await?;
            match mined {
                Some(mined) if mined.confirmations >= self.config.confirmations || !mined.success => {
                    return Ok(Settled::In(mined));
                }
                Some(_) => {}
                // Its number was seen to be another's, and a later look has not found it in a block.
                None if replaced => return Ok(Settled::Replaced),
                None => {
                    if polls.is_multiple_of(SEND_AGAIN) {
                        match self.chain.send(transaction).await {
                            Err(ChainError::Replaced) => replaced = true,
                            Err(ChainError::Account(why)) => {
                                tracing::error!(%why, "the transaction is not taken any more");
                                refused += 1;
                                if refused >= ACCOUNT_TRIES {
                                    return Err(account());
                                }
                            }
                            Err(error) => tracing::debug!(%error, "the transaction was not handed in again"),
                            Ok(()) => refused = 0,
                        }
                    }
                    let seen = self.patiently(statement, || self.chain.look(statement)).await?;
                    if seen.time > until {
                        return Err(expired());
                    }
                }
            }
            polls = polls.saturating_add(1);
            tokio::time::sleep(self.config.poll).await;
        }
    }
}

fn expired() -> Refusal {
    Refusal::new(
        Code::Expired,
        "the intent's time was over before the transaction was in a block: sign a new one",
    )
}

pub(super) fn internal() -> Refusal {
    Refusal::new(Code::Internal, "this service failed; tell its operator")
}

fn refused(error: &ProveError) -> Refusal {
    if error.is_of_work() {
        // Names circuits and constraints, and no values.
        return Refusal::new(Code::NoWitness, error.to_string());
    }
    Refusal::circuits(error)
}
