//! `.sym`: every signal is found again by its name and its wire.

use tacit_circom::Sym;

/// The target.
pub fn run(data: &[u8]) {
    let Ok(sym) = Sym::read(data) else { return };
    for signal in sym.signals() {
        assert!(sym.by_name(&signal.name).is_some());
        if let Some(wire) = signal.wire {
            assert!(sym.by_wire(wire).any(|found| found == signal));
        }
    }
}
