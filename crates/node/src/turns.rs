//! Computations take turns, because each of them uses all cores; and whose turn is next.
//!
//! By turns that of who had least computing of late, and that of who has waited longest: the first so that a client that sends little does not stand behind one
//! that sends much, the second so that nobody waits forever, even if others come with new keys all the time.
//!
//! So who came later may be served before. What is promised is therefore promised in any order: work is taken in hand only if everything in hand, and it, would be in
//! time even if it came last.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tacit_wire::IdentityKey;
use tokio::sync::oneshot;

use crate::clients::Clients;

/// The order of computations.
#[derive(Debug)]
pub struct Turns {
    clients: Arc<Clients>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    busy: bool,
    /// In the order in which they came.
    waiting: Vec<Waiting>,
    longest_next: bool,
    /// What computes and waits, by a number of its own.
    promised: HashMap<u64, Work>,
    next_promise: u64,
}

#[derive(Debug, Clone, Copy)]
struct Work {
    /// Estimated.
    seconds: f64,
    /// By when it must be done, Unix seconds.
    due: u64,
    /// Since when it computes.
    begun: Option<Instant>,
}

impl Work {
    /// Estimated seconds that are left of it.
    fn left(&self, at: Instant) -> f64 {
        let done = self.begun.map_or(0.0, |begun| at.saturating_duration_since(begun).as_secs_f64());
        (self.seconds - done).max(0.0)
    }
}

#[derive(Debug)]
struct Waiting {
    client: Option<IdentityKey>,
    turn: oneshot::Sender<Turn>,
}

/// Somebody's turn; the next one's when it is dropped.
#[derive(Debug)]
pub struct Turn(Option<Arc<Turns>>);

/// Work that was promised: it counts in [`Turns::promised`] until this is dropped.
#[derive(Debug)]
pub struct Promise {
    turns: Arc<Turns>,
    number: u64,
}

/// Why work cannot be promised now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Crowded {
    /// It would be late itself, after so many seconds of other work.
    Late {
        /// Estimated seconds of what is in hand.
        before: f64,
    },
    /// Other work, which is promised, could be late if this came before it.
    Others,
}

impl Turns {
    /// Nobody waits.
    pub fn new(clients: Arc<Clients>) -> Self {
        Self { clients, state: Mutex::default() }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Estimated seconds that are left of the work in hand.
    pub fn promised(&self, at: Instant) -> f64 {
        self.state().left(at)
    }

    /// How many wait for their turn.
    pub fn waiting(&self) -> usize {
        self.state().waiting.len()
    }

    /// Adds work that is due at a time to what is in hand, if all of it can be done in time in any order. The time is given in Unix seconds, and as `at`
    /// for what tells how much of what computes is done.
    ///
    /// # Errors
    /// What would be late.
    pub fn promise(
        self: &Arc<Self>,
        seconds: f64,
        due: u64,
        now: u64,
        at: Instant,
    ) -> Result<Promise, Crowded> {
        let mut state = self.state();
        let before = state.left(at);
        let fits = |due: u64| before + seconds <= due.saturating_sub(now) as f64;
        if !fits(due) {
            return Err(Crowded::Late { before });
        }
        // What is late already is not made worse by waiting for it.
        if !state.promised.values().all(|work| fits(work.due) || before > work.due.saturating_sub(now) as f64)
        {
            return Err(Crowded::Others);
        }
        let number = state.next_promise;
        state.next_promise += 1;
        state.promised.insert(number, Work { seconds, due, begun: None });
        Ok(Promise { turns: Arc::clone(self), number })
    }

    /// Waits for a turn. Who stops waiting loses the place.
    pub async fn wait(self: &Arc<Self>, client: Option<IdentityKey>) -> Turn {
        let turn = {
            let mut state = self.state();
            if !state.busy {
                state.busy = true;
                return Turn(Some(Arc::clone(self)));
            }
            let (sender, turn) = oneshot::channel();
            state.waiting.push(Waiting { client, turn: sender });
            turn
        };
        match turn.await {
            Ok(turn) => turn,
            // The sender is dropped only with these turns, which are borrowed here.
            Err(_) => std::future::pending().await,
        }
    }

    fn next(self: &Arc<Self>) {
        loop {
            let chosen = {
                let mut state = self.state();
                state.waiting.retain(|waiting| !waiting.turn.is_closed());
                if state.waiting.is_empty() {
                    state.busy = false;
                    return;
                }
                let longest = state.longest_next;
                state.longest_next = !longest;
                let at = if longest { 0 } else { self.least_served(&state.waiting) };
                state.waiting.remove(at)
            };
            match chosen.turn.send(Turn(Some(Arc::clone(self)))) {
                Ok(()) => return,
                // Who waited is gone: the turn is not its to end.
                Err(mut back) => drop(back.0.take()),
            }
        }
    }

    fn least_served(&self, waiting: &[Waiting]) -> usize {
        // Measuring this machine is nobody's and can wait.
        let served = |w: &Waiting| w.client.map_or(f64::MAX, |client| self.clients.served(&client));
        let least = waiting.iter().enumerate().min_by(|a, b| served(a.1).total_cmp(&served(b.1)));
        least.map_or(0, |(at, _)| at)
    }
}

impl State {
    fn left(&self, at: Instant) -> f64 {
        self.promised.values().map(|work| work.left(at)).sum()
    }
}

impl Promise {
    /// The work computes from now on.
    pub fn begins(&self, at: Instant) {
        if let Some(work) = self.turns.state().promised.get_mut(&self.number) {
            work.begun = Some(at);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(turns) = self.0.take() {
            turns.next();
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.turns.state().promised.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::pin::pin;
    use std::time::Duration;

    use super::*;
    use crate::config::Limits;

    fn key(n: u8) -> IdentityKey {
        IdentityKey([n; 32])
    }

    fn turns() -> Arc<Turns> {
        Arc::new(Turns::new(Arc::new(Clients::new(&Limits::default()))))
    }

    /// Who has the turn, in the order in which these (polled once each) get it.
    async fn order(turns: &Arc<Turns>, who: &[u8]) -> Vec<u8> {
        let first = turns.wait(None).await;
        let (done, mut served) = tokio::sync::mpsc::unbounded_channel();
        let mut tasks = Vec::new();
        for n in who {
            let (turns, done, n) = (Arc::clone(turns), done.clone(), *n);
            let waiting = turns.waiting();
            let others = Arc::clone(&turns);
            tasks.push(tokio::spawn(async move {
                let _turn = turns.wait(Some(key(n))).await;
                done.send(n).unwrap();
            }));
            while others.waiting() == waiting {
                tokio::task::yield_now().await;
            }
        }
        drop((first, done));
        let mut order = Vec::new();
        while let Some(n) = served.recv().await {
            order.push(n);
        }
        order
    }

    #[tokio::test]
    async fn who_had_little_and_who_waits_longest_by_turns() {
        let turns = turns();
        // Client 1 sends much.
        turns.clients.computed(&key(1), 0, 100.0);
        assert_eq!(order(&turns, &[1, 1, 1, 2]).await, [2, 1, 1, 1]);
        // Newcomers cannot hold off client 1 forever.
        assert_eq!(order(&turns, &[1, 3, 4, 5]).await, [3, 1, 4, 5]);
    }

    #[tokio::test]
    async fn who_stops_waiting_holds_up_nobody() {
        let turns = turns();
        let first = turns.wait(None).await;
        {
            let mut gone = pin!(turns.wait(Some(key(1))));
            assert!(
                std::future::poll_fn(|cx| std::task::Poll::Ready(gone.as_mut().poll(cx))).await.is_pending()
            );
            assert_eq!(turns.waiting(), 1);
        }
        drop(first);
        let second = turns.wait(Some(key(2))).await;
        // A turn that was handed to somebody who then left comes back.
        let mut gone = Box::pin(turns.wait(Some(key(1))));
        assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(gone.as_mut().poll(cx))).await.is_pending());
        drop(second);
        drop(gone);
        drop(turns.wait(Some(key(3))).await);
        assert_eq!(Arc::strong_count(&turns), 1);
    }

    #[test]
    fn promises_add_up_and_go() {
        let (turns, at) = (turns(), Instant::now());
        let one = turns.promise(1.5, 100, 0, at).unwrap();
        let two = turns.promise(2.0, 100, 0, at).unwrap();
        assert!((turns.promised(at) - 3.5).abs() < 1e-9);
        one.begins(at);
        assert!((turns.promised(at + Duration::from_secs(1)) - 2.5).abs() < 1e-9);
        assert!((turns.promised(at + Duration::from_secs(9)) - 2.0).abs() < 1e-9);
        drop(one);
        drop(two);
        assert!(turns.promised(at).abs() < 1e-9);
    }

    #[test]
    fn what_is_done_of_it_is_no_longer_in_the_way() {
        let (turns, at) = (turns(), Instant::now());
        let long = turns.promise(100.0, 1000, 0, at).unwrap();
        long.begins(at);
        let _waits = turns.promise(10.0, 130, 0, at).unwrap();
        let after = |seconds| at + Duration::from_secs(seconds);
        // After 60 of the 100 seconds 50 are left in all, and the one that waits has 70: it is not late, and what would make it so is refused.
        assert_eq!(turns.promise(30.0, 1000, 60, after(60)).unwrap_err(), Crowded::Others);
        // What fits is promised.
        assert!(turns.promise(20.0, 80 + 60, 60, after(60)).is_ok());
        assert_eq!(turns.promise(31.0, 80 + 60, 60, after(60)).unwrap_err(), Crowded::Late { before: 50.0 });
    }

    #[test]
    fn what_is_promised_stays_in_time_whoever_comes_first() {
        let (turns, at) = (turns(), Instant::now());
        let tight = turns.promise(4.0, 110, 100, at).unwrap();
        assert_eq!(turns.promise(7.0, 110, 100, at).unwrap_err(), Crowded::Late { before: 4.0 });
        // It has time enough itself, and what is promised has not.
        assert_eq!(turns.promise(7.0, 1000, 100, at).unwrap_err(), Crowded::Others);
        let short = turns.promise(5.0, 1000, 100, at).unwrap();
        drop((short, tight));
        // Once nothing can be made late any more, there is room.
        let late = turns.promise(4.0, 104, 100, at).unwrap();
        assert!(turns.promise(7.0, 1000, 102, at).is_ok());
        drop(late);
    }
}
