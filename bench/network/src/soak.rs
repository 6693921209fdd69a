//! The run: start a network, put load on it, let faults happen, judge.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::ValueEnum as _;
use comfy_table::{Table, presets};
use serde_json::json;
use sqlx::Connection as _;
use sqlx::Executor as _;
use sqlx::postgres::{PgConnection, PgPoolOptions};

use crate::faults::{Fault, Faults};
use crate::init;
use crate::verdict::{self, Verdict};
use crate::world::{self, Isolation, Kind, Process};
use crate::{Outcome, circuit, worker};

/// How long coordinators and nodes may take until they are connected.
const START: Duration = Duration::from_secs(120);

/// What clients pin.
const NETWORK: &str = "network.toml";
/// The circuit's proving key.
const ZKEY: &str = "circuit.zkey";

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Jobs to be accepted
    #[arg(long, default_value_t = 2000)]
    jobs: usize,
    /// Coordinators over the one database
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=9))]
    coordinators: u8,
    /// Nodes
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(4..=16))]
    nodes: u8,
    /// Client processes
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=9))]
    clients: u8,
    /// Jobs that a client has open at a time
    #[arg(long, default_value_t = 8)]
    in_flight: usize,
    /// Constraints of the circuit
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    constraints: u32,
    /// Percent of jobs that the coordinator assembles
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(0..=100))]
    left_to_coordinator: u32,
    /// Seconds that a deal lives
    #[arg(long, default_value_t = 90)]
    expiry: u64,
    /// Faults to let happen; all by default
    #[arg(long, value_delimiter = ',')]
    faults: Option<Vec<Fault>>,
    /// No faults: only load
    #[arg(long, conflicts_with = "faults")]
    calm: bool,
    /// Milliseconds between two faults, drawn from 0.5 to 1.5 of this
    #[arg(long, default_value_t = 1500)]
    pause: u64,
    /// Where the faults are drawn from; printed, so that a run can be had again
    #[arg(long)]
    seed: Option<u64>,
    /// A PostgreSQL server where this may create a database, by its socket where there are network namespaces
    #[arg(long, default_value = "postgres://postgres@localhost/postgres?host=/var/run/postgresql")]
    postgres: String,
    /// The `tacit` binary
    #[arg(long)]
    tacit: PathBuf,
    /// Where processes keep what they keep; removed afterwards if all went well
    #[arg(long)]
    dir: Option<PathBuf>,
    /// What a coordinator may take of memory at most, in MiB
    #[arg(long, default_value_t = 384)]
    coordinator_mib: u64,
    /// Keep the database where something went wrong
    #[arg(long)]
    keep: bool,
    /// Seconds after which the run is given up
    #[arg(long, default_value_t = 3600)]
    give_up: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(args: &Args) -> Outcome {
    let isolation = match world::enter()? {
        Ok(code) => std::process::exit(code),
        Err(isolation) => isolation,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let seed = args.seed.unwrap_or_else(rand::random);
    let wanted = match &args.faults {
        _ if args.calm => Vec::new(),
        Some(faults) => faults.clone(),
        None => Fault::value_variants().to_vec(),
    };
    let mut kinds = Vec::new();
    for fault in wanted {
        match fault.impossible(&isolation) {
            Some(why) => eprintln!("without {fault:?}: {why}"),
            None => kinds.push(fault),
        }
    }
    let base = match &args.dir {
        Some(dir) => std::path::absolute(dir)?,
        None => std::env::temp_dir().join(format!("tacit-soak-{}", std::process::id())),
    };
    fs::create_dir_all(&base)?;
    eprintln!("seed {seed}, in {}", base.display());
    let database = format!("tacit_soak_{}", std::process::id());
    let url = runtime.block_on(create_database(&args.postgres, &database))?;
    let outcome = measure(args, seed, (&isolation, &kinds), &base, (&url, &runtime));
    // Every process is down by now: nobody uses it.
    if outcome.is_err() && args.keep {
        eprintln!("the database {database} is kept");
    } else {
        runtime.block_on(drop_database(&args.postgres, &database))?;
    }
    outcome.map_err(|e| format!("{e}; logs are in {}", base.display()))?;
    let _ = fs::remove_dir_all(&base);
    Ok(())
}

/// Starts a network over a database, puts load on it, and judges.
fn measure(
    args: &Args,
    seed: u64,
    (isolation, kinds): (&Isolation, &[Fault]),
    base: &Path,
    (url, runtime): (&str, &tokio::runtime::Runtime),
) -> Outcome {
    let mut network = prepare(args, isolation, kinds, base, url)?;
    let serves = |p: &&mut Process| matches!(p.kind, Kind::Coordinator | Kind::Node);
    for process in network.iter_mut().filter(serves) {
        process.start()?;
    }
    runtime.block_on(async {
        verdict::connected(url, args.nodes.into(), START).await?;
        // What it takes to check a circuit is no job's cost.
        worker::register(&base.join(NETWORK), &base.join(ZKEY), START).await
    })?;
    for process in network.iter_mut().filter(serves) {
        process.has_started();
    }
    for process in &mut network {
        process.start()?;
    }
    let faults = Faults::new(seed, kinds, (args.pause / 2, args.pause * 3 / 2));
    let (elapsed, faults) = load(args, &mut network, faults)?;
    let mut verdict = runtime.block_on(async {
        let pool = PgPoolOptions::new().max_connections(2).connect(url).await?;
        verdict::drained(&pool, Duration::from_secs(args.expiry + 120)).await?;
        let mut exits = Vec::new();
        for process in network.iter_mut().rev() {
            if process.kind == Kind::Hostile {
                process.kill()?;
                continue;
            }
            let (name, code) = (process.name.clone(), process.stop(Duration::from_secs(60))?);
            if code.is_some_and(|c| c != 0) {
                exits.push(format!("{name} ended with {code:?} on SIGTERM"));
            }
        }
        let mut verdict = verdict::judge(&pool, &network).await?;
        verdict.violations.extend(exits);
        pool.close().await;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(verdict)
    })?;
    let undisturbed = kinds.iter().all(|kind| *kind == Fault::Hostile);
    verdict::burden(&network, args.coordinator_mib, undisturbed, &mut verdict);
    report(args, seed, elapsed, &network, &faults, &verdict)?;
    match verdict.violations.len() {
        0 => Ok(()),
        n => Err(format!("{n} violations").into()),
    }
}

async fn create_database(server: &str, name: &str) -> Outcome<String> {
    let mut connection = PgConnection::connect(server)
        .await
        .map_err(|e| format!("no PostgreSQL at {server}: {e}; give another with --postgres"))?;
    connection.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).await?;
    // The path of the URL is the database's name.
    let (front, query) =
        server.split_once('?').map_or((server, String::new()), |(f, q)| (f, format!("?{q}")));
    let front = front.rsplit_once('/').map_or(front, |(f, _)| f);
    Ok(format!("{front}/{name}{query}"))
}

async fn drop_database(server: &str, name: &str) -> Outcome {
    let mut connection = PgConnection::connect(server).await?;
    connection.execute(sqlx::AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"))).await?;
    Ok(())
}

/// Makes identities and configurations.
fn prepare(
    args: &Args,
    isolation: &Isolation,
    kinds: &[Fault],
    base: &Path,
    url: &str,
) -> Outcome<Vec<Process>> {
    let process = |kind, number| Process::new(isolation, kind, number, base);
    let mut coordinators =
        (1..=args.coordinators).map(|i| process(Kind::Coordinator, i)).collect::<Outcome<Vec<_>>>()?;
    let mut nodes = (1..=args.nodes).map(|i| process(Kind::Node, i)).collect::<Outcome<Vec<_>>>()?;
    let mut clients = (1..=args.clients).map(|i| process(Kind::Client, i)).collect::<Outcome<Vec<_>>>()?;
    let hostile = kinds.contains(&Fault::Hostile).then(|| process(Kind::Hostile, 1)).transpose()?;
    if kinds.contains(&Fault::Clock) {
        // Half a minute: what the operators' page allows.
        for (process, offset) in nodes.iter_mut().zip([30, -30]) {
            process.clock_offset = offset;
        }
        if let Some(last) = coordinators.last_mut() {
            last.clock_offset = -20;
        }
    }
    let identity = init::coordinators(&args.tacit, &coordinators)?;
    let mut addresses = Vec::new();
    for coordinator in &coordinators {
        addresses.push((coordinator.address, coordinator.port(7443)?, coordinator.port(7444)?));
    }
    let quic: Vec<String> = addresses.iter().map(|(a, _, q)| format!("{a}:{q}")).collect();
    let mut pinned = String::new();
    let mut allowed = String::new();
    for node in &mut nodes {
        let key = init::node(&args.tacit, node, &quic, &identity)?;
        fs::write(verdict::identity_path(node), &key)?;
        let name = &node.name;
        pinned += &format!(
            "\n[[nodes]]\nname = \"{name}\"\nidentity = \"ed25519:{key}\"\noperator = \"operator-{name}\"\nvouched_by = \"this run\"\n"
        );
        allowed += &format!(
            "\n[[nodes]]\nname = \"{name}\"\nidentity = \"{key}\"\noperator = \"operator-{name}\"\n"
        );
        node.runs(&args.tacit, words(&["node", "run", "--log-format", "json", "--dir"], &node.dir));
    }
    let mut urls = Vec::new();
    for (coordinator, (address, https, quic)) in coordinators.iter_mut().zip(&addresses) {
        let text = format!(
            "http_listen = \"{address}:{https}\"\nquic_listen = \"{address}:{quic}\"\ntls_names = [\"{address}\"]\ndatabase = \"{url}\"\n{}{}{allowed}",
            init::COORDINATOR_SETTINGS,
            init::coordinator_limits(args.constraints)
        );
        fs::write(coordinator.dir.join("coordinator.toml"), text)?;
        coordinator.runs(
            &args.tacit,
            words(&["coordinator", "run", "--log-format", "json", "--dir"], &coordinator.dir),
        );
        urls.push(format!("\"https://{address}:{https}\""));
    }
    let network = base.join(NETWORK);
    fs::write(
        &network,
        format!(
            "version = 1\nname = \"soak\"\n\n[coordinator]\nurls = [{}]\nidentity = \"ed25519:{identity}\"\n{pinned}",
            urls.join(", ")
        ),
    )?;
    let zkey = base.join(ZKEY);
    fs::write(&zkey, circuit::zkey(args.constraints)?)?;
    let share = args.jobs.div_ceil(clients.len().max(1));
    for client in &mut clients {
        let mut text = words(&["worker", "--network"], &network);
        text.extend(words(&["--zkey"], &zkey));
        text.extend(words(&["--dir"], &client.dir));
        let numbers = [
            ("--jobs", share as u64),
            ("--in-flight", args.in_flight as u64),
            ("--expiry", args.expiry),
            ("--left-to-coordinator", args.left_to_coordinator.into()),
        ];
        text.extend(numbers.iter().flat_map(|(word, x)| [(*word).to_owned(), x.to_string()]));
        client.runs(&std::env::current_exe()?, text);
    }
    let mut all: Vec<Process> = coordinators.into_iter().chain(nodes).chain(clients).collect();
    if let Some(mut hostile) = hostile {
        let mut text = words(&["hostile", "--network"], &network);
        text.extend(words(&["--dir"], &hostile.dir));
        text.extend(["--quic".to_owned(), quic.join(",")]);
        hostile.runs(&std::env::current_exe()?, text);
        all.push(hostile);
    }
    Ok(all)
}

fn words(words: &[&str], path: &Path) -> Vec<String> {
    let mut words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
    words.push(path.to_string_lossy().into_owned());
    words
}

/// Lets faults happen until every client has its jobs.
fn load(args: &Args, network: &mut [Process], mut faults: Faults) -> Outcome<(Duration, Faults)> {
    let began = Instant::now();
    let mut told = Instant::now();
    let mut finished = vec![false; network.len()];
    loop {
        faults.step(network)?;
        for (at, process) in network.iter_mut().enumerate() {
            match process.ended()? {
                Some(0) if process.kind == Kind::Client => {
                    if let Some(finished) = finished.get_mut(at) {
                        *finished = true;
                    }
                }
                // It may end by itself, with a full disk for one; an operator's supervisor starts it again.
                Some(code) => {
                    eprintln!("{} ended with {code}; it is started again", process.name);
                    process.start()?;
                }
                None => {}
            }
        }
        let done = network
            .iter()
            .zip(&finished)
            .enumerate()
            .all(|(at, (p, finished))| p.kind != Kind::Client || (*finished && !faults.keeps_down(at)));
        if done {
            faults.end_all(network)?;
            return Ok((began.elapsed(), faults));
        }
        if began.elapsed() > Duration::from_secs(args.give_up) {
            faults.end_all(network)?;
            return Err(format!("the clients have not finished after {} s", args.give_up).into());
        }
        if told.elapsed() > Duration::from_secs(10) {
            told = Instant::now();
            let lines: usize = network
                .iter()
                .filter(|p| p.kind == Kind::Client)
                .filter_map(|p| worker::read_journal(&p.dir).ok())
                .map(|lines| lines.iter().filter(|l| l.event.is_last()).count())
                .sum();
            eprintln!("{:>5} s  {lines} of {} jobs settled", began.elapsed().as_secs(), args.jobs);
        }
        std::thread::sleep(Duration::from_millis(25));
    }
}

fn report(
    args: &Args,
    seed: u64,
    elapsed: Duration,
    network: &[Process],
    faults: &Faults,
    verdict: &Verdict,
) -> Outcome {
    let percentile = |p: usize| {
        let at = (verdict.latencies_ms.len() * p / 100).min(verdict.latencies_ms.len().saturating_sub(1));
        verdict.latencies_ms.get(at).copied().unwrap_or(0)
    };
    let cpu = |kind: Kind| -> Duration { network.iter().filter(|p| p.kind == kind).map(Process::cpu).sum() };
    let start =
        |kind: Kind| -> Duration { network.iter().filter(|p| p.kind == kind).map(Process::start_cpu).sum() };
    let peak =
        |kind: Kind| network.iter().filter(|p| p.kind == kind).map(Process::peak_kib).max().unwrap_or(0);
    let kinds = [Kind::Coordinator, Kind::Node, Kind::Client];
    if args.json {
        let value = json!({
            "seed": seed,
            "seconds": elapsed.as_secs_f64(),
            "verdict": verdict,
            "latency_ms": { "p50": percentile(50), "p90": percentile(90), "p99": percentile(99) },
            "faults": faults.counts.iter().map(|((f, k), n)| json!({ "fault": f, "process": k.name(), "times": n })).collect::<Vec<_>>(),
            "processes": kinds.map(|k| json!({ "kind": k.name(), "cpu_seconds": cpu(k).as_secs_f64(), "of_it_start": start(k).as_secs_f64(), "peak_mib": peak(k) / 1024 })),
        });
        println!("{value:#}");
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.add_row(vec!["jobs accepted".to_owned(), verdict.accepted.to_string()]);
    table.add_row(vec!["  proved and verified".to_owned(), verdict.proved.to_string()]);
    for (kind, n) in &verdict.failed {
        table.add_row(vec![format!("  failure reported: {kind}"), n.to_string()]);
    }
    table.add_row(vec!["submissions refused or never arrived".to_owned(), verdict.not_accepted.to_string()]);
    table.add_row(vec!["answers compared with nodes' ledgers".to_owned(), verdict.same_answers.to_string()]);
    let log = format!("{}, {}", verdict.logged, verdict.heads);
    table.add_row(vec!["log: entries, signed heads that they give".to_owned(), log]);
    for (mischief, n) in &verdict.mischief {
        table.add_row(vec![format!("hostile client: {mischief:?}").to_lowercase(), n.to_string()]);
    }
    for ((fault, kind), n) in &faults.counts {
        table.add_row(vec![format!("fault: {fault:?} of a {}", kind.name()).to_lowercase(), n.to_string()]);
    }
    let rate = verdict.accepted as f64 / elapsed.as_secs_f64().max(0.001);
    table.add_row(vec![
        "seconds, jobs a second".to_owned(),
        format!("{:.1}, {rate:.1}", elapsed.as_secs_f64()),
    ]);
    let latencies = format!("{}, {}, {}", percentile(50), percentile(90), percentile(99));
    table.add_row(vec!["milliseconds to a proof: median, 90 %, 99 %".to_owned(), latencies]);
    for kind in kinds {
        let busy = cpu(kind).saturating_sub(start(kind)).as_secs_f64();
        let each = busy * 1000.0 / verdict.accepted.max(1) as f64;
        let text = format!("{each:.2} ms, {:.2} s, {} MiB", start(kind).as_secs_f64(), peak(kind) / 1024);
        table.add_row(vec![format!("{}s: CPU a job, CPU of their start, peak of one", kind.name()), text]);
    }
    let mib = verdict.bytes as f64 / 1_048_576.0 / verdict.accepted.max(1) as f64;
    table.add_row(vec!["MiB that a job has its coordinator relay".to_owned(), format!("{mib:.3}")]);
    table.add_row(vec!["violations".to_owned(), verdict.violations.len().to_string()]);
    println!("{table}");
    for violation in verdict.violations.iter().take(50) {
        println!("VIOLATION {violation}");
    }
    Ok(())
}
