//! A random note in a random tree, as inputs of the bundled circuit (`circuits/spend`, whose README has the relation).

use std::collections::HashMap;

use ark_ff::PrimeField;
use rand_core::CryptoRng;
use tacit_algebra::field;
use tacit_circom::Inputs;

use super::poseidon::{Fr, poseidon};

/// The constraint system.
pub const R1CS: &[u8] = include_bytes!("../../../../circuits/spend/spend.r1cs");
/// The witness program.
pub const WASM: &[u8] = include_bytes!("../../../../circuits/spend/spend.wasm");
/// Height of the tree.
pub const DEPTH: u32 = 20;

/// Domain tags of EIP-8182, section 3.1: `keccak256("eip-8182.<context>") mod p`.
mod tag {
    pub const OWNER_NULLIFIER_KEY_HASH: &str =
        "2b72bae19689b25ae2f37d40775684feaabf05abd7511431c627043c3fb7910a";
    pub const OWNER_COMMITMENT: &str = "23b40ecd752338e810fd1cde3df363bed4493f6804b48e8cdc31902a969ee195";
    pub const NOTE_BODY_COMMITMENT: &str = "18fe5d3a340e273bf669641ea1b02a6e06ee26a7f2faab34ca32cabafd76f835";
    pub const NOTE_COMMITMENT: &str = "2840292ccf56a25bdbc9899cc5a0150a2bb92a4d08d404dfc40fc4af2d76f482";
}

/// A spend ready for the witness calculator.
pub struct Spend {
    /// The circuit's inputs: secret.
    pub inputs: Inputs<Fr>,
    /// Notes in the tree.
    pub notes: usize,
}

/// Draws a note, puts it among `others` other notes at random places of a tree, and spends it.
pub fn random<R: CryptoRng + ?Sized>(others: usize, rng: &mut R) -> Spend {
    let key: Fr = field::random(rng);
    let note_secret: Fr = field::random(rng);
    let fee = rng.next_u64() >> 24;
    let output_amount = rng.next_u64() >> 16;
    let amount = fee + output_amount;
    let index = rng.next_u32() & ((1 << DEPTH) - 1);

    let key_hash = poseidon(&[domain(tag::OWNER_NULLIFIER_KEY_HASH), key]);
    let owner = poseidon(&[domain(tag::OWNER_COMMITMENT), key_hash, note_secret]);
    let body = poseidon(&[domain(tag::NOTE_BODY_COMMITMENT), owner, Fr::from(amount), Fr::from(0u64)]);
    let commitment = poseidon(&[domain(tag::NOTE_COMMITMENT), body, Fr::from(index)]);

    let mut tree = Tree::new();
    for _ in 0..others {
        tree.insert(rng.next_u32() & ((1 << DEPTH) - 1), field::random(rng));
    }
    tree.insert(index, commitment);

    let one = |x: Fr| vec![x];
    let inputs = Inputs(vec![
        ("root".to_owned(), one(tree.root())),
        ("publicAmount".to_owned(), one(Fr::from(fee))),
        ("context".to_owned(), one(field::random(rng))),
        ("ownerNullifierKey".to_owned(), one(key)),
        ("noteSecret".to_owned(), one(note_secret)),
        ("amount".to_owned(), one(Fr::from(amount))),
        ("leafIndex".to_owned(), one(Fr::from(index))),
        ("siblings".to_owned(), tree.siblings(index)),
        ("outputOwnerCommitment".to_owned(), one(field::random(rng))),
        ("outputAmount".to_owned(), one(Fr::from(output_amount))),
    ]);
    Spend { inputs, notes: others + 1 }
}

fn domain(tag: &str) -> Fr {
    let bytes = hex::decode(tag).unwrap_or_default();
    Fr::from_be_bytes_mod_order(&bytes)
}

/// A sparse Merkle tree: EIP-8182, section 3.4.
struct Tree {
    /// By height and position.
    nodes: HashMap<(u32, u32), Fr>,
    /// Of an empty subtree, by height.
    empty: Vec<Fr>,
}

impl Tree {
    fn new() -> Self {
        let empty = std::iter::successors(Some(Fr::from(0u64)), |below| Some(poseidon(&[*below, *below])));
        Self { nodes: HashMap::new(), empty: empty.take(DEPTH as usize + 1).collect() }
    }

    fn at(&self, height: u32, position: u32) -> Fr {
        let empty = || self.empty.get(height as usize).copied().unwrap_or_default();
        self.nodes.get(&(height, position)).copied().unwrap_or_else(empty)
    }

    fn insert(&mut self, index: u32, leaf: Fr) {
        self.nodes.insert((0, index), leaf);
        for height in 1..=DEPTH {
            let position = index >> height;
            let node = poseidon(&[self.at(height - 1, 2 * position), self.at(height - 1, 2 * position + 1)]);
            self.nodes.insert((height, position), node);
        }
    }

    fn root(&self) -> Fr {
        self.at(DEPTH, 0)
    }

    fn siblings(&self, index: u32) -> Vec<Fr> {
        (0..DEPTH).map(|height| self.at(height, (index >> height) ^ 1)).collect()
    }
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
            let spend = random(others, &mut rng);
            let witness = calculator.calculate(&spend.inputs, None).unwrap();
            constraints.check(&witness).unwrap();
            // Outputs first: nullifier, new note, then the public inputs.
            assert_eq!(Some(&witness[3..4]), spend.inputs.get("root"));
        }
    }
}
