//! `.r1cs`: the constraint system that the compiler writes.
//!
//! Format: <https://github.com/iden3/r1csfile/blob/master/doc/r1cs_bin_format.md>.

use ark_ff::{BigInteger, PrimeField};
use rayon::prelude::*;
use tacit_algebra::{CurveId, field};
use thiserror::Error;

use crate::binfile::{Container, Cursor, Layout};
use crate::error::{FileKind, FormatError, Reason};
use crate::sym::Sym;

const HEADER: u32 = 1;
const CONSTRAINTS: u32 = 2;
const WIRE_LABELS: u32 = 3;
const CUSTOM_GATES: u32 = 4;
const CUSTOM_GATE_USES: u32 = 5;

static LAYOUT: Layout = Layout {
    file: FileKind::R1cs,
    magic: "r1cs",
    version: 1,
    sections: &[
        (HEADER, "header"),
        (CONSTRAINTS, "constraints"),
        (WIRE_LABELS, "wire labels"),
        (CUSTOM_GATES, "custom gates"),
        (CUSTOM_GATE_USES, "uses of custom gates"),
    ],
    skip_unknown: true,
};

/// A sparse linear combination: wire and coefficient.
pub type LinearCombination<F> = Vec<(u32, F)>;

/// `<a, w> * <b, w> = <c, w>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraint<F> {
    /// Left factor.
    pub a: LinearCombination<F>,
    /// Right factor.
    pub b: LinearCombination<F>,
    /// Product.
    pub c: LinearCombination<F>,
}

/// The whole file. Wire 0 is the constant one; then public outputs, public inputs, private inputs, inner wires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct R1cs<F> {
    /// The curve whose scalar field the constraints are over.
    pub curve: CurveId,
    /// All wires, the constant one included.
    pub n_wires: u32,
    /// Public outputs.
    pub n_public_outputs: u32,
    /// Public inputs.
    pub n_public_inputs: u32,
    /// Private inputs, those that no constraint mentions included: there may be fewer wires for them.
    pub n_private_inputs: u32,
    /// Signals before the compiler's simplification.
    pub n_labels: u64,
    /// The constraints, in order.
    pub constraints: Vec<Constraint<F>>,
    /// For each wire the label of its signal (an index into the `.sym` file).
    pub wire_labels: Vec<u64>,
}

/// Why a vector of values is not a witness of the circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Unsatisfied {
    /// There are more or fewer values than wires.
    #[error("the witness has {got} values, the circuit has {expected} wires; it belongs to another circuit")]
    Length {
        /// Wires of the circuit.
        expected: u32,
        /// Values given.
        got: usize,
    },
    /// The value of wire 0 is not one.
    #[error("the value of wire 0 is not one")]
    ConstantWire,
    /// A constraint that does not hold; the first such one.
    #[error("constraint {constraint} does not hold")]
    Constraint {
        /// Its index.
        constraint: u32,
    },
}

/// The curve whose scalar field the constraints are over.
///
/// # Errors
/// When the container or the header is malformed.
pub fn curve_of(bytes: &[u8]) -> Result<CurveId, FormatError> {
    Container::open(&LAYOUT, bytes)?.section(HEADER)?.prime(CurveId::from_scalar_modulus_le)
}

impl<F> R1cs<F> {
    /// Public wires, the constant one not included.
    pub fn n_public(&self) -> u32 {
        self.n_public_outputs.saturating_add(self.n_public_inputs)
    }
}

impl<F: PrimeField> R1cs<F> {
    /// Reads a file.
    ///
    /// # Errors
    /// [`FormatError`]; among others for circuits with custom gates, which Groth16 cannot prove.
    pub fn read(bytes: &[u8]) -> Result<Self, FormatError> {
        let container = Container::open(&LAYOUT, bytes)?;
        let mut header = container.section(HEADER)?;
        let start = header.offset();
        let curve = header.prime(CurveId::from_scalar_modulus_le)?;
        let modulus = F::MODULUS.to_bytes_le();
        if curve.scalar_modulus_le() != modulus {
            let reason = match CurveId::from_scalar_modulus_le(&modulus) {
                Some(expected) => Reason::WrongCurve { expected, got: curve },
                None => Reason::UnknownPrime,
            };
            return Err(header.fail_at(start, reason));
        }
        let counts = header.offset();
        let n_wires = header.u32()?;
        let n_public_outputs = header.u32()?;
        let n_public_inputs = header.u32()?;
        let n_private_inputs = header.u32()?;
        let n_labels = header.u64()?;
        let n_constraints = header.u32()?;
        header.finish()?;
        let known = 1 + u64::from(n_public_outputs) + u64::from(n_public_inputs);
        if known > u64::from(n_wires) {
            let what = "the constant wire and the public ones";
            return Err(header.fail_at(counts, Reason::Count { what, got: known, limit: u64::from(n_wires) }));
        }
        refuse_custom_gates(&container)?;
        let constraints = read_constraints(container.section(CONSTRAINTS)?, n_constraints, n_wires)?;
        let wire_labels = read_labels(container.section(WIRE_LABELS)?, n_wires, n_labels)?;
        Ok(Self {
            curve,
            n_wires,
            n_public_outputs,
            n_public_inputs,
            n_private_inputs,
            n_labels,
            constraints,
            wire_labels,
        })
    }

    /// Whether the values satisfy every constraint. In parallel; the first constraint that does not hold is named.
    ///
    /// # Errors
    /// [`Unsatisfied`].
    pub fn check(&self, witness: &[F]) -> Result<(), Unsatisfied> {
        if witness.len() != self.n_wires as usize {
            return Err(Unsatisfied::Length { expected: self.n_wires, got: witness.len() });
        }
        if witness.first() != Some(&F::ONE) {
            return Err(Unsatisfied::ConstantWire);
        }
        let value = |lc: &LinearCombination<F>| -> Option<F> {
            let mut sum = F::ZERO;
            for (wire, coefficient) in lc {
                sum += *witness.get(*wire as usize)? * coefficient;
            }
            Some(sum)
        };
        let holds = |c: &Constraint<F>| match (value(&c.a), value(&c.b), value(&c.c)) {
            (Some(a), Some(b), Some(c)) => a * b == c,
            _ => false,
        };
        match self.constraints.par_iter().position_first(|c| !holds(c)) {
            Some(i) => Err(Unsatisfied::Constraint { constraint: u32::try_from(i).unwrap_or(u32::MAX) }),
            None => Ok(()),
        }
    }

    /// The names of the signals that a constraint ties together, each once, in the order of its terms. Wires that
    /// the names do not cover are called `wire N`; the constant one is left out.
    pub fn signals_of(&self, constraint: u32, sym: &Sym) -> Vec<String> {
        let Some(c) = self.constraints.get(constraint as usize) else {
            return Vec::new();
        };
        let mut seen = std::collections::HashSet::new();
        let wires = c.a.iter().chain(&c.b).chain(&c.c).map(|(wire, _)| *wire);
        wires
            .filter(|wire| *wire != 0 && seen.insert(*wire))
            .map(|wire| match sym.by_wire(wire).next() {
                Some(signal) => signal.name.clone(),
                None => format!("wire {wire}"),
            })
            .collect()
    }

    /// One sentence for a person: what is wrong, with the names of the signals concerned. Never their values.
    pub fn explain(&self, unsatisfied: &Unsatisfied, sym: &Sym) -> String {
        const SHOWN: usize = 8;
        let Unsatisfied::Constraint { constraint } = unsatisfied else {
            return unsatisfied.to_string();
        };
        let names = self.signals_of(*constraint, sym);
        let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
        match names.len() {
            0 => unsatisfied.to_string(),
            n if n > SHOWN => {
                format!("{unsatisfied}; it ties together {shown} and {} more signals", n - SHOWN)
            }
            _ => format!("{unsatisfied}; it ties together {shown}"),
        }
    }
}

fn refuse_custom_gates(container: &Container<'_>) -> Result<(), FormatError> {
    // Both sections begin with a count; compilers may write them although there is nothing in them.
    for id in [CUSTOM_GATES, CUSTOM_GATE_USES] {
        if let Some(mut section) = container.optional(id) {
            if section.u32()? != 0 {
                return Err(section.fail_at(section.offset().saturating_sub(4), Reason::CustomGates));
            }
            section.finish()?;
        }
    }
    Ok(())
}

fn read_constraints<F: PrimeField>(
    mut section: Cursor<'_>,
    n_constraints: u32,
    n_wires: u32,
) -> Result<Vec<Constraint<F>>, FormatError> {
    // Three counts a constraint at least.
    let least = u64::from(n_constraints) * 12;
    if least > section.size() {
        return Err(section.fail(Reason::Truncated { needed: least, available: section.size() }));
    }
    let mut constraints = Vec::with_capacity(n_constraints as usize);
    let mut element = 0;
    for _ in 0..n_constraints {
        constraints.push(Constraint {
            a: read_combination(&mut section, n_wires, &mut element)?,
            b: read_combination(&mut section, n_wires, &mut element)?,
            c: read_combination(&mut section, n_wires, &mut element)?,
        });
    }
    section.finish()?;
    Ok(constraints)
}

fn read_combination<F: PrimeField>(
    section: &mut Cursor<'_>,
    n_wires: u32,
    element: &mut u64,
) -> Result<LinearCombination<F>, FormatError> {
    let terms = section.u32()?;
    let needed = u64::from(terms) * (4 + field::byte_len::<F>() as u64);
    if needed > section.remaining() {
        return Err(section.fail(Reason::Truncated { needed, available: section.remaining() }));
    }
    let mut combination = Vec::with_capacity(terms as usize);
    for _ in 0..terms {
        let start = section.offset();
        let wire = section.u32()?;
        if wire >= n_wires {
            return Err(section.fail_at(start, Reason::Wire { got: wire, wires: n_wires }));
        }
        combination.push((wire, section.element(*element)?));
        *element += 1;
    }
    Ok(combination)
}

fn read_labels(mut section: Cursor<'_>, n_wires: u32, n_labels: u64) -> Result<Vec<u64>, FormatError> {
    section.expect_size(Some(u64::from(n_wires) * 8))?;
    let mut labels = Vec::with_capacity(n_wires as usize);
    for _ in 0..n_wires {
        let start = section.offset();
        let label = section.u64()?;
        if label >= n_labels {
            return Err(section.fail_at(start, Reason::Label { got: label, labels: n_labels }));
        }
        labels.push(label);
    }
    Ok(labels)
}
