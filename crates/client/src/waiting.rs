//! Step 5: wait, collect, assemble, verify. For whatever a job's answers make: a proof, or a sum ([`crate::msm`]).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tacit_algebra::{Curve, Groups};
use tacit_circom::{Proof, VerificationKey};
use tacit_delegate::{Answer, AssembleError, Assembled, DealHeader, Dials, assemble};
use tacit_groth16::verify;
use tacit_wire::frame::Body as _;
use tacit_wire::messages::{self, Assembler, JobAnswers, NodeAnswer, Outcome, Reassign};
use tacit_wire::status::{Contradiction, DeliveryState, ErrorBody, JobProof, JobState, JobStatus};
use tacit_wire::{Blame, Digest32, IdentityKey};
use tokio::time::{Instant, sleep, timeout};

use crate::answers::{Answers, Reply};
use crate::api::{Api, ApiError, printable};
use crate::client::system_rng;
use crate::committee::Member;
use crate::dealing::unix_now;
use crate::error::ClientError;
use crate::kept::{Finding, Found, Keeper};
use crate::log::Expectation;
use crate::progress::{Event, Progress};
use crate::ticket::{JobTicket, TicketSeat};

/// For how long the coordinator may hold one request.
const LONG_POLL: Duration = Duration::from_secs(25);
/// A coordinator that answers at once although nothing changed is asked no more often than this.
const LEAST_PAUSE: Duration = Duration::from_millis(250);
const FIRST_RETRY: Duration = Duration::from_millis(200);
const LAST_RETRY: Duration = Duration::from_secs(5);

/// So many nodes are given others' places in one deal: everyone who was ever sent a package counts among those that must not collude.
const MOST_REPLACED: usize = 4;
/// For how long the coordinator may take to hear that nothing more is needed.
const FAREWELL: Duration = Duration::from_secs(5);

/// What the answers of a job make, and how it is checked.
pub trait Product: Send + Sync + 'static {
    /// Over which curve.
    type Curve: Curve;
    /// A node's answer.
    type Answer: Reply;
    /// What they make.
    type Made: Send + 'static;
    /// That, and how it came about.
    type Done;

    /// Assembles and checks; also gives the places whose answers do not agree with the others.
    ///
    /// # Errors
    /// [`AssembleError`].
    fn assemble(
        &self,
        header: &DealHeader<<Self::Curve as Groups>::Scalar>,
        answers: &[Self::Answer],
    ) -> Result<(Self::Made, Vec<u8>), AssembleError>;

    /// Checks what the coordinator assembled.
    ///
    /// # Errors
    /// [`ClientError`].
    fn check(
        &self,
        header: &DealHeader<<Self::Curve as Groups>::Scalar>,
        brought: &JobProof,
    ) -> Result<Self::Made, ClientError>;

    /// Puts together what the caller gets.
    fn done(
        made: Self::Made,
        header: &DealHeader<<Self::Curve as Groups>::Scalar>,
        who: Contributors,
    ) -> Self::Done;
}

/// Who contributed to a job.
#[derive(Debug, Clone)]
pub struct Contributors {
    /// The job.
    pub job: Digest32,
    /// Who got shares.
    pub members: Vec<Member>,
    /// Whose answers were at hand.
    pub answered: Vec<Member>,
    /// Whose answers do not agree with the result.
    pub suspects: Vec<Member>,
    /// What was found out about suspects and about nodes that contradicted themselves.
    pub findings: Vec<Finding>,
    /// What the coordinator's receipt must say.
    pub dealt: Expectation,
}

/// A proof, checked with the verification key.
#[derive(Debug)]
pub struct Proving<C: Curve>(Arc<VerificationKey<C>>);

impl<C: Curve> Proving<C> {
    pub(crate) fn new(vk: Arc<VerificationKey<C>>) -> Self {
        Self(vk)
    }
}

impl<C: Curve> Product for Proving<C> {
    type Curve = C;
    type Answer = Answer<C>;
    type Made = Proof<C>;
    type Done = Proved<C>;

    fn assemble(
        &self,
        header: &DealHeader<C::Scalar>,
        answers: &[Answer<C>],
    ) -> Result<(Proof<C>, Vec<u8>), AssembleError> {
        let Assembled { proof, suspects } = assemble(&self.0, header, answers)?;
        Ok((proof, suspects))
    }

    fn check(&self, header: &DealHeader<C::Scalar>, brought: &JobProof) -> Result<Proof<C>, ClientError> {
        let proof = Proof::<C>::from_json(brought.proof.to_string())?;
        // Against the client's own public wires, whatever the coordinator says they are.
        verify::verify(&self.0, &header.terms.public, &proof).map_err(ClientError::ProofInvalid)?;
        Ok(proof)
    }

    fn done(proof: Proof<C>, header: &DealHeader<C::Scalar>, who: Contributors) -> Proved<C> {
        let Contributors { job, members, answered, suspects, findings, dealt } = who;
        Proved {
            proof,
            public: header.terms.public.clone(),
            job,
            members,
            answered,
            suspects,
            findings,
            dealt,
        }
    }
}

/// A job that the coordinator has.
pub struct Waiting<C: Curve, P: Product<Curve = C> = Proving<C>> {
    ticket: JobTicket,
    header: DealHeader<C::Scalar>,
    product: Arc<P>,
    answers: Answers<P::Answer>,
    /// Whether a node gave two different answers, as the coordinator says.
    contradicted: bool,
    /// What earlier deals of the same job brought to light.
    known: Vec<Finding>,
    /// In the process that dealt.
    keeper: Option<Box<dyn Keeper<P::Answer>>>,
}

/// A proof that verifies, and how it came about.
#[derive(Debug, Clone)]
pub struct Proved<C: Curve> {
    /// The proof.
    pub proof: Proof<C>,
    /// The public wires that it is for, the constant one not among them.
    pub public: Vec<C::Scalar>,
    /// The job.
    pub job: Digest32,
    /// Who got shares.
    pub members: Vec<Member>,
    /// Whose answers were at hand; none if the coordinator assembled.
    pub answered: Vec<Member>,
    /// Whose answers do not agree with those that gave the proof.
    pub suspects: Vec<Member>,
    /// What was found out about suspects and about nodes that contradicted themselves.
    pub findings: Vec<Finding>,
    /// What the coordinator's [receipt](crate::log) must say.
    pub dealt: Expectation,
}

/// How long to wait.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For a proof.
    pub timeout: Duration,
    /// For further answers, once the first sufficient ones made no proof.
    pub grace: Duration,
    /// For nodes that are away, before others take their places; `None`: for as long as for a proof.
    pub replace_after: Option<Duration>,
}

/// Pauses that grow while the coordinator does not answer.
#[derive(Debug)]
pub(crate) struct Backoff(Duration);

impl Backoff {
    pub(crate) fn new() -> Self {
        Self(FIRST_RETRY)
    }

    /// The pause before the next attempt; at most until `deadline`.
    pub(crate) async fn pause(&mut self, error: &ApiError, deadline: Instant, progress: &dyn Progress) {
        let pause = self.0.min(deadline.saturating_duration_since(Instant::now()));
        self.0 = (self.0 * 2).min(LAST_RETRY);
        progress.event(Event::Unreachable { reason: error.to_string(), retry_in: pause });
        sleep(pause).await;
    }
}

impl<C: Curve> Waiting<C> {
    /// A job by its ticket: after submitting, or later, in another process.
    ///
    /// # Errors
    /// When ticket, header and key do not belong together.
    pub fn resume(ticket: JobTicket, vk: Arc<VerificationKey<C>>) -> Result<Self, ClientError> {
        Self::of(ticket, Proving::new(vk))
    }
}

impl<C: Curve, P: Product<Curve = C>> Waiting<C, P> {
    pub(crate) fn of(ticket: JobTicket, product: P) -> Result<Self, ClientError> {
        if ticket.curve != C::ID {
            return Err(ClientError::Curve { job: ticket.curve, key: C::ID });
        }
        let header = DealHeader::<C::Scalar>::decode(&ticket.header)?;
        let deal = Digest32(header.deal_id().0);
        if deal != ticket.job {
            return Err(ClientError::TicketHeader { ticket: ticket.job, header: deal });
        }
        Ok(Self {
            ticket,
            header,
            product: Arc::new(product),
            answers: Answers::new(),
            contradicted: false,
            known: Vec::new(),
            keeper: None,
        })
    }

    /// What was found out before is told with what will be.
    pub(crate) fn knowing(&mut self, known: Vec<Finding>) {
        self.known = known;
    }

    /// With what only the process has that dealt.
    pub(crate) fn with(self, keeper: Box<dyn Keeper<P::Answer>>) -> Self {
        Self { keeper: Some(keeper), ..self }
    }

    /// The job's ticket, to be saved by a client that goes away.
    pub fn ticket(&self) -> &JobTicket {
        &self.ticket
    }

    /// The public wires, the constant one not among them.
    pub fn public(&self) -> &[<C as Groups>::Scalar] {
        &self.header.terms.public
    }

    /// Seconds, in Unix time, until which nodes may answer.
    pub fn expiry(&self) -> u64 {
        self.header.terms.expiry
    }

    /// Waits for the first answers that suffice and makes the proof, or the sum, of them; a restart of the coordinator only delays. Nodes that are lost
    /// are replaced, where this process dealt and too few would be left. Answers that do not agree are judged, where
    /// [`Prepared::judging_with`](crate::Prepared::judging_with) was given. Call it again after an error that time may mend.
    ///
    /// # Errors
    /// [`ClientError`]; its culprits are those that can be told.
    pub async fn finish(
        &mut self,
        api: &Api,
        patience: Patience,
        progress: &dyn Progress,
    ) -> Result<P::Done, ClientError> {
        let started = Instant::now();
        let places = self.header.terms.dials.seats();
        let mut run = Run {
            needed: usize::from(self.header.terms.dials.answers_needed())
                * usize::from(self.header.terms.dials.groups()),
            job: self,
            tried: Vec::new(),
            replaced: 0,
            sent_again: BTreeMap::new(),
            irreplaceable: BTreeSet::new(),
            failed: None,
            unreachable: None,
            // Until the coordinator says that they are there.
            away: (1..=places).map(|place| (place, started)).collect(),
            started,
            deadline: started + patience.timeout,
        };
        let assembled = run.until_assembled(api, patience, progress).await;
        match assembled {
            Ok(Assembly { made, answered, suspects }) => {
                if self.ticket.is_secret() {
                    self.cancel(api).await;
                }
                let dealt = self.expectation();
                self.hear_contradictions(api, progress).await;
                let findings = self.findings(suspects.clone(), patience.grace, progress).await;
                let who = Contributors {
                    job: self.ticket.job,
                    members: self.ticket.members(),
                    answered: self.members(&answered),
                    suspects: self.members(&suspects),
                    findings,
                    dealt,
                };
                Ok(P::done(made, &self.header, who))
            }
            Err(ClientError::NotAssembled { error, members, .. }) => {
                let answered = self.answers.good().iter().map(Reply::place).collect();
                self.cancel(api).await;
                self.hear_contradictions(api, progress).await;
                let findings = self.findings(answered, patience.grace, progress).await;
                Err(ClientError::NotAssembled { error, members, findings })
            }
            Err(error @ ClientError::TooFewAnswers { .. }) => {
                self.cancel(api).await;
                Err(error)
            }
            // Time may mend the others.
            Err(error) => Err(error),
        }
    }

    fn members(&self, places: &[u8]) -> Vec<Member> {
        places.iter().filter_map(|place| self.ticket.seat(*place)).map(|s| s.member.clone()).collect()
    }

    /// What the coordinator's receipt must say of this job.
    fn expectation(&self) -> Expectation {
        let terms = &self.header.terms;
        Expectation {
            job: self.ticket.job,
            circuit: Digest32(terms.circuit.0),
            curve: terms.curve,
            dials: terms.dials,
            assembler: if self.ticket.is_secret() { Assembler::Client } else { Assembler::Coordinator },
            seats: (self.ticket.seats.iter())
                .map(|s| (s.member.index, IdentityKey(s.member.identity), s.acknowledgement))
                .collect(),
            answered: self.answers.acknowledged_places().collect(),
        }
    }

    /// A node that acknowledged another package than the one dealt to it, where the coordinator assembles: its answer cannot be left out then.
    fn acknowledged_otherwise(&self) -> Option<Member> {
        if self.ticket.is_secret() { None } else { self.answers.acknowledged_otherwise(&self.ticket) }
    }

    /// Takes the second answers of nodes that gave two. What made the proof, or did not, is at hand by then: an answer that came in time is not lost by it.
    async fn hear_contradictions(&mut self, api: &Api, progress: &dyn Progress) {
        if !self.contradicted {
            return;
        }
        let (id, needed) = (self.ticket.job, usize::from(self.header.terms.dials.answers_needed()));
        let brought = match timeout(FAREWELL, api.contradictions(id)).await {
            Ok(Ok(brought)) if id == brought.id => brought.contradictions,
            Ok(Ok(_)) | Err(_) => return,
            Ok(Err(error)) => {
                tracing::info!(%error, "a node gave two answers, and the coordinator does not show them");
                return;
            }
        };
        for Contradiction { index, answers, .. } in brought {
            for answer in answers {
                let answer =
                    hex::decode(answer).ok().and_then(|bytes| messages::Answer::from_body(&bytes).ok());
                let Some(answer) = answer else { continue };
                let outcome = Outcome::Answered(answer);
                let brought = JobAnswers { deal: id, answers: vec![NodeAnswer { index, outcome }] };
                // It is this deal's by construction.
                let _ = self.answers.absorb(&self.ticket, needed, brought, progress);
            }
        }
    }

    /// Judges answers, where that is possible, and adds the contradictions.
    /// Takes at most so long; what is not found out by then is not.
    async fn findings(
        &mut self,
        places: Vec<u8>,
        at_most: Duration,
        progress: &dyn Progress,
    ) -> Vec<Finding> {
        let until = Instant::now() + at_most;
        let mut findings = Vec::new();
        for (member, evidence) in self.answers.contradictions() {
            let found = Found::Guilty(Box::new(evidence.clone()));
            findings.push(Finding { member: member.clone(), found });
        }
        let judged = self.judge(places.clone(), until).await;
        // A suspect that is right is off a polynomial that goes through lies: whose, is among the others.
        let others = if judged.iter().any(|f| !f.found.is_guilt()) {
            self.answers.good().iter().map(Reply::place).filter(|place| !places.contains(place)).collect()
        } else {
            Vec::new()
        };
        findings.extend(judged);
        findings.extend(self.judge(others, until).await);
        for finding in &findings {
            progress.event(Event::Judged { finding: finding.clone() });
        }
        self.known.iter().cloned().chain(findings).collect()
    }

    /// Computes answers again, where that is possible.
    async fn judge(&mut self, places: Vec<u8>, until: Instant) -> Vec<Finding> {
        let signed: Vec<_> = (places.iter())
            .filter_map(|place| {
                Some((self.ticket.seat(*place)?.clone(), self.answers.signed(*place)?.clone()))
            })
            .collect();
        let Some(mut keeper) = self.keeper.take_if(|_| !signed.is_empty()) else { return Vec::new() };
        let header = self.ticket.header.clone();
        // Each takes as long as a node takes: not on the executor's threads.
        let judging = move || {
            let findings = keeper.judge(&header, &signed);
            (keeper, findings)
        };
        match tokio::time::timeout_at(until, tokio::task::spawn_blocking(judging)).await {
            Ok(Ok((keeper, judged))) => {
                self.keeper = Some(keeper);
                judged
            }
            _ => {
                tracing::warn!("there was no time to compute answers again");
                Vec::new()
            }
        }
    }

    /// Tells the coordinator that nothing more is needed, so that nobody computes in vain. If it does not hear, nothing is lost.
    pub(crate) async fn cancel(&self, api: &Api) {
        if let Some(keeper) = &self.keeper {
            let cancel = keeper.cancel(self.ticket.job);
            match timeout(FAREWELL, api.cancel(&cancel)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::debug!(%error, "the coordinator did not take the cancellation"),
                Err(_) => tracing::debug!("the coordinator did not answer the cancellation"),
            }
        }
    }
}

impl<C: Curve, P: Product<Curve = C>> std::fmt::Debug for Waiting<C, P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Waiting({:?})", self.ticket)
    }
}

/// What was assembled, and of whose answers.
struct Assembly<P: Product> {
    made: P::Made,
    answered: Vec<u8>,
    suspects: Vec<u8>,
}

/// One call of [`Waiting::finish`].
struct Run<'a, C: Curve, P: Product<Curve = C>> {
    job: &'a mut Waiting<C, P>,
    needed: usize,
    /// With which answers assembling was tried last.
    tried: Vec<(u8, Digest32)>,
    /// Why it failed.
    failed: Option<AssembleError>,
    /// Why the coordinator could not be reached last.
    unreachable: Option<String>,
    /// How often another node was given a place.
    replaced: usize,
    /// Replacements of which it is not known whether the coordinator took them: the same bytes are sent again.
    sent_again: BTreeMap<u8, (TicketSeat, Reassign)>,
    /// Places that the coordinator will not give to others.
    irreplaceable: BTreeSet<u8>,
    /// Since when nodes are away that have not spoken.
    away: BTreeMap<u8, Instant>,
    started: Instant,
    deadline: Instant,
}

impl<C: Curve, P: Product<Curve = C>> Run<'_, C, P> {
    async fn until_assembled(
        &mut self,
        api: &Api,
        patience: Patience,
        progress: &dyn Progress,
    ) -> Result<Assembly<P>, ClientError> {
        let id = self.job.ticket.job;
        let mut seen = 0;
        let mut spoken = Vec::new();
        let mut backoff = Backoff::new();
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(self.out_of_time());
            }
            let asked = Instant::now();
            let longest = patience.replace_after.filter(|_| self.job.keeper.is_some()).unwrap_or(LONG_POLL);
            let turn = self.turn(api, id, seen, &mut spoken, left.min(longest), progress);
            let status = match timeout(left, turn).await {
                Err(_) => return Err(self.out_of_time()),
                Ok(Ok((version, status))) => {
                    backoff = Backoff::new();
                    self.unreachable = None;
                    if version == seen {
                        sleep(LEAST_PAUSE.saturating_sub(asked.elapsed()).min(left)).await;
                    }
                    seen = version;
                    status
                }
                // A stranger between the two for a while does not end the job either.
                Ok(Err(ClientError::Api(error)))
                    if error.is_transient() || matches!(error, ApiError::Pin { .. }) =>
                {
                    self.unreachable = Some(error.to_string());
                    backoff.pause(&error, self.deadline, progress).await;
                    continue;
                }
                Ok(Err(ClientError::Api(error))) if error.is_not_found() => {
                    return Err(ClientError::JobLost { job: id });
                }
                Ok(Err(error)) => return Err(error),
            };
            if self.job.ticket.is_secret() {
                if let Some(done) = self.try_to_assemble(patience, progress).await? {
                    return Ok(done);
                }
            } else if status.state == JobState::Proved {
                return self.fetch_proof(api, progress).await;
            }
            let left = self.deadline.saturating_duration_since(Instant::now());
            let replaced = timeout(left, self.replace_lost(&status, api, patience, progress)).await;
            if replaced.unwrap_or(false) {
                // What the coordinator said before is about others.
                spoken.clear();
                continue;
            }
            self.give_up_if_hopeless(&status)?;
        }
    }

    /// One look at the job; answers are fetched when another node has spoken.
    async fn turn(
        &mut self,
        api: &Api,
        id: Digest32,
        seen: u64,
        spoken: &mut Vec<(u8, DeliveryState)>,
        left: Duration,
        progress: &dyn Progress,
    ) -> Result<(u64, JobStatus), ClientError> {
        // At least a second: zero would mean "at once".
        let wait = LONG_POLL.min(left).max(Duration::from_secs(1));
        // Once those that were needed made no proof, the next one may.
        let awaited = match progress.each_answer() {
            true => 0,
            false if self.job.ticket.is_secret() => self.needed.max(spoken.len() + 1),
            // The coordinator assembles: its end is what is waited for.
            false => self.job.ticket.seats.len(),
        };
        let polled = api.poll(id, seen, awaited, wait).await?;
        if polled.status.id != id {
            return Err(ClientError::WrongJob { expected: id, got: polled.status.id });
        }
        let now: Vec<(u8, DeliveryState)> = polled
            .status
            .nodes
            .iter()
            .filter(|n| matches!(n.state, DeliveryState::Answered | DeliveryState::Refused))
            .map(|n| (n.index, n.state))
            .collect();
        let ended = polled.status.state.is_final();
        self.job.contradicted |= polled.status.nodes.iter().any(|node| node.contradicted);
        if now != *spoken || ended {
            // An earlier version of the coordinator brings none.
            let brought = match polled.brought()? {
                Some(brought) => brought,
                None => api.answers(id).await?,
            };
            let Waiting { answers, ticket, .. } = &mut *self.job;
            answers
                .absorb(ticket, self.needed, brought, progress)
                .map_err(|got| ClientError::WrongJob { expected: id, got })?;
            *spoken = now;
            if let Some(member) = self.job.acknowledged_otherwise() {
                self.job.cancel(api).await;
                return Err(ClientError::AcknowledgedOtherwise { job: id, member });
            }
        }
        Ok((polled.version, polled.status))
    }

    async fn try_to_assemble(
        &mut self,
        patience: Patience,
        progress: &dyn Progress,
    ) -> Result<Option<Assembly<P>>, ClientError> {
        let count = self.job.answers.count();
        let answers = self.job.answers.good();
        let answered: Vec<u8> = answers.iter().map(Reply::place).collect();
        let at_hand = self.job.answers.fingerprint();
        if !self.dials().suffice(answered.iter().copied()) || at_hand == self.tried {
            return Ok(None);
        }
        self.tried = at_hand;
        let (product, header) = (Arc::clone(&self.job.product), self.job.header.clone());
        // Interpolation and pairings: not on the executor's threads.
        let assembled = tokio::task::spawn_blocking(move || product.assemble(&header, &answers))
            .await
            .map_err(|e| ClientError::Interrupted(e.to_string()))?;
        match assembled {
            Ok((made, suspects)) => {
                progress.event(Event::Verified { answers: count });
                Ok(Some(Assembly { made, answered, suspects }))
            }
            Err(error) => {
                let suspects = match &error {
                    AssembleError::Invalid { suspects, .. } => suspects.clone(),
                    AssembleError::Contradiction { answered, .. }
                    | AssembleError::NoAuthenticSum { answered, .. } => answered.clone(),
                    _ => Vec::new(),
                };
                progress.event(Event::AnswersDisagree { answers: count, suspects: self.members(&suspects) });
                self.failed = Some(error);
                self.deadline = self.deadline.min(Instant::now() + patience.grace);
                Ok(None)
            }
        }
    }

    async fn fetch_proof(&self, api: &Api, progress: &dyn Progress) -> Result<Assembly<P>, ClientError> {
        let brought = api.proof(self.job.ticket.job).await?;
        if brought.id != self.job.ticket.job {
            return Err(ClientError::WrongJob { expected: self.job.ticket.job, got: brought.id });
        }
        let (product, header) = (Arc::clone(&self.job.product), self.job.header.clone());
        let made = tokio::task::spawn_blocking(move || product.check(&header, &brought))
            .await
            .map_err(|e| ClientError::Interrupted(e.to_string()))??;
        progress.event(Event::Verified { answers: 0 });
        Ok(Assembly { made, answered: Vec::new(), suspects: Vec::new() })
    }

    /// When too few are left without those that refused or are away for long: gives their packages to other nodes, if there are any.
    /// Returns whether one was replaced.
    async fn replace_lost(
        &mut self,
        status: &JobStatus,
        api: &Api,
        patience: Patience,
        progress: &dyn Progress,
    ) -> bool {
        let now = Instant::now();
        let gone = |state| matches!(state, DeliveryState::Waiting | DeliveryState::Lost);
        let away: Vec<u8> = status.nodes.iter().filter(|n| gone(n.state)).map(|n| n.index).collect();
        self.away.retain(|place, _| away.contains(place));
        for place in away {
            self.away.entry(place).or_insert(now);
        }
        if self.job.keeper.is_none() || !self.job.ticket.is_secret() || status.state.is_final() {
            return false;
        }
        let answers = &self.job.answers;
        let Some(longest) = patience.replace_after else { return false };
        let is_lost = |place: &u8| {
            answers.signed(*place).is_none()
                && (answers.is_refused(*place)
                    || self.away.get(place).is_some_and(|since| since.elapsed() >= longest))
        };
        let dials = self.dials();
        let mut possible: Vec<u8> = (1..=dials.seats()).filter(|place| !is_lost(place)).collect();
        let lost: Vec<u8> = (1..=dials.seats()).filter(is_lost).collect();
        let mut replaced = false;
        for place in lost {
            // Where its group has enough without it, it is not missed.
            let before = dials.counting(possible.iter().copied());
            possible.push(place);
            if dials.counting(possible.iter().copied()) == before {
                possible.pop();
                continue;
            }
            match self.replace(place, api, progress).await {
                Ok(true) => replaced = true,
                Ok(false) => {
                    possible.pop();
                }
                Err(error) => {
                    tracing::info!(%error, place, "a node is lost and not replaced");
                    possible.pop();
                }
            }
        }
        replaced
    }

    /// Gives a place to another node; `false` where that is not possible or not called for.
    async fn replace(&mut self, place: u8, api: &Api, progress: &dyn Progress) -> Result<bool, ClientError> {
        let (seat, reassign) = match self.sent_again.remove(&place) {
            Some(again) => again,
            None => match self.another(place, api, progress).await? {
                Some(another) => another,
                None => return Ok(false),
            },
        };
        match api.reassign(self.job.ticket.job, &reassign).await {
            Ok(_) => {}
            Err(error) if error.is_transient() => {
                self.sent_again.insert(place, (seat, reassign));
                return Err(error.into());
            }
            Err(error) => {
                self.irreplaceable.insert(place);
                return Err(error.into());
            }
        }
        let Waiting { ticket, answers, .. } = &mut *self.job;
        if let Some(lost) = ticket.seat(place).map(|seat| seat.member.clone()) {
            progress.event(Event::Replaced { lost, by: seat.member.clone() });
        }
        ticket.replace(seat);
        answers.forget(place);
        self.away.remove(&place);
        Ok(true)
    }

    /// Another node for a place, with the package sealed to it; `None` if nobody may have it, or the node is there after all and only busy.
    async fn another(
        &mut self,
        place: u8,
        api: &Api,
        progress: &dyn Progress,
    ) -> Result<Option<(TicketSeat, Reassign)>, ClientError> {
        if self.replaced >= MOST_REPLACED || self.irreplaceable.contains(&place) {
            return Ok(None);
        }
        let info = api.network().await?;
        let ticket = &self.job.ticket;
        let holder = ticket.seat(place).map(|seat| seat.member.identity);
        let is_there = info.nodes.iter().any(|n| n.connected && Some(n.identity.0) == holder);
        if is_there && !self.job.answers.is_refused(place) {
            self.away.remove(&place);
            return Ok(None);
        }
        let (dials, times) = (self.dials(), (unix_now(), self.job.expiry()));
        let mut rng = system_rng()?;
        let Some(keeper) = &mut self.job.keeper else { return Ok(None) };
        let sealed = keeper.replace(dials, (place, &self.job.ticket), &info, times, progress, &mut rng)?;
        self.replaced += 1;
        Ok(sealed.map(|(seat, delivery)| (seat, Reassign { delivery })))
    }

    /// Ends the wait when nothing that may still come could make a proof.
    fn give_up_if_hopeless(&mut self, status: &JobStatus) -> Result<(), ClientError> {
        let ticket = &self.job.ticket;
        let silent = self.job.answers.silent(ticket);
        let ended = status.state.is_final();
        // Where the coordinator assembles it says itself when there is no hope.
        if !ticket.is_secret() {
            return match status.state {
                JobState::Failed => Err(ClientError::JobFailed { job: ticket.job, body: reason(status) }),
                JobState::Expired => Err(self.expired(silent)),
                _ => Ok(()),
            };
        }
        if let Some(error) = self.failed.take_if(|_| ended || silent.is_empty()) {
            return Err(self.not_assembled(error));
        }
        let good = self.job.answers.good();
        let possible = good.iter().map(Reply::place).chain(silent.iter().map(|member| member.index));
        if !self.dials().suffice(possible.clone()) {
            let refused = self.job.answers.refused(ticket);
            let got = self.dials().counting(possible);
            return Err(ClientError::TooFewAnswers { needed: self.needed, got, refused });
        }
        match status.state {
            JobState::Expired => Err(self.expired(silent)),
            JobState::Failed => Err(ClientError::JobFailed { job: ticket.job, body: reason(status) }),
            _ => Ok(()),
        }
    }

    fn dials(&self) -> Dials {
        self.job.header.terms.dials
    }

    /// The answers that count towards those needed.
    fn counting(&self) -> usize {
        self.dials().counting(self.job.answers.good().iter().map(Reply::place))
    }

    fn expired(&self, silent: Vec<Member>) -> ClientError {
        ClientError::Expired { job: self.job.ticket.job, needed: self.needed, got: self.counting(), silent }
    }

    fn not_assembled(&self, error: AssembleError) -> ClientError {
        let answered: Vec<u8> = self.job.answers.good().iter().map(Reply::place).collect();
        ClientError::NotAssembled { error, members: self.members(&answered), findings: Vec::new() }
    }

    fn out_of_time(&mut self) -> ClientError {
        match self.failed.take() {
            Some(error) => self.not_assembled(error),
            None => ClientError::TimedOut {
                waited: self.started.elapsed(),
                needed: self.needed,
                got: self.counting(),
                silent: self.job.answers.silent(&self.job.ticket),
                refused: self.job.answers.refused(&self.job.ticket),
                unreachable: self.unreachable.take(),
            },
        }
    }

    fn members(&self, places: &[u8]) -> Vec<Member> {
        self.job.members(places)
    }
}

fn reason(status: &JobStatus) -> ErrorBody {
    status.error.clone().map(printable).unwrap_or_else(|| ErrorBody {
        code: "failed".to_owned(),
        message: "it gives no reason".to_owned(),
        blame: Blame::Nobody,
    })
}
