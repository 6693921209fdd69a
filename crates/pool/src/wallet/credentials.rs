//! The policies that a wallet has registered or is about to, and what signs under each.

use serde::{Deserialize, Serialize};

use crate::hash::Fr;
use crate::policy::{Policy, PolicySet};
use crate::tree::TreeError;
use crate::value::Address;
use crate::xmss::Used;

/// What signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Credential {
    /// `WalletSeed::eddsa` with this number.
    Eddsa {
        /// The key's number.
        number: u32,
    },
    /// `WalletSeed::xmss` with this number.
    Xmss {
        /// The key's number.
        number: u32,
        /// Height of its tree.
        height: u32,
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

/// Policy sets by their commitments, and how far XMSS keys are used up.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    sets: Vec<Vec<Held>>,
    xmss: Vec<(u32, Used)>,
    blinders: u32,
}

/// Why credentials were not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// Two policies in one slot.
    #[error("two policies are in slot {0} of the policy set")]
    Slot(u8),
    /// An XMSS index for the second time.
    #[error(
        "index {got} of XMSS key {key} was reserved before (next is {next}): another process signs with this wallet"
    )]
    Reused {
        /// The key's number.
        key: u32,
        /// The first index that was never reserved.
        next: u32,
        /// What was to be reserved.
        got: u32,
    },
}

impl Credentials {
    /// Remembers a policy set that is to be registered, and returns its commitment.
    ///
    /// # Errors
    /// [`CredentialError::Slot`].
    pub fn remember(&mut self, set: Vec<Held>) -> Result<Fr, CredentialError> {
        for (i, held) in set.iter().enumerate() {
            if set.iter().skip(i + 1).any(|other| other.slot == held.slot) {
                return Err(CredentialError::Slot(held.slot));
            }
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

    /// How far an XMSS key is used up.
    pub fn xmss_used(&self, key: u32) -> Used {
        self.xmss.iter().find(|(known, _)| *known == key).map_or(Used { next: 0 }, |(_, used)| *used)
    }

    /// Notes that an XMSS index is used; the wallet must be on disk before it is.
    ///
    /// # Errors
    /// [`CredentialError::Reused`].
    pub fn use_xmss(&mut self, key: u32, used: Used) -> Result<(), CredentialError> {
        let next = self.xmss_used(key).next;
        if used.next <= next {
            return Err(CredentialError::Reused { key, next, got: used.next.saturating_sub(1) });
        }
        self.xmss.retain(|(known, _)| *known != key);
        self.xmss.push((key, used));
        Ok(())
    }

    /// The number of the next registration blinder: none serves twice.
    pub fn next_blinder(&mut self) -> u32 {
        let number = self.blinders;
        self.blinders = self.blinders.saturating_add(1);
        number
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
