//! `cargo xtask`: the few commands of this repository.
//!
//! A person, a colleague's editor and CI call the same ones. This file is their table of
//! contents; each command is a module, and what they share is [`place`] (where things
//! are), [`setup`] (what the machine needs) and [`tally`] (counting tests).
//!
//! The only dependency is clap, so that a fresh clone gets to work quickly.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command for people speaks on the terminal")]

mod bench;
mod check;
mod demo;
mod fuzz;
mod generated;
mod interop;
mod place;
mod setup;
mod soak;
mod stop;
mod suite;
mod tally;
mod test;
mod vectors;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::stop::Result;

/// The commands of this repository.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
New here?     cargo xtask demo     watch the product work, and a thief fail
Changed code? cargo xtask check    a minute; then
              cargo xtask test     what CI runs; its last line counts everything
In between, plain `cargo test` works on any machine with Rust, and says what it skipped.

Tools and test dependencies are kept in ~/.cache/strongroom, never in the clone. As root,
system packages that are missing are installed; otherwise you are told the one line to run.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Format, clippy, docs, licences, generated files: all that needs no test run.
    Check {
        /// First repair what can be repaired: format the code, rewrite generated files.
        #[arg(long)]
        fix: bool,
    },
    /// Every test in every language, with what they need installed first.
    ///
    /// The last line is `N passed, N failed, N skipped`. Each skip is listed above it with
    /// its reason; with CI=true in the environment a skip is a failure. To run a few tests
    /// while you work, use `cargo test NAME`.
    Test,
    /// Only the stored-format vectors, as read by a program that has none of our code.
    Vectors,
    /// Only the log's notes, trees and proofs, as checked by the code of Go's checksum database.
    Interop,
    /// Hostile bytes for the parsers, with coverage; needs a nightly compiler.
    ///
    /// `cargo xtask test` does the same blindly, for 20 seconds or STRONGROOM_FUZZ_SECONDS.
    Fuzz {
        /// One target, until you stop it; without it, each for a minute.
        target: Option<String>,
    },
    /// What gets better with every hour: 1,000 kills, 200 power cuts, 10,000 honest lives, 1,000,000 calls of random
    /// tenants, 10 minutes of hostile bytes.
    Soak {
        /// One part: kills, power, honest, isolation, stress, swaps or bytes; without it, all of them.
        part: Option<String>,
        /// So many (seconds, of bytes) instead.
        #[arg(long)]
        amount: Option<u32>,
    },
    /// The main job, end to end on a private SoftHSM token, and a thief who gets nowhere.
    Demo {
        /// Build optimised first: slower to start, but the measured times mean something.
        #[arg(long)]
        release: bool,
        /// Passed to the demo program.
        #[arg(last = true)]
        arguments: Vec<OsString>,
    },
    /// What it costs: builds optimised and runs the benchmarks.
    Bench {
        /// Passed to the benchmark program; after `--`, its `--help` too.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(stop) => {
            eprintln!("xtask: {stop}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Check { fix } => check::run(fix),
        Command::Test => return test::run(),
        Command::Vectors => vectors::run(),
        Command::Interop => interop::run(),
        Command::Fuzz { target } => fuzz::run(target.as_deref()),
        Command::Soak { part, amount } => soak::run(part.as_deref(), amount),
        Command::Demo { release, arguments } => demo::run(release, &arguments),
        Command::Bench { arguments } => bench::run(&arguments),
    }
    .map(|()| ExitCode::SUCCESS)
}
