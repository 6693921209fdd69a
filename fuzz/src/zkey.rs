//! `.zkey`: the container, the header, every section; what is read and written again is the same key; a key that
//! passes every check of points can be refused when it is pinned, but nothing panics.

use tacit_algebra::{Bls12_381, Bn254, Check, Curve, CurveId};
use tacit_circom::{Zkey, zkey};
use tacit_groth16::ProvingKey;

fn read<C: Curve>(data: &[u8]) {
    // Without the checks of points the fuzzer gets past the header.
    match Zkey::<C>::read(data, Check::Trusted) {
        Ok(key) => {
            let written = key.write();
            let again = Zkey::<C>::read(&written, Check::Trusted);
            assert!(again.is_ok_and(|again| again.write() == written));
        }
        Err(error) => {
            let _ = error.to_string();
            return;
        }
    }
    if let Ok(key) = Zkey::<C>::read(data, Check::Full) {
        let _ = ProvingKey::from_zkey(key).map(|key| key.check());
    }
}

/// The target.
pub fn run(data: &[u8]) {
    match zkey::curve_of(data) {
        Ok(CurveId::Bn254) => read::<Bn254>(data),
        Ok(CurveId::Bls12_381) => read::<Bls12_381>(data),
        Err(_) => {}
    }
}
