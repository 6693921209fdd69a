//! The two dials: what the client hands over, and how many nodes must collude to learn it.

use tacit_sharing::MAX_NODES;
use thiserror::Error;

use crate::blame::Culprit;

/// What the client hands over shares of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Handover {
    /// Every private wire; the nodes compute the quotient on shares. `t < n/2`, any `2t+1` answers suffice.
    Witness,
    /// Every private wire, its products with the blinders, and the quotient, which the client computes. `t <= n-1`, any
    /// `t+1` answers suffice.
    Quotient,
    /// A vector and the same times a secret, for its multi-scalar multiplication over registered bases ([`crate::msm`]); no proof.
    /// `t <= n-1`, any `t+1` answers suffice.
    Msm,
}

/// Names and codes of all handovers, those that this version does not have among them: their place is kept.
const CODES: [(u8, &str, Option<Handover>); 4] = [
    (1, "witness", Some(Handover::Witness)),
    (2, "quotient", Some(Handover::Quotient)),
    (3, "inputs", None),
    (4, "msm", Some(Handover::Msm)),
];

impl Handover {
    /// The byte that stands for it.
    pub const fn code(self) -> u8 {
        match self {
            Self::Witness => 1,
            Self::Quotient => 2,
            Self::Msm => 4,
        }
    }

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Witness => "witness",
            Self::Quotient => "quotient",
            Self::Msm => "msm",
        }
    }

    /// The inverse of [`Handover::code`].
    ///
    /// # Errors
    /// [`DialsError::NotSupported`] for a code that is reserved, [`DialsError::UnknownHandover`] for any other.
    pub fn from_code(code: u8) -> Result<Self, DialsError> {
        match CODES.iter().find(|(c, ..)| *c == code) {
            Some((_, _, Some(handover))) => Ok(*handover),
            Some((_, name, None)) => Err(DialsError::NotSupported { handover: name }),
            None => Err(DialsError::UnknownHandover { handover: format!("with code {code}") }),
        }
    }

    /// The largest threshold that `n` nodes can give.
    pub const fn largest_threshold(self, n: u8) -> u8 {
        match self {
            Self::Witness => n.saturating_sub(1) / 2,
            Self::Quotient | Self::Msm => n.saturating_sub(1),
        }
    }

    /// The smallest committee.
    pub const fn smallest_committee(self) -> u8 {
        match self {
            Self::Witness => 3,
            Self::Quotient | Self::Msm => 2,
        }
    }
}

impl std::fmt::Display for Handover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Handover {
    type Err = DialsError;

    fn from_str(s: &str) -> Result<Self, DialsError> {
        match CODES.iter().find(|(_, name, _)| *name == s) {
            Some((_, _, Some(handover))) => Ok(*handover),
            Some((_, name, None)) => Err(DialsError::NotSupported { handover: name }),
            None => Err(DialsError::UnknownHandover { handover: format!("`{s}`") }),
        }
    }
}

/// A checked setting of the dials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Dials {
    handover: Handover,
    n: u8,
    t: u8,
    groups: u8,
}

/// Seats of a deal at most, over all groups.
pub const MAX_SEATS: u8 = 64;

/// Why a setting of the dials is not possible.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DialsError {
    /// The handover has its name and code, but this version does not speak it.
    #[error("the handover `{handover}` is not supported by this version; use `witness` or `quotient`")]
    NotSupported {
        /// Its name.
        handover: &'static str,
    },
    /// No such handover.
    #[error("there is no handover {handover}; there are witness, quotient, inputs and msm")]
    UnknownHandover {
        /// What was asked for.
        handover: String,
    },
    /// A committee has at most [`MAX_NODES`] nodes.
    #[error(
        "with the handover `{handover}` a committee of {n} nodes is not possible: take between {} and {MAX_NODES}",
        handover.smallest_committee()
    )]
    Committee {
        /// The handover.
        handover: Handover,
        /// Nodes asked for.
        n: u8,
    },
    /// The threshold is out of range for so many nodes.
    #[error(
        "with the handover `{handover}` {n} nodes cannot have threshold {t}: it must be between 1 and {most}; \
         for a larger one take {}",
        if matches!(handover, Handover::Witness) && *.t < *.n { "more nodes or the handover `quotient`" } else { "more nodes" }
    )]
    Threshold {
        /// The handover.
        handover: Handover,
        /// Nodes.
        n: u8,
        /// The threshold asked for.
        t: u8,
        /// The largest possible.
        most: u8,
    },
    /// Each group handles a slice of the key, which needs the handover `quotient`.
    #[error(
        "with the handover `{handover}` {groups} groups of {n} nodes are not possible: {}",
        if matches!(handover, Handover::Quotient) { format!("take between 1 and {}", MAX_SEATS / (*n).max(1)) }
        else if matches!(handover, Handover::Msm) { "there is one".to_owned() }
        else { "there is one; for more use the handover `quotient`".to_owned() }
    )]
    Groups {
        /// The handover.
        handover: Handover,
        /// Nodes of a group.
        n: u8,
        /// Groups asked for.
        groups: u8,
    },
}

impl DialsError {
    /// Whom this points at: whoever chose the dials.
    pub fn culprits(&self) -> Vec<Culprit> {
        match self {
            Self::NotSupported { .. } => vec![Culprit::Nobody],
            Self::UnknownHandover { .. }
            | Self::Committee { .. }
            | Self::Threshold { .. }
            | Self::Groups { .. } => vec![Culprit::Client],
        }
    }
}

impl Dials {
    /// `n` nodes of which any `t` learn nothing.
    ///
    /// # Errors
    /// [`DialsError::Committee`], [`DialsError::Threshold`].
    pub fn new(handover: Handover, n: u8, t: u8) -> Result<Self, DialsError> {
        let most = handover.largest_threshold(n);
        if n > MAX_NODES || most == 0 {
            return Err(DialsError::Committee { handover, n });
        }
        if t == 0 || t > most {
            return Err(DialsError::Threshold { handover, n, t, most });
        }
        Ok(Self { handover, n, t, groups: 1 })
    }

    /// The same for each of several groups, which handle a slice of the proving key each. Any `t` nodes of each group, all
    /// together, learn nothing.
    ///
    /// # Errors
    /// [`DialsError::Groups`].
    pub fn with_groups(self, groups: u8) -> Result<Self, DialsError> {
        let Self { handover, n, .. } = self;
        let possible = match handover {
            Handover::Witness | Handover::Msm => groups == 1,
            Handover::Quotient => groups >= 1 && u16::from(groups) * u16::from(n) <= u16::from(MAX_SEATS),
        };
        if possible { Ok(Self { groups, ..self }) } else { Err(DialsError::Groups { handover, n, groups }) }
    }

    /// What is handed over.
    pub const fn handover(self) -> Handover {
        self.handover
    }

    /// Nodes of a group; their indices are `1..=n`.
    pub const fn nodes(self) -> u8 {
        self.n
    }

    /// Nodes of all groups; their places are `1..=seats`, group by group.
    pub const fn seats(self) -> u8 {
        self.n * self.groups
    }

    /// The place of a group's index: with one group, the index itself.
    pub const fn place(self, group: u8, index: u8) -> u8 {
        group.saturating_mul(self.n).saturating_add(index)
    }

    /// The group and the index of a place, if there is one.
    pub const fn seat_at(self, place: u8) -> Option<(u8, u8)> {
        match place.checked_sub(1) {
            Some(before) if place <= self.seats() => Some((before / self.n, before % self.n + 1)),
            _ => None,
        }
    }

    /// So many nodes together learn nothing.
    pub const fn threshold(self) -> u8 {
        self.t
    }

    /// Groups of nodes, each with a slice of the proving key.
    pub const fn groups(self) -> u8 {
        self.groups
    }

    /// Degree of the answers' third element and, with the handover `witness`, of its mask; with `msm`, of all that is answered.
    pub const fn product_degree(self) -> u8 {
        match self.handover {
            Handover::Witness => 2 * self.t,
            Handover::Quotient | Handover::Msm => self.t,
        }
    }

    /// Any so many answers of each group give the proof, or the sum.
    pub const fn answers_needed(self) -> u8 {
        self.product_degree() + 1
    }

    /// Whether answers from these places, each there once, suffice.
    pub fn suffice(self, places: impl IntoIterator<Item = u8>) -> bool {
        self.counting(places) == usize::from(self.answers_needed()) * usize::from(self.groups)
    }

    /// How many of the answers from these places, each there once, count: of each group no more than it needs.
    pub fn counting(self, places: impl IntoIterator<Item = u8>) -> usize {
        let mut answers = [0u8; MAX_SEATS as usize];
        for (group, _) in places.into_iter().filter_map(|place| self.seat_at(place)) {
            if let Some(count) = answers.get_mut(usize::from(group)) {
                *count += 1;
            }
        }
        answers.iter().map(|count| usize::from(*count.min(&self.answers_needed()))).sum()
    }

    /// Whether this is a node's index.
    pub const fn has_index(self, index: u8) -> bool {
        1 <= index && index <= self.n
    }

    /// Whether the node's package is a seed (nodes `1..=t`) rather than field elements.
    pub const fn is_seeded(self, index: u8) -> bool {
        1 <= index && index <= self.t
    }
}
