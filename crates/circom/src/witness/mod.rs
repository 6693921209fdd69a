//! Witness calculation: runs the WebAssembly program that circom compiles a circuit to.
//!
//! The program is trusted with nothing but the inputs that it is given. It gets no file, no clock and no network; its
//! memory and the instructions that it may execute are bounded ([`Limits`]); every number that it hands back is
//! checked. What it is given and what it computes is erased from its memory afterwards.
//!
//! A program that lies about the circuit yields a witness that does not satisfy the constraints: callers who have
//! the `.r1cs` find out with [`R1cs::check`](crate::R1cs::check).

mod error;
mod machine;
mod names;

use std::collections::HashSet;
use std::fmt;

use ark_ff::{BigInteger, PrimeField};
use tacit_algebra::{CurveId, field};
use wasmtime::{Config, Engine, Module};
use zeroize::Zeroizing;

use crate::input::Inputs;
use crate::sym::Sym;
use machine::Machine;

pub use error::WitnessError;

/// What a program may use at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory. WebAssembly as circom writes it cannot address more than 4 GiB.
    pub memory: usize,
    /// WebAssembly instructions executed in one calculation, roughly.
    pub instructions: u64,
}

impl Default for Limits {
    /// 2 GiB, enough for some fifty million signals, and 2^40 instructions, a quarter of an hour or so.
    fn default() -> Self {
        Self { memory: 1 << 31, instructions: 1 << 40 }
    }
}

/// A compiled witness calculator. Compiling takes longer than calculating: keep it for further witnesses.
pub struct WitnessCalculator {
    module: Module,
    limits: Limits,
    curve: CurveId,
    n_wires: u32,
    n_inputs: u32,
}

impl fmt::Debug for WitnessCalculator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WitnessCalculator")
            .field("curve", &self.curve)
            .field("n_wires", &self.n_wires)
            .field("n_inputs", &self.n_inputs)
            .finish_non_exhaustive()
    }
}

impl WitnessCalculator {
    /// Compiles the `.wasm` that circom 2 made of a circuit, within the default [`Limits`].
    ///
    /// # Errors
    /// When this is not a program of circom 2, or one for a field that Tacit does not know.
    pub fn new(wasm: &[u8]) -> Result<Self, WitnessError> {
        Self::with_limits(wasm, Limits::default())
    }

    /// As [`WitnessCalculator::new`], within other limits.
    ///
    /// # Errors
    /// As [`WitnessCalculator::new`].
    pub fn with_limits(wasm: &[u8], limits: Limits) -> Result<Self, WitnessError> {
        let mut config = Config::new();
        // circom's programs have one memory of 32 bits; anything else is not one of them.
        config
            .consume_fuel(true)
            .wasm_multi_memory(false)
            .wasm_memory64(false)
            .wasm_backtrace_max_frames(None);
        let engine = Engine::new(&config).map_err(|e| WitnessError::NotWasm { reason: e.to_string() })?;
        let module = Module::from_binary(&engine, wasm)
            .map_err(|e| WitnessError::NotWasm { reason: root_cause(&e) })?;
        let mut machine = Machine::start(&module, &limits)?;
        let curve = machine.curve()?;
        let n_wires = machine.witness_size()?;
        let n_inputs = machine.input_size()?;
        drop(machine);
        Ok(Self { module, limits, curve, n_wires, n_inputs })
    }

    /// The curve whose scalar field the circuit is over.
    pub fn curve(&self) -> CurveId {
        self.curve
    }

    /// Wires of the circuit, the constant one included: values in a witness.
    pub fn n_wires(&self) -> u32 {
        self.n_wires
    }

    /// Values that the circuit takes, counting every element of every input signal.
    pub fn n_inputs(&self) -> u32 {
        self.n_inputs
    }

    /// Calculates the witness: a value for every wire, the constant one first.
    ///
    /// `sym` serves only to name input signals that are missing. The result is secret; hand it to
    /// [`Wtns::new`](crate::Wtns::new), which erases it when dropped.
    ///
    /// # Errors
    /// [`WitnessError`]; among others when `F` is not the circuit's field, when the inputs are not the circuit's, and
    /// when they violate one of its assertions.
    pub fn calculate<F: PrimeField>(
        &self,
        inputs: &Inputs<F>,
        sym: Option<&Sym>,
    ) -> Result<Vec<F>, WitnessError> {
        if F::MODULUS.to_bytes_le() != self.curve.scalar_modulus_le() {
            return Err(WitnessError::WrongField { circuit: self.curve });
        }
        let mut machine = Machine::start(&self.module, &self.limits)?;
        machine.init()?;
        self.check_inputs(&mut machine, inputs, sym)?;
        for (name, values) in &inputs.0 {
            let hash = fnv1a(name);
            for (position, value) in (0u32..).zip(values) {
                let bytes = Zeroizing::new(field::to_le(value));
                machine.set_input(hash, position, &bytes)?;
            }
        }
        self.read_witness(&mut machine)
    }

    /// Compares the inputs with what the program takes before it is given any: once the last value is in, it runs.
    fn check_inputs<F: PrimeField>(
        &self,
        machine: &mut Machine,
        inputs: &Inputs<F>,
        sym: Option<&Sym>,
    ) -> Result<(), WitnessError> {
        let mut given = HashSet::new();
        let mut values: u64 = 0;
        for (name, elements) in &inputs.0 {
            if !given.insert(name.as_str()) {
                return Err(WitnessError::Duplicate { name: name.clone() });
            }
            let hash = fnv1a(name);
            if !machine.takes(hash)? {
                return Err(WitnessError::Superfluous { name: name.clone() });
            }
            let expected = machine.input_signal_size(hash)?;
            if elements.len() != expected as usize {
                return Err(WitnessError::WrongLength { name: name.clone(), expected, got: elements.len() });
            }
            values = values.saturating_add(u64::from(expected));
        }
        match u64::from(self.n_inputs).checked_sub(values) {
            Some(0) => Ok(()),
            Some(missing) => Err(WitnessError::Missing {
                values: u32::try_from(missing).unwrap_or(u32::MAX),
                names: match sym {
                    Some(sym) => names::missing(machine, sym, &given, missing)?,
                    None => Vec::new(),
                },
            }),
            None => {
                Err(WitnessError::Inconsistent { what: "its input signals have more values than it takes" })
            }
        }
    }

    fn read_witness<F: PrimeField>(&self, machine: &mut Machine) -> Result<Vec<F>, WitnessError> {
        // `n_wires` is bounded by the program's memory (`Machine::witness_size`). Nothing moves once it is reserved,
        // so nothing stays behind.
        let mut witness = Zeroizing::new(Vec::with_capacity(self.n_wires as usize));
        let mut bytes = Zeroizing::new(vec![0u8; field::byte_len::<F>()]);
        for wire in 0..self.n_wires {
            machine.witness(wire, &mut bytes)?;
            let value: F = field::read_le(&bytes).map_err(|_| WitnessError::NonCanonical { wire })?;
            witness.push(value);
        }
        if witness.first() != Some(&F::ONE) {
            return Err(WitnessError::Inconsistent { what: "its witness does not begin with one" });
        }
        Ok(std::mem::take(&mut *witness))
    }
}

/// The name under which the program knows a signal: FNV-1a, 64 bits.
fn fnv1a(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The innermost message of a chain of errors: the outer ones repeat how it was come by.
fn root_cause(error: &wasmtime::Error) -> String {
    error.chain().last().map_or_else(|| error.to_string(), ToString::to_string)
}
