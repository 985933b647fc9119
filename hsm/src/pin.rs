//! Reading a PIN or a passphrase from where the URI says it is.
//!
//! From a file only: arguments and environment variables are visible to others. A source that
//! others can read is used, with a warning: orchestrators mount secrets world-readable inside a
//! container of one user, and refusing there would stop a service without protecting anyone.

use std::{fs::File, io::Read, path::Path};

use secrecy::SecretBox;
use strongroom::device::DeviceError;
use zeroize::Zeroize;

/// Longest PIN or passphrase, in bytes.
pub(crate) const PIN_BYTES_MAX: usize = 1024;

/// Name of the PIN in `$CREDENTIALS_DIRECTORY`, where systemd puts a service's credentials.
#[cfg(feature = "pkcs11")]
const PIN_CREDENTIAL: &str = "pin";

/// The file that holds the token's PIN: the URI's `pin-source`, else the service's credential.
#[cfg(feature = "pkcs11")]
pub(crate) fn pin_path(source: Option<&Path>) -> Result<std::path::PathBuf, DeviceError> {
    match (source, std::env::var_os("CREDENTIALS_DIRECTORY")) {
        (Some(path), _) => Ok(path.to_owned()),
        (None, Some(folder)) => Ok(Path::new(&folder).join(PIN_CREDENTIAL)),
        (None, None) => Err(DeviceError::Uri(
            "it has no pin-source, and there is no $CREDENTIALS_DIRECTORY/pin; add pin-source=file:/path".into(),
        )),
    }
}

/// Reads a PIN or passphrase, without the one newline that editors put at the end.
///
/// The bytes are not normalised: tokens compare bytes.
pub(crate) fn read(path: &Path) -> Result<SecretBox<Vec<u8>>, DeviceError> {
    let refuse = |what: &str| DeviceError::File(format!("{}: {what}", path.display()));
    let file = File::open(path).map_err(|error| refuse(&error.to_string()))?;
    warn_if_exposed(path, &file);
    // Allocated once at full size: a vector that grows leaves copies behind.
    let mut bytes = Vec::with_capacity(PIN_BYTES_MAX + 2);
    let read = file.take(PIN_BYTES_MAX as u64 + 2).read_to_end(&mut bytes);
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    let problem = match read {
        Err(error) => Some(error.to_string()),
        Ok(_) if bytes.is_empty() => Some("it is empty; it must hold the PIN or passphrase".into()),
        Ok(_) if bytes.len() > PIN_BYTES_MAX => Some(format!("it holds more than {PIN_BYTES_MAX} bytes")),
        Ok(_) => None,
    };
    match problem {
        None => Ok(SecretBox::new(Box::new(bytes))),
        Some(problem) => {
            bytes.zeroize();
            Err(refuse(&problem))
        }
    }
}

#[cfg(unix)]
fn warn_if_exposed(path: &Path, file: &File) {
    use std::os::unix::fs::MetadataExt;
    if let Ok(metadata) = file.metadata()
        && metadata.is_file()
        && metadata.mode() & 0o077 != 0
    {
        tracing::warn!(path = %path.display(), mode = format!("{:o}", metadata.mode() & 0o777),
            "the PIN or passphrase can be read by others: chmod 600");
    }
}

#[cfg(not(unix))]
fn warn_if_exposed(_: &Path, _: &File) {}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn a_pin_is_read_as_it_stands() {
        let folder = tempfile::tempdir().unwrap();
        let longest = [b'x'; PIN_BYTES_MAX];
        let longest_line = [&longest[..], b"\n"].concat();
        let longer = [b'x'; PIN_BYTES_MAX + 1];
        let longer_line = [&longer[..], b"\n"].concat();
        for (name, content, want) in [
            ("plain", &b"1234"[..], Some(&b"1234"[..])),
            ("one newline goes", b"1234\n", Some(b"1234")),
            ("only one", b"1234\n\n", Some(b"1234\n")),
            ("spaces stay", b" 12 34 ", Some(b" 12 34 ")),
            ("not UTF-8", b"\xff\xfe", Some(b"\xff\xfe")),
            ("empty", b"", None),
            ("only a newline", b"\n", None),
            ("longest", &longest, Some(&longest)),
            ("longest and a newline", &longest_line, Some(&longest)),
            ("one byte more", &longer, None),
            ("one byte more and a newline", &longer_line, None),
        ] {
            let path = folder.path().join("pin");
            std::fs::write(&path, content).unwrap();
            let got = read(&path);
            assert_eq!(got.as_ref().ok().map(|pin| pin.expose_secret().as_slice()), want, "case: {name}");
        }
        assert!(matches!(read(&folder.path().join("none")), Err(DeviceError::File(_))));
        assert!(matches!(read(folder.path()), Err(DeviceError::File(_))));
    }
}
