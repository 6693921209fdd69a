//! Each curve's instances of the fast paths: compiled here, once, for each way of adding points.

use ark_ec::scalar_mul::glv::GLVConfig;
use ark_ec::short_weierstrass::{Affine, Projective};

use super::backend::with_backend;
use super::batch::OneByOne;
use super::glv;
use super::msm::{self, Parts};
use super::subgroup;

/// A curve with fast paths.
pub trait FastCurve: GLVConfig {
    /// `sum scalars[i] * bases[i]` over all pairs of bases and scalars, which lie in the prime-order subgroup; the
    /// shorter slice decides. Not constant-time.
    fn multi_scalar(parts: Parts<'_, Self>) -> Projective<Self>;

    /// `scalar * point` for a point of the prime-order subgroup. Not constant-time.
    fn scale(point: &Projective<Self>, scalar: &Self::ScalarField) -> Projective<Self> {
        glv::scale(point, scalar)
    }

    /// Whether all points, which lie on the curve, lie in its prime-order subgroup.
    fn all_in_subgroup(points: &[Affine<Self>]) -> bool;

    /// `scalars[i] * base` for each scalar. Not constant-time.
    fn fixed_base(base: &Projective<Self>, scalars: &[Self::ScalarField]) -> Vec<Affine<Self>>;
}

/// Runs an expression with the type `$adder` standing for the best way to add points on this processor; `$lanes` is the
/// way in lanes where there is one.
macro_rules! with_adder {
    ($adder:ident, $($lanes:ty)? => $body:expr) => {{
        $(
            #[cfg(target_arch = "x86_64")]
            if super::lanes::are_available() {
                type $adder = $lanes;
                return $body;
            }
        )?
        with_backend!(B => {
            type $adder = OneByOne<B>;
            $body
        })
    }};
}

macro_rules! fast {
    ($($config:ty: $way:ident $(, in $lanes:ty)?);* $(;)?) => {$(
        impl FastCurve for $config {
            fn multi_scalar(parts: Parts<'_, Self>) -> Projective<Self> {
                with_adder!(A, $($lanes)? => msm::msm::<Self, A>(parts))
            }

            fn all_in_subgroup(points: &[Affine<Self>]) -> bool {
                with_adder!(A, $($lanes)? => subgroup::$way::<Self, A>(points))
            }

            fn fixed_base(base: &Projective<Self>, scalars: &[Self::ScalarField]) -> Vec<Affine<Self>> {
                crate::fixed_base::multiples(base, scalars)
            }
        }
    )*};
}

fast!(
    // Its cofactor is 1.
    ark_bn254::g1::Config: one_by_one, in super::lanes::Lanes<1>;
    // Its cofactor has no divisor below 10069.
    ark_bn254::g2::Config: by_combinations, in super::lanes::Lanes<2>;
    // These have small ones.
    ark_bls12_381::g1::Config: one_by_one;
    ark_bls12_381::g2::Config: one_by_one;
);
