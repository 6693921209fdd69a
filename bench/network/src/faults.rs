//! What befalls the processes: drawn from a seed, each fault with its end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde::Serialize;

use crate::Outcome;
use crate::world::{self, Isolation, Kind, Process};

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// `kill -9`, and a new process after a while.
    Kill,
    /// No network for a while.
    Cut,
    /// A full disk for a while.
    Disk,
    /// One node computes in short pieces all along, others stand still for a while.
    Slow,
    /// A node's clock is ahead and another's, and a coordinator's, behind.
    Clock,
    /// A client that floods, announces giants, uploads slowly, sends what is no frame and reads nothing.
    Hostile,
}

impl Fault {
    /// Whether it is there all along.
    const fn is_lasting(self) -> bool {
        matches!(self, Self::Clock | Self::Hostile)
    }

    /// Why it cannot happen here, if it cannot.
    pub fn impossible(self, isolation: &Isolation) -> Option<String> {
        match (self, isolation) {
            (Self::Cut | Self::Disk, Isolation::Shared(why)) => Some(why.clone()),
            // Limits are by address: from the same one it would be the others that are turned away.
            (Self::Hostile, Isolation::Shared(why)) => Some(why.clone()),
            (Self::Clock, _) if !std::path::Path::new(world::FAKETIME).exists() => {
                Some("Debian's package `libfaketime` is not installed".to_owned())
            }
            _ => None,
        }
    }
}

/// A fault that lasts.
#[derive(Debug)]
struct Ongoing {
    until: Instant,
    process: usize,
    fault: Fault,
}

/// Draws faults, and ends them.
#[derive(Debug)]
pub struct Faults {
    rng: StdRng,
    kinds: Vec<Fault>,
    ongoing: Vec<Ongoing>,
    next: Instant,
    pause: (u64, u64),
    /// How many there were of each, by what they befell.
    pub counts: BTreeMap<(Fault, Kind), u64>,
}

impl Faults {
    /// Faults of these kinds, with pauses between two of them drawn from this range of milliseconds.
    pub fn new(seed: u64, kinds: &[Fault], pause: (u64, u64)) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            // A wrong clock or a hostile mind is a property of a process, not an event.
            kinds: kinds.iter().copied().filter(|k| !k.is_lasting()).collect(),
            ongoing: Vec::new(),
            next: Instant::now(),
            pause,
            counts: BTreeMap::new(),
        }
    }

    /// Ends what is over, and begins something if it is time.
    pub fn step(&mut self, processes: &mut [Process]) -> Outcome {
        let now = Instant::now();
        for ended in self.ongoing.extract_if(.., |o| o.until <= now).collect::<Vec<_>>() {
            end(&ended, processes)?;
        }
        if now < self.next || self.kinds.is_empty() {
            return Ok(());
        }
        self.next = now + Duration::from_millis(self.rng.random_range(self.pause.0..=self.pause.1));
        let Some(&fault) = self.kinds.choose(&mut self.rng) else { return Ok(()) };
        let candidates: Vec<usize> = (0..processes.len())
            .filter(|i| !self.ongoing.iter().any(|o| o.process == *i))
            .filter(|i| processes.get(*i).is_some_and(|p| may_befall(fault, p)))
            .collect();
        let Some(&at) = candidates.choose(&mut self.rng) else { return Ok(()) };
        let Some(process) = processes.get_mut(at) else { return Ok(()) };
        let lasts = match fault {
            Fault::Kill => 100..=2_500,
            Fault::Cut => 500..=8_000,
            Fault::Disk => 500..=4_000,
            Fault::Slow | Fault::Clock | Fault::Hostile => 500..=5_000,
        };
        match fault {
            Fault::Kill => process.kill()?,
            Fault::Cut => process.cut(true)?,
            Fault::Disk => process.fill(true)?,
            Fault::Slow | Fault::Clock | Fault::Hostile => process.halt(true),
        }
        *self.counts.entry((fault, process.kind)).or_default() += 1;
        let until = now + Duration::from_millis(self.rng.random_range(lasts));
        self.ongoing.push(Ongoing { until, process: at, fault });
        Ok(())
    }

    /// Ends everything that lasts.
    pub fn end_all(&mut self, processes: &mut [Process]) -> Outcome {
        for ongoing in std::mem::take(&mut self.ongoing) {
            end(&ongoing, processes)?;
        }
        Ok(())
    }

    /// Whether a process is down because of a fault.
    pub fn keeps_down(&self, process: usize) -> bool {
        self.ongoing.iter().any(|o| o.process == process && o.fault == Fault::Kill)
    }
}

fn may_befall(fault: Fault, process: &Process) -> bool {
    match fault {
        _ if process.kind == Kind::Hostile => false,
        // A client writes its journal and its tickets itself: with a full disk it is this harness that fails.
        Fault::Disk => process.kind != Kind::Client && process.is_running(),
        _ => process.is_running(),
    }
}

fn end(ongoing: &Ongoing, processes: &mut [Process]) -> Outcome {
    let Some(process) = processes.get_mut(ongoing.process) else { return Ok(()) };
    match ongoing.fault {
        Fault::Kill => process.start(),
        Fault::Cut => process.cut(false),
        Fault::Disk => process.fill(false),
        Fault::Slow | Fault::Clock | Fault::Hostile => {
            process.halt(false);
            Ok(())
        }
    }
}
