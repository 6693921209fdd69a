//! How fast this machine adds up: a multi-scalar multiplication of a fixed size, timed by the caller's clock.
//!
//! Two machines that both did this can be compared, whatever they are: a client scales what it measured of its own work by
//! the quotient of the two numbers to estimate what a node would take.

use std::hint::black_box;
use std::time::Duration;

use rand_core::Rng;

use crate::field;
use crate::group::{G1Affine, Group, Groups};

/// A sum of fixed size, of bases and scalars that mean nothing.
pub struct Calibration<G: Groups> {
    bases: Vec<G1Affine<G>>,
    scalars: Vec<G::Scalar>,
}

impl<G: Groups> Calibration<G> {
    /// Terms of the sum: enough that what grows with their number decides, few enough that nobody minds.
    pub const TERMS: usize = 1 << 13;
    /// How often the sum is computed; the quickest counts, because others on the machine only ever slow it down.
    pub const RUNS: usize = 3;

    /// Draws bases and scalars.
    pub fn new<R: Rng + ?Sized>(rng: &mut R) -> Self {
        let scalars: Vec<G::Scalar> = (0..Self::TERMS).map(|_| field::random(rng)).collect();
        let bases = G::G1::multiples(&G::G1::generator(), &scalars);
        Self { bases, scalars }
    }

    /// Bases of the first group that go into such a sum in a second, on all threads of the current pool. `clock` tells the time
    /// since whatever moment it likes; 0 if by that clock no time passes.
    pub fn bases_per_second(&self, clock: impl Fn() -> Duration) -> u64 {
        let run = |_| {
            let began = clock();
            black_box(G::G1::msm(black_box(&self.bases), black_box(&self.scalars)));
            clock().saturating_sub(began)
        };
        rate(Self::TERMS, (0..Self::RUNS).map(run).min().unwrap_or_default())
    }
}

/// So many in such a time, in a second; what took a time counts as 1 at least.
fn rate(terms: usize, took: Duration) -> u64 {
    let nanos = took.as_nanos();
    let rate = (terms as u128 * 1_000_000_000).checked_div(nanos).unwrap_or(0);
    u64::try_from(rate).unwrap_or(u64::MAX).max(u64::from(nanos > 0))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::Bn254;
    use crate::fixed_base::tests::Counter;

    #[test]
    fn the_quickest_run_counts_by_the_clock_that_is_given() {
        // Runs of 4, 1 and 2 seconds.
        let times = [0, 4, 10, 11, 20, 22].map(Duration::from_secs);
        let next = Cell::new(0);
        let clock = || {
            next.set(next.get() + 1);
            times.get(next.get() - 1).copied().unwrap_or_default()
        };
        let calibration = Calibration::<Bn254>::new(&mut Counter(1));
        assert_eq!(calibration.bases_per_second(clock), Calibration::<Bn254>::TERMS as u64);
        assert_eq!(next.get(), 6);
    }

    #[test]
    fn a_clock_that_stands_still_or_goes_back_measures_nothing() {
        let calibration = Calibration::<Bn254>::new(&mut Counter(1));
        assert_eq!(calibration.bases_per_second(|| Duration::ZERO), 0);
        let left = Cell::new(100u64);
        let backwards = || {
            left.set(left.get() - 1);
            Duration::from_secs(left.get())
        };
        assert_eq!(calibration.bases_per_second(backwards), 0);
    }

    #[test]
    fn no_time_is_too_short_or_too_long() {
        assert_eq!(rate(8192, Duration::from_nanos(1)), 8_192_000_000_000);
        assert_eq!(rate(usize::MAX, Duration::from_nanos(1)), u64::MAX);
        assert_eq!(rate(8192, Duration::MAX), 1);
        assert_eq!(rate(8192, Duration::from_millis(8)), 1_024_000);
    }
}
