//! Four lanes: additions of points by vectors of four double-precision numbers.
//!
//! A multiplication of 254-bit integers is bound by the one product of 64-bit words that a core completes in a cycle.
//! Its vector units complete four or eight fused multiplications and additions of doubles in that time, two of which
//! make an exact product of 51-bit limbs. This needs no more than AVX2 and FMA, which nearly every x86-64 server of the
//! last ten years has.
//!
//! | module | what it holds |
//! |---|---|
//! | [`constants`] | limbs of 51 bits, and what a modulus brings along |
//! | [`multiply`] | multiplication in a prime field and its quadratic extension, four by four |
//! | [`add`] | additions of points |
//!
//! The products' halves are split as in N. Emmart, F. Zheng, C. Weems, "Faster modular exponentiation using double
//! precision floating point arithmetic on the GPU" (ARITH 2018), here with rounding to nearest and signed limbs.

mod add;
mod constants;
mod multiply;
#[cfg(test)]
mod tests;

pub(crate) use add::Lanes;

/// Whether this processor has what the vectors need.
pub(crate) fn are_available() -> bool {
    std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma")
}
