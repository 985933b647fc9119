//! Why a command stopped: a sentence for a person, which says what to do next.

use std::fmt;
use std::process::Command;

pub(crate) type Result<T> = std::result::Result<T, Stop>;

/// The reason to stop. Nobody catches one: `main` prints it and exits non-zero.
#[derive(Debug)]
pub(crate) struct Stop(String);

impl Stop {
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Turns an I/O error into a [`Stop`] that says what was being done.
pub(crate) trait While<T> {
    fn doing(self, what: impl fmt::Display) -> Result<T>;
}

impl<T> While<T> for std::io::Result<T> {
    fn doing(self, what: impl fmt::Display) -> Result<T> {
        self.map_err(|error| Stop::new(format!("{what}: {error}")))
    }
}

/// Runs `command` in the foreground; anything but success is a [`Stop`].
pub(crate) fn succeed(command: &mut Command) -> Result<()> {
    let shown = show(command);
    let status = command.status().doing(format_args!("cannot run `{shown}`"))?;
    if status.success() { Ok(()) } else { Err(Stop::new(format!("`{shown}` ended with {status}"))) }
}

/// The command as a person would type it.
pub(crate) fn show(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}
