//! Paying: an intent is drawn up and signed here, whoever proves it.
//!
//! The order of steps is what keeps a wallet safe: the notes are reserved and a one-time index is used up *on disk* before a signature exists,
//! and a signature leaves only with all three outputs locked. What goes wrong after that leaves an intent that can be executed until it expires;
//! its notes stay reserved until the chain's settled blocks say that it no longer can.

use std::sync::Arc;
use std::time::Duration;

use tacit_chain::account::ecdsa_authorization;
use tacit_chain::{Receipt, abi};
use tacit_client::{Client, Options, Progress as ClientProgress};
use tacit_pool::delivery::{MEMO_BYTES, ReceivingAddress};
use tacit_pool::orders::ProverRegistration;
use tacit_pool::value::{Text, field_text};
use tacit_pool::wallet::credentials::Credential;
use tacit_pool::wallet::spend::{Payment, Prepared, Recipient};
use tacit_pool::{Amount, Fr};
use tacit_prover::client::{Quote, quote};
use tacit_prover::status::SpendStatus;
use tacit_prover::{CircuitKind, Proved, ProverClient, Statement, Task, Work, committee, local};

use crate::config::{Prover, Way};
use crate::journal::{Outcome, What};
use crate::open::{OpenWallet, Progress, Step, WalletError, hash_text};
use crate::policy::SLOT;
use crate::token::Token;

/// How much longer than the intent itself a service is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is to be paid, and how.
#[derive(Debug, Clone)]
pub struct Order {
    /// To whom.
    pub to: Recipient,
    /// Of which token.
    pub token: Token,
    /// How much.
    pub amount: Amount,
    /// For the recipient's eyes.
    pub memo: [u8; MEMO_BYTES],
    /// Who proves.
    pub way: Way,
    /// Who submits what this machine or a committee proved; this wallet's account if nobody.
    pub relay: Option<Prover>,
    /// The most that a prover or relay may ask; one that asks is refused where nothing is said.
    pub max_fee: Option<Amount>,
    /// For how long it can be executed, in seconds from the chain's last block.
    pub lifetime: u32,
}

/// A committee's client with its dials, for the way [`Way::Committee`].
pub struct Delegation {
    /// The client.
    pub client: Client,
    /// The dials.
    pub options: Options,
    /// Whose progress is told.
    pub watch: Box<dyn Fn(CircuitKind) -> Arc<dyn ClientProgress> + Send + Sync>,
}

/// A payment that the chain has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paid {
    /// By which the chain knows it.
    pub replay_id: Fr,
    /// What the prover or relay got.
    pub fee: Amount,
    /// The block that has it.
    pub block: u64,
    /// The Ethereum transaction, as far as it is known.
    pub transaction: Option<String>,
    /// Units of gas that the transaction took, as far as it is known.
    pub gas: Option<u64>,
    /// Bytes that were sent to the prover service.
    pub uploaded: usize,
}

/// A payment that is signed and reserved, with what proves it.
pub struct Signed {
    /// The work.
    pub work: Work,
    /// Its replay id.
    pub replay_id: Fr,
    /// The service that is to have it, with its registration.
    pub service: Option<(ProverClient, ProverRegistration)>,
    /// What the service gets.
    pub fee: Amount,
    record: usize,
}

impl OpenWallet {
    /// Pays: draws up and signs an intent, has it proved and submitted, and waits until this wallet sees it on the chain.
    ///
    /// # Errors
    /// [`WalletError`].
    pub async fn pay(
        &mut self,
        order: &Order,
        delegation: Option<&Delegation>,
        progress: Progress<'_>,
    ) -> Result<Paid, WalletError> {
        let signed = self.sign(order, progress).await?;
        let (replay_id, fee, record) = (signed.replay_id, signed.fee, signed.record);
        match self.execute(order, signed, delegation, progress).await {
            Ok((transaction, uploaded)) => {
                let block = self.executed(&replay_id, progress).await?;
                self.journal.ended(record, transaction.clone(), Outcome::Confirmed { block });
                self.folder.keep_journal(&self.journal)?;
                let gas = self.gas(transaction.as_deref()).await;
                Ok(Paid { replay_id, fee, block, transaction, gas, uploaded })
            }
            Err(error) => {
                self.journal.ended(record, None, Outcome::Failed { reason: error.to_string() });
                self.folder.keep_journal(&self.journal)?;
                Err(error)
            }
        }
    }

    /// The first half of [`Self::pay`]: everything up to the signature. What it spends is reserved from then on.
    ///
    /// # Errors
    /// [`WalletError`].
    pub async fn sign(&mut self, order: &Order, progress: Progress<'_>) -> Result<Signed, WalletError> {
        if order.amount.is_zero() {
            return Err(WalletError::Nothing);
        }
        let followed = self.sync(progress).await?;
        let held = self.policy()?.ok_or(WalletError::NotRegistered)?.clone();
        let service = match (&order.way, &order.relay) {
            (Way::Service(prover), _) | (_, Some(prover)) => {
                progress(Step::Asking(&prover.name));
                let seen = self.journal.registration(&prover.id);
                let client = ProverClient::new(&prover.url, prover.id, self.config.pool.place(), seen)?;
                let registration = client.registration(self.clock.now()).await?;
                self.journal.saw_registration(&prover.id, client.seen());
                Some((client, registration))
            }
            _ => None,
        };
        let fee = match &service {
            Some((_, registration)) => match quote(registration, order.token.address)? {
                Quote::Free => None,
                Quote::Fee(fee) if order.max_fee.is_some_and(|most| fee <= most) => {
                    Some((registration.fee_address.clone(), fee))
                }
                Quote::Fee(fee) => return Err(WalletError::Fee { asked: order.token.text(fee) }),
            },
            None => None,
        };
        let now = followed.head.timestamp;
        let valid_until = now.saturating_add(order.lifetime.into());
        let valid_until = u32::try_from(valid_until).map_err(|_| WalletError::Time(now))?;
        let fee_amount = fee.as_ref().map_or(Amount::ZERO, |(_, fee)| *fee);
        let payment = Payment {
            recipient: order.to.clone(),
            token: order.token.address,
            amount: order.amount,
            fee,
            memo: order.memo,
            valid_until,
            slot: SLOT,
        };
        let prepared = self.state.prepare(&self.keys, &payment, now, &mut self.rng)?;
        self.state.commit(&prepared);
        let (to, withdrawal) = match &order.to {
            Recipient::Private(to) => (field_text(&to.owner_nullifier_key_hash).to_string(), false),
            Recipient::Public(to) => (to.to_string(), true),
        };
        let what = What::Payment {
            replay_id: Text(*prepared.replay_id()),
            to,
            withdrawal,
            token: order.token.address,
            amount: order.amount,
            fee: fee_amount,
            prover: match &order.way {
                Way::Local => "local".to_owned(),
                Way::Committee(_) => "committee".to_owned(),
                Way::Service(prover) => prover.name.clone(),
            },
        };
        let record = self.journal.begin(self.clock.now(), what);
        self.folder.keep_journal(&self.journal)?;
        let work = self.authorise(&prepared, &held.credential)?;
        Ok(Signed { work, replay_id: *prepared.replay_id(), service, fee: fee_amount, record })
    }

    /// Puts the reservation on disk, then signs.
    fn authorise(&mut self, prepared: &Prepared, credential: &Credential) -> Result<Work, WalletError> {
        let (transaction, message) = (prepared.transaction(), prepared.message());
        let keep = |wallet: &Self| wallet.folder.keep_state(&wallet.state);
        Ok(match credential {
            Credential::Eddsa { number } => {
                keep(self)?;
                let key = self.keys.eddsa(*number).ok_or(WalletError::NoKey)?;
                Work::eddsa(transaction, key.public(), &key.sign(message))?
            }
            Credential::Xmss { root } => {
                let reserved = self.state.credentials_mut().reserve_xmss(root)?;
                let index = reserved.durable(|| keep(self))?;
                let key = self.state.credentials().xmss(root)?.signing_key()?;
                let signature = key.sign(index, message)?;
                Work::xmss(transaction, key.public(), &signature)?
            }
            Credential::Ecdsa { .. } => {
                keep(self)?;
                let verifier = prepared.held().policy.auth_verifier;
                let digest = transaction.intent().digest(transaction.rules());
                let blinding = prepared.blinding_factor().expose();
                let chain = self.config.pool.chain_id;
                Work::ready(
                    transaction,
                    ecdsa_authorization(&self.account, chain, verifier, &digest, blinding)?,
                )?
            }
        })
    }

    /// Has it proved and submitted; the transaction, if it is known, and what was uploaded.
    async fn execute(
        &mut self,
        order: &Order,
        signed: Signed,
        delegation: Option<&Delegation>,
        progress: Progress<'_>,
    ) -> Result<(Option<String>, usize), WalletError> {
        let Signed { work, service, .. } = signed;
        if let (Way::Service(_), Some((client, registration))) = (&order.way, &service) {
            return self.hand_over(client, registration, Task::Prove(work), order, progress).await;
        }
        let proved = self.prove(&order.way, &work, delegation, progress).await?;
        let statement = work.statement().clone();
        match &service {
            Some((client, registration)) => {
                let task = Task::Relay { statement, proved };
                self.hand_over(client, registration, task, order, progress).await
            }
            None => {
                let receipt = self.submit(&statement, &proved, progress).await?;
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
        client: &ProverClient,
        registration: &ProverRegistration,
        task: Task,
        order: &Order,
        progress: Progress<'_>,
    ) -> Result<(Option<String>, usize), WalletError> {
        let (id, envelope) = client.seal(registration, task, &mut self.rng)?;
        let uploaded = envelope.len();
        progress(Step::Uploading(uploaded));
        client.submit(envelope).await?;
        let told = |status: &SpendStatus| progress(Step::Service(status));
        let patience = Duration::from_secs(order.lifetime.into()) + PATIENCE;
        let ended = client.wait(id, patience, &told).await?;
        match ended.error {
            Some(problem) => Err(WalletError::Service(problem)),
            None => Ok((ended.transaction, uploaded)),
        }
    }

    /// What a transaction took; nothing depends on it, so that an answer which does not come is none.
    async fn gas(&self, transaction: Option<&str>) -> Option<u64> {
        let mut hash = [0; 32];
        hex::decode_to_slice(transaction?.strip_prefix("0x")?, &mut hash).ok()?;
        Some(self.contract.rpc().receipt(&hash).await.ok()??.gas_used)
    }

    /// The block in which this wallet sees an intent executed.
    async fn executed(&mut self, replay_id: &Fr, progress: Progress<'_>) -> Result<u64, WalletError> {
        for _ in 0..30 {
            self.sync(progress).await?;
            let block =
                self.state.pending().find(|(id, _)| *id == replay_id).map(|(_, known)| known.executed);
            match block {
                Some(Some(block)) => return Ok(block),
                // Settled already, on a chain whose blocks are final at once.
                None => return Ok(self.state.head().number),
                Some(None) => tokio::time::sleep(Duration::from_secs(1)).await,
            }
        }
        Err(WalletError::NotSeen)
    }
}

/// A receiving address as people give it: the text, or the name of a file that holds it.
///
/// # Errors
/// [`WalletError::Recipient`].
pub fn recipient(text: &str) -> Result<ReceivingAddress, WalletError> {
    let read = if text.starts_with("tacit1") {
        text.to_owned()
    } else {
        std::fs::read_to_string(text).map_err(|e| {
            WalletError::Recipient(format!("{text}: no receiving address, and no file with one: {e}"))
        })?
    };
    read.trim().parse().map_err(|e: tacit_wire::DecodeError| WalletError::Recipient(e.to_string()))
}
