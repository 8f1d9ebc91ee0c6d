//! Parse, run, exit.

use std::process::ExitCode;

use clap::Parser as _;
use kubelet_tls::{cli::Cli, commands, host};

fn main() -> ExitCode {
    host::tls::install_provider();
    let arguments: Vec<_> = std::env::args_os().collect();
    ExitCode::from(match Cli::try_parse_from(&arguments) {
        Ok(cli) => commands::run(&cli),
        Err(error) => commands::usage(&error, &arguments),
    })
}
