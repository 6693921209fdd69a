//! `tacit r1cs check CIRCUIT.r1cs`

use std::path::PathBuf;

use serde_json::json;
use tacit_algebra::Groups;
use tacit_circom::{R1cs, Sym, r1cs};

use crate::curves::with_curve;
use crate::failure::{Failure, InFile, Outcome};
use crate::files;
use crate::ui::Ui;

/// Names of each kind that are printed.
const SHOWN: usize = 10;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The constraint system
    #[arg(default_value = "circuit.r1cs")]
    r1cs: PathBuf,
    /// The circuit's symbols: with them signals are named
    #[arg(long)]
    sym: Option<PathBuf>,
}

/// Looks for wires that no constraint mentions, and for wires that the inputs do not determine.
pub fn run(args: &Args, ui: &Ui) -> Outcome {
    let bytes = files::read(&args.r1cs)?;
    let sym = match &args.sym {
        Some(path) => Some(Sym::read(&files::read(path)?).in_file(path)?),
        None => None,
    };
    let name = |wire: u32| {
        let signal = sym.as_ref().and_then(|sym| sym.by_wire(wire).next());
        signal.map_or_else(|| format!("wire {wire}"), |signal| signal.name.clone())
    };
    let curve = r1cs::curve_of(&bytes).in_file(&args.r1cs)?;
    let (wires, found) = with_curve!(curve, C => {
        let circuit = R1cs::<<C as Groups>::Scalar>::read(&bytes).in_file(&args.r1cs)?;
        let found = circuit.determination();
        (circuit.n_wires, (found.free, found.unused, found.conditions))
    });
    let (free, unused, conditions) = found;
    let free: Vec<u32> = free.into_iter().filter(|wire| unused.binary_search(wire).is_err()).collect();
    let ok = free.is_empty() && unused.is_empty();

    let list = |wires: &[u32]| {
        let more = if wires.len() > SHOWN { ", ..." } else { "" };
        format!("{}{more}", wires.iter().take(SHOWN).map(|wire| name(*wire)).collect::<Vec<_>>().join(", "))
    };
    let mut text = Vec::new();
    if !unused.is_empty() {
        text.push(format!("No constraint mentions {} wires: {}", unused.len(), list(&unused)));
    }
    if !free.is_empty() {
        text.push(format!("The inputs may not determine {} wires: {}", free.len(), list(&free)));
    }
    if ok {
        text.push(format!("OK: the inputs determine all {wires} wires."));
    }
    if !conditions.is_empty() {
        let example = conditions.first().copied().unwrap_or_default();
        text.push(format!(
            "{} divisors must not be zero, which no rule here proves; the first is in constraint {example}.",
            conditions.len()
        ));
    }
    ui.result(
        &json!({
            "ok": ok, "wires": wires, "undetermined": free, "unused": unused, "divisors": conditions,
        }),
        text.join("\n"),
    );
    if ok { Ok(()) } else { Err(Failure::said(1)) }
}
