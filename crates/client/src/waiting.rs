//! Step 5: wait, collect, assemble, verify.

use std::sync::Arc;
use std::time::Duration;

use tacit_algebra::{Curve, Groups};
use tacit_circom::{Proof, VerificationKey};
use tacit_delegate::{AssembleError, Assembled, DealHeader, Dials, assemble};
use tacit_groth16::verify;
use tacit_wire::Blame;
use tacit_wire::Digest32;
use tacit_wire::status::{DeliveryState, ErrorBody, JobState, JobStatus};
use tokio::time::{Instant, sleep, timeout};

use crate::answers::Answers;
use crate::api::{Api, ApiError, printable};
use crate::committee::Member;
use crate::error::ClientError;
use crate::progress::{Event, Progress};
use crate::ticket::JobTicket;

/// For how long the coordinator may hold one request.
const LONG_POLL: Duration = Duration::from_secs(25);
/// A coordinator that answers at once although nothing changed is asked no more often than this.
const LEAST_PAUSE: Duration = Duration::from_millis(250);
const FIRST_RETRY: Duration = Duration::from_millis(200);
const LAST_RETRY: Duration = Duration::from_secs(5);

/// A job that the coordinator has.
pub struct Waiting<C: Curve> {
    ticket: JobTicket,
    header: DealHeader<C::Scalar>,
    vk: Arc<VerificationKey<C>>,
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
}

/// How long to wait.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For a proof.
    pub timeout: Duration,
    /// For further answers, once the first sufficient ones made no proof.
    pub grace: Duration,
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
        if ticket.curve != C::ID {
            return Err(ClientError::Curve { job: ticket.curve, key: C::ID });
        }
        let header = DealHeader::<C::Scalar>::decode(&ticket.header)?;
        let deal = Digest32(header.deal_id().0);
        if deal != ticket.job {
            return Err(ClientError::TicketHeader { ticket: ticket.job, header: deal });
        }
        Ok(Self { ticket, header, vk })
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

    /// Waits for the first answers that suffice and makes the proof of them; a restart of the coordinator only delays.
    /// Call it again after an error that time may mend.
    ///
    /// # Errors
    /// [`ClientError`]; its culprits are those that can be told.
    pub async fn finish(
        &self,
        api: &Api,
        patience: Patience,
        progress: &dyn Progress,
    ) -> Result<Proved<C>, ClientError> {
        let started = Instant::now();
        let mut run = Run {
            job: self,
            answers: Answers::new(),
            needed: usize::from(self.header.terms.dials.answers_needed())
                * usize::from(self.header.terms.dials.groups()),
            tried: 0,
            failed: None,
            unreachable: None,
            started,
            deadline: started + patience.timeout,
        };
        run.until_proved(api, patience, progress).await
    }
}

impl<C: Curve> std::fmt::Debug for Waiting<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Waiting({:?})", self.ticket)
    }
}

/// One call of [`Waiting::finish`].
struct Run<'a, C: Curve> {
    job: &'a Waiting<C>,
    answers: Answers<C>,
    needed: usize,
    /// With how many answers assembling was tried last.
    tried: usize,
    /// Why it failed.
    failed: Option<AssembleError>,
    /// Why the coordinator could not be reached last.
    unreachable: Option<String>,
    started: Instant,
    deadline: Instant,
}

impl<C: Curve> Run<'_, C> {
    async fn until_proved(
        &mut self,
        api: &Api,
        patience: Patience,
        progress: &dyn Progress,
    ) -> Result<Proved<C>, ClientError> {
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
            let turn = self.turn(api, id, seen, &mut spoken, left, progress);
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
                if let Some(proved) = self.try_to_assemble(patience, progress).await? {
                    return Ok(proved);
                }
            } else if status.state == JobState::Proved {
                return self.fetch_proof(api, progress).await;
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
        let polled = api.poll(id, seen, wait).await?;
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
        if now != *spoken || ended {
            let brought = api.answers(id).await?;
            self.answers
                .absorb(&self.job.ticket, self.needed, brought, progress)
                .map_err(|got| ClientError::WrongJob { expected: id, got })?;
            *spoken = now;
        }
        Ok((polled.version, polled.status))
    }

    async fn try_to_assemble(
        &mut self,
        patience: Patience,
        progress: &dyn Progress,
    ) -> Result<Option<Proved<C>>, ClientError> {
        let count = self.answers.count();
        let answers = self.answers.good();
        let answered: Vec<u8> = answers.iter().map(|a| a.place).collect();
        if !self.dials().suffice(answered.iter().copied()) || count == self.tried {
            return Ok(None);
        }
        self.tried = count;
        let (vk, header) = (Arc::clone(&self.job.vk), self.job.header.clone());
        // Interpolation and pairings: not on the executor's threads.
        let assembled = tokio::task::spawn_blocking(move || assemble(&vk, &header, &answers))
            .await
            .map_err(|e| ClientError::Interrupted(e.to_string()))?;
        match assembled {
            Ok(Assembled { proof, suspects }) => {
                progress.event(Event::Verified { answers: count });
                Ok(Some(self.proved(proof, &answered, &suspects)))
            }
            Err(error) => {
                let suspects = match &error {
                    AssembleError::Invalid { suspects, .. } => suspects.clone(),
                    AssembleError::Contradiction { answered, .. } => answered.clone(),
                    _ => Vec::new(),
                };
                progress.event(Event::AnswersDisagree { answers: count, suspects: self.members(&suspects) });
                self.failed = Some(error);
                self.deadline = self.deadline.min(Instant::now() + patience.grace);
                Ok(None)
            }
        }
    }

    async fn fetch_proof(&self, api: &Api, progress: &dyn Progress) -> Result<Proved<C>, ClientError> {
        let brought = api.proof(self.job.ticket.job).await?;
        if brought.id != self.job.ticket.job {
            return Err(ClientError::WrongJob { expected: self.job.ticket.job, got: brought.id });
        }
        let proof = Proof::<C>::from_json(brought.proof.to_string())?;
        // Against the client's own public wires, whatever the coordinator says they are.
        let (vk, public) = (Arc::clone(&self.job.vk), self.job.header.terms.public.clone());
        tokio::task::spawn_blocking(move || verify::verify(&vk, &public, &proof))
            .await
            .map_err(|e| ClientError::Interrupted(e.to_string()))?
            .map_err(ClientError::ProofInvalid)?;
        progress.event(Event::Verified { answers: 0 });
        Ok(self.proved(proof, &[], &[]))
    }

    /// Ends the wait when nothing that may still come could make a proof.
    fn give_up_if_hopeless(&mut self, status: &JobStatus) -> Result<(), ClientError> {
        let ticket = &self.job.ticket;
        let silent = self.answers.silent(ticket);
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
        let good = self.answers.good();
        let possible = good.iter().map(|answer| answer.place).chain(silent.iter().map(|member| member.index));
        if !self.dials().suffice(possible.clone()) {
            let refused = self.answers.refused(ticket);
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
        self.dials().counting(self.answers.good().iter().map(|answer| answer.place))
    }

    fn expired(&self, silent: Vec<Member>) -> ClientError {
        ClientError::Expired { job: self.job.ticket.job, needed: self.needed, got: self.counting(), silent }
    }

    fn not_assembled(&self, error: AssembleError) -> ClientError {
        let answered: Vec<u8> = self.answers.good().iter().map(|a| a.place).collect();
        ClientError::NotAssembled { error, members: self.members(&answered) }
    }

    fn out_of_time(&mut self) -> ClientError {
        match self.failed.take() {
            Some(error) => self.not_assembled(error),
            None => ClientError::TimedOut {
                waited: self.started.elapsed(),
                needed: self.needed,
                got: self.counting(),
                silent: self.answers.silent(&self.job.ticket),
                refused: self.answers.refused(&self.job.ticket),
                unreachable: self.unreachable.take(),
            },
        }
    }

    fn members(&self, indices: &[u8]) -> Vec<Member> {
        indices.iter().filter_map(|i| self.job.ticket.seat(*i)).map(|s| s.member.clone()).collect()
    }

    fn proved(&self, proof: Proof<C>, answered: &[u8], suspects: &[u8]) -> Proved<C> {
        Proved {
            proof,
            public: self.job.header.terms.public.clone(),
            job: self.job.ticket.job,
            members: self.job.ticket.members(),
            answered: self.members(answered),
            suspects: self.members(suspects),
        }
    }
}

fn reason(status: &JobStatus) -> ErrorBody {
    status.error.clone().map(printable).unwrap_or_else(|| ErrorBody {
        code: "failed".to_owned(),
        message: "it gives no reason".to_owned(),
        blame: Blame::Nobody,
    })
}
