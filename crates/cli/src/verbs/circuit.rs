//! `tacit circuit add|list|info|remove --network NET.toml`

use std::path::{Path, PathBuf};

use clap::Subcommand;
use comfy_table::{Table, presets};
use serde_json::json;
use tacit_client::{Api, Artefact, Network};
use tacit_delegate::msm::bases::{self, Bases};
use tacit_groth16::CircuitId;
use tacit_wire::status::{CircuitInfo, CircuitKind};

use crate::cache::RegisteredR1cs;
use crate::curves::with_curve;
use crate::failure::{Failure, InFile, Outcome};
use crate::files;
use crate::keys::{KeyOptions, ZkeyFile};
use crate::ui::{self, Phase, Ui};

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Args {
    /// Register a circuit by its proving key, or bases, under the digest of the content
    Add {
        /// Proving key, or a file of bases
        #[arg(value_name = "ZKEY")]
        file: PathBuf,
        /// The network's pins
        #[arg(long)]
        network: PathBuf,
        /// The constraint system: lets clients find a mistake in their witness before they deal it
        #[arg(long)]
        r1cs: Option<PathBuf>,
        #[command(flatten)]
        key: KeyOptions,
    },
    /// List the circuits and bases that a network knows
    List {
        /// The network's pins
        #[arg(long)]
        network: PathBuf,
    },
    /// Have a network forget a circuit, or bases, that no open job needs: whoever registered it may, and operators
    Remove {
        /// The id
        circuit: String,
        /// The network's pins
        #[arg(long)]
        network: PathBuf,
    },
    /// Show one circuit, by its id or by its proving key; or bases, by their id or their file
    Info {
        /// The id, or a file with the proving key or the bases
        circuit: String,
        /// The network's pins; without them only the file is looked at
        #[arg(long)]
        network: Option<PathBuf>,
    },
}

/// Runs it.
pub fn run(args: &Args, ui: &Ui) -> Outcome {
    match args {
        Args::Add { file, network, r1cs, key } => add(file, network, r1cs.as_deref(), key, ui),
        Args::List { network } => list(network, ui),
        Args::Remove { circuit, network } => remove(circuit, network, ui),
        Args::Info { circuit, network } => info(circuit, network.as_deref(), ui),
    }
}

/// Uploads what the coordinator does not have yet; returns whether anything was sent.
pub fn register(
    api: &Api,
    runtime: &tokio::runtime::Runtime,
    id: CircuitId,
    zkey: &Artefact,
    r1cs: Option<&Artefact>,
    phase: &Phase,
) -> Outcome<bool> {
    let known = runtime.block_on(api.circuit(id))?;
    let told = phase.reporter();
    let tell = move |sent: u64, total: u64| told(&format!("{} of {}", ui::bytes(sent), ui::bytes(total)));
    let mut sent = false;
    if known.is_none() {
        runtime.block_on(api.put_circuit(id, zkey, tell.clone()))?;
        sent = true;
    }
    if let Some(r1cs) = r1cs.filter(|_| !known.is_some_and(|k| k.has_r1cs)) {
        runtime.block_on(api.put_r1cs(id, r1cs, tell))?;
        sent = true;
    }
    Ok(sent)
}

fn add(zkey: &Path, network: &Path, r1cs: Option<&Path>, options: &KeyOptions, ui: &Ui) -> Outcome {
    let network = crate::api_key::load_network(network)?;
    let first = files::read_start(zkey, 64)?;
    if bases::is_bases(&first) {
        if let Some(r1cs) = r1cs {
            return Err(Failure::new(format!(
                "{}: this is a file of bases, no constraint system ({}) belongs to it",
                zkey.display(),
                r1cs.display()
            )));
        }
        return add_bases(zkey, &network, ui);
    }
    let file = ZkeyFile::read(zkey)?;
    let (id, n_wires) = with_curve!(file.curve, C => {
        let key = file.proving_key::<C>(options, ui)?;
        (key.circuit_id, key.n_wires)
    });
    let runtime = crate::runtime::new()?;
    let api = Api::new(&network)?;
    if let Some(path) = r1cs {
        RegisteredR1cs::record(id, &crate::files::read(path)?)?;
    }
    let phase = ui.phase("registering the circuit");
    let bytes = file.bytes.len() as u64;
    let new = register(&api, &runtime, id, &Artefact::from(zkey), r1cs.map(Artefact::from).as_ref(), &phase)?;
    phase.done(if new { ui::bytes(bytes) } else { "known already".to_owned() });
    ui.result(
        &json!({ "ok": true, "circuit": id.to_string(), "curve": file.curve.to_string(), "wires": n_wires, "bytes": bytes, "new": new }),
        format!("circuit {id}"),
    );
    Ok(())
}

fn add_bases(path: &Path, network: &Network, ui: &Ui) -> Outcome {
    let found = bases_info(path)?;
    let (runtime, api) = (crate::runtime::new()?, Api::new(network)?);
    let phase = ui.phase("registering the bases");
    let new = register(&api, &runtime, CircuitId(found.id.0), &Artefact::from(path), None, &phase)?;
    phase.done(if new { ui::bytes(found.bytes) } else { "known already".to_owned() });
    ui.result(
        &json!({ "ok": true, "bases": found.id.to_string(), "curve": found.curve, "points": found.n_wires, "bytes": found.bytes, "new": new }),
        format!("bases {}", found.id),
    );
    Ok(())
}

/// What a file of bases is, every point of it checked.
fn bases_info(path: &Path) -> Outcome<CircuitInfo> {
    let bytes = files::read(path)?;
    let curve = bases::curve_of(&bytes).in_file(path)?;
    let (id, points) = with_curve!(curve, C => {
        let bases = Bases::<C>::read(&bytes).in_file(path)?;
        (bases.id(), bases.points().len())
    });
    Ok(CircuitInfo {
        id: tacit_wire::Digest32(id.0),
        kind: CircuitKind::Bases,
        curve: curve.snarkjs_name().to_owned(),
        n_wires: points as u64,
        n_public: 0,
        log_domain: 0,
        bytes: bytes.len() as u64,
        has_r1cs: false,
    })
}

fn list(network: &Path, ui: &Ui) -> Outcome {
    let api = Api::new(&crate::api_key::load_network(network)?)?;
    let circuits = crate::runtime::new()?.block_on(api.circuits())?;
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(["CIRCUIT", "CURVE", "WIRES", "PUBLIC", "DOMAIN", "KEY", "R1CS"]);
    for c in &circuits {
        let of_circuit = |text: String| if c.kind == CircuitKind::Bases { "-".to_owned() } else { text };
        table.add_row([
            c.id.to_string(),
            c.curve.clone(),
            if c.kind == CircuitKind::Bases { format!("{} bases", c.n_wires) } else { c.n_wires.to_string() },
            of_circuit(c.n_public.to_string()),
            of_circuit(format!("2^{}", c.log_domain)),
            ui::bytes(c.bytes),
            of_circuit(if c.has_r1cs { "yes" } else { "no" }.to_owned()),
        ]);
    }
    let text = if circuits.is_empty() {
        "No circuit is registered. `tacit circuit add ZKEY --network NET.toml` adds one.".to_owned()
    } else {
        table.trim_fmt()
    };
    ui.result(&serde_json::to_value(&circuits)?, text);
    Ok(())
}

fn remove(circuit: &str, network: &Path, ui: &Ui) -> Outcome {
    let Some(id) = parse_id(circuit) else {
        let text = "is no id (64 hexadecimal digits); `tacit circuit list` shows those of a network";
        return Err(Failure::new(format!("{circuit} {text}")));
    };
    let api = Api::new(&crate::api_key::load_network(network)?)?;
    crate::runtime::new()?.block_on(api.remove_circuit(id))?;
    ui.result(&json!({ "ok": true, "removed": id.to_string() }), format!("circuit {id} is removed"));
    Ok(())
}

fn info(circuit: &str, network: Option<&Path>, ui: &Ui) -> Outcome {
    let path = Path::new(circuit);
    let id = match parse_id(circuit) {
        Some(id) => id,
        None if bases::is_bases(&files::read_start(path, 64)?) => {
            let found = bases_info(path)?;
            if network.is_none() {
                return show(&found, ui);
            }
            CircuitId(found.id.0)
        }
        None => {
            let file = ZkeyFile::read(path)?;
            with_curve!(file.curve, C => {
                let key = file.proving_key::<C>(&KeyOptions::default(), ui)?;
                if network.is_none() {
                    let found = CircuitInfo {
                        id: tacit_wire::Digest32(key.circuit_id.0),
                        kind: CircuitKind::Circuit,
                        curve: file.curve.snarkjs_name().to_owned(),
                        n_wires: key.n_wires as u64,
                        n_public: key.n_public as u64,
                        log_domain: key.log_domain,
                        bytes: file.bytes.len() as u64,
                        has_r1cs: false,
                    };
                    show(&found, ui)?;
                    return Ok(());
                }
                key.circuit_id
            })
        }
    };
    let Some(network) = network else {
        return Err(Failure::new("to look a circuit up by its id, name the network with --network NET.toml"));
    };
    let api = Api::new(&crate::api_key::load_network(network)?)?;
    match crate::runtime::new()?.block_on(api.circuit(id))? {
        Some(found) => show(&found, ui),
        None => Err(Failure::new(format!(
            "the network does not know circuit {id}; `tacit circuit add ZKEY --network {}` registers it",
            network.display()
        ))),
    }
}

fn show(c: &CircuitInfo, ui: &Ui) -> Outcome {
    if c.kind == CircuitKind::Bases {
        let text = format!(
            "Bases   {}\nCurve   {}\nPoints  {}\nFile    {}",
            c.id,
            c.curve,
            c.n_wires,
            ui::bytes(c.bytes)
        );
        ui.result(&serde_json::to_value(c).in_file(Path::new("bases"))?, text);
        return Ok(());
    }
    let text = format!(
        "Circuit      {}\nCurve        {}\nWires        {}\nPublic       {}\nDomain       2^{}\nProving key  {}",
        c.id,
        c.curve,
        c.n_wires,
        c.n_public,
        c.log_domain,
        ui::bytes(c.bytes),
    );
    ui.result(&serde_json::to_value(c).in_file(Path::new("circuit"))?, text);
    Ok(())
}

fn parse_id(text: &str) -> Option<CircuitId> {
    let mut id = [0; 32];
    hex::decode_to_slice(text, &mut id).ok().map(|()| CircuitId(id))
}
