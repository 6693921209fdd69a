//! A network on this machine: a coordinator and nodes as processes of their own, each with its own folder and real
//! sockets on loopback.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tacit_client::network::{Choice, Network, PinnedCoordinator, PinnedNode};

use crate::failure::{Failure, InFile, Outcome};
use crate::files::{self, Access};
use crate::verbs::node;

/// What a service prints on standard output, in one line, once it can be reached.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ready {
    /// Always true: names the line.
    pub ready: bool,
    /// The service's Ed25519 identity, hexadecimal.
    pub identity: String,
    /// Where the coordinator speaks HTTPS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub https: Option<String>,
    /// Where the coordinator awaits nodes (QUIC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quic: Option<String>,
    /// Where a prover speaks HTTP, to its proxy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<String>,
}

/// What becomes of the processes when this one ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// They end with it, however it ends.
    Bound,
    /// They stay until `tacit network down`.
    Detached,
}

/// A process of the network.
#[derive(Debug)]
pub struct Service {
    /// `coordinator`, `node-1`, ...
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    child: Child,
}

/// The running network.
#[derive(Debug)]
pub struct LocalNetwork {
    /// Where everything lies.
    pub folder: PathBuf,
    /// What a client pins.
    pub network: Network,
    /// The coordinator first, then the nodes.
    pub services: Vec<Service>,
    /// Where nodes dial the coordinator.
    quic: String,
    lifetime: Lifetime,
}

/// The file that names the processes of a detached network.
const PIDS: &str = "pids.json";

impl LocalNetwork {
    /// Starts a coordinator and `n` nodes below `folder`, waits until every node is connected and writes
    /// `folder/network.toml`. A folder of an earlier run is used again, with its identities.
    pub fn start(folder: &Path, n: u8, lifetime: Lifetime, mut said: impl FnMut(&str)) -> Outcome<Self> {
        make_private(folder)?;
        let folder = folder.canonicalize().in_file(folder)?;
        let nodes: Vec<(String, PathBuf)> =
            (1..=n).map(|i| format!("node-{i}")).map(|name| (name.clone(), folder.join(&name))).collect();

        let mut pinned = Vec::new();
        for (name, node_folder) in &nodes {
            pinned.push(PinnedNode {
                name: name.clone(),
                // A network to develop against: its keys protect nothing.
                identity: tacit_node::init(node_folder)?.0,
                operator: format!("operator-{name}"),
                vouched_by: "tacit network up (this machine)".to_owned(),
            });
        }
        let coordinator_folder = folder.join("coordinator");
        let identity = tacit_coordinator::init(&coordinator_folder)?;
        let path = coordinator_folder.join("coordinator.toml");
        files::write(&path, coordinator_toml(&pinned).as_bytes(), Access::Private)?;
        let mut network = Self {
            folder: folder.clone(),
            network: Network {
                name: "local".to_owned(),
                coordinator: PinnedCoordinator {
                    urls: Vec::new(),
                    identity: identity.0,
                    certificate: None,
                    api_key_file: None,
                },
                nodes: pinned,
                choice: Choice::default(),
            },
            services: Vec::new(),
            quic: String::new(),
            lifetime,
        };

        let (coordinator, ready) =
            network.spawn("coordinator", &coordinator_folder, &["coordinator", "run"])?;
        network.services.push(coordinator);
        let (Some(https), Some(quic)) = (ready.https, ready.quic) else {
            return Err(Failure::new("the coordinator did not tell where it listens"));
        };
        network.network.coordinator.urls = vec![format!("https://{https}")];
        network.quic.clone_from(&quic);
        said(&format!("coordinator at https://{https}, nodes dial {quic}"));
        for (name, node_folder) in &nodes {
            let text = tacit_node::config::annotated(name, &quic, &ready.identity, &[]);
            files::write(&node::config_path(node_folder), text.as_bytes(), Access::Private)?;
            let (service, _) = network.spawn(name, node_folder, &["node", "run"])?;
            network.services.push(service);
        }
        network.await_nodes(&mut said)?;
        network.network.save(&network.network_toml())?;
        if lifetime == Lifetime::Detached {
            let pids: Vec<u32> = network.services.iter().map(|s| s.child.id()).collect();
            fs::write(network.folder.join(PIDS), serde_json::to_vec(&pids)?).in_file(&network.folder)?;
        }
        Ok(network)
    }

    /// The file for `--network`.
    pub fn network_toml(&self) -> PathBuf {
        self.folder.join("network.toml")
    }

    fn spawn(&self, name: &str, folder: &Path, verb: &[&str]) -> Outcome<(Service, Ready)> {
        Service::start(name, folder, verb, self.lifetime)
    }

    /// Waits until the coordinator has every node.
    fn await_nodes(&mut self, said: &mut impl FnMut(&str)) -> Outcome {
        let runtime = crate::runtime::new()?;
        let api = tacit_client::Api::new(&self.network)?;
        let deadline = Instant::now() + Duration::from_secs(60);
        let expected = self.network.nodes.len();
        loop {
            let connected = match runtime.block_on(api.network()) {
                Ok(info) => info.nodes.iter().filter(|n| n.connected).count(),
                Err(_) => 0,
            };
            if connected >= expected {
                return Ok(());
            }
            for service in &mut self.services {
                if let Ok(Some(status)) = service.child.try_wait() {
                    return Err(Failure::new(format!(
                        "{} ended early ({status}); its log ends:\n{}",
                        service.name,
                        tail(&service.folder.join("log"))
                    )));
                }
            }
            if Instant::now() > deadline {
                return Err(Failure::new(format!(
                    "after a minute only {connected} of {expected} nodes had reached the coordinator; look at {}/node-*/log",
                    self.folder.display()
                )));
            }
            said(&format!("{connected} of {expected} nodes connected"));
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Ends every process, nodes first, asking politely.
    pub fn stop(&mut self) {
        while let Some(mut service) = self.services.pop() {
            service.stop();
        }
        let _ = fs::remove_file(self.folder.join(PIDS));
    }

    /// Where nodes dial the coordinator.
    pub fn quic(&self) -> &str {
        &self.quic
    }

    /// Ends one node's process, counted from 1, so that another takes over its identity; returns its name and folder.
    pub fn vacate(&mut self, node: usize) -> Outcome<(String, PathBuf)> {
        if node == 0 || node >= self.services.len() {
            return Err(Failure::new(format!("the network has no node {node}")));
        }
        let mut service = self.services.remove(node);
        service.stop();
        Ok((service.name, service.folder))
    }

    /// Waits until every node that clients pin is connected.
    pub fn await_all(&mut self) -> Outcome {
        self.await_nodes(&mut |_: &str| ())
    }

    /// A process that ended by itself.
    pub fn dead(&mut self) -> Option<String> {
        self.services.iter_mut().find_map(|s| match s.child.try_wait() {
            Ok(None) => None,
            _ => Some(s.name.clone()),
        })
    }
}

impl Drop for LocalNetwork {
    fn drop(&mut self) {
        if self.lifetime == Lifetime::Bound {
            self.stop();
        }
    }
}

impl Service {
    /// Starts one process of this program on a folder and waits for the line in which it says that it is ready.
    pub fn start(name: &str, folder: &Path, verb: &[&str], lifetime: Lifetime) -> Outcome<(Self, Ready)> {
        let exe = std::env::current_exe()
            .map_err(|e| Failure::new(format!("cannot find this program itself: {e}")))?;
        let log_path = folder.join("log");
        let log = fs::OpenOptions::new().create(true).append(true).open(&log_path).in_file(&log_path)?;
        let mut command = Command::new(exe);
        command.args(verb).arg("--dir").arg(folder).arg("--json").stdout(Stdio::piped()).stderr(log);
        match lifetime {
            // The child ends when this pipe closes: whatever way the parent ends.
            Lifetime::Bound => command.arg("--stop-with-stdin").stdin(Stdio::piped()),
            Lifetime::Detached => command.stdin(Stdio::null()),
        };
        // Not this terminal's group: Ctrl-C is for the parent, which stops its children in order.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child =
            command.spawn().map_err(|e| Failure::new(format!("{name} cannot be started: {e}")))?;
        let stdout = child.stdout.take();
        let service = Self { name: name.to_owned(), folder: folder.to_owned(), child };
        let line = stdout.and_then(|out| BufReader::new(out).lines().next()).transpose()?;
        match line.as_deref().map(serde_json::from_str::<Ready>) {
            Some(Ok(ready)) => Ok((service, ready)),
            _ => {
                let said = line.and_then(|line| serde_json::from_str::<serde_json::Value>(&line).ok());
                let said = said.as_ref().and_then(|said| said["error"].as_str()).unwrap_or_default();
                Err(Failure::new(format!("{name} did not start: {said}; its log ends:\n{}", tail(&log_path))))
            }
        }
    }

    /// The process's number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it, asking politely first.
    pub fn stop(&mut self) {
        drop(self.child.stdin.take());
        signal(self.child.id());
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ends the processes of a detached network.
pub fn down(folder: &Path) -> Outcome<usize> {
    let path = folder.join(PIDS);
    let text = files::read(&path).map_err(|_| {
        Failure::new(format!("{}: no network runs here (there is no {PIDS})", folder.display()))
    })?;
    let pids: Vec<u32> = serde_json::from_slice(&text).in_file(&path)?;
    let stopped = pids.iter().rev().filter(|pid| is_ours(**pid, folder) && signal(**pid)).count();
    fs::remove_file(&path).in_file(&path)?;
    Ok(stopped)
}

/// Whether the process was started on this folder: a pid may have been given to another program since.
fn is_ours(pid: u32, folder: &Path) -> bool {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    fs::read(format!("/proc/{pid}/cmdline"))
        .is_ok_and(|line| String::from_utf8_lossy(&line).contains(&*folder.to_string_lossy()))
}

/// SIGTERM.
fn signal(pid: u32) -> bool {
    send(pid, rustix::process::Signal::TERM)
}

/// SIGKILL, for a process that is to drop out.
pub fn kill(pid: u32) -> bool {
    send(pid, rustix::process::Signal::KILL)
}

fn send(pid: u32, signal: rustix::process::Signal) -> bool {
    i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw)
        .is_some_and(|pid| rustix::process::kill_process(pid, signal).is_ok())
}

/// A folder for its owner alone.
pub fn make_private(folder: &Path) -> Outcome {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).in_file(folder)
}

/// Loopback, free ports, these nodes.
fn coordinator_toml(nodes: &[PinnedNode]) -> String {
    let mut text = String::from("http_listen = \"127.0.0.1:0\"\nquic_listen = \"127.0.0.1:0\"\n");
    for node in nodes {
        let (name, operator, identity) = (&node.name, &node.operator, hex::encode(node.identity));
        text.push_str(&format!(
            "\n[[nodes]]\nname = \"{name}\"\nidentity = \"{identity}\"\noperator = \"{operator}\"\n"
        ));
    }
    text
}

fn tail(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(8)..).unwrap_or_default().join("\n")
}
