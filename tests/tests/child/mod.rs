//! The test program started again as another process, to do one thing in it.
//!
//! A child is a test like any other that returns at once unless it was started by [`start`]. It talks to its
//! parent in lines: out on stderr, which is not buffered, and in on stdin.

#![allow(dead_code, reason = "each test file uses its part")]

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    path::PathBuf,
    process::{Child, ChildStderr, Command, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use strongroom::{Deployment, KeyDevice, OpenOptions, Strongroom};
use strongroom_hsm::DeviceUri;

use crate::common::Place;

const ROLE: &str = "STRONGROOM_TEST_CHILD";

/// Marks what is said to the parent, so that a panic message is not taken for it.
const MARK: &str = ">> ";

/// A child that runs.
pub(crate) struct Running {
    process: Child,
    said: BufReader<ChildStderr>,
}

/// Starts this program again, to run only the test `name`, which begins with [`role`].
pub(crate) fn start(name: &str, place: &Place, arguments: &[(&str, String)]) -> Running {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([name, "--exact", "--nocapture", "--test-threads=1"]).env(ROLE, name);
    command.env("CHILD_FOLDER", place.deployment.folder()).env("CHILD_DEVICE", place.uri.to_string());
    command.envs(arguments.iter().map(|(name, value)| (name, value)));
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let said = BufReader::new(process.stderr.take().unwrap());
    Running { process, said }
}

impl Running {
    /// The next thing that the child says; `None` when it is gone. A line cut off by its death doesn't count.
    pub(crate) fn next(&mut self) -> Option<String> {
        next(&mut self.said)
    }

    /// Kills the child (SIGKILL) when this time is over, and gives what it says until then: the parent goes
    /// on reading, or a full pipe would stop the child.
    pub(crate) fn kill_after(mut self, time: Duration) -> Vec<String> {
        let Self { process, said } = &mut self;
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(time);
                process.kill().unwrap();
            });
            std::iter::from_fn(|| next(said)).collect()
        })
    }

    pub(crate) fn demand(&mut self, said: &str) {
        assert_eq!(self.next().as_deref(), Some(said));
    }

    /// Lets a child go on that [`wait`]s.
    pub(crate) fn go_on(&mut self) {
        self.process.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Everything that it still says, once it has ended well.
    pub(crate) fn finish(mut self) -> Vec<String> {
        let said: Vec<_> = std::iter::from_fn(|| self.next()).collect();
        assert!(self.process.wait().unwrap().success());
        said
    }
}

fn next(said: &mut BufReader<ChildStderr>) -> Option<String> {
    let mut line = Vec::new();
    loop {
        line.clear();
        said.read_until(b'\n', &mut line).unwrap();
        let text = String::from_utf8_lossy(&line);
        let whole = text.strip_suffix('\n')?;
        match whole.strip_prefix(MARK) {
            Some(said) => return Some(said.to_owned()),
            None => eprintln!("child: {whole}"),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Whether this process is the child that runs this test.
pub(crate) fn role(name: &str) -> bool {
    env::var(ROLE).is_ok_and(|role| role == name)
}

/// What the parent gave along.
pub(crate) fn argument(name: &str) -> String {
    env::var(name).unwrap()
}

/// Says a line to the parent. One write: once it returns, no death of this process takes it back.
pub(crate) fn say(text: &str) {
    std::io::stderr().lock().write_all(format!("{MARK}{text}\n").as_bytes()).unwrap();
}

/// Waits until the parent says to go on.
pub(crate) fn wait() {
    let mut line = String::new();
    assert!(std::io::stdin().read_line(&mut line).unwrap() > 0, "the parent is gone");
}

/// The parent's deployment.
pub(crate) fn deployment() -> Deployment {
    Deployment::at(PathBuf::from(argument("CHILD_FOLDER")))
}

/// The parent's deployment, opened in this process.
pub(crate) fn open() -> Strongroom {
    let deployment = deployment();
    let uri: DeviceUri = argument("CHILD_DEVICE").parse().unwrap();
    let device: Arc<dyn KeyDevice> = uri.open(&deployment.profile().unwrap()).unwrap();
    pollster::block_on(Strongroom::open_with(&deployment, device, OpenOptions::default())).unwrap()
}
