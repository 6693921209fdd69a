//! The algebra under every Tacit protocol: fields, groups, transforms, multi-scalar multiplications and the
//! checked decoding of everything that stands for a field element or a group element outside this process.
//!
//! | module | what it holds |
//! |---|---|
//! | [`field`] | canonical and Montgomery encodings of field elements, uniform sampling |
//! | [`group`] | [`Group`], [`Point`] and [`Groups`]: what a protocol may assume of its groups |
//! | [`curve`] | [`Curve`] with its two instances, [`Bn254`] and [`Bls12_381`] |
//! | [`calibration`] | how fast this machine adds up, by the caller's clock |
//! | [`ceremony`] | points from a stream of words, as snarkjs's ceremonies draw them |
//! | [`domain`] | radix-2 evaluation domains with the roots of unity that circom's tools use |
//!
//! Protocol crates are generic over [`Groups`] (so that a toy field can stand in for a curve in exact privacy
//! tests); file formats are generic over [`Curve`].

pub mod calibration;
pub mod ceremony;
pub mod curve;
pub mod domain;
mod error;
mod fast;
pub mod field;
mod fixed_base;
pub mod group;

pub use curve::{Bls12_381, Bn254, Curve, CurveId};
pub use domain::{Domain, DomainError, OddCoset};
pub use error::DecodeError;
pub use fast::{Arithmetic, FastCurve, Part, Parts, ScalarField};
pub use group::{Check, G1Affine, G2Affine, Group, Groups, Point};
