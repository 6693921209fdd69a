//! Steps 4 and 5 from the client's side: what came back, checked answer by answer.
//!
//! An answer counts only if the node that it was dealt to signed for exactly the package that it was dealt, and signed
//! the response under that acknowledgement. So it does not matter in which hands the bytes were: a coordinator that swaps
//! answers between nodes, or brings answers of another deal, gets them refused.

use std::collections::BTreeMap;

use tacit_algebra::Curve;
use tacit_delegate::msm::MsmAnswer;
use tacit_delegate::{Answer, AnswerError};
use tacit_wire::envelope::open_response;
use tacit_wire::messages::{self, JobAnswers, Outcome, RefusalCode};
use tacit_wire::{Blame, Digest32, Evidence, IdentityKey, PeerMisbehaved, SignedAcknowledgement};
use thiserror::Error;

use crate::committee::Member;
use crate::kept::Signed;
use crate::progress::{Event, Progress};
use crate::ticket::{JobTicket, TicketSeat};

/// Why a node contributes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It says no.
    #[error("it refused: {text} ({})", .code.name())]
    Said {
        /// Why, for programs.
        code: RefusalCode,
        /// Whose fault it is, in its opinion.
        blame: Blame,
        /// Why, for people.
        text: String,
    },
    /// What came in its name is not acceptable.
    #[error("its answer is refused: {0}")]
    Misbehaved(#[from] PeerMisbehaved),
    /// It signed something that is no response.
    #[error("its answer is refused: {0}")]
    Answer(#[from] AnswerError),
}

/// Who made something go wrong, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Culprit {
    /// This node: it signed what is wrong, or did not answer.
    Node(Member),
    /// This node or the coordinator that relays for it; it cannot be told which.
    NodeOrCoordinator(Member),
    /// The coordinator.
    Coordinator,
    /// The caller's own input.
    Client,
}

impl std::fmt::Display for Culprit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Node(member) => member.fmt(f),
            Self::NodeOrCoordinator(member) => write!(f, "{member} or the coordinator"),
            Self::Coordinator => f.write_str("the coordinator"),
            Self::Client => f.write_str("the client"),
        }
    }
}

impl Refusal {
    /// Whom this points at, for the node in whose name it came.
    pub fn culprits(&self, member: &Member) -> Vec<Culprit> {
        match self {
            Self::Said { blame, .. } => match blame {
                // Unsigned, so it may be the coordinator's own words; and a node has an interest in blaming others.
                Blame::Node => vec![Culprit::NodeOrCoordinator(member.clone())],
                _ => Vec::new(),
            },
            Self::Misbehaved(error) => match error.culprits() {
                [Blame::Node] => vec![Culprit::Node(member.clone())],
                [Blame::Coordinator] => vec![Culprit::Coordinator],
                [Blame::Client] => vec![Culprit::Client],
                [] => Vec::new(),
                _ => vec![Culprit::NodeOrCoordinator(member.clone())],
            },
            Self::Answer(_) => vec![Culprit::Node(member.clone())],
        }
    }

    /// Whether a fresh deal could go better with the same node.
    pub fn is_mended_by_dealing_again(&self) -> bool {
        match self {
            Self::Said { code, .. } => matches!(
                code,
                RefusalCode::StaleSealingKey
                    | RefusalCode::Expired
                    | RefusalCode::Busy
                    | RefusalCode::Leaving
                    | RefusalCode::Internal
                    | RefusalCode::UnknownCircuit
                    | RefusalCode::BeyondLimits
            ),
            Self::Misbehaved(_) | Self::Answer(_) => false,
        }
    }
}

/// An answer as the protocol has it: of a proof, or of a sum.
pub trait Reply: Clone + Send + 'static {
    /// Decodes the response of a node, with all checks.
    ///
    /// # Errors
    /// [`AnswerError`], which names the node.
    fn decode(place: u8, bytes: &[u8]) -> Result<Self, AnswerError>;
    /// The response's canonical encoding.
    fn encode(&self) -> Vec<u8>;
    /// The node.
    fn place(&self) -> u8;
    /// Whether two of a node's answers may be shown to others: not where they are functions of what was shared.
    const MAY_BE_SHOWN: bool;
}

impl<C: Curve> Reply for Answer<C> {
    fn decode(place: u8, bytes: &[u8]) -> Result<Self, AnswerError> {
        Self::decode(place, bytes)
    }

    fn encode(&self) -> Vec<u8> {
        self.response.encode()
    }

    fn place(&self) -> u8 {
        self.place
    }

    const MAY_BE_SHOWN: bool = true;
}

impl<C: Curve> Reply for MsmAnswer<C> {
    fn decode(place: u8, bytes: &[u8]) -> Result<Self, AnswerError> {
        Self::decode(place, bytes)
    }

    fn encode(&self) -> Vec<u8> {
        self.response.encode()
    }

    fn place(&self) -> u8 {
        self.place
    }

    const MAY_BE_SHOWN: bool = false;
}

/// The answers of one job so far.
pub(crate) struct Answers<A> {
    good: BTreeMap<u8, Good<A>>,
    /// Answers for the coordinator to open, whose acknowledgement is good.
    acknowledged: BTreeMap<u8, Digest32>,
    refused: BTreeMap<u8, (Digest32, Refusal)>,
    /// The first acknowledgement that each node signed for its assignment, whatever it says.
    first_acknowledged: BTreeMap<u8, SignedAcknowledgement>,
    /// Nodes that contradicted themselves, by identity: what they say further does not count.
    contradictions: BTreeMap<[u8; 32], (Member, Option<Evidence>)>,
}

struct Good<A> {
    sealed: Digest32,
    signed: Signed<A>,
}

/// An answer is only looked at again if its bytes changed.
fn fingerprint(answer: &messages::Answer) -> Digest32 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&answer.acknowledgement.encode());
    hasher.update(&answer.response);
    Digest32(*hasher.finalize().as_bytes())
}

impl<A: Reply> Answers<A> {
    pub(crate) fn new() -> Self {
        Self {
            good: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
            refused: BTreeMap::new(),
            first_acknowledged: BTreeMap::new(),
            contradictions: BTreeMap::new(),
        }
    }

    /// Another node has the place now: what came of the one before does not count.
    pub(crate) fn forget(&mut self, place: u8) {
        self.good.remove(&place);
        self.acknowledged.remove(&place);
        self.refused.remove(&place);
        self.first_acknowledged.remove(&place);
    }

    /// An answer with its signatures.
    pub(crate) fn signed(&self, place: u8) -> Option<&Signed<A>> {
        self.good.get(&place).map(|good| &good.signed)
    }

    /// Nodes that contradicted themselves, and what shows it.
    pub(crate) fn contradictions(&self) -> impl Iterator<Item = (&Member, &Evidence)> {
        self.contradictions.values().filter_map(|(member, evidence)| Some((member, evidence.as_ref()?)))
    }

    /// Which answers are at hand.
    pub(crate) fn fingerprint(&self) -> Vec<(u8, Digest32)> {
        self.good.iter().map(|(place, good)| (*place, good.sealed)).collect()
    }

    /// Whether a node contributes nothing, as far as is known.
    pub(crate) fn is_refused(&self, place: u8) -> bool {
        self.refused.contains_key(&place)
    }

    /// The answers that count, in the order of their indices.
    pub(crate) fn good(&self) -> Vec<A> {
        self.good.values().map(|g| g.signed.answer.clone()).collect()
    }

    /// Places whose node acknowledged its package, with a response that holds where it could be opened.
    pub(crate) fn acknowledged_places(&self) -> impl Iterator<Item = u8> {
        self.good.keys().chain(self.acknowledged.keys()).copied()
    }

    pub(crate) fn count(&self) -> usize {
        self.good.len()
    }

    /// Nodes that contribute nothing, and why.
    pub(crate) fn refused(&self, ticket: &JobTicket) -> Vec<(Member, Refusal)> {
        self.refused
            .iter()
            .filter_map(|(index, (_, refusal))| Some((ticket.seat(*index)?.member.clone(), refusal.clone())))
            .collect()
    }

    /// A node that signed for another package than the one dealt to it.
    pub(crate) fn acknowledged_otherwise(&self, ticket: &JobTicket) -> Option<Member> {
        let otherwise = |refusal: &Refusal| {
            matches!(
                refusal,
                Refusal::Misbehaved(
                    PeerMisbehaved::AcknowledgedAnotherPackage { .. }
                        | PeerMisbehaved::ContradictoryAcknowledgements { .. }
                )
            )
        };
        let (index, _) = self.refused.iter().find(|(_, (_, refusal))| otherwise(refusal))?;
        ticket.seat(*index).map(|seat| seat.member.clone())
    }

    /// Nodes of which nothing has come.
    pub(crate) fn silent(&self, ticket: &JobTicket) -> Vec<Member> {
        let spoken = |index: &u8| {
            self.good.contains_key(index)
                || self.acknowledged.contains_key(index)
                || self.refused.contains_key(index)
        };
        ticket.members().into_iter().filter(|m| !spoken(&m.index)).collect()
    }

    /// Takes what the coordinator brings. Where the coordinator assembles, responses cannot be opened and only
    /// refusals and acknowledgements are looked at.
    pub(crate) fn absorb(
        &mut self,
        ticket: &JobTicket,
        needed: usize,
        brought: JobAnswers,
        progress: &dyn Progress,
    ) -> Result<(), Digest32> {
        if brought.deal != ticket.job {
            return Err(brought.deal);
        }
        for messages::NodeAnswer { index, outcome } in brought.answers {
            let Some(seat) = ticket.seat(index) else {
                tracing::warn!(
                    index,
                    "the coordinator brings an answer from an index that the deal does not have"
                );
                continue;
            };
            match outcome {
                Outcome::Answered(answer) => self.answered(ticket, seat, needed, &answer, progress),
                // Refusals are unsigned: they take nothing back.
                Outcome::Refused(messages::Refusal { code, blame, text })
                    if !self.good.contains_key(&index) =>
                {
                    self.refuse(seat, Digest32([0; 32]), Refusal::Said { code, blame, text }, progress);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn answered(
        &mut self,
        ticket: &JobTicket,
        seat: &TicketSeat,
        needed: usize,
        answer: &messages::Answer,
        progress: &dyn Progress,
    ) {
        let index = seat.member.index;
        let sealed = fingerprint(answer);
        if self.good.get(&index).is_some_and(|g| g.sealed == sealed)
            || self.contradictions.contains_key(&seat.member.identity)
            || self.acknowledged.get(&index) == Some(&sealed)
            || self.refused.get(&index).is_some_and(|(seen, _)| *seen == sealed)
        {
            return;
        }
        let checked = self.check(ticket, seat, answer, progress);
        match (self.good.get(&index), checked) {
            (None, Ok(Some(good))) => {
                self.refused.remove(&index);
                self.good.insert(index, Good { sealed, signed: good });
                let bytes = answer.response.len() + answer.acknowledgement.encode().len();
                let (member, answers) = (seat.member.clone(), self.good.len());
                progress.event(Event::Answered { member, bytes, answers, needed });
            }
            // Nothing to open: the coordinator assembles.
            (None, Ok(None)) => {
                self.acknowledged.insert(index, sealed);
            }
            (None, Err(refusal)) => self.refuse(seat, sealed, refusal, progress),
            (Some(first), Ok(Some(second))) if first.signed.response.response != second.response.response => {
                // Both are signed by the node, for one acknowledgement.
                let node = IdentityKey(seat.member.identity);
                let responses = [first.signed.response.clone(), second.response];
                let evidence = Evidence::contradicting_responses(
                    ticket.header.clone(),
                    seat.assignment.clone(),
                    second.acknowledgement,
                    responses,
                );
                let evidence = A::MAY_BE_SHOWN.then_some(evidence);
                self.contradictions.insert(seat.member.identity, (seat.member.clone(), evidence));
                self.good.remove(&index);
                self.refuse(seat, sealed, PeerMisbehaved::ContradictoryResponses { node }.into(), progress);
            }
            (_, Err(refusal)) if self.contradictions.contains_key(&seat.member.identity) => {
                self.good.remove(&index);
                self.refuse(seat, sealed, refusal, progress);
            }
            // The answer at hand is good; what else comes in the node's name does not matter.
            (Some(_), _) => {}
        }
    }

    /// Signature of the acknowledgement, its content, then seal, signature and encoding of the response.
    fn check(
        &mut self,
        ticket: &JobTicket,
        seat: &TicketSeat,
        answer: &messages::Answer,
        progress: &dyn Progress,
    ) -> Result<Option<Signed<A>>, Refusal> {
        let assignment = &seat.assignment.assignment;
        answer.acknowledgement.verify(assignment)?;
        let first = self
            .first_acknowledged
            .entry(seat.member.index)
            .or_insert_with(|| answer.acknowledgement.clone());
        if first.acknowledgement != answer.acknowledgement.acknowledgement {
            let evidence = Evidence::contradicting_acknowledgements(
                ticket.header.clone(),
                seat.assignment.clone(),
                [first.clone(), answer.acknowledgement.clone()],
            );
            self.contradictions.insert(seat.member.identity, (seat.member.clone(), Some(evidence)));
            let node = IdentityKey(seat.member.identity);
            return Err(PeerMisbehaved::ContradictoryAcknowledgements { node }.into());
        }
        if answer.acknowledgement.acknowledgement != seat.acknowledgement {
            let node = IdentityKey(seat.member.identity);
            return Err(PeerMisbehaved::AcknowledgedAnotherPackage { node }.into());
        }
        progress.event(Event::Acknowledged { member: seat.member.clone() });
        let Some(key) = &ticket.assembler else { return Ok(None) };
        let response = open_response(key, assignment, &answer.acknowledgement, &answer.response)?;
        let decoded = A::decode(seat.member.index, &response.response)?;
        Ok(Some(Signed { answer: decoded, acknowledgement: answer.acknowledgement.clone(), response }))
    }

    fn refuse(&mut self, seat: &TicketSeat, sealed: Digest32, refusal: Refusal, progress: &dyn Progress) {
        let reason = refusal.to_string();
        let earlier = self.refused.insert(seat.member.index, (sealed, refusal));
        if earlier.is_none_or(|(_, earlier)| earlier.to_string() != reason) {
            progress.event(Event::Refused { member: seat.member.clone(), reason });
        }
    }
}
