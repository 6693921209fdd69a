//! What must hold when all is over, read from the coordinators' database, the nodes' ledgers and the clients' journals.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::time::{Duration, Instant};

use clap::ValueEnum as _;
use serde::Serialize;
use sqlx::Row as _;
use sqlx::postgres::PgPool;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use tacit_log::{Frontier, leaf_hash};
use tacit_wire::Digest32;

use crate::Outcome;
use crate::hostile::{self, Done, Mischief};
use crate::worker::{self, Event};
use crate::world::{Kind, Process};

/// States of a job in the coordinators' database.
const DONE: i64 = 2;

/// What became of all jobs.
#[derive(Debug, Default, Serialize)]
pub struct Verdict {
    /// Jobs that a coordinator accepted, as their clients know.
    pub accepted: usize,
    /// Those that ended in a proof that its client verified.
    pub proved: usize,
    /// Those whose failure was told to their client, by the error's name.
    pub failed: BTreeMap<String, usize>,
    /// Submissions that were refused or never arrived.
    pub not_accepted: usize,
    /// Bytes of accepted submissions.
    pub bytes: u64,
    /// Milliseconds from submission to verified proof, where one process saw both, sorted.
    #[serde(skip)]
    pub latencies_ms: Vec<u64>,
    /// Answers that are in a node's ledger and in the database, and are the same.
    pub same_answers: usize,
    /// Entries of the coordinators' log.
    pub logged: usize,
    /// Signed heads of the log whose root the entries give.
    pub heads: usize,
    /// What a hostile client did, if there was one.
    pub mischief: Done,
    /// What must not be: empty.
    pub violations: Vec<String>,
}

struct Stored {
    state: i64,
    ended: bool,
    coordinator_assembles: bool,
    has_proof: bool,
}

/// Waits until so many nodes are connected.
pub async fn connected(url: &str, nodes: i64, patience: Duration) -> Outcome {
    let deadline = Instant::now() + patience;
    let pool = PgPool::connect(url).await?;
    loop {
        // Its coordinators make the tables.
        let found =
            sqlx::query("SELECT COUNT(*) FROM presence WHERE coordinator IS NOT NULL").fetch_one(&pool).await;
        let found: i64 = found.map_or(Ok(0), |row| row.try_get(0))?;
        if found == nodes {
            pool.close().await;
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(
                format!("{found} of {nodes} nodes are connected after {} s", patience.as_secs()).into()
            );
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Waits until no job is open.
pub async fn drained(pool: &PgPool, patience: Duration) -> Outcome {
    let deadline = Instant::now() + patience;
    loop {
        let open: i64 = sqlx::query("SELECT COUNT(*) FROM jobs WHERE ended_at IS NULL")
            .fetch_one(pool)
            .await?
            .try_get(0)?;
        if open == 0 {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!("{open} jobs are still open after {} s", patience.as_secs()).into());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Judges.
pub async fn judge(pool: &PgPool, processes: &[Process]) -> Outcome<Verdict> {
    let mut verdict = Verdict::default();
    let stored = jobs(pool).await?;
    let mut claimed = HashSet::new();
    for client in processes.iter().filter(|p| p.kind == Kind::Client) {
        journal(&client.dir, &stored, &mut verdict, &mut claimed)?;
    }
    for (deal, job) in &stored {
        if !claimed.contains(deal) {
            verdict.violations.push(format!("job {deal} is in the database and no client knows of it"));
        }
        if !job.ended {
            verdict.violations.push(format!("job {deal} has not ended"));
        }
        if job.state == DONE && job.coordinator_assembles && !job.has_proof {
            verdict.violations.push(format!("job {deal} is done without its proof"));
        }
    }
    answers(pool, processes, &mut verdict).await?;
    log(pool, &stored, &mut verdict).await?;
    verdict.latencies_ms.sort_unstable();
    Ok(verdict)
}

/// That coordinators kept within their memory; and that a hostile client, if there was one, did what it is there for, and no harm: where nothing else went wrong
/// (`undisturbed`), every job of the others was accepted and proved.
pub fn burden(processes: &[Process], coordinator_mib: u64, undisturbed: bool, verdict: &mut Verdict) {
    for coordinator in processes.iter().filter(|p| p.kind == Kind::Coordinator) {
        let mib = coordinator.peak_kib() / 1024;
        if mib > coordinator_mib {
            let name = &coordinator.name;
            verdict.violations.push(format!("{name} took {mib} MiB, {coordinator_mib} are allowed"));
        }
    }
    let Some(process) = processes.iter().find(|p| p.kind == Kind::Hostile) else { return };
    verdict.mischief = hostile::done(&process.dir).unwrap_or_default();
    for mischief in Mischief::value_variants() {
        if verdict.mischief.get(mischief).copied().unwrap_or(0) == 0 {
            verdict.violations.push(format!("the hostile client never got to do this: {mischief:?}"));
        }
    }
    if undisturbed && verdict.proved != verdict.accepted {
        let (proved, accepted) = (verdict.proved, verdict.accepted);
        verdict
            .violations
            .push(format!("a hostile client cost others: {proved} of {accepted} jobs were proved"));
    }
    if undisturbed && verdict.not_accepted != 0 {
        let n = verdict.not_accepted;
        verdict.violations.push(format!("a hostile client cost others: {n} submissions were not accepted"));
    }
}

async fn jobs(pool: &PgPool) -> Outcome<HashMap<Digest32, Stored>> {
    let rows =
        sqlx::query("SELECT deal, state, ended_at, assembler, proof FROM jobs").fetch_all(pool).await?;
    let mut jobs = HashMap::new();
    for row in rows {
        let stored = Stored {
            state: row.try_get::<i64, _>("state")?,
            ended: row.try_get::<Option<i64>, _>("ended_at")?.is_some(),
            coordinator_assembles: row.try_get::<i64, _>("assembler")? == 1,
            has_proof: row.try_get::<Option<String>, _>("proof")?.is_some(),
        };
        if jobs.insert(digest(&row.try_get::<Vec<u8>, _>("deal")?)?, stored).is_some() {
            return Err("the database has a job twice".into());
        }
    }
    Ok(jobs)
}

fn journal(
    dir: &Path,
    stored: &HashMap<Digest32, Stored>,
    verdict: &mut Verdict,
    claimed: &mut HashSet<Digest32>,
) -> Outcome {
    let mut accepted = HashSet::new();
    let mut last: HashMap<Digest32, Event> = HashMap::new();
    for line in worker::read_journal(dir)? {
        match line.event {
            Event::Accepted { bytes, .. } => {
                if accepted.insert(line.job) {
                    verdict.bytes += bytes as u64;
                }
            }
            // A client that was killed after it wrote this and before it removed the ticket may write it again.
            event => drop(last.insert(line.job, event)),
        }
    }
    for job in &accepted {
        if !stored.contains_key(job) {
            verdict.violations.push(format!("job {job} was accepted and is lost"));
        }
        if !last.contains_key(job) {
            verdict.violations.push(format!("nothing was reported of job {job}"));
        }
    }
    for (job, event) in last {
        claimed.insert(job);
        let done = stored.get(&job).is_some_and(|s| s.state == DONE);
        match event {
            Event::Accepted { .. } => {}
            Event::NotAccepted { reason } => {
                verdict.not_accepted += 1;
                if stored.contains_key(&job) {
                    verdict.violations.push(format!("job {job} is stored, its client was told: {reason}"));
                }
                continue;
            }
            Event::Proved { after_ms } => {
                verdict.proved += 1;
                verdict.latencies_ms.extend(after_ms);
                if !done {
                    verdict.violations.push(format!("job {job} was proved, the database has it otherwise"));
                }
            }
            Event::Failed { kind, reason } => {
                *verdict.failed.entry(kind).or_default() += 1;
                if done {
                    verdict.violations.push(format!("job {job} is done, its client was told: {reason}"));
                }
            }
        }
        verdict.accepted += 1;
    }
    Ok(())
}

/// No node signed two different answers, and what its ledger has is what the coordinators got.
async fn answers(pool: &PgPool, processes: &[Process], verdict: &mut Verdict) -> Outcome {
    let contradicted: i64 = sqlx::query("SELECT COUNT(*) FROM assignments WHERE contradiction IS NOT NULL")
        .fetch_one(pool)
        .await?
        .try_get(0)?;
    if contradicted > 0 {
        verdict.violations.push(format!("nodes gave two different answers to {contradicted} assignments"));
    }
    let rows = sqlx::query("SELECT deal, node, answer FROM assignments WHERE answer IS NOT NULL")
        .fetch_all(pool)
        .await?;
    let mut given: HashMap<(Vec<u8>, Vec<u8>), Vec<u8>> = HashMap::new();
    for row in rows {
        given.insert((row.try_get("deal")?, row.try_get("node")?), row.try_get("answer")?);
    }
    for node in processes.iter().filter(|p| p.kind == Kind::Node) {
        let identity = identity_of(node)?;
        let options = SqliteConnectOptions::new().filename(node.dir.join("node.sqlite")).read_only(true);
        let ledger = SqlitePool::connect_with(options).await?;
        for row in sqlx::query("SELECT deal, record FROM records").fetch_all(&ledger).await? {
            let (deal, record): (Vec<u8>, Vec<u8>) = (row.try_get("deal")?, row.try_get("record")?);
            let record = tacit_delegate::Record::decode(&record).map_err(|_| "a node's record is damaged")?;
            let (Some(recorded), Some(answer)) =
                (record.sealed_response(), given.get(&(deal.clone(), identity.clone())))
            else {
                continue;
            };
            if recorded == answer {
                verdict.same_answers += 1;
            } else {
                let deal = digest(&deal)?;
                verdict
                    .violations
                    .push(format!("{}'s ledger and the database differ on job {deal}", node.name));
            }
        }
        ledger.close().await;
    }
    Ok(())
}

/// Every job that ended has its one entry in the log, and every head that was ever signed is that of the entries before it.
async fn log(pool: &PgPool, stored: &HashMap<Digest32, Stored>, verdict: &mut Verdict) -> Outcome {
    let mut heads: HashMap<u64, Vec<u8>> = HashMap::new();
    for row in sqlx::query("SELECT size, root FROM log_heads").fetch_all(pool).await? {
        heads.insert(u64::try_from(row.try_get::<i64, _>("size")?)?, row.try_get("root")?);
    }
    let mut tree = Frontier::new();
    verdict.heads =
        usize::from(heads.get(&0).is_some_and(|root| root.as_slice() == tree.root().0.as_slice()));
    let mut logged = HashSet::new();
    for row in sqlx::query("SELECT deal, entry FROM log_leaves ORDER BY idx").fetch_all(pool).await? {
        tree.append(leaf_hash(&row.try_get::<Vec<u8>, _>("entry")?));
        logged.insert(digest(&row.try_get::<Vec<u8>, _>("deal")?)?);
        if let Some(root) = heads.get(&tree.size()) {
            verdict.heads += 1;
            if root.as_slice() != tree.root().0.as_slice() {
                verdict.violations.push(format!("the head of size {} is not that of the log", tree.size()));
            }
        }
    }
    verdict.logged = logged.len();
    for deal in stored.keys().filter(|deal| !logged.contains(deal)) {
        verdict.violations.push(format!("job {deal} has no entry in the log"));
    }
    if verdict.heads != heads.len() {
        verdict.violations.push(format!(
            "{} of {} signed heads belong to the log",
            verdict.heads,
            heads.len()
        ));
    }
    Ok(())
}

/// Where the run wrote a node's identity.
pub fn identity_path(node: &Process) -> std::path::PathBuf {
    node.dir.with_extension("identity")
}

fn identity_of(node: &Process) -> Outcome<Vec<u8>> {
    let text = std::fs::read_to_string(identity_path(node))?;
    Ok(text.trim().parse::<Digest32>().map_err(|e| e.to_string())?.0.to_vec())
}

fn digest(bytes: &[u8]) -> Outcome<Digest32> {
    Ok(Digest32(bytes.try_into().map_err(|_| "a digest has not 32 bytes")?))
}
