//! A file that a client shows: read, written again, judged. Nothing panics, what is read is what is written, and nobody is found guilty by a
//! file whose signatures the fuzzer would have to forge, but for those that the seeds hold.

use tacit_algebra::{Bls12_381, Bn254, CurveId};
use tacit_wire::{AuditError, Evidence};

/// The target.
pub fn run(data: &[u8]) {
    let Ok(evidence) = Evidence::from_json(data) else { return };
    let text = evidence.to_json();
    assert_eq!(Evidence::from_json(text.as_bytes()).as_ref(), Ok(&evidence));
    drop((evidence.node(), evidence.deal(), evidence.charge(), format!("{evidence:?}")));
    let verdict = match evidence.curve() {
        Ok(CurveId::Bn254) => evidence.audit::<Bn254, ()>(|_| Err(())),
        Ok(CurveId::Bls12_381) => evidence.audit::<Bls12_381, ()>(|_| Err(())),
        Err(error) => return drop(error.to_string()),
    };
    match verdict {
        // Two things that a node signed: a node of the seeds.
        Ok(_) => assert!(evidence.charge().starts_with("contradicting")),
        Err(AuditError::NoEvidence(error)) => drop(error.to_string()),
        Err(_) => assert_eq!(evidence.charge(), "wrong_response"),
    }
}
