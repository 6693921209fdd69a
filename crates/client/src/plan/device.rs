//! What this device takes for the pieces that proofs and deals consist of.

use std::convert::Infallible;
use std::hint::black_box;
use std::ops::{Add, Mul};
use std::time::Duration;

use rand_core::CryptoRng;
use tacit_algebra::calibration::Calibration;
use tacit_algebra::{Bn254, Curve, Group, Point, field};
use tacit_delegate::{
    Acknowledgement, CircuitShape, Deal, DealTerms, Dials, Handover, Layout, Secrets, deal,
};
use tacit_groth16::{ProvingKey, qap};
use tacit_wire::envelope::{Slot, seal_package};
use tacit_wire::seal::PUBLIC_KEY_BYTES;
use tacit_wire::{Identity, Purpose, SealError, SealingKeyCertificate, SealingKeyPair};
use thiserror::Error;

use crate::plan::circuit::{Circuit, Task};

/// Seconds that a piece of work takes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Work {
    /// Of CPU time, all threads together.
    pub cpu: f64,
    /// From beginning to end.
    pub wall: f64,
}

impl Add for Work {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { cpu: self.cpu + other.cpu, wall: self.wall + other.wall }
    }
}

impl Mul<f64> for Work {
    type Output = Self;

    fn mul(self, times: f64) -> Self {
        Self { cpu: self.cpu * times, wall: self.wall * times }
    }
}

impl Work {
    /// What is left when `other` is done; nothing, rather than less than that.
    fn beyond(self, other: Self) -> Self {
        Self { cpu: (self.cpu - other.cpu).max(0.0), wall: (self.wall - other.wall).max(0.0) }
    }
}

/// What a clock shows; only differences matter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reading {
    /// CPU time of all threads of this process.
    pub cpu: Duration,
    /// The time.
    pub wall: Duration,
}

/// A multi-scalar multiplication that was measured.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sum {
    /// Its terms.
    pub terms: usize,
    /// What it took.
    pub work: Work,
}

impl Sum {
    /// What one with so many terms would take. A term costs the less the more there are: as many additions as the scalar has
    /// digits, which are the wider the more terms share the buckets.
    fn of(&self, terms: usize) -> Work {
        if self.terms == 0 {
            return Work::default();
        }
        let digits = |terms: usize| (terms as f64).log2().max(4.0);
        self.work * (terms as f64 / self.terms as f64 * digits(self.terms) / digits(terms))
    }
}

/// What was measured on this device.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Device {
    /// A sum in the first group, of bases of the circuit's key.
    pub in_g1: Sum,
    /// A sum in the second group.
    pub in_g2: Sum,
    /// The quotient: the products with the key's matrices, and six transforms.
    pub quotient: Work,
    /// One share expanded from a seed.
    pub expanded: Work,
    /// One term of a share written out; it has as many as the secret and the seeds together.
    pub term: Work,
    /// One byte of a package encoded, sealed and hashed.
    pub byte: Work,
    /// An empty envelope. Opening an answer takes about as much.
    pub envelope: Work,
    /// The check of a proof.
    pub check: Work,
    /// The witness's calculation, where there was something to measure it with.
    pub witness: Option<Work>,
    /// What a node says of itself, measured here: see [`Calibration`].
    pub bases_per_second: u64,
}

/// Why the device could not be measured.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MeasureError {
    /// The key's domain does not exist in this field.
    #[error("the proving key is unusable: {0}")]
    Domain(#[from] tacit_algebra::DomainError),
    /// Sealing failed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// Dealing failed.
    #[error(transparent)]
    Deal(#[from] tacit_delegate::DealError),
    /// There are no such dials.
    #[error(transparent)]
    Dials(#[from] tacit_delegate::DialsError),
}

/// Terms of a measured sum at most: a larger one is longer by a factor that is known well enough.
const TERMS: usize = 1 << 16;
/// Values that are dealt to measure dealing.
const DEALT: usize = 1 << 12;
/// How often a piece of work is measured; the least counts, because others on the machine only ever slow it down.
const RUNS: usize = 3;

/// The least that the work takes.
fn least(clock: &dyn Fn() -> Reading, mut work: impl FnMut()) -> Work {
    let Ok(least) = try_least(clock, || {
        work();
        Ok::<(), Infallible>(())
    });
    least
}

/// The same of work that may fail.
fn try_least<T, E>(clock: &dyn Fn() -> Reading, mut work: impl FnMut() -> Result<T, E>) -> Result<Work, E> {
    let mut least: Option<Work> = None;
    for _ in 0..RUNS {
        let began = clock();
        black_box(work()?);
        let ended = clock();
        let (cpu, wall) = (
            ended.cpu.saturating_sub(began.cpu).as_secs_f64(),
            ended.wall.saturating_sub(began.wall).as_secs_f64(),
        );
        least =
            Some(least.map_or(Work { cpu, wall }, |l| Work { cpu: l.cpu.min(cpu), wall: l.wall.min(wall) }));
    }
    Ok(least.unwrap_or_default())
}

impl Device {
    /// Measures. Nothing of what is computed means anything, and nothing leaves the process. Takes about four times as long as
    /// a proof, and no more than some seconds for the largest key. The witness's calculation is the caller's to add.
    ///
    /// # Errors
    /// [`MeasureError`].
    pub fn measure<C: Curve, R: CryptoRng + ?Sized>(
        key: &ProvingKey<C>,
        clock: &dyn Fn() -> Reading,
        rng: &mut R,
    ) -> Result<Self, MeasureError> {
        let scalars: Vec<C::Scalar> =
            (0..TERMS.min(key.n_wires.max(key.h_query.len()))).map(|_| field::random(rng)).collect();
        let in_g1 = key.h_query.get(..TERMS.min(key.h_query.len())).unwrap_or_default();
        let in_g2: Vec<_> =
            key.b_g2_query.iter().filter(|base| !base.is_identity()).take(TERMS / 4).copied().collect();
        let domain = key.domain()?;
        let wires: Vec<C::Scalar> = scalars.iter().cycle().take(key.n_wires).copied().collect();
        let dealing = Dealing::measure::<C, R>(clock, rng)?;
        let (g1, g2) = (C::G1::generator(), C::G2::generator());
        let sum = |terms, work: &dyn Fn()| Sum { terms, work: least(clock, work) };
        Ok(Self {
            in_g1: sum(in_g1.len(), &|| {
                black_box(C::G1::msm(in_g1, &scalars));
            }),
            in_g2: sum(in_g2.len(), &|| {
                black_box(C::G2::msm(&in_g2, &scalars));
            }),
            quotient: least(clock, || {
                black_box(qap::quotient(key, &domain, &wires));
            }),
            expanded: dealing.expanded,
            term: dealing.term,
            byte: dealing.byte,
            envelope: dealing.envelope,
            check: least(clock, || {
                black_box(C::pairing_sum_is_zero(black_box(&[(g1, g2); 4])));
            }),
            witness: None,
            bases_per_second: Calibration::<Bn254>::new(rng).bases_per_second(|| clock().wall),
        })
    }

    fn task(&self, task: &Task) -> Work {
        let in_g1 = task.in_g1.iter().map(|terms| self.in_g1.of(*terms)).fold(Work::default(), Add::add);
        let quotient = if task.quotient { self.quotient } else { Work::default() };
        in_g1 + self.in_g2.of(task.in_g2) + quotient
    }

    /// The proof made here.
    pub(crate) fn local<C: Curve>(&self, circuit: &Circuit<C>) -> Work {
        self.witness.unwrap_or_default() + self.task(&circuit.whole()) + self.check
    }

    /// The client's part of a delegated proof, whose job has so many bytes.
    pub(crate) fn client<C: Curve>(&self, circuit: &Circuit<C>, dials: Dials, bytes: usize) -> Work {
        let quotient = match dials.handover() {
            Handover::Quotient => self.quotient,
            _ => Work::default(),
        };
        let values = circuit.values(dials) as f64;
        let (n, t) = (f64::from(dials.nodes()), f64::from(dials.threshold()));
        let dealing = self.expanded * (values * t) + self.term * (values * (n - t) * (t + 1.0));
        // One for each node, the pair of keys for the answers, which takes as much, and the answers that are opened.
        let answers = f64::from(dials.answers_needed()) * f64::from(dials.groups());
        let envelopes = f64::from(dials.seats()) + 1.0 + answers;
        self.witness.unwrap_or_default()
            + quotient
            + dealing
            + self.byte * bytes as f64
            + self.envelope * envelopes
            + self.check
    }

    /// Seconds that the node of the group with the most work would take here: to open its package and expand what is in it, to
    /// compute, to seal its answer.
    pub(crate) fn node<C: Curve>(&self, circuit: &Circuit<C>, dials: Dials) -> f64 {
        let of_task =
            |task: &Task| (self.task(task) + self.expanded * task.shares as f64 + self.envelope * 2.0).wall;
        circuit.tasks(dials).iter().map(of_task).fold(0.0, f64::max)
    }
}

/// What dealing consists of.
struct Dealing {
    expanded: Work,
    term: Work,
    byte: Work,
    envelope: Work,
}

impl Dealing {
    /// From deals of made-up values to two committees, large and small, that differ in the terms of shares only, and from a
    /// package with shares and one with a seed.
    fn measure<C: Curve, R: CryptoRng + ?Sized>(
        clock: &dyn Fn() -> Reading,
        rng: &mut R,
    ) -> Result<Self, MeasureError> {
        let circuit = CircuitShape { id: tacit_groth16::CircuitId([0; 32]), n_public: 0, n_private: DEALT };
        let layout = Layout::witness(circuit);
        let private: Vec<C::Scalar> = (0..DEALT).map(|_| field::random(rng)).collect();
        let (few, many) = (3u8, 16u8);
        let deal_to = |n: u8, rng: &mut R| -> Result<Deal<C::Scalar>, MeasureError> {
            let terms = DealTerms {
                curve: C::ID,
                circuit: circuit.id,
                dials: Dials::new(Handover::Witness, n, 1)?,
                assembler_key: vec![0; PUBLIC_KEY_BYTES],
                client_key: [0; 32],
                expiry: 0,
                public: Vec::new(),
            };
            Ok(deal(terms, &layout, Secrets::witness(&private), rng)?)
        };
        let to_few = try_least(clock, || deal_to(few, rng))?;
        let to_many = try_least(clock, || deal_to(many, rng))?;
        // At threshold 1 a share written out has two terms.
        let values = DEALT as f64;
        let term = to_many.beyond(to_few) * (1.0 / (values * 2.0 * f64::from(many - few)));
        let expanded = (to_few * (1.0 / values)).beyond(term * (2.0 * f64::from(few - 1)));

        let dealt = deal_to(few, rng)?;
        let client = Identity::generate(rng);
        let pair = SealingKeyPair::generate(rng)?;
        let certificate =
            SealingKeyCertificate::issue(&client, Purpose::NodeEnvelope, pair.public(), 1, 0, u64::MAX);
        let mut bytes = 0usize;
        let mut seal = |package: Option<&tacit_delegate::Package<C::Scalar>>, rng: &mut R| {
            try_least(clock, || {
                let encoded = package.map(tacit_delegate::Package::encode).unwrap_or_default();
                let slot = Slot::index(1);
                let (assignment, envelope) =
                    seal_package(&client, dealt.id.0, slot, &certificate, &encoded, rng)?;
                bytes = encoded.len();
                Ok::<_, MeasureError>((Acknowledgement::new(&assignment.assignment, &encoded), envelope))
            })
        };
        let envelope = seal(None, rng)?;
        let with_shares = seal(dealt.packages.last(), rng)?;
        let byte = with_shares.beyond(envelope) * (1.0 / bytes.max(1) as f64);
        Ok(Self { expanded, term, byte, envelope })
    }
}
