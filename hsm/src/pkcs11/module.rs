//! Loading a vendor's library: once per process, and never finalised.
//!
//! `C_Initialize` may be called once per process and not in parallel, and `C_Finalize` while another
//! thread is inside the library crashes several of them. So every library that was loaded stays.

use std::{
    collections::HashMap,
    env, fs,
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock, PoisonError},
};

use cryptoki::{
    context::{CInitializeArgs, CInitializeFlags, Pkcs11},
    error::{Error, RvError},
};
use strongroom::device::DeviceError;

/// The libraries of this process, by the path of the file they came from.
static MODULES: OnceLock<Mutex<HashMap<PathBuf, Pkcs11>>> = OnceLock::new();

/// Loads and initialises the library, if this process has not done so yet.
pub(crate) fn load(path: &Path) -> Result<Pkcs11, DeviceError> {
    let refuse = |what: String| DeviceError::Module(format!("{}: {what}", path.display()));
    // Links to one file are one library: the loader gives the same memory for both.
    let file = path.canonicalize().map_err(|error| refuse(error.to_string()))?;
    // Held over `C_Initialize`: in parallel it is undefined behaviour.
    let mut modules = MODULES.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(module) = modules.get(&file) {
        return Ok(module.clone());
    }
    let module = Pkcs11::new(&file).map_err(|error| {
        refuse(match error {
            Error::MissingSymbol(_) => "it is not a PKCS#11 library (it has no C_GetFunctionList)".into(),
            error => format!("it cannot be loaded as a library: {error}"),
        })
    })?;
    module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).map_err(|error| match error {
        Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _) => refuse(
            // How it was initialised is unknown: without locking, our threads would corrupt its memory,
            // and whoever did it may finalise it under us.
            "other code in this process initialised it before us; use a process of its own".into(),
        ),
        Error::Pkcs11(RvError::GeneralError, _) if is_softhsm(&file) => refuse(match softhsm_problem() {
            Some(problem) => format!("SoftHSM does not start: {problem}"),
            None => "SoftHSM does not start; its reason is in the system log".into(),
        }),
        Error::Pkcs11(code, _) => refuse(format!("it does not start: {code:?}")),
        error => refuse(format!("it does not start: {error}")),
    })?;
    modules.insert(file, module.clone());
    Ok(module)
}

fn is_softhsm(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name.to_string_lossy().to_lowercase().contains("softhsm"))
}

/// SoftHSM says why it does not start in the system log only: looks at what it looks at.
fn softhsm_problem() -> Option<String> {
    let home = env::var_os("HOME").map(|home| Path::new(&home).join(".config/softhsm2/softhsm2.conf"));
    let conf = match env::var_os("SOFTHSM2_CONF") {
        Some(path) => PathBuf::from(path),
        None => home.filter(|path| path.exists()).unwrap_or_else(|| "/etc/softhsm/softhsm2.conf".into()),
    };
    let text = match fs::read_to_string(&conf) {
        Ok(text) => text,
        Err(error) => {
            return Some(format!("its configuration {} cannot be read ({error}); set SOFTHSM2_CONF", conf.display()));
        }
    };
    let folder = text.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == "directories.tokendir").then(|| PathBuf::from(value.trim()))
    })?;
    match fs::read_dir(&folder) {
        Ok(_) => None,
        Err(error) => Some(format!(
            "its token folder {}, named by directories.tokendir in {}, cannot be read ({error})",
            folder.display(),
            conf.display()
        )),
    }
}
