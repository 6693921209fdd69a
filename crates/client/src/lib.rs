//! What a wallet embeds: prove with a network that never learns the witness.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use tacit_algebra::{Bn254, Check};
//! use tacit_circom::{Zkey, wtns::Wtns};
//! use tacit_client::{Artefact, Client, Network, Options, Prepared, Silent};
//! use tacit_groth16::ProvingKey;
//!
//! let zkey = std::fs::read("spend.zkey")?;
//! let key = ProvingKey::<Bn254>::from_zkey(Zkey::read(&zkey, Check::Full)?)?;
//! let witness = Wtns::read(&std::fs::read("spend.wtns")?)?;
//!
//! let client = Client::new(Network::load("network.toml".as_ref())?)?;
//! let options = Options::standard()?;
//! let prepared = Prepared::new(&key, &witness.values, None, options.dials.handover())?;
//! let proved = client
//!     .prove(prepared, Some(&Artefact::from(zkey)), &options, Arc::new(Silent))
//!     .await?;
//! println!("{}", proved.proof.to_json());
//! # Ok(())
//! # }
//! ```
//!
//! The steps are types, for callers that want to do something between them:
//!
//! | type | what has happened | what comes next |
//! |---|---|---|
//! | [`Prepared`] | the witness fits the key and, where the `.r1cs` is at hand, satisfies it | [`Prepared::deal`] |
//! | [`Dealt`] | shared, sealed to a [`Committee`] that the pins allow, signed | [`Api::submit`] |
//! | [`Waiting`] | the coordinator has it; a [`JobTicket`] collects the answers, here or in another process | [`Waiting::finish`] |
//! | [`Proved`] | assembled from the first sufficient answers, and **verified** | |
//!
//! | module | what it holds |
//! |---|---|
//! | [`network`] | `network.toml`: what is pinned |
//! | [`committee`] | who gets shares, by which rules |
//! | [`prepare`], [`dealing`], [`answers`], [`waiting`] | the protocol's steps from the client's side |
//! | [`kept`] | what is kept to replace a node and to judge answers |
//! | [`ticket`] | what survives between submitting and collecting |
//! | [`api`] | the coordinator's HTTPS API |
//! | [`client`] | all of it in one call |
//! | [`msm`] | the same for a multi-scalar multiplication: any prover's commitments |
//! | [`mod@plan`] | advice: what each setting of the dials costs, and which one to take |
//! | [`log`] | a job's receipt, and following the coordinator's log |
//! | [`progress`] | what to show meanwhile |
//! | [`error`] | why there is no proof, and whose fault it is |

pub mod answers;
pub mod api;
pub mod api_key;
pub mod client;
pub mod committee;
pub mod curves;
pub mod dealing;
pub mod error;
mod hex32;
pub mod kept;
pub mod log;
pub mod msm;
pub mod network;
pub mod options;
pub mod plan;
pub mod prepare;
pub mod progress;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod simulation;
pub mod ticket;
pub mod waiting;

pub use answers::{Culprit, Refusal};
pub use api::{Api, ApiError, Artefact, Polled};
pub use client::Client;
pub use committee::{Committee, CommitteeError, Member, Rejection, Rule, Seat, Wanted, Work};
pub use curves::{OnCurve, on_curve};
pub use dealing::{AssemblerKey, DealingError, Dealt};
pub use error::{AssemblerError, ClientError};
pub use kept::{Finding, Found, Kept, KeySource};
pub use log::{Expectation, Followed, LogError};
pub use msm::Summed;
pub use network::{Choice, Network, NetworkError, PinnedCoordinator, PinnedNode};
pub use options::Options;
pub use prepare::{Prepared, WitnessError};
pub use progress::{Event, Progress, Silent};
pub use tacit_delegate::{Bases, BasesId, Dials, Handover};
pub use tacit_wire::messages::Assembler;
pub use ticket::{JobTicket, TicketError};
pub use waiting::{Patience, Proved, Waiting};
