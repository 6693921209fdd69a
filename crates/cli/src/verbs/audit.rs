//! `tacit audit EVIDENCE`

use std::path::PathBuf;

use serde_json::json;
use tacit_algebra::Curve;
use tacit_groth16::{CircuitId, ProvingKey};
use tacit_wire::{Evidence, Verdict};

use crate::cache::Cache;
use crate::curves::with_curve;
use crate::failure::{Failure, InFile, Outcome};
use crate::files;
use crate::keys::{KeyOptions, ZkeyFile};
use crate::ui::Ui;

/// The exit code where nothing is shown about anybody: the file is none, or the circuit's key is missing.
pub const NO_VERDICT: u8 = 3;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file that a client saved
    evidence: PathBuf,
    /// The circuit's proving key, if it is not in the cache folder
    #[arg(long, value_name = "ZKEY")]
    zkey: Option<PathBuf>,
    #[command(flatten)]
    key: KeyOptions,
}

/// Runs it.
pub fn run(args: &Args, ui: &Ui) -> Outcome {
    judge(args, ui).map_err(|failure| failure.exiting_with(NO_VERDICT))?.map_or(Ok(()), Err)
}

/// What is said, and with which exit code if not 0.
fn judge(args: &Args, ui: &Ui) -> Outcome<Option<Failure>> {
    let path = &args.evidence;
    let evidence = Evidence::from_json(&files::read(path)?).in_file(path)?;
    let curve = evidence.curve().in_file(path)?;
    let verdict =
        with_curve!(curve, C => evidence.audit::<C, Failure>(|circuit| key::<C>(circuit, args, ui)))
            .map_err(|e| match e {
                tacit_wire::AuditError::Key(failure) => failure,
                other => Failure::new(format!("{}: {other}", path.display())),
            })?;
    let (word, because, exit) = match verdict {
        Verdict::Guilty { because } => ("guilty", because, 0),
        Verdict::Innocent => ("innocent", "its response is the one that its package gives".to_owned(), 1),
        Verdict::ClientAtFault { because } => ("client at fault", because, 2),
        _ => return Err(Failure::new("this program does not know the verdict")),
    };
    let (node, deal) = (evidence.node(), evidence.deal());
    let text = match exit {
        2 => format!(
            "{word}: no node can answer what the client of deal {deal} dealt to node {node}\n  {because}"
        ),
        _ => format!("{word}: node {node}, deal {deal}\n  {because}"),
    };
    let json = json!({
        "ok": true, "verdict": word.replace(' ', "_"), "because": because, "charge": evidence.charge(),
        "node": node, "deal": deal,
    });
    ui.result(&json, text);
    Ok((exit != 0).then(|| Failure::said(exit)))
}

/// The proving key of a circuit: from the zkey given, else one that was checked on this machine before.
fn key<C: Curve>(circuit: &CircuitId, args: &Args, ui: &Ui) -> Outcome<ProvingKey<C>> {
    if let Some(zkey) = &args.zkey {
        let file = ZkeyFile::read(zkey)?;
        if file.curve != C::ID {
            let (is, wanted) = (file.curve, C::ID);
            return Err(Failure::new(format!(
                "{}: over {is}, the evidence is over {wanted}",
                zkey.display()
            )));
        }
        return file.proving_key(&args.key, ui);
    }
    let cache = if args.key.no_cache { None } else { Cache::open()? };
    cache.map(|cache| cache.find(*circuit)).transpose()?.flatten().ok_or_else(|| {
        Failure::new(format!(
            "the response has to be computed again, and no proving key of circuit {circuit} is in the cache folder; name its zkey with --zkey"
        ))
    })
}
