//! Bringing a file's schema up to date, step by step, and refusing one that is not ours.
//!
//! Migrations are numbered files, embedded in the program, never edited after a release. What was
//! applied is recorded with its hash, and afterwards the schema itself is compared with what the files
//! make: a trigger or a view that somebody planted is found before anything is written.

use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

use super::{
    connection::{APPLICATION_ID, BEGIN_WAIT_MAX, begin_immediate},
    fault::Fault,
};
use crate::{Code, Error};

/// One step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Migration {
    pub(super) number: u32,
    pub(super) name: &'static str,
    pub(super) sql: &'static str,
}

/// All steps, in order, numbered from 1 without a gap.
pub(super) const MIGRATIONS: &[Migration] =
    &[Migration { number: 1, name: "foundation", sql: include_str!("migrations/0001_foundation.sql") }];

/// Where the runner notes what it did. Not a migration itself: it has to be there before the first one.
const TABLE: &str = "CREATE TABLE schema_migrations (
    number     INTEGER PRIMARY KEY,
    name       TEXT    NOT NULL,
    sha256     BLOB    NOT NULL CHECK (length(sha256) = 32),
    applied_at INTEGER NOT NULL
) STRICT";

/// Applies what is missing, each step in its own transaction, and checks what is there.
///
/// `keep` is called before the first step on a file that has something in it, with the number of its last migration: it
/// makes the copy that one can go back to.
pub(super) fn bring_up_to_date(
    connection: &Connection,
    known: &[Migration],
    keep: &dyn Fn(u32) -> Result<(), Fault>,
) -> Result<(), Fault> {
    // Another process may be at it: what is there, and whose it is, is asked of one moment.
    let moment = connection.unchecked_transaction()?;
    let present = applied(&moment, known)?;
    if present == 0 {
        refuse_foreign(&moment)?;
    }
    moment.finish()?;
    if 0 < present && present < known.len() {
        keep(known[present - 1].number)?;
    }
    for (index, migration) in known.iter().enumerate().skip(present) {
        begin_immediate(connection, BEGIN_WAIT_MAX)?;
        // Another process may have been faster.
        let step = match applied(connection, known) {
            Ok(present) if present > index => Ok(()),
            Ok(_) => apply(connection, migration),
            Err(fault) => Err(fault),
        };
        match step.and_then(|()| Ok(connection.execute_batch("COMMIT")?)) {
            Ok(()) => {}
            Err(fault) => {
                // The first fault is the one to tell; closing the connection undoes the rest.
                let _ = connection.execute_batch("ROLLBACK");
                return Err(fault);
            }
        }
    }
    compare(connection, known)
}

/// Number of the last migration applied.
pub(super) fn version(connection: &Connection) -> Result<u32, Fault> {
    Ok(connection.query_row("SELECT coalesce(max(number), 0) FROM schema_migrations", [], |row| row.get(0))?)
}

/// Only checks: for a file that is not to be written.
pub(super) fn check(connection: &Connection, known: &[Migration]) -> Result<(), Fault> {
    let present = applied(connection, known)?;
    if present == 0 {
        return Err(Fault::damaged("it holds no schema"));
    }
    compare(connection, &known[..present])
}

/// How many of the known migrations are applied; each is compared with its record.
fn applied(connection: &Connection, known: &[Migration]) -> Result<usize, Fault> {
    let table = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migrations'";
    if connection.query_row(table, [], |_| Ok(())).optional()?.is_none() {
        return Ok(0);
    }
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if application != APPLICATION_ID {
        return Err(foreign());
    }
    let mut statement = connection.prepare("SELECT number, name, sha256 FROM schema_migrations ORDER BY number")?;
    let mut rows = statement.query([])?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        let (number, name, sha256): (i64, String, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let Some(migration) = known.get(count) else {
            let newest = known.last().map_or(0, |migration| migration.number);
            let detail = format!("it has migration {number}, this program knows {newest}");
            return Err(Error::new(Code::SchemaNewer).detail(detail).into());
        };
        if number != i64::from(migration.number) || name != migration.name || sha256 != hash(migration)[..] {
            return Err(drift(format!("migration {}", migration.number)));
        }
        count += 1;
    }
    Ok(count)
}

fn apply(connection: &Connection, migration: &Migration) -> Result<(), Fault> {
    if migration.number == 1 {
        connection.execute_batch(TABLE)?;
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    connection.execute_batch(migration.sql)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    connection.execute(
        "INSERT INTO schema_migrations (number, name, sha256, applied_at) VALUES (?1, ?2, ?3, ?4)",
        params![migration.number, migration.name, &hash(migration)[..], now],
    )?;
    Ok(())
}

/// A file without our table is ours only if it is empty: what `create` leaves when it is killed.
fn refuse_foreign(connection: &Connection) -> Result<(), Fault> {
    let objects: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if objects == 0 { Ok(()) } else { Err(foreign()) }
}

fn foreign() -> Fault {
    Fault::damaged("this is not a Strongroom database")
}

/// Compares the schema with the one that the migrations make in a fresh database.
fn compare(connection: &Connection, known: &[Migration]) -> Result<(), Fault> {
    let model = Connection::open_in_memory()?;
    model.execute_batch(TABLE)?;
    for migration in known {
        model.execute_batch(migration.sql)?;
    }
    let (want, found) = (schema(&model)?, schema(connection)?);
    let strange =
        found.iter().find(|object| !want.contains(object)).or(want.iter().find(|object| !found.contains(object)));
    match strange {
        None => Ok(()),
        Some((kind, name, _)) => Err(drift(format!("{kind} {name}"))),
    }
}

/// Kind, name and definition of everything but what SQLite itself keeps.
fn schema(connection: &Connection) -> Result<Vec<(String, String, Option<String>)>, Fault> {
    let mut statement = connection.prepare(
        "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY 1, 2",
    )?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn drift(what: String) -> Fault {
    Error::new(Code::SchemaDrift).detail(what).into()
}

fn hash(migration: &Migration) -> [u8; 32] {
    Sha256::digest(migration.sql.as_bytes()).into()
}
