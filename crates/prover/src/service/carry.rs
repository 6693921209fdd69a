//! An accepted request, from its turn to its end.
//!
//! ```text
//! queued -> proving -> submitting -> submitted -> confirmed
//!                          ^------------'  the account's number went to another transaction: sign anew
//! ```
//!
//! and `failed` from anywhere. What time can mend (a node that is away) is tried again until the intent's time is over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tacit_vault::identity::system_rng;
use tracing::Instrument as _;

use super::accept;
use super::refusal::{Code, Refusal};
use super::store::Outcome;
use super::submit::{ChainError, Mined, SignedTransaction};
use super::{Desk, Spend};
use crate::local::{self, ProveError, Step};
use crate::proved::Proved;
use crate::sealed::{RequestId, Task};
use crate::statement::Statement;
use crate::status::{Phase, SpendStatus};

/// The longest pause before the chain is asked again.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long after the intent's time, by this machine's clock, a chain that is away is waited for.
const PATIENCE: u64 = 900;
/// After so many polls without the transaction in a block it is sent again.
const SEND_AGAIN: u32 = 15;

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
            (spend.replay_id, spend.ended_at) = (None, Some(ended_at));
            spend.status.send_replace(status);
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
        // Closed never.
        let _turn = self.proving.acquire().await;
        accept::check_time(task.statement(), self.clock.now(), 1).map_err(|_| expired())?;
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

    /// Tries, signs, notes, sends. Until it was sent no other transaction is signed.
    async fn sign(
        self: &Arc<Self>,
        id: RequestId,
        statement: &Statement,
        proved: &Proved,
    ) -> Result<SignedTransaction, Refusal> {
        let _turn = self.sending.lock().await;
        let seen = self.patiently(statement, || self.chain.look(statement)).await?;
        accept::check_chain(statement, &seen, 0).map_err(|refusal| match refusal.code {
            Code::ExpiresTooSoon => expired(),
            _ => refusal,
        })?;
        let transaction = self.patiently(statement, || self.chain.sign(statement, proved)).await?;
        let (desk, record) = (Arc::clone(self), transaction.clone());
        match tokio::task::spawn_blocking(move || desk.store.signed(id, &record)).await {
            Ok(Ok(())) => {}
            failed => {
                tracing::error!(?failed, "a transaction cannot be noted, and is not sent");
                return Err(Refusal::new(
                    Code::Storage,
                    "this service cannot keep its transactions; tell its operator",
                ));
            }
        }
        match self.patiently(statement, || self.chain.send(&transaction)).await {
            // What became of it is found out where it is waited for.
            Err(refusal) if refusal.code != Code::Internal => Err(refusal),
            _ => Ok(transaction),
        }
    }

    /// Waits until the transaction is in enough blocks, or can be in none.
    async fn settle(
        &self,
        statement: &Statement,
        transaction: &SignedTransaction,
    ) -> Result<Settled, Refusal> {
        let until = u64::from(statement.public_inputs().valid_until_seconds);
        let mut polls = 0u32;
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
                            Err(error) => tracing::debug!(%error, "the transaction was not taken again"),
                            Ok(()) => {}
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

    /// Asks the chain until it answers, or the intent's time has been over for long.
    async fn patiently<T, F: Future<Output = Result<T, ChainError>>>(
        &self,
        statement: &Statement,
        mut ask: impl FnMut() -> F,
    ) -> Result<T, Refusal> {
        let until = u64::from(statement.public_inputs().valid_until_seconds).saturating_add(PATIENCE);
        let mut pause = self.config.poll.min(LONGEST_PAUSE);
        loop {
            let (code, message) = match ask().await {
                Ok(answer) => return Ok(answer),
                Err(ChainError::Reverted(why)) => return Err(Refusal::new(Code::Reverted, why)),
                Err(ChainError::Replaced) => return Err(internal()),
                Err(ChainError::Account(why)) => {
                    tracing::error!(%why, "the account cannot send");
                    (Code::Account, "this service's account cannot send transactions; tell its operator")
                }
                Err(ChainError::Unreachable(why)) => {
                    tracing::warn!(%why, "the chain's node does not answer");
                    let message = "the chain's node was away until the intent's time was over: look whether the transaction is in a block";
                    (Code::ChainUnreachable, message)
                }
            };
            if self.clock.now() > until {
                return Err(Refusal::new(code, message));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

fn expired() -> Refusal {
    Refusal::new(
        Code::Expired,
        "the intent's time was over before the transaction was in a block: sign a new one",
    )
}

fn internal() -> Refusal {
    Refusal::new(Code::Internal, "this service failed; tell its operator")
}

fn refused(error: &ProveError) -> Refusal {
    if error.is_of_work() {
        // Names circuits and constraints, and no values.
        return Refusal::new(Code::NoWitness, error.to_string());
    }
    tracing::error!(%error, "proving failed");
    Refusal::new(Code::Circuits, "this service's circuits are unusable; tell its operator")
}
