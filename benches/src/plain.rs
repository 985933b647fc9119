//! Plain SQLite beside ours: the same binary, pragmas, row bytes and file system, and nothing of a product.
//!
//! One thread appends rows to one table without an index, as many per transaction as we have callers.
//! No queue, no threads to wake, no keys, no hashes, no signature: the most that SQLite can give.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use rusqlite::{Connection, OpenFlags, params};

use crate::{Result, callers::Load, sample::nanos};

/// Pages of the write-ahead log that are worth copying into the database, as in our store under load.
const WAL_PAGES: i64 = 4_000;
/// Transactions between two looks at it.
const LOOK_EVERY: u64 = 32;

pub(crate) struct Plain {
    writer: Connection,
    housekeeper: Connection,
    row: Vec<u8>,
    transactions: u64,
}

impl Plain {
    pub(crate) fn make(file: &Path, row_bytes: usize) -> Result<Self> {
        let writer = connect(file)?;
        writer.execute_batch(
            "CREATE TABLE audit (seq INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, log_seq INTEGER NOT NULL,
             line BLOB NOT NULL) STRICT",
        )?;
        Ok(Self { writer, housekeeper: connect(file)?, row: vec![0x61; row_bytes], transactions: 0 })
    }

    /// Appends for this long, with so many rows in each transaction. The times are those of transactions.
    pub(crate) fn run(&mut self, rows: usize, time: Duration) -> Result<Load> {
        let begin = Instant::now();
        let mut times = Vec::new();
        while begin.elapsed() < time {
            let since = Instant::now();
            self.transaction(rows)?;
            times.push(nanos(since));
            // As in our store, on a connection of its own and between two commits; its cost counts in the rate.
            if self.transactions.is_multiple_of(LOOK_EVERY) {
                self.tend_wal()?;
            }
        }
        Ok(Load::new((times.len() * rows) as u64, begin.elapsed(), times))
    }

    /// One transaction of so many rows.
    pub(crate) fn transaction(&mut self, rows: usize) -> Result<()> {
        self.writer.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        {
            let mut insert =
                self.writer.prepare_cached("INSERT INTO audit (tenant, log_seq, line) VALUES (?1, ?2, ?3)")?;
            for row in 0..rows {
                insert.execute(params![row as i64 % 16, self.transactions as i64, self.row])?;
            }
        }
        self.writer.prepare_cached("COMMIT")?.execute([])?;
        self.transactions += 1;
        Ok(())
    }

    fn tend_wal(&self) -> Result<()> {
        let pages = |pragma: &str| -> Result<i64> {
            Ok(self.housekeeper.prepare_cached(pragma)?.query_row([], |row| row.get(1))?)
        };
        if pages("PRAGMA wal_checkpoint(NOOP)")? >= WAL_PAGES {
            pages("PRAGMA wal_checkpoint(PASSIVE)")?;
        }
        Ok(())
    }
}

/// The settings of our store's writing connection.
fn connect(file: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "page_size", 4_096)?;
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(None, "cache_size", -16 * 1024)?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    Ok(connection)
}
