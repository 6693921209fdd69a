//! The shielded pool's circuits (circuits/pool): that they compute what the model in JavaScript says, that their
//! constraints leave a prover no choice, and that each rule of EIP-8182's sections 7 and 8 is one.

#![cfg(feature = "witness")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, Field, One, PrimeField, Zero};
use serde_json::Value;
use sha3::{Digest, Keccak256};
use tacit_circom::r1cs::LinearCombination;
use tacit_circom::{Determination, Inputs, R1cs, WitnessCalculator, WitnessError};

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

fn dummy() -> Fr {
    poseidon(&[domain("eip-8182.owner_nullifier_key_hash"), Fr::from(0xdeadu64)])
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

/// A prover that is free in everything but what it claims: the public inputs that the circuit computes follow from
/// the rest by the constraints alone. So a rule that inputs break is broken, and no other one.
struct Forger {
    circuit: Circuit,
    /// Wires that the forger chooses, by what else it does not compute.
    given: Vec<u32>,
    determination: Determination<Fr>,
    /// The examples' witnesses by name.
    witnesses: Vec<(String, Vec<Fr>)>,
}

/// The public inputs that `pool_transact` computes from the others.
const COMPUTED: [&str; 10] = [
    "noteCommitmentRoot",
    "nullifier0",
    "nullifier1",
    "noteBodyCommitment0",
    "noteBodyCommitment1",
    "noteBodyCommitment2",
    "intentReplayId",
    "authPolicyRoot",
    "blindedAuthCommitment",
    "transactionIntentDigest",
];

impl Forger {
    /// One that takes what is named from the example, though the circuit computes it.
    fn keeping(kept: &[&str]) -> Self {
        let circuit = Circuit::committed("pool_transact");
        let computed: Vec<u32> = COMPUTED
            .iter()
            .filter(|name| !kept.contains(name))
            .flat_map(|name| circuit.wires(name))
            .collect();
        let given: Vec<u32> = circuit.r1cs.input_wires().filter(|wire| !computed.contains(wire)).collect();
        let determination = circuit.r1cs.determination_by(given.clone());
        assert_eq!(determination.free, [0u32; 0]);
        let witness = |example: &Example| (example.name.clone(), circuit.witness(example));
        let witnesses = circuit.examples.iter().map(witness).collect();
        Self { circuit, given, determination, witnesses }
    }

    /// The witness of an example with changes to inputs, and which constraints it breaks.
    fn forge(&self, example: &str, changes: &[(&str, usize, Fr)]) -> (Vec<Fr>, Vec<usize>) {
        let mut values = self.witnesses.iter().find(|(name, _)| name == example).unwrap().1.clone();
        // The tree's root follows from slot 0, so the note that is real goes there.
        let phantom = self.circuit.wires("isPhantom").start;
        if !self.given.contains(&self.circuit.wires("noteCommitmentRoot").start)
            && values[phantom as usize].is_one()
        {
            for name in ["isPhantom", "inputAmount", "inputNoteSecret", "inputLeafIndex", "inputSiblings"] {
                let wires = self.circuit.wires(name);
                values[wires.start as usize..wires.end as usize].rotate_left(wires.len() / 2);
            }
        }
        for (name, i, to) in changes {
            values[self.circuit.wires(name).start as usize + i] = *to;
        }
        let given: Vec<Fr> = self.given.iter().map(|wire| values[*wire as usize]).collect();
        let witness = self.determination.complete(&self.circuit.r1cs, &given).unwrap();
        let violated = self.circuit.violated(&witness);
        (witness, violated)
    }

    /// The change breaks a constraint or a few, and the calculator refuses it too.
    fn is_refused(&self, rule: &str, example: &str, changes: &[(&str, usize, Fr)]) -> Vec<usize> {
        let (witness, violated) = self.forge(example, changes);
        assert!((1..=4).contains(&violated.len()), "{rule}: {violated:?}");
        let error = self.circuit.calculator.calculate(&self.circuit.inputs_of(&witness), None).unwrap_err();
        assert!(matches!(error, WitnessError::AssertFailed { .. }), "{rule}: {error}");
        violated
    }

    fn is_accepted(&self, what: &str, example: &str, changes: &[(&str, usize, Fr)]) {
        let (witness, violated) = self.forge(example, changes);
        assert_eq!(violated, [0usize; 0], "{what}");
        let again = self.circuit.calculator.calculate(&self.circuit.inputs_of(&witness), None).unwrap();
        assert!(again == witness, "{what}");
    }
}

/// A rule, the example that keeps it, and what breaks it: inputs with places and values.
type Case<'a> = (&'a str, &'a str, &'a [(&'a str, usize, Fr)]);

#[test]
fn each_rule_of_sections_7_and_8_is_a_constraint() {
    let forger = Forger::keeping(&[]);
    let n = |x: u64| Fr::from(x);
    let ether = n(1_000_000_000_000_000_000);
    let other = n(0x1234_5678);

    // The forger can make what is allowed: another recipient, amount, nonce, data; a change or none.
    forger.is_accepted("nothing changed", "transfer_phantom", &[]);
    forger.is_accepted("another intent", "transfer_phantom", &[("nonce", 0, other), ("amount", 0, n(1))]);
    forger.is_accepted("another recipient", "transfer_fee", &[("recipientOwnerNullifierKeyHash", 0, other)]);
    forger.is_accepted(
        "less is paid",
        "transfer_fee",
        &[("amount", 0, n(8)), ("outputNoteDataHash0", 0, other)],
    );
    let least = [("amount", 0, n(1)), ("publicAmountOut", 0, n(1))];
    forger.is_accepted("a withdrawal of the least", "withdrawal_change", &least);

    let refused: &[Case<'_>] = &[
        // Section 7.1.
        ("authorizingAddress < 2^160", "transfer_fee", &[("authorizingAddress", 0, power_of_two(160))]),
        ("tokenAddress < 2^160", "transfer_fee", &[("tokenAddress", 0, power_of_two(160))]),
        (
            "publicRecipientAddress < 2^160",
            "withdrawal_change",
            &[("publicRecipientAddress", 0, power_of_two(160))],
        ),
        ("inputAmount < 2^248", "withdrawal_change", &[("inputAmount", 0, power_of_two(248))]),
        (
            "amount < 2^248",
            "withdrawal_change",
            &[
                ("inputAmount", 0, power_of_two(248)),
                ("amount", 0, power_of_two(248)),
                ("publicAmountOut", 0, power_of_two(248)),
            ],
        ),
        (
            "feeAmount < 2^248",
            "transfer_fee",
            &[("inputAmount", 0, power_of_two(248) + n(1)), ("feeAmount", 0, power_of_two(248))],
        ),
        ("leafPosition < 2^32", "transfer_fee", &[("leafPosition", 0, power_of_two(32))]),
        ("policyIndex < 2^8", "transfer_fee", &[("policyIndex", 0, power_of_two(8))]),
        ("leafIndex < 2^32", "transfer_fee", &[("inputLeafIndex", 0, power_of_two(32))]),
        ("either inputAmount < 2^248", "transfer_two_inputs", &[("inputAmount", 1, power_of_two(248))]),
        ("either leafIndex < 2^32", "transfer_two_inputs", &[("inputLeafIndex", 1, power_of_two(32))]),
        // Section 8.2.
        ("a flag is a flag", "transfer_phantom", &[("isPhantom", 1, n(2))]),
        ("a flag is no fraction", "transfer_phantom", &[("isPhantom", 0, n(2).inverse().unwrap())]),
        ("a phantom has no amount", "transfer_phantom", &[("inputAmount", 1, n(5))]),
        (
            "a phantom does not pay",
            "transfer_phantom",
            &[("inputAmount", 1, n(5)), ("amount", 0, ether + n(5))],
        ),
        // With no real note there is nothing to pay with.
        ("a note is real", "transfer_phantom", &[("isPhantom", 0, n(1)), ("inputAmount", 0, n(0))]),
        ("phantoms do not pay", "transfer_phantom", &[("isPhantom", 0, n(1))]),
        // Section 8.4.
        ("no more out than in", "transfer_phantom", &[("amount", 0, ether + n(1))]),
        ("no fee beyond what is in", "transfer_fee", &[("feeAmount", 0, n(10))]),
        ("amounts do not wrap", "transfer_fee", &[("amount", 0, -n(1)), ("feeAmount", 0, n(11))]),
        ("fees do not wrap", "transfer_fee", &[("amount", 0, n(11)), ("feeAmount", 0, -n(1))]),
        ("inputs do not wrap", "transfer_fee", &[("inputAmount", 0, -n(1)), ("amount", 0, n(1))]),
        // Section 8.5.
        ("something is paid", "transfer_fee", &[("amount", 0, n(0))]),
        ("a transfer has a recipient", "transfer_fee", &[("recipientOwnerNullifierKeyHash", 0, n(0))]),
        ("a recipient is somebody", "transfer_fee", &[("recipientOwnerNullifierKeyHash", 0, dummy())]),
        (
            "a withdrawal has no recipient",
            "withdrawal_change",
            &[("recipientOwnerNullifierKeyHash", 0, other)],
        ),
        (
            "a withdrawal's is not the dummy",
            "withdrawal_change",
            &[("recipientOwnerNullifierKeyHash", 0, dummy())],
        ),
        ("a fee has a recipient", "transfer_fee", &[("feeNoteRecipientOwnerNullifierKeyHash", 0, n(0))]),
        (
            "a fee's recipient is somebody",
            "transfer_fee",
            &[("feeNoteRecipientOwnerNullifierKeyHash", 0, dummy())],
        ),
        (
            "no fee has no recipient",
            "transfer_phantom",
            &[("feeNoteRecipientOwnerNullifierKeyHash", 0, other)],
        ),
        ("no fee, though a recipient", "transfer_fee", &[("feeAmount", 0, n(0))]),
        ("a transfer pays no address", "transfer_fee", &[("publicRecipientAddress", 0, other)]),
        // Sections 8.8 and 8.9.
        ("a transfer shows no token", "transfer_fee", &[("publicTokenAddress", 0, other)]),
        ("a withdrawal shows its token", "withdrawal_change", &[("publicTokenAddress", 0, other)]),
        ("a withdrawal's token is the notes'", "withdrawal_change", &[("tokenAddress", 0, other)]),
        ("no more comes out than was meant", "withdrawal_change", &[("publicAmountOut", 0, ether + n(1))]),
        ("no less comes out than was meant", "withdrawal_change", &[("publicAmountOut", 0, ether - n(1))]),
        ("a withdrawal is no transfer", "withdrawal_change", &[("publicAmountOut", 0, n(0))]),
        ("a transfer is no withdrawal", "transfer_phantom", &[("publicAmountOut", 0, ether)]),
        // Section 8.10.
        ("no flag but the locks", "transfer_fee", &[("executionConstraintsFlags", 0, n(8))]),
        ("no high flag", "transfer_fee", &[("executionConstraintsFlags", 0, power_of_two(31))]),
        ("flags do not wrap", "transfer_fee", &[("executionConstraintsFlags", 0, -n(1))]),
        ("locks hold the data", "withdrawal_locked", &[("outputNoteDataHash1", 0, other)]),
        ("locks hold the note", "withdrawal_locked", &[("feeAmount", 0, n(1))]),
        ("locks hold every note", "withdrawal_locked", &[("nonce", 0, other)]),
        ("what is not locked has no lock", "transfer_fee", &[("lockedOutputBinding", 2, other)]),
        ("what is locked has one", "withdrawal_locked", &[("executionConstraintsFlags", 0, n(3))]),
    ];
    let mut broken = BTreeSet::new();
    for (rule, example, changes) in refused {
        broken.extend(forger.is_refused(rule, example, changes));
    }

    // No constraint is left that could be broken and is not, but two: that slot 0's note is in the tree, whose root this
    // forger computes from it (see the next test), and that the policy's commitment is not zero, of which nobody
    // knows a preimage.
    let Determination { assertions, conditions, .. } = &forger.determination;
    assert_eq!(conditions.len(), 1);
    let unbroken: Vec<usize> = assertions
        .iter()
        .filter(|i| !conditions.contains(i))
        .map(|i| *i as usize)
        .filter(|i| !broken.contains(i))
        .collect();
    assert_eq!(unbroken.len(), 1, "{unbroken:?}");
    assert_eq!(forger.circuit.r1cs.constraints[unbroken[0]].c, [(0, Fr::one())]);
}

/// What is in the trees stays what it is, whoever proves.
#[test]
fn leaves_are_opened_not_invented() {
    let other = Fr::from(0x1234_5678u64);
    let forger = Forger::keeping(&["authPolicyRoot"]);
    forger.is_accepted("nothing changed", "transfer_fee", &[]);
    for (rule, name) in [
        ("the registry's address", "authorizingAddress"),
        ("the registry's seed", "noteSecretSeed"),
        ("the registry's key", "ownerNullifierKey"),
        ("the registry's version", "policyVersion"),
        ("the registry's place", "leafPosition"),
        ("the policy's data", "authDataCommitment"),
        ("the policy's verifier", "authVerifier"),
        ("the policy's blinder", "registrationBlinder"),
        ("the policy's slot", "policyIndex"),
        ("the policy's path", "policySetSiblings"),
        ("the leaf's path", "authPolicySiblings"),
    ] {
        // Small enough for every range.
        let value = if name == "policyIndex" { Fr::from(77u64) } else { other };
        forger.is_refused(rule, "transfer_fee", &[(name, 0, value)]);
    }
    let forger = Forger::keeping(&["noteCommitmentRoot"]);
    forger.is_accepted("nothing changed", "transfer_fee", &[]);
    forger.is_accepted("nothing changed", "transfer_two_inputs", &[]);
    for (rule, name, i) in [
        ("a note's amount", "inputAmount", 1),
        ("a note's secret", "inputNoteSecret", 1),
        ("a note's place", "inputLeafIndex", 1),
        ("a note's path", "inputSiblings", 40),
        ("a note's owner", "ownerNullifierKey", 0),
        ("a note's token", "tokenAddress", 0),
        ("a phantom is not in the tree", "isPhantom", 0),
    ] {
        let value = if name == "isPhantom" { Fr::zero() } else { other };
        forger.is_refused(rule, "transfer_fee", &[(name, i, value)]);
    }
    // Either of two.
    for i in [0, 1] {
        forger.is_refused("a note's secret", "transfer_two_inputs", &[("inputNoteSecret", i, other)]);
        forger.is_refused("a note's path", "transfer_two_inputs", &[("inputSiblings", 32 * i, other)]);
    }
}

/// What the relation leaves to the contract: a note in both slots pays twice, and has one nullifier.
#[test]
fn a_note_in_both_slots_has_one_nullifier() {
    let forger = Forger::keeping(&[]);
    let example = "transfer_phantom";
    let (witness, _) = forger.forge(example, &[]);
    let names = ["isPhantom", "inputAmount", "inputNoteSecret", "inputLeafIndex", "inputSiblings"];
    let copied = names.iter().flat_map(|name| {
        let wires = forger.circuit.wires(name);
        let half = wires.len() / 2;
        let first = &witness[wires.start as usize..wires.start as usize + half];
        first.iter().enumerate().map(move |(i, value)| (*name, half + i, *value)).collect::<Vec<_>>()
    });
    let twice = witness[forger.circuit.wires("amount").start as usize].double();
    let changes: Vec<(&str, usize, Fr)> = copied.chain([("amount", 0, twice)]).collect();
    forger.is_accepted("a note twice", example, &changes);
    let (witness, _) = forger.forge(example, &changes);
    let nullifier = |name| witness[forger.circuit.wires(name).start as usize];
    assert_eq!(nullifier("nullifier0"), nullifier("nullifier1"));
}

/// The digest's fields, the replay id's, and all that is public: a proof is for these and no others.
#[test]
fn every_public_input_is_bound() {
    let forger = Forger::keeping(&COMPUTED);
    let names: Vec<&str> = TRANSACT.iter().take(20).map(|(name, _)| *name).collect();
    let private = ["nonce", "amount", "feeAmount", "lockedOutputBinding", "recipientOwnerNullifierKeyHash"];
    for name in
        names.into_iter().chain(private).chain(["policyVersion", "authorizingAddress", "blindingFactor"])
    {
        for example in ["transfer_fee", "withdrawal_locked"] {
            // Section 8.6: the data of an output that is not locked is the prover's choice.
            if example == "transfer_fee" && name.starts_with("outputNoteDataHash") {
                continue;
            }
            let (_, violated) = forger.forge(example, &[(name, 0, Fr::from(77u64))]);
            assert!(!violated.is_empty(), "{example}: {name}");
        }
    }
}

/// BabyJubjub (ERC-2494), as little of it as forging takes.
mod babyjubjub {
    use super::*;

    pub type Point = [Fr; 2];

    fn number(text: &str) -> Fr {
        text.parse().unwrap()
    }

    pub fn base() -> Point {
        [
            number("5299619240641551281634865583518297030282874472190772894086521144482721001553"),
            number("16950150798460657717958625567821834550301663161624707787222815936182638968203"),
        ]
    }

    pub const ORDER: &str = "2736030358979909402780800718157159386076813972158567259200215660948447373041";

    pub fn add([x1, y1]: Point, [x2, y2]: Point) -> Point {
        let (a, d) = (Fr::from(168_700u64), Fr::from(168_696u64));
        let t = d * x1 * x2 * y1 * y2;
        [
            (x1 * y2 + y1 * x2) * (Fr::one() + t).inverse().unwrap(),
            (y1 * y2 - a * x1 * x2) * (Fr::one() - t).inverse().unwrap(),
        ]
    }

    pub fn multiply(k: &num_bigint::BigUint, point: Point) -> Point {
        (0..k.bits()).rev().fold([Fr::zero(), Fr::one()], |sum, i| {
            let doubled = add(sum, sum);
            if k.bit(i) { add(doubled, point) } else { doubled }
        })
    }
}

/// The wires of a canonical expansion's bits, least significant first: in the sum of 254 of them.
fn canonical_bits(r1cs: &R1cs<Fr>) -> Vec<u32> {
    let sum = r1cs.constraints.iter().find(|c| c.a.is_empty() && c.c.len() == 255).unwrap();
    let wire_of = |k: Fr| sum.c.iter().find(|(_, coefficient)| *coefficient == k).map(|(wire, _)| *wire);
    // 1 and -1 are the lowest bit's coefficient and the number's; the sign is that of the next bit.
    let sign = if wire_of(power_of_two(1)).is_some() { Fr::one() } else { -Fr::one() };
    (0..254).map(|i| wire_of(sign * power_of_two(i)).unwrap()).collect()
}

/// The integer of an element plus the order, if it has no more than 254 bits.
fn plus_order(x: Fr) -> Option<num_bigint::BigUint> {
    let sum = num_bigint::BigUint::from(x) + num_bigint::BigUint::from(Fr::MODULUS);
    (sum.bits() <= 254).then_some(sum)
}

/// Whether a constraint is a comparator's: two wires whose product is zero.
fn is_comparison(circuit: &Circuit, constraint: usize) -> bool {
    let c = &circuit.r1cs.constraints[constraint];
    (c.a.len(), c.b.len(), c.c.len()) == (1, 1, 0)
}

/// The witness in which a canonical expansion is that of another number.
fn expanding_to(circuit: &Circuit, inputs: &[Fr], number: &num_bigint::BigUint) -> Vec<Fr> {
    let bits = canonical_bits(&circuit.r1cs);
    let given = circuit.r1cs.input_wires().chain(bits.iter().copied()).collect();
    let values = (0..254).map(|i| Fr::from(number.bit(i)));
    let values: Vec<Fr> = inputs.iter().copied().chain(values).collect();
    circuit.r1cs.determination_by(given).complete(&circuit.r1cs, &values).unwrap()
}

/// An auth circuit, an example's inputs, and what is signed.
struct Auth {
    circuit: Circuit,
    determination: Determination<Fr>,
    inputs: Vec<Fr>,
    message: Fr,
}

impl Auth {
    fn of(circuit: &str, example: &str) -> Self {
        let circuit = Circuit::committed(circuit);
        let witness = circuit.witness(circuit.example(example));
        let blinding = witness[circuit.wires("blindingFactor").start as usize];
        let message = poseidon(&[domain("tacit.auth_message"), witness[2], blinding]);
        let inputs = circuit.r1cs.input_wires().map(|wire| witness[wire as usize]).collect();
        Self { determination: circuit.r1cs.determination(), circuit, inputs, message }
    }

    fn with(&self, changes: &[(&str, &[Fr])]) -> Vec<Fr> {
        let mut inputs = self.inputs.clone();
        for (name, values) in changes {
            let at = (self.circuit.wires(name).start - self.circuit.r1cs.input_wires().start) as usize;
            inputs[at..at + values.len()].copy_from_slice(values);
        }
        inputs
    }

    /// The constraints that a change to the inputs breaks.
    fn broken_by(&self, changes: &[(&str, &[Fr])]) -> Vec<usize> {
        let inputs = self.with(changes);
        let witness = self.determination.complete(&self.circuit.r1cs, &inputs).unwrap();
        let violated = self.circuit.violated(&witness);
        let calculated = self.circuit.calculator.calculate(&self.circuit.inputs_of(&witness), None);
        assert_eq!(violated.is_empty(), calculated.is_ok());
        violated
    }
}

mod eddsa {
    use num_bigint::BigUint;

    use super::babyjubjub::{ORDER, Point, add, base, multiply};
    use super::*;

    fn order() -> BigUint {
        ORDER.parse().unwrap()
    }

    fn challenge(r: Point, a: Point, message: Fr) -> Fr {
        poseidon(&[domain("tacit.eddsa_challenge"), r[0], r[1], a[0], a[1], message])
    }

    struct Signature {
        a: Point,
        r: Point,
        s: BigUint,
    }

    impl Signature {
        fn inputs(&self) -> (Point, Point, [Fr; 1]) {
            (self.a, self.r, [Fr::from(self.s.clone())])
        }
    }

    fn sign(secret: &BigUint, nonce: u32, message: Fr, integer: impl Fn(Fr) -> BigUint) -> Signature {
        let (a, r) = (multiply(secret, base()), multiply(&BigUint::from(nonce), base()));
        let s = (BigUint::from(nonce) + integer(challenge(r, a, message)) * secret) % order();
        Signature { a, r, s }
    }

    fn broken(auth: &Auth, signature: &Signature) -> usize {
        let (a, r, s) = signature.inputs();
        auth.broken_by(&[("A", &a), ("R", &r), ("S", &s)]).len()
    }

    /// The curve is the one that circomlib has: its key of a secret, and twice that.
    #[test]
    fn keys_are_circomlibs() {
        if !has_circom() {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let compile = workspace().join("tests/circuits/compile.sh");
        run(Command::new(compile).arg(directory.path()).arg("babyjubjub.bn128"));
        let program = std::fs::read(directory.path().join("babyjubjub.bn128.wasm")).unwrap();
        let circomlib = WitnessCalculator::new(&program).unwrap();
        for secret in
            [BigUint::from(1u8), BigUint::from(0x0123_4567_89ab_cdefu64), order() - 1u8, order() >> 1]
        {
            let inputs = Inputs(vec![("secret".to_owned(), vec![Fr::from(secret.clone())])]);
            let witness = circomlib.calculate(&inputs, None).unwrap();
            let key = multiply(&secret, base());
            assert_eq!(witness[1..5], [key, add(key, key)].concat());
        }
        assert_eq!(multiply(&order(), base()), [Fr::zero(), Fr::one()]);
    }

    #[test]
    fn a_signature_is_of_its_message_by_its_key() {
        let auth = Auth::of("auth_eddsa", "transfer_fee");
        let secret = BigUint::from(0x0123_4567_89ab_cdefu64);
        let good = || sign(&secret, 99, auth.message, BigUint::from);
        assert_eq!(broken(&auth, &good()), 0);
        // Any key has its own commitment; the pool compares it.
        let negated = |[x, y]: Point| [-x, y];
        let bad = [
            ("the message", sign(&secret, 99, auth.message + Fr::one(), BigUint::from)),
            ("the key", Signature { a: multiply(&BigUint::from(5u8), base()), ..good() }),
            ("the key's sign", Signature { a: negated(good().a), ..good() }),
            ("the point", Signature { r: multiply(&BigUint::from(98u8), base()), ..good() }),
            ("the point's sign", Signature { r: negated(good().r), ..good() }),
            ("the scalar", Signature { s: good().s + 1u8, ..good() }),
            ("the scalar's sign", Signature { s: order() - good().s, ..good() }),
            ("a key off the curve", Signature { a: [Fr::one(), Fr::one()], ..good() }),
            ("a point off the curve", Signature { r: [Fr::one(), Fr::one()], ..good() }),
        ];
        for (what, signature) in bad {
            assert!(broken(&auth, &signature) > 0, "{what}");
        }
        // Everything that is signed.
        for (name, _) in INTENT.iter().chain(&BOUND) {
            assert!(!auth.broken_by(&[(name, &[Fr::from(77u64)])]).is_empty(), "{name}");
        }
    }

    #[test]
    fn only_the_least_scalar_will_do() {
        let auth = Auth::of("auth_eddsa", "transfer_fee");
        let large = (1..).map(|nonce| sign(&BigUint::from(3u8), nonce, auth.message, BigUint::from));
        let mut signature = large.into_iter().find(|s| (&s.s + order()).bits() <= 251).unwrap();
        assert_eq!(broken(&auth, &signature), 0);
        signature.s += order();
        let (a, r, s) = signature.inputs();
        let broken = auth.broken_by(&[("A", &a), ("R", &r), ("S", &s)]);
        assert!(!broken.is_empty() && broken.iter().all(|i| is_comparison(&auth.circuit, *i)));
    }

    /// By a key of small order everybody signs everything.
    #[test]
    fn a_key_of_small_order_is_none() {
        let auth = Auth::of("auth_eddsa", "transfer_fee");
        let neutral = [Fr::zero(), Fr::one()];
        let two = [Fr::zero(), -Fr::one()];
        // Of order 4: y = 0, a x^2 = 1.
        let four = [Fr::from(168_700u64).inverse().unwrap().sqrt().unwrap(), Fr::zero()];
        for a in [neutral, two, four] {
            assert_eq!(multiply(&BigUint::from(4u8), a), neutral);
            let nonce = BigUint::from(1234u32);
            assert_eq!(broken(&auth, &Signature { a, r: multiply(&nonce, base()), s: nonce }), 1);
        }
        // A point of small order in an honest key or signature does no harm: the equation has the cofactor.
        let good = sign(&BigUint::from(7u8), 5, auth.message, BigUint::from);
        let r = add(good.r, four);
        let s = (BigUint::from(5u8) + BigUint::from(challenge(r, good.a, auth.message)) * 7u8) % order();
        assert_eq!(broken(&auth, &Signature { r, s, ..good }), 0);
    }

    /// The challenge plus the order has 254 bits too, and another remainder modulo l: a second equation to solve, were it
    /// not for the comparison.
    #[test]
    fn the_challenge_has_one_expansion() {
        let auth = Auth::of("auth_eddsa", "transfer_fee");
        let secret = BigUint::from(11u8);
        let a = multiply(&secret, base());
        let (nonce, second) = (1u32..)
            .find_map(|nonce| {
                let r = multiply(&BigUint::from(nonce), base());
                Some((nonce, plus_order(challenge(r, a, auth.message))?))
            })
            .unwrap();
        let signature = sign(&secret, nonce, auth.message, |_| second.clone());
        assert!(broken(&auth, &signature) > 0);
        let (a, r, s) = signature.inputs();
        let inputs = auth.with(&[("A", &a), ("R", &r), ("S", &s)]);
        let witness = expanding_to(&auth.circuit, &inputs, &second);
        // All holds but the comparison.
        let broken = auth.circuit.violated(&witness);
        assert!(!broken.is_empty() && broken.iter().all(|i| is_comparison(&auth.circuit, *i)));
        // The same way gives the honest witness, if the number is the right one.
        let honest = sign(&secret, nonce, auth.message, BigUint::from);
        let number = BigUint::from(challenge(honest.r, honest.a, auth.message));
        let (a, r, s) = honest.inputs();
        let witness = expanding_to(&auth.circuit, &auth.with(&[("A", &a), ("R", &r), ("S", &s)]), &number);
        assert_eq!(auth.circuit.violated(&witness).len(), 0);
    }
}

mod xmss {
    use num_bigint::BigUint;

    use super::*;

    const INDEX: u64 = 777;

    fn public_seed() -> Fr {
        Fr::from(4242u64)
    }

    fn start(i: usize) -> Fr {
        Fr::from(1_000_000 + i as u64)
    }

    fn end(i: usize) -> Fr {
        let tweak = domain("tacit.xmss_chain") + Fr::from(256 * INDEX + i as u64);
        poseidon(&[tweak, public_seed(), start(i)])
    }

    fn siblings() -> Vec<Fr> {
        (0..10u64).map(|h| Fr::from(h + 31)).collect()
    }

    fn root() -> Fr {
        let ends: Vec<Fr> = (0..128).map(end).collect();
        let tweak = domain("tacit.xmss_leaf") + Fr::from(INDEX);
        let leaf = poseidon(&[&[tweak, public_seed()][..], &ends].concat());
        (1u64..).zip(siblings()).fold(leaf, |node, (h, sibling)| {
            let tweak = domain("tacit.xmss_node") + Fr::from((h << 32) + (INDEX >> h));
            let right = (INDEX >> (h - 1)) & 1 == 1;
            if right { poseidon(&[tweak, sibling, node]) } else { poseidon(&[tweak, node, sibling]) }
        })
    }

    fn digest(randomizer: u64, root: Fr, message: Fr) -> Fr {
        poseidon(&[domain("tacit.xmss_message"), Fr::from(randomizer), root, Fr::from(INDEX), message])
    }

    fn ones(number: &BigUint) -> usize {
        (0..128).filter(|i| number.bit(*i)).count()
    }

    /// The inputs that reveal what the number's codeword asks for.
    fn inputs(auth: &Auth, randomizer: u64, number: &BigUint) -> Vec<Fr> {
        let chains: Vec<Fr> =
            (0..128).map(|i| if number.bit(i as u64) { end(i) } else { start(i) }).collect();
        auth.with(&[
            ("root", &[root()]),
            ("publicSeed", &[public_seed()]),
            ("index", &[Fr::from(INDEX)]),
            ("randomizer", &[Fr::from(randomizer)]),
            ("chains", &chains),
            ("siblings", &siblings()),
        ])
    }

    #[test]
    fn a_signature_is_of_its_message_by_its_key() {
        let auth = Auth::of("auth_xmss", "transfer_phantom");
        assert_eq!(auth.broken_by(&[]).len(), 0);
        let other = Fr::from(77u64);
        for (name, _) in INTENT.iter().chain(&BOUND).chain(&XMSS) {
            assert!(!auth.broken_by(&[(name, &[other])]).is_empty(), "{name}");
        }
        let index = auth.circuit.wires("index").start - auth.circuit.r1cs.input_wires().start;
        let next_tree = auth.inputs[index as usize] + Fr::from(1024u64);
        assert!(!auth.broken_by(&[("index", &[next_tree])]).is_empty());
    }

    #[test]
    fn a_codeword_has_as_many_ones_as_zeros() {
        let auth = Auth::of("auth_xmss", "transfer_phantom");
        let determination = &auth.determination;
        let root = root();
        let mut seen = [false; 2];
        for randomizer in 0.. {
            let number = BigUint::from(digest(randomizer, root, auth.message));
            let is_codeword = ones(&number) == 64;
            if seen[usize::from(is_codeword)] {
                continue;
            }
            seen[usize::from(is_codeword)] = true;
            let inputs = inputs(&auth, randomizer, &number);
            let witness = determination.complete(&auth.circuit.r1cs, &inputs).unwrap();
            // The sum of the bits, and nothing else.
            assert_eq!(auth.circuit.violated(&witness).len(), usize::from(!is_codeword));
            if seen == [true; 2] {
                break;
            }
        }
    }

    /// The digest plus the order would be a second codeword for the same randomizer.
    #[test]
    fn the_digest_has_one_expansion() {
        let auth = Auth::of("auth_xmss", "transfer_phantom");
        let root = root();
        let (randomizer, second) = (0u64..)
            .find_map(|randomizer| {
                let number = plus_order(digest(randomizer, root, auth.message))?;
                (ones(&number) == 64).then_some((randomizer, number))
            })
            .unwrap();
        let inputs = inputs(&auth, randomizer, &second);
        let witness = expanding_to(&auth.circuit, &inputs, &second);
        let broken = auth.circuit.violated(&witness);
        assert!(!broken.is_empty() && broken.iter().all(|i| is_comparison(&auth.circuit, *i)));
    }
}
