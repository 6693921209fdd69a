//! What a node needs of a circuit's proving key: all of it with the handover `witness`, its group's slice with `quotient`.
//! With one group the slice is the only one, and still less than the key: bases that no share is multiplied with and the
//! matrices are not in it.

use std::fmt;

use tacit_algebra::Groups;
use tacit_groth16::slice::Cut;
use tacit_groth16::{KeyError, KeySlice, ProvingKey};

use crate::circuit::{CircuitShape, Layout, ShareCounts};
use crate::dials::{Dials, Handover};
use crate::package::WhichGroup;

/// Names what a node needs of a circuit's proving key to take a seat, or the bases. Follows from header and assignment, so that a node knows
/// it before it loads anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyPart {
    /// All of it.
    Whole,
    /// One slice.
    Slice {
        /// The group that handles it, counted from 0.
        group: u8,
        /// Groups in all.
        groups: u8,
    },
    /// Bases, which are no key: see [`crate::msm`].
    Bases,
}

impl KeyPart {
    /// What the nodes of a group need; `None` if the deal has no such group.
    pub fn of(dials: Dials, group: u8) -> Option<Self> {
        let groups = dials.groups();
        match dials.handover() {
            _ if group >= groups => None,
            Handover::Witness => Some(Self::Whole),
            Handover::Quotient => Some(Self::Slice { group, groups }),
            Handover::Msm => Some(Self::Bases),
        }
    }
}

impl fmt::Display for KeyPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => f.write_str("the whole proving key"),
            Self::Bases => f.write_str("bases"),
            Self::Slice { group, groups } => write!(f, "slice {group} of {groups} of the proving key"),
        }
    }
}

/// Cuts the slice of one of several groups out of a key, where [`Layout`] has it cut.
///
/// # Errors
/// [`KeyError::Slice`] if there is no such group; else the key's sizes contradict each other.
pub fn key_slice<G: Groups>(key: &ProvingKey<G>, group: u8, groups: u8) -> Result<KeySlice<G>, KeyError> {
    if group >= groups {
        return Err(KeyError::Slice { group, groups });
    }
    let layout = Layout::of(key, Handover::Quotient);
    let slice = layout.slice(group, groups);
    let [in_a, in_b] = layout.wires_of_products(&slice);
    let (wires, quotient) = (slice.wires.clone(), slice.quotient.clone());
    KeySlice::gather(key, &Cut { group, groups, wires, quotient, in_a, in_b })
}

/// What a response is computed with.
#[derive(Debug, Clone, Copy)]
pub enum NodeKey<'a, G: Groups> {
    /// The whole key. It serves every seat; for one of the handover `quotient` its slice is cut first, which a node that
    /// keeps the slice saves.
    Whole(&'a ProvingKey<G>),
    /// The slice of one group, for seats of that group.
    Slice(&'a KeySlice<G>),
}

impl<'a, G: Groups> From<&'a ProvingKey<G>> for NodeKey<'a, G> {
    fn from(key: &'a ProvingKey<G>) -> Self {
        Self::Whole(key)
    }
}

impl<'a, G: Groups> From<&'a KeySlice<G>> for NodeKey<'a, G> {
    fn from(slice: &'a KeySlice<G>) -> Self {
        Self::Slice(slice)
    }
}

impl<G: Groups> NodeKey<'_, G> {
    /// The circuit.
    pub fn circuit(&self) -> CircuitShape {
        match self {
            Self::Whole(key) => CircuitShape::of(key),
            Self::Slice(slice) => {
                let KeySlice { circuit_id: id, n_public, n_private, .. } = **slice;
                CircuitShape { id, n_public, n_private }
            }
        }
    }

    /// How many shares a package for a seat of this group holds; `None` for a seat of another part than this is.
    pub fn share_counts(&self, dials: Dials, group: u8) -> Option<ShareCounts> {
        let part = KeyPart::of(dials, group)?;
        match (self, part) {
            (Self::Whole(key), KeyPart::Whole | KeyPart::Slice { .. }) => {
                Some(Layout::of(key, dials.handover()).share_counts(group, dials.groups()))
            }
            (Self::Slice(slice), KeyPart::Slice { group, groups }) => {
                ((slice.group, slice.groups) == (group, groups)).then(|| ShareCounts::of_slice(slice))
            }
            (_, KeyPart::Bases) | (Self::Slice(_), KeyPart::Whole) => None,
        }
    }
}

impl ShareCounts {
    /// Of a key's slice.
    pub fn of_slice<G: Groups>(slice: &KeySlice<G>) -> Self {
        Self {
            handover: Handover::Quotient,
            group: WhichGroup { number: slice.group, of: slice.groups },
            wires: slice.l_query.len(),
            quotient: slice.h_query.len(),
            times_s: slice.a_query.len(),
            times_r: slice.b_g1_query.len(),
        }
    }
}
