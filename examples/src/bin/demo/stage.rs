//! What the demo stands on: a private token, a working folder, and the screen.

use std::{
    env, fs,
    io::{self, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// How much of an answer stands on one line.
const LINE_CHARS_MAX: usize = 150;

/// What does not work is a fault of the machine or of the demo, and ends it.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What a command answered.
pub(crate) struct Answer {
    pub(crate) exit: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

impl Answer {
    /// The error in one line: `SR-INTEGRITY: stored data was changed outside Strongroom`.
    pub(crate) fn error(&self) -> String {
        let after =
            |mark: &str| self.stderr.lines().find_map(|line| line.trim().strip_prefix(mark)).unwrap_or("").trim();
        match (after("code:"), after("error:")) {
            ("", message) => message.to_owned(),
            (code, message) => format!("{code}: {message}"),
        }
    }

    /// The first line of what was said about the result.
    pub(crate) fn note(&self) -> String {
        self.stderr.lines().next().unwrap_or_default().to_owned()
    }
}

/// The folder, the token in it and the count of what was not as expected.
pub(crate) struct Stage {
    folder: TempDir,
    program: PathBuf,
    colours: bool,
    pub(crate) checks: u32,
    pub(crate) failures: Vec<String>,
}

impl Stage {
    pub(crate) fn new(program: PathBuf) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("strongroom-demo-").tempdir()?;
        let colours = io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Ok(Self { folder, program, colours, checks: 0, failures: Vec::new() })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A SoftHSM token of our own: nothing on this machine is touched. Returns its URI.
    pub(crate) fn make_token(&self, module: &Path, label: &str) -> Result<String> {
        fs::create_dir(self.path("tokens"))?;
        let conf = format!(
            "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
            self.path("tokens").display()
        );
        fs::write(self.path("softhsm2.conf"), conf)?;
        for (file, pin) in [("pin", "2468-demo"), ("wrong-pin", "1111-wrong")] {
            self.write_private(file, pin)?;
        }
        let made = Command::new("softhsm2-util")
            .args(["--init-token", "--free", "--label", label, "--so-pin", "so-demo-1357", "--pin", "2468-demo"])
            .arg("--module")
            .arg(module)
            .env("SOFTHSM2_CONF", self.path("softhsm2.conf"))
            .output()?;
        if !made.status.success() {
            return Err(format!("softhsm2-util: {}", String::from_utf8_lossy(&made.stderr).trim()).into());
        }
        Ok(format!("pkcs11:token={label}?module-path={}&pin-source=file:pin", module.display()))
    }

    fn write_private(&self, name: &str, text: &str) -> Result<()> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.path(name))?;
        Ok(file.write_all(text.as_bytes())?)
    }

    /// A program with what it needs to see our token, and nothing else of Strongroom's in its environment.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("STRONGROOM_")) {
            command.env_remove(name);
        }
        command
            .current_dir(self.folder())
            .env("SOFTHSM2_CONF", self.path("softhsm2.conf"))
            .env("STRONGROOM_DATA", "data")
            .env("STRONGROOM_ACTOR", "user:anna")
            .env("NO_COLOR", "1");
        command
    }

    /// Runs a command line of `strongroom`, as it is typed, but silently.
    pub(crate) fn run(&self, typed: &str, stdin: &[u8]) -> Result<Answer> {
        let words = typed.split_once("strongroom ").map_or(typed, |(_, words)| words);
        let words = words.split(" > ").next().unwrap_or_default();
        let mut command = self.command(&self.program);
        command.args(words.split(' ').map(|word| word.trim_matches('\'')));
        answer(command, stdin)
    }

    /// Shows a command line, runs it, and compares: the exit code, then what `check` makes of the answer.
    pub(crate) fn step(
        &mut self,
        typed: &str,
        stdin: &[u8],
        exit: i32,
        check: impl FnOnce(&Answer) -> std::result::Result<String, String>,
    ) -> Result<Answer> {
        self.typed(typed);
        let answer = self.run(typed, stdin)?;
        let outcome = if answer.exit == exit {
            check(&answer)
        } else {
            Err(format!("exit {} instead of {exit}: {}{}", answer.exit, answer.error(), first_line(&answer.stdout)))
        };
        self.judge(if exit == 0 { "ok" } else { "ok, refused" }, typed, outcome);
        Ok(answer)
    }

    pub(crate) fn typed(&self, typed: &str) {
        self.say(&format!("  {}", self.painted("1", &format!("$ {typed}"))));
    }

    /// Writes down whether something is as expected.
    pub(crate) fn judge(&mut self, good: &str, what: &str, outcome: std::result::Result<String, String>) {
        self.checks += 1;
        match outcome {
            Ok(text) => self.say(&format!("    {}  {}", self.painted("32", good), shortened(&text))),
            Err(text) => {
                let bad = if good.contains("ok, ") || good == "found" { "NOT REFUSED" } else { "NOT AS EXPECTED" };
                self.say(&format!("    {}  {}", self.painted("1;31", bad), shortened(&text)));
                self.failures.push(what.to_owned());
            }
        }
    }

    pub(crate) fn heading(&self, text: &str, explanation: &str) {
        self.say(&format!("\n{}", self.painted("1;36", text)));
        if !explanation.is_empty() {
            self.say(&self.painted("2", explanation));
        }
    }

    /// A reader such as `head` may have seen enough: that is no fault.
    #[allow(clippy::unused_self, reason = "all that is shown goes through the stage")]
    pub(crate) fn say(&self, text: &str) {
        let _ = writeln!(io::stdout(), "{text}");
    }

    fn painted(&self, colour: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Runs a command to its end.
pub(crate) fn answer(mut command: Command, stdin: &[u8]) -> Result<Answer> {
    let start = Instant::now();
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    if let Some(mut pipe) = child.stdin.take() {
        // Who refuses at once does not read.
        let _ = pipe.write_all(stdin);
    }
    let output = child.wait_with_output()?;
    Ok(Answer {
        exit: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout)?,
        stderr: String::from_utf8(output.stderr)?,
        took: start.elapsed(),
    })
}

pub(crate) fn first_line(text: &str) -> String {
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned()
}

pub(crate) fn last_line(text: &str) -> String {
    text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default().to_owned()
}

pub(crate) fn shortened(text: &str) -> String {
    if text.chars().count() <= LINE_CHARS_MAX {
        return text.to_owned();
    }
    text.chars().take(LINE_CHARS_MAX - 1).chain(['…']).collect()
}
