//! A copy of the whole store, as it is at one moment, and looking whether the store is sound.
//!
//! SQLite's backup API copies page by page and tells how far it is, but begins again whenever another
//! connection commits, which in a busy database is for ever. Not so inside a read transaction: that keeps its pages
//! as they are. `VACUUM INTO` would have such a view too, but rebuilds every b-tree, in one call that
//! says nothing until its end. The price of either: the write-ahead log cannot begin anew while the
//! copy is made, and grows by what is written meanwhile.

use std::{
    fs::{self, File},
    io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rusqlite::{
    Connection, OpenFlags,
    backup::{Backup, StepResult},
};

use super::{
    connection::{Role, connect},
    create_file,
    fault::{Fault, Place},
    migrate::{self, MIGRATIONS},
    sync_folder,
};
use crate::{Code, Error, Result};

/// Pages copied between two reports of progress: 1 MiB.
const STEP_PAGES: i32 = 256;
/// How long a copy waits for a lock on its own new file, which somebody else opened.
const STEP_WAIT_MAX: Duration = Duration::from_secs(10);
/// Findings that a check reports, at most.
const FINDINGS_MAX: usize = 10;

/// Copies to a new file, durable when this returns. Nothing is left of one that failed.
pub(super) fn back_up(source: &Place, to: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<()> {
    let target = Place::new(to)?;
    let file = create_file(target.path()).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Error::new(Code::BackupExists),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => target.blame_io(error),
        _ => Error::new(Code::FileUnreadable).caused_by(error),
    })?;
    let made = copy(source, &target, progress).and_then(|()| finish(&target, &file));
    if made.is_err() {
        for path in [target.path().to_owned(), target.wal(), target.beside("-shm"), target.beside("-journal")] {
            let _ = fs::remove_file(path);
        }
    }
    made
}

fn copy(source: &Place, target: &Place, progress: &mut dyn FnMut(u64, u64)) -> Result<()> {
    // A connection of its own: a long copy takes no snapshot away from others.
    let from = connect(source, Role::Reader).map_err(|fault| source.blame(fault))?;
    let pinned = from.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema;");
    pinned.map_err(|error| source.blame(error.into()))?;
    let mut work = || {
        let mut to = open_new(target)?;
        // A copy that is interrupted is thrown away: it needs no journal, and one sync at its end.
        to.pragma_update(None, "journal_mode", "off")?;
        to.pragma_update(None, "synchronous", "off")?;
        let backup = Backup::new(&from, &mut to)?;
        let mut moved = Instant::now();
        loop {
            match backup.step(STEP_PAGES)? {
                StepResult::Busy | StepResult::Locked if moved.elapsed() < STEP_WAIT_MAX => {
                    thread::sleep(Duration::from_millis(10));
                    continue;
                }
                StepResult::Busy | StepResult::Locked => return Err(Error::new(Code::StoreBusy).into()),
                step => {
                    moved = Instant::now();
                    let at = backup.progress();
                    let pages = |pages: i32| u64::try_from(pages).unwrap_or(0);
                    progress(pages(at.pagecount) - pages(at.remaining), pages(at.pagecount));
                    if step == StepResult::Done {
                        return Ok(());
                    }
                }
            }
        }
    };
    work().map_err(|fault: Fault| target.blame(fault))
}

/// Makes the copy one file that needs nothing beside it, and syncs it.
fn finish(target: &Place, file: &File) -> Result<()> {
    let work = || {
        let copy = open_new(target)?;
        let mode: String = copy.pragma_update_and_check(None, "journal_mode", "delete", |row| row.get(0))?;
        if mode != "delete" {
            return Err(Fault::internal("a copy keeps its write-ahead log"));
        }
        copy.close().map_err(|(_, error)| Fault::Sql(error))
    };
    work().map_err(|fault| target.blame(fault))?;
    file.sync_all().map_err(|error| target.blame_io(error))?;
    sync_folder(target)
}

fn open_new(target: &Place) -> Result<Connection, Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Ok(Connection::open_with_flags(target.path(), flags)?)
}

/// Looks at every page, index and reference.
pub(super) fn check(connection: &Connection) -> Result<(), Fault> {
    migrate::check(connection, MIGRATIONS)?;
    let mut findings = Vec::new();
    let mut statement = connection.prepare(&format!("PRAGMA integrity_check({FINDINGS_MAX})"))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let finding: String = row.get(0)?;
        if finding != "ok" {
            findings.push(finding);
        }
    }
    let mut statement = connection.prepare("PRAGMA foreign_key_check")?;
    let mut rows = statement.query([])?;
    while let (Some(row), true) = (rows.next()?, findings.len() < FINDINGS_MAX) {
        let (table, parent): (String, String) = (row.get(0)?, row.get(2)?);
        findings.push(format!("a row of {table} belongs to no row of {parent}"));
    }
    if findings.is_empty() { Ok(()) } else { Err(Fault::damaged(findings.join("; "))) }
}
