//! The bundled circuit and its hash against EIP-8182's vectors, another implementation of Poseidon2, and a model of
//! the relation; and that its constraints leave a prover no choice.

#![cfg(feature = "witness")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, BigInteger, Field, PrimeField, Zero};
use proptest::prelude::*;
use sha3::{Digest, Keccak256};
use tacit_circom::r1cs::LinearCombination;
use tacit_circom::{Inputs, R1cs, WitnessCalculator, WitnessError};

const DEPTH: usize = 20;

/// The sponge of EIP-8182 section 3.3 over the permutation of `taceo-poseidon2`.
fn poseidon(inputs: &[Fr]) -> Fr {
    let mut state = [Fr::ZERO; 4];
    state[3] = Fr::from((inputs.len() as u128) << 64);
    for chunk in inputs.chunks(3) {
        for (s, x) in state.iter_mut().zip(chunk) {
            *s += x;
        }
        taceo_poseidon2::bn254::t4::permutation_in_place(&mut state);
    }
    state[0]
}

/// Section 3.1.
fn domain(context: &str) -> Fr {
    Fr::from_be_bytes_mod_order(&Keccak256::digest(format!("eip-8182.{context}")))
}

fn hex(text: &str) -> Fr {
    Inputs::from_json(format!(r#"{{"x":"{text}"}}"#)).unwrap().get("x").unwrap()[0]
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn hash_calculator() -> WitnessCalculator {
    let path = workspace().join("crates/circom/tests/fixtures/witness/eip8182_hash.wasm");
    WitnessCalculator::new(&std::fs::read(path).unwrap()).unwrap()
}

/// What EIP-8182's vector of six inputs hashes. The others hash 1, 2, 3, ...
const SIX: [u64; 6] = [5, 8, 13, 21, 34, 55];

/// The lengths that the circuit hashes, with EIP-8182's vectors (assets/eip-8182/poseidon2_vectors.json).
const VECTORS: [(usize, &str); 8] = [
    (1, "0x168758332d5b3e2d13be8048c8011b454590e06c44bce7f702f09103eef5a373"),
    (2, "0x038682aa1cb5ae4e0a3f13da432a95c77c5c111f6f030faf9cad641ce1ed7383"),
    (3, "0x23864adb160dddf590f1d3303683ebcb914f828e2635f6e85a32f0a1aecd3dd8"),
    (4, "0x130bf204a32cac1f0ace56c78b731aa3809f06df2731ebcf6b3464a15788b1b9"),
    (5, "0x2247be7014a54d17342a7ef677f58d28877780d203860396967f5d0a18d259db"),
    (6, "0x050ae6a90aeeaa8164a9c44e8bd01a0e4ce0914500b86e3cbba970f0a5475abb"),
    (17, "0x28746de9623601b06603cae6f63d985715d907d33c92474283f913a8af2b7b61"),
    (116, "0x1068e2b9483dadce7ecf8074e8197be21d741c47f0dcbbdf5d72ed7e0328d098"),
];

#[test]
fn the_circuits_hash_is_eip_8182s() {
    let calculator = hash_calculator();
    for counting in [true, false] {
        let mut inputs: Vec<Fr> = (1..=116u64).map(Fr::from).collect();
        if !counting {
            inputs[..6].copy_from_slice(&SIX.map(Fr::from));
        }
        let witness = calculator.calculate(&Inputs(vec![("in".into(), inputs.clone())]), None).unwrap();
        for ((length, expected), got) in VECTORS.iter().zip(&witness[1..]) {
            if counting == (*length != 6) {
                assert_eq!(*got, hex(expected), "{length} inputs");
                assert_eq!(poseidon(&inputs[..*length]), hex(expected), "{length} inputs");
            }
        }
    }
}

fn element() -> impl Strategy<Value = Fr> {
    prop_oneof![
        4 => proptest::array::uniform32(any::<u8>()).prop_map(|bytes| Fr::from_le_bytes_mod_order(&bytes)),
        1 => any::<u8>().prop_map(Fr::from),
        1 => any::<u8>().prop_map(|x| -Fr::from(x)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_circuits_hash_is_that_of_taceo_poseidon2(inputs in proptest::collection::vec(element(), 116)) {
        let witness = hash_calculator().calculate(&Inputs(vec![("in".into(), inputs.clone())]), None).unwrap();
        for ((length, _), got) in VECTORS.iter().zip(&witness[1..]) {
            prop_assert_eq!(*got, poseidon(&inputs[..*length]));
        }
    }
}

/// The relation as circuits/spend/README.md has it.
#[derive(Debug, Clone)]
struct Spend {
    owner_nullifier_key: Fr,
    note_secret: Fr,
    amount: Fr,
    leaf_index: Fr,
    siblings: Vec<Fr>,
    output_owner_commitment: Fr,
    output_amount: Fr,
    public_amount: Fr,
    context: Fr,
}

impl Spend {
    fn example() -> Self {
        Self {
            owner_nullifier_key: Fr::from(11u64),
            note_secret: Fr::from(12u64),
            amount: Fr::from(u64::MAX),
            leaf_index: Fr::from(0xa5a5fu64),
            siblings: (100..120u64).map(Fr::from).collect(),
            output_owner_commitment: Fr::from(13u64),
            output_amount: Fr::from(u64::MAX - 1000),
            public_amount: Fr::from(1000u64),
            context: Fr::from(14u64),
        }
    }

    fn body(owner_commitment: Fr, amount: Fr) -> Fr {
        poseidon(&[domain("note_body_commitment"), owner_commitment, amount, Fr::zero()])
    }

    fn commitment(&self) -> Fr {
        let key_hash = poseidon(&[domain("owner_nullifier_key_hash"), self.owner_nullifier_key]);
        let owner = poseidon(&[domain("owner_commitment"), key_hash, self.note_secret]);
        let body = Self::body(owner, self.amount);
        poseidon(&[domain("note_commitment"), body, self.leaf_index])
    }

    fn root(&self) -> Fr {
        let index = self.leaf_index.into_bigint();
        self.siblings.iter().enumerate().fold(self.commitment(), |node, (height, sibling)| {
            if index.get_bit(height) { poseidon(&[*sibling, node]) } else { poseidon(&[node, *sibling]) }
        })
    }

    /// nullifier, outputNoteBodyCommitment, root, publicAmount, context
    fn public(&self) -> [Fr; 5] {
        let nullifier = poseidon(&[domain("nullifier"), self.commitment(), self.owner_nullifier_key]);
        let output = Self::body(self.output_owner_commitment, self.output_amount);
        [nullifier, output, self.root(), self.public_amount, self.context]
    }

    fn inputs(&self) -> Inputs<Fr> {
        let one = |name: &str, value: Fr| (name.to_owned(), vec![value]);
        Inputs(vec![
            one("root", self.root()),
            one("publicAmount", self.public_amount),
            one("context", self.context),
            one("ownerNullifierKey", self.owner_nullifier_key),
            one("noteSecret", self.note_secret),
            one("amount", self.amount),
            one("leafIndex", self.leaf_index),
            ("siblings".to_owned(), self.siblings.clone()),
            one("outputOwnerCommitment", self.output_owner_commitment),
            one("outputAmount", self.output_amount),
        ])
    }
}

fn spend_file(name: &str) -> Vec<u8> {
    std::fs::read(workspace().join("circuits/spend").join(name)).unwrap()
}

fn calculator() -> WitnessCalculator {
    WitnessCalculator::new(&spend_file("spend.wasm")).unwrap()
}

fn constraints() -> R1cs<Fr> {
    R1cs::read(&spend_file("spend.r1cs")).unwrap()
}

#[test]
fn the_circuit_has_the_shape_that_its_page_gives() {
    let r1cs = constraints();
    assert_eq!((r1cs.n_public_outputs, r1cs.n_public_inputs, r1cs.n_private_inputs), (2, 3, 26));
    let page = String::from_utf8(spend_file("README.md")).unwrap();
    let shape = format!("| constraints, wires | {}, {} |", r1cs.constraints.len(), r1cs.n_wires);
    assert!(page.contains(&shape), "{shape}");
    let rows = r1cs.constraints.len() + r1cs.n_public() as usize + 1;
    assert_eq!(rows.next_power_of_two(), 1 << 13);
    for context in [
        "owner_nullifier_key_hash",
        "owner_commitment",
        "note_body_commitment",
        "note_commitment",
        "nullifier",
    ] {
        let tag = domain(context)
            .into_bigint()
            .to_bytes_be()
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect::<String>();
        assert!(page.contains(&format!("| `{context}` | `0x{tag}` |")), "{context}");
    }
}

#[test]
fn the_worked_example_holds() {
    let example: serde_json::Value = serde_json::from_slice(&spend_file("example.json")).unwrap();
    let inputs = Inputs::from_json(example["input"].to_string()).unwrap();
    let witness = calculator().calculate(&inputs, None).unwrap();
    constraints().check(&witness).unwrap();
    let public = Inputs::<Fr>::from_json(example["public"].to_string()).unwrap();
    let names: Vec<&str> = public.0.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["nullifier", "outputNoteBodyCommitment", "root", "publicAmount", "context"]);
    let values: Vec<Fr> = public.0.iter().map(|(_, value)| value[0]).collect();
    assert_eq!(witness[1..6], values);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_circuit_computes_what_its_page_says(
        secrets in proptest::array::uniform4(element()),
        siblings in proptest::collection::vec(element(), DEPTH),
        leaf_index in 0u64..1 << DEPTH,
        amounts: [u32; 2],
    ) {
        let [owner_nullifier_key, note_secret, output_owner_commitment, context] = secrets;
        let [output_amount, public_amount] = amounts.map(Fr::from);
        let spend = Spend {
            owner_nullifier_key,
            note_secret,
            amount: output_amount + public_amount,
            leaf_index: Fr::from(leaf_index),
            siblings,
            output_owner_commitment,
            output_amount,
            public_amount,
            context,
        };
        let witness = calculator().calculate(&spend.inputs(), None).unwrap();
        prop_assert_eq!(&witness[1..6], &spend.public()[..]);
        prop_assert_eq!(constraints().check(&witness), Ok(()));
    }
}

#[test]
fn statements_that_are_false_have_no_witness() {
    let calculator = calculator();
    let refused = |spend: &Spend, inputs: Option<Inputs<Fr>>| {
        let error = calculator.calculate(&inputs.unwrap_or_else(|| spend.inputs()), None).unwrap_err();
        assert!(matches!(error, WitnessError::AssertFailed { .. }), "{error}");
    };
    let good = Spend::example();
    let witness = calculator.calculate(&good.inputs(), None).unwrap();
    assert_eq!(witness[1..6], good.public());

    // More comes out than went in, less, or so much that the sum wraps around.
    refused(&Spend { public_amount: Fr::from(1001u64), ..good.clone() }, None);
    refused(&Spend { public_amount: Fr::from(999u64), ..good.clone() }, None);
    let wrapped = Spend {
        amount: Fr::from(5u64),
        output_amount: Fr::from(6u64),
        public_amount: -Fr::ONE,
        ..good.clone()
    };
    refused(&wrapped, None);
    let wrapped = Spend {
        amount: Fr::from(5u64),
        output_amount: -Fr::ONE,
        public_amount: Fr::from(6u64),
        ..good.clone()
    };
    refused(&wrapped, None);
    let large = Fr::from(1u128 << 64);
    refused(&Spend { amount: large, output_amount: large - Fr::from(1000u64), ..good.clone() }, None);

    // Not in the tree; beyond it.
    let mut inputs = good.inputs();
    inputs.0[0].1[0] += Fr::ONE;
    refused(&good, Some(inputs));
    refused(&Spend { leaf_index: Fr::from(1u64 << DEPTH), ..good.clone() }, None);
}

/// For each wire the constraints that it occurs in.
fn occurrences(r1cs: &R1cs<Fr>) -> Vec<Vec<usize>> {
    let mut at = vec![Vec::new(); r1cs.n_wires as usize];
    for (i, c) in r1cs.constraints.iter().enumerate() {
        for (wire, _) in c.a.iter().chain(&c.b).chain(&c.c) {
            if at[*wire as usize].last() != Some(&i) {
                at[*wire as usize].push(i);
            }
        }
    }
    at
}

#[test]
fn a_change_to_any_wire_breaks_a_constraint() {
    let r1cs = constraints();
    let mut witness = calculator().calculate(&Spend::example().inputs(), None).unwrap();
    r1cs.check(&witness).unwrap();
    let at = occurrences(&r1cs);
    let value = |lc: &LinearCombination<Fr>, witness: &[Fr]| -> Fr {
        lc.iter().map(|(wire, k)| *k * witness[*wire as usize]).sum()
    };
    for wire in 1..witness.len() {
        let honest = witness[wire];
        for changed in [honest + Fr::ONE, honest.double() + Fr::from(7u64), Fr::ONE - honest] {
            if changed == honest {
                continue;
            }
            witness[wire] = changed;
            let broken = at[wire]
                .iter()
                .map(|i| &r1cs.constraints[*i])
                .any(|c| value(&c.a, &witness) * value(&c.b, &witness) != value(&c.c, &witness));
            assert!(broken, "nothing holds wire {wire}");
        }
        witness[wire] = honest;
    }
}

/// Stronger than trying changes: by rules that hold for every witness.
#[test]
fn the_inputs_determine_every_wire() {
    let r1cs = constraints();
    let determination = r1cs.determination();
    assert_eq!(
        (determination.free, determination.unused, determination.conditions),
        (vec![], vec![], vec![])
    );
}
