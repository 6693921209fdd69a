//! How many instructions one response takes, counted by valgrind: the same number whatever else the machine does.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::Outcome;
use crate::prepare::Place;

/// `log2` of the domain's size.
const SIZE: u32 = 12;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: Place,
    /// Fail if there are more, in millions
    #[arg(long, value_name = "MILLIONS")]
    at_most: Option<u64>,
}

/// Runs it.
pub fn run(args: &Args) -> Outcome {
    let dir = args.place.prepare(&[SIZE])?.dir;
    // What comes before the first response is in both counts.
    let (one, two) = (count(&dir, 1)?, count(&dir, 2)?);
    let response = two.saturating_sub(one);
    println!("one response at 2^{SIZE}: {} million instructions", response / 1_000_000);
    match args.at_most {
        Some(most) if response > most * 1_000_000 => {
            Err(format!("that is more than {most} million: what was changed made a node's work dearer")
                .into())
        }
        _ => Ok(()),
    }
}

/// Instructions of a process of this binary that answers so many times, with one thread.
fn count(dir: &Path, responses: usize) -> Outcome<u64> {
    let counts = dir.join(format!("callgrind.{responses}"));
    let mut command = Command::new("valgrind");
    command.arg("--tool=callgrind").arg(format!("--callgrind-out-file={}", counts.display()));
    command.arg(std::env::current_exe()?).args(["run", "--who", "tacit", "--work", "respond"]);
    command.arg("--size").arg(SIZE.to_string()).arg("--dir").arg(dir).env("RAYON_NUM_THREADS", "1");
    let mut process = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("valgrind: {e}; install Debian's package of that name"))?;
    if let Some(mut stdin) = process.stdin.take() {
        stdin.write_all("\n".repeat(responses).as_bytes())?;
    }
    let output = process.wait_with_output()?;
    if !output.status.success() {
        return Err(
            format!("valgrind: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)).into()
        );
    }
    let counts = std::fs::read_to_string(&counts)?;
    let total =
        counts.lines().find_map(|line| line.strip_prefix("totals: ")).ok_or("callgrind wrote no total")?;
    Ok(total.trim().parse()?)
}
