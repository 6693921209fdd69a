//! Those who run against each other: programs started anew for each run, and processes of this binary that keep what
//! they loaded.

use std::cell::Cell;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;

use clap::ValueEnum;
use tacit_algebra::Bn254;
use tacit_circom::{Proof, VerificationKey, public};
use tacit_groth16::verify::verify;

use crate::Outcome;
use crate::contestant::{READY, Who, Work};
use crate::cost::{Cost, measure_children};
use crate::files::{self, Files, Fr};

/// Somebody who does one piece of work whenever asked.
pub trait Contender {
    /// Does it once.
    fn run(&mut self) -> Outcome<Cost>;
}

/// What all contenders are given alike.
#[derive(Debug, Clone)]
pub struct Conditions {
    /// Threads that each may use.
    pub threads: usize,
    /// Where the files are.
    pub dir: PathBuf,
}

impl Conditions {
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env("RAYON_NUM_THREADS", self.threads.to_string());
        command.env("OMP_NUM_THREADS", self.threads.to_string());
        command
    }
}

/// `bench run` in a process of its own.
pub struct Process {
    child: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Process {
    /// Starts it and waits until it is ready. With `frugal` its allocator gives large blocks back at once, so that what
    /// it used while getting ready does not hide what it uses later.
    pub fn start(
        binary: &Path,
        who: Who,
        work: Work,
        size: u32,
        conditions: &Conditions,
        frugal: bool,
    ) -> Outcome<Self> {
        let name = |value: Option<clap::builder::PossibleValue>| {
            value.map_or_else(String::new, |v| v.get_name().to_owned())
        };
        let mut command = conditions.command(binary);
        command.args(["run", "--who", &name(who.to_possible_value())]);
        command.args(["--work", &name(work.to_possible_value()), "--size", &size.to_string()]);
        command.arg("--dir").arg(&conditions.dir);
        if frugal {
            command.env("MALLOC_MMAP_THRESHOLD_", "65536").env("MALLOC_TRIM_THRESHOLD_", "65536");
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("{}: {e}", binary.display()))?;
        let requests = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().ok_or("a contestant without standard output")?);
        let mut process = Self { child, requests, answers };
        match process.answer()?.as_str() {
            READY => Ok(process),
            other => Err(format!("a contestant said `{other}` instead of `{READY}`").into()),
        }
    }

    fn answer(&mut self) -> Outcome<String> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            return Err("a contestant gave up; what it said stands above".into());
        }
        Ok(line.trim_end().to_owned())
    }
}

impl Contender for Process {
    fn run(&mut self) -> Outcome<Cost> {
        let requests = self.requests.as_mut().ok_or("a contestant without standard input")?;
        requests.write_all(b"\n")?;
        requests.flush()?;
        Ok(serde_json::from_str(&self.answer()?)?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The end of its input is its end.
        self.requests = None;
        let _ = self.child.wait();
    }
}

/// A program that is given a zkey and a witness and writes a proof and the public signals. Every proof is verified.
pub struct Program {
    program: PathBuf,
    arguments: Vec<OsString>,
    conditions: Conditions,
    vk: Rc<VerificationKey<Bn254>>,
    scratch: Scratch,
}

impl Program {
    /// A program with the arguments that come before the four files.
    pub fn new(
        program: &Path,
        arguments: &[OsString],
        files: &Files,
        vk: &Rc<VerificationKey<Bn254>>,
        conditions: &Conditions,
    ) -> Outcome<Self> {
        let mut arguments = arguments.to_vec();
        let scratch = Scratch::new(&conditions.dir)?;
        arguments.extend([files.path("zkey").into(), files.path("wtns").into()]);
        arguments.extend(["proof.json", "public.json"].map(|name| scratch.0.join(name).into()));
        Ok(Self {
            program: program.to_owned(),
            arguments,
            conditions: conditions.clone(),
            vk: Rc::clone(vk),
            scratch,
        })
    }
}

impl Contender for Program {
    fn run(&mut self) -> Outcome<Cost> {
        let mut command = self.conditions.command(&self.program);
        // Ours keeps checked keys here: nothing is there at the first run.
        command.args(&self.arguments).env("TACIT_CACHE_DIR", self.scratch.0.join("cache"));
        command.stdin(Stdio::null());
        let (output, cost) = measure_children(|| command.output())?;
        let output = output.map_err(|e| format!("{}: {e}", self.program.display()))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(format!("{}: {}: {said}", self.program.display(), output.status).into());
        }
        let proof = Proof::<Bn254>::from_json(files::read(&self.scratch.0.join("proof.json"))?)?;
        let public = public::from_json::<Fr>(files::read(&self.scratch.0.join("public.json"))?)?;
        verify(&self.vk, &public, &proof)?;
        Ok(cost)
    }
}

/// A directory that goes away with its owner.
struct Scratch(PathBuf);

impl Scratch {
    fn new(dir: &Path) -> Outcome<Self> {
        thread_local!(static NEXT: Cell<u32> = const { Cell::new(0) });
        let number = NEXT.replace(NEXT.get() + 1);
        let path = dir.join(format!("scratch-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
