//! A transaction as whoever proves it has it: every value, none of them checked, and all that follows from a change computed anew.

use std::collections::BTreeMap;

use tacit_chain::{Call, U256, abi};
use tacit_circom::Inputs;
use tacit_pool::delivery::note_data_hash;
use tacit_pool::eddsa::{PublicKey, SigningKey};
use tacit_pool::hash::{Domain, tagged};
use tacit_pool::intent::output_binding;
use tacit_pool::note::dummy_owner;
use tacit_pool::policy::{auth_message, blinded_auth_commitment};
use tacit_pool::transaction::public::word;
use tacit_pool::tree::Path;
use tacit_pool::{Fr, PublicInputs, Rules};
use tacit_prover::Work;

use crate::common::fr;

pub const RULES: Rules = Rules::TACIT;
/// Where the public inputs begin in `transact`'s calldata: after the selector and the offsets of both proofs.
const PUBLIC_INPUTS: usize = 4 + 2 * 32;

/// The inputs of `pool_transact` by name. A digit after the name of an array means one value of it.
#[derive(Clone)]
pub struct Forged {
    values: BTreeMap<String, Vec<Fr>>,
    /// The digest's `operationKind`, which the circuit has no input for.
    kind: Fr,
    pub note_data: [Vec<u8>; 3],
    honest: PublicInputs,
}

impl Forged {
    /// What was signed, unchanged.
    pub fn of(work: &Work) -> Self {
        let statement = work.statement();
        let inputs = work.pool_inputs();
        let values = inputs.0.iter().map(|(name, values)| (name.clone(), values.clone())).collect();
        let honest = statement.public_inputs().clone();
        let kind = fr(u64::from(!honest.public_amount_out.is_zero()));
        Self { values, kind, note_data: statement.note_data().clone(), honest }
    }

    fn place(&self, name: &str) -> (String, usize) {
        if self.values.contains_key(name) {
            return (name.to_owned(), 0);
        }
        let (array, digit) = name.split_at(name.len() - 1);
        (array.to_owned(), digit.parse().unwrap())
    }

    pub fn get(&self, name: &str) -> Fr {
        if name == "operationKind" {
            return self.kind;
        }
        let (name, at) = self.place(name);
        self.values[&name][at]
    }

    pub fn set(&mut self, name: &str, value: Fr) -> &mut Self {
        if name == "operationKind" {
            self.kind = value;
        } else {
            let (name, at) = self.place(name);
            self.values.get_mut(&name).unwrap()[at] = value;
        }
        self
    }

    /// Takes values of another transaction.
    pub fn take(&mut self, from: &Self, names: &[&str]) -> &mut Self {
        for name in names {
            self.values.insert((*name).to_owned(), from.values[*name].clone());
        }
        self
    }

    /// Puts note number `from_slot` of another transaction into an input slot.
    pub fn take_note(&mut self, slot: usize, from: &Self, from_slot: usize) -> &mut Self {
        for array in ["isPhantom", "inputAmount", "inputNoteSecret", "inputLeafIndex"] {
            self.values.get_mut(array).unwrap()[slot] = from.values[array][from_slot];
        }
        let siblings = from.values["inputSiblings"][32 * from_slot..][..32].to_vec();
        self.values.get_mut("inputSiblings").unwrap()[32 * slot..][..32].copy_from_slice(&siblings);
        self
    }

    fn withdraws(&self) -> bool {
        self.kind == fr(1)
    }

    fn hash(&self, domain: Domain, names: &[&str]) -> Fr {
        tagged(domain, &names.iter().map(|name| self.get(name)).collect::<Vec<_>>())
    }

    fn owner(&self) -> Fr {
        self.hash(Domain::OwnerNullifierKeyHash, &["ownerNullifierKey"])
    }

    fn note_commitment(&self, slot: usize) -> Fr {
        let of = |array: &str| self.get(&format!("{array}{slot}"));
        let owner = tagged(Domain::OwnerCommitment, &[self.owner(), of("inputNoteSecret")]);
        let body = tagged(Domain::NoteBodyCommitment, &[owner, of("inputAmount"), self.get("tokenAddress")]);
        tagged(Domain::NoteCommitment, &[body, of("inputLeafIndex")])
    }

    fn nullifier(&self, slot: usize) -> Fr {
        let key = self.get("ownerNullifierKey");
        if self.get(&format!("isPhantom{slot}")) == fr(1) {
            let seed = self.get("noteSecretSeed");
            let inputs = [key, self.get("intentReplayId"), fr(slot as u64), seed];
            return tagged(Domain::PhantomNullifier, &inputs);
        }
        let secret = self.get(&format!("inputNoteSecret{slot}"));
        tagged(Domain::Nullifier, &[self.note_commitment(slot), key, secret])
    }

    /// The outputs by the circuit's formulas, whether or not they make sense.
    fn bodies(&self) -> [Fr; 3] {
        let zero = Fr::default();
        let [token, amount, fee] = ["tokenAddress", "amount", "feeAmount"].map(|name| self.get(name));
        let change = self.get("inputAmount0") + self.get("inputAmount1") - amount - fee;
        let recipient = self.get("recipientOwnerNullifierKeyHash");
        let change = (self.owner(), change);
        let paid = (recipient, amount);
        let (first, second) = if self.withdraws() { (change, (zero, zero)) } else { (paid, change) };
        let third = (self.get("feeNoteRecipientOwnerNullifierKeyHash"), fee);
        let mut slot = 0;
        [first, second, third].map(|(owner, amount)| {
            let (owner, token) = if amount == zero { (dummy_owner(), zero) } else { (owner, token) };
            let inputs = [self.get("noteSecretSeed"), self.get("intentReplayId"), fr(slot)];
            slot += 1;
            let owner =
                tagged(Domain::OwnerCommitment, &[owner, tagged(Domain::TransactNoteSecret, &inputs)]);
            tagged(Domain::NoteBodyCommitment, &[owner, amount, token])
        })
    }

    /// Computes what follows from the rest: what is paid out, the replay id, nullifiers, outputs, hashes, digest.
    pub fn derive(&mut self) -> &mut Self {
        let [amount, token] = ["amount", "tokenAddress"]
            .map(|name| if self.withdraws() { self.get(name) } else { Fr::default() });
        self.set("publicAmountOut", amount).set("publicTokenAddress", token);
        let replay_id = self.hash(
            Domain::IntentReplayId,
            &[
                "ownerNullifierKey",
                "authorizingAddress",
                "executionChainId",
                "nonce",
                "poolAddress",
                "policyVersion",
            ],
        );
        self.set("intentReplayId", replay_id);
        for slot in 0..2 {
            self.set(&format!("nullifier{slot}"), self.nullifier(slot));
        }
        for (slot, body) in self.bodies().into_iter().enumerate() {
            let hash = note_data_hash(&self.note_data[slot]);
            self.set(&format!("noteBodyCommitment{slot}"), body);
            self.set(&format!("outputNoteDataHash{slot}"), hash);
        }
        let blinded = blinded_auth_commitment(&self.get("authDataCommitment"), &self.get("blindingFactor"));
        self.set("blindedAuthCommitment", blinded);
        let fields: Vec<Fr> = self.field_names().iter().map(|name| self.get(name)).collect();
        self.set("transactionIntentDigest", tagged(Domain::TransactionIntentDigest, &fields))
    }

    /// The same, and locks the outputs that are locked to what they are now.
    pub fn derive_and_lock(&mut self) -> &mut Self {
        self.derive();
        let flags = self.get("executionConstraintsFlags");
        for slot in 0..3usize {
            let locked = (0..8u64).any(|n| n >> slot & 1 == 1 && fr(n) == flags);
            let body = self.get(&format!("noteBodyCommitment{slot}"));
            let binding = output_binding(&body, &self.get(&format!("outputNoteDataHash{slot}")));
            self.set(&format!("lockedOutputBinding{slot}"), if locked { binding } else { Fr::default() });
        }
        self.derive()
    }

    fn path<const D: usize>(&self, index: &str, siblings: &[Fr]) -> Path<D> {
        let index = tacit_pool::value::field_text(&self.get(index)).parse().unwrap();
        Path { index, siblings: siblings.try_into().unwrap() }
    }

    /// A registry in which the owner's leaf says what is forged.
    pub fn own_registry(&mut self) -> &mut Self {
        let policy = self
            .hash(Domain::PolicyCommitment, &["authVerifier", "authDataCommitment", "registrationBlinder"]);
        let set = self.path::<8>("policyIndex", &self.values["policySetSiblings"]).root(policy);
        let seed = self.hash(Domain::NoteSecretSeed, &["noteSecretSeed"]);
        let inputs = [self.get("authorizingAddress"), self.owner(), seed, set, self.get("policyVersion")];
        let leaf = tagged(Domain::AuthPolicy, &inputs);
        let root = self.path::<32>("leafPosition", &self.values["authPolicySiblings"]).root(leaf);
        self.set("authPolicyRoot", root)
    }

    /// A note tree that has the forged note of the first slot; the second is a phantom.
    pub fn own_note_tree(&mut self) -> &mut Self {
        let all = self.get("inputAmount0") + self.get("inputAmount1");
        self.set("inputAmount0", all).set("inputAmount1", fr(0)).set("isPhantom1", fr(1));
        let path = self.path::<32>("inputLeafIndex0", &self.values["inputSiblings"][..32]);
        let root = path.root(self.note_commitment(0));
        self.set("noteCommitmentRoot", root)
    }

    /// The digest's fields in their order.
    pub fn field_names(&self) -> Vec<&'static str> {
        field_names()
    }

    /// The inputs of `pool_transact`.
    pub fn inputs(&self) -> Inputs<Fr> {
        Inputs(self.values.iter().map(|(name, values)| (name.clone(), values.clone())).collect())
    }

    /// The inputs of `auth_eddsa` with somebody's signature.
    pub fn auth_inputs(&self, key: &PublicKey, signature: &tacit_pool::eddsa::Signature) -> Inputs<Fr> {
        let plain = field_names().into_iter().filter(|name| !name.starts_with("lockedOutputBinding"));
        let one = |name: &str| (name.to_owned(), vec![self.get(name)]);
        let mut inputs: Vec<_> = plain.chain(["blindingFactor"]).map(one).collect();
        inputs.push(("lockedOutputBinding".into(), self.values["lockedOutputBinding"].clone()));
        inputs.push(("A".into(), key.coordinates().to_vec()));
        inputs.push(("R".into(), signature.r().to_vec()));
        inputs.push(("S".into(), vec![signature.s()]));
        Inputs(inputs)
    }

    /// Somebody's signature of this very digest.
    pub fn signed_by(&self, key: &SigningKey) -> Inputs<Fr> {
        let message = auth_message(&self.get("transactionIntentDigest"), &self.get("blindingFactor"));
        self.auth_inputs(key.public(), &key.sign(&message))
    }

    /// The 19 words that `transact` takes.
    pub fn words(&self) -> Vec<U256> {
        let named = self.honest.named(RULES);
        named[..19].iter().map(|(name, _)| number(&self.get(name))).collect()
    }

    /// A call with these words for public inputs, whatever they are.
    pub fn call(&self, pool_proof: &[u8], auth_proof: &[u8], words: &[U256]) -> Call {
        let mut call =
            abi::transact(self.honest.pool_address, pool_proof, auth_proof, &self.honest, &self.note_data);
        for (i, word) in words.iter().enumerate() {
            call.data[PUBLIC_INPUTS + 32 * i..][..32].copy_from_slice(&word.to_be_bytes::<32>());
        }
        call
    }
}

/// The digest's fields as the crate hashes them: a new one appears here by itself.
pub fn field_names() -> Vec<&'static str> {
    empty_fields().hashed(RULES).into_iter().map(|(name, _)| name).collect()
}

fn empty_fields() -> tacit_pool::IntentFields {
    let (zero, nobody, nothing) = (Fr::default(), tacit_pool::Address::ZERO, tacit_pool::Amount::ZERO);
    tacit_pool::IntentFields {
        auth_verifier: nobody,
        authorizing_address: nobody,
        operation_kind: 0,
        token_address: nobody,
        recipient_owner_nullifier_key_hash: zero,
        amount: nothing,
        fee_note_recipient_owner_nullifier_key_hash: zero,
        fee_amount: nothing,
        public_recipient_address: nobody,
        execution_constraints_flags: 0,
        locked_output_binding: [zero; 3],
        nonce: zero,
        valid_until_seconds: 0,
        execution_chain_id: 0,
        policy_version: 0,
        pool_address: nobody,
    }
}

pub fn number(x: &Fr) -> U256 {
    U256::from_be_bytes(word(x))
}

/// BN254's order `p`.
pub fn order() -> U256 {
    number(&-fr(1)) + U256::from(1)
}
