//! Private delegated proving for Groth16: a client deals shares of its witness to a committee, each node answers with
//! three group elements, and whoever holds enough answers assembles the proof. Nothing here does IO, reads a clock
//! or draws randomness that it was not given, so that one process can test any schedule.
//!
//! A file for each step, in the order in which they happen:
//!
//! | step | who | module |
//! |---|---|---|
//! | choose the dials, write the terms | client | [`dials`], [`header`] |
//! | share witness and blinders, make one package a node | client | [`mod@deal`], [`package`] |
//! | bind each package to a deal, an index and a node | client | [`assignment`] |
//! | check the offer before opening it | node | [`mod@accept`] |
//! | record before answering, answer identically ever after | node | [`record`] |
//! | acknowledge what was opened | node | [`acknowledgement`] |
//! | compute on the shares, with the key or a slice of it | node | [`mod@respond`], [`node_key`], [`response`] |
//! | interpolate, check, release | assembler | [`mod@assemble`] |
//! | say whom an error points at | everyone | [`blame`] |
//! | re-send a package, judge an answer, open a share | client | [`custody`] |
//! | the same for a multi-scalar multiplication instead of a proof | | [`msm`] |
//!
//! Every message's canonical encoding is defined here, in a table in its module ([`encoding`] has what they share), and
//! so is every string that is signed or hashed ([`labels`]). Sealing, signing and framing are `tacit-wire`'s.
//!
//! Version 1 has the handovers `witness`, `quotient` and `msm`; `inputs` has its code and is refused with an error of its own
//! ([`dials::DialsError::NotSupported`]).

pub mod accept;
pub mod acknowledgement;
pub mod assemble;
pub mod assignment;
pub mod blame;
pub mod circuit;
pub mod custody;
pub mod deal;
pub mod dials;
pub mod encoding;
pub mod header;
pub mod labels;
pub mod msm;
pub mod node_key;
pub mod package;
pub mod record;
pub mod respond;
pub mod response;

#[cfg(test)]
mod tests;

pub use accept::{AcceptError, Holder, accept};
pub use acknowledgement::{Acknowledgement, AcknowledgementError};
pub use assemble::{AssembleError, Assembled, assemble};
pub use assignment::{Assignment, Seat, ciphertext_digest};
pub use blame::Culprit;
pub use circuit::{CircuitShape, Layout, ShareCounts};
pub use custody::{Custody, CustodyError, Judgement, Opened, OpeningError, WrongAnswer};
pub use deal::{Deal, DealError, Secrets, deal};
pub use dials::{Dials, DialsError, Handover};
pub use encoding::EncodingError;
pub use header::{DealHeader, DealId, DealTerms};
pub use msm::{Bases, BasesId, assemble_msm, deal_msm, respond_msm};
pub use node_key::{KeyPart, NodeKey, key_slice};
pub use package::{Body, Package};
pub use record::{Decision, Record, Refusal, Request, decide};
pub use respond::{RespondError, respond};
pub use response::{Answer, AnswerError, Response};
pub use tacit_groth16::{CircuitId, KeySlice};
pub use tacit_sharing::Seed;

/// The version of the protocol that this crate speaks. It is in every encoding and in every label.
pub const PROTOCOL_VERSION: u16 = 1;
