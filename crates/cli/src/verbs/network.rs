//! `tacit network up|down --dir DIR`

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use crate::failure::Outcome;
use crate::local_network::{self, Lifetime, LocalNetwork};
use crate::ui::Ui;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Args {
    /// Start a coordinator and nodes on this machine, write DIR/network.toml once every node is ready, run until
    /// stopped
    Up {
        /// Where the network's processes keep their data
        #[arg(long)]
        dir: PathBuf,
        /// Number of nodes
        #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=16))]
        nodes: u8,
    },
    /// End the processes of a network that `tacit demo --keep` left running
    Down {
        /// The network's folder
        #[arg(long)]
        dir: PathBuf,
    },
}

/// Runs the network.
pub fn run(args: &Args, ui: &Ui) -> Outcome {
    match args {
        Args::Up { dir, nodes } => up(dir, *nodes, ui),
        Args::Down { dir } => {
            let stopped = local_network::down(dir)?;
            ui.result(&json!({ "ok": true, "stopped": stopped }), format!("{stopped} processes ended."));
            Ok(())
        }
    }
}

fn up(dir: &std::path::Path, nodes: u8, ui: &Ui) -> Outcome {
    let runtime = crate::runtime::new()?;
    let stop = crate::runtime::stop_signal(&runtime)?;
    let phase = ui.phase(format!("a coordinator and {nodes} nodes"));
    let mut network = LocalNetwork::start(dir, nodes, Lifetime::Bound, |line| phase.note(line))?;
    phase.done(format!("{} processes", network.services.len()));
    let file = network.network_toml();
    let services: Vec<_> =
        network.services.iter().map(|s| json!({ "name": s.name, "dir": s.folder, "pid": s.pid() })).collect();
    ui.result(
        &json!({ "ok": true, "ready": true, "network": file, "coordinator": network.network.coordinator.urls, "services": services }),
        format!(
            "The network is up. In another terminal:\n  tacit groth16 prove ZKEY WTNS PROOF PUBLIC --network {}\nCtrl-C ends it.",
            file.display()
        ),
    );
    let ended = runtime.block_on(async {
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => return None,
                () = tokio::time::sleep(std::time::Duration::from_millis(500)) => {
                    if let Some(dead) = network.dead() { return Some(dead); }
                }
            }
        }
    });
    network.stop();
    match ended {
        None => Ok(()),
        Some(name) => Err(crate::failure::Failure::new(format!(
            "{name} ended by itself, so the network was stopped; its log is {}/{name}/log",
            dir.display()
        ))),
    }
}
