//! `tacit wtns calculate WASM INPUT WTNS`

use std::path::{Path, PathBuf};

use serde_json::json;
use tacit_algebra::Groups;
use tacit_circom::input::Inputs;
use tacit_circom::sym::Sym;
use tacit_circom::witness::WitnessCalculator;
use tacit_circom::wtns::Wtns;

use crate::curves::with_curve;
use crate::failure::{InFile, Outcome};
use crate::files::{self, Access};
use crate::ui::Ui;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The circuit's witness program
    #[arg(default_value = "circuit.wasm")]
    wasm: PathBuf,
    /// The circuit's inputs
    #[arg(default_value = "input.json")]
    input: PathBuf,
    /// The witness to write: a secret file
    #[arg(default_value = "witness.wtns")]
    wtns: PathBuf,
    /// The circuit's symbols: with them a missing input is named
    #[arg(long)]
    sym: Option<PathBuf>,
}

/// Calculates the witness.
pub fn run(args: &Args, ui: &Ui) -> Outcome {
    let calculator = load(&args.wasm)?;
    let curve = calculator.curve();
    with_curve!(curve, C => {
        let witness = calculate::<<C as Groups>::Scalar>(&calculator, &args.input, args.sym.as_deref(), ui)?;
        files::write(&args.wtns, &witness.write(), Access::Private)?;
        ui.result(
            &json!({ "ok": true, "wtns": args.wtns, "curve": curve.to_string(), "wires": witness.values.len() }),
            format!("{}: {} wires ({curve}). It holds your secrets.", args.wtns.display(), witness.values.len()),
        );
    });
    Ok(())
}

/// Loads a circuit's witness program.
pub fn load(wasm: &Path) -> Outcome<WitnessCalculator> {
    WitnessCalculator::new(&files::read(wasm)?).in_file(wasm)
}

/// Runs it on an input file.
pub fn calculate<F: ark_ff::PrimeField>(
    calculator: &WitnessCalculator,
    input: &Path,
    sym: Option<&Path>,
    ui: &Ui,
) -> Outcome<Wtns<F>> {
    let inputs = Inputs::<F>::from_json(&files::read_text(input)?).in_file(input)?;
    let symbols = match sym {
        Some(path) => Some(Sym::read(&files::read(path)?).in_file(path)?),
        None => None,
    };
    let phase = ui.phase("witness");
    let values = calculator.calculate(&inputs, symbols.as_ref()).in_file(input)?;
    phase.done(format!("{} wires", values.len()));
    Ok(Wtns::new(values))
}
