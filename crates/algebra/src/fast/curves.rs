//! Each curve's instances of the fast paths: compiled here, once, for both backends.

use ark_ec::short_weierstrass::{Affine, Projective, SWCurveConfig};

use super::backend::with_backend;
use super::msm::{self, Part};
use super::subgroup;

/// A curve with fast paths.
pub trait FastCurve: SWCurveConfig {
    /// `sum scalars[i] * bases[i]` over both pairs of bases and scalars; the shorter slice decides. Not constant-time.
    fn multi_scalar(parts: [Part<'_, Self>; 2]) -> Projective<Self>;

    /// Whether all points, which lie on the curve, lie in its prime-order subgroup.
    fn all_in_subgroup(points: &[Affine<Self>]) -> bool;

    /// `scalars[i] * base` for each scalar. Not constant-time.
    fn fixed_base(base: &Projective<Self>, scalars: &[Self::ScalarField]) -> Vec<Affine<Self>>;
}

macro_rules! fast {
    ($($config:ty: $way:ident),*) => {$(
        impl FastCurve for $config {
            fn multi_scalar(parts: [Part<'_, Self>; 2]) -> Projective<Self> {
                with_backend!(B => msm::msm::<Self, B>(parts))
            }

            fn all_in_subgroup(points: &[Affine<Self>]) -> bool {
                with_backend!(B => subgroup::$way::<Self, B>(points))
            }

            fn fixed_base(base: &Projective<Self>, scalars: &[Self::ScalarField]) -> Vec<Affine<Self>> {
                crate::fixed_base::multiples(base, scalars)
            }
        }
    )*};
}

fast!(
    // Its cofactor is 1.
    ark_bn254::g1::Config: one_by_one,
    // Its cofactor has no divisor below 10069.
    ark_bn254::g2::Config: by_combinations,
    // These have small ones.
    ark_bls12_381::g1::Config: one_by_one,
    ark_bls12_381::g2::Config: one_by_one
);
