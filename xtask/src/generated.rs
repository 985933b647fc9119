//! Committed files that a program writes: each is compared with what the program says today.
//!
//! They are committed so that they can be read without building anything, and compared so
//! that they stay true.

use std::fs;
use std::process::Stdio;

use crate::check::Verdict;
use crate::place;
use crate::stop::{Result, Stop, While};

/// A file, and the example whose standard output it is.
struct Generated {
    file: &'static str,
    package: &'static str,
    example: &'static str,
    /// The example's source: until it exists there is nothing to compare.
    source: &'static str,
}

const ALL: &[Generated] = &[Generated {
    file: "docs/errors.md",
    package: "strongroom",
    example: "errors_page",
    source: "core/examples/errors_page.rs",
}];

/// Compares every generated file with its program's output.
pub(crate) fn check() -> Result<Verdict> {
    let mut stale = Vec::new();
    for generated in ready() {
        let wanted = generated.output()?;
        let found = fs::read(place::root().join(generated.file)).unwrap_or_default();
        if found != wanted {
            stale.push(format!("{} is not what {} writes", generated.file, generated.source));
        }
    }
    Ok(match (ready().next(), stale.is_empty()) {
        (None, _) => Verdict::Skipped("none yet".into()),
        (Some(_), true) => Verdict::Passed,
        (Some(_), false) => {
            Verdict::Failed { output: stale.join("\n"), next_step: "cargo xtask check --fix, then commit the files" }
        }
    })
}

/// Writes every generated file anew.
pub(crate) fn write() -> Result<()> {
    for generated in ready() {
        let path = place::root().join(generated.file);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).doing(format_args!("cannot create {}", folder.display()))?;
        }
        fs::write(&path, generated.output()?).doing(format_args!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn ready() -> impl Iterator<Item = &'static Generated> {
    ALL.iter().filter(|generated| place::root().join(generated.source).is_file())
}

impl Generated {
    fn output(&self) -> Result<Vec<u8>> {
        let output = place::cargo()?
            .args(["run", "--quiet", "--package", self.package, "--example", self.example])
            .stdin(Stdio::null())
            .output()
            .doing("cannot run cargo")?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(Stop::new(format!("example {} did not run:\n{}", self.example, said.trim_end())))
    }
}
