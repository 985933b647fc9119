//! Housekeeping outside any commit: the index that lags, and the write-ahead log.
//!
//! The index is written on the writing connection, whose page cache another one would make stale; the
//! write-ahead log is copied into the database on a connection of its own, which holds off no writer. So
//! `maintain` may be called from the thread that writes or from any other.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rusqlite::{Connection, params};

use super::{
    Maintenance, SqliteStore,
    connection::{BEGIN_WAIT_MAX, PAGE_BYTES, begin_immediate},
    fault::Fault,
    key_index::{self, Built},
    rows::{count, many, number},
};
use crate::{Code, Result, store::GenerationRow};

/// Lines without an index entry that a reader may have to scan, at most. At this the writer waits.
pub(super) const TAIL_LINES_MAX: u64 = 65_536;
/// From here on the index is brought up even if others wait.
const TAIL_LINES_URGENT: u64 = TAIL_LINES_MAX / 2;
/// Below this a scan costs less than the commit that would save it.
const TAIL_LINES_IDLE: u64 = 1_024;
/// Lines that one transaction of the indexer takes: others wait for two or three milliseconds. With fewer lines of each
/// tenant in a slice more pages of the index are written.
const SLICE_LINES: u64 = 2_048;
/// Slices that are indexed before others are asked again whether there is something more urgent.
const SLICES_AT_ONCE: usize = 2;
/// How long housekeeping waits for the writing connection of its own process.
const TURN_WAIT_MAX: Duration = Duration::from_millis(5);
/// Pages of the write-ahead log worth copying while nobody waits.
const WAL_PAGES_IDLE: u64 = 1_000;
/// The same while others wait: a page written again and again is copied once.
const WAL_PAGES_URGENT: u64 = 4_000;
/// Size at which the write-ahead log has to begin anew, if it takes a moment in which nobody writes.
pub(super) const WAL_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Pages that may be left to copy in that moment, and how often what is left is copied before: each time that is what was
/// written meanwhile.
const WAL_PAGES_LEFT: u64 = 100;
const WAL_APPROACHES: usize = 3;
/// How long that moment may be: readers of old pages are waited for no longer.
const WAL_RESTART_MILLIS: u64 = 20;
/// After a try in vain, such as during a backup, the next comes when the log has grown by this.
const WAL_RETRY_PAGES: u64 = WAL_PAGES_MAX / 4;
const WAL_PAGES_MAX: u64 = WAL_BYTES_MAX / PAGE_BYTES as u64;

/// What is remembered from one call to the next.
#[derive(Debug)]
pub(super) struct Upkeep {
    /// Pages of the write-ahead log at which to try next to begin it anew.
    pub(super) wal_restart_pages: AtomicU64,
    /// A run of the index by keys that found no turn to be written.
    run: Mutex<Option<Built>>,
}

impl Upkeep {
    /// Keeps a run for the next call.
    pub(super) fn keep(&self, run: Built) {
        *self.run.lock().unwrap_or_else(PoisonError::into_inner) = Some(run);
    }

    /// The run that an earlier call kept.
    pub(super) fn take_kept(&self) -> Option<Built> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Default for Upkeep {
    fn default() -> Self {
        Self { wal_restart_pages: AtomicU64::new(WAL_PAGES_MAX), run: Mutex::new(None) }
    }
}

/// One slice of everything. Whether there is more to do.
pub(super) fn maintain(store: &SqliteStore, idle: bool) -> Result<bool> {
    let Some(maintenance) = store.maintenance else { return Ok(false) };
    let lines_left = index(store, idle)? | key_index::maintain(store, idle)?;
    let pages_left = match maintenance {
        Maintenance::Background => tend_wal(store, idle)?,
        Maintenance::Inline => false,
    };
    Ok(lines_left || pages_left)
}

/// Lines beyond the index.
pub(super) fn tail(connection: &Connection) -> Result<u64, Fault> {
    let sql = "SELECT max(0, (SELECT coalesce(max(seq), 0) FROM audit) - seq)
               FROM index_progress WHERE name = 'audit_by_log'";
    count(connection, sql, [])
}

/// Indexes some slices if it is time to, and at the limit as many as it takes.
fn index(store: &SqliteStore, idle: bool) -> Result<bool> {
    let enough = if idle { TAIL_LINES_IDLE } else { TAIL_LINES_URGENT };
    let measure = || tail(&*store.reader()?).map_err(|fault| store.place.blame(fault));
    let mut left = measure()?;
    if left < enough {
        return Ok(false);
    }
    for slice in 1.. {
        if !take_turn(store, left >= TAIL_LINES_MAX, index_slice)? {
            return Ok(true);
        }
        left = measure()?;
        if left < TAIL_LINES_MAX && slice >= SLICES_AT_ONCE {
            break;
        }
    }
    Ok(left >= enough)
}

/// Does a little work on the writing connection when it is free, at once or in a moment; at a limit after however
/// long it takes. Whether it was done: otherwise somebody writes, in this process or another, and is not kept from it.
pub(super) fn take_turn(
    store: &SqliteStore,
    urgent: bool,
    work: impl FnOnce(&Connection, Duration) -> Result<(), Fault>,
) -> Result<bool> {
    let (turn_wait_max, lock_wait_max) =
        if urgent { (BEGIN_WAIT_MAX, BEGIN_WAIT_MAX) } else { (TURN_WAIT_MAX, Duration::ZERO) };
    let lease = match store.writer.lease(turn_wait_max) {
        Err(error) if error.code() == Code::StoreBusy && !urgent => return Ok(false),
        lease => lease?,
    };
    match work(&lease, lock_wait_max) {
        Err(fault) if fault.is_busy() && !urgent => Ok(false),
        done => done.map(|()| true).map_err(|fault| store.place.blame(fault)),
    }
}

/// One transaction of the indexer: entries and progress together.
fn index_slice(connection: &Connection, wait_max: Duration) -> Result<(), Fault> {
    begin_immediate(connection, wait_max)?;
    let indexed = index_next(connection).and_then(|()| Ok(connection.prepare_cached("COMMIT")?.execute([])?));
    if indexed.is_err() && !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    indexed.map(drop)
}

fn index_next(connection: &Connection) -> Result<(), Fault> {
    let from = count(connection, "SELECT seq FROM index_progress WHERE name = 'audit_by_log'", [])?;
    let last = count(connection, "SELECT coalesce(max(seq), 0) FROM audit", [])?;
    let to = last.min(from + SLICE_LINES);
    let sql = concat!("SELECT ", super::rows::columns!(generations), " FROM generations ORDER BY number");
    let generations: Vec<GenerationRow> = many(connection, sql, [])?;
    if generations.first().is_none_or(|first| first.after_seq > from) {
        return Err(Fault::damaged("there are lines of no generation"));
    }
    // In the order of the index, so that neighbours are written together. An entry that is there
    // already is not ours, and gives way.
    let mut insert = connection.prepare_cached(
        "INSERT OR REPLACE INTO audit_by_log (tenant, generation, log_seq, seq)
         SELECT tenant, ?1, log_seq, seq FROM audit WHERE seq > ?2 AND seq <= ?3 ORDER BY tenant, log_seq",
    )?;
    for (at, generation) in generations.iter().enumerate() {
        let begins = generation.after_seq.max(from);
        let ends = generations.get(at + 1).map_or(to, |next| next.after_seq.min(to));
        if begins < ends {
            insert.execute(params![generation.number, number(begins)?, number(ends)?])?;
        }
    }
    connection
        .prepare_cached("UPDATE index_progress SET seq = ?1 WHERE name = 'audit_by_log'")?
        .execute([number(to.max(from))?])?;
    Ok(())
}

/// What a checkpoint says of the write-ahead log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wal {
    /// Somebody was in its way.
    busy: bool,
    /// Pages in the log.
    pages: u64,
    /// How many of them are in the database already.
    copied: u64,
}

impl Wal {
    fn waiting(self) -> u64 {
        self.pages.saturating_sub(self.copied)
    }
}

/// Copies the write-ahead log into the database if enough has gathered, and begins it anew if it is
/// too long. Under steady writing the copying alone never quite catches up.
fn tend_wal(store: &SqliteStore, idle: bool) -> Result<bool> {
    // If it is lent, another thread is at it.
    let Some(lease) = store.housekeeper.lease_now()? else { return Ok(false) };
    let enough = if idle { WAL_PAGES_IDLE } else { WAL_PAGES_URGENT };
    let restart_pages = &store.upkeep.wal_restart_pages;
    let work = || {
        let before = checkpoint(&lease, "PRAGMA wal_checkpoint(NOOP)")?;
        if before.waiting() < enough && before.pages < WAL_PAGES_MAX {
            restart_pages.store(WAL_PAGES_MAX, Ordering::Relaxed);
            return Ok(false);
        }
        let after = checkpoint(&lease, "PRAGMA wal_checkpoint(PASSIVE)")?;
        if after.pages >= restart_pages.load(Ordering::Relaxed) {
            // Writers wait while what is left is copied and synced, so that shall be little.
            for _ in 0..WAL_APPROACHES {
                if checkpoint(&lease, "PRAGMA wal_checkpoint(NOOP)")?.waiting() < WAL_PAGES_LEFT {
                    break;
                }
                checkpoint(&lease, "PRAGMA wal_checkpoint(PASSIVE)")?;
            }
            lease.busy_timeout(Duration::from_millis(WAL_RESTART_MILLIS))?;
            // Cut off only when nobody waits: a file that has its size already is synced faster.
            let restart = if idle { "PRAGMA wal_checkpoint(TRUNCATE)" } else { "PRAGMA wal_checkpoint(RESTART)" };
            let restarted = checkpoint(&lease, restart);
            lease.busy_timeout(Duration::from_millis(super::connection::BUSY_MILLIS))?;
            let next = match restarted? {
                Wal { busy: true, pages, .. } => pages + WAL_RETRY_PAGES,
                Wal { busy: false, .. } => WAL_PAGES_MAX,
            };
            restart_pages.store(next, Ordering::Relaxed);
        }
        // While a reader holds on to old pages, trying again at once is no use.
        Ok(after.waiting() >= enough && after.copied > before.copied)
    };
    work().map_err(|fault| store.place.blame(fault))
}

fn checkpoint(connection: &Connection, pragma: &str) -> Result<Wal, Fault> {
    let (busy, pages, copied): (bool, i64, i64) =
        connection.prepare_cached(pragma)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    // -1 and -1 if there is no log.
    Ok(Wal { busy, pages: u64::try_from(pages).unwrap_or(0), copied: u64::try_from(copied).unwrap_or(0) })
}

/// Leaves nothing in the write-ahead log, if nobody else has the file open. Called when closing.
pub(super) fn leave(connection: &Connection) {
    // Best effort: what is in the log is durable, and is found again by whoever opens the file.
    let _ = connection.busy_timeout(Duration::ZERO);
    let _ = checkpoint(connection, "PRAGMA wal_checkpoint(TRUNCATE)");
}
