//! The stage: a token and a data folder of the demo's own, and a way to run commands on them that shows
//! what is run, what comes back, and whether it is what must come back.

use std::{
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use clap::builder::styling::{AnsiColor, Style};
use tempfile::TempDir;

pub(crate) type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();

/// The user PIN of the demo's token.
const PIN: &str = "demo-1234";

/// Lines of a command's output that are shown.
const SHOWN_LINES_MAX: usize = 6;

pub(crate) struct Stage {
    folder: TempDir,
    program: PathBuf,
    pub(crate) uri: String,
    /// The root key that `init` printed, for verification offline.
    pub(crate) root_key: String,
    failed: usize,
    steps: usize,
    notes: Vec<String>,
}

/// What a command gave back.
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) all: String,
    pub(crate) took: Duration,
}

impl Stage {
    /// Makes a private SoftHSM token.
    pub(crate) fn build() -> Result<Self> {
        let program = match env::var_os("STRONGROOM_BIN") {
            Some(program) => program.into(),
            None => env::current_exe()?.with_file_name("strongroom"),
        };
        let module = env::var("STRONGROOM_TEST_PKCS11").unwrap_or("/usr/lib/softhsm/libsofthsm2.so".into());
        let folder = tempfile::Builder::new().prefix("strongroom-demo-").tempdir()?;
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("tokens"))?;
        let conf = format!(
            "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
            at("tokens").display()
        );
        fs::write(at("softhsm2.conf"), conf)?;
        private(&at("pin"), PIN)?;
        let uri = format!("pkcs11:token=demo?module-path={module}&pin-source=file:{}", at("pin").display());
        let mut stage = Self { folder, program, uri, root_key: String::new(), failed: 0, steps: 0, notes: Vec::new() };
        stage.act("A token of its own");
        stage.say("SoftHSM stands in for a hardware security module: the same PKCS#11 interface, keys in files.");
        let made = Command::new("softhsm2-util")
            .args(["--init-token", "--free", "--label", "demo", "--so-pin", "demo-so-1234", "--pin", PIN])
            .env("SOFTHSM2_CONF", stage.at("softhsm2.conf"))
            .output()?;
        stage.check("softhsm2-util --init-token --free --label demo …", made.status.success(), "a token");
        Ok(stage)
    }

    /// A place in the demo's folder.
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Begins a new act.
    #[allow(clippy::unused_self, reason = "everything that is shown goes through the stage")]
    pub(crate) fn act(&self, title: &str) {
        anstream::println!("\n{BOLD}{title}{BOLD:#}");
    }

    /// Explains.
    #[allow(clippy::unused_self, reason = "everything that is shown goes through the stage")]
    pub(crate) fn say(&self, text: &str) {
        anstream::println!("  {text}");
    }

    /// Runs the program on a data folder, unseen.
    pub(crate) fn run(&self, data: &Path, arguments: &[&str], input: Option<&str>) -> Result<Answer> {
        self.command(Command::new(&self.program).arg("--data").arg(data).args(arguments), input)
    }

    /// Runs a command in the stage's environment, unseen.
    pub(crate) fn command(&self, command: &mut Command, input: Option<&str>) -> Result<Answer> {
        let begun = Instant::now();
        let mut child = command
            .env("SOFTHSM2_CONF", self.at("softhsm2.conf"))
            .env_remove("STRONGROOM_TENANT")
            .env_remove("STRONGROOM_ENVIRONMENT")
            .env("STRONGROOM_ACTOR", "user:anna")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // A command that is refused may be gone before it has read its input.
            let _ = stdin.write_all(input.unwrap_or_default().as_bytes());
        }
        let output = child.wait_with_output()?;
        let took = begun.elapsed();
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let all = format!("{stdout}{}", String::from_utf8_lossy(&output.stderr));
        Ok(Answer { code: output.status.code().unwrap_or(-1), stdout, all, took })
    }

    /// Runs the program, shows it, and demands this exit code and, in what comes back, this text.
    pub(crate) fn expect(
        &mut self,
        data: &Path,
        arguments: &[&str],
        input: Option<&str>,
        code: i32,
        text: &str,
    ) -> Result<Answer> {
        let answer = self.run(data, arguments, input)?;
        let pipe = if input.is_some() { "printf … | " } else { "" };
        self.judge(&format!("{pipe}strongroom {}", words(arguments)), &answer, code, text);
        Ok(answer)
    }

    /// Shows what was run and what came back, and compares it with what must.
    pub(crate) fn judge(&mut self, command: &str, answer: &Answer, code: i32, text: &str) {
        let good = answer.code == code && answer.all.contains(text);
        let want = match (code, text) {
            (0, "") => "done".to_owned(),
            (0, text) => format!("`{text}`"),
            (code, text) => format!("exit {code}, `{text}`"),
        };
        self.check(command, good, &want);
        if !good {
            anstream::println!("      {BAD}exit {}{BAD:#}", answer.code);
        }
        let shown = if good { SHOWN_LINES_MAX } else { usize::MAX };
        for line in answer.all.lines().take(shown) {
            let line: String = line.chars().take(140).collect();
            anstream::println!("      {DIM}{line}{DIM:#}");
        }
        let more = answer.all.lines().count().saturating_sub(shown);
        if more > 0 {
            anstream::println!("      {DIM}… {more} lines more{DIM:#}");
        }
    }

    /// Shows a step and whether it was as it must be.
    pub(crate) fn check(&mut self, command: &str, good: bool, want: &str) {
        self.steps += 1;
        self.failed += usize::from(!good);
        let verdict = if good { format!("{GOOD}ok{GOOD:#}") } else { format!("{BAD}NOT AS IT MUST BE{BAD:#}") };
        anstream::println!("  $ {command}\n    {verdict}: {want}");
    }

    /// Keeps a measurement for the end.
    pub(crate) fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// Prints what was measured, and on what.
    pub(crate) fn measured(&self) {
        self.act("Measured");
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name\t: ")).unwrap_or("unknown processor");
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split(' ').next().unwrap_or("?");
        self.say(&format!("{cores} cores, {cpu}, load {load}; one run, so take it as an impression"));
        for note in &self.notes {
            self.say(note);
        }
        self.say(&format!("{} steps, {} not as they must be", self.steps, self.failed));
    }

    /// How many steps were not as they must be.
    pub(crate) fn failed(&self) -> usize {
        self.failed
    }
}

/// Writes a file that its owner alone can read.
pub(crate) fn private(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}

/// A command as a person would type it: without the folders of the demo.
fn words(arguments: &[&str]) -> String {
    let word = |argument: &&str| {
        let short = match argument.rfind("/strongroom-demo-") {
            Some(at) if !argument.starts_with("pkcs11:") => {
                argument[at + 1..].split_once('/').map_or(*argument, |(_, rest)| rest)
            }
            _ => argument,
        };
        if short.contains([' ', '&']) { format!("'{short}'") } else { short.to_owned() }
    };
    arguments.iter().map(word).collect::<Vec<_>>().join(" ")
}
