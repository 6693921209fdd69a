//! What the client keeps of a deal while its job runs: to replace a node that is lost, to judge answers that do not agree, to say that
//! nothing more is needed. The rules are [`Custody`]'s; a ticket that was saved to a file has none of this, because it must not open a
//! share.

use std::sync::Arc;

use rand::rngs::StdRng;
use rand_core::CryptoRng;
use tacit_algebra::Curve;
use tacit_delegate::{Answer, Custody, Dials, Judgement, OpeningError};
use tacit_groth16::ProvingKey;
use tacit_wire::messages::{Cancel, Delivery};
use tacit_wire::status::NetworkInfo;
use tacit_wire::{Digest32, Evidence, Identity, SignedAcknowledgement, SignedResponse};

use crate::committee::{self, Committee, Member, Wanted};
use crate::dealing::{DealingError, seal};
use crate::error::ClientError;
use crate::network::Network;
use crate::prepare::Prepared;
use crate::progress::Progress;
use crate::ticket::{JobTicket, TicketSeat};

/// Where a proving key comes from when answers have to be judged: it is not kept for that.
pub type KeySource<C> = Arc<dyn Fn() -> Result<ProvingKey<C>, String> + Send + Sync>;

/// What is kept of one deal.
#[derive(Debug)]
pub struct Kept<C: Curve> {
    custody: Custody<C::Scalar>,
    identity: Identity,
}

/// An answer with what its node signed.
#[derive(Debug, Clone)]
pub struct Signed<A> {
    pub(crate) answer: A,
    pub(crate) acknowledgement: SignedAcknowledgement,
    pub(crate) response: SignedResponse,
}

/// What only the process can do that dealt, for answers of one kind.
pub trait Keeper<A>: Send + Sync {
    /// The client's word that nothing more is needed.
    fn cancel(&self, job: Digest32) -> Cancel;

    /// Gives a place to another node; `None` where that cannot be.
    ///
    /// # Errors
    /// [`ClientError`], when no other node is acceptable.
    fn replace(
        &mut self,
        _dials: Dials,
        _place: (u8, &JobTicket),
        _info: &NetworkInfo,
        _times: (u64, u64),
        _progress: &dyn Progress,
        _rng: &mut StdRng,
    ) -> Result<Option<(TicketSeat, Delivery)>, ClientError> {
        Ok(None)
    }

    /// Computes answers again; what cannot be computed is not found out. Takes as long as a node takes for each.
    fn judge(&mut self, _header: &[u8], _signed: &[(TicketSeat, Signed<A>)]) -> Vec<Finding> {
        Vec::new()
    }
}

/// For a deal of a witness.
pub(crate) struct Dealer<C: Curve> {
    pub(crate) kept: Kept<C>,
    pub(crate) prepared: Arc<Prepared<C>>,
    pub(crate) network: Arc<Network>,
}

impl<C: Curve> Keeper<Answer<C>> for Dealer<C> {
    fn cancel(&self, job: Digest32) -> Cancel {
        Cancel::sign(&self.kept.identity, job)
    }

    fn replace(
        &mut self,
        dials: Dials,
        place: (u8, &JobTicket),
        info: &NetworkInfo,
        times: (u64, u64),
        progress: &dyn Progress,
        rng: &mut StdRng,
    ) -> Result<Option<(TicketSeat, Delivery)>, ClientError> {
        let Self { kept, prepared, network } = self;
        kept.replace((&**prepared, dials), place, (&**network, info), times, progress, rng).map(Some)
    }

    fn judge(&mut self, header: &[u8], signed: &[(TicketSeat, Signed<Answer<C>>)]) -> Vec<Finding> {
        let Some(source) = &self.prepared.key_source else { return Vec::new() };
        let key = match source() {
            Ok(key) => key,
            Err(error) => {
                tracing::warn!(%error, "without the proving key no answer can be judged");
                return Vec::new();
            }
        };
        let mut findings = Vec::new();
        for (seat, signed) in signed {
            match self.kept.judge(&self.prepared, &key, header, seat, signed) {
                Ok(found) => findings.push(Finding { member: seat.member.clone(), found }),
                Err(error) => tracing::warn!(%error, node = seat.member.name, "an answer cannot be judged"),
            }
        }
        findings
    }
}

/// For a deal of which nothing is kept but who signed: a lost node is not replaced, no answer judged.
pub(crate) struct Signer(pub(crate) Identity);

impl<A> Keeper<A> for Signer {
    fn cancel(&self, job: Digest32) -> Cancel {
        Cancel::sign(&self.0, job)
    }
}

/// What this computer found out about a node's answer, by computing it again or because it contradicts another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whose.
    pub member: Member,
    /// What.
    pub found: Found,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Found {
    /// The answer is the one that the node's package gives, whatever others say.
    Right,
    /// It is not, or the node contradicted itself; anyone can check this.
    Guilty(Box<Evidence>),
    /// It is not, and the share that would show it to others stays closed.
    Wrong(OpeningError),
}

impl Found {
    /// Whether the node did wrong.
    pub fn is_guilt(&self) -> bool {
        !matches!(self, Self::Right)
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { member, found } = self;
        match found {
            Found::Right => write!(f, "{member} answered rightly"),
            Found::Guilty(evidence) if evidence.charge() == "wrong_response" => {
                write!(f, "{member} answered wrongly: computed again, its package gives another answer")
            }
            Found::Guilty(_) => write!(f, "{member} contradicted itself"),
            Found::Wrong(why) => write!(f, "{member} answered wrongly ({why})"),
        }
    }
}

impl<C: Curve> Kept<C> {
    pub(crate) fn new(custody: Custody<C::Scalar>, identity: Identity) -> Self {
        Self { custody, identity }
    }

    /// Draws another node for a place, by the same rules, and seals the package to it.
    pub(crate) fn replace<R: CryptoRng + ?Sized>(
        &mut self,
        (prepared, dials): (&Prepared<C>, Dials),
        (place, ticket): (u8, &JobTicket),
        (network, info): (&Network, &NetworkInfo),
        (now, deal_expiry): (u64, u64),
        progress: &dyn Progress,
        rng: &mut R,
    ) -> Result<(TicketSeat, Delivery), ClientError> {
        // Whoever was sent a package counts, and so does everyone of the same operator.
        let holders: Vec<[u8; 32]> = self.custody.holders().iter().map(|(_, node)| *node).collect();
        let operators: Vec<String> = (network.nodes.iter())
            .filter(|node| holders.contains(&node.identity))
            .map(|node| node.operator.to_lowercase())
            .collect();
        let without: Vec<[u8; 32]> = (network.nodes.iter())
            .filter(|node| operators.contains(&node.operator.to_lowercase()))
            .map(|node| node.identity)
            .chain(holders)
            .collect();
        let wanted = Wanted { n: 1, now, deal_expiry, without: &without };
        let committee = Committee::choose(network, info, wanted, rng)?;
        let chosen = committee.seats().first().ok_or_else(|| {
            let (expected, got) = (1, 0);
            ClientError::Dealing(DealingError::CommitteeSize { expected, got })
        })?;
        let member = Member { index: place, ..chosen.member.clone() };
        let seat = committee::Seat { member, certificate: chosen.certificate.clone() };
        if let Some(shared) = ticket.seat_with_key(&seat.certificate.key_id.0) {
            let key = seat.certificate.key_id;
            return Err(DealingError::SealingKeyShared { key, seated: shared.member.name.clone() }.into());
        }
        let package = self.custody.resend(&prepared.layout, prepared.secrets(), place, seat.member.identity);
        Ok(seal(&self.identity, dials, &seat, &package.map_err(DealingError::from)?, rng, progress)?)
    }

    /// Computes an answer again. Takes as long as a node takes.
    pub(crate) fn judge(
        &mut self,
        prepared: &Prepared<C>,
        key: &ProvingKey<C>,
        header: &[u8],
        seat: &TicketSeat,
        signed: &Signed<Answer<C>>,
    ) -> Result<Found, ClientError> {
        let judged = self.custody.judge(key, &prepared.layout, prepared.secrets(), &signed.answer);
        let wrong = match judged.map_err(DealingError::from)? {
            Judgement::Right => return Ok(Found::Right),
            Judgement::Wrong(wrong) => wrong,
        };
        Ok(match self.custody.open(&wrong) {
            Ok(opened) => Found::Guilty(Box::new(Evidence::wrong_response(
                header.to_vec(),
                seat.assignment.clone(),
                signed.acknowledgement.clone(),
                signed.response.clone(),
                opened,
            ))),
            Err(closed) => Found::Wrong(closed),
        })
    }
}
