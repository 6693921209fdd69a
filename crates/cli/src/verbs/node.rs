//! `tacit node init|run|status|doctor|passphrase --dir DIR`, `tacit node circuit add --dir DIR FILE...`

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;
use tacit_node::{Config, Limits, Node, config};
use tacit_vault::{DataDir, protection};
use tacit_wire::IdentityKey;

use crate::failure::{Failure, InFile, Outcome};
use crate::files::{self, Access};
use crate::local_network::Ready;
use crate::service::{self, ServiceOptions};
use crate::ui::Ui;
use crate::unlock::{Configured, UnlockOptions};
use crate::verbs::{node_doctor, node_status};

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Args {
    /// Make a node's identity, sealing key and configuration; prints the identity that clients pin
    Init {
        /// The node's folder: for its owner only
        #[arg(long)]
        dir: PathBuf,
        /// What logs call the node
        #[arg(long, default_value = "node")]
        name: String,
        /// The coordinator, host:port (UDP)
        #[arg(long, value_name = "HOST:PORT")]
        coordinator: Option<String>,
        /// The coordinator's identity, 64 hexadecimal digits
        #[arg(long, value_name = "KEY")]
        coordinator_identity: Option<IdentityKey>,
        /// Seconds that a sealing key lives
        #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(2..))]
        sealing_key_seconds: Option<u64>,
        #[command(flatten)]
        unlock: UnlockOptions,
        /// Leave the keys in the clear: for tests
        #[arg(long, conflicts_with_all = ["passphrase_file", "key_file"])]
        unencrypted: bool,
    },
    /// Run the node until stopped; it dials the coordinator and needs no open port
    Run {
        /// The node's folder
        #[arg(long)]
        dir: PathBuf,
        #[command(flatten)]
        unlock: UnlockOptions,
        #[command(flatten)]
        service: ServiceOptions,
    },
    /// Say how a running node is: connection, offers, keys, circuits, memory and disk; exit code 1 if none runs
    Status {
        /// The node's folder
        #[arg(long)]
        dir: PathBuf,
    },
    /// Look for what keeps a node from working or from keeping its secrets; exit code 1 if a check fails
    Doctor {
        /// The node's folder
        #[arg(long)]
        dir: PathBuf,
        #[command(flatten)]
        unlock: UnlockOptions,
    },
    /// The circuits that this node has at hand: add
    #[command(subcommand)]
    Circuit(CircuitArgs),
    /// Encrypt the keys of a node that does not run under another passphrase or key file, or under none
    Passphrase {
        /// The node's folder
        #[arg(long)]
        dir: PathBuf,
        #[command(flatten)]
        change: ChangeOptions,
    },
}

/// What to do with a node's circuits.
#[derive(Debug, Subcommand)]
pub enum CircuitArgs {
    /// Bring circuits and bases in from files, so that no offer has to wait for them: checked in full, prepared once, named by their content.
    /// The node may be running; it announces them within a minute
    Add {
        /// The node's folder
        #[arg(long)]
        dir: PathBuf,
        /// Proving keys (.zkey), files of bases, or folders with such files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

/// What a service's keys are encrypted under now, and what they are to be.
#[derive(Debug, Clone, clap::Args)]
pub struct ChangeOptions {
    #[command(flatten)]
    unlock: UnlockOptions,
    /// The new passphrase
    #[arg(long, value_name = "FILE", conflicts_with = "new_key_file")]
    new_passphrase_file: Option<PathBuf>,
    /// The new key, outside of the folder; made if it is missing
    #[arg(long, value_name = "FILE")]
    new_key_file: Option<PathBuf>,
    /// Leave the keys in the clear: for tests
    #[arg(long, conflicts_with_all = ["new_passphrase_file", "new_key_file"])]
    unencrypted: bool,
}

/// Runs it.
pub fn run(args: &Args, ui: &Ui) -> Outcome {
    match args {
        Args::Init { .. } => init(args, ui),
        Args::Run { dir, unlock, service } => serve(dir, unlock, service, ui),
        Args::Status { dir } => node_status::run(dir, ui),
        Args::Doctor { dir, unlock } => node_doctor::run(dir, unlock, ui),
        Args::Circuit(CircuitArgs::Add { dir, files }) => import(dir, files, ui),
        Args::Passphrase { dir, change } => passphrase(dir, &config_path(dir), change, ui),
    }
}

/// The configuration file in a node's folder.
pub fn config_path(dir: &Path) -> PathBuf {
    dir.join("node.toml")
}

fn init(args: &Args, ui: &Ui) -> Outcome {
    let Args::Init { dir, name, coordinator, coordinator_identity, sealing_key_seconds, unlock, unencrypted } =
        args
    else {
        return Ok(());
    };
    let path = config_path(dir);
    let new = !path.exists();
    // What is configured already holds: the key's life, and where what unlocks the keys lies.
    let known: Option<Config> = if new { None } else { Some(service::read_config(&path, dir)?) };
    let lifetime = sealing_key_seconds
        .or(known.as_ref().map(|config| config.limits.sealing_key_seconds))
        .unwrap_or(Limits::default().sealing_key_seconds);
    let unlock_with = match &known {
        Some(config) if identity_exists(dir) => unlock.open(dir, &configured(config))?,
        Some(config) if config.passphrase_file.is_some() || config.key_file.is_some() => {
            unlock.given(dir, &configured(config))?
        }
        _ => unlock.choose(dir, *unencrypted)?,
    };
    let identity = tacit_node::init_with(dir, &unlock_with, lifetime)?;
    if new {
        let key = coordinator_identity.map_or_else(|| "0".repeat(64), |k| k.to_string());
        let mut given = Vec::new();
        if let Some(seconds) = sealing_key_seconds {
            given.push(("sealing_key_seconds", seconds.to_string()));
        }
        for (setting, file) in [("passphrase_file", &unlock.passphrase_file), ("key_file", &unlock.key_file)]
        {
            if let Some(file) = file {
                let file = file.canonicalize().in_file(file)?;
                given.push((setting, config::quoted(&file.to_string_lossy())));
            }
        }
        let text = config::annotated(name, coordinator.as_deref().unwrap_or("127.0.0.1:7444"), &key, &given);
        files::write(&path, text.as_bytes(), Access::Private)?;
    }
    let complete = coordinator.is_some() && coordinator_identity.is_some();
    let next = match (new, complete) {
        (true, true) => format!(
            "Give this identity to the coordinator's operator and to clients, then: tacit node run --dir {}",
            dir.display()
        ),
        (true, false) => format!("Now fill in the coordinator in {}.", path.display()),
        (false, _) => format!("{} was there already and is unchanged.", path.display()),
    };
    let keys = protection::method_of(dir)?.unwrap_or("unencrypted");
    ui.result(
        &json!({ "ok": true, "identity": identity.to_string(), "config": path, "new": new, "keys": keys }),
        format!("identity {identity}\nkeys     {keys}\n{next}"),
    );
    Ok(())
}

/// Refuses to write into somebody else's folder, as root could: the node could not open what is left there.
fn as_owner(dir: &Path) -> Outcome {
    use std::os::unix::fs::MetadataExt;
    let owner = std::fs::metadata(dir).in_file(dir)?.uid();
    let asking = rustix::process::geteuid().as_raw();
    if owner == asking {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{} belongs to user {owner} and you are user {asking}: do this as its owner, or the node cannot open what is written",
        dir.display()
    )))
}

fn import(dir: &Path, given: &[PathBuf], ui: &Ui) -> Outcome {
    as_owner(dir)?;
    let config: Config = service::read_config(&config_path(dir), dir)?;
    let mut paths = Vec::new();
    for path in given {
        if path.is_dir() {
            let is_ours = |p: &PathBuf| p.extension().is_some_and(|e| e == "zkey" || e == "bases");
            let inside = std::fs::read_dir(path).in_file(path)?.flatten().map(|entry| entry.path());
            let mut inside: Vec<PathBuf> = inside.filter(is_ours).collect();
            if inside.is_empty() {
                return Err(Failure::new(format!(
                    "{}: there is no .zkey and no .bases file in it",
                    path.display()
                )));
            }
            inside.sort();
            paths.extend(inside);
        } else {
            paths.push(path.clone());
        }
    }
    let mut done = Vec::new();
    let mut lines = Vec::new();
    for path in paths {
        let phase = ui.phase(format!("{}", path.display()));
        let imported = tacit_node::import(&config, &path)?;
        phase.done(if imported.new { "prepared" } else { "was there, prepared again" });
        lines.push(format!("{}  {}", imported.id, path.display()));
        done.push(json!({
            "file": path, "id": imported.id.to_string(), "bytes": imported.bytes, "new": imported.new,
        }));
    }
    ui.result(&json!({ "ok": true, "imported": done }), lines.join("\n"));
    Ok(())
}

fn identity_exists(dir: &Path) -> bool {
    dir.join(tacit_vault::identity::IDENTITY_FILE).exists()
}

/// The files that a node's configuration names.
pub fn configured(config: &Config) -> Configured<'_> {
    Configured { passphrase_file: config.passphrase_file.as_deref(), key_file: config.key_file.as_deref() }
}

/// Encrypts a service's keys otherwise than before; the configuration, if there is one, may say what opens them now.
pub fn passphrase(dir: &Path, config: &Path, change: &ChangeOptions, ui: &Ui) -> Outcome {
    if !identity_exists(dir) {
        return Err(Failure::new(format!("{}: there are no keys here", dir.display())));
    }
    as_owner(dir)?;
    let table: toml::Table =
        if config.exists() { files::read_text(config)?.parse().in_file(config)? } else { toml::Table::new() };
    let file = |name: &str| table.get(name).and_then(toml::Value::as_str).map(Path::new);
    let configured = Configured { passphrase_file: file("passphrase_file"), key_file: file("key_file") };
    let old = change.unlock.open(dir, &configured)?;
    let mut data = DataDir::open_with(dir, &old)?;
    let wanted = UnlockOptions {
        passphrase_file: change.new_passphrase_file.clone(),
        key_file: change.new_key_file.clone(),
    };
    // The terminal is asked where no file is named, not the environment: that is what opens the keys now.
    let new = match (&wanted.passphrase_file, &wanted.key_file) {
        (None, None) if !change.unencrypted => crate::unlock::ask_twice()?,
        _ => wanted.choose(dir, change.unencrypted)?,
    };
    data.protect(&new)?;
    let keys = new.method();
    let next = if new.is_some() {
        format!("Where {} names a passphrase or key file, see that it is the new one.", config.display())
    } else {
        format!(
            "Where {} names a passphrase or key file, take it out: keys in the clear are refused then.",
            config.display()
        )
    };
    ui.result(&json!({ "ok": true, "keys": keys }), format!("keys     {keys}\n{next}"));
    Ok(())
}

fn serve(dir: &Path, unlock: &UnlockOptions, service: &ServiceOptions, ui: &Ui) -> Outcome {
    let path = config_path(dir);
    if !path.exists() {
        return Err(Failure::new(format!(
            "{}: there is no node here; `tacit node init --dir {}` makes one",
            path.display(),
            dir.display()
        )));
    }
    let config: Config = service::read_config(&path, dir)?;
    if config.coordinator_identity == IdentityKey([0; 32]) {
        return Err(Failure::new(format!(
            "{}: coordinator_identity is not filled in; the coordinator prints its identity when it starts",
            path.display()
        )));
    }
    let unlock = unlock.open(dir, &configured(&config))?;
    let _export = service::start_logging(service, "tacit-node")?;
    let runtime = crate::runtime::new()?;
    let stop = service::stop(service)?;
    service::run(runtime, async {
        let coordinator = config.coordinator.iter().collect::<Vec<_>>().join(", ");
        let node = Node::open_unlocked(config, &unlock).await?;
        if let Some(address) = node.metrics_address() {
            tracing::info!("metrics at {address}");
        }
        let ready =
            Ready { ready: true, identity: node.identity().to_string(), https: None, quic: None, http: None };
        let text = format!("node {}\ndials {coordinator}", ready.identity);
        service::say_ready(&ready, &text, ui)?;
        node.run(stop).await.map_err(Into::into)
    })
}
