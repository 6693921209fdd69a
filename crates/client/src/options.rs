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
    /// When too few nodes are left for a proof, others take the place of those that are lost, if the network has any: after a node
    /// was away for so long. `None`: never.
    pub replace_after: Option<Duration>,
    /// So many corruptions of each group are still tolerated when shares are opened to show that a node answered wrongly: shares opened and this
    /// stay within the threshold. `None`: the threshold less one, at least one, so that one share is opened where the threshold is two
    /// or more, and none where it is one.
    pub tolerated: Option<u8>,
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
            replace_after: Some(Duration::from_secs(10)),
            tolerated: None,
            identity: None,
        })
    }

    /// The defaults for [`Client::msm`](crate::Client::msm): three nodes, threshold one, any two suffice.
    ///
    /// # Errors
    /// None: these dials are possible.
    pub fn msm() -> Result<Self, DialsError> {
        Self::with_dials(Handover::Msm, 3, 1)
    }

    /// The defaults: four nodes, threshold one, `witness`.
    ///
    /// # Errors
    /// None: these dials are possible. (`Default` is not implemented, so that no panic hides in it.)
    pub fn standard() -> Result<Self, DialsError> {
        Self::with_dials(Handover::Witness, 4, 1)
    }
}
