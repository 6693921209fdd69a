//! From a curve that a file names to code that is generic over curves.

use tacit_algebra::{Bls12_381, Bn254, Curve, CurveId};

/// Something to do on a curve that is known only at run time.
pub trait OnCurve {
    /// What comes of it.
    type Output;
    /// Does it.
    fn run<C: Curve>(self) -> Self::Output;
}

/// Runs `task` on the curve that `id` names.
pub fn on_curve<T: OnCurve>(id: CurveId, task: T) -> T::Output {
    match id {
        CurveId::Bn254 => task.run::<Bn254>(),
        CurveId::Bls12_381 => task.run::<Bls12_381>(),
    }
}
