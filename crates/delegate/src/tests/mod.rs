//! Tests that need the inside of the crate: they put other randomness, or other rules, in the place of the product's.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod attacks;
mod correctness;
mod custody;
mod encodings;
mod faults;
mod msm;
mod node;
mod privacy;
mod quotient;
mod rank;
mod slices;
mod support;
