//! The demo, to its end: it compares what it sees itself, and says so by its exit status.

#![allow(clippy::print_stderr, reason = "a skip is said aloud")]

use std::{
    env,
    fs::{self, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

#[test]
fn the_demo_finds_everything_as_expected() {
    let demo = Path::new(env!("CARGO_BIN_EXE_demo"));
    let program = env::var_os("STRONGROOM_BIN").map_or_else(|| demo.with_file_name("strongroom"), PathBuf::from);
    let Some(module) = softhsm() else { return skip("SoftHSM is not installed") };
    if Command::new("softhsm2-util").arg("--version").output().is_err() {
        return skip("softhsm2-util is not installed");
    }
    if !program.exists() {
        return skip("the program strongroom is not built");
    }
    let output = Command::new(demo)
        .env("STRONGROOM_TEST_PKCS11", module)
        .env("STRONGROOM_BIN", program)
        .output()
        .expect("the demo starts");
    let (shown, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{shown}\n{said}");
    assert!(shown.lines().count() < 200, "nobody reads more than that");
    assert!(!shown.contains('\x1b'), "colours are for terminals");
}

/// As the other tests find it.
fn softhsm() -> Option<PathBuf> {
    if let Some(module) = env::var_os("STRONGROOM_TEST_PKCS11") {
        return Some(module.into());
    }
    let multiarch = fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|folder| folder.path());
    ["/usr/lib", "/usr/lib64", "/usr/local/lib"]
        .map(PathBuf::from)
        .into_iter()
        .chain(multiarch)
        .map(|folder| folder.join("softhsm/libsofthsm2.so"))
        .find(|path| path.exists())
}

/// Says that nothing was tested, so that nobody takes it for a pass.
fn skip(reason: &str) {
    let line = format!("the_demo_finds_everything_as_expected: {reason}\n");
    eprint!("skipped {line}");
    if let Some(log) = env::var_os("STRONGROOM_SKIP_LOG") {
        let log = OpenOptions::new().append(true).create(true).open(log);
        log.and_then(|mut log| log.write_all(line.as_bytes())).expect("STRONGROOM_SKIP_LOG is writable");
    }
}
