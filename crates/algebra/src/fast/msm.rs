//! Multi-scalar multiplication: Pippenger's buckets, filled by affine additions that share inversions.
//!
//! A scalar `k` is cut in half, `k1 + lambda k2` (see [`glv`](super::glv)), so that small values, negative or not, are their own
//! first half, and the halves into signed digits of `c` bits. For each digit position ("window") the terms are sorted by
//! the magnitude of their digit, once for either half; each run of equal magnitudes is added up pair by pair, then pairs
//! of pairs, and so on: all additions of a level are independent and go through an [`Adder`]. The endomorphism is applied
//! to the second half's buckets, which are added to the first half's. The sums of the buckets are then weighted by
//! running sums over many lanes at once, by the same means.
//!
//! How long it takes depends on the scalars. What is on the heap here tells them, and is wiped when it is done with; what
//! is left in registers and on the stack is not.

use ark_ec::scalar_mul::glv::GLVConfig;
use ark_ec::short_weierstrass::{Affine, Projective, SWCurveConfig};
use ark_ec::{AffineRepr, CurveConfig};
use ark_ff::{AdditiveGroup, Field, PrimeField, Zero};
use rayon::prelude::*;
use zeroize::{Zeroize, Zeroizing};

use super::backend::prefetch;
use super::batch::{Adder, Xy};
use super::glv::{Glv, Half};

/// Bytes of points that are added up at a time: what a second-level cache holds with what else is needed.
const GROUP_BYTES: usize = 3 << 17;
/// So many points ahead of the one at hand are asked for.
const AHEAD: usize = 24;
/// Additions that should at least share an inversion where the choice is free.
const LANES: usize = 512;
/// Bits of a digit at most: its magnitude fits 16 bits with a sign.
const MAX_BITS: u32 = 15;
/// What a bucket costs beside the points in it, where an addition costs 6.
const BUCKET_COST: usize = 20;
/// Lists of bases that are added up at once, at most.
pub(crate) const PARTS: usize = 4;
/// Terms of each part that indices can name, with a bit for a sign.
const MAX_TERMS: usize = 1 << 29;

/// The scalars that count, cut.
struct Digits {
    windows: Windows,
    /// The index of each scalar's point.
    points: Zeroizing<Vec<u32>>,
    /// Window by window, the digits of all first halves, then of all second halves.
    values: Zeroizing<Vec<i16>>,
}

/// How halves are cut.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Windows {
    /// Bits of a digit.
    bits: u32,
    /// Digits of a half.
    count: u32,
    /// Bits that are left for the last digit.
    last_bits: u32,
}

impl Windows {
    /// For the least work with `n` terms whose halves' magnitudes have `half_bits`.
    fn for_terms(n: usize, half_bits: u32) -> Self {
        let cost = |w: &Self| {
            let buckets: usize = (0..w.count).map(|window| w.buckets(window)).sum();
            2 * n * 6 * w.count as usize + buckets * BUCKET_COST
        };
        // The last digit has no sign; it must fit where the others do.
        let candidates = (4..=MAX_BITS).map(|bits| Self::of_bits(bits, half_bits));
        candidates.filter(|w| w.last_bits < MAX_BITS).min_by_key(cost).unwrap_or(Self::of_bits(8, half_bits))
    }

    /// With digits of so many bits.
    pub(crate) fn of_bits(bits: u32, half_bits: u32) -> Self {
        let count = half_bits.div_ceil(bits).max(1);
        Self { bits, count, last_bits: half_bits - (count - 1) * bits }
    }

    /// The greatest magnitude of a window's digits, a power of two.
    fn buckets(&self, window: u32) -> usize {
        // What is carried may bring the last one up to the next power of two.
        1 << if window + 1 == self.count { self.last_bits } else { self.bits - 1 }
    }

    /// What is added to every magnitude, so that its digits can be read off without carries: half a digit at every
    /// position but the last.
    fn offset(&self) -> u128 {
        (0..self.count - 1).fold(0, |offset, window| offset | 1 << (window * self.bits + self.bits - 1))
    }

    /// The digit of an offset magnitude.
    #[inline(always)]
    fn digit(&self, offset_magnitude: u128, window: u32) -> i16 {
        let rest = offset_magnitude >> (window * self.bits);
        if window + 1 == self.count {
            return rest as i16;
        }
        (rest as i32 & ((1 << self.bits) - 1)) as i16 - (1 << (self.bits - 1))
    }
}

/// Bases and their scalars; the shorter slice decides.
pub type Part<'a, P> = (&'a [Affine<P>], &'a [<P as CurveConfig>::ScalarField]);
/// As many as are added up at once; those that are not needed are empty.
pub type Parts<'a, P> = [Part<'a, P>; PARTS];

/// `sum scalars[i] * bases[i]` over all parts. The bases lie in the prime-order subgroup.
pub(crate) fn msm<P: GLVConfig, A: Adder<P>>(parts: Parts<'_, P>) -> Projective<P> {
    if parts.iter().any(|(bases, _)| bases.len() > MAX_TERMS) {
        let pieces = parts.into_iter().flat_map(|(bases, scalars)| {
            bases
                .chunks(MAX_TERMS)
                .zip(scalars.chunks(MAX_TERMS))
                .map(|piece| [piece, (&[], &[]), (&[], &[]), (&[], &[])])
        });
        return pieces.map(|parts| msm_with::<P, A>(parts, Windows::for_terms)).sum();
    }
    msm_with::<P, A>(parts, Windows::for_terms)
}

/// [`msm`] of at most [`MAX_TERMS`] terms in each part, with windows as given by the number of terms that count and the bits
/// of a half.
pub(crate) fn msm_with<P: GLVConfig, A: Adder<P>>(
    parts: Parts<'_, P>,
    windows: impl Fn(usize, u32) -> Windows,
) -> Projective<P> {
    let parts = parts.map(|(bases, scalars)| {
        let n = bases.len().min(scalars.len());
        (bases.get(..n).unwrap_or_default(), scalars.get(..n).unwrap_or_default())
    });
    let Some(Digits { windows, points, values }) = digits::<P>(parts, windows) else {
        return Projective::zero();
    };
    let bases = parts.map(|(bases, _)| bases);
    let beta = P::ENDO_COEFFS.first().copied().unwrap_or(P::BaseField::ONE);
    let mut sums: Vec<Projective<P>> = values
        .par_chunks_exact(2 * points.len())
        .enumerate()
        .with_max_len(1)
        .map(|(window, digits)| {
            let n_buckets = windows.buckets(window as u32);
            let (first, second) = digits.split_at(points.len());
            let buckets = |digits: &[i16]| {
                let digits = digits.iter().map(|digit| i32::from(*digit)).zip(points.iter().copied());
                buckets::<P, A>(bases, digits, n_buckets)
            };
            let (first, mut second) = (buckets(first), buckets(second));
            if let Some(second) = &mut second {
                A::multiply_x(second, &beta);
            }
            match (first, second) {
                (Some(mut first), Some(second)) => {
                    add_all::<P, A>(&mut first, &second);
                    drop(second);
                    weigh::<P, A>(&first)
                }
                (first, second) => first.or(second).map_or(Projective::zero(), |sums| weigh::<P, A>(&sums)),
            }
        })
        .collect();
    let mut total = Projective::<P>::zero();
    for sum in sums.iter().rev() {
        for _ in 0..windows.bits {
            total.double_in_place();
        }
        total += sum;
    }
    sums.zeroize();
    total
}

/// Cuts the scalars of the terms that count: neither point nor scalar is neutral. `None` if there are none.
fn digits<P: GLVConfig>(parts: Parts<'_, P>, windows: impl Fn(usize, u32) -> Windows) -> Option<Digits> {
    let all = || parts.into_iter().flat_map(|(bases, scalars)| bases.iter().zip(scalars)).zip(0u32..);
    let counts =
        |((base, scalar), _): &((&Affine<P>, &P::ScalarField), u32)| !base.is_zero() && !scalar.is_zero();
    let n = all().filter(counts).count();
    if n == 0 {
        return None;
    }
    let glv = Glv::of::<P>()?;
    let windows = windows(n, glv.bits);
    let offset = windows.offset();
    let mut points = Zeroizing::new(Vec::with_capacity(n));
    let mut values = Zeroizing::new(vec![0; 2 * n * windows.count as usize]);
    for (at, ((_, scalar), point)) in all().filter(counts).enumerate() {
        points.push(point);
        let mut value = scalar.into_bigint();
        let halves = glv.halves(value.as_ref().first_chunk()?);
        value.as_mut().zeroize();
        for (Half { negative, magnitude }, first) in halves.into_iter().zip([at, n + at]) {
            let offset_magnitude = magnitude + offset;
            for (to, window) in values.iter_mut().skip(first).step_by(2 * n).zip(0..) {
                let digit = windows.digit(offset_magnitude, window);
                *to = if negative { -digit } else { digit };
            }
        }
    }
    Some(Digits { windows, points, values })
}

/// `sum digits[i] * bases[i]` for digits whose magnitude is at most `buckets`, a power of two.
pub(crate) fn small_msm<P: SWCurveConfig, A: Adder<P>>(
    bases: [&[Affine<P>]; PARTS],
    digits: impl Iterator<Item = (i32, u32)> + Clone,
    n_buckets: usize,
) -> Projective<P> {
    buckets::<P, A>(bases, digits, n_buckets).map_or(Projective::zero(), |sums| weigh::<P, A>(&sums))
}

/// The sums of the bases of each digit's magnitude, those of negative digits negated; `None` if all digits are zero.
fn buckets<P: SWCurveConfig, A: Adder<P>>(
    bases: [&[Affine<P>]; PARTS],
    digits: impl Iterator<Item = (i32, u32)> + Clone,
    n_buckets: usize,
) -> Option<Zeroizing<Vec<A::Point>>> {
    let Sorted { entries, ends } = sort(digits, n_buckets)?;
    let base = |entry: u32| {
        let mut i = (entry & (u32::MAX >> 1)) as usize;
        for part in bases {
            if let Some(base) = part.get(i) {
                return Some(base);
            }
            i -= part.len();
        }
        None
    };
    let gather = |entries: &[u32], later: &[u32], points: &mut Vec<A::Point>| {
        // Bases lie all over the key: each is asked for some time before it is needed.
        let mut later = later.iter();
        points.extend(entries.iter().map(|entry| {
            if let Some(base) = later.next().and_then(|entry| base(*entry)) {
                prefetch(base);
            }
            match base(*entry) {
                Some(base) => A::point(base, entry >> 31 == 1),
                None => A::IDENTITY,
            }
        }));
    };
    let mut sums = Zeroizing::new(vec![A::IDENTITY; n_buckets]);
    fill::<P, A>(&entries, &ends, gather, &mut sums);
    Some(sums)
}

/// Adds the points of one list to those of another, as long a one.
fn add_all<P: SWCurveConfig, A: Adder<P>>(to: &mut [A::Point], points: &[A::Point]) {
    let at_once = (GROUP_BYTES / size_of::<A::Point>()).min(points.len()).max(1);
    let mut sums = Zeroizing::new(vec![A::IDENTITY; at_once]);
    let mut scratch = A::Scratch::default();
    let identity = A::IDENTITY;
    for (to, points) in to.chunks_mut(at_once).zip(points.chunks(at_once)) {
        A::add(
            to.len(),
            &mut scratch,
            |i| (to.get(i).unwrap_or(&identity), points.get(i).unwrap_or(&identity)),
            |i, sum| {
                if let Some(slot) = sums.get_mut(i) {
                    *slot = sum;
                }
            },
        );
        to.iter_mut().zip(sums.iter()).for_each(|(to, sum)| *to = *sum);
    }
}

/// Points, with the sign in the highest bit, by the magnitude of their digit, and where each magnitude ends (the first
/// is 1).
struct Sorted {
    entries: Zeroizing<Vec<u32>>,
    ends: Zeroizing<Vec<u32>>,
}

/// Sorts digits that come with their points' indices; `None` if all digits are zero. Magnitudes are at most `buckets`.
fn sort(digits: impl Iterator<Item = (i32, u32)> + Clone, buckets: usize) -> Option<Sorted> {
    let mut ends = Zeroizing::new(vec![0u32; buckets + 1]);
    for (digit, _) in digits.clone() {
        debug_assert!(digit.unsigned_abs() as usize <= buckets);
        if let Some(count) = ends.get_mut(digit.unsigned_abs() as usize) {
            *count += 1;
        }
    }
    if let Some(zeros) = ends.first_mut() {
        *zeros = 0;
    }
    // From counts to starts; scattering turns starts into ends.
    let mut total = 0;
    for slot in ends.iter_mut() {
        let count = std::mem::replace(slot, total);
        total += count;
    }
    if total == 0 {
        return None;
    }
    let mut entries = Zeroizing::new(vec![0u32; total as usize]);
    for (digit, point) in digits.filter(|(digit, _)| *digit != 0) {
        if let Some(slot) = ends.get_mut(digit.unsigned_abs() as usize) {
            if let Some(to) = entries.get_mut(*slot as usize) {
                *to = point | u32::from(digit < 0) << 31;
            }
            *slot += 1;
        }
    }
    ends.remove(0);
    Some(Sorted { entries, ends })
}

/// A bucket's points in the group at hand.
#[derive(Debug, Clone, Copy)]
struct Run {
    bucket: u32,
    len: u32,
}

impl Zeroize for Run {
    fn zeroize(&mut self) {
        self.bucket.zeroize();
        self.len.zeroize();
    }
}

/// Adds up each bucket's points.
fn fill<P: SWCurveConfig, A: Adder<P>>(
    sorted: &[u32],
    ends: &[u32],
    gather: impl Fn(&[u32], &[u32], &mut Vec<A::Point>),
    buckets: &mut [A::Point],
) {
    let group = (GROUP_BYTES / size_of::<A::Point>()).min(sorted.len()) + 1;
    // The two change places.
    let mut points = Zeroizing::new(Vec::<A::Point>::with_capacity(group));
    let mut sums = Zeroizing::new(Vec::<A::Point>::with_capacity(group));
    let mut runs = Zeroizing::new(Vec::<Run>::with_capacity(group.min(ends.len())));
    let mut pairs = Zeroizing::new(Vec::<(u32, u32)>::with_capacity(group));
    let mut scratch = A::Scratch::default();
    let mut ends = ends.iter().zip(0u32..).peekable();
    let mut at = 0u32;
    while let Some(&(&end, bucket)) = ends.peek() {
        // Gather: whole buckets, or the part of one that fits. A part's sum goes on as the next part's first point.
        if at < end {
            let room = (group - points.len()) as u32;
            let len = (end - at).min(room);
            let from = at as usize;
            let entries = sorted.get(from..from + len as usize).unwrap_or_default();
            gather(entries, sorted.get(from + AHEAD..).unwrap_or_default(), &mut points);
            match runs.last_mut() {
                Some(last) if last.bucket == bucket => last.len += len,
                _ => runs.push(Run { bucket, len }),
            }
            at += len;
        }
        let full = points.len() == group;
        if at == end {
            ends.next();
        }
        if full || ends.peek().is_none() {
            reduce::<P, A>(&mut points, &mut sums, &mut runs, &mut pairs, &mut scratch);
            for (run, sum) in runs.iter().zip(points.iter()) {
                if let Some(slot) = buckets.get_mut(run.bucket as usize) {
                    *slot = *sum;
                }
            }
            let unfinished = runs
                .last()
                .copied()
                .zip(points.last().copied())
                .filter(|(run, _)| ends.peek().is_some_and(|(_, bucket)| *bucket == run.bucket));
            runs.clear();
            points.clear();
            if let Some((run, sum)) = unfinished {
                runs.push(Run { len: 1, ..run });
                points.push(sum);
            }
        }
    }
}

/// Adds up each run of points, halving all of them at a time; leaves one point for each run.
fn reduce<P: SWCurveConfig, A: Adder<P>>(
    points: &mut Vec<A::Point>,
    sums: &mut Vec<A::Point>,
    runs: &mut [Run],
    pairs: &mut Vec<(u32, u32)>,
    scratch: &mut A::Scratch,
) {
    while runs.iter().any(|run| run.len > 1) {
        pairs.clear();
        sums.clear();
        let mut at = 0u32;
        let mut to = 0u32;
        for run in runs.iter_mut() {
            let next = at + run.len;
            for k in 0..run.len / 2 {
                pairs.push((at + 2 * k, to + k));
            }
            to += run.len / 2;
            sums.resize(to as usize, A::IDENTITY);
            if run.len % 2 == 1 {
                sums.extend(points.get(next as usize - 1));
                to += 1;
            }
            run.len = run.len.div_ceil(2);
            at = next;
        }
        let identity = A::IDENTITY;
        let pair = |i: usize| {
            let at = pairs.get(i).map_or(0, |(at, _)| *at as usize);
            match points.get(at..at + 2) {
                Some([p, q]) => (p, q),
                _ => (&identity, &identity),
            }
        };
        A::add(pairs.len(), scratch, pair, |i, sum| {
            if let Some(slot) = pairs.get(i).and_then(|(_, to)| sums.get_mut(*to as usize)) {
                *slot = sum;
            }
        });
        std::mem::swap(points, sums);
    }
}

/// `sum (i + 1) * buckets[i]`, for a power of two of buckets.
fn weigh<P: SWCurveConfig, A: Adder<P>>(buckets: &[A::Point]) -> Projective<P> {
    let project = |point: &A::Point| {
        let Xy { x, y } = A::xy(point);
        match x.is_zero() && y.is_zero() {
            true => Projective::<P>::zero(),
            false => Affine::<P>::new_unchecked(x, y).into(),
        }
    };
    let depth = (buckets.len() / LANES).max(8);
    if buckets.len() < 128 {
        let mut run = Projective::<P>::zero();
        let mut sum = Projective::<P>::zero();
        for bucket in buckets.iter().rev() {
            run += project(bucket);
            sum += run;
        }
        return sum;
    }
    // Lane `l` holds the buckets `l * depth ..`; its running sums go from its last bucket to its first.
    let lanes = buckets.len() / depth;
    let mut scratch = (A::Scratch::default(), Zeroizing::new(Vec::with_capacity(lanes)));
    let mut runs = Zeroizing::new(Vec::with_capacity(lanes));
    runs.extend(buckets.iter().skip(depth - 1).step_by(depth).copied());
    let mut sums = runs.clone();
    for step in (0..depth - 1).rev() {
        let next = buckets.get(step..).unwrap_or_default();
        advance::<P, A>(&mut runs, &mut scratch, |lane| next.get(lane * depth));
        advance::<P, A>(&mut sums, &mut scratch, |lane| runs.get(lane));
    }
    // Each lane's running sum counts once more for every bucket before the lane.
    runs.remove(0);
    runs.push(A::IDENTITY);
    let mut total = weigh::<P, A>(&runs);
    for _ in 0..depth.trailing_zeros() {
        total.double_in_place();
    }
    while sums.len() > 16 {
        let middle = sums.len() / 2;
        let half = Zeroizing::new(sums.split_off(middle));
        advance::<P, A>(&mut sums, &mut scratch, |lane| half.get(lane));
    }
    total + sums.iter().map(project).sum::<Projective<P>>()
}

/// Adds a point to each lane.
fn advance<'a, P: SWCurveConfig, A: Adder<P>>(
    lanes: &mut Vec<A::Point>,
    (scratch, sums): &mut (A::Scratch, Zeroizing<Vec<A::Point>>),
    next: impl Fn(usize) -> Option<&'a A::Point>,
) where
    A::Point: 'a,
{
    let identity = A::IDENTITY;
    sums.clear();
    sums.resize(lanes.len(), identity);
    A::add(
        lanes.len(),
        scratch,
        |i| (lanes.get(i).unwrap_or(&identity), next(i).unwrap_or(&identity)),
        |i, sum| {
            if let Some(slot) = sums.get_mut(i) {
                *slot = sum;
            }
        },
    );
    std::mem::swap(lanes, &mut **sums);
}
