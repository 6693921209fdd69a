//! `pool_transact` against provers who claim what is not so.

use std::collections::BTreeSet;

use tacit_circom::{Determination, WitnessError};

use super::*;

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

/// `DUMMY_OWNER_NULLIFIER_KEY_HASH`, section 3.2.
fn dummy() -> Fr {
    poseidon(&[domain("eip-8182.owner_nullifier_key_hash"), Fr::from(0xdeadu64)])
}
