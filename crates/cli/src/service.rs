//! What the verbs that run a service share: configuration, logs, the ready line, the end.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use clap::ValueEnum;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::failure::{Failure, InFile, Outcome};
use crate::files;
use crate::local_network::Ready;
use crate::otlp;
use crate::ui::Ui;

/// Options of every service.
#[derive(Debug, Clone, clap::Args)]
pub struct ServiceOptions {
    /// How logs are written, to standard error
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// What is logged: error, warn, info, debug, trace, or a filter such as `tacit_node=debug`
    #[arg(long, env = "TACIT_LOG", default_value = "info")]
    log: String,
    /// End when standard input closes: for a process that starts this one
    #[arg(long, hide = true)]
    stop_with_stdin: bool,
}

/// Log formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// One JSON object per line
    Json,
}

/// Reads `DIR/....toml`; the data folder is DIR unless the file names another.
pub fn read_config<T: DeserializeOwned>(path: &Path, dir: &Path) -> Outcome<T> {
    let mut table: toml::Table = files::read_text(path)?.parse().in_file(path)?;
    if !table.contains_key("data_dir") {
        let dir = dir.canonicalize().in_file(dir)?;
        table.insert("data_dir".to_owned(), dir.to_string_lossy().into_owned().into());
    }
    T::deserialize(table).in_file(path)
}

/// Starts logging to standard error, and to a collector where one is configured; what is logged reaches the collector until what this returns is
/// dropped.
///
/// # Errors
/// When a collector is configured that cannot be used.
pub fn start_logging(options: &ServiceOptions, service: &'static str) -> Outcome<otlp::Export> {
    let filter = EnvFilter::try_new(&options.log).unwrap_or_else(|_| EnvFilter::new("info"));
    let (export, to_collector) = otlp::Export::start(service)?;
    let to_stderr = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let to_stderr = match options.log_format {
        LogFormat::Text => to_stderr.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).boxed(),
        LogFormat::Json => to_stderr.json().boxed(),
    };
    // A second call would mean two services in one process; the first one's logging serves both.
    let _ = tracing_subscriber::registry().with(to_stderr).with(to_collector).with(filter).try_init();
    Ok(export)
}

/// The exit code of a service that was asked to end twice and did not wait for what was in hand.
const CUT_OFF: i32 = 130;

/// How long computations that were cut off may hold up the end of the process.
const ENDING: Duration = Duration::from_millis(500);

/// A token that is cancelled when the service is asked to end. Asked a second time by a signal, the process ends at once: that is seen to by a thread of its own, which
/// hears it when the service's runtime is busy, or is ending and waits for a computation.
pub fn stop(options: &ServiceOptions) -> Outcome<CancellationToken> {
    let token = CancellationToken::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::new(format!("the runtime cannot start: {e}")))?;
    // Here and not in the thread: what comes from now on is heard.
    let mut signals = {
        let _inside = runtime.enter();
        crate::runtime::StopSignals::new()?
    };
    let (stop, with_stdin) = (token.clone(), options.stop_with_stdin);
    std::thread::spawn(move || {
        runtime.block_on(async {
            if with_stdin {
                tokio::select! {
                    () = signals.next() => (),
                    () = crate::runtime::stdin_closed() => (),
                }
            } else {
                signals.next().await;
            }
            stop.cancel();
            signals.next().await;
            tracing::warn!("asked to end a second time: what is in hand is cut off");
            std::process::exit(CUT_OFF);
        });
    });
    Ok(token)
}

/// Runs a service to its end. A computation that goes on after it does not keep the process.
pub fn run<T>(runtime: tokio::runtime::Runtime, service: impl Future<Output = T>) -> T {
    let ended = runtime.block_on(service);
    runtime.shutdown_timeout(ENDING);
    ended
}

/// Says that the service can be reached: one line of JSON for a program, else for a person.
pub fn say_ready(ready: &Ready, text: &str, ui: &Ui) -> Outcome {
    let line = if ui.json() { serde_json::to_string(ready)? } else { text.to_owned() };
    let mut out = std::io::stdout();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .map_err(|e| Failure::new(format!("standard output: {e}")))
}
