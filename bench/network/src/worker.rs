//! A client process: submits jobs, collects what becomes of them, and writes both down. It may be killed at any moment: the next
//! process with the same folder goes on with every job that it finds there.
//!
//! A job's ticket is on disk before the job is submitted, so that no accepted job is without somebody who asks for it.

use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rand::rngs::{StdRng, SysRng};
use rand::{RngExt as _, SeedableRng as _};
use serde::{Deserialize, Serialize};
use tacit_algebra::{Bn254, Check};
use tacit_circom::{VerificationKey, Zkey};
use tacit_client::{
    Artefact, Assembler, AssemblerKey, Client, ClientError, Dealt, Handover, JobTicket, Network, Options,
    Patience, Prepared, Silent, Waiting,
};
use tacit_groth16::ProvingKey;
use tacit_wire::Digest32;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::{Outcome, circuit};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The network's file
    #[arg(long)]
    network: PathBuf,
    /// The proving key
    #[arg(long)]
    zkey: PathBuf,
    /// Folder with the tickets and the journal
    #[arg(long)]
    dir: PathBuf,
    /// Jobs to be accepted, those of earlier processes among them
    #[arg(long)]
    jobs: usize,
    /// Jobs at a time
    #[arg(long)]
    in_flight: usize,
    /// Seconds that a deal lives
    #[arg(long)]
    expiry: u64,
    /// Percent of jobs that the coordinator assembles
    #[arg(long)]
    left_to_coordinator: u32,
}

/// A line of the journal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Line {
    /// The job.
    pub job: Digest32,
    /// What happened.
    pub event: Event,
}

/// What happens to a job, as its client sees it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The coordinator said that it has it.
    Accepted {
        /// `witness` or `quotient`.
        handover: String,
        /// Whether the coordinator assembles.
        coordinator_assembles: bool,
        /// Bytes submitted.
        bytes: usize,
    },
    /// A proof, verified here.
    Proved {
        /// Milliseconds since it was submitted, as far as the same process saw both.
        after_ms: Option<u64>,
    },
    /// The client was told that there will be none.
    Failed {
        /// The error's name.
        kind: String,
        /// What it says.
        reason: String,
    },
    /// It was never accepted.
    NotAccepted {
        /// What was said.
        reason: String,
    },
}

impl Event {
    /// Whether nothing comes after it.
    pub fn is_last(&self) -> bool {
        !matches!(self, Self::Accepted { .. })
    }
}

/// The journal's file in a worker's folder.
pub fn journal_path(dir: &Path) -> PathBuf {
    dir.join("journal")
}

/// Reads a journal. A last line that was cut off by a kill is none.
pub fn read_journal(dir: &Path) -> Outcome<Vec<Line>> {
    let text = match fs::read_to_string(journal_path(dir)) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e.into()),
    };
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

struct Worker {
    client: Client,
    key: ProvingKey<Bn254>,
    vk: VerificationKey<Bn254>,
    dir: PathBuf,
    expiry: u64,
    left_to_coordinator: u32,
    accepted: AtomicU64,
}

/// Runs it.
pub fn run(args: &Args) -> Outcome {
    fs::create_dir_all(args.dir.join("tickets"))?;
    let bytes = fs::read(&args.zkey)?;
    let key = ProvingKey::<Bn254>::from_zkey(Zkey::read(&bytes, Check::Full)?)?;
    let lines = read_journal(&args.dir)?;
    let mut journal = fs::OpenOptions::new().create(true).append(true).open(journal_path(&args.dir))?;
    // Whatever a kill cut off ends here.
    journal.write_all(b"\n")?;
    let known = |last: bool| -> HashSet<Digest32> {
        lines.iter().filter(|l| l.event.is_last() == last).map(|l| l.job).collect()
    };
    let (accepted, settled) = (known(false), known(true));
    let worker = Arc::new(Worker {
        client: Client::new(Network::load(&args.network)?)?,
        vk: key.vk.clone(),
        key,
        dir: args.dir.clone(),
        expiry: args.expiry,
        left_to_coordinator: args.left_to_coordinator,
        accepted: AtomicU64::new(accepted.len() as u64),
    });
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(async {
        let mut jobs = JoinSet::new();
        for entry in fs::read_dir(args.dir.join("tickets"))?.flatten() {
            // A ticket that a kill cut off was not submitted: it is saved before.
            let Ok(ticket) = JobTicket::load(&entry.path()) else { continue };
            let job = ticket.job();
            if settled.contains(&job) {
                let _ = fs::remove_file(entry.path());
                continue;
            }
            let worker = Arc::clone(&worker);
            let was_accepted = accepted.contains(&job);
            jobs.spawn(async move { worker.resume(ticket, was_accepted).await });
        }
        loop {
            while jobs.len() < args.in_flight && worker.remaining(args.jobs) > jobs.len() {
                let worker = Arc::clone(&worker);
                jobs.spawn(async move { worker.new_job().await });
            }
            match jobs.join_next().await {
                Some(ended) => ended??,
                None => return Ok(()),
            }
        }
    })
}

/// Registers the circuit, before there are clients.
pub async fn register(network: &Path, zkey: &Path, patience: Duration) -> Outcome {
    let bytes = fs::read(zkey)?;
    let id = ProvingKey::<Bn254>::from_zkey(Zkey::read(&bytes, Check::Full)?)?.circuit_id;
    let (client, file) = (Client::new(Network::load(network)?)?, Artefact::from(bytes));
    let deadline = Instant::now() + patience;
    while let Err(error) = client.register_circuit(id, &file, None, Arc::new(Silent)).await {
        if Instant::now() > deadline {
            return Err(format!("cannot register the circuit: {error}").into());
        }
        sleep(Duration::from_millis(500)).await;
    }
    Ok(())
}

impl Worker {
    fn remaining(&self, jobs: usize) -> usize {
        jobs.saturating_sub(usize::try_from(self.accepted.load(Ordering::Relaxed)).unwrap_or(usize::MAX))
    }

    fn write(&self, job: Digest32, event: Event) -> Outcome {
        let mut line = serde_json::to_vec(&Line { job, event })?;
        line.push(b'\n');
        let mut journal = fs::OpenOptions::new().append(true).open(journal_path(&self.dir))?;
        // One write: lines of tasks do not mix.
        journal.write_all(&line)?;
        Ok(journal.sync_data()?)
    }

    fn ticket_path(&self, job: Digest32) -> PathBuf {
        self.dir.join("tickets").join(job.to_string())
    }

    async fn new_job(self: Arc<Self>) -> Outcome {
        let mut rng = StdRng::try_from_rng(&mut SysRng)?;
        let (handover, n) =
            if rng.random_bool(0.5) { (Handover::Witness, 4) } else { (Handover::Quotient, 3) };
        let mut options = Options::with_dials(handover, n, 1)?;
        options.expiry = Duration::from_secs(self.expiry);
        if rng.random_ratio(self.left_to_coordinator, 100) {
            options.assembler = Assembler::Coordinator;
        }
        let (committee, info) = match self.client.committee(&options, &[]).await {
            Ok(found) => found,
            Err(error) => {
                // Too few nodes at the moment, or no coordinator: nothing was submitted.
                eprintln!("no committee: {error}");
                sleep(Duration::from_millis(300)).await;
                return Ok(());
            }
        };
        let certificate = match (options.assembler, &info.assembler_certificate) {
            (Assembler::Coordinator, Some(certificate)) => Some(certificate.decode()?),
            _ => None,
        };
        let witness = circuit::witness(self.key.n_wires, rng.random());
        let (worker, settings) = (Arc::clone(&self), options.clone());
        let Dealt { ticket, frame } = tokio::task::spawn_blocking(move || -> Outcome<Dealt> {
            let key = certificate.as_ref().map_or(AssemblerKey::Fresh, AssemblerKey::Coordinator);
            let prepared = Prepared::new(&worker.key, &witness, None, handover)?;
            Ok(prepared.deal(&committee, key, &settings, &mut rng, &Silent)?)
        })
        .await??;
        let job = ticket.job();
        ticket.save(&self.ticket_path(job))?;
        let began = Instant::now();
        let deadline = began + Duration::from_secs(self.expiry / 2);
        loop {
            match self.client.api().submit(frame.clone()).await {
                Ok(_) => break,
                Err(error) if error.is_transient() && Instant::now() < deadline => {
                    sleep(Duration::from_millis(200)).await;
                }
                // It may have arrived all the same: asking shows.
                Err(error) if error.is_transient() => {
                    eprintln!("{job}: {error}");
                    return self.resume(ticket, false).await;
                }
                Err(error) => {
                    return self.settle(job, Event::NotAccepted { reason: error.to_string() });
                }
            }
        }
        self.accepted.fetch_add(1, Ordering::Relaxed);
        let coordinator_assembles = options.assembler == Assembler::Coordinator;
        let handover = handover.name().to_owned();
        self.write(job, Event::Accepted { handover, coordinator_assembles, bytes: frame.len() })?;
        self.collect(ticket, Some(began), true).await
    }

    /// A job of which only the ticket is left.
    async fn resume(&self, ticket: JobTicket, was_accepted: bool) -> Outcome {
        self.collect(ticket, None, was_accepted).await
    }

    async fn collect(&self, ticket: JobTicket, began: Option<Instant>, was_accepted: bool) -> Outcome {
        let job = ticket.job();
        let mut waiting = Waiting::resume(ticket, Arc::new(self.vk.clone()))?;
        let over = waiting.expiry() + 60;
        let patience = Patience {
            timeout: Duration::from_secs(20),
            grace: Duration::from_secs(10),
            replace_after: None,
        };
        let event = loop {
            let error = match waiting.finish(self.client.api(), patience, &Silent).await {
                Ok(_) => {
                    let after_ms = began.map(|b| u64::try_from(b.elapsed().as_millis()).unwrap_or(u64::MAX));
                    break Event::Proved { after_ms };
                }
                Err(error) => error,
            };
            match &error {
                // Its client was killed before it was submitted.
                ClientError::JobLost { .. } if !was_accepted => {
                    break Event::NotAccepted { reason: error.to_string() };
                }
                ClientError::Api(e) if e.is_transient() && now() < over => {}
                ClientError::TimedOut { .. } if now() < over => {}
                _ => break Event::Failed { kind: name_of(&error), reason: error.to_string() },
            }
            sleep(Duration::from_millis(300)).await;
        };
        self.settle(job, event)
    }

    fn settle(&self, job: Digest32, event: Event) -> Outcome {
        self.write(job, event)?;
        let _ = fs::remove_file(self.ticket_path(job));
        Ok(())
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// The name of an error's variant, for counting.
fn name_of(error: &ClientError) -> String {
    let text = format!("{error:?}");
    text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
}
