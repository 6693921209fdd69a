//! Shamir's secret sharing over any prime field, as Tacit's protocols deal and combine it.
//!
//! A secret is the value at 0 of a random polynomial of degree `d`; node `i` of `1..=n` holds its value at `i`. Any
//! `d` shares are uniform, so the shares of nodes `1..=d` may be *expanded from seeds* and only the others follow from
//! the secret: that halves what a client sends at `n = 2d`, and more below.
//!
//! | module | what it holds |
//! |---|---|
//! | [`shape`] | [`Shape`]: how many nodes, which degree, checked against the field |
//! | [`dealing`] | [`Extension`]: from a secret and the first `d` shares to all the others; sharings of zero |
//! | [`expand`] | [`Seed`] and [`Expander`]: 32 bytes to a stream of field elements, domain-separated |
//! | [`lagrange`] | Lagrange coefficients at 0 and anywhere |
//! | [`interpolate`] | values of the polynomial through given shares, in the field or in a group; consistency |
//!
//! Nothing here draws randomness or reads a clock; what is secret is zeroised when dropped and never printed.

pub mod dealing;
pub mod expand;
pub mod interpolate;
pub mod lagrange;
pub mod shape;

pub use dealing::Extension;
pub use expand::{Expander, Seed};
pub use shape::{MAX_NODES, Shape, SharingError};
