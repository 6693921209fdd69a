//! Bringing a wallet to the head of the chain that a node shows.
//!
//! No block's time may be after the head's, nor the head's far ahead of the caller's clock: by the time of a final block the wallet frees
//! the notes of payments that ran out, and a node that sets the chain's clock forward could have them spent twice. Behind the clock is
//! no harm: then notes only stay reserved for longer.
//!
//! 1. Go back to the newest of the wallet's blocks that the chain still has.
//! 2. Read what the pool logged in blocks that are final, in ranges as large as the node answers. The hash in each log must be that of the
//!    block's header.
//! 3. Read the blocks that are not final one by one: each must follow from the one before, and each log must be of one of them.
//! 4. Compare the wallet's roots with the contract's at the head. If there is a second node, its roots must be the same, and its headers of
//!    the head and of the block that is to be settled, with their times.
//! 5. Only then say to the wallet what is final: until then it can go back and read again.
//!
//! Answers that contradict each other are no lie at first: the chain may have changed between two of them, or two machines
//! behind one name may have answered. They are asked for again, a few times.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tacit_pool::events::{Block, Event};
use tacit_pool::tree::TreeError;
use tacit_pool::wallet::{Anchor, Changes, Keys, WalletError};
use tacit_pool::{Fr, Place, Wallet};

use crate::abi::{self, LogError};
use crate::pool::{PoolContract, PoolError};
use crate::rpc::{At, Blocks, Header, Log, Rpc, RpcError};

/// At most so many blocks below the head are read one by one, should finality be far.
const LINKED: u64 = 256;
/// Among blocks without events every so many-th becomes one to which the wallet can go back.
const ANCHOR_EVERY: u64 = 8;
/// How often answers that contradict each other are asked for.
const ATTEMPTS: u32 = 5;
/// How often all since the last final block is read when it does not fit together.
const READINGS: u32 = 2;
/// How often a shorter chain than the wallet's is taken for a node that is behind.
const BEHIND: u32 = 2;
/// The wait after a contradiction, once more for each one before.
const PAUSE: Duration = Duration::from_millis(400);
/// How far the head's time may be ahead of the caller's clock, in seconds: clocks differ, and so do those of who makes blocks.
pub const MAX_AHEAD: u64 = 15 * 60;
/// How often the second node is asked for a block that it does not have yet, and the wait between.
const WITNESS: (u32, Duration) = (15, Duration::from_secs(1));

/// How to follow.
#[derive(Debug, Clone, Copy)]
pub struct FollowOptions<'a> {
    /// The time of the caller's clock, in seconds since 1970. A head more than [`MAX_AHEAD`] after it is refused.
    pub now: u64,
    /// The same pool through a node of somebody else's: its roots and the times of its blocks must be the same. A node that lies
    /// consistently is found out only this way.
    pub witness: Option<&'a PoolContract>,
    /// Blocks in one request for logs, at most. Fewer are asked for when the node refuses.
    pub max_range: u64,
}

impl FollowOptions<'_> {
    /// By one node, at most 10,000 blocks in a request; `now` is the time of the caller's clock, in seconds since 1970.
    pub fn new(now: u64) -> Self {
        Self { now, witness: None, max_range: 10_000 }
    }
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The block that was read last.
    pub block: u64,
    /// The block to be reached.
    pub to: u64,
}

/// What following brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// The block that the wallet has reached.
    pub head: Header,
    /// The newest final block.
    pub finalized: u64,
    /// Leaves of notes that came.
    pub received: Vec<u32>,
    /// Leaves of notes that were spent.
    pub spent: Vec<u32>,
    /// Replay ids of the wallet's intents that were executed.
    pub executed: Vec<Fr>,
    /// Whether the wallet's entry in the registry changed.
    pub entry_changed: bool,
    /// The block to which the wallet went back first, because the chain had done so.
    pub reorganised_to: Option<u64>,
}

/// Why a wallet was not brought to the head. Unless it says otherwise, the wallet has what was read until then and goes on from there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FollowError {
    /// Wallet and contract are of different pools.
    #[error(
        "the wallet is for the pool {} on chain {}, the node has {} on chain {}: use the wallet of this pool",
        .wallet.pool, .wallet.chain_id, .pool.pool, .pool.chain_id
    )]
    OtherPool {
        /// The wallet's.
        wallet: Place,
        /// The contract's.
        pool: Place,
    },
    /// Wallet and contract are of different forms.
    #[error("the wallet and the pool are of different forms (BIND): make the wallet anew for this pool")]
    OtherForm,
    /// The node gave no usable answer.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// A log that the pool cannot have written. The wallet went back to its last final block.
    #[error("the node at {host} says something that the pool cannot have logged: {source}. Ask another node")]
    Log {
        /// The node.
        host: String,
        /// What it says.
        source: LogError,
    },
    /// Events that do not follow from one another. The wallet went back to its last final block.
    #[error(
        "what the node at {host} tells of the pool does not fit together ({source}): ask another node, and if it says the same, \
         scan again from the pool's deployment (tacit wallet rescan)"
    )]
    Events {
        /// The node.
        host: String,
        /// What does not.
        source: WalletError,
    },
    /// The roots are not those that follow from the events. The wallet went back to its last final block.
    #[error(
        "the node at {host} left out or invented events: the {tree} root at block {block} is not the one that follows from them. \
         Ask another node, and if it says the same, scan again from the pool's deployment (tacit wallet rescan)"
    )]
    Roots {
        /// The node.
        host: String,
        /// The block.
        block: u64,
        /// Which tree.
        tree: &'static str,
    },
    /// Two nodes have different roots. The wallet went back to its last final block.
    #[error(
        "the nodes at {host} and {witness} have different roots of the pool at block {block}: one of them is wrong. Ask a third, and \
         scan again from the pool's deployment (tacit wallet rescan) with one that agrees with it"
    )]
    Witness {
        /// The node.
        host: String,
        /// The second one.
        witness: String,
        /// The block.
        block: u64,
    },
    /// Two nodes have different times of one block. The wallet went back to its last final block.
    #[error(
        "the nodes at {host} and {witness} say different times of block {block}: one of them is wrong. Ask a \
         third, and scan again from the pool's deployment (tacit wallet rescan) with one that agrees with it"
    )]
    WitnessTime {
        /// The node.
        host: String,
        /// The second one.
        witness: String,
        /// The block.
        block: u64,
    },
    /// The head's time is more than [`MAX_AHEAD`] after the caller's clock. The wallet is as it was.
    #[error(
        "the node at {host} says that block {block} was made at {timestamp}, the clock here says {now} (seconds since 1970): one of them is \
         wrong. Set the clock, or ask another node"
    )]
    Future {
        /// The node.
        host: String,
        /// Its newest block.
        block: u64,
        /// The block's time.
        timestamp: u64,
        /// The caller's time.
        now: u64,
    },
    /// The second node does not have the block.
    #[error(
        "the node at {witness}, asked to confirm, does not have block {block} of the node at {host}: one of them is behind or on \
         another fork. Try again"
    )]
    WitnessBehind {
        /// The node.
        host: String,
        /// The second one.
        witness: String,
        /// The block.
        block: u64,
    },
    /// The node has fewer blocks than are final for the wallet.
    #[error(
        "the node at {host} is behind: it has block {head}, and the wallet counts block {settled} as final. Wait, or ask another node"
    )]
    Behind {
        /// The node.
        host: String,
        /// Its newest block.
        head: u64,
        /// The wallet's last final block.
        settled: u64,
    },
    /// The chain no longer has a block that was final.
    #[error(
        "the node at {host} has another block {settled} than the one that was final for this wallet: the node is on another chain, \
         or was wrong about what is final. Ask another node, or scan again from the pool's deployment (tacit wallet rescan)"
    )]
    TooDeep {
        /// The node.
        host: String,
        /// The wallet's last final block.
        settled: u64,
    },
    /// The node's answers keep contradicting each other.
    #[error(
        "the answers of the node at {host} contradict each other: {reason}. Try again, or ask another node"
    )]
    Unsteady {
        /// The node.
        host: String,
        /// The last contradiction.
        reason: String,
    },
    /// The wallet's trees failed.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

impl From<Header> for Anchor {
    fn from(header: Header) -> Self {
        Self { number: header.number, hash: header.hash, timestamp: header.timestamp }
    }
}

impl From<RpcError> for FollowError {
    fn from(error: RpcError) -> Self {
        Self::Pool(error.into())
    }
}

/// Why one pass ended early.
enum Ended {
    /// Answers do not fit together; the error is what it is when they never do. Ask again.
    Contradiction(FollowError),
    /// No use in asking again.
    Failed(FollowError),
}

impl<E: Into<FollowError>> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Brings a wallet to the head of the chain. Cut off at any point it leaves the wallet in a state from which another call goes on.
///
/// # Errors
/// [`FollowError`].
pub async fn follow(
    pool: &PoolContract,
    wallet: &mut Wallet,
    keys: &mut Keys,
    options: &FollowOptions<'_>,
    mut progress: impl FnMut(Progress) + Send,
) -> Result<Followed, FollowError> {
    for (contract, node) in [Some(pool), options.witness].into_iter().flatten().map(|p| (p, p.place())) {
        if node != wallet.place() {
            return Err(FollowError::OtherPool { wallet: wallet.place(), pool: node });
        }
        if contract.binds() != wallet.rules().bind {
            return Err(FollowError::OtherForm);
        }
    }
    let max_range = options.max_range.max(1);
    let mut run = Run {
        pool,
        wallet,
        keys,
        now: options.now,
        witness: options.witness,
        max_range,
        range: max_range,
        brought: Vec::new(),
        reorganised_to: None,
        last_of_kind: [None; 2],
        attempt: 0,
    };
    loop {
        match run.pass(&mut progress).await {
            Ok((head, finalized)) => return Ok(run.followed(head, finalized)),
            Err(Ended::Failed(error)) => return Err(error),
            Err(Ended::Contradiction(error)) => {
                run.attempt += 1;
                let most = if matches!(error, FollowError::Unsteady { .. }) { ATTEMPTS } else { READINGS };
                if run.attempt >= most {
                    return Err(error);
                }
                tokio::time::sleep(PAUSE * run.attempt).await;
            }
        }
    }
}

struct Run<'a> {
    pool: &'a PoolContract,
    wallet: &'a mut Wallet,
    keys: &'a mut Keys,
    now: u64,
    witness: Option<&'a PoolContract>,
    max_range: u64,
    /// Blocks in the next request for logs.
    range: u64,
    /// What blocks brought.
    brought: Vec<(u64, Changes)>,
    reorganised_to: Option<u64>,
    /// The blocks of the last event of each tree, notes and registry.
    last_of_kind: [Option<u64>; 2],
    attempt: u32,
}

type Pass<T> = Result<T, Ended>;

impl Run<'_> {
    fn rpc(&self) -> &Rpc {
        self.pool.rpc()
    }

    fn host(&self) -> String {
        self.rpc().host().to_owned()
    }

    fn unsteady(&self, reason: impl Into<String>) -> Ended {
        Ended::Contradiction(FollowError::Unsteady { host: self.host(), reason: reason.into() })
    }

    async fn pass(&mut self, progress: &mut (impl FnMut(Progress) + Send)) -> Pass<(Header, u64)> {
        let head = self.rpc().head().await?;
        if head.timestamp > self.now.saturating_add(MAX_AHEAD) {
            let (host, now) = (self.host(), self.now);
            return Err(
                FollowError::Future { host, block: head.number, timestamp: head.timestamp, now }.into()
            );
        }
        self.go_back(&head).await?;
        let finalized = self.rpc().finalized(&head).await?;
        self.read_final(&head, finalized, progress).await?;
        self.read_linked(&head, progress).await?;
        self.compare(&head).await?;
        let confirmed = self.confirm_settled(finalized).await?;
        self.found_or_behind(confirmed, finalized)?;
        self.wallet.settle(finalized);
        Ok((head, finalized))
    }

    /// Step 1.
    async fn go_back(&mut self, head: &Header) -> Pass<()> {
        let known: Vec<Anchor> = self.wallet.anchors().collect();
        let newest = self.wallet.head().number;
        let settled = self.wallet.settled().number;
        if newest > head.number && self.attempt < BEHIND {
            return Err(self.unsteady(format!("its newest block is {}, it had {newest} before", head.number)));
        }
        if settled > head.number {
            return Err(FollowError::Behind { host: self.host(), head: head.number, settled }.into());
        }
        let reachable: Vec<_> = known.into_iter().filter(|known| known.number <= head.number).collect();
        for some in reachable.chunks(8) {
            let numbers: Vec<u64> = some.iter().map(|known| known.number).collect();
            let headers = self.rpc().blocks(&numbers).await?;
            let mut both = some.iter().zip(headers);
            let found = both.find(|(known, header)| header.is_some_and(|header| header.hash == known.hash));
            if let Some((Anchor { number, .. }, _)) = found {
                if *number < newest {
                    self.rewind(*number)?;
                    self.reorganised_to =
                        Some(self.reorganised_to.map_or(*number, |known| known.min(*number)));
                }
                return Ok(());
            }
        }
        Err(Ended::Contradiction(FollowError::TooDeep { host: self.host(), settled }))
    }

    fn rewind(&mut self, number: u64) -> Result<(), FollowError> {
        let host = self.host();
        self.wallet.rewind(number).map_err(|source| FollowError::Events { host, source })?;
        self.brought.retain(|(block, _)| *block <= number);
        for last in &mut self.last_of_kind {
            *last = last.filter(|block| *block <= number);
        }
        Ok(())
    }

    /// What was read since the last final block is in doubt: the wallet goes back there.
    fn distrust(&mut self) -> Result<(), FollowError> {
        self.rewind(self.wallet.settled().number)
    }

    fn doubt(&mut self, error: FollowError) -> Ended {
        self.distrust().map_or_else(Ended::Failed, |()| Ended::Contradiction(error))
    }

    /// Step 2.
    async fn read_final(
        &mut self,
        head: &Header,
        finalized: u64,
        progress: &mut (impl FnMut(Progress) + Send),
    ) -> Pass<()> {
        let end = finalized.max(head.number.saturating_sub(LINKED)).min(head.number);
        while self.wallet.head().number < end {
            let (_, to, logs) = self.logs(self.wallet.head().number + 1, end).await?;
            let mut numbers: BTreeSet<u64> = logs.iter().map(|log| log.block).collect();
            numbers.insert(to);
            let numbers: Vec<u64> = numbers.into_iter().collect();
            let headers = self.headers(&numbers, head).await?;
            self.take(&headers, &logs, |_| true).await?;
            if let [Some(note), Some(registry)] = self.last_of_kind {
                // An event shows that none was left out before it in its tree: what is before the last of either can be
                // settled, so that a long scan does not keep all of it.
                let before = finalized.min(note.min(registry).saturating_sub(1));
                if self.confirm_settled(before).await? {
                    self.wallet.settle(before);
                }
            }
            progress(Progress { block: to, to: head.number });
        }
        Ok(())
    }

    /// Step 3.
    async fn read_linked(&mut self, head: &Header, progress: &mut (impl FnMut(Progress) + Send)) -> Pass<()> {
        let Anchor { number: last, hash: mut parent, .. } = self.wallet.head();
        let numbers: Vec<u64> = (last + 1..=head.number).collect();
        let headers = self.headers(&numbers, head).await?;
        for header in &headers {
            if header.parent_hash != parent {
                return Err(
                    self.unsteady(format!("block {} does not follow from the one before", header.number))
                );
            }
            parent = header.hash;
        }
        if parent != head.hash {
            return Err(self.unsteady(format!("there are two blocks {}", head.number)));
        }
        while self.wallet.head().number < head.number {
            let (from, to, logs) = self.logs(self.wallet.head().number + 1, head.number).await?;
            let some: Vec<Header> =
                headers.iter().filter(|header| (from..=to).contains(&header.number)).copied().collect();
            self.take(&some, &logs, |number| number == to || number.is_multiple_of(ANCHOR_EVERY)).await?;
            progress(Progress { block: to, to: head.number });
        }
        Ok(())
    }

    async fn headers(&self, numbers: &[u64], head: &Header) -> Pass<Vec<Header>> {
        let headers = self.rpc().blocks(numbers).await?;
        let all: Option<Vec<Header>> = headers.into_iter().collect();
        let all = all.ok_or_else(|| self.unsteady("a block below its newest is missing"))?;
        match all.iter().find(|header| header.timestamp > head.timestamp) {
            Some(late) => {
                Err(self
                    .unsteady(format!("block {} was made after its newest, {}", late.number, head.number)))
            }
            None => Ok(all),
        }
    }

    /// Logs from a block on, for as many blocks as the node answers: it may refuse by range, by count or by size.
    async fn logs(&mut self, from: u64, end: u64) -> Pass<(u64, u64, Vec<Log>)> {
        loop {
            let to = end.min(from.saturating_add(self.range - 1));
            match self.rpc().logs(self.pool.address(), Blocks::Range(from, to)).await {
                Ok(logs) => {
                    self.range = self.range.saturating_add(self.range / 4 + 1).min(self.max_range);
                    return Ok((from, to, logs));
                }
                Err(error) if to > from && may_be_too_many(&error) => {
                    self.range = (to - from).div_ceil(2).max(1);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Applies the blocks that have events, and those of which `anchor` is true.
    async fn take(&mut self, headers: &[Header], logs: &[Log], anchor: impl Fn(u64) -> bool) -> Pass<()> {
        let mut by_block: BTreeMap<u64, Vec<Event>> = BTreeMap::new();
        for log in logs {
            let header = headers.iter().find(|header| header.number == log.block);
            if header.is_none_or(|header| header.hash != log.block_hash) {
                return Err(
                    self.unsteady(format!("a log is of another block {} than the chain's", log.block))
                );
            }
            let event = abi::event(log, self.pool.address(), self.pool.binds());
            let event = event.map_err(|source| FollowError::Log { host: self.host(), source });
            match event {
                Ok(event) => by_block.entry(log.block).or_default().push(event),
                Err(error) => return Err(self.doubt(error)),
            }
        }
        for header in headers {
            let events = by_block.remove(&header.number).unwrap_or_default();
            if events.is_empty() && !anchor(header.number) {
                continue;
            }
            for event in &events {
                let [note, registry] = &mut self.last_of_kind;
                let kind = if matches!(event, Event::PolicyChanged(_)) { registry } else { note };
                *kind = Some(header.number);
            }
            let had_events = !events.is_empty();
            let block =
                Block { number: header.number, hash: header.hash, timestamp: header.timestamp, events };
            match self.wallet.apply(&block, self.keys) {
                Ok(changes) => self.brought.push((header.number, changes)),
                Err(source) => {
                    let error = FollowError::Events { host: self.host(), source };
                    return Err(self.doubt(error));
                }
            }
            if had_events {
                // Opening note data takes a while.
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    /// Step 4.
    async fn compare(&mut self, head: &Header) -> Pass<()> {
        let ours = (self.wallet.note_root().map_err(FollowError::from)?, self.wallet.registry_root());
        let Some(stated) = roots(self.pool, head).await? else {
            return Err(self.unsteady(format!("block {} is gone", head.number)));
        };
        if stated != ours {
            let tree = if stated.0 == ours.0 { "registry's" } else { "note" };
            let error = FollowError::Roots { host: self.host(), block: head.number, tree };
            return Err(self.doubt(error));
        }
        let Some(witness) = self.witness else { return Ok(()) };
        for _ in 0..WITNESS.0 {
            if self.confirm(&Anchor::from(*head)).await?
                && let Some(stated) = roots(witness, head).await?
            {
                if stated == ours {
                    return Ok(());
                }
                // The state of a block is one: no use in asking again.
                return Err(self.contradicted(witness, head.number, false));
            }
            tokio::time::sleep(WITNESS.1).await;
        }
        self.found_or_behind(false, head.number)
    }

    /// The block that [`Wallet::settle`] would settle, held against the second node's: by its time, payments run out. False if that node
    /// does not have it.
    async fn confirm_settled(&mut self, number: u64) -> Pass<bool> {
        let block = self.wallet.anchors().find(|anchor| anchor.number <= number);
        match block {
            Some(block) if block.number > self.wallet.settled().number => self.confirm(&block).await,
            _ => Ok(true),
        }
    }

    /// Whether the second node, if there is one, has a block with this hash and time.
    async fn confirm(&mut self, block: &Anchor) -> Pass<bool> {
        let Some(witness) = self.witness else { return Ok(true) };
        match witness.rpc().block(block.number).await? {
            Some(header) if header.hash != block.hash => Ok(false),
            Some(header) if header.timestamp != block.timestamp => {
                Err(self.contradicted(witness, block.number, true))
            }
            Some(_) => Ok(true),
            None => Ok(false),
        }
    }

    fn found_or_behind(&self, found: bool, block: u64) -> Pass<()> {
        match self.witness {
            Some(witness) if !found => {
                let witness = witness.rpc().host().to_owned();
                Err(FollowError::WitnessBehind { host: self.host(), witness, block }.into())
            }
            _ => Ok(()),
        }
    }

    /// The nodes cannot both be right: of the header, or else of the roots.
    fn contradicted(&mut self, witness: &PoolContract, block: u64, header: bool) -> Ended {
        let (host, witness) = (self.host(), witness.rpc().host().to_owned());
        if let Err(error) = self.distrust() {
            return error.into();
        }
        let error = if header {
            FollowError::WitnessTime { host, witness, block }
        } else {
            FollowError::Witness { host, witness, block }
        };
        error.into()
    }

    fn followed(self, head: Header, finalized: u64) -> Followed {
        let mut followed = Followed {
            head,
            finalized,
            received: Vec::new(),
            spent: Vec::new(),
            executed: Vec::new(),
            entry_changed: false,
            reorganised_to: self.reorganised_to,
        };
        for (_, changes) in self.brought {
            followed.received.extend(changes.received);
            followed.spent.extend(changes.spent);
            followed.executed.extend(changes.executed);
            followed.entry_changed |= changes.entry_changed;
        }
        followed
    }
}

/// Whether fewer blocks may get an answer. Nodes say it in many ways, so only what can not be meant is left out.
fn may_be_too_many(error: &RpcError) -> bool {
    match error {
        RpcError::TooLarge { .. } | RpcError::Unreachable { .. } => true,
        RpcError::Status { status, .. } => !matches!(status, 401 | 403 | 404 | 429),
        // No such method.
        RpcError::Node { code, .. } => *code != -32601,
        _ => false,
    }
}

/// The contract's roots at a block; `None` if the node does not have it. A node that knows no state by hash (EIP-1898) is asked by
/// number, and for the hash afterwards.
async fn roots(pool: &PoolContract, block: &Header) -> Result<Option<(Fr, Fr)>, PoolError> {
    match pool.roots(At::Hash(block.hash)).await {
        Ok(roots) => return Ok(Some(roots)),
        Err(PoolError::Rpc(RpcError::Node { .. })) => {}
        Err(error) => return Err(error),
    }
    let there = || async {
        let now = pool.rpc().block(block.number).await?;
        Ok::<bool, RpcError>(now.is_some_and(|now| now.hash == block.hash))
    };
    if !there().await? {
        return Ok(None);
    }
    let roots = pool.roots(At::Number(block.number)).await?;
    Ok(if there().await? { Some(roots) } else { None })
}
