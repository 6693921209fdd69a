//! What a response takes: of time, from the sizes of the key and this machine's measured speed, and of memory beside the key.
//!
//! The unit of work is a base of BN254's first group in a sum of middling length, which is what the speed is measured in. What a response took is compared with what
//! was estimated, and the quotient (the *pace*) corrects later estimates: for what else the machine does, and for whatever the rule below gets wrong.

use std::mem::size_of;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tacit_algebra::{Curve, CurveId, G1Affine, G2Affine};
use tacit_groth16::{KeySlice, ProvingKey};

use crate::circuits::Resident;

/// What every response takes, however small: opening, hashing, recording.
const OVERHEAD: f64 = 0.1;
/// Estimates below this teach nothing: the overhead decides.
const WORTH_LEARNING: f64 = 0.05;
/// Until something was learned: the estimate may be off by as much.
const FIRST_PACE: f64 = 2.0;
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
pub struct Pace(Mutex<f64>);

impl Default for Pace {
    fn default() -> Self {
        Self(Mutex::new(FIRST_PACE))
    }
}

impl Pace {
    fn get(&self) -> f64 {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Seconds that work takes at a speed; `None` while the speed is not known.
    pub fn estimate(&self, work: Work, bases_per_second: u64) -> Option<f64> {
        (bases_per_second > 0).then(|| OVERHEAD + self.get() * work.bases / bases_per_second as f64)
    }

    /// Learns from work that was done. Slower than thought counts at once, faster by and by.
    pub fn learn(&self, work: Work, bases_per_second: u64, took: Duration) {
        let plain = work.bases / bases_per_second.max(1) as f64;
        if bases_per_second == 0 || plain < WORTH_LEARNING {
            return;
        }
        let ratio = ((took.as_secs_f64() - OVERHEAD) / plain).clamp(0.5, 20.0);
        let mut pace = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *pace = if ratio > *pace { ratio } else { 0.8 * *pace + 0.2 * ratio };
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn estimates_follow_what_was_learned() {
        let pace = Pace::default();
        let work = Work { bases: 1_000_000.0, memory: 0 };
        assert_eq!(pace.estimate(work, 0), None);
        let first = pace.estimate(work, 1_000_000).unwrap();
        assert!((first - 2.1).abs() < 1e-9);
        // Slower than thought, at once; faster, by and by; what is too small to tell, not at all.
        pace.learn(work, 1_000_000, Duration::from_millis(5100));
        assert!((pace.estimate(work, 1_000_000).unwrap() - 5.1).abs() < 1e-9);
        pace.learn(work, 1_000_000, Duration::from_millis(1100));
        assert!((pace.estimate(work, 1_000_000).unwrap() - 4.3).abs() < 1e-9);
        pace.learn(Work { bases: 10.0, memory: 0 }, 1_000_000, Duration::from_secs(9));
        pace.learn(work, 0, Duration::from_secs(9));
        assert!((pace.estimate(work, 1_000_000).unwrap() - 4.3).abs() < 1e-9);
    }
}
