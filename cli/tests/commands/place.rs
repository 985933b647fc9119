//! A deployment of its own for each test, and the program run on it.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use strongroom_hsm::testing::SoftHsm;
use tempfile::TempDir;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_strongroom");

/// A folder, a device and what the program needs in its environment.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
    pub(crate) device: String,
    pub(crate) hsm: Option<SoftHsm>,
}

/// What a run of the program gave.
pub(crate) struct Ran {
    pub(crate) exit: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Place {
    /// A software device, and nothing made yet.
    pub(crate) fn software() -> Self {
        let folder = tempfile::tempdir().unwrap();
        private_file(&folder.path().join("passphrase"), "correct horse battery staple\n");
        let device = "software:device.key?passphrase-source=file:passphrase".to_owned();
        Self { folder, device, hsm: None }
    }

    /// A token of SoftHSM, if it is installed.
    pub(crate) fn softhsm() -> Option<Self> {
        let hsm = SoftHsm::new()?;
        let device = hsm.token("strongroom", "123456");
        Some(Self { folder: tempfile::tempdir().unwrap(), device, hsm: Some(hsm) })
    }

    /// A deployment with the tenant `acme`.
    pub(crate) fn ready() -> Self {
        let place = Self::software();
        place.init();
        place.ok(&["tenant", "create", "acme"]);
        place
    }

    pub(crate) fn init(&self) {
        self.ok(&["init", "--no-recovery", "--device", &self.device]);
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program with these arguments, in the folder, with nothing of the machine's own settings.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .args(args)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("STRONGROOM_DATA", self.path("data"))
            .env("STRONGROOM_TENANT", "acme")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(hsm) = &self.hsm {
            command.envs(hsm.env());
        }
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.command(args).output().unwrap().into()
    }

    /// Runs it with this on stdin.
    pub(crate) fn run_with(&self, args: &[&str], stdin: &[u8]) -> Ran {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().unwrap();
        // Who is refused early does not read: a closed pipe is no failure of the test.
        let _ = child.stdin.take().unwrap().write_all(stdin);
        child.wait_with_output().unwrap().into()
    }

    /// Runs what must work; gives what it wrote to stdout.
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        self.run(args).ok(args)
    }

    pub(crate) fn ok_with(&self, args: &[&str], stdin: &[u8]) -> String {
        self.run_with(args, stdin).ok(args)
    }

    /// Runs what must work, with JSON.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let args = [args, &["-o", "json"]].concat();
        serde_json::from_str(&self.ok(&args)).unwrap()
    }

    /// Runs what must be refused with this exit code and error code, in text and in JSON.
    pub(crate) fn refused(&self, args: &[&str], stdin: &[u8], exit: i32, code: &str) -> Ran {
        let json = self.run_with(&[&["-o", "json"], args].concat(), stdin);
        let last = json.stderr.lines().last().unwrap_or_default();
        let error: Value = serde_json::from_str(last).unwrap_or_else(|_| panic!("{args:?}: {last:?} is not JSON"));
        assert_eq!((error["error"]["code"].as_str(), json.exit), (Some(code), exit), "{args:?}: {error}");
        assert!(!error["error"]["remedy"].as_str().unwrap().is_empty(), "{args:?}");

        let text = self.run_with(args, stdin);
        assert_eq!(text.exit, exit, "{args:?}: {}", text.stderr);
        for part in ["error: ", "  next: ", &format!("  code: {code}\n")] {
            assert!(text.stderr.contains(part), "{args:?}: no {part:?} in {:?}", text.stderr);
        }
        assert!(!text.stderr.contains('\u{1b}'), "{args:?}: colours outside of a terminal");
        text
    }
}

impl Ran {
    fn ok(self, args: &[&str]) -> String {
        assert_eq!(self.exit, 0, "strongroom {args:?}: {}", self.stderr);
        String::from_utf8(self.stdout).unwrap()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let exit = output.status.code().unwrap_or(-1);
        Self { exit, stdout: output.stdout, stderr: String::from_utf8(output.stderr).unwrap() }
    }
}

pub(crate) fn private_file(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

pub(crate) fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().unwrap().permissions().mode() & 0o777
}

/// Says that the test on this thread does not run, where a run of all tests collects that.
#[allow(clippy::print_stderr, reason = "so that nobody takes it for a pass")]
pub(crate) fn record_skip(why: &str) {
    let line = format!("{}: {why}\n", std::thread::current().name().unwrap_or("a test"));
    eprint!("skipped {line}");
    if let Some(log) = std::env::var_os("STRONGROOM_SKIP_LOG") {
        let log = std::fs::OpenOptions::new().append(true).create(true).open(log);
        log.and_then(|mut log| log.write_all(line.as_bytes())).unwrap();
    }
}
