//! A request from its envelope to its place in the queue: what costs the least is looked at first.

use std::net::IpAddr;
use std::sync::Arc;

use tacit_pool::Fr;
use tacit_wire::Digest32;

use super::refusal::{Code, Refusal};
use super::{Desk, Spend, accept, authorisation, digest, fresh, open_with};
use crate::circuits::CircuitKind;
use crate::sealed::{Envelope, EnvelopeError, Request, RequestId, Task};
use crate::status::SpendStatus;
use crate::work::Auth;

/// What a transaction uses up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Claims {
    replay_id: Fr,
    nullifiers: [Fr; 2],
}

impl Claims {
    pub(super) fn of(request: &Request) -> Self {
        let public = request.task.statement().public_inputs();
        Self { replay_id: public.intent_replay_id, nullifiers: public.nullifiers }
    }

    fn meets(&self, other: &Self) -> bool {
        self.replay_id == other.replay_id
            || self.nullifiers.iter().any(|nullifier| other.nullifiers.contains(nullifier))
    }
}

impl Desk {
    /// Accepts a request, or knows it already. It is on disk when this returns.
    pub(super) async fn accept(
        self: &Arc<Self>,
        envelope: &[u8],
        client: IpAddr,
    ) -> Result<SpendStatus, Refusal> {
        let outside = Envelope::read(envelope).map_err(|error| {
            Refusal::new(Code::BadEnvelope, format!("not an envelope of this version: {error}"))
        })?;
        if outside.sequence > self.registration().body.sequence {
            let message = "sealed under a registration that this service has not made: fetch it again";
            return Err(Refusal::new(Code::UnknownRegistration, message));
        }
        let request = open_with(&self.keys, self.config.place, self.prover, envelope).map_err(|error| match error {
            EnvelopeError::Open(_) => Refusal::new(
                Code::BadEnvelope,
                "the envelope does not open: it was changed, or sealed for another prover, pool or registration",
            ),
            EnvelopeError::Decode(error) => Refusal::new(Code::BadRequest, error.to_string()),
        })?;
        let Request { id, task } = &request;
        let digest = digest(&request);
        if let Some(known) = self.known(*id, digest)? {
            return Ok(known);
        }
        if self.shutdown.is_cancelled() {
            return Err(Refusal::later(Code::Draining, "this service is ending; try again", 10));
        }
        accept::check(&self.config, &self.keys, &self.circuits, task, self.clock.now())?;
        self.room(&request, client)?;
        let request = self.check_witness(request).await?;
        let statement = request.task.statement();
        let seen = self
            .chain
            .look(statement)
            .await
            .map_err(|error| Refusal::later(Code::ChainUnreachable, error.to_string(), 10))?;
        accept::check_chain(&self.config, statement, &seen, self.config.time_needed.as_secs())?;
        let request = self.check_proofs(request).await?;
        let _one = self.accepting.lock().await;
        let id = request.id;
        if let Some(known) = self.known(id, digest)? {
            return Ok(known);
        }
        self.room(&request, client)?;
        let (desk, bytes) = (Arc::clone(self), envelope.to_vec());
        let written = tokio::task::spawn_blocking(move || desk.store.accept(id, &bytes)).await;
        match written {
            Ok(Ok(())) => {}
            failed => {
                tracing::error!(%id, ?failed, "an envelope cannot be written");
                return Err(Refusal::later(
                    Code::Storage,
                    "this service cannot keep requests; tell its operator",
                    60,
                ));
            }
        }
        let status = fresh(id);
        self.spends().insert(id, Spend::of(&request, Some(client)));
        self.metrics.accepted();
        self.count();
        tracing::info!(%id, "a request was accepted");
        self.carry(id, request.task, None);
        Ok(status)
    }

    /// The status of a request that came before.
    fn known(&self, id: RequestId, digest: Digest32) -> Result<Option<SpendStatus>, Refusal> {
        match self.spends().get(&id) {
            Some(spend) if spend.digest == digest => Ok(Some(spend.status.borrow().clone())),
            Some(_) => Err(Refusal::new(Code::IdTaken, "another request has this id: draw a new one")),
            None => Ok(None),
        }
    }

    /// Whether there is a place for it, and nothing on its way that it would take something from.
    fn room(&self, request: &Request, client: IpAddr) -> Result<(), Refusal> {
        let (claims, spends) = (Claims::of(request), self.spends());
        let (mut open, mut of_client) = (0, 0);
        for spend in spends.values() {
            let Some(other) = &spend.claims else { continue };
            if other.meets(&claims) {
                let message = "another request for this intent, or of a note that it spends, is on its way";
                return Err(Refusal::new(Code::InProgress, message));
            }
            open += 1;
            of_client += usize::from(spend.client == Some(client));
        }
        if of_client >= self.config.queue_per_client {
            let message =
                format!("{of_client} requests of this address are on their way: wait until one has ended");
            return Err(Refusal::later(Code::TooManyRequests, message, 10));
        }
        if open >= self.config.queue {
            let message = "this service has as much to do as it takes on; try again, or take another way";
            return Err(Refusal::later(Code::QueueFull, message, 30));
        }
        Ok(())
    }

    /// Whether what is to be proved can be: nobody gets a proving for nothing.
    async fn check_witness(&self, request: Request) -> Result<Request, Refusal> {
        let check = move || match &request.task {
            Task::Prove(work) => match crate::check::check(work) {
                Ok(()) => Ok(request),
                Err(error) => Err(Refusal::new(Code::NoWitness, error.to_string())),
            },
            Task::Relay { .. } => Ok(request),
        };
        let checked = tokio::task::spawn_blocking(check).await;
        checked.unwrap_or_else(|_| Err(Refusal::new(Code::Internal, "checking the witness failed")))
    }

    /// Proofs that were made elsewhere must hold.
    async fn check_proofs(self: &Arc<Self>, request: Request) -> Result<Request, Refusal> {
        let desk = Arc::clone(self);
        let check = move || {
            let (circuits, statement) = (&desk.circuits, request.task.statement());
            let auth_proof = match &request.task {
                Task::Prove(work) => match work.auth() {
                    Auth::Ready(proof) => proof,
                    Auth::Circuit { .. } => return Ok(request),
                },
                Task::Relay { proved, .. } => {
                    let circuit =
                        circuits.load(CircuitKind::Pool).map_err(|error| Refusal::circuits(&error))?;
                    let proof = crate::proved::from_evm(&proved.pool_proof).ok();
                    if proof.is_none_or(|proof| circuit.verify(&statement.pool_publics(), &proof).is_err()) {
                        let message = "the pool's proof does not hold for the transaction's public inputs";
                        return Err(Refusal::new(Code::BadProof, message));
                    }
                    &proved.auth_proof
                }
            };
            authorisation::check(&desk.config, circuits, statement, auth_proof)?;
            Ok(request)
        };
        let checked = tokio::task::spawn_blocking(check).await;
        checked.unwrap_or_else(|_| Err(Refusal::new(Code::Internal, "checking the proof failed")))
    }
}
