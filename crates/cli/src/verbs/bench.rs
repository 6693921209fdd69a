//! `tacit bench prove ZKEY WTNS`

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{Subcommand, ValueEnum};
use comfy_table::{CellAlignment, Table, presets};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tacit_algebra::{Curve, Groups};
use tacit_circom::wtns::Wtns;
use tacit_delegate::{
    DealTerms, Dials, Handover, KeyPart, Layout, NodeKey, Secrets, deal, key_slice, respond,
};
use tacit_groth16::prove::prove;
use tacit_groth16::{ProvingKey, qap};
use tacit_wire::SealingKeyPair;
use zeroize::Zeroizing;

use crate::curves::with_curve;
use crate::delegated::DialOptions;
use crate::failure::{Failure, InFile, Outcome};
use crate::keys::{self, KeyOptions, ZkeyFile};
use crate::measure::{Cost, measure};
use crate::ui::{self, Ui};

/// What to measure.
#[derive(Debug, Subcommand)]
pub enum Args {
    /// Local proving, the client's dealing and one response of each group: CPU time, wall time, peak memory, bytes of the
    /// key in memory and to each node. Each is measured in a process of its own, with the key, or the group's slice of
    /// it, resident
    Prove(ProveArgs),
}

/// Arguments of `bench prove`.
#[derive(Debug, clap::Args)]
pub struct ProveArgs {
    /// Proving key
    zkey: PathBuf,
    /// Witness
    wtns: PathBuf,
    /// Repetitions; the median by CPU time is shown
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    #[command(flatten)]
    dials: DialOptions,
    #[command(flatten)]
    key: KeyOptions,
    /// Measure this one in this process, and print it as JSON
    #[arg(long, hide = true)]
    only: Option<Work>,
    /// The group whose response is measured
    #[arg(long, hide = true, requires = "only", default_value_t = 0)]
    group: u8,
}

/// A piece of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// The whole proof on this machine.
    LocalProof,
    /// The client's part of a delegated proof: sharing and sealing for every node.
    Deal,
    /// One node's part.
    NodeResponse,
}

/// One measured piece of work.
#[derive(Debug, Serialize, Deserialize)]
struct Row {
    work: Work,
    /// For a response: the group whose node it is of, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<u8>,
    #[serde(flatten)]
    cost: Cost,
    /// Bytes in memory of what the work needs of the proving key.
    key_bytes: u64,
    /// CPU time as a multiple of the local proof's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cpu_ratio: Option<f64>,
    /// `key_bytes` as a multiple of the whole key's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_ratio: Option<f64>,
    /// For the deal: bytes of each node's envelope, in the order of the indices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    envelope_bytes: Vec<usize>,
}

/// Runs it.
pub fn run(args: &Args, ui: &Ui) -> Outcome {
    let Args::Prove(args) = args;
    args.dials.dials()?;
    match args.only {
        Some(work) => {
            let zkey = ZkeyFile::read(&args.zkey)?;
            let row = with_curve!(zkey.curve, C => work_here::<C>(work, zkey, args, ui)?);
            ui.result(&serde_json::to_value(&row)?, "");
            Ok(())
        }
        None => compare(args, ui),
    }
}

fn compare(args: &ProveArgs, ui: &Ui) -> Outcome {
    let zkey = ZkeyFile::read(&args.zkey)?;
    let (n_wires, log_domain) = with_curve!(zkey.curve, C => {
        let key = zkey.proving_key::<C>(&args.key, ui)?;
        (key.n_wires, key.log_domain)
    });
    drop(zkey);
    let dials = args.dials.dials()?;
    let mut rows: Vec<Row> = Vec::new();
    let responses = (0..dials.groups()).map(|group| (Work::NodeResponse, group));
    for (work, group) in [(Work::LocalProof, 0), (Work::Deal, 0)].into_iter().chain(responses) {
        let phase = ui.phase(work.name());
        let mut row = in_child(work, group, args)?;
        phase.done(format!("{:.0} ms of CPU", row.cost.cpu_ms));
        // The first row is the local proof, with the whole key.
        let (cpu, key) = rows
            .first()
            .map_or((row.cost.cpu_ms, row.key_bytes), |local| (local.cost.cpu_ms, local.key_bytes));
        row.cpu_ratio = Some(row.cost.cpu_ms / cpu);
        row.key_ratio = Some(row.key_bytes as f64 / key as f64);
        rows.push(row);
    }
    let envelopes: Vec<usize> = rows.iter().flat_map(|r| r.envelope_bytes.iter().copied()).collect();
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "WORK",
        "CPU",
        "OF A LOCAL PROOF",
        "WALL",
        "KEY IN MEMORY",
        "OF THE KEY",
        "PEAK MEMORY ABOVE IT",
    ]);
    let ratio = |ratio: Option<f64>| ratio.map_or_else(String::new, |ratio| format!("{ratio:.3}"));
    for row in &rows {
        table.add_row([
            row.name(dials),
            format!("{:.1} ms", row.cost.cpu_ms),
            ratio(row.cpu_ratio),
            format!("{:.1} ms", row.cost.wall_ms),
            ui::bytes(row.key_bytes),
            ratio(row.key_ratio),
            row.cost.peak_bytes.map_or_else(|| "not known".to_owned(), ui::bytes),
        ]);
    }
    for column in 1..=6 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let sent: Vec<String> = envelopes
        .iter()
        .enumerate()
        .map(|(i, b)| format!("  node {}: {}", i + 1, ui::bytes(*b as u64)))
        .collect();
    let text = format!(
        "{}: {n_wires} wires, domain 2^{log_domain}; median of {} runs by CPU time\n\n{}\n\nBytes sent to each node \
         (n = {}, t = {}, groups = {}, handover {}):\n{}",
        args.zkey.display(),
        args.runs,
        table.trim_fmt(),
        dials.nodes(),
        dials.threshold(),
        dials.groups(),
        dials.handover().name(),
        sent.join("\n")
    );
    let result = json!({
        "ok": true, "wires": n_wires, "log_domain": log_domain, "runs": args.runs,
        "n": dials.nodes(), "t": dials.threshold(), "groups": dials.groups(), "handover": dials.handover().name(), "rows": rows,
    });
    ui.result(&result, text);
    Ok(())
}

/// Measures one piece of work in a process of its own, so that its peak memory is its own.
fn in_child(work: Work, group: u8, args: &ProveArgs) -> Outcome<Row> {
    let exe =
        std::env::current_exe().map_err(|e| Failure::new(format!("cannot find this program itself: {e}")))?;
    let mut command = Command::new(exe);
    command.args(["bench", "prove", "--json", "--only", &work.argument(), "--runs", &args.runs.to_string()]);
    command.args(["--group", &group.to_string()]);
    args.dials.pass_on(&mut command);
    if args.key.no_cache {
        command.arg("--no-cache");
    }
    if let Some(digest) = &args.key.trust_file {
        command.args(["--trust-file", digest]);
    }
    let output = command
        .arg(&args.zkey)
        .arg(&args.wtns)
        .output()
        .map_err(|e| Failure::new(format!("the measuring process cannot be started: {e}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::new(said.trim().trim_start_matches("tacit: ").to_owned()));
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|e| Failure::new(format!("the measuring process said something unexpected: {e}")))
}

impl Row {
    /// The work, and of which group where there are several.
    fn name(&self, dials: Dials) -> String {
        match self.group {
            Some(group) if dials.groups() > 1 => {
                format!("{}, slice {group} of {}", self.work.name(), dials.groups())
            }
            _ => self.work.name().to_owned(),
        }
    }
}

impl Work {
    fn name(self) -> &'static str {
        match self {
            Self::LocalProof => "local proof",
            Self::Deal => "client: deal and seal",
            Self::NodeResponse => "one node's response",
        }
    }

    fn argument(self) -> String {
        self.to_possible_value().map_or_else(String::new, |v| v.get_name().to_owned())
    }
}

fn work_here<C: Curve>(work: Work, zkey: ZkeyFile, args: &ProveArgs, ui: &Ui) -> Outcome<Row> {
    let key = zkey.proving_key::<C>(&args.key, ui)?;
    drop(zkey);
    let witness = keys::witness::<C::Scalar>(&args.wtns)?;
    let mut costs = Vec::new();
    let mut envelope_bytes = Vec::new();
    let mut key_bytes = key.bytes_in_memory();
    match work {
        Work::LocalProof => {
            for _ in 0..args.runs {
                let (proof, cost) = measure(|| prove(&key, &witness.values, &mut rand::rng()));
                proof.in_file(&args.wtns)?;
                costs.push(cost);
            }
        }
        Work::Deal => {
            for _ in 0..args.runs {
                let (sizes, cost) = measure(|| deal_and_seal(&key, &witness, &args.dials, &args.wtns));
                envelope_bytes = sizes?;
                costs.push(cost);
            }
        }
        Work::NodeResponse => {
            // A node that got explicit shares: the dearer of the two packages to receive, the cheaper to expand; the
            // response itself costs the same for all of its group.
            let mut dealt = dealt(&key, &witness, &args.dials, &args.wtns)?;
            drop(witness);
            let dials = dealt.header.terms.dials;
            let no_group = || Failure::new(format!("the deal has no group {}", args.group));
            let part = KeyPart::of(dials, args.group).ok_or_else(no_group)?;
            let place = dials.place(args.group, dials.nodes());
            dealt.packages.retain(|package| package.place == place);
            let package = dealt.packages.first().ok_or_else(no_group)?;
            let mut run = |key: NodeKey<'_, C>| -> Outcome {
                for _ in 0..args.runs {
                    let (response, cost) = measure(|| respond(key, &dealt.header, package));
                    response?;
                    costs.push(cost);
                }
                Ok(())
            };
            match part {
                KeyPart::Bases => return Err(no_group()),
                KeyPart::Whole => run(NodeKey::Whole(&key))?,
                KeyPart::Slice { group, groups } => {
                    let slice = key_slice(&key, group, groups)?;
                    // The rest of the key stays: a response that fills the room that it leaves would seem to take none.
                    key_bytes = slice.bytes_in_memory();
                    run(NodeKey::Slice(&slice))?;
                }
            }
        }
    }
    costs.sort_by(|a, b| a.cpu_ms.total_cmp(&b.cpu_ms));
    let cost = costs.get(costs.len() / 2).copied().ok_or_else(|| Failure::new("nothing was measured"))?;
    let group = matches!(work, Work::NodeResponse).then_some(args.group);
    let key_bytes = key_bytes as u64;
    Ok(Row { work, group, cost, key_bytes, cpu_ratio: None, key_ratio: None, envelope_bytes })
}

/// The client's work: a deal, and every package sealed to a node's key.
fn deal_and_seal<C: Curve>(
    key: &ProvingKey<C>,
    witness: &Wtns<C::Scalar>,
    dials: &DialOptions,
    path: &Path,
) -> Outcome<Vec<usize>> {
    let dealt = dealt(key, witness, dials, path)?;
    let node = SealingKeyPair::generate(&mut rand::rng())?;
    let seal = |package: &tacit_delegate::Package<C::Scalar>| {
        let sealed =
            tacit_wire::seal::seal(node.public(), b"bench", b"", &package.encode(), &mut rand::rng())?;
        Ok(sealed.len())
    };
    dealt.packages.iter().map(seal).collect()
}

fn dealt<C: Curve>(
    key: &ProvingKey<C>,
    witness: &Wtns<C::Scalar>,
    dials: &DialOptions,
    path: &Path,
) -> Outcome<tacit_delegate::Deal<<C as Groups>::Scalar>> {
    if witness.values.len() != key.n_wires {
        return Err(Failure::new(format!(
            "{}: the witness has {} wires, the proving key {}: they belong to different circuits",
            path.display(),
            witness.values.len(),
            key.n_wires
        )));
    }
    let public = witness.values.get(1..=key.n_public).unwrap_or_default();
    let private = witness.values.get(key.n_public + 1..).unwrap_or_default();
    let handover = dials.dials()?.handover();
    let layout = Layout::of(key, handover);
    let quotient = Zeroizing::new(match handover {
        Handover::Quotient => qap::quotient(key, &key.domain()?, &witness.values),
        _ => Vec::new(),
    });
    let secrets = Secrets { private, quotient: &quotient };
    let terms = DealTerms {
        curve: C::ID,
        circuit: key.circuit_id,
        dials: dials.dials()?,
        assembler_key: SealingKeyPair::generate(&mut rand::rng())?.public().as_bytes().to_vec(),
        client_key: [0; 32],
        expiry: u64::MAX,
        public: public.to_vec(),
    };
    Ok(deal(terms, &layout, secrets, &mut rand::rng())?)
}
