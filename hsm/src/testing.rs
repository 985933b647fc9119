//! What tests need: key files of known keys, cheap ones, and private SoftHSM tokens.

mod softhsm;

use std::path::{Path, PathBuf};

use strongroom::device::DeviceError;

use crate::{DeviceUri, KeyIds};

pub use softhsm::{SO_PIN, SoftHsm, softhsm_module};

/// How many times this thread has called `C_Login`, by opening or provisioning tokens.
pub fn login_attempts() -> usize {
    crate::pkcs11::login_attempts()
}

/// Makes a software device of given keys in `folder`: `device.key`, and its passphrase in `device.pass`.
///
/// Its passphrase hash is cheap. [`DeviceUri::provision`] with the same ids gives its profile.
///
/// # Errors
/// [`DeviceError::FileExists`] if the folder has a `device.key`, [`DeviceError::File`] if it cannot be written.
pub fn software_with(
    folder: &Path,
    ids: &KeyIds,
    root: &[u8; 32],
    audit_seed: &[u8; 32],
) -> Result<DeviceUri, DeviceError> {
    let (key, pass) = (folder.join("device.key"), folder.join("device.pass"));
    write_private(&pass, PASSPHRASE).map_err(|error| DeviceError::File(error.to_string()))?;
    crate::software::create_with(&key, PASSPHRASE.as_bytes(), ids, root, audit_seed)?;
    format!("software:{}?passphrase-source=file:{}", escaped(&key), escaped(&pass)).parse()
}

const PASSPHRASE: &str = "correct horse battery staple";

fn write_private(path: &PathBuf, text: &str) -> std::io::Result<()> {
    std::fs::write(path, text)?;
    #[cfg(unix)]
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(())
}

/// A path as a URI takes it.
fn escaped(path: &Path) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.to_string_lossy()
        .bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
