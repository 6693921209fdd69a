//! `tacit node doctor --dir DIR`: what keeps a node from working, or from keeping its secrets, and the way out.
//!
//! It looks and leaves nothing behind: whoever runs it, as root perhaps, makes no file that the node then could not open.

use std::fs;
use std::path::Path;

use serde::Serialize;
use serde_json::json;
use tacit_node::status::{self, Status};
use tacit_node::{Allowance, CLOCK_TOLERANCE, Config, DATABASE, NodeError, doctor, ledger::Ledger, probe};
use tacit_vault::{VaultError, protection};
use tacit_wire::IdentityKey;

use crate::failure::{Failure, Outcome};
use crate::service;
use crate::ui::{Ui, bytes};
use crate::unlock::UnlockOptions;
use crate::verbs::node::{config_path, configured};

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Ok,
    Warn,
    Fail,
}

/// One line.
#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    level: Level,
    /// What was found, and where it is not right, the way out.
    text: String,
}

fn ok(name: &'static str, text: impl Into<String>) -> Check {
    Check { name, level: Level::Ok, text: text.into() }
}

fn warn(name: &'static str, text: impl Into<String>) -> Check {
    Check { name, level: Level::Warn, text: text.into() }
}

fn fail(name: &'static str, text: impl Into<String>) -> Check {
    Check { name, level: Level::Fail, text: text.into() }
}

/// Below this much free disk a node will soon fail to record anything.
const LITTLE_DISK: u64 = 1 << 30;

/// Runs every check; exit code 1 if one fails.
pub fn run(dir: &Path, unlock: &UnlockOptions, ui: &Ui) -> Outcome {
    if !dir.exists() {
        return Err(Failure::new(format!(
            "{}: there is no node here; `tacit node init --dir {}` makes one",
            dir.display(),
            dir.display()
        )));
    }
    let mut checks = vec![permissions(dir), owner(dir)];
    let config: Option<Config> = match service::read_config(&config_path(dir), dir) {
        Ok(config) => {
            checks.push(configuration(&config));
            Some(config)
        }
        Err(error) => {
            checks.push(fail("configuration", error.to_string()));
            None
        }
    };
    let running = status::ask(dir);
    checks.push(match &running {
        Ok(Some(status)) => ok("process", format!("runs as process {}", status.pid)),
        Ok(None) => ok("process", "does not run"),
        Err(error) => fail("process", format!("runs and does not say how it is: {error}; stop and start it")),
    });
    let running = running.ok().flatten();
    checks.push(keys(dir));
    let runtime = crate::runtime::new()?;
    checks.extend(runtime.block_on(coordinator(dir, config.as_ref(), running.as_ref(), unlock)));
    checks.push(runtime.block_on(records(dir, running.is_some())));
    checks.extend(circuits(dir));
    checks.push(disk(dir, config.as_ref()));
    checks.extend(memory(config.as_ref(), running.as_ref()));
    checks.push(core_dumps(running.as_ref()));
    checks.push(processor());

    let failed = checks.iter().filter(|check| check.level == Level::Fail).count();
    let lines: Vec<String> = checks
        .iter()
        .map(|Check { name, level, text }| {
            let level = match level {
                Level::Ok => "ok  ",
                Level::Warn => "warn",
                Level::Fail => "FAIL",
            };
            format!("{level}  {name:<20} {text}")
        })
        .collect();
    ui.result(&json!({ "ok": failed == 0, "checks": checks }), lines.join("\n"));
    if failed == 0 { Ok(()) } else { Err(Failure::said(1)) }
}

fn permissions(dir: &Path) -> Check {
    match doctor::exposed(dir).as_slice() {
        [] => ok("permissions", "the folder and its keys are for their owner only"),
        found => {
            let paths: Vec<String> = found
                .iter()
                .take(5)
                .map(|(path, mode)| format!("{} (mode {mode:o})", path.display()))
                .collect();
            fail(
                "permissions",
                format!(
                    "open to others: {}. chmod go-rwx them, and make a new node if others may have read its keys",
                    paths.join(", ")
                ),
            )
        }
    }
}

/// Whose the folder is, who asks, and whether the node can open what is in it.
fn owner(dir: &Path) -> Check {
    const NAME: &str = "owner";
    match doctor::foreign(dir) {
        Err(error) => fail(NAME, format!("{}: {error}", dir.display())),
        Ok((owner, foreign)) if !foreign.is_empty() => {
            let paths: Vec<String> = foreign
                .iter()
                .take(5)
                .map(|(path, uid)| format!("{} (user {uid})", path.display()))
                .collect();
            fail(
                NAME,
                format!(
                    "the folder is user {owner}'s and these are not: {}. The node cannot open them: chown them to {owner}",
                    paths.join(", ")
                ),
            )
        }
        Ok((owner, _)) => match rustix::process::geteuid().as_raw() {
            asking if asking == owner => ok(NAME, "all of it is yours"),
            asking => warn(
                NAME,
                format!(
                    "all of it is user {owner}'s and you are user {asking}: run the node as its owner. What is asked here only looks"
                ),
            ),
        },
    }
}

fn configuration(config: &Config) -> Check {
    if let Err(error) = config.check() {
        return fail("configuration", error.to_string());
    }
    if config.coordinator_identity == IdentityKey([0; 32]) {
        return fail(
            "configuration",
            "coordinator_identity is not filled in; the coordinator prints it when it starts",
        );
    }
    ok("configuration", "reads, every value is usable")
}

fn keys(dir: &Path) -> Check {
    if !dir.join(tacit_vault::identity::IDENTITY_FILE).exists() {
        return fail("keys", "there is no identity: tacit node init makes one");
    }
    match protection::method_of(dir) {
        Ok(Some(method)) => ok("keys", format!("encrypted under a {method}")),
        Ok(None) => warn("keys", "not encrypted on disk: tacit node passphrase encrypts them"),
        Err(error) => fail("keys", error.to_string()),
    }
}

/// Reachability, identity, key exchange, admission and the clock: from the running node, or by dialling once with the node's keys.
async fn coordinator(
    dir: &Path,
    config: Option<&Config>,
    running: Option<&Status>,
    unlock: &UnlockOptions,
) -> Vec<Check> {
    const NAME: &str = "coordinator";
    if let Some(status) = running {
        return match status.connected_since {
            // A node speaks to nobody but this identity, and with no other key exchange.
            Some(_) => vec![
                ok(NAME, format!("connected to {}; it has the pinned identity", status.coordinator)),
                ok("key exchange", "X25519MLKEM768"),
                clock(status.clock_skew),
            ],
            None => vec![fail(
                NAME,
                format!(
                    "not connected to {}: see that its UDP port can be reached, that it admits this identity ({}), and what the log says",
                    status.coordinator, status.identity
                ),
            )],
        };
    }
    let Some(config) = config.filter(|config| configuration(config).level == Level::Ok) else {
        return vec![warn(NAME, "not dialled: the configuration comes first")];
    };
    let given = match unlock.open(dir, &configured(config)) {
        Ok(given) => given,
        Err(error) => return vec![fail("unlocking", error.to_string())],
    };
    match probe(config, &given).await {
        Ok(probe) => {
            let exchange = if probe.key_exchange == "X25519MLKEM768" {
                ok("key exchange", probe.key_exchange)
            } else {
                fail("key exchange", format!("{} was negotiated: not post-quantum", probe.key_exchange))
            };
            let reached = match probe.greeted {
                Some(_) => ok(NAME, "reached; it has the pinned identity and admits this node"),
                None => warn(
                    NAME,
                    format!(
                        "reached; it has the pinned identity. Whether it admits this node ({}) shows when the node runs: no sealing key is valid now, the start makes one",
                        probe.identity
                    ),
                ),
            };
            vec![reached, exchange, clock(probe.greeted.map(|greeted| greeted.clock_skew))]
        }
        Err(NodeError::Vault(error @ VaultError::Locked { .. })) => {
            vec![warn(NAME, format!("not dialled: {error}"))]
        }
        Err(error @ NodeError::Vault(_)) => {
            vec![fail(NAME, format!("not dialled: the node cannot start: {error}"))]
        }
        Err(error) => vec![fail(
            NAME,
            format!(
                "{error}; see that the address is right, that its UDP port can be reached, and that it admits this node's identity (tacit node init prints it)"
            ),
        )],
    }
}

fn clock(skew: Option<i64>) -> Check {
    match skew {
        None => warn("clock", "not compared with the coordinator's yet"),
        Some(skew) if skew.unsigned_abs() <= CLOCK_TOLERANCE => {
            ok("clock", format!("{} s from the coordinator's", skew.unsigned_abs()))
        }
        Some(skew) => fail(
            "clock",
            format!(
                "{} s {} the coordinator's: run a time service (NTP) here, and ask there",
                skew.unsigned_abs(),
                if skew > 0 { "behind" } else { "ahead of" }
            ),
        ),
    }
}

async fn records(dir: &Path, running: bool) -> Check {
    const NAME: &str = "records";
    let path = dir.join(DATABASE);
    if !path.exists() {
        return ok(NAME, "none yet");
    }
    let checked = async {
        let scratch = tempfile::tempdir().map_err(|e| e.to_string())?;
        let ledger = Ledger::open_to_look(&path, scratch.path(), running).await.map_err(|e| e.to_string())?;
        let records = ledger.check().await.map_err(|e| e.to_string());
        ledger.close().await;
        records
    };
    match checked.await {
        Ok(records) => ok(NAME, format!("{records}, all of them whole")),
        Err(error) => fail(
            NAME,
            format!(
                "{error}. Do not go on with these keys: move the folder `sealing` and node.sqlite away, so that new ones are made"
            ),
        ),
    }
}

fn circuits(dir: &Path) -> Vec<Check> {
    const NAME: &str = "circuits";
    let checked = doctor::circuits(dir);
    let total: u64 = checked.iter().map(|c| c.bytes).sum();
    let bad: Vec<Check> = checked
        .iter()
        .filter_map(|c| {
            let problem = c.problem.as_ref()?;
            Some(warn(NAME, format!("{}: {problem}; it will be made again, or remove it", c.file)))
        })
        .collect();
    if bad.is_empty() {
        vec![ok(NAME, format!("{} prepared files, {}, every digest right", checked.len(), bytes(total)))]
    } else {
        bad
    }
}

fn disk(dir: &Path, config: Option<&Config>) -> Check {
    let Ok(found) = rustix::fs::statvfs(dir) else {
        return warn("disk", "the file system does not say how much is free");
    };
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let budget = config.map_or(0, |config| config.limits.disk_bytes);
    let circuits: u64 = fs::read_dir(dir.join("circuits"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some(entry.metadata().ok()?.len()))
        .sum();
    let kept = circuits + doctor::records(dir);
    if free < LITTLE_DISK {
        fail("disk", format!("{} free: a node that cannot record answers nothing; make room", bytes(free)))
    } else if free < budget.saturating_sub(kept) {
        warn(
            "disk",
            format!(
                "{} free, circuits and records may grow to {}: lower limits.disk_bytes or make room",
                bytes(free),
                bytes(budget)
            ),
        )
    } else {
        ok(
            "disk",
            format!(
                "{} free, circuits and records take {} of at most {}",
                bytes(free),
                bytes(kept),
                bytes(budget)
            ),
        )
    }
}

/// The budget of the running node, or what it would be here.
fn memory(config: Option<&Config>, running: Option<&Status>) -> Vec<Check> {
    let Allowance { bytes: allowed, available, source } =
        Allowance::new(config.map_or(0, |config| config.limits.memory_bytes));
    let (allowed, source) =
        running.map_or((allowed, source), |status| (status.memory.limit, status.memory_source.clone()));
    let text =
        format!("the node allows itself {} ({source}); there are {}", bytes(allowed), bytes(available));
    let memory = if allowed > available / 10 * 9 {
        warn("memory", format!("{text}: leave room for the rest of the machine (limits.memory_bytes)"))
    } else {
        ok("memory", text)
    };
    let swap = match tacit_node::swap() {
        0 => ok("swap", "none"),
        swap => warn(
            "swap",
            format!(
                "{}: shares could be written to it. Turn it off (swapoff -a, and in /etc/fstab) or encrypt it",
                bytes(swap)
            ),
        ),
    };
    vec![memory, swap]
}

fn core_dumps(running: Option<&Status>) -> Check {
    let process = running.map_or("self".to_owned(), |status| status.pid.to_string());
    let limits = fs::read_to_string(format!("/proc/{process}/limits")).unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max core file size"));
    match line.map(|line| line.split_whitespace().take(2).collect::<Vec<_>>()).as_deref() {
        Some(["0", "0"]) => ok("core dumps", "off"),
        Some(_) => fail(
            "core dumps",
            "on: a dump would hold shares and keys. Start the node with `ulimit -c 0` or LimitCORE=0",
        ),
        None => warn("core dumps", "the system does not say whether they are off"),
    }
}

fn processor() -> Check {
    const NAME: &str = "processor";
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected;
        let lanes = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        let words = is_x86_feature_detected!("bmi2") && is_x86_feature_detected!("adx");
        match (lanes, words) {
            (true, true) => ok(NAME, "AVX2, FMA, BMI2 and ADX: the fast paths are used"),
            (false, true) => warn(
                NAME,
                "no AVX2 with FMA: points of BN254 are added without vectors, at about two thirds of the speed",
            ),
            (true, false) => warn(NAME, "no BMI2 with ADX: field multiplication falls back to portable code"),
            (false, false) => {
                warn(NAME, "neither AVX2 with FMA nor BMI2 with ADX: portable code, slower throughout")
            }
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        warn(NAME, format!("{}: portable code, slower than on x86-64 with AVX2", std::env::consts::ARCH))
    }
}
