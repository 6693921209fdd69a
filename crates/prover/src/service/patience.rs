//! Trying again: a node that is away until the intent's time is over, an account that cannot pay a few times.

use std::time::Duration;

use super::Desk;
use super::carry::internal;
use super::refusal::{Code, Refusal};
use super::submit::ChainError;
use crate::statement::Statement;

/// The longest pause before the chain is asked again.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long after the intent's time, by this machine's clock, a chain that is away is waited for.
const PATIENCE: u64 = 900;
/// So often the account may fail in a row.
pub(super) const ACCOUNT_TRIES: u32 = 5;

/// For how long one thing is tried.
pub(super) struct Patience {
    /// By this machine's clock.
    until: u64,
    /// Before the next try.
    pause: Duration,
    /// How often the account has failed.
    failures: u32,
}

impl Desk {
    /// Asks the chain until it answers, or the intent's time has been over for long.
    pub(super) async fn patiently<T, F: Future<Output = Result<T, ChainError>>>(
        &self,
        statement: &Statement,
        mut ask: impl FnMut() -> F,
    ) -> Result<T, Refusal> {
        let mut patience = self.patience(statement);
        loop {
            match ask().await {
                Ok(answer) => return Ok(answer),
                Err(error) => self.pause(&mut patience, error).await?,
            }
        }
    }

    /// At the beginning.
    pub(super) fn patience(&self, statement: &Statement) -> Patience {
        let until = u64::from(statement.public_inputs().valid_until_seconds).saturating_add(PATIENCE);
        Patience { until, pause: self.config.poll.min(LONGEST_PAUSE), failures: 0 }
    }

    /// Waits before the next try, where there is to be one.
    pub(super) async fn pause(&self, patience: &mut Patience, error: ChainError) -> Result<(), Refusal> {
        match error {
            ChainError::Reverted(why) => return Err(Refusal::new(Code::Reverted, why)),
            ChainError::TooMuchGas { needed, most } => {
                let message =
                    format!("the transaction takes {needed} units of gas, and this service pays for {most}");
                return Err(Refusal::new(Code::TooMuchGas, message));
            }
            ChainError::Replaced => return Err(internal()),
            ChainError::Account(why) => {
                tracing::error!(%why, "the account cannot send");
                patience.failures += 1;
                if patience.failures >= ACCOUNT_TRIES {
                    return Err(account());
                }
            }
            ChainError::Unreachable(why) => {
                tracing::warn!(%why, "the chain's node does not answer");
                if self.clock.now() > patience.until {
                    let message = "the chain's node was away until the intent's time was over: look whether the transaction is in a block";
                    return Err(Refusal::new(Code::ChainUnreachable, message));
                }
            }
        }
        tokio::time::sleep(patience.pause).await;
        patience.pause = (patience.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}

pub(super) fn account() -> Refusal {
    Refusal::new(
        Code::Account,
        "this service cannot pay for the transaction now: take another prover, or tell its operator",
    )
}
