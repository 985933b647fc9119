//! Opening a connection: which file systems, which pragmas, whose turn.
//!
//! Every setting is read back by a test: a pragma that SQLite does not know is not an error to it.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, OpenFlags, config::DbConfig, limits::Limit};

use super::fault::{Fault, Place};
use crate::{Code, Error, Result};

/// Marks a file as ours: `SRdb`.
pub(super) const APPLICATION_ID: i32 = i32::from_be_bytes(*b"SRdb");
/// Bytes of a page.
pub(super) const PAGE_BYTES: u32 = 4_096;
/// How long SQLite itself waits for a lock, in milliseconds.
pub(super) const BUSY_MILLIS: u64 = 5_000;
/// How long a writer waits for its turn among all processes.
pub(super) const BEGIN_WAIT_MAX: Duration = Duration::from_secs(10);
/// Pause between two tries for a lock, at least and at most, in microseconds.
const PAUSE_MICROS: (u64, u64) = (100, 2_000);
/// Page cache of the writing connection, in KiB.
const WRITER_CACHE_KIB: i32 = 16 * 1024;
/// Page cache of every other connection, in KiB.
const READER_CACHE_KIB: i32 = 4 * 1024;
/// Longest row, and longest value, that is read or written: a damaged length must not eat the memory.
const ROW_BYTES_MAX: i32 = 16 * 1024 * 1024;
/// Prepared statements kept per connection: more than there are statements in this module.
const STATEMENTS_MAX: usize = 128;
/// Pages after which SQLite checkpoints inside a commit, where nobody does it better.
const INLINE_CHECKPOINT_PAGES: i32 = 1_000;

/// Who does the housekeeping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maintenance {
    /// A long-running process, which calls [`crate::store::Store::maintain`]: no checkpoint inside a commit.
    Background,
    /// A short command: SQLite checkpoints by itself now and then, inside a commit.
    Inline,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Writes. One per store.
    Writer(Maintenance),
    /// Reads only.
    Reader,
    /// Copies the write-ahead log into the database, beside the writer.
    Housekeeper,
    /// Reads a file that nobody writes, without locks and without files beside it.
    Still,
}

/// Opens a connection and puts it in order.
pub(super) fn connect(place: &Place, role: Role) -> Result<Connection, Fault> {
    let path = place.path();
    let connection = match role {
        Role::Writer(_) | Role::Housekeeper => {
            Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_WRITE))
        }
        Role::Reader => Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_ONLY)),
        Role::Still => Connection::open_with_flags(
            still_uri(path),
            flags(OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI),
        ),
    }?;
    connection.busy_timeout(Duration::from_millis(BUSY_MILLIS))?;
    settle(&connection, role)?;
    if matches!(role, Role::Writer(_)) && connection.is_readonly("main")? {
        return Err(Error::new(Code::StoreReadOnly).into());
    }
    Ok(connection)
}

fn flags(access: OpenFlags) -> OpenFlags {
    access | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// `immutable`: SQLite takes no lock and looks for no write-ahead log.
fn still_uri(path: &Path) -> String {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => uri.push(char::from(*byte)),
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri + "?immutable=1"
}

/// Every setting of a connection.
fn settle(connection: &Connection, role: Role) -> Result<(), Fault> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, ROW_BYTES_MAX)?;
    // The file is not trusted: what it may bring along besides tables never runs.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;

    if let Role::Writer(_) = role {
        connection.pragma_update(None, "page_size", PAGE_BYTES)?;
        // The change of a new file takes it alone, and SQLite does not wait for that.
        let mode: String = try_until(BEGIN_WAIT_MAX, || {
            connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))
        })?;
        if mode != "wal" {
            return Err(Error::new(Code::StoreUnavailable).detail("no write-ahead log on this file system").into());
        }
    }
    // No sync within a commit: see [`super::sync`].
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    let cache_kib = if let Role::Writer(_) = role { WRITER_CACHE_KIB } else { READER_CACHE_KIB };
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    let checkpoint_pages = if role == Role::Writer(Maintenance::Inline) { INLINE_CHECKPOINT_PAGES } else { 0 };
    connection.pragma_update(None, "wal_autocheckpoint", checkpoint_pages)?;
    connection.pragma_update(None, "query_only", matches!(role, Role::Reader | Role::Still))?;
    Ok(())
}

/// Waits for the one turn at writing that all processes share, and takes it.
///
/// SQLite's own waiting doubles its pauses up to 100 ms, so that among writers who commit every half
/// millisecond the one who has waited longest tries least. Here all who wait try equally often.
pub(super) fn begin_immediate(connection: &Connection, wait_max: Duration) -> Result<(), Fault> {
    connection.busy_timeout(Duration::ZERO)?;
    let begun = try_until(wait_max, || connection.prepare_cached("BEGIN IMMEDIATE")?.execute([]));
    connection.busy_timeout(Duration::from_millis(BUSY_MILLIS))?;
    begun.map(|_| ()).map_err(Fault::from)
}

/// Tries again, after short pauses of random length, as long as somebody else holds the lock.
fn try_until<T>(wait_max: Duration, take: impl Fn() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    let since = Instant::now();
    loop {
        match take() {
            Err(error)
                if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
                    && since.elapsed() < wait_max =>
            {
                let (least, most) = PAUSE_MICROS;
                let chance = RandomState::new().build_hasher().finish();
                thread::sleep(Duration::from_micros(least + chance % (most - least)));
            }
            done => return done,
        }
    }
}

/// Refuses a folder whose locks or shared memory do not hold between machines.
///
/// FUSE passes: encrypted and container file systems are FUSE too, and within one machine its locks hold.
#[cfg(target_os = "linux")]
pub(super) fn refuse_network(place: &Place) -> Result<()> {
    let facts = rustix::fs::statfs(place.folder()).map_err(|error| match error {
        rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR => {
            Error::new(Code::DeploymentMissing).detail("the folder does not exist").caused_by(error)
        }
        error => place.blame_io(error.into()),
    })?;
    // The magic number is 32 bits wide, whatever the width and sign of the field.
    match network_name(u64::try_from(i128::from(facts.f_type) & 0xffff_ffff).unwrap_or(0)) {
        None => Ok(()),
        Some(name) => Err(Error::new(Code::StoreUnavailable)
            .detail(format!("its folder is on a network file system ({name}), whose locks cannot be relied on"))),
    }
}

/// Other systems give names of their own; the documentation asks for a local disk.
#[cfg(not(target_os = "linux"))]
pub(super) fn refuse_network(_place: &Place) -> Result<()> {
    Ok(())
}

/// The network file systems of statfs(2).
#[cfg(target_os = "linux")]
fn network_name(magic: u64) -> Option<&'static str> {
    Some(match magic {
        0x6969 => "nfs",
        0x517b => "smb",
        0xff53_4d42 => "cifs",
        0xfe53_4d42 => "smb2",
        0x0102_1997 => "9p",
        0x00c3_6400 => "ceph",
        0x5346_414f | 0x6b41_4653 => "afs",
        0x7375_7245 => "coda",
        0x564c => "ncp",
        0x0116_1970 => "gfs2",
        0x7461_636f => "ocfs2",
        0x0bd0_0bd0 => "lustre",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_survives_becoming_a_uri() {
        assert_eq!(still_uri(Path::new("/a b/c?d#e%.db")), "file:/a%20b/c%3Fd%23e%25.db?immutable=1");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn network_file_systems_are_known_by_their_numbers() {
        for (magic, want) in [(0x6969, Some("nfs")), (0xff53_4d42, Some("cifs")), (0xef53, None), (0x6573_5546, None)] {
            assert_eq!(network_name(magic), want, "magic {magic:#x}");
        }
    }
}
