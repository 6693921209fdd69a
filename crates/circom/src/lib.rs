//! circom's artefacts as snarkjs reads and writes them.
//!
//! | module | file |
//! |---|---|
//! | [`r1cs`] | `.r1cs`, the constraint system |
//! | [`sym`] | `.sym`, the names of signals |
//! | [`wtns`] | `.wtns`, a witness |
//! | [`ptau`] | `.ptau`, the first phase of a ceremony |
//! | [`zkey`] | `.zkey`, a Groth16 proving key |
//! | [`input`] | `input.json`, a circuit's inputs |
//! | [`proof`], [`public`], [`vkey`] | snarkjs's JSON files |
#![cfg_attr(feature = "witness", doc = "| [`witness`] | `.wasm`, circom's witness calculators |")]
//!
//! [`determined`] says which wires of a circuit its inputs determine.
//!
//! Everything that parses takes bytes that nobody vouches for: it never panics, never allocates by a size that the
//! file merely claims, and its errors name the kind of file and the place ([`FormatError`], [`JsonError`]).

mod binfile;
pub mod determined;
mod error;
pub mod input;
pub mod json;
pub mod proof;
pub mod ptau;
pub mod public;
pub mod r1cs;
pub mod sym;
pub mod vkey;
#[cfg(feature = "witness")]
pub mod witness;
pub mod wtns;
pub mod zkey;

pub use determined::Determination;
pub use error::{FileKind, FormatError, Protocol, Reason, Section};
pub use input::Inputs;
pub use json::{JsonError, JsonReason};
pub use proof::Proof;
pub use ptau::{Ptau, PtauPoints};
pub use r1cs::{Constraint, R1cs, Unsatisfied};
pub use sym::{Signal, Sym};
pub use vkey::VerificationKey;
#[cfg(feature = "witness")]
pub use witness::{WitnessCalculator, WitnessError};
pub use wtns::Wtns;
pub use zkey::{Coefficient, Contribution, ContributionKind, Matrix, Zkey};
