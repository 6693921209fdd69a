//! The messages, a file per conversation.
//!
//! | conversation | transport | file |
//! |---|---|---|
//! | node and coordinator | QUIC, one bidirectional stream per request | [`node`] |
//! | client and coordinator | HTTPS bodies of type [`CONTENT_TYPE`] | [`client`] |

pub mod client;
pub mod node;

pub use client::{Assembler, Cancel, Delivery, JobAnswers, NodeAnswer, Outcome, Reassign, SubmitJob};
pub use node::{
    Answer, Bye, CircuitChunk, CircuitRequest, HeldSlice, Hello, Offer, Ping, Pong, Refusal, RefusalCode,
    Welcome,
};

use crate::frame::{Body, FrameError, FrameHeader, MessageType};

/// Media type of a frame in an HTTP body.
pub const CONTENT_TYPE: &str = "application/vnd.tacit.frame";

/// The most nodes of a deal, over all groups.
pub const MAX_NODES: usize = tacit_delegate::dials::MAX_SEATS as usize;

/// The longest name of a program and its version.
pub const MAX_SOFTWARE_BYTES: usize = 64;

/// The longest explanation for people.
pub const MAX_TEXT_BYTES: usize = 1024;

macro_rules! messages {
    ($($name:ident),* $(,)?) => {
        /// Any message.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Message {
            $(#[allow(missing_docs)] $name($name),)*
        }

        impl Message {
            /// The type of the message.
            pub const fn kind(&self) -> MessageType {
                match self { $(Self::$name(_) => MessageType::$name,)* }
            }

            /// The whole frame.
            pub fn to_frame(&self) -> Vec<u8> {
                match self { $(Self::$name(message) => message.to_frame(),)* }
            }

            /// Reads the body that follows `header`.
            pub fn from_body(header: FrameHeader, body: &[u8]) -> Result<Self, FrameError> {
                if body.len() != header.length {
                    return Err(FrameError::Length {
                        kind: header.kind,
                        claimed: header.length,
                        got: body.len(),
                    });
                }
                Ok(match header.kind { $(MessageType::$name => Self::$name($name::from_body(body)?),)* })
            }

            /// Reads a whole frame, at most `limit` bytes of body.
            pub fn from_frame(frame: &[u8], limit: usize) -> Result<Self, FrameError> {
                let (header, body) = FrameHeader::split(frame, limit)?;
                Self::from_body(header, body)
            }
        }

        $(impl From<$name> for Message {
            fn from(message: $name) -> Self {
                Self::$name(message)
            }
        })*
    };
}

messages! {
    Hello, Welcome, Offer, Answer, Refusal, CircuitRequest, CircuitChunk, Ping, Pong, Bye, SubmitJob, JobAnswers,
    Reassign, Cancel,
}
