//! Processes of a network. As root on Linux each has a network namespace and, for its folder, a small disk of its own, all of it in
//! namespaces of this program's: nothing is left when it ends, however it ends.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::Outcome;

/// Set in the process that runs inside namespaces of its own.
const INSIDE: &str = "TACIT_BENCH_INSIDE";
/// The bridge between the processes' interfaces.
const BRIDGE: &str = "tacit0";
/// The library that shifts a program's clock: Debian's `libfaketime`.
pub const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
/// A process's disk, in MiB: a node keeps 64 of them free.
const DISK_MIB: u32 = 160;

/// What a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A coordinator.
    Coordinator,
    /// A node.
    Node,
    /// A client.
    Client,
    /// A client that means harm.
    Hostile,
}

impl Kind {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Coordinator => "coordinator",
            Self::Node => "node",
            Self::Client => "client",
            Self::Hostile => "hostile",
        }
    }
}

/// Whether processes get interfaces and disks of their own; if not, why.
#[derive(Debug, Clone)]
pub enum Isolation {
    /// They do.
    Own,
    /// They share this machine's.
    Shared(String),
}

/// Runs this program again in namespaces of its own, if it is not there yet and may do so. Returns that run's exit code, or what there is
/// if this process is to go on itself.
pub fn enter() -> Outcome<Result<i32, Isolation>> {
    if std::env::var_os(INSIDE).is_some() {
        ready_inside()?;
        return Ok(Err(Isolation::Own));
    }
    if !nix::unistd::Uid::effective().is_root() {
        return Ok(Err(Isolation::Shared("it takes root to make network namespaces".to_owned())));
    }
    for tool in ["ip", "unshare", "mount"] {
        if Command::new(tool).arg("--version").output().is_err()
            && Command::new(tool).arg("-V").output().is_err()
        {
            return Ok(Err(Isolation::Shared(format!("`{tool}` is not installed"))));
        }
    }
    let works = Command::new("unshare").args(["--net", "--mount", "true"]).stderr(Stdio::null()).status()?;
    if !works.success() {
        return Ok(Err(Isolation::Shared("this system does not let `unshare` make namespaces".to_owned())));
    }
    let status = Command::new("unshare")
        .args(["--net", "--mount", "--propagation", "private"])
        .arg(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .env(INSIDE, "1")
        .status()?;
    Ok(Ok(status.code().unwrap_or(1)))
}

fn ready_inside() -> Outcome {
    fs::create_dir_all("/run/netns")?;
    run("mount", &["-t", "tmpfs", "tmpfs", "/run/netns"])?;
    ip("link set lo up")?;
    ip(&format!("link add {BRIDGE} type bridge"))?;
    ip(&format!("addr add 10.77.0.1/24 dev {BRIDGE}"))?;
    ip(&format!("link set {BRIDGE} up"))
}

fn ip(words: &str) -> Outcome {
    run("ip", &words.split(' ').collect::<Vec<_>>())
}

fn run(program: &str, words: &[&str]) -> Outcome {
    let output = Command::new(program).args(words).output().map_err(|e| format!("{program}: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{program} {}: {}", words.join(" "), said.trim()).into())
}

/// A process that can be started, killed and started again.
#[derive(Debug)]
pub struct Process {
    /// `node-1`, ...
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Its folder.
    pub dir: PathBuf,
    /// Its address.
    pub address: Ipv4Addr,
    /// How much its clock is ahead, in seconds.
    pub clock_offset: i64,
    isolated: bool,
    /// The end of its interface that is here.
    interface: String,
    program: PathBuf,
    words: Vec<String>,
    child: Option<Child>,
    /// CPU time of processes that ended, and of this one as far as it was seen.
    spent: Duration,
    running: Duration,
    /// What of it was its start.
    start: Duration,
    /// The largest resident set that was seen, in KiB.
    peak_kib: u64,
}

impl Process {
    /// A process with an interface and a disk of its own where that is possible; not started.
    pub fn new(isolation: &Isolation, kind: Kind, number: u8, base: &Path) -> Outcome<Self> {
        let name = format!("{}-{number}", kind.name());
        let dir = base.join(&name);
        fs::create_dir_all(&dir)?;
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o700))?;
        let isolated = matches!(isolation, Isolation::Own);
        let mut address = Ipv4Addr::LOCALHOST;
        let interface = format!("t{}{number}", kind as u8);
        if isolated {
            let host = number
                + match kind {
                    Kind::Coordinator => 10,
                    Kind::Node => 20,
                    Kind::Client => 60,
                    Kind::Hostile => 80,
                };
            address = Ipv4Addr::new(10, 77, 0, host);
            ip(&format!("netns add {name}"))?;
            ip(&format!("link add {interface} type veth peer name eth0 netns {name}"))?;
            ip(&format!("link set {interface} master {BRIDGE} up"))?;
            ip(&format!("-n {name} addr add {address}/24 dev eth0"))?;
            ip(&format!("-n {name} link set eth0 up"))?;
            ip(&format!("-n {name} link set lo up"))?;
            let size = format!("size={DISK_MIB}m,mode=0700");
            run("mount", &["-t", "tmpfs", "-o", &size, "tmpfs", &dir.to_string_lossy()])?;
        }
        Ok(Self {
            name,
            kind,
            dir,
            address,
            clock_offset: 0,
            isolated,
            interface,
            program: PathBuf::new(),
            words: Vec::new(),
            child: None,
            spent: Duration::ZERO,
            running: Duration::ZERO,
            start: Duration::ZERO,
            peak_kib: 0,
        })
    }

    /// What it runs.
    pub fn runs(&mut self, program: &Path, words: Vec<String>) {
        self.program = program.to_owned();
        self.words = words;
    }

    /// A port of its address that is free now; the given one where the address is its own.
    pub fn port(&self, wanted: u16) -> Outcome<u16> {
        if self.isolated {
            return Ok(wanted);
        }
        let tcp = TcpListener::bind((self.address, 0))?;
        let port = tcp.local_addr()?.port();
        UdpSocket::bind((self.address, port))?;
        Ok(port)
    }

    /// Starts it; its output goes to `log` beside its folder.
    pub fn start(&mut self) -> Outcome {
        if self.child.is_some() {
            return Ok(());
        }
        // Not in its folder: that disk may be full.
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log())?;
        let mut words: Vec<String> = Vec::new();
        if self.isolated {
            words.extend(["ip", "netns", "exec", &self.name].map(str::to_owned));
        }
        words.push(self.program.to_string_lossy().into_owned());
        words.extend(self.words.iter().cloned());
        let mut command = Command::new(words.first().ok_or("nothing to run")?);
        if self.clock_offset != 0 {
            // Clocks that programs wait by are not shifted: they tell durations.
            command.env("LD_PRELOAD", FAKETIME).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
            command.env("FAKETIME", format!("{:+}s", self.clock_offset));
        }
        command.args(words.iter().skip(1)).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.child = Some(command.spawn().map_err(|e| format!("{}: {e}", self.name))?);
        Ok(())
    }

    /// Its log.
    pub fn log(&self) -> PathBuf {
        self.dir.with_extension("log")
    }

    /// Its exit code, once it has ended by itself; `None` while it runs, and when it was killed here.
    pub fn ended(&mut self) -> Outcome<Option<i32>> {
        self.measure();
        let Some(child) = &mut self.child else { return Ok(None) };
        let Some(status) = child.try_wait()? else { return Ok(None) };
        self.child = None;
        self.ends();
        Ok(Some(status.code().unwrap_or(-1)))
    }

    /// Whether there is a process.
    pub fn is_running(&self) -> bool {
        self.child.is_some()
    }

    /// `kill -9`.
    pub fn kill(&mut self) -> Outcome {
        self.measure();
        self.ends();
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Asks it to end, and waits.
    pub fn stop(&mut self, patience: Duration) -> Outcome<Option<i32>> {
        self.measure();
        self.ends();
        let Some(mut child) = self.child.take() else { return Ok(None) };
        let _ = signal(&child, Signal::SIGTERM);
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if let Some(status) = child.try_wait()? {
                return Ok(status.code());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        child.kill()?;
        child.wait()?;
        Err(format!("{} did not end within {} s of SIGTERM", self.name, patience.as_secs()).into())
    }

    /// Halts it, or lets it go on.
    pub fn halt(&self, halted: bool) {
        if let Some(child) = &self.child {
            let _ = signal(child, if halted { Signal::SIGSTOP } else { Signal::SIGCONT });
        }
    }

    /// Cuts its network, or joins it again.
    pub fn cut(&self, cut: bool) -> Outcome {
        ip(&format!("link set {} {}", self.interface, if cut { "down" } else { "up" }))
    }

    /// Fills its disk, or gives the room back.
    pub fn fill(&self, full: bool) -> Outcome {
        let filler = self.dir.join("filler");
        if !full {
            return Ok(fs::remove_file(filler)?);
        }
        let mut file = fs::File::create(filler)?;
        let piece = vec![0u8; 1 << 20];
        let mut piece = piece.as_slice();
        while !piece.is_empty() {
            match std::io::Write::write(&mut file, piece) {
                Ok(0) => break,
                Ok(_) => {}
                Err(_) => piece = &piece[..piece.len() / 2],
            }
        }
        Ok(())
    }

    /// CPU time of all processes that it was.
    pub fn cpu(&self) -> Duration {
        self.spent + self.running
    }

    /// What it took until now was its start: the rest is what it does.
    pub fn has_started(&mut self) {
        self.measure();
        self.start = self.cpu();
    }

    /// CPU time of its start.
    pub fn start_cpu(&self) -> Duration {
        self.start
    }

    fn ends(&mut self) {
        self.spent += std::mem::take(&mut self.running);
    }

    /// The largest resident set that was seen, in KiB.
    pub fn peak_kib(&self) -> u64 {
        self.peak_kib
    }

    /// Looks how much memory and CPU time it has taken.
    pub fn measure(&mut self) {
        if let Some(cpu) = self.child.as_ref().and_then(|c| cpu_of(c.id())) {
            self.running = cpu;
        }
        let status =
            self.child.as_ref().and_then(|c| fs::read_to_string(format!("/proc/{}/status", c.id())).ok());
        let peak = status.and_then(|text| {
            let line = text.lines().find(|l| l.starts_with("VmHWM:"))?.to_owned();
            line.split_whitespace().nth(1)?.parse().ok()
        });
        self.peak_kib = self.peak_kib.max(peak.unwrap_or(0));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

fn signal(child: &Child, signal: Signal) -> Outcome {
    Ok(kill(Pid::from_raw(i32::try_from(child.id())?), signal)?)
}

/// User and system time of a process and its threads.
pub fn cpu_of(pid: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold anything; the rest begins behind its last parenthesis with the third field.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    let per_second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok()??;
    Some(Duration::from_secs_f64(ticks as f64 / per_second as f64))
}
