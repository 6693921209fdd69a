//! What shows to others that the keeper of a log contradicted itself. Everything in it is signed by the keeper; who shows it need not be believed.
//!
//! | charge | what is shown | why it is guilt |
//! |---|---|---|
//! | `forked` | two heads of one size with different roots | to one size belongs one root: the keeper shows different logs to different people, or replaced one |
//! | `turned_back` | two heads, of which the one with fewer entries is not the earlier one | a log only grows: entries were cut off, or a head was backdated |
//! | `rewritten` | two heads, and proofs that one complete subtree has different hashes in the two trees | entries that were logged never change |
//!
//! As a file it is JSON: `version` (1), `charge`, `heads` (two), and for `rewritten` `level`, `index`, `hashes` (two), `paths` (two).

use serde::{Deserialize, Serialize};
use tacit_wire::{Digest32, IdentityKey};

use crate::head::{HeadError, SignedTreeHead};
use crate::inclusion::SubtreeProof;
use crate::subtree::NodeId;
use crate::{MAX_PATH, ProofError};

/// The only version of the file there is.
const VERSION: u32 = 1;

/// Two heads of one log that cannot both be true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEvidence {
    heads: [SignedTreeHead; 2],
    charge: Charge,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Charge {
    Forked,
    TurnedBack,
    /// The same subtree in the first and in the second tree.
    Rewritten(Box<[SubtreeProof; 2]>),
}

/// Why this shows nothing about anybody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoLogEvidence {
    /// Not such a file.
    #[error("not evidence about a log: {0}")]
    Malformed(String),
    /// A head that its log's keeper did not sign.
    #[error("this shows nothing: {0}")]
    Head(#[from] HeadError),
    /// A subtree that is not in its tree.
    #[error("this shows nothing: {0}")]
    Proof(#[from] ProofError),
    /// The two can both be true.
    #[error("this shows nothing: the two tree heads do not contradict each other")]
    NoContradiction,
}

impl LogEvidence {
    /// The contradiction between two heads of one log, if they alone show one. Signatures are not looked at: see [`LogEvidence::verify`].
    pub fn of_heads(one: SignedTreeHead, other: SignedTreeHead) -> Option<Self> {
        let (a, b) = if one.head.size <= other.head.size { (one, other) } else { (other, one) };
        if a.head.log != b.head.log {
            return None;
        }
        let charge = if a.head.size == b.head.size {
            (a.head.root != b.head.root).then_some(Charge::Forked)
        } else {
            (a.head.timestamp >= b.head.timestamp).then_some(Charge::TurnedBack)
        };
        charge.map(|charge| Self { heads: [a, b], charge })
    }

    /// That a subtree which the earlier tree had complete has another hash in the later one.
    pub fn of_rewriting(
        earlier: (SignedTreeHead, SubtreeProof),
        later: (SignedTreeHead, SubtreeProof),
    ) -> Self {
        Self { heads: [earlier.0, later.0], charge: Charge::Rewritten(Box::new([earlier.1, later.1])) }
    }

    /// The charge's word.
    pub fn charge(&self) -> &'static str {
        match self.charge {
            Charge::Forked => "forked",
            Charge::TurnedBack => "turned_back",
            Charge::Rewritten(_) => "rewritten",
        }
    }

    /// The two heads.
    pub fn heads(&self) -> &[SignedTreeHead; 2] {
        &self.heads
    }

    /// Whose log it is about.
    pub fn log(&self) -> IdentityKey {
        self.heads[0].head.log
    }

    /// Whether it is shown that the keeper of this log contradicted itself; says how.
    ///
    /// # Errors
    /// [`NoLogEvidence`].
    pub fn verify(&self, log: &IdentityKey) -> Result<String, NoLogEvidence> {
        let [a, b] = &self.heads;
        a.verify(log)?;
        b.verify(log)?;
        let (a, b) = (a.head, b.head);
        match &self.charge {
            Charge::Forked if a.size == b.size && a.root != b.root => Ok(format!(
                "it signed two logs of {} entries with different roots, at {} and at {}",
                a.size, a.timestamp, b.timestamp
            )),
            Charge::TurnedBack if a.size < b.size && a.timestamp >= b.timestamp => Ok(format!(
                "it signed {} entries at {}, and no earlier than that, at {}, only {}",
                b.size, b.timestamp, a.timestamp, a.size
            )),
            Charge::Rewritten(proofs) => {
                let [before, after] = &**proofs;
                before.verify(a.size, &a.root)?;
                after.verify(b.size, &b.root)?;
                if before.node != after.node || before.hash == after.hash {
                    return Err(NoLogEvidence::NoContradiction);
                }
                let first = before.node.index << before.node.level;
                let last = first + ((1 << before.node.level) - 1);
                Ok(format!(
                    "what was entry {first} to {last} of its log of {} entries, signed at {}, is not that in its log of {}, signed at {}",
                    a.size, a.timestamp, b.size, b.timestamp
                ))
            }
            _ => Err(NoLogEvidence::NoContradiction),
        }
    }

    /// The file.
    pub fn to_json(&self) -> String {
        let proofs = match &self.charge {
            Charge::Rewritten(proofs) => Some(&**proofs),
            _ => None,
        };
        let raw = Raw {
            version: VERSION,
            charge: self.charge().to_owned(),
            heads: self.heads,
            level: proofs.map(|p| p[0].node.level),
            index: proofs.map(|p| p[0].node.index),
            hashes: proofs.map(|p| [p[0].hash, p[1].hash]),
            paths: proofs.map(|p| [p[0].path.clone(), p[1].path.clone()]),
        };
        // A structure of strings, numbers and lists: there is nothing that could not be written.
        let mut text = serde_json::to_string_pretty(&raw).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Reads what [`LogEvidence::to_json`] wrote; verifies nothing.
    ///
    /// # Errors
    /// [`NoLogEvidence::Malformed`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, NoLogEvidence> {
        let malformed = |text: String| NoLogEvidence::Malformed(text);
        let raw: Raw = serde_json::from_slice(bytes).map_err(|e| malformed(e.to_string()))?;
        if raw.version != VERSION {
            let got = raw.version;
            return Err(malformed(format!("version {got} is not known, this program reads {VERSION}")));
        }
        let charge = match (raw.charge.as_str(), raw.level, raw.index, raw.hashes, raw.paths) {
            ("forked", None, None, None, None) => Charge::Forked,
            ("turned_back", None, None, None, None) => Charge::TurnedBack,
            ("rewritten", Some(level), Some(index), Some(hashes), Some(paths)) => {
                if paths.iter().any(|path| path.len() > MAX_PATH) {
                    return Err(malformed(format!("a path has more than {MAX_PATH} hashes")));
                }
                let node = NodeId { level, index };
                let [before, after] = paths;
                Charge::Rewritten(Box::new([
                    SubtreeProof { node, hash: hashes[0], path: before },
                    SubtreeProof { node, hash: hashes[1], path: after },
                ]))
            }
            (charge, ..) => {
                return Err(malformed(format!("charge {charge:?} is not known, or not with these fields")));
            }
        };
        Ok(Self { heads: raw.heads, charge })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    version: u32,
    charge: String,
    heads: [SignedTreeHead; 2],
    #[serde(default, skip_serializing_if = "Option::is_none")]
    level: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hashes: Option<[Digest32; 2]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    paths: Option<[Vec<Digest32>; 2]>,
}
