//! Advice: what each setting of the dials would cost this client for its circuit, and which one to take.
//!
//! | module | what it holds |
//! |---|---|
//! | [`circuit`] | what follows from the proving key: the bytes of a job, exactly, and the sums that a node computes |
//! | [`device`] | what this device takes, measured by the caller's clock |
//! | [`nodes`] | how fast nodes say they are, cleaned, and how long the last answer that is needed takes |
//! | [`settings`] | which settings come into question |
//! | [`mod@recommend`] | the rule by which one is recommended |
//! | [`mod@survey`] | what a network has: the only part that speaks to anybody |
//!
//! [`plan()`] itself computes from numbers and nothing else. Bytes are exact. Times are estimates: what was measured here, multiplied by
//! counts and, for a node, by the quotient of its claimed speed and this device's. Not counted: what the nodes' own lines take,
//! other jobs at the nodes, and the first use of a circuit, for which the network has to fetch and check the key.

pub mod circuit;
pub mod device;
pub mod nodes;
pub mod recommend;
pub mod settings;
pub mod survey;

use tacit_algebra::Curve;
use tacit_delegate::{Dials, DialsError, Handover};
use tacit_wire::MessageType;
use tacit_wire::frame::{HEADER_BYTES, MAX_ENVELOPE_BYTES};
use thiserror::Error;

pub use circuit::Circuit;
pub use device::{Device, Reading, Work};
pub use nodes::Nodes;
pub use recommend::Recommendation;
pub use settings::{Privacy, Wish};
pub use survey::{Survey, survey};

/// Exchanges with the coordinator that follow one another in a job: the submission, the poll that tells of the answers, and
/// fetching them.
const ROUND_TRIPS: f64 = 3.0;

/// The way from this device to the coordinator.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// Bytes that can be sent in a second.
    pub bytes_per_second: f64,
    /// Seconds that a question and its answer take beside what is in them.
    pub round_trip: f64,
}

impl Line {
    /// What is assumed where nothing was measured: 10 Mbit/s upwards, 50 ms there and back.
    pub const ASSUMED: Self = Self::of_mbit(10.0);

    /// A line that carries so many megabits (10^6) upwards in a second, with the assumed time there and back.
    pub const fn of_mbit(mbit: f64) -> Self {
        Self { bytes_per_second: mbit * 125_000.0, round_trip: 0.05 }
    }
}

/// What one setting would cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    /// The setting.
    pub dials: Dials,
    /// What this device has to compute, from the witness's calculation (if that was measured) to the check of the proof.
    pub client: Work,
    /// Bytes of the job, exactly.
    pub upload_bytes: usize,
    /// Seconds until the job is with the coordinator, once it is dealt.
    pub upload: f64,
    /// Seconds until the last answer that is needed is computed.
    pub nodes: f64,
    /// Seconds of waiting for what is under way.
    pub round_trips: f64,
}

impl Row {
    /// Expected seconds from the start to the checked proof.
    pub fn latency(&self) -> f64 {
        self.client.wall + self.upload + self.nodes + self.round_trips
    }

    /// So many nodes of one group must collude to learn something; any fewer, of each group, learn nothing.
    pub fn must_collude(&self) -> u8 {
        self.dials.threshold() + 1
    }

    /// So many nodes of each group may fail to answer.
    pub fn may_drop(&self) -> u8 {
        self.dials.nodes().saturating_sub(self.dials.answers_needed())
    }
}

/// Every setting that comes into question, and one of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The proof made here instead, as if every wire's value were a large number: small ones take less.
    pub local: Work,
    /// The settings, in the order of handover, groups, nodes and threshold. Never empty.
    pub rows: Vec<Row>,
    /// Which of them to take.
    pub recommended: Recommendation,
}

/// Why there is no advice.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PlanError {
    /// What was asked for contradicts itself.
    #[error("no such setting: {}", because(.why.as_ref()))]
    Impossible {
        /// What the last setting that was tried is refused for.
        why: Option<DialsError>,
    },
    /// The network is too small.
    #[error("{} can be seated, {needed} are needed at least", count(*.eligible))]
    TooFewNodes {
        /// Nodes that may be seated, each of an operator of its own.
        eligible: usize,
        /// Seats of the smallest setting.
        needed: usize,
    },
    /// The circuit is too large for every setting.
    #[error(
        "the circuit is too large for every setting that this network allows: the smallest job would have {bytes} bytes. \
         A larger threshold or more groups make it smaller"
    )]
    TooLarge {
        /// Bytes of the smallest job.
        bytes: usize,
    },
}

fn because(why: Option<&DialsError>) -> String {
    why.map_or_else(|| "what was asked for contradicts itself, ask for less".to_owned(), ToString::to_string)
}

fn count(nodes: usize) -> String {
    if nodes == 1 { "only 1 node".to_owned() } else { format!("only {nodes} nodes") }
}

/// What every setting that comes into question would cost, and which one to take.
///
/// # Errors
/// [`PlanError`].
pub fn plan<C: Curve>(
    circuit: &Circuit<C>,
    device: &Device,
    nodes: &Nodes,
    line: Line,
    wish: &Wish,
) -> Result<Plan, PlanError> {
    let candidates = settings::candidates(wish, nodes.count())?;
    let mut too_large = None;
    let mut rows = Vec::with_capacity(candidates.len());
    for dials in candidates {
        let job = circuit.job(dials);
        let fits = job.largest_envelope <= MAX_ENVELOPE_BYTES
            && job.frame <= MessageType::SubmitJob.limit() + HEADER_BYTES;
        if !fits {
            too_large = Some(too_large.map_or(job.frame, |smallest: usize| smallest.min(job.frame)));
            continue;
        }
        // `candidates` gives none that the nodes cannot seat.
        let Some(times) = nodes.last_needed(dials) else { continue };
        rows.push(Row {
            dials,
            client: device.client(circuit, dials, job.frame),
            upload_bytes: job.frame,
            upload: job.frame as f64 / line.bytes_per_second.max(1.0),
            nodes: device.node(circuit, dials) * times,
            round_trips: ROUND_TRIPS * line.round_trip,
        });
    }
    let order = |row: &Row| {
        let Row { dials, .. } = row;
        (dials.handover() != Handover::Witness, dials.groups(), dials.nodes(), dials.threshold())
    };
    rows.sort_by_key(order);
    let local = device.local(circuit);
    let recommended = recommend::recommend(&rows, local)
        .ok_or(PlanError::TooLarge { bytes: too_large.unwrap_or_default() })?;
    Ok(Plan { local, rows, recommended })
}

#[cfg(test)]
mod tests;
