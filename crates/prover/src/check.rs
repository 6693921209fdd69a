//! Whether work can be proved, without proving it: what the circuits demand, computed by the pool's own formulas in a few milliseconds.
//!
//! A service asks this before it takes work on, so that a witness that does not hold costs it next to nothing. What passes has a witness; what
//! does not has none, but for what no wallet makes: keys outside of BabyJubjub's subgroup, one note in both slots, sums of `2^248`.

use tacit_pool::eddsa::{self, EddsaError};
use tacit_pool::intent::IntentError;
use tacit_pool::note::{note_secret_seed_hash, owner_nullifier_key_hash};
use tacit_pool::nullifier::phantom_nullifier;
use tacit_pool::policy::{Entry, Policy, auth_message};
use tacit_pool::transaction::{Input, Parts, Spender, TransactionError};
use tacit_pool::tree::{DEPTH, POLICY_SET_DEPTH, Path};
use tacit_pool::xmss::{self, XmssError};
use tacit_pool::{
    Address, Amount, Fr, Intent, IntentFields, Note, NoteBody, PublicInputs, Rules, SecretField, Transaction,
};

use crate::signals::Values;
use crate::statement::{Statement, number};
use crate::work::{Auth, AuthCircuit, Work};

/// Why work cannot be proved. Never says a value: answers pass through others' hands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// A signal whose value means nothing.
    #[error("the witness's {0} is out of its range")]
    Range(&'static str),
    /// The intent breaks a rule.
    #[error("the intent cannot be executed: {0}")]
    Intent(#[from] IntentError),
    /// Keys, notes, paths or amounts that do not belong together.
    #[error("the witness does not hold: {0}")]
    Witness(&'static str),
    /// The statement says something else.
    #[error("the witness gives another {0} than the public inputs")]
    Public(&'static str),
    /// The authorisation is of something else.
    #[error("the authorisation's {0} is not that of the transaction")]
    Authorised(&'static str),
    /// The signature is not one of this intent.
    #[error(transparent)]
    Eddsa(#[from] EddsaError),
    /// The same by XMSS.
    #[error(transparent)]
    Xmss(#[from] XmssError),
}

impl From<TransactionError> for CheckError {
    fn from(error: TransactionError) -> Self {
        Self::Witness(match error {
            TransactionError::InputCount(_) => "it spends no note",
            TransactionError::Twice(_) => "it spends one note twice",
            TransactionError::NotePath(_) => "a note's path leads to another root",
            TransactionError::Insufficient { .. } => "the notes hold less than what is to be paid",
            TransactionError::TooMuch => "the notes hold 2^248 or more together",
            TransactionError::Locked(_) => "an output is not the one to which the intent is locked",
            _ => "keys, policy and registry entry do not belong together",
        })
    }
}

/// Computes the statement from the witness and compares, and verifies the credential's signature. A proof of the authorisation that came with
/// the work ([`Auth::Ready`]) is not looked at: that is its verifier's.
///
/// # Errors
/// [`CheckError`].
pub fn check(work: &Work) -> Result<(), CheckError> {
    let (statement, rules, signals) = (work.statement(), work.rules(), Named(work.pool()));
    let intent = Intent::try_from(intent_fields(statement, signals)?)?;
    let spender = spender(statement.public_inputs().auth_verifier, rules, signals)?;
    let slots = [slot(0, &spender, &intent, signals)?, slot(1, &spender, &intent, signals)?];
    let (key, seed) = (spender.owner_nullifier_key.clone(), spender.note_secret_seed.clone());
    // The pool's transactions have their phantom behind their note; the circuit takes it before as well.
    let phantom_first = slots.first().is_some_and(Option::is_none);
    let transaction = Transaction::new(
        rules,
        Parts {
            intent,
            blinding_factor: SecretField::new(signals.one("blindingFactor")?),
            spender,
            inputs: slots.into_iter().flatten().collect(),
            note_data: statement.note_data().clone(),
        },
    )?;
    let mut public = transaction.public_inputs();
    if phantom_first {
        let [real, _] = public.nullifiers;
        let phantom = phantom_nullifier(rules, key.expose(), &public.intent_replay_id, 0, seed.expose());
        public.nullifiers = [phantom, real];
    }
    compare(rules, &public, statement.public_inputs())?;
    match work.auth() {
        Auth::Ready(_) => Ok(()),
        Auth::Circuit { circuit, inputs } => authorised(*circuit, Named(inputs), &transaction),
    }
}

/// Signals by name.
#[derive(Clone, Copy)]
struct Named<'a>(&'a Values);

impl Named<'_> {
    fn many<const N: usize>(self, name: &'static str) -> Result<[Fr; N], CheckError> {
        self.0.get(name).and_then(|values| values.try_into().ok()).ok_or(CheckError::Range(name))
    }

    fn one(self, name: &'static str) -> Result<Fr, CheckError> {
        self.many::<1>(name).map(|[value]| value)
    }

    fn number(self, name: &'static str) -> Result<u32, CheckError> {
        number(&self.one(name)?).ok_or(CheckError::Range(name))
    }

    fn address(self, name: &'static str) -> Result<Address, CheckError> {
        Address::from_field(&self.one(name)?).map_err(|_| CheckError::Range(name))
    }

    fn amount(self, name: &'static str) -> Result<Amount, CheckError> {
        Amount::from_field(&self.one(name)?).ok_or(CheckError::Range(name))
    }
}

/// Section 8.9: the intent's fields, as far as they are public from the statement.
fn intent_fields(statement: &Statement, signals: Named<'_>) -> Result<IntentFields, CheckError> {
    let public = statement.public_inputs();
    Ok(IntentFields {
        auth_verifier: public.auth_verifier,
        authorizing_address: signals.address("authorizingAddress")?,
        operation_kind: u8::from(!public.public_amount_out.is_zero()),
        token_address: signals.address("tokenAddress")?,
        recipient_owner_nullifier_key_hash: signals.one("recipientOwnerNullifierKeyHash")?,
        amount: signals.amount("amount")?,
        fee_note_recipient_owner_nullifier_key_hash: signals.one("feeNoteRecipientOwnerNullifierKeyHash")?,
        fee_amount: signals.amount("feeAmount")?,
        public_recipient_address: public.public_recipient_address,
        execution_constraints_flags: signals.number("executionConstraintsFlags")?,
        locked_output_binding: signals.many("lockedOutputBinding")?,
        nonce: signals.one("nonce")?,
        valid_until_seconds: public.valid_until_seconds,
        execution_chain_id: public.execution_chain_id,
        policy_version: if statement.rules().bind { signals.number("policyVersion")? } else { 0 },
        pool_address: public.pool_address,
    })
}

/// The owner with the registry entry that its keys and its policy make: whether it is registered, the root says.
fn spender(auth_verifier: Address, rules: Rules, signals: Named<'_>) -> Result<Spender, CheckError> {
    let owner_nullifier_key = SecretField::new(signals.one("ownerNullifierKey")?);
    let note_secret_seed = SecretField::new(signals.one("noteSecretSeed")?);
    let policy = Policy {
        auth_verifier,
        auth_data_commitment: signals.one("authDataCommitment")?,
        registration_blinder: SecretField::new(signals.one("registrationBlinder")?),
    };
    let index = u64::from(signals.number("policyIndex")?);
    if index >> POLICY_SET_DEPTH != 0 {
        return Err(CheckError::Range("policyIndex"));
    }
    let policy_path = Path { index, siblings: signals.many("policySetSiblings")? };
    let leaf_position = signals.number("leafPosition")?;
    let entry = Entry {
        leaf_position,
        owner_nullifier_key_hash: owner_nullifier_key_hash(owner_nullifier_key.expose()),
        note_secret_seed_hash: note_secret_seed_hash(note_secret_seed.expose()),
        policy_set_commitment: policy_path.root(policy.commitment()),
        policy_version: if rules.bind { signals.number("policyVersion")? } else { 0 },
    };
    let registry_path = Path { index: leaf_position.into(), siblings: signals.many("authPolicySiblings")? };
    Ok(Spender { owner_nullifier_key, note_secret_seed, entry, registry_path, policy, policy_path })
}

/// Section 8.2: the note of an input slot; `None` for a phantom.
fn slot(
    slot: usize,
    spender: &Spender,
    intent: &Intent,
    signals: Named<'_>,
) -> Result<Option<Input>, CheckError> {
    let of = |name: &'static str| -> Result<Fr, CheckError> {
        signals.many::<2>(name)?.get(slot).copied().ok_or(CheckError::Range(name))
    };
    let leaf_index = number(&of("inputLeafIndex")?).ok_or(CheckError::Range("inputLeafIndex"))?;
    let amount = Amount::from_field(&of("inputAmount")?).ok_or(CheckError::Range("inputAmount"))?;
    match number(&of("isPhantom")?) {
        Some(0) => {}
        Some(1) if amount.is_zero() => return Ok(None),
        Some(1) => return Err(CheckError::Witness("a slot without a note holds something")),
        _ => return Err(CheckError::Range("isPhantom")),
    }
    let name = "inputSiblings";
    let siblings = signals.many::<{ 2 * DEPTH }>(name)?;
    let siblings = *siblings.as_chunks::<DEPTH>().0.get(slot).ok_or(CheckError::Range(name))?;
    let body = NoteBody {
        owner_nullifier_key_hash: spender.entry.owner_nullifier_key_hash,
        note_secret: SecretField::new(of("inputNoteSecret")?),
        amount,
        token: intent.fields().token_address,
    };
    let path = Path { index: leaf_index.into(), siblings };
    Ok(Some(Input { note: Note { body, leaf_index }, path }))
}

fn compare(rules: Rules, gives: &PublicInputs, says: &PublicInputs) -> Result<(), CheckError> {
    let (gives, says) = (gives.named(rules), says.named(rules));
    match gives.iter().zip(&says).find(|(gives, says)| gives != says) {
        Some(((name, _), _)) => Err(CheckError::Public(name)),
        None => Ok(()),
    }
}

/// Section 8.1: the auth circuit's inputs are the transaction's intent, and the registered key has signed it.
fn authorised(circuit: AuthCircuit, signals: Named<'_>, transaction: &Transaction) -> Result<(), CheckError> {
    let (fields, rules) = (transaction.intent().fields(), transaction.rules());
    let parts = transaction.parts();
    for (name, value) in fields.hashed(rules) {
        // The circuits have one array for the three locks.
        if !name.starts_with("lockedOutputBinding") && signals.one(name)? != value {
            return Err(CheckError::Authorised(name));
        }
    }
    if signals.many("lockedOutputBinding")? != fields.locked_output_binding {
        return Err(CheckError::Authorised("lockedOutputBinding"));
    }
    let blinding = parts.blinding_factor.expose();
    if signals.one("blindingFactor")? != *blinding {
        return Err(CheckError::Authorised("blindingFactor"));
    }
    let message = auth_message(&fields.digest(rules), blinding);
    let data = match circuit {
        AuthCircuit::Eddsa => {
            let [x, y] = signals.many("A")?;
            let key = eddsa::PublicKey::new(x, y)?;
            let signature = eddsa::Signature::new(signals.many("R")?, &signals.one("S")?)?;
            key.verify(&message, &signature)?;
            key.auth_data()
        }
        AuthCircuit::Xmss => {
            let key = xmss::PublicKey { root: signals.one("root")?, public_seed: signals.one("publicSeed")? };
            let signature = xmss::Signature {
                index: signals.number("index")?,
                randomizer: signals.one("randomizer")?,
                chains: signals.many("chains")?,
                siblings: signals.many::<{ xmss::HEIGHT as usize }>("siblings")?.to_vec(),
            };
            key.verify(xmss::HEIGHT, &message, &signature)?;
            key.auth_data()
        }
    };
    if data == parts.spender.policy.auth_data_commitment {
        Ok(())
    } else {
        Err(CheckError::Authorised("key"))
    }
}
