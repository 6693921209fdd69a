//! `tacit wallet init|address|policy|deposit|send|withdraw|resume|balance|rotate|history|rescan`

use std::io::Read as _;
use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use serde_json::json;
use tacit_pool::{Address, SeedPhrase};
use tacit_wallet::open::hash_text;
use tacit_wallet::policy::CredentialKind;
use tacit_wallet::{Config, OpenWallet, PoolDescription, WalletFolder};
use tokio::runtime::Runtime;
use zeroize::Zeroizing;

use super::{wallet_pay, wallet_show};
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::runtime;
use crate::ui::Ui;
use crate::unlock::{Configured, UnlockOptions};
use crate::wallet_watch::Watch;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Args {
    /// Make a wallet from a new seed phrase, or from one that you have
    Init(InitArgs),
    /// Print the address to which others in the pool pay you
    Address(Common),
    /// Say, or set, how this wallet's spends are authorised; the first time registers it in the pool
    Policy {
        #[command(flatten)]
        common: Common,
        /// What is to sign from now on; without it nothing is changed
        #[arg(long, value_enum)]
        set: Option<CredentialName>,
    },
    /// Move money from this wallet's Ethereum account into the pool
    Deposit {
        #[command(flatten)]
        common: Common,
        /// How much, in whole coins: 1.5
        amount: String,
        /// The token's contract; ether without it
        #[arg(long, value_name = "ADDRESS")]
        token: Option<Address>,
        /// Whose money it is to be (a receiving address or a file with it); yours without it
        #[arg(long, value_name = "RECEIVING ADDRESS")]
        to: Option<String>,
        /// Words for the recipient
        #[arg(long, default_value = "")]
        memo: String,
        /// Deposit although the same amount was sent already and is not seen on the chain yet
        #[arg(long)]
        again: bool,
    },
    /// Pay somebody in the pool; nobody else sees whom, or how much
    Send {
        #[command(flatten)]
        common: Common,
        /// To whom: what `tacit wallet address` prints, or a file with it
        to: String,
        /// How much, in whole coins: 1.5
        amount: String,
        /// Words for the recipient
        #[arg(long, default_value = "")]
        memo: String,
        #[command(flatten)]
        payment: wallet_pay::PaymentOptions,
    },
    /// Move money out of the pool, to an Ethereum address
    Withdraw {
        #[command(flatten)]
        common: Common,
        /// To whom
        to: Address,
        /// How much, in whole coins: 1.5
        amount: String,
        #[command(flatten)]
        payment: wallet_pay::PaymentOptions,
    },
    /// Have a payment that is signed and not on the chain proved and submitted again, in the same way or another
    Resume {
        #[command(flatten)]
        common: Common,
        /// Which one, as `tacit wallet history` numbers them; the only one without it
        number: Option<std::num::NonZeroUsize>,
        #[command(flatten)]
        route: wallet_pay::RouteOptions,
    },
    /// Say what is there of each token
    Balance(Common),
    /// Replace the secret that provers were given: what is signed from now on they cannot recognise by it, and no money moves
    Rotate(Common),
    /// List what this wallet did and what came in
    History(Common),
    /// Read all of the pool's events anew: after a node was wrong. What signs, and what is signed, stays
    Rescan(Common),
}

/// How a wallet is made.
#[derive(Debug, clap::Args)]
pub struct InitArgs {
    /// The wallet's folder: for its owner only
    #[arg(long, env = "TACIT_WALLET")]
    dir: PathBuf,
    /// The pool's description, pool.toml, from somebody that you trust
    #[arg(long, value_name = "POOL.toml")]
    pool: PathBuf,
    /// An Ethereum node
    #[arg(long, value_name = "URL")]
    rpc: String,
    /// File with a seed phrase that you have (BIP-39), `-` for standard input; a new one is made without it
    #[arg(long, value_name = "FILE")]
    phrase: Option<PathBuf>,
    /// Which account of the seed phrase
    #[arg(long, default_value_t = 0)]
    account: u32,
    #[command(flatten)]
    unlock: UnlockOptions,
    /// Leave the keys in the clear: for tests
    #[arg(long, conflicts_with_all = ["passphrase_file", "key_file"])]
    unencrypted: bool,
}

/// What every verb needs.
#[derive(Debug, clap::Args)]
pub struct Common {
    /// The wallet's folder
    #[arg(long, env = "TACIT_WALLET")]
    dir: PathBuf,
    #[command(flatten)]
    unlock: UnlockOptions,
}

impl Common {
    /// A runtime and the wallet, opened.
    pub fn open(&self) -> Outcome<(Runtime, OpenWallet)> {
        let unlock = self.unlock.open(&self.dir, &Configured::default())?;
        let runtime = runtime::new()?;
        let kept = crate::cache::prepared_folder()?;
        let wallet = runtime.block_on(OpenWallet::open(&self.dir, &unlock, kept))?;
        Ok((runtime, wallet))
    }
}

/// What signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CredentialName {
    /// EdDSA over BabyJubjub: the least to prove
    Eddsa,
    /// Hash-based signatures, which a quantum computer does not forge: 1,024 of them for each key
    Xmss,
    /// The Ethereum account: nothing to prove beside the spend itself, and everybody sees which account signs
    Ecdsa,
}

impl From<CredentialName> for CredentialKind {
    fn from(name: CredentialName) -> Self {
        match name {
            CredentialName::Eddsa => Self::Eddsa,
            CredentialName::Xmss => Self::Xmss,
            CredentialName::Ecdsa => Self::Ecdsa,
        }
    }
}

/// Runs it.
pub fn run(args: &Args, ui: &Ui) -> Outcome {
    match args {
        Args::Init(args) => init(args, ui),
        Args::Address(common) => wallet_show::address(common, ui),
        Args::Policy { common, set: None } => wallet_show::policy(common, ui),
        Args::Policy { common, set: Some(name) } => set_policy(common, (*name).into(), ui),
        Args::Deposit { common, amount, token, to, memo, again } => {
            wallet_pay::deposit(common, amount, *token, (to.as_deref(), memo), *again, ui)
        }
        Args::Send { common, to, amount, memo, payment } => {
            wallet_pay::pay(common, |place| wallet_pay::private(to, place), amount, memo, payment, ui)
        }
        Args::Withdraw { common, to, amount, payment } => {
            wallet_pay::pay(common, |_| Ok(wallet_pay::public(*to)), amount, "", payment, ui)
        }
        Args::Resume { common, number, route } => wallet_pay::resume(common, *number, route, ui),
        Args::Balance(common) => wallet_show::balance(common, ui),
        Args::Rotate(common) => rotate(common, ui),
        Args::History(common) => wallet_show::history(common, ui),
        Args::Rescan(common) => rescan(common, ui),
    }
}

fn init(args: &InitArgs, ui: &Ui) -> Outcome {
    if args.dir.join("seed").exists() {
        return Err(Failure::new(format!(
            "{}: there is a wallet already; nothing was changed",
            args.dir.display()
        )));
    }
    let (phrase, new) = match &args.phrase {
        None => (SeedPhrase::generate(&mut rand::rng())?, true),
        Some(path) => (SeedPhrase::parse(read_phrase(path)?.trim())?, false),
    };
    let config = Config::new(args.rpc.clone(), args.account, PoolDescription::load(&args.pool)?);
    let unlock = args.unlock.choose(&args.dir, args.unencrypted)?;
    let seed = phrase.seed("");
    drop(WalletFolder::create(&args.dir, &unlock, &seed, &config)?);
    let account = tacit_chain::Account::from_seed(&seed, args.account)?;
    let words = phrase.words();
    // A new phrase is shown once; one that was given is not repeated.
    let shown = new.then(|| words.as_str());
    let json = json!({ "dir": args.dir, "ethereum_account": account.address().to_string(), "phrase": shown });
    let told = shown.map_or_else(String::new, |words| {
        format!(
            "Write these words down, on paper. Whoever has them has the money, and without them nobody gets it back:\n\n  {words}\n\n"
        )
    });
    ui.result(
        &json,
        format!(
            "{told}{}: a wallet for {}\nIts Ethereum account, which pays for gas and deposits: {}\nNext: put ether there, then\n  \
             tacit wallet policy --dir {} --set eddsa",
            args.dir.display(),
            config.pool.place(),
            account.address(),
            args.dir.display()
        ),
    );
    Ok(())
}

/// A phrase from a file, or from standard input.
fn read_phrase(path: &std::path::Path) -> Outcome<Zeroizing<String>> {
    if path.as_os_str() != "-" {
        return files::read_secret_text(path);
    }
    // Room for more than 24 words: the text must not grow and leave copies behind.
    let mut text = Zeroizing::new(String::with_capacity(1024));
    std::io::stdin().take(1024).read_to_string(&mut text)?;
    Ok(text)
}

fn set_policy(common: &Common, kind: CredentialKind, ui: &Ui) -> Outcome {
    let (runtime, mut wallet) = common.open()?;
    let watch = Watch::new(ui);
    let receipt = runtime.block_on(wallet.set_policy(kind, &|step| watch.told(step)))?;
    watch.done();
    let json = json!({ "policy": kind.name(), "transaction": hash_text(&receipt.hash), "block": receipt.block, "gas": receipt.gas_used });
    let address = wallet.receiving_address()?.to_text(&wallet.config().pool.place());
    ui.result(
        &json,
        format!(
            "Spends are authorised by {} from block {} on. Others pay you at your receiving address ({} characters): tacit wallet address --dir {}",
            kind.name(),
            receipt.block,
            address.len(),
            wallet.path().display()
        ),
    );
    Ok(())
}

fn rotate(common: &Common, ui: &Ui) -> Outcome {
    let (runtime, mut wallet) = common.open()?;
    let watch = Watch::new(ui);
    let (epoch, receipt) = runtime.block_on(wallet.rotate(&|step| watch.told(step)))?;
    watch.done();
    let last = receipt.block + tacit_pool::ledger::POLICY_ROOT_BLOCKS;
    let json = json!({
        "epoch": epoch, "transaction": hash_text(&receipt.hash), "block": receipt.block, "gas": receipt.gas_used, "old_executable_until_block": last,
    });
    ui.result(
        &json,
        format!(
            "Rotated in block {}: epoch {epoch} counts now. What was signed before can be executed up to block {last}, nothing of it later. A former \
             prover recognises no spend of notes that are sealed to your new secret: change and payments from now on. Those that you have already it does \
             recognise when they are spent: pay yourself once, all of it, to end that. Give out your new receiving address: tacit wallet address --dir {}",
            receipt.block,
            wallet.path().display()
        ),
    );
    Ok(())
}

fn rescan(common: &Common, ui: &Ui) -> Outcome {
    let (runtime, mut wallet) = common.open()?;
    let watch = Watch::new(ui);
    let followed = runtime.block_on(wallet.rescan(&|step| watch.told(step)))?;
    watch.done();
    let notes = wallet.state().notes().count();
    let json = json!({ "block": followed.head.number, "notes": notes });
    ui.result(&json, format!("Read up to block {}: {notes} notes of yours", followed.head.number));
    Ok(())
}
