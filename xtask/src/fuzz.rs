//! `cargo xtask fuzz`: the parsers under a coverage-guided fuzzer, for as long as you let it.
//!
//! The targets are in `fuzz/`, a workspace of its own that needs a nightly compiler. Each begins with its
//! corpus there; what it finds to be new goes into the cache, and what does harm into `fuzz/artifacts`.

use std::fs;
use std::process::Command;

use crate::place;
use crate::setup;
use crate::stop::{Result, Stop, While, succeed};

/// How long each target gets when all run.
const SECONDS_EACH: u32 = 60;

/// Runs one target until it is stopped, or every target for a minute.
pub(crate) fn run(target: Option<&str>) -> Result<()> {
    let targets = targets()?;
    match target {
        None => targets.iter().try_for_each(|target| one(target, SECONDS_EACH)),
        // Zero: without an end.
        Some(target) if targets.iter().any(|known| known == target) => one(target, 0),
        Some(target) => Err(Stop::new(format!("no target is called {target}; there are {}", targets.join(", ")))),
    }
}

fn targets() -> Result<Vec<String>> {
    let folder = place::root().join("fuzz/fuzz_targets");
    let files = fs::read_dir(&folder).doing(format_args!("cannot list {}", folder.display()))?;
    let mut targets: Vec<_> =
        files.flatten().filter_map(|file| Some(file.path().file_stem()?.to_str()?.to_owned())).collect();
    targets.sort();
    Ok(targets)
}

fn one(target: &str, seconds: u32) -> Result<()> {
    let program = setup::cargo_fuzz()?;
    let found = place::cache()?.join("fuzz").join(target);
    fs::create_dir_all(&found).doing(format_args!("cannot create {}", found.display()))?;
    println!("\n── {target}");
    succeed(
        Command::new("rustup")
            .args(["run", "nightly"])
            .arg(program)
            .args(["fuzz", "run", target])
            .args([&found, &place::root().join("fuzz/corpus").join(target)])
            .args(["--", &format!("-max_total_time={seconds}")])
            .current_dir(place::root())
            // The cargo that started us is another compiler's.
            .env_remove("CARGO")
            .env_remove("RUSTUP_TOOLCHAIN")
            .env("CARGO_TARGET_DIR", place::target()?.join("fuzz")),
    )
}
