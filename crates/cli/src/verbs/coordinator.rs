//! `tacit coordinator run|passphrase --dir DIR`

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Subcommand;
use tacit_coordinator::{Config, Coordinator};

use crate::failure::Outcome;
use crate::files::{self, Access};
use crate::local_network::{Ready, make_private};
use crate::service::{self, ServiceOptions};
use crate::ui::Ui;
use crate::verbs::node;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Args {
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

# Nodes that may connect. `tacit node init` prints a node's identity.
#
# [[nodes]]
# name = "alice-1"
# identity = "..."        # 64 hexadecimal digits
# operator = "alice"

# [limits] has a value for everything that is bounded; see the operators' page of the book.
"#;

/// Runs the coordinator.
pub fn run(args: &Args, ui: &Ui) -> Outcome {
    let (dir, http, quic, service) = match args {
        Args::Run { dir, http, quic, service } => (dir, http, quic, service),
        Args::Passphrase { dir, change } => {
            return node::passphrase(dir, &dir.join("coordinator.toml"), change, ui);
        }
    };
    make_private(dir)?;
    let path = dir.join("coordinator.toml");
    if !path.exists() {
        files::write(&path, TEMPLATE.as_bytes(), Access::Private)?;
        ui.say(format!("{} written; list your nodes there.", path.display()));
    }
    let mut config: Config = service::read_config(&path, dir)?;
    config.http_listen = http.unwrap_or(config.http_listen);
    config.quic_listen = quic.unwrap_or(config.quic_listen);
    service::start_logging(service);
    let runtime = crate::runtime::new()?;
    let stop = service::stop(&runtime, service)?;
    runtime.block_on(async {
        let coordinator = Coordinator::start(config).await?;
        let ready = Ready {
            ready: true,
            identity: coordinator.identity().to_string(),
            https: Some(coordinator.http_address().to_string()),
            quic: Some(coordinator.quic_address().to_string()),
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
