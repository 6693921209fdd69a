//! What is needed to collect a job's answers: kept in memory, or written to a file by a client that goes away.
//!
//! A ticket is secret where the client assembles: it holds the key that opens the responses, and whoever has enough
//! of those has the proof. It does not open a share.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tacit_algebra::CurveId;
use tacit_delegate::header;
use tacit_wire::{Acknowledgement, Digest32, SealingKeyPair, SignedAssignment};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::committee::Member;

/// The only version of the file there is.
const VERSION: u32 = 1;
/// A larger file is no ticket: the header is at most 9 MiB, twice that in hexadecimal.
const MAX_BYTES: u64 = 32 << 20;

/// A job's committee and keys.
pub struct JobTicket {
    pub(crate) job: Digest32,
    pub(crate) curve: CurveId,
    pub(crate) header: Vec<u8>,
    pub(crate) assembler: Option<SealingKeyPair>,
    pub(crate) seats: Vec<TicketSeat>,
}

/// A node of the deal, and what it must acknowledge.
#[derive(Debug, Clone)]
pub struct TicketSeat {
    pub(crate) member: Member,
    pub(crate) assignment: SignedAssignment,
    pub(crate) acknowledgement: Acknowledgement,
}

/// Why a ticket cannot be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TicketError {
    /// The file cannot be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Others than its owner can read the file.
    #[error(
        "{path} can be read by others (mode {mode:o}): it holds the key that opens the job's answers; `chmod 600` it",
        path = path.display()
    )]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Not a ticket.
    #[error("not a job ticket: {0}")]
    Malformed(String),
}

impl JobTicket {
    /// The job's name: its deal's digest.
    pub fn job(&self) -> Digest32 {
        self.job
    }

    /// The curve; see [`crate::curves::on_curve`].
    pub fn curve(&self) -> CurveId {
        self.curve
    }

    /// Who holds shares, in the order of their indices.
    pub fn members(&self) -> Vec<Member> {
        self.seats.iter().map(|s| s.member.clone()).collect()
    }

    /// Whether the client assembles, so that the ticket is secret.
    pub fn is_secret(&self) -> bool {
        self.assembler.is_some()
    }

    /// The seat whose package a sealing key opens.
    pub(crate) fn seat_with_key(&self, key: &[u8; 32]) -> Option<&TicketSeat> {
        self.seats.iter().find(|s| s.assignment.assignment.seat.sealing_key == *key)
    }

    /// Another node sits there now.
    pub(crate) fn replace(&mut self, seat: TicketSeat) {
        if let Some(place) = self.seats.iter_mut().find(|s| s.member.index == seat.member.index) {
            *place = seat;
        }
    }

    pub(crate) fn seat(&self, index: u8) -> Option<&TicketSeat> {
        self.seats.iter().find(|s| s.member.index == index)
    }

    /// The ticket as JSON.
    ///
    /// # Errors
    /// None that input can cause.
    pub fn to_json(&self) -> Result<Zeroizing<Vec<u8>>, TicketError> {
        let raw = Raw {
            version: VERSION,
            job: self.job,
            curve: self.curve.snarkjs_name().to_owned(),
            header: hex::encode(&self.header),
            assembler_secret: self
                .assembler
                .as_ref()
                .map(|pair| Zeroizing::new(hex::encode(pair.to_seed().as_slice()))),
            nodes: self
                .seats
                .iter()
                .map(|s| RawSeat {
                    index: s.member.index,
                    name: s.member.name.clone(),
                    operator: s.member.operator.clone(),
                    assignment: hex::encode(s.assignment.encode()),
                    acknowledgement: hex::encode(s.acknowledgement.encode()),
                })
                .collect(),
        };
        // Reserved in one piece: a buffer that grows leaves copies of the secret behind.
        let room = raw.header.len() + raw.nodes.len() * 4096 + 4096;
        let mut out = Zeroizing::new(Vec::with_capacity(room));
        serde_json::to_writer_pretty(&mut *out, &raw).map_err(|e| TicketError::Malformed(e.to_string()))?;
        out.push(b'\n');
        Ok(out)
    }

    /// Reads what [`JobTicket::to_json`] wrote.
    ///
    /// # Errors
    /// [`TicketError::Malformed`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, TicketError> {
        let malformed = |e: &dyn std::fmt::Display| TicketError::Malformed(e.to_string());
        let raw: Raw = serde_json::from_slice(bytes).map_err(|e| malformed(&e))?;
        if raw.version != VERSION {
            return Err(malformed(&format!(
                "version {} is not known, this program reads {VERSION}",
                raw.version
            )));
        }
        let curve = tacit_circom::json::curve_from_name(&raw.curve)
            .ok_or_else(|| malformed(&format!("curve {:?} is not known", raw.curve)))?;
        let assembler = match &raw.assembler_secret {
            None => None,
            Some(text) => {
                let mut seed = Zeroizing::new([0u8; 32]);
                hex::decode_to_slice(text.as_str(), seed.as_mut_slice())
                    .map_err(|_| malformed(&"assembler_secret is not 64 hexadecimal digits"))?;
                Some(SealingKeyPair::from_seed(&seed).map_err(|e| malformed(&e))?)
            }
        };
        let header = hex::decode(&raw.header).map_err(|e| malformed(&format!("header: {e}")))?;
        let dials = header::dials_of(&header).map_err(|e| malformed(&e))?;
        let mut seats = Vec::new();
        for node in &raw.nodes {
            let bytes = |what: &str, text: &str| {
                hex::decode(text).map_err(|e| malformed(&format!("{what} of node {}: {e}", node.index)))
            };
            let assignment = SignedAssignment::decode(&bytes("assignment", &node.assignment)?)
                .map_err(|e| malformed(&format!("node {}: {e}", node.index)))?;
            let acknowledgement = Acknowledgement::decode(&bytes("acknowledgement", &node.acknowledgement)?)
                .map_err(|e| malformed(&format!("node {}: {e}", node.index)))?;
            if assignment.place(dials) != Some(node.index) || assignment.deal() != raw.job {
                return Err(malformed(&format!("the assignment of node {} is of another job", node.index)));
            }
            if seats.iter().any(|s: &TicketSeat| s.member.index == node.index) {
                return Err(malformed(&format!("node {} is listed twice", node.index)));
            }
            let member = Member {
                index: node.index,
                name: node.name.clone(),
                operator: node.operator.clone(),
                identity: assignment.node().0,
            };
            seats.push(TicketSeat { member, assignment, acknowledgement });
        }
        Ok(Self { job: raw.job, curve, header, assembler, seats })
    }

    /// Writes a new file that only its owner can read. An existing file is not touched: it may be another job's only
    /// key.
    ///
    /// # Errors
    /// When the file exists or cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), TicketError> {
        let io = |source| TicketError::Io { path: path.to_owned(), source };
        let json = self.to_json()?;
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(io)?;
        file.write_all(&json).and_then(|()| file.sync_all()).map_err(io)
    }

    /// Reads a file that [`JobTicket::save`] wrote.
    ///
    /// # Errors
    /// [`TicketError`]; among others when others than its owner can read the file.
    pub fn load(path: &Path) -> Result<Self, TicketError> {
        let io = |source| TicketError::Io { path: path.to_owned(), source };
        let mut file = std::fs::File::open(path).map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::MetadataExt::mode(&metadata) & 0o777;
            if mode & 0o077 != 0 {
                return Err(TicketError::Exposed { path: path.to_owned(), mode });
            }
        }
        let size = metadata.len().min(MAX_BYTES);
        let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1));
        Read::take(&mut file, MAX_BYTES).read_to_end(&mut bytes).map_err(io)?;
        Self::from_json(&bytes)
    }
}

impl std::fmt::Debug for JobTicket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "JobTicket({}, {} nodes, key hidden)", self.job, self.seats.len())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    version: u32,
    job: Digest32,
    curve: String,
    header: String,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "secret_text")]
    assembler_secret: Option<Zeroizing<String>>,
    nodes: Vec<RawSeat>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSeat {
    index: u8,
    name: String,
    operator: String,
    assignment: String,
    acknowledgement: String,
}

/// A text that is wiped when dropped.
mod secret_text {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use zeroize::Zeroizing;

    pub fn serialize<S: Serializer>(
        text: &Option<Zeroizing<String>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        text.as_ref().map(|t| t.as_str()).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Zeroizing<String>>, D::Error> {
        Ok(Option::<String>::deserialize(deserializer)?.map(Zeroizing::new))
    }
}
