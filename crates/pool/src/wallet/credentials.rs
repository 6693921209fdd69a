//! The policies that a wallet has registered or is about to, and what signs under each. Blinders and XMSS keys are drawn at random and are
//! nowhere else: a wallet that is restored from its phrase registers its policies anew.

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::hash::Fr;
use crate::policy::{Policy, PolicySet};
use crate::tree::TreeError;
use crate::value::{Address, as_text};
use crate::xmss::{self, Reserved, StoredKey, XmssError};

/// What signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Credential {
    /// [`super::Keys::eddsa`] with this number.
    Eddsa {
        /// The key's number.
        number: u32,
    },
    /// The wallet's XMSS key with this root ([`Credentials::xmss`]).
    Xmss {
        /// The public key's root.
        #[serde(with = "as_text")]
        root: Fr,
    },
    /// An Ethereum key, held elsewhere.
    Ecdsa {
        /// Its address.
        signer: Address,
    },
}

/// A policy with its slot and what signs under it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// Where it is in the policy set.
    pub slot: u8,
    /// The policy.
    pub policy: Policy,
    /// What signs.
    pub credential: Credential,
}

/// Policy sets by their commitments, and the wallet's XMSS keys. Not to be cloned, as XMSS keys are not.
#[derive(Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    sets: Vec<Vec<Held>>,
    xmss: Vec<StoredKey>,
}

/// Why credentials were not changed or used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// Two policies in one slot.
    #[error("two policies are in slot {0} of the policy set")]
    Slot(u8),
    /// An XMSS key that was drawn by another wallet, or before a restore.
    #[error(
        "this wallet does not have that XMSS key, which no seed phrase brings back: draw a new key and register it"
    )]
    UnknownXmss,
    /// The XMSS key could not be drawn, or is used up.
    #[error(transparent)]
    Xmss(#[from] XmssError),
}

impl Credentials {
    /// Remembers a policy set that is to be registered, and returns its commitment.
    ///
    /// # Errors
    /// [`CredentialError::Slot`], [`CredentialError::UnknownXmss`].
    pub fn remember(&mut self, set: Vec<Held>) -> Result<Fr, CredentialError> {
        for (i, held) in set.iter().enumerate() {
            if set.iter().skip(i + 1).any(|other| other.slot == held.slot) {
                return Err(CredentialError::Slot(held.slot));
            }
            self.signs(held)?;
        }
        let commitment = commitment(&set);
        if self.held(&commitment).is_none() {
            self.sets.push(set);
        }
        Ok(commitment)
    }

    /// The policies of the set with this commitment.
    pub fn held(&self, policy_set_commitment: &Fr) -> Option<&[Held]> {
        self.sets.iter().find(|set| commitment(set) == *policy_set_commitment).map(Vec::as_slice)
    }

    /// Whether the wallet can sign under a policy, as far as that can be told without its keys.
    fn signs(&self, held: &Held) -> Result<(), CredentialError> {
        let Credential::Xmss { root } = &held.credential else { return Ok(()) };
        let known = self.xmss(root)?.public().auth_data() == held.policy.auth_data_commitment;
        if known { Ok(()) } else { Err(CredentialError::UnknownXmss) }
    }

    /// Whether every policy has its key.
    pub(super) fn is_sound(&self) -> bool {
        self.sets.iter().flatten().all(|held| self.signs(held).is_ok())
    }

    /// Draws an XMSS key (height [`crate::xmss::HEIGHT`] for the circuit that is built) and keeps it.
    ///
    /// # Errors
    /// [`XmssError::Height`].
    pub fn draw_xmss<R: CryptoRng + ?Sized>(
        &mut self,
        height: u32,
        rng: &mut R,
    ) -> Result<xmss::PublicKey, XmssError> {
        let key = StoredKey::generate(height, rng)?;
        let public = key.public();
        self.xmss.push(key);
        Ok(public)
    }

    /// The XMSS key with this root.
    ///
    /// # Errors
    /// [`CredentialError::UnknownXmss`].
    pub fn xmss(&self, root: &Fr) -> Result<&StoredKey, CredentialError> {
        self.xmss.iter().find(|key| key.public().root == *root).ok_or(CredentialError::UnknownXmss)
    }

    /// Takes the next index of an XMSS key. It signs once the wallet is on disk ([`Reserved::durable`]).
    ///
    /// # Errors
    /// [`CredentialError::UnknownXmss`], [`CredentialError::Xmss`].
    pub fn reserve_xmss(&mut self, root: &Fr) -> Result<Reserved, CredentialError> {
        let key = self.xmss.iter_mut().find(|key| key.public().root == *root);
        Ok(key.ok_or(CredentialError::UnknownXmss)?.reserve()?)
    }
}

fn commitment(set: &[Held]) -> Fr {
    policy_set(set).map(|set| set.commitment()).unwrap_or_default()
}

/// The tree of a set.
///
/// # Errors
/// As [`PolicySet::of`].
pub fn policy_set(set: &[Held]) -> Result<PolicySet, TreeError> {
    PolicySet::of(set.iter().map(|held| (held.slot, &held.policy)))
}
