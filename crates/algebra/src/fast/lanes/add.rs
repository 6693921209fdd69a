//! Additions of points, sixteen at a time: what [`OneByOne`](crate::fast::batch::OneByOne) does, in lanes.
//!
//! A point's coordinates are the integers that arkworks keeps, which are `2^256` times what they stand for. Here the unit
//! is `2^255`; a slope is a quotient of differences and does not mind, but its square must be doubled before the
//! coordinates are taken from it.

use core::arch::x86_64::*;

use ark_ec::short_weierstrass::{Affine, SWCurveConfig};
use ark_ff::{BigInt, Fp, Fp2, Fp2Config, MontBackend, MontConfig};
use zeroize::{Zeroize, Zeroizing};

use super::constants::{Constants, LIMBS, Limbs};
use super::multiply::{BLOCK, Block, Element, Multiplier, Vector, minus, plus, repeated};
use crate::fast::arithmetic::Arithmetic;
use crate::fast::backend::with_backend;
use crate::fast::batch::{Adder, OneByOne, Xy, make_room};

/// Numbers in a vector.
pub(super) const LANES: usize = 4;
/// Additions that are done together.
const TOGETHER: usize = LANES * BLOCK;

/// Adds in lanes, over a prime field (`D = 1`) or its quadratic extension (`D = 2`).
///
/// Only used where [`are_available`](super::are_available) holds.
pub(crate) struct Lanes<const D: usize>;

/// A field of which lanes can hold elements: its coefficients over the prime field.
pub(super) trait Coefficients<const D: usize>: Arithmetic {
    /// What the prime field's modulus brings along.
    const CONSTANTS: &'static Constants;

    /// The integers that stand for the coefficients.
    fn to_words(&self) -> [[u64; 4]; D];

    /// The element of such integers, which are below the modulus.
    fn from_words(words: [[u64; 4]; D]) -> Self;
}

impl<T: MontConfig<4>> Coefficients<1> for Fp<MontBackend<T, 4>, 4> {
    const CONSTANTS: &'static Constants = &Constants::of::<T>();

    fn to_words(&self) -> [[u64; 4]; 1] {
        [self.0.0]
    }

    fn from_words([words]: [[u64; 4]; 1]) -> Self {
        Self::new_unchecked(BigInt::new(words))
    }
}

/// Extensions by a square root of -1, which BN254's is (tested with the other fast paths).
impl<C, T: MontConfig<4>> Coefficients<2> for Fp2<C>
where
    C: Fp2Config<Fp = Fp<MontBackend<T, 4>, 4>>,
{
    const CONSTANTS: &'static Constants = C::Fp::CONSTANTS;

    fn to_words(&self) -> [[u64; 4]; 2] {
        [self.c0.0.0, self.c1.0.0]
    }

    fn from_words([c0, c1]: [[u64; 4]; 2]) -> Self {
        Self::new(C::Fp::from_words([c0]), C::Fp::from_words([c1]))
    }
}

/// A point: balanced limbs of its coordinates' coefficients. All zeros, which is on no curve here, is the neutral element.
#[derive(Clone, Copy)]
pub(crate) struct LimbedPoint<const D: usize> {
    x: [Limbs; D],
    y: [Limbs; D],
}

impl<const D: usize> LimbedPoint<D> {
    const IDENTITY: Self = Self { x: [[0.0; LIMBS]; D], y: [[0.0; LIMBS]; D] };

    #[inline(always)]
    fn from_xy<F: Coefficients<D>>(point: &Xy<F>) -> Self {
        let mut limbed = Self::IDENTITY;
        for (limbs, words) in limbed.x.iter_mut().zip(&point.x.to_words()) {
            *limbs = F::CONSTANTS.split(words);
        }
        for (limbs, words) in limbed.y.iter_mut().zip(&point.y.to_words()) {
            *limbs = F::CONSTANTS.split(words);
        }
        limbed
    }

    fn xy<F: Coefficients<D>>(&self) -> Xy<F> {
        let join = |limbs: Limbs| F::CONSTANTS.join(&limbs);
        Xy { x: F::from_words(self.x.map(join)), y: F::from_words(self.y.map(join)) }
    }
}

impl<const D: usize> Zeroize for LimbedPoint<D> {
    fn zeroize(&mut self) {
        self.x.zeroize();
        self.y.zeroize();
    }
}

/// What additions leave behind for the next ones to use.
#[derive(Default)]
pub(crate) struct Scratch<const D: usize> {
    /// For each block, the products of all denominators before it, chain by chain.
    products: Zeroizing<Vec<Products<D>>>,
    /// Additions that have no slope, or another one.
    rare: Zeroizing<Vec<u32>>,
}

#[derive(Clone, Copy)]
struct Products<const D: usize>(Block<D>);

impl<const D: usize> Zeroize for Products<D> {
    fn zeroize(&mut self) {
        self.0.as_flattened_mut().as_flattened_mut().iter_mut().for_each(Zeroize::zeroize);
    }
}

impl<P, const D: usize> Adder<P> for Lanes<D>
where
    P: SWCurveConfig,
    P::BaseField: Coefficients<D>,
{
    type Point = LimbedPoint<D>;
    type Scratch = Scratch<D>;

    const IDENTITY: LimbedPoint<D> = LimbedPoint::IDENTITY;

    #[inline(always)]
    fn point(base: &Affine<P>, negative: bool) -> LimbedPoint<D> {
        let mut point = LimbedPoint::from_xy(&Xy { x: base.x, y: base.y });
        let sign = if negative { -1.0 } else { 1.0 };
        for limb in point.y.as_flattened_mut() {
            *limb *= sign;
        }
        point
    }

    fn xy(point: &LimbedPoint<D>) -> Xy<P::BaseField> {
        point.xy()
    }

    #[inline(always)]
    fn add<'a>(
        n: usize,
        scratch: &mut Scratch<D>,
        get: impl Fn(usize) -> (&'a LimbedPoint<D>, &'a LimbedPoint<D>),
        put: impl FnMut(usize, LimbedPoint<D>),
    ) {
        // SAFETY: the processor has AVX2 and FMA, or this type would not be in use.
        unsafe { add::<P, D>(n, scratch, get, put) }
    }

    #[inline(always)]
    fn multiply_x(points: &mut [LimbedPoint<D>], factor: &P::BaseField) {
        // SAFETY: as above.
        unsafe { multiply_x(points, factor) }
    }
}

#[target_feature(enable = "avx2,fma")]
fn multiply_x<F: Coefficients<D>, const D: usize>(points: &mut [LimbedPoint<D>], factor: &F) {
    let mut multiplier = Multiplier::new(F::CONSTANTS);
    // Multiplication divides by `2^255`; of what stands for the factor, which is `2^256` times the factor, by one half less.
    let mut limbs = [[0.0; LIMBS]; D];
    for (limbs, words) in limbs.iter_mut().zip(&(*factor * quarter::<F, D>().double()).to_words()) {
        *limbs = F::CONSTANTS.split(words);
    }
    let factors: Block<D> = [repeated(&limbs); BLOCK];
    let (mut x, mut product) = (factors, factors);
    for points in points.chunks_mut(TOGETHER) {
        let mut all = [LimbedPoint::IDENTITY; TOGETHER];
        for (to, point) in all.iter_mut().zip(points.iter()) {
            *to = *point;
        }
        for (x, [a, b, c, d]) in x.iter_mut().zip(all.as_chunks::<LANES>().0) {
            *x = x_of([a, b, c, d]);
        }
        multiplier.multiply(&x, &factors, &mut product);
        for (product, [a, b, c, d]) in product.iter().zip(all.as_chunks_mut::<LANES>().0) {
            scatter(product, [&mut a.x, &mut b.x, &mut c.x, &mut d.x]);
        }
        for (point, from) in points.iter_mut().zip(&all) {
            *point = *from;
        }
    }
}

#[target_feature(enable = "avx2,fma")]
fn add<'a, P, const D: usize>(
    n: usize,
    scratch: &mut Scratch<D>,
    get: impl Fn(usize) -> (&'a LimbedPoint<D>, &'a LimbedPoint<D>),
    mut put: impl FnMut(usize, LimbedPoint<D>),
) where
    P: SWCurveConfig,
    P::BaseField: Coefficients<D>,
{
    let one = one::<P::BaseField, D>();
    let mut multiplier = Multiplier::new(P::BaseField::CONSTANTS);
    let Scratch { products, rare } = scratch;
    make_room(products, n.div_ceil(TOGETHER));
    make_room(rare, n);
    let identity = LimbedPoint::IDENTITY;
    let pair = |i: usize| if i < n { get(i) } else { (&identity, &identity) };

    // Products of the denominators so far, in as many chains as there are lanes.
    let ones: Block<D> = [repeated(&one); BLOCK];
    let (mut product, mut next, mut denominators) = (ones, ones, ones);
    for start in (0..n).step_by(TOGETHER) {
        products.push(Products(product));
        let mut neutral = [_mm256_setzero_pd(); BLOCK];
        for ((denominator, neutral), at) in
            denominators.iter_mut().zip(&mut neutral).zip((start..).step_by(LANES))
        {
            let [a, b, c, d] = [pair(at), pair(at + 1), pair(at + 2), pair(at + 3)];
            let (p, q) = (x_of([a.0, b.0, c.0, d.0]), x_of([a.1, b.1, c.1, d.1]));
            *denominator = minus(&q, &p);
            *neutral = _mm256_or_pd(looks_like_zero(&p), looks_like_zero(&q));
        }
        multiplier.multiply(&product, &denominators, &mut next);
        let mut masks = [0; BLOCK];
        let mut any = 0;
        for ((mask, neutral), next) in masks.iter_mut().zip(&neutral).zip(&next) {
            *mask = _mm256_movemask_pd(_mm256_or_pd(*neutral, looks_like_zero(next)));
            any |= *mask;
        }
        if any == 0 {
            std::mem::swap(&mut product, &mut next);
        } else {
            replace(&mut denominators, masks, &one);
            multiplier.multiply(&product, &denominators, &mut next);
            product = next;
            rare.extend((start..n).zip(lanes_of(masks)).filter(|(_, rare)| *rare).map(|(i, _)| i as u32));
        }
    }

    let Some(mut inverse) = inverted::<P::BaseField, D>(&product) else { return };
    let mut unlike = rare.iter().rev().peekable();
    let (mut left, mut slopes, mut rises, mut x, mut y) = (ones, ones, ones, ones, ones);
    for (start, Products(before)) in (0..n).step_by(TOGETHER).zip(products.iter()).rev() {
        for (k, at) in (0..BLOCK).zip((start..).step_by(LANES)) {
            let [a, b, c, d] = [pair(at), pair(at + 1), pair(at + 2), pair(at + 3)];
            let (p, q) = ([a.0, b.0, c.0, d.0], [a.1, b.1, c.1, d.1]);
            let (px, qx) = (x_of(p), x_of(q));
            denominators[k] = minus(&qx, &px);
            x[k] = plus(&qx, &px);
            left[k] = px;
            let (py, qy) = (y_of(p), y_of(q));
            rises[k] = minus(&qy, &py);
            y[k] = py;
        }
        if n - start < TOGETHER || unlike.peek().is_some_and(|i| **i as usize >= start) {
            let mut masks = [0; BLOCK];
            let beyond = n..start + TOGETHER;
            let here = std::iter::from_fn(|| unlike.next_if(|i| **i as usize >= start)).map(|i| *i as usize);
            for i in beyond.chain(here) {
                if let Some(mask) = masks.get_mut((i - start) / LANES) {
                    *mask |= 1 << ((i - start) % LANES);
                }
            }
            replace(&mut denominators, masks, &one);
        }
        multiplier.multiply(&inverse, before, &mut slopes);
        multiplier.multiply_in_place(&mut inverse, &denominators);
        multiplier.multiply_in_place(&mut slopes, &rises);
        multiplier.double_square_minus(&slopes, &mut x);
        for (left, x) in left.iter_mut().zip(&x) {
            *left = minus(left, x);
        }
        multiplier.multiply_minus(&slopes, &left, &mut y);
        for ((x, y), at) in x.iter().zip(&y).zip((start..).step_by(LANES)) {
            let mut sums = [LimbedPoint::IDENTITY; LANES];
            let [a, b, c, d] = &mut sums;
            scatter(x, [&mut a.x, &mut b.x, &mut c.x, &mut d.x]);
            scatter(y, [&mut a.y, &mut b.y, &mut c.y, &mut d.y]);
            for (sum, i) in sums.into_iter().zip(at..n) {
                put(i, sum);
            }
        }
    }
    if !rare.is_empty() {
        add_rare::<P, D>(rare, get, put);
    }
}

/// `1 / 4`.
fn quarter<F: Coefficients<D>, const D: usize>() -> F {
    let mut quarter = [[0; 4]; D];
    if let Some(first) = quarter.first_mut() {
        *first = F::CONSTANTS.quarter;
    }
    F::from_words(quarter)
}

/// What multiplication sees as 1.
fn one<F: Coefficients<D>, const D: usize>() -> [Limbs; D] {
    let mut one = [[0.0; LIMBS]; D];
    if let Some(first) = one.first_mut() {
        *first = F::CONSTANTS.one;
    }
    one
}

/// Each lane's bit.
fn lanes_of(masks: [i32; BLOCK]) -> impl Iterator<Item = bool> {
    masks.into_iter().flat_map(|mask| (0..LANES).map(move |lane| mask >> lane & 1 == 1))
}

/// Adds one by one what has no slope or may have none.
#[cold]
#[inline(never)]
fn add_rare<'a, P, const D: usize>(
    rare: &[u32],
    get: impl Fn(usize) -> (&'a LimbedPoint<D>, &'a LimbedPoint<D>),
    mut put: impl FnMut(usize, LimbedPoint<D>),
) where
    P: SWCurveConfig,
    P::BaseField: Coefficients<D>,
{
    let is_identity =
        |p: &LimbedPoint<D>| [p.x, p.y].as_flattened().as_flattened().iter().all(|limb| *limb == 0.0);
    let mut indices = Zeroizing::new(Vec::with_capacity(rare.len()));
    let mut points = Zeroizing::new(Vec::with_capacity(rare.len()));
    for i in rare {
        let (p, q) = get(*i as usize);
        if is_identity(p) {
            put(*i as usize, *q);
        } else if is_identity(q) {
            put(*i as usize, *p);
        } else {
            indices.push(*i);
            points.push(Zeroizing::new([p.xy::<P::BaseField>(), q.xy()]));
        }
    }
    let identity = Xy::IDENTITY;
    let pair = |i: usize| match points.get(i).map(|pair| &**pair) {
        Some([p, q]) => (p, q),
        None => (&identity, &identity),
    };
    let put = |i: usize, sum: Xy<P::BaseField>| {
        if let Some(i) = indices.get(i) {
            put(*i as usize, LimbedPoint::from_xy(&sum));
        }
    };
    with_backend!(B => <OneByOne<B> as Adder<P>>::add(indices.len(), &mut Zeroizing::default(), pair, put));
}

/// The inverses of what stands in each lane, with one inversion; `None` if something is zero.
#[target_feature(enable = "avx2,fma")]
fn inverted<F: Coefficients<D>, const D: usize>(block: &Block<D>) -> Option<Block<D>> {
    let constants = F::CONSTANTS;
    // Lane by lane, of each vector's limbs.
    let mut integers = Zeroizing::new([[[[0.0; LIMBS]; D]; LANES]; BLOCK]);
    for ([a, b, c, d], element) in integers.iter_mut().zip(block) {
        scatter(element, [a, b, c, d]);
    }
    let mut values = Zeroizing::new([F::ZERO; TOGETHER]);
    for (value, limbs) in values.iter_mut().zip(integers.as_flattened()) {
        let mut words = [[0; 4]; D];
        for (words, limbs) in words.iter_mut().zip(limbs) {
            *words = constants.join(limbs);
        }
        *value = F::from_words(words);
    }
    let mut before = Zeroizing::new([F::ONE; TOGETHER]);
    let mut product = F::ONE;
    for (before, value) in before.iter_mut().zip(values.iter()) {
        *before = product;
        product *= value;
    }
    // The inverse of what the integer `v` stands for is kept as `2^512 / v`; multiplication here takes `2^510 / v`.
    let mut inverse = product.inverted()? * quarter::<F, D>();
    for ((value, before), limbs) in values.iter().zip(before.iter()).zip(integers.as_flattened_mut()).rev() {
        for (limbs, words) in limbs.iter_mut().zip((inverse * before).to_words()) {
            *limbs = constants.split(&words);
        }
        inverse *= value;
    }
    let mut inverses = *block;
    for (inverse, [a, b, c, d]) in inverses.iter_mut().zip(integers.iter()) {
        *inverse = gather([a, b, c, d]);
    }
    Some(inverses)
}

fn to_array(vector: __m256d) -> [f64; LANES] {
    // SAFETY: four doubles either way.
    unsafe { std::mem::transmute(vector) }
}

/// A mask of the lanes whose lowest limbs are zero: of all that are zero and, of what is balanced, of hardly any other.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn looks_like_zero<const D: usize>(element: &Element<D>) -> __m256d {
    let zero = _mm256_setzero_pd();
    let mut all = _mm256_cmp_pd::<_CMP_EQ_OQ>(zero, zero);
    for [lowest, ..] in element {
        all = _mm256_and_pd(all, _mm256_cmp_pd::<_CMP_EQ_OQ>(*lowest, zero));
    }
    all
}

/// Puts `value` into the lanes of masks.
#[cold]
#[inline(never)]
#[target_feature(enable = "avx2,fma")]
fn replace<const D: usize>(block: &mut Block<D>, masks: [i32; BLOCK], value: &[Limbs; D]) {
    for (element, mask) in block.iter_mut().zip(masks) {
        let mut limbs = [[[0.0; LIMBS]; D]; LANES];
        let [a, b, c, d] = &mut limbs;
        scatter(element, [a, b, c, d]);
        for (lane, limbs) in limbs.iter_mut().enumerate() {
            if mask >> lane & 1 == 1 {
                *limbs = *value;
            }
        }
        let [a, b, c, d] = &limbs;
        *element = gather([a, b, c, d]);
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn x_of<const D: usize>([a, b, c, d]: [&LimbedPoint<D>; LANES]) -> Element<D> {
    gather([&a.x, &b.x, &c.x, &d.x])
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn y_of<const D: usize>([a, b, c, d]: [&LimbedPoint<D>; LANES]) -> Element<D> {
    gather([&a.y, &b.y, &c.y, &d.y])
}

// No closures below that other functions call: they would not be compiled into their callers.

/// Four elements, one in each lane.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn gather<const D: usize>([a, b, c, d]: [&[Limbs; D]; LANES]) -> Element<D> {
    let mut element = [[_mm256_setzero_pd(); LIMBS]; D];
    for ((((vector, a), b), c), d) in element.iter_mut().zip(a).zip(b).zip(c).zip(d) {
        *vector = gather_limbs([a, b, c, d]);
    }
    element
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn gather_limbs([a, b, c, d]: [&Limbs; LANES]) -> Vector {
    let (even, odd) = (two_and_two(a, c, 0), two_and_two(b, d, 0));
    let (l0, l1) = (_mm256_unpacklo_pd(even, odd), _mm256_unpackhi_pd(even, odd));
    let (even, odd) = (two_and_two(a, c, 2), two_and_two(b, d, 2));
    let (l2, l3) = (_mm256_unpacklo_pd(even, odd), _mm256_unpackhi_pd(even, odd));
    let ([.., a], [.., b], [.., c], [.., d]) = (a, b, c, d);
    [l0, l1, l2, l3, _mm256_set_pd(*d, *c, *b, *a)]
}

/// Two limbs of `a`, then two of `b`.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn two_and_two(a: &Limbs, b: &Limbs, at: usize) -> __m256d {
    debug_assert!(at + 2 <= LIMBS);
    // SAFETY: `at` is 0 or 2, so that both reads end within the five limbs.
    unsafe {
        let low = _mm_loadu_pd(a.as_ptr().add(at));
        let high = _mm_loadu_pd(b.as_ptr().add(at));
        _mm256_insertf128_pd::<1>(_mm256_castpd128_pd256(low), high)
    }
}

/// The element of each lane.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn scatter<const D: usize>(element: &Element<D>, [a, b, c, d]: [&mut [Limbs; D]; LANES]) {
    for ((((vector, a), b), c), d) in element.iter().zip(a).zip(b).zip(c).zip(d) {
        scatter_limbs(vector, [a, b, c, d]);
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn scatter_limbs([l0, l1, l2, l3, l4]: &Vector, [a, b, c, d]: [&mut Limbs; LANES]) {
    let (low_ac, low_bd) = (_mm256_unpacklo_pd(*l0, *l1), _mm256_unpackhi_pd(*l0, *l1));
    let (high_ac, high_bd) = (_mm256_unpacklo_pd(*l2, *l3), _mm256_unpackhi_pd(*l2, *l3));
    let [last_a, last_b, last_c, last_d] = to_array(*l4);
    put_limbs(a, _mm256_castpd256_pd128(low_ac), _mm256_castpd256_pd128(high_ac), last_a);
    put_limbs(b, _mm256_castpd256_pd128(low_bd), _mm256_castpd256_pd128(high_bd), last_b);
    put_limbs(c, _mm256_extractf128_pd::<1>(low_ac), _mm256_extractf128_pd::<1>(high_ac), last_c);
    put_limbs(d, _mm256_extractf128_pd::<1>(low_bd), _mm256_extractf128_pd::<1>(high_bd), last_d);
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn put_limbs(to: &mut Limbs, low: __m128d, high: __m128d, last: f64) {
    // SAFETY: writes the first four of the five limbs.
    unsafe {
        _mm_storeu_pd(to.as_mut_ptr(), low);
        _mm_storeu_pd(to.as_mut_ptr().add(2), high);
    }
    let [.., to] = to;
    *to = last;
}
