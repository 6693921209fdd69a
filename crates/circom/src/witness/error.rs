//! What can go wrong when a witness is calculated.

use std::fmt;

use tacit_algebra::CurveId;
use thiserror::Error;

/// Why there is no witness. No variant holds the value of a signal.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WitnessError {
    /// The bytes are no WebAssembly module.
    #[error("not a WebAssembly module: {reason}")]
    NotWasm {
        /// What the compiler objects to.
        reason: String,
    },
    /// A module that is not a witness calculator of circom 2: it wants something that circom's do not.
    #[error("not a witness calculator of circom 2: it imports {module}.{name}")]
    UnknownImport {
        /// The import's module.
        module: String,
        /// The import's name.
        name: String,
    },
    /// A module that is not a witness calculator of circom 2: it lacks something that circom's have.
    #[error(
        "not a witness calculator of circom 2: it does not export `{name}` as it should (circom 2.0.7 or later compiles such)"
    )]
    MissingExport {
        /// The function or memory that is missing or has another type.
        name: &'static str,
    },
    /// A witness calculator of another major version of circom.
    #[error("a witness calculator of circom {got}; only those of circom 2 are understood")]
    Version {
        /// The major version.
        got: u32,
    },
    /// A circuit over a field that belongs to no curve known here.
    #[error(
        "the circuit is over a field that is not supported; compile it with --prime bn128 or --prime bls12381"
    )]
    UnsupportedPrime,
    /// The inputs are elements of another field.
    #[error("the circuit is over the scalar field of {circuit}, the inputs are not")]
    WrongField {
        /// The circuit's curve.
        circuit: CurveId,
    },
    /// An input that the circuit does not have.
    #[error("`{name}` is not an input of the circuit")]
    Superfluous {
        /// The name given.
        name: String,
    },
    /// An input given twice.
    #[error("input `{name}` is given twice")]
    Duplicate {
        /// The name given.
        name: String,
    },
    /// An input with too few or too many elements.
    #[error("input `{name}` takes {expected} value(s), {got} given")]
    WrongLength {
        /// The signal.
        name: String,
        /// Elements of the signal, all dimensions together.
        expected: u32,
        /// Elements given.
        got: usize,
    },
    /// Inputs that are not given.
    #[error("{values} input value(s) missing{}", MissingNames(.names))]
    Missing {
        /// How many values, counting every element of every missing signal.
        values: u32,
        /// The missing signals, where a `.sym` file told; else empty.
        names: Vec<String>,
    },
    /// The inputs violate an assertion or a constraint of the circuit.
    #[error("the inputs do not satisfy the circuit: {}", Trace(.trace))]
    AssertFailed {
        /// circom's messages, innermost first: template and line.
        trace: Vec<String>,
    },
    /// The program gave up for another reason of its own.
    #[error("the witness calculator gave up: {} (code {code}): {}", exception(*.code), Trace(.trace))]
    Exception {
        /// circom's code.
        code: i32,
        /// circom's messages, innermost first.
        trace: Vec<String>,
    },
    /// The program executed more instructions than it may.
    #[error("the witness calculator was stopped after {limit} instructions")]
    TooLong {
        /// Instructions allowed.
        limit: u64,
    },
    /// The program wants more memory than it may have.
    #[error("the witness calculator needs {needed} bytes of memory, {limit} are allowed")]
    TooMuchMemory {
        /// Bytes that it starts with.
        needed: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// The program crashed.
    #[error("the witness calculator crashed: {reason}")]
    Crashed {
        /// WebAssembly's reason.
        reason: String,
    },
    /// The program contradicts itself.
    #[error("the witness calculator is not what circom makes: {what}")]
    Inconsistent {
        /// The contradiction.
        what: &'static str,
    },
    /// A value that is not below the field's order.
    #[error("the witness calculator is not what circom makes: the value of wire {wire} is not canonical")]
    NonCanonical {
        /// The wire.
        wire: u32,
    },
}

/// circom's exceptions, as its programs number them.
fn exception(code: i32) -> &'static str {
    match code {
        1 => "signal not found",
        2 => "too many signals set",
        3 => "signal already set",
        4 => "assertion failed",
        5 => "not enough memory",
        6 => "input signal array access exceeds the size",
        7 => "array access out of bounds",
        _ => "unknown exception",
    }
}

struct Trace<'a>(&'a [String]);

impl fmt::Display for Trace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => f.write_str("it does not say where"),
            messages => f.write_str(&messages.join("; ")),
        }
    }
}

struct MissingNames<'a>(&'a [String]);

impl fmt::Display for MissingNames<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => f.write_str(" (give the circuit's .sym file to learn which)"),
            names => write!(f, ": {}", names.join(", ")),
        }
    }
}
