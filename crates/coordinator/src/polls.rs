//! Wakes those who wait for a job to change.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tacit_wire::Digest32;
use tokio::sync::watch;

/// Jobs that somebody waits for. A job that nobody waits for costs nothing.
#[derive(Debug, Default)]
pub struct Polls {
    waiting: Mutex<HashMap<Digest32, watch::Sender<()>>>,
}

impl Polls {
    fn lock(&self) -> MutexGuard<'_, HashMap<Digest32, watch::Sender<()>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Subscribes; read the job's state after this, not before.
    pub fn subscribe(&self, job: Digest32) -> watch::Receiver<()> {
        let mut waiting = self.lock();
        // Whoever gave up since leaves no trace.
        if waiting.len() > 64 && waiting.len().is_power_of_two() {
            waiting.retain(|_, sender| sender.receiver_count() > 0);
        }
        waiting.entry(job).or_insert_with(|| watch::channel(()).0).subscribe()
    }

    /// Wakes everybody who waits for any job.
    pub fn wake_all(&self) {
        self.lock().retain(|_, sender| sender.send(()).is_ok());
    }

    /// Wakes everybody who waits for this job.
    pub fn wake(&self, job: &Digest32) {
        let mut waiting = self.lock();
        if let Some(sender) = waiting.get(job)
            && sender.send(()).is_err()
        {
            waiting.remove(job);
        }
    }
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
}
