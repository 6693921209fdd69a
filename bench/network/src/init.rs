//! Identities and configurations of a network's processes.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::Outcome;
use crate::world::Process;

/// The largest job: what one address can have a coordinator hold, and half of what all can.
pub const JOB_BYTES: u64 = 8 << 20;

/// What every coordinator's configuration has; tables come after it.
pub const COORDINATOR_SETTINGS: &str = "access = \"open\"\nopen_to_everybody = true\n";

/// The table of limits. A witness of so many constraints takes a few hundred bytes of each, for all seats together.
pub fn coordinator_limits(constraints: u32) -> String {
    format!("\n[limits]\njob_bytes = {}\n", JOB_BYTES.max(512 * u64::from(constraints)))
}

/// Gives coordinators of one database their one identity; returns it.
pub fn coordinators(tacit: &Path, coordinators: &[Process]) -> Outcome<String> {
    let first = coordinators.first().ok_or("no coordinator")?;
    let identity =
        said(Command::new(tacit).args(["coordinator", "init", "--json", "--dir"]).arg(&first.dir))?;
    for other in coordinators.iter().skip(1) {
        let mut command = Command::new(tacit);
        command.args(["coordinator", "init", "--json", "--dir"]).arg(&other.dir);
        said(command.arg("--identity").arg(first.dir.join("identity.pem")))?;
    }
    Ok(identity)
}

/// Makes a node's identity and configuration; returns the identity.
pub fn node(tacit: &Path, node: &Process, coordinators: &[String], identity: &str) -> Outcome<String> {
    let coordinator = coordinators.first().ok_or("no coordinator")?;
    let mut command = Command::new(tacit);
    command.args(["node", "init", "--json", "--unencrypted", "--name", &node.name]);
    command.args(["--coordinator-identity", identity, "--coordinator", coordinator, "--dir"]).arg(&node.dir);
    let key = said(&mut command)?;
    // Every coordinator, where `init` takes one.
    let path = node.dir.join("node.toml");
    let all = format!("coordinator = {coordinators:?}");
    let text = fs::read_to_string(&path)?.replace(&format!("coordinator = \"{coordinator}\""), &all);
    if !text.contains(&all) {
        return Err("tacit node init wrote another node.toml than was expected".into());
    }
    fs::write(&path, text)?;
    Ok(key)
}

/// The identity that a command prints.
fn said(command: &mut Command) -> Outcome<String> {
    let output = command.output()?;
    if !output.status.success() {
        return Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let said: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    Ok(said.get("identity").and_then(|i| i.as_str()).ok_or("a command printed no identity")?.to_owned())
}
