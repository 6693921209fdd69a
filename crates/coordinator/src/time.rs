//! Which time counts: the database's, where several coordinators share one; else this machine's.
//!
//! One coordinator whose clock is far ahead would otherwise end everybody's jobs, destroy everybody's keys and push the log's time into the future, from
//! where it never comes back. Whatever is stored is therefore stored with the database's time. It is heard at every beat and carried on by the monotonic
//! clock in between. As it may be the database whose clock is wrong, nothing is destroyed and no head is signed while the two differ by more than [`BOUND`]:
//! what can only be done once is left to a coordinator that agrees with the database. The log, whose time never goes back, has the earlier one of the two.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tacit_vault::Clock;

/// By how many seconds this machine's clock may differ from the database's.
pub const BOUND: u64 = 60;

/// The time for everything that is stored.
#[derive(Debug)]
pub struct NetworkTime {
    own: Clock,
    /// What the database said last, in Unix seconds, and when.
    heard: Mutex<Option<(u64, Instant)>>,
}

impl NetworkTime {
    /// This machine's, until a database is heard.
    pub fn new(own: Clock) -> Self {
        Self { own, heard: Mutex::new(None) }
    }

    /// The database says what time it is.
    pub fn hear(&self, time: u64) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Some((time, Instant::now()));
    }

    /// Unix seconds.
    pub fn now(&self) -> u64 {
        let heard = *self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.map_or_else(|| self.own.now(), |(time, at)| time.saturating_add(at.elapsed().as_secs()))
    }

    /// By how many seconds this machine's clock is ahead of the database's, or behind it if negative; 0 where there is no other.
    pub fn skew(&self) -> i64 {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        let difference = if heard { i128::from(self.own.now()) - i128::from(self.now()) } else { 0 };
        i64::try_from(difference).unwrap_or(if difference < 0 { i64::MIN } else { i64::MAX })
    }

    /// Whether the two clocks differ so much that one of them is wrong.
    pub fn is_off(&self) -> bool {
        self.skew().unsigned_abs() > BOUND
    }

    /// [`NetworkTime::now`] as a clock.
    pub fn clock(self: &Arc<Self>) -> Clock {
        let time = Arc::clone(self);
        Clock::from_fn(move || time.now())
    }
}

/// Says in the log when the clocks part, once a minute while they differ, and when they agree again.
#[derive(Debug, Default)]
pub struct Watch {
    said: Option<Instant>,
}

impl Watch {
    const AGAIN: Duration = Duration::from_secs(60);

    /// Looks, after the database was heard.
    pub fn look(&mut self, time: &NetworkTime) {
        let skew_seconds = time.skew();
        if !time.is_off() {
            if self.said.take().is_some() {
                tracing::info!(skew_seconds, "this machine's clock and the database's agree again");
            }
        } else if self.said.is_none_or(|at| at.elapsed() >= Self::AGAIN) {
            self.said = Some(Instant::now());
            tracing::error!(
                skew_seconds,
                "this machine's clock differs from the database's by more than {BOUND} s: until it is right, this coordinator ends no expired jobs, destroys \
                 no keys and signs no heads of the log. Set both by NTP"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_decides_and_a_clock_that_differs_is_noticed() {
        let time = Arc::new(NetworkTime::new(Clock::from_fn(|| 1_000_000)));
        let clock = time.clock();
        assert_eq!((clock.now(), time.skew(), time.is_off()), (1_000_000, 0, false));
        time.hear(1_000_000 - BOUND);
        assert_eq!((clock.now(), time.skew(), time.is_off()), (1_000_000 - BOUND, 60, false));
        time.hear(1_000_001 + BOUND);
        assert_eq!((time.skew(), time.is_off()), (-61, true));
        time.hear(900_000);
        assert_eq!((clock.now(), time.is_off()), (900_000, true));
        time.hear(u64::MAX);
        assert!(time.is_off() && clock.now() == u64::MAX);
    }
}
