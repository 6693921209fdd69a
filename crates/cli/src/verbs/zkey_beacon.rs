//! `tacit zkey beacon OLD.zkey NEW.zkey BEACON_HEX ITERATIONS`

use std::path::PathBuf;

use serde_json::json;
use tacit_algebra::Check;
use tacit_circom::{Zkey, zkey};
use tacit_groth16::contribute::beacon;

use crate::curves::with_curve;
use crate::failure::{Failure, InFile, Outcome};
use crate::files::{self, Access};
use crate::ui::Ui;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The key so far
    old: PathBuf,
    /// The key with the beacon's contribution
    new: PathBuf,
    /// The beacon's value, hexadecimal
    beacon: String,
    /// log2 of the number of hashes to iterate
    iterations: u8,
    /// The contribution's name, kept in the key
    #[arg(long, short)]
    name: Option<String>,
}

/// Adds the beacon's contribution.
pub fn run(args: &Args, ui: &Ui) -> Outcome {
    let digits = args.beacon.trim_start_matches("0x");
    let value = hex::decode(digits).map_err(|e| {
        Failure::new(format!("the beacon must be hexadecimal bytes, for example 0102af: {e}"))
    })?;
    let bytes = files::read(&args.old)?;
    let curve = zkey::curve_of(&bytes).in_file(&args.old)?;
    with_curve!(curve, C => {
        let mut key = Zkey::<C>::read(&bytes, Check::Full).in_file(&args.old)?;
        let phase = ui.phase("beacon");
        let hash = beacon(&mut key, args.name.as_deref(), &value, args.iterations)?;
        phase.done("");
        files::write(&args.new, &key.write(), Access::Shared)?;
        ui.result(
            &json!({ "ok": true, "zkey": args.new, "contributions": key.contributions.len(), "contribution_hash": hex::encode(hash) }),
            format!("{}: contribution {} with hash\n{}", args.new.display(), key.contributions.len(), hex::encode(hash)),
        );
    });
    Ok(())
}
