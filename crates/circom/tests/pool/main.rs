//! The shielded pool's circuits (circuits/pool): that they compute what the model in JavaScript says, that their
//! constraints leave a prover no choice, and that each rule of EIP-8182's sections 7 and 8 is one.

#![cfg(feature = "witness")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, Field, One, PrimeField, Zero};
use serde_json::Value;
use sha3::{Digest, Keccak256};
use tacit_circom::r1cs::LinearCombination;
use tacit_circom::{Inputs, R1cs, WitnessCalculator};

mod auth;
mod babyjubjub;
mod eddsa;
mod transact;
mod xmss;

/// The inputs of `pool_transact` in the order of their wires, with the number of values: public ones first.
const TRANSACT: [(&str, usize); 44] = [
    ("noteCommitmentRoot", 1),
    ("nullifier0", 1),
    ("nullifier1", 1),
    ("noteBodyCommitment0", 1),
    ("noteBodyCommitment1", 1),
    ("noteBodyCommitment2", 1),
    ("publicAmountOut", 1),
    ("publicRecipientAddress", 1),
    ("publicTokenAddress", 1),
    ("intentReplayId", 1),
    ("validUntilSeconds", 1),
    ("executionChainId", 1),
    ("authPolicyRoot", 1),
    ("outputNoteDataHash0", 1),
    ("outputNoteDataHash1", 1),
    ("outputNoteDataHash2", 1),
    ("authVerifier", 1),
    ("blindedAuthCommitment", 1),
    ("transactionIntentDigest", 1),
    ("poolAddress", 1),
    ("ownerNullifierKey", 1),
    ("noteSecretSeed", 1),
    ("authorizingAddress", 1),
    ("leafPosition", 1),
    ("authPolicySiblings", 32),
    ("authDataCommitment", 1),
    ("registrationBlinder", 1),
    ("policyIndex", 1),
    ("policySetSiblings", 8),
    ("blindingFactor", 1),
    ("tokenAddress", 1),
    ("recipientOwnerNullifierKeyHash", 1),
    ("amount", 1),
    ("feeNoteRecipientOwnerNullifierKeyHash", 1),
    ("feeAmount", 1),
    ("executionConstraintsFlags", 1),
    ("lockedOutputBinding", 3),
    ("nonce", 1),
    ("isPhantom", 2),
    ("inputAmount", 2),
    ("inputNoteSecret", 2),
    ("inputLeafIndex", 2),
    ("inputSiblings", 64),
    ("policyVersion", 1),
];

/// The intent's fields, which all auth circuits take, in the order of their wires.
const INTENT: [(&str, usize); 15] = [
    ("authVerifier", 1),
    ("authorizingAddress", 1),
    ("operationKind", 1),
    ("tokenAddress", 1),
    ("recipientOwnerNullifierKeyHash", 1),
    ("amount", 1),
    ("feeNoteRecipientOwnerNullifierKeyHash", 1),
    ("feeAmount", 1),
    ("publicRecipientAddress", 1),
    ("executionConstraintsFlags", 1),
    ("lockedOutputBinding", 3),
    ("nonce", 1),
    ("validUntilSeconds", 1),
    ("executionChainId", 1),
    ("blindingFactor", 1),
];

const EDDSA: [(&str, usize); 3] = [("A", 2), ("R", 2), ("S", 1)];

const XMSS: [(&str, usize); 6] =
    [("root", 1), ("publicSeed", 1), ("index", 1), ("randomizer", 1), ("chains", 128), ("siblings", 10)];

/// What the pool's form adds, after all others.
const BOUND: [(&str, usize); 2] = [("policyVersion", 1), ("poolAddress", 1)];

/// Divisions of `auth_eddsa` by denominators of BabyJubjub's addition law, which is complete: two for each of 254
/// additions of the loop but the first, as many doublings, B + q, the difference, three doublings of A, and two of the
/// difference, whose third is asserted to be neutral.
const EDWARDS_DIVISORS: usize = 2 * (253 + 253 + 1 + 1 + 3 + 2);

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn circuits() -> PathBuf {
    workspace().join("circuits/pool")
}

/// One compiled circuit with its examples.
struct Circuit {
    name: String,
    r1cs: R1cs<Fr>,
    calculator: WitnessCalculator,
    layout: Vec<(&'static str, usize)>,
    examples: Vec<Example>,
}

struct Example {
    name: String,
    inputs: Inputs<Fr>,
    public: Vec<Fr>,
}

impl Circuit {
    /// `circuit` of Tacit's form (suffix "") or the EIP's ("_eip8182") from a directory with its compiled files.
    fn load(directory: &Path, circuit: &str, suffix: &str) -> Self {
        let name = format!("{circuit}{suffix}");
        let file = |extension: &str| std::fs::read(directory.join(format!("{name}.{extension}"))).unwrap();
        let examples = std::fs::read(circuits().join(format!("examples/{name}.json"))).unwrap();
        let examples: serde_json::Map<String, Value> = serde_json::from_slice(&examples).unwrap();
        let values = |value: &Value| Inputs::<Fr>::from_json(value.to_string()).unwrap();
        let bound = BOUND.map(|(name, _)| name);
        let layout: Vec<(&str, usize)> = match circuit {
            "pool_transact" => TRANSACT.to_vec(),
            "auth_eddsa" => [&INTENT[..], &EDDSA, &BOUND].concat(),
            _ => [&INTENT[..], &XMSS, &BOUND].concat(),
        };
        let layout =
            layout.into_iter().filter(|(name, _)| suffix.is_empty() || !bound.contains(name)).collect();
        Self {
            r1cs: R1cs::read(&file("r1cs")).unwrap(),
            calculator: WitnessCalculator::new(&file("wasm")).unwrap(),
            layout,
            examples: examples
                .iter()
                .map(|(name, example)| Example {
                    name: name.clone(),
                    inputs: values(&example["input"]),
                    // In the file's order, which is that of the public signals.
                    public: values(&example["public"]).0.iter().map(|(_, value)| value[0]).collect(),
                })
                .collect(),
            name,
        }
    }

    fn committed(circuit: &str) -> Self {
        Self::load(&circuits(), circuit, "")
    }

    fn example(&self, name: &str) -> &Example {
        self.examples.iter().find(|example| example.name == name).unwrap()
    }

    /// The wires of an input.
    fn wires(&self, name: &str) -> std::ops::Range<u32> {
        let mut wire = self.r1cs.input_wires().start;
        for (known, count) in &self.layout {
            let next = wire + u32::try_from(*count).unwrap();
            if *known == name {
                return wire..next;
            }
            wire = next;
        }
        panic!("{}: no input {name}", self.name)
    }

    fn witness(&self, example: &Example) -> Vec<Fr> {
        self.calculator.calculate(&example.inputs, None).unwrap()
    }

    /// The constraints that do not hold.
    fn violated(&self, witness: &[Fr]) -> Vec<usize> {
        (0..self.r1cs.constraints.len()).filter(|i| !self.holds(*i, witness)).collect()
    }

    fn holds(&self, constraint: usize, witness: &[Fr]) -> bool {
        let value = |lc: &LinearCombination<Fr>| -> Fr {
            lc.iter().map(|(wire, k)| *k * witness[*wire as usize]).sum()
        };
        let c = &self.r1cs.constraints[constraint];
        value(&c.a) * value(&c.b) == value(&c.c)
    }

    /// The inputs of a witness by name.
    fn inputs_of(&self, witness: &[Fr]) -> Inputs<Fr> {
        let values = |name: &str| self.wires(name).map(|wire| witness[wire as usize]).collect();
        Inputs(self.layout.iter().map(|(name, _)| ((*name).to_owned(), values(name))).collect())
    }

    /// All of one circuit that holds for every circuit.
    fn is_sound_and_computes_its_examples(&self, conditions: usize) {
        let determination = self.r1cs.determination();
        assert_eq!(determination.unused, [0u32; 0], "{}: unused", self.name);
        assert_eq!(determination.free, [0u32; 0], "{}: undetermined", self.name);
        assert_eq!(determination.conditions.len(), conditions, "{}", self.name);
        for example in &self.examples {
            let at = format!("{} {}", self.name, example.name);
            let witness = self.witness(example);
            assert_eq!(self.r1cs.check(&witness), Ok(()), "{at}");
            assert_eq!(witness[1..=self.r1cs.n_public() as usize], example.public, "{at}");
            // The layout is right; and the constraints alone make the same witness of the inputs as the calculator.
            for (name, values) in &self.inputs_of(&witness).0 {
                assert_eq!(example.inputs.get(name).unwrap(), &values[..], "{at} {name}");
            }
            let inputs: Vec<Fr> = self.r1cs.input_wires().map(|wire| witness[wire as usize]).collect();
            assert!(determination.complete(&self.r1cs, &inputs).unwrap() == witness, "{at}");
        }
    }

    /// Changes every wire of an example's witness.
    fn every_wire_is_held(&self, example: &Example) {
        let mut witness = self.witness(example);
        let mut at = vec![Vec::new(); witness.len()];
        for (i, c) in self.r1cs.constraints.iter().enumerate() {
            for (wire, _) in c.a.iter().chain(&c.b).chain(&c.c) {
                at[*wire as usize].push(i);
            }
        }
        for wire in 1..witness.len() {
            let honest = witness[wire];
            for changed in [honest + Fr::one(), honest.double() + Fr::from(7u64), Fr::one() - honest, -honest]
            {
                if changed == honest {
                    continue;
                }
                witness[wire] = changed;
                let held = at[wire].iter().any(|i| !self.holds(*i, &witness));
                assert!(held, "{} {}: nothing holds wire {wire}", self.name, example.name);
            }
            witness[wire] = honest;
        }
    }
}

/// `poseidon` of section 3.3.
fn poseidon(inputs: &[Fr]) -> Fr {
    let mut state = [Fr::zero(); 4];
    state[3] = Fr::from((inputs.len() as u128) << 64);
    for chunk in inputs.chunks(3) {
        for (s, x) in state.iter_mut().zip(chunk) {
            *s += x;
        }
        taceo_poseidon2::bn254::t4::permutation_in_place(&mut state);
    }
    state[0]
}

fn domain(context: &str) -> Fr {
    Fr::from_be_bytes_mod_order(&Keccak256::digest(context))
}

fn power_of_two(n: u64) -> Fr {
    Fr::from(2u64).pow([n])
}

#[test]
fn pool_transact_is_sound_and_computes_its_examples() {
    Circuit::committed("pool_transact").is_sound_and_computes_its_examples(0);
}

#[test]
fn auth_eddsa_is_sound_and_computes_its_examples() {
    Circuit::committed("auth_eddsa").is_sound_and_computes_its_examples(EDWARDS_DIVISORS);
}

#[test]
fn auth_xmss_is_sound_and_computes_its_examples() {
    Circuit::committed("auth_xmss").is_sound_and_computes_its_examples(0);
}

#[test]
fn a_change_to_any_wire_of_pool_transact_breaks_a_constraint() {
    let circuit = Circuit::committed("pool_transact");
    for example in ["transfer_fee", "withdrawal_change"] {
        circuit.every_wire_is_held(circuit.example(example));
    }
}

#[test]
fn a_change_to_any_wire_of_an_auth_circuit_breaks_a_constraint() {
    let circuit = Circuit::committed("auth_eddsa");
    circuit.every_wire_is_held(circuit.example("transfer_fee"));
    let circuit = Circuit::committed("auth_xmss");
    circuit.every_wire_is_held(circuit.example("transfer_phantom"));
}

#[test]
fn the_circuits_have_the_shapes_that_their_page_gives() {
    let page = std::fs::read_to_string(circuits().join("README.md")).unwrap();
    for (circuit, template, public, log_domain) in [
        ("pool_transact", "PoolTransact(1, 1)", "20 inputs", 16),
        ("auth_eddsa", "AuthEddsa(1)", "2 outputs", 13),
        ("auth_xmss", "AuthXmss(1, 10)", "2 outputs", 16),
    ] {
        let circuit_ = Circuit::committed(circuit);
        let r1cs = &circuit_.r1cs;
        let sizes = format!("{}, {}", r1cs.constraints.len(), r1cs.n_wires);
        let row = format!("| `{circuit}` | `{template}` | {sizes} | {public} | 2^{log_domain} |");
        assert!(page.contains(&row), "{row}");
        assert!(r1cs.constraints.len() + (r1cs.n_public() as usize) < 1 << log_domain, "{circuit}");
        let inputs: usize = circuit_.layout.iter().map(|(_, count)| count).sum();
        assert_eq!(inputs, circuit_.r1cs.input_wires().len(), "{circuit}");
    }
}

/// Whether circom is here: the npm packages, which tests may lack unless they are said to be required.
fn has_circom() -> bool {
    let modules = std::env::var_os("TACIT_NODE_MODULES")
        .map_or_else(|| workspace().join("tests/node_modules"), PathBuf::from);
    let there = modules.join("circom2/cli.js").is_file();
    if !there {
        let missing = "npm packages are not installed (npm ci --prefix tests)";
        assert!(std::env::var_os("TACIT_REQUIRE_NODE").is_none(), "{missing}");
        eprintln!("skipped: {missing}");
    }
    there
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?}\n{}\n{}", text(&output.stdout), text(&output.stderr));
}

/// The EIP's form, which nobody commits: compiled here.
#[test]
fn the_strict_form_is_sound_and_computes_its_examples() {
    if !has_circom() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let build = workspace().join("circuits/build.mjs");
    run(Command::new("node").arg(build).arg("--strict").arg(directory.path()));
    let page = std::fs::read_to_string(circuits().join("README.md")).unwrap();
    for (circuit, conditions) in [("pool_transact", 0), ("auth_eddsa", EDWARDS_DIVISORS), ("auth_xmss", 0)] {
        let circuit = Circuit::load(directory.path(), circuit, "_eip8182");
        let sizes = format!("| {}, {} |", circuit.r1cs.constraints.len(), circuit.r1cs.n_wires);
        assert!(page.contains(&sizes), "{}: {sizes}", circuit.name);
        circuit.is_sound_and_computes_its_examples(conditions);
        circuit.every_wire_is_held(&circuit.examples[0]);
    }
}
