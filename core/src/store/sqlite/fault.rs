//! From what SQLite and the system report to the one code a caller can act on.
//!
//! SQLite's own codes do not always tell a full disk or a read-only one from a broken one, so where
//! they leave it open the file system is asked. Messages of SQLite name tables, columns and files, never
//! what is in them; they are kept as the cause only.

use std::{
    io,
    path::{Path, PathBuf},
};

use rusqlite::ffi;

use crate::{Code, Error};

/// Why something inside this module failed, before it is known where.
#[derive(Debug)]
pub(super) enum Fault {
    /// SQLite said so.
    Sql(rusqlite::Error),
    /// We said so.
    Known(Error),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Known(error)
    }
}

impl Fault {
    /// Something that only a mistake of ours brings about.
    pub(super) fn internal(detail: impl Into<String>) -> Self {
        Self::Known(Error::new(Code::Internal).detail(detail))
    }

    /// The file holds something that we never write.
    pub(super) fn damaged(detail: impl Into<String>) -> Self {
        Self::Known(Error::new(Code::StoreDamaged).detail(detail))
    }

    /// Whether it is only that somebody else holds a lock.
    pub(super) fn is_busy(&self) -> bool {
        match self {
            Self::Sql(error) => error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy),
            Self::Known(error) => error.code() == Code::StoreBusy,
        }
    }
}

/// What the file system below the database is like at the moment of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Medium {
    Full,
    ReadOnly,
    Writable,
}

/// Below this many free bytes a write that failed for no stated reason failed for want of space.
const FREE_BYTES_MIN: u64 = 64 * 1024;

/// Where the database is: what errors are judged by.
#[derive(Clone, Debug)]
pub(super) struct Place {
    path: PathBuf,
}

impl Place {
    /// An absolute path: SQLite takes a relative one that begins with `file:` for a URI.
    pub(super) fn new(path: &Path) -> crate::Result<Self> {
        let path = std::path::absolute(path).map_err(|error| Error::new(Code::FileUnreadable).caused_by(error))?;
        Ok(Self { path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The folder it is in.
    pub(super) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// The write-ahead log's path.
    pub(super) fn wal(&self) -> PathBuf {
        self.beside("-wal")
    }

    /// A path that is this one with something at its end.
    pub(super) fn beside(&self, suffix: &str) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(suffix);
        path.into()
    }

    /// The error a caller gets.
    pub(super) fn blame(&self, fault: Fault) -> Error {
        match fault {
            Fault::Known(error) => error,
            Fault::Sql(error) => {
                let code = error.sqlite_error().map(|error| error.extended_code);
                let code = code.map_or(Code::StoreUnavailable, |code| code_of(code, || self.medium()));
                Error::new(code).caused_by(error)
            }
        }
    }

    /// As [`Self::blame`], for what the system reports about a file of ours.
    pub(super) fn blame_io(&self, error: io::Error) -> Error {
        let code = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Code::StoreFull,
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => Code::StoreReadOnly,
            _ => Code::StoreUnavailable,
        };
        Error::new(code).caused_by(error)
    }

    #[cfg(unix)]
    fn medium(&self) -> Medium {
        use rustix::fs::{Access, StatVfsMountFlags, access, statvfs};
        let Ok(facts) = statvfs(self.folder()) else { return Medium::Writable };
        // `access`, because opening and closing the file would drop the locks SQLite holds on it.
        let denied = |path: &Path, wanted| {
            matches!(access(path, wanted), Err(rustix::io::Errno::ACCESS | rustix::io::Errno::ROFS))
        };
        if facts.f_flag.contains(StatVfsMountFlags::RDONLY)
            || denied(self.folder(), Access::WRITE_OK | Access::EXEC_OK)
            || denied(&self.path, Access::READ_OK | Access::WRITE_OK)
        {
            Medium::ReadOnly
        } else if facts.f_bavail.saturating_mul(facts.f_frsize) < FREE_BYTES_MIN {
            Medium::Full
        } else {
            Medium::Writable
        }
    }

    #[cfg(not(unix))]
    fn medium(&self) -> Medium {
        Medium::Writable
    }
}

/// The table of it all. `medium` is asked only where SQLite's code leaves the cause open.
fn code_of(extended_code: i32, medium: impl FnOnce() -> Medium) -> Code {
    match extended_code {
        // Someone moved or deleted the file below us.
        ffi::SQLITE_READONLY_DBMOVED => return Code::StoreUnavailable,
        ffi::SQLITE_IOERR_CORRUPTFS | ffi::SQLITE_IOERR_DATA | ffi::SQLITE_IOERR_SHORT_READ => {
            return Code::StoreDamaged;
        }
        _ => {}
    }
    match extended_code & 0xff {
        ffi::SQLITE_FULL => Code::StoreFull,
        ffi::SQLITE_READONLY | ffi::SQLITE_PERM => Code::StoreReadOnly,
        ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB | ffi::SQLITE_FORMAT => Code::StoreDamaged,
        ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED | ffi::SQLITE_PROTOCOL => Code::StoreBusy,
        ffi::SQLITE_IOERR | ffi::SQLITE_CANTOPEN => match medium() {
            Medium::Full => Code::StoreFull,
            Medium::ReadOnly => Code::StoreReadOnly,
            Medium::Writable => Code::StoreUnavailable,
        },
        // What we write keeps every constraint: a guard that fails is `Stale`, not this.
        ffi::SQLITE_CONSTRAINT | ffi::SQLITE_MISMATCH | ffi::SQLITE_RANGE | ffi::SQLITE_MISUSE => Code::Internal,
        _ => Code::StoreUnavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_its_meaning() {
        let writable = || Medium::Writable;
        for (extended, want) in [
            (ffi::SQLITE_FULL, Code::StoreFull),
            (ffi::SQLITE_READONLY, Code::StoreReadOnly),
            (ffi::SQLITE_READONLY_CANTINIT, Code::StoreReadOnly),
            (ffi::SQLITE_READONLY_DIRECTORY, Code::StoreReadOnly),
            (ffi::SQLITE_READONLY_DBMOVED, Code::StoreUnavailable),
            (ffi::SQLITE_CORRUPT, Code::StoreDamaged),
            (ffi::SQLITE_CORRUPT_INDEX, Code::StoreDamaged),
            (ffi::SQLITE_NOTADB, Code::StoreDamaged),
            (ffi::SQLITE_IOERR_SHORT_READ, Code::StoreDamaged),
            (ffi::SQLITE_BUSY, Code::StoreBusy),
            (ffi::SQLITE_BUSY_SNAPSHOT, Code::StoreBusy),
            (ffi::SQLITE_BUSY_RECOVERY, Code::StoreBusy),
            (ffi::SQLITE_LOCKED, Code::StoreBusy),
            (ffi::SQLITE_IOERR_WRITE, Code::StoreUnavailable),
            (ffi::SQLITE_IOERR_FSYNC, Code::StoreUnavailable),
            (ffi::SQLITE_CANTOPEN, Code::StoreUnavailable),
            (ffi::SQLITE_NOMEM, Code::StoreUnavailable),
            (ffi::SQLITE_ERROR, Code::StoreUnavailable),
            (ffi::SQLITE_CONSTRAINT_UNIQUE, Code::Internal),
            (ffi::SQLITE_MISUSE, Code::Internal),
        ] {
            assert_eq!(code_of(extended, writable), want, "code {extended}");
        }
    }

    #[test]
    fn the_medium_decides_where_sqlite_does_not_know() {
        for code in [ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_IOERR_SHMSIZE, ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_CANTOPEN]
        {
            assert_eq!(code_of(code, || Medium::Full), Code::StoreFull, "code {code}");
            assert_eq!(code_of(code, || Medium::ReadOnly), Code::StoreReadOnly, "code {code}");
        }
        assert_eq!(code_of(ffi::SQLITE_CORRUPT, || panic!("known already")), Code::StoreDamaged);
    }
}
