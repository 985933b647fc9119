//! `cargo xtask check`: all that can be said about the code without running it.
//!
//! Every step runs, also after one failed: a person wants the whole list at once.

use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::generated;
use crate::place;
use crate::setup;
use crate::stop::{Result, Stop, succeed};

/// How a step ended.
pub(crate) enum Verdict {
    Passed,
    /// What went wrong, in full, and what to do about it.
    Failed {
        output: String,
        next_step: &'static str,
    },
    /// Not run, for this reason.
    Skipped(String),
}

type Step = fn() -> Result<Verdict>;

pub(crate) fn run(fix: bool) -> Result<()> {
    if fix {
        succeed(place::cargo()?.args(["fmt", "--all"]))?;
        generated::write()?;
    }

    let start = Instant::now();
    let steps: [(&str, Step); 6] = [
        ("format", format),
        ("clippy", clippy),
        ("docs", docs),
        ("licences, bans, sources", deny),
        ("generated files", generated::check),
        ("advisories", advisories),
    ];
    let mut failed = Vec::new();
    for (name, step) in steps {
        if !passes(name, step) {
            failed.push(name);
        }
    }

    let took = seconds(start.elapsed());
    if failed.is_empty() {
        println!("check: all good ({took})");
        Ok(())
    } else {
        Err(Stop::new(format!("check failed after {took}: {}", failed.join("; "))))
    }
}

/// Runs one step and prints its line: name, time, verdict.
fn passes(name: &str, step: Step) -> bool {
    print!("{name:<26}");
    let _ = io::stdout().flush();
    let start = Instant::now();
    let verdict = step();
    let took = seconds(start.elapsed());
    match verdict {
        Ok(Verdict::Passed) => println!("{took:>9}  ok"),
        Ok(Verdict::Skipped(reason)) => println!("{took:>9}  skipped: {reason}"),
        Ok(Verdict::Failed { output, next_step }) => {
            println!("{took:>9}  FAILED\n\n{}\n\n  next: {next_step}\n", output.trim_end());
            return false;
        }
        Err(stop) => {
            println!("{took:>9}  FAILED\n\n{stop}\n");
            return false;
        }
    }
    true
}

fn format() -> Result<Verdict> {
    verdict(place::cargo()?.args(["fmt", "--all", "--check"]), "cargo xtask check --fix")
}

fn clippy() -> Result<Verdict> {
    verdict(
        place::cargo()?
            .args(["clippy", "--workspace", "--all-targets", "--all-features", "--quiet"])
            .args(["--", "-D", "warnings"]),
        "repair each; or, where the lint is wrong, `#[allow(…, reason = \"…\")]` on the spot",
    )
}

/// Libraries only: the program `strongroom` would overwrite the pages of the crate
/// `strongroom`, and nobody reads a program's rustdoc.
fn docs() -> Result<Verdict> {
    verdict(
        place::cargo()?
            .args(["doc", "--workspace", "--lib", "--no-deps", "--all-features", "--quiet"])
            .env("RUSTDOCFLAGS", "-D warnings"),
        "repair the doc comment that is named",
    )
}

fn deny() -> Result<Verdict> {
    verdict(
        Command::new(setup::cargo_deny()?).current_dir(place::root()).args([
            "--log-level",
            "error",
            "check",
            "bans",
            "licenses",
            "sources",
        ]),
        "deny.toml says what is allowed and why: do without the crate, or name the exception there",
    )
}

/// Never run here: the answer changes from day to day and needs a network, so it would
/// stop people whose change has nothing to do with it.
fn advisories() -> Result<Verdict> {
    let program = setup::cargo_deny()?;
    Ok(Verdict::Skipped(format!("needs a network; ask with `{} check advisories`", program.display())))
}

/// The verdict of a program: its exit status, with all it said if that is bad.
fn verdict(command: &mut Command, next_step: &'static str) -> Result<Verdict> {
    let shown = crate::stop::show(command);
    let output =
        command.stdin(Stdio::null()).output().map_err(|error| Stop::new(format!("cannot run `{shown}`: {error}")))?;
    if output.status.success() {
        return Ok(Verdict::Passed);
    }
    let said = [output.stdout, output.stderr].concat();
    let output = format!("$ {shown}\n{}", String::from_utf8_lossy(&said));
    Ok(Verdict::Failed { output, next_step })
}

pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
