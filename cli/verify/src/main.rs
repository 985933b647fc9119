//! The program `strongroom-verify`: whether an exported audit log is what was signed, told from the file and a public key.
//!
//! A small program of its own, so that whoever checks the log need not trust, install or read the rest. It links the
//! log's formats and none of our other code: no key store, no database, no network.

#![forbid(unsafe_code)]

mod args;
mod failure;
mod kept;
mod run;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let args = match args::Args::try_parse() {
        Ok(args) => args,
        Err(error) => return failure::report_arguments(&error),
    };
    match run::run(&args) {
        Ok(exit) => exit,
        Err(failure) => failure.report(args.output),
    }
}
