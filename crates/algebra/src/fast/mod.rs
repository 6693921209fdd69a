//! The fast paths under [`Group`](crate::Group) and [`Domain`](crate::Domain).
//!
//! | module | what it holds |
//! |---|---|
//! | [`backend`] | multiplication in a prime field, chosen at run time for the processor |
//! | [`arithmetic`] | field operations without branches over a backend, also for quadratic extensions |
//! | [`batch`] | affine additions that share an inversion |
//! | `lanes`, on x86-64 | the same, by vectors of four double-precision numbers |
//! | [`glv`] | scalars cut in half by an endomorphism |
//! | [`inverse`] | inverses modulo a prime by division steps |
//! | [`msm`] | multi-scalar multiplication by buckets |
//! | [`subgroup`] | whether many points lie in the prime-order subgroup |
//! | [`fft`] | transforms that need no bit reversal |
//! | [`curves`] | each curve's compiled instances of all this |
//!
//! Nothing here is constant-time; the crates above say where that matters.

pub(crate) mod arithmetic;
pub(crate) mod backend;
pub(crate) mod batch;
pub(crate) mod curves;
pub(crate) mod fft;
pub(crate) mod glv;
pub(crate) mod inverse;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
pub(crate) mod lanes;
pub(crate) mod msm;
pub(crate) mod subgroup;
#[cfg(test)]
mod tests;

pub use arithmetic::{Arithmetic, ScalarField};
pub use curves::FastCurve;
pub(crate) use msm::PARTS;
pub use msm::{Part, Parts};
