//! Transactions of this crate against the compiled circuits: a witness exists, every constraint holds, and what is public is what the
//! crate says. And the circuits' own examples, in both forms, made again by this crate's formulas.

use std::sync::LazyLock;

use serde_json::Value;
use tacit_circom::{Inputs, R1cs, WitnessCalculator};
use tacit_pool::delivery::NOTE_DATA_BYTES;
use tacit_pool::hash::Fr;
use tacit_pool::policy::{Entry, auth_message, blinded_auth_commitment};
use tacit_pool::transaction::{CircuitInputs, auth_eddsa_inputs, auth_xmss_inputs};
use tacit_pool::tree::Path;
use tacit_pool::value::parse_field;
use tacit_pool::wallet::spend::Recipient;
use tacit_pool::xmss::{self, StoredKey};
use tacit_pool::{Address, Amount, IntentFields, Note, NoteBody, Policy, Rules, SecretField, eddsa};

use crate::common::*;

/// A compiled circuit.
struct Circuit {
    calculator: WitnessCalculator,
    constraints: R1cs<Fr>,
}

impl Circuit {
    fn load(name: &str) -> Self {
        let read = |end: &str| std::fs::read(workspace(&format!("circuits/pool/{name}.{end}"))).unwrap();
        Self {
            calculator: WitnessCalculator::new(&read("wasm")).unwrap(),
            constraints: R1cs::read(&read("r1cs")).unwrap(),
        }
    }

    /// The public wires of the witness, or none.
    fn public(&self, inputs: &CircuitInputs) -> Option<Vec<Fr>> {
        let inputs = Inputs::from_json(inputs.to_json().as_bytes()).unwrap();
        let witness = self.calculator.calculate(&inputs, None).ok()?;
        self.constraints.check(&witness).unwrap();
        Some(witness[1..=self.constraints.n_public() as usize].to_vec())
    }
}

static POOL_TRANSACT: LazyLock<Circuit> = LazyLock::new(|| Circuit::load("pool_transact"));

#[test]
fn what_a_wallet_prepares_satisfies_the_circuit() {
    let rules = Rules::TACIT;
    let (chain, alice, bob) = funded(rules);
    let now = chain.now();
    let fee = Some((bob.address(), amount(2)));
    let out = Recipient::Public(Address([0xcc; 20]));
    let transfer = |token, n| pay(&bob, token, n, now);
    for (name, payment) in [
        ("two notes, change, fee", {
            let mut p = transfer(Address::ZERO, 9);
            p.fee = fee.clone();
            p
        }),
        ("one note and a phantom", transfer(TOKEN, 40)),
        ("no change", transfer(TOKEN, 100)),
        ("withdrawal with change", {
            let mut p = transfer(Address::ZERO, 9);
            p.recipient = out.clone();
            p
        }),
        ("withdrawal of all, with fee", {
            let mut p = transfer(TOKEN, 98);
            (p.recipient, p.fee) = (out, fee);
            p
        }),
    ] {
        let prepared = alice.prepare(&payment, now, 9);
        let transaction = prepared.transaction();
        let public = POOL_TRANSACT.public(&transaction.pool_inputs()).expect(name);
        let expected: Vec<Fr> =
            transaction.public_inputs().named(rules).into_iter().map(|(_, x)| x).collect();
        assert_eq!(public, expected, "{name}");
        assert!(transaction.note_data().iter().all(|data| data.len() == NOTE_DATA_BYTES));
    }
}

/// Each public input and each secret changed by itself: no witness.
#[test]
fn the_circuit_takes_no_other_inputs() {
    let (chain, alice, bob) = funded(Rules::TACIT);
    let now = chain.now();
    let mut payment = pay(&bob, Address::ZERO, 9, now);
    payment.fee = Some((bob.address(), amount(1)));
    let prepared = alice.prepare(&payment, now, 9);
    let inputs = prepared.transaction().pool_inputs();
    let json: Value = serde_json::from_str(&inputs.to_json()).unwrap();
    for (name, values) in inputs.iter() {
        let at = values.len() - 1;
        let changed = tacit_pool::value::field_text(&(values[at] + fr(1))).to_string();
        let mut json = json.clone();
        if values.len() == 1 {
            json[name] = changed.into();
        } else {
            json[name][at] = changed.into();
        }
        let inputs = Inputs::<Fr>::from_json(json.to_string()).unwrap();
        assert!(POOL_TRANSACT.calculator.calculate(&inputs, None).is_err(), "{name}");
    }
}

#[test]
fn both_credentials_satisfy_their_circuits() {
    let rules = Rules::TACIT;
    let (chain, alice, bob) = funded(rules);
    let now = chain.now();
    let mut payment = pay(&bob, Address::ZERO, 9, now);
    payment.recipient = Recipient::Public(Address([0xcc; 20]));
    let prepared = alice.prepare(&payment, now, 9);
    let transaction = prepared.transaction();
    let public = transaction.public_inputs();

    let key = alice.keys.eddsa(0).unwrap();
    let signature = key.sign(prepared.message());
    let expected = [public.blinded_auth_commitment, public.transaction_intent_digest];
    let circuit = Circuit::load("auth_eddsa");
    let inputs = auth_eddsa_inputs(transaction, key.public(), &signature);
    assert_eq!(circuit.public(&inputs).unwrap(), expected);
    let forged = key.sign(&(*prepared.message() + fr(1)));
    assert_eq!(circuit.public(&auth_eddsa_inputs(transaction, key.public(), &forged)), None);

    let mut stored = StoredKey::generate(xmss::HEIGHT, &mut rng(1)).unwrap();
    let key = stored.signing_key().unwrap();
    let mut reserve = || stored.reserve().unwrap().durable(|| Ok::<(), ()>(())).unwrap();
    for _ in 0..693 {
        let _ = reserve();
    }
    let mut sign = |message: &Fr| key.sign(reserve(), message).unwrap();
    let circuit = Circuit::load("auth_xmss");
    let signature = sign(prepared.message());
    let outputs = circuit.public(&auth_xmss_inputs(transaction, key.public(), &signature)).unwrap();
    let blinded = blinded_auth_commitment(&key.public().auth_data(), prepared.blinding_factor().expose());
    assert_eq!(outputs, [blinded, public.transaction_intent_digest]);
    let forged = sign(&fr(1));
    assert_eq!(circuit.public(&auth_xmss_inputs(transaction, key.public(), &forged)), None);
}

/// An example of `circuits/pool/examples`.
struct Example<'a>(&'a Value);

impl Example<'_> {
    fn all(name: &str) -> Value {
        let path = workspace(&format!("circuits/pool/examples/{name}.json"));
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    fn many(&self, name: &str) -> Vec<Fr> {
        fn flat(value: &Value, to: &mut Vec<Fr>) {
            match value {
                Value::Array(values) => values.iter().for_each(|value| flat(value, to)),
                text => to.push(parse_field(text.as_str().unwrap()).unwrap()),
            }
        }
        let mut values = Vec::new();
        flat(&self.0["input"][name], &mut values);
        values
    }

    fn one(&self, name: &str) -> Fr {
        let [value] = self.many(name)[..] else { panic!("{name}") };
        value
    }

    fn public(&self, name: &str) -> Fr {
        parse_field(self.0["public"][name].as_str().unwrap()).unwrap()
    }

    fn secret(&self, name: &str) -> SecretField {
        SecretField::new(self.one(name))
    }

    fn address(&self, name: &str) -> Address {
        Address::from_field(&self.one(name)).unwrap()
    }

    fn u32(&self, name: &str) -> u32 {
        tacit_pool::value::field_text(&self.one(name)).parse().unwrap()
    }

    fn amount(&self, name: &str) -> Amount {
        Amount::from_field(&self.one(name)).unwrap()
    }

    fn fields(&self, rules: Rules, operation_kind: u8) -> IntentFields {
        IntentFields {
            auth_verifier: self.address("authVerifier"),
            authorizing_address: self.address("authorizingAddress"),
            operation_kind,
            token_address: self.address("tokenAddress"),
            recipient_owner_nullifier_key_hash: self.one("recipientOwnerNullifierKeyHash"),
            amount: self.amount("amount"),
            fee_note_recipient_owner_nullifier_key_hash: self.one("feeNoteRecipientOwnerNullifierKeyHash"),
            fee_amount: self.amount("feeAmount"),
            public_recipient_address: self.address("publicRecipientAddress"),
            execution_constraints_flags: self.u32("executionConstraintsFlags"),
            locked_output_binding: self.many("lockedOutputBinding").try_into().unwrap(),
            nonce: self.one("nonce"),
            valid_until_seconds: self.u32("validUntilSeconds"),
            execution_chain_id: self.u32("executionChainId"),
            policy_version: if rules.bind { self.u32("policyVersion") } else { 0 },
            pool_address: if rules.bind { self.address("poolAddress") } else { Address::ZERO },
        }
    }
}

#[test]
fn the_pools_examples_follow_from_this_crates_formulas() {
    use tacit_pool::note::{
        dummy_owner, note_secret_seed_hash, owner_nullifier_key_hash, transact_note_secret,
    };
    use tacit_pool::nullifier::{nullifier, phantom_nullifier};
    for (name, rules) in [("pool_transact", Rules::TACIT), ("pool_transact_eip8182", Rules::EIP)] {
        let examples = Example::all(name);
        let mut count = 0;
        for (title, example) in examples.as_object().unwrap() {
            count += 1;
            let e = Example(example);
            let withdrawal = e.one("publicAmountOut") != fr(0);
            let fields = e.fields(rules, withdrawal.into());
            let (key, seed) = (e.one("ownerNullifierKey"), e.one("noteSecretSeed"));
            let owner = owner_nullifier_key_hash(&key);
            assert_eq!(fields.digest(rules), e.one("transactionIntentDigest"), "{title}");
            let replay_id = fields.replay_id(rules, &key);
            assert_eq!(replay_id, e.one("intentReplayId"), "{title}");

            let policy = Policy {
                auth_verifier: fields.auth_verifier,
                auth_data_commitment: e.one("authDataCommitment"),
                registration_blinder: e.secret("registrationBlinder"),
            };
            let path = Path::<8> {
                index: e.u32("policyIndex").into(),
                siblings: e.many("policySetSiblings").try_into().unwrap(),
            };
            let entry = Entry {
                leaf_position: e.u32("leafPosition"),
                owner_nullifier_key_hash: owner,
                note_secret_seed_hash: note_secret_seed_hash(&seed),
                policy_set_commitment: path.root(policy.commitment()),
                policy_version: fields.policy_version,
            };
            let path = Path::<32> {
                index: entry.leaf_position.into(),
                siblings: e.many("authPolicySiblings").try_into().unwrap(),
            };
            assert_eq!(
                path.root(entry.leaf(rules, fields.authorizing_address)),
                e.one("authPolicyRoot"),
                "{title}"
            );
            let blinded = blinded_auth_commitment(&policy.auth_data_commitment, &e.one("blindingFactor"));
            assert_eq!(blinded, e.one("blindedAuthCommitment"), "{title}");

            let (mut sum, phantoms) = (Amount::ZERO, e.many("isPhantom"));
            for slot in 0..2u8 {
                let i = usize::from(slot);
                let amount = Amount::from_field(&e.many("inputAmount")[i]).unwrap();
                let got = if phantoms[i] == fr(1) {
                    phantom_nullifier(rules, &key, &replay_id, slot, &seed)
                } else {
                    let leaf = tacit_pool::value::field_text(&e.many("inputLeafIndex")[i]).parse().unwrap();
                    let note = Note {
                        body: NoteBody {
                            owner_nullifier_key_hash: owner,
                            note_secret: SecretField::new(e.many("inputNoteSecret")[i]),
                            amount,
                            token: fields.token_address,
                        },
                        leaf_index: leaf,
                    };
                    let siblings = e.many("inputSiblings")[32 * i..32 * (i + 1)].try_into().unwrap();
                    let path = Path::<32> { index: leaf.into(), siblings };
                    assert_eq!(path.root(note.commitment()), e.one("noteCommitmentRoot"), "{title}");
                    nullifier(rules, &note, &key)
                };
                assert_eq!(got, e.one(&format!("nullifier{slot}")), "{title}");
                sum = sum.checked_add(amount).unwrap();
            }
            let change = sum.checked_sub(fields.amount).unwrap().checked_sub(fields.fee_amount).unwrap();
            let recipient = fields.recipient_owner_nullifier_key_hash;
            let (first, second) = if withdrawal {
                ((owner, change), (owner, Amount::ZERO))
            } else {
                ((recipient, fields.amount), (owner, change))
            };
            let fee = (fields.fee_note_recipient_owner_nullifier_key_hash, fields.fee_amount);
            for (slot, (owner, amount)) in (0u8..).zip([first, second, fee]) {
                let dummy = amount.is_zero();
                let body = NoteBody {
                    owner_nullifier_key_hash: if dummy { dummy_owner() } else { owner },
                    note_secret: transact_note_secret(&seed, &replay_id, slot),
                    amount,
                    token: if dummy { Address::ZERO } else { fields.token_address },
                };
                assert_eq!(body.commitment(), e.one(&format!("noteBodyCommitment{slot}")), "{title}");
            }
        }
        assert!(count >= 3, "{name}: {count}");
    }
}

#[test]
fn the_credentials_examples_verify_here() {
    for (form, rules) in [("", Rules::TACIT), ("_eip8182", Rules::EIP)] {
        for (title, example) in Example::all(&format!("auth_eddsa{form}")).as_object().unwrap() {
            let e = Example(example);
            let fields = e.fields(rules, e.u32("operationKind").try_into().unwrap());
            let digest = fields.digest(rules);
            assert_eq!(digest, e.public("transactionIntentDigest"), "{title}");
            let [x, y] = e.many("A")[..] else { panic!("A") };
            let key = eddsa::PublicKey::new(x, y).unwrap();
            let blinding = e.one("blindingFactor");
            assert_eq!(
                blinded_auth_commitment(&key.auth_data(), &blinding),
                e.public("blindedAuthCommitment")
            );
            let signature = eddsa::Signature::new(e.many("R").try_into().unwrap(), &e.one("S")).unwrap();
            assert_eq!(key.verify(&auth_message(&digest, &blinding), &signature), Ok(()), "{title}");
        }
        for (title, example) in Example::all(&format!("auth_xmss{form}")).as_object().unwrap() {
            let e = Example(example);
            let fields = e.fields(rules, e.u32("operationKind").try_into().unwrap());
            let digest = fields.digest(rules);
            let key = xmss::PublicKey { root: e.one("root"), public_seed: e.one("publicSeed") };
            let blinding = e.one("blindingFactor");
            assert_eq!(
                blinded_auth_commitment(&key.auth_data(), &blinding),
                e.public("blindedAuthCommitment")
            );
            let signature = xmss::Signature {
                index: e.u32("index"),
                randomizer: e.one("randomizer"),
                chains: e.many("chains").try_into().unwrap(),
                siblings: e.many("siblings"),
            };
            let message = auth_message(&digest, &blinding);
            assert_eq!(key.verify(xmss::HEIGHT, &message, &signature), Ok(()), "{title}");
        }
    }
}
