//! EIP-8182's hash: a length-tagged sponge over Poseidon2 on BN254 (width 4, 8 full and 56 partial rounds).

use taceo_poseidon2::bn254::t4;
use tacit_algebra::{Bn254, Groups};

/// The field hashed over.
pub type Fr = <Bn254 as Groups>::Scalar;

/// `poseidon(x_1, ..., x_N)` of EIP-8182, section 3.3: capacity `N * 2^64`, rate 3, zero padding.
pub fn poseidon(inputs: &[Fr]) -> Fr {
    let zero = Fr::from(0u64);
    let mut state = [zero, zero, zero, Fr::from((inputs.len() as u128) << 64)];
    if inputs.is_empty() {
        t4::permutation_in_place(&mut state);
    }
    for chunk in inputs.chunks(3) {
        for (lane, x) in state.iter_mut().zip(chunk) {
            *lane += x;
        }
        t4::permutation_in_place(&mut state);
    }
    let [digest, ..] = state;
    digest
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tacit_algebra::field;

    /// From the EIP's asset `poseidon2_vectors.json`.
    const VECTORS: &[(&[u64], &str)] = &[
        (&[], "18dfb8dc9b82229cff974efefc8df78b1ce96d9d844236b496785c698bc6732e"),
        (&[1], "168758332d5b3e2d13be8048c8011b454590e06c44bce7f702f09103eef5a373"),
        (&[1, 2], "038682aa1cb5ae4e0a3f13da432a95c77c5c111f6f030faf9cad641ce1ed7383"),
        (&[1, 2, 3], "23864adb160dddf590f1d3303683ebcb914f828e2635f6e85a32f0a1aecd3dd8"),
        (&[1, 2, 3, 4], "130bf204a32cac1f0ace56c78b731aa3809f06df2731ebcf6b3464a15788b1b9"),
        (&[1, 2, 3, 4, 5], "2247be7014a54d17342a7ef677f58d28877780d203860396967f5d0a18d259db"),
        (&[5, 8, 13, 21, 34, 55], "050ae6a90aeeaa8164a9c44e8bd01a0e4ce0914500b86e3cbba970f0a5475abb"),
    ];

    #[test]
    fn agrees_with_the_vectors_of_eip_8182() {
        for (inputs, digest) in VECTORS {
            let inputs: Vec<Fr> = inputs.iter().map(|x| Fr::from(*x)).collect();
            assert_eq!(hex::encode(field::to_be(&poseidon(&inputs))), *digest, "{} inputs", inputs.len());
        }
    }
}
