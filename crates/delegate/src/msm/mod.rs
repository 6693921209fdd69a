//! A delegated, private multi-scalar multiplication: `sum v_k P_k` for a secret vector `v` over bases `P` that everybody knows, with the
//! handover `msm`. It is the linear core of the handover `quotient`, for provers of any other system that commits so (KZG, Pedersen,
//! inner-product arguments).
//!
//! | step | who | module |
//! |---|---|---|
//! | name the bases, check them once | everyone | [`bases`] |
//! | share `v` and `rho v`, with `rho` drawn for the deal | client | [`mod@deal`], [`package`] |
//! | `X_i = <v_i, P>`, `Y_i = <(rho v)_i, P>` | node | [`respond`], [`response`] |
//! | interpolate `X` and `Y`, check `Y = rho X`, and only then release `X` | client | [`assemble`] |
//!
//! Header, assignment, record and acknowledgement are those of a proof, with the [`BasesId`] in the place of the circuit id and without public
//! inputs. What a proof has and this has not:
//!
//! - *A mask.* Both answers are linear in what was dealt, so they have degree `t` as all that is dealt, and nothing of a higher degree exists.
//! - *A verifier.* Nobody can tell a wrong sum from a right one but the client, who has the MAC key `rho`. So the client alone assembles; it also
//!   would have to, because the sum is a function of the vector without a blinder.
//! - *Integrity against everybody.* Whoever holds `t + 1` packages knows `rho`, as they know the vector.
//!
//! The argument is in `docs/src/msm.md`.

pub mod assemble;
pub mod bases;
pub mod deal;
pub mod package;
pub mod respond;
pub mod response;

pub use assemble::{AssembledSum, assemble_msm};
pub use bases::{Bases, BasesError, BasesId};
pub use deal::{MacKey, MsmDeal, deal_msm};
pub use package::{MsmBody, MsmShares};
pub use respond::respond_msm;
pub use response::{MsmAnswer, MsmResponse};
