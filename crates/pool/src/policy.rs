//! Auth policies: what a user registers (sections 5.3 and 6.1) and what a spend shows of it (section 8.1).

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use tacit_algebra::field;

use crate::hash::{Domain, Fr, tagged};
use crate::rules::Rules;
use crate::tree::sparse::SparseTree;
use crate::tree::{POLICY_SET_DEPTH, Path, TreeError};
use crate::value::{Address, SecretField, as_text};

/// One way to authorise a spend, with what is needed to reproduce its commitment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The contract that checks auth proofs.
    pub auth_verifier: Address,
    /// What it checks them against, hidden.
    #[serde(with = "as_text")]
    pub auth_data_commitment: Fr,
    /// What hides the pair above.
    pub registration_blinder: SecretField,
}

impl Policy {
    /// A policy with a fresh blinder, which is nowhere but here: a wallet stores its policies.
    pub fn new<R: CryptoRng + ?Sized>(auth_verifier: Address, auth_data_commitment: Fr, rng: &mut R) -> Self {
        let registration_blinder = SecretField::new(field::random(rng));
        Self { auth_verifier, auth_data_commitment, registration_blinder }
    }

    /// `policyCommitment` (section 5.3).
    pub fn commitment(&self) -> Fr {
        tagged(
            Domain::PolicyCommitment,
            &[self.auth_verifier.to_field(), self.auth_data_commitment, *self.registration_blinder.expose()],
        )
    }
}

/// `blindedAuthCommitment` (section 8.1, point 5).
pub fn blinded_auth_commitment(auth_data_commitment: &Fr, blinding_factor: &Fr) -> Fr {
    tagged(Domain::BlindedAuthCommitment, &[*auth_data_commitment, *blinding_factor])
}

/// What a credential signs: the digest, and the blinding that makes this spend's commitment its own.
pub fn auth_message(transaction_intent_digest: &Fr, blinding_factor: &Fr) -> Fr {
    tagged(Domain::AuthMessage, &[*transaction_intent_digest, *blinding_factor])
}

/// `authDataCommitment` of an Ethereum signer.
pub fn auth_data_ecdsa(signer: Address) -> Fr {
    tagged(Domain::AuthDataEcdsa, &[signer.to_field()])
}

/// A user's active policies: a tree of their commitments (section 3.4).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PolicySet(SparseTree<POLICY_SET_DEPTH>);

impl PolicySet {
    /// No policy: nothing can be spent.
    pub fn new() -> Self {
        Self::default()
    }

    /// The set that has these policies in these slots.
    ///
    /// # Errors
    /// [`TreeError::Outside`] never: every `u8` is a slot.
    pub fn of<'a>(policies: impl IntoIterator<Item = (u8, &'a Policy)>) -> Result<Self, TreeError> {
        let mut set = Self::new();
        for (slot, policy) in policies {
            set.0.set(slot.into(), policy.commitment())?;
        }
        Ok(set)
    }

    /// `policySetCommitment`.
    pub fn commitment(&self) -> Fr {
        self.0.root()
    }

    /// The path of the policy in `slot`.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn path(&self, slot: u8) -> Result<Path<POLICY_SET_DEPTH>, TreeError> {
        self.0.path(slot.into())
    }
}

/// A user's entry in the registry (section 5.3), with the version that `BIND` adds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Where its leaf is; never zero.
    pub leaf_position: u32,
    /// Whose notes it spends; permanent.
    #[serde(with = "as_text")]
    pub owner_nullifier_key_hash: Fr,
    /// Hash of the present seed.
    #[serde(with = "as_text")]
    pub note_secret_seed_hash: Fr,
    /// Root of the present policy set.
    #[serde(with = "as_text")]
    pub policy_set_commitment: Fr,
    /// How often it was set.
    pub policy_version: u32,
}

impl Entry {
    /// The registry's leaf (section 6.1). `BIND` adds the version.
    pub fn leaf(&self, rules: Rules, user: Address) -> Fr {
        let mut inputs = vec![
            user.to_field(),
            self.owner_nullifier_key_hash,
            self.note_secret_seed_hash,
            self.policy_set_commitment,
        ];
        if rules.bind {
            inputs.push(Fr::from(self.policy_version));
        }
        tagged(Domain::AuthPolicy, &inputs)
    }
}
