//! From a signed intent to the chain: proved here, by a service or by a committee; submitted by this wallet's account or by a prover.

use std::sync::Arc;
use std::time::Duration;

use tacit_chain::{At, Receipt, abi};
use tacit_client::{Client, Options, Progress as ClientProgress};
use tacit_pool::orders::ProverRegistration;
use tacit_pool::{Amount, Fr};
use tacit_prover::client::{Quote, quote};
use tacit_prover::status::SpendStatus;
use tacit_prover::{CircuitKind, Proved, ProverClient, Statement, Task, Work, committee, local};

use crate::config::{Prover, Way};
use crate::intents::Live;
use crate::journal::{Outcome, What};
use crate::open::{OpenWallet, Progress, Step, WalletError, hash_text};
use crate::pay::{Paid, SERVICE_SECONDS};

/// How much longer than the intent itself a service is waited for, in seconds.
const PATIENCE: u64 = 120;

/// For how long a prover that has no room is asked again.
const ACCEPTANCE: Duration = Duration::from_secs(60);

/// A committee's client with its dials, for the way [`Way::Committee`].
pub struct Delegation {
    /// The client.
    pub client: Client,
    /// The dials.
    pub options: Options,
    /// Whose progress is told.
    pub watch: Box<dyn Fn(CircuitKind) -> Arc<dyn ClientProgress> + Send + Sync>,
}

/// Who proves and who submits.
pub(crate) struct Route {
    pub(crate) way: Way,
    /// Who proves, or else submits; this wallet's account submits where there is nobody.
    pub(crate) service: Option<(ProverClient, ProverRegistration)>,
}

/// Why an intent is not on the chain, and who may have it.
enum Ended {
    /// Nobody but this process.
    Here(WalletError),
    /// Whoever was given it, who can execute it.
    Out(WalletError),
}

impl OpenWallet {
    /// Has a signed intent proved and submitted, and waits until this wallet sees it on the chain. Where that fails, the intent counts as signed until
    /// its time is over; one that is `fresh` and never left this process is taken back instead.
    pub(crate) async fn carry_out(
        &mut self,
        intent: Live,
        work: Work,
        route: &Route,
        fresh: bool,
        delegation: Option<&Delegation>,
        progress: Progress<'_>,
    ) -> Result<Paid, WalletError> {
        let Live { record, replay_id, until } = intent;
        let done = match self.execute(work, route, until, delegation, progress).await {
            Ok(done) => self.executed(&intent, progress).await.map(|block| (block, done)).map_err(Ended::Out),
            Err(ended) => Err(ended),
        };
        match done {
            Ok((block, (transaction, uploaded))) => {
                self.journal.ended(record, transaction.clone(), Outcome::Confirmed { block });
                self.folder.keep_journal(&self.journal)?;
                let gas = self.gas(transaction.as_deref()).await;
                Ok(Paid { replay_id, fee: self.fee_of(record), block, transaction, gas, uploaded })
            }
            Err(Ended::Here(error)) if fresh => {
                self.journal.now(record, Outcome::Failed { reason: error.to_string() });
                self.folder.keep_journal(&self.journal)?;
                self.state.release(&replay_id);
                self.folder.keep_state(&self.state)?;
                self.folder.forget_intent(record)?;
                Err(error)
            }
            // The chain has decided meanwhile, and the journal says how.
            Err(Ended::Here(error) | Ended::Out(error)) if !self.is_on_its_way(&replay_id) => Err(error),
            Err(Ended::Here(error) | Ended::Out(error)) => {
                self.journal.now(record, Outcome::Signed { until, trouble: Some(error.to_string()) });
                self.folder.keep_journal(&self.journal)?;
                let minutes = self.seconds_left_anywhere(until).div_ceil(60);
                Err(WalletError::StillSigned { minutes, source: Box::new(error) })
            }
        }
    }

    fn is_on_its_way(&self, replay_id: &Fr) -> bool {
        self.state.pending().any(|(known, _)| known == replay_id)
    }

    fn fee_of(&self, record: usize) -> Amount {
        match self.journal.records().get(record).map(|record| &record.what) {
            Some(What::Payment { fee, .. }) => *fee,
            _ => Amount::ZERO,
        }
    }

    /// The service of a route, with its terms as it signed them.
    pub(crate) async fn ask(
        &mut self,
        prover: &Prover,
        progress: Progress<'_>,
    ) -> Result<(ProverClient, ProverRegistration), WalletError> {
        progress(Step::Asking(&prover.name));
        let seen = self.journal.registration(&prover.id);
        let client = ProverClient::new(&prover.url, prover.id, self.config.pool.place(), seen)?;
        let registration = client.registration(self.clock.now()).await?;
        self.journal.saw_registration(&prover.id, client.seen());
        Ok((client, registration))
    }

    /// Has a payment that was signed before and is not on the chain proved once more: in another way, or again in the same. `number` is its number
    /// in the journal, from 0; without it there has to be only one. Nothing is signed anew and nothing can be paid twice: the chain takes an intent once.
    ///
    /// # Errors
    /// [`WalletError`].
    pub async fn resume(
        &mut self,
        number: Option<usize>,
        way: Way,
        relay: Option<&Prover>,
        delegation: Option<&Delegation>,
        progress: Progress<'_>,
    ) -> Result<Paid, WalletError> {
        self.sync(progress).await?;
        let live = self.live_intents();
        let chosen = match (number, live.as_slice()) {
            (Some(number), live) => live.iter().find(|live| live.record == number),
            (None, [one]) => Some(one),
            (None, []) => return Err(WalletError::NothingSigned),
            (None, several) => {
                let numbers: Vec<String> = several.iter().map(|live| (live.record + 1).to_string()).collect();
                return Err(WalletError::WhichSigned(numbers.join(", ")));
            }
        };
        let intent = *chosen.ok_or(WalletError::NotSigned(number.unwrap_or_default() + 1))?;
        let by_prover = relay.is_some() || matches!(way, Way::Service(_));
        let seconds = match by_prover {
            true => self.seconds_left_anywhere(intent.until),
            false => self.seconds_left(intent.until),
        };
        // A prover would be shown everything and refuse.
        if seconds == 0 || (by_prover && seconds < SERVICE_SECONDS.into()) {
            return Err(WalletError::TooLate { seconds });
        }
        let minutes = seconds.div_ceil(60);
        let kept = self.folder.intent(intent.record)?.ok_or(WalletError::NotKept { minutes })?;
        let work = Work::decode(&kept)?;
        let public = work.statement().public_inputs();
        let accepted = self.contract.is_accepted_note_root(&public.note_commitment_root, At::Latest).await?
            && self.contract.is_accepted_policy_root(&public.auth_policy_root, At::Latest).await?;
        if !accepted {
            return Err(WalletError::StaleRoots { minutes });
        }
        self.check_circuits(&way, &work)?;
        let service = match (&way, relay) {
            (Way::Service(prover), _) | (_, Some(prover)) => Some(self.ask(prover, progress).await?),
            _ => None,
        };
        if let Some((_, registration)) = &service {
            self.check_fee(intent.record, registration)?;
        }
        self.journal.asks(intent.record, way.name());
        self.folder.keep_journal(&self.journal)?;
        self.carry_out(intent, work, &Route { way, service }, false, delegation, progress).await
    }

    /// Whether a prover gets what it asks: else it would be shown everything and refuse.
    fn check_fee(&self, record: usize, registration: &ProverRegistration) -> Result<(), WalletError> {
        let what = self.journal.records().get(record).map(|record| &record.what);
        let Some(What::Payment { token, fee, fee_to, .. }) = what else { return Ok(()) };
        match quote(registration, *token)? {
            Quote::Free => Ok(()),
            Quote::Fee(asked)
                if *fee >= asked
                    && fee_to
                        .as_ref()
                        .is_some_and(|to| to.0 == registration.fee_address.owner_nullifier_key_hash) =>
            {
                Ok(())
            }
            Quote::Fee(_) => Err(WalletError::OtherFee),
        }
    }

    /// Has it proved and submitted; the transaction, if it is known, and what was uploaded.
    async fn execute(
        &mut self,
        work: Work,
        route: &Route,
        until: u32,
        delegation: Option<&Delegation>,
        progress: Progress<'_>,
    ) -> Result<(Option<String>, usize), Ended> {
        if let (Way::Service(_), Some(service)) = (&route.way, &route.service) {
            return self.hand_over(service, Task::Prove(work), until, progress).await;
        }
        let proved = self.prove(&route.way, &work, delegation, progress).await.map_err(Ended::Here)?;
        let statement = work.statement().clone();
        match &route.service {
            Some(service) => {
                self.hand_over(service, Task::Relay { statement, proved }, until, progress).await
            }
            None => {
                // A node that tries it has all of it, and can send it.
                let receipt = self.submit(&statement, &proved, progress).await.map_err(Ended::Out)?;
                Ok((Some(hash_text(&receipt.hash)), 0))
            }
        }
    }

    /// Proves here, or by a committee.
    ///
    /// # Errors
    /// [`WalletError`].
    pub async fn prove(
        &mut self,
        way: &Way,
        work: &Work,
        delegation: Option<&Delegation>,
        progress: Progress<'_>,
    ) -> Result<Proved, WalletError> {
        let circuits = Arc::clone(self.circuits());
        match (way, delegation) {
            (Way::Committee(_), Some(Delegation { client, options, watch })) => {
                progress(Step::Delegating);
                Ok(committee::prove(client, &circuits, work, options, watch).await?)
            }
            (Way::Committee(_), None) => Err(WalletError::NoDelegation),
            (Way::Local | Way::Service(_), _) => {
                let mut rng = self.fork_rng();
                let told = |step: local::Step| progress(Step::Proving(step));
                // Proving takes every core: the caller's task waits, no other runs in a wallet.
                Ok(tokio::task::block_in_place(|| local::prove(&circuits, work, &mut rng, &told))?)
            }
        }
    }

    /// Submits by the wallet's own account, which everybody then sees.
    ///
    /// # Errors
    /// [`WalletError`].
    pub async fn submit(
        &mut self,
        statement: &Statement,
        proved: &Proved,
        progress: Progress<'_>,
    ) -> Result<Receipt, WalletError> {
        progress(Step::Submitting);
        let call = abi::transact(
            statement.place().pool,
            &proved.pool_proof,
            &proved.auth_proof,
            statement.public_inputs(),
            statement.note_data(),
        );
        self.send(&call).await
    }

    async fn hand_over(
        &mut self,
        (client, registration): &(ProverClient, ProverRegistration),
        task: Task,
        until: u32,
        progress: Progress<'_>,
    ) -> Result<(Option<String>, usize), Ended> {
        let seconds = self.seconds_left_anywhere(until);
        if seconds < SERVICE_SECONDS.into() {
            return Err(Ended::Here(WalletError::TooSlow { seconds }));
        }
        let sealed = client.seal(registration, task, &mut self.rng);
        let (id, envelope) = sealed.map_err(|error| Ended::Here(error.into()))?;
        let uploaded = envelope.len();
        progress(Step::Uploading(uploaded));
        let out = |error: tacit_prover::client::ClientError| Ended::Out(error.into());
        // The same envelope is the same request, however often it comes.
        let began = tokio::time::Instant::now();
        while let Err(error) = client.submit(envelope.clone()).await {
            if !error.is_transient() || began.elapsed() >= ACCEPTANCE {
                return Err(out(error));
            }
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        let told = |status: &SpendStatus| progress(Step::Service(status));
        let patience = Duration::from_secs(self.seconds_left(until) + PATIENCE);
        let ended = client.wait(id, patience, &told).await.map_err(out)?;
        match ended.error {
            Some(problem) => Err(Ended::Out(WalletError::Service(problem))),
            None => Ok((ended.transaction, uploaded)),
        }
    }

    /// What a transaction took; nothing depends on it, so that an answer which does not come is none.
    async fn gas(&self, transaction: Option<&str>) -> Option<u64> {
        let mut hash = [0; 32];
        hex::decode_to_slice(transaction?.strip_prefix("0x")?, &mut hash).ok()?;
        Some(self.contract.rpc().receipt(&hash).await.ok()??.gas_used)
    }

    /// The block in which this wallet sees an intent executed, as the journal has it after each reading of the chain.
    async fn executed(&mut self, intent: &Live, progress: Progress<'_>) -> Result<u64, WalletError> {
        for _ in 0..30 {
            self.sync(progress).await?;
            match self.journal.records().get(intent.record).map(|record| &record.outcome) {
                Some(Outcome::Confirmed { block }) => return Ok(*block),
                Some(Outcome::Failed { .. }) => return Err(WalletError::NotExecuted),
                _ => tokio::time::sleep(Duration::from_secs(1)).await,
            }
        }
        Err(WalletError::NotSeen)
    }
}
