//! The whole way: circuit, committee, deal, submission, proof.

use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::{StdRng, SysRng};
use tacit_algebra::Curve;
use tacit_circom::VerificationKey;
use tacit_groth16::CircuitId;
use tacit_wire::messages::Assembler;
use tacit_wire::status::{CircuitInfo, NetworkInfo};
use tacit_wire::{Digest32, IdentityKey, Purpose, SealingKeyCertificate};
use tokio::time::Instant;

use crate::api::{Api, Artefact};
use crate::committee::{Committee, Wanted, Work};
use crate::dealing::{AssemblerKey, DealingError, Dealt, unix_now};
use crate::error::{AssemblerError, ClientError};
use crate::kept::{Dealer, Finding, Keeper};
use crate::network::Network;
use crate::options::Options;
use crate::prepare::Prepared;
use crate::progress::{Event, Progress};
use crate::ticket::JobTicket;
use crate::waiting::{Backoff, Patience, Product, Proved, Proving, Waiting};

/// A deal, what its answers make, and what is kept of it.
pub(crate) type DealtFor<P> = (Dealt, P, Box<dyn Keeper<<P as Product>::Answer>>);

/// Something to deal, as often as it takes.
pub(crate) trait Task: Send + Sync + 'static {
    /// What the answers make.
    type Product: Product;
    /// The circuit, or the bases.
    fn circuit(&self) -> CircuitId;
    /// Constraints that were checked, if they were.
    fn checked(&self) -> Option<usize> {
        None
    }
    /// Whether what is registered under its circuit's id can serve, as the coordinator says.
    fn check_registered(&self, _: &CircuitInfo) -> Result<(), ClientError> {
        Ok(())
    }
    /// Deals with everything fresh. Takes time.
    fn deal(
        self: &Arc<Self>,
        network: &Arc<Network>,
        committee: &Committee,
        assembler: AssemblerKey<'_>,
        options: &Options,
        rng: &mut StdRng,
        progress: &dyn Progress,
    ) -> Result<DealtFor<Self::Product>, DealingError>;
}

impl<C: Curve> Task for Prepared<C> {
    type Product = Proving<C>;

    fn circuit(&self) -> CircuitId {
        Self::circuit(self)
    }

    fn checked(&self) -> Option<usize> {
        self.checked
    }

    fn deal(
        self: &Arc<Self>,
        network: &Arc<Network>,
        committee: &Committee,
        assembler: AssemblerKey<'_>,
        options: &Options,
        rng: &mut StdRng,
        progress: &dyn Progress,
    ) -> Result<DealtFor<Proving<C>>, DealingError> {
        let (dealt, kept) = self.deal_keeping(committee, assembler, options, rng, progress)?;
        let dealer = Dealer { kept, prepared: Arc::clone(self), network: Arc::clone(network) };
        Ok((dealt, Proving::new(Arc::clone(&self.vk)), Box::new(dealer)))
    }
}

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
    async fn ensure_circuit<T: Task>(
        &self,
        task: &T,
        zkey: Option<&Artefact>,
        progress: &Arc<dyn Progress>,
    ) -> Result<(), ClientError> {
        let circuit = task.circuit();
        if let Some(zkey) = zkey {
            return self.register_circuit(circuit, zkey, None, Arc::clone(progress)).await;
        }
        let known = self.api.circuit(circuit).await?.ok_or(ClientError::UnknownCircuit { circuit })?;
        task.check_registered(&known)?;
        progress.event(Event::CircuitReady { circuit });
        Ok(())
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
        self.seat(options, without, None).await
    }

    /// The same, with a preference for nodes that have the circuit's key, or their group's slice of it, at hand.
    async fn seat(
        &self,
        options: &Options,
        without: &[[u8; 32]],
        circuit: Option<CircuitId>,
    ) -> Result<(Committee, NetworkInfo), ClientError> {
        let info = self.api.network().await?;
        let now = unix_now();
        let wanted = Wanted {
            n: options.dials.seats(),
            now,
            deal_expiry: now.saturating_add(options.expiry.as_secs()),
            without,
        };
        let rng = &mut system_rng()?;
        let committee = match circuit {
            Some(circuit) => {
                let work = Work { circuit: Digest32(circuit.0), dials: options.dials };
                Committee::choose_for(work, &self.network, &info, wanted, rng)?
            }
            None => Committee::choose(&self.network, &info, wanted, rng)?,
        };
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

    async fn submit_without<C: Curve, T: Task<Product: Product<Curve = C>>>(
        &self,
        task: &Arc<T>,
        zkey: Option<&Artefact>,
        options: &Options,
        without: &[[u8; 32]],
        progress: &Arc<dyn Progress>,
    ) -> Result<Waiting<C, T::Product>, ClientError> {
        if let Some(constraints) = task.checked() {
            progress.event(Event::WitnessChecked { constraints });
        }
        self.ensure_circuit(&**task, zkey, progress).await?;
        let (committee, info) = self.seat(options, without, Some(task.circuit())).await?;
        let assembler = match options.assembler {
            Assembler::Coordinator => Some(self.assembler_certificate(&info, committee.deal_expiry())?),
            _ => None,
        };
        progress.event(Event::CommitteeChosen {
            members: committee.members(),
            threshold: options.dials.threshold(),
        });
        let (Dealt { ticket, frame }, product, keeper) = {
            let (task, options, progress) = (Arc::clone(task), options.clone(), Arc::clone(progress));
            let network = Arc::clone(&self.network);
            let mut rng = system_rng()?;
            let dealing = move || {
                let key = assembler.as_ref().map_or(AssemblerKey::Fresh, AssemblerKey::Coordinator);
                task.deal(&network, &committee, key, &options, &mut rng, &*progress)
            };
            tokio::task::spawn_blocking(dealing)
                .await
                .map_err(|e| ClientError::Interrupted(e.to_string()))??
        };
        let waiting = Waiting::of(ticket, product)?.with(keeper);
        self.send(&waiting, frame, options, &**progress).await?;
        Ok(waiting)
    }

    /// Submits until the coordinator has it: the same bytes again change nothing.
    async fn send<C: Curve, P: Product<Curve = C>>(
        &self,
        waiting: &Waiting<C, P>,
        frame: bytes::Bytes,
        options: &Options,
        progress: &dyn Progress,
    ) -> Result<(), ClientError> {
        let deadline = Instant::now() + options.timeout.unwrap_or(options.expiry);
        let mut backoff = Backoff::new();
        loop {
            match self.api.submit(frame.clone()).await {
                Ok(_) => {
                    tracing::info!(job = %waiting.ticket().job(), bytes = frame.len(), "job submitted");
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

    /// Delegates a proof and waits for it. Nodes that are lost are replaced, where the network has others. When that does not help (a sealing
    /// key rotated meanwhile), or nodes were found guilty of answering wrongly, deals again, with everything fresh.
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
        self.until_done(Arc::new(prepared), zkey, options, progress).await
    }

    /// Deals, submits, waits; again with everything fresh where that can mend a failure.
    pub(crate) async fn until_done<C: Curve, T: Task<Product: Product<Curve = C>>>(
        &self,
        task: Arc<T>,
        zkey: Option<&Artefact>,
        options: &Options,
        progress: Arc<dyn Progress>,
    ) -> Result<<T::Product as Product>::Done, ClientError> {
        let mut without: Vec<[u8; 32]> = Vec::new();
        // Who was found guilty gets no second chance, and what was found is told in the end.
        let mut guilty: Vec<[u8; 32]> = Vec::new();
        let mut found: Vec<Finding> = Vec::new();
        let mut attempt = 1;
        let mut failed = None;
        loop {
            let mut waiting = match self.submit_without(&task, zkey, options, &without, &progress).await {
                Err(ClientError::Committee(error)) if !without.is_empty() => match failed.take() {
                    // Nobody else is there: the nodes that refused once get another chance.
                    _ if without.len() > guilty.len() => {
                        without.clone_from(&guilty);
                        continue;
                    }
                    Some(error) => return Err(error),
                    None => return Err(ClientError::Committee(error)),
                },
                other => other?,
            };
            waiting.knowing(found.clone());
            match self.finish(&mut waiting, options, &*progress).await {
                Err(error) if error.is_mended_by_dealing_again() && attempt < options.attempts => {
                    match &error {
                        ClientError::TooFewAnswers { refused, .. } => {
                            without.extend(refused.iter().map(|(member, _)| member.identity));
                        }
                        ClientError::NotAssembled { findings, .. } => {
                            // Those of earlier attempts are among them.
                            found = findings.iter().filter(|f| f.found.is_guilt()).cloned().collect();
                            guilty.extend(found.iter().map(|f| f.member.identity));
                            without.extend(&guilty);
                        }
                        ClientError::AcknowledgedOtherwise { member, .. } => {
                            guilty.push(member.identity);
                            without.push(member.identity);
                        }
                        _ => {}
                    }
                    attempt += 1;
                    progress.event(Event::DealtAgain { attempt, reason: error.to_string() });
                    failed = Some(error);
                }
                Err(error) => {
                    // Nobody will collect what the nodes compute from here on.
                    if matches!(error, ClientError::TimedOut { unreachable: None, .. }) {
                        waiting.cancel(&self.api).await;
                    }
                    return Err(error);
                }
                done => return done,
            }
        }
    }

    /// Waits for a submitted job, for as long as `options` say and the deal lives.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn finish<C: Curve, P: Product<Curve = C>>(
        &self,
        waiting: &mut Waiting<C, P>,
        options: &Options,
        progress: &dyn Progress,
    ) -> Result<P::Done, ClientError> {
        // A little longer than the deal lives: the last answer has to come here, too.
        let lives = Duration::from_secs(waiting.expiry().saturating_sub(unix_now()).saturating_add(5));
        let timeout = options.timeout.unwrap_or(lives).min(lives);
        let patience = Patience { timeout, grace: options.grace, replace_after: options.replace_after };
        waiting.finish(&self.api, patience, progress).await
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
pub(crate) fn system_rng() -> Result<StdRng, ClientError> {
    StdRng::try_from_rng(&mut SysRng).map_err(|e| ClientError::Random(e.to_string()))
}
