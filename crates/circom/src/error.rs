//! What can be wrong with a binary file, and where.

use std::fmt;

use tacit_algebra::{CurveId, DecodeError};
use thiserror::Error;

/// The kind of a file that this crate reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileKind {
    /// `.r1cs`: a constraint system.
    R1cs,
    /// `.wtns`: a witness.
    Wtns,
    /// `.zkey`: a proving key.
    Zkey,
    /// `.ptau`: powers of tau.
    Ptau,
    /// `.sym`: the names of signals.
    Sym,
    /// `proof.json`.
    Proof,
    /// `public.json`.
    Public,
    /// `verification_key.json`.
    VerificationKey,
    /// `proof.json` or `verification_key.json`, where either may stand.
    ProofOrKey,
    /// `input.json`: a circuit's inputs.
    Input,
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::R1cs => ".r1cs file",
            Self::Wtns => ".wtns file",
            Self::Zkey => ".zkey file",
            Self::Ptau => ".ptau file",
            Self::Sym => ".sym file",
            Self::Proof => "proof (JSON)",
            Self::Public => "public signals (JSON)",
            Self::VerificationKey => "verification key (JSON)",
            Self::ProofOrKey => "proof or verification key (JSON)",
            Self::Input => "circuit inputs (JSON)",
        })
    }
}

/// A section of a binary file: its number, and the name under which the formats' documents know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section {
    /// The number in the file.
    pub id: u32,
    /// What it holds.
    pub name: &'static str,
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "section {} ({})", self.id, self.name)
    }
}

/// A file that is not what it claims to be: which kind of file, which section, which byte, and why.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("malformed {file}: {}byte {offset}: {reason}", SectionPrefix(*.section))]
#[non_exhaustive]
pub struct FormatError {
    /// The kind of file.
    pub file: FileKind,
    /// The section, where the fault lies within one.
    pub section: Option<Section>,
    /// The offset in the file of the first byte at fault.
    pub offset: u64,
    /// What is wrong.
    pub reason: Reason,
}

struct SectionPrefix(Option<Section>);

impl fmt::Display for SectionPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(section) => write!(f, "{section}, "),
            None => Ok(()),
        }
    }
}

/// What is wrong with a binary file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Reason {
    /// The first four bytes are those of another kind of file, or of none.
    #[error("the file does not begin with {expected:?}; it is another kind of file")]
    Magic {
        /// The four characters that belong there.
        expected: &'static str,
    },
    /// A version of the format that this program does not know.
    #[error("version {got} of the format is not supported, only version {expected} is")]
    Version {
        /// The version that is supported.
        expected: u32,
        /// The version that the file claims.
        got: u32,
    },
    /// The file ends too early.
    #[error(
        "{needed} bytes are needed here, {available} are left; the file is truncated or its sizes are wrong"
    )]
    Truncated {
        /// Bytes that what stands here takes.
        needed: u64,
        /// Bytes that are left.
        available: u64,
    },
    /// A section that must be there is not.
    #[error("the section is missing")]
    MissingSection,
    /// A section occurs twice.
    #[error("the section occurs more than once")]
    DuplicateSection,
    /// A section that the format does not have.
    #[error("section {id} does not belong to this kind of file")]
    UnknownSection {
        /// The section's number.
        id: u32,
    },
    /// Bytes follow the last section.
    #[error("{bytes} bytes follow the last section")]
    TrailingFile {
        /// How many.
        bytes: u64,
    },
    /// A section's size is not the one that follows from the header.
    #[error("the section has {got} bytes, the counts in the file make it {expected}")]
    SectionSize {
        /// The size that follows from the counts.
        expected: u64,
        /// The size that the section has.
        got: u64,
    },
    /// The field's elements have another size than the file says.
    #[error("the file says that field elements have {got} bytes, expected {expected}")]
    FieldSize {
        /// The size expected.
        expected: u64,
        /// The size claimed.
        got: u32,
    },
    /// A prime that belongs to neither curve.
    #[error(
        "the prime is not that of a supported curve (BN254, called bn128, and BLS12-381, called bls12381)"
    )]
    UnknownPrime,
    /// The file belongs to the other curve.
    #[error("the file is over {got}, expected {expected}")]
    WrongCurve {
        /// The curve that the caller works with.
        expected: CurveId,
        /// The curve that the file is over.
        got: CurveId,
    },
    /// A proving key for another proof system.
    #[error("the key is for {protocol}; only groth16 is supported (make one with `groth16 setup`)")]
    Protocol {
        /// The proof system.
        protocol: Protocol,
    },
    /// Two counts in a header contradict each other.
    #[error("{what}: {got} exceeds {limit}")]
    Count {
        /// What is counted.
        what: &'static str,
        /// The count.
        got: u64,
        /// The most that it can be.
        limit: u64,
    },
    /// A domain whose size is not a power of two, or for which the field has no root of unity.
    #[error("the domain's size {got} is not a power of two that the scalar field has a root of unity for")]
    DomainSize {
        /// The size claimed.
        got: u32,
    },
    /// A power of tau that the scalar field has no domain for.
    #[error("the power {got} exceeds {limit}, the most that the scalar field has a domain for")]
    Power {
        /// The power claimed.
        got: u32,
        /// The greatest possible.
        limit: u32,
    },
    /// A wire that the circuit does not have.
    #[error("wire {got} is out of range, there are {wires} wires")]
    Wire {
        /// The wire.
        got: u32,
        /// How many wires there are.
        wires: u32,
    },
    /// A label that the circuit does not have.
    #[error("label {got} is out of range, there are {labels} labels")]
    Label {
        /// The label.
        got: u64,
        /// How many labels there are.
        labels: u64,
    },
    /// A constraint beyond the domain.
    #[error("constraint {got} is out of range, the domain has {size} rows")]
    Constraint {
        /// The constraint.
        got: u32,
        /// The domain's size.
        size: u32,
    },
    /// A matrix that is neither `A` nor `B`.
    #[error("matrix {got} is neither 0 (A) nor 1 (B)")]
    Matrix {
        /// The number found.
        got: u32,
    },
    /// The circuit uses custom gates, which Groth16 has none of.
    #[error(
        "the circuit uses custom gates, which groth16 cannot prove; compile it without `custom_templates`"
    )]
    CustomGates,
    /// A field element that does not decode.
    #[error("element {index}: {why}")]
    Element {
        /// Which one of the section, counted from 0.
        index: u64,
        /// Why.
        why: DecodeError,
    },
    /// A point that does not decode.
    #[error("point {index}: {why}")]
    Point {
        /// Which one of the section, counted from 0.
        index: u64,
        /// Why.
        why: DecodeError,
    },
    /// The neutral element where it makes the key worthless.
    #[error("point {index} is the point at infinity, which makes the key unsound")]
    Infinity {
        /// Which one of the section, counted from 0.
        index: u64,
    },
    /// A contribution of an unknown kind.
    #[error("contribution of kind {got}, known are 0 (entropy) and 1 (beacon)")]
    ContributionKind {
        /// The kind found.
        got: u32,
    },
    /// A contribution's parameters are not what its kind asks for.
    #[error("the contribution's parameters are malformed: {what}")]
    ContributionParameters {
        /// How.
        what: &'static str,
    },
    /// The first phase is not prepared for circuits.
    #[error("the powers of tau are not prepared for the second phase (snarkjs powersoftau prepare phase2)")]
    NotPrepared,
    /// Text that is not UTF-8.
    #[error("the text is not UTF-8")]
    Utf8,
    /// A line that is not `label,wire,component,name`.
    #[error("line {line} is not of the form label,wire,component,name")]
    Line {
        /// The line, counted from 1.
        line: u64,
    },
}

/// A proof system that snarkjs makes keys for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protocol {
    /// PLONK.
    Plonk,
    /// FFLONK.
    Fflonk,
    /// An identifier that no version of snarkjs known here uses.
    Unknown(u32),
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plonk => f.write_str("plonk"),
            Self::Fflonk => f.write_str("fflonk"),
            Self::Unknown(id) => write!(f, "an unknown proof system (number {id})"),
        }
    }
}
