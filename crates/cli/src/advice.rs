//! Advice on the dials: what `tacit plan` shows, and what `--handover auto` takes.

use std::time::Duration;

use serde_json::{Value, json};
use tacit_algebra::Curve;
use tacit_client::plan::{
    Circuit, Device, Line, Nodes, Plan, PlanError, Recommendation, Survey, Wish, Work, plan, survey,
};
use tacit_client::{Client, Dials};
use tacit_groth16::ProvingKey;
use tokio::runtime::Runtime;

use crate::failure::{Failure, Outcome};
use crate::measure;
use crate::ui::{self, Ui};

/// What advice is wanted on.
pub struct Request<'a> {
    /// What the user has said of the dials.
    pub wish: Wish,
    /// The network, if there is one.
    pub network: Option<(&'a Client, &'a Runtime)>,
    /// How long the deal would live.
    pub expiry: Duration,
    /// The line upwards as the user gives it, in megabits a second.
    pub upload_mbit: Option<f64>,
    /// What the witness's calculation took, if it was measured.
    pub witness: Option<Work>,
}

/// Where the line's numbers are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Measured against the coordinator.
    Measured,
    /// The user's.
    Given,
    /// Nobody's.
    Assumed,
}

/// The advice and what it is made of.
pub struct Advice {
    /// What each setting costs.
    pub plan: Plan,
    /// What this device does.
    pub device: Device,
    /// The line to the coordinator.
    pub line: Line,
    /// Where that is from.
    pub source: Source,
    /// What the network has, if there is one.
    pub survey: Option<Survey>,
}

/// Measures this device, asks the network, and computes.
pub fn advise<C: Curve>(key: &ProvingKey<C>, request: &Request<'_>, ui: &Ui) -> Outcome<Advice> {
    let survey = match request.network {
        Some((client, runtime)) => {
            let phase = ui.phase("asking the network");
            let wants_line = request.upload_mbit.is_none();
            let found = runtime.block_on(survey(client, key.circuit_id, request.expiry, wants_line))?;
            phase.done(format!("{} nodes can be seated", found.nodes.len()));
            Some(found)
        }
        None => None,
    };
    let phase = ui.phase("measuring this device");
    let mut device = Device::measure(key, &measure::reading, &mut rand::rng())?;
    device.witness = request.witness;
    phase.done(speed(device.bases_per_second));

    let (line, source) = match (request.upload_mbit, survey.as_ref().and_then(|s| s.line)) {
        (Some(mbit), _) => (Line::of_mbit(mbit), Source::Given),
        (None, Some(line)) => (line, Source::Measured),
        (None, None) => (Line::ASSUMED, Source::Assumed),
    };
    let nodes = survey.as_ref().map_or_else(Nodes::assumed, |s| s.nodes(device.bases_per_second));
    let plan = plan(&Circuit::of(key), &device, &nodes, line, &request.wish)
        .map_err(|error| failed(error, survey.as_ref()))?;
    Ok(Advice { plan, device, line, source, survey })
}

fn failed(error: PlanError, survey: Option<&Survey>) -> Failure {
    let absent = match error {
        PlanError::TooFewNodes { .. } => survey.map(Survey::absent).unwrap_or_default(),
        _ => Vec::new(),
    };
    let failure = Failure::from(error);
    if absent.is_empty() { failure } else { failure.adding(ui::printable(&absent.join("; "))) }
}

/// A setting in words.
pub fn words(dials: Dials) -> String {
    let nodes = match dials.groups() {
        1 => format!("{} nodes", dials.nodes()),
        groups => format!("{groups} groups of {} nodes", dials.nodes()),
    };
    format!("`{}`, {nodes}, threshold {}", dials.handover(), dials.threshold())
}

/// A setting as options of `groth16 prove`.
pub fn options(dials: Dials) -> String {
    let mut options = format!(
        "--handover {} --committee {} --threshold {}",
        dials.handover(),
        dials.nodes(),
        dials.threshold()
    );
    if dials.groups() > 1 {
        options.push_str(&format!(" --groups {}", dials.groups()));
    }
    options
}

/// The recommended setting for programs.
pub fn to_json(recommended: &Recommendation) -> Value {
    let dials = recommended.setting.dials;
    json!({
        "handover": dials.handover().name(), "n": dials.nodes(), "t": dials.threshold(), "groups": dials.groups(),
        "latency_ms": milliseconds(recommended.setting.latency()), "why": recommended.to_string(),
        "local_is_quicker": recommended.local_is_quicker,
    })
}

/// Seconds to milliseconds with three decimal places.
pub fn milliseconds(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e3
}

/// A speed in bases per second as people read it.
pub fn speed(bases_per_second: u64) -> String {
    match bases_per_second {
        0 => "no speed".to_owned(),
        n @ 1..1_000_000 => format!("{:.0} thousand bases/s", n as f64 / 1e3),
        n => format!("{:.2} million bases/s", n as f64 / 1e6),
    }
}
