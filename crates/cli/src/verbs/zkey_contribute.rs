//! `tacit zkey contribute OLD.zkey NEW.zkey`

use std::path::PathBuf;

use serde_json::json;
use tacit_algebra::Check;
use tacit_circom::{Zkey, zkey};
use tacit_groth16::contribute::contribute;

use crate::curves::with_curve;
use crate::failure::{InFile, Outcome};
use crate::files::{self, Access};
use crate::ui::Ui;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The key so far
    old: PathBuf,
    /// The key with the new contribution
    new: PathBuf,
    /// The contributor's name, kept in the key
    #[arg(long, short)]
    name: Option<String>,
    /// Text to stir into this machine's own randomness, never to replace it
    #[arg(long, short)]
    entropy: Option<String>,
}

/// Adds the contribution.
pub fn run(args: &Args, ui: &Ui) -> Outcome {
    let bytes = files::read(&args.old)?;
    let curve = zkey::curve_of(&bytes).in_file(&args.old)?;
    with_curve!(curve, C => {
        let mut key = Zkey::<C>::read(&bytes, Check::Full).in_file(&args.old)?;
        let phase = ui.phase("contribution");
        let mut rng = crate::keys::stirred_rng(args.entropy.as_deref());
        let hash = contribute(&mut key, args.name.as_deref(), &mut rng)?;
        phase.done("");
        files::write(&args.new, &key.write(), Access::Shared)?;
        ui.result(
            &json!({ "ok": true, "zkey": args.new, "contributions": key.contributions.len(), "contribution_hash": hex::encode(hash) }),
            format!("{}: contribution {} with hash\n{}", args.new.display(), key.contributions.len(), hex::encode(hash)),
        );
    });
    Ok(())
}
