//! Private SoftHSM tokens: a folder of its own for each test, and nothing of the machine's.

use std::{
    env,
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use cryptoki::{session::UserType, types::AuthPin};
use tempfile::TempDir;

use super::{escaped, write_private};
use crate::pkcs11;

/// The security officer's PIN of every token made here.
pub const SO_PIN: &str = "so-123456";

/// SoftHSM with a configuration and a token folder of its own, removed when dropped.
#[derive(Debug)]
pub struct SoftHsm {
    module: PathBuf,
    folder: TempDir,
    /// Whether this process has it loaded, so that tokens are made through the library.
    is_ours: bool,
}

impl SoftHsm {
    /// A SoftHSM for child processes, which get [`SoftHsm::env`]. This process does not load it.
    ///
    /// `None` if SoftHSM is not installed; the skip is printed, and recorded in `$STRONGROOM_SKIP_LOG`.
    ///
    /// # Panics
    /// If the temporary folder cannot be written.
    pub fn new() -> Option<Self> {
        let module = softhsm_module()?;
        let folder = tempfile::Builder::new()
            .prefix(&format!("{PREFIX}{}-", process::id()))
            .tempdir()
            .expect("a temporary folder");
        fs::create_dir(folder.path().join("tokens")).expect("the temporary folder is writable");
        let conf = format!(
            "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
            folder.path().join("tokens").display()
        );
        fs::write(folder.path().join("softhsm2.conf"), conf).expect("the temporary folder is writable");
        Some(Self { module, folder, is_ours: false })
    }

    /// The SoftHSM that this process has loaded, for tests that open tokens themselves. Tests share
    /// it, and take a token each.
    ///
    /// `None` if SoftHSM is not installed; each skip is printed and recorded.
    ///
    /// # Panics
    /// If SoftHSM does not start.
    pub fn for_this_process() -> Option<&'static Self> {
        static OURS: OnceLock<Option<SoftHsm>> = OnceLock::new();
        let mut is_first = false;
        let ours = OURS.get_or_init(|| {
            is_first = true;
            remove_strays();
            let mut hsm = Self::new()?;
            set_conf(&hsm.conf_path());
            pkcs11::load(&hsm.module).expect("SoftHSM starts");
            hsm.is_ours = true;
            Some(hsm)
        });
        if ours.is_none() && !is_first {
            record_skip();
        }
        ours.as_ref()
    }

    /// Makes a token, and a file with its PIN. Returns the URI by which both are found.
    ///
    /// # Panics
    /// If SoftHSM refuses: a label is at most 32 bytes, a PIN 4 to 255.
    pub fn token(&self, label: &str, pin: &str) -> String {
        if self.is_ours {
            self.make_token(label, pin)
        } else {
            self.make_token_outside(label, pin)
        }
        let pin_file = self.pin_file(pin);
        format!(
            "pkcs11:token={}?module-path={}&pin-source=file:{}",
            escaped(Path::new(label)).replace('/', "%2F"),
            escaped(&self.module),
            escaped(&pin_file)
        )
    }

    /// A file that holds this PIN.
    ///
    /// # Panics
    /// If the temporary folder cannot be written.
    pub fn pin_file(&self, pin: &str) -> PathBuf {
        // A file for each call: tests share the folder, and one must not read what another is writing.
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let path = self.folder.path().join(format!("pin-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
        write_private(&path, &format!("{pin}\n")).expect("the temporary folder is writable");
        path
    }

    /// The PKCS#11 library.
    pub fn module(&self) -> &Path {
        &self.module
    }

    /// The configuration file, for `SOFTHSM2_CONF`.
    pub fn conf_path(&self) -> PathBuf {
        self.folder.path().join("softhsm2.conf")
    }

    /// The folder with the tokens.
    pub fn tokens_path(&self) -> PathBuf {
        self.folder.path().join("tokens")
    }

    /// What a child process needs in its environment to see these tokens.
    pub fn env(&self) -> [(&'static str, PathBuf); 1] {
        [("SOFTHSM2_CONF", self.conf_path())]
    }

    fn make_token_outside(&self, label: &str, pin: &str) {
        let made = Command::new("softhsm2-util")
            .args(["--init-token", "--free", "--label", label, "--so-pin", SO_PIN, "--pin", pin, "--module"])
            .arg(&self.module)
            .envs(self.env())
            .stdin(Stdio::null())
            .output();
        match made {
            Ok(output) => {
                assert!(output.status.success(), "softhsm2-util: {}", String::from_utf8_lossy(&output.stderr))
            }
            Err(error) => panic!("softhsm2-util does not start: {error}"),
        }
    }

    fn make_token(&self, label: &str, pin: &str) {
        // Which slot is free changes with each token.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let module = pkcs11::load(&self.module).expect("SoftHSM is loaded");
        let is_free = |slot: &_| module.get_token_info(*slot).is_ok_and(|info| !info.token_initialized());
        let slot = module.get_all_slots().expect("slots").into_iter().find(is_free).expect("SoftHSM has a free slot");
        let so_pin = AuthPin::from(SO_PIN);
        module.init_token(slot, &so_pin, label).expect("the token is initialised");
        let session = module.open_rw_session(slot).expect("a session");
        session.login(UserType::So, Some(&so_pin)).expect("the security officer");
        session.init_pin(&AuthPin::from(pin)).expect("the PIN is set");
        session.logout().expect("a logout");
    }
}

/// Where SoftHSM is installed: `$STRONGROOM_TEST_PKCS11`, else where Linux distributions have it.
/// If nowhere, the skip is printed and recorded.
pub fn softhsm_module() -> Option<PathBuf> {
    let multiarch = fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|folder| folder.path());
    let found = env::var_os("STRONGROOM_TEST_PKCS11").map(PathBuf::from).or_else(|| {
        ["/usr/lib", "/usr/lib64", "/usr/local/lib"]
            .map(PathBuf::from)
            .into_iter()
            .chain(multiarch)
            .map(|folder| folder.join("softhsm/libsofthsm2.so"))
            .find(|path| path.exists())
    });
    if found.is_none() {
        record_skip();
    }
    found
}

/// Says that the test on this thread does not run, so that nobody takes it for a pass.
#[allow(clippy::print_stderr)]
fn record_skip() {
    let thread = thread::current();
    let line = format!("{}: SoftHSM is not installed\n", thread.name().unwrap_or("a test"));
    eprint!("skipped {line}");
    if let Some(log) = env::var_os("STRONGROOM_SKIP_LOG") {
        let log = OpenOptions::new().append(true).create(true).open(log);
        log.and_then(|mut log| log.write_all(line.as_bytes())).expect("STRONGROOM_SKIP_LOG is writable");
    }
}

/// Points SoftHSM to its configuration, before it is loaded.
#[allow(unsafe_code)]
fn set_conf(path: &Path) {
    // SAFETY: unsound only while another thread reads the environment without std's lock, that is from C.
    // The one piece of C that does, SoftHSM, is loaded after this, by the same thread.
    unsafe { env::set_var("SOFTHSM2_CONF", path) }
}

/// The folder of this process's own SoftHSM cannot be removed before the process ends, and not after:
/// so each removes those of processes that have ended.
fn remove_strays() {
    let folders = fs::read_dir(env::temp_dir()).into_iter().flatten().flatten();
    for folder in folders {
        let name = folder.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split_once('-')?.0.parse::<u32>().ok());
        if process
            .is_some_and(|process| Path::new("/proc/self").exists() && !Path::new(&format!("/proc/{process}")).exists())
        {
            let _ = fs::remove_dir_all(folder.path());
        }
    }
}

const PREFIX: &str = "strongroom-softhsm-";
