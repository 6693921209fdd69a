//! Limbs of 51 bits as double-precision numbers, and what a modulus brings along.
//!
//! An integer is `sum limbs[i] * 2^(51 i)`. Limbs are signed and at rest *balanced*: from `-2^50` to `2^50`. The last
//! one takes what remains.

use ark_ff::MontConfig;

use crate::fast::backend::add_limbs;

/// Bits of a limb.
pub(super) const BITS: u32 = 51;
/// Limbs of an integer.
pub(super) const LIMBS: usize = 5;
/// The low bits of a word that make a limb.
pub(super) const MASK: u64 = (1 << BITS) - 1;
/// Half a limb's range.
const HALF: u64 = 1 << (BITS - 1);

/// An integer at rest.
pub(super) type Limbs = [f64; LIMBS];

/// The same number in each lane, as the vector instructions read it.
#[derive(Clone, Copy)]
#[repr(C, align(32))]
pub(super) struct Lane4(pub(super) [f64; 4]);

/// What a modulus brings along. It has 254 bits, and some bounds hold for it, or it is refused where it is compiled.
pub(super) struct Constants {
    /// The modulus.
    pub(super) modulus: [Lane4; LIMBS],
    /// By what the four lowest limbs are multiplied to go up to the fifth place: `2^-204`, `2^-153`, `2^-102`, `2^-51`.
    pub(super) up: [[Lane4; LIMBS]; LIMBS - 1],
    /// `-1 / modulus` modulo `2^51`.
    pub(super) negated_inverse: f64,
    /// 16 times the reciprocal of the modulus, both measured in units of the last limb.
    pub(super) reciprocal: f64,
    /// `2^255`: 1 as multiplication sees it.
    pub(super) one: Limbs,
    /// `2^254` modulo the modulus, in words: what stands for `1 / 4` elsewhere.
    pub(super) quarter: [u64; 4],
    words: [u64; 4],
    /// The last word of half the modulus.
    half: u64,
    /// What is added to a value below half the modulus, and to one above, to balance its limbs.
    offsets: [[u64; 4]; 2],
}

impl Constants {
    /// For the modulus of a field.
    pub(super) const fn of<T: MontConfig<4>>() -> Self {
        let words = T::MODULUS.0;
        // As `multiply` has it: 0.38 of 2^255, and limbs of which twice as much fits a lane. (The last is below 2^50.)
        assert!(
            words[3].leading_zeros() == 2 && words[3] < 0x3100_0000_0000_0000,
            "not a modulus for these bounds"
        );
        let modulus = positive(&words);
        let up = [
            least(&halved(&words, 4 * BITS), &words),
            least(&halved(&words, 3 * BITS), &words),
            least(&halved(&words, 2 * BITS), &words),
            least(&halved(&words, BITS), &words),
        ];
        let sum = magnitude(&up[0]) + magnitude(&up[1]) + magnitude(&up[2]) + magnitude(&up[3]);
        assert!(sum <= modulus[LIMBS - 1], "not a modulus for these bounds");
        let mut inverse = 1u64;
        let mut i = 0;
        while i < 6 {
            inverse = inverse.wrapping_mul(2u64.wrapping_sub(words[0].wrapping_mul(inverse)));
            i += 1;
        }
        let negated = inverse.wrapping_neg() & MASK;
        let negated = if negated >= HALF { negated as i64 - (1 << BITS) } else { negated as i64 };
        Self {
            modulus: broadcast(&modulus),
            up: [broadcast(&up[0]), broadcast(&up[1]), broadcast(&up[2]), broadcast(&up[3])],
            negated_inverse: negated as f64,
            reciprocal: 16.0 / modulus[LIMBS - 1],
            one: least(&doubled(&words, 255), &words),
            quarter: doubled(&words, 254),
            words,
            half: words[3] >> 1,
            offsets: [HALVES, sub(&HALVES, &words).0],
        }
    }

    /// Balanced limbs of a value below the modulus, or of the value minus the modulus if that is less in magnitude;
    /// where both are close, of either.
    #[inline(always)]
    pub(super) fn split(&self, value: &[u64; 4]) -> Limbs {
        // The last word decides: what that is wrong by does not matter.
        let [.., last] = value;
        let [offset_low, offset_high] = &self.offsets;
        let offset = if *last >= self.half { offset_high } else { offset_low };
        // What is negative wraps around; the last limb takes the sign.
        let [w0, w1, w2, w3] = add_limbs(value, offset);
        [
            balanced(w0),
            balanced(w0 >> 51 | w1 << 13),
            balanced(w1 >> 38 | w2 << 26),
            balanced(w2 >> 25 | w3 << 39),
            (w3 as i64 >> 12) as f64,
        ]
    }

    /// The value below the modulus, of limbs whose integer is less than the modulus in magnitude.
    pub(super) fn join(&self, limbs: &Limbs) -> [u64; 4] {
        // Each limb is a whole number that fits 64 bits: all is exact. Words are summed as if they had a sign.
        let mut words = [0u64; 4];
        for (i, limb) in limbs.iter().enumerate() {
            let limb = *limb as i64;
            let (at, shift) = (i * BITS as usize / 64, i as u32 * BITS % 64);
            let wide = i128::from(limb) << shift;
            let sign = (limb >> 63) as u64;
            let mut term = [sign; 4];
            for (word, term) in term.iter_mut().enumerate() {
                match word.checked_sub(at) {
                    None => *term = 0,
                    Some(0) => *term = wide as u64,
                    Some(1) => *term = (wide >> 64) as u64,
                    Some(_) => {}
                }
            }
            words = add(&words, &term);
        }
        let [.., last] = words;
        if (last as i64) < 0 {
            words = add(&words, &self.words);
        }
        if below(&words, &self.words) { words } else { sub(&words, &self.words).0 }
    }
}

/// The limb in the low bits of a word, of which half a limb's range is taken off.
#[inline(always)]
const fn balanced(word: u64) -> f64 {
    ((word & MASK) as i64 - HALF as i64) as f64
}

/// Half of each limb's range at every limb but the last.
const HALVES: [u64; 4] = {
    let mut words = [0u64; 4];
    let mut i = 0;
    while i < LIMBS - 1 {
        let bit = i * BITS as usize + BITS as usize - 1;
        words[bit / 64] |= 1 << (bit % 64);
        i += 1;
    }
    words
};

/// The magnitude of an integer in units of the last limb, rounded up.
const fn magnitude(limbs: &Limbs) -> f64 {
    let last = limbs[LIMBS - 1];
    1.0 + if last < 0.0 { -last } else { last }
}

const fn broadcast(limbs: &Limbs) -> [Lane4; LIMBS] {
    let mut lanes = [Lane4([0.0; 4]); LIMBS];
    let mut i = 0;
    while i < LIMBS {
        lanes[i] = Lane4([limbs[i]; 4]);
        i += 1;
    }
    lanes
}

/// Balanced limbs of a value below `2^254`.
const fn positive(value: &[u64; 4]) -> Limbs {
    let words = add(value, &HALVES);
    let mut limbs = [0.0; LIMBS];
    let mut i = 0;
    while i < LIMBS - 1 {
        let (at, shift) = (i * BITS as usize / 64, i as u32 * BITS % 64);
        let high = if shift == 0 { 0 } else { words[at + 1] << (64 - shift) };
        limbs[i] = balanced(words[at] >> shift | high);
        i += 1;
    }
    limbs[LIMBS - 1] = (words[3] >> 12) as f64;
    limbs
}

/// Balanced limbs of `value` or `value - modulus`, whichever is less in magnitude.
const fn least(value: &[u64; 4], modulus: &[u64; 4]) -> Limbs {
    let other = sub(modulus, value).0;
    if below(value, &other) {
        return positive(value);
    }
    let mut limbs = positive(&other);
    let mut i = 0;
    while i < LIMBS {
        limbs[i] = -limbs[i];
        i += 1;
    }
    limbs
}

/// `2^-times` modulo the modulus.
const fn halved(modulus: &[u64; 4], times: u32) -> [u64; 4] {
    let mut value = [1, 0, 0, 0];
    let mut i = 0;
    while i < times {
        if value[0] & 1 == 1 {
            value = add(&value, modulus);
        }
        value = halve(&value);
        i += 1;
    }
    value
}

/// `2^times` modulo the modulus.
const fn doubled(modulus: &[u64; 4], times: u32) -> [u64; 4] {
    let mut value = [1, 0, 0, 0];
    let mut i = 0;
    while i < times {
        value = add(&value, &value);
        if !below(&value, modulus) {
            value = sub(&value, modulus).0;
        }
        i += 1;
    }
    value
}

/// Half of a value.
const fn halve(value: &[u64; 4]) -> [u64; 4] {
    let mut half = [0; 4];
    let mut i = 0;
    while i < 4 {
        half[i] = value[i] >> 1 | if i == 3 { 0 } else { value[i + 1] << 63 };
        i += 1;
    }
    half
}

/// Whether `a < b`.
const fn below(a: &[u64; 4], b: &[u64; 4]) -> bool {
    sub(a, b).1
}

/// `a + b` modulo `2^256`.
const fn add(a: &[u64; 4], b: &[u64; 4]) -> [u64; 4] {
    let mut sum = [0; 4];
    let mut carry = false;
    let mut i = 0;
    while i < 4 {
        let (partial, over) = a[i].overflowing_add(b[i]);
        let (word, again) = partial.overflowing_add(carry as u64);
        (sum[i], carry) = (word, over | again);
        i += 1;
    }
    sum
}

/// `a - b` modulo `2^256`, and whether it is negative.
const fn sub(a: &[u64; 4], b: &[u64; 4]) -> ([u64; 4], bool) {
    let mut difference = [0; 4];
    let mut borrow = false;
    let mut i = 0;
    while i < 4 {
        let (partial, under) = a[i].overflowing_sub(b[i]);
        let (word, again) = partial.overflowing_sub(borrow as u64);
        (difference[i], borrow) = (word, under | again);
        i += 1;
    }
    (difference, borrow)
}
