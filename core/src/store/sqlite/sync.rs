//! Making durable what was committed.
//!
//! With `synchronous=NORMAL` SQLite syncs the write-ahead log where its own structure depends on it, at a checkpoint
//! and at the log's new beginning, but not within a commit. That sync is done here, on any thread, while the
//! writing connection goes on with the next commit. Between checkpoints the log only grows, and at a checkpoint SQLite
//! syncs it first, so what was committed before is durable either way.
//!
//! A sync that failed is not tried again. The kernel may forget what it could not write and say the next time that all
//! is well; only reading the log afresh tells what is there.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use super::fault::Place;
use crate::{Code, Error, Result};

/// The write-ahead log, as far as syncing goes.
#[derive(Debug, Default)]
pub(super) struct Wal {
    held: Mutex<Option<Held>>,
    broken: AtomicBool,
}

/// A descriptor of the log.
#[derive(Debug)]
struct Held {
    path: PathBuf,
    file: File,
}

impl Wal {
    /// Waits for the disk to have what is in the log. Some connection to the database has to be open, or there is no log.
    pub(super) fn sync(&self, place: &Place) -> Result<()> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        self.check()?;
        sync(&mut held, place).map_err(|error| {
            self.broken.store(true, Ordering::Release);
            // Not what the system calls it: "the disk is full" promises that nothing was changed.
            broken().caused_by(error)
        })
    }

    /// Refuses whoever would build on what may not be there.
    pub(super) fn check(&self) -> Result<()> {
        if self.broken.load(Ordering::Acquire) { Err(broken()) } else { Ok(()) }
    }
}

#[cfg(test)]
impl Wal {
    /// Which file was synced last.
    pub(super) fn held_inode(&self) -> Option<u64> {
        use std::os::unix::fs::MetadataExt as _;
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().map(|held| held.file.metadata().expect("of an open file").ino())
    }
}

fn broken() -> Error {
    Error::new(Code::StoreUnavailable)
        .detail("the disk did not take what was committed; what it has is known once the database was opened again")
}

fn sync(held: &mut Option<Held>, place: &Place) -> io::Result<()> {
    let now = match held.take() {
        Some(now) if is_same(&now.file.metadata()?, &fs::metadata(&now.path)?) => now,
        _ => open(place)?,
    };
    now.file.sync_data()?;
    *held = Some(now);
    Ok(())
}

/// SQLite names the log after the file that a link points to.
fn open(place: &Place) -> io::Result<Held> {
    let mut path = fs::canonicalize(place.path())?.into_os_string();
    path.push("-wal");
    let path = Path::new(&path).to_owned();
    Ok(Held { file: File::options().write(true).open(&path)?, path })
}

/// Whether these are of one file: SQLite makes a new log when all had closed the old one.
#[cfg(unix)]
fn is_same(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Nothing says so: it is opened anew each time.
#[cfg(not(unix))]
fn is_same(_one: &fs::Metadata, _other: &fs::Metadata) -> bool {
    false
}
