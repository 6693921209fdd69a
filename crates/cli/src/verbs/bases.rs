//! `tacit bases export POT.ptau BASES [--count N]`

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;
use tacit_algebra::{Check, Curve};
use tacit_circom::ptau::{self, Ptau};
use tacit_delegate::Bases;

use crate::curves::with_curve;
use crate::failure::{Failure, InFile, Outcome};
use crate::files::{self, Access};
use crate::ui::{self, Ui};

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Args {
    /// Take the powers of tau in the first group as bases: what KZG commits with
    Export {
        /// Powers of tau
        ptau: PathBuf,
        /// The file to write, for `tacit circuit add`
        bases: PathBuf,
        /// How many powers, from tau^0 on; without it the 2^POWER that polynomials of the file's size need
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        count: Option<u64>,
    },
}

/// Runs it.
pub fn run(args: &Args, ui: &Ui) -> Outcome {
    let Args::Export { ptau, bases, count } = args;
    let bytes = files::read(ptau)?;
    let curve = ptau::curve_of(&bytes).in_file(ptau)?;
    let (id, points) = with_curve!(curve, C => {
        let made = export::<C>(ptau, &bytes, *count, ui)?;
        files::write(bases, &made.encode(), Access::Shared)?;
        (made.id(), made.points().len())
    });
    ui.result(
        &json!({ "ok": true, "bases": id.to_string(), "curve": curve.to_string(), "points": points, "file": bases }),
        format!("bases {id}"),
    );
    Ok(())
}

fn export<C: Curve>(path: &Path, bytes: &[u8], count: Option<u64>, ui: &Ui) -> Outcome<Bases<C>> {
    let ptau = Ptau::<C>::open(bytes).in_file(path)?;
    let powers = ptau.tau_g1().in_file(path)?;
    let count = count.unwrap_or(1 << ptau.power());
    if count > powers.len() {
        return Err(Failure::new(format!(
            "{}: it has {} powers of tau in the first group, {count} are asked for",
            path.display(),
            powers.len()
        )));
    }
    let phase = ui.phase("powers of tau, every point checked");
    // Checked by `Bases::new`, all together.
    let bases = Bases::new(powers.read(0..count, Check::Trusted).in_file(path)?).in_file(path)?;
    phase.done(ui::bytes(bases.encode().len() as u64));
    Ok(bases)
}
