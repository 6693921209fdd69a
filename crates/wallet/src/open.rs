//! An opened wallet: its secrets, its node, and what it knows of the pool.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tacit_chain::account::AccountError;
use tacit_chain::follow::FollowOptions;
use tacit_chain::pool::{token_allowance, token_info};
use tacit_chain::{
    Account, At, Call, FollowError, Followed, PoolContract, PoolError, Receipt, Rpc, RpcError, SendError,
    SendOptions, U256, follow, prepare, submit, wait,
};
use tacit_pool::delivery::ReceivingAddress;
use tacit_pool::wallet::rotation::READ_AHEAD;
use tacit_pool::wallet::{Anchor, Balance, Keys};
use tacit_pool::{Address, Wallet};
use tacit_prover::service::ServiceKeys;
use tacit_prover::{PoolCircuits, status};
use tacit_vault::{Clock, Unlock, VaultError, identity};

use crate::config::Config;
use crate::folder::{FolderError, WalletFolder};
use crate::journal::{Journal, Outcome, What};
use crate::pay::{SERVICE_SECONDS, SHORTEST_FOR_SERVICE};
use crate::token::Token;

/// How long a transaction is waited for.
const INCLUSION: Duration = Duration::from_secs(600);

/// A wallet in use. Its folder is locked until this is dropped.
pub struct OpenWallet {
    pub(crate) folder: WalletFolder,
    pub(crate) config: Config,
    pub(crate) keys: Keys,
    pub(crate) account: Account,
    pub(crate) contract: PoolContract,
    second: Option<PoolContract>,
    pub(crate) state: Wallet,
    pub(crate) journal: Journal,
    pub(crate) clock: Clock,
    pub(crate) rng: StdRng,
    circuits: Arc<PoolCircuits>,
}

/// What a wallet is at.
#[derive(Debug)]
#[non_exhaustive]
pub enum Step<'a> {
    /// Reads the chain: up to this block, of so many.
    Reading {
        /// The block.
        block: u64,
        /// The chain's last.
        of: u64,
    },
    /// Approves a token's transfer to the pool.
    Approving,
    /// Asks a prover service what it is and what it takes.
    Asking(&'a str),
    /// Proves here.
    Proving(tacit_prover::local::Step),
    /// Has a committee prove.
    Delegating,
    /// Sends so many bytes to a prover service.
    Uploading(usize),
    /// A prover service says how far it is.
    Service(&'a status::SpendStatus),
    /// Sends an Ethereum transaction.
    Submitting,
}

/// Who is told what a wallet is at.
pub type Progress<'a> = &'a (dyn Fn(Step<'_>) + Send + Sync);

/// Why a wallet did not do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WalletError {
    /// Its folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The system.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// Its node, or the pool's contract.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// Its Ethereum account.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// Its node does not answer.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// Following the chain.
    #[error(transparent)]
    Follow(#[from] FollowError),
    /// An Ethereum transaction.
    #[error(transparent)]
    Send(#[from] SendError),
    /// An Ethereum transaction that a block has, and that did nothing.
    #[error(
        "the transaction {0} is in a block and was reverted there: something changed after it was tried; try again"
    )]
    Reverted(String),
    /// A node that does not have the pool's blocks yet.
    #[error(
        "the node does not have block {0}, after which the pool was deployed: it may be behind, or pool.toml is for another chain"
    )]
    NoStart(u64),
    /// A node of another chain.
    #[error("the node is on chain {got}, the pool on chain {expected}: another rpc is needed in wallet.toml")]
    OtherChain {
        /// The pool's.
        expected: u32,
        /// The node's.
        got: u64,
    },
    /// The state of another wallet or pool.
    #[error(
        "{0}: it is the state of another account, another pool or another form of it than wallet.toml says: check `account` and [pool] there. Keep the \
         file: it has keys that no seed phrase brings back, and what is signed"
    )]
    OtherState(PathBuf),
    /// A node that shows a pool of another form.
    #[error(
        "the node shows a pool of another form (bind) than pool.toml describes: one of them is wrong; ask another node"
    )]
    OtherForm,
    /// Nothing was paid, and nothing will be.
    #[error(
        "the payment's time is over, and it was not executed: nothing was paid, and its money is free again"
    )]
    NotExecuted,
    /// A signed payment of which nothing was kept.
    #[error(
        "nothing was kept of this payment by which it could be proved: the wallet was interrupted when it signed. Its money is free again when \
         its time is over, in {minutes} minutes, and the chain calls a block after that final"
    )]
    NotKept {
        /// For how long it could have been executed.
        minutes: u64,
    },
    /// The same deposit, again.
    #[error(
        "a deposit of the same amount was sent and is not seen on the chain yet (tacit wallet history): wait for it, or say --again if you mean another one"
    )]
    DepositAgain,
    /// Somebody else's fee.
    #[error(
        "the fee of this payment is not for this prover, or is less than it asks, so that it would refuse: take the one that the payment was signed for, \
         or --prove local"
    )]
    OtherFee,
    /// Keys.
    #[error("a key could not be derived: {0}")]
    Seal(#[from] tacit_wire::SealError),
    /// No credential.
    #[error("this seed phrase has no EdDSA key: use another account")]
    NoKey,
    /// No verifier.
    #[error("pool.toml names no verifier contract for {0}: this pool does not take such signatures")]
    NoVerifier(&'static str),
    /// Not registered.
    #[error("this wallet is not registered in the pool yet: run `tacit wallet policy --set eddsa`")]
    NotRegistered,
    /// Registered from elsewhere.
    #[error(
        "the policy that is registered was not set by this folder, whose secrets alone can use it (a wallet restored from its phrase does not \
         have them): set one anew with `tacit wallet policy --set eddsa`"
    )]
    ForeignPolicy,
    /// A payment.
    #[error(transparent)]
    Spend(#[from] tacit_pool::wallet::SpendError),
    /// No receiving address.
    #[error(transparent)]
    Receiving(#[from] tacit_pool::wallet::spend::AddressError),
    /// What is known of the pool does not fit together.
    #[error(transparent)]
    State(#[from] tacit_pool::wallet::WalletError),
    /// A credential.
    #[error(transparent)]
    Credential(#[from] tacit_pool::wallet::credentials::CredentialError),
    /// An XMSS key.
    #[error(transparent)]
    Xmss(#[from] tacit_pool::xmss::XmssError),
    /// Nothing to prove.
    #[error(transparent)]
    Work(#[from] tacit_prover::work::WorkError),
    /// Proving here.
    #[error(transparent)]
    Prove(#[from] tacit_prover::local::ProveError),
    /// Proving by a committee.
    #[error(transparent)]
    Committee(#[from] tacit_prover::committee::CommitteeError),
    /// Something went wrong with a payment that is signed.
    #[error(
        "{source}. The payment is signed: {}. Do not pay it again before; `tacit wallet history` tells whether it was{}",
        executable(.minutes), resumable(.minutes)
    )]
    StillSigned {
        /// For how long it can be executed.
        minutes: u64,
        /// What went wrong.
        source: Box<WalletError>,
    },
    /// The same payment, again.
    #[error(
        "the same amount to the same recipient is signed already, number {number} in `tacit wallet history`, {}, or say --again if you mean another payment",
        still_open(.minutes)
    )]
    Again {
        /// Which one.
        number: usize,
        /// For how long it can be executed.
        minutes: u64,
    },
    /// Not enough in the pool.
    #[error("{needed} is needed, {have} can be spent now{reserved}")]
    Insufficient {
        /// Amount and fee.
        needed: String,
        /// Of all spendable notes.
        have: String,
        /// What is reserved, in a part of the sentence.
        reserved: String,
    },
    /// Nothing to pay gas with.
    #[error(
        "the Ethereum account {account} has {has}, and gas for a payment takes {needs} or more: send it some, or have a prover submit (--prove NAME or \
         --relay NAME); nothing was signed"
    )]
    Gas {
        /// The account.
        account: Address,
        /// What it has.
        has: String,
        /// What may be needed.
        needs: String,
    },
    /// A circuit that is not there.
    #[error(
        "pool.toml names no files for the circuit {0}, which this way of proving needs: pick another with --prove; nothing was signed"
    )]
    NoCircuit(tacit_prover::CircuitKind),
    /// Nothing to go on with.
    #[error("no payment is signed and not executed: there is nothing to resume")]
    NothingSigned,
    /// Several to go on with.
    #[error(
        "several payments are signed and not executed: say which one to resume, {0} (as `tacit wallet history` numbers them)"
    )]
    WhichSigned(String),
    /// Not one to go on with.
    #[error("number {0} is no payment that is signed and can still be executed: see `tacit wallet history`")]
    NotSigned(usize),
    /// Work that no contract takes.
    #[error(
        "the pool has moved on: it no longer accepts the roots against which this payment was drawn up, so that what this wallet has of it cannot be \
         executed. A prover that was given it might draw up another proof for {minutes} minutes more; its money is free again when the chain calls a block after that final"
    )]
    StaleRoots {
        /// For how long it can be executed.
        minutes: u64,
    },
    /// Too late to go on.
    #[error(
        "{}. Its money is free again when the chain calls a block after its time final (on Ethereum about a quarter of an hour later); then pay anew",
        too_late(.seconds)
    )]
    TooLate {
        /// Seconds that are left of it.
        seconds: u64,
    },
    /// Too short for a prover.
    #[error(
        "a prover takes nothing that can be executed for less than {SERVICE_SECONDS} s from when it gets it: say --expires-in {SHORTEST_FOR_SERVICE} or more, or \
         prove and submit here. Nothing was signed"
    )]
    TooShort,
    /// Too short for a prover by the time at which it would have got it.
    #[error(
        "only {seconds} s are left in which the payment can be executed, and a prover takes nothing with less than {SERVICE_SECONDS} s: it was not given \
         this one. Sign with a longer --expires-in"
    )]
    TooSlow {
        /// Seconds that are left of it.
        seconds: u64,
    },
    /// Kept work that is damaged.
    #[error("what was kept of the payment cannot be read: {0}")]
    Kept(#[from] tacit_wire::DecodeError),
    /// A token that is not the same for two nodes.
    #[error(
        "the two nodes describe the token {token} differently ({first}; {second}): one of them is wrong. Write what is right into wallet.toml as a [[token]]"
    )]
    TokenDiffers {
        /// The token.
        token: Address,
        /// By the first node.
        first: String,
        /// By the second.
        second: String,
    },
    /// No committee was prepared.
    #[error("a committee is to prove, and none was prepared")]
    NoDelegation,
    /// A prover service.
    #[error(transparent)]
    Prover(#[from] tacit_prover::client::ClientError),
    /// A prover service that did not do it.
    #[error("the prover did not do it: {0}")]
    Service(status::Problem),
    /// Too dear.
    #[error("the prover asks {asked}: allow as much with --max-fee; nothing was signed")]
    Fee {
        /// What it asks.
        asked: String,
    },
    /// Nothing to move.
    #[error("an amount of nothing: say how much")]
    Nothing,
    /// Not enough outside of the pool.
    #[error("the Ethereum account {account} has {has}: send it more first")]
    Funds {
        /// The account.
        account: Address,
        /// What it has.
        has: String,
    },
    /// A chain of the far future.
    #[error("the chain's last block has the time {0}, which no expiry can be after")]
    Time(u64),
    /// A recipient.
    #[error("the recipient: {0}")]
    Recipient(String),
    /// The service's word against the chain.
    #[error(
        "the transaction is said to be on the chain, and this wallet's node does not show it; look again with `tacit wallet history`"
    )]
    NotSeen,
}

impl OpenWallet {
    /// Opens a wallet and connects to its node. `kept` is a folder of prepared proving keys.
    ///
    /// # Errors
    /// [`WalletError`].
    pub async fn open(path: &Path, unlock: &Unlock, kept: Option<PathBuf>) -> Result<Self, WalletError> {
        let folder = WalletFolder::open(path, unlock)?;
        let config = folder.config()?;
        let seed = folder.seed()?;
        let place = config.pool.place();
        let mut keys = Keys::new(&seed, place, config.account)?;
        let account = Account::from_seed(&seed, config.account)?;
        let contract = connect(&config.rpc, &config).await?;
        let second = match &config.second_rpc {
            Some(url) => Some(connect(url, &config).await?),
            None => None,
        };
        if [Some(&contract), second.as_ref()]
            .into_iter()
            .flatten()
            .any(|pool| pool.binds() != config.pool.bind)
        {
            return Err(WalletError::OtherForm);
        }
        let rules = contract.rules(config.pool.rotate);
        let state = match folder.state()? {
            Some(state) => {
                if state.place() != place || state.user() != account.address() || state.rules() != rules {
                    return Err(WalletError::OtherState(path.join("state")));
                }
                state
            }
            None => {
                let start = start(&contract, &config).await?;
                Wallet::new(rules, place, account.address(), &keys, start)?
            }
        };
        keys.advance(state.epochs().newest().saturating_add(READ_AHEAD))?;
        let journal = folder.journal()?;
        let circuits = Arc::new(config.pool.circuits.prover(rules, kept));
        let rng = identity::system_rng()?;
        let clock = Clock::system();
        Ok(Self { folder, config, keys, account, contract, second, state, journal, clock, rng, circuits })
    }

    /// Where the wallet is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Its configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What it knows of the pool.
    pub fn state(&self) -> &Wallet {
        &self.state
    }

    /// Its secrets.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Its Ethereum account.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The pool's contract, by the wallet's node.
    pub fn contract(&self) -> &PoolContract {
        &self.contract
    }

    /// What it did.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The circuits that the pool's description names.
    pub fn circuits(&self) -> &Arc<PoolCircuits> {
        &self.circuits
    }

    /// Reads what the chain has beyond what is known, goes back where the chain did, and keeps it all.
    ///
    /// # Errors
    /// [`WalletError`]; what was read before is kept.
    pub async fn sync(&mut self, progress: Progress<'_>) -> Result<Followed, WalletError> {
        let told =
            |read: tacit_chain::follow::Progress| progress(Step::Reading { block: read.block, of: read.to });
        let options = FollowOptions { witness: self.second.as_ref(), ..FollowOptions::new(self.clock.now()) };
        let before = self.on_their_way();
        let followed = follow(&self.contract, &mut self.state, &mut self.keys, &options, told).await;
        self.reconcile(&before, followed.is_ok())?;
        self.folder.keep_state(&self.state)?;
        let followed = followed?;
        self.look_for_transactions().await?;
        Ok(followed)
    }

    /// Forgets what was read of the chain and reads all of it anew. What no chain has stays: what signs, and which payments are signed.
    ///
    /// # Errors
    /// [`WalletError`]; what was read before an error is kept.
    pub async fn rescan(&mut self, progress: Progress<'_>) -> Result<Followed, WalletError> {
        let start = start(&self.contract, &self.config).await?;
        self.state.rescan(&self.keys, start)?;
        self.sync(progress).await
    }

    /// What is there of each token: in the pool, and in the Ethereum account.
    pub fn balances(&self) -> BTreeMap<Address, Balance> {
        self.state.balances()
    }

    /// The epoch that is registered.
    pub fn epoch(&self) -> Option<u32> {
        let entry = self.state.entry()?;
        Some(self.state.epochs().with_seed_hash(&entry.note_secret_seed_hash)?.number)
    }

    /// What a prover service of this wallet's owner signs and opens with; its fees are notes of this wallet.
    ///
    /// # Errors
    /// [`WalletError::Receiving`] before the wallet is registered.
    pub fn prover_keys(&self) -> Result<ServiceKeys, WalletError> {
        let (seed, place, account) = (self.keys.seed(), self.keys.place(), self.keys.account());
        Ok(ServiceKeys {
            order_key: self.keys.order_key(),
            sealing: seed.prover_key(place, account, 0)?,
            former_sealing: Vec::new(),
            fee_address: self.receiving_address()?,
            fee_readers: self.keys.readers().cloned().collect(),
        })
    }

    /// What the Ethereum account has, in wei.
    ///
    /// # Errors
    /// [`WalletError::Rpc`].
    pub async fn ether(&self) -> Result<U256, WalletError> {
        Ok(self.contract.rpc().balance(self.account.address(), At::Latest).await?)
    }

    /// Where others in the pool pay this wallet.
    ///
    /// # Errors
    /// [`WalletError::NotRegistered`], and [`WalletError::Receiving`] where it is registered with other keys.
    pub fn receiving_address(&self) -> Result<ReceivingAddress, WalletError> {
        if self.state.entry().is_none() {
            return Err(WalletError::NotRegistered);
        }
        Ok(self.state.receiving_address(&self.keys)?)
    }

    /// A token: as wallet.toml has it, else as it described itself when this wallet dealt with it first, else as the nodes describe it now, which must
    /// agree if there are two. What an amount in whole coins means does not change afterwards.
    ///
    /// # Errors
    /// [`WalletError::Pool`] where the address is no token, [`WalletError::TokenDiffers`].
    pub async fn token(&mut self, address: Address) -> Result<Token, WalletError> {
        if address.is_zero() {
            return Ok(Token::ether());
        }
        let configured = self.config.tokens.iter().find(|token| token.address == address);
        if let Some(known) = configured.map(Token::from).or_else(|| self.journal.token(address)) {
            return Ok(known);
        }
        let token = Token::described(address, token_info(self.contract.rpc(), address).await?);
        if let Some(second) = &self.second {
            let other = Token::described(address, token_info(second.rpc(), address).await?);
            if other != token {
                let text = |token: &Token| format!("{}, {} decimals", token.symbol, token.decimals);
                let (first, second) = (text(&token), text(&other));
                return Err(WalletError::TokenDiffers { token: address, first, second });
            }
        }
        self.journal.saw_token(&token);
        self.folder.keep_journal(&self.journal)?;
        Ok(token)
    }

    /// [`Self::token`] to be looked at: one that does not say what it is is counted in its smallest unit.
    pub async fn token_to_show(&mut self, address: Address) -> Token {
        self.token(address).await.unwrap_or_else(|_| Token::unknown(address))
    }

    /// How transactions of the wallet's account are sent.
    pub fn send_options(&self) -> SendOptions {
        let standard = SendOptions::default();
        let gwei = |gwei: u64| U256::from(gwei).saturating_mul(U256::from(1_000_000_000u64));
        SendOptions {
            max_fee_per_gas: self.config.max_gas_gwei.map_or(standard.max_fee_per_gas, gwei),
            ..standard
        }
    }

    /// Sends a call by the wallet's account, waits until a block has it, and writes down how it went.
    pub(crate) async fn transact(
        &mut self,
        call: Call,
        what: What,
        progress: Progress<'_>,
    ) -> Result<Receipt, WalletError> {
        let record = self.journal.begin(self.clock.now(), what);
        self.folder.keep_journal(&self.journal)?;
        progress(Step::Submitting);
        let sent = self.send_noting(&call, Some(record)).await;
        let left = self.journal.records().get(record).is_some_and(|record| record.transaction.is_some());
        let outcome = match &sent {
            Ok(receipt) => Outcome::Confirmed { block: receipt.block },
            // It may be on the chain any moment: the next reading shows.
            Err(error) if left && !matches!(error, WalletError::Reverted(_)) => {
                Outcome::Begun { trouble: Some(error.to_string()) }
            }
            Err(error) => Outcome::Failed { reason: error.to_string() },
        };
        self.journal.now(record, outcome);
        self.folder.keep_journal(&self.journal)?;
        sent
    }

    /// Looks for transactions of the wallet's own that left it and of which no more is known.
    async fn look_for_transactions(&mut self) -> Result<(), WalletError> {
        let rpc = self.contract.rpc().clone();
        let mut changed = false;
        for (record, hash, nonce) in self.journal.unknown() {
            let outcome = match rpc.receipt(&hash).await? {
                Some(receipt) => went(&receipt),
                None if rpc.nonce(self.account.address(), At::Latest).await? <= nonce => continue,
                None => {
                    // A balanced node answers from several machines: what counts is a block that stays, and a node may have forgotten how it was there.
                    let settled = At::Number(self.state.settled().number);
                    match rpc.nonce(self.account.address(), settled).await {
                        Ok(next) if next > nonce => {}
                        Ok(_) | Err(RpcError::Node { .. }) => continue,
                        Err(error) => return Err(error.into()),
                    }
                    match rpc.receipt(&hash).await? {
                        Some(receipt) => went(&receipt),
                        None => Outcome::Failed {
                            reason: "another transaction of the account took its place".to_owned(),
                        },
                    }
                }
            };
            self.journal.now(record, outcome);
            changed = true;
        }
        if changed {
            self.folder.keep_journal(&self.journal)?;
        }
        Ok(())
    }

    /// Sends a call by the wallet's account and waits until a block has it.
    pub(crate) async fn send(&mut self, call: &Call) -> Result<Receipt, WalletError> {
        self.send_noting(call, None).await
    }

    /// [`Self::send`]; the transaction's hash is in the journal before the transaction leaves.
    pub(crate) async fn send_noting(
        &mut self,
        call: &Call,
        record: Option<usize>,
    ) -> Result<Receipt, WalletError> {
        let rpc = self.contract.rpc().clone();
        let chain_id = self.config.pool.chain_id.into();
        let signed = prepare(&rpc, &self.account, chain_id, call, &self.send_options()).await?;
        if let Some(record) = record {
            self.journal.left(record, hash_text(&signed.hash), signed.nonce);
            self.folder.keep_journal(&self.journal)?;
        }
        submit(&rpc, &signed).await?;
        let receipt = wait(&rpc, &signed, INCLUSION).await?;
        if receipt.success { Ok(receipt) } else { Err(WalletError::Reverted(hash_text(&receipt.hash))) }
    }

    /// How much of a token the pool may take from the wallet's account.
    pub(crate) async fn allowance(&self, token: Address) -> Result<U256, WalletError> {
        let (owner, pool) = (self.account.address(), self.config.pool.pool);
        Ok(token_allowance(self.contract.rpc(), token, owner, pool).await?)
    }

    /// A generator for a proof's blinders.
    pub(crate) fn fork_rng(&mut self) -> StdRng {
        StdRng::from_rng(&mut self.rng)
    }
}

async fn connect(url: &str, config: &Config) -> Result<PoolContract, WalletError> {
    let rpc = Rpc::new(url)?;
    let (expected, got) = (config.pool.chain_id, rpc.chain_id().await?);
    if u64::from(expected) != got {
        return Err(WalletError::OtherChain { expected, got });
    }
    Ok(PoolContract::connect(rpc, config.pool.pool).await?)
}

/// The block after which a wallet of the pool begins to read.
async fn start(contract: &PoolContract, config: &Config) -> Result<Anchor, WalletError> {
    let before = config.pool.from_block.saturating_sub(1);
    let start = contract.rpc().block(before).await?.ok_or(WalletError::NoStart(before))?;
    // By a settled block's time intents die: of this one it is the node's word alone, and nothing needs it.
    Ok(Anchor { timestamp: 0, ..start.into() })
}

/// How a transaction of the wallet's own went.
fn went(receipt: &Receipt) -> Outcome {
    if receipt.success {
        Outcome::Confirmed { block: receipt.block }
    } else {
        Outcome::Failed { reason: WalletError::Reverted(hash_text(&receipt.hash)).to_string() }
    }
}

fn too_late(seconds: &u64) -> String {
    match seconds {
        0 => "the payment's time is over, and nobody can execute it any more".to_owned(),
        seconds => format!(
            "the payment's time is over in {seconds} s, and no prover takes anything that late; prove and submit it here (--prove local, no --relay), or \
             leave it"
        ),
    }
}

fn executable(minutes: &u64) -> String {
    match minutes {
        0 => {
            "its time is over, and whether it was executed shows when a block after that is final".to_owned()
        }
        minutes => format!("for {minutes} minutes more it can be executed by whoever was given it"),
    }
}

fn resumable(minutes: &u64) -> &'static str {
    if *minutes == 0 { "" } else { ", and `tacit wallet resume` has it proved and submitted another way" }
}

fn still_open(minutes: &u64) -> String {
    match minutes {
        0 => "and its time is over, but not yet in a final block: wait for that".to_owned(),
        minutes => {
            format!("and can be executed for {minutes} minutes more: go on with it by `tacit wallet resume`")
        }
    }
}

/// A transaction's hash as people write it.
pub fn hash_text(hash: &[u8; 32]) -> String {
    format!("0x{}", hex::encode(hash))
}
