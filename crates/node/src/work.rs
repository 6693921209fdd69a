//! What a response takes: of time, from the sizes of the key and this machine's measured speed, and of memory beside the key.
//!
//! The unit of work is a base of BN254's first group in a sum of middling length, which is what the speed is measured in. What responses took is compared with what
//! was estimated, and the quotient (the *pace*) corrects later estimates: for what else the machine does, and for whatever the rule below gets wrong. A response counts
//! by its work, and for a while: what made one slow may be over.

use std::mem::size_of;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tacit_algebra::{Curve, CurveId, G1Affine, G2Affine};
use tacit_delegate::{Handover, Layout};
use tacit_groth16::{KeySlice, ProvingKey};

use crate::circuits::Resident;

/// What every response takes, however small: opening, hashing, recording.
const OVERHEAD: f64 = 0.1;
/// Estimates below this teach nothing: the overhead decides.
const WORTH_LEARNING: f64 = 0.05;
/// Until something was learned, and again once it is long ago: the estimate may be off by as much.
const FIRST_PACE: f64 = 2.0;
/// What that counts for, in seconds of work.
const FIRST_WEIGHT: f64 = 2.0;
/// The paces that one response can teach: no more than this, even if the machine stood still meanwhile.
const PACES: [f64; 2] = [0.5, 20.0];
/// What was learned counts half after so many seconds.
const HALF_LIFE: f64 = 300.0;
/// A base of BLS12-381 takes so many times as long.
const BLS: f64 = 2.5;
/// What terms of the sums in C, A and B cost, in quarters of the unit: see `Layout`'s prices in `tacit-delegate`.
const PRICES: [f64; 3] = [0.75, 1.0, 3.0];
/// Six transforms of a domain of n values cost so many units for each of n log n.
const TRANSFORM: f64 = 0.05;

/// The work of a response.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Work {
    /// In bases of BN254's first group.
    pub bases: f64,
    /// Bytes beside the key and the envelope: shares, products, the quotient.
    pub memory: u64,
}

impl Work {
    /// Of a response from this key or part of one.
    pub fn of<C: Curve>(key: &Resident<C>) -> Self {
        let scalar = size_of::<C::Scalar>() as f64;
        let [c, a, b] = PRICES;
        let (bases, values) = match key {
            Resident::Whole(key) => {
                let n = key.h_query.len() as f64;
                let wires = key.n_wires as f64;
                let sums = c * (wires + n) + (a + c) * wires + (b + c) * wires;
                (sums + TRANSFORM * n * n.max(2.0).log2(), 3.0 * wires + 4.0 * n)
            }
            Resident::Slice(slice) => {
                let in_c = (slice.l_query.len() + slice.h_query.len()) as f64;
                let (in_a, in_b) = (slice.a_query.len() as f64, slice.b_g1_query.len() as f64);
                (c * in_c + (a + c) * in_a + (b + c) * in_b, 2.0 * (in_c + 2.0 * in_a + 2.0 * in_b))
            }
            Resident::Bases(bases) => {
                let n = bases.points().len() as f64;
                (2.0 * n, 3.0 * n)
            }
        };
        let curve = if C::ID == CurveId::Bn254 { 1.0 } else { BLS };
        Self { bases: bases * curve, memory: (values * scalar) as u64 + (1 << 20) }
    }
}

/// Bytes that a key or part of one takes in memory.
pub fn bytes_of<C: Curve>(key: &Resident<C>) -> u64 {
    let (g1, g2) = (size_of::<G1Affine<C>>(), size_of::<G2Affine<C>>());
    let bytes = match key {
        Resident::Whole(key) => whole(key, g1, g2),
        Resident::Slice(slice) => part(slice, g1, g2),
        Resident::Bases(bases) => bases.points().len() * g1,
    };
    bytes as u64
}

/// Bytes that a whole key takes in memory.
pub fn whole_bytes<C: Curve>(key: &ProvingKey<C>) -> u64 {
    whole(key, size_of::<G1Affine<C>>(), size_of::<G2Affine<C>>()) as u64
}

/// Bytes that a slice of it will take.
pub fn slice_bytes<C: Curve>(key: &ProvingKey<C>, group: u8, groups: u8) -> u64 {
    let (g1, g2) = (size_of::<G1Affine<C>>(), size_of::<G2Affine<C>>());
    let counts = Layout::of(key, Handover::Quotient).share_counts(group, groups);
    // What only one group has: the constants and the bases of public wires.
    let once = (key.n_public + 1) * (2 * g1 + g2);
    let (in_a, in_b) = (counts.times_s, counts.times_r);
    (counts.in_vectors() * g1 + in_b * g2 + (in_a + in_b) * 4 + once) as u64
}

fn whole<C: Curve>(key: &ProvingKey<C>, g1: usize, g2: usize) -> usize {
    let points = key.a_query.len() + key.b_g1_query.len() + key.l_query.len() + key.h_query.len();
    let entries = key.a.values.len() + key.b.values.len();
    let rows = key.a.row_starts.len() + key.b.row_starts.len();
    points * g1 + key.b_g2_query.len() * g2 + entries * (size_of::<C::Scalar>() + 4) + rows * 4
}

fn part<C: Curve>(slice: &KeySlice<C>, g1: usize, g2: usize) -> usize {
    let points = slice.a_query.len() + slice.b_g1_query.len() + slice.l_query.len() + slice.h_query.len();
    let once = slice.once.as_ref().map_or(0, |once| once.a_query.len() * (2 * g1 + g2));
    let wires = slice.wires_in_a.len() + slice.wires_in_b.len();
    points * g1 + slice.b_g2_query.len() * g2 + once + wires * 4
}

/// How this machine's responses compare with their estimates.
#[derive(Debug)]
pub struct Pace(Mutex<Learned>);

/// Sums over what was computed, in which what is older counts less.
#[derive(Debug, Clone, Copy)]
struct Learned {
    /// Seconds that it would have taken at the measured speed.
    plain: f64,
    /// Seconds that it took.
    took: f64,
    at: Instant,
}

impl Learned {
    fn faded(self, now: Instant) -> Self {
        let age = now.saturating_duration_since(self.at).as_secs_f64();
        let left = (-age / HALF_LIFE).exp2();
        Self { plain: self.plain * left, took: self.took * left, at: now.max(self.at) }
    }

    fn pace(self) -> f64 {
        (self.took + FIRST_PACE * FIRST_WEIGHT) / (self.plain + FIRST_WEIGHT)
    }
}

impl Pace {
    /// Nothing learned yet.
    pub fn new(now: Instant) -> Self {
        Self(Mutex::new(Learned { plain: 0.0, took: 0.0, at: now }))
    }

    fn get(&self, now: Instant) -> f64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).faded(now).pace()
    }

    /// Seconds that work takes at a speed; `None` while the speed is not known.
    pub fn estimate(&self, work: Work, bases_per_second: u64, now: Instant) -> Option<f64> {
        Some(OVERHEAD + self.get(now) * plain(work, bases_per_second)?)
    }

    /// Seconds that it takes at least, if nothing else goes on: what is later than this is late for certain. Nothing while the speed is not known.
    pub fn at_least(&self, work: Work, bases_per_second: u64, now: Instant) -> f64 {
        plain(work, bases_per_second).unwrap_or(0.0) * self.get(now).min(1.0)
    }

    /// Learns from work that was done.
    pub fn learn(&self, work: Work, bases_per_second: u64, took: Duration, now: Instant) {
        let Some(plain) = plain(work, bases_per_second).filter(|plain| *plain >= WORTH_LEARNING) else {
            return;
        };
        let [least, most] = PACES;
        let took = (took.as_secs_f64() - OVERHEAD).clamp(least * plain, most * plain);
        let mut learned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = learned.faded(now);
        *learned = Learned { plain: before.plain + plain, took: before.took + took, ..before };
    }
}

/// Seconds at the measured speed.
fn plain(work: Work, bases_per_second: u64) -> Option<f64> {
    (bases_per_second > 0).then(|| work.bases / bases_per_second as f64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SPEED: u64 = 1_000_000;

    fn seconds(plain: f64) -> Work {
        Work { bases: plain * SPEED as f64, memory: 0 }
    }

    #[test]
    fn estimates_follow_what_was_learned_by_its_work() {
        let now = Instant::now();
        let pace = Pace::new(now);
        assert_eq!(pace.estimate(seconds(1.0), 0, now), None);
        let estimate = || pace.estimate(seconds(1.0), SPEED, now).unwrap();
        assert!((estimate() - 2.1).abs() < 1e-9);
        // A small response that was slow, however slow, says little about large ones.
        pace.learn(seconds(0.06), SPEED, Duration::from_secs(3600), now);
        assert!(estimate() < 3.0, "{}", estimate());
        // Much work says much, whether it was slower or faster than thought.
        pace.learn(seconds(60.0), SPEED, Duration::from_secs(300), now);
        assert!((4.5..5.2).contains(&estimate()), "{}", estimate());
        pace.learn(seconds(600.0), SPEED, Duration::from_secs(600), now);
        assert!(estimate() < 1.6, "{}", estimate());
        // What is too small to tell, and what was done at an unknown speed, says nothing.
        let before = estimate();
        pace.learn(seconds(0.01), SPEED, Duration::from_secs(9), now);
        pace.learn(seconds(1.0), 0, Duration::from_secs(9), now);
        assert!((estimate() - before).abs() < 1e-9);
    }

    #[test]
    fn what_was_slow_is_forgotten_by_and_by() {
        let now = Instant::now();
        let pace = Pace::new(now);
        pace.learn(seconds(10.0), SPEED, Duration::from_secs(100_000), now);
        let after = |seconds_later: u64| {
            pace.estimate(seconds(1.0), SPEED, now + Duration::from_secs(seconds_later)).unwrap()
        };
        assert!(after(0) > 15.0, "{}", after(0));
        assert!(after(600) < after(0) && after(3600) < 2.6, "{} {}", after(600), after(3600));
        // At least it takes what the measured speed says, or less where responses were quicker.
        assert!((pace.at_least(seconds(3.0), SPEED, now) - 3.0).abs() < 1e-9);
        assert!(pace.at_least(seconds(3.0), 0, now).abs() < 1e-9);
    }
}
