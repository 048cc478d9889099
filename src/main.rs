//! `limen`: parses the command line and dispatches.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    limen::cli::run(limen::cli::Arguments::parse())
}
