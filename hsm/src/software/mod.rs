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
        strongroom::scrub_stack();
        key
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, sync::Arc, time::Duration, time::Instant};

    use strongroom::{KeyDevice, testing::device};
    use tempfile::TempDir;

    use super::*;
    use crate::{DeviceUri, testing::software_with};

    const IDS: KeyIds = KeyIds { root: [1; 16], audit: [2; 16] };

    /// A cheap device of known keys: its folder, URI and profile.
    fn cheap() -> (TempDir, DeviceUri, DeviceProfile) {
        let folder = tempfile::tempdir().unwrap();
        let uri = software_with(folder.path(), &IDS, &[7; 32], &[8; 32]).unwrap();
        let profile = uri.provision(&IDS, b"check").unwrap();
        (folder, uri, profile)
    }

    #[test]
    fn it_is_a_key_device() {
        let (_folder, uri, profile) = cheap();
        device::check(&uri.open(&profile).unwrap());
    }

    #[test]
    fn a_real_key_file_is_made_used_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (key, pass) = (folder.path().join("key"), folder.path().join("pass"));
        fs::write(&pass, "correct horse\n").unwrap();
        let text = format!("software:{}?passphrase-source=file:{}", key.display(), pass.display());
        let uri: DeviceUri = text.parse().unwrap();
        let profile = uri.provision(&IDS, b"check").unwrap();
        assert_eq!(&fs::read(&key).unwrap()[..20], b"SRSOFT01\x00\x01\x00\x00\x00\x00\x00\x03\x00\x00\x00\x01");
        assert_eq!(uri.provision(&IDS, b"check").unwrap(), profile, "idempotent");
        let device = uri.open(&profile).unwrap();
        let deadline = Instant::now() + Duration::from_secs(9);
        let prk = device::block_on(device.prf(RootVersion(1), b"check".to_vec(), deadline)).unwrap();
        assert_eq!(*prk.expose_key(), profile.roots[0].check);
        assert_eq!(uri.remove(&KeyIds { root: [3; 16], ..IDS }).unwrap(), 0, "other ids");
        assert_eq!(uri.remove(&IDS).unwrap(), 2);
        assert_eq!(uri.remove(&IDS).unwrap(), 0);
        assert!(matches!(uri.open(&profile), Err(DeviceError::File(_))));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "only the passphrase is left");
    }

    /// HMAC-SHA256 and Ed25519 of known keys, computed by Python's `hmac` and `cryptography`.
    #[test]
    fn known_keys_give_known_answers() {
        let (_folder, uri, profile) = cheap();
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex(&profile.roots[0].check), "e7f13184d523951d777138efc35b2d71d0812aaa6d87e9a1a218b8b3ebddab0c");
        assert_eq!(hex(&profile.audit.key), "1398f62c6d1a457c51ba6a4b5f3dbd2f69fca93216218dc8997e416bd17d93ca");
        let device: Arc<dyn KeyDevice> = uri.open(&profile).unwrap();
        let deadline = Instant::now() + Duration::from_secs(9);
        let signature = device::block_on(device.sign(b"one".to_vec(), deadline)).unwrap();
        assert_eq!(
            hex(&signature),
            "ef85353d4a9ce9218ee95f84a9909ea5e061c99945f99baf912542d2268a4233271736a0fe6bb6ce6609694301e11b0aeff4f0d59733d29e6ace767b12ba060f"
        );
        assert_eq!(profile.serial.len(), 16);
    }

    #[test]
    fn what_is_wrong_is_told_apart() {
        let (folder, uri, profile) = cheap();
        let (key, pass) = (folder.path().join("device.key"), folder.path().join("device.pass"));
        let good = fs::read(&key).unwrap();
        let refused = |bytes: &[u8]| {
            fs::write(&key, bytes).unwrap();
            uri.open(&profile).unwrap_err()
        };
        for length in 0..good.len() {
            let error = refused(&good[..length]);
            assert!(matches!(error, DeviceError::File(_)), "cut to {length} bytes: {error:?}");
        }
        for at in 0..good.len() {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            let error = refused(&bytes);
            let as_it_should = match at {
                0..8 | 84.. => matches!(error, DeviceError::File(_)),
                // Another cost, salt or commitment looks like another passphrase, unless the cost is out of bounds.
                _ => matches!(error, DeviceError::PinRefused | DeviceError::File(_)),
            };
            assert!(as_it_should, "byte {at} flipped: {error:?}");
        }
        assert!(matches!(refused(&[&good[..], b"\0"].concat()), DeviceError::File(_)));
        fs::write(&key, &good).unwrap();
        fs::write(&pass, "wrong").unwrap();
        assert!(matches!(uri.open(&profile), Err(DeviceError::PinRefused)));
        assert!(matches!(uri.provision(&IDS, b"check"), Err(DeviceError::PinRefused)));
        assert!(matches!(uri.remove(&IDS), Err(DeviceError::PinRefused)));
        fs::remove_file(&pass).unwrap();
        assert!(matches!(uri.open(&profile), Err(DeviceError::File(_))));
        assert_eq!(fs::read(&key).unwrap(), good, "nothing was written");
    }

    #[test]
    fn another_device_is_refused() {
        let (_folder, uri, profile) = cheap();
        let change = |change: fn(&mut DeviceProfile)| {
            let mut changed = profile.clone();
            change(&mut changed);
            uri.open(&changed).unwrap_err()
        };
        assert!(matches!(change(|p| p.kind = "pkcs11".into()), DeviceError::WrongToken(_)));
        assert!(matches!(change(|p| p.serial[0] ^= 1), DeviceError::WrongToken(_)));
        assert!(matches!(change(|p| p.roots[0].id[0] ^= 1), DeviceError::KeyMissing(_)));
        assert!(matches!(change(|p| p.audit.id[0] ^= 1), DeviceError::KeyMissing(_)));
        assert!(matches!(change(|p| p.audit.key[0] ^= 1), DeviceError::WrongKey(_)));
    }

    #[test]
    fn a_key_file_is_never_overwritten() {
        let (folder, uri, _) = cheap();
        let other = KeyIds { root: [3; 16], ..IDS };
        let before = fs::read(folder.path().join("device.key")).unwrap();
        assert!(matches!(uri.provision(&other, b"check"), Err(DeviceError::FileExists(_))));
        assert!(matches!(software_with(folder.path(), &other, &[1; 32], &[2; 32]), Err(DeviceError::FileExists(_))));
        assert_eq!(fs::read(folder.path().join("device.key")).unwrap(), before);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no temporary file is left");
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_can_read_a_key_file() {
        use std::os::unix::fs::MetadataExt;
        let (folder, ..) = cheap();
        assert_eq!(fs::metadata(folder.path().join("device.key")).unwrap().mode() & 0o777, 0o600);
    }
}
