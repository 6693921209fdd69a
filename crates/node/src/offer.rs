//! One offer, from its bytes to an answer or a refusal.
//!
//! ```text
//! room for its bytes -> decode header -> client's signature -> expiry, addressee, sealing key -> client's quota
//!   -> proving key, slice or bases -> accept -> time left, memory -> RECORD -> open, decode, acknowledge, respond, seal -> RECORD -> answer
//! ```
//!
//! Nothing is opened before the first record is on disk, nothing is sent before the second is. What would hardly be finished before the deal expires, or does not
//! fit into memory, is refused before the first. What was accepted and is late all the same is refused as soon as that is certain.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

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
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};
use tokio_util::sync::CancellationToken;

use crate::circuits::{Asker, Circuits, Kept, Loaded, Resident};
use crate::clients::Clients;
use crate::ledger::{Ledger, LedgerError, Standing};
use crate::memory::Reserved;
use crate::stats::{Phase, Stats};
use crate::turns::{Crowded, Promise, Turns};
use crate::work::{Pace, Work};

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
    /// Offers in hand, whatever connection they came on.
    pub places: Arc<Semaphore>,
    /// What clients have in hand here and had of late.
    pub clients: Arc<Clients>,
    /// Computations take turns: each of them uses all cores.
    pub turns: Arc<Turns>,
    /// Bases that this machine adds up in a second; 0 before it was measured.
    pub bases_per_second: AtomicU64,
    /// How its responses compare with what that says.
    pub pace: Pace,
    /// What records may take on disk.
    pub records_bytes: u64,
    /// What it did.
    pub stats: Arc<Stats>,
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

/// A place among the offers in hand, and memory for an offer's bytes.
#[derive(Debug)]
pub struct Admitted {
    _place: OwnedSemaphorePermit,
    memory: Option<Reserved>,
}

impl Admitted {
    fn bytes(&self) -> u64 {
        self.memory.as_ref().map_or(0, Reserved::bytes)
    }
}

/// Offers up to this size are read before there is memory for them.
const SMALL: usize = 64 << 10;

impl Desk {
    /// Makes room for an offer of so many bytes, before they are read: they are in memory twice while the offer is decoded, and while its envelope is opened.
    ///
    /// # Errors
    /// What to tell who offers.
    pub async fn admit(&self, bytes: usize) -> Result<Admitted, Refusal> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|why| match why {
            TryAcquireError::Closed => {
                Refusal::new(RefusalCode::Leaving, Blame::Nobody, "the node shuts down")
            }
            TryAcquireError::NoPermits => {
                Refusal::new(RefusalCode::Busy, Blame::Nobody, "as many offers as fit are being worked on")
            }
        })?;
        let memory = if bytes <= SMALL {
            None
        } else {
            Some(self.circuits.room(2 * bytes as u64, 0, "the offer").await?)
        };
        Ok(Admitted { _place: place, memory })
    }

    /// Answers an offer, or says why not.
    pub async fn handle(
        &self,
        offer: Offer,
        admitted: Admitted,
        connection: &Connection,
        unwanted: &CancellationToken,
    ) -> Result<Answer, Refusal> {
        match header::curve_of(&offer.header).map_err(|e| bad_header(&e))? {
            CurveId::Bn254 => self.handle_over::<Bn254>(offer, &admitted, connection, unwanted).await,
            CurveId::Bls12_381 => self.handle_over::<Bls12_381>(offer, &admitted, connection, unwanted).await,
        }
    }

    async fn handle_over<C: Kept>(
        &self,
        offer: Offer,
        admitted: &Admitted,
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
        let _in_hand = self.clients.take(client, self.clock.now())?;
        let _at_work = self.take(deal)?;

        let seat = &offer.assignment.assignment.seat;
        let Some(part) = KeyPart::of(header.terms.dials, seat.group) else {
            let (group, slice, index) = (seat.group, seat.slice, seat.index);
            return Err(not_accepted(&AcceptError::NoSuchSeat { group, slice, index }));
        };
        let asker = Asker { client, now: self.clock.now(), connection, holding: admitted.bytes() };
        let loading = Instant::now();
        let loaded = self.circuits.get::<C>(Digest32(header.terms.circuit.0), part, asker).await?;
        self.stats.phase(Phase::Key, loading.elapsed());
        let key = &loaded.key;
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
        // What was answered before is answered again whatever it would take to compute it.
        match self.ledger.look(&request).await.map_err(|e| unrecorded(&e))? {
            Standing::Open => {}
            standing => return settled(standing),
        }
        let work = Work::of(key);
        let expiry = header.terms.expiry;
        let promise = self.promise(work, expiry)?;
        let holding = admitted.bytes().saturating_add(loaded.bytes());
        let _memory = self.circuits.room(work.memory, holding, "computing the response").await?;
        let records = self.ledger.bytes().await.map_err(|e| unrecorded(&e))?;
        if records >= self.records_bytes {
            let text = format!(
                "this node's records take {records} bytes of {} (limits.records_bytes); they go with their sealing keys",
                self.records_bytes
            );
            tracing::error!(%text, "no deal is taken");
            return Err(Refusal::new(RefusalCode::Busy, Blame::Nobody, text));
        }
        match self.ledger.begin(&request).await.map_err(|e| unrecorded(&e))? {
            Standing::Open => {}
            standing => return settled(standing),
        }
        let task = Task { client, work, expiry, unwanted, promise: &promise };
        let computed = self.compute(header, offer, held, assembler, loaded, task).await;
        if let Err(refusal) = &computed
            && !matches!(refusal.code, RefusalCode::Internal)
        {
            // Its package is none, or its time is over: no answer is owed.
            self.ledger.give_up(&request).await.map_err(|e| unrecorded(&e))?;
        }
        let answer = computed?;
        let mut body = Writer::new();
        answer.write(&mut body);
        settled(self.ledger.answer(&request, body.finish()).await.map_err(|e| unrecorded(&e))?)
    }

    /// Promises a response by the deal's expiry, if what is promised already and the response's own time leave room for it. Estimates are wrong at times and
    /// machines are slow for a while, so that this is never the last word.
    fn promise(&self, work: Work, expiry: u64) -> Result<Promise, Refusal> {
        let speed = self.bases_per_second.load(Ordering::Relaxed);
        // Before the speed is known, nothing is known.
        let at = Instant::now();
        let own = self.pace.estimate(work, speed, at).unwrap_or(0.0);
        let now = self.clock.now();
        let left = expiry.saturating_sub(now);
        self.turns.promise(own, expiry, now, at).map_err(|why| {
            let text = match why {
                Crowded::Late { before } if own > left as f64 || before <= 0.0 => {
                    format!("this takes about {own:.1} seconds here now, the deal expires in {left}")
                }
                Crowded::Late { before } => format!(
                    "this takes about {own:.1} seconds here after {before:.1} of other work, the deal expires in {left}"
                ),
                Crowded::Others => format!(
                    "this takes about {own:.1} seconds here, and other deals in hand could not be finished in time"
                ),
            };
            Refusal::new(RefusalCode::Busy, Blame::Nobody, text)
        })
    }

    /// Says that an accepted deal cannot be in time any more, if that is so.
    fn still_in_time(&self, task: &Task<'_>) -> Result<f64, Refusal> {
        let speed = self.bases_per_second.load(Ordering::Relaxed);
        let least = self.pace.at_least(task.work, speed, Instant::now());
        let now = self.clock.now();
        let left = task.expiry.saturating_sub(now) as f64;
        // Seconds are whole: what is due in this second is not late yet.
        if now <= task.expiry && least <= left + 1.0 {
            return Ok(left + 1.0 - least);
        }
        let text = format!(
            "accepted and not in time: its turn did not come before {left} seconds were left, it takes {least:.1} at least"
        );
        tracing::error!(%text, "a deal that was accepted is late");
        Err(Refusal::new(RefusalCode::Expired, Blame::Node, text))
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

    /// Measures how many bases of BN254's first group this machine adds up in a second, when no offer computes; returns whether that is news.
    pub async fn measure(&self) -> bool {
        let turn = self.turns.wait(None).await;
        let measuring = move || {
            let _turn = turn;
            let calibration = Calibration::<Bn254>::new(&mut rand::rng());
            let began = Instant::now();
            calibration.bases_per_second(|| began.elapsed())
        };
        let Ok(speed) = tokio::task::spawn_blocking(measuring).await else { return false };
        tracing::info!(bases_per_second = speed, "speed measured");
        self.bases_per_second.swap(speed, Ordering::Relaxed) != speed
    }

    async fn compute<C: Kept>(
        &self,
        header: DealHeader<C::Scalar>,
        offer: Offer,
        held: HeldKey,
        assembler: SealingPublicKey,
        loaded: Loaded<C>,
        task: Task<'_>,
    ) -> Result<Answer, Refusal> {
        let waiting = Instant::now();
        let mut wait = pin!(self.turns.wait(Some(task.client)));
        let turn = loop {
            // Who cannot be in time any more is told at once, not when the turn comes.
            let patience = Duration::from_secs_f64(self.still_in_time(&task)?.clamp(0.1, 3600.0));
            tokio::select! {
                turn = &mut wait => {
                    self.still_in_time(&task)?;
                    break turn;
                }
                () = tokio::time::sleep(patience) => {}
                () = task.unwanted.cancelled() => {
                    return Err(Refusal::new(RefusalCode::Expired, Blame::Nobody, "nobody waits for an answer any more"));
                }
            }
        };
        self.stats.phase(Phase::Wait, waiting.elapsed());
        let node = self.identity.clone();
        let computing = Instant::now();
        task.promise.begins(computing);
        let answered = tokio::task::spawn_blocking(move || {
            // Over when the computation is, even if nobody waits for it any more.
            let _turn = turn;
            answer(&node, &header, offer, &held, &assembler, &loaded.key)
        })
        .await
        .map_err(|_| Refusal::new(RefusalCode::Internal, Blame::Node, "the computation was cut off"))?;
        let took = computing.elapsed();
        self.stats.phase(Phase::Compute, took);
        self.clients.computed(&task.client, self.clock.now(), took.as_secs_f64());
        self.pace.learn(task.work, self.bases_per_second.load(Ordering::Relaxed), took, Instant::now());
        answered
    }
}

/// What is to be computed for whom.
struct Task<'a> {
    client: IdentityKey,
    work: Work,
    /// When the deal expires, Unix seconds.
    expiry: u64,
    /// Cancelled when nobody waits for the answer.
    unwanted: &'a CancellationToken,
    /// What was promised of it.
    promise: &'a Promise,
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
