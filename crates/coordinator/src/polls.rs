//! Wakes those who wait for a job to change.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tacit_wire::Digest32;
use tokio::sync::watch;

/// Wakes that are remembered for those who subscribe a moment after they read.
const REMEMBERED: usize = 1024;

/// Jobs that somebody waits for. A job that nobody waits for costs no more than being remembered for a while when it changes.
#[derive(Debug, Default)]
pub struct Polls {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: HashMap<Digest32, watch::Sender<Turns>>,
    /// The last wakes that were more than an answer, oldest first, and how many came before them.
    woken: VecDeque<Woken>,
    forgotten: u64,
}

/// Who was woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Woken {
    One(Digest32),
    All,
}

/// A moment, by what had been told until then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark(u64);

/// What whoever waits is told.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Turns {
    /// How often something happened after which an offer may not be wanted any more: more than an answer.
    pub offers: u64,
    /// How many answers came.
    pub answers: u64,
}

impl Polls {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Subscribes; read the job's state after this, not before.
    pub fn subscribe(&self, job: Digest32) -> watch::Receiver<Turns> {
        self.lock().subscribe(job)
    }

    /// This moment, for [`Polls::subscribe_since`].
    pub fn mark(&self) -> Mark {
        Mark(self.lock().told())
    }

    /// Subscribes where the job's state was read after the mark. Returns how many [`Turns::offers`] had been told when it was
    /// read, or fewer where that is not remembered: then there may be something to look at.
    pub fn subscribe_since(&self, job: Digest32, Mark(mark): Mark) -> (watch::Receiver<Turns>, u64) {
        let mut state = self.lock();
        let since = usize::try_from(state.told().saturating_sub(mark)).unwrap_or(usize::MAX);
        let told = since > state.woken.len()
            || state.woken.iter().rev().take(since).any(|w| matches!(w, Woken::All) || *w == Woken::One(job));
        let changes = state.subscribe(job);
        let offers = changes.borrow().offers;
        (changes, if told { offers.wrapping_sub(1) } else { offers })
    }

    /// Wakes everybody who waits for any job.
    pub fn wake_all(&self) {
        let mut state = self.lock();
        state.remember(Woken::All);
        state.waiting.retain(|_, sender| tell(sender, true));
    }

    /// Wakes everybody who waits for this job.
    pub fn wake(&self, job: &Digest32) {
        let mut state = self.lock();
        state.remember(Woken::One(*job));
        state.wake(job, true);
    }

    /// As [`Polls::wake`], where a node has answered and no more than that: the others' answers are wanted as before.
    pub fn wake_for_answer(&self, job: &Digest32) {
        self.lock().wake(job, false);
    }
}

impl State {
    fn subscribe(&mut self, job: Digest32) -> watch::Receiver<Turns> {
        // Whoever gave up since leaves no trace.
        if self.waiting.len() > 64 && self.waiting.len().is_power_of_two() {
            self.waiting.retain(|_, sender| sender.receiver_count() > 0);
        }
        self.waiting.entry(job).or_insert_with(|| watch::channel(Turns::default()).0).subscribe()
    }

    fn told(&self) -> u64 {
        self.forgotten + self.woken.len() as u64
    }

    fn remember(&mut self, woken: Woken) {
        if self.woken.len() == REMEMBERED {
            self.woken.pop_front();
            self.forgotten += 1;
        }
        self.woken.push_back(woken);
    }

    fn wake(&mut self, job: &Digest32, offers: bool) {
        if self.waiting.get(job).is_some_and(|sender| !tell(sender, offers)) {
            self.waiting.remove(job);
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
        assert!(polls.lock().waiting.is_empty());
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

    #[tokio::test]
    async fn who_subscribes_after_reading_hears_of_what_happened_in_between() {
        let polls = Polls::default();
        let (job, other) = (Digest32([1; 32]), Digest32([2; 32]));
        let told = |mark| {
            let (changes, seen) = polls.subscribe_since(job, mark);
            changes.borrow().offers != seen
        };
        polls.wake(&job);
        let mark = polls.mark();
        assert!(!told(mark), "it was told before");
        polls.wake(&other);
        polls.wake_for_answer(&job);
        assert!(!told(mark), "of others, and of answers");
        polls.wake(&job);
        assert!(told(mark));
        assert!(!told(polls.mark()));
        let mark = polls.mark();
        polls.wake_all();
        assert!(told(mark));
        let mark = polls.mark();
        for _ in 0..REMEMBERED {
            polls.wake(&other);
        }
        assert!(!told(mark), "so many are remembered");
        polls.wake(&other);
        assert!(told(mark), "whoever cannot know looks");
        assert_eq!(polls.lock().woken.len(), REMEMBERED);
    }
}
