//! `.r1cs`: no panic, no allocation by a claimed size; what is read can be checked against a witness.

use tacit_algebra::{Bls12_381, Bn254, CurveId, Groups};
use tacit_circom::{R1cs, r1cs};

fn read<G: Groups>(data: &[u8]) {
    if let Ok(constraints) = R1cs::<G::Scalar>::read(data) {
        let _ = constraints.check(&[]);
        // Wires without constraints cost the file four bytes each.
        if constraints.n_wires < 1 << 16 {
            let _ = constraints.check(&vec![G::Scalar::from(1u64); constraints.n_wires as usize]);
        }
    }
}

/// The target.
pub fn run(data: &[u8]) {
    match r1cs::curve_of(data) {
        Ok(CurveId::Bn254) => read::<Bn254>(data),
        Ok(CurveId::Bls12_381) => read::<Bls12_381>(data),
        Err(error) => {
            let _ = error.to_string();
        }
    }
}
