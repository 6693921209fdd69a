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
use tacit_pool::wallet::{Balance, Keys};
use tacit_pool::{Address, Wallet};
use tacit_prover::service::ServiceKeys;
use tacit_prover::{PoolCircuits, status};
use tacit_vault::{Clock, Unlock, VaultError, identity};

use crate::config::Config;
use crate::folder::{FolderError, WalletFolder};
use crate::journal::{Journal, Outcome, What};
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
    /// Waits until a block has it.
    Waiting,
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
        "{0}: it is the state of another wallet or another pool: move it away, the chain is then read anew"
    )]
    OtherState(PathBuf),
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
    #[error("the recipient is no receiving address: {0}")]
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
        let keys = Keys::new(&seed, place, config.account)?;
        let account = Account::from_seed(&seed, config.account)?;
        let contract = connect(&config.rpc, &config).await?;
        let second = match &config.second_rpc {
            Some(url) => Some(connect(url, &config).await?),
            None => None,
        };
        let rules = contract.rules(config.pool.rotate);
        let state = match folder.state()? {
            Some(state) => {
                if state.place() != place || state.user() != account.address() || state.rules() != rules {
                    return Err(WalletError::OtherState(path.join("state")));
                }
                state
            }
            None => {
                let before = config.pool.from_block.saturating_sub(1);
                let start = contract.rpc().block(before).await?.ok_or(WalletError::NoStart(before))?;
                Wallet::new(rules, place, account.address(), &keys, start.into())?
            }
        };
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
        let options = FollowOptions { witness: self.second.as_ref(), ..FollowOptions::default() };
        let followed = follow(&self.contract, &mut self.state, &mut self.keys, &options, told).await;
        self.folder.keep_state(&self.state)?;
        Ok(followed?)
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

    /// A token as its contract describes itself.
    ///
    /// # Errors
    /// [`WalletError::Chain`] where the address is no token.
    pub async fn token(&self, address: Address) -> Result<Token, WalletError> {
        if address.is_zero() {
            return Ok(Token::ether());
        }
        let info = token_info(self.contract.rpc(), address).await?;
        Ok(Token { address, symbol: info.symbol, decimals: info.decimals })
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
        match &sent {
            Ok(receipt) => {
                self.journal.ended(record, None, Outcome::Confirmed { block: receipt.block });
            }
            Err(error) => self.journal.ended(record, None, Outcome::Failed { reason: error.to_string() }),
        }
        self.folder.keep_journal(&self.journal)?;
        sent
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
        let signed = prepare(&rpc, &self.account, call, &SendOptions::default()).await?;
        if let Some(record) = record {
            self.journal.ended(record, Some(hash_text(&signed.hash)), Outcome::Begun);
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

/// A transaction's hash as people write it.
pub fn hash_text(hash: &[u8; 32]) -> String {
    format!("0x{}", hex::encode(hash))
}
