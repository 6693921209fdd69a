//! Which settings of the dials come into question.

use tacit_delegate::{Dials, DialsError, Handover};
use tacit_wire::messages::MAX_NODES;

use crate::plan::PlanError;

/// Against how many nodes of a committee the witness must be safe.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Privacy {
    /// No single node learns anything.
    #[default]
    One,
    /// As long as one node of the committee is honest, nobody learns anything. All of them must answer then, and there is one group
    /// unless the wish names more: of several, each needs an honest node.
    AllButOne,
}

/// What the user wants of the dials; what is not said is left to the rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wish {
    /// Nodes, of each group.
    pub committee: Option<u8>,
    /// The threshold.
    pub threshold: Option<u8>,
    /// Groups.
    pub groups: Option<u8>,
    /// What is handed over.
    pub handover: Option<Handover>,
    /// How private it has to be.
    pub privacy: Privacy,
}

impl Wish {
    /// Whether these dials are as private as is wished.
    fn is_private(&self, dials: Dials) -> bool {
        match self.privacy {
            Privacy::One => true,
            Privacy::AllButOne => {
                dials.threshold() + 1 == dials.nodes() && (dials.groups() == 1 || self.groups.is_some())
            }
        }
    }
}

/// Nodes of a group that are looked at where the user has not said how many.
const WITNESS_COMMITTEES: &[u8] = &[3, 4, 5, 7];
const QUOTIENT_COMMITTEES: &[u8] = &[2, 3, 4, 5];
/// Groups that are looked at where the user has not said how many.
const GROUPS: &[u8] = &[1, 2, 4, 8, 16];
/// With several groups, nodes of each that are looked at where the user has not said how many: none spare, and one.
const LARGEST_OF_SEVERAL: u8 = 3;
/// The largest committee there is.
const LARGEST: u8 = 16;

/// Every setting that the wish and a network of `nodes` (`None`: as many as needed) allow.
///
/// # Errors
/// [`PlanError::Impossible`], [`PlanError::TooFewNodes`].
pub(crate) fn candidates(wish: &Wish, nodes: Option<usize>) -> Result<Vec<Dials>, PlanError> {
    let mut why = None;
    let all = all(wish, &mut why);
    let Some(needed) = all.iter().map(|dials| usize::from(dials.seats())).min() else {
        return Err(PlanError::Impossible { why });
    };
    let eligible = nodes.unwrap_or(MAX_NODES);
    let seated: Vec<Dials> = all.into_iter().filter(|dials| usize::from(dials.seats()) <= eligible).collect();
    if seated.is_empty() { Err(PlanError::TooFewNodes { eligible, needed }) } else { Ok(seated) }
}

/// Every setting that the wish allows and a job can carry; `why` is what the last impossible one was refused for, if all are
/// impossible whatever the wish for privacy.
fn all(wish: &Wish, why: &mut Option<DialsError>) -> Vec<Dials> {
    let mut all = Vec::new();
    let mut possible = false;
    let handovers = [Handover::Witness, Handover::Quotient];
    for handover in handovers.into_iter().filter(|h| wish.handover.is_none_or(|wanted| wanted == *h)) {
        for n in committees(handover, wish) {
            for t in thresholds(handover, n, wish) {
                for groups in groups(handover, n, wish) {
                    match Dials::new(handover, n, t).and_then(|dials| dials.with_groups(groups)) {
                        Ok(dials) => {
                            possible = true;
                            if usize::from(dials.seats()) <= MAX_NODES && wish.is_private(dials) {
                                all.push(dials);
                            }
                        }
                        Err(error) => *why = Some(error),
                    }
                }
            }
        }
    }
    if possible {
        *why = None;
    }
    all
}

fn committees(handover: Handover, wish: &Wish) -> Vec<u8> {
    match (wish.committee, wish.threshold) {
        (Some(n), _) => vec![n],
        // The smallest one that has this threshold, and one with a spare node.
        (None, Some(t)) => (1..=LARGEST).filter(|n| handover.largest_threshold(*n) >= t).take(2).collect(),
        (None, None) => match handover {
            Handover::Quotient => QUOTIENT_COMMITTEES.to_vec(),
            _ => WITNESS_COMMITTEES.to_vec(),
        },
    }
}

fn thresholds(handover: Handover, n: u8, wish: &Wish) -> Vec<u8> {
    if let Some(t) = wish.threshold {
        return vec![t];
    }
    let most = handover.largest_threshold(n);
    match handover {
        // The least; with one spare node; with none.
        Handover::Quotient if most > 3 => vec![1, most - 1, most],
        // None is no committee, which trying says.
        _ => (1..=most.max(1)).collect(),
    }
}

fn groups(handover: Handover, n: u8, wish: &Wish) -> Vec<u8> {
    let named = wish.committee.is_some() || wish.threshold.is_some();
    match (wish.groups, handover) {
        (Some(groups), _) => vec![groups],
        (None, Handover::Quotient) if named || n <= LARGEST_OF_SEVERAL => GROUPS
            .iter()
            .copied()
            .filter(|groups| usize::from(*groups) * usize::from(n) <= MAX_NODES || *groups == 1)
            .collect(),
        _ => vec![1],
    }
}
