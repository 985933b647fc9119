//! `cargo xtask bench`: builds optimised and runs the program in `benches/`.

use std::ffi::OsString;

use crate::place;
use crate::setup::{self, Need};
use crate::stop::{Result, succeed};

pub(crate) fn run(arguments: &[OsString]) -> Result<()> {
    setup::packages(&[Need::Strace])?;
    let module = setup::softhsm()?;
    succeed(
        place::cargo()?
            .args(["run", "--release", "--package", "strongroom-benches", "--"])
            .args(arguments)
            .env("STRONGROOM_TEST_PKCS11", module),
    )
}
