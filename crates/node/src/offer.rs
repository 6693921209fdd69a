//! One offer, from its bytes to an answer or a refusal.
//!
//! ```text
//! decode header -> client's signature -> expiry, addressee, sealing key -> proving key, slice or bases -> accept
//!   -> RECORD -> open, decode, acknowledge, respond, seal -> RECORD -> answer
//! ```
//!
//! Nothing is opened before the first record is on disk, nothing is sent before the second is.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tacit_algebra::calibration::Calibration;
use tacit_algebra::{Bls12_381, Bn254, CurveId};
use tacit_delegate::encoding::Malformed;
use tacit_delegate::{
    AcceptError, Acknowledgement, Culprit, DealHeader, DialsError, EncodingError, Holder, KeyPart, Package,
    accept, header,
};
use tacit_net::Connection;
use tacit_vault::{Clock, HeldKey, KeyRing, identity};
use tacit_wire::codec::Writer;
use tacit_wire::envelope::{self, Recipient};
use tacit_wire::frame::Body as _;
use tacit_wire::messages::{Answer, Offer, Refusal, RefusalCode};
use tacit_wire::{
    Blame, Digest32, Identity, IdentityKey, PeerMisbehaved, SealingPublicKey, SignedAcknowledgement,
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::circuits::{Circuits, Kept, Resident};
use crate::ledger::{Ledger, LedgerError, Standing};

/// What an offer is worked on with.
#[derive(Debug)]
pub struct Desk {
    /// The time.
    pub clock: Clock,
    /// Who this node is.
    pub identity: Identity,
    /// Its sealing keys.
    pub keys: Mutex<KeyRing>,
    /// Its records.
    pub ledger: Ledger,
    /// Its proving keys, and slices of them.
    pub circuits: Arc<Circuits>,
    /// Offers that are being worked on, whatever connection they came on.
    pub places: Semaphore,
    /// Computations take turns: each of them uses all cores.
    pub computing: Arc<Semaphore>,
    /// Deals that are being worked on.
    pub at_work: Mutex<HashSet<Digest32>>,
}

/// Leaves [`Desk::at_work`] when dropped.
struct AtWork<'a> {
    desk: &'a Desk,
    deal: Digest32,
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.desk.at_work.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.deal);
    }
}

impl Desk {
    /// Answers an offer, or says why not.
    pub async fn handle(
        &self,
        offer: Offer,
        connection: &Connection,
        unwanted: &CancellationToken,
    ) -> Result<Answer, Refusal> {
        let _place = self.places.try_acquire().map_err(|_| {
            Refusal::new(RefusalCode::Busy, Blame::Nobody, "as many offers as fit are being worked on")
        })?;
        match header::curve_of(&offer.header).map_err(|e| bad_header(&e))? {
            CurveId::Bn254 => self.handle_over::<Bn254>(offer, connection, unwanted).await,
            CurveId::Bls12_381 => self.handle_over::<Bls12_381>(offer, connection, unwanted).await,
        }
    }

    async fn handle_over<C: Kept>(
        &self,
        offer: Offer,
        connection: &Connection,
        unwanted: &CancellationToken,
    ) -> Result<Answer, Refusal> {
        let header = DealHeader::<C::Scalar>::decode(&offer.header).map_err(|e| bad_header(&e))?;
        let deal = Digest32(header.deal_id().0);
        let client = IdentityKey(header.terms.client_key);
        offer.assignment.verify(&client).map_err(|e| misbehaved(RefusalCode::BadAssignment, &e))?;
        // What can be refused without the circuit is refused before the circuit is looked at.
        header
            .check_expiry(self.clock.now())
            .map_err(|e| Refusal::new(RefusalCode::Expired, Blame::Nobody, e))?;
        if offer.assignment.node() != self.identity.key() {
            let error = PeerMisbehaved::WrongAddressee {
                expected: self.identity.key(),
                got: offer.assignment.node(),
            };
            return Err(misbehaved(RefusalCode::BadAssignment, &error));
        }
        let held = self.sealing_key(&offer)?;
        // What is recorded about a deal goes when the sealing key does, which must not be before the deal is over.
        if header.terms.expiry > held.certificate.expiry {
            let text = "the deal would outlive the sealing key that its envelope is sealed to";
            return Err(Refusal::new(RefusalCode::StaleSealingKey, Blame::Client, text));
        }
        let assembler = SealingPublicKey::from_bytes(&header.terms.assembler_key).map_err(|e| {
            Refusal::new(RefusalCode::Malformed, Blame::Client, format!("assembler's key: {e}"))
        })?;
        let _at_work = self.take(deal)?;

        let seat = &offer.assignment.assignment.seat;
        let Some(part) = KeyPart::of(header.terms.dials, seat.group) else {
            let (group, slice, index) = (seat.group, seat.slice, seat.index);
            return Err(not_accepted(&AcceptError::NoSuchSeat { group, slice, index }));
        };
        let key = self.circuits.get::<C>(Digest32(header.terms.circuit.0), part, connection).await?;
        let holder = Holder {
            node: self.identity.key().0,
            sealing_key: held.pair.id().0,
            epoch: held.certificate.epoch,
        };
        let request = accept(
            &header,
            &offer.assignment.assignment,
            &offer.envelope,
            &holder,
            &key.shape(),
            self.clock.now(),
        )
        .map_err(|e| not_accepted(&e))?;
        match self.ledger.begin(&request).await.map_err(|e| unrecorded(&e))? {
            Standing::Open => {}
            standing => return settled(standing),
        }
        let answer = self.compute(header, offer, held, assembler, key, unwanted).await?;
        let mut body = Writer::new();
        answer.write(&mut body);
        settled(self.ledger.answer(&request, body.finish()).await.map_err(|e| unrecorded(&e))?)
    }

    fn sealing_key(&self, offer: &Offer) -> Result<HeldKey, Refusal> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = Digest32(offer.assignment.assignment.seat.sealing_key);
        // A key past its expiry is no key, even before the next sweep destroys it.
        let now = self.clock.now();
        keys.get(&wanted).filter(|key| now <= key.certificate.expiry).cloned().ok_or_else(|| {
            let current = keys.current().map_or(Digest32([0; 32]), |k| k.pair.id());
            misbehaved(
                RefusalCode::StaleSealingKey,
                &PeerMisbehaved::UnknownSealingKey { current, got: wanted },
            )
        })
    }

    fn take(&self, deal: Digest32) -> Result<AtWork<'_>, Refusal> {
        let mut at_work = self.at_work.lock().unwrap_or_else(PoisonError::into_inner);
        if !at_work.insert(deal) {
            return Err(Refusal::new(
                RefusalCode::Busy,
                Blame::Nobody,
                "this deal is being worked on already",
            ));
        }
        Ok(AtWork { desk: self, deal })
    }

    /// How many bases of BN254's first group this machine adds up in a second, measured when no offer computes; `None` if that
    /// was cut off.
    pub async fn bases_per_second(&self) -> Option<u64> {
        let _turn = self.computing.acquire().await.ok()?;
        let measuring = || {
            let calibration = Calibration::<Bn254>::new(&mut rand::rng());
            let began = Instant::now();
            calibration.bases_per_second(|| began.elapsed())
        };
        tokio::task::spawn_blocking(measuring).await.ok()
    }

    async fn compute<C: Kept>(
        &self,
        header: DealHeader<C::Scalar>,
        offer: Offer,
        held: HeldKey,
        assembler: SealingPublicKey,
        key: Resident<C>,
        unwanted: &CancellationToken,
    ) -> Result<Answer, Refusal> {
        let cut_off = || Refusal::new(RefusalCode::Internal, Blame::Node, "the computation was cut off");
        let turn = tokio::select! {
            turn = Arc::clone(&self.computing).acquire_owned() => turn.map_err(|_| cut_off())?,
            () = unwanted.cancelled() => {
                return Err(Refusal::new(RefusalCode::Expired, Blame::Nobody, "nobody waits for an answer any more"));
            }
        };
        let node = self.identity.clone();
        tokio::task::spawn_blocking(move || {
            // Over when the computation is, even if nobody waits for it any more.
            let _turn = turn;
            answer(&node, &header, offer, &held, &assembler, &key)
        })
        .await
        .map_err(|_| cut_off())?
    }
}

/// Opens the package, acknowledges it, computes the response and seals it. What is opened is wiped when this returns.
fn answer<C: Kept>(
    node: &Identity,
    header: &DealHeader<C::Scalar>,
    offer: Offer,
    held: &HeldKey,
    assembler: &SealingPublicKey,
    key: &Resident<C>,
) -> Result<Answer, Refusal> {
    let Offer { assignment: signed, envelope, .. } = offer;
    let recipient = Recipient { node: node.key(), key: &held.pair, epoch: held.certificate.epoch };
    let client = IdentityKey(header.terms.client_key);
    let bytes = envelope::open_package(&signed, &client, &header.deal_id().0, recipient, &envelope)
        .map_err(|e| misbehaved(RefusalCode::BadEnvelope, &e))?;
    // Of what is as large as the package only what is still needed stays in memory.
    drop(envelope);
    let bad_package = |e: &dyn std::fmt::Display, culprits: Vec<Culprit>| {
        Refusal::new(RefusalCode::BadPackage, blame(&culprits), e)
    };
    let dials = header.terms.dials;
    let assignment = &signed.assignment;
    let seat = &assignment.seat;
    let counts = key.share_counts(dials, seat.group).ok_or_else(|| {
        tracing::error!(group = seat.group, "another part of the proving key was loaded than the seat needs");
        Refusal::new(RefusalCode::Internal, Blame::Node, "the wrong part of the proving key was loaded")
    })?;
    let package = Package::<C::Scalar>::decode_for(&bytes, &counts, dials)
        .map_err(|e| bad_package(&e, e.culprits()))?;
    if signed.place(dials) != Some(package.place) {
        let text = format!(
            "the package is for place {}, the assignment for index {} of group {}",
            package.place, seat.index, seat.group
        );
        return Err(bad_package(&text, vec![Culprit::Client]));
    }
    let acknowledgement = SignedAcknowledgement::sign(node, Acknowledgement::new(assignment, &bytes));
    drop(bytes);
    let response = key.respond(header, &package).map_err(|e| bad_package(&e, e.culprits()))?;
    drop(package);
    let internal = |e: &dyn std::fmt::Display| {
        tracing::error!(error = %e, "a response cannot be sealed");
        Refusal::new(RefusalCode::Internal, Blame::Node, "the response cannot be sealed")
    };
    let mut rng = identity::system_rng().map_err(|e| internal(&e))?;
    let sealed = envelope::seal_response(
        node,
        assignment,
        &acknowledgement.acknowledgement,
        &response,
        assembler,
        &mut rng,
    )
    .map_err(|e| internal(&e))?;
    Ok(Answer { acknowledgement, response: sealed })
}

fn settled(standing: Standing) -> Result<Answer, Refusal> {
    match standing {
        Standing::Answered(body) => Answer::from_body(&body).map_err(|error| {
            tracing::error!(%error, "a stored answer does not decode");
            Refusal::new(RefusalCode::Internal, Blame::Node, "a stored answer is damaged")
        }),
        Standing::Refused(tacit_delegate::Refusal::Over) => {
            Err(Refusal::new(RefusalCode::Expired, Blame::Nobody, tacit_delegate::Refusal::Over))
        }
        Standing::Refused(refusal) => {
            Err(Refusal::new(RefusalCode::Conflict, blame(&refusal.culprits()), refusal))
        }
        Standing::Open => {
            Err(Refusal::new(RefusalCode::Internal, Blame::Node, "the answer was not recorded"))
        }
    }
}

fn unrecorded(error: &LedgerError) -> Refusal {
    tracing::error!(%error, "an offer cannot be recorded, so it is not answered");
    Refusal::new(RefusalCode::Internal, Blame::Node, "the offer cannot be recorded")
}

fn blame(culprits: &[Culprit]) -> Blame {
    match culprits {
        [Culprit::Client] => Blame::Client,
        [Culprit::Coordinator] => Blame::Coordinator,
        [Culprit::Node(_)] => Blame::Node,
        _ => Blame::Nobody,
    }
}

fn misbehaved(code: RefusalCode, error: &PeerMisbehaved) -> Refusal {
    Refusal::new(code, error.blame(), error)
}

fn bad_header(error: &EncodingError) -> Refusal {
    let code = match &error.reason {
        Malformed::Version { .. } | Malformed::Dials(DialsError::NotSupported { .. }) => {
            RefusalCode::Unsupported
        }
        _ => RefusalCode::Malformed,
    };
    // The coordinator decodes headers before it relays them.
    Refusal::new(code, Blame::Coordinator, error)
}

fn not_accepted(error: &AcceptError) -> Refusal {
    let code = match error {
        AcceptError::Expired(_) => RefusalCode::Expired,
        AcceptError::Circuit { .. } => RefusalCode::UnknownCircuit,
        AcceptError::PublicInputs { .. } => RefusalCode::Malformed,
        AcceptError::WrongSealingKey { .. } => RefusalCode::StaleSealingKey,
        AcceptError::WrongEnvelope => RefusalCode::BadEnvelope,
        _ => RefusalCode::BadAssignment,
    };
    Refusal::new(code, blame(&error.culprits()), error)
}
