//! Transforms that need no bit reversal: one kind takes values in natural order and gives them in bit-reversed order,
//! the other goes back. In both, all butterflies of a block have the same factor, and the factors of every layer are the
//! first of one table in bit-reversed order.

use super::arithmetic::ScalarField;
use super::backend::Backend;

/// Blocks of this many values are transformed layer by layer (a first-level cache holds them); larger ones half by half.
const BLOCK: usize = 1 << 9;
/// Halves of at least this many values are transformed in parallel.
const PARALLEL: usize = 1 << 12;

/// `bits` bits of `i`, the other way round.
pub(crate) fn bit_reverse(i: usize, bits: u32) -> usize {
    i.reverse_bits().checked_shr(usize::BITS - bits).unwrap_or(0)
}

/// `first * base^bit_reverse(k)` for every `k` of `bits` bits.
pub(crate) fn bit_reversed_powers<F: ScalarField, B: Backend>(first: F, base: F, bits: u32) -> Vec<F> {
    let mut table = Vec::with_capacity(1usize.checked_shl(bits).unwrap_or(1));
    table.push(first);
    let mut powers: Vec<F> =
        std::iter::successors(Some(base), |p| Some(p.squared::<B>())).take(bits as usize).collect();
    // The highest power belongs to the lowest bit; each doubles the table.
    while let Some(power) = powers.pop() {
        for k in 0..table.len() {
            table.extend(table.get(k).map(|t| t.times::<B>(&power)));
        }
    }
    table
}

/// The factor of block `k` for the inverse of the root: the negative of another entry.
#[inline(always)]
fn inverse_twiddle<F>(twiddles: &[F], k: usize) -> (Option<&F>, bool) {
    match k.checked_ilog2() {
        None => (None, false),
        Some(level) => (twiddles.get((3 << level) - 1 - k), true),
    }
}

/// The transform with the *inverse* root: natural order in, values below the modulus; bit-reversed order out, values
/// below 4 times the modulus. Not divided by the size.
pub(crate) fn inverse_to_bit_reversed<F: ScalarField, B: Backend>(values: &mut [F], twiddles: &[F]) {
    inverse_block::<F, B>(values, twiddles, 0, false);
}

fn inverse_block<F: ScalarField, B: Backend>(values: &mut [F], twiddles: &[F], k: usize, reduce: bool) {
    if values.len() < 2 {
        return;
    }
    if values.len() <= BLOCK {
        let mut len = values.len();
        let mut reduce = reduce;
        let mut first = k;
        while len >= 2 {
            for (block, k) in values.chunks_exact_mut(len).zip(first..) {
                let (low, high) = block.split_at_mut(len / 2);
                inverse_layer::<F, B>(low, high, inverse_twiddle(twiddles, k), reduce);
            }
            len /= 2;
            first *= 2;
            reduce = !reduce;
        }
        return;
    }
    let half = values.len() / 2;
    let (low, high) = values.split_at_mut(half);
    let twiddle = inverse_twiddle(twiddles, k);
    if half >= PARALLEL && rayon::current_num_threads() > 1 {
        let (low_a, low_b) = low.split_at_mut(half / 2);
        let (high_a, high_b) = high.split_at_mut(half / 2);
        rayon::join(
            || inverse_layer::<F, B>(low_a, high_a, twiddle, reduce),
            || inverse_layer::<F, B>(low_b, high_b, twiddle, reduce),
        );
        rayon::join(
            || inverse_block::<F, B>(low, twiddles, 2 * k, !reduce),
            || inverse_block::<F, B>(high, twiddles, 2 * k + 1, !reduce),
        );
    } else {
        inverse_layer::<F, B>(low, high, twiddle, reduce);
        inverse_block::<F, B>(low, twiddles, 2 * k, !reduce);
        inverse_block::<F, B>(high, twiddles, 2 * k + 1, !reduce);
    }
}

#[inline(always)]
fn inverse_layer<F: ScalarField, B: Backend>(
    low: &mut [F],
    high: &mut [F],
    (twiddle, negated): (Option<&F>, bool),
    reduce: bool,
) {
    // Three loops rather than one with questions in it.
    let pairs = low.iter_mut().zip(high);
    match (twiddle, reduce) {
        (Some(t), true) => pairs.for_each(|(u, v)| F::butterfly_in::<B>(u, v, Some(t), negated, true)),
        (Some(t), false) => pairs.for_each(|(u, v)| F::butterfly_in::<B>(u, v, Some(t), negated, false)),
        (None, _) => pairs.for_each(|(u, v)| F::butterfly_in::<B>(u, v, None, false, reduce)),
    }
}

/// The transform with the root: bit-reversed order in, values below twice the modulus; natural order out, values below
/// twice the modulus.
pub(crate) fn forward_to_natural<F: ScalarField, B: Backend>(values: &mut [F], twiddles: &[F]) {
    forward_block::<F, B>(values, twiddles, 0);
}

fn forward_block<F: ScalarField, B: Backend>(values: &mut [F], twiddles: &[F], k: usize) {
    if values.len() < 2 {
        return;
    }
    let layer = |low: &mut [F], high: &mut [F], k: usize| {
        let pairs = low.iter_mut().zip(high);
        match twiddles.get(k).filter(|_| k > 0) {
            Some(t) => pairs.for_each(|(u, v)| F::butterfly_out::<B>(u, v, Some(t))),
            None => pairs.for_each(|(u, v)| F::butterfly_out::<B>(u, v, None)),
        }
    };
    if values.len() <= BLOCK {
        let mut len = 2;
        while len <= values.len() {
            let first = k * (values.len() / len);
            for (block, k) in values.chunks_exact_mut(len).zip(first..) {
                let (low, high) = block.split_at_mut(len / 2);
                layer(low, high, k);
            }
            len *= 2;
        }
        return;
    }
    let half = values.len() / 2;
    let (low, high) = values.split_at_mut(half);
    if half >= PARALLEL && rayon::current_num_threads() > 1 {
        rayon::join(
            || forward_block::<F, B>(low, twiddles, 2 * k),
            || forward_block::<F, B>(high, twiddles, 2 * k + 1),
        );
        let (low_a, low_b) = low.split_at_mut(half / 2);
        let (high_a, high_b) = high.split_at_mut(half / 2);
        rayon::join(|| layer(low_a, high_a, k), || layer(low_b, high_b, k));
    } else {
        forward_block::<F, B>(low, twiddles, 2 * k);
        forward_block::<F, B>(high, twiddles, 2 * k + 1);
        layer(low, high, k);
    }
}

/// Brings values in natural order into bit-reversed order, or back.
pub(crate) fn permute<F>(values: &mut [F], bits: u32) {
    for i in 0..values.len() {
        let j = bit_reverse(i, bits);
        if i < j {
            values.swap(i, j);
        }
    }
}
