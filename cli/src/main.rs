//! The `strongroom` command: words to calls, results to text. It decides nothing.
//!
//! `args` is what can be typed, one file for each noun carries it out, `output` and `failure` are
//! what comes back. Values never stand in arguments and never in messages.

mod anchor;
mod app;
mod args;
mod audit;
mod backup;
mod check_index;
mod completion;
mod confirm;
mod failure;
mod files;
mod generate;
mod hsm;
mod init;
mod input;
mod logging;
mod output;
mod progress;
mod proof;
mod query;
mod quota;
mod render;
mod run;
mod secret;
mod state;
mod status;
mod tenant;
mod watch;
mod words;

use std::process::ExitCode;

use clap::FromArgMatches as _;

fn main() -> ExitCode {
    let args = words::command().try_get_matches().and_then(|given| args::Cli::from_arg_matches(&given));
    let args = match args {
        Ok(args) => args,
        Err(error) => return failure::report_arguments(&error),
    };
    failure::report_panics(args.global.output);
    logging::start();
    // A panic was reported by the hook; its payload may hold anything and goes nowhere.
    match std::panic::catch_unwind(|| app::App::new(&args.global).and_then(|app| args.command.carry_out(&app))) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(failure)) => failure.report(args.global.output),
        Err(_) => failure::PANICKED.into(),
    }
}
