//! `cargo xtask interop`: our notes, trees and proofs, checked by the code of Go's checksum database.
//!
//! `tests/go` is a Go program with `golang.org/x/mod`. Proofs are made for it by our own code, in
//! `tests/examples/prove_log.rs`.

use std::process::Stdio;

use crate::place;
use crate::setup;
use crate::stop::{Result, succeed};
use crate::suite;
use crate::tally::Tally;
use crate::test::Surroundings;

pub(crate) fn run() -> Result<()> {
    suite::demand(&read(&Surroundings::prepare()?)?)
}

/// Builds what makes the proofs, and runs the reader.
pub(crate) fn read(surroundings: &Surroundings) -> Result<Tally> {
    // With the features that `cargo test` has just built everything with, there is hardly anything left to build.
    succeed(
        place::cargo()?
            .args(["build", "--workspace", "--all-features", "--example", "prove_log", "--quiet"])
            .stdin(Stdio::null()),
    )?;
    let mut reader = setup::go()?;
    reader
        .args(["run", "."])
        .current_dir(place::root().join("tests/go"))
        .env("STRONGROOM_PROVE", place::target()?.join("debug/examples/prove_log"));
    suite::count(&mut reader, "tests/go", surroundings)
}
