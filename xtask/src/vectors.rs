//! `cargo xtask vectors`: our stored formats, read by a program that has none of our code.
//!
//! `tests/vectors/verify.py` is Python with the `cryptography` package.

use std::process::Command;

use crate::place;
use crate::setup;
use crate::stop::Result;
use crate::suite;
use crate::tally::Tally;
use crate::test::Surroundings;

pub(crate) fn run() -> Result<()> {
    suite::demand(&read(&Surroundings::prepare()?)?)
}

/// Runs the reader.
pub(crate) fn read(surroundings: &Surroundings) -> Result<Tally> {
    let folder = place::root().join("tests/vectors");
    let python = setup::python_with(&folder.join("requirements.txt"))?;
    let mut reader = Command::new(python);
    reader.arg("-B").arg(folder.join("verify.py")).current_dir(place::root());
    suite::count(&mut reader, "verify.py", surroundings)
}
