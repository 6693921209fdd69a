//! A random note in a random tree, as inputs of the bundled circuit (`circuits/spend`, whose README has the relation).

use rand_core::CryptoRng;
use tacit_algebra::field;
use tacit_circom::Inputs;
use tacit_pool::note::{note_body_commitment, note_commitment, owner_commitment, owner_nullifier_key_hash};
use tacit_pool::tree::TreeError;
use tacit_pool::tree::sparse::SparseTree;
use tacit_pool::{Address, Amount, Fr};

/// The constraint system.
pub const R1CS: &[u8] = include_bytes!("../../../../circuits/spend/spend.r1cs");
/// The witness program.
pub const WASM: &[u8] = include_bytes!("../../../../circuits/spend/spend.wasm");
/// Height of the tree.
pub const DEPTH: usize = 20;

/// A spend ready for the witness calculator.
pub struct Spend {
    /// The circuit's inputs: secret.
    pub inputs: Inputs<Fr>,
    /// Notes in the tree.
    pub notes: usize,
}

/// Draws a note, puts it among `others` other notes at random places of a tree, and spends it.
///
/// # Errors
/// [`TreeError`], never: every index is within the tree.
pub fn random<R: CryptoRng + ?Sized>(others: usize, rng: &mut R) -> Result<Spend, TreeError> {
    let key: Fr = field::random(rng);
    let note_secret: Fr = field::random(rng);
    let fee = rng.next_u64() >> 24;
    let output_amount = rng.next_u64() >> 16;
    let amount = fee + output_amount;
    let index = rng.next_u32() & ((1 << DEPTH) - 1);

    let owner = owner_commitment(&owner_nullifier_key_hash(&key), &note_secret);
    let body = note_body_commitment(&owner, Amount::from(u128::from(amount)), Address::ZERO);

    let mut tree = SparseTree::<DEPTH>::new();
    for _ in 0..others {
        tree.set(rng.next_u32() & ((1 << DEPTH) - 1), field::random(rng))?;
    }
    tree.set(index, note_commitment(&body, index))?;

    let one = |x: Fr| vec![x];
    let inputs = Inputs(vec![
        ("root".to_owned(), one(tree.root())),
        ("publicAmount".to_owned(), one(Fr::from(fee))),
        ("context".to_owned(), one(field::random(rng))),
        ("ownerNullifierKey".to_owned(), one(key)),
        ("noteSecret".to_owned(), one(note_secret)),
        ("amount".to_owned(), one(Fr::from(amount))),
        ("leafIndex".to_owned(), one(Fr::from(index))),
        ("siblings".to_owned(), tree.path(index)?.siblings.to_vec()),
        ("outputOwnerCommitment".to_owned(), one(field::random(rng))),
        ("outputAmount".to_owned(), one(Fr::from(output_amount))),
    ]);
    Ok(Spend { inputs, notes: others + 1 })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rand::SeedableRng;
    use tacit_circom::R1cs;
    use tacit_circom::witness::WitnessCalculator;

    #[test]
    fn random_spends_satisfy_the_bundled_circuit() {
        let calculator = WitnessCalculator::new(WASM).unwrap();
        let constraints = R1cs::<Fr>::read(R1CS).unwrap();
        let mut rng = rand::rngs::StdRng::seed_from_u64(7);
        for others in [0, 3] {
            let spend = random(others, &mut rng).unwrap();
            let witness = calculator.calculate(&spend.inputs, None).unwrap();
            constraints.check(&witness).unwrap();
            // Outputs first: nullifier, new note, then the public inputs.
            assert_eq!(Some(&witness[3..4]), spend.inputs.get("root"));
        }
    }
}
