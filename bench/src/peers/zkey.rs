//! A zkey as arkworks and TACEO's crates have it: one reader, TACEO's, for both.

use ark_bn254::{Bn254, Fr};
use ark_groth16::{PreparedVerifyingKey, Proof, ProvingKey, prepare_verifying_key};
use taceo_circom_types::CheckElement;
use taceo_circom_types::groth16::Zkey;
use taceo_groth16::ConstraintMatrices;

use crate::Outcome;
use crate::files::Files;

/// A key in memory with a witness for it.
pub struct Circuit {
    /// The proving key.
    pub key: ProvingKey<Bn254>,
    /// The constraint matrices `A` and `B`.
    pub matrices: ConstraintMatrices<Fr>,
    /// All wires.
    pub witness: Vec<Fr>,
    verifying: PreparedVerifyingKey<Bn254>,
}

/// Reads a zkey; with `CheckElement::Yes` every point is checked.
pub fn read(bytes: &[u8], check: CheckElement) -> Outcome<Zkey<Bn254>> {
    Ok(Zkey::from_reader(bytes, check)?)
}

impl Circuit {
    /// Reads key and witness.
    pub fn read(files: &Files) -> Outcome<Self> {
        let (matrices, key) = read(&files.zkey()?, CheckElement::No)?.into();
        let verifying = prepare_verifying_key(&key.vk);
        Ok(Self { key, matrices, witness: files.witness()?, verifying })
    }

    /// Refuses a proof that does not verify.
    pub fn verify(&self, proof: &Proof<Bn254>) -> Outcome {
        let public = self.witness.get(1..self.matrices.num_instance_variables).unwrap_or_default();
        match ark_groth16::Groth16::<Bn254>::verify_proof(&self.verifying, proof, public)? {
            true => Ok(()),
            false => Err("the proof does not verify".into()),
        }
    }
}
