//! Nodes as processes: how they are, how they stop, what a `kill -9` costs.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use common::{fixture, tacit};
use predicates::prelude::*;
use serde_json::Value;

/// A coordinator and nodes, each a process of its own that can be killed and started again.
struct Network {
    root: tempfile::TempDir,
    coordinator: Service,
    nodes: Vec<Option<Service>>,
}

struct Service {
    child: Child,
    ready: Value,
}

/// Starts a service and waits for the line in which it says that it is ready.
fn start(verb: &[&str], dir: &Path) -> Service {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(dir.join("log")).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_tacit"))
        .args(verb)
        .args(["--json", "--dir"])
        .arg(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .unwrap();
    let line = BufReader::new(child.stdout.take().unwrap()).lines().next();
    let log = || std::fs::read_to_string(dir.join("log")).unwrap();
    let line = line.unwrap_or_else(|| panic!("{} did not start: {}", dir.display(), log())).unwrap();
    Service { child, ready: serde_json::from_str(&line).unwrap() }
}

impl Service {
    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn ended(&mut self) -> ExitStatus {
        eventually(|| self.child.try_wait().unwrap())
    }
}

fn eventually<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        if let Some(value) = attempt() {
            return value;
        }
        assert!(Instant::now() < deadline, "it did not come to pass");
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Network {
    fn new(n: usize) -> Self {
        let root = tempfile::tempdir().unwrap();
        let dirs: Vec<PathBuf> = (1..=n).map(|i| root.path().join(format!("node-{i}"))).collect();
        let mut toml = "http_listen = \"127.0.0.1:0\"\nquic_listen = \"127.0.0.1:0\"\n".to_owned();
        let mut pins = String::new();
        for (dir, i) in dirs.iter().zip(1..) {
            let made = tacit().args(["node", "init", "--json", "--unencrypted", "--dir"]).arg(dir).assert();
            let made: Value = serde_json::from_slice(&made.success().get_output().stdout).unwrap();
            let identity = made["identity"].as_str().unwrap();
            let bare = identity.trim_start_matches("ed25519:");
            let node = |identity: &str, more: &str| {
                format!(
                    "\n[[nodes]]\nname = \"node-{i}\"\nidentity = \"{identity}\"\noperator = \"op-{i}\"\n{more}"
                )
            };
            toml += &node(bare, "");
            pins += &node(&format!("ed25519:{bare}"), "vouched_by = \"this test\"\n");
        }
        let dir = root.path().join("coordinator");
        tacit_vault::dir::create_private(&dir).unwrap();
        std::fs::write(dir.join("coordinator.toml"), toml).unwrap();
        let coordinator = start(&["coordinator", "run"], &dir);
        let said = |key: &str| coordinator.ready[key].as_str().unwrap().to_owned();
        let identity = said("identity");
        let bare = identity.trim_start_matches("ed25519:").to_owned();
        for dir in &dirs {
            let path = dir.join("node.toml");
            let text = std::fs::read_to_string(&path).unwrap();
            let text = text.replace("127.0.0.1:7444", &said("quic")).replace(&"0".repeat(64), &bare);
            let text =
                text.replace("# metrics_listen = \"127.0.0.1:9464\"", "metrics_listen = \"127.0.0.1:0\"");
            std::fs::write(&path, text).unwrap();
        }
        let file = format!(
            "version = 1\nname = \"test\"\n\n[coordinator]\nurls = [\"https://{}\"]\nidentity = \"ed25519:{bare}\"\n{pins}",
            said("https")
        );
        std::fs::write(root.path().join("network.toml"), file).unwrap();
        let mut network = Self { root, coordinator, nodes: (0..n).map(|_| None).collect() };
        for i in 1..=n {
            network.start_node(i);
        }
        network
    }

    fn dir(&self, i: usize) -> PathBuf {
        self.root.path().join(format!("node-{i}"))
    }

    fn start_node(&mut self, i: usize) {
        let node = start(&["node", "run"], &self.dir(i));
        self.nodes[i - 1] = Some(node);
        eventually(|| self.status(i)["connected_since"].as_u64());
    }

    fn node(&mut self, i: usize) -> Service {
        self.nodes[i - 1].take().unwrap()
    }

    fn signal(&self, i: usize, signal: &str) {
        self.nodes[i - 1].as_ref().unwrap().signal(signal);
    }

    fn status(&self, i: usize) -> Value {
        let out = tacit().args(["node", "status", "--json", "--dir"]).arg(self.dir(i)).assert().success();
        serde_json::from_slice(&out.get_output().stdout).unwrap()
    }

    fn doctor(&self, i: usize) -> (Value, Option<i32>) {
        let out = tacit().args(["node", "doctor", "--json", "--dir"]).arg(self.dir(i)).assert();
        let out = out.get_output();
        (serde_json::from_slice(&out.stdout).unwrap(), out.status.code())
    }

    fn prove(&self, out: &Path) -> Child {
        Command::new(env!("CARGO_BIN_EXE_tacit"))
            .env("TACIT_CACHE_DIR", self.root.path().join("cache"))
            .args(["groth16", "prove", "--quiet", "--network"])
            .arg(self.root.path().join("network.toml"))
            .args(["--handover", "quotient", "--committee", "2", "--threshold", "1"])
            .args([&fixture("bn128", "final.zkey"), &fixture("bn128", "tiny.wtns")])
            .args([&out.join("proof.json"), &out.join("public.json")])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for service in self.nodes.iter_mut().flatten().chain([&mut self.coordinator]) {
            let _ = service.child.kill();
            let _ = service.child.wait();
        }
    }
}

fn level<'a>(doctor: &'a Value, name: &str) -> Vec<&'a str> {
    let checks = doctor["checks"].as_array().unwrap();
    checks.iter().filter(|c| c["name"] == name).map(|c| c["level"].as_str().unwrap()).collect()
}

/// Every file below a folder: whose it is, when it was changed and what it holds.
fn everything(dir: &Path) -> Vec<(PathBuf, u32, std::time::SystemTime, Vec<u8>)> {
    use std::os::unix::fs::MetadataExt;
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let metadata = path.symlink_metadata().unwrap();
        if metadata.is_dir() {
            found.extend(everything(&path));
        }
        let content = if metadata.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
        found.push((path, metadata.uid(), metadata.modified().unwrap(), content));
    }
    found.sort();
    found
}

#[test]
fn status_and_doctor_say_how_a_node_is() {
    let mut network = Network::new(2);
    let out = tempfile::tempdir().unwrap();
    assert!(network.prove(out.path()).wait().unwrap().success());
    let status = network.status(1);
    assert_eq!(status["answered"], 1, "{status}");
    assert_eq!((&status["owed"], &status["offers_limit"]), (&0.into(), &4.into()));
    assert_eq!(status["clock_skew"].as_i64().unwrap().abs() / 5, 0);
    let kinds: Vec<&str> =
        status["circuits"].as_array().unwrap().iter().map(|c| c["kind"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"slice") && kinds.contains(&"key"), "{kinds:?}");
    assert!(status["memory"]["used"].as_u64().unwrap() > 0);
    assert!(status["memory_source"].as_str().unwrap().contains("half of"), "{status}");
    tacit()
        .args(["node", "status", "--dir"])
        .arg(network.dir(1))
        .assert()
        .success()
        .stdout(predicate::str::contains("sealing key"));

    // Core dumps are off in the process itself.
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", status["pid"])).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"]);
    // Metrics and probes over HTTP, where the log says that they are.
    let log = std::fs::read_to_string(network.dir(1).join("log")).unwrap();
    let address = log.lines().find_map(|line| line.split_once("metrics at ")).unwrap().1;
    let get = |path: &str| {
        let mut stream = std::net::TcpStream::connect(address.trim()).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    };
    let metrics = get("/metrics");
    for line in [
        "tacit_node_offers_total{outcome=\"answered\"} 1",
        "tacit_node_connected 1",
        "tacit_node_phase_seconds_count{phase=\"compute\"} 1",
        "tacit_node_memory_bytes{kind=\"used\"}",
        "tacit_node_disk_bytes{kind=\"limit\"}",
        "tacit_node_sealing_key_expiry_seconds",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
    assert!(get("/healthz").starts_with("HTTP/1.1 200") && get("/readyz").starts_with("HTTP/1.1 200"));

    let (doctor, code) = network.doctor(1);
    assert_eq!(code, Some(0), "{doctor:#}");
    for name in
        ["coordinator", "key exchange", "clock", "records", "circuits", "permissions", "owner", "core dumps"]
    {
        assert_eq!(level(&doctor, name), ["ok"], "{name}: {doctor:#}");
    }
    let memory = doctor["checks"].as_array().unwrap().iter().find(|c| c["name"] == "memory").unwrap();
    assert!(memory["text"].as_str().unwrap().contains("half of"), "{memory}");
    assert_eq!(level(&doctor, "keys"), ["warn"]);
    // Not running: it dials by itself, and leaves everything as it is, after a crash and after an orderly end.
    network.node(1).kill();
    assert!(network.dir(1).join("node.sqlite-wal").exists());
    let unchanged = |network: &Network| {
        let before = everything(&network.dir(1));
        let (doctor, code) = network.doctor(1);
        assert_eq!(code, Some(0), "{doctor:#}");
        for name in ["key exchange", "coordinator", "records"] {
            assert_eq!(level(&doctor, name), ["ok"], "{name}: {doctor:#}");
        }
        assert_eq!(everything(&network.dir(1)), before);
        doctor
    };
    unchanged(&network);
    network.start_node(1);
    let mut node = network.node(1);
    node.signal("-TERM");
    node.ended();
    assert!(!network.dir(1).join("node.sqlite-wal").exists());
    unchanged(&network);
    // What another user left there would keep the node from starting.
    let database = network.dir(1).join("node.sqlite");
    if std::os::unix::fs::chown(&database, Some(12345), None).is_ok() {
        let (doctor, code) = network.doctor(1);
        assert_eq!((level(&doctor, "owner"), code), (vec!["fail"], Some(1)), "{doctor:#}");
        let me = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(network.dir(1)).unwrap());
        std::os::unix::fs::chown(&database, Some(me), None).unwrap();
    }
    tacit()
        .args(["node", "status", "--dir"])
        .arg(network.dir(1))
        .assert()
        .code(1)
        .stderr(predicate::str::contains("no node runs here"));
    // A damaged slice, keys that others can read, a coordinator that is another.
    let circuits = network.dir(1).join("circuits");
    let slice = std::fs::read_dir(circuits)
        .unwrap()
        .map(|e| e.unwrap().path())
        .find(|p| p.extension().is_some_and(|e| e == "slice"))
        .unwrap();
    let mut bytes = std::fs::read(&slice).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&slice, bytes).unwrap();
    let identity = network.dir(1).join("identity.pem");
    std::fs::set_permissions(&identity, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let (doctor, code) = network.doctor(1);
    assert_eq!(code, Some(1));
    assert_eq!((level(&doctor, "circuits"), level(&doctor, "permissions")), (vec!["warn"], vec!["fail"]));
    std::fs::set_permissions(&identity, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let config = network.dir(1).join("node.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let pinned = text.lines().find(|l| l.starts_with("coordinator_identity")).unwrap();
    let other = tacit_wire::Identity::from_seed(&[9; 32]).key().to_string();
    let other = other.trim_start_matches("ed25519:");
    std::fs::write(&config, text.replace(pinned, &format!("coordinator_identity = \"{other}\""))).unwrap();
    let (doctor, code) = network.doctor(1);
    assert_eq!((level(&doctor, "coordinator"), code), (vec!["fail"], Some(1)), "{doctor:#}");
}

#[test]
fn a_coordinators_keys_are_encrypted_where_it_says_so() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("coordinator");
    tacit_vault::dir::create_private(&dir).unwrap();
    let passphrase = root.path().join("passphrase");
    tacit_vault::dir::write_secret(&passphrase, b"six words that nobody would guess\n").unwrap();
    let toml = "http_listen = \"127.0.0.1:0\"\nquic_listen = \"127.0.0.1:0\"\n";
    let protected = format!("{toml}passphrase_file = \"{}\"\n", passphrase.display());
    std::fs::write(dir.join("coordinator.toml"), &protected).unwrap();
    let shows_keys = || {
        let pem = std::fs::read(dir.join("identity.pem")).unwrap();
        pem.windows(11).any(|w| w == b"PRIVATE KEY")
    };
    let first = start(&["coordinator", "run"], &dir);
    let identity = first.ready["identity"].clone();
    first.kill();
    assert!(!shows_keys());
    let again = start(&["coordinator", "run"], &dir);
    assert_eq!(again.ready["identity"], identity);
    again.kill();
    // Without it, it does not start; from keys in the clear to encrypted ones and back.
    std::fs::write(dir.join("coordinator.toml"), toml).unwrap();
    let run = || tacit().args(["coordinator", "run", "--dir"]).arg(&dir).assert();
    run().code(1).stderr(predicate::str::contains("are encrypted"));
    let change = |how: &[&str]| {
        tacit().args(["coordinator", "passphrase", "--dir"]).arg(&dir).args(how).assert().success();
    };
    let file = passphrase.to_str().unwrap();
    change(&["--passphrase-file", file, "--unencrypted"]);
    assert!(shows_keys());
    change(&["--new-passphrase-file", file]);
    assert!(!shows_keys());
}

#[test]
fn sigterm_ends_a_node_in_order_and_a_second_one_at_once() {
    let mut network = Network::new(1);
    let mut node = network.node(1);
    node.signal("-TERM");
    assert_eq!(node.ended().code(), Some(0));
    let log = std::fs::read_to_string(network.dir(1).join("log")).unwrap();
    assert!(log.contains("no more offers are taken") && log.contains("node stopped"), "{log}");
    assert!(!network.dir(1).join("status.sock").exists());
    // The coordinator hears nothing, so that the goodbye takes a while: the second signal does not wait for it.
    network.start_node(1);
    let mut node = network.node(1);
    network.coordinator.signal("-STOP");
    node.signal("-TERM");
    eventually(|| {
        let log = std::fs::read_to_string(network.dir(1).join("log")).unwrap();
        (log.matches("no more offers are taken").count() == 2).then_some(())
    });
    node.signal("-TERM");
    assert_eq!(node.ended().code(), Some(130));
    network.coordinator.signal("-CONT");
}

#[test]
fn a_computation_that_does_not_end_does_not_keep_the_process() {
    let mut network = Network::new(2);
    let out = tempfile::tempdir().unwrap();
    assert!(network.prove(out.path()).wait().unwrap().success());
    network.node(1).kill();
    // A key that is never read to its end, by a thread that nobody can stop.
    let files = std::fs::read_dir(network.dir(1).join("circuits")).unwrap().map(|e| e.unwrap().path());
    let kept: Vec<PathBuf> = files.filter(|p| p.is_file()).collect();
    assert!(!kept.is_empty());
    for path in &kept {
        std::fs::remove_file(path).unwrap();
        assert!(Command::new("mkfifo").args(["-m", "600"]).arg(path).status().unwrap().success());
    }
    let config = network.dir(1).join("node.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("# drain_seconds = 60", "drain_seconds = 1")).unwrap();
    network.start_node(1);
    let mut proving = network.prove(out.path());
    eventually(|| (network.status(1)["offers_in_hand"] == 1).then_some(()));
    let mut node = network.node(1);
    node.signal("-TERM");
    assert_eq!(node.ended().code(), Some(0));
    let log = std::fs::read_to_string(network.dir(1).join("log")).unwrap();
    assert!(log.contains("offers in hand were cut off") && log.contains("node stopped"), "{log}");
    let _ = proving.kill();
    let _ = proving.wait();
}

#[test]
fn a_job_goes_on_after_a_node_was_killed() {
    let mut network = Network::new(2);
    let out = tempfile::tempdir().unwrap();
    assert!(network.prove(out.path()).wait().unwrap().success());
    // Both nodes are needed. One of them stands still until the other has answered, so that it has its part of the job before it; then it is killed at once, or
    // when it reads, computes, has recorded or has answered.
    for moment in [0, 5, 20, 60, 150] {
        let before = network.status(2)["answered"].as_u64().unwrap();
        network.signal(1, "-STOP");
        let mut proving = network.prove(out.path());
        eventually(|| (network.status(2)["answered"].as_u64().unwrap() > before).then_some(()));
        network.signal(1, "-CONT");
        std::thread::sleep(Duration::from_millis(moment));
        network.node(1).kill();
        network.start_node(1);
        let ended = eventually(|| proving.try_wait().unwrap());
        let mut said = String::new();
        proving.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(ended.success(), "killed after {moment} ms: {said}");
        eventually(|| (network.status(1)["owed"] == 0).then_some(()));
    }
}
