//! A request to a prover service, sealed to the key of its registration with HPKE and X-Wing (`tacit_wire::seal`).
//!
//! ```text
//! envelope    version (1) = 1 || sequence of the registration (8) || seal of the request
//! info        "tacit v1 pool prover request" || chain id (4) || pool (20) || prover's id (32) || sequence (8)
//! AAD         version (1)
//! request     request id (32) || task (1) || body
//! ```
//!
//! A task is 1 and a [`Work`], or 2 and a [`Statement`] with both proofs. Integers are little-endian. A request with the same id and the same
//! task again, under the same seal or another one, is the same request.

use std::fmt;

use rand_core::CryptoRng;
use tacit_pool::delivery::Place;
use tacit_pool::orders::OrderKeyId;
use tacit_wire::codec::{DecodeError, Reader, Writer};
use tacit_wire::{Digest32, OpenError, SealError, SealingKeyPair, SealingPublicKey, seal};
use zeroize::Zeroizing;

use crate::proved::Proved;
use crate::secret::SecretWriter;
use crate::statement::Statement;
use crate::work::{Work, unknown};

/// The version of the envelope.
pub const VERSION: u8 = 1;
/// The longest envelope that services take: the longest request has some 20 KiB.
pub const MAX_ENVELOPE_BYTES: usize = 32 << 10;

/// Names a request: drawn by the wallet, so that sending it again changes nothing.
pub type RequestId = Digest32;

/// To whom requests are sealed, and under which registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recipient {
    /// The chain and the pool.
    pub place: Place,
    /// The prover.
    pub prover: OrderKeyId,
    /// Of its registration.
    pub sequence: u64,
}

impl Recipient {
    fn info(&self) -> Vec<u8> {
        let mut info = Writer::new();
        info.raw(b"tacit v1 pool prover request").raw(&self.place.encode());
        info.raw(&self.prover.0).u64(self.sequence);
        info.finish()
    }
}

/// What a service is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// To prove, and to submit what it proved.
    Prove(Work),
    /// To submit what was proved elsewhere.
    Relay {
        /// What is public of the transaction.
        statement: Statement,
        /// Its proofs.
        proved: Proved,
    },
}

impl Task {
    /// What is public of the transaction.
    pub fn statement(&self) -> &Statement {
        match self {
            Self::Prove(work) => work.statement(),
            Self::Relay { statement, .. } => statement,
        }
    }
}

/// A task with its name.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// Its name.
    pub id: RequestId,
    /// What is to be done.
    pub task: Task,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({})", self.id)
    }
}

impl Request {
    /// Names a task.
    pub fn new<R: CryptoRng + ?Sized>(task: Task, rng: &mut R) -> Self {
        let mut id = [0; 32];
        rng.fill_bytes(&mut id);
        Self { id: Digest32(id), task }
    }

    /// The encoding, which is secret.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let (code, body) = match &self.task {
            Task::Prove(work) => (1, work.encode()),
            Task::Relay { statement, proved } => {
                let mut writer = Writer::new();
                writer.raw(&statement.encode());
                proved.write(&mut writer);
                (2, Zeroizing::new(writer.finish()))
            }
        };
        let mut writer = SecretWriter::with_capacity(33 + body.len());
        writer.raw(&self.id.0).raw(&[code]).raw(&body);
        writer.finish()
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("request", bytes);
        let id = Digest32(reader.array("request id")?);
        let task = match reader.u8("task")? {
            1 => {
                let work = bytes.get(bytes.len() - reader.remaining()..).unwrap_or_default();
                return Work::decode(work).map(|work| Self { id, task: Task::Prove(work) });
            }
            2 => Task::Relay { statement: Statement::read(&mut reader)?, proved: Proved::read(&mut reader)? },
            other => return Err(unknown(&reader, "task", other)),
        };
        reader.finish()?;
        Ok(Self { id, task })
    }

    /// Seals the request.
    ///
    /// # Errors
    /// [`SealError`], which nothing that a caller can pass causes.
    pub fn seal<R: CryptoRng + ?Sized>(
        &self,
        key: &SealingPublicKey,
        to: &Recipient,
        rng: &mut R,
    ) -> Result<Vec<u8>, SealError> {
        let mut envelope = Writer::new();
        envelope.u8(VERSION).u64(to.sequence);
        envelope.raw(&seal::seal(key, &to.info(), &[VERSION], &self.encode(), rng)?);
        Ok(envelope.finish())
    }
}

/// Why an envelope is no request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// Not an envelope, or not a request inside.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Sealed to somebody else, for another place or registration, or changed.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// An envelope as it came.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'a> {
    /// The registration that it says it is for.
    pub sequence: u64,
    sealed: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Reads the outside.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn read(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("envelope", bytes);
        match reader.u8("version")? {
            VERSION => {}
            other => return Err(unknown(&reader, "version", other)),
        }
        let sequence = reader.u64("sequence")?;
        Ok(Self { sequence, sealed: bytes.get(bytes.len() - reader.remaining()..).unwrap_or_default() })
    }

    /// Opens and reads the inside.
    ///
    /// # Errors
    /// [`EnvelopeError`].
    pub fn open(
        &self,
        key: &SealingKeyPair,
        place: Place,
        prover: OrderKeyId,
    ) -> Result<Request, EnvelopeError> {
        let to = Recipient { place, prover, sequence: self.sequence };
        let request = seal::open(key, &to.info(), &[VERSION], self.sealed)?;
        Ok(Request::decode(&request)?)
    }
}
