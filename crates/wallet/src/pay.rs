//! Paying: an intent is drawn up and signed here, whoever proves it.
//!
//! The order of steps is what keeps a wallet safe: the notes are reserved and a one-time index is used up *on disk* before a signature exists,
//! and a signature leaves only with all three outputs locked. What goes wrong after that leaves an intent that can be executed until it expires
//! ([`crate::intents`]); its notes stay reserved until the chain's settled blocks say that it no longer can.

use tacit_chain::account::ecdsa_authorization;
use tacit_chain::{U256, least_price};
use tacit_pool::delivery::{MEMO_BYTES, ReceivingAddress};
use tacit_pool::orders::ProverRegistration;
use tacit_pool::transaction::coins::CoinError;
use tacit_pool::value::{Text, field_text};
use tacit_pool::wallet::SpendError;
use tacit_pool::wallet::credentials::Credential;
use tacit_pool::wallet::spend::{Payment, Prepared, Recipient};
use tacit_pool::{Amount, Fr, Place};
use tacit_prover::client::{Quote, quote};
use tacit_prover::work::Auth;
use tacit_prover::{AuthCircuit, CircuitKind, ProverClient, Work};

use crate::config::{Prover, Way};
use crate::execute::{Delegation, Route};
use crate::intents::Live;
use crate::journal::{Outcome, What};
use crate::open::{OpenWallet, Progress, WalletError};
use crate::policy::SLOT;
use crate::token::Token;

/// Gas that a payment takes, with the room that sending it asks for: what the account must be able to pay before anything is signed.
const TRANSACT_GAS: u64 = 1_600_000;

/// A prover takes nothing that can be executed for less, in seconds, when it gets it.
pub(crate) const SERVICE_SECONDS: u32 = 180;

/// What is signed for one can be executed for no less: by then the chain's last block is some time ago, and a proof may have been made.
pub(crate) const SHORTEST_FOR_SERVICE: u32 = SERVICE_SECONDS + 60;

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
    /// Whether it is meant, where the same is already on its way to the same recipient.
    pub again: bool,
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
    /// What the wallet knows it by.
    pub intent: Live,
    /// The service that is to have it, with its registration.
    pub service: Option<(ProverClient, ProverRegistration)>,
}

impl OpenWallet {
    /// Pays: draws up and signs an intent, has it proved and submitted, and waits until this wallet sees it on the chain.
    ///
    /// # Errors
    /// [`WalletError`]; [`WalletError::StillSigned`] where it may yet be executed.
    pub async fn pay(
        &mut self,
        order: &Order,
        delegation: Option<&Delegation>,
        progress: Progress<'_>,
    ) -> Result<Paid, WalletError> {
        if matches!(order.way, Way::Committee(_)) && delegation.is_none() {
            return Err(WalletError::NoDelegation);
        }
        let Signed { work, intent, service } = self.sign(order, progress).await?;
        let route = Route { way: order.way.clone(), service };
        self.carry_out(intent, work, &route, true, delegation, progress).await
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
        let auth = match &held.credential {
            Credential::Eddsa { .. } => Some(AuthCircuit::Eddsa),
            Credential::Xmss { .. } => Some(AuthCircuit::Xmss),
            Credential::Ecdsa { .. } => None,
        };
        self.check_ways(&order.way, auth)?;
        let (to, withdrawal) = match &order.to {
            Recipient::Private(to) => (field_text(&to.owner_nullifier_key_hash).to_string(), false),
            Recipient::Public(to) => (to.to_string(), true),
        };
        if order.lifetime < SHORTEST_FOR_SERVICE
            && (order.relay.is_some() || matches!(order.way, Way::Service(_)))
        {
            return Err(WalletError::TooShort);
        }
        if let Some(live) =
            self.is_paid_twice(&to, order.token.address, order.amount).filter(|_| !order.again)
        {
            return Err(WalletError::Again {
                number: live.record + 1,
                minutes: self.seconds_left(live.until).div_ceil(60),
            });
        }
        let service = match (&order.way, &order.relay) {
            (Way::Service(prover), _) | (_, Some(prover)) => Some(self.ask(prover, progress).await?),
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
            None => {
                self.check_gas().await?;
                None
            }
        };
        let now = followed.head.timestamp;
        let valid_until = now.saturating_add(order.lifetime.into());
        let valid_until = u32::try_from(valid_until).map_err(|_| WalletError::Time(now))?;
        let fee_amount = fee.as_ref().map_or(Amount::ZERO, |(_, fee)| *fee);
        let fee_to = fee.as_ref().map(|(to, _)| Text(to.owner_nullifier_key_hash));
        let payment = Payment {
            recipient: order.to.clone(),
            token: order.token.address,
            amount: order.amount,
            fee,
            memo: order.memo,
            valid_until,
            slot: SLOT,
        };
        let prepared = self.state.prepare(&self.keys, &payment, now, &mut self.rng);
        let prepared = prepared.map_err(|error| self.in_coins(&order.token, error))?;
        self.state.commit(&prepared);
        let what = What::Payment {
            replay_id: Text(*prepared.replay_id()),
            to,
            withdrawal,
            token: order.token.address,
            amount: order.amount,
            fee: fee_amount,
            fee_to,
            prover: order.way.name().to_owned(),
        };
        let record = self.journal.begin(self.clock.now(), what);
        self.journal.now(record, Outcome::Signed { until: valid_until, trouble: None });
        self.folder.keep_journal(&self.journal)?;
        let work = match self.authorise(&prepared, &held.credential) {
            Ok(work) => work,
            // No signature is anywhere.
            Err(error) => {
                self.journal.now(record, Outcome::Failed { reason: error.to_string() });
                self.folder.keep_journal(&self.journal)?;
                self.state.release(prepared.replay_id());
                self.folder.keep_state(&self.state)?;
                return Err(error);
            }
        };
        self.folder.keep_intent(record, &work.encode())?;
        let intent = Live { record, replay_id: *prepared.replay_id(), until: valid_until };
        Ok(Signed { work, intent, service })
    }

    /// Whether what proves it is here, before anything is signed.
    fn check_ways(&self, way: &Way, auth: Option<AuthCircuit>) -> Result<(), WalletError> {
        if matches!(way, Way::Service(_)) {
            return Ok(());
        }
        let needed = [Some(CircuitKind::Pool), auth.map(CircuitKind::from)];
        let missing = needed.into_iter().flatten().find(|kind| !self.circuits().has(*kind));
        missing.map_or(Ok(()), |kind| Err(WalletError::NoCircuit(kind)))
    }

    /// [`Self::check_ways`] for work that was drawn up before.
    pub(crate) fn check_circuits(&self, way: &Way, work: &Work) -> Result<(), WalletError> {
        let auth = match work.auth() {
            Auth::Circuit { circuit, .. } => Some(*circuit),
            Auth::Ready(_) => None,
        };
        self.check_ways(way, auth)
    }

    /// Whether the account can pay for a transaction, before anything is signed.
    async fn check_gas(&self) -> Result<(), WalletError> {
        let price = least_price(self.contract.rpc(), &self.send_options()).await?;
        let needs = price.saturating_mul(U256::from(TRANSACT_GAS));
        let has = self.ether().await?;
        if has >= needs {
            return Ok(());
        }
        let text = |wei| {
            tacit_chain::from_wei(wei).map_or_else(|| format!("{wei} wei"), |wei| Token::ether().text(wei))
        };
        Err(WalletError::Gas { account: self.account.address(), has: text(has), needs: text(needs) })
    }

    /// What is wrong with the notes, in whole coins and with what is reserved.
    fn in_coins(&self, token: &Token, error: SpendError) -> WalletError {
        let SpendError::Coins(CoinError::Insufficient { needed, have }) = error else { return error.into() };
        let reserved = self.balances().get(&token.address).map_or(Amount::ZERO, |balance| balance.reserved);
        let until = self.live_intents().into_iter().map(|live| live.until).max();
        let reserved = until.filter(|_| !reserved.is_zero()).map_or_else(String::new, |until| {
            let when = match self.seconds_left(until).div_ceil(60) {
                0 => "until a block after their time is final".to_owned(),
                minutes => {
                    format!(
                        "until their time is over, in {minutes} minutes at most, and a block after that final"
                    )
                }
            };
            format!(
                "; {} more is reserved for signed payments, {when} (tacit wallet history)",
                token.text(reserved)
            )
        });
        WalletError::Insufficient { needed: token.text(needed), have: token.text(have), reserved }
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
}

/// A receiving address of a pool as people give it: the text, or the name of a file that holds it.
///
/// # Errors
/// [`WalletError::Recipient`].
pub fn recipient(text: &str, place: &Place) -> Result<ReceivingAddress, WalletError> {
    let read = if text.starts_with("tacit1") {
        text.to_owned()
    } else {
        std::fs::read_to_string(text).map_err(|e| {
            WalletError::Recipient(format!("{text}: no receiving address, and no file with one: {e}. An Ethereum address is paid by `tacit wallet withdraw`"))
        })?
    };
    ReceivingAddress::parse(&read, place).map_err(|e| WalletError::Recipient(e.to_string()))
}
