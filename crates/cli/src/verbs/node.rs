//! `tacit node init|run --dir DIR`

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;
use tacit_node::{Config, Node};
use tacit_wire::IdentityKey;

use crate::failure::{Failure, Outcome};
use crate::files::{self, Access};
use crate::local_network::Ready;
use crate::service::{self, ServiceOptions};
use crate::ui::Ui;

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
    },
    /// Run the node until stopped; it dials the coordinator and needs no open port
    Run {
        /// The node's folder
        #[arg(long)]
        dir: PathBuf,
        #[command(flatten)]
        service: ServiceOptions,
    },
}

/// Runs it.
pub fn run(args: &Args, ui: &Ui) -> Outcome {
    match args {
        Args::Init { dir, name, coordinator, coordinator_identity } => {
            init(dir, name, coordinator.as_deref(), *coordinator_identity, ui)
        }
        Args::Run { dir, service } => serve(dir, service, ui),
    }
}

/// The configuration file in a node's folder.
pub fn config_path(dir: &Path) -> PathBuf {
    dir.join("node.toml")
}

/// An annotated configuration.
pub fn config_text(name: &str, coordinator: &str, coordinator_identity: &str) -> String {
    let quoted = |s: &str| toml::Value::String(s.to_owned()).to_string();
    format!(
        "# A prover node of a Tacit network. It computes on shares of witnesses and never sees one.\n\n\
         # What logs call it.\nname = {}\n\
         # The coordinator that it dials (host:port, QUIC over UDP), or a list of its addresses. The node needs no open port itself.\ncoordinator = {}\n\
         # The coordinator's identity. Nobody else is spoken to.\ncoordinator_identity = {}\n\n\
         # [limits] has a value for everything that is bounded; see the operators' page of the book.\n",
        quoted(name),
        quoted(coordinator),
        quoted(coordinator_identity)
    )
}

fn init(
    dir: &Path,
    name: &str,
    coordinator: Option<&str>,
    coordinator_identity: Option<IdentityKey>,
    ui: &Ui,
) -> Outcome {
    let identity = tacit_node::init(dir)?;
    let path = config_path(dir);
    let new = !path.exists();
    if new {
        let key = coordinator_identity.map_or_else(|| "0".repeat(64), |k| k.to_string());
        let text = config_text(name, coordinator.unwrap_or("127.0.0.1:7444"), &key);
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
    ui.result(
        &json!({ "ok": true, "identity": identity.to_string(), "config": path, "new": new }),
        format!("identity {identity}\n{next}"),
    );
    Ok(())
}

fn serve(dir: &Path, service: &ServiceOptions, ui: &Ui) -> Outcome {
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
    service::start_logging(service);
    let runtime = crate::runtime::new()?;
    let stop = service::stop(&runtime, service)?;
    runtime.block_on(async {
        let coordinator = config.coordinator.iter().collect::<Vec<_>>().join(", ");
        let node = Node::open(config).await?;
        let ready = Ready { ready: true, identity: node.identity().to_string(), https: None, quic: None };
        let text = format!("node {}\ndials {coordinator}", ready.identity);
        service::say_ready(&ready, &text, ui)?;
        node.run(stop).await.map_err(Into::into)
    })
}
