//! Programs that the comparison needs beside itself.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Outcome;

/// This repository.
pub fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Cargo's target directory, from where this binary lies in it.
pub fn target_dir() -> Outcome<PathBuf> {
    let exe = std::env::current_exe()?;
    Ok(exe.ancestors().nth(2).ok_or("this binary lies outside of a target directory")?.to_owned())
}

/// Where the npm packages of the tests are.
pub fn node_modules() -> PathBuf {
    repository().join("tests").join("node_modules")
}

/// snarkjs's command line, where it is installed.
pub fn snarkjs() -> Option<PathBuf> {
    Some(node_modules().join("snarkjs/build/cli.cjs")).filter(|path| path.exists())
}

/// The `tacit` binary: the one given, or the default build of this repository.
pub fn tacit(given: Option<&Path>) -> Outcome<PathBuf> {
    if let Some(path) = given {
        return Ok(std::path::absolute(path)?);
    }
    let target = target_dir()?;
    cargo_build("tacit", &target, &[], None)?;
    Ok(target.join("release").join("tacit"))
}

/// This binary, built for the processor of this machine and with the peers' assembly: the peers' better build, usually.
pub fn native_bench() -> Outcome<PathBuf> {
    let target = target_dir()?.join("bench-native");
    let features: &[&str] = if cfg!(target_arch = "x86_64") { &["halo2curves-asm"] } else { &[] };
    cargo_build("bench", &target, features, Some("-C target-cpu=native"))?;
    Ok(target.join("release").join("bench"))
}

fn cargo_build(package: &str, target: &Path, features: &[&str], flags: Option<&str>) -> Outcome {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "--package", package, "--features", &features.join(",")]);
    command.arg("--manifest-path").arg(repository().join("Cargo.toml")).arg("--target-dir").arg(target);
    if let Some(flags) = flags {
        command.env("RUSTFLAGS", flags);
    }
    run(&mut command)
}

/// Runs a command to its end; what it prints goes to standard error.
pub fn run(command: &mut Command) -> Outcome {
    let name = command.get_program().to_owned();
    let status = command
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status()
        .map_err(|e| format!("{}: {e}", name.display()))?;
    if status.success() {
        Ok(())
    } else {
        let arguments: Vec<&OsStr> = command.get_args().collect();
        Err(format!("{} {}: {status}", name.display(), arguments.join(OsStr::new(" ")).display()).into())
    }
}
