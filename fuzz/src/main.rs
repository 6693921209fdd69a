//! Writes the seeds: see [`tacit_fuzz::seeds`].

// The instrumented crates need the runtime that they count into.
use libfuzzer_sys as _;

fn main() {
    tacit_fuzz::seeds::write();
}
