//! Proving by a network: the dials on the command line, and what a person sees of a delegated job.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use serde_json::{Value, json};
use tacit_algebra::Curve;
use tacit_circom::wtns::Wtns;
use tacit_circom::{R1cs, r1cs};
use tacit_client::plan::{Privacy, Recommendation, Wish};
use tacit_client::{
    Artefact, Assembler, Client, ClientError, Event, Expectation, Finding, Found, KeySource, Member, Network,
    Options, Prepared, Progress, Proved,
};
use tacit_delegate::{Dials, Handover};
use tacit_groth16::ProvingKey;
use tokio::runtime::Runtime;

use crate::advice;
use crate::cache::{KnownLog, RegisteredR1cs};
use crate::failure::{Failure, Outcome};
use crate::files::{self, Access};
use crate::keys::{KeyOptions, ZkeyFile};
use crate::ui::{self, Phase, Ui};
use crate::verbs::groth16_prove::Proved as ProvedWith;

/// The dials.
#[derive(Debug, Clone, clap::Args)]
pub struct DialOptions {
    /// Number of nodes; with several groups, of each [default: 4]
    #[arg(long, value_name = "N")]
    committee: Option<u8>,
    /// Groups of nodes, each of which handles a slice of the proving key; more than one needs the handover `quotient` [default: 1]
    #[arg(long, value_name = "G")]
    groups: Option<u8>,
    /// Any T nodes together learn nothing; handover `witness` needs 2T+1 answers, `quotient` T+1 [default: 1]
    #[arg(long, value_name = "T")]
    threshold: Option<u8>,
    /// What the client hands over shares of
    #[arg(long, value_enum, default_value_t = HandoverName::Witness)]
    handover: HandoverName,
}

/// Handovers by name; one of a later version is named so that asking for it gets a clear answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum HandoverName {
    /// Every private wire
    Witness,
    /// Also its products with the blinders and the quotient, which this program computes
    Quotient,
    /// (not in this version) circuit inputs only
    Inputs,
    /// (`prove` and `fullprove`) whatever `tacit plan` recommends, within the other dials that are given
    Auto,
}

/// Against how many nodes of a committee the witness has to be safe, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PrivacyName {
    /// No single node learns anything
    One,
    /// As long as one node is honest, nobody learns anything: the handover `quotient`, every node must answer, and there is
    /// one group unless --groups says otherwise
    AllButOne,
}

/// Who interpolates the responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AssemblerName {
    /// This program
    Client,
    /// The coordinator, which then sees the proof first
    Coordinator,
}

/// How to delegate.
#[derive(Debug, Clone, clap::Args)]
pub struct DelegateOptions {
    /// Delegate to this network instead of proving here
    #[arg(long, value_name = "NET.toml")]
    network: Option<PathBuf>,
    #[command(flatten)]
    dials: DialOptions,
    /// Draw the committee from these nodes only: names of nodes, or of operators, in network.toml
    #[arg(long, value_name = "NAME", value_delimiter = ',', requires = "network")]
    nodes: Option<Vec<String>>,
    /// Draw the committee without these nodes, or operators
    #[arg(long, value_name = "NAME", value_delimiter = ',', requires = "network")]
    avoid: Vec<String>,
    /// With `--handover auto`: against how many of the nodes the witness has to be safe [default: one]
    #[arg(long, value_enum, requires = "network")]
    privacy: Option<PrivacyName>,
    /// Who interpolates the responses
    #[arg(long, value_enum, default_value_t = AssemblerName::Client, requires = "network")]
    assembler: AssemblerName,
    /// Give up after this many seconds
    #[arg(long, default_value_t = 120, value_name = "SECONDS", requires = "network", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
    /// Where to save the coordinator's receipt of the job: how it ended, by whom, signed, with the proof that it stands in the coordinator's log
    #[arg(long, value_name = "FILE", requires = "network")]
    receipt: Option<PathBuf>,
    /// Where to save what shows that a node, or the coordinator, did wrong
    #[arg(long, default_value = ".", value_name = "DIR", requires = "network")]
    evidence: PathBuf,
}

impl DialOptions {
    /// Whether any was given that changes something.
    pub fn are_given(&self) -> bool {
        self.committee.is_some()
            || self.groups.is_some()
            || self.threshold.is_some()
            || self.handover != HandoverName::Witness
    }

    /// The dials, checked.
    pub fn dials(&self) -> Outcome<Dials> {
        let handover = self.handover.named()?.ok_or_else(|| {
            Failure::new("--handover auto is for a proof with --network; here say `witness` or `quotient`")
        })?;
        Ok(Dials::new(handover, self.committee.unwrap_or(4), self.threshold.unwrap_or(1))?
            .with_groups(self.groups.unwrap_or(1))?)
    }

    /// Whether the dials are to be chosen for this device and network.
    fn are_chosen(&self) -> bool {
        self.handover == HandoverName::Auto
    }

    /// What was said, for advice.
    fn wish(&self, privacy: Option<PrivacyName>) -> Outcome<Wish> {
        let Self { committee, threshold, groups, handover } = *self;
        let privacy = privacy.map_or_else(Privacy::default, Privacy::from);
        Ok(Wish { committee, threshold, groups, handover: handover.named()?, privacy })
    }

    /// The same options for a process that this one starts.
    pub fn pass_on(&self, command: &mut Command) {
        let handover =
            self.handover.to_possible_value().map_or_else(String::new, |v| v.get_name().to_owned());
        for (name, value) in
            [("--committee", self.committee), ("--groups", self.groups), ("--threshold", self.threshold)]
        {
            if let Some(value) = value {
                command.args([name, &value.to_string()]);
            }
        }
        command.args(["--handover", &handover]);
    }
}

impl HandoverName {
    /// The handover; `None` for the one that is to be chosen.
    pub fn named(self) -> Outcome<Option<Handover>> {
        let code = match self {
            Self::Witness => 1,
            Self::Quotient => 2,
            Self::Inputs => 3,
            Self::Auto => return Ok(None),
        };
        Ok(Some(Handover::from_code(code)?))
    }
}

impl From<PrivacyName> for Privacy {
    fn from(name: PrivacyName) -> Self {
        match name {
            PrivacyName::One => Self::One,
            PrivacyName::AllButOne => Self::AllButOne,
        }
    }
}

impl DelegateOptions {
    /// The network to delegate to, if one is named.
    pub fn network(&self) -> Outcome<Option<Network>> {
        // Also without a network: an impossible dial is never passed over in silence.
        if self.dials.are_chosen() {
            if self.network.is_none() {
                return Err(Failure::new(
                    "--handover auto chooses for a network: name it with --network, or leave the option out to prove here",
                ));
            }
        } else {
            self.dials.dials()?;
            if self.privacy.is_some() {
                return Err(Failure::new(
                    "--privacy is a wish for --handover auto; with a handover that is named, --committee and \
                     --threshold say how private the proof is",
                ));
            }
        }
        let Some(path) = &self.network else { return Ok(None) };
        let mut network = crate::api_key::load_network(path)?;
        network.narrow(("--nodes", self.nodes.as_deref()), ("--avoid", &self.avoid))?;
        Ok(Some(network))
    }

    /// How long the deal lives: longer than this program waits.
    fn expiry(&self) -> Duration {
        Duration::from_secs(self.timeout) + Duration::from_secs(60)
    }

    /// The dials that were said, or else those that are recommended for this device and network; these with the reason.
    fn choose<C: Curve>(
        &self,
        key: &ProvingKey<C>,
        client: &Client,
        runtime: &Runtime,
        ui: &Ui,
    ) -> Outcome<(Dials, Option<Recommendation>)> {
        if !self.dials.are_chosen() {
            return Ok((self.dials.dials()?, None));
        }
        let request = advice::Request {
            wish: self.dials.wish(self.privacy)?,
            network: Some((client, runtime)),
            expiry: self.expiry(),
            upload_mbit: None,
            witness: None,
        };
        let recommended = advice::advise(key, &request, ui)?.plan.recommended;
        let setting = advice::words(recommended.setting.dials);
        ui.fact("dials chosen", &format!("{setting}: {recommended}"));
        Ok((recommended.setting.dials, Some(recommended)))
    }

    fn options(&self, dials: Dials) -> Outcome<Options> {
        let timeout = Duration::from_secs(self.timeout);
        Ok(Options {
            dials,
            assembler: match self.assembler {
                AssemblerName::Client => Assembler::Client,
                AssemblerName::Coordinator => Assembler::Coordinator,
            },
            timeout: Some(timeout),
            expiry: self.expiry(),
            ..Options::standard()?
        })
    }
}

/// Proves by a network.
///
/// Whoever chooses the constraints that decide whether a witness is dealt learns one bit about it from what the client does
/// next. So they decide only if the user vouches for them: given here, or registered from this machine. Constraints
/// that somebody else registered serve only to explain, after a proof has failed.
pub fn prove<C: Curve>(
    network: &Network,
    zkey: &ZkeyFile,
    witness: &Wtns<C::Scalar>,
    checked_here: bool,
    options: &DelegateOptions,
    key_options: &KeyOptions,
    ui: &Ui,
) -> Outcome<ProvedWith<C>> {
    let evidence_folder = options.evidence.clone();
    let receipt = options.receipt.clone();
    let key = zkey.proving_key::<C>(key_options, ui)?;
    let client = Client::new(network.clone())?;
    let runtime = crate::runtime::new()?;
    let (dials, recommended) = options.choose(&key, &client, &runtime, ui)?;
    let options = options.options(dials)?;
    let vouched = match (checked_here, RegisteredR1cs::recorded(key.circuit_id)?) {
        (false, Some(record)) => {
            runtime.block_on(client.api().r1cs(key.circuit_id))?.filter(|b| record.is_of(b))
        }
        _ => None,
    };
    let constraints = vouched.as_deref().and_then(|bytes| constraints_of::<C>(bytes, key.n_wires));
    let prepared = Prepared::new(&key, &witness.values, constraints.as_ref(), options.dials.handover())?
        .judging_with(key_again(zkey.path.clone(), key_options.clone(), ui.clone()));
    let checked = checked_here || constraints.is_some();
    if !checked && options.assembler == Assembler::Coordinator {
        ui.warn(
            "the witness was not checked against the circuit's constraints, and the coordinator assembles: if it is wrong, no proof comes and nobody \
             can say why. Pass --r1cs to have it checked before it is dealt.",
        );
    }
    let (circuit, n_wires) = (key.circuit_id, key.n_wires);
    drop(key);
    let watcher = Arc::new(Watcher::new(ui));
    let progress: Arc<dyn Progress> = watcher.clone();
    let artefact = Artefact::from(zkey.path.as_path());
    let proved = runtime.block_on(client.prove(prepared, Some(&artefact), &options, progress));
    let traffic = watcher.finish();
    let proved = proved.map_err(|error| {
        if let ClientError::NotAssembled { findings, .. } = &error {
            save_evidence(findings, &evidence_folder, ui);
        }
        let culprits: Vec<String> = error.culprits().iter().map(ToString::to_string).collect();
        let unexplained = !checked && matches!(error, ClientError::NotAssembled { .. });
        let mut failure = Failure::from(error);
        if unexplained {
            let registered = runtime.block_on(client.api().r1cs(circuit)).ok().flatten();
            let constraints = registered.as_deref().and_then(|bytes| constraints_of::<C>(bytes, n_wires));
            failure = failure.adding(match constraints.map(|c| c.check(&witness.values)) {
                Some(Err(violated)) => {
                    format!("By the constraint system that is registered with the circuit, {violated}")
                }
                Some(Ok(())) => {
                    "By the constraint system that is registered with the circuit, the witness is right"
                        .to_owned()
                }
                None => "Pass --r1cs to have the witness checked before it is dealt".to_owned(),
            });
        }
        if culprits.is_empty() { failure } else { failure.blaming(culprits.join(", ")) }
    })?;
    warn_of_suspects(&proved, ui);
    let saved = save_evidence(&proved.findings, &evidence_folder, ui);
    let mut how = describe(&proved, &saved, &traffic, &options);
    if let (Some(recommended), Some(how)) = (recommended, how.as_object_mut()) {
        how.insert("chosen".to_owned(), advice::to_json(&recommended));
    }
    if let (Some(path), Some(how)) = (receipt, how.as_object_mut()) {
        how.insert(
            "receipt".to_owned(),
            fetch_receipt(&client, &runtime, &proved.dealt, &path, &evidence_folder, ui),
        );
    }
    Ok((proved.proof, proved.public, how))
}

/// Fetches the job's receipt, checks it and saves it. Whatever is wrong with it does not take the proof away: it is told in what is returned, as
/// `error`.
fn fetch_receipt(
    client: &Client,
    runtime: &Runtime,
    dealt: &Expectation,
    path: &Path,
    evidence_folder: &Path,
    ui: &Ui,
) -> Value {
    let phase = ui.phase("the coordinator's receipt");
    let fetched = KnownLog::of(client.log()).and_then(|known| {
        let (proven, followed) =
            runtime.block_on(client.receipt(dealt, known.load()?.as_ref())).map_err(|error| {
                crate::verbs::log::save_evidence(&error, evidence_folder, ui);
                Failure::from(error)
            })?;
        files::write(path, proven.to_json().as_bytes(), Access::Shared)?;
        known.save(&followed)?;
        Ok(proven)
    });
    match fetched {
        Ok(proven) => {
            phase.done(format!("entry {} of its log; kept in {}", proven.inclusion.leaf, path.display()));
            json!({ "file": path, "entry": proven.inclusion.leaf, "log_size": proven.head.head.size })
        }
        Err(failure) => json!({ "file": path, "error": failure.to_string() }),
    }
}

/// A constraint system from the network, if it can be one of this circuit's at all.
fn constraints_of<C: Curve>(bytes: &[u8], n_wires: usize) -> Option<R1cs<C::Scalar>> {
    if r1cs::curve_of(bytes).is_ok_and(|curve| curve == C::ID) {
        R1cs::read(bytes).ok().filter(|r| r.n_wires as usize == n_wires)
    } else {
        None
    }
}

/// The key once more, when answers have to be judged.
fn key_again<C: Curve>(zkey: PathBuf, options: KeyOptions, ui: Ui) -> KeySource<C> {
    let quiet = Ui::new(ui.json(), true);
    Arc::new(move || {
        let key = ZkeyFile::read(&zkey).and_then(|file| file.proving_key(&options, &quiet));
        key.map_err(|e| e.to_string())
    })
}

/// Saves what shows a node's guilt to others; returns where, by place. That a file cannot be written does not take the proof away.
fn save_evidence(findings: &[Finding], folder: &Path, ui: &Ui) -> Vec<(u8, PathBuf)> {
    let mut saved = Vec::new();
    for Finding { member, found } in findings {
        let Found::Guilty(evidence) = found else { continue };
        let deal: String = evidence.deal().to_string().chars().take(16).collect();
        let charge = evidence.charge().replace('_', "-");
        let path = folder.join(format!("evidence-{deal}-{}-{charge}.json", member.index));
        match files::write(&path, evidence.to_json().as_bytes(), Access::Private) {
            Ok(()) => {
                let holds = match evidence.charge() {
                    "wrong_response" => " It holds that node's share; the other shares stay closed.",
                    _ => "",
                };
                ui.warn(format!(
                    "what shows it is in {}: anyone can check it with `tacit audit`.{holds}",
                    path.display()
                ));
                saved.push((member.index, path));
            }
            Err(error) => ui.warn(error.to_string()),
        }
    }
    saved
}

fn warn_of_suspects<C: Curve>(proved: &Proved<C>, ui: &Ui) {
    let judged = |member: &Member| proved.findings.iter().find(|f| f.member == *member);
    for finding in proved.findings.iter().filter(|f| f.found.is_guilt()) {
        ui.warn(format!("{finding}. The proof verifies without it; tell its operator."));
    }
    for suspect in proved.suspects.iter().filter(|member| judged(member).is_none()) {
        ui.warn(format!(
            "{suspect} gave an answer that does not agree with those that made the proof. The proof verifies without it; \
             tell its operator."
        ));
    }
}

fn describe<C: Curve>(
    proved: &Proved<C>,
    saved: &[(u8, PathBuf)],
    traffic: &Traffic,
    options: &Options,
) -> Value {
    let findings: Vec<Value> = (proved.findings.iter())
        .map(|finding| {
            let word = match finding.found {
                Found::Right => "right",
                Found::Guilty(_) => "guilty",
                _ => "wrong",
            };
            let index = finding.member.index;
            let evidence = saved.iter().find(|(place, _)| *place == index).map(|(_, path)| path);
            json!({ "index": index, "name": finding.member.name, "finding": word, "evidence": evidence })
        })
        .collect();
    let nodes: Vec<Value> = proved
        .members
        .iter()
        .map(|m| {
            let seat = traffic.seat(m.index);
            json!({
                "index": m.index, "name": m.name, "operator": m.operator, "identity": hex::encode(m.identity),
                "package_bytes": seat.package, "envelope_bytes": seat.envelope, "answer_bytes": seat.answer,
                "answered": proved.answered.contains(m), "suspect": proved.suspects.contains(m),
            })
        })
        .collect();
    json!({
        "delegated": true, "job": proved.job.to_string(), "handover": options.dials.handover().name(),
        "n": options.dials.nodes(), "t": options.dials.threshold(), "groups": options.dials.groups(), "nodes": nodes,
        "findings": findings,
        "upload_bytes": traffic.upload,
    })
}

/// What went to and came from one node.
#[derive(Debug, Clone, Default)]
pub struct SeatTraffic {
    /// Bytes of the package before sealing.
    pub package: usize,
    /// Bytes of the sealed envelope.
    pub envelope: usize,
    /// Bytes of the answer; 0 if none came in time.
    pub answer: usize,
    /// When the answer came, after the submission.
    pub after: Option<Duration>,
}

/// What a job moved.
#[derive(Debug, Clone, Default)]
pub struct Traffic {
    seats: Vec<(u8, SeatTraffic)>,
    /// Bytes of the whole submission.
    pub upload: usize,
}

impl Traffic {
    /// One node's.
    pub fn seat(&self, index: u8) -> SeatTraffic {
        self.seats.iter().find(|(i, _)| *i == index).map(|(_, s)| s.clone()).unwrap_or_default()
    }

    fn of(&mut self, index: u8) -> &mut SeatTraffic {
        let at = match self.seats.iter().position(|(i, _)| *i == index) {
            Some(at) => at,
            None => {
                self.seats.push((index, SeatTraffic::default()));
                self.seats.len() - 1
            }
        };
        &mut self.seats[at].1
    }
}

/// Turns a job's events into phases on the screen and keeps count.
pub struct Watcher {
    ui: Ui,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    phase: Option<Phase>,
    traffic: Traffic,
    submitted: Option<Instant>,
    answers: String,
    /// The circuit is new to the nodes: before they compute they fetch and check its key.
    new_circuit: bool,
}

impl Watcher {
    /// For one job.
    pub fn new(ui: &Ui) -> Self {
        Self { ui: ui.clone(), state: Mutex::default() }
    }

    /// For the first job of a circuit that was registered just before.
    pub fn of_new_circuit(ui: &Ui) -> Self {
        let state = State { new_circuit: true, ..State::default() };
        Self { ui: ui.clone(), state: Mutex::new(state) }
    }

    /// What was counted.
    pub fn finish(&self) -> Traffic {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.phase = None;
        std::mem::take(&mut state.traffic)
    }
}

impl Progress for Watcher {
    fn event(&self, event: Event) {
        let mut guard = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *guard;
        let done = |state: &mut State, detail: String| {
            if let Some(phase) = state.phase.take() {
                phase.done(detail);
            }
        };
        match event {
            Event::WitnessChecked { constraints } => {
                self.ui.fact("witness against constraints", &format!("{constraints} constraints hold"));
            }
            Event::CircuitUpload { sent, total, .. } => {
                state.new_circuit = true;
                let phase = state.phase.get_or_insert_with(|| self.ui.phase("registering the circuit"));
                phase.note(format!("{} of {}", ui::bytes(sent), ui::bytes(total)));
                if sent == total {
                    phase.note("the coordinator checks the key");
                }
            }
            Event::CircuitReady { .. } => done(state, "checked by the coordinator".to_owned()),
            Event::CommitteeChosen { members, threshold } => {
                let names: Vec<&str> = members.iter().map(|m| m.name.as_str()).collect();
                let who = if threshold == 1 {
                    "no one of them learns".to_owned()
                } else {
                    format!("no {threshold} of them learn")
                };
                self.ui.fact("committee", &format!("{}; {who} anything", names.join(", ")));
                state.phase = Some(self.ui.phase("sharing and sealing the witness"));
            }
            Event::Dealt { private_wires, .. } => {
                if let Some(phase) = &state.phase {
                    phase.note(format!("{private_wires} private wires"));
                }
            }
            Event::Sealed { member, package_bytes, envelope_bytes } => {
                let seat = state.traffic.of(member.index);
                seat.package = package_bytes;
                seat.envelope = envelope_bytes;
            }
            Event::Submitted { bytes, .. } => {
                state.traffic.upload = bytes;
                state.submitted = Some(Instant::now());
                done(state, format!("{} sent", ui::bytes(bytes as u64)));
                state.answers.clear();
                let label = if state.new_circuit {
                    "nodes check the key, then compute"
                } else {
                    "nodes compute on shares"
                };
                state.phase = Some(self.ui.phase(label));
            }
            Event::Answered { member, bytes, answers, needed } => {
                let after = state.submitted.map(|t| t.elapsed());
                let seat = state.traffic.of(member.index);
                seat.answer = bytes;
                seat.after = after;
                state.answers = format!("{answers} answers, {needed} needed");
                if let Some(phase) = &state.phase {
                    phase.note(&state.answers);
                }
            }
            Event::Refused { member, reason } => self.ui.say(format!("     {member} refused: {reason}")),
            Event::Unreachable { reason, retry_in } => {
                self.ui.say(format!("     {reason}; asking again in {}", ui::duration(retry_in)));
            }
            Event::AnswersDisagree { answers, .. } => {
                self.ui.say(format!("     {answers} answers make no proof yet; waiting for another"));
            }
            Event::Replaced { lost, by } => {
                self.ui.say(format!("     {lost} is lost; {by} takes its place with the same package"));
            }
            Event::Judged { finding } => self.ui.say(format!("     {finding}")),
            Event::DealtAgain { attempt, reason } => {
                state.phase = None;
                self.ui.say(format!("     dealing afresh (attempt {attempt}): {reason}"));
            }
            Event::Verified { .. } => {
                let answers = std::mem::take(&mut state.answers);
                done(state, answers);
                self.ui.fact("proof assembled", "the pairing check holds");
            }
            _ => {}
        }
    }
}
