//! Wakes those who wait for a job to change.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tacit_wire::Digest32;
use tokio::sync::watch;

/// Jobs that somebody waits for. A job that nobody waits for costs nothing.
#[derive(Debug, Default)]
pub struct Polls {
    waiting: Mutex<HashMap<Digest32, watch::Sender<Turns>>>,
}

/// What whoever waits is told.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Turns {
    /// How often something happened after which an offer may not be wanted any more: more than an answer.
    pub offers: u64,
    /// How many answers came.
    pub answers: u64,
}

impl Polls {
    fn lock(&self) -> MutexGuard<'_, HashMap<Digest32, watch::Sender<Turns>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Subscribes; read the job's state after this, not before.
    pub fn subscribe(&self, job: Digest32) -> watch::Receiver<Turns> {
        let mut waiting = self.lock();
        // Whoever gave up since leaves no trace.
        if waiting.len() > 64 && waiting.len().is_power_of_two() {
            waiting.retain(|_, sender| sender.receiver_count() > 0);
        }
        waiting.entry(job).or_insert_with(|| watch::channel(Turns::default()).0).subscribe()
    }

    /// Wakes everybody who waits for any job.
    pub fn wake_all(&self) {
        self.lock().retain(|_, sender| tell(sender, true));
    }

    /// Wakes everybody who waits for this job.
    pub fn wake(&self, job: &Digest32) {
        self.wake_for(job, true);
    }

    /// As [`Polls::wake`], where a node has answered and no more than that: the others' answers are wanted as before.
    pub fn wake_for_answer(&self, job: &Digest32) {
        self.wake_for(job, false);
    }

    fn wake_for(&self, job: &Digest32, offers: bool) {
        let mut waiting = self.lock();
        if waiting.get(job).is_some_and(|sender| !tell(sender, offers)) {
            waiting.remove(job);
        }
    }
}

/// Whether anybody was there to be told.
fn tell(sender: &watch::Sender<Turns>, offers: bool) -> bool {
    sender.send_modify(|turns| match offers {
        true => turns.offers = turns.offers.wrapping_add(1),
        false => turns.answers = turns.answers.wrapping_add(1),
    });
    sender.receiver_count() > 0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn wakes_subscribers_and_forgets_them() {
        let polls = Polls::default();
        let job = Digest32([1; 32]);
        let mut one = polls.subscribe(job);
        let mut two = polls.subscribe(job);
        polls.wake(&job);
        one.changed().await.unwrap();
        two.changed().await.unwrap();
        drop((one, two));
        polls.wake(&job);
        assert!(polls.lock().is_empty());
    }

    #[tokio::test]
    async fn an_answer_is_no_reason_to_ask_whether_others_are_wanted() {
        let polls = Polls::default();
        let job = Digest32([1; 32]);
        let mut waiting = polls.subscribe(job);
        polls.wake_for_answer(&job);
        waiting.changed().await.unwrap();
        assert_eq!(*waiting.borrow_and_update(), Turns { offers: 0, answers: 1 });
        polls.wake(&job);
        polls.wake_for_answer(&job);
        waiting.changed().await.unwrap();
        assert_eq!(
            *waiting.borrow_and_update(),
            Turns { offers: 1, answers: 2 },
            "one does not hide the other"
        );
    }
}
