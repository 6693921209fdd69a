//! `tacit log show|verify|receipt|evidence`

use std::path::{Path, PathBuf};

use clap::Subcommand;
use comfy_table::{Table, presets};
use serde_json::{Value, json};
use tacit_client::log::follow;
use tacit_client::{Api, LogError, Network};
use tacit_log::{LogEvidence, ProvenReceipt};
use tacit_wire::messages::Assembler;
use tacit_wire::{IdentityKey, JobOutcome, Receipt, SeatOutcome, SignedReceipt};

use crate::cache::KnownLog;
use crate::failure::{Failure, InFile, Outcome};
use crate::files::{self, Access};
use crate::ui::{self, Ui};

/// The exit code where nothing could be checked: no connection, no such file.
const NOT_CHECKED: u8 = 3;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Args {
    /// List the newest entries of the coordinator's log
    Show {
        /// The network's pins
        #[arg(long)]
        network: PathBuf,
        /// How many entries
        #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
        last: u32,
    },
    /// Follow the log from where it was left: check that nothing was rewritten, and that its entries are those that the coordinator signed. Exit code 1 if
    /// the coordinator is caught, 3 if nothing could be checked
    Verify {
        /// The network's pins
        #[arg(long)]
        network: PathBuf,
        /// Where to save what shows to others that the coordinator contradicted itself
        #[arg(long, default_value = ".", value_name = "DIR")]
        evidence: PathBuf,
    },
    /// Check a receipt that `groth16 prove --receipt` saved, without asking anybody; exit code 1 if it does not hold, 3 if it cannot be read
    Receipt {
        /// The receipt
        file: PathBuf,
        #[command(flatten)]
        whose: Whose,
    },
    /// Check a file that shows that a coordinator contradicted itself, without asking anybody; exit code 0 if it does, 1 if it shows nothing, 3 if it cannot be
    /// read
    Evidence {
        /// The file
        file: PathBuf,
        #[command(flatten)]
        whose: Whose,
    },
}

/// Whose signatures count.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub struct Whose {
    /// The network's pins, among them the coordinator's identity
    #[arg(long)]
    network: Option<PathBuf>,
    /// The coordinator's identity, 64 hexadecimal digits
    #[arg(long, value_name = "KEY")]
    coordinator: Option<IdentityKey>,
}

impl Whose {
    fn log(&self) -> Outcome<IdentityKey> {
        match (&self.coordinator, &self.network) {
            (Some(key), _) => Ok(*key),
            (None, Some(network)) => Ok(log_of(&Network::load(network)?)),
            (None, None) => Err(Failure::new("name the coordinator with --network or --coordinator")),
        }
    }
}

fn log_of(network: &Network) -> IdentityKey {
    IdentityKey(network.coordinator.identity)
}

/// Runs it.
pub fn run(args: &Args, ui: &Ui) -> Outcome {
    match args {
        Args::Show { network, last } => show(network, *last, ui),
        Args::Verify { network, evidence } => verify(network, evidence, ui),
        Args::Receipt { file, whose } => receipt(file, whose, ui),
        Args::Evidence { file, whose } => evidence(file, whose, ui),
    }
}

/// Saves what shows the coordinator's contradiction to others, if there is such a thing.
pub fn save_evidence(error: &LogError, folder: &Path, ui: &Ui) {
    let Some(evidence) = error.evidence() else { return };
    let [earlier, later] = evidence.heads().map(|h| h.head.size);
    let log: String = evidence.log().to_string().chars().take(16).collect();
    let path = folder
        .join(format!("log-evidence-{log}-{earlier}-{later}-{}.json", evidence.charge().replace('_', "-")));
    match files::write(&path, evidence.to_json().as_bytes(), Access::Shared) {
        Ok(()) => ui.warn(format!(
            "what shows it is in {}: anyone can check it with `tacit log evidence`. Show it to others who use this coordinator.",
            path.display()
        )),
        Err(error) => ui.warn(error.to_string()),
    }
}

fn verify(network: &Path, evidence: &Path, ui: &Ui) -> Outcome {
    let not_checked = |failure: Failure| failure.exiting_with(NOT_CHECKED);
    let network = Network::load(network).map_err(|e| not_checked(e.into()))?;
    let log = log_of(&network);
    let known = KnownLog::of(log).map_err(not_checked)?;
    let before = known.load().map_err(not_checked)?;
    let mut jobs = known.load_jobs();
    let runtime = crate::runtime::new().map_err(not_checked)?;
    let api = Api::new(&network).map_err(|e| not_checked(e.into()))?;
    let phase = ui.phase("following the log");
    let mut counts = [0u64; 4];
    let followed = runtime.block_on(follow(&api, &log, before.as_ref(), &mut jobs, |index, receipt| {
        let outcome = match receipt.receipt.outcome {
            JobOutcome::Proved => 0,
            JobOutcome::Answered => 1,
            JobOutcome::Expired => 2,
            _ => 3,
        };
        counts[outcome] += 1;
        if index % 64 == 0 {
            phase.note(format!("entry {index}"));
        }
    }));
    let followed = followed.map_err(|error| {
        save_evidence(&error, evidence, ui);
        let (convicts, blame) = (error.convicts(), error.blame());
        let failure = Failure::from(error);
        if convicts { failure.blaming(blame.to_string()) } else { not_checked(failure) }
    })?;
    known.save_read(&followed, &jobs).map_err(not_checked)?;
    let [proved, answered, expired, failed] = counts;
    let new: u64 = counts.iter().sum();
    let head = followed.seen.head;
    phase.done(format!("{new} new entries"));
    let from = before.as_ref().map(|b| b.seen.head.size);
    let since = match from {
        Some(_) if new == head.size => {
            format!("it continues the log that was seen before; all {new} entries were read")
        }
        Some(from) => {
            format!("it continues the log of {from} entries that was seen before; {new} entries were read")
        }
        None => format!("seen for the first time; all {new} entries were read"),
    };
    ui.result(
        &json!({
            "ok": true, "log": log, "size": head.size, "root": head.root, "timestamp": head.timestamp, "seen_before": from, "read": new,
            "jobs_compared_from": jobs.first(),
            "outcomes": { "proved": proved, "answered": answered, "expired": expired, "failed": failed },
        }),
        format!(
            "The log of coordinator {log} holds: {} entries\n  {since} and hash to the signed root {}\n  of these jobs {proved} proved, {answered} answered, {failed} failed, {expired} expired",
            head.size, head.root
        ),
    );
    Ok(())
}

fn show(network: &Path, last: u32, ui: &Ui) -> Outcome {
    let network = Network::load(network)?;
    let log = log_of(&network);
    let (api, runtime) = (Api::new(&network)?, crate::runtime::new()?);
    let (head, start, entries) = runtime.block_on(async {
        let head = api.log_head().await?;
        let start = head.head.size.saturating_sub(u64::from(last));
        let entries = api.log_entries(start, last).await?;
        Ok::<_, Failure>((head, start, entries))
    })?;
    head.verify(&log)?;
    let mut receipts = Vec::new();
    for (index, entry) in (start..head.head.size).zip(&entries) {
        let receipt = SignedReceipt::decode(entry).map_err(|error| LogError::NoReceipt { index, error })?;
        receipt.verify(&log).map_err(|error| LogError::Forged { index, error })?;
        receipts.push((index, receipt));
    }
    let listed: Vec<Value> = receipts
        .iter()
        .map(|(index, receipt)| json!({ "index": index, "receipt": receipt.view() }))
        .collect();
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(["ENTRY", "ENDED", "JOB", "OUTCOME", "DIALS", "NODES", "CIRCUIT"]);
    for (index, SignedReceipt { receipt, .. }) in &receipts {
        table.add_row([
            index.to_string(),
            receipt.ended.to_string(),
            short(&receipt.job),
            outcome(&receipt.outcome),
            dials(receipt),
            receipt.seats.iter().map(|s| s.outcome.name()).collect::<Vec<_>>().join(" "),
            short(&receipt.circuit),
        ]);
    }
    let about = format!("Log        {log}\nHead       {}", head.head);
    let text = if receipts.is_empty() {
        format!("{about}\n\nNo job has ended yet.")
    } else {
        format!(
            "{about}\n\n{}\n\nSignatures were checked; `tacit log verify` checks that nothing was rewritten.",
            table.trim_fmt()
        )
    };
    ui.result(&json!({ "head": head, "entries": listed }), text);
    Ok(())
}

fn receipt(file: &Path, whose: &Whose, ui: &Ui) -> Outcome {
    let not_checked = |failure: Failure| failure.exiting_with(NOT_CHECKED);
    let log = whose.log().map_err(not_checked)?;
    let bytes = files::read(file).map_err(not_checked)?;
    let proven = ProvenReceipt::from_json(&bytes).in_file(file).map_err(not_checked)?;
    let signed = proven.verify(&log).in_file(file)?;
    ui.result(
        &json!({
            "ok": true, "receipt": signed.view(), "entry": proven.inclusion.leaf, "head": proven.head,
        }),
        format!(
            "The receipt holds: entry {} of the log of coordinator {log} ({})\n\n{}",
            proven.inclusion.leaf,
            proven.head.head,
            describe(&signed.receipt)
        ),
    );
    Ok(())
}

fn evidence(file: &Path, whose: &Whose, ui: &Ui) -> Outcome {
    let not_checked = |failure: Failure| failure.exiting_with(NOT_CHECKED);
    let log = whose.log().map_err(not_checked)?;
    let bytes = files::read(file).map_err(not_checked)?;
    let evidence = LogEvidence::from_json(&bytes).in_file(file).map_err(not_checked)?;
    let because = evidence.verify(&log).in_file(file)?;
    ui.result(
        &json!({ "ok": true, "charge": evidence.charge(), "because": because, "coordinator": log, "heads": evidence.heads() }),
        format!("guilty: the log of coordinator {log} is {}\n  {because}", evidence.charge().replace('_', " ")),
    );
    Ok(())
}

fn short(digest: &tacit_wire::Digest32) -> String {
    digest.to_string().chars().take(16).collect()
}

fn outcome(outcome: &JobOutcome) -> String {
    match outcome {
        JobOutcome::Failed(code) => format!("failed: {}", ui::printable(code)),
        other => other.name().to_owned(),
    }
}

fn dials(receipt: &Receipt) -> String {
    let dials = receipt.dials;
    let (name, n, t) = (dials.handover().name(), dials.nodes(), dials.threshold());
    match dials.groups() {
        1 => format!("{name} n={n} t={t}"),
        groups => format!("{name} n={n} t={t} groups={groups}"),
    }
}

fn describe(receipt: &Receipt) -> String {
    let assembler = match receipt.assembler {
        Assembler::Client => "its client",
        _ => "the coordinator",
    };
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "PLACE",
        "NODE",
        "WHAT CAME OF IT",
        "PACKAGE (SALTED DIGEST)",
    ]);
    for seat in &receipt.seats {
        let (what, package) = match &seat.outcome {
            SeatOutcome::Refused(code) => (format!("refused: {}", code.name()), String::new()),
            SeatOutcome::Acknowledged(signed) => {
                (seat.outcome.name().to_owned(), hex::encode(signed.acknowledgement.package))
            }
            other => (other.name().to_owned(), String::new()),
        };
        table.add_row([seat.place.to_string(), seat.node.to_string(), what, package]);
    }
    format!(
        "Job        {}\nOutcome    {}\nCircuit    {} on {}\nDials      {}\nAssembler  {assembler}\nAccepted   {} (Unix seconds)\nEnded      {}\n\n{}",
        receipt.job,
        outcome(&receipt.outcome),
        receipt.circuit,
        receipt.curve,
        dials(receipt),
        receipt.accepted,
        receipt.ended,
        table.trim_fmt()
    )
}
