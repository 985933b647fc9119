//! What went wrong, as a person and a program read it, and the exit code, which follows from the class alone.

use std::{io, panic, process::ExitCode};

use clap::CommandFactory as _;
use serde::Serialize;
use strongroom::{Code, Error};

use crate::output::{self, Format};

/// Exit code after a panic: that of an internal error.
pub(crate) const PANICKED: u8 = 1;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The product's own answer.
    Product(Error),
    /// The command line does not say what is needed.
    Usage(String),
    /// The command of `run` did not start.
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
                write_report(format, &error.to_string(), error.remedy(), Some(error.code()));
                // The cause is for whoever looks for the fault: of libraries and systems, never of users' data.
                tracing::debug!(error = ?error, "the cause");
                error.class().exit_code().into()
            }
            Self::Usage(message) => {
                match format {
                    Format::Text => drop(usage_error(message).print()),
                    Format::Json => write_report(format, message, "see `strongroom --help`", None),
                }
                2.into()
            }
            Self::NotStarted { exit, message } => {
                write_report(format, message, "check the command after `--`, and its path", None);
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

fn usage_error(message: &str) -> clap::Error {
    crate::args::Cli::command().error(clap::error::ErrorKind::MissingRequiredArgument, message)
}

fn write_report(format: Format, message: &str, remedy: &str, code: Option<Code>) {
    match format {
        Format::Text => {
            let (strong, plain) = (output::ERROR, output::DIM);
            output::to_stderr(&format!("{strong}error:{strong:#} {message}"));
            output::to_stderr(&format!("  {plain}next:{plain:#} {remedy}"));
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
pub(crate) fn report_panics() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(|at| format!("{}:{}", at.file(), at.line())).unwrap_or_default();
        let code = Code::Internal;
        write_report(Format::Text, &format!("{}: {place}", code.sentence()), code.remedy(), Some(code));
    }));
}
