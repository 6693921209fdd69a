//! Files of bases: what is read has one encoding, and whatever is read can be summed over.

use tacit_algebra::{Bls12_381, Bn254, Curve, CurveId};
use tacit_delegate::msm::bases::{Bases, curve_of};

fn read<C: Curve>(data: &[u8]) {
    match Bases::<C>::read(data) {
        Ok(bases) => {
            assert_eq!(bases.encode(), data);
            assert_eq!(Bases::<C>::read_checked(data, bases.id()).map(|again| again.id()), Ok(bases.id()));
            assert_eq!(Bases::<C>::new(bases.points().to_vec()).map(|again| again.id()), Ok(bases.id()));
        }
        Err(error) => drop(error.to_string()),
    }
}

/// The target.
pub fn run(data: &[u8]) {
    match curve_of(data) {
        Ok(CurveId::Bn254) => read::<Bn254>(data),
        Ok(CurveId::Bls12_381) => read::<Bls12_381>(data),
        Err(error) => drop(error.to_string()),
    }
}
