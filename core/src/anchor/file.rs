//! An anchor's file: read with a limit, and replaced whole, one process at a time.
//!
//! Who writes holds the lock file beside it from the reading of what is there to the renaming of what comes instead: of
//! several processes on one database none puts an older checkpoint over a newer one.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, Read as _, Write as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use strongroom_log::ANCHOR_BYTES_MAX;

use super::AnchorPlace;
use crate::{Code, Error, Result};

/// How long another process may hold the lock; one holds it for as long as a file takes to be written.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// How often it is tried in between.
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// What is there; `None` if nothing is.
pub(super) fn read(anchor: &AnchorPlace) -> Result<Option<Vec<u8>>> {
    let read = || -> io::Result<Vec<u8>> {
        // Asked first: to open a pipe would wait for whoever writes to it.
        if !fs::metadata(anchor.path())?.is_file() {
            return Err(ErrorKind::InvalidInput.into());
        }
        let mut bytes = Vec::new();
        File::open(anchor.path())?.take(ANCHOR_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
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
    _lock: File,
}

impl<'a> Locked<'a> {
    /// Waits for other processes, for a bounded time.
    pub(super) fn wait(anchor: &'a AnchorPlace) -> Result<Self> {
        let path = beside(anchor.path(), ".lock");
        let lock = private(OpenOptions::new().write(true).create(true).truncate(false))
            .open(path)
            .map_err(|error| unusable(anchor, error))?;
        let until = Instant::now() + LOCK_PATIENCE;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Self { anchor, _lock: lock }),
                Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(LOCK_PAUSE),
                Err(TryLockError::WouldBlock) => return Err(unusable(anchor, ErrorKind::ResourceBusy.into())),
                Err(TryLockError::Error(error)) => return Err(unusable(anchor, error)),
            }
        }
    }

    /// What is there.
    pub(super) fn read(&self) -> Result<Option<Vec<u8>>> {
        read(self.anchor)
    }

    /// Puts this in its place, whole and durable or not at all.
    pub(super) fn replace(&self, bytes: &[u8]) -> Result<()> {
        let (path, new) = (self.anchor.path(), beside(self.anchor.path(), ".new"));
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

    fn place() -> (tempfile::TempDir, AnchorPlace) {
        let folder = tempfile::tempdir().unwrap();
        let anchor = AnchorPlace::file(&folder.path().join("anchor")).unwrap();
        (folder, anchor)
    }

    #[test]
    fn it_is_replaced_whole_and_for_its_owner_alone() {
        let (folder, anchor) = place();
        assert_eq!(read(&anchor).unwrap(), None);
        let locked = Locked::wait(&anchor).unwrap();
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
        assert_eq!(names, ["anchor", "anchor.lock"]);
    }

    #[test]
    fn one_holds_the_lock_at_a_time() {
        let (_folder, anchor) = place();
        let held = Locked::wait(&anchor).unwrap();
        let began = Instant::now();
        assert_eq!(Locked::wait(&anchor).unwrap_err().code(), Code::AnchorUnusable);
        assert!(began.elapsed() >= LOCK_PATIENCE);
        drop(held);
        Locked::wait(&anchor).unwrap();
    }

    #[test]
    fn what_is_no_file_or_too_long_is_not_swallowed() {
        let (folder, anchor) = place();
        fs::write(anchor.path(), vec![b'x'; ANCHOR_BYTES_MAX + 9]).unwrap();
        assert_eq!(read(&anchor).unwrap().unwrap().len(), ANCHOR_BYTES_MAX + 1);
        fs::remove_file(anchor.path()).unwrap();
        fs::create_dir(anchor.path()).unwrap();
        assert_eq!(read(&anchor).unwrap_err().code(), Code::AnchorUnusable);
        drop(folder);
        assert_eq!(Locked::wait(&anchor).unwrap_err().code(), Code::AnchorMissing);
    }
}
