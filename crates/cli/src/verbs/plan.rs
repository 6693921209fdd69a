//! `tacit plan ZKEY`

use std::path::{Path, PathBuf};
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Value, json};
use tacit_algebra::{Curve, Groups};
use tacit_client::Client;
use tacit_client::plan::{Circuit, Privacy, Row, Survey, Wish, Work, nodes};
use tacit_delegate::Dials;

use super::wtns_calculate;
use crate::advice::{self, Advice, Request, Source};
use crate::curves::with_curve;
use crate::delegated::{HandoverName, PrivacyName};
use crate::failure::{Failure, Outcome};
use crate::keys::{KeyOptions, ZkeyFile};
use crate::measure::measure;
use crate::ui::{self, Ui};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Proving key
    zkey: PathBuf,
    /// The network's pins: its nodes are asked for their speed, and the line to its coordinator is measured. Without them
    /// every node is taken to be as fast as this device
    #[arg(long, value_name = "NET.toml")]
    network: Option<PathBuf>,
    /// Count on these nodes only: names of nodes, or of operators, in network.toml
    #[arg(long, value_name = "NAME", value_delimiter = ',', requires = "network")]
    nodes: Option<Vec<String>>,
    /// Count without these nodes, or operators
    #[arg(long, value_name = "NAME", value_delimiter = ',', requires = "network")]
    avoid: Vec<String>,
    /// The circuit's witness program: with it and inputs, what the witness takes is measured and counted, too
    #[arg(long, requires = "input")]
    wasm: Option<PathBuf>,
    /// The circuit's inputs
    #[arg(long, requires = "wasm")]
    input: Option<PathBuf>,
    /// The line upwards in megabits (10^6) a second, instead of measuring it [default without a network: 10]
    #[arg(long, value_name = "MBIT", value_parser = mbit)]
    upload_mbit: Option<f64>,
    /// Against how many of the nodes the witness has to be safe
    #[arg(long, value_enum, default_value_t = PrivacyName::One)]
    privacy: PrivacyName,
    /// Only settings with so many nodes (of each group)
    #[arg(long, value_name = "N")]
    committee: Option<u8>,
    /// Only settings with so many groups
    #[arg(long, value_name = "G")]
    groups: Option<u8>,
    /// Only settings with this threshold
    #[arg(long, value_name = "T")]
    threshold: Option<u8>,
    /// Only settings with this handover
    #[arg(long, value_enum, default_value_t = HandoverName::Auto)]
    handover: HandoverName,
    #[command(flatten)]
    key: KeyOptions,
}

/// How long the deals would live that are planned: as long as those of `groth16 prove`.
const EXPIRY: Duration = Duration::from_secs(180);

fn mbit(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(mbit) if (0.001..=1e6).contains(&mbit) => Ok(mbit),
        _ => Err("expected megabits a second, from 0.001 to 1000000".to_owned()),
    }
}

/// Plans.
pub fn run(args: &Args, ui: &Ui) -> Outcome {
    let wish = Wish {
        committee: args.committee,
        threshold: args.threshold,
        groups: args.groups,
        handover: args.handover.named()?,
        privacy: Privacy::from(args.privacy),
    };
    let network = match &args.network {
        Some(path) => {
            let mut network = crate::api_key::load_network(path)?;
            network.narrow(("--nodes", args.nodes.as_deref()), ("--avoid", &args.avoid))?;
            Some((Client::new(network)?, crate::runtime::new()?))
        }
        None => None,
    };
    let zkey = ZkeyFile::read(&args.zkey)?;
    with_curve!(zkey.curve, C => plan_for::<C>(args, wish, network.as_ref(), zkey, ui))
}

fn plan_for<C: Curve>(
    args: &Args,
    wish: Wish,
    network: Option<&(Client, tokio::runtime::Runtime)>,
    zkey: ZkeyFile,
    ui: &Ui,
) -> Outcome {
    let key = zkey.proving_key::<C>(&args.key, ui)?;
    drop(zkey);
    let witness = match (&args.wasm, &args.input) {
        (Some(wasm), Some(input)) => Some(witness::<C>(wasm, input, key.n_wires, ui)?),
        _ => None,
    };
    let request = Request {
        wish,
        network: network.map(|(client, runtime)| (client, runtime)),
        expiry: EXPIRY,
        upload_mbit: args.upload_mbit,
        witness,
    };
    let advice = advice::advise(&key, &request, ui)?;
    let circuit = Circuit::of(&key);
    let head = format!(
        "{}: {} private wires, domain 2^{}, {}",
        args.zkey.display(),
        circuit.private_wires(),
        key.log_domain,
        C::ID
    );
    let command = command(args, advice.plan.recommended.setting.dials);
    let mut result = to_json(&advice, &command);
    if let Some(result) = result.as_object_mut() {
        result.insert("ok".to_owned(), true.into());
        result.insert("curve".to_owned(), C::ID.to_string().into());
        result.insert("circuit".to_owned(), key.circuit_id.to_string().into());
        result.insert("private_wires".to_owned(), circuit.private_wires().into());
        result.insert("log_domain".to_owned(), key.log_domain.into());
    }
    ui.result(&result, to_text(&head, &advice, &command));
    Ok(())
}

/// What the witness takes, as `groth16 fullprove` does it: the program loaded and run.
fn witness<C: Curve>(wasm: &Path, input: &Path, n_wires: usize, ui: &Ui) -> Outcome<Work> {
    let (calculated, cost) = measure(|| -> Outcome<usize> {
        let calculator = wtns_calculate::load(wasm)?;
        if calculator.curve() != C::ID {
            return Err(Failure::new(format!(
                "{} is compiled for {}, the proving key is over {}: they belong to different circuits",
                wasm.display(),
                calculator.curve(),
                C::ID
            )));
        }
        let witness = wtns_calculate::calculate::<<C as Groups>::Scalar>(&calculator, input, None, ui)?;
        Ok(witness.values.len())
    });
    let wires = calculated?;
    if wires != n_wires {
        return Err(Failure::new(format!(
            "{} calculates {wires} wires, the proving key has {n_wires}: they belong to different circuits",
            wasm.display()
        )));
    }
    Ok(Work { cpu: cost.cpu_ms / 1e3, wall: cost.wall_ms / 1e3 })
}

/// What to type to have the recommended setting.
fn command(args: &Args, dials: Dials) -> String {
    let network = args.network.as_deref().map_or_else(|| "NET.toml".to_owned(), quoted);
    let zkey = quoted(&args.zkey);
    let files = match (&args.wasm, &args.input) {
        (Some(wasm), Some(input)) => format!("fullprove {} {} {zkey}", quoted(input), quoted(wasm)),
        _ => format!("prove {zkey} witness.wtns"),
    };
    let mut command = format!("tacit groth16 {files} proof.json public.json --network {network}");
    for (option, names) in [("--nodes", args.nodes.as_deref()), ("--avoid", Some(args.avoid.as_slice()))] {
        if let Some(names) = names.filter(|names| !names.is_empty()) {
            command.push_str(&format!(" {option} {}", quoted(Path::new(&names.join(",")))));
        }
    }
    format!("{command} {}", advice::options(dials))
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@%,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

fn to_json(advice: &Advice, command: &str) -> Value {
    use advice::milliseconds as ms;
    let Advice { plan, device, line, source, survey } = advice;
    let row = |(i, row): (usize, &Row)| {
        json!({
            "handover": row.dials.handover().name(), "n": row.dials.nodes(), "t": row.dials.threshold(),
            "groups": row.dials.groups(), "seats": row.dials.seats(), "client_cpu_ms": ms(row.client.cpu),
            "client_ms": ms(row.client.wall), "upload_bytes": row.upload_bytes, "upload_ms": ms(row.upload),
            "nodes_ms": ms(row.nodes), "round_trips_ms": ms(row.round_trips), "latency_ms": ms(row.latency()),
            "must_collude": row.must_collude(), "may_drop": row.may_drop(), "recommended": i == plan.recommended.row,
        })
    };
    let nodes = survey.as_ref().map(|survey| {
        let node = |node: &tacit_client::plan::survey::Surveyed| {
            json!({
                "name": node.name, "operator": node.operator, "claimed_bases_per_second": node.claim,
                "believed": nodes::plausible(node.claim).is_some(), "has_circuit": node.has_circuit,
            })
        };
        survey.nodes.iter().map(node).collect::<Vec<_>>()
    });
    let mut recommended = advice::to_json(&plan.recommended);
    if let Some(recommended) = recommended.as_object_mut() {
        recommended.insert("command".to_owned(), command.into());
    }
    json!({
        "device": {
            "bases_per_second": device.bases_per_second,
            "witness_ms": device.witness.map(|witness| ms(witness.wall)),
        },
        "line": {
            "bytes_per_second": line.bytes_per_second.round(), "round_trip_ms": ms(line.round_trip),
            "source": match source {
                Source::Measured => "measured",
                Source::Given => "given",
                Source::Assumed => "assumed",
            },
        },
        "nodes": nodes,
        "absent": survey.as_ref().map(Survey::absent).unwrap_or_default(),
        "local": { "cpu_ms": ms(plan.local.cpu), "wall_ms": ms(plan.local.wall) },
        "settings": plan.rows.iter().enumerate().map(row).collect::<Vec<_>>(),
        "recommended": recommended,
    })
}

fn time(seconds: f64) -> String {
    ui::duration(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

fn to_text(head: &str, advice: &Advice, command: &str) -> String {
    let Advice { plan, .. } = advice;
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "",
        "HANDOVER",
        "NODES",
        "T",
        "YOUR CPU",
        "UPLOAD",
        "EXPECTED",
        "MUST COLLUDE",
        "MAY DROP",
    ]);
    table.add_row([
        String::new(),
        "none: here".to_owned(),
        "-".to_owned(),
        "-".to_owned(),
        time(plan.local.cpu),
        "-".to_owned(),
        time(plan.local.wall),
        "nobody sees it".to_owned(),
        "-".to_owned(),
    ]);
    for (i, row) in plan.rows.iter().enumerate() {
        let groups = row.dials.groups() > 1;
        table.add_row([
            if i == plan.recommended.row { ">" } else { "" }.to_owned(),
            row.dials.handover().name().to_owned(),
            if groups {
                format!("{} x {}", row.dials.groups(), row.dials.nodes())
            } else {
                row.dials.nodes().to_string()
            },
            row.dials.threshold().to_string(),
            time(row.client.cpu),
            ui::bytes(row.upload_bytes as u64),
            time(row.latency()),
            format!(
                "{} of {}{}",
                row.must_collude(),
                if groups { "one group's " } else { "" },
                row.dials.nodes()
            ),
            match (row.may_drop(), groups) {
                (0, _) => "none".to_owned(),
                (n, false) => n.to_string(),
                (n, true) => format!("{n} of each"),
            },
        ]);
    }
    for column in 2..=6 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let recommended = &plan.recommended;
    let setting = advice::words(recommended.setting.dials);
    let local = if recommended.local_is_quicker {
        format!(
            "\nA proof made here is expected to be quicker ({}), and nobody else has a part of the witness: delegate if this \
             device\nlacks the memory or should be spared the work.",
            time(plan.local.wall)
        )
    } else {
        String::new()
    };
    format!(
        "{head}\n\n{}\n\nRecommended (>): {setting}:\n{recommended}.\n\n  {command}\n{local}\n\n{}",
        table.trim_fmt(),
        grounds(advice)
    )
}

/// What is known, what was measured, what is assumed, what is not counted.
fn grounds(advice: &Advice) -> String {
    let Advice { device, line, source, survey, .. } = advice;
    let mbit = line.bytes_per_second * 8e-6;
    let mut lines = vec![
        "The coordinator adds nothing to who must collude; it sees circuit, public inputs, sizes and times.".to_owned(),
        "Bytes are exact. Times are estimates, from what was measured here with random numbers (a witness of small ones is".to_owned(),
        format!("proved here in less): sums, transforms, sharing, sealing; this device adds up {}.", advice::speed(device.bases_per_second)),
        match source {
            Source::Measured => {
                format!("The line to the coordinator was measured: {mbit:.1} Mbit/s upwards, {} there and back.", time(line.round_trip))
            }
            Source::Given => format!("The line is as you say, {mbit} Mbit/s upwards; {} there and back are assumed.", time(line.round_trip)),
            Source::Assumed => format!(
                "The line was not measured: {mbit} Mbit/s upwards (--upload-mbit) and {} there and back are assumed.",
                time(line.round_trip)
            ),
        },
    ];
    match survey {
        None => lines.push("Without --network every node is taken to be as fast as this device, and there are as many as needed.".to_owned()),
        Some(survey) => {
            let claims: Vec<String> = survey.nodes.iter().map(claim).collect();
            lines.push(format!("Nodes that can be seated, with the speed that they claim: {}.", claims.join("; ")));
            lines.push("Nobody has checked these claims; nodes that share a machine are slower than each of them says.".to_owned());
            for absent in survey.absent() {
                lines.push(format!("Cannot be seated: {}.", ui::printable(&absent)));
            }
            let have = survey.nodes.iter().filter(|node| node.has_circuit).count();
            if have < survey.nodes.len() {
                lines.push(format!("{have} of {} nodes have this circuit; others fetch and check its key first.", survey.nodes.len()));
            }
        }
    }
    let witness =
        if device.witness.is_none() { "the witness's calculation (--wasm and --input), " } else { "" };
    lines.push(format!("Not counted: {witness}what the nodes' own lines take, other jobs at the nodes."));
    lines.join("\n")
}

fn claim(node: &tacit_client::plan::survey::Surveyed) -> String {
    let said = match nodes::plausible(node.claim) {
        Some(speed) => advice::speed(speed),
        None if node.claim == 0 => "has not said".to_owned(),
        None => "an impossible one, passed over".to_owned(),
    };
    format!("{} {said}", node.name)
}
