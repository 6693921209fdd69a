//! The eight bytes before every message: `version u16 | type u16 | length u32`, little-endian, then `length` bytes of
//! body.

use crate::codec::{DecodeError, Reader, Writer};

/// The protocol version that this crate writes.
pub const PROTOCOL_VERSION: u16 = 1;

/// The protocol versions that this crate reads.
pub const SUPPORTED_VERSIONS: &[u16] = &[PROTOCOL_VERSION];

/// Bytes of a frame's header.
pub const HEADER_BYTES: usize = 8;

/// The longest envelope: a package of 2^23 field elements.
pub const MAX_ENVELOPE_BYTES: usize = 256 * MIB + 4096;

/// The longest encoded deal header: 2^18 public inputs.
pub const MAX_HEADER_BYTES: usize = 9 * MIB;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

macro_rules! message_types {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $limit:expr;)*) => {
        /// What a frame holds.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum MessageType {
            $($(#[$doc])* $name,)*
        }

        impl MessageType {
            /// Every type that this version knows.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code in the frame's header.
            pub const fn code(self) -> u16 {
                match self { $(Self::$name => $code,)* }
            }

            /// The type of a code.
            pub const fn from_code(code: u16) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }

            /// The longest body. A receiver may allow less, never more.
            pub const fn limit(self) -> usize {
                match self { $(Self::$name => $limit,)* }
            }
        }
    };
}

message_types! {
    /// Node to coordinator: who I am, what I speak, which circuits I know.
    Hello = 0x0101, 256 * KIB;
    /// Coordinator to node: welcome.
    Welcome = 0x0102, 4 * KIB;
    /// Coordinator to node: a package to answer.
    Offer = 0x0103, MAX_HEADER_BYTES + MAX_ENVELOPE_BYTES + 4 * KIB;
    /// Node to coordinator: the acknowledgement and the sealed response.
    Answer = 0x0104, 128 * KIB;
    /// Either way: no, and why.
    Refusal = 0x0105, 4 * KIB;
    /// Node to coordinator: send me a circuit's proving key.
    CircuitRequest = 0x0106, 64;
    /// Coordinator to node: a piece of it.
    CircuitChunk = 0x0107, MIB + 64;
    /// Either way: are you there?
    Ping = 0x0108, 8;
    /// Either way: I am.
    Pong = 0x0109, 8;
    /// Either way: I am leaving, do not count on me.
    Bye = 0x010a, 4 * KIB;
    /// Client to coordinator: a deal, sealed.
    SubmitJob = 0x0201, 1024 * MIB;
    /// Coordinator to client: what the nodes said. As many of the longest answers as a deal has seats fit.
    JobAnswers = 0x0202, 8 * MIB;
    /// Client to coordinator: another node takes a place of a deal.
    Reassign = 0x0203, MAX_ENVELOPE_BYTES + 4 * KIB;
    /// Client to coordinator: nothing more is needed of a deal.
    Cancel = 0x0204, 96;
}

/// A frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// What follows.
    pub kind: MessageType,
    /// How many bytes follow.
    pub length: usize,
}

/// Why a frame was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Shorter than a header.
    #[error("a frame starts with {HEADER_BYTES} bytes, got {got}")]
    NoHeader {
        /// Bytes that were given.
        got: usize,
    },
    /// A version that is not spoken here.
    #[error(
        "protocol version {got} is not supported, this program speaks {supported:?}: update the older side"
    )]
    UnsupportedVersion {
        /// The frame's version.
        got: u16,
        /// What is spoken here.
        supported: &'static [u16],
    },
    /// A type that this version does not have.
    #[error("message type {got:#06x} is unknown, known are {supported:?}")]
    UnknownType {
        /// The frame's type.
        got: u16,
        /// What is known.
        supported: &'static [MessageType],
    },
    /// A body longer than its type may be, or than the receiver allows.
    #[error("{kind:?} claims {got} bytes, at most {limit} are allowed")]
    TooLarge {
        /// The frame's type.
        kind: MessageType,
        /// Bytes that it claims.
        got: usize,
        /// Bytes that are allowed.
        limit: usize,
    },
    /// The body is longer or shorter than the header claims.
    #[error("{kind:?} claims {claimed} bytes and has {got}")]
    Length {
        /// The frame's type.
        kind: MessageType,
        /// Bytes that the header claims.
        claimed: usize,
        /// Bytes that there are.
        got: usize,
    },
    /// A type that is known, but not the one that was asked for.
    #[error("got {got:?} where {expected:?} was due")]
    Unexpected {
        /// The frame's type.
        got: MessageType,
        /// The type that was due.
        expected: MessageType,
    },
    /// A body that is not canonical.
    #[error(transparent)]
    Body(#[from] DecodeError),
}

impl FrameHeader {
    /// Reads a header and checks version, type and length against the type's limit and the receiver's own.
    pub fn parse(bytes: [u8; HEADER_BYTES], limit: usize) -> Result<Self, FrameError> {
        let [v0, v1, t0, t1, l0, l1, l2, l3] = bytes;
        let version = u16::from_le_bytes([v0, v1]);
        if !SUPPORTED_VERSIONS.contains(&version) {
            return Err(FrameError::UnsupportedVersion { got: version, supported: SUPPORTED_VERSIONS });
        }
        let code = u16::from_le_bytes([t0, t1]);
        let kind = MessageType::from_code(code)
            .ok_or(FrameError::UnknownType { got: code, supported: MessageType::ALL })?;
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        let limit = limit.min(kind.limit());
        if length > limit {
            return Err(FrameError::TooLarge { kind, got: length, limit });
        }
        Ok(Self { kind, length })
    }

    /// Splits a whole frame into header and body.
    pub fn split(frame: &[u8], limit: usize) -> Result<(Self, &[u8]), FrameError> {
        let Some((header, body)) = frame.split_first_chunk::<HEADER_BYTES>() else {
            return Err(FrameError::NoHeader { got: frame.len() });
        };
        let header = Self::parse(*header, limit)?;
        if body.len() != header.length {
            return Err(FrameError::Length { kind: header.kind, claimed: header.length, got: body.len() });
        }
        Ok((header, body))
    }
}

/// A message that travels in a frame of its own type.
pub trait Body: Sized {
    /// The type in the frame's header.
    const TYPE: MessageType;

    /// Writes the body.
    fn write(&self, writer: &mut Writer);

    /// Reads the body.
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError>;

    /// The whole frame.
    fn to_frame(&self) -> Vec<u8> {
        let mut body = Writer::new();
        self.write(&mut body);
        let body = body.finish();
        let mut frame = Writer::new();
        frame.u16(PROTOCOL_VERSION).u16(Self::TYPE.code()).bytes(&body);
        frame.finish()
    }

    /// Reads a body alone.
    fn from_body(body: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(Self::TYPE.name(), body);
        let message = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(message)
    }

    /// Reads a whole frame of this type, at most `limit` bytes of body.
    fn from_frame(frame: &[u8], limit: usize) -> Result<Self, FrameError> {
        let (header, body) = FrameHeader::split(frame, limit)?;
        if header.kind != Self::TYPE {
            return Err(FrameError::Unexpected { got: header.kind, expected: Self::TYPE });
        }
        Ok(Self::from_body(body)?)
    }
}

impl MessageType {
    /// The name of the message, for errors and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Welcome => "welcome",
            Self::Offer => "offer",
            Self::Answer => "answer",
            Self::Refusal => "refusal",
            Self::CircuitRequest => "circuit request",
            Self::CircuitChunk => "circuit chunk",
            Self::Ping => "ping",
            Self::Pong => "pong",
            Self::Bye => "bye",
            Self::SubmitJob => "submit job",
            Self::JobAnswers => "job answers",
            Self::Reassign => "reassignment",
            Self::Cancel => "cancellation",
        }
    }
}
