//! What Prometheus is told. No label holds an id.

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::refusal::Code;

type Labels<const N: usize> = [(&'static str, &'static str); N];

/// All metrics of a service.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    accepted: Counter,
    refused: Family<Labels<1>, Counter>,
    ended: Family<Labels<1>, Counter>,
    open: Gauge,
    proving: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("tacit_prover");
        let (accepted, open) = (Counter::default(), Gauge::default());
        let (refused, ended) = (Family::default(), Family::default());
        let proving = Histogram::new([0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0]);
        registry.register("spends_accepted", "Requests that were accepted", accepted.clone());
        registry.register("requests_refused", "Requests that were refused, by code", refused.clone());
        registry.register("spends_ended", "Requests that ended, by outcome", ended.clone());
        registry.register("spends_open", "Requests that were accepted and have not ended", open.clone());
        let help = "How long both proofs of a transaction took";
        registry.register_with_unit("proving", help, Unit::Seconds, proving.clone());
        Self { registry, accepted, refused, ended, open, proving }
    }
}

impl Metrics {
    /// A request was accepted.
    pub fn accepted(&self) {
        self.accepted.inc();
    }

    /// A request was refused.
    pub fn refused(&self, code: Code) {
        self.refused.get_or_create(&[("code", code.name())]).inc();
    }

    /// A request ended: `confirmed`, or a code.
    pub fn ended(&self, outcome: &'static str) {
        self.ended.get_or_create(&[("outcome", outcome)]).inc();
    }

    /// How many are open.
    pub fn open(&self, count: usize) {
        self.open.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Both proofs were made.
    pub fn proved(&self, seconds: f64) {
        self.proving.observe(seconds);
    }

    /// As Prometheus reads it.
    pub fn text(&self) -> String {
        let mut out = String::new();
        // Writing into a String cannot fail.
        let _ = text::encode(&mut out, &self.registry);
        out
    }
}
