//! The demo: the main job on a private token, through the real programs, and then a thief at the database.
//!
//! Every step prints the command it runs and compares what comes back with what must. Started by
//! `cargo xtask demo`, which installs SoftHSM and builds the programs.

#![allow(clippy::print_stdout, reason = "a program for people speaks on the terminal")]

mod record;
mod secrets;
mod stage;
mod thief;

use std::process::ExitCode;

use stage::{Result, Stage};

fn main() -> ExitCode {
    match play() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(failed) => {
            println!("\n{failed} steps were NOT as they must be.");
            ExitCode::FAILURE
        }
        Err(error) => {
            println!("\nThe demo could not go on: {error}");
            ExitCode::FAILURE
        }
    }
}

/// All of it; how many steps were not as they must be.
fn play() -> Result<usize> {
    let mut stage = Stage::build()?;
    secrets::main_job(&mut stage)?;
    record::log_and_backup(&mut stage)?;
    thief::at_the_rows(&mut stage)?;
    thief::at_the_log(&mut stage)?;
    stage.measured();
    Ok(stage.failed())
}
