//! The whole way: circuit, committee, deal, submission, proof.

use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::{StdRng, SysRng};
use tacit_algebra::Curve;
use tacit_circom::VerificationKey;
use tacit_groth16::CircuitId;
use tacit_wire::messages::Assembler;
use tacit_wire::status::NetworkInfo;
use tacit_wire::{IdentityKey, Purpose, SealingKeyCertificate};
use tokio::time::Instant;

use crate::api::{Api, Artefact};
use crate::committee::{Committee, Wanted};
use crate::dealing::{AssemblerKey, Dealt, unix_now};
use crate::error::{AssemblerError, ClientError};
use crate::network::Network;
use crate::options::Options;
use crate::prepare::Prepared;
use crate::progress::{Event, Progress};
use crate::ticket::JobTicket;
use crate::waiting::{Backoff, Patience, Proved, Waiting};

/// A client of one network.
#[derive(Debug, Clone)]
pub struct Client {
    network: Arc<Network>,
    api: Api,
}

impl Client {
    /// A client that accepts what `network` pins. Connects when it is used.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(network: Network) -> Result<Self, ClientError> {
        let api = Api::new(&network)?;
        Ok(Self { network: Arc::new(network), api })
    }

    /// What is pinned.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The coordinator's API.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// Registers a circuit, and its constraint system if given. Nothing is sent of what the coordinator has already.
    ///
    /// # Errors
    /// [`ClientError::Api`].
    pub async fn register_circuit(
        &self,
        circuit: CircuitId,
        zkey: &Artefact,
        r1cs: Option<&Artefact>,
        progress: Arc<dyn Progress>,
    ) -> Result<(), ClientError> {
        let tell = |progress: &Arc<dyn Progress>| {
            let progress = Arc::clone(progress);
            move |sent, total| progress.event(Event::CircuitUpload { circuit, sent, total })
        };
        let known = self.api.circuit(circuit).await?;
        if known.is_none() {
            self.api.put_circuit(circuit, zkey, tell(&progress)).await?;
        }
        if let (Some(r1cs), false) = (r1cs, known.is_some_and(|c| c.has_r1cs)) {
            self.api.put_r1cs(circuit, r1cs, tell(&progress)).await?;
        }
        progress.event(Event::CircuitReady { circuit });
        Ok(())
    }

    /// Makes sure that the coordinator knows the circuit, by registering `zkey` if need be.
    async fn ensure_circuit(
        &self,
        circuit: CircuitId,
        zkey: Option<&Artefact>,
        progress: &Arc<dyn Progress>,
    ) -> Result<(), ClientError> {
        match zkey {
            Some(zkey) => self.register_circuit(circuit, zkey, None, Arc::clone(progress)).await,
            None if self.api.circuit(circuit).await?.is_some() => {
                progress.event(Event::CircuitReady { circuit });
                Ok(())
            }
            None => Err(ClientError::UnknownCircuit { circuit }),
        }
    }

    /// Draws a committee from the nodes that the coordinator lists and `network.toml` pins; also gives what the
    /// coordinator said.
    ///
    /// # Errors
    /// [`ClientError::Committee`] with a reason for each node that does not qualify.
    pub async fn committee(
        &self,
        options: &Options,
        without: &[[u8; 32]],
    ) -> Result<(Committee, NetworkInfo), ClientError> {
        let info = self.api.network().await?;
        let now = unix_now();
        let wanted = Wanted {
            n: options.dials.seats(),
            now,
            deal_expiry: now.saturating_add(options.expiry.as_secs()),
            without,
        };
        let committee = Committee::choose(&self.network, &info, wanted, &mut system_rng()?)?;
        Ok((committee, info))
    }

    /// Registers the circuit if need be, deals and submits. The result can be [finished](Waiting::finish) here, or its
    /// ticket saved and the job finished by another process.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn submit<C: Curve>(
        &self,
        prepared: &Arc<Prepared<C>>,
        zkey: Option<&Artefact>,
        options: &Options,
        progress: &Arc<dyn Progress>,
    ) -> Result<Waiting<C>, ClientError> {
        self.submit_without(prepared, zkey, options, &[], progress).await
    }

    async fn submit_without<C: Curve>(
        &self,
        prepared: &Arc<Prepared<C>>,
        zkey: Option<&Artefact>,
        options: &Options,
        without: &[[u8; 32]],
        progress: &Arc<dyn Progress>,
    ) -> Result<Waiting<C>, ClientError> {
        if let Some(constraints) = prepared.checked {
            progress.event(Event::WitnessChecked { constraints });
        }
        self.ensure_circuit(prepared.circuit(), zkey, progress).await?;
        let (committee, info) = self.committee(options, without).await?;
        let assembler = match options.assembler {
            Assembler::Coordinator => Some(self.assembler_certificate(&info, committee.deal_expiry())?),
            _ => None,
        };
        progress.event(Event::CommitteeChosen {
            members: committee.members(),
            threshold: options.dials.threshold(),
        });
        let Dealt { ticket, frame } = {
            let (prepared, options, progress) = (Arc::clone(prepared), options.clone(), Arc::clone(progress));
            let mut rng = system_rng()?;
            let dealing = move || {
                let key = assembler.as_ref().map_or(AssemblerKey::Fresh, AssemblerKey::Coordinator);
                prepared.deal(&committee, key, &options, &mut rng, &*progress)
            };
            tokio::task::spawn_blocking(dealing)
                .await
                .map_err(|e| ClientError::Interrupted(e.to_string()))??
        };
        let waiting = Waiting::resume(ticket, Arc::clone(&prepared.vk))?;
        self.send(&waiting, frame, options, &**progress).await?;
        Ok(waiting)
    }

    /// Submits until the coordinator has it: the same bytes again change nothing.
    async fn send<C: Curve>(
        &self,
        waiting: &Waiting<C>,
        frame: bytes::Bytes,
        options: &Options,
        progress: &dyn Progress,
    ) -> Result<(), ClientError> {
        let deadline = Instant::now() + options.timeout.unwrap_or(options.expiry);
        let mut backoff = Backoff::new();
        loop {
            match self.api.submit(frame.clone()).await {
                Ok(_) => {
                    progress.event(Event::Submitted { job: waiting.ticket().job(), bytes: frame.len() });
                    return Ok(());
                }
                Err(error) if error.is_transient() && Instant::now() < deadline => {
                    backoff.pause(&error, deadline, progress).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Delegates a proof and waits for it. When too many nodes refuse for a reason that a fresh deal can mend (a sealing
    /// key rotated meanwhile, a node that leaves), deals again, with everything fresh.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn prove<C: Curve>(
        &self,
        prepared: Prepared<C>,
        zkey: Option<&Artefact>,
        options: &Options,
        progress: Arc<dyn Progress>,
    ) -> Result<Proved<C>, ClientError> {
        let prepared = Arc::new(prepared);
        let mut without: Vec<[u8; 32]> = Vec::new();
        let mut attempt = 1;
        loop {
            let waiting = match self.submit_without(&prepared, zkey, options, &without, &progress).await {
                // Nobody else is there: the nodes that refused once get another chance.
                Err(ClientError::Committee(_)) if !without.is_empty() => {
                    without.clear();
                    continue;
                }
                other => other?,
            };
            match self.finish(&waiting, options, &*progress).await {
                Err(error) if error.is_mended_by_dealing_again() && attempt < options.attempts => {
                    if let ClientError::TooFewAnswers { refused, .. } = &error {
                        without.extend(refused.iter().map(|(member, _)| member.identity));
                    }
                    attempt += 1;
                    progress.event(Event::DealtAgain { attempt, reason: error.to_string() });
                }
                done => return done,
            }
        }
    }

    /// Waits for a submitted job, for as long as `options` say and the deal lives.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn finish<C: Curve>(
        &self,
        waiting: &Waiting<C>,
        options: &Options,
        progress: &dyn Progress,
    ) -> Result<Proved<C>, ClientError> {
        // A little longer than the deal lives: the last answer has to come here, too.
        let lives = Duration::from_secs(waiting.expiry().saturating_sub(unix_now()).saturating_add(5));
        let timeout = options.timeout.unwrap_or(lives).min(lives);
        waiting.finish(&self.api, Patience { timeout, grace: options.grace }, progress).await
    }

    /// Takes a job up again by its ticket.
    ///
    /// # Errors
    /// When ticket and key do not belong together.
    pub fn resume<C: Curve>(
        &self,
        ticket: JobTicket,
        vk: VerificationKey<C>,
    ) -> Result<Waiting<C>, ClientError> {
        Waiting::resume(ticket, Arc::new(vk))
    }

    fn assembler_certificate(
        &self,
        info: &NetworkInfo,
        deal_expiry: u64,
    ) -> Result<SealingKeyCertificate, AssemblerError> {
        let certificate = info.assembler_certificate.as_ref().ok_or(AssemblerError::None)?.decode()?;
        let identity = IdentityKey(self.network.coordinator.identity);
        certificate.verify_for(Purpose::Assembler, identity, unix_now())?;
        if certificate.expiry < deal_expiry {
            return Err(AssemblerError::Expires { key_expiry: certificate.expiry, deal_expiry });
        }
        Ok(certificate)
    }
}

/// A generator seeded by the operating system, for one deal.
fn system_rng() -> Result<StdRng, ClientError> {
    StdRng::try_from_rng(&mut SysRng).map_err(|e| ClientError::Random(e.to_string()))
}
