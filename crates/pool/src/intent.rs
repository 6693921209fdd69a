//! What an owner authorises: the fields of section 8.9 with their rules, the digest over them, the replay id of section
//! 8.7 and the locks of section 8.10.

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::hash::{Domain, Fr, tagged};
use crate::note::is_owner;
use crate::rules::Rules;
use crate::value::{Address, Amount, as_text};

/// `MAX_INTENT_LIFETIME`: how long before its expiry, in seconds, an intent is accepted.
pub const MAX_LIFETIME: u32 = 86_400;
/// Outputs of a transaction.
pub const OUTPUTS: usize = 3;

/// `operationKind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OperationKind {
    /// `TRANSFER_OP`.
    Transfer,
    /// `WITHDRAWAL_OP`.
    Withdrawal,
}

impl OperationKind {
    /// Its number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Transfer => 0,
            Self::Withdrawal => 1,
        }
    }
}

/// The fields of the digest as they are hashed, in their order, with those of `BIND`. As they come from outside they may
/// mean nothing: [`Intent::try_from`] checks them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IntentFields {
    /// The contract that checks the auth proof.
    pub auth_verifier: Address,
    /// Whose registered policy authorises.
    pub authorizing_address: Address,
    /// 0: transfer, 1: withdrawal.
    pub operation_kind: u8,
    /// The token; zero for ether.
    pub token_address: Address,
    /// The recipient of a transfer.
    #[serde(with = "as_text")]
    pub recipient_owner_nullifier_key_hash: Fr,
    /// How much is paid.
    pub amount: Amount,
    /// Who gets the fee.
    #[serde(with = "as_text")]
    pub fee_note_recipient_owner_nullifier_key_hash: Fr,
    /// How much of it.
    pub fee_amount: Amount,
    /// The recipient of a withdrawal.
    pub public_recipient_address: Address,
    /// Which outputs are locked.
    pub execution_constraints_flags: u32,
    /// Bindings of locked output slots, zero for others.
    #[serde(with = "three")]
    pub locked_output_binding: [Fr; OUTPUTS],
    /// Fresh and random.
    #[serde(with = "as_text")]
    pub nonce: Fr,
    /// When it expires, in seconds since 1970.
    pub valid_until_seconds: u32,
    /// The chain.
    pub execution_chain_id: u32,
    /// The version of the policy under which it was signed.
    pub policy_version: u32,
    /// The pool that it is for.
    pub pool_address: Address,
}

mod three {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Fr, OUTPUTS};
    use crate::value::Text;

    pub fn serialize<S: Serializer>(x: &[Fr; OUTPUTS], serializer: S) -> Result<S::Ok, S::Error> {
        x.map(Text).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[Fr; OUTPUTS], D::Error> {
        Ok(<[Text; OUTPUTS]>::deserialize(deserializer)?.map(|text| text.0))
    }
}

/// A field that is hashed, with the name that the specification gives it.
pub type NamedField = (&'static str, Fr);

impl IntentFields {
    /// What is hashed after the domain tag, in order: 16 fields, or 18 with `BIND`.
    pub fn hashed(&self, rules: Rules) -> Vec<NamedField> {
        let [lock0, lock1, lock2] = self.locked_output_binding;
        let mut fields = vec![
            ("authVerifier", self.auth_verifier.to_field()),
            ("authorizingAddress", self.authorizing_address.to_field()),
            ("operationKind", Fr::from(self.operation_kind)),
            ("tokenAddress", self.token_address.to_field()),
            ("recipientOwnerNullifierKeyHash", self.recipient_owner_nullifier_key_hash),
            ("amount", self.amount.to_field()),
            ("feeNoteRecipientOwnerNullifierKeyHash", self.fee_note_recipient_owner_nullifier_key_hash),
            ("feeAmount", self.fee_amount.to_field()),
            ("publicRecipientAddress", self.public_recipient_address.to_field()),
            ("executionConstraintsFlags", Fr::from(self.execution_constraints_flags)),
            ("lockedOutputBinding0", lock0),
            ("lockedOutputBinding1", lock1),
            ("lockedOutputBinding2", lock2),
            ("nonce", self.nonce),
            ("validUntilSeconds", Fr::from(self.valid_until_seconds)),
            ("executionChainId", Fr::from(self.execution_chain_id)),
        ];
        if rules.bind {
            fields.push(("policyVersion", Fr::from(self.policy_version)));
            fields.push(("poolAddress", self.pool_address.to_field()));
        }
        fields
    }

    /// `transactionIntentDigest` (section 8.9).
    pub fn digest(&self, rules: Rules) -> Fr {
        let fields: Vec<Fr> = self.hashed(rules).into_iter().map(|(_, value)| value).collect();
        tagged(Domain::TransactionIntentDigest, &fields)
    }

    /// `intentReplayId` (section 8.7).
    pub fn replay_id(&self, rules: Rules, owner_nullifier_key: &Fr) -> Fr {
        let mut inputs = vec![
            *owner_nullifier_key,
            self.authorizing_address.to_field(),
            Fr::from(self.execution_chain_id),
            self.nonce,
        ];
        if rules.bind {
            inputs.push(self.pool_address.to_field());
            inputs.push(Fr::from(self.policy_version));
        }
        let id = tagged(Domain::IntentReplayId, &inputs);
        inputs.zeroize();
        id
    }
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Pay a note to the owner with this `ownerNullifierKeyHash`.
    Transfer {
        /// The recipient.
        recipient: Fr,
    },
    /// Pay out to an Ethereum address.
    Withdrawal {
        /// The recipient.
        recipient: Address,
    },
}

impl Operation {
    /// Its kind.
    pub fn kind(&self) -> OperationKind {
        match self {
            Self::Transfer { .. } => OperationKind::Transfer,
            Self::Withdrawal { .. } => OperationKind::Withdrawal,
        }
    }
}

/// A fee note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fee {
    /// Whose it is.
    pub recipient: Fr,
    /// How much, above zero.
    pub amount: Amount,
}

/// An intent that keeps the rules of section 8.9: whatever a value of this type says can be executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    fields: IntentFields,
    operation: Operation,
    fee: Option<Fee>,
}

/// What is in an intent beside the operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The contract that checks the auth proof.
    pub auth_verifier: Address,
    /// Whose registered policy authorises.
    pub authorizing_address: Address,
    /// The token; zero for ether.
    pub token: Address,
    /// How much is paid.
    pub amount: Amount,
    /// What the executor gets.
    pub fee: Option<Fee>,
    /// Bindings of the output slots that are locked.
    pub locks: [Option<Fr>; OUTPUTS],
    /// Fresh and random.
    pub nonce: Fr,
    /// When it expires, in seconds since 1970.
    pub valid_until: u32,
    /// The chain.
    pub chain_id: u32,
    /// The version of the policy; ignored without `BIND`.
    pub policy_version: u32,
    /// The pool; ignored without `BIND`.
    pub pool: Address,
}

/// Which rule of section 8.9 or 8.10 fields break.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IntentError {
    /// A number that stands for no operation.
    #[error("operationKind is {0}: 0 is a transfer, 1 a withdrawal")]
    OperationKind(u8),
    /// A verifier of zero.
    #[error("authVerifier is zero: no contract is there")]
    NoVerifier,
    /// Nothing is paid.
    #[error("amount is zero")]
    NoAmount,
    /// A transfer's recipient can own nothing.
    #[error("recipientOwnerNullifierKeyHash is nobody's: it is zero or reserved")]
    Recipient,
    /// A withdrawal has a private recipient.
    #[error("recipientOwnerNullifierKeyHash must be zero in a withdrawal")]
    PrivateRecipient,
    /// A withdrawal to zero.
    #[error("publicRecipientAddress is zero: a withdrawal pays an Ethereum address")]
    NoPublicRecipient,
    /// A transfer has a public recipient.
    #[error("publicRecipientAddress must be zero in a transfer")]
    PublicRecipient,
    /// A fee for nobody.
    #[error("feeNoteRecipientOwnerNullifierKeyHash is nobody's: it is zero or reserved")]
    FeeRecipient,
    /// Nothing for somebody.
    #[error("feeNoteRecipientOwnerNullifierKeyHash must be zero without a fee")]
    FeeRecipientWithoutFee,
    /// More than can be in one note.
    #[error("amount and fee together are 2^248 or more")]
    TooMuch,
    /// A flag that means nothing.
    #[error("executionConstraintsFlags is {0}: only the bits 1, 2 and 4 mean something")]
    Flags(u32),
    /// A binding without its flag.
    #[error("lockedOutputBinding{0} must be zero: that slot is not locked")]
    BindingWithoutLock(usize),
    /// A lock that holds nothing.
    #[error("lockedOutputBinding{0} is zero: no output has that binding")]
    EmptyLock(usize),
    /// It never was valid.
    #[error("validUntilSeconds is zero")]
    NoExpiry,
}

impl Intent {
    /// Puts an intent together.
    ///
    /// # Errors
    /// [`IntentError`].
    pub fn new(operation: Operation, terms: Terms) -> Result<Self, IntentError> {
        let (private, public) = match &operation {
            Operation::Transfer { recipient } => (*recipient, Address::ZERO),
            Operation::Withdrawal { recipient } => (Fr::default(), *recipient),
        };
        let flags = (0u32..).zip(&terms.locks).filter(|(_, lock)| lock.is_some()).map(|(i, _)| 1 << i).sum();
        if let Some(i) = terms.locks.iter().position(|lock| *lock == Some(Fr::default())) {
            return Err(IntentError::EmptyLock(i));
        }
        let fee = terms.fee.as_ref();
        if fee.is_some_and(|fee| fee.amount.is_zero()) {
            return Err(IntentError::FeeRecipientWithoutFee);
        }
        Self::try_from(IntentFields {
            auth_verifier: terms.auth_verifier,
            authorizing_address: terms.authorizing_address,
            operation_kind: operation.kind().code(),
            token_address: terms.token,
            recipient_owner_nullifier_key_hash: private,
            amount: terms.amount,
            fee_note_recipient_owner_nullifier_key_hash: fee.map(|fee| fee.recipient).unwrap_or_default(),
            fee_amount: fee.map(|fee| fee.amount).unwrap_or_default(),
            public_recipient_address: public,
            execution_constraints_flags: flags,
            locked_output_binding: terms.locks.map(Option::unwrap_or_default),
            nonce: terms.nonce,
            valid_until_seconds: terms.valid_until,
            execution_chain_id: terms.chain_id,
            policy_version: terms.policy_version,
            pool_address: terms.pool,
        })
    }

    /// The fields.
    pub fn fields(&self) -> &IntentFields {
        &self.fields
    }

    /// What is to be done.
    pub fn operation(&self) -> &Operation {
        &self.operation
    }

    /// What the executor gets.
    pub fn fee(&self) -> Option<&Fee> {
        self.fee.as_ref()
    }

    /// What is paid and the fee together.
    pub fn total(&self) -> Amount {
        // Checked when the intent was made.
        self.fields.amount.checked_add(self.fields.fee_amount).unwrap_or(Amount::MAX)
    }

    /// The binding to which a slot is locked.
    pub fn lock(&self, slot: usize) -> Option<Fr> {
        let binding = self.fields.locked_output_binding.get(slot)?;
        (self.fields.execution_constraints_flags >> slot & 1 == 1).then_some(*binding)
    }

    /// `transactionIntentDigest` (section 8.9).
    pub fn digest(&self, rules: Rules) -> Fr {
        self.fields.digest(rules)
    }

    /// `intentReplayId` (section 8.7).
    pub fn replay_id(&self, rules: Rules, owner_nullifier_key: &Fr) -> Fr {
        self.fields.replay_id(rules, owner_nullifier_key)
    }
}

impl TryFrom<IntentFields> for Intent {
    type Error = IntentError;

    fn try_from(fields: IntentFields) -> Result<Self, IntentError> {
        let none = Fr::default();
        let recipient = fields.recipient_owner_nullifier_key_hash;
        let public = fields.public_recipient_address;
        let operation = match fields.operation_kind {
            0 if !is_owner(&recipient) => return Err(IntentError::Recipient),
            0 if !public.is_zero() => return Err(IntentError::PublicRecipient),
            0 => Operation::Transfer { recipient },
            1 if recipient != none => return Err(IntentError::PrivateRecipient),
            1 if public.is_zero() => return Err(IntentError::NoPublicRecipient),
            1 => Operation::Withdrawal { recipient: public },
            other => return Err(IntentError::OperationKind(other)),
        };
        if fields.auth_verifier.is_zero() {
            return Err(IntentError::NoVerifier);
        }
        if fields.amount.is_zero() {
            return Err(IntentError::NoAmount);
        }
        let fee_recipient = fields.fee_note_recipient_owner_nullifier_key_hash;
        let fee = if fields.fee_amount.is_zero() {
            if fee_recipient != none {
                return Err(IntentError::FeeRecipientWithoutFee);
            }
            None
        } else {
            if !is_owner(&fee_recipient) {
                return Err(IntentError::FeeRecipient);
            }
            Some(Fee { recipient: fee_recipient, amount: fields.fee_amount })
        };
        if fields.amount.checked_add(fields.fee_amount).is_none() {
            return Err(IntentError::TooMuch);
        }
        let flags = fields.execution_constraints_flags;
        if flags >> OUTPUTS != 0 {
            return Err(IntentError::Flags(flags));
        }
        let unlocked = |(i, binding): &(usize, &Fr)| flags >> i & 1 == 0 && **binding != none;
        if let Some((i, _)) = fields.locked_output_binding.iter().enumerate().find(unlocked) {
            return Err(IntentError::BindingWithoutLock(i));
        }
        if fields.valid_until_seconds == 0 {
            return Err(IntentError::NoExpiry);
        }
        Ok(Self { fields, operation, fee })
    }
}

/// `outputBinding` (section 8.6).
pub fn output_binding(note_body_commitment: &Fr, output_note_data_hash: &Fr) -> Fr {
    tagged(Domain::OutputBinding, &[*note_body_commitment, *output_note_data_hash])
}
