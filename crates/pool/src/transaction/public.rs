//! The pool proof's public inputs (section 9).

use tacit_algebra::field;

use crate::hash::Fr;
use crate::intent::NamedField;
use crate::rules::Rules;
use crate::value::{Address, Amount};

/// Fields of `PublicInputs`.
pub const FIELDS: usize = 19;

/// An EVM word, big-endian.
pub type Word = [u8; 32];

/// A field element as an EVM word.
pub fn word(x: &Fr) -> Word {
    let mut word = [0; 32];
    for (to, from) in word.iter_mut().zip(field::to_be(x)) {
        *to = from;
    }
    word
}

/// `PublicInputs` (section 5.3), and the pool's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicInputs {
    /// The note tree's root that the proof is about.
    pub note_commitment_root: Fr,
    /// Of both input slots.
    pub nullifiers: [Fr; 2],
    /// Of the three outputs.
    pub note_body_commitments: [Fr; 3],
    /// What is withdrawn; zero in a transfer.
    pub public_amount_out: Amount,
    /// To whom; zero in a transfer.
    pub public_recipient_address: Address,
    /// Of which token; zero in a transfer.
    pub public_token_address: Address,
    /// The replay id.
    pub intent_replay_id: Fr,
    /// The expiry.
    pub valid_until_seconds: u32,
    /// The chain.
    pub execution_chain_id: u32,
    /// The registry's root that the proof is about.
    pub auth_policy_root: Fr,
    /// Of the three outputs.
    pub output_note_data_hashes: [Fr; 3],
    /// Who checks the auth proof.
    pub auth_verifier: Address,
    /// The auth proof's first public input.
    pub blinded_auth_commitment: Fr,
    /// The auth proof's second public input.
    pub transaction_intent_digest: Fr,
    /// The pool's address; public with `BIND` only.
    pub pool_address: Address,
}

impl PublicInputs {
    fn fields(&self) -> [NamedField; FIELDS] {
        let [nullifier0, nullifier1] = self.nullifiers;
        let [body0, body1, body2] = self.note_body_commitments;
        let [hash0, hash1, hash2] = self.output_note_data_hashes;
        [
            ("noteCommitmentRoot", self.note_commitment_root),
            ("nullifier0", nullifier0),
            ("nullifier1", nullifier1),
            ("noteBodyCommitment0", body0),
            ("noteBodyCommitment1", body1),
            ("noteBodyCommitment2", body2),
            ("publicAmountOut", self.public_amount_out.to_field()),
            ("publicRecipientAddress", self.public_recipient_address.to_field()),
            ("publicTokenAddress", self.public_token_address.to_field()),
            ("intentReplayId", self.intent_replay_id),
            ("validUntilSeconds", Fr::from(self.valid_until_seconds)),
            ("executionChainId", Fr::from(self.execution_chain_id)),
            ("authPolicyRoot", self.auth_policy_root),
            ("outputNoteDataHash0", hash0),
            ("outputNoteDataHash1", hash1),
            ("outputNoteDataHash2", hash2),
            ("authVerifier", self.auth_verifier.to_field()),
            ("blindedAuthCommitment", self.blinded_auth_commitment),
            ("transactionIntentDigest", self.transaction_intent_digest),
        ]
    }

    /// The proof's public inputs in order: 19, or 20 with `BIND`.
    pub fn named(&self, rules: Rules) -> Vec<NamedField> {
        let mut named = self.fields().to_vec();
        if rules.bind {
            named.push(("poolAddress", self.pool_address.to_field()));
        }
        named
    }

    /// What `transact` is called with.
    pub fn words(&self) -> [Word; FIELDS] {
        self.fields().map(|(_, value)| word(&value))
    }
}
