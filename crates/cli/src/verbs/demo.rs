//! `tacit demo`: the whole of private delegated proving on one machine.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use clap::ValueEnum;
use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Value, json};
use tacit_algebra::{Bn254, Groups};
use tacit_circom::witness::WitnessCalculator;
use tacit_circom::wtns::Wtns;
use tacit_circom::{Proof, R1cs, public as signals};
use tacit_client::{Artefact, Client, Dials, Event, Found, Handover, Options, Prepared, Progress, Proved};
use tacit_groth16::ProvingKey;
use tacit_groth16::setup;
use tacit_groth16::verify::verify;
use tacit_wire::IdentityKey;

use super::demo_pool;
use super::groth16_setup::DEV_WARNING;
use crate::delegated::{Traffic, Watcher};
use crate::demo::liar::Liar;
use crate::demo::spend;
use crate::failure::{Failure, InFile, Outcome};
use crate::files::{self, Access};
use crate::local_network::{self, Lifetime, LocalNetwork, make_private};
use crate::ui::{self, Ui};

type Fr = <Bn254 as Groups>::Scalar;

/// Other notes in the tree.
const OTHERS: usize = 15;

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    other: Option<Other>,
    /// What to show
    #[arg(long, value_enum, default_value_t = Scenario::FourNodes)]
    scenario: Scenario,
    /// Leave the network running, and its folder in place
    #[arg(long)]
    keep: bool,
    /// Work below this folder instead of a temporary one; it stays
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Another demo.
#[derive(Debug, clap::Subcommand)]
enum Other {
    /// Safe delegation on a real chain: a shielded pool, payments proved on this device, by a prover service and by a committee, a withdrawal,
    /// a rotation, and a former prover who fails
    Pool(demo_pool::Args),
}

/// What the demo shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// The default dials: four nodes, any three suffice, no single one learns anything
    FourNodes,
    /// Two nodes with the handover `quotient`: neither learns anything, both are needed
    TwoNodes,
    /// Two groups of two nodes, each group with half of the proving key
    Sharded,
    /// Four nodes, one of which is killed when the job has been submitted
    Dropout,
    /// Five nodes with the handover `quotient`, of which any two learn nothing, and one lies: it is found out, and what shows it is checked as
    /// anyone would
    Liar,
}

impl Scenario {
    fn options(self) -> Outcome<Options> {
        Ok(match self {
            Self::FourNodes | Self::Dropout => Options::standard()?,
            Self::TwoNodes => Options::with_dials(Handover::Quotient, 2, 1)?,
            Self::Sharded => {
                let options = Options::with_dials(Handover::Quotient, 2, 1)?;
                Options { dials: options.dials.with_groups(2)?, ..options }
            }
            // Three answers and two spare ones: one liar is told apart. Of two shares that may be known, one may be opened.
            Self::Liar => Options::with_dials(Handover::Quotient, 5, 2)?,
        })
    }

    fn says(self) -> &'static str {
        match self {
            Self::FourNodes => {
                "A shielded spend, proved by four nodes, any three of which suffice. No node sees the witness."
            }
            Self::TwoNodes => "A shielded spend, proved by two nodes, neither of which sees the witness.",
            Self::Sharded => {
                "A shielded spend, proved by two groups of two nodes, each with half of the proving key. No node sees the witness."
            }
            Self::Dropout => {
                "A shielded spend, proved by four nodes, one of which is killed (kill -9) when the job has been submitted."
            }
            Self::Liar => {
                "A shielded spend, proved by five nodes, one of which answers wrongly. No two nodes see the witness."
            }
        }
    }

    /// The dials as `groth16 prove --network` takes them, where they are not the defaults and all nodes are there.
    fn arguments(self) -> &'static str {
        match self {
            Self::FourNodes => "",
            Self::TwoNodes => " --committee 2 --handover quotient",
            Self::Sharded => " --committee 2 --groups 2 --handover quotient",
            // One of the four is gone.
            Self::Dropout => " --committee 3",
            // The fifth was only in this process.
            Self::Liar => "",
        }
    }

    /// The node that is killed, counted from 1.
    fn victim(self) -> Option<usize> {
        matches!(self, Self::Dropout).then_some(2)
    }

    /// The node that lies, counted from 1.
    fn liar(self) -> Option<usize> {
        matches!(self, Self::Liar).then_some(3)
    }
}

/// Kills a process when the job has been submitted, and passes on what it is told.
struct Killer {
    progress: Arc<dyn Progress>,
    name: String,
    pid: u32,
    ui: Ui,
}

impl Progress for Killer {
    fn event(&self, event: Event) {
        let submitted = matches!(event, Event::Submitted { .. });
        self.progress.event(event);
        if submitted && local_network::kill(self.pid) {
            self.ui.say(format!("     {} was killed", self.name));
        }
    }
}

/// Where the demo works.
enum Place {
    Temporary(tempfile::TempDir),
    Chosen(PathBuf),
}

impl Place {
    fn new(args: &Args) -> Outcome<Self> {
        if let Some(dir) = &args.dir {
            make_private(dir)?;
            return Ok(Self::Chosen(dir.clone()));
        }
        let dir = tempfile::Builder::new().prefix("tacit-demo-").tempdir().map_err(|e| {
            Failure::new(format!("no temporary folder can be made ({e}); name one with --dir DIR"))
        })?;
        Ok(if args.keep { Self::Chosen(dir.keep()) } else { Self::Temporary(dir) })
    }

    fn path(&self) -> &Path {
        match self {
            Self::Temporary(dir) => dir.path(),
            Self::Chosen(path) => path,
        }
    }
}

/// What the demo leaves in its folder.
struct Files {
    evidence: PathBuf,
    zkey: PathBuf,
    vkey: PathBuf,
    wtns: PathBuf,
    proof: PathBuf,
    public: PathBuf,
}

/// Runs the demo.
pub fn run(args: &Args, ui: &Ui) -> Outcome {
    if let Some(Other::Pool(args)) = &args.other {
        return demo_pool::run(args, ui);
    }
    let began = Instant::now();
    let place = Place::new(args)?;
    let at = |name: &str| place.path().join(name);
    let files = Files {
        evidence: at("evidence.json"),
        zkey: at("spend.zkey"),
        vkey: at("verification_key.json"),
        wtns: at("spend.wtns"),
        proof: at("proof.json"),
        public: at("public.json"),
    };
    let options = args.scenario.options()?;
    let nodes = options.dials.seats();
    ui.say(format!("{}\n", args.scenario.says()));

    let lifetime = if args.keep { Lifetime::Detached } else { Lifetime::Bound };
    let phase = ui.phase(format!("coordinator and {nodes} nodes"));
    let mut network = LocalNetwork::start(place.path(), nodes, lifetime, |line| phase.note(line))?;
    phase.done(format!("{} processes on loopback", network.services.len()));
    // A detached network that failed to do its work is not left behind.
    let shown = show(args.scenario, &options, &mut network, &files, ui);
    let Shown { proved, traffic, key, runtime } = shown.inspect_err(|_| network.stop())?;
    let verdict = match args.scenario.liar() {
        Some(_) => Some(found_out(&proved, &files, ui).inspect_err(|_| network.stop())?),
        None => None,
    };
    drop(runtime);
    let killed = args.scenario.victim().and_then(|_| network.dead());

    let stays = matches!(place, Place::Chosen(_));
    let report = report(stays.then_some(files.proof.as_path()), options.dials, &proved, &traffic, &key);
    if lifetime == Lifetime::Bound {
        let phase = ui.phase("shutting down");
        network.stop();
        phase.done("every process ended");
    }
    let took = began.elapsed();
    let mut json = summary(&network, &files, &proved, &traffic, &key, args.keep, took.as_millis());
    json["killed"] = killed.into();
    json["liar"] = verdict.unwrap_or_default();
    let text = format!("\n{report}\n\n{}", next(args, &network, &files, took));
    ui.result(&json, text);
    Ok(())
}

/// What was shown.
struct Shown {
    proved: Proved<Bn254>,
    traffic: Traffic,
    key: Arc<ProvingKey<Bn254>>,
    /// The liar lives in it.
    runtime: tokio::runtime::Runtime,
}

/// Saves what was found out about the liar and has it checked by another process, as anyone would.
fn found_out(proved: &Proved<Bn254>, files: &Files, ui: &Ui) -> Outcome<Value> {
    let guilty = proved.findings.iter().find_map(|finding| match &finding.found {
        Found::Guilty(evidence) => Some((&finding.member, evidence)),
        _ => None,
    });
    let (member, evidence) = guilty.ok_or_else(|| Failure::new("the liar was not found out"))?;
    files::write(&files.evidence, evidence.to_json().as_bytes(), Access::Private)?;
    let phase = ui.phase("tacit audit, in a process of its own");
    let exe =
        std::env::current_exe().map_err(|e| Failure::new(format!("cannot find this program itself: {e}")))?;
    let output = Command::new(exe)
        .args(["--json", "audit"])
        .arg(&files.evidence)
        .arg("--zkey")
        .arg(&files.zkey)
        .output()
        .map_err(|e| Failure::new(format!("the audit cannot be started: {e}")))?;
    let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    if !output.status.success() || said["verdict"] != "guilty" {
        return Err(Failure::new(format!("the audit did not find the liar guilty: {said}")));
    }
    phase.done(format!("{} of {}: guilty", member.name, member.operator));
    ui.say(format!("     {}", said["because"].as_str().unwrap_or_default()));
    Ok(json!({ "name": member.name, "operator": member.operator, "index": member.index, "audit": said }))
}

/// From the circuit to a verified proof.
fn show(
    scenario: Scenario,
    options: &Options,
    network: &mut LocalNetwork,
    files: &Files,
    ui: &Ui,
) -> Outcome<Shown> {
    let rng = &mut rand::rng();
    let name = Path::new("circuits/spend");

    let phase = ui.phase("the bundled spend circuit");
    let constraints = R1cs::<Fr>::read(spend::R1CS).in_file(name)?;
    let calculator = WitnessCalculator::new(spend::WASM).in_file(name)?;
    phase.done(format!(
        "{} constraints, Poseidon2 tree of depth {}",
        constraints.constraints.len(),
        spend::DEPTH
    ));

    let phase = ui.phase("development setup");
    let zkey = setup::dev(&constraints, rng)?;
    files::write(&files.zkey, &zkey.write(), Access::Shared)?;
    files::write(&files.vkey, zkey.vk.to_json().as_bytes(), Access::Shared)?;
    let key = Arc::new(ProvingKey::<Bn254>::from_zkey(zkey)?);
    phase.done(format!("domain 2^{}; not for production", key.log_domain));

    let phase = ui.phase("a random note and its witness");
    let spend = spend::random(OTHERS, rng)?;
    let witness = Wtns::<Fr>::new(calculator.calculate(&spend.inputs, None)?);
    files::write(&files.wtns, &witness.write(), Access::Private)?;
    let (n_wires, n_private) = (key.n_wires, key.n_private());
    phase.done(format!("one of {} notes; {n_wires} wires, {n_private} of them private", spend.notes));

    let client = Client::new(network.network.clone())?;
    let runtime = crate::runtime::new()?;
    let phase = ui.phase("registering the circuit");
    let (zkey_file, r1cs_file) = (Artefact::from(files.zkey.as_path()), Artefact::from(spend::R1CS.to_vec()));
    let quiet = Arc::new(tacit_client::Silent);
    runtime.block_on(client.register_circuit(key.circuit_id, &zkey_file, Some(&r1cs_file), quiet))?;
    phase.done(format!(
        "under its digest {}...",
        key.circuit_id.to_string().chars().take(16).collect::<String>()
    ));

    if let Some(liar) = scenario.liar() {
        let phase = ui.phase("a liar takes a node's place");
        let (name, folder) = network.vacate(liar)?;
        let liar = Liar::new(&folder, Arc::clone(&key))?;
        let coordinator =
            network.quic().parse().map_err(|e| Failure::new(format!("{}: {e}", network.quic())))?;
        let identity = IdentityKey(network.network.coordinator.identity);
        runtime.spawn(runtime.block_on(liar.connect(coordinator, identity))?);
        network.await_all()?;
        phase.done(format!("{name} signs answers that are off by a point"));
    }

    let again = Arc::clone(&key);
    let prepared = Prepared::new(&key, &witness.values, Some(&constraints), options.dials.handover())?
        .judging_with(Arc::new(move || Ok(ProvingKey::clone(&again))));
    let watcher = Arc::new(Watcher::of_new_circuit(ui));
    let mut progress: Arc<dyn Progress> = watcher.clone();
    if let Some(victim) = scenario.victim().and_then(|node| network.services.get(node)) {
        let (name, pid) = (victim.name.clone(), victim.pid());
        progress = Arc::new(Killer { progress, name, pid, ui: ui.clone() });
    }
    let proved = runtime.block_on(client.prove(prepared, None, options, progress));
    let traffic = watcher.finish();
    let proved = proved?;

    let phase = ui.phase("verifying, as anyone would");
    files::write(&files.proof, proved.proof.to_json().as_bytes(), Access::Shared)?;
    files::write(&files.public, signals::to_json(&proved.public).as_bytes(), Access::Shared)?;
    // From the files, with nothing but the verification key.
    let proof = Proof::<Bn254>::from_json(files::read_text(&files.proof)?).in_file(&files.proof)?;
    let public: Vec<Fr> = signals::from_json(files::read_text(&files.public)?).in_file(&files.public)?;
    verify(&key.vk, &public, &proof)?;
    phase.done("the proof is valid");
    Ok(Shown { proved, traffic, key, runtime })
}

fn report(
    kept: Option<&Path>,
    dials: Dials,
    proved: &Proved<Bn254>,
    traffic: &Traffic,
    key: &ProvingKey<Bn254>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "INDEX",
        "NODE",
        "OPERATOR",
        "PACKAGE",
        "SEALED",
        "ANSWER",
        "WHAT IT GOT",
    ]);
    for member in &proved.members {
        let seat = traffic.seat(member.index);
        table.add_row([
            member.index.to_string(),
            member.name.clone(),
            member.operator.clone(),
            ui::bytes(seat.package as u64),
            ui::bytes(seat.envelope as u64),
            match seat.after {
                Some(after) => format!("{} after {}", ui::bytes(seat.answer as u64), ui::duration(after)),
                None => "none, and none needed".to_owned(),
            },
            what_it_got(dials, member.index),
        ]);
    }
    for column in [3, 4] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let proof: Value = serde_json::from_str(&proved.proof.to_json()).unwrap_or_default();
    let pair =
        |p: &Value| format!("{}, {}", p[0].as_str().unwrap_or_default(), p[1].as_str().unwrap_or_default());
    let names = ["nullifier", "new note", "root", "fee", "context"];
    let public: Vec<String> =
        names.iter().zip(&proved.public).map(|(n, x)| format!("  {n:<10} {x}")).collect();
    format!(
        "Who received what (the coordinator relayed {} and holds no key that opens any of it)\n{}\n\n\
         Why no node could open the witness\n{}\n\n\
         The proof, verified{}\n  A  {}\n  B  {}\n     {}\n  C  {}\nPublic\n{}",
        ui::bytes(traffic.upload as u64),
        table.trim_fmt(),
        why(dials, key),
        kept.map_or_else(String::new, |path| format!(" ({})", path.display())),
        pair(&proof["pi_a"]),
        pair(&proof["pi_b"][0]),
        pair(&proof["pi_b"][1]),
        pair(&proof["pi_c"]),
        public.join("\n"),
    )
}

/// For one row of the table.
fn what_it_got(dials: Dials, place: u8) -> String {
    let (group, index) = dials.seat_at(place).unwrap_or_default();
    let what = if dials.is_seeded(index) { "a seed for its shares" } else { "its shares" };
    if dials.groups() == 1 {
        what.to_owned()
    } else {
        format!("{what}, slice {} of {}", group + 1, dials.groups())
    }
}

/// Why one node alone, or the coordinator with it, could not open the witness.
fn why(dials: Dials, key: &ProvingKey<Bn254>) -> String {
    let shared = match dials.handover() {
        Handover::Quotient => format!(
            "Each of the {} private wires, of their products with the proof's blinders and of the {} values of the quotient\n  \
             (computed here)",
            key.n_private(),
            key.h_query.len()
        ),
        _ => format!("Each of the {} private wires", key.n_private()),
    };
    let answers = match dials.handover() {
        Handover::Quotient if dials.groups() > 1 => {
            "Each group's answers are masked, and the masks cancel out in the sum of all groups"
        }
        Handover::Quotient => "Nobody multiplies what a node answers, so that a lie cannot test a guess",
        _ => "Answers are masked, so that their products give nothing away",
    };
    let t = dials.threshold();
    let (curve, points, hold, more) = match t {
        1 => (
            "line".to_owned(),
            "One point fits every line".to_owned(),
            "a single node holds".to_owned(),
            "Two".to_owned(),
        ),
        t => (
            format!("polynomial of degree {t}"),
            format!("{t} points fit a polynomial"),
            format!("{t} nodes hold together"),
            (t + 1).to_string(),
        ),
    };
    format!(
        "  {shared} is the value at 0 of a random {curve}; node i got its value at i,\n  \
         and nothing else. {points} through every secret equally well: whatever {hold},\n  \
         or the coordinator with that, is distributed the same for every witness. {more} nodes that put their\n  \
         shares together would see it: that is what threshold {t} means, and why the nodes should be run by different\n  \
         operators. {answers} (docs/src/protocol.md)."
    )
}

fn summary(
    network: &LocalNetwork,
    files: &Files,
    proved: &Proved<Bn254>,
    traffic: &Traffic,
    key: &ProvingKey<Bn254>,
    keep: bool,
    total_ms: u128,
) -> Value {
    let nodes: Vec<Value> = proved
        .members
        .iter()
        .map(|m| {
            let seat = traffic.seat(m.index);
            json!({
                "index": m.index, "name": m.name, "operator": m.operator, "identity": hex::encode(m.identity),
                "package_bytes": seat.package, "envelope_bytes": seat.envelope,
                "answered": proved.answered.contains(m),
                "answered_after_ms": seat.after.map(|d| d.as_millis()),
            })
        })
        .collect();
    json!({
        "ok": true, "verified": true, "job": proved.job.to_string(), "circuit": key.circuit_id.to_string(),
        "wires": key.n_wires, "private_wires": key.n_private(), "nodes": nodes, "upload_bytes": traffic.upload,
        "proof": serde_json::from_str::<Value>(&proved.proof.to_json()).unwrap_or_default(),
        "public": proved.public.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "total_ms": total_ms, "kept": keep,
        "network": keep.then(|| network.network_toml()), "zkey": keep.then_some(&files.zkey),
    })
}

fn next(args: &Args, network: &LocalNetwork, files: &Files, took: std::time::Duration) -> String {
    let took = ui::duration(took);
    if args.keep {
        return format!(
            "Done in {took}. The network is up. Next, delegate a proof yourself and check it:\n  \
             tacit groth16 prove {} {} my_proof.json my_public.json --network {}{}\n  \
             tacit groth16 verify {} my_public.json my_proof.json\n\
             Look at its jobs, then end it:\n  tacit job list --network {}\n  tacit network down --dir {}",
            files.zkey.display(),
            files.wtns.display(),
            network.network_toml().display(),
            args.scenario.arguments(),
            files.vkey.display(),
            network.network_toml().display(),
            network.folder.display(),
        );
    }
    let development = DEV_WARNING.split(':').next().unwrap_or_default();
    format!(
        "Done in {took}. The proving key was made for this run only ({development}).\n\
         Next, keep the network and use it with your own circuit:\n  tacit demo --keep\n  \
         tacit groth16 prove ZKEY WTNS PROOF PUBLIC --network NET.toml"
    )
}
