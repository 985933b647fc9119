//! `run`: a command with secrets in its environment.
//!
//! The secrets are read by one export, the deployment is closed and its keys are wiped, and then this
//! process becomes the command: no parent stays behind, so signals reach the command and its exit code is
//! the shell's. The values are in the new environment only, which is visible to the command, its children
//! and root. What this process held of them goes with its memory when it becomes the command.

use std::{
    ffi::{OsStr, OsString},
    io,
    process::Command,
};

use clap::Args;
use strongroom::{
    Code, Error, Folder,
    transfer::environment::{self, Variable},
};

use crate::{app::App, failure::Failure};

/// Start a command with secrets in its environment
///
/// Every secret in the folder and below becomes a variable: its last segment in upper case, with `-` and
/// `.` turned into `_`, so that prod/api/db-password becomes DB_PASSWORD. Two that would become the same
/// are refused, and so is a folder with nothing in it. What is disabled, archived, expired, deleted or destroyed
/// is left out. A variable that is there already is replaced.
///
/// This program becomes the command: signals reach it, and its exit code is yours; 127 if it is not there,
/// 126 if it cannot be started. It runs with core dumps off. Whoever may write these secrets decides the
/// command's environment, PATH included.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strongroom run --tenant acme --prefix prod/api -- ./server --port 8080
  strongroom run --tenant acme --prefix prod/api -- sh -c 'echo ${#DB_PASSWORD}'")]
pub(crate) struct Run {
    /// Folder whose secrets the command gets [default: the top]
    #[arg(long, value_name = "FOLDER", default_value = "", hide_default_value = true)]
    prefix: String,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Run {
    pub(crate) fn carry_out(&self, app: &App) -> Result<(), Failure> {
        let folder: Folder = self.prefix.parse()?;
        let exported = app.in_secrets(async |secrets| Ok(secrets.export(&folder).await?))?;
        if exported.secrets.is_empty() {
            let place =
                if folder.is_root() { "the tenant has none".to_owned() } else { format!("nothing is under {folder}") };
            return Err(Error::new(Code::SecretNotFound).detail(place).into());
        }
        let secrets = exported.secrets.into_iter().map(|secret| (secret.path, secret.value));
        become_command(&self.command, &environment::variables(secrets)?)
    }
}

fn become_command(command: &[OsString], variables: &[Variable]) -> Result<(), Failure> {
    let (program, arguments) = command.split_first().ok_or_else(|| Failure::usage("give a command after --"))?;
    let mut command = Command::new(program);
    command.args(arguments);
    for variable in variables {
        // Values are text or JSON, and so UTF-8.
        variable.value.expose(|bytes| {
            command.env(&variable.name, std::str::from_utf8(bytes).unwrap_or_default());
        });
    }
    start(command).map_err(|error| not_started(program, &error))
}

/// Why a command did not start, with the exit code that shells have for it.
pub(crate) fn not_started(program: &OsStr, error: &io::Error) -> Failure {
    Failure::NotStarted {
        exit: if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 },
        message: match error.kind() {
            io::ErrorKind::NotFound => format!("no such command: {}", program.to_string_lossy()),
            io::ErrorKind::ArgumentListTooLong => {
                "the command cannot be started: its arguments and environment are more than the system takes".to_owned()
            }
            kind => format!("{} cannot be started: {kind}", program.to_string_lossy()),
        },
    }
}

/// Returns only if it fails.
#[cfg(unix)]
fn start(mut command: Command) -> io::Result<()> {
    use std::os::unix::process::CommandExt as _;
    Err(command.exec())
}

/// Where a process cannot become another, it waits for it.
#[cfg(not(unix))]
fn start(mut command: Command) -> io::Result<()> {
    let status = command.status()?;
    std::process::exit(status.code().unwrap_or(1))
}
