//! `cargo xtask demo`: sets the machine up and starts the demo, which lives in `examples/`.
//!
//! Unoptimised unless asked: after a fresh clone that is the shorter wait, since every
//! dependency is optimised anyway (see `[profile.dev]`) and `cargo xtask test` uses the
//! same build.

use std::ffi::OsString;
use std::process::Command;

use crate::place;
use crate::setup;
use crate::stop::{Result, succeed};

pub(crate) fn run(release: bool, arguments: &[OsString]) -> Result<()> {
    let module = setup::softhsm()?;
    let profile: &[&str] = if release { &["--release"] } else { &[] };
    let folder = place::target()?.join(if release { "release" } else { "debug" });

    println!("Building; the first time takes a few minutes.");
    succeed(place::cargo()?.args(["build", "--workspace", "--bins"]).args(profile))?;
    succeed(
        Command::new(folder.join("demo"))
            .args(arguments)
            .current_dir(place::root())
            .env("STRONGROOM_TEST_PKCS11", module)
            .env("STRONGROOM_BIN", folder.join("strongroom")),
    )
}
