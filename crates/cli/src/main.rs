//! The `tacit` command: thin. Each verb has a file under [`verbs`]; the work is done by the library crates.

mod cache;
mod curves;
mod delegated;
mod demo;
mod failure;
mod files;
mod hardening;
mod keys;
mod local_network;
mod measure;
mod runtime;
mod service;
mod ui;
mod verbs;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    hardening::before_secrets();
    let cli = verbs::Cli::parse();
    let ui = ui::Ui::new(cli.json, cli.quiet);
    match verbs::run(cli, &ui) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            ui.failed(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}
