//! `secret try`: a command says whether the current value is the right one, or the one before.
//!
//! Unlike `run`, this process stays: it writes down what the command said. So it hands on the signals that would end
//! it, and lives until the command has ended.

use std::{
    ffi::OsString,
    io::{self, IsTerminal as _, Write as _},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use clap::Args;
use serde::Serialize;
use strongroom::{Code, Error, Offered, SecretPath, SecretValue, ValueKind, Verdict};

use crate::{
    app::App,
    failure::Failure,
    output::{self, ReceiptJson},
    run::not_started,
};

/// How soon the end of the command, or a signal, is noticed.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Let a command try the current value and, if it rejects that, the previous one
///
/// For the time of a rotation, when the other side may still know the old value. The command gets the value on
/// stdin, or with --env in an environment variable, and never as an argument. If it exits with 0, the value is
/// accepted; with anything else it is rejected, and the command runs once more with the previous version, if there is
/// one. A command that a signal ends has said nothing, and is not run again.
///
/// The log has a line before the first run, and one that says which version was accepted. The exit code is the
/// command's last one; 127 if it is not there, 126 if it cannot be started. Signals are handed on to it.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strongroom secret try prod/db/password --env PGPASSWORD -- psql -h db -U app -c 'select 1'
  strongroom secret try prod/api/token -- ./login --token-from-stdin")]
pub(crate) struct TryArgs {
    /// Which secret
    path: String,
    /// Give the value in this environment variable, and leave stdin as it is
    #[arg(long, value_name = "VARIABLE")]
    env: Option<String>,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

#[derive(Serialize)]
struct Reply<'a> {
    path: &'a str,
    version: u64,
    stage: &'static str,
    receipt: ReceiptJson<'a>,
}

impl TryArgs {
    pub(super) fn carry_out(&self, app: &App) -> Result<(), Failure> {
        let path: SecretPath = self.path.parse()?;
        if self.env.as_ref().is_some_and(|name| name.is_empty() || name.contains(['=', '\0'])) {
            return Err(Failure::usage("the name of a variable is not empty, and has no `=`"));
        }
        // What the last run came to, if it did not accept.
        let mut last = None;
        let tried = app.in_secrets(async |secrets| {
            let check = |value: &SecretValue, _: Offered| match self.run(value) {
                Ok(status) if status.success() => Verdict::Accept(()),
                Ok(status) => {
                    let code = status.code();
                    last = Some(Ok(status));
                    if code.is_some() { Verdict::Reject } else { Verdict::Stop }
                }
                Err(failure) => {
                    last = Some(Err(failure));
                    Verdict::Stop
                }
            };
            Ok(secrets.try_current(&path, check).await)
        })?;
        match (tried, last) {
            (Ok(tried), _) => {
                let (version, stage) = (tried.accepted.version.0, tried.accepted.stage.as_str());
                let reply = Reply { path: path.as_str(), version, stage, receipt: (&tried.receipt).into() };
                app.out.done(&reply, || {
                    format!(
                        "tried {path}: version {version} was accepted, the {stage} one {}",
                        output::recorded(&tried.receipt)
                    )
                })
            }
            (Err(error), Some(Ok(status))) if is_of_the_command(&error) => {
                Err(Failure::NotAccepted { exit: exit_of(status), error })
            }
            (Err(error), Some(Err(failure))) if is_of_the_command(&error) => Err(failure),
            (Err(error), _) => Err(error.into()),
        }
    }

    /// Runs the command with a value.
    fn run(&self, value: &SecretValue) -> Result<ExitStatus, Failure> {
        let (program, arguments) =
            self.command.split_first().ok_or_else(|| Failure::usage("give a command after --"))?;
        let mut command = Command::new(program);
        command.args(arguments);
        match &self.env {
            None => {
                command.stdin(Stdio::piped());
            }
            Some(name) => {
                let suits = |bytes: &[u8]| !bytes.contains(&0);
                if value.kind() == ValueKind::Binary || !value.expose(suits) {
                    let detail = "binary, or with a zero byte: no environment variable can hold it";
                    return Err(Error::new(Code::ExportUnsuitable).detail(detail).into());
                }
                value.expose(|bytes| {
                    command.env(name, std::str::from_utf8(bytes).unwrap_or_default());
                });
            }
        }
        let signals = Signals::watch()?;
        let mut child = command.spawn().map_err(|error| not_started(program, &error))?;
        drop(command);
        if let Some(mut stdin) = child.stdin.take() {
            // A command may decide without reading to the end.
            let _ = value.expose(|bytes| stdin.write_all(bytes));
        }
        signals.wait(&mut child).map_err(output::internal)
    }
}

/// Whether an error says what the command said, and nothing more.
fn is_of_the_command(error: &Error) -> bool {
    matches!(error.code(), Code::TryRejected | Code::TryStopped)
}

/// As a shell has it.
fn exit_of(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    #[cfg(not(unix))]
    let signal = None;
    let code = status.code().or(signal.map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).filter(|code| *code > 0).unwrap_or(1)
}

/// The signals that would end this process, while a command runs.
struct Signals {
    #[cfg(unix)]
    caught: Vec<(rustix::process::Signal, std::sync::Arc<std::sync::atomic::AtomicBool>, signal_hook::SigId)>,
}

impl Signals {
    #[cfg(unix)]
    fn watch() -> Result<Self, Failure> {
        use rustix::process::Signal;
        let mut caught = Vec::new();
        for signal in [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM, Signal::USR1, Signal::USR2] {
            let told = std::sync::Arc::default();
            let id = signal_hook::flag::register(signal.as_raw(), std::sync::Arc::clone(&told));
            caught.push((signal, told, id.map_err(output::internal)?));
        }
        Ok(Self { caught })
    }

    #[cfg(not(unix))]
    #[allow(clippy::unnecessary_wraps, reason = "the other system's can fail")]
    fn watch() -> Result<Self, Failure> {
        Ok(Self {})
    }

    /// Waits for the command, and hands on to it what comes.
    fn wait(&self, child: &mut Child) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            self.hand_on(child);
            thread::sleep(LOOK_EVERY);
        }
    }

    #[cfg(unix)]
    fn hand_on(&self, child: &Child) {
        use rustix::process::{Pid, Signal, kill_process};
        for (signal, told, _) in &self.caught {
            // What is typed at a terminal reaches the command without us.
            let is_typed = matches!(*signal, Signal::INT | Signal::QUIT) && io::stderr().is_terminal();
            if told.swap(false, std::sync::atomic::Ordering::AcqRel) && !is_typed {
                let _ = kill_process(Pid::from_child(child), *signal);
            }
        }
    }

    #[cfg(not(unix))]
    fn hand_on(&self, _: &Child) {}
}

/// From here on they would be lost: they are for us again.
#[cfg(unix)]
impl Drop for Signals {
    fn drop(&mut self) {
        for (_, _, id) in &self.caught {
            signal_hook::low_level::unregister(*id);
        }
    }
}
