//! What Prometheus is told. Names and labels are listed in the operators' page; no label holds an id, so that the
//! number of series does not grow with the number of jobs, clients or nodes.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tacit_wire::Digest32;

use crate::store::JobState;

/// Names and values of labels.
type Labels<const N: usize> = [(&'static str, String); N];

/// Distinct values of the label `code` before the rest is called `other`: codes are this program's own words and far
/// fewer; whatever goes wrong with that, the number of series stays bounded.
const CODES: usize = 128;

/// Bounds of the histograms, in seconds.
#[derive(Debug, Clone, Copy)]
enum Bounds {
    /// A request or a query: half a millisecond to half a minute.
    Request,
    /// A job's phase: 10 ms to an hour.
    Phase,
}

impl MetricConstructor<Histogram> for Bounds {
    fn new_metric(&self) -> Histogram {
        match self {
            Self::Request => Histogram::new([
                0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
            ]),
            Self::Phase => Histogram::new([
                0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0,
            ]),
        }
    }
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// This coordinator assembled a proof.
    Proved,
    /// Its client has enough answers.
    Answered,
    /// No proof can come of it.
    Failed,
    /// Its deal expired first.
    Expired,
}

impl Ended {
    const ALL: [Self; 4] = [Self::Proved, Self::Answered, Self::Failed, Self::Expired];

    fn name(self) -> &'static str {
        match self {
            Self::Proved => "proved",
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::Expired => "expired",
        }
    }
}

/// Which way relayed bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relayed {
    /// Envelopes, to nodes.
    Envelopes,
    /// Answers, from nodes.
    Answers,
}

/// What is uploaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upload {
    /// A proving key, or bases.
    Circuit,
    /// A constraint system.
    R1cs,
    /// A job, a replacement or a cancellation.
    Job,
}

/// Open jobs of one kind, as the database counts them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenJobs {
    /// How far they are.
    pub state: JobState,
    /// The handover's name.
    pub handover: String,
    /// Whether this coordinator assembles them.
    pub coordinator_assembles: bool,
    /// How many.
    pub count: u64,
}

/// A job of which this process saw the beginning.
#[derive(Debug)]
struct Begun {
    at: Instant,
    handover: String,
    answered: bool,
    enough: bool,
}

/// All metrics of one coordinator.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    accepted: Family<Labels<1>, Counter>,
    ended: Family<Labels<1>, Counter>,
    phases: Family<Labels<2>, Histogram, Bounds>,
    open: Family<Labels<2>, Gauge>,
    assembler_queue: Gauge,
    nodes: Family<Labels<1>, Gauge>,
    offers: Gauge,
    refusals: Family<Labels<2>, Counter>,
    requests: Family<Labels<3>, Counter>,
    latency: Family<Labels<2>, Histogram, Bounds>,
    connections: Gauge,
    turned_away: Family<Labels<1>, Counter>,
    relayed: Family<Labels<1>, Counter>,
    uploads: Family<Labels<2>, Counter>,
    uploaded: Family<Labels<1>, Counter>,
    reserved: Gauge,
    answer_memory: Gauge,
    relay_memory: Gauge,
    database: Family<Labels<1>, Histogram, Bounds>,
    database_errors: Counter,
    clock_skew: Gauge,
    begun: Mutex<HashMap<Digest32, Begun>>,
    codes: Mutex<Vec<String>>,
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Registry::with_prefix("tacit_coordinator"),
            accepted: Family::default(),
            ended: Family::default(),
            phases: Family::new_with_constructor(Bounds::Phase),
            open: Family::default(),
            assembler_queue: Gauge::default(),
            nodes: Family::default(),
            offers: Gauge::default(),
            refusals: Family::default(),
            requests: Family::default(),
            latency: Family::new_with_constructor(Bounds::Request),
            connections: Gauge::default(),
            turned_away: Family::default(),
            relayed: Family::default(),
            uploads: Family::default(),
            uploaded: Family::default(),
            reserved: Gauge::default(),
            answer_memory: Gauge::default(),
            relay_memory: Gauge::default(),
            database: Family::new_with_constructor(Bounds::Request),
            database_errors: Counter::default(),
            clock_skew: Gauge::default(),
            begun: Mutex::default(),
            codes: Mutex::default(),
        };
        metrics.registered()
    }
}

impl Metrics {
    fn registered(mut self) -> Self {
        let r = &mut self.registry;
        r.register("jobs_accepted", "Jobs accepted by this process", self.accepted.clone());
        r.register("jobs_ended", "Jobs that ended in this process, by outcome", self.ended.clone());
        r.register_with_unit(
            "job_phase",
            "From a job's acceptance to its first answer, to enough answers, to its proof",
            Unit::Seconds,
            self.phases.clone(),
        );
        r.register("jobs_open", "Jobs that have not ended, in the database", self.open.clone());
        r.register(
            "assembler_queue",
            "Jobs with enough answers whose proof this coordinator has to assemble",
            self.assembler_queue.clone(),
        );
        r.register("nodes", "Nodes of the configuration, by whether they are connected", self.nodes.clone());
        r.register("offers_in_flight", "Offers to nodes without a reply yet", self.offers.clone());
        r.register("refusals", "Refusals, by who refused and why", self.refusals.clone());
        r.register("http_requests", "Requests of the API", self.requests.clone());
        r.register_with_unit(
            "http_request",
            "How long requests took, without those that wait for an event",
            Unit::Seconds,
            self.latency.clone(),
        );
        r.register("http_connections", "Connections of clients", self.connections.clone());
        r.register("http_cut", "Connections and uploads cut off, by reason", self.turned_away.clone());
        r.register_with_unit("relayed", "Bytes relayed", Unit::Bytes, self.relayed.clone());
        r.register("uploads", "Uploads, by what and whether they were received", self.uploads.clone());
        r.register_with_unit("uploaded", "Bytes of uploads received", Unit::Bytes, self.uploaded.clone());
        r.register_with_unit(
            "submission_memory",
            "Memory that submissions in progress hold",
            Unit::Bytes,
            self.reserved.clone(),
        );
        r.register_with_unit(
            "answer_memory",
            "Memory that answers on their way to clients hold",
            Unit::Bytes,
            self.answer_memory.clone(),
        );
        r.register_with_unit(
            "relay_memory",
            "Memory that envelopes on their way to nodes hold",
            Unit::Bytes,
            self.relay_memory.clone(),
        );
        r.register_with_unit(
            "database",
            "How long requests to the database took",
            Unit::Seconds,
            self.database.clone(),
        );
        r.register("database_errors", "Requests that the database failed", self.database_errors.clone());
        r.register_with_unit(
            "clock_skew",
            "How far this machine's clock is ahead of the database's",
            Unit::Seconds,
            self.clock_skew.clone(),
        );
        // Series that alerts are made of exist from the start, so that their first increase is one.
        for ended in Ended::ALL {
            let _ = self.ended.get_or_create(&[("outcome", ended.name().to_owned())]);
        }
        self.relayed(Relayed::Envelopes, 0);
        self.relayed(Relayed::Answers, 0);
        self
    }

    fn begun(&self) -> MutexGuard<'_, HashMap<Digest32, Begun>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A job was accepted here.
    pub fn job_accepted(&self, job: Digest32, handover: &str) {
        self.accepted.get_or_create(&[("handover", handover.to_owned())]).inc();
        let begun =
            Begun { at: Instant::now(), handover: handover.to_owned(), answered: false, enough: false };
        self.begun().insert(job, begun);
    }

    /// A node's reply was recorded.
    pub fn job_replied(&self, job: &Digest32, answered: u8, state: JobState) {
        if let Some(begun) = self.begun().get_mut(job) {
            if answered > 0 && !std::mem::replace(&mut begun.answered, true) {
                self.phase("first_answer", begun);
            }
            let enough = matches!(state, JobState::Ready | JobState::Done);
            if enough && !std::mem::replace(&mut begun.enough, true) {
                self.phase("enough_answers", begun);
            }
        }
        match state {
            JobState::Done => self.job_ended(job, Ended::Answered),
            JobState::Failed => self.job_ended(job, Ended::Failed),
            _ => {}
        }
    }

    fn phase(&self, phase: &str, begun: &Begun) {
        self.phases
            .get_or_create(&[("phase", phase.to_owned()), ("handover", begun.handover.clone())])
            .observe(begun.at.elapsed().as_secs_f64());
    }

    /// A job ended.
    pub fn job_ended(&self, job: &Digest32, how: Ended) {
        self.ended.get_or_create(&[("outcome", how.name().to_owned())]).inc();
        let begun = self.begun().remove(job);
        if let (Some(begun), Ended::Proved) = (begun, how) {
            self.phase("proof", &begun);
        }
    }

    /// Forgets jobs that must have ended by now: they did at another coordinator of the same database.
    pub fn tidy(&self, longest: Duration) {
        self.begun().retain(|_, begun| begun.at.elapsed() <= longest);
    }

    /// Counts an offer as in flight until the guard is dropped.
    pub fn offer(&self) -> Counting {
        Counting::of(&self.offers)
    }

    /// Counts a client's connection until the guard is dropped.
    pub fn connection(&self) -> Counting {
        Counting::of(&self.connections)
    }

    /// A connection or an upload was cut off.
    pub fn cut(&self, reason: &'static str) {
        self.turned_away.get_or_create(&[("reason", reason.to_owned())]).inc();
    }

    /// Somebody refused something.
    pub fn refused(&self, by: &'static str, code: &str) {
        let code = {
            let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
            if codes.iter().any(|c| c == code) {
                code
            } else if codes.len() < CODES {
                codes.push(code.to_owned());
                code
            } else {
                "other"
            }
        };
        self.refusals.get_or_create(&[("by", by.to_owned()), ("code", code.to_owned())]).inc();
    }

    /// A request was answered. `route` is the pattern, not the path; `waited` for those that wait for an event.
    pub fn request(&self, method: &'static str, route: &str, status: u16, time: Duration, waited: bool) {
        self.requests
            .get_or_create(&[
                ("method", method.to_owned()),
                ("route", route.to_owned()),
                ("status", status.to_string()),
            ])
            .inc();
        if !waited {
            self.latency
                .get_or_create(&[("method", method.to_owned()), ("route", route.to_owned())])
                .observe(time.as_secs_f64());
        }
    }

    /// Bytes went through this coordinator.
    pub fn relayed(&self, what: Relayed, bytes: usize) {
        let what = match what {
            Relayed::Envelopes => "envelopes",
            Relayed::Answers => "answers",
        };
        self.relayed.get_or_create(&[("what", what.to_owned())]).inc_by(bytes as u64);
    }

    /// An upload ended.
    pub fn upload(&self, what: Upload, received: Option<u64>) {
        let what = match what {
            Upload::Circuit => "circuit",
            Upload::R1cs => "r1cs",
            Upload::Job => "job",
        };
        let outcome = if received.is_some() { "received" } else { "broken_off" };
        self.uploads.get_or_create(&[("what", what.to_owned()), ("outcome", outcome.to_owned())]).inc();
        if let Some(bytes) = received {
            self.uploaded.get_or_create(&[("what", what.to_owned())]).inc_by(bytes);
        }
    }

    /// Memory that submissions, answers to clients and envelopes to nodes hold now, in bytes.
    pub fn memory(&self, submissions: usize, answers: usize, relayed: usize) {
        let gauges = [&self.reserved, &self.answer_memory, &self.relay_memory];
        for (gauge, bytes) in gauges.into_iter().zip([submissions, answers, relayed]) {
            gauge.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
    }

    /// How far this machine's clock is ahead of the database's, in seconds.
    pub fn clock_skew(&self, seconds: i64) {
        self.clock_skew.set(seconds);
    }

    /// The database answered, or did not.
    pub fn database(&self, request: &'static str, time: Duration, failed: bool) {
        self.database.get_or_create(&[("request", request.to_owned())]).observe(time.as_secs_f64());
        if failed {
            self.database_failed();
        }
    }

    /// Waits for a request to the database, and tells how that went.
    ///
    /// # Errors
    /// Those of the request.
    pub async fn timed<T, E>(
        &self,
        request: &'static str,
        doing: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let began = Instant::now();
        let done = doing.await;
        self.database(request, began.elapsed(), done.is_err());
        done
    }

    /// The database failed a request.
    pub fn database_failed(&self) {
        self.database_errors.inc();
    }

    /// What the database and the registry say at this moment.
    pub fn now(&self, open: &[OpenJobs], nodes: usize, connected: usize) {
        self.open.clear();
        for jobs in open {
            let state = if jobs.state == JobState::Ready { "answered" } else { "open" };
            let labels = [("state", state.to_owned()), ("handover", jobs.handover.clone())];
            self.open.get_or_create(&labels).inc_by(count(jobs.count));
        }
        let queue = open.iter().filter(|o| o.state == JobState::Ready && o.coordinator_assembles);
        self.assembler_queue.set(count(queue.map(|o| o.count).sum()));
        let set = |connected: &str, n: usize| {
            self.nodes.get_or_create(&[("connected", connected.to_owned())]).set(count(n as u64));
        };
        set("true", connected);
        set("false", nodes.saturating_sub(connected));
    }

    /// Everything in Prometheus' (OpenMetrics) text form.
    ///
    /// # Errors
    /// None that this program knows of.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        text::encode(&mut out, &self.registry)?;
        Ok(out)
    }
}

fn count(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Counts as one in a gauge until it is dropped.
#[derive(Debug)]
pub struct Counting(Gauge);

impl Counting {
    fn of(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_job_goes_through_its_phases_and_leaves_nothing_behind() {
        let metrics = Metrics::default();
        let job = Digest32([1; 32]);
        metrics.job_accepted(job, "witness");
        metrics.job_replied(&job, 1, JobState::Open);
        metrics.job_replied(&job, 2, JobState::Open);
        metrics.job_replied(&job, 3, JobState::Ready);
        metrics.job_ended(&job, Ended::Proved);
        assert!(metrics.begun().is_empty());
        let text = metrics.text().unwrap();
        for phase in ["first_answer", "enough_answers", "proof"] {
            let line = format!(
                "tacit_coordinator_job_phase_seconds_count{{phase=\"{phase}\",handover=\"witness\"}} 1\n"
            );
            assert!(text.contains(&line), "{line} is not in\n{text}");
        }
        assert!(text.contains("tacit_coordinator_jobs_ended_total{outcome=\"proved\"} 1\n"));
        assert!(text.contains("tacit_coordinator_jobs_ended_total{outcome=\"expired\"} 0\n"));
        assert!(!text.contains("0101"), "an id in a label");
    }

    #[test]
    fn what_alerts_look_at_is_there_before_anything_happened() {
        let text = Metrics::default().text().unwrap();
        for line in [
            "tacit_coordinator_relayed_bytes_total{what=\"envelopes\"} 0\n",
            "tacit_coordinator_relayed_bytes_total{what=\"answers\"} 0\n",
            "tacit_coordinator_jobs_ended_total{outcome=\"failed\"} 0\n",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn the_number_of_series_is_bounded() {
        let metrics = Metrics::default();
        for i in 0..10 * CODES {
            metrics.refused("coordinator", &format!("code_{i}"));
        }
        let series = metrics.text().unwrap();
        assert_eq!(series.matches("tacit_coordinator_refusals_total{").count(), CODES + 1);
        assert!(series.contains("code=\"other\""));
    }

    #[test]
    fn gauges_follow_what_is_counted() {
        let metrics = Metrics::default();
        let open = |state, count| OpenJobs {
            state,
            handover: "witness".to_owned(),
            coordinator_assembles: true,
            count,
        };
        let one = metrics.offer();
        metrics.now(&[open(JobState::Open, 4), open(JobState::Ready, 2)], 5, 3);
        let text = metrics.text().unwrap();
        for line in [
            "tacit_coordinator_offers_in_flight 1\n",
            "tacit_coordinator_jobs_open{state=\"open\",handover=\"witness\"} 4\n",
            "tacit_coordinator_assembler_queue 2\n",
            "tacit_coordinator_nodes{connected=\"true\"} 3\n",
            "tacit_coordinator_nodes{connected=\"false\"} 2\n",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        drop(one);
        metrics.now(&[], 5, 5);
        let text = metrics.text().unwrap();
        assert!(text.contains("tacit_coordinator_offers_in_flight 0\n"));
        assert!(!text.contains("jobs_open{"));
    }

    /// Metrics in which everything has happened once.
    fn exercised() -> String {
        let metrics = Metrics::default();
        let job = Digest32([1; 32]);
        metrics.job_accepted(job, "witness");
        metrics.job_replied(&job, 1, JobState::Ready);
        metrics.job_ended(&job, Ended::Proved);
        let _offer = metrics.offer();
        let _connection = metrics.connection();
        metrics.cut("idle");
        metrics.refused("node", "busy");
        metrics.request("GET", "/v1/jobs", 200, Duration::from_millis(1), false);
        metrics.relayed(Relayed::Envelopes, 1);
        metrics.upload(Upload::Job, Some(1));
        metrics.memory(1, 1, 1);
        metrics.clock_skew(1);
        metrics.database("check", Duration::from_millis(1), true);
        let open = OpenJobs {
            state: JobState::Ready,
            handover: "witness".to_owned(),
            coordinator_assembles: true,
            count: 1,
        };
        metrics.now(&[open], 1, 1);
        metrics.text().unwrap()
    }

    /// The words of a text that begin with `prefix`.
    fn names<'a>(text: &'a str, prefix: &str) -> Vec<&'a str> {
        text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .filter(|w| w.starts_with(prefix))
            .collect()
    }

    #[test]
    fn boards_and_alerts_use_metrics_that_there_are() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let exported = exercised();
        let exported = names(&exported, "tacit_coordinator_");
        let node = std::fs::read_to_string(root.join("crates/node/src/status.rs")).unwrap_or_default();
        for file in ["deploy/alerts.yml", "deploy/grafana/tacit.json"] {
            let text = std::fs::read_to_string(root.join(file)).unwrap();
            let used = names(&text, "tacit_coordinator_");
            assert!(!used.is_empty());
            for name in used {
                assert!(exported.contains(&name), "{file} uses {name}, which is not exported");
            }
            for name in names(&text, "tacit_node_")
                .into_iter()
                .filter(|_| node.contains("with_prefix(\"tacit_node\")"))
            {
                let base = name
                    .trim_start_matches("tacit_node_")
                    .trim_end_matches("_total")
                    .trim_end_matches("_bucket");
                assert!(node.contains(&format!("\"{base}\"")), "{file} uses {name}, which no node exports");
            }
        }
    }

    #[test]
    fn the_operators_page_names_every_metric() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/src/operators.md");
        let page = std::fs::read_to_string(page).unwrap();
        let text = exercised();
        for line in text.lines().filter_map(|l| l.strip_prefix("# TYPE ")) {
            let name = line.split(' ').next().unwrap();
            assert!(page.contains(&format!("`{name}")), "docs/src/operators.md does not name {name}");
        }
    }
}
