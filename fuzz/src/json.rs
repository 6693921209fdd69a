//! snarkjs's JSON files: what is read and written again is the same.

use tacit_algebra::{Bls12_381, Bn254, Curve};
use tacit_circom::{Inputs, Proof, VerificationKey, json, public};

fn read<C: Curve>(data: &[u8]) {
    if let Ok(proof) = Proof::<C>::from_json(data) {
        let text = proof.to_json();
        assert_eq!(Proof::<C>::from_json(&text).map(|again| again.to_json()), Ok(text));
    }
    if let Ok(key) = VerificationKey::<C>::from_json(data) {
        let text = key.to_json();
        assert_eq!(VerificationKey::<C>::from_json(&text).map(|again| again.to_json()), Ok(text));
    }
    if let Ok(signals) = public::from_json::<C::Scalar>(data) {
        assert_eq!(public::from_json(public::to_json(&signals)), Ok(signals));
    }
    match Inputs::<C::Scalar>::from_json(data) {
        Ok(inputs) => {
            for (name, _) in &inputs.0 {
                assert!(inputs.get(name).is_some());
            }
        }
        Err(error) => {
            let _ = error.to_string();
        }
    }
}

/// The target.
pub fn run(data: &[u8]) {
    let _ = json::curve_of(data);
    read::<Bn254>(data);
    read::<Bls12_381>(data);
}
