//! `tacit coordinator init|run|passphrase --dir DIR`, `tacit coordinator key ...`

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;
use tacit_coordinator::{Config, Coordinator, Role, access};

use crate::failure::{Failure, Outcome};
use crate::files::{self, Access};
use crate::local_network::{Ready, make_private};
use crate::service::{self, ServiceOptions};
use crate::ui::Ui;
use crate::unlock::{Configured, UnlockOptions};
use crate::verbs::node;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Args {
    /// Make a coordinator's folder, identity and configuration; prints the identity that nodes and clients pin. `run` does the
    /// same where it is missing
    Init {
        /// Folder with its configuration, identity, circuits and database
        #[arg(long)]
        dir: PathBuf,
        /// Take this identity (another coordinator's identity.pem): for coordinators that share a database
        #[arg(long, value_name = "FILE")]
        identity: Option<PathBuf>,
        /// The given identity is encrypted under the passphrase in this file; its folder's file `protection` is beside it
        #[arg(long, value_name = "FILE", requires = "identity", conflicts_with = "identity_key_file")]
        identity_passphrase_file: Option<PathBuf>,
        /// The given identity is encrypted under the key in this file
        #[arg(long, value_name = "FILE", requires = "identity")]
        identity_key_file: Option<PathBuf>,
    },
    /// Run the coordinator until stopped. The first run writes DIR/coordinator.toml, where its nodes are listed
    Run {
        /// Folder with its configuration, identity, circuits and database
        #[arg(long)]
        dir: PathBuf,
        /// Where clients reach it (HTTPS); overrides the file
        #[arg(long, value_name = "ADDRESS")]
        http: Option<SocketAddr>,
        /// Where nodes reach it (QUIC, UDP); overrides the file
        #[arg(long, value_name = "ADDRESS")]
        quic: Option<SocketAddr>,
        /// Where Prometheus fetches metrics (plain HTTP); overrides the file
        #[arg(long, value_name = "ADDRESS")]
        metrics: Option<SocketAddr>,
        #[command(flatten)]
        service: ServiceOptions,
    },
    /// Encrypt the keys of a coordinator that does not run under another passphrase or key file, or under none
    Passphrase {
        /// The coordinator's folder
        #[arg(long)]
        dir: PathBuf,
        #[command(flatten)]
        change: node::ChangeOptions,
    },
    /// API keys, for clients and operators: add, list, revoke. The coordinator may be running
    #[command(subcommand)]
    Key(KeyArgs),
}

/// What to do about API keys.
#[derive(Debug, Subcommand)]
pub enum KeyArgs {
    /// Make a key and print it: it is shown this once and kept nowhere
    Add {
        /// What lists and logs call it
        name: String,
        /// Folder of the coordinator
        #[arg(long)]
        dir: PathBuf,
        /// What it is for: a client submits jobs and sees its own, an operator sees everything
        #[arg(long, value_enum, default_value_t = KeyRole::Client)]
        role: KeyRole,
    },
    /// List the keys by name
    List {
        /// Folder of the coordinator
        #[arg(long)]
        dir: PathBuf,
    },
    /// Revoke a key: the next request with it is refused
    Revoke {
        /// Which
        name: String,
        /// Folder of the coordinator
        #[arg(long)]
        dir: PathBuf,
    },
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum KeyRole {
    /// Submits jobs and sees its own
    Client,
    /// Sees everything
    Operator,
}

/// Configuration for a first run.
const TEMPLATE: &str = r#"# The coordinator of a Tacit network. It relays sealed envelopes and keeps jobs; it holds no key that opens a share.

# Where clients reach it (HTTPS) and where nodes reach it (QUIC, over UDP).
http_listen = "127.0.0.1:7443"
quic_listen = "127.0.0.1:7444"
# Host names and addresses that go into its TLS certificate.
tls_names = ["localhost", "127.0.0.1"]

# Its keys are encrypted on disk under the passphrase in a file, or under a key (32 random bytes) in a file outside of this folder, if one
# is named before the first run; `tacit coordinator passphrase` changes it.
# passphrase_file = "/run/keys/tacit-passphrase"
# key_file = "/etc/tacit/coordinator.key"

# Where jobs are kept: SQLite in this folder, or PostgreSQL, which several coordinators may share. The environment variable
# TACIT_DATABASE overrides it, so that a password need not stand here.
# database = "postgres://tacit@db.example/tacit?sslmode=verify-full"
# Where Prometheus fetches /metrics, over plain HTTP: keep it where only it can reach. Without the line there is none.
# metrics_listen = "127.0.0.1:7445"

# Whether clients need an API key: "open" or "keys". Without the line it is "open" as long as http_listen is on this machine
# alone, else "keys". `tacit coordinator key add NAME` makes keys.
# access = "keys"

# Nodes that may connect. `tacit node init` prints a node's identity.
#
# [[nodes]]
# name = "alice-1"
# identity = "..."        # 64 hexadecimal digits
# operator = "alice"

# [limits] has a value for everything that is bounded; see the operators' page of the book.
"#;

/// Names a PostgreSQL database in place of the configuration's.
const DATABASE_VARIABLE: &str = "TACIT_DATABASE";

/// Runs it.
pub fn run(args: &Args, ui: &Ui) -> Outcome {
    match args {
        Args::Init { dir, identity, identity_passphrase_file, identity_key_file } => {
            let unlock = UnlockOptions {
                passphrase_file: identity_passphrase_file.clone(),
                key_file: identity_key_file.clone(),
            };
            init(dir, identity.as_deref(), &unlock, ui)
        }
        Args::Run { dir, http, quic, metrics, service } => serve(dir, *http, *quic, *metrics, service, ui),
        Args::Key(args) => key(args, ui),
        Args::Passphrase { dir, change } => node::passphrase(dir, &dir.join("coordinator.toml"), change, ui),
    }
}

/// Writes the configuration, where there is none; returns where it is.
fn configure(dir: &Path, ui: &Ui) -> Outcome<PathBuf> {
    make_private(dir)?;
    let path = dir.join("coordinator.toml");
    if !path.exists() {
        files::write(&path, TEMPLATE.as_bytes(), Access::Private)?;
        ui.say(format!("{} written; list your nodes there.", path.display()));
    }
    Ok(path)
}

fn init(dir: &Path, identity: Option<&Path>, unlock: &UnlockOptions, ui: &Ui) -> Outcome {
    let path = configure(dir, ui)?;
    let config: Config = service::read_config(&path, dir)?;
    let configured = Configured {
        passphrase_file: config.passphrase_file.as_deref(),
        key_file: config.key_file.as_deref(),
    };
    let folder =
        identity.map(|file| file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")));
    // Asks where the file's folder is protected by a passphrase and none is given.
    let unlock = folder.map(|folder| unlock.open(folder, &configured)).transpose()?.unwrap_or_default();
    let identity = tacit_coordinator::init_as(&config, identity.map(|file| (file, &unlock)))?;
    ui.result(
        &json!({ "ok": true, "identity": identity.to_string(), "config": path }),
        format!("identity {identity}\nThen: tacit coordinator run --dir {}", dir.display()),
    );
    Ok(())
}

/// Takes the database that the environment names.
fn name_database(config: &mut Config) -> Outcome {
    if let Ok(url) = std::env::var(DATABASE_VARIABLE) {
        config.database = Some(url.parse().map_err(|e| Failure::new(format!("{DATABASE_VARIABLE}: {e}")))?);
    }
    Ok(())
}

fn serve(
    dir: &Path,
    http: Option<SocketAddr>,
    quic: Option<SocketAddr>,
    metrics: Option<SocketAddr>,
    service: &ServiceOptions,
    ui: &Ui,
) -> Outcome {
    let path = configure(dir, ui)?;
    let mut config: Config = service::read_config(&path, dir)?;
    config.http_listen = http.unwrap_or(config.http_listen);
    config.quic_listen = quic.unwrap_or(config.quic_listen);
    config.metrics_listen = metrics.or(config.metrics_listen);
    name_database(&mut config)?;
    let _export = service::start_logging(service, "tacit-coordinator")?;
    let runtime = crate::runtime::serving()?;
    let stop = service::stop(service)?;
    runtime.block_on(async {
        let coordinator = Coordinator::start(config).await?;
        let ready = Ready {
            ready: true,
            identity: coordinator.identity().to_string(),
            https: Some(coordinator.http_address().to_string()),
            quic: Some(coordinator.quic_address().to_string()),
            http: None,
        };
        let text = format!(
            "coordinator {}\nclients  https://{}\nnodes    {}",
            ready.identity,
            coordinator.http_address(),
            coordinator.quic_address()
        );
        service::say_ready(&ready, &text, ui)?;
        coordinator.run(stop).await.map_err(Into::into)
    })
}

/// Makes, lists and revokes API keys in the coordinator's database.
fn key(args: &KeyArgs, ui: &Ui) -> Outcome {
    let dir = match args {
        KeyArgs::Add { dir, .. } | KeyArgs::List { dir } | KeyArgs::Revoke { dir, .. } => dir,
    };
    let mut config: Config = service::read_config(&dir.join("coordinator.toml"), dir)?;
    name_database(&mut config)?;
    let runtime = crate::runtime::new()?;
    let now = tacit_vault::Clock::system().now();
    let database = access::database(&config);
    ui.say(format!("database {database}"));
    match args {
        KeyArgs::Add { name, role, .. } => {
            let role = match role {
                KeyRole::Client => Role::Client,
                KeyRole::Operator => Role::Operator,
            };
            let key = runtime.block_on(access::add_key(&config, name, role, now))?;
            ui.say(format!("API key {name:?} for a {role}. It is shown this once:"));
            if ui.json() {
                let line = json!({ "name": name, "role": role, "key": key.reveal(), "database": database });
                println!("{line}");
            } else {
                println!("{}", key.reveal());
            }
        }
        KeyArgs::List { .. } => {
            let keys = runtime.block_on(access::keys(&config))?;
            if ui.json() {
                println!("{}", serde_json::to_string(&keys)?);
            } else if keys.is_empty() {
                ui.say("no keys; `tacit coordinator key add NAME --dir DIR` makes one");
            } else {
                let mut table = comfy_table::Table::new();
                table.load_style(comfy_table::presets::NOTHING);
                table.set_header(["name", "role", "made", "revoked"]);
                for key in keys {
                    let revoked = key.revoked.map_or_else(|| "-".to_owned(), |at| at.to_string());
                    table.add_row([key.name, key.role.to_string(), key.created.to_string(), revoked]);
                }
                println!("{table}");
            }
        }
        KeyArgs::Revoke { name, .. } => {
            runtime.block_on(access::revoke_key(&config, name, now))?;
            ui.say(format!("API key {name:?} is revoked"));
        }
    }
    Ok(())
}
