//! Rows, and the tables that show them.

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use crate::cost::Measure;

/// Whether what was measured was the first of its kind in its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Caches filled, threads started, keys resident or checked before.
    Warm,
    /// The first run of a process; for whole programs, with a key never seen before.
    Cold,
}

/// One comparison.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Everything that tells this row from the others.
    pub name: String,
    /// `ours / peer`.
    pub ratio: f64,
    /// What the ratio may be at most, where there is a target.
    pub target: Option<f64>,
    /// Whether it is; `null` without a target.
    pub met: Option<bool>,
    /// Warm or cold.
    pub state: State,
    /// The work.
    pub work: String,
    /// `log2` of the size.
    pub size: u32,
    /// What was measured.
    pub measure: Measure,
    /// Ours, the median.
    pub ours: f64,
    /// The peer's median, or the limit.
    pub peer: f64,
    /// The unit of both.
    pub unit: &'static str,
    /// The peer, or what the limit is.
    pub against: String,
    /// Which of the peer's builds was the better one, where it has several.
    pub build: Option<String>,
    /// Runs behind each median.
    pub runs: usize,
}

/// A row without its numbers.
#[derive(Debug, Clone)]
pub struct Heading<'a> {
    /// The work.
    pub work: &'a str,
    /// `log2` of the size.
    pub size: u32,
    /// The peer, or what the limit is.
    pub against: &'a str,
    /// Warm or cold.
    pub state: State,
    /// What was measured.
    pub measure: Measure,
}

impl Heading<'_> {
    /// The row.
    pub fn row(&self, ours: f64, peer: f64, target: Option<f64>, build: Option<&str>, runs: usize) -> Row {
        let Self { work, size, against, state, measure } = *self;
        let ratio = ours / peer;
        let state_name = match state {
            State::Warm => "warm",
            State::Cold => "cold",
        };
        Row {
            name: format!("{work}, 2^{size}, {}, {state_name}, against {against}", measure.name()),
            ratio,
            target,
            met: target.map(|target| ratio <= target),
            state,
            work: work.to_owned(),
            size,
            measure,
            ours,
            peer,
            unit: measure.unit(),
            against: against.to_owned(),
            build: build.map(str::to_owned),
            runs,
        }
    }
}

/// The tables, warm and cold apart.
pub fn tables(rows: &[Row]) -> String {
    let part = |state, title| {
        let rows: Vec<&Row> = rows.iter().filter(|row| row.state == state).collect();
        (!rows.is_empty()).then(|| format!("{title}\n\n{}\n", table(&rows)))
    };
    [part(State::Warm, "Warm, medians"), part(State::Cold, "Cold (the first run of a process), medians")]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join("\n")
}

fn table(rows: &[&Row]) -> String {
    let mut table = Table::new();
    let header = ["WORK", "SIZE", "AGAINST", "BUILD", "", "OURS", "PEER", "RATIO", "TARGET", ""];
    table.load_style(presets::NOTHING).set_header(header);
    for row in rows {
        table.add_row([
            row.work.clone(),
            format!("2^{}", row.size),
            row.against.clone(),
            row.build.clone().unwrap_or_default(),
            row.measure.name().to_owned(),
            quantity(row.ours, row.measure),
            quantity(row.peer, row.measure),
            format!("{:.2}", row.ratio),
            row.target.map_or_else(String::new, |target| format!("{target}")),
            match row.met {
                Some(true) => "met".to_owned(),
                Some(false) => "NOT MET".to_owned(),
                None => String::new(),
            },
        ]);
    }
    for column in [5, 6, 7, 8] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

fn quantity(value: f64, measure: Measure) -> String {
    match measure {
        Measure::Memory => format!("{:.1} MiB", value / f64::from(1 << 20)),
        Measure::Cpu | Measure::Wall if value < 100.0 => format!("{value:.1} ms"),
        Measure::Cpu | Measure::Wall => format!("{value:.0} ms"),
    }
}
