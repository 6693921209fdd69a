//! Delegated proving as a user runs it: real processes and sockets, all on loopback.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;

use common::{CURVES, fixture, tacit};
use predicates::prelude::*;
use serde_json::Value;

/// `tacit network up` in a folder of its own; ended with the test.
struct Network {
    dir: Rc<tempfile::TempDir>,
    up: Child,
    ready: Value,
}

impl Network {
    fn up(nodes: u8) -> Self {
        Self::up_in(Rc::new(tempfile::tempdir().unwrap()), nodes)
    }

    /// In a folder that may be an earlier one's.
    fn up_in(dir: Rc<tempfile::TempDir>, nodes: u8) -> Self {
        let mut up = Command::new(env!("CARGO_BIN_EXE_tacit"))
            .args(["network", "up", "--json", "--nodes", &nodes.to_string(), "--dir"])
            .arg(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut text = String::new();
        let mut out = BufReader::new(up.stdout.take().unwrap());
        // The value is spread over lines: read until it is whole.
        let ready = loop {
            assert_ne!(out.read_line(&mut text).unwrap(), 0, "network up ended early: {text}");
            if let Ok(value) = serde_json::from_str::<Value>(&text) {
                break value;
            }
        };
        Self { dir, up, ready }
    }

    fn toml(&self) -> PathBuf {
        self.dir.path().join("network.toml")
    }

    fn signal(&self, service: &str, signal: &str) {
        let services = self.ready["services"].as_array().unwrap();
        let pid = services.iter().find(|s| s["name"] == service).unwrap()["pid"].to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    fn prove(&self, curve: &str, wtns: &Path, out: &Path, more: &[&str]) -> assert_cmd::assert::Assert {
        tacit()
            .args(["groth16", "prove", "--network"])
            .arg(self.toml())
            .args([&fixture(curve, "final.zkey"), wtns, &out.join("proof.json"), &out.join("public.json")])
            .args(more)
            .assert()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.up.id().to_string()]).status();
        let _ = self.up.wait();
    }
}

fn verify(curve: &str, out: &Path) {
    tacit()
        .args(["groth16", "verify"])
        .args([&fixture(curve, "verification_key.json"), &out.join("public.json"), &out.join("proof.json")])
        .assert()
        .success();
}

#[test]
fn a_network_proves_on_both_curves_and_shows_what_it_did() {
    let network = Network::up(4);
    for curve in CURVES {
        let out = tempfile::tempdir().unwrap();
        let done = network.prove(curve, &fixture(curve, "tiny.wtns"), out.path(), &["--json"]).success();
        let result: Value = serde_json::from_slice(&done.get_output().stdout).unwrap();
        assert_eq!(result["verified"], true);
        assert_eq!(result["nodes"].as_array().unwrap().len(), 4);
        verify(curve, out.path());
    }
    // The coordinator assembles, if the user says so.
    let out = tempfile::tempdir().unwrap();
    network
        .prove("bn128", &fixture("bn128", "tiny.wtns"), out.path(), &["--assembler", "coordinator"])
        .success();
    verify("bn128", out.path());

    let show = |words: &[&str]| tacit().args(words).arg("--network").arg(network.toml()).assert().success();
    show(&["circuit", "list"])
        .stdout(predicate::str::contains("bls12381").and(predicate::str::contains("bn128")));
    show(&["circuit", "info", fixture("bn128", "final.zkey").to_str().unwrap()])
        .stdout(predicate::str::contains("Domain"));
    let jobs = show(&["job", "list", "--json"]);
    let jobs: Value = serde_json::from_slice(&jobs.get_output().stdout).unwrap();
    let id = jobs[0]["id"].as_str().unwrap();
    show(&["job", "show", &id[..12]])
        .stdout(predicate::str::contains("answered").or(predicate::str::contains("proved")));

    // Bases are registered by the same verb.
    let bases = out.path().join("powers.bases");
    tacit().args(["bases", "export"]).args([&fixture("bn128", "pot.ptau"), &bases]).assert().success();
    let add = |new: &str| {
        let bases = bases.to_str().unwrap();
        show(&["circuit", "add", bases, "--json"]).stdout(predicate::str::contains(new));
    };
    add("\"new\": true");
    add("\"new\": false");
    show(&["circuit", "list"]).stdout(predicate::str::contains(" bases "));
    show(&["circuit", "info", bases.to_str().unwrap()]).stdout(predicate::str::contains("Points"));
    // And forgotten by their id, once.
    let listed = show(&["circuit", "list", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.get_output().stdout).unwrap();
    let bases = listed.as_array().unwrap().iter().find(|c| c["kind"] == "bases").unwrap();
    let id = bases["id"].as_str().unwrap();
    let remove = || tacit().args(["circuit", "remove", id, "--network"]).arg(network.toml()).assert();
    remove().success().stdout(predicate::str::contains("removed"));
    remove()
        .code(1)
        .stderr(predicate::str::contains("unknown_circuit").or(predicate::str::contains("no circuit")));

    // More nodes than there are, more liars than the dials allow, dials of a later version.
    let wtns = fixture("bn128", "tiny.wtns");
    network.prove("bn128", &wtns, out.path(), &["--committee", "5"]).code(1);
    network
        .prove("bn128", &wtns, out.path(), &["--committee", "4", "--threshold", "2"])
        .code(1)
        .stderr(predicate::str::contains("threshold"));
    network
        .prove("bn128", &wtns, out.path(), &["--handover", "inputs"])
        .code(1)
        .stderr(predicate::str::contains("not supported"));
}

#[test]
fn one_silent_node_changes_nothing_and_two_are_named() {
    let network = Network::up(4);
    let out = tempfile::tempdir().unwrap();
    let wtns = fixture("bn128", "tiny.wtns");
    // Stopped, not killed: it is still connected, gets its envelope, and never answers. Then it dies under the job.
    network.signal("node-2", "-STOP");
    network.prove("bn128", &wtns, out.path(), &[]).success();
    verify("bn128", out.path());
    network.signal("node-3", "-STOP");
    network
        .prove("bn128", &wtns, out.path(), &["--timeout", "4"])
        .code(1)
        .stderr(predicate::str::contains("node-2").and(predicate::str::contains("node-3")));
    network.signal("node-3", "-CONT");
    network.signal("node-2", "-CONT");
    network.prove("bn128", &wtns, out.path(), &[]).success();
}

#[test]
fn a_wrong_witness_blames_no_node() {
    let network = Network::up(4);
    let out = tempfile::tempdir().unwrap();
    let bad = out.path().join("bad.wtns");
    let mut bytes = std::fs::read(fixture("bn128", "tiny.wtns")).unwrap();
    let at = bytes.len() - 32;
    bytes[at] ^= 1;
    std::fs::write(&bad, bytes).unwrap();
    network
        .prove("bn128", &bad, out.path(), &[])
        .code(1)
        .stderr(predicate::str::contains("witness").and(predicate::str::contains("wrong")));
    // With the constraints, given here or registered, it is caught before anything is dealt.
    let r1cs = fixture("bn128", "tiny.r1cs");
    network
        .prove("bn128", &bad, out.path(), &["--r1cs", r1cs.to_str().unwrap()])
        .code(1)
        .stderr(predicate::str::contains("constraint "));
    tacit()
        .args(["circuit", "add", "--network"])
        .arg(network.toml())
        .arg("--r1cs")
        .args([&r1cs, &fixture("bn128", "final.zkey")])
        .assert()
        .success();
    network
        .prove("bn128", &bad, out.path(), &[])
        .code(1)
        .stderr(predicate::str::contains("constraint ").and(predicate::str::contains("Nothing was sent")));
    assert!(!out.path().join("proof.json").exists());
}

#[test]
fn constraints_that_a_stranger_registered_decide_nothing() {
    let network = Network::up(4);
    let out = tempfile::tempdir().unwrap();
    let wtns = fixture("bn128", "tiny.wtns");
    // A stranger, with a folder of their own, registers constraints that this witness does not satisfy: if they decided
    // whether it is dealt, the stranger would learn something about it.
    let false_r1cs = out.path().join("false.r1cs");
    std::fs::write(
        &false_r1cs,
        with_another_constant(&std::fs::read(fixture("bn128", "tiny.r1cs")).unwrap()),
    )
    .unwrap();
    tacit().args(["wtns", "check"]).args([&false_r1cs, &wtns]).assert().code(1);
    tacit()
        .env("TACIT_CACHE_DIR", out.path().join("stranger"))
        .args(["circuit", "add", "--network"])
        .arg(network.toml())
        .arg("--r1cs")
        .args([&false_r1cs, &fixture("bn128", "final.zkey")])
        .assert()
        .success();
    network.prove("bn128", &wtns, out.path(), &[]).success();
    verify("bn128", out.path());
}

/// The same constraint system with one coefficient changed.
fn with_another_constant(r1cs: &[u8]) -> Vec<u8> {
    let seven = [&7u64.to_le_bytes()[..], &[0; 24]].concat();
    let at = r1cs.windows(32).rposition(|w| w == seven).expect("the circuit has the constant 7");
    let mut changed = r1cs.to_vec();
    changed[at] = 8;
    changed
}

#[test]
fn a_network_that_is_not_there_or_not_the_pinned_one_is_refused() {
    let network = Network::up(4);
    let out = tempfile::tempdir().unwrap();
    let toml = std::fs::read_to_string(network.toml()).unwrap();
    let identity = network_identity(&toml);
    let flipped = if identity.starts_with('0') { "1" } else { "0" }.to_owned() + &identity[1..];
    let wrong = out.path().join("wrong.toml");
    std::fs::write(&wrong, toml.replacen(&identity, &flipped, 1)).unwrap();
    let prove = |toml: &Path| {
        tacit()
            .args(["groth16", "prove", "--timeout", "3", "--network"])
            .arg(toml)
            .args([fixture("bn128", "final.zkey"), fixture("bn128", "tiny.wtns")])
            .args([out.path().join("p.json"), out.path().join("s.json")])
            .assert()
            .code(1)
            .stderr(predicate::str::starts_with("tacit: ").or(predicate::str::contains("\ntacit: ")))
    };
    prove(&wrong);
    prove(Path::new("/no/such/network.toml")).stderr(predicate::str::contains("network.toml"));
    std::fs::write(&wrong, "version = 1\nnonsense").unwrap();
    prove(&wrong);
}

/// The first identity in the file, the coordinator's.
fn network_identity(toml: &str) -> String {
    let line = toml.lines().find(|l| l.starts_with("identity")).unwrap();
    let digits: Vec<&str> = line.split(|c: char| !c.is_ascii_hexdigit()).filter(|w| w.len() == 64).collect();
    digits[0].to_owned()
}

#[test]
fn the_demo_shows_a_verified_proof_and_leaves_nothing_running() {
    let done = tacit().args(["demo", "--json"]).assert().success();
    let result: Value = serde_json::from_slice(&done.get_output().stdout).unwrap();
    assert_eq!(result["verified"], true);
    assert_eq!(result["nodes"].as_array().unwrap().len(), 4);
    assert!(result["private_wires"].as_u64().unwrap() > 8000);
}

#[test]
fn the_demo_shows_two_nodes_shards_and_a_dropout() {
    for (scenario, nodes, seeded, answered) in
        [("two-nodes", 2, 1, 2), ("sharded", 4, 2, 4), ("dropout", 4, 1, 3)]
    {
        let done = tacit().args(["demo", "--json", "--scenario", scenario]).assert().success();
        let result: Value = serde_json::from_slice(&done.get_output().stdout).unwrap();
        assert_eq!(result["verified"], true);
        let shown = result["nodes"].as_array().unwrap();
        assert_eq!(shown.len(), nodes);
        let small = shown.iter().filter(|n| n["package_bytes"].as_u64().unwrap() < 200).count();
        assert_eq!(small, seeded, "{scenario}: packages with a seed");
        assert!(shown.iter().filter(|n| n["answered"] == true).count() >= answered);
        let killed = if scenario == "dropout" { Value::from("node-2") } else { Value::Null };
        assert_eq!(result["killed"], killed, "{scenario}: who is dead in the end");
    }
}

#[test]
fn the_demo_finds_a_liar_out_and_its_evidence_convinces() {
    let dir = tempfile::tempdir().unwrap();
    let done =
        tacit().args(["demo", "--json", "--scenario", "liar", "--dir"]).arg(dir.path()).assert().success();
    let result: Value = serde_json::from_slice(&done.get_output().stdout).unwrap();
    assert_eq!((&result["verified"], &result["liar"]["name"]), (&true.into(), &"node-3".into()));
    let (evidence, zkey) = (dir.path().join("evidence.json"), dir.path().join("spend.zkey"));
    let audit =
        |evidence: &Path| tacit().args(["audit", "--json"]).arg(evidence).arg("--zkey").arg(&zkey).assert();
    let said: Value = serde_json::from_slice(&audit(&evidence).code(0).get_output().stdout).unwrap();
    assert_eq!(said["verdict"], "guilty");
    assert_eq!(
        said["node"],
        result["nodes"].as_array().unwrap().iter().find(|n| n["name"] == "node-3").unwrap()["identity"]
    );
    // In words, and from the key that was checked before.
    tacit().arg("audit").arg(&evidence).assert().code(0).stdout(predicate::str::starts_with("guilty: node "));

    // Without the key, and changed, it shows nothing about anybody.
    let text = std::fs::read_to_string(&evidence).unwrap();
    let (empty, changed) = (dir.path().join("cache"), dir.path().join("changed.json"));
    tacit()
        .arg("audit")
        .arg(&evidence)
        .env("TACIT_CACHE_DIR", &empty)
        .assert()
        .code(3)
        .stderr(predicate::str::contains("--zkey"));
    let mut json: Value = serde_json::from_str(&text).unwrap();
    let package = json["package"].as_str().unwrap().to_owned();
    let last = if package.ends_with('0') { "1" } else { "0" };
    json["package"] = format!("{}{last}", &package[..package.len() - 1]).into();
    for content in [json.to_string(), text[..text.len() / 2].to_owned(), String::new()] {
        std::fs::write(&changed, content).unwrap();
        audit(&changed).code(3).stderr(predicate::str::contains("changed.json"));
    }
    audit(Path::new("/no/such/file")).code(3);
    tacit().args(["audit"]).assert().code(3);
}

/// Three groups of two with a spare each: the coordinator or the client assembles; a node stopped in each group changes nothing.
#[test]
fn groups_prove_with_a_slice_each() {
    let network = Network::up(9);
    let dials = ["--committee", "3", "--groups", "3", "--handover", "quotient"];
    let wtns = fixture("bn128", "tiny.wtns");
    let out = tempfile::tempdir().unwrap();
    for assembler in ["client", "coordinator"] {
        network
            .prove("bn128", &wtns, out.path(), &[&dials[..], &["--assembler", assembler]].concat())
            .success();
        verify("bn128", out.path());
    }
    network.signal("node-5", "-STOP");
    network.prove("bn128", &wtns, out.path(), &dials).success();
    verify("bn128", out.path());
    network.signal("node-5", "-CONT");
    network
        .prove("bn128", &wtns, out.path(), &["--groups", "2"])
        .code(1)
        .stderr(predicate::str::contains("quotient"));
}

/// The dials are chosen for this device and network, within what is said of them.
#[test]
fn a_plan_for_a_network_and_a_proof_with_the_dials_that_it_recommends() {
    let network = Network::up(4);
    let (key, wtns) = (fixture("bn128", "final.zkey"), fixture("bn128", "tiny.wtns"));
    let plan = || -> Value {
        let done = tacit()
            .args(["plan", "--json"])
            .arg(&key)
            .arg("--network")
            .arg(network.toml())
            .assert()
            .success();
        serde_json::from_slice(&done.get_output().stdout).unwrap()
    };
    // The nodes measure themselves in the background.
    let began = std::time::Instant::now();
    let found = loop {
        let found = plan();
        if found["nodes"].as_array().unwrap().iter().all(|n| n["believed"] == true) {
            break found;
        }
        assert!(began.elapsed().as_secs() < 60, "not every node says how fast it is: {found}");
    };
    assert_eq!(found["nodes"].as_array().unwrap().len(), 4);
    assert_eq!(found["line"]["source"], "measured");
    let seats = |s: &Value| s["n"].as_u64().unwrap() * s["groups"].as_u64().unwrap();
    assert!(found["settings"].as_array().unwrap().iter().all(|s| seats(s) <= 4), "{found}");
    tacit()
        .arg("plan")
        .arg(&key)
        .arg("--network")
        .arg(network.toml())
        .assert()
        .success()
        .stdout(predicate::str::contains("node-4 ").and(predicate::str::contains("was measured")));

    // Whom the user does not want is not counted on, and the command that is recommended says so.
    let done = tacit()
        .args(["plan", "--json", "--avoid", "node-4", "--nodes", "node-1,node-2,node-4"])
        .arg(&key)
        .arg("--network")
        .arg(network.toml())
        .assert()
        .success();
    let narrowed: Value = serde_json::from_slice(&done.get_output().stdout).unwrap();
    let names: Vec<_> = narrowed["nodes"].as_array().unwrap().iter().map(|n| n["name"].clone()).collect();
    assert_eq!(names.len(), 2, "{narrowed}");
    assert!(narrowed["settings"].as_array().unwrap().iter().all(|s| seats(s) <= 2), "{narrowed}");
    let command = narrowed["recommended"]["command"].as_str().unwrap();
    assert!(command.contains(" --nodes node-1,node-2,node-4 --avoid node-4 "), "{command}");

    let prove = |more: &[&str]| -> Value {
        let out = tempfile::tempdir().unwrap();
        let arguments = [&["--json", "--handover", "auto"], more].concat();
        let done = network.prove("bn128", &wtns, out.path(), &arguments).success();
        verify("bn128", out.path());
        serde_json::from_slice(&done.get_output().stdout).unwrap()
    };
    let chosen = prove(&[]);
    for dial in ["handover", "n", "t", "groups"] {
        assert_eq!(chosen[dial], chosen["chosen"][dial], "{chosen}");
    }
    assert!(chosen["chosen"]["why"].as_str().unwrap().contains("spare node"), "{chosen}");
    let kept = prove(&["--committee", "3", "--threshold", "2"]);
    assert_eq!((&kept["handover"], &kept["n"], &kept["t"]), (&"quotient".into(), &3.into(), &2.into()));
    let grouped = prove(&["--groups", "2"]);
    assert_eq!((&grouped["groups"], &grouped["n"]), (&2.into(), &2.into()));
    let private = prove(&["--privacy", "all-but-one"]);
    assert_eq!(private["t"].as_u64().unwrap() + 1, private["n"].as_u64().unwrap());
    assert_eq!(private["groups"], 1);

    let out = tempfile::tempdir().unwrap();
    let refused = |more: &[&str]| {
        network.prove("bn128", &wtns, out.path(), &[&["--handover", "auto"], more].concat()).code(1)
    };
    refused(&["--committee", "5"])
        .stderr(predicate::str::contains("only 4 nodes can be seated, 5 are needed"));
    refused(&["--committee", "4", "--threshold", "4"])
        .stderr(predicate::str::contains("cannot have threshold 4"));
}

/// Two nodes, the handover `quotient`: both are needed.
#[test]
fn two_nodes_prove_on_both_curves() {
    let network = Network::up(2);
    let dials = ["--committee", "2", "--handover", "quotient"];
    for curve in CURVES {
        let out = tempfile::tempdir().unwrap();
        let done = network
            .prove(curve, &fixture(curve, "tiny.wtns"), out.path(), &[&dials[..], &["--json"]].concat())
            .success();
        let result: Value = serde_json::from_slice(&done.get_output().stdout).unwrap();
        assert_eq!((&result["verified"], &result["handover"]), (&true.into(), &"quotient".into()));
        verify(curve, out.path());
    }
    // The coordinator may assemble here, too.
    let out = tempfile::tempdir().unwrap();
    let wtns = fixture("bn128", "tiny.wtns");
    network
        .prove("bn128", &wtns, out.path(), &[&dials[..], &["--assembler", "coordinator"]].concat())
        .success();
    verify("bn128", out.path());
    // Without the handover two nodes are too few.
    network
        .prove("bn128", &wtns, out.path(), &["--committee", "2"])
        .code(1)
        .stderr(predicate::str::contains("between 3 and 16"));
    network.signal("node-2", "-STOP");
    network
        .prove("bn128", &wtns, out.path(), &[&dials[..], &["--timeout", "4"]].concat())
        .code(1)
        .stderr(predicate::str::contains("node-2"));
    network.signal("node-2", "-CONT");
    network.prove("bn128", &wtns, out.path(), &dials).success();
}

/// What a verb said as JSON, and its exit code.
fn said(command: &mut assert_cmd::Command, code: i32) -> Value {
    let output = command.arg("--json").assert().code(code).get_output().clone();
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    serde_json::from_slice(&text).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&text)))
}

#[test]
fn jobs_get_receipts_and_a_coordinator_that_loses_its_log_is_caught() {
    let cache = tempfile::tempdir().unwrap();
    let out = tempfile::tempdir().unwrap();
    let network = Network::up(4);
    let with_cache = || {
        let mut command = tacit();
        command.env("TACIT_CACHE_DIR", cache.path());
        command
    };
    let follow = |network: &Network, code| {
        let mut command = with_cache();
        command.args(["log", "verify", "--network"]).arg(network.toml()).arg("--evidence").arg(out.path());
        said(&mut command, code)
    };
    let prove = |network: &Network, name: &str, more: &[&str]| {
        let files = [out.path().join("proof.json"), out.path().join("public.json")];
        let mut command = with_cache();
        command.args(["groth16", "prove", "--network"]).arg(network.toml());
        command.args([fixture("bn128", "final.zkey"), fixture("bn128", "tiny.wtns")]).args(files).args(more);
        command.arg("--receipt").arg(out.path().join(name));
        said(&mut command, 0)
    };
    assert_eq!(follow(&network, 0)["size"], 0);
    let first = prove(&network, "first.json", &["--nodes", "node-1,node-2,node-3", "--committee", "3"]);
    let names: Vec<&str> =
        first["nodes"].as_array().unwrap().iter().map(|n| n["name"].as_str().unwrap()).collect();
    assert!(!names.contains(&"node-4"), "{names:?}");
    assert_eq!((&first["receipt"]["entry"], &first["verified"]), (&0.into(), &true.into()));
    let second = prove(&network, "second.json", &["--assembler", "coordinator"]);
    assert_eq!(second["receipt"]["entry"], 1);
    let followed = follow(&network, 0);
    assert_eq!((&followed["seen_before"], &followed["read"]), (&2.into(), &2.into()));
    assert_eq!((&followed["outcomes"]["answered"], &followed["outcomes"]["proved"]), (&1.into(), &1.into()));
    assert_eq!(follow(&network, 0)["read"], 0, "what was read is not read again");

    // A receipt needs nobody to be checked, but says nothing about another coordinator.
    let file = out.path().join("first.json");
    let key = followed["log"].as_str().unwrap().to_owned();
    let check = |code| {
        let mut command = with_cache();
        command.args(["log", "receipt", "--coordinator", &key]).arg(&file);
        said(&mut command, code)
    };
    assert_eq!(check(0)["receipt"]["job"], first["job"]);
    with_cache()
        .args(["log", "receipt", "--network"])
        .args([&network.toml(), &file])
        .assert()
        .success()
        .stdout(predicate::str::contains("The receipt holds").and(predicate::str::contains("acknowledged")));
    with_cache().args(["log", "receipt", "--coordinator", &"11".repeat(32)]).arg(&file).assert().code(1);
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, good.replace("\"leaf\": 0", "\"leaf\": 1")).unwrap();
    assert!(check(1)["error"].as_str().unwrap().contains("is not entry 1 of the log"));
    std::fs::write(&file, "{}").unwrap();
    assert!(check(3)["error"].as_str().unwrap().contains("not a receipt"));
    with_cache()
        .args(["log", "show", "--network"])
        .arg(network.toml())
        .assert()
        .success()
        .stdout(predicate::str::contains("answered").and(predicate::str::contains("proved")));
    let unknown = ["--nodes", "node-1,nobody"];
    network
        .prove("bn128", &fixture("bn128", "tiny.wtns"), out.path(), &unknown)
        .code(1)
        .stderr(predicate::str::contains("no node and no operator in network.toml is called \"nobody\""));
    network
        .prove("bn128", &fixture("bn128", "tiny.wtns"), out.path(), &["--avoid", "operator-node-2"])
        .code(1)
        .stderr(predicate::str::contains("node-2: you avoid it"));

    // The same identity, another history.
    let dir = Rc::clone(&network.dir);
    drop(network);
    for file in std::fs::read_dir(dir.path().join("coordinator")).unwrap() {
        let path = file.unwrap().path();
        if path.to_string_lossy().contains("coordinator.sqlite") {
            std::fs::remove_file(path).unwrap();
        }
    }
    let network = Network::up_in(dir, 4);
    let caught = follow(&network, 1);
    assert!(caught["error"].as_str().unwrap().contains("the coordinator's log is turned back"), "{caught}");
    let evidence = std::fs::read_dir(out.path()).unwrap().map(|f| f.unwrap().path());
    let evidence = evidence.into_iter().find(|p| p.to_string_lossy().contains("log-evidence")).unwrap();
    let judge = |key: &str, code| {
        let mut command = with_cache();
        command.args(["log", "evidence", "--coordinator", key]).arg(&evidence);
        said(&mut command, code)
    };
    assert_eq!(judge(&key, 0)["charge"], "turned_back");
    judge(&"11".repeat(32), 1);
    // A proof comes, and is written; that its receipt is refused is said. Evidence goes where the program runs.
    let mut command = with_cache();
    command.current_dir(out.path());
    command.args(["groth16", "prove", "--network"]).arg(network.toml());
    command.args([fixture("bn128", "final.zkey"), fixture("bn128", "tiny.wtns")]);
    command.args([
        out.path().join("p.json"),
        out.path().join("s.json"),
        "--receipt".into(),
        out.path().join("r.json"),
    ]);
    command.assert().code(1).stderr(predicate::str::contains("there is a proof and no receipt"));
    assert!(out.path().join("p.json").exists() && !out.path().join("r.json").exists());
    // Where nothing can be asked nothing is checked.
    with_cache().args(["log", "verify", "--network"]).arg(out.path().join("missing.toml")).assert().code(3);
}

#[test]
fn a_kept_demo_can_be_used_and_ended() {
    let dir = tempfile::tempdir().unwrap();
    tacit().args(["demo", "--keep", "--dir"]).arg(dir.path()).assert().success();
    let at = |name: &str| dir.path().join(name);
    tacit()
        .args(["groth16", "prove", "--network"])
        .args([at("network.toml"), at("spend.zkey"), at("spend.wtns"), at("p.json"), at("s.json")])
        .assert()
        .success();
    tacit()
        .args(["groth16", "verify"])
        .args([at("verification_key.json"), at("s.json"), at("p.json")])
        .assert()
        .success();
    tacit()
        .args(["network", "down", "--dir"])
        .arg(dir.path())
        .assert()
        .success()
        .stdout(predicate::str::contains("5 processes ended"));
}

#[test]
fn a_coordinator_that_asks_for_keys_is_used_with_one() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("coordinator");
    tacit().args(["coordinator", "init", "--dir"]).arg(&folder).assert().success();
    let config = folder.join("coordinator.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("access = \"keys\"\n{text}")).unwrap();
    let mut coordinator = Command::new(env!("CARGO_BIN_EXE_tacit"))
        .args([
            "coordinator",
            "run",
            "--http",
            "127.0.0.1:0",
            "--quic",
            "127.0.0.1:0",
            "--json",
            "--stop-with-stdin",
            "--dir",
        ])
        .arg(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(coordinator.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    let network = dir.path().join("network.toml");
    let text = |key_file: &str| {
        format!(
            "version = 1\n[coordinator]\nurls = [\"https://{}\"]\nidentity = \"ed25519:{}\"\n{key_file}\n\
             [[nodes]]\nname = \"n\"\nidentity = \"ed25519:{}\"\noperator = \"o\"\nvouched_by = \"v\"\n",
            ready["https"].as_str().unwrap(),
            ready["identity"].as_str().unwrap(),
            "11".repeat(32)
        )
    };
    std::fs::write(&network, text("")).unwrap();
    let list = || {
        let mut command = tacit();
        command.env_remove("TACIT_API_KEY").args(["job", "list", "--network"]).arg(&network);
        command
    };
    let key = |words: &[&str]| {
        let mut command = tacit();
        command.args(["coordinator", "key"]).args(words).arg("--dir").arg(&folder).assert()
    };
    list().assert().failure().stderr(predicate::str::contains("key_required"));

    let added = key(&["add", "me"]).success();
    let secret = String::from_utf8(added.get_output().stdout.clone()).unwrap();
    assert!(secret.starts_with("tacit_") && secret.trim().len() == 70, "one line with the key");
    std::fs::write(dir.path().join("me.key"), &secret).unwrap();
    list().arg("--api-key-file").arg(dir.path().join("me.key")).assert().success();
    list().env("TACIT_API_KEY", secret.trim()).assert().success();
    std::fs::write(&network, text("api_key_file = \"me.key\"")).unwrap();
    list().assert().success();

    key(&["add", "me"]).failure().stderr(predicate::str::contains("there is, or was, a key called"));
    key(&["list"])
        .success()
        .stdout(predicate::str::contains("me").and(predicate::str::contains("tacit_").not()));
    key(&["revoke", "me"]).success();
    let refused = list().assert().failure();
    let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(said.contains("bad_key") && !said.contains(secret.trim()), "{said}");
    drop(coordinator.stdin.take());
    assert!(coordinator.wait().unwrap().success());
}
