//! `tacit prover serve --dir WALLET`

use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use clap::Subcommand;
use tacit_chain::SendOptions;
use tacit_pool::{Address, Amount};
use tacit_prover::AuthCircuit;
use tacit_prover::service::ethereum::OnChain;
use tacit_prover::service::{AuthMethod, AuthVerifier, Service, ServiceConfig};
use tacit_vault::Clock;
use tacit_wallet::OpenWallet;
use tacit_wallet::description::Verifiers;

use super::wallet::Common;
use crate::failure::{Failure, Outcome};
use crate::local_network::Ready;
use crate::service::{self, ServiceOptions};
use crate::ui::{self, Ui};
use crate::wallet_watch::Watch;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Args {
    /// Prove for others: take signed intents with their witness data, sealed to this prover, prove, submit and report. What it sees it
    /// could tell; it can change none of it
    Serve(Box<Serve>),
}

/// How a prover serves.
#[derive(Debug, clap::Args)]
pub struct Serve {
    /// The prover's own wallet: its account pays for gas, its notes are the fees, its keys sign and open
    #[command(flatten)]
    wallet: Common,
    /// Where it listens, in plain HTTP: put a proxy with a certificate in front. Requests are sealed in any case
    #[arg(long, default_value = "127.0.0.1:8900", value_name = "HOST:PORT")]
    listen: SocketAddr,
    /// The URL under which wallets reach it, that of the proxy; https://LISTEN without it
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// What it asks for a transaction: ETH=0.001, or TOKEN'S ADDRESS=1.5. Whoever pays in another token is refused; without any it asks
    /// nothing
    #[arg(long = "fee", value_name = "TOKEN=AMOUNT")]
    fees: Vec<FeeText>,
    /// A token beside those of the fees in which payments are served: its contract runs at this prover's cost
    #[arg(long = "token", value_name = "ADDRESS")]
    tokens: Vec<Address>,
    /// Pay out ether to contracts too: their code then runs at this prover's cost, up to --max-gas
    #[arg(long)]
    contract_recipients: bool,
    /// The most gas that a transaction may take
    #[arg(long, default_value_t = 2_000_000, value_name = "GAS")]
    max_gas: u64,
    /// Where /metrics and /healthz are
    #[arg(long, value_name = "HOST:PORT")]
    metrics: Option<SocketAddr>,
    /// Requests come through a proxy that puts the client's address at the end of X-Forwarded-For. Without it all of a proxy's clients
    /// share what one address may ask for
    #[arg(long)]
    behind_proxy: bool,
    /// Proofs at a time; each uses every core
    #[arg(long, default_value_t = 1, value_name = "N")]
    workers: usize,
    /// Requests that are accepted and not ended
    #[arg(long, default_value_t = 64, value_name = "N")]
    queue: usize,
    /// Of them, those of one client's address
    #[arg(long, default_value_t = 8, value_name = "N")]
    queue_per_client: usize,
    /// Blocks, from its own on, after which a transaction counts as confirmed
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
    confirmations: u64,
    #[command(flatten)]
    service: ServiceOptions,
}

/// A fee as an option has it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FeeText {
    token: Address,
    amount: String,
}

impl FromStr for FeeText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (token, amount) = text.split_once('=').ok_or("write TOKEN=AMOUNT, as in ETH=0.001")?;
        let token = match token {
            "ETH" => Address::ZERO,
            token => token.parse().map_err(|e: tacit_pool::value::ValueError| e.to_string())?,
        };
        Ok(Self { token, amount: amount.to_owned() })
    }
}

/// Runs it.
pub fn run(args: &Args, ui: &Ui) -> Outcome {
    let Args::Serve(args) = args;
    let _export = service::start_logging(&args.service, "tacit-prover")?;
    let (runtime, mut wallet) = args.wallet.open()?;
    let stop = service::stop(&args.service)?;
    let endpoint = match &args.endpoint {
        Some(endpoint) => endpoint.clone(),
        None if args.listen.ip().is_unspecified() => {
            return Err(Failure::new(format!(
                "--listen {} is no address that wallets can be told: say with --endpoint under which https:// URL they reach this prover",
                args.listen
            )));
        }
        None => format!("https://{}", args.listen),
    };
    service::run(runtime, async {
        let watch = Watch::new(ui);
        wallet.sync(&|step| watch.told(step)).await?;
        watch.done();
        let mut config = ServiceConfig::new(
            wallet.path().join("prover"),
            args.listen,
            endpoint,
            wallet.state().place(),
            wallet.state().rules(),
        );
        config.metrics_listen = args.metrics;
        config.behind_proxy = args.behind_proxy;
        config.fees = fees(&mut wallet, &args.fees).await?;
        config.auth_verifiers = auth_verifiers(&wallet.config().pool.verifiers);
        config.tokens.clone_from(&args.tokens);
        config.contract_recipients = args.contract_recipients;
        config.max_gas = args.max_gas;
        config.workers = args.workers;
        config.queue = args.queue;
        config.queue_per_client = args.queue_per_client;
        config.confirmations = args.confirmations;
        if config.place.chain_id == 31_337 {
            // A chain of this machine makes its blocks at once.
            config.poll = Duration::from_millis(200);
        }
        let keys = wallet.prover_keys()?;
        let circuits = Arc::clone(wallet.circuits());
        // As many transactions as there are requests may wait for a block.
        let at_a_time = u32::try_from(config.queue).unwrap_or(u32::MAX);
        let options = SendOptions { at_a_time, ..wallet.send_options() };
        let chain = OnChain::new(wallet.contract().clone(), wallet.account().clone(), options);
        // The folder is the wallet's again: its owner looks at the fees while this runs.
        drop(wallet);
        let service = Service::start(config, keys, circuits, Arc::new(chain), Clock::system()).await?;
        let address = service.address()?;
        let identity = service.prover().to_string();
        if service.resumed() > 0 {
            tracing::info!(requests = service.resumed(), "accepted before, carried on");
        }
        let ready = Ready { ready: true, identity, https: None, quic: None, http: Some(address.to_string()) };
        let text = format!("prover {}\nlistens at {address}", ready.identity);
        service::say_ready(&ready, &text, ui)?;
        service.run(stop).await;
        Ok(())
    })
}

/// The pool's own verifiers: no other contract runs at this prover's cost.
fn auth_verifiers(named: &Verifiers) -> Vec<AuthVerifier> {
    let known = [
        (named.eddsa, AuthMethod::Circuit(AuthCircuit::Eddsa)),
        (named.xmss, AuthMethod::Circuit(AuthCircuit::Xmss)),
        (named.ecdsa, AuthMethod::Ecdsa),
    ];
    let known = known.into_iter();
    known.filter_map(|(address, method)| address.map(|address| AuthVerifier { address, method })).collect()
}

/// The fees in tokens' smallest units, in ascending order of tokens.
async fn fees(wallet: &mut OpenWallet, fees: &[FeeText]) -> Outcome<Vec<(Address, Amount)>> {
    let mut read = Vec::new();
    for FeeText { token, amount } in fees {
        let token = wallet.token(*token).await?;
        let amount = token.amount(amount).map_err(|e| Failure::new(format!("--fee: {e}")))?;
        tracing::info!("asks {} for a transaction in it", ui::printable(&token.text(amount)));
        read.push((token.address, amount));
    }
    read.sort_unstable();
    if read.windows(2).any(|pair| matches!(pair, [(one, _), (other, _)] if one == other)) {
        return Err(Failure::new("--fee names a token twice"));
    }
    Ok(read)
}
