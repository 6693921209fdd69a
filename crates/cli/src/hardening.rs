//! What is switched off before the process holds a secret.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Turns off core dumps (a dump would hold shares and keys in the clear) and replaces the panic report: a panic is a
/// defect of ours, told in one paragraph, without a backtrace that could print values.
pub fn before_secrets() {
    // Both can fail only where the system forbids tightening; the process is then no worse off than before.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map_or_else(String::new, |l| format!(" at {}:{}", l.file(), l.line()));
        eprintln!(
            "tacit: internal error{place}. This is a defect in tacit, not in your files; please report this line."
        );
    }));
}
