//! What a person sees of a wallet at work.

use std::sync::{Mutex, PoisonError};

use tacit_prover::local::Step as Proving;
use tacit_wallet::open::Step;

use crate::ui::{self, Phase, Ui};

/// One wallet's work, phase by phase.
pub struct Watch {
    ui: Ui,
    phase: Mutex<Option<(String, String, Phase)>>,
}

impl Watch {
    /// Nothing is going on yet.
    pub fn new(ui: &Ui) -> Self {
        Self { ui: ui.clone(), phase: Mutex::new(None) }
    }

    /// The wallet is at a step: the phase before it is over, unless it is the same.
    pub fn told(&self, step: Step<'_>) {
        let (label, detail) = match step {
            Step::Reading { block, of } => ("reading the chain".to_owned(), format!("block {block} of {of}")),
            Step::Approving => ("approving the token's transfer".to_owned(), String::new()),
            Step::Asking(name) => (format!("asking {name} for its terms"), String::new()),
            Step::Proving(Proving::Loading(kind)) => (format!("proving key of {kind}"), String::new()),
            Step::Proving(Proving::Proving(kind)) => (format!("proving {kind}"), String::new()),
            Step::Proving(_) => return,
            // Told by the committee's jobs.
            Step::Delegating => return self.done(),
            Step::Uploading(bytes) => ("sealed to the prover".to_owned(), ui::bytes(bytes as u64)),
            Step::Service(status) => ("the prover works".to_owned(), status.phase.to_string()),
            Step::Submitting => ("sending the transaction".to_owned(), String::new()),
            _ => return,
        };
        let mut guard = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *guard {
            Some((known, said, phase)) if *known == label => {
                phase.note(&detail);
                *said = detail;
            }
            other => {
                if let Some((_, said, phase)) = other.take() {
                    phase.done(said);
                }
                let phase = self.ui.phase(&label);
                if !detail.is_empty() {
                    phase.note(&detail);
                }
                *other = Some((label, detail, phase));
            }
        }
    }

    /// The last phase is over.
    pub fn done(&self) {
        if let Some((_, said, phase)) = self.phase.lock().unwrap_or_else(PoisonError::into_inner).take() {
            phase.done(said);
        }
    }
}
