//! What a person sees: a line for each phase, a bar or spinner on a terminal, plain lines elsewhere, JSON on demand.
//!
//! Progress goes to standard error, results to standard output, so that `--json` output can be piped.

use std::io::IsTerminal;
use std::time::{Duration, Instant, SystemTime};

use indicatif::{ProgressBar, ProgressStyle};

use crate::failure::Failure;

/// How this run talks.
#[derive(Debug, Clone)]
pub struct Ui {
    json: bool,
    quiet: bool,
    terminal: bool,
}

/// One phase under way. Dropping it without [`Phase::done`] leaves its line as it is.
pub struct Phase {
    label: String,
    started: Instant,
    bar: Option<ProgressBar>,
    quiet: bool,
}

impl Ui {
    /// Talks JSON, or not at all, or to a person.
    pub fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet: quiet || json, terminal: std::io::stderr().is_terminal() }
    }

    /// Whether the result is wanted as JSON.
    pub fn json(&self) -> bool {
        self.json
    }

    /// Starts a phase.
    pub fn phase(&self, label: impl Into<String>) -> Phase {
        let label = label.into();
        let bar = (self.terminal && !self.quiet).then(|| {
            let bar = ProgressBar::new_spinner();
            bar.set_style(
                ProgressStyle::with_template("  {spinner} {msg} {elapsed:.dim}")
                    .unwrap_or_else(|_| ProgressStyle::default_spinner()),
            );
            bar.set_message(label.clone());
            bar.enable_steady_tick(Duration::from_millis(90));
            bar
        });
        Phase { label, started: Instant::now(), bar, quiet: self.quiet }
    }

    /// A line for a person.
    pub fn say(&self, line: impl AsRef<str>) {
        if !self.quiet {
            eprintln!("{}", line.as_ref());
        }
    }

    /// A line among the phases for something that took no time worth telling.
    pub fn fact(&self, label: &str, detail: &str) {
        self.say(format!("  ok {label:<34}{:>9}  {detail}", ""));
    }

    /// A warning: said even when quiet.
    pub fn warn(&self, line: impl AsRef<str>) {
        paragraph(&format!("warning: {}", line.as_ref()));
    }

    /// The verb's result: JSON on standard output if asked for, else the text.
    pub fn result(&self, json: &serde_json::Value, text: impl AsRef<str>) {
        use std::io::Write;
        let text = if self.json { format!("{json:#}") } else { text.as_ref().to_owned() };
        // A closed pipe (`tacit ... | head`) is no failure of the verb.
        if !text.is_empty() {
            let _ = writeln!(std::io::stdout(), "{text}");
        }
    }

    /// The verb's failure.
    pub fn failed(&self, failure: &Failure) {
        if self.json {
            let body =
                serde_json::json!({ "ok": false, "error": failure.to_string(), "blame": failure.blame() });
            self.result(&body, "");
        }
        paragraph(&format!("tacit: {failure}"));
    }
}

impl Phase {
    /// Says more about what is going on.
    pub fn note(&self, detail: impl AsRef<str>) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{}: {}", self.label, detail.as_ref()));
        }
    }

    /// A handle with which another task can say more about what is going on.
    pub fn reporter(&self) -> impl Fn(&str) + Clone + Send + Sync + 'static + use<> {
        let (bar, label) = (self.bar.clone(), self.label.clone());
        move |detail| {
            if let Some(bar) = &bar {
                bar.set_message(format!("{label}: {detail}"));
            }
        }
    }

    /// The phase is over; `detail` is what came of it.
    pub fn done(self, detail: impl AsRef<str>) -> Duration {
        let took = self.started.elapsed();
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if !self.quiet {
            let detail = detail.as_ref();
            let gap = if detail.is_empty() { "" } else { "  " };
            eprintln!("  ok {:<34}{:>9}{gap}{detail}", self.label, duration(took));
        }
        took
    }
}

impl Drop for Phase {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Text from a peer without what a terminal would obey.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A duration as people read it.
pub fn duration(d: Duration) -> String {
    if d < Duration::from_millis(1) {
        format!("{} us", d.as_micros())
    } else if d < Duration::from_secs(1) {
        format!("{} ms", d.as_millis())
    } else {
        format!("{:.2} s", d.as_secs_f64())
    }
}

/// Seconds as people read them.
pub fn long(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// How long ago a time was, in seconds since 1970.
pub fn ago(then: u64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    format!("{} ago", long(now.saturating_sub(then)))
}

/// A number of bytes as people read it.
pub fn bytes(n: u64) -> String {
    match n {
        0..1024 => format!("{n} B"),
        1024..1_048_576 => format!("{:.1} KiB", n as f64 / 1024.0),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", n as f64 / 1_048_576.0),
        _ => format!("{:.2} GiB", n as f64 / 1_073_741_824.0),
    }
}

/// Writes a paragraph to standard error: in lines on a terminal, else in one line, which a search finds whole.
fn paragraph(text: &str) {
    if std::io::stderr().is_terminal() {
        eprintln!("{}", wrap(text));
    } else {
        eprintln!("{text}");
    }
}

/// Breaks a paragraph into lines that a terminal shows whole.
fn wrap(paragraph: &str) -> String {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in paragraph.split(' ') {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > 100 {
            lines.push(std::mem::take(&mut line));
            line.push_str("  ");
        } else if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines.join("\n")
}
