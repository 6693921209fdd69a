//! `tacit node status --dir DIR`

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;
use tacit_node::status::{self, Budget, Status};

use crate::failure::{Failure, Outcome};
use crate::ui::{self, Ui, bytes};

/// Says how a running node is; exit code 1 if none runs.
pub fn run(dir: &Path, ui: &Ui) -> Outcome {
    let asked = status::ask(dir);
    let status = asked
        .map_err(|e| Failure::new(format!("{}: the node does not say how it is: {e}", dir.display())))?;
    let Some(status) = status else {
        return Err(Failure::new(format!(
            "{}: no node runs here; `tacit node run --dir {}` starts it, `tacit node doctor` looks for what is wrong",
            dir.display(),
            dir.display()
        )));
    };
    let mut body = serde_json::to_value(&status)?;
    if let Some(body) = body.as_object_mut() {
        body.insert("ok".to_owned(), json!(true));
    }
    ui.result(&body, text(&status));
    Ok(())
}

fn text(status: &Status) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let ago = |then: u64| ui::long(now.saturating_sub(then));
    let budget = |b: Budget| format!("{} of {}", bytes(b.used), bytes(b.limit));
    let mut lines = vec![
        format!("node         {} ({})", status.name, status.identity),
        format!("process      {} since {}, {}", status.pid, ago(status.started), status.software),
        match (status.draining, status.connected_since) {
            (true, _) => "connection   stopping: no more offers are taken".to_owned(),
            (_, Some(since)) => format!("connection   to {} since {}", status.coordinator, ago(since)),
            (_, None) => format!("connection   none to {}: the log says why", status.coordinator),
        },
        format!(
            "offers       {} of {} in hand, {} of them waiting; {} owed from before or now",
            status.offers_in_hand, status.offers_limit, status.offers_waiting, status.owed
        ),
        format!("answered     {}", status.answered),
        format!("unwanted     {}", status.unwanted),
    ];
    let refused: Vec<String> = status.refused.iter().map(|(why, n)| format!("{n} {why}")).collect();
    lines.push(format!(
        "refused      {}",
        if refused.is_empty() { "0".to_owned() } else { refused.join(", ") }
    ));
    for key in &status.sealing_keys {
        lines.push(format!(
            "sealing key  {} expires in {}",
            &key.id.get(..16).unwrap_or(&key.id),
            ui::long(key.expiry.saturating_sub(now))
        ));
    }
    lines.push(format!(
        "memory       {} ({}), {} keys in it",
        budget(status.memory),
        status.memory_source,
        status.resident
    ));
    let free =
        status.disk_free.map_or(String::new(), |free| format!(", {} free on the file system", bytes(free)));
    lines.push(format!("disk         {}{free}", budget(status.disk)));
    lines.push(match status.bases_per_second {
        0 => "speed        not measured yet".to_owned(),
        speed => format!("speed        {speed} bases a second"),
    });
    for circuit in &status.circuits {
        lines.push(format!(
            "circuit      {} {} {}, used {} ago",
            circuit.circuit.get(..16).unwrap_or(&circuit.circuit),
            circuit.kind,
            bytes(circuit.bytes),
            ago(circuit.last_used)
        ));
    }
    lines.join("\n")
}
