//! Proving by a network: the dials on the command line, and what a person sees of a delegated job.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use serde_json::{Value, json};
use tacit_algebra::Curve;
use tacit_circom::wtns::Wtns;
use tacit_circom::{R1cs, r1cs};
use tacit_client::{
    Artefact, Assembler, Client, ClientError, Event, Network, Options, Prepared, Progress, Proved,
};
use tacit_delegate::{Dials, Handover};

use crate::cache::RegisteredR1cs;
use crate::failure::{Failure, Outcome};
use crate::keys::{KeyOptions, ZkeyFile};
use crate::ui::{self, Phase, Ui};
use crate::verbs::groth16_prove::Proved as ProvedWith;

/// The dials.
#[derive(Debug, Clone, clap::Args)]
pub struct DialOptions {
    /// Number of nodes; with several groups, of each
    #[arg(long, default_value_t = 4, value_name = "N")]
    pub committee: u8,
    /// Groups of nodes, each of which handles a slice of the proving key; more than one needs the handover `quotient`
    #[arg(long, default_value_t = 1, value_name = "G")]
    pub groups: u8,
    /// Any T nodes together learn nothing; handover `witness` needs 2T+1 answers, `quotient` T+1
    #[arg(long, default_value_t = 1, value_name = "T")]
    pub threshold: u8,
    /// What the client hands over shares of
    #[arg(long, value_enum, default_value_t = HandoverName::Witness)]
    pub handover: HandoverName,
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
    /// Who interpolates the responses
    #[arg(long, value_enum, default_value_t = AssemblerName::Client, requires = "network")]
    assembler: AssemblerName,
    /// Give up after this many seconds
    #[arg(long, default_value_t = 120, value_name = "SECONDS", requires = "network", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
}

impl DialOptions {
    /// The dials, checked.
    pub fn dials(&self) -> Outcome<Dials> {
        let code = match self.handover {
            HandoverName::Witness => 1,
            HandoverName::Quotient => 2,
            HandoverName::Inputs => 3,
        };
        Ok(Dials::new(Handover::from_code(code)?, self.committee, self.threshold)?
            .with_groups(self.groups)?)
    }

    /// The same options for a process that this one starts.
    pub fn pass_on(&self, command: &mut Command) {
        let handover =
            self.handover.to_possible_value().map_or_else(String::new, |v| v.get_name().to_owned());
        command.args(["--committee", &self.committee.to_string()]);
        command.args(["--groups", &self.groups.to_string()]);
        command.args(["--threshold", &self.threshold.to_string()]);
        command.args(["--handover", &handover]);
    }
}

impl DelegateOptions {
    /// The network to delegate to, if one is named.
    pub fn network(&self) -> Outcome<Option<Network>> {
        // Also without a network: an impossible dial is never passed over in silence.
        self.dials.dials()?;
        Ok(self.network.as_deref().map(Network::load).transpose()?)
    }

    fn options(&self) -> Outcome<Options> {
        let dials = self.dials.dials()?;
        let timeout = Duration::from_secs(self.timeout);
        Ok(Options {
            dials,
            assembler: match self.assembler {
                AssemblerName::Client => Assembler::Client,
                AssemblerName::Coordinator => Assembler::Coordinator,
            },
            timeout: Some(timeout),
            expiry: timeout + Duration::from_secs(60),
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
    let options = options.options()?;
    let key = zkey.proving_key::<C>(key_options, ui)?;
    let client = Client::new(network.clone())?;
    let runtime = crate::runtime::new()?;
    let vouched = match (checked_here, RegisteredR1cs::recorded(key.circuit_id)?) {
        (false, Some(record)) => {
            runtime.block_on(client.api().r1cs(key.circuit_id))?.filter(|b| record.is_of(b))
        }
        _ => None,
    };
    let constraints = vouched.as_deref().and_then(|bytes| constraints_of::<C>(bytes, key.n_wires));
    let prepared = Prepared::new(&key, &witness.values, constraints.as_ref(), options.dials.handover())?;
    let checked = checked_here || constraints.is_some();
    let (circuit, n_wires) = (key.circuit_id, key.n_wires);
    drop(key);
    let watcher = Arc::new(Watcher::new(ui));
    let progress: Arc<dyn Progress> = watcher.clone();
    let artefact = Artefact::from(zkey.path.as_path());
    let proved = runtime.block_on(client.prove(prepared, Some(&artefact), &options, progress));
    let traffic = watcher.finish();
    let proved = proved.map_err(|error| {
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
    let how = describe(&proved, &traffic, &options);
    Ok((proved.proof, proved.public, how))
}

/// A constraint system from the network, if it can be one of this circuit's at all.
fn constraints_of<C: Curve>(bytes: &[u8], n_wires: usize) -> Option<R1cs<C::Scalar>> {
    if r1cs::curve_of(bytes).is_ok_and(|curve| curve == C::ID) {
        R1cs::read(bytes).ok().filter(|r| r.n_wires as usize == n_wires)
    } else {
        None
    }
}

fn warn_of_suspects<C: Curve>(proved: &Proved<C>, ui: &Ui) {
    for suspect in &proved.suspects {
        ui.warn(format!(
            "{suspect} gave an answer that does not agree with those that made the proof. The proof verifies without it; \
             tell its operator."
        ));
    }
}

fn describe<C: Curve>(proved: &Proved<C>, traffic: &Traffic, options: &Options) -> Value {
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
