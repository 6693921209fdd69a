//! What becomes of signed payments. Whoever has one can execute it until it expires, whatever a prover says of it: how it went is what the chain
//! says, and this wallet looks at that each time it reads the chain.

use std::collections::BTreeMap;

use tacit_pool::wallet::{Anchor, Pending};
use tacit_pool::{Address, Amount, Fr};

use crate::journal::{Outcome, Record, What};
use crate::open::{OpenWallet, WalletError};

/// A payment that is signed and can still be executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Live {
    /// Its number in the journal, from 0.
    pub record: usize,
    /// By which the chain knows it.
    pub replay_id: Fr,
    /// Until when it can be executed, in seconds since 1970 by the chain's time.
    pub until: u32,
}

impl OpenWallet {
    /// The payments that are signed and can still be executed, oldest first.
    pub fn live_intents(&self) -> Vec<Live> {
        let live = |(record, known): (usize, &Record)| {
            let replay_id = replay_id(known)?;
            let pending = self.state.pending().find(|(id, _)| **id == replay_id)?.1;
            let open = pending.executed.is_none() && self.state.is_live(pending);
            open.then_some(Live { record, replay_id, until: pending.valid_until })
        };
        self.journal.records().iter().enumerate().filter_map(live).collect()
    }

    /// For how many seconds of the chain's time something can still be executed.
    pub fn seconds_left(&self, until: u32) -> u64 {
        u64::from(until).saturating_sub(self.state.head().timestamp)
    }

    /// [`Self::seconds_left`] by the chain's last block or this machine's clock, whichever is later: as others may see it.
    pub(crate) fn seconds_left_anywhere(&self, until: u32) -> u64 {
        u64::from(until).saturating_sub(self.state.head().timestamp.max(self.clock.now()))
    }

    /// Whether the same was paid to the same recipient by an intent that can still be executed.
    pub(crate) fn is_paid_twice(&self, recipient: &str, of: Address, how_much: Amount) -> Option<Live> {
        self.live_intents().into_iter().find(|live| {
            let what = self.journal.records().get(live.record).map(|record| &record.what);
            matches!(what, Some(What::Payment { to, token, amount, .. })
                if to == recipient && *token == of && *amount == how_much)
        })
    }

    /// Which notes each intent on its way spends: for [`Self::reconcile`] after the chain was read.
    pub(crate) fn on_their_way(&self) -> BTreeMap<Fr, Vec<u32>> {
        self.state.pending().map(|(id, pending)| (*id, pending.inputs.clone())).collect()
    }

    /// Writes down what the chain says of each payment, and forgets what can no longer be executed. The journal is on disk before the state is:
    /// an intent that neither knows was never signed. Unless the chain was read to its head, `complete`, nothing is given up.
    pub(crate) fn reconcile(
        &mut self,
        before: &BTreeMap<Fr, Vec<u32>>,
        complete: bool,
    ) -> Result<(), WalletError> {
        let payments: Vec<(usize, Fr, Outcome)> = (self.journal.records().iter().enumerate())
            .filter_map(|(record, known)| Some((record, replay_id(known)?, known.outcome.clone())))
            .collect();
        let mut changed = false;
        for (record, id, outcome) in payments {
            let pending = self.state.pending().find(|(known, _)| **known == id).map(|(_, p)| p.clone());
            let now = match (&pending, &outcome) {
                (Some(pending), _) => Some(self.outcome_of(pending, &outcome)),
                (None, outcome) => {
                    let was = before.get(&id).map(|inputs| self.spent_in(inputs));
                    gone(was, outcome, self.state.settled())
                }
            };
            let counts =
                |now: &Outcome| *now != outcome && (complete || !matches!(now, Outcome::Failed { .. }));
            if let Some(now) = now.filter(counts) {
                self.journal.now(record, now);
                changed = true;
            }
            if complete
                && pending.is_none_or(|pending| pending.executed.is_none() && !self.state.is_live(&pending))
            {
                self.folder.forget_intent(record)?;
            }
        }
        if changed {
            self.folder.keep_journal(&self.journal)?;
        }
        if !complete {
            return Ok(());
        }
        let dead: Vec<Fr> = (self.state.pending())
            .filter(|(_, pending)| pending.executed.is_none() && !self.state.is_live(pending))
            .map(|(id, _)| *id)
            .collect();
        for id in dead {
            self.state.abandon(&id);
        }
        Ok(())
    }

    fn outcome_of(&self, pending: &Pending, known: &Outcome) -> Outcome {
        if let Some(block) = pending.executed {
            return Outcome::Confirmed { block };
        }
        let until = pending.valid_until;
        if self.state.is_live(pending) {
            let trouble = match known {
                Outcome::Signed { trouble, .. } => trouble.clone(),
                Outcome::Confirmed { .. } => Some("the chain took back the block that had it".to_owned()),
                _ => None,
            };
            return Outcome::Signed { until, trouble };
        }
        let over = self.state.settled().timestamp > u64::from(until);
        let why = if over { "its time is over" } else { "the policy under which it was signed is replaced" };
        Outcome::Failed { reason: format!("{why}, and it was not executed: its money is free again") }
    }

    /// The block in which one of these notes was spent.
    fn spent_in(&self, inputs: &[u32]) -> Option<u64> {
        self.state.notes().find(|own| inputs.contains(&own.note.leaf_index)).and_then(|own| own.spent)
    }
}

/// How a payment went that is not on its way any more. `was`: it was before the chain was read, and the block in which one of its notes was spent, if one was.
///
/// While the chain is read, an intent is dropped for one reason: it is executed in a block that is final. Whichever notes were spent: a prover can draw it up with
/// others.
fn gone(was: Option<Option<u64>>, known: &Outcome, settled: Anchor) -> Option<Outcome> {
    match (was, known) {
        (Some(spent), Outcome::Signed { .. }) => {
            Some(Outcome::Confirmed { block: spent.unwrap_or(settled.number) })
        }
        (Some(Some(block)), Outcome::Confirmed { .. }) => Some(Outcome::Confirmed { block }),
        (None, Outcome::Signed { until, .. }) if settled.timestamp > u64::from(*until) => {
            let reason = "its time is over, and this wallet did not see it on the chain".to_owned();
            Some(Outcome::Failed { reason })
        }
        _ => None,
    }
}

fn replay_id(record: &Record) -> Option<Fr> {
    match &record.what {
        What::Payment { replay_id, .. } => Some(replay_id.0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_executed_never_counts_as_failed() {
        let settled = Anchor { number: 90, timestamp: 5_000, ..Anchor::default() };
        let signed = Outcome::Signed { until: 1_000, trouble: None };
        let confirmed = |block| Outcome::Confirmed { block };
        assert_eq!(gone(Some(Some(70)), &signed, settled), Some(confirmed(70)));
        // With notes that this wallet did not choose.
        assert_eq!(gone(Some(None), &signed, settled), Some(confirmed(90)));
        assert_eq!(gone(Some(Some(70)), &confirmed(60), settled), Some(confirmed(70)));
        assert_eq!(gone(Some(None), &confirmed(60), settled), None);
        // The next reading leaves it so, and ends what was never on its way.
        assert_eq!(gone(None, &confirmed(90), settled), None);
        assert!(matches!(gone(None, &signed, settled), Some(Outcome::Failed { .. })));
        let later = Outcome::Signed { until: 5_000, trouble: None };
        assert_eq!(gone(None, &later, settled), None);
    }
}
