//! Test programs in other languages: run, shown, counted.
//!
//! Each closes with `N passed, N failed, N skipped`, and finds the `strongroom` program and the
//! token by what stands in its environment.

use std::process::{Command, Stdio};

use crate::stop::{Result, Stop, While};
use crate::tally::Tally;
use crate::test::Surroundings;

/// Runs `program`, which people call `name`.
pub(crate) fn count(program: &mut Command, name: &str, surroundings: &Surroundings) -> Result<Tally> {
    let output = program
        .envs(surroundings.variables())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .doing(format_args!("cannot run {name}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    print!("{said}");

    let mut tally = Tally::from_closing_line(&said).unwrap_or_else(|| {
        println!("{name} did not close with `N passed, N failed, N skipped`");
        Tally { failed: 1, ..Tally::default() }
    });
    if !output.status.success() && tally.failed == 0 {
        println!("{name} ended with {}, though it counted no failure", output.status);
        tally.failed = 1;
    }
    Ok(tally)
}

/// For a command that runs nothing but one suite: something was tried, and nothing failed.
pub(crate) fn demand(tally: &Tally) -> Result<()> {
    match (tally.is_empty(), tally.failed) {
        (true, _) => Err(Stop::new("nothing was tried")),
        (false, 0) => Ok(()),
        (false, failed) => Err(Stop::new(format!("{failed} failed"))),
    }
}
