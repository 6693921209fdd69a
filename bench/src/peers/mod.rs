//! What the peers do, each driven as its own documentation drives it.

pub mod arkworks;
pub mod halo2curves;
pub mod qap;
pub mod taceo;
pub mod zkey;
