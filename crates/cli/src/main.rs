//! The `tacit` command: thin. Each verb has a file under [`verbs`]; the work is done by the library crates.

mod advice;
mod api_key;
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
mod otlp;
mod runtime;
mod service;
mod ui;
mod unlock;
mod verbs;
mod wallet_watch;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    hardening::before_secrets();
    let cli = match verbs::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(verbs::usage_exit_code(&error));
        }
    };
    let ui = ui::Ui::new(cli.json, cli.quiet);
    match verbs::run(cli, &ui) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.is_said() {
                ui.failed(&failure);
            }
            ExitCode::from(failure.exit_code())
        }
    }
}
