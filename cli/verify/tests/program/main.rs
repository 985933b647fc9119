//! The program from outside: verdicts and their exit codes, what it refuses, what it links, how much memory it takes.

#![allow(clippy::unwrap_used, reason = "this is all tests, helpers included")]

mod bundle;
mod links;
mod memory;
mod usage;
mod verdicts;

use std::process::{Command, Output, Stdio};

/// The program, with nothing in its environment that it heeds.
fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strongroom-verify"));
    command.env_remove("STRONGROOM_ROOT_KEY").env_remove("CLICOLOR_FORCE").stdin(Stdio::null());
    command
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
