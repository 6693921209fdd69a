//! What a node did, counted: for its status and for Prometheus.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use tacit_wire::messages::RefusalCode;

/// Upper bounds of the buckets of times, in seconds.
const SECONDS: [f64; 12] = [0.001, 0.005, 0.02, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0];

/// What an offer goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Its proving key is loaded, cut or fetched.
    Key,
    /// It waits for its turn.
    Wait,
    /// Its package is opened, its response computed and sealed.
    Compute,
}

/// Label of an offer's outcome.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Outcome {
    outcome: &'static str,
}

/// Label of a phase.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PhaseLabel {
    phase: &'static str,
}

/// The counts.
#[derive(Debug)]
pub struct Stats {
    pub(crate) offers: Family<Outcome, Counter>,
    pub(crate) phases: Family<PhaseLabel, Histogram>,
    /// The same by outcome, for the status: a family of metrics cannot be read back.
    by_outcome: Mutex<BTreeMap<&'static str, u64>>,
}

impl Default for Stats {
    fn default() -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(SECONDS);
        Self {
            offers: Family::default(),
            phases: Family::new_with_constructor(histogram),
            by_outcome: Mutex::default(),
        }
    }
}

const ANSWERED: &str = "answered";
const UNWANTED: &str = "unwanted";

impl Stats {
    fn count(&self, outcome: &'static str) {
        self.offers.get_or_create(&Outcome { outcome }).inc();
        *self.by_outcome.lock().unwrap_or_else(PoisonError::into_inner).entry(outcome).or_default() += 1;
    }

    /// An offer was answered.
    pub fn answered(&self) {
        self.count(ANSWERED);
    }

    /// The coordinator stopped waiting for an answer.
    pub fn unwanted(&self) {
        self.count(UNWANTED);
    }

    /// An offer was refused.
    pub fn refused(&self, code: RefusalCode) {
        self.count(code.name());
    }

    /// A phase took so long.
    pub fn phase(&self, phase: Phase, took: Duration) {
        let phase = match phase {
            Phase::Key => "key",
            Phase::Wait => "wait",
            Phase::Compute => "compute",
        };
        self.phases.get_or_create(&PhaseLabel { phase }).observe(took.as_secs_f64());
    }

    /// Answered, unwanted, and refused by reason.
    pub fn counts(&self) -> (u64, u64, BTreeMap<String, u64>) {
        let counts = self.by_outcome.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let of = |outcome: &str| counts.get(outcome).copied().unwrap_or(0);
        let (answered, unwanted) = (of(ANSWERED), of(UNWANTED));
        let refused = counts.into_iter().filter(|(name, _)| *name != ANSWERED && *name != UNWANTED);
        (answered, unwanted, refused.map(|(name, count)| (name.to_owned(), count)).collect())
    }
}
