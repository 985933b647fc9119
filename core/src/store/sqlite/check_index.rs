//! The lagging indexes, compared with the lines they are of, and built anew where they differ.
//!
//! Slice by slice, so that neither memory nor a writer's patience is used up. A slice's rows are made from
//! its lines as the indexer makes them, and compared with what is stored; what belongs to no line at all is
//! looked for in one pass at the end. Findings name tenants by number and keys by their bytes.

use rusqlite::{Connection, Params, Row, params};

use super::{
    SqliteStore,
    connection::BEGIN_WAIT_MAX,
    fault::Fault,
    key_index::{
        RUN_LINES, is_begun_rightly, progress, put_progress, put_run, rows_of_run, run_beyond, show, stored_rows,
        within_transaction,
    },
    rows::{count, number},
};
use crate::{
    Result,
    store::{IndexCheck, IndexPart},
};

/// Findings of one part; of one kind, more than these are of no further use.
const FINDINGS_MAX: usize = 100;
/// Entries of nobody that one transaction removes.
const STRAYS_PER_TRANSACTION: usize = 1_000;

/// Entries of the index by log whose line is not there, is another's, or is at another place.
const STRAYS: &str = "
    FROM audit_by_log AS entry LEFT JOIN audit ON audit.seq = entry.seq
    WHERE audit.seq IS NULL OR audit.tenant <> entry.tenant OR audit.log_seq <> entry.log_seq
       OR entry.seq > (SELECT seq FROM index_progress WHERE name = 'audit_by_log')
       OR entry.generation IS NOT (SELECT max(number) FROM generations WHERE after_seq < entry.seq)";

/// The generation that a line is of, by its number.
const GENERATION_OF: &str = "(SELECT max(number) FROM generations WHERE after_seq < audit.seq)";

pub(super) fn check(connection: &Connection, part: IndexPart) -> Result<IndexCheck, Fault> {
    let mut found = IndexCheck::default();
    match part {
        IndexPart::Slice(slice) => check_slice(connection, slice, &mut found)?,
        IndexPart::Strays => check_strays(connection, &mut found)?,
    }
    Ok(found)
}

impl IndexCheck {
    fn add(&mut self, finding: impl FnOnce() -> String) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding());
        }
    }
}

fn last_line(connection: &Connection) -> Result<u64, Fault> {
    count(connection, "SELECT coalesce(max(seq), 0) FROM audit", [])
}

fn log_progress(connection: &Connection) -> Result<u64, Fault> {
    count(connection, "SELECT coalesce((SELECT seq FROM index_progress WHERE name = 'audit_by_log'), 0)", [])
}

fn check_slice(connection: &Connection, slice: u64, found: &mut IndexCheck) -> Result<(), Fault> {
    let (begins, ends) = (slice.saturating_mul(RUN_LINES), slice.saturating_add(1).saturating_mul(RUN_LINES));
    let last = last_line(connection)?;
    found.more = ends < last;
    found.lines = last.min(ends).saturating_sub(begins);
    if ends <= progress(connection)? && begins < last {
        let (mut want, stored) = (rows_of_run(connection, slice)?, stored_rows(connection, slice)?);
        for (key, lines) in &stored {
            match want.remove(key) {
                None => found.add(|| format!("audit_by_key, run {slice}: an entry too many: {}", show(key))),
                Some(want) if want != *lines => {
                    found.add(|| format!("audit_by_key, run {slice}: an entry that names other lines: {}", show(key)));
                }
                Some(_) => {}
            }
        }
        want.keys().for_each(|key| found.add(|| format!("audit_by_key, run {slice}: no entry for {}", show(key))));
    }
    let sql = format!(
        "SELECT audit.tenant, audit.log_seq, entry.seq
         FROM audit LEFT JOIN audit_by_log AS entry
           ON entry.tenant = audit.tenant AND entry.generation = {GENERATION_OF} AND entry.log_seq = audit.log_seq
         WHERE audit.seq > ?1 AND audit.seq <= ?2 AND entry.seq IS NOT audit.seq ORDER BY audit.seq"
    );
    let upto = ends.min(log_progress(connection)?);
    each(connection, &sql, params![number(begins)?, number(upto)?], |row| {
        let (tenant, at, entry): (i64, i64, Option<i64>) = (row.get(0)?, row.get(1)?, row.get(2)?);
        found.add(|| match entry {
            None => format!("audit_by_log: no entry for line {at} of tenant {tenant}"),
            Some(_) => format!("audit_by_log: the entry for line {at} of tenant {tenant} names another line"),
        });
        Ok(())
    })
}

fn check_strays(connection: &Connection, found: &mut IndexCheck) -> Result<(), Fault> {
    let last = last_line(connection)?;
    let (by_key, by_log) = (progress(connection)?, log_progress(connection)?);
    if by_key > last || !by_key.is_multiple_of(RUN_LINES) {
        found.add(|| format!("audit_by_key: it claims to go to line {by_key} of {last}"));
    }
    if by_log > last {
        found.add(|| format!("audit_by_log: it claims to go to line {by_log} of {last}"));
    }
    let next = by_key / RUN_LINES;
    if !is_begun_rightly(connection, next)? {
        found.add(|| {
            format!("audit_by_key: entries of run {next}, which it does not claim to have, or not all that it does")
        });
    }
    if let Some(run) = run_beyond(connection, next.saturating_add(1))? {
        found.add(|| format!("audit_by_key: entries of run {run}, which it does not claim to have"));
    }
    // Each line up to there has its own entry, as the slices showed: there are strays if there are more entries.
    let lines = count(connection, "SELECT count(*) FROM audit WHERE seq <= ?1", [number(by_log)?])?;
    if count(connection, "SELECT count(*) FROM audit_by_log", [])? == lines {
        return Ok(());
    }
    let sql = format!("SELECT entry.tenant, entry.log_seq {STRAYS} LIMIT {FINDINGS_MAX}");
    each(connection, &sql, [], |row| {
        let (tenant, at): (i64, i64) = (row.get(0)?, row.get(1)?);
        found.add(|| format!("audit_by_log: an entry too many: line {at} of tenant {tenant}"));
        Ok(())
    })
}

fn each(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    mut with: impl FnMut(&Row<'_>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    while let Some(row) = rows.next()? {
        with(row)?;
    }
    Ok(())
}

pub(super) fn repair(store: &SqliteStore, part: IndexPart) -> Result<()> {
    let work = || match part {
        IndexPart::Slice(slice) => {
            // As for the indexer: the reading is done before the lock.
            let rows = rows_of_run(&*store.reader()?, slice)?;
            let writer = store.writer()?;
            within_transaction(&writer, BEGIN_WAIT_MAX, || {
                let (begins, ends) =
                    (slice.saturating_mul(RUN_LINES), slice.saturating_add(1).saturating_mul(RUN_LINES));
                if ends <= progress(&writer)? {
                    put_run(&writer, slice, &rows)?;
                }
                let sql = format!(
                    "INSERT OR REPLACE INTO audit_by_log (tenant, generation, log_seq, seq)
                     SELECT tenant, {GENERATION_OF}, log_seq, seq FROM audit
                     WHERE seq > ?1 AND seq <= ?2 ORDER BY tenant, log_seq"
                );
                let upto = ends.min(log_progress(&writer)?);
                writer.prepare_cached(&sql)?.execute(params![number(begins)?, number(upto)?])?;
                Ok(())
            })
        }
        IndexPart::Strays => remove_strays(&*store.writer()?),
    };
    work().map_err(|fault| store.place.blame(fault))
}

fn remove_strays(writer: &Connection) -> Result<(), Fault> {
    within_transaction(writer, BEGIN_WAIT_MAX, || {
        let last = last_line(writer)?;
        let by_key = progress(writer)?.min(last) / RUN_LINES * RUN_LINES;
        put_progress(writer, by_key, 0)?;
        let runs = number(by_key / RUN_LINES)?;
        writer.prepare_cached("DELETE FROM audit_by_key WHERE run >= ?1 OR run < 0")?.execute([runs])?;
        let upto = number(log_progress(writer)?.min(last))?;
        writer
            .prepare_cached("INSERT OR REPLACE INTO index_progress (name, seq) VALUES ('audit_by_log', ?1)")?
            .execute([upto])?;
        Ok(())
    })?;
    let sql = format!(
        "DELETE FROM audit_by_log WHERE (tenant, generation, log_seq) IN
         (SELECT entry.tenant, entry.generation, entry.log_seq {STRAYS} LIMIT {STRAYS_PER_TRANSACTION})"
    );
    let mut removed = STRAYS_PER_TRANSACTION;
    while removed == STRAYS_PER_TRANSACTION {
        within_transaction(writer, BEGIN_WAIT_MAX, || {
            removed = writer.prepare_cached(&sql)?.execute([])?;
            Ok(())
        })?;
    }
    Ok(())
}
