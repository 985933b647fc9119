//! What an anchor holds: read with a limit, and replaced whole, one process at a time.
//!
//! Who writes holds a lock from the reading of what is there to the writing of what comes instead: of several processes
//! on one database none puts an older checkpoint over a newer one. The lock file is beside an anchor's file; for the
//! device it is in the data folder.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, Read as _, Write as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use strongroom_log::ANCHOR_BYTES_MAX;

use super::{AnchorPlace, Facts};
use crate::{Code, Error, Result, runtime::block_on};

/// How long the device has for an answer.
const DEVICE_TIMEOUT: Duration = Duration::from_secs(4);

/// How long another process may hold the lock; one holds it for as long as a file takes to be written.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// How often it is tried in between.
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// What is there; `None` if nothing is.
pub(super) fn read(anchor: &AnchorPlace, facts: &Facts) -> Result<Option<Vec<u8>>> {
    let Some(path) = anchor.path() else {
        let deadline = Instant::now() + DEVICE_TIMEOUT;
        let read = block_on(facts.device.read_document(*facts.deployment.as_bytes(), deadline));
        return read
            .map_err(|error| Error::new(Code::AnchorUnusable).detail(format!("device: {error}")).caused_by(error));
    };
    read_file(anchor, path)
}

/// What is in a file; `None` if there is none.
pub(super) fn read_file(anchor: &AnchorPlace, path: &Path) -> Result<Option<Vec<u8>>> {
    let read = || -> io::Result<Vec<u8>> {
        // Asked first: to open a pipe would wait for whoever writes to it.
        if !fs::metadata(path)?.is_file() {
            return Err(ErrorKind::InvalidInput.into());
        }
        let mut bytes = Vec::new();
        File::open(path)?.take(ANCHOR_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match read() {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unusable(anchor, error)),
    }
}

/// Held while the file is read and replaced.
#[derive(Debug)]
pub(super) struct Locked<'a> {
    anchor: &'a AnchorPlace,
    facts: &'a Facts,
    _lock: Option<File>,
}

impl<'a> Locked<'a> {
    /// Waits for other processes, for a bounded time.
    pub(super) fn wait(anchor: &'a AnchorPlace, facts: &'a Facts) -> Result<Self> {
        let path = match (anchor.path(), &facts.home) {
            (Some(path), _) => beside(path, ".lock"),
            (None, Some(home)) => home.folder().join("anchor.lock"),
            // A database that is not in its place yet, so that nobody else has it.
            (None, None) => return Ok(Self { anchor, facts, _lock: None }),
        };
        let lock = private(OpenOptions::new().write(true).create(true).truncate(false))
            .open(path)
            .map_err(|error| unusable(anchor, error))?;
        let until = Instant::now() + LOCK_PATIENCE;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Self { anchor, facts, _lock: Some(lock) }),
                Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(LOCK_PAUSE),
                Err(TryLockError::WouldBlock) => return Err(unusable(anchor, ErrorKind::ResourceBusy.into())),
                Err(TryLockError::Error(error)) => return Err(unusable(anchor, error)),
            }
        }
    }

    /// What is there.
    pub(super) fn read(&self) -> Result<Option<Vec<u8>>> {
        read(self.anchor, self.facts)
    }

    /// Puts this in its place, whole and durable or not at all.
    pub(super) fn replace(&self, bytes: &[u8]) -> Result<()> {
        let Some(path) = self.anchor.path() else {
            let (deployment, deadline) = (*self.facts.deployment.as_bytes(), Instant::now() + DEVICE_TIMEOUT);
            let written = block_on(self.facts.device.write_document(deployment, bytes.to_vec(), deadline));
            return written
                .map_err(|error| Error::new(Code::AnchorUnusable).detail(format!("device: {error}")).caused_by(error));
        };
        let new = beside(path, ".new");
        let write = || -> io::Result<()> {
            let mut file = private(OpenOptions::new().write(true).create(true).truncate(true)).open(&new)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&new, path)?;
            File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
        };
        write().map_err(|error| unusable(self.anchor, error))
    }
}

/// For its owner alone.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

fn unusable(anchor: &AnchorPlace, error: io::Error) -> Error {
    // Where the volume is not mounted, its folder is not there either.
    let code = if error.kind() == ErrorKind::NotFound { Code::AnchorMissing } else { Code::AnchorUnusable };
    Error::new(code).detail(format!("{anchor}: {}", error.kind())).caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Deployment, DeploymentId, KeyDevice, SystemClock,
        device::{BoxFuture, DeviceError, DeviceIdentity, Health, Prk, RootVersion, Signature},
        store::SqliteStore,
    };
    use std::sync::{Arc, Mutex};
    use strongroom_log::{Origin, RootKey};

    /// A device that keeps one document.
    #[derive(Debug, Default)]
    struct Keeps(Mutex<Option<Vec<u8>>>);

    impl KeyDevice for Keeps {
        fn prf(&self, _: RootVersion, _: Vec<u8>, _: Instant) -> BoxFuture<'_, Result<Prk, DeviceError>> {
            Box::pin(async { Err(DeviceError::Timeout) })
        }

        fn sign(&self, _: Vec<u8>, _: Instant) -> BoxFuture<'_, Result<Signature, DeviceError>> {
            Box::pin(async { Err(DeviceError::Timeout) })
        }

        fn read_document(&self, _: [u8; 16], _: Instant) -> BoxFuture<'_, Result<Option<Vec<u8>>, DeviceError>> {
            Box::pin(async { Ok(self.0.lock().unwrap().clone()) })
        }

        fn write_document(&self, _: [u8; 16], document: Vec<u8>, _: Instant) -> BoxFuture<'_, Result<(), DeviceError>> {
            Box::pin(async {
                if document.is_empty() {
                    return Err(DeviceError::Unavailable("full".to_owned()));
                }
                *self.0.lock().unwrap() = Some(document);
                Ok(())
            })
        }

        fn identity(&self) -> DeviceIdentity {
            unreachable!("nobody asks")
        }

        fn health(&self) -> Health {
            Health::Ok
        }
    }

    fn place() -> (tempfile::TempDir, AnchorPlace, Facts) {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        let anchor = AnchorPlace::file(&folder.path().join("anchor")).unwrap();
        let origin = Origin::parse("d").unwrap();
        let key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a".parse::<RootKey>().unwrap();
        let facts = Facts {
            store: Arc::new(SqliteStore::create(&data.join("strongroom.db")).unwrap()),
            device: Arc::new(Keeps::default()),
            home: Some(Deployment::at(data)),
            clock: Arc::new(SystemClock::new()),
            deployment: DeploymentId::from_bytes([1; 16]),
            origin,
            root_key: key,
        };
        (folder, anchor, facts)
    }

    #[test]
    fn it_is_replaced_whole_and_for_its_owner_alone() {
        let (folder, anchor, facts) = place();
        assert_eq!(read(&anchor, &facts).unwrap(), None);
        let locked = Locked::wait(&anchor, &facts).unwrap();
        locked.replace(b"longer than the next").unwrap();
        locked.replace(b"short").unwrap();
        assert_eq!(locked.read().unwrap().unwrap(), b"short");
        #[cfg(unix)]
        for name in ["anchor", "anchor.lock"] {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        let mut names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["anchor", "anchor.lock", "data"]);
    }

    #[test]
    fn in_the_device_it_is_a_document() {
        let (_folder, _, facts) = place();
        let anchor = AnchorPlace::device();
        assert_eq!(read(&anchor, &facts).unwrap(), None);
        let locked = Locked::wait(&anchor, &facts).unwrap();
        locked.replace(b"one").unwrap();
        assert_eq!(locked.read().unwrap().unwrap(), b"one");
        assert_eq!(locked.replace(b"").unwrap_err().code(), Code::AnchorUnusable);
        assert_eq!(Locked::wait(&anchor, &facts).unwrap_err().code(), Code::AnchorUnusable, "held in the data folder");
        let alone = Facts { home: None, ..facts.clone() };
        Locked::wait(&anchor, &alone).unwrap();
    }

    #[test]
    fn one_holds_the_lock_at_a_time() {
        let (_folder, anchor, facts) = place();
        let held = Locked::wait(&anchor, &facts).unwrap();
        let began = Instant::now();
        assert_eq!(Locked::wait(&anchor, &facts).unwrap_err().code(), Code::AnchorUnusable);
        assert!(began.elapsed() >= LOCK_PATIENCE);
        drop(held);
        Locked::wait(&anchor, &facts).unwrap();
    }

    #[test]
    fn what_is_no_file_or_too_long_is_not_swallowed() {
        let (folder, anchor, facts) = place();
        let path = anchor.path().unwrap();
        fs::write(path, vec![b'x'; ANCHOR_BYTES_MAX + 9]).unwrap();
        assert_eq!(read(&anchor, &facts).unwrap().unwrap().len(), ANCHOR_BYTES_MAX + 1);
        fs::remove_file(path).unwrap();
        fs::create_dir(path).unwrap();
        assert_eq!(read(&anchor, &facts).unwrap_err().code(), Code::AnchorUnusable);
        drop(folder);
        assert_eq!(Locked::wait(&anchor, &facts).unwrap_err().code(), Code::AnchorMissing);
    }
}
