//! Multiplication in a prime field of 254 bits and in its quadratic extension, four by four.
//!
//! For whole doubles `a`, `b` with `|ab| <= 2^102` and `C = 1.5 * 2^103`, of which a unit in the last place is `2^51`,
//! `h = fma(a, b, C)` is `C` plus the multiple of `2^51` next to `ab`, and `fma(a, b, C - h)` is what is missing, exactly
//! and at most `2^50` in magnitude. Both halves are added up as integers, read off the bits of a double: from `2^103` to
//! `2^104` for `h`; the lower half is offset by `1.5 * 2^52`, to lie from `2^52` to `2^53`. (At the upper ends the bits
//! go on where those of the exponent before end.) What the exponents add to a column is known beforehand and taken off
//! where the column begins.
//!
//! Then the four lowest columns are brought up by multiplying their low 51 bits with `2^-204`, `2^-153`, `2^-102` and
//! `2^-51` modulo the modulus `q`; the fifth goes by Montgomery's quotient. With factors `|a| <= A q` and `|b| <= B q`, in
//! an extension of degree `D`, and a subtrahend of at most `S q`, what is left is at most `(0.38 A B D + 1 + S) q`, from
//! which the multiple of `q` nearest to it is taken: at most twice `q`, or it would not fit its lane, so that the sum must
//! stay below 2.5. Every result is balanced and at most `(1/2 + 2^-40) q`.
//!
//! Here a *result* is such a number, with `A = 1/2` and limbs of at most `2^50`. One factor is a result, the other a
//! result or the difference of two (`B = 1`, limbs of at most `2^51`); the subtrahend is a result or the sum of two
//! (`S = 1`). That makes at most 2.38.
//!
//! Instructions of one multiplication wait for each other. [`BLOCK`] of them go through every step together.

use core::arch::asm;
use core::arch::x86_64::*;

use super::constants::{BITS, Constants, LIMBS, Lane4, Limbs, MASK};

/// Vectors that are multiplied together.
pub(super) const BLOCK: usize = 4;
/// Columns of a product.
const COLUMNS: usize = 2 * LIMBS;

/// Four integers: a vector for each limb.
pub(super) type Vector = [__m256d; LIMBS];
/// Four elements of an extension of degree `D`.
pub(super) type Element<const D: usize> = [Vector; D];
/// What is multiplied together.
pub(super) type Block<const D: usize> = [Element<D>; BLOCK];
type Columns = [__m256i; COLUMNS];

const HIGH: f64 = 1.5 * (1u128 << 103) as f64;
const LOW: f64 = 1.5 * (1u64 << 52) as f64;
/// The bits of `2^52`: with a number below it in the significand, they are `2^52` plus that number.
const EXPONENT: u64 = ((1u64 << 52) as f64).to_bits();

/// Makes a column positive; a multiple of a limb's range.
const BIAS: u64 = 1 << 60;
/// The same for the last column, of which 4 bits are cut off.
const LAST_BIAS: u64 = 1 << 55;

/// What a kind of product leaves in its columns: how many lower and upper halves.
#[derive(Clone, Copy)]
struct Halves {
    low: [u64; COLUMNS],
    high: [u64; COLUMNS],
}

impl Halves {
    const NONE: Self = Self { low: [0; COLUMNS], high: [0; COLUMNS] };

    /// With the products of one limb and `len` others, `times` times.
    const fn and_row(mut self, at: usize, len: usize, times: u64) -> Self {
        let mut i = 0;
        while i < len {
            self.low[at + i] += times;
            self.high[at + i + 1] += times;
            i += 1;
        }
        self
    }

    /// With all products of limbs.
    const fn and_product(mut self) -> Self {
        let mut i = 0;
        while i < LIMBS {
            self = self.and_row(i, LIMBS, 1);
            i += 1;
        }
        self
    }

    /// With the products of each limb with itself and with those above it.
    const fn and_square(mut self) -> Self {
        let mut i = 0;
        while i < LIMBS {
            self = self.and_row(2 * i, LIMBS - i, 1);
            i += 1;
        }
        self
    }

    /// Where the columns begin, such that the exponents cancel and each column has its bias when it is read.
    /// `subtrahend`: whether something is subtracted from the upper half.
    const fn begin(self, subtrahend: bool) -> [u64; COLUMNS] {
        let all = self.and_row(4, LIMBS, 5);
        let mut begin = [0; COLUMNS];
        let mut from_below = 0;
        let mut i = 0;
        while i < COLUMNS {
            // What is added to the upper half before it is read, each time with the offset of a lower half.
            let added = if i >= LIMBS && subtrahend { 1 } else { 0 }
                + if i >= LIMBS && i < COLUMNS - 1 { 1 } else { 0 };
            let exponents = (all.low[i] + added)
                .wrapping_mul(LOW.to_bits())
                .wrapping_add(all.high[i].wrapping_mul(HIGH.to_bits()));
            // Half a limb's range, so that what is read is balanced; not where the quotient is read.
            let bias = match i {
                4 => BIAS,
                9 => LAST_BIAS,
                _ => BIAS + (1 << (BITS - 1)),
            };
            begin[i] = bias.wrapping_sub(exponents).wrapping_sub(from_below);
            from_below = BIAS >> BITS;
            i += 1;
        }
        begin
    }
}

const PRODUCT: Halves = Halves::NONE.and_product();
const SQUARE: Halves = Halves::NONE.and_square();

#[inline]
#[target_feature(enable = "avx2,fma")]
fn load(begin: &[u64; COLUMNS]) -> Columns {
    let mut columns = [_mm256_setzero_si256(); COLUMNS];
    for (column, begin) in columns.iter_mut().zip(begin) {
        *column = _mm256_set1_epi64x(*begin as i64);
    }
    columns
}

/// Defines the products of one limb with some others: lower halves go to the columns from the first, upper halves to
/// those from the second.
macro_rules! row {
    ($name:ident, $len:literal, $columns:literal: $first:ident $(, $low:ident $high:ident $at:literal)*) => {
        #[inline]
        #[target_feature(enable = "avx2,fma")]
        fn $name(a: __m256d, b: &[__m256d; $len], columns: [&mut __m256i; $columns]) {
            let [$first $(, $high)*] = columns;
            // SAFETY: reads the vectors of `b`; the caller has AVX2 and FMA. Written in assembly because the compiler
            // would put off the additions until all products are there, for which there are not enough registers.
            unsafe {
                asm!(
                    $(
                        concat!("vmovupd {h}, ymmword ptr [{b} + ", $at, "]"),
                        "vfmadd213pd {h}, {a}, {high}",
                        "vsubpd {l}, {both}, {h}",
                        concat!("vfmadd231pd {l}, {a}, ymmword ptr [{b} + ", $at, "]"),
                        concat!("vpaddq {", stringify!($high), "}, {", stringify!($high), "}, {h}"),
                        concat!("vpaddq {", stringify!($low), "}, {", stringify!($low), "}, {l}"),
                    )*
                    a = in(ymm_reg) a,
                    b = in(reg) b,
                    high = in(ymm_reg) _mm256_set1_pd(HIGH),
                    both = in(ymm_reg) _mm256_set1_pd(HIGH + LOW),
                    h = out(ymm_reg) _,
                    l = out(ymm_reg) _,
                    $first = inout(ymm_reg) *$first,
                    $($high = inout(ymm_reg) *$high,)*
                    options(pure, readonly, nostack)
                );
            }
        }
    };
}

row!(row_of_1, 1, 2: t0, t0 t1 0);
row!(row_of_2, 2, 3: t0, t0 t1 0, t1 t2 32);
row!(row_of_3, 3, 4: t0, t0 t1 0, t1 t2 32, t2 t3 64);
row!(row_of_4, 4, 5: t0, t0 t1 0, t1 t2 32, t2 t3 64, t3 t4 96);
row!(row_of_5, 5, 6: t0, t0 t1 0, t1 t2 32, t2 t3 64, t3 t4 96, t4 t5 128);

/// `a` times all of `b`, into the columns from `at`.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn row(a: __m256d, b: &Vector, columns: &mut Columns, at: usize) {
    if let Some([t0, t1, t2, t3, t4, t5, ..]) = columns.get_mut(at..) {
        row_of_5(a, b, [t0, t1, t2, t3, t4, t5]);
    }
}

/// `a` times a constant, into the columns from `at`.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn constant_row(a: __m256d, b: &[Lane4; LIMBS], columns: &mut Columns, at: usize) {
    // SAFETY: both are 5 times 4 doubles, aligned to 32 bytes.
    let b = unsafe { &*std::ptr::from_ref(b).cast::<Vector>() };
    row(a, b, columns, at);
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn product(a: &Vector, b: &Vector, columns: &mut Columns) {
    for (i, limb) in a.iter().enumerate() {
        row(*limb, b, columns, i);
    }
}

/// The product with the sign changed.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn minus_product(a: &Vector, b: &Vector, columns: &mut Columns) {
    for (i, limb) in a.iter().enumerate() {
        row(negated(*limb), b, columns, i);
    }
}

/// Twice the square, with the sign changed if `NEGATIVE`.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn double_square<const NEGATIVE: bool>(a: &Vector, columns: &mut Columns) {
    let [d0, d1, d2, d3, d4] = scaled(a, 2.0);
    let [_, q1, q2, q3, q4] = scaled(a, 4.0);
    let [a0, a1, a2, a3, a4] = if NEGATIVE { scaled(a, -1.0) } else { *a };
    let [t0, t1, t2, t3, t4, t5, t6, t7, t8, t9] = columns;
    row_of_5(a0, &[d0, q1, q2, q3, q4], [t0, t1, t2, t3, t4, t5]);
    row_of_4(a1, &[d1, q2, q3, q4], [t2, t3, t4, t5, t6]);
    row_of_3(a2, &[d2, q3, q4], [t4, t5, t6, t7]);
    row_of_2(a3, &[d3, q4], [t6, t7, t8]);
    row_of_1(a4, &[d4], [t8, t9]);
}

/// Where the columns of a product in an extension of degree `D` begin.
const fn begin_of_product<const D: usize>(subtrahend: bool) -> &'static [u64; COLUMNS] {
    match (D, subtrahend) {
        (1, false) => const { &PRODUCT.begin(false) },
        (1, true) => const { &PRODUCT.begin(true) },
        (_, false) => const { &PRODUCT.and_product().begin(false) },
        (_, true) => const { &PRODUCT.and_product().begin(true) },
    }
}

/// Products on their way from two factors to a balanced result.
pub(super) struct Multiplier<const D: usize> {
    columns: [[Columns; D]; BLOCK],
    constants: &'static Constants,
}

impl<const D: usize> Multiplier<D> {
    pub(super) fn new(constants: &'static Constants) -> Self {
        // SAFETY: zero bytes are valid integers.
        Self { columns: unsafe { std::mem::zeroed() }, constants }
    }

    /// `out = a * b`, of a result and a difference of two.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn multiply(&mut self, a: &Block<D>, b: &Block<D>, out: &mut Block<D>) {
        self.products(a, b, begin_of_product::<D>(false));
        self.reduce(out);
    }

    /// `a = a * b`, of a result and a difference of two.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn multiply_in_place(&mut self, a: &mut Block<D>, b: &Block<D>) {
        self.products(a, b, begin_of_product::<D>(false));
        self.reduce(a);
    }

    /// `out = a * b - out`, of a result, a difference of two and a result.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn multiply_minus(&mut self, a: &Block<D>, b: &Block<D>, out: &mut Block<D>) {
        self.products(a, b, begin_of_product::<D>(true));
        self.subtract(out);
        self.reduce(out);
    }

    /// `out = 2 * a * a - out`, of a result and a sum of two.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn double_square_minus(&mut self, a: &Block<D>, out: &mut Block<D>) {
        self.double_squares(a);
        self.subtract(out);
        self.reduce(out);
    }

    #[inline(never)]
    #[target_feature(enable = "avx2,fma")]
    fn products(&mut self, a: &Block<D>, b: &Block<D>, begin: &[u64; COLUMNS]) {
        for ((columns, a), b) in self.columns.iter_mut().zip(a).zip(b) {
            match (columns.as_mut_slice(), a.as_slice(), b.as_slice()) {
                ([columns], [a], [b]) => {
                    *columns = load(begin);
                    product(a, b, columns);
                }
                ([real, imaginary], [a0, a1], [b0, b1]) => {
                    *real = load(begin);
                    product(a0, b0, real);
                    minus_product(a1, b1, real);
                    *imaginary = load(begin);
                    product(a0, b1, imaginary);
                    product(a1, b0, imaginary);
                }
                _ => {}
            }
        }
    }

    #[inline(never)]
    #[target_feature(enable = "avx2,fma")]
    fn double_squares(&mut self, a: &Block<D>) {
        for (columns, a) in self.columns.iter_mut().zip(a) {
            match (columns.as_mut_slice(), a.as_slice()) {
                ([columns], [a]) => {
                    *columns = load(const { &SQUARE.begin(true) });
                    double_square::<false>(a, columns);
                }
                ([real, imaginary], [a0, a1]) => {
                    *real = load(const { &SQUARE.and_square().begin(true) });
                    double_square::<false>(a0, real);
                    double_square::<true>(a1, real);
                    *imaginary = load(const { &PRODUCT.begin(true) });
                    product(&scaled(a0, 4.0), a1, imaginary);
                }
                _ => {}
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn subtract(&mut self, subtrahend: &Block<D>) {
        for ([.., t5, t6, t7, t8, t9], [c0, c1, c2, c3, c4]) in
            self.columns.as_flattened_mut().iter_mut().zip(subtrahend.as_flattened())
        {
            *t5 = minus_limb(*t5, *c0);
            *t6 = minus_limb(*t6, *c1);
            *t7 = minus_limb(*t7, *c2);
            *t8 = minus_limb(*t8, *c3);
            *t9 = minus_limb(*t9, *c4);
        }
    }

    /// Brings the columns down to balanced limbs.
    #[inline(never)]
    #[target_feature(enable = "avx2,fma")]
    fn reduce(&mut self, out: &mut Block<D>) {
        let Self { columns, constants } = self;
        let [up_four, up_three, up_two, up_one] = &constants.up;
        for t in columns.as_flattened_mut() {
            let limb_0 = low(t[0]);
            carry(t, 0);
            let limb_1 = low(t[1]);
            carry(t, 1);
            let limb_2 = low(t[2]);
            carry(t, 2);
            let limb_3 = low(t[3]);
            carry(t, 3);
            constant_row(limb_0, up_four, t, 4);
            constant_row(limb_1, up_three, t, 4);
            constant_row(limb_2, up_two, t, 4);
            constant_row(limb_3, up_one, t, 4);
        }
        for t in columns.as_flattened_mut() {
            let low = _mm256_sub_pd(low_bits(t[4]), set(EXPONENT));
            let factor = _mm256_set1_pd(constants.negated_inverse);
            let high = _mm256_fmadd_pd(low, factor, _mm256_set1_pd(HIGH));
            let quotient = _mm256_fmadd_pd(low, factor, _mm256_sub_pd(_mm256_set1_pd(HIGH), high));
            constant_row(quotient, &constants.modulus, t, 4);
            carry(t, 4);
        }
        let [q0, q1, q2, q3, q4] = &constants.modulus;
        for (t, out) in columns.as_flattened_mut().iter_mut().zip(out.as_flattened_mut()) {
            // How often the modulus goes into what the last column, less its lowest 4 bits, stands for.
            let last = _mm256_or_si256(_mm256_srli_epi64::<4>(t[9]), _mm256_castpd_si256(set(EXPONENT)));
            let offset = _mm256_set1_pd(((1u64 << 52) + (LAST_BIAS >> 4)) as f64);
            let last = _mm256_sub_pd(_mm256_castsi256_pd(last), offset);
            let times = _mm256_mul_pd(last, _mm256_set1_pd(constants.reciprocal));
            let times = _mm256_round_pd::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(times);
            t[5] = minus_multiple(t[5], times, q0);
            t[6] = minus_multiple(t[6], times, q1);
            t[7] = minus_multiple(t[7], times, q2);
            t[8] = minus_multiple(t[8], times, q3);
            t[9] = minus_multiple(t[9], times, q4);
            let limb_0 = low(t[5]);
            carry(t, 5);
            let limb_1 = low(t[6]);
            carry(t, 6);
            let limb_2 = low(t[7]);
            carry(t, 7);
            let limb_3 = low(t[8]);
            carry(t, 8);
            let last = _mm256_sub_epi64(t[9], _mm256_set1_epi64x(LAST_BIAS as i64));
            let limb_4 = _mm256_sub_pd(_mm256_castsi256_pd(last), _mm256_set1_pd(LOW));
            *out = [limb_0, limb_1, limb_2, limb_3, limb_4];
        }
    }
}

/// A column minus a limb of at most `2^51`, plus the bits of [`LOW`].
#[inline]
#[target_feature(enable = "avx2,fma")]
fn minus_limb(column: __m256i, limb: __m256d) -> __m256i {
    _mm256_add_epi64(column, _mm256_castpd_si256(_mm256_sub_pd(_mm256_set1_pd(LOW), limb)))
}

/// A column minus a limb times a small number, together at most `2^51`, plus the bits of [`LOW`].
#[inline]
#[target_feature(enable = "avx2,fma")]
fn minus_multiple(column: __m256i, times: __m256d, limb: &Lane4) -> __m256i {
    let difference = _mm256_fnmadd_pd(times, broadcast(limb), _mm256_set1_pd(LOW));
    _mm256_add_epi64(column, _mm256_castpd_si256(difference))
}

/// `a - b`, limb by limb.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn minus<const D: usize>(a: &Element<D>, b: &Element<D>) -> Element<D> {
    let mut difference = *a;
    for (a, b) in difference.iter_mut().flatten().zip(b.iter().flatten()) {
        *a = _mm256_sub_pd(*a, *b);
    }
    difference
}

/// `a + b`, limb by limb.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn plus<const D: usize>(a: &Element<D>, b: &Element<D>) -> Element<D> {
    let mut sum = *a;
    for (a, b) in sum.iter_mut().flatten().zip(b.iter().flatten()) {
        *a = _mm256_add_pd(*a, *b);
    }
    sum
}

/// Four copies.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn repeated<const D: usize>(limbs: &[Limbs; D]) -> Element<D> {
    let mut element = [[_mm256_setzero_pd(); LIMBS]; D];
    for (to, limb) in element.iter_mut().flatten().zip(limbs.iter().flatten()) {
        *to = _mm256_set1_pd(*limb);
    }
    element
}

/// `a` times a small number, limb by limb.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn scaled(a: &Vector, by: f64) -> Vector {
    let mut product = *a;
    for limb in &mut product {
        *limb = _mm256_mul_pd(*limb, _mm256_set1_pd(by));
    }
    product
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn negated(limb: __m256d) -> __m256d {
    _mm256_xor_pd(limb, _mm256_set1_pd(-0.0))
}

/// The lower 51 bits of a column, balanced.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn low(column: __m256i) -> __m256d {
    _mm256_sub_pd(low_bits(column), _mm256_set1_pd(((1u64 << 52) + (1 << (BITS - 1))) as f64))
}

/// `2^52` plus the lower 51 bits of a column.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn low_bits(column: __m256i) -> __m256d {
    let bits = _mm256_and_si256(column, _mm256_set1_epi64x(MASK as i64));
    _mm256_or_pd(_mm256_castsi256_pd(bits), set(EXPONENT))
}

/// Carries what is above the lower 51 bits of a column to the next.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn carry(columns: &mut Columns, from: usize) {
    debug_assert!(from + 1 < COLUMNS);
    columns[from + 1] =
        _mm256_add_epi64(columns[from + 1], _mm256_srli_epi64::<{ BITS as i32 }>(columns[from]));
}

/// The double with these bits in every lane.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn set(bits: u64) -> __m256d {
    _mm256_set1_pd(f64::from_bits(bits))
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn broadcast(Lane4([lane, ..]): &Lane4) -> __m256d {
    _mm256_set1_pd(*lane)
}
