//! The software device: keys in a file, sealed under a passphrase. For laptops and tests.
//!
//! It is not an HSM: whoever reads the file and learns the passphrase has the keys, and they are in
//! this process's memory while it is open. It says so at every start.

mod device;
mod file;
mod keys;

use std::{io, path::Path};

use ed25519_dalek::SigningKey;
use strongroom::{
    AuditKeyProfile, DeviceProfile, RootProfile,
    device::{DeviceError, RootVersion},
};
use subtle::ConstantTimeEq;

use self::{
    device::SoftwareDevice,
    file::KeyFile,
    keys::{HeldKeys, KeyBox},
};
use crate::{KeyIds, pin, uri::FileUri};

pub(crate) use file::Cost;

pub(crate) fn provision(uri: &FileUri, ids: &KeyIds, check_input: &[u8]) -> Result<DeviceProfile, DeviceError> {
    let passphrase = pin::read(&uri.passphrase_source)?;
    if !exists(&uri.path)? {
        let keys = HeldKeys { roots: vec![(ids.root, KeyBox::random()?)], audit: (ids.audit, KeyBox::random()?) };
        file::create(&uri.path, &passphrase, &keys, Cost::DEFAULT)?;
    }
    // Read back also what was just written: it must not turn out later that it cannot be.
    let KeyFile { keys, serial } = file::open(&uri.path, &passphrase)?;
    if keys.ids() != Some(*ids) {
        return Err(DeviceError::FileExists(format!("{}: it holds other keys", uri.path.display())));
    }
    let root = &keys.roots[0].1;
    let check = *root.hmac(check_input).expose_key();
    if !bool::from(check.ct_eq(root.hmac(check_input).expose_key())) {
        return Err(DeviceError::WrongAnswer("it computed two check values of one root key".into()));
    }
    Ok(DeviceProfile {
        audit: AuditKeyProfile { alg: "ed25519".into(), id: ids.audit, key: keys.audit.1.public_key() },
        kind: "software".into(),
        roots: vec![RootProfile { check, id: ids.root, prf: "hmac-sha256".into(), v: RootVersion::FIRST.0 }],
        serial: serial.to_vec(),
        token: Vec::new(),
        v: DeviceProfile::VERSION,
    })
}

pub(crate) fn remove(uri: &FileUri, ids: &KeyIds) -> Result<usize, DeviceError> {
    if !exists(&uri.path)? {
        return Ok(0);
    }
    let passphrase = pin::read(&uri.passphrase_source)?;
    let KeyFile { keys, .. } = file::open(&uri.path, &passphrase)?;
    if keys.ids() != Some(*ids) {
        return Ok(0);
    }
    std::fs::remove_file(&uri.path).map_err(|error| file::refuse(&uri.path, &error.to_string()))?;
    Ok(2)
}

pub(crate) fn open(uri: &FileUri, profile: &DeviceProfile) -> Result<SoftwareDevice, DeviceError> {
    tracing::warn!(path = %uri.path.display(),
        "this is not an HSM: the root key is in a file and in memory, protected by a passphrase only");
    let passphrase = pin::read(&uri.passphrase_source)?;
    let KeyFile { keys, serial } = file::open(&uri.path, &passphrase)?;
    SoftwareDevice::new(keys, serial, profile)
}

/// Makes a key file of given keys, for known answers: with a cheap passphrase hash, so never for use.
#[cfg(feature = "testing")]
pub(crate) fn create_with(
    path: &Path,
    passphrase: &[u8],
    ids: &KeyIds,
    root: &[u8; 32],
    audit_seed: &[u8; 32],
) -> Result<(), DeviceError> {
    let keys = HeldKeys { roots: vec![(ids.root, KeyBox::new(root))], audit: (ids.audit, KeyBox::new(audit_seed)) };
    file::create(path, &secrecy::SecretBox::new(Box::new(passphrase.to_vec())), &keys, Cost::CHEAP)
}

fn exists(path: &Path) -> Result<bool, DeviceError> {
    path.try_exists().map_err(|error: io::Error| file::refuse(path, &error.to_string()))
}

impl KeyBox {
    fn public_key(&self) -> [u8; 32] {
        let key = SigningKey::from_bytes(self.expose_key()).verifying_key().to_bytes();
        crate::stack::scrub_stack();
        key
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use std::time::{Duration, Instant};

    use strongroom::testing::device::block_on;

    use super::*;
    use crate::DeviceUri;

    const IDS: KeyIds = KeyIds { root: [1; 16], audit: [2; 16] };

    #[test]
    fn a_real_key_file_is_made_used_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (key, pass) = (folder.path().join("key"), folder.path().join("pass"));
        std::fs::write(&pass, "correct horse\n").unwrap();
        let text = format!("software:{}?passphrase-source=file:{}", key.display(), pass.display());
        let uri: DeviceUri = text.parse().unwrap();
        let began = Instant::now();
        let profile = uri.provision(&IDS, b"check").unwrap();
        println!("provisioned in {:?}", began.elapsed());
        assert_eq!(uri.provision(&IDS, b"check").unwrap(), profile, "idempotent");
        let device = uri.open(&profile).unwrap();
        let deadline = Instant::now() + Duration::from_secs(9);
        let prk = block_on(device.prf(RootVersion(1), b"check".to_vec(), deadline)).unwrap();
        assert_eq!(*prk.expose_key(), profile.roots[0].check);
        assert_eq!(uri.remove(&KeyIds { root: [3; 16], ..IDS }).unwrap(), 0, "other ids");
        assert_eq!(uri.remove(&IDS).unwrap(), 2);
        assert_eq!(uri.remove(&IDS).unwrap(), 0);
        assert!(matches!(uri.open(&profile), Err(DeviceError::File(_))));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "only the passphrase is left");
    }
}
