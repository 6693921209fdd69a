//! The comparison: which work, against whom, with which target.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use clap::ValueEnum;
use tacit_algebra::Bn254;
use tacit_circom::VerificationKey;

use crate::contender::{Conditions, Contender, Process, Program};
use crate::contestant::{Who, Work};
use crate::cost::{Cost, Measure};
use crate::files::{Files, Fr};
use crate::prepare::{Place, Sizes};
use crate::report::{self, Heading, Row, State};
use crate::{Outcome, tools};

/// Terms of the multi-scalar multiplications, as a power of two.
const MSM_SIZE: u32 = 16;
/// The transform's size, as a power of two.
const FFT_SIZE: u32 = 18;
/// Opening the prepared key of a circuit of this `log2` size may take so long.
const OPEN_SIZE: u32 = 16;
/// In milliseconds.
const OPEN_WALL_MS: f64 = 50.0;
/// Vectors over the domain that the quotient is computed from: the values of `A`, `B` and `C`.
const DOMAIN_VECTORS: usize = 3;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    sizes: Sizes,
    /// Warm runs of each contestant
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// Cold starts of each contestant
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    cold_runs: u32,
    /// Threads that each contestant may use
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// rapidsnark's `prover` binary; it joins the whole-process rows
    #[arg(long, value_name = "PATH")]
    rapidsnark: Option<PathBuf>,
    /// A differently built `bench`, whose peers also run; of a peer's builds the better median counts. May be repeated
    #[arg(long, value_name = "PATH")]
    peer_binary: Vec<PathBuf>,
    /// Build such a binary now, with `-C target-cpu=native` and the peers' assembly
    #[arg(long)]
    native_peers: bool,
    /// Only these parts
    #[arg(long, value_delimiter = ',')]
    only: Vec<Part>,
    /// A list of rows, as JSON, instead of the tables
    #[arg(long)]
    json: bool,
}

/// A part of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// `tacit groth16 prove` as a whole process.
    Process,
    /// Local proofs with the key resident.
    Prove,
    /// A node's response.
    Respond,
    /// Multi-scalar multiplications.
    Msm,
    /// Transforms.
    Fft,
    /// Peak memory of a response.
    Memory,
    /// Importing a key, and opening it later.
    Import,
}

/// What a rival's ratio may be at most.
#[derive(Debug, Clone, Copy, Default)]
struct Targets {
    cpu: Option<f64>,
    wall: Option<f64>,
}

const fn cpu(at_most: f64) -> Targets {
    Targets { cpu: Some(at_most), wall: None }
}

const fn both(at_most: f64) -> Targets {
    Targets { cpu: Some(at_most), wall: Some(at_most) }
}

const NONE: Targets = Targets { cpu: None, wall: None };

/// Starts a contender afresh.
type Start = Box<dyn Fn() -> Outcome<Box<dyn Contender>>>;

struct Rival {
    name: &'static str,
    targets: Targets,
    /// One for each build, with the build's name where there are several.
    builds: Vec<(Option<String>, Start)>,
}

struct Bout {
    work: &'static str,
    size: u32,
    ours: Start,
    rivals: Vec<Rival>,
}

/// What everything is run with.
struct Setting<'a> {
    args: &'a Args,
    conditions: Conditions,
    tacit: PathBuf,
    here: PathBuf,
    /// Builds of this binary whose peers run.
    builds: Vec<(Option<String>, PathBuf)>,
}

/// Runs it.
pub fn run(args: &Args) -> Outcome {
    if cfg!(debug_assertions) {
        eprintln!("bench: this is a development build; what it measures means nothing");
    }
    keep_to_processors(args.threads)?;
    let prepared = args.place.prepare(&args.sizes.sizes)?;
    let here = std::env::current_exe()?;
    let mut builds = vec![(None, here.clone())];
    builds.extend(args.peer_binary.iter().map(|path| (Some(build_name(path)), path.clone())));
    if args.native_peers {
        builds.push((Some("native".to_owned()), tools::native_bench()?));
    }
    if let [first, _, ..] = builds.as_mut_slice() {
        first.0 = Some("default".to_owned());
    }
    let conditions = Conditions { threads: args.threads, dir: prepared.dir };
    let setting = Setting { args, conditions, tacit: prepared.tacit, here, builds };

    let mut rows = Vec::new();
    for bout in setting.bouts()? {
        rows.extend(bout.fight(args)?);
    }
    rows.extend(setting.limits()?);
    if args.json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        println!("{}", report::tables(&rows));
    }
    Ok(())
}

/// A given build is called after its target directory, `mine` for `target/mine/release/bench`.
fn build_name(path: &Path) -> String {
    let target = path.ancestors().nth(2).and_then(Path::file_name);
    target.map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

/// Everything that is started from here keeps to so many processors, also what asks for their number.
#[cfg(target_os = "linux")]
fn keep_to_processors(count: usize) -> Outcome {
    use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
    use nix::unistd::Pid;

    let this = Pid::from_raw(0);
    let allowed = sched_getaffinity(this)?;
    let mut kept = CpuSet::new();
    let usable = (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu).unwrap_or(false));
    for processor in usable.take(count) {
        kept.set(processor)?;
    }
    Ok(sched_setaffinity(this, &kept)?)
}

/// Other systems have no such thing; the numbers of threads are passed on all the same.
#[cfg(not(target_os = "linux"))]
fn keep_to_processors(_count: usize) -> Outcome {
    Ok(())
}

impl Setting<'_> {
    fn wanted(&self, part: Part) -> bool {
        self.args.only.is_empty() || self.args.only.contains(&part)
    }

    fn bouts(&self) -> Outcome<Vec<Bout>> {
        let mut bouts = Vec::new();
        for size in self.args.sizes.sizes.iter().copied() {
            if self.wanted(Part::Process) {
                bouts.push(self.whole_process(size)?);
            }
            if self.wanted(Part::Prove) {
                let rivals = [
                    ("taceo-groth16", Who::Taceo, Work::Prove, both(0.7)),
                    ("ark-groth16", Who::Arkworks, Work::Prove, both(0.55)),
                ];
                bouts.push(self.in_process("local proof, key resident", Work::Prove, size, &rivals));
            }
            if self.wanted(Part::Respond) {
                let rivals = [("taceo-groth16's proof", Who::Taceo, Work::Prove, cpu(0.5))];
                bouts.push(self.in_process("a node's response", Work::Respond, size, &rivals));
            }
            if self.wanted(Part::Import) {
                let rivals = [("taceo-circom-types", Who::Taceo, Work::Import, cpu(0.3))];
                bouts.push(self.in_process("import of a zkey, fully checked", Work::Import, size, &rivals));
            }
        }
        if self.wanted(Part::Msm) {
            let rivals = [
                ("halo2curves msm_best", Who::Halo2curves, Work::MsmG1, cpu(0.6)),
                ("taceo-ark-algebra", Who::Taceo, Work::MsmG1, NONE),
                ("ark-ec", Who::Arkworks, Work::MsmG1, NONE),
            ];
            bouts.push(self.in_process("MSM in G1", Work::MsmG1, MSM_SIZE, &rivals));
            let rivals = [
                ("ark-ec", Who::Arkworks, Work::MsmG2, cpu(0.5)),
                ("taceo-ark-algebra", Who::Taceo, Work::MsmG2, NONE),
            ];
            bouts.push(self.in_process("MSM in G2", Work::MsmG2, MSM_SIZE, &rivals));
        }
        if self.wanted(Part::Fft) {
            let rivals = [
                ("halo2curves best_fft", Who::Halo2curves, Work::Fft, cpu(0.8)),
                ("ark-poly", Who::Arkworks, Work::Fft, cpu(0.8)),
                ("taceo-ark-algebra (bit-reversed)", Who::Taceo, Work::Fft, NONE),
            ];
            bouts.push(self.in_process("FFT", Work::Fft, FFT_SIZE, &rivals));
        }
        Ok(bouts)
    }

    /// `tacit groth16 prove` against the programs that do the same.
    fn whole_process(&self, size: u32) -> Outcome<Bout> {
        let files = Files::new(&self.conditions.dir, size);
        let vk = Rc::new(files.prepared_key()?.vk);
        let verb = ["groth16", "prove"].map(OsString::from).to_vec();
        let mut rivals = Vec::new();
        let mut join = |name, targets, program: &Path, arguments: &[OsString]| {
            let builds = vec![(None, self.program(program, arguments, &files, &vk))];
            rivals.push(Rival { name, targets, builds });
        };
        match &self.args.rapidsnark {
            Some(path) => join("rapidsnark", both(0.8), &std::path::absolute(path)?, &[]),
            None => eprintln!("rapidsnark does not take part: no --rapidsnark PATH"),
        }
        match tools::snarkjs() {
            Some(path) => {
                let arguments = [vec![path.into_os_string()], verb.clone()].concat();
                join("snarkjs", NONE, Path::new("node"), &arguments);
            }
            None => eprintln!("snarkjs does not take part: run npm ci --prefix tests"),
        }
        let ours = self.program(&self.tacit, &verb, &files, &vk);
        Ok(Bout { work: "tacit groth16 prove, whole process", size, ours, rivals })
    }

    fn program(
        &self,
        program: &Path,
        arguments: &[OsString],
        files: &Files,
        vk: &Rc<VerificationKey<Bn254>>,
    ) -> Start {
        let (program, arguments) = (program.to_owned(), arguments.to_vec());
        let (files, vk, conditions) = (files.clone(), Rc::clone(vk), self.conditions.clone());
        Box::new(move || Ok(Box::new(Program::new(&program, &arguments, &files, &vk, &conditions)?)))
    }

    fn in_process(
        &self,
        title: &'static str,
        work: Work,
        size: u32,
        rivals: &[(&'static str, Who, Work, Targets)],
    ) -> Bout {
        let start = |binary: &Path, who, work| -> Start {
            let (binary, conditions) = (binary.to_owned(), self.conditions.clone());
            Box::new(move || Ok(Box::new(Process::start(&binary, who, work, size, &conditions, false)?)))
        };
        let rivals = rivals
            .iter()
            .map(|(name, who, work, targets)| Rival {
                name,
                targets: *targets,
                builds: self.builds.iter().map(|(n, path)| (n.clone(), start(path, *who, *work))).collect(),
            })
            .collect();
        Bout { work: title, size, ours: start(&self.here, Who::Tacit, work), rivals }
    }

    /// What is held against a number rather than a peer.
    fn limits(&self) -> Outcome<Vec<Row>> {
        let mut rows = Vec::new();
        for size in self.args.sizes.sizes.iter().copied() {
            if self.wanted(Part::Memory) {
                let n_wires = Files::new(&self.conditions.dir, size).witness()?.len();
                let values = n_wires + DOMAIN_VECTORS * (1 << size);
                let limit = (values * std::mem::size_of::<Fr>()) as f64;
                let heading = Heading {
                    work: "a node's response, peak above the key",
                    size,
                    against: "witness and domain vectors a, b, c",
                    state: State::Warm,
                    measure: Measure::Memory,
                };
                rows.extend(self.limit(&heading, Work::Respond, limit, Some(3.0))?);
            }
            if self.wanted(Part::Import) {
                let heading = Heading {
                    work: "opening the prepared key",
                    size,
                    against: "50 ms",
                    state: State::Warm,
                    measure: Measure::Wall,
                };
                // The limit is for a circuit of this size.
                let target = (size <= OPEN_SIZE).then_some(1.0);
                rows.extend(self.limit(&heading, Work::Open, OPEN_WALL_MS, target)?);
            }
        }
        Ok(rows)
    }

    fn limit(
        &self,
        heading: &Heading<'_>,
        work: Work,
        limit: f64,
        target: Option<f64>,
    ) -> Outcome<Option<Row>> {
        eprintln!("{}, 2^{}", heading.work, heading.size);
        let frugal = heading.measure == Measure::Memory;
        let mut process =
            Process::start(&self.here, Who::Tacit, work, heading.size, &self.conditions, frugal)?;
        let costs: Vec<Cost> = (0..self.args.runs).map(|_| process.run()).collect::<Outcome<_>>()?;
        let ours = heading.measure.median(&costs);
        Ok(ours.map(|ours| heading.row(ours, limit, target, None, costs.len())))
    }
}

/// The costs of everybody in a bout: ours first, then each rival's builds.
struct Costs {
    ours: Vec<Cost>,
    rivals: Vec<Vec<Vec<Cost>>>,
}

impl Bout {
    /// Ours and the rivals, alternating.
    fn fight(&self, args: &Args) -> Outcome<Vec<Row>> {
        eprintln!("{}, 2^{}", self.work, self.size);
        let none = || Costs {
            ours: Vec::new(),
            rivals: self.rivals.iter().map(|r| vec![Vec::new(); r.builds.len()]).collect(),
        };
        let (mut cold, mut warm) = (none(), none());
        for round in 1..=args.cold_runs {
            let mut ours = (self.ours)()?;
            let mut rivals: Vec<Vec<Box<dyn Contender>>> = self
                .rivals
                .iter()
                .map(|rival| rival.builds.iter().map(|(_, start)| start()).collect())
                .collect::<Outcome<_>>()?;
            let mut round_of = |costs: &mut Costs| -> Outcome {
                costs.ours.push(ours.run()?);
                for (rival, costs) in rivals.iter_mut().zip(&mut costs.rivals) {
                    for (build, costs) in rival.iter_mut().zip(costs) {
                        costs.push(build.run()?);
                    }
                }
                Ok(())
            };
            round_of(&mut cold)?;
            // Those of the last cold round stay for the warm ones.
            if round == args.cold_runs {
                for _ in 0..args.runs {
                    round_of(&mut warm)?;
                }
            }
        }
        Ok([(State::Warm, &warm), (State::Cold, &cold)]
            .into_iter()
            .flat_map(|(state, costs)| self.rows(state, costs))
            .collect())
    }

    fn rows(&self, state: State, costs: &Costs) -> Vec<Row> {
        let mut rows = Vec::new();
        for (rival, peer) in self.rivals.iter().zip(&costs.rivals) {
            let Targets { cpu, wall } = rival.targets;
            for (measure, target) in [(Measure::Cpu, cpu), (Measure::Wall, wall)] {
                let builds = rival.builds.iter().map(|(name, _)| name.as_deref());
                let medians = peer.iter().map(|costs| measure.median(costs)).zip(builds);
                let medians = medians.filter_map(|(median, build)| Some((median?, build)));
                let best = medians.min_by(|(a, _), (b, _)| a.total_cmp(b));
                if let (Some(ours), Some((peer, build))) = (measure.median(&costs.ours), best) {
                    let heading =
                        Heading { work: self.work, size: self.size, against: rival.name, state, measure };
                    // The targets are for warm runs: no peer's program checks the key.
                    let target = target.filter(|_| state == State::Warm);
                    rows.push(heading.row(ours, peer, target, build, costs.ours.len()));
                }
            }
        }
        rows
    }
}
