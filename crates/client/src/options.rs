//! What the caller decides about a job.

use std::time::Duration;

use tacit_delegate::{Dials, DialsError, Handover};
use tacit_wire::Identity;
use tacit_wire::messages::Assembler;

/// How a witness is delegated. [`Options::standard`] shares it among four nodes: no single one learns anything, any
/// three suffice.
#[derive(Debug, Clone)]
pub struct Options {
    /// What is handed over, to how many nodes, how many of which learn nothing together.
    pub dials: Dials,
    /// Who assembles, and so sees the proof first. The client, unless it goes away meanwhile.
    pub assembler: Assembler,
    /// For how long nodes may answer the deal.
    pub expiry: Duration,
    /// For how long to wait for a proof; `None`: until the deal expires.
    pub timeout: Option<Duration>,
    /// When the first sufficient answers make no proof: for how long to wait for the nodes that have not spoken.
    pub grace: Duration,
    /// How many deals to try. A later one is fresh in everything, and goes around nodes that failed if others are
    /// there. Only what a fresh deal can mend is tried again.
    pub attempts: u32,
    /// The key that signs assignments; `None`: one drawn for the deal, so that jobs cannot be linked by it.
    pub identity: Option<Identity>,
}

impl Options {
    /// The defaults with other dials.
    ///
    /// # Errors
    /// When no committee can be like that.
    pub fn with_dials(handover: Handover, n: u8, t: u8) -> Result<Self, DialsError> {
        Ok(Self {
            dials: Dials::new(handover, n, t)?,
            assembler: Assembler::Client,
            expiry: Duration::from_secs(600),
            timeout: None,
            grace: Duration::from_secs(30),
            attempts: 2,
            identity: None,
        })
    }

    /// The defaults: four nodes, threshold one, `witness`.
    ///
    /// # Errors
    /// None: these dials are possible. (`Default` is not implemented, so that no panic hides in it.)
    pub fn standard() -> Result<Self, DialsError> {
        Self::with_dials(Handover::Witness, 4, 1)
    }
}
