//! What a network has: which nodes could be seated, how fast they say they are, and how fast the line to its coordinator is.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tacit_groth16::CircuitId;

use crate::api::Api;
use crate::client::Client;
use crate::committee::{Committee, Rejection, Wanted};
use crate::dealing::unix_now;
use crate::error::ClientError;
use crate::plan::Line;
use crate::plan::nodes::Nodes;

/// Bytes that are sent first to measure the line.
const FEW: usize = 64 << 10;
/// Bytes that are sent if those were through too soon to tell.
const MANY: usize = 512 << 10;
/// What is too soon.
const SOON: Duration = Duration::from_millis(200);
/// How often an empty request is timed; the quickest counts.
const ROUND_TRIPS: usize = 3;

/// A node that could be seated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surveyed {
    /// Its name in `network.toml`.
    pub name: String,
    /// Who runs it.
    pub operator: String,
    /// Bases per second, as it says; 0 if it has not said. Nobody has checked it.
    pub claim: u64,
    /// Whether it says that it has the circuit's key.
    pub has_circuit: bool,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Survey {
    /// Nodes that could be seated, one for each operator.
    pub nodes: Vec<Surveyed>,
    /// Nodes that could not, and why.
    pub rejected: Vec<Rejection>,
    /// Names of pinned nodes that the coordinator does not list.
    pub unlisted: Vec<String>,
    /// The line to the coordinator; `None` where that could not be measured, as with a coordinator of an earlier version.
    pub line: Option<Line>,
}

impl Survey {
    /// The nodes as a device with a speed of `own` bases per second sees them.
    pub fn nodes(&self, own: u64) -> Nodes {
        let claims: Vec<u64> = self.nodes.iter().map(|node| node.claim).collect();
        Nodes::of_claims(&claims, own)
    }

    /// Why nodes of the network cannot be seated; empty if all can.
    pub fn absent(&self) -> Vec<String> {
        let rejected = self.rejected.iter().map(ToString::to_string);
        let unlisted = self.unlisted.iter().map(|name| format!("{name}: the coordinator does not know it"));
        rejected.chain(unlisted).collect()
    }
}

/// Asks the coordinator for its nodes and, if wanted, sends it up to 576 KiB of nothing to measure the line. `expiry` is how long the deal
/// would live that the nodes are wanted for.
///
/// # Errors
/// [`ClientError::Api`] when the coordinator does not list its nodes.
pub async fn survey(
    client: &Client,
    circuit: CircuitId,
    expiry: Duration,
    measure_line: bool,
) -> Result<Survey, ClientError> {
    let info = client.api().network().await?;
    let now = unix_now();
    let wanted = Wanted { n: 0, now, deal_expiry: now.saturating_add(expiry.as_secs()), without: &[] };
    let (members, rejected) = Committee::eligible(client.network(), &info, wanted);
    let listed = |identity: &[u8; 32]| info.nodes.iter().find(|node| node.identity.0 == *identity);
    let nodes = members.into_iter().map(|member| {
        let node = listed(&member.identity);
        Surveyed {
            claim: node.map_or(0, |node| node.bases_per_second),
            has_circuit: node.is_some_and(|node| node.circuits.iter().any(|known| known.0 == circuit.0)),
            name: member.name,
            operator: member.operator,
        }
    });
    let unlisted = client.network().nodes.iter().filter(|node| listed(&node.identity).is_none());
    Ok(Survey {
        nodes: nodes.collect(),
        unlisted: unlisted.map(|node| node.name.clone()).collect(),
        rejected,
        line: if measure_line { line(client.api()).await } else { None },
    })
}

/// Measures the line; `None` if the coordinator does not take part.
async fn line(api: &Api) -> Option<Line> {
    let mut round_trip = Duration::MAX;
    for _ in 0..ROUND_TRIPS {
        round_trip = round_trip.min(send(api, 0).await?);
    }
    let (mut bytes, mut took) = (FEW, send(api, FEW).await?);
    if took < SOON {
        (bytes, took) = (MANY, send(api, MANY).await?);
    }
    // What is left may be nothing by the clock's resolution: then the line is as fast as it can be told to be.
    let sending = took.saturating_sub(round_trip).max(took / 10).as_secs_f64();
    Some(Line { bytes_per_second: bytes as f64 / sending.max(1e-6), round_trip: round_trip.as_secs_f64() })
}

async fn send(api: &Api, bytes: usize) -> Option<Duration> {
    let mut nothing = vec![0; bytes];
    // Not zeros, which something on the way might compress.
    rand::Rng::fill_bytes(&mut rand::rng(), &mut nothing);
    let began = Instant::now();
    match api.line(Bytes::from(nothing)).await {
        Ok(()) => Some(began.elapsed()),
        Err(error) => {
            tracing::debug!(%error, "the line to the coordinator cannot be measured");
            None
        }
    }
}
