//! `cargo xtask vectors`: our stored formats, read by a program that has none of our code.
//!
//! `tests/vectors/verify.py` is Python with the `cryptography` package. It closes with
//! `N passed, N failed, N skipped`, and finds the `strongroom` program by `STRONGROOM_BIN`.

use std::process::{Command, Stdio};

use crate::place;
use crate::setup;
use crate::stop::{Result, Stop, While};
use crate::tally::Tally;
use crate::test::Surroundings;

pub(crate) fn run() -> Result<()> {
    let tally = read(&Surroundings::prepare()?)?;
    match (tally.is_empty(), tally.failed) {
        (true, _) => Err(Stop::new("no vector was read")),
        (false, 0) => Ok(()),
        (false, failed) => Err(Stop::new(format!("{failed} vectors failed"))),
    }
}

/// Runs the reader. Until it exists, there is nothing to count.
pub(crate) fn read(surroundings: &Surroundings) -> Result<Tally> {
    let folder = place::root().join("tests/vectors");
    let reader = folder.join("verify.py");
    if !reader.is_file() {
        println!("no tests/vectors/verify.py yet");
        return Ok(Tally::default());
    }
    let python = setup::python_with(&folder.join("requirements.txt"))?;
    let output = Command::new(python)
        .arg("-B")
        .arg(&reader)
        .current_dir(place::root())
        .envs(surroundings.variables())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .doing("cannot run verify.py")?;
    let said = String::from_utf8_lossy(&output.stdout);
    print!("{said}");

    let mut tally = Tally::from_closing_line(&said).unwrap_or_else(|| {
        println!("verify.py did not close with `N passed, N failed, N skipped`");
        Tally { failed: 1, ..Tally::default() }
    });
    if !output.status.success() && tally.failed == 0 {
        println!("verify.py ended with {}, though it counted no failure", output.status);
        tally.failed = 1;
    }
    Ok(tally)
}
