//! Two coordinators of one PostgreSQL database as an operator runs them, and `kill -9`.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{fixture, tacit};
use serde_json::Value;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};

const DEFAULT_SERVER: &str = "postgres://postgres@127.0.0.1/postgres";
const NODES: u8 = 4;

/// A database of the test's own; dropped with it.
struct TestDatabase {
    server: String,
    name: String,
}

impl TestDatabase {
    /// `None`, with a word, where no server answers and none is required.
    fn new() -> Option<Self> {
        let server = std::env::var("TACIT_TEST_POSTGRES").unwrap_or_else(|_| DEFAULT_SERVER.to_owned());
        let database = Self { server, name: format!("tacit_test_cli_{}", std::process::id()) };
        match database.execute(format!("CREATE DATABASE {}", database.name)) {
            Ok(()) => Some(database),
            Err(error) => {
                let required = std::env::var("TACIT_REQUIRE_POSTGRES").is_ok_and(|v| v == "1");
                assert!(!required, "PostgreSQL is required: {error}");
                eprintln!("skipped: no PostgreSQL answers ({error})");
                std::mem::forget(database);
                None
            }
        }
    }

    fn execute(&self, sql: String) -> Result<(), sqlx::Error> {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let options: PgConnectOptions = self.server.parse()?;
            PgConnection::connect_with(&options).await?.execute(AssertSqlSafe(sql)).await?;
            Ok(())
        })
    }

    fn url(&self) -> String {
        let base = self.server.split_once('?').map_or(self.server.as_str(), |(base, _)| base);
        format!("{}/{}", base.rsplit_once('/').unwrap().0, self.name)
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let _ = self.execute(format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

/// A service's process; killed with the test.
struct Service {
    child: Child,
    ready: Value,
}

impl Service {
    fn run(words: &[&str], dir: &Path, database: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tacit"))
            .args(words)
            .args(["--json", "--log", "warn", "--dir"])
            .arg(dir)
            .env("TACIT_DATABASE", database)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { ready: serde_json::from_str(&line).expect("a ready line"), child }
    }

    fn kill(&mut self) {
        // SIGKILL: nothing is said to anybody.
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn text(&self, key: &str) -> String {
        self.ready[key].as_str().unwrap().to_owned()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn json(words: &[&str], paths: &[(&str, &Path)]) -> Value {
    let mut command = tacit();
    command.args(words).arg("--json");
    for (name, path) in paths {
        command.arg(name).arg(path);
    }
    serde_json::from_slice(&command.assert().success().get_output().stdout).unwrap()
}

/// Everybody's connected nodes, by what the network says through each URL of the file.
fn wait_connected(network: &Path) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let mut plan = tacit();
        let out = plan
            .args(["groth16", "prove", "--network"])
            .arg(network)
            .args([&fixture("bn128", "final.zkey"), &fixture("bn128", "tiny.wtns")])
            .args([&network.with_extension("proof"), &network.with_extension("public")])
            .output()
            .unwrap();
        if out.status.success() {
            return;
        }
        assert!(Instant::now() < deadline, "{}", String::from_utf8_lossy(&out.stderr));
    }
}

#[test]
fn jobs_outlive_whichever_coordinator_is_killed() {
    let Some(database) = TestDatabase::new() else { return };
    let root = tempfile::tempdir().unwrap();
    let dirs = ["one", "two"].map(|name| root.path().join(name));
    let identity = json(&["coordinator", "init"], &[("--dir", &dirs[0])])["identity"].clone();
    let file = dirs[0].join("identity.pem");
    let copy = json(&["coordinator", "init"], &[("--dir", &dirs[1]), ("--identity", &file)]);
    assert_eq!(copy["identity"], identity, "coordinators of one database are one coordinator");

    let node_dirs: Vec<PathBuf> = (1..=NODES).map(|i| root.path().join(format!("node-{i}"))).collect();
    let node_identities: Vec<Value> =
        node_dirs.iter().map(|dir| json(&["node", "init"], &[("--dir", dir)])["identity"].clone()).collect();
    let mut listed = String::new();
    for (node, i) in node_identities.iter().zip(1..) {
        write!(listed, "[[nodes]]\nname = \"node-{i}\"\nidentity = {node}\noperator = \"operator-{i}\"\n")
            .unwrap();
    }
    for dir in &dirs {
        let text = format!("http_listen = \"127.0.0.1:0\"\nquic_listen = \"127.0.0.1:0\"\n{listed}");
        std::fs::write(dir.join("coordinator.toml"), text).unwrap();
    }
    let url = database.url();
    let mut coordinators = dirs.clone().map(|dir| Service::run(&["coordinator", "run"], &dir, &url));
    // They come back where they were.
    let addresses = coordinators.each_ref().map(|c| (c.text("https"), c.text("quic")));
    let quic: Vec<_> = addresses.iter().map(|(_, quic)| format!("\"{quic}\"")).collect();
    let _nodes: Vec<Service> = node_dirs
        .iter()
        .map(|dir| {
            let text = format!(
                "name = \"node\"\ncoordinator = [{}]\ncoordinator_identity = {identity}\n[limits]\nretry_seconds = 1\n",
                quic.join(", ")
            );
            std::fs::write(dir.join("node.toml"), text).unwrap();
            Service::run(&["node", "run"], dir, &url)
        })
        .collect();
    let network = root.path().join("network.toml");
    let urls: Vec<_> = addresses.iter().map(|(https, _)| format!("\"https://{https}\"")).collect();
    let mut text = format!(
        "version = 1\nname = \"two\"\n[coordinator]\nurls = [{}]\nidentity = \"ed25519:{}\"\n",
        urls.join(", "),
        identity.as_str().unwrap()
    );
    for (node, i) in node_identities.iter().zip(1..) {
        let node = node.as_str().unwrap();
        write!(
            text,
            "[[nodes]]\nname = \"node-{i}\"\nidentity = \"ed25519:{node}\"\noperator = \"operator-{i}\"\nvouched_by = \"test\"\n"
        )
        .unwrap();
    }
    std::fs::write(&network, text).unwrap();
    wait_connected(&network);

    // Killed at different moments of a job, the one that the client speaks to first; the job goes on at the other.
    for (round, delay) in [0u64, 150, 400, 900].into_iter().enumerate() {
        let out = root.path().join(format!("round-{round}"));
        std::fs::create_dir(&out).unwrap();
        let (proof, public) = (out.join("proof.json"), out.join("public.json"));
        let assembler = if round % 2 == 0 { "coordinator" } else { "client" };
        let client = Command::new(env!("CARGO_BIN_EXE_tacit"))
            .args(["groth16", "prove", "--assembler", assembler, "--network"])
            .arg(&network)
            .args([&fixture("bn128", "final.zkey"), &fixture("bn128", "tiny.wtns"), &proof, &public])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Not a wait for something to happen: wherever the job is by then, it must go on.
        std::thread::sleep(Duration::from_millis(delay));
        coordinators[0].kill();
        let client = client.wait_with_output().unwrap();
        assert!(client.status.success(), "round {round}: {}", String::from_utf8_lossy(&client.stderr));
        tacit()
            .args(["groth16", "verify"])
            .args([&fixture("bn128", "verification_key.json"), &public, &proof])
            .assert()
            .success();
        let config = dirs[0].join("coordinator.toml");
        let text =
            format!("http_listen = \"{}\"\nquic_listen = \"{}\"\n{listed}", addresses[0].0, addresses[0].1);
        std::fs::write(config, text).unwrap();
        coordinators[0] = Service::run(&["coordinator", "run"], &dirs[0], &url);
    }
    // Nothing that was accepted is left over.
    let jobs = tacit().args(["job", "list", "--json", "--network"]).arg(&network).assert().success();
    let jobs: Value = serde_json::from_slice(&jobs.get_output().stdout).unwrap();
    let ended = ["proved", "answered"];
    let all = jobs.as_array().unwrap();
    assert!(all.len() >= 5 && all.iter().all(|j| ended.contains(&j["state"].as_str().unwrap())), "{jobs}");
}
