//! What the chain gets to see of a transaction: the form of the relation, the pool, the public inputs and the outputs' note data.
//!
//! Encoding: `rules (1) || chain id (4) || pool (20) || 19 public inputs (32 each, big-endian, as transact takes them) ||
//! three times length (4) || note data`. `rules` has bit 0 for BIND and bit 1 for ROTATE.

use tacit_algebra::field;
use tacit_pool::delivery::{Place, note_data_hash};
use tacit_pool::transaction::public::{FIELDS, Word};
use tacit_pool::{Address, Amount, Fr, PublicInputs, Rules, Transaction};
use tacit_wire::codec::{DecodeError, Reader, Writer};

/// The longest note data of one output that provers take, in bytes. Tacit's own has 1,285.
pub const MAX_NOTE_DATA_BYTES: usize = 2048;

/// The public part of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    rules: Rules,
    place: Place,
    public_inputs: PublicInputs,
    note_data: [Vec<u8>; 3],
}

/// Why something is no statement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StatementError {
    /// Another chain.
    #[error("the transaction is for chain {got}, the place is on chain {expected}")]
    Chain {
        /// The place's.
        expected: u32,
        /// In the public inputs.
        got: u32,
    },
    /// Another pool.
    #[error("the transaction is for the pool {got}, the place is {expected}")]
    Pool {
        /// The place's.
        expected: Address,
        /// In the public inputs.
        got: Address,
    },
    /// Note data that is not what the proof is about.
    #[error("the note data of output {0} is not that of the public inputs")]
    NoteData(usize),
    /// More than provers take.
    #[error("the note data of output {output} has {got} bytes, at most {MAX_NOTE_DATA_BYTES} are taken")]
    NoteDataLength {
        /// Which output.
        output: usize,
        /// Bytes given.
        got: usize,
    },
}

impl Statement {
    /// Puts a statement together.
    ///
    /// # Errors
    /// [`StatementError`].
    pub fn new(
        rules: Rules,
        place: Place,
        public_inputs: PublicInputs,
        note_data: [Vec<u8>; 3],
    ) -> Result<Self, StatementError> {
        let (expected, got) = (place.chain_id, public_inputs.execution_chain_id);
        if expected != got {
            return Err(StatementError::Chain { expected, got });
        }
        let (expected, got) = (place.pool, public_inputs.pool_address);
        if expected != got {
            return Err(StatementError::Pool { expected, got });
        }
        for (output, (data, hash)) in note_data.iter().zip(&public_inputs.output_note_data_hashes).enumerate()
        {
            if data.len() > MAX_NOTE_DATA_BYTES {
                return Err(StatementError::NoteDataLength { output, got: data.len() });
            }
            if note_data_hash(data) != *hash {
                return Err(StatementError::NoteData(output));
            }
        }
        Ok(Self { rules, place, public_inputs, note_data })
    }

    /// What is public of a transaction.
    ///
    /// # Errors
    /// [`StatementError::NoteDataLength`].
    pub fn of(transaction: &Transaction, rules: Rules) -> Result<Self, StatementError> {
        let public_inputs = transaction.public_inputs();
        let place = Place { chain_id: public_inputs.execution_chain_id, pool: public_inputs.pool_address };
        Self::new(rules, place, public_inputs, transaction.note_data().clone())
    }

    /// The form of the relation.
    pub fn rules(&self) -> Rules {
        self.rules
    }

    /// The chain and the pool.
    pub fn place(&self) -> Place {
        self.place
    }

    /// The public inputs.
    pub fn public_inputs(&self) -> &PublicInputs {
        &self.public_inputs
    }

    /// Note data of the outputs.
    pub fn note_data(&self) -> &[Vec<u8>; 3] {
        &self.note_data
    }

    /// What the pool's proof has to be about.
    pub fn pool_publics(&self) -> Vec<Fr> {
        self.public_inputs.named(self.rules).into_iter().map(|(_, value)| value).collect()
    }

    /// What an auth proof has to be about.
    pub fn auth_publics(&self) -> [Fr; 2] {
        [self.public_inputs.blinded_auth_commitment, self.public_inputs.transaction_intent_digest]
    }

    /// The encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.u8(u8::from(self.rules.bind) | u8::from(self.rules.rotate) << 1);
        writer.raw(&self.place.encode());
        for word in self.public_inputs.words() {
            writer.raw(&word);
        }
        for data in &self.note_data {
            writer.bytes(data);
        }
        writer.finish()
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let rules = match reader.u8("rules")? {
            code @ 0..=3 => Rules { bind: code & 1 == 1, rotate: code & 2 == 2 },
            _ => return Err(reader.invalid("rules", "only the bits 1 and 2 mean something")),
        };
        let place = Place { chain_id: reader.u32("chain id")?, pool: Address(reader.array("pool")?) };
        let public_inputs = public_inputs(reader, place.pool)?;
        let mut note_data: [Vec<u8>; 3] = Default::default();
        for data in &mut note_data {
            *data = reader.bytes("note data", MAX_NOTE_DATA_BYTES)?.to_vec();
        }
        Self::new(rules, place, public_inputs, note_data).map_err(|error| reader.invalid("statement", error))
    }
}

/// Reads the 19 words that `transact` takes.
fn public_inputs(reader: &mut Reader<'_>, pool: Address) -> Result<PublicInputs, DecodeError> {
    let mut inputs = [Fr::default(); FIELDS];
    for input in &mut inputs {
        let word: Word = reader.array("public input")?;
        *input = field::read_be(&word).map_err(|error| reader.invalid("public input", error))?;
    }
    let [root, null0, null1, body0, body1, body2, amount, recipient, token, replay_id, rest @ ..] = inputs;
    let [valid_until, chain, policy_root, hash0, hash1, hash2, verifier, blinded, digest] = rest;
    let address = |name, x: &Fr| Address::from_field(x).map_err(|error| reader.invalid(name, error));
    Ok(PublicInputs {
        note_commitment_root: root,
        nullifiers: [null0, null1],
        note_body_commitments: [body0, body1, body2],
        public_amount_out: Amount::from_field(&amount)
            .ok_or_else(|| reader.invalid("publicAmountOut", "2^248 or more"))?,
        public_recipient_address: address("publicRecipientAddress", &recipient)?,
        public_token_address: address("publicTokenAddress", &token)?,
        intent_replay_id: replay_id,
        valid_until_seconds: number(&valid_until)
            .ok_or_else(|| reader.invalid("validUntilSeconds", "2^32 or more"))?,
        execution_chain_id: number(&chain)
            .ok_or_else(|| reader.invalid("executionChainId", "2^32 or more"))?,
        auth_policy_root: policy_root,
        output_note_data_hashes: [hash0, hash1, hash2],
        auth_verifier: address("authVerifier", &verifier)?,
        blinded_auth_commitment: blinded,
        transaction_intent_digest: digest,
        pool_address: pool,
    })
}

/// A field element below `2^32`.
pub(crate) fn number(x: &Fr) -> Option<u32> {
    let (low, high) = field::to_le(x).split_first_chunk::<4>().map(|(low, high)| (*low, high.to_vec()))?;
    high.iter().all(|byte| *byte == 0).then(|| u32::from_le_bytes(low))
}
