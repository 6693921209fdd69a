//! The coordinator's log from the client's side: is what it says of my job true, and does it say the same to everybody, always?
//!
//! | step | what is checked |
//! |---|---|
//! | [`Client::receipt`] | the receipt of one's own job: signatures, that it is in the log, that committee and acknowledgements are those of the deal; and that the log's head continues the last one that was seen |
//! | [`follow`] | the whole log since the last time: signatures, the proof of consistency, and that its entries hash to the signed root |
//!
//! What was seen last is kept ([`Followed`]) by the caller, one for each coordinator. A client that keeps nothing can be shown another log each time.
//! That two clients are shown different logs they find out by comparing their heads: two heads that contradict each other are
//! [evidence](LogEvidence).

mod jobs;

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tacit_algebra::CurveId;
use tacit_delegate::{Acknowledgement, Dials};
use tacit_log::inclusion::SubtreeProof;
use tacit_log::{
    ConsistencyProof, Frontier, HeadError, LogEvidence, NodeId, ProofError, ProvenReceipt, ReceiptError,
    SignedTreeHead, leaf_hash,
};
use tacit_wire::codec::DecodeError;
use tacit_wire::messages::Assembler;
use tacit_wire::receipt::ReceiptInvalid;
use tacit_wire::{
    Blame, Digest32, IdentityKey, JobOutcome, Receipt, ReceiptSeat, SeatOutcome, SignedReceipt,
};
use thiserror::Error;
use tokio::time::{Instant, sleep};

use crate::api::{Api, ApiError};
use crate::client::Client;

pub use jobs::SeenJobs;

/// Entries that are asked for at once.
const BATCH: u32 = 256;
/// So many entries are read again to show what was rewritten.
const MOST_REREAD: u64 = 1 << 20;
/// For how long a job may take to be recorded as ended, after its client said so.
const ENDING: Duration = Duration::from_secs(10);
/// How often the receipt is asked for until then.
const AGAIN: Duration = Duration::from_millis(300);

/// Where a log is read: a coordinator's API. Nothing that it gives is believed.
pub trait LogSource: Sync {
    /// The newest head.
    fn head(&self) -> impl Future<Output = Result<SignedTreeHead, ApiError>> + Send;
    /// That the log only grew.
    fn consistency(
        &self,
        from: u64,
        to: u64,
    ) -> impl Future<Output = Result<ConsistencyProof, ApiError>> + Send;
    /// Entries from one on, at most so many.
    fn entries(&self, start: u64, count: u32) -> impl Future<Output = Result<Vec<Vec<u8>>, ApiError>> + Send;
    /// A job's receipt.
    fn receipt(&self, job: Digest32) -> impl Future<Output = Result<ProvenReceipt, ApiError>> + Send;
}

impl LogSource for Api {
    async fn head(&self) -> Result<SignedTreeHead, ApiError> {
        self.log_head().await
    }

    async fn consistency(&self, from: u64, to: u64) -> Result<ConsistencyProof, ApiError> {
        self.log_consistency(from, to).await
    }

    async fn entries(&self, start: u64, count: u32) -> Result<Vec<Vec<u8>>, ApiError> {
        self.log_entries(start, count).await
    }

    async fn receipt(&self, job: Digest32) -> Result<ProvenReceipt, ApiError> {
        Self::receipt(self, job).await
    }
}

/// What a receipt must say of one's own job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// The deal's id.
    pub job: Digest32,
    /// The circuit's id, or that of the bases.
    pub circuit: Digest32,
    /// The curve.
    pub curve: CurveId,
    /// The dials.
    pub dials: Dials,
    /// Who assembled.
    pub assembler: Assembler,
    /// By place: who has it, and what that node must have acknowledged.
    pub seats: Vec<(u8, IdentityKey, Acknowledgement)>,
    /// Places whose acknowledgement, and where the client assembles whose response, came and holds.
    pub answered: Vec<u8>,
}

/// Why the coordinator's log, or its word about a job, is not to be believed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LogError {
    /// The coordinator's API.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// A head that the coordinator did not sign.
    #[error("the log's head is refused: {0}")]
    Head(#[from] HeadError),
    /// Two heads of it that cannot both be true, or entries that changed between them.
    #[error("the coordinator's log is {}: {says}", .evidence.charge().replace('_', " "))]
    Contradiction {
        /// What shows it to others.
        evidence: Box<LogEvidence>,
        /// In words.
        says: String,
    },
    /// An older head than the one that was seen before.
    #[error("the coordinator hides what it logged: it shows a log of {got} entries, {seen} were seen before")]
    Stale {
        /// Entries that were seen before.
        seen: u64,
        /// Entries that it shows.
        got: u64,
    },
    /// It does not prove that the log only grew.
    #[error(
        "history was rewritten: the coordinator's log of {to} entries does not continue the one of {from} entries that was seen before ({error})"
    )]
    Rewritten {
        /// Entries that were seen before.
        from: u64,
        /// Entries now.
        to: u64,
        /// What is wrong with the proof.
        error: ProofError,
    },
    /// What it serves is not what it signed.
    #[error(
        "the coordinator does not serve the log that it signed: its first {size} entries have the root {got}, it signed {signed}"
    )]
    NotServed {
        /// How many entries.
        size: u64,
        /// The root that it signed.
        signed: Digest32,
        /// That of the entries.
        got: Digest32,
    },
    /// It serves fewer entries than it signed.
    #[error("the coordinator's log is cut off: it signed {signed} entries and serves {served}")]
    Truncated {
        /// Entries that it signed.
        signed: u64,
        /// Entries that it serves.
        served: u64,
    },
    /// An entry that is no receipt.
    #[error("entry {index} of the log: {error}")]
    NoReceipt {
        /// Which.
        index: u64,
        /// Why not.
        error: DecodeError,
    },
    /// An entry whose signatures do not hold.
    #[error("entry {index} of the log: {error}")]
    Forged {
        /// Which.
        index: u64,
        /// Which signature.
        error: ReceiptInvalid,
    },
    /// A job that has two entries.
    #[error("entry {index} of the log is a second receipt of job {job}, which has entry {first}")]
    Twice {
        /// Which.
        index: u64,
        /// The job.
        job: Digest32,
        /// Its first entry.
        first: u64,
    },
    /// An entry that is earlier than what stands before it.
    #[error("entry {index} of the log is backdated: it says {time}, after what was there at {before}")]
    Backdated {
        /// Which.
        index: u64,
        /// Its time.
        time: u64,
        /// The time of the entry or of the head before it.
        before: u64,
    },
    /// The receipt of one's own job does not hold.
    #[error("the receipt is refused: {0}")]
    Receipt(#[from] ReceiptError),
    /// The receipt is another job's.
    #[error("the coordinator sent the receipt of job {got} for job {expected}")]
    OtherJob {
        /// One's own.
        expected: Digest32,
        /// The receipt's.
        got: Digest32,
    },
    /// The receipt tells another story than what happened.
    #[error("the receipt does not tell what happened: {0}")]
    NotAsDealt(String),
    /// What was kept of the last time cannot be read.
    #[error("what was kept about the log is no such thing: {0}")]
    Kept(String),
}

impl LogError {
    /// Whether it is the coordinator that did wrong, and not a connection, a file or a program.
    pub fn convicts(&self) -> bool {
        match self {
            Self::Api(ApiError::Malformed { .. }) => true,
            Self::Api(_) | Self::Kept(_) => false,
            _ => true,
        }
    }

    /// Whom this points at.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Api(error) => error.blame(),
            Self::Kept(_) => Blame::Nobody,
            _ => Blame::Coordinator,
        }
    }

    /// What shows it to others, if something does.
    pub fn evidence(&self) -> Option<&LogEvidence> {
        match self {
            Self::Contradiction { evidence, .. } => Some(evidence),
            _ => None,
        }
    }
}

/// What a client knows of a log: kept between runs, one for each coordinator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// The newest head that was seen; it continues every one that was seen before.
    pub seen: SignedTreeHead,
    /// The newest head whose entries were all read, and what its tree grows from.
    pub read: Option<(SignedTreeHead, Frontier)>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    version: u32,
    seen: SignedTreeHead,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    read: Option<RawRead>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRead {
    head: SignedTreeHead,
    peaks: Vec<Digest32>,
}

impl Followed {
    /// As it is kept.
    pub fn to_json(&self) -> String {
        let read = self.read.as_ref().map(|(head, f)| RawRead { head: *head, peaks: f.peaks().to_vec() });
        let raw = Raw { version: 1, seen: self.seen, read };
        // A structure of strings, numbers and lists: there is nothing that could not be written.
        let mut text = serde_json::to_string_pretty(&raw).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Reads what [`Followed::to_json`] wrote about this log.
    ///
    /// # Errors
    /// [`LogError::Kept`].
    pub fn from_json(bytes: &[u8], log: &IdentityKey) -> Result<Self, LogError> {
        let kept = |e: &dyn std::fmt::Display| LogError::Kept(e.to_string());
        let raw: Raw = serde_json::from_slice(bytes).map_err(|e| kept(&e))?;
        if raw.version != 1 {
            return Err(kept(&format!("version {} is not known, this program reads 1", raw.version)));
        }
        raw.seen.verify(log).map_err(|e| kept(&e))?;
        let read = match raw.read {
            None => None,
            Some(RawRead { head, peaks }) => {
                head.verify(log).map_err(|e| kept(&e))?;
                let frontier = Frontier::from_parts(head.head.size, peaks).map_err(|e| kept(&e))?;
                if frontier.root() != head.head.root {
                    return Err(kept(&"its hashes are not those of its head"));
                }
                Some((head, frontier))
            }
        };
        Ok(Self { seen: raw.seen, read })
    }
}

impl Client {
    /// Fetches the receipt of a job of one's own that has ended, and checks it: against the deal, and against what was seen of the log before. Waits
    /// a little where the coordinator has not recorded the job's end yet.
    ///
    /// # Errors
    /// [`LogError`], which names what is wrong.
    pub async fn receipt(
        &self,
        expected: &Expectation,
        kept: Option<&Followed>,
    ) -> Result<(ProvenReceipt, Followed), LogError> {
        receipt(self.api(), &self.log(), expected, kept).await
    }

    /// Whose log it is.
    pub fn log(&self) -> IdentityKey {
        IdentityKey(self.network().coordinator.identity)
    }
}

/// [`Client::receipt`] from any source.
///
/// # Errors
/// [`LogError`], which names what is wrong.
pub async fn receipt(
    api: &impl LogSource,
    log: &IdentityKey,
    expected: &Expectation,
    kept: Option<&Followed>,
) -> Result<(ProvenReceipt, Followed), LogError> {
    let deadline = Instant::now() + ENDING;
    let proven = loop {
        match api.receipt(expected.job).await {
            Ok(proven) => break proven,
            Err(error) if Instant::now() < deadline && may_come(&error) => sleep(AGAIN).await,
            Err(error) => return Err(error.into()),
        }
    };
    let signed = proven.verify(log)?;
    expected.check(&signed.receipt)?;
    let seen = continues(api, kept, proven.head).await?;
    Ok((proven, Followed { seen, read: kept.and_then(|k| k.read.clone()) }))
}

/// Whether the receipt may be there in a moment.
fn may_come(error: &ApiError) -> bool {
    match error {
        ApiError::Refused { body, .. } => matches!(body.code.as_str(), "not_ended" | "not_signed"),
        other => other.is_transient(),
    }
}

impl Expectation {
    /// Whether the receipt is of this job, and of what was dealt.
    ///
    /// # Errors
    /// [`LogError::OtherJob`], [`LogError::NotAsDealt`].
    pub fn check(&self, receipt: &Receipt) -> Result<(), LogError> {
        if receipt.job != self.job {
            return Err(LogError::OtherJob { expected: self.job, got: receipt.job });
        }
        let not = |what: String| Err(LogError::NotAsDealt(what));
        if receipt.circuit != self.circuit || receipt.curve != self.curve {
            return not(format!("it is of circuit {} on {}", receipt.circuit, receipt.curve));
        }
        if receipt.dials != self.dials || receipt.assembler != self.assembler {
            return not("it says other dials, or another assembler".to_owned());
        }
        match &receipt.outcome {
            JobOutcome::Proved | JobOutcome::Answered => {}
            other => return not(format!("it says {}, and there is a proof", other.name())),
        }
        let acknowledged = |seat: &ReceiptSeat| matches!(seat.outcome, SeatOutcome::Acknowledged(_));
        for ((place, node, dealt), seat) in self.seats.iter().zip(receipt.committee()) {
            if seat.place != *place || seat.node != *node {
                return not(format!(
                    "it says that node {} has place {place}, which was given to {node}",
                    seat.node
                ));
            }
            if let SeatOutcome::Acknowledged(signed) = &seat.outcome
                && signed.acknowledgement != *dealt
            {
                return not(format!(
                    "node {place} ({node}) acknowledged another package than the one dealt to it"
                ));
            }
            if self.answered.contains(place) && !acknowledged(seat) {
                let says = seat.outcome.name();
                return not(format!("it says {says} of node {place} ({node}), whose answer came"));
            }
        }
        if !receipt
            .dials
            .suffice(receipt.committee().filter(|seat| acknowledged(seat)).map(|seat| seat.place))
        {
            return not("so few nodes acknowledged, it says, that there could be no proof".to_owned());
        }
        Ok(())
    }
}

/// Whether a head continues the one that was seen before; gives the newer of the two.
async fn continues(
    api: &impl LogSource,
    kept: Option<&Followed>,
    head: SignedTreeHead,
) -> Result<SignedTreeHead, LogError> {
    let Some(Followed { seen, read }) = kept else { return Ok(head) };
    let log = seen.head.log;
    if let Some(evidence) = LogEvidence::of_heads(*seen, head)
        && let Ok(says) = evidence.verify(&log)
    {
        return Err(LogError::Contradiction { evidence: Box::new(evidence), says });
    }
    let (from, to) = (seen.head.size, head.head.size);
    if to < from {
        return Err(LogError::Stale { seen: from, got: to });
    }
    if from == 0 || from == to {
        return Ok(head);
    }
    let proof = api.consistency(from, to).await?;
    let verified = if (proof.from, proof.to) == (from, to) {
        proof.verify(&seen.head.root, &head.head.root)
    } else {
        Err(ProofError::Order { from: proof.from, to: proof.to })
    };
    match verified {
        Ok(()) => Ok(head),
        Err(error) => {
            if let Some(read) = read
                && let Some((evidence, says)) = what_was_rewritten(api, read, head).await
            {
                return Err(LogError::Contradiction { evidence: Box::new(evidence), says });
            }
            Err(LogError::Rewritten { from, to, error })
        }
    }
}

/// Reads the whole log again, and proves by two paths which of its subtrees is not what it was; `None` where the coordinator does not serve what it signed, or
/// nothing that was read has changed.
async fn what_was_rewritten(
    api: &impl LogSource,
    (before, frontier): &(SignedTreeHead, Frontier),
    after: SignedTreeHead,
) -> Option<(LogEvidence, String)> {
    let size = after.head.size;
    if size > MOST_REREAD || frontier.size() > size {
        return None;
    }
    let mut nodes: HashMap<NodeId, Digest32> = HashMap::new();
    let mut tree = Frontier::new();
    while tree.size() < size {
        let entries = api.entries(tree.size(), BATCH).await.ok()?;
        if entries.is_empty() {
            return None;
        }
        for entry in entries.iter().take(usize::try_from(size - tree.size()).unwrap_or(usize::MAX)) {
            nodes.extend(tree.append(leaf_hash(entry)));
        }
    }
    if tree.root() != after.head.root {
        return None;
    }
    for was in frontier.peak_proofs() {
        let is = SubtreeProof::of(was.node, size, &nodes)?;
        if is.hash != was.hash {
            let evidence = LogEvidence::of_rewriting((*before, was), (after, is));
            let says = evidence.verify(&before.head.log).ok()?;
            return Some((evidence, says));
        }
    }
    None
}

/// Follows a log from where it was left: fetches the newest head, has it proved that it continues the last one, reads every entry since and checks that they hash
/// to what was signed. `seen` gets each new entry. `jobs` are those whose entries were read before; where they are not as many as the entries, everything is
/// read again.
///
/// # Errors
/// [`LogError`], which names what is wrong.
pub async fn follow(
    api: &impl LogSource,
    log: &IdentityKey,
    kept: Option<&Followed>,
    jobs: &mut SeenJobs,
    mut seen: impl FnMut(u64, &SignedReceipt),
) -> Result<Followed, LogError> {
    let head = api.head().await?;
    head.verify(log)?;
    let head = continues(api, kept, head).await?;
    let read = kept.and_then(|k| k.read.as_ref()).filter(|(head, _)| jobs.cut_to(head.head.size));
    let (mut tree, mut time) = match read {
        Some((head, frontier)) => (frontier.clone(), head.head.timestamp),
        None => {
            jobs.clear();
            (Frontier::new(), 0)
        }
    };
    let before = kept.map(|k| k.seen.head);
    while tree.size() < head.head.size {
        let left = head.head.size - tree.size();
        let entries = api.entries(tree.size(), u32::try_from(left).unwrap_or(BATCH).min(BATCH)).await?;
        if entries.is_empty() {
            return Err(LogError::Truncated { signed: head.head.size, served: tree.size() });
        }
        for entry in &entries {
            let index = tree.size();
            let receipt =
                SignedReceipt::decode(entry).map_err(|error| LogError::NoReceipt { index, error })?;
            tree.append(leaf_hash(entry));
            // What was changed is told rather than what is wrong with the change.
            if let Some(before) = before.filter(|before| before.size == tree.size()) {
                served(&tree, before.root)?;
            }
            receipt.verify(log).map_err(|error| LogError::Forged { index, error })?;
            let (job, ended) = (receipt.receipt.job, receipt.receipt.ended);
            if ended < time || ended < receipt.receipt.accepted {
                return Err(LogError::Backdated {
                    index,
                    time: ended,
                    before: time.max(receipt.receipt.accepted),
                });
            }
            time = ended;
            if jobs.may_have(&job)
                && let Some(first) = first_entry_of(api, &job, &tree, entry).await?
            {
                return Err(LogError::Twice { index, job, first });
            }
            jobs.push(&job);
            seen(index, &receipt);
        }
    }
    served(&tree, head.head.root)?;
    if time > head.head.timestamp {
        let index = tree.size().saturating_sub(1);
        return Err(LogError::Backdated { index, time: head.head.timestamp, before: time });
    }
    Ok(Followed { seen: head, read: Some((head, tree)) })
}

/// Reads the log again up to its last entry, which is this one, for an earlier one of its job.
async fn first_entry_of(
    api: &impl LogSource,
    job: &Digest32,
    tree: &Frontier,
    last: &[u8],
) -> Result<Option<u64>, LogError> {
    let (mut again, mut first) = (Frontier::new(), None);
    let before = tree.size().saturating_sub(1);
    while again.size() < before {
        let left = before - again.size();
        let entries = api.entries(again.size(), u32::try_from(left).unwrap_or(BATCH).min(BATCH)).await?;
        if entries.is_empty() {
            return Err(LogError::Truncated { signed: tree.size(), served: again.size() });
        }
        for entry in entries.iter().take(usize::try_from(left).unwrap_or(usize::MAX)) {
            let index = again.size();
            again.append(leaf_hash(entry));
            // What does not decode was no entry when it was read first: the roots will differ.
            if first.is_none() && SignedReceipt::decode(entry).is_ok_and(|r| r.receipt.job == *job) {
                first = Some(index);
            }
        }
    }
    again.append(leaf_hash(last));
    served(&again, tree.root())?;
    Ok(first)
}

fn served(tree: &Frontier, signed: Digest32) -> Result<(), LogError> {
    let got = tree.root();
    if got == signed { Ok(()) } else { Err(LogError::NotServed { size: tree.size(), signed, got }) }
}

#[cfg(test)]
mod tests;
