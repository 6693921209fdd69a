//! Circuits, development keys and witnesses, made once and kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::files::Files;
use crate::{Outcome, tools};

/// The circuit's template. It includes circomlib, which comes from npm and is never part of this repository.
const TEMPLATE: &str = include_str!("../circuits/poseidon_chain.circom");
/// Constraints of one link of the chain, compiled with `--O1`.
const LINK: u32 = 517;
const INPUTS: &str = r#"{"seed": "1", "salt": "2"}"#;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    sizes: Sizes,
}

/// Domains.
#[derive(Debug, clap::Args)]
pub struct Sizes {
    /// `log2` of the domains' sizes, 10 to 20
    #[arg(long, value_delimiter = ',', default_values_t = [14, 16], value_parser = clap::value_parser!(u32).range(10..=20))]
    pub sizes: Vec<u32>,
}

/// Where files are made, and by what.
#[derive(Debug, clap::Args)]
pub struct Place {
    /// Where files are made and kept [default: `bench` in cargo's target directory]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// The `tacit` binary [default: the release build of this repository, made now]
    #[arg(long)]
    tacit: Option<PathBuf>,
}

/// What is there afterwards.
pub struct Prepared {
    /// The directory, absolute.
    pub dir: PathBuf,
    /// The `tacit` binary.
    pub tacit: PathBuf,
}

/// Runs it.
pub fn run(args: &Args) -> Outcome {
    let prepared = args.place.prepare(&args.sizes.sizes)?;
    println!("{}", prepared.dir.display());
    Ok(())
}

impl Place {
    /// Makes what is missing.
    pub fn prepare(&self, sizes: &[u32]) -> Outcome<Prepared> {
        let dir = match &self.dir {
            Some(dir) => std::path::absolute(dir)?,
            None => tools::target_dir()?.join("bench"),
        };
        fs::create_dir_all(&dir)?;
        let dir = fs::canonicalize(dir)?;
        let tacit = tools::tacit(self.tacit.as_deref())?;
        for size in sizes {
            chain(&Files::new(&dir, *size), &tacit)?;
        }
        Ok(Prepared { dir, tacit })
    }
}

/// The files of one chain.
fn chain(files: &Files, tacit: &Path) -> Outcome {
    // Two rows are those of the constant wire and of `out`; one more stays free.
    let links = ((1 << files.log_size) - 3) / LINK;
    let source = format!("{TEMPLATE}\ncomponent main = PoseidonChain({links});\n");
    let made = ["r1cs", "wasm", "wtns", "zkey"].iter().all(|extension| files.path(extension).exists());
    if made && fs::read_to_string(files.path("circom")).is_ok_and(|text| text == source) {
        return Ok(());
    }
    eprintln!("making {}: {links} links", files.name());
    for extension in ["zkey", "wtns", "tacit-key"] {
        let _ = fs::remove_file(files.path(extension));
    }
    fs::write(files.path("circom"), source)?;
    compile(files)?;
    let path = |extension| files.path(extension);
    fs::write(path("json"), INPUTS)?;
    let calculate = ["wtns", "calculate"];
    tools::run(Command::new(tacit).args(calculate).args([path("wasm"), path("json"), path("wtns")]))?;
    let setup = ["groth16", "setup", "--dev"];
    tools::run(Command::new(tacit).args(setup).args([path("r1cs"), path("zkey")]))?;
    files.prepared_key()?;
    Ok(())
}

/// Compiles with the circom of the tests' npm packages.
fn compile(files: &Files) -> Outcome {
    let modules = fs::canonicalize(tools::node_modules())
        .map_err(|e| format!("{}: {e}; run npm ci --prefix tests", tools::node_modules().display()))?;
    let source = files.path("circom");
    let out = source.parent().ok_or("the directory has no name")?;
    // circom in WASI finds files only below the directory where it runs: the root, then, and paths relative to it.
    let below_root = |path: &Path| path.strip_prefix("/").unwrap_or(path).to_owned();
    let mut command = Command::new("node");
    command.current_dir("/").arg(modules.join("circom2/cli.js")).arg(&source);
    command.args(["--O1", "--prime", "bn128", "--r1cs", "--wasm", "-l"]).arg(below_root(&modules));
    tools::run(command.arg("-o").arg(out))?;
    let folder = out.join(format!("{}_js", files.name()));
    fs::rename(folder.join(format!("{}.wasm", files.name())), files.path("wasm"))?;
    fs::remove_dir_all(folder)?;
    Ok(())
}
