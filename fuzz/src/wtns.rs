//! `.wtns`: what is read and written again is the same witness.

use tacit_algebra::{Bls12_381, Bn254, CurveId, Groups};
use tacit_circom::{Wtns, wtns};

fn read<G: Groups>(data: &[u8]) {
    match Wtns::<G::Scalar>::read(data) {
        Ok(witness) => {
            let again = Wtns::<G::Scalar>::read(&witness.write());
            assert!(again.is_ok_and(|again| again == witness));
        }
        Err(error) => {
            let _ = error.to_string();
        }
    }
}

/// The target.
pub fn run(data: &[u8]) {
    match wtns::curve_of(data) {
        Ok(CurveId::Bn254) => read::<Bn254>(data),
        Ok(CurveId::Bls12_381) => read::<Bls12_381>(data),
        Err(_) => {}
    }
}
