//! Why there is no verdict, and the exit code of that, which is never a verdict's.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use crate::args::Format;

/// The exit code without a verdict. Those of verdicts are 0 to 3.
const NO_VERDICT: u8 = 4;

/// Why there is no verdict.
#[derive(Debug)]
pub(crate) struct Failure(String);

#[derive(Serialize)]
struct Report<'a> {
    error: Body<'a>,
}

#[derive(Serialize)]
struct Body<'a> {
    message: &'a str,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// Something about a file, named as it was typed.
    pub(crate) fn of(file: &Path, what: impl std::fmt::Display) -> Self {
        Self(format!("{}: {what}", file.display()))
    }

    /// Writes it to stderr and says how to exit.
    pub(crate) fn report(&self, format: Format) -> ExitCode {
        let message = &self.0;
        let line = match format {
            Format::Text => format!("\x1b[1;31merror:\x1b[0m {message}"),
            Format::Json => serde_json::to_string(&Report { error: Body { message } }).unwrap_or_default(),
        };
        // If nobody reads it, the exit code still tells.
        let _ = writeln!(anstream::stderr(), "{line}");
        NO_VERDICT.into()
    }
}

/// Reports arguments that could not be understood, or shows the help that was asked for.
pub(crate) fn report_arguments(error: &clap::Error) -> ExitCode {
    let shown = error.print();
    match (error.use_stderr(), shown) {
        (false, Ok(())) => ExitCode::SUCCESS,
        (false, Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        _ => NO_VERDICT.into(),
    }
}
