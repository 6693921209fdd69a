//! `tacit job list|show|watch --network NET.toml`

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Subcommand;
use comfy_table::{Table, presets};
use tacit_client::{Api, Polled};
use tacit_wire::Digest32;
use tacit_wire::status::{DialsInfo, JobStatus};

use crate::failure::{Failure, Outcome};
use crate::ui::{self, Ui};

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Args {
    /// List the jobs that the coordinator keeps
    List {
        /// The network's pins
        #[arg(long)]
        network: PathBuf,
    },
    /// Show a job: its state, and what each node got and sent
    Show {
        /// The job's id (the digest of its deal), or its first digits
        job: String,
        /// The network's pins
        #[arg(long)]
        network: PathBuf,
    },
    /// Follow a job until it ends
    Watch {
        /// The job's id (the digest of its deal), or its first digits
        job: String,
        /// The network's pins
        #[arg(long)]
        network: PathBuf,
    },
}

/// Runs it.
pub fn run(args: &Args, ui: &Ui) -> Outcome {
    let runtime = crate::runtime::new()?;
    let open = |path: &Path| -> Outcome<Api> { Ok(Api::new(&crate::api_key::load_network(path)?)?) };
    match args {
        Args::List { network } => {
            let jobs = runtime.block_on(open(network)?.jobs())?;
            ui.result(&serde_json::to_value(&jobs)?, list(&jobs));
            Ok(())
        }
        Args::Show { job, network } => {
            let api = open(network)?;
            let polled =
                runtime.block_on(async { api.job(find(&api, job).await?).await.map_err(Failure::from) })?;
            ui.result(&serde_json::to_value(&polled.status)?, show(&polled.status));
            Ok(())
        }
        Args::Watch { job, network } => {
            let api = open(network)?;
            let polled = runtime.block_on(watch(&api, job, ui))?;
            ui.result(&serde_json::to_value(&polled.status)?, show(&polled.status));
            Ok(())
        }
    }
}

/// The job whose id begins with these digits.
async fn find(api: &Api, prefix: &str) -> Outcome<Digest32> {
    let mut full = [0; 32];
    if hex::decode_to_slice(prefix, &mut full).is_ok() {
        return Ok(Digest32(full));
    }
    let jobs = api.jobs().await?;
    let mut matching = jobs.iter().filter(|j| j.id.to_string().starts_with(prefix));
    match (matching.next(), matching.next()) {
        (Some(job), None) => Ok(job.id),
        (None, _) => {
            Err(Failure::new(format!("no job's id begins with {prefix}; `tacit job list` shows them")))
        }
        (Some(_), Some(_)) => {
            Err(Failure::new(format!("several jobs' ids begin with {prefix}; give more digits")))
        }
    }
}

async fn watch(api: &Api, job: &str, ui: &Ui) -> Outcome<Polled> {
    let id = find(api, job).await?;
    let mut polled = api.job(id).await?;
    let mut said = String::new();
    loop {
        let line = one_line(&polled.status);
        if line != said {
            ui.say(&line);
            said = line;
        }
        if polled.status.state.is_final() || polled.status.expires < now() {
            return Ok(polled);
        }
        polled = api.poll(id, polled.version, 0, Duration::from_secs(20)).await?;
    }
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// A word as it stands in JSON.
fn word<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(s)) => s,
        _ => "?".to_owned(),
    }
}

fn one_line(job: &JobStatus) -> String {
    let nodes: Vec<String> = job.nodes.iter().map(|n| format!("{}:{}", n.index, word(&n.state))).collect();
    format!("{}  {}", word(&job.state), nodes.join(" "))
}

fn list(jobs: &[JobStatus]) -> String {
    if jobs.is_empty() {
        return "The coordinator keeps no jobs.".to_owned();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["JOB", "STATE", "DIALS", "ASSEMBLER", "NODES", "CIRCUIT"]);
    for job in jobs {
        table.add_row([
            short(&job.id),
            word(&job.state),
            dials(&job.dials),
            word(&job.assembler),
            job.nodes.iter().map(|n| word(&n.state)).collect::<Vec<_>>().join(" "),
            short(&job.circuit),
        ]);
    }
    table.trim_fmt()
}

fn dials(DialsInfo { n, t, groups, handover }: &DialsInfo) -> String {
    match groups {
        1 => format!("{handover} n={n} t={t}"),
        _ => format!("{handover} n={n} t={t} groups={groups}"),
    }
}

fn short(digest: &Digest32) -> String {
    digest.to_string().chars().take(16).collect()
}

fn show(job: &JobStatus) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(["INDEX", "NODE", "STATE", "ENVELOPE", "RESPONSE", "REFUSAL"]);
    for n in &job.nodes {
        table.add_row([
            n.index.to_string(),
            n.identity.to_string().chars().take(16).collect(),
            word(&n.state),
            ui::bytes(n.envelope_bytes),
            if n.response_bytes == 0 { "-".to_owned() } else { ui::bytes(n.response_bytes) },
            n.refusal.as_ref().map_or_else(String::new, |r| ui::printable(&r.text)),
        ]);
    }
    let error = job
        .error
        .as_ref()
        .map_or_else(String::new, |e| format!("\nError      {}", ui::printable(&e.message)));
    format!(
        "Job        {}\nState      {}\nCircuit    {}\nDials      {}\nAssembler  {}{error}\n\n{}",
        job.id,
        word(&job.state),
        job.circuit,
        dials(&job.dials),
        word(&job.assembler),
        table.trim_fmt()
    )
}
