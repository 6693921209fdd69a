//! Notes: sections 7.2 to 7.5, 7.8 and 7.9.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::hash::{Domain, Fr, tagged};
use crate::value::{Address, Amount, SecretField, as_text};

/// Section 7.2: `poseidon(OWNER_NULLIFIER_KEY_HASH_DOMAIN, ownerNullifierKey)`.
pub fn owner_nullifier_key_hash(owner_nullifier_key: &Fr) -> Fr {
    tagged(Domain::OwnerNullifierKeyHash, &[*owner_nullifier_key])
}

/// `DUMMY_OWNER_NULLIFIER_KEY_HASH`, the owner of dummy outputs (section 3.2).
pub fn dummy_owner() -> Fr {
    owner_nullifier_key_hash(&Fr::from(0xdeadu64))
}

/// Whether a hash can be somebody's: neither zero nor the dummies' (sections 5.3 and 8.5).
pub fn is_owner(owner_nullifier_key_hash: &Fr) -> bool {
    *owner_nullifier_key_hash != Fr::default() && *owner_nullifier_key_hash != dummy_owner()
}

/// Section 7.8: `poseidon(NOTE_SECRET_SEED_DOMAIN, noteSecretSeed)`.
pub fn note_secret_seed_hash(note_secret_seed: &Fr) -> Fr {
    tagged(Domain::NoteSecretSeed, &[*note_secret_seed])
}

/// Section 7.9: the secret of output `output_index` of a `transact`.
pub fn transact_note_secret(note_secret_seed: &Fr, intent_replay_id: &Fr, output_index: u8) -> SecretField {
    SecretField::new(tagged(
        Domain::TransactNoteSecret,
        &[*note_secret_seed, *intent_replay_id, Fr::from(output_index)],
    ))
}

/// Section 7.3.
pub fn owner_commitment(owner_nullifier_key_hash: &Fr, note_secret: &Fr) -> Fr {
    tagged(Domain::OwnerCommitment, &[*owner_nullifier_key_hash, *note_secret])
}

/// Section 7.4.
pub fn note_body_commitment(owner_commitment: &Fr, amount: Amount, token: Address) -> Fr {
    tagged(Domain::NoteBodyCommitment, &[*owner_commitment, amount.to_field(), token.to_field()])
}

/// Section 7.5.
pub fn note_commitment(note_body_commitment: &Fr, leaf_index: u32) -> Fr {
    tagged(Domain::NoteCommitment, &[*note_body_commitment, Fr::from(leaf_index)])
}

/// What a note says, wherever it will be in the tree.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoteBody {
    /// Whose it is.
    #[serde(with = "as_text")]
    pub owner_nullifier_key_hash: Fr,
    /// Its hidden blinder.
    pub note_secret: SecretField,
    /// How much.
    pub amount: Amount,
    /// Of which token; zero for ether.
    pub token: Address,
}

impl NoteBody {
    /// Section 7.3.
    pub fn owner_commitment(&self) -> Fr {
        owner_commitment(&self.owner_nullifier_key_hash, self.note_secret.expose())
    }

    /// Section 7.4.
    pub fn commitment(&self) -> Fr {
        note_body_commitment(&self.owner_commitment(), self.amount, self.token)
    }
}

impl fmt::Debug for NoteBody {
    /// Neither amount nor secret: notes end up in error messages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NoteBody(hidden)")
    }
}

/// A note in the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// What it says.
    pub body: NoteBody,
    /// Where it is.
    pub leaf_index: u32,
}

impl Note {
    /// Section 7.5: the leaf.
    pub fn commitment(&self) -> Fr {
        note_commitment(&self.body.commitment(), self.leaf_index)
    }
}
