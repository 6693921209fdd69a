//! What the fuzz targets do, a file each. The targets themselves, one binary each, are one line in `fuzz_targets/`: so
//! the parsers are compiled once and not once for each binary.

pub mod bases;
pub mod delegate;
pub mod evidence;
pub mod frames;
pub mod json;
pub mod log;
pub mod points;
pub mod pool;
pub mod prepared;
pub mod prover;
pub mod ptau;
pub mod r1cs;
pub mod respond;
pub mod seals;
pub mod seeds;
pub mod sym;
pub mod wtns;
pub mod zkey;
