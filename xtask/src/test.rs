//! `cargo xtask test`: every test in every language, counted on one line.
//!
//! Sets the machine up first, so that nothing is skipped. Once tests have run, the line
//! `N passed, N failed, N skipped` is the last one, whatever happened.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Instant;

use crate::check::seconds;
use crate::interop;
use crate::place;
use crate::setup::{self, Need};
use crate::stop::{Result, Stop, While, succeed};
use crate::tally::Tally;
use crate::vectors;

/// With `CI=true` every skip is a failure, save those whose reason contains one of these.
/// Each stands here with the reason why no machine of ours can run it.
const SKIPS_ALLOWED_IN_CI: &[&str] = &[];

/// How long the parsers are given hostile bytes, all together; plain `cargo test` takes less.
const FUZZ_SECONDS: &str = "STRONGROOM_FUZZ_SECONDS";
const FUZZ_SECONDS_DEFAULT: &str = "20";

/// The tests in one language.
type Suite = fn(&Surroundings) -> Result<Tally>;

/// A bad verdict is not a [`Stop`], which would be printed after the last line.
pub(crate) fn run() -> Result<ExitCode> {
    setup::packages(&[Need::SoftHsm, Need::Python, Need::Go, Need::Strace])?;
    let surroundings = Surroundings::prepare()?;

    let mut sum = Tally::default();
    let mut summary = Vec::new();
    let suites: [(&str, Suite); 3] =
        [("Rust", rust), ("Python, reading our formats", vectors::read), ("Go, checking our log", interop::read)];
    for (language, suite) in suites {
        println!("\n── {language}");
        let start = Instant::now();
        let tally = suite(&surroundings)?;
        summary.push(format!("{language}: {tally} ({})", seconds(start.elapsed())));
        sum += tally;
    }

    println!("\n── Together");
    summary.iter().for_each(|line| println!("{line}"));
    sum.reasons.iter().for_each(|reason| println!("SKIPPED: {reason}"));
    let verdict = verdict(&sum);
    if let Err(stop) = &verdict {
        println!("{stop}");
    }
    println!("{sum}");
    Ok(if verdict.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn verdict(sum: &Tally) -> Result<()> {
    let unexcused = sum.skips_beyond(SKIPS_ALLOWED_IN_CI);
    if sum.is_empty() {
        Err(Stop::new("FAILED: not one test ran"))
    } else if sum.failed > 0 {
        Err(Stop::new(format!("FAILED: {} of the tests", sum.failed)))
    } else if place::in_ci() && unexcused > 0 {
        Err(Stop::new(format!("FAILED: CI may skip nothing, and {unexcused} were skipped")))
    } else {
        Ok(())
    }
}

/// What tests find around them, by these names in the environment.
pub(crate) struct Surroundings {
    /// `STRONGROOM_TEST_PKCS11`: the token's module.
    pub(crate) module: PathBuf,
    /// `STRONGROOM_BIN`: the `strongroom` program, built as a user gets it.
    pub(crate) program: PathBuf,
}

impl Surroundings {
    /// Installs the token and builds the programs.
    pub(crate) fn prepare() -> Result<Self> {
        let module = setup::softhsm()?;
        build_programs()?;
        Ok(Self { module, program: place::target()?.join("debug/strongroom") })
    }

    pub(crate) fn variables(&self) -> [(&'static str, &Path); 2] {
        [("STRONGROOM_TEST_PKCS11", &self.module), ("STRONGROOM_BIN", &self.program)]
    }
}

/// Tests and demo start the programs as a user would, so they are built before.
pub(crate) fn build_programs() -> Result<()> {
    succeed(place::cargo()?.args(["build", "--workspace", "--bins"]).stdin(Stdio::null()))
}

fn rust(surroundings: &Surroundings) -> Result<Tally> {
    let skip_log = std::env::temp_dir().join(format!("strongroom-skips-{}", std::process::id()));
    let mut child = place::cargo()?
        .args(["test", "--workspace", "--all-features", "--no-fail-fast"])
        .envs(surroundings.variables())
        .env("STRONGROOM_SKIP_LOG", &skip_log)
        .env(FUZZ_SECONDS, std::env::var_os(FUZZ_SECONDS).unwrap_or_else(|| FUZZ_SECONDS_DEFAULT.into()))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .doing("cannot run cargo test")?;

    let mut tally = Tally::default();
    let stdout = child.stdout.take().expect("it was piped");
    for line in BufReader::new(stdout).split(b'\n') {
        let line = line.doing("cannot read what cargo test says")?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        tally.count_libtest_line(&line);
    }
    let status = child.wait().doing("cannot wait for cargo test")?;

    tally.count_skip_log(&fs::read_to_string(&skip_log).unwrap_or_default());
    let _ = fs::remove_file(&skip_log);
    // A test binary that was killed, or did not compile, prints no counts.
    if !status.success() && tally.failed == 0 {
        println!("cargo test ended with {status}, though no test reported a failure");
        tally.failed = 1;
    }
    // `cargo test --all-features` may have put its own build in the program's place.
    build_programs()?;
    Ok(tally)
}
