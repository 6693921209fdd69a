//! Between a node and its coordinator, over the QUIC connection that the node dialled.
//!
//! One bidirectional stream per request; the side that opens it asks, then ends its half.
//!
//! | who opens | request | reply |
//! |---|---|---|
//! | node, first | [`Hello`] | [`Welcome`] or [`Refusal`] |
//! | node, when its sealing key, circuits, slices or speed change | [`Hello`] again, replacing what the last one said | the same |
//! | node | [`CircuitRequest`] | [`CircuitChunk`]s up to the end of the file, or [`Refusal`] |
//! | coordinator | [`Offer`] | [`Answer`] or [`Refusal`] |
//! | either | [`Ping`] | [`Pong`] with the same number |
//! | either, last | [`Bye`] | the end of the stream |

use crate::{
    certificate::{CERTIFICATE_BYTES, SealingKeyCertificate},
    codec::{DecodeError, DecodeReason, Reader, Writer},
    digest::Digest32,
    envelope::{SignedAcknowledgement, SignedAssignment},
    frame::{Body, MAX_ENVELOPE_BYTES, MAX_HEADER_BYTES, MessageType},
    messages::{MAX_SOFTWARE_BYTES, MAX_TEXT_BYTES},
    peer::Blame,
};
use tacit_delegate::{Handover, dials::MAX_SEATS};

/// The most circuits that a node announces.
pub const MAX_CIRCUITS: usize = 4096;

/// The most slices of proving keys that a node announces.
pub const MAX_SLICES: usize = 2048;

/// The longest piece of a circuit's file.
pub const MAX_CHUNK_BYTES: usize = 1024 * 1024;

/// The longest sealed response.
pub const MAX_SEALED_RESPONSE_BYTES: usize = 100 * 1024;

/// `circuit [32] | group u8 | groups u8`
///
/// A slice of a circuit's proving key, which one of so many groups needs with the handover `quotient`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HeldSlice {
    /// The circuit.
    pub circuit: Digest32,
    /// The group that handles it, counted from 0.
    pub group: u8,
    /// Groups in all.
    pub groups: u8,
}

impl HeldSlice {
    /// Whether a deal can have such a group.
    pub const fn is_possible(&self) -> bool {
        self.group < self.groups && self.groups <= MAX_SEATS / Handover::Quotient.smallest_committee()
    }
}

/// `versions: list u16 | software: text | certificate [1371] | circuits: list [32] | slices: list | capacity u16 | bases_per_second u64`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Protocol versions that the node speaks, at most 16.
    pub versions: Vec<u16>,
    /// Program and version, such as `tacit/0.1.0`.
    pub software: String,
    /// The node's current sealing key. Its identity must be that of the connection.
    pub certificate: SealingKeyCertificate,
    /// Circuits whose proving keys the node has ready.
    pub circuits: Vec<Digest32>,
    /// Slices of proving keys that it has ready.
    pub slices: Vec<HeldSlice>,
    /// How many offers it works on at once.
    pub capacity: u16,
    /// How fast it says it is: bases of BN254's first group that it adds up in a second, on all its cores; 0 before it has
    /// measured. Nobody can check it, and nothing but advice depends on it.
    pub bases_per_second: u64,
}

impl Body for Hello {
    const TYPE: MessageType = MessageType::Hello;

    fn write(&self, writer: &mut Writer) {
        writer.count(self.versions.len());
        for version in &self.versions {
            writer.u16(*version);
        }
        writer.text(&self.software, MAX_SOFTWARE_BYTES).raw(&self.certificate.encode());
        writer.count(self.circuits.len());
        for circuit in &self.circuits {
            writer.raw(&circuit.0);
        }
        writer.count(self.slices.len());
        for HeldSlice { circuit, group, groups } in &self.slices {
            writer.raw(&circuit.0).u8(*group).u8(*groups);
        }
        writer.u16(self.capacity).u64(self.bases_per_second);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut versions = Vec::new();
        for _ in 0..reader.count("versions", 16)? {
            versions.push(reader.u16("version")?);
        }
        let software = reader.text("software", MAX_SOFTWARE_BYTES)?;
        let certificate: [u8; CERTIFICATE_BYTES] = reader.array("certificate")?;
        let certificate = SealingKeyCertificate::decode(&certificate)
            .map_err(|error| reader.invalid("certificate", error))?;
        let mut circuits = Vec::new();
        for _ in 0..reader.count("circuits", MAX_CIRCUITS)? {
            circuits.push(Digest32(reader.array("circuit")?));
        }
        let mut slices = Vec::new();
        for _ in 0..reader.count("slices", MAX_SLICES)? {
            let circuit = Digest32(reader.array("slice's circuit")?);
            let [group, groups] = reader.array("slice's group and groups")?;
            let slice = HeldSlice { circuit, group, groups };
            if !slice.is_possible() {
                let problem = format!("there is no group {group} of {groups}");
                return Err(reader.invalid("slice's group and groups", problem));
            }
            slices.push(slice);
        }
        let capacity = reader.u16("capacity")?;
        let bases_per_second = reader.u64("bases per second")?;
        Ok(Self { versions, software, certificate, circuits, slices, capacity, bases_per_second })
    }
}

/// `version u16 | software: text | time u64`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    /// The version that both sides speak from here on.
    pub version: u16,
    /// Program and version of the coordinator.
    pub software: String,
    /// The coordinator's clock, Unix seconds: a node whose own is far off warns its operator. Nothing else depends on it.
    pub time: u64,
}

impl Body for Welcome {
    const TYPE: MessageType = MessageType::Welcome;

    fn write(&self, writer: &mut Writer) {
        writer.u16(self.version).text(&self.software, MAX_SOFTWARE_BYTES).u64(self.time);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let version = reader.u16("version")?;
        let software = reader.text("software", MAX_SOFTWARE_BYTES)?;
        Ok(Self { version, software, time: reader.u64("time")? })
    }
}

/// `header: bytes | signed assignment | envelope: bytes`
///
/// May be repeated: a node answers a deal and index identically ever after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The deal's header, as the client encoded it.
    pub header: Vec<u8>,
    /// Which index of the deal this is, signed by the client.
    pub assignment: SignedAssignment,
    /// The sealed package.
    pub envelope: Vec<u8>,
}

impl Body for Offer {
    const TYPE: MessageType = MessageType::Offer;

    fn write(&self, writer: &mut Writer) {
        writer.bytes(&self.header).raw(&self.assignment.encode()).bytes(&self.envelope);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            header: reader.bytes("header", MAX_HEADER_BYTES)?.to_vec(),
            assignment: SignedAssignment::read(reader)?,
            envelope: reader.bytes("envelope", MAX_ENVELOPE_BYTES)?.to_vec(),
        })
    }
}

/// `signed acknowledgement | response: bytes`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Which package the node opened.
    pub acknowledgement: SignedAcknowledgement,
    /// The response, sealed to the assembler.
    pub response: Vec<u8>,
}

impl Answer {
    pub(crate) fn write_fields(&self, writer: &mut Writer) {
        writer.raw(&self.acknowledgement.encode()).bytes(&self.response);
    }

    pub(crate) fn read_fields(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            acknowledgement: SignedAcknowledgement::read(reader)?,
            response: reader.bytes("response", MAX_SEALED_RESPONSE_BYTES)?.to_vec(),
        })
    }
}

impl Body for Answer {
    const TYPE: MessageType = MessageType::Answer;

    fn write(&self, writer: &mut Writer) {
        self.write_fields(writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::read_fields(reader)
    }
}

macro_rules! refusal_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal;)*) => {
        /// Why something was refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum RefusalCode {
            $($(#[$doc])* $name,)*
        }

        impl RefusalCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The number in the frame.
            pub const fn code(self) -> u16 {
                match self { $(Self::$name => $code,)* }
            }

            /// The meaning of a number.
            pub const fn from_code(code: u16) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }

            /// The code in JSON and logs.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

refusal_codes! {
    /// The message is no message.
    Malformed = 1, "malformed";
    /// No common protocol version, or a handover that is not spoken here.
    Unsupported = 2, "unsupported";
    /// The peer is not on the list.
    NotAdmitted = 3, "not_admitted";
    /// The circuit is unknown.
    UnknownCircuit = 4, "unknown_circuit";
    /// The assignment's signature, deal or addressee is wrong.
    BadAssignment = 5, "bad_assignment";
    /// The envelope is not the one that was signed for, or does not open.
    BadEnvelope = 6, "bad_envelope";
    /// The envelope is sealed to a key that is gone: deal again with the current one.
    StaleSealingKey = 7, "stale_sealing_key";
    /// The package opens and does not fit the circuit.
    BadPackage = 8, "bad_package";
    /// The deal has expired.
    Expired = 9, "expired";
    /// The deal and index were answered before under another envelope.
    Conflict = 10, "conflict";
    /// No room now; try again.
    Busy = 11, "busy";
    /// Shutting down.
    Leaving = 12, "leaving";
    /// An internal fault; the log has more.
    Internal = 13, "internal";
    /// More than this node can do: too much for its memory, its disk or what it lets a client have. Another node may.
    BeyondLimits = 14, "beyond_limits";
}

/// `code u16 | blame u8 | text: text`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why, for programs.
    pub code: RefusalCode,
    /// Whose fault it is, in the refuser's opinion.
    pub blame: Blame,
    /// Why, for people.
    pub text: String,
}

impl Refusal {
    /// A refusal.
    pub fn new(code: RefusalCode, blame: Blame, text: impl ToString) -> Self {
        Self { code, blame, text: text.to_string() }
    }

    pub(crate) fn write_fields(&self, writer: &mut Writer) {
        writer.u16(self.code.code());
        self.blame.write(writer);
        writer.text(&self.text, MAX_TEXT_BYTES);
    }

    pub(crate) fn read_fields(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let got = reader.u16("refusal code")?;
        let code = RefusalCode::from_code(got).ok_or_else(|| {
            reader.error(DecodeReason::UnknownCode { field: "refusal code", got: got.into() })
        })?;
        Ok(Self { code, blame: Blame::read(reader)?, text: reader.text("text", MAX_TEXT_BYTES)? })
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (blames {}): {}", self.code.name(), self.blame, self.text)
    }
}

impl Body for Refusal {
    const TYPE: MessageType = MessageType::Refusal;

    fn write(&self, writer: &mut Writer) {
        self.write_fields(writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::read_fields(reader)
    }
}

/// `circuit [32] | offset u64`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CircuitRequest {
    /// The circuit.
    pub circuit: Digest32,
    /// Where in the file to begin: 0, or where an earlier transfer broke off.
    pub offset: u64,
}

impl Body for CircuitRequest {
    const TYPE: MessageType = MessageType::CircuitRequest;

    fn write(&self, writer: &mut Writer) {
        writer.raw(&self.circuit.0).u64(self.offset);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { circuit: Digest32(reader.array("circuit")?), offset: reader.u64("offset")? })
    }
}

/// `offset u64 | total u64 | bytes: bytes`
///
/// The last chunk ends at `total`. Who receives them recomputes the circuit id from the whole file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CircuitChunk {
    /// Where in the file this piece begins.
    pub offset: u64,
    /// Bytes of the whole file: a claim, not a size to allocate.
    pub total: u64,
    /// The piece, at most [`MAX_CHUNK_BYTES`].
    pub bytes: Vec<u8>,
}

impl Body for CircuitChunk {
    const TYPE: MessageType = MessageType::CircuitChunk;

    fn write(&self, writer: &mut Writer) {
        writer.u64(self.offset).u64(self.total).bytes(&self.bytes);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let offset = reader.u64("offset")?;
        let total = reader.u64("total")?;
        let bytes = reader.bytes("bytes", MAX_CHUNK_BYTES)?;
        if offset.checked_add(bytes.len() as u64).is_none_or(|end| end > total) {
            return Err(reader
                .invalid("bytes", format!("the piece at {offset} ends beyond the file's {total} bytes")));
        }
        Ok(Self { offset, total, bytes: bytes.to_vec() })
    }
}

/// `number u64`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ping {
    /// Comes back in the [`Pong`].
    pub number: u64,
}

impl Body for Ping {
    const TYPE: MessageType = MessageType::Ping;

    fn write(&self, writer: &mut Writer) {
        writer.u64(self.number);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { number: reader.u64("number")? })
    }
}

/// `number u64`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pong {
    /// The [`Ping`]'s number.
    pub number: u64,
}

impl Body for Pong {
    const TYPE: MessageType = MessageType::Pong;

    fn write(&self, writer: &mut Writer) {
        writer.u64(self.number);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { number: reader.u64("number")? })
    }
}

/// `text: text`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bye {
    /// Why, for people.
    pub text: String,
}

impl Body for Bye {
    const TYPE: MessageType = MessageType::Bye;

    fn write(&self, writer: &mut Writer) {
        writer.text(&self.text, MAX_TEXT_BYTES);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { text: reader.text("text", MAX_TEXT_BYTES)? })
    }
}
