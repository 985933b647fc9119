//! What the machine needs before tests, demo and benchmarks can run: system packages, the
//! Python environment, Go, tools of cargo. Installs what is missing, and nothing else.
//!
//! Several commands may run at once (two clones, an editor): what lives in the cache is
//! changed under a file lock.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::place;
use crate::stop::{Result, Stop, While, succeed};

/// The versions every clone runs, so that a verdict does not depend on the day.
const CARGO_DENY_VERSION: &str = "0.20.2";
const CARGO_FUZZ_VERSION: &str = "0.13.2";

/// Something the system's package manager provides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// The token that tests and demo use in place of an HSM.
    SoftHsm,
    /// The independent reader of our formats is a Python program.
    Python,
    /// Another independent reader is a Go program.
    Go,
    /// Counts the syncs that a benchmark or a durability test claims.
    Strace,
}

impl Need {
    /// Debian's name for it.
    fn package(self) -> &'static str {
        match self {
            Self::SoftHsm => "softhsm2",
            Self::Python => "python3-venv",
            Self::Go => "golang-go",
            Self::Strace => "strace",
        }
    }

    /// Looks for the thing itself, not the package: who installed it does not matter.
    fn is_met(self) -> bool {
        match self {
            Self::SoftHsm => softhsm_module().is_some() && answers("softhsm2-util", &["--version"]),
            Self::Python => python().is_some(),
            Self::Go => answers("go", &["version"]),
            Self::Strace => answers("strace", &["--version"]),
        }
    }
}

/// Installs the packages that are missing, or says how and stops.
pub(crate) fn packages(needs: &[Need]) -> Result<()> {
    let missing = || needs.iter().filter(|need| !need.is_met()).map(|need| need.package());
    let packages: Vec<_> = missing().collect();
    if packages.is_empty() {
        return Ok(());
    }
    let packages_shown = packages.join(" ");
    if !answers("apt-get", &["--version"]) {
        return Err(Stop::new(format!(
            "please install what Debian calls `{packages_shown}`, and if SoftHSM's module is \
             not in /usr/lib/softhsm set STRONGROOM_TEST_PKCS11 to its path"
        )));
    }
    if !is_root() {
        return Err(Stop::new(format!(
            "packages are missing; run this line, then the same command again:\n\n    \
             sudo apt-get update && sudo apt-get install -y {packages_shown}\n"
        )));
    }
    println!("setup: installing {packages_shown}");
    // An update may fail for a repository that has nothing to do with us: the install
    // that follows is the one that counts.
    let _ = succeed(apt_get().arg("update"));
    succeed(apt_get().args(["install", "-y", "--no-install-recommends"]).args(&packages))?;
    match missing().next() {
        None => Ok(()),
        Some(package) => Err(Stop::new(format!("{package} was installed, and yet what it provides is not found"))),
    }
}

/// The SoftHSM module, where Debian and its relatives put it; a set variable comes first.
pub(crate) fn softhsm_module() -> Option<PathBuf> {
    if let Some(path) = env::var_os("STRONGROOM_TEST_PKCS11") {
        return Some(PathBuf::from(path)).filter(|path| path.is_file());
    }
    let below = |folder: &Path| folder.join("softhsm/libsofthsm2.so");
    let multiarch = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    std::iter::once(PathBuf::from("/usr/lib"))
        .chain(multiarch.map(|entry| entry.path()))
        .map(|folder| below(&folder))
        .find(|path| path.is_file())
}

/// Installs SoftHSM if it is missing; then the module to put in `STRONGROOM_TEST_PKCS11`.
pub(crate) fn softhsm() -> Result<PathBuf> {
    if let (Some(path), None) = (env::var_os("STRONGROOM_TEST_PKCS11"), softhsm_module()) {
        return Err(Stop::new(format!(
            "STRONGROOM_TEST_PKCS11 names {}, which is no file: correct it or unset it",
            Path::new(&path).display()
        )));
    }
    packages(&[Need::SoftHsm])?;
    softhsm_module().ok_or_else(|| Stop::new("SoftHSM's module is not found"))
}

/// The Python of our own environment, holding exactly what `requirements` pins.
pub(crate) fn python_with(requirements: &Path) -> Result<PathBuf> {
    packages(&[Need::Python])?;
    let wanted = fs::read_to_string(requirements).doing(format_args!("cannot read {}", requirements.display()))?;
    let venv = place::cache()?.join("venv");
    let python_inside = venv.join("bin/python");
    let stamp = venv.join("requirements.installed");

    let _lock = lock("venv.lock")?;
    let is_current = fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted)
        && answers(&python_inside, &["--version"]);
    if !is_current {
        println!("setup: making a Python environment in {}", venv.display());
        let python = python().ok_or_else(|| Stop::new("no python3 that can make a venv"))?;
        succeed(Command::new(python).args(["-m", "venv", "--clear"]).arg(&venv))?;
        succeed(
            Command::new(&python_inside)
                .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
                .arg(requirements),
        )?;
        fs::write(&stamp, wanted).doing("cannot note what the environment holds")?;
    }
    Ok(python_inside)
}

/// `go`, which keeps what it fetches and builds in our cache, and takes no module that `go.sum` does not name.
///
/// The modules are fetched once, from wherever this machine's Go is told to, and are there for good. They are not copied
/// into the clone: as with crates and Python packages, a pinned hash says which bytes are meant. Nobody else is asked
/// about them (`GOSUMDB=off`: a module without a hash of ours is an error, not a question), and no other Go is fetched
/// (`GOTOOLCHAIN=local`).
pub(crate) fn go() -> Result<Command> {
    packages(&[Need::Go])?;
    let folder = place::cache()?.join("go");
    let mut go = Command::new("go");
    go.env("GOPATH", &folder)
        .env("GOMODCACHE", folder.join("modules"))
        .env("GOCACHE", folder.join("build"))
        .env("GOFLAGS", "-mod=readonly -modcacherw -buildvcs=false")
        .env("GOSUMDB", "off")
        .env("GOTOOLCHAIN", "local")
        .env("GOWORK", "off")
        .env("CGO_ENABLED", "0");
    Ok(go)
}

/// `cargo-deny`.
pub(crate) fn cargo_deny() -> Result<PathBuf> {
    cargo_tool("cargo-deny", CARGO_DENY_VERSION)
}

/// `cargo-fuzz`, which works with a nightly compiler only.
pub(crate) fn cargo_fuzz() -> Result<PathBuf> {
    if !answers("rustup", &["run", "nightly", "rustc", "--version"]) {
        return Err(Stop::new(
            "fuzzing with coverage needs a nightly compiler: `rustup toolchain install nightly`. Without one, \
             `STRONGROOM_FUZZ_SECONDS=600 cargo test --package strongroom-tests --test hostile` changes the same \
             corpus blindly",
        ));
    }
    cargo_tool("cargo-fuzz", CARGO_FUZZ_VERSION)
}

/// A program of crates.io, built once per version into the cache.
///
/// Unoptimised and without debug information: it is built in about a minute and still
/// answers within a few seconds.
fn cargo_tool(name: &str, version: &str) -> Result<PathBuf> {
    let folder = place::cache()?.join(format!("tools/{name}-{version}"));
    let program = folder.join("bin").join(name);
    let _lock = lock("tools.lock")?;
    if !answers(&program, &["--version"]) {
        let output = place::cargo()?
            .args(["install", name, "--locked", "--debug", "--force", "--version"])
            .arg(version)
            .arg("--root")
            .arg(&folder)
            .env("CARGO_TARGET_DIR", folder.join("build"))
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .stdin(Stdio::null())
            .output()
            .doing("cannot run cargo install")?;
        let _ = fs::remove_dir_all(folder.join("build"));
        if !output.status.success() {
            return Err(Stop::new(format!(
                "{name} could not be installed (it needs the network once):\n{}",
                String::from_utf8_lossy(&output.stderr)
            )));
        }
    }
    Ok(program)
}

/// The first `python3` that can make an environment: one built without `ensurepip` cannot.
fn python() -> Option<&'static str> {
    ["python3", "/usr/bin/python3"].into_iter().find(|python| answers(python, &["-c", "import ensurepip, venv"]))
}

fn apt_get() -> Command {
    let mut apt_get = Command::new("apt-get");
    apt_get.args(["-q", "-o", "DPkg::Lock::Timeout=300"]).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    apt_get
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

/// Whether the program exists and ends well; what it says is of no interest.
fn answers(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Waits for other xtasks that change the same part of the cache; dropped, it lets go.
fn lock(name: &str) -> Result<File> {
    let path = place::cache()?.join(name);
    let shown = path.display();
    let file = File::create(&path).doing(format_args!("cannot create {shown}"))?;
    file.lock().doing(format_args!("cannot lock {shown}"))?;
    Ok(file)
}
