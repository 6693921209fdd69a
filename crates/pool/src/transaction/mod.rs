//! From notes and an intent to what a prover needs: the circuits' inputs and the public inputs.
//!
//! 1. [`Spend::outputs`] are the notes that the intent will make; their secrets depend on its nonce and not on its locks.
//! 2. The wallet seals each to its owner and locks it ([`seal_outputs`], [`locks`]): whoever proves can change nothing.
//! 3. [`Transaction::new`] checks everything that the circuit will, so that a mistake is found before anyone proves.
//! 4. [`Transaction::pool_inputs`], [`auth_eddsa_inputs`] and [`auth_xmss_inputs`] are the inputs of `circuits/pool/`.

pub mod coins;
pub mod public;

use rand_core::CryptoRng;
use tacit_wire::{SealError, SealingPublicKey};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::delivery::{MEMO_BYTES, Place, note_data_hash, seal_dummy, seal_note};
use crate::eddsa;
use crate::hash::Fr;
use crate::intent::{Intent, IntentFields, OUTPUTS, Operation, output_binding};
use crate::note::{
    Note, NoteBody, dummy_owner, note_secret_seed_hash, owner_nullifier_key_hash, transact_note_secret,
};
use crate::nullifier::{nullifier, phantom_nullifier};
use crate::policy::{Entry, Policy, blinded_auth_commitment};
use crate::rules::Rules;
use crate::tree::{DEPTH, POLICY_SET_DEPTH, Path};
use crate::value::{Address, Amount, SecretField, field_text};
use crate::xmss;

pub use public::PublicInputs;

/// The owner's part of the witness: its keys and what the registry says of it.
#[derive(Debug, Clone)]
pub struct Spender {
    /// `ownerNullifierKey`.
    pub owner_nullifier_key: SecretField,
    /// `noteSecretSeed` of the epoch that the registry's root has.
    pub note_secret_seed: SecretField,
    /// The registry's entry.
    pub entry: Entry,
    /// The path of its leaf.
    pub registry_path: Path<DEPTH>,
    /// The policy that authorises.
    pub policy: Policy,
    /// The path of its commitment in the policy set.
    pub policy_path: Path<POLICY_SET_DEPTH>,
}

/// A note that is spent.
#[derive(Debug, Clone)]
pub struct Input {
    /// The note.
    pub note: Note,
    /// The path of its commitment.
    pub path: Path<DEPTH>,
}

/// What determines the outputs of a transaction.
#[derive(Debug, Clone)]
pub struct Spend<'a> {
    /// The form of the relation.
    pub rules: Rules,
    /// The owner.
    pub spender: &'a Spender,
    /// What the notes that are spent hold together.
    pub input_sum: Amount,
}

/// An output note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The note.
    pub body: NoteBody,
    /// Whether it is a dummy.
    pub dummy: bool,
}

/// Why there is no such transaction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransactionError {
    /// Not one or two notes.
    #[error("a transaction spends one or two notes, got {0}")]
    InputCount(usize),
    /// A note that is not the owner's.
    #[error("the note at leaf {0} is not the spender's")]
    ForeignNote(u32),
    /// A note of another token.
    #[error("the note at leaf {0} is of another token than the intent")]
    Token(u32),
    /// A note twice.
    #[error("the note at leaf {0} is spent twice")]
    Twice(u32),
    /// A path that leads elsewhere.
    #[error(
        "the path of the note at leaf {0} does not lead to the same root as the others: make all paths anew"
    )]
    NotePath(u32),
    /// Less goes in than is to come out.
    #[error("the notes hold {have}, the intent needs {needed}")]
    Insufficient {
        /// Of the notes.
        have: Amount,
        /// Amount and fee.
        needed: Amount,
    },
    /// The notes hold more than a note can.
    #[error("the notes hold 2^248 or more together")]
    TooMuch,
    /// Keys that are not those of the entry.
    #[error("{0} is not the one that the registry's entry has")]
    Entry(&'static str),
    /// The policy is not in the set.
    #[error("the policy is not in the set that is registered")]
    PolicyNotInSet,
    /// The intent is for something else.
    #[error("the intent's {0} is not the spender's")]
    Intent(&'static str),
    /// A lock holds another output.
    #[error("output {0} is locked to another note or other note data")]
    Locked(usize),
}

impl Spend<'_> {
    /// The three outputs (section 8.5): what is paid and the fee go where the intent says, the rest back to the spender.
    ///
    /// # Errors
    /// [`TransactionError::Insufficient`].
    pub fn outputs(
        &self,
        intent: &IntentFields,
        operation: &Operation,
    ) -> Result<[Output; OUTPUTS], TransactionError> {
        let (amount, fee) = (intent.amount, intent.fee_amount);
        let needed = amount.checked_add(fee).ok_or(TransactionError::TooMuch)?;
        let insufficient = TransactionError::Insufficient { have: self.input_sum, needed };
        let change = self.input_sum.checked_sub(needed).ok_or(insufficient)?;
        let sender = self.spender.entry.owner_nullifier_key_hash;
        let replay_id = intent.replay_id(self.rules, self.spender.owner_nullifier_key.expose());
        let output = |slot: u8, owner: Fr, amount: Amount| {
            let dummy = amount.is_zero();
            Output {
                body: NoteBody {
                    owner_nullifier_key_hash: if dummy { dummy_owner() } else { owner },
                    note_secret: transact_note_secret(
                        self.spender.note_secret_seed.expose(),
                        &replay_id,
                        slot,
                    ),
                    amount,
                    token: if dummy { Address::ZERO } else { intent.token_address },
                },
                dummy,
            }
        };
        let (first, second) = match operation {
            Operation::Transfer { recipient } => (output(0, *recipient, amount), output(1, sender, change)),
            Operation::Withdrawal { .. } => (output(0, sender, change), output(1, sender, Amount::ZERO)),
        };
        Ok([first, second, output(2, intent.fee_note_recipient_owner_nullifier_key_hash, fee)])
    }
}

/// Seals every output to its owner, and dummies to nobody. `keys` are those of the three slots; a slot without a key must be a dummy.
///
/// # Errors
/// [`SealOutputsError`].
pub fn seal_outputs<R: CryptoRng + ?Sized>(
    place: Place,
    outputs: &[Output; OUTPUTS],
    keys: [Option<&SealingPublicKey>; OUTPUTS],
    memos: &[[u8; MEMO_BYTES]; OUTPUTS],
    rng: &mut R,
) -> Result<[Vec<u8>; OUTPUTS], SealOutputsError> {
    let mut note_data: [Vec<u8>; OUTPUTS] = Default::default();
    for (slot, (to, ((output, key), memo))) in
        note_data.iter_mut().zip(outputs.iter().zip(keys).zip(memos)).enumerate()
    {
        *to = match key {
            _ if output.dummy => seal_dummy(place, rng)?,
            Some(key) => seal_note(place, key, &output.body, memo, rng)?,
            None => return Err(SealOutputsError::NoKey(slot)),
        };
    }
    Ok(note_data)
}

/// Why outputs were not sealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealOutputsError {
    /// A real output without a key.
    #[error("output {0} is a note, and no key is given to seal it to")]
    NoKey(usize),
    /// Sealing failed.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// The bindings to which every output is locked (section 8.10).
pub fn locks(outputs: &[Output; OUTPUTS], note_data: &[Vec<u8>; OUTPUTS]) -> [Option<Fr>; OUTPUTS] {
    let mut locks = [None; OUTPUTS];
    for (lock, (output, data)) in locks.iter_mut().zip(outputs.iter().zip(note_data)) {
        *lock = Some(output_binding(&output.body.commitment(), &note_data_hash(data)));
    }
    locks
}

/// What a transaction is put together from.
#[derive(Debug, Clone)]
pub struct Parts {
    /// What was authorised.
    pub intent: Intent,
    /// Hides the credential.
    pub blinding_factor: SecretField,
    /// The owner's part of the witness.
    pub spender: Spender,
    /// The notes that are spent.
    pub inputs: Vec<Input>,
    /// Note data of the outputs.
    pub note_data: [Vec<u8>; OUTPUTS],
}

/// A transaction that satisfies the pool's relation.
#[derive(Debug, Clone)]
pub struct Transaction {
    rules: Rules,
    parts: Parts,
    outputs: [Output; OUTPUTS],
    note_commitment_root: Fr,
    auth_policy_root: Fr,
}

impl Transaction {
    /// Puts a transaction together and checks what the circuit will (section 8).
    ///
    /// # Errors
    /// [`TransactionError`].
    pub fn new(rules: Rules, parts: Parts) -> Result<Self, TransactionError> {
        let Parts { intent, spender, inputs, note_data, .. } = &parts;
        let fields = intent.fields();
        let entry = &spender.entry;
        // Section 8.3.
        if owner_nullifier_key_hash(spender.owner_nullifier_key.expose()) != entry.owner_nullifier_key_hash {
            return Err(TransactionError::Entry("ownerNullifierKey"));
        }
        if note_secret_seed_hash(spender.note_secret_seed.expose()) != entry.note_secret_seed_hash {
            return Err(TransactionError::Entry("noteSecretSeed"));
        }
        // Section 8.1, points 1 to 4.
        if spender.registry_path.index != u64::from(entry.leaf_position) {
            return Err(TransactionError::Entry("leafPosition"));
        }
        if spender.policy_path.root(spender.policy.commitment()) != entry.policy_set_commitment {
            return Err(TransactionError::PolicyNotInSet);
        }
        if fields.auth_verifier != spender.policy.auth_verifier {
            return Err(TransactionError::Intent("authVerifier"));
        }
        if rules.bind && fields.policy_version != entry.policy_version {
            return Err(TransactionError::Intent("policyVersion"));
        }
        let note_commitment_root = Self::check_inputs(inputs, entry, fields.token_address)?;
        let input_sum = Amount::sum(inputs.iter().map(|input| input.note.body.amount));
        let input_sum = input_sum.ok_or(TransactionError::TooMuch)?;
        let spend = Spend { rules, spender, input_sum };
        let outputs = spend.outputs(fields, intent.operation())?;
        // Section 8.10.
        let bindings = locks(&outputs, note_data);
        let broken = |(slot, binding): &(usize, &Option<Fr>)| {
            intent.lock(*slot).is_some_and(|lock| Some(lock) != **binding)
        };
        if let Some((slot, _)) = bindings.iter().enumerate().find(broken) {
            return Err(TransactionError::Locked(slot));
        }
        let auth_policy_root = spender.registry_path.root(entry.leaf(rules, fields.authorizing_address));
        Ok(Self { rules, parts, outputs, note_commitment_root, auth_policy_root })
    }

    /// Sections 8.2 and 8.8; returns the root that every path leads to.
    fn check_inputs(inputs: &[Input], entry: &Entry, token: Address) -> Result<Fr, TransactionError> {
        if !(1..=2).contains(&inputs.len()) {
            return Err(TransactionError::InputCount(inputs.len()));
        }
        let mut root = None;
        let mut seen = Vec::new();
        for Input { note, path } in inputs {
            let leaf = note.leaf_index;
            if note.body.owner_nullifier_key_hash != entry.owner_nullifier_key_hash {
                return Err(TransactionError::ForeignNote(leaf));
            }
            if note.body.token != token {
                return Err(TransactionError::Token(leaf));
            }
            if seen.contains(&leaf) {
                return Err(TransactionError::Twice(leaf));
            }
            seen.push(leaf);
            let leads_to = path.root(note.commitment());
            if path.index != u64::from(leaf) || root.is_some_and(|root| root != leads_to) {
                return Err(TransactionError::NotePath(leaf));
            }
            root = Some(leads_to);
        }
        root.ok_or(TransactionError::InputCount(0))
    }

    /// The form of the relation that it satisfies.
    pub fn rules(&self) -> Rules {
        self.rules
    }

    /// What it was put together from; after a reorganisation, the same intent with paths made anew.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The intent.
    pub fn intent(&self) -> &Intent {
        &self.parts.intent
    }

    /// The outputs.
    pub fn outputs(&self) -> &[Output; OUTPUTS] {
        &self.outputs
    }

    /// Note data of the outputs.
    pub fn note_data(&self) -> &[Vec<u8>; OUTPUTS] {
        &self.parts.note_data
    }

    /// The root of the note tree that the proof is about.
    pub fn note_commitment_root(&self) -> &Fr {
        &self.note_commitment_root
    }

    /// The public inputs (section 9).
    pub fn public_inputs(&self) -> PublicInputs {
        let fields = self.parts.intent.fields();
        let key = self.parts.spender.owner_nullifier_key.expose();
        let replay_id = self.parts.intent.replay_id(self.rules, key);
        let mark = |slot: u8| match self.parts.inputs.get(usize::from(slot)) {
            Some(input) => nullifier(self.rules, &input.note, key),
            None => phantom_nullifier(
                self.rules,
                key,
                &replay_id,
                slot,
                self.parts.spender.note_secret_seed.expose(),
            ),
        };
        let [out0, out1, out2] = &self.outputs;
        let [data0, data1, data2] = &self.parts.note_data;
        let (amount_out, recipient, token) = match self.parts.intent.operation() {
            Operation::Transfer { .. } => (Amount::ZERO, Address::ZERO, Address::ZERO),
            Operation::Withdrawal { recipient } => (fields.amount, *recipient, fields.token_address),
        };
        PublicInputs {
            note_commitment_root: self.note_commitment_root,
            nullifiers: [mark(0), mark(1)],
            note_body_commitments: [out0.body.commitment(), out1.body.commitment(), out2.body.commitment()],
            public_amount_out: amount_out,
            public_recipient_address: recipient,
            public_token_address: token,
            intent_replay_id: replay_id,
            valid_until_seconds: fields.valid_until_seconds,
            execution_chain_id: fields.execution_chain_id,
            auth_policy_root: self.auth_policy_root,
            output_note_data_hashes: [note_data_hash(data0), note_data_hash(data1), note_data_hash(data2)],
            auth_verifier: fields.auth_verifier,
            blinded_auth_commitment: blinded_auth_commitment(
                &self.parts.spender.policy.auth_data_commitment,
                self.parts.blinding_factor.expose(),
            ),
            transaction_intent_digest: self.parts.intent.digest(self.rules),
            pool_address: fields.pool_address,
        }
    }

    /// The inputs of `pool_transact`, by the names of `circuits/pool/README.md`.
    pub fn pool_inputs(&self) -> CircuitInputs {
        let fields = self.parts.intent.fields();
        let entry = &self.parts.spender.entry;
        let mut inputs = CircuitInputs::default();
        for (name, value) in self.public_inputs().named(self.rules) {
            inputs.one(name, value);
        }
        inputs.one("ownerNullifierKey", *self.parts.spender.owner_nullifier_key.expose());
        inputs.one("noteSecretSeed", *self.parts.spender.note_secret_seed.expose());
        inputs.one("authorizingAddress", fields.authorizing_address.to_field());
        if self.rules.bind {
            inputs.one("policyVersion", Fr::from(entry.policy_version));
        }
        inputs.one("leafPosition", Fr::from(entry.leaf_position));
        inputs.many("authPolicySiblings", &self.parts.spender.registry_path.siblings);
        inputs.one("authDataCommitment", self.parts.spender.policy.auth_data_commitment);
        inputs.one("registrationBlinder", *self.parts.spender.policy.registration_blinder.expose());
        inputs.one("policyIndex", Fr::from(self.parts.spender.policy_path.index));
        inputs.many("policySetSiblings", &self.parts.spender.policy_path.siblings);
        inputs.one("blindingFactor", *self.parts.blinding_factor.expose());
        inputs.one("tokenAddress", fields.token_address.to_field());
        inputs.one("recipientOwnerNullifierKeyHash", fields.recipient_owner_nullifier_key_hash);
        inputs.one("amount", fields.amount.to_field());
        inputs
            .one("feeNoteRecipientOwnerNullifierKeyHash", fields.fee_note_recipient_owner_nullifier_key_hash);
        inputs.one("feeAmount", fields.fee_amount.to_field());
        inputs.one("executionConstraintsFlags", Fr::from(fields.execution_constraints_flags));
        inputs.many("lockedOutputBinding", &fields.locked_output_binding);
        inputs.one("nonce", fields.nonce);
        let zero = Fr::default();
        let slots = [self.parts.inputs.first(), self.parts.inputs.get(1)];
        let of = |value: fn(&Note) -> Fr| slots.map(|slot| slot.map_or(zero, |input| value(&input.note)));
        inputs.many("isPhantom", &slots.map(|slot| Fr::from(slot.is_none())));
        inputs.many("inputAmount", &of(|note| note.body.amount.to_field()));
        inputs.many("inputNoteSecret", &of(|note| *note.body.note_secret.expose()));
        inputs.many("inputLeafIndex", &of(|note| Fr::from(note.leaf_index)));
        let siblings = slots.map(|slot| slot.map_or([zero; DEPTH], |input| input.path.siblings));
        inputs.many("inputSiblings", siblings.as_flattened());
        inputs
    }

    /// The inputs that every auth circuit shares: the intent and the blinding.
    fn auth_inputs(&self) -> CircuitInputs {
        let mut inputs = CircuitInputs::default();
        for (name, value) in self.parts.intent.fields().hashed(self.rules) {
            // The circuits have one array for the three locks.
            if !name.starts_with("lockedOutputBinding") {
                inputs.one(name, value);
            }
        }
        inputs.many("lockedOutputBinding", &self.parts.intent.fields().locked_output_binding);
        inputs.one("blindingFactor", *self.parts.blinding_factor.expose());
        inputs
    }
}

/// The inputs of `auth_eddsa`.
pub fn auth_eddsa_inputs(
    transaction: &Transaction,
    key: &eddsa::PublicKey,
    signature: &eddsa::Signature,
) -> CircuitInputs {
    let mut inputs = transaction.auth_inputs();
    inputs.many("A", &key.coordinates());
    inputs.many("R", &signature.r());
    inputs.one("S", signature.s());
    inputs
}

/// The inputs of `auth_xmss`.
pub fn auth_xmss_inputs(
    transaction: &Transaction,
    key: &xmss::PublicKey,
    signature: &xmss::Signature,
) -> CircuitInputs {
    let mut inputs = transaction.auth_inputs();
    inputs.one("root", key.root);
    inputs.one("publicSeed", key.public_seed);
    inputs.one("index", Fr::from(signature.index));
    inputs.one("randomizer", signature.randomizer);
    inputs.many("chains", &signature.chains);
    inputs.many("siblings", &signature.siblings);
    inputs
}

/// A circuit's inputs by name. Wiped when dropped, never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CircuitInputs(Vec<(&'static str, Vec<Fr>)>);

impl CircuitInputs {
    fn one(&mut self, name: &'static str, value: Fr) {
        self.0.push((name, vec![value]));
    }

    fn many(&mut self, name: &'static str, values: &[Fr]) {
        self.0.push((name, values.to_vec()));
    }

    /// Names and values, arrays flattened in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &[Fr])> {
        self.0.iter().map(|(name, values)| (*name, values.as_slice()))
    }

    /// As circom's `input.json`.
    pub fn to_json(&self) -> Zeroizing<String> {
        let values: usize = self.0.iter().map(|(name, values)| name.len() + 8 + 82 * values.len()).sum();
        // Room for everything: the text must not grow and leave copies behind.
        let mut json = Zeroizing::new(String::with_capacity(2 + values));
        json.push('{');
        for (i, (name, values)) in self.0.iter().enumerate() {
            json.push_str(if i == 0 { "\"" } else { ",\"" });
            json.push_str(name);
            json.push_str("\":");
            let list = values.len() != 1;
            json.push_str(if list { "[" } else { "" });
            for (i, value) in values.iter().enumerate() {
                let text = field_text(value);
                json.push_str(if i == 0 { "\"" } else { ",\"" });
                json.push_str(&text);
                json.push('"');
            }
            json.push_str(if list { "]" } else { "" });
        }
        json.push('}');
        json
    }
}

impl std::fmt::Debug for CircuitInputs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(name, values)| (name, values.len()))).finish()
    }
}

impl Drop for CircuitInputs {
    fn drop(&mut self) {
        for (_, values) in &mut self.0 {
            values.zeroize();
        }
    }
}

impl ZeroizeOnDrop for CircuitInputs {}
