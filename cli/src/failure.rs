//! What went wrong, as a person and a program read it, and the exit code, which follows from the class alone.

use std::{io, panic, process::ExitCode};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use serde::Serialize;
use strongroom::{Code, Error};

use crate::{
    output::{self, Format},
    words,
};

/// Exit code after a panic: that of an internal error.
pub(crate) const PANICKED: u8 = 1;

/// Exit code for a command line that does not say what is needed.
const USAGE: u8 = 2;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The product's own answer.
    Product(Error),
    /// The command line does not say what is needed.
    Usage(String),
    /// The command of `secret try` did not accept any value.
    NotAccepted {
        /// What the command exited with.
        exit: u8,
        /// The product's answer.
        error: Error,
    },
    /// The command of `run` or `secret try` did not start.
    NotStarted {
        /// As shells have it: 127 if it is not there, 126 if it is no program.
        exit: u8,
        /// Why.
        message: String,
    },
    /// Nobody reads the output any more: nothing is left to say.
    Unread,
}

#[derive(Serialize)]
struct Report<'a> {
    error: Body<'a>,
}

#[derive(Serialize)]
struct Body<'a> {
    code: Option<&'a str>,
    class: Option<String>,
    message: &'a str,
    remedy: &'a str,
}

impl Failure {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into())
    }

    /// Writes it to stderr and says how to exit.
    pub(crate) fn report(&self, format: Format) -> ExitCode {
        match self {
            Self::Product(error) => {
                let again = error.retry_after().map(|wait| wait.as_secs() + u64::from(wait.subsec_nanos() > 0));
                let message = again.map_or_else(|| error.to_string(), |wait| format!("{error}; again in {wait} s"));
                write_report(format, &message, error.remedy(), Some(error.code()));
                // The cause is for whoever looks for the fault: of libraries and systems, never of users' data.
                tracing::debug!(error = ?error, "the cause");
                error.class().exit_code().into()
            }
            Self::Usage(message) => {
                write_report(format, message, "", None);
                USAGE.into()
            }
            Self::NotStarted { exit, message } => {
                write_report(format, message, "check the command after `--`, and its path", None);
                (*exit).into()
            }
            Self::NotAccepted { exit, error } => {
                write_report(format, &error.to_string(), error.remedy(), Some(error.code()));
                (*exit).into()
            }
            Self::Unread => ExitCode::SUCCESS,
        }
    }

    /// An error of writing to stdout. That a reader such as `head` has seen enough is none.
    pub(crate) fn of_stdout(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Unread,
            _ => Self::Product(Error::new(Code::FileUnreadable).detail(format!("stdout: {error}"))),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Product(error)
    }
}

impl From<strongroom::device::DeviceError> for Failure {
    fn from(error: strongroom::device::DeviceError) -> Self {
        Self::Product(error.into())
    }
}

/// Reports arguments that could not be understood, or shows the help that was asked for.
///
/// An argument too many is not repeated: it may be a value that somebody typed where it does not belong,
/// and what is on stderr ends in logs.
pub(crate) fn report_arguments(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        return error
            .print()
            .map_or_else(|error| Failure::of_stdout(error).report(Format::Text), |()| ExitCode::SUCCESS);
    }
    let given: Vec<_> = std::env::args_os().collect();
    let wants_json = given.iter().any(|arg| arg == "-ojson" || arg == "--output=json")
        || given.windows(2).any(|pair| (pair[0] == "-o" || pair[0] == "--output") && pair[1] == "json");
    // A noun alone asks what can be done with it.
    if let (ErrorKind::MissingSubcommand, Some(ContextValue::String(noun)), false) =
        (error.kind(), error.get(ContextKind::InvalidSubcommand), wants_json)
        && let Some(help) = words::help_of(noun)
    {
        output::to_stderr(help.trim_end());
        return USAGE.into();
    }
    let stray = matches!(error.kind(), ErrorKind::UnknownArgument)
        && matches!(error.get(ContextKind::InvalidArg), Some(ContextValue::String(arg)) if !arg.starts_with('-'));
    let too_many = "an argument too many; values come from a pipe or a file, and a command goes after `--`";
    match (stray, wants_json) {
        (false, false) => drop(error.print()),
        (true, false) => {
            write_report(Format::Text, too_many, "", None);
            if let Some(ContextValue::StyledStr(usage)) = error.get(ContextKind::Usage) {
                output::to_stderr(&format!("\n{}", usage.ansi()));
            }
        }
        (true, true) => write_report(Format::Json, too_many, "see --help", None),
        (false, true) => {
            let text = error.to_string();
            let message = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
            let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
            write_report(Format::Json, &message, "see --help", None);
        }
    }
    USAGE.into()
}

fn write_report(format: Format, message: &str, remedy: &str, code: Option<Code>) {
    match format {
        Format::Text => {
            let (strong, plain) = (output::ERROR, output::DIM);
            output::to_stderr(&format!("{strong}error:{strong:#} {message}"));
            if !remedy.is_empty() {
                output::to_stderr(&format!("  {plain}next:{plain:#} {remedy}"));
            }
            if let Some(code) = code {
                output::to_stderr(&format!("  {plain}code:{plain:#} {}", code.name()));
            }
        }
        Format::Json => {
            let (name, class) = (code.map(Code::name), code.map(|code| code.class().to_string()));
            let report = Report { error: Body { code: name, class, message, remedy } };
            output::to_stderr(&serde_json::to_string(&report).unwrap_or_default());
        }
    }
}

/// A panic is a bug of ours. It is reported by its place; the payload may hold anything and is not shown.
pub(crate) fn report_panics(format: Format) {
    panic::set_hook(Box::new(move |info| {
        let place = info.location().map(|at| format!("{}:{}", at.file(), at.line())).unwrap_or_default();
        let code = Code::Internal;
        write_report(format, &format!("{}: {place}", code.sentence()), code.remedy(), Some(code));
    }));
}
