//! Reproducible chance, and the values that are worth trying.

use alloy_primitives::U256;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tacit_algebra::field;
use tacit_pool::Fr;
use tacit_pool::transaction::public::word;

pub struct Dice(ChaCha20Rng);

/// The field's order.
pub fn order() -> U256 {
    number(&-Fr::from(1u64)) + U256::from(1)
}

/// A field element as a word.
pub fn number(x: &Fr) -> U256 {
    U256::from_be_bytes(word(x))
}

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(ChaCha20Rng::seed_from_u64(seed))
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.0.next_u64() % n
    }

    /// Whether it is one of so many.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }

    /// One of the list, or what is given where it is empty.
    pub fn pick_or<T: Copy>(&mut self, from: &[T], other: T) -> T {
        if from.is_empty() { other } else { *self.pick(from) }
    }

    pub fn element(&mut self) -> Fr {
        field::random(&mut self.0)
    }

    pub fn bytes(&mut self, at_most: u64) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(self.below(at_most + 1)).unwrap()];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// Mostly a canonical field element; else zero, the greatest one, or something that is none.
    pub fn field_word(&mut self) -> U256 {
        match self.below(12) {
            0 => U256::ZERO,
            1 => order() - U256::from(1),
            2 => self.alias(U256::from(5)),
            _ => number(&self.element()),
        }
    }

    /// What a field element is too, where nobody looks; or just too large.
    pub fn alias(&mut self, x: U256) -> U256 {
        if self.one_in(4) { U256::MAX } else { x.saturating_add(order()) }
    }
}
