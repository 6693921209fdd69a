//! `tacit wallet deposit|send|withdraw|resume`

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use tacit_client::{Client, Options};
use tacit_pool::delivery::{MEMO_BYTES, memo};
use tacit_pool::wallet::spend::Recipient;
use tacit_pool::{Address, Amount, Fr, Place};
use tacit_wallet::config::Prover;
use tacit_wallet::open::{Step, hash_text};
use tacit_wallet::pay::{Order, recipient};
use tacit_wallet::token::Token;
use tacit_wallet::{Delegation, OpenWallet, Paid, Way};

use super::wallet::Common;
use crate::delegated::{DialOptions, Watcher};
use crate::failure::{Failure, Outcome};
use crate::ui::{self, Ui};
use crate::wallet_watch::Watch;

/// How a payment is proved and paid for.
#[derive(Debug, clap::Args)]
pub struct PaymentOptions {
    /// The token's contract; ether without it
    #[arg(long, value_name = "ADDRESS")]
    token: Option<Address>,
    /// The most that a prover or relay may ask, in whole coins of the token; one that asks anything is refused without it
    #[arg(long, value_name = "AMOUNT")]
    max_fee: Option<String>,
    /// Seconds for which it can be executed: at most a day, and at least 240 where a prover or relay is to have it
    #[arg(long, default_value_t = 3600, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(60..=86_400))]
    expires_in: u32,
    /// Pay although the same amount to the same recipient is signed already and not on the chain yet
    #[arg(long)]
    again: bool,
    #[command(flatten)]
    route: RouteOptions,
}

/// Who proves and who submits.
#[derive(Debug, clap::Args)]
pub struct RouteOptions {
    /// Who proves: `local`, `committee`, or a prover that wallet.toml names; what wallet.toml says without it
    #[arg(long, value_name = "WAY")]
    prove: Option<String>,
    /// Who submits what was proved here or by a committee: a prover that wallet.toml names, for its fee; without it this wallet's
    /// Ethereum account does, and everybody sees which one that is
    #[arg(long, value_name = "PROVER")]
    relay: Option<String>,
    #[command(flatten)]
    dials: DialOptions,
}

/// A recipient in the pool.
pub fn private(text: &str, place: &Place) -> Outcome<Recipient> {
    Ok(Recipient::Private(recipient(text, place)?))
}

/// A recipient outside of it.
pub fn public(address: Address) -> Recipient {
    Recipient::Public(address)
}

fn memo_of(text: &str) -> Outcome<[u8; MEMO_BYTES]> {
    memo(text).ok_or_else(|| {
        Failure::new(format!("--memo has {} bytes, a note takes {MEMO_BYTES}: say it shorter", text.len()))
    })
}

/// Moves money in.
pub fn deposit(
    common: &Common,
    amount: &str,
    token: Option<Address>,
    (to, memo): (Option<&str>, &str),
    again: bool,
    ui: &Ui,
) -> Outcome {
    let memo = memo_of(memo)?;
    let (runtime, mut wallet) = common.open()?;
    let place = wallet.config().pool.place();
    let to = to.map(|text| recipient(text, &place)).transpose()?;
    let watch = Watch::new(ui);
    let (token, amount, receipt) = runtime.block_on(async {
        let token = wallet.token(token.unwrap_or_default()).await?;
        let amount = token.amount(amount).map_err(|e| Failure::new(e.to_string()))?;
        let receipt =
            wallet.deposit(&token, amount, to.as_ref(), memo, again, &|step| watch.told(step)).await?;
        Ok::<_, Failure>((token, amount, receipt))
    })?;
    watch.done();
    let json = json!({
        "token": token.address, "symbol": ui::printable(&token.symbol), "amount": amount.to_string(),
        "transaction": hash_text(&receipt.hash), "block": receipt.block, "gas": receipt.gas_used,
    });
    ui.result(&json, format!("{} deposited in block {}", ui::printable(&token.text(amount)), receipt.block));
    Ok(())
}

/// Pays. `to` is asked once it is known which pool's recipient it has to be.
pub fn pay(
    common: &Common,
    to: impl FnOnce(&Place) -> Outcome<Recipient>,
    amount: &str,
    memo: &str,
    options: &PaymentOptions,
    ui: &Ui,
) -> Outcome {
    let memo = memo_of(memo)?;
    let (runtime, mut wallet) = common.open()?;
    let to = to(&wallet.config().pool.place())?;
    let (way, relay) = options.route.ways(&wallet)?;
    let watchers = Arc::new(Watchers::new(ui));
    let delegation = options.route.delegation(&way, options.expires_in, &watchers)?;
    let watch = Watch::new(ui);
    let (token, amount, paid) = runtime.block_on(unless_broken_off(async {
        let token = wallet.token(options.token.unwrap_or_default()).await?;
        let read = |text: &str| token.amount(text).map_err(|e| Failure::new(e.to_string()));
        let amount = read(amount)?;
        let max_fee = options.max_fee.as_deref().map(read).transpose()?;
        let lifetime = options.expires_in;
        let again = options.again;
        let order = Order { to, token: token.clone(), amount, memo, way, relay, max_fee, lifetime, again };
        let paid = wallet.pay(&order, delegation.as_ref(), &|step| watch.told(step)).await?;
        Ok((token, amount, paid))
    }))?;
    watch.done();
    say_paid(&token, amount, &paid, watchers.uploaded(), ui);
    Ok(())
}

/// Until it is done, or its user breaks it off and is told what that means.
async fn unless_broken_off<T>(paying: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    tokio::select! {
        done = paying => done,
        _ = tokio::signal::ctrl_c() => Err(Failure::new(
            "broken off. What was signed by then stays signed and can be executed until its time is over: `tacit wallet history` tells of it, \
             `tacit wallet resume` goes on with it",
        )
        .exiting_with(130)),
    }
}

fn say_paid(token: &Token, amount: Amount, paid: &Paid, uploaded: usize, ui: &Ui) {
    let json = json!({
        "token": token.address, "symbol": ui::printable(&token.symbol), "amount": amount.to_string(), "fee": paid.fee.to_string(),
        "replay_id": Fr::to_string(&paid.replay_id), "transaction": paid.transaction, "block": paid.block, "gas": paid.gas,
        "uploaded_bytes": paid.uploaded + uploaded,
    });
    let fee = if paid.fee.is_zero() { String::new() } else { format!(", fee {}", token.text(paid.fee)) };
    ui.result(
        &json,
        format!("{} paid in block {}{}", ui::printable(&token.text(amount)), paid.block, ui::printable(&fee)),
    );
}

/// Goes on with a payment that is signed and not on the chain.
pub fn resume(common: &Common, number: Option<NonZeroUsize>, options: &RouteOptions, ui: &Ui) -> Outcome {
    let (runtime, mut wallet) = common.open()?;
    let (way, relay) = options.ways(&wallet)?;
    let watchers = Arc::new(Watchers::new(ui));
    let delegation = options.delegation(&way, 600, &watchers)?;
    let watch = Watch::new(ui);
    let number = number.map(|number| number.get() - 1);
    let (token, amount, paid) = runtime.block_on(unless_broken_off(async {
        let told = |step: Step<'_>| watch.told(step);
        let paid = wallet.resume(number, way, relay.as_ref(), delegation.as_ref(), &told).await?;
        let of = wallet.journal().payment(&paid.replay_id);
        let (token, amount) = of.ok_or_else(|| Failure::new("the journal does not have the payment"))?;
        Ok((wallet.token_to_show(token).await, amount, paid))
    }))?;
    watch.done();
    say_paid(&token, amount, &paid, watchers.uploaded(), ui);
    Ok(())
}

impl RouteOptions {
    /// Who proves, and who submits if not the wallet's account.
    fn ways(&self, wallet: &OpenWallet) -> Outcome<(Way, Option<Prover>)> {
        let config = wallet.config();
        let way = config.way(self.prove.as_deref())?;
        let relay = self.relay.as_deref().map(|name| config.prover(name).cloned()).transpose()?;
        if relay.is_some() && matches!(way, Way::Service(_)) {
            return Err(Failure::new(
                "a prover submits what it proves: leave --relay out, or prove by `local` or `committee`",
            ));
        }
        Ok((way, relay))
    }

    /// The committee's client, where a committee is to prove.
    fn delegation(&self, way: &Way, seconds: u32, watchers: &Arc<Watchers>) -> Outcome<Option<Delegation>> {
        let Way::Committee(network) = way else {
            if self.dials.are_given() {
                return Err(Failure::new(format!(
                    "--committee, --groups, --threshold and --handover are for a committee, and this is proved by `{}`: add --prove committee, or leave them out",
                    way.name()
                )));
            }
            return Ok(None);
        };
        let client = Client::new(crate::api_key::load_network(network)?)?;
        let timeout = Duration::from_secs(seconds.min(600).into());
        let options = Options {
            dials: self.dials.dials()?,
            timeout: Some(timeout),
            expiry: timeout + Duration::from_secs(60),
            ..Options::standard()?
        };
        Ok(Some(watchers.delegation(client, options)))
    }
}

/// What a person sees of a committee's jobs, and what they upload.
pub struct Watchers {
    ui: Ui,
    jobs: Mutex<Vec<Arc<Watcher>>>,
}

impl Watchers {
    /// Of no job yet.
    pub fn new(ui: &Ui) -> Self {
        Self { ui: ui.clone(), jobs: Mutex::default() }
    }

    /// A delegation whose jobs are watched.
    pub fn delegation(self: &Arc<Self>, client: Client, options: Options) -> Delegation {
        let all = Arc::clone(self);
        let watch = Box::new(move |_| {
            let watcher = Arc::new(Watcher::new(&all.ui));
            all.jobs.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&watcher));
            watcher as Arc<dyn tacit_client::Progress>
        });
        Delegation { client, options, watch }
    }

    /// Bytes that were sent to the coordinator.
    pub fn uploaded(&self) -> usize {
        let jobs = std::mem::take(&mut *self.jobs.lock().unwrap_or_else(PoisonError::into_inner));
        jobs.iter().map(|job| job.finish().upload).sum()
    }
}
