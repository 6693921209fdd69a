//! `tacit demo pool`: safe delegation on a real chain. A wallet pays by each of the three ways to prove, rotates, and a former prover fails.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use comfy_table::{Table, presets};
use serde_json::{Value, json};
use tacit_algebra::{Bn254, field};
use tacit_chain::devnet::Anvil;
use tacit_chain::rpc::FINALITY_DEPTH;
use tacit_chain::{Account, At, Call, Rpc, SendOptions, abi, from_wei, to_wei};
use tacit_circom::R1cs;
use tacit_client::{Client, Options};
use tacit_groth16::setup;
use tacit_pool::wallet::spend::Recipient;
use tacit_pool::{Address, Fr, SeedPhrase};
use tacit_prover::{Work, local};
use tacit_vault::Unlock;
use tacit_wallet::config::Prover;
use tacit_wallet::description::CircuitFiles;
use tacit_wallet::pay::Order;
use tacit_wallet::policy::CredentialKind;
use tacit_wallet::token::Token;
use tacit_wallet::{Config, Delegation, OpenWallet, Paid, PoolDescription, WalletFolder, Way};
use tokio::runtime::Runtime;

use super::pool;
use super::wallet::CredentialName;
use super::wallet_pay::Watchers;
use crate::failure::{Failure, InFile, Outcome};
use crate::files::{self, Access};
use crate::local_network::{Lifetime, LocalNetwork, Service, make_private};
use crate::ui::{self, Ui};
use crate::wallet_watch::Watch;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A local Ethereum node (chain 31337 or 1337) in place of an anvil of the demo's own
    #[arg(long, value_name = "URL", requires = "funder")]
    rpc: Option<String>,
    /// File with the private key of an account with ether there, 64 hexadecimal digits
    #[arg(long, value_name = "FILE", requires = "rpc")]
    funder: Option<PathBuf>,
    /// The program anvil; without it $TACIT_ANVIL, what `npm ci --prefix tests` installed, or anvil on the PATH
    #[arg(long, value_name = "FILE", conflicts_with = "rpc")]
    anvil: Option<PathBuf>,
    /// The compiled circuits
    #[arg(long, value_name = "DIR", default_value = "circuits/pool")]
    circuits: PathBuf,
    /// What the wallets sign with
    #[arg(long, value_name = "KIND", default_value = "eddsa")]
    signature: CredentialName,
    /// Work below this folder instead of a temporary one; it stays
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Blocks after which what was signed before a rotation is dead.
const WINDOW: u64 = tacit_pool::ledger::POLICY_ROOT_BLOCKS;

/// Somebody with a wallet.
struct Person {
    name: &'static str,
    wallet: OpenWallet,
}

/// One payment, for the table at the end.
struct Shown {
    what: String,
    paid: Paid,
    took: Duration,
    proved: &'static str,
    saw: &'static str,
}

/// Where everything is and whom it concerns.
struct Stage<'a> {
    ui: &'a Ui,
    folder: PathBuf,
    runtime: Runtime,
    rpc: Rpc,
    funder: Account,
    unlock: Unlock,
    key_file: PathBuf,
    description: PoolDescription,
    coin: Token,
    signature: CredentialKind,
}

/// Runs the demo.
pub fn run(args: &Args, ui: &Ui) -> Outcome {
    let began = Instant::now();
    ui.say(
        "A shielded pool on a real chain. Alice's device is too weak to prove: she signs what she wants, and whoever proves can do \
         exactly that, or nothing.\n",
    );
    let temporary;
    let folder = match &args.dir {
        Some(dir) => dir.as_path(),
        None => {
            temporary = tempfile::tempdir()?;
            temporary.path()
        }
    };
    make_private(folder)?;
    let folder = folder.canonicalize().in_file(folder)?;

    let phase = ui.phase("an Ethereum node");
    // Ends with this function.
    let anvil = match &args.rpc {
        Some(_) => None,
        None => Some(start_anvil(args.anvil.clone())?),
    };
    let url =
        args.rpc.clone().or_else(|| anvil.as_ref().map(|anvil| anvil.url().to_owned())).unwrap_or_default();
    let funder = match &args.funder {
        Some(file) => pool::account_from_file(file)?,
        None => Account::from_seed(&SeedPhrase::parse(tacit_chain::devnet::PHRASE)?.seed(""), 0)?,
    };
    let runtime = crate::runtime::new()?;
    let rpc = Rpc::new(&url)?;
    let chain = runtime.block_on(pool::local_chain(&rpc))?;
    phase.done(format!("{}, chain {chain}", if anvil.is_some() { "anvil" } else { "yours" }));

    let signature = args.signature.into();
    let circuits = development_setup(&args.circuits, signature, &folder, ui)?;
    let phase = ui.phase("deploying the contracts");
    let (description, deployed) =
        runtime.block_on(pool::deploy(&rpc, &funder, chain, &circuits, false, true))?;
    let coin = deployed.token.ok_or_else(|| Failure::new("the demo token was not deployed"))?;
    phase.done(format!("the pool is {}", description.pool));
    let key_file = folder.join("wallets.key");
    let unlock = Unlock::from_new_key_file(&key_file, &folder.join("wallets"))?;
    let coin = Token { address: coin, symbol: "DEMO".to_owned(), decimals: 18 };
    let stage = Stage { ui, folder, runtime, rpc, funder, unlock, key_file, description, coin, signature };
    let shown = stage.play(&url)?;
    let took = began.elapsed();
    ui.result(&shown.json(took), format!("\n{}\n\nDone in {}.", shown.text(), ui::duration(took)));
    drop(anvil);
    Ok(())
}

fn start_anvil(named: Option<PathBuf>) -> Outcome<Anvil> {
    let found = named.or_else(|| Anvil::find(Path::new(".")));
    let path = found.ok_or_else(|| {
        Failure::new(
            "there is no anvil, a local Ethereum node: in a checkout of Tacit, `npm ci --prefix tests` installs it; or name one with --anvil, or a \
             running node with --rpc and --funder",
        )
    })?;
    Ok(Anvil::start(&path)?)
}

/// Proving keys for this run only.
fn development_setup(
    circuits: &Path,
    signature: CredentialKind,
    folder: &Path,
    ui: &Ui,
) -> Outcome<tacit_wallet::description::Circuits> {
    let phase = ui.phase("development setup");
    let one = |name: &str| -> Outcome<CircuitFiles> {
        let at = |ending: &str| circuits.join(format!("{name}.{ending}"));
        if !at("r1cs").exists() {
            return Err(Failure::new(format!(
                "{}: the pool's circuits are not here: run this in a checkout of Tacit, or name their folder with --circuits",
                at("r1cs").display()
            )));
        }
        phase.note(name);
        let constraints = R1cs::read(&files::read(&at("r1cs"))?).in_file(&at("r1cs"))?;
        let zkey = folder.join(format!("{name}.zkey"));
        files::write(
            &zkey,
            &setup::dev::<Bn254, _>(&constraints, &mut rand::rng())?.write(),
            Access::Shared,
        )?;
        Ok(CircuitFiles { zkey, wasm: at("wasm").canonicalize().in_file(&at("wasm"))? })
    };
    let mut made = tacit_wallet::description::Circuits {
        pool_transact: Some(one("pool_transact")?),
        auth_eddsa: None,
        auth_xmss: None,
    };
    let auth = match signature {
        CredentialKind::Eddsa => Some(("auth_eddsa", &mut made.auth_eddsa)),
        CredentialKind::Xmss => Some(("auth_xmss", &mut made.auth_xmss)),
        // The contract checks those.
        CredentialKind::Ecdsa => None,
    };
    let mut names = "pool_transact".to_owned();
    if let Some((name, files)) = auth {
        *files = Some(one(name)?);
        names += &format!(" and {name}");
    }
    phase.done(names + "; not for production");
    Ok(made)
}

impl Stage<'_> {
    /// The whole story.
    fn play(&self, url: &str) -> Outcome<Story> {
        let ui = self.ui;
        let phase = ui.phase("three wallets: Alice, Bob, Carol");
        let mut alice = self.person("alice", url)?;
        let mut bob = self.person("bob", url)?;
        let carol = self.person("carol", url)?;
        phase.done(format!("each registered in the pool, authorised by {}", self.signature.name()));

        let phase = ui.phase("Alice deposits");
        let quiet = &|_: tacit_wallet::open::Step<'_>| ();
        let ether = Token::ether();
        let ten = ether.amount("10").map_err(words)?;
        let coins = self.coin.amount("500").map_err(words)?;
        let gas = self.on(alice.wallet.deposit(&ether, ten, None, [0; 64], false, quiet))?.gas_used;
        self.on(alice.wallet.deposit(&self.coin, coins, None, [0; 64], false, quiet))?;
        phase.done(format!("10 ETH ({gas} gas) and 500 DEMO; from here on nobody sees what they do"));

        let phase = ui.phase("Carol serves as a prover");
        let prover_dir = carol.wallet.path().to_owned();
        let Person { wallet, .. } = carol;
        drop(wallet);
        let (fee, token) = ("ETH=0.01".to_owned(), format!("{}=1", self.coin.address));
        let key_file = self.key_file.display().to_string();
        let (mut service, ready) = Service::start(
            "carol",
            &prover_dir,
            &[
                "prover",
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--key-file",
                &key_file,
                "--fee",
                &fee,
                "--fee",
                &token,
            ],
            Lifetime::Bound,
        )?;
        let at = ready.http.ok_or_else(|| Failure::new("the prover did not tell where it listens"))?;
        let prover = Prover {
            name: "carol".to_owned(),
            url: format!("http://{at}"),
            id: tacit_pool::orders::OrderKeyId(id(&ready.identity)?),
        };
        phase.done(format!("a process at {at}; 0.01 ETH or 1 DEMO a transaction"));

        let phase = ui.phase("a committee of four nodes");
        let mut network =
            LocalNetwork::start(&self.folder.join("network"), 4, Lifetime::Bound, |line| phase.note(line))?;
        phase.done("a coordinator and four processes; any three suffice, no single one learns anything");

        let mut payments = Vec::new();
        let to_bob = Recipient::Private(bob.wallet.receiving_address()?);
        let order = |token: &Token, amount: &str, way: Way, relay: Option<Prover>| -> Outcome<Order> {
            Ok(Order {
                to: to_bob.clone(),
                token: token.clone(),
                amount: token.amount(amount).map_err(words)?,
                memo: [0; 64],
                way,
                relay,
                max_fee: Some(token.amount("1").map_err(words)?),
                lifetime: 3600,
                again: false,
            })
        };

        let local = order(&ether, "1", Way::Local, None)?;
        payments.push(self.pay(&mut alice, &local, None, "1 ETH to Bob", "on this device", "nobody else")?);
        let served = order(&ether, "2", Way::Service(prover.clone()), None)?;
        payments.push(self.pay(&mut alice, &served, None, "2 ETH to Bob", "by Carol", "Carol, all of it")?);
        let client = Client::new(network.network.clone())?;
        let options = Options { timeout: Some(Duration::from_secs(120)), ..Options::standard()? };
        let watchers = Arc::new(Watchers::new(ui));
        let delegation = watchers.delegation(client, options);
        let shared = order(&self.coin, "120", Way::Committee(network.network_toml()), Some(prover.clone()))?;
        let mut last = self.pay(
            &mut alice,
            &shared,
            Some(&delegation),
            "120 DEMO to Bob",
            "by four nodes",
            "nobody; Carol submitted it",
        )?;
        last.paid.uploaded += watchers.uploaded();
        payments.push(last);
        network.stop();

        let phase = ui.phase("Bob withdraws 1.5 ETH");
        let stranger = Address(rand::random());
        let withdrawal = Order {
            to: Recipient::Public(stranger),
            amount: ether.amount("1.5").map_err(words)?,
            ..order(&ether, "1", Way::Local, None)?
        };
        let withdrawn = self.on(bob.wallet.pay(&withdrawal, None, quiet))?;
        let got = self.on_chain(self.rpc.balance(stranger, At::Latest))?;
        if from_wei(got) != Some(withdrawal.amount) {
            return Err(Failure::new(format!("the recipient of the withdrawal has {got} wei")));
        }
        phase.done(format!("{stranger} has it"));

        let failures = self.former_prover(&mut alice, &served, prover, &mut service)?;
        service.stop();
        self.on(bob.wallet.sync(quiet))?;
        let balances = [&alice, &bob].map(|person| balances(person, &self.coin));
        let gas = json!({ "deposit": gas, "withdrawal": withdrawn.gas });
        Ok(Story { payments, failures, balances: balances.to_vec(), gas })
    }

    /// Carol keeps an intent of Alice's back; Alice rotates. What Carol still tries fails.
    fn former_prover(
        &self,
        alice: &mut Person,
        order: &Order,
        prover: Prover,
        service: &mut Service,
    ) -> Outcome<Vec<(String, String)>> {
        let ui = self.ui;
        let quiet = &|_: tacit_wallet::open::Step<'_>| ();
        let mut failures = Vec::new();
        ui.say("\nCarol turns against Alice. She has all that a prover is given: a signed intent with its witness.");
        let order = Order { way: Way::Service(prover), ..order.clone() };
        let signed = self.on(alice.wallet.sign(&order, quiet))?;
        // What Carol does, she does by herself from now on.
        service.stop();

        let phase = ui.phase("she makes herself the recipient");
        let Recipient::Private(to) = &order.to else {
            return Err(Failure::new("the order has no recipient"));
        };
        let mine: Fr = field::random(&mut rand::rng());
        let forged = replace(
            &signed.work.encode(),
            &field::to_be(&to.owner_nullifier_key_hash),
            &field::to_be(&mine),
        )?;
        let forged = Work::decode(&forged)?;
        match local::prove(alice.wallet.circuits(), &forged, &mut rand::rng(), &|_| ()) {
            Ok(_) => return Err(Failure::new("a prover changed the recipient and proved it")),
            Err(error) => {
                phase.done("there is no proof of it");
                failures.push(("makes herself the recipient".to_owned(), error.to_string()));
            }
        }

        let phase = ui.phase("Alice rotates her secret");
        let (epoch, receipt) = self.on(alice.wallet.rotate(quiet))?;
        phase.done(format!("epoch {epoch} counts from block {}; no money moved", receipt.block));

        let phase = ui.phase("she executes what she kept back");
        self.on_chain(self.rpc.request("anvil_mine", json!([WINDOW])))?;
        let proved = self.on(alice.wallet.prove(&Way::Local, &signed.work, None, quiet))?;
        match self.on(alice.wallet.submit(signed.work.statement(), &proved, quiet)) {
            Ok(_) => return Err(Failure::new("a former prover executed an intent of before the rotation")),
            Err(error) => {
                phase.done(format!("{WINDOW} blocks later the pool refuses it"));
                failures.push(("executes what was signed before the rotation".to_owned(), error.to_string()));
            }
        }

        let phase = ui.phase("Alice pays on, with another prover");
        // Her wallet keeps the notes of the intent that Carol kept back until it is final that it is dead.
        self.on_chain(self.rpc.request("anvil_mine", json!([WINDOW + FINALITY_DEPTH])))?;
        let again = Order { way: Way::Local, ..order };
        let paid = self.on(alice.wallet.pay(&again, None, quiet))?;
        phase.done(format!("in block {}, from the same notes: none had to move", paid.block));
        Ok(failures)
    }

    /// A wallet with money outside of the pool, registered in it.
    fn person(&self, name: &'static str, url: &str) -> Outcome<Person> {
        let path = self.folder.join("wallets").join(name);
        make_private(&self.folder.join("wallets"))?;
        let config = Config::new(url.to_owned(), 0, self.description.clone());
        let seed = SeedPhrase::generate(&mut rand::rng())?.seed("");
        drop(WalletFolder::create(&path, &self.unlock, &seed, &config)?);
        let quiet = &|_: tacit_wallet::open::Step<'_>| ();
        let mut wallet = self.on(OpenWallet::open(&path, &self.unlock, crate::cache::prepared_folder()?))?;
        let account = wallet.account().address();
        let hundred = Token::ether().amount("100").map_err(words)?;
        let thousand = self.coin.amount("1000").map_err(words)?;
        for call in [
            Call { to: account, value: to_wei(hundred), data: Vec::new() },
            abi::mint(self.coin.address, account, thousand),
        ] {
            let options = SendOptions::default();
            let chain_id = self.description.chain_id.into();
            let sent =
                self.on_chain(tacit_chain::send(&self.rpc, &self.funder, chain_id, &call, &options))?;
            self.on_chain(tacit_chain::wait(&self.rpc, &sent, Duration::from_secs(60)))?;
        }
        self.on(wallet.set_policy(self.signature, quiet))?;
        Ok(Person { name, wallet })
    }

    fn pay(
        &self,
        from: &mut Person,
        order: &Order,
        delegation: Option<&Delegation>,
        what: &str,
        proved: &'static str,
        saw: &'static str,
    ) -> Outcome<Shown> {
        self.ui.say(format!("\n{what}, proved {proved}"));
        let watch = Watch::new(self.ui);
        let began = Instant::now();
        let paid = self.on(from.wallet.pay(order, delegation, &|step| watch.told(step)))?;
        watch.done();
        Ok(Shown { what: what.to_owned(), paid, took: began.elapsed(), proved, saw })
    }

    fn on<T>(&self, doing: impl Future<Output = Result<T, tacit_wallet::WalletError>>) -> Outcome<T> {
        Ok(self.runtime.block_on(doing)?)
    }

    fn on_chain<T, E: std::error::Error>(&self, doing: impl Future<Output = Result<T, E>>) -> Outcome<T> {
        Ok(self.runtime.block_on(doing)?)
    }
}

/// What was shown.
struct Story {
    payments: Vec<Shown>,
    failures: Vec<(String, String)>,
    balances: Vec<Value>,
    gas: Value,
}

impl Story {
    fn json(&self, took: Duration) -> Value {
        let payments: Vec<Value> = self
            .payments
            .iter()
            .map(|shown| {
                json!({
                    "what": shown.what, "proved": shown.proved, "took_ms": shown.took.as_millis(), "block": shown.paid.block,
                    "transaction": shown.paid.transaction, "fee": shown.paid.fee.to_string(), "gas": shown.paid.gas, "uploaded_bytes": shown.paid.uploaded,
                })
            })
            .collect();
        let failures: Vec<Value> =
            self.failures.iter().map(|(tried, answer)| json!({ "tried": tried, "answer": answer })).collect();
        json!({
            "ok": true, "payments": payments, "former_prover": failures, "wallets": self.balances, "gas": self.gas, "total_ms": took.as_millis(),
        })
    }

    fn text(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header([
            "PAYMENT",
            "PROVED",
            "TOOK",
            "UPLOADED",
            "GAS",
            "WHO ELSE SAW IT",
        ]);
        for shown in &self.payments {
            table.add_row([
                &shown.what,
                shown.proved,
                &ui::duration(shown.took),
                &ui::bytes(shown.paid.uploaded as u64),
                &shown.paid.gas.map_or_else(String::new, |gas| gas.to_string()),
                shown.saw,
            ]);
        }
        let mut failed = Table::new();
        failed.load_style(presets::NOTHING).set_header(["A FORMER PROVER", "GOT"]);
        for (tried, answer) in &self.failures {
            failed.add_row([tried, answer]);
        }
        format!("{}\n\n{}", table.trim_fmt(), failed.trim_fmt())
    }
}

fn balances(person: &Person, coin: &Token) -> Value {
    let of = |address: &Address| if *address == coin.address { coin.clone() } else { Token::ether() };
    let balances = person.wallet.balances();
    let texts = balances.iter().map(|(address, balance)| of(address).text(balance.spendable));
    json!({ "name": person.name, "spendable": texts.collect::<Vec<_>>() })
}

/// The bytes with every occurrence of some replaced by others.
fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Outcome<Vec<u8>> {
    let mut replaced = bytes.to_vec();
    let mut found = false;
    let places = bytes.windows(from.len()).enumerate().filter(|(_, window)| *window == from);
    for (place, _) in places {
        found = true;
        for (byte, new) in replaced.iter_mut().skip(place).zip(to) {
            *byte = *new;
        }
    }
    if found { Ok(replaced) } else { Err(Failure::new("the work does not name its recipient")) }
}

fn id(text: &str) -> Outcome<[u8; 32]> {
    let mut id = [0; 32];
    hex::decode_to_slice(text, &mut id)
        .map_err(|_| Failure::new("the prover's id is not 64 hexadecimal digits"))?;
    Ok(id)
}

fn words(error: tacit_wallet::token::AmountError) -> Failure {
    Failure::new(error.to_string())
}
