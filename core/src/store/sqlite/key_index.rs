//! The index by keys: which lines have which actor, object, request, act and outcome.
//!
//! Built in runs of 4,096 lines, each once and whole. A row names, for one run, tenant and key, the lines
//! of the run that have it. So the index only grows at its end, whatever the keys are: in one b-tree by
//! key, random request ids would touch a page for each line, of a table that is larger than any cache.
//! The price is that a search looks into each run, about five microseconds for a key.
//!
//! Lines are never changed, so they are read and sorted without a lock. What stops a writer is storing the rows, so that is
//! done a part at a time, and how many of the next run are there stands beside how far the index goes.

use std::{collections::BTreeMap, ops::Range, time::Duration};

use rusqlite::{Connection, OptionalExtension, params, types::ValueRef};

use super::{
    SqliteStore,
    connection::begin_immediate,
    fault::Fault,
    maintain::{TAIL_LINES_MAX, take_turn},
    rows::{columns, count, number},
};
use crate::{
    Result,
    store::{LineKey, LineRow, LineSearch, LinesCounted, LinesFound, Order, Sieve},
};

/// Lines of one run.
pub(super) const RUN_LINES: u64 = 4_096;
/// Rows of a run that are stored under one lock: under a millisecond, where a whole run takes ten.
pub(super) const ROWS_AT_ONCE: usize = 512;
/// Lines beyond the index at which it is brought up even if others wait: a search reads each of them.
const TAIL_LINES_URGENT: u64 = 2 * RUN_LINES;
/// Runs that one search looks into; there is a cursor for the rest.
const SEARCH_RUNS_MAX: u64 = 4_096;
/// Lines beyond the index that one search reads: only an index that nobody tends is further behind.
const SEARCH_TAIL_MAX: u64 = 2 * TAIL_LINES_MAX;
/// Up to this many lines of a run are listed, two bytes each; more than these are a map of 512 bytes.
const LISTED_MAX: usize = 255;
const MAP_BYTES: usize = RUN_LINES as usize / 8;

/// The lines of one run that have a key.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Places(Box<[u64; RUN_LINES as usize / 64]>);

impl Places {
    fn none() -> Self {
        Self(Box::new([0; RUN_LINES as usize / 64]))
    }

    fn add(&mut self, place: u16) {
        self.0[usize::from(place / 64) % self.0.len()] |= 1 << (place % 64);
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    fn and(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0.iter()).for_each(|(ours, other)| *ours &= other);
    }

    fn or(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0.iter()).for_each(|(ours, other)| *ours |= other);
    }

    /// How many there are from this place on, and before that one.
    fn count(&self, range: Range<u64>) -> u64 {
        let within = |first: u64| {
            let below = |end: u64| match end.saturating_sub(first) {
                0 => 0,
                places @ 1..64 => (1_u64 << places) - 1,
                _ => u64::MAX,
            };
            below(range.end) & !below(range.start)
        };
        self.0.iter().zip((0..).step_by(64)).map(|(word, first)| u64::from((word & within(first)).count_ones())).sum()
    }

    /// In the order of the log.
    fn list(&self) -> Vec<u16> {
        let mut list = Vec::new();
        for (word, first) in self.0.iter().zip((0..).step_by(64)) {
            let mut rest = *word;
            while rest != 0 {
                list.push(first + rest.trailing_zeros() as u16);
                rest &= rest - 1;
            }
        }
        list
    }

    /// As a row has it; the length tells which form it is.
    fn to_bytes(&self) -> Vec<u8> {
        let list = self.list();
        if list.len() <= LISTED_MAX {
            return list.iter().flat_map(|place| place.to_be_bytes()).collect();
        }
        self.0.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// What cannot be read names no lines: `check-index` finds it.
    fn from_bytes(bytes: &[u8]) -> Self {
        let mut places = Self::none();
        if bytes.len() == MAP_BYTES {
            let words = bytes.as_chunks::<8>().0;
            places.0.iter_mut().zip(words).for_each(|(word, bytes)| *word = u64::from_le_bytes(*bytes));
        } else {
            let list = bytes.as_chunks::<2>().0.iter().map(|place| u16::from_be_bytes(*place));
            list.filter(|place| u64::from(*place) < RUN_LINES).for_each(|place| places.add(place));
        }
        places
    }
}

/// Tenant, kind and key, as they are stored.
type Key = (u32, u8, i64);

/// All rows of one run, by what they are stored under.
pub(super) type Rows = BTreeMap<Key, Vec<u8>>;

/// A key as SQLite stores it.
fn stored(key: u64) -> i64 {
    i64::from_ne_bytes(key.to_ne_bytes())
}

/// What a key is shown as.
pub(super) fn show((tenant, kind, key): &Key) -> String {
    let sort = LineKey { kind: *kind, key: 0 }.sort();
    format!("tenant {tenant}, {sort} {:016x}", u64::from_ne_bytes(key.to_ne_bytes()))
}

/// Up to which line the index goes.
pub(super) fn progress(connection: &Connection) -> Result<u64, Fault> {
    count(connection, "SELECT coalesce((SELECT seq FROM index_progress WHERE name = 'audit_by_key'), 0)", [])
}

/// How many rows of the run after that are stored, the first ones in their order.
pub(super) fn rows_begun(connection: &Connection) -> Result<u64, Fault> {
    count(connection, "SELECT coalesce((SELECT seq FROM index_progress WHERE name = 'audit_by_key_rows'), 0)", [])
}

fn last_line(connection: &Connection) -> Result<u64, Fault> {
    count(connection, "SELECT coalesce(max(seq), 0) FROM audit", [])
}

/// The rows of a run, from its lines. Takes no lock.
pub(super) fn rows_of_run(connection: &Connection, run: u64) -> Result<Rows, Fault> {
    let begins = number(run.saturating_mul(RUN_LINES))?;
    let mut select = connection
        .prepare_cached("SELECT seq, tenant, line FROM audit WHERE seq > ?1 AND seq <= ?1 + ?2 ORDER BY seq")?;
    let mut lines = select.query(params![begins, number(RUN_LINES)?])?;
    let mut entries = Vec::new();
    while let Some(line) = lines.next()? {
        let place = u16::try_from(line.get::<_, i64>(0)? - begins - 1).map_err(|_| Fault::internal("a run's place"))?;
        let tenant: u32 = line.get(1)?;
        let text = match line.get_ref(2)? {
            ValueRef::Blob(bytes) => bytes,
            _ => return Err(Fault::damaged("a line is no bytes")),
        };
        entries.extend(LineKey::all_of(text).map(|key| ((tenant, key.kind, stored(key.key)), place)));
    }
    entries.sort_unstable();
    let same_key = entries.chunk_by(|one, next| one.0 == next.0);
    Ok(same_key
        .map(|entries| {
            let mut places = Places::none();
            entries.iter().for_each(|(_, place)| places.add(*place));
            (entries[0].0, places.to_bytes())
        })
        .collect())
}

/// Puts a run's rows in the place of what is there: that is not ours.
pub(super) fn put_run(connection: &Connection, run: u64, rows: &Rows) -> Result<(), Fault> {
    remove_run(connection, run)?;
    insert_rows(connection, run, rows)
}

fn remove_run(connection: &Connection, run: u64) -> Result<(), Fault> {
    connection.prepare_cached("DELETE FROM audit_by_key WHERE run = ?1")?.execute([number(run)?])?;
    Ok(())
}

fn insert_rows<'r>(
    connection: &Connection,
    run: u64,
    rows: impl IntoIterator<Item = (&'r Key, &'r Vec<u8>)>,
) -> Result<(), Fault> {
    let run = number(run)?;
    let mut insert = connection.prepare_cached(
        "INSERT OR REPLACE INTO audit_by_key (run, tenant, kind, key, lines) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for ((tenant, kind, key), lines) in rows {
        insert.execute(params![run, tenant, kind, key, lines])?;
    }
    Ok(())
}

/// Writes down that the index goes up to this line, and has so many rows of the run after it.
pub(super) fn put_progress(connection: &Connection, upto: u64, rows: usize) -> Result<(), Fault> {
    let mut put = connection.prepare_cached(
        "INSERT OR REPLACE INTO index_progress (name, seq) VALUES ('audit_by_key', ?1), ('audit_by_key_rows', ?2)",
    )?;
    put.execute([number(upto)?, number(rows as u64)?])?;
    Ok(())
}

/// Builds a run if there is one to build, and at the limit as many as it takes. Whether there is more to do.
pub(super) fn maintain(store: &SqliteStore, idle: bool) -> Result<bool> {
    let enough = if idle { RUN_LINES } else { TAIL_LINES_URGENT };
    loop {
        let Some(mut built) = build(store, enough)? else { return Ok(false) };
        let urgent = built.last - built.from >= TAIL_LINES_MAX;
        while !built.is_stored {
            if !take_turn(store, urgent, |writer, wait_max| store_part(writer, &mut built, wait_max))? {
                // Somebody writes, and calls again after that.
                store.upkeep.keep(built);
                return Ok(true);
            }
        }
        let left = built.last.saturating_sub((built.from / RUN_LINES + 1) * RUN_LINES);
        if left < TAIL_LINES_MAX {
            return Ok(left >= enough);
        }
    }
}

/// A run that is not stored yet. Lines never change, so its rows stay right until they are.
#[derive(Debug)]
pub(super) struct Built {
    /// Lines that were indexed.
    from: u64,
    /// Lines that there were.
    last: u64,
    rows: Vec<(Key, Vec<u8>)>,
    /// All of it, by us or by another process.
    pub(super) is_stored: bool,
}

impl Built {
    pub(super) fn new(from: u64, last: u64, rows: Rows) -> Self {
        Self { from, last, rows: rows.into_iter().collect(), is_stored: false }
    }
}

/// The next run, if there are lines enough: the one that was built before and found no turn, if there is one.
fn build(store: &SqliteStore, enough: u64) -> Result<Option<Built>> {
    let kept = store.upkeep.take_kept();
    let reader = store.reader()?;
    let work = || {
        let (from, last) = (progress(&reader)?, last_line(&reader)?);
        if last.saturating_sub(from) < enough {
            return Ok(None);
        }
        Ok(Some(match kept {
            Some(kept) if kept.from == from => Built { last, ..kept },
            _ => Built::new(from, last, rows_of_run(&reader, from / RUN_LINES)?),
        }))
    };
    work().map_err(|fault| store.place.blame(fault))
}

/// Stores the next rows and, with the last of them, the progress.
///
/// Whoever began the run, this process or another, before a crash or just now: it has stored the first of the same rows.
pub(super) fn store_part(connection: &Connection, built: &mut Built, wait_max: Duration) -> Result<(), Fault> {
    let (run, count) = (built.from / RUN_LINES, built.rows.len());
    within_transaction(connection, wait_max, || {
        if progress(connection)? != built.from {
            built.is_stored = true;
            return Ok(());
        }
        let begun = usize::try_from(rows_begun(connection)?).ok().filter(|begun| *begun < count).unwrap_or(0);
        if begun == 0 {
            remove_run(connection, run)?;
        }
        let until = count.min(begun + ROWS_AT_ONCE);
        insert_rows(connection, run, built.rows[begun..until].iter().map(|(key, lines)| (key, lines)))?;
        if until < count {
            return put_progress(connection, built.from, until);
        }
        built.is_stored = true;
        put_progress(connection, (run + 1) * RUN_LINES, 0)
    })
    .inspect_err(|_| built.is_stored = false)
}

/// All of the work becomes durable, or nothing of it.
pub(super) fn within_transaction(
    connection: &Connection,
    wait_max: Duration,
    work: impl FnOnce() -> Result<(), Fault>,
) -> Result<(), Fault> {
    begin_immediate(connection, wait_max)?;
    let done = work().and_then(|()| Ok(connection.prepare_cached("COMMIT")?.execute([])?));
    if done.is_err() && !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    done.map(drop)
}

/// Looks for lines: in the index as far as it goes, and through the tail beyond.
pub(super) fn search(connection: &Connection, search: &LineSearch<'_>) -> Result<LinesFound, Fault> {
    let upto = progress(connection)?;
    let until = search.until.min(last_line(connection)?);
    let mut hunt = Hunt { connection, search, found: LinesFound::default() };
    if search.after >= until || search.lines_max == 0 {
        return Ok(hunt.found);
    }
    let (tail_after, index_until) = (search.after.max(upto), until.min(upto));
    match search.order {
        Order::NewestFirst => {
            let ended = hunt.tail(tail_after, until)?;
            if !ended && search.after < index_until {
                hunt.runs(search.after, index_until)?;
            }
        }
        Order::OldestFirst => {
            let ended = search.after < index_until && hunt.runs(search.after, index_until)?;
            if !ended {
                hunt.tail(tail_after, until)?;
            }
        }
    }
    Ok(hunt.found)
}

/// Counts lines: by the index as far as it goes, and in the tail beyond by reading.
pub(super) fn count_lines(connection: &Connection, search: &LineSearch<'_>) -> Result<LinesCounted, Fault> {
    let upto = progress(connection)?;
    let until = search.until.min(last_line(connection)?);
    let mut counted = LinesCounted::default();
    if search.after >= until {
        return Ok(counted);
    }
    let hunt = Hunt { connection, search, found: LinesFound::default() };
    let index_until = until.min(upto);
    if search.after < index_until {
        let (first, last) = (search.after / RUN_LINES, (index_until - 1) / RUN_LINES);
        for run in first..=last {
            let begins = run * RUN_LINES;
            if run - first == SEARCH_RUNS_MAX {
                counted.looked_to = Some(begins);
                return Ok(counted);
            }
            if let Some(places) = hunt.places(run)? {
                counted.lines += places.count(search.after.saturating_sub(begins)..index_until - begins);
            }
        }
    }
    let after = search.after.max(upto);
    let tail_until = until.min(after.saturating_add(SEARCH_TAIL_MAX));
    if after < until {
        let sieve = Sieve::new(search.keys);
        let mut select = connection
            .prepare_cached("SELECT line FROM audit WHERE seq > ?1 AND seq <= ?2 AND tenant = ?3 ORDER BY seq")?;
        let mut rows = select.query(params![number(after)?, number(tail_until)?, search.tenant.0])?;
        while let Some(row) = rows.next()? {
            let text = row.get_ref(0)?.as_blob().map_err(|_| Fault::damaged("a line is no bytes"))?;
            counted.lines += u64::from(sieve.takes(text));
        }
        counted.looked_to = (tail_until < until).then_some(tail_until);
    }
    Ok(counted)
}

/// A search under way. Each part says whether it ended the search.
struct Hunt<'a> {
    connection: &'a Connection,
    search: &'a LineSearch<'a>,
    found: LinesFound,
}

impl Hunt<'_> {
    /// Takes a line. Whether these are enough.
    fn take(&mut self, line: LineRow) -> bool {
        let seq = line.seq;
        self.found.lines.push(line);
        let enough = self.found.lines.len() >= self.search.lines_max;
        if enough {
            self.found.looked_to = Some(seq);
        }
        enough
    }

    /// Reads the lines that no index knows.
    fn tail(&mut self, after: u64, until: u64) -> Result<bool, Fault> {
        if after >= until {
            return Ok(false);
        }
        let newest_first = self.search.order == Order::NewestFirst;
        let (after, until, cut) = match until - after > SEARCH_TAIL_MAX {
            false => (after, until, None),
            true if newest_first => (until - SEARCH_TAIL_MAX, until, Some(until - SEARCH_TAIL_MAX + 1)),
            true => (after, after + SEARCH_TAIL_MAX, Some(after + SEARCH_TAIL_MAX)),
        };
        let sql = if newest_first {
            "SELECT seq, tenant, log_seq, line FROM audit WHERE seq > ?1 AND seq <= ?2 AND tenant = ?3 ORDER BY seq DESC"
        } else {
            "SELECT seq, tenant, log_seq, line FROM audit WHERE seq > ?1 AND seq <= ?2 AND tenant = ?3 ORDER BY seq"
        };
        let (connection, sieve) = (self.connection, Sieve::new(self.search.keys));
        let mut select = connection.prepare_cached(sql)?;
        let mut rows = select.query(params![number(after)?, number(until)?, self.search.tenant.0])?;
        while let Some(row) = rows.next()? {
            let text = row.get_ref(3)?.as_blob().map_err(|_| Fault::damaged("a line is no bytes"))?;
            if !sieve.takes(text) {
                continue;
            }
            let number =
                |at: usize| u64::try_from(row.get::<_, i64>(at)?).map_err(|_| Fault::damaged("a line's number"));
            let line =
                LineRow { seq: number(0)?, tenant: self.search.tenant, log_seq: number(2)?, line: text.to_vec() };
            if self.take(line) {
                return Ok(true);
            }
        }
        self.found.looked_to = cut;
        Ok(cut.is_some())
    }

    /// Looks into the runs that hold these lines.
    fn runs(&mut self, after: u64, until: u64) -> Result<bool, Fault> {
        let (first, last) = (after / RUN_LINES, (until - 1) / RUN_LINES);
        let newest_first = self.search.order == Order::NewestFirst;
        for nth in 0..=last - first {
            let run = if newest_first { last - nth } else { first + nth };
            let begins = run * RUN_LINES;
            if nth == SEARCH_RUNS_MAX {
                self.found.looked_to = Some(if newest_first { begins + RUN_LINES + 1 } else { begins });
                return Ok(true);
            }
            let Some(places) = self.places(run)? else { continue };
            let mut list = places.list();
            if newest_first {
                list.reverse();
            }
            for place in list {
                let seq = begins + 1 + u64::from(place);
                if seq > after
                    && seq <= until
                    && let Some(line) = self.line(seq)?
                    && self.take(line)
                {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The lines of a run that have a key of each set.
    fn places(&self, run: u64) -> Result<Option<Places>, Fault> {
        let run = number(run)?;
        let mut select = self.connection.prepare_cached(
            "SELECT lines FROM audit_by_key WHERE run = ?1 AND tenant = ?2 AND kind = ?3 AND key = ?4",
        )?;
        let mut with = |key: &LineKey| -> Result<Option<Places>, Fault> {
            let mut rows = select.query(params![run, self.search.tenant.0, key.kind, stored(key.key)])?;
            let Some(row) = rows.next()? else { return Ok(None) };
            Ok(row.get_ref(0)?.as_blob().ok().map(Places::from_bytes))
        };
        let Some((first, others)) = self.search.keys.split_first() else { return with(&LineKey::ANY) };
        let mut with_any = |keys: &[LineKey]| -> Result<Option<Places>, Fault> {
            let mut all = None;
            for key in keys {
                match (&mut all, with(key)?) {
                    (None, found) => all = found,
                    (Some(all), Some(found)) => Places::or(all, &found),
                    (Some(_), None) => {}
                }
            }
            Ok(all)
        };
        let Some(mut all) = with_any(first)? else { return Ok(None) };
        for keys in others {
            let Some(places) = with_any(keys)? else { return Ok(None) };
            all.and(&places);
            if all.is_empty() {
                return Ok(None);
            }
        }
        Ok(Some(all))
    }

    /// A line of this log; what the index says of another's is not believed.
    fn line(&self, seq: u64) -> Result<Option<LineRow>, Fault> {
        let sql = concat!("SELECT ", columns!(audit), " FROM audit WHERE seq = ?1 AND tenant = ?2");
        super::rows::one(self.connection, sql, params![number(seq)?, self.search.tenant.0])
    }
}

/// The rows that are stored for a run.
pub(super) fn stored_rows(connection: &Connection, run: u64) -> Result<Rows, Fault> {
    let mut select = connection.prepare_cached("SELECT tenant, kind, key, lines FROM audit_by_key WHERE run = ?1")?;
    let mut rows = select.query([number(run)?])?;
    let mut found = Rows::new();
    while let Some(row) = rows.next()? {
        let (tenant, kind) = (row.get::<_, i64>(0)?, row.get::<_, i64>(1)?);
        // Numbers that we never write stay different from all that we do.
        let key = (u32::try_from(tenant).unwrap_or(u32::MAX), u8::try_from(kind).unwrap_or(u8::MAX), row.get(2)?);
        let lines = row.get_ref(3)?.as_blob().map(<[u8]>::to_vec).unwrap_or_default();
        found.insert(key, lines);
    }
    Ok(found)
}

/// Whether the run after the last is stored as far as it is said to be.
pub(super) fn is_begun_rightly(connection: &Connection, run: u64) -> Result<bool, Fault> {
    let begun = usize::try_from(rows_begun(connection)?).unwrap_or(usize::MAX);
    let stored = stored_rows(connection, run)?;
    if begun == 0 || begun != stored.len() {
        return Ok(begun == stored.len());
    }
    Ok(rows_of_run(connection, run)?.into_iter().take(begun).eq(stored))
}

/// The first run outside these that has rows.
pub(super) fn run_beyond(connection: &Connection, runs: u64) -> Result<Option<i64>, Fault> {
    let sql = "SELECT run FROM audit_by_key WHERE run >= ?1 OR run < 0 ORDER BY run LIMIT 1";
    Ok(connection.prepare_cached(sql)?.query_row([number(runs)?], |row| row.get(0)).optional()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_within_a_range() {
        let mut places = Places::none();
        (0..4_096).filter(|place| place % 3 == 0).for_each(|place| places.add(place));
        for (from, to) in [(0, 4_096), (0, 0), (1, 1), (0, 1), (1, 3), (1, 4), (63, 65), (64, 128), (65, 4_000), (9, 3)]
        {
            let want = (from..to).filter(|place| place % 3 == 0).count() as u64;
            assert_eq!(places.count(from..to), want, "{from}..{to}");
        }
        assert_eq!(places.count(0..u64::MAX), 1_366);
    }

    #[test]
    fn places_are_read_as_they_were_written() {
        for count in [0, 1, 2, 255, 256, 257, 4_095, 4_096] {
            let mut places = Places::none();
            (0..count).for_each(|place| places.add(4_095 - place));
            let bytes = places.to_bytes();
            assert!(bytes.len() == MAP_BYTES || bytes.len() == 2 * usize::from(count), "{count}");
            assert!(Places::from_bytes(&bytes) == places, "{count}");
            assert_eq!(places.list().len(), usize::from(count));
        }
        // Whatever else is there names lines of the run, or none.
        for hostile in [&[0xff_u8; 2][..], &[0xff; 511], &[0; 3], &[0x10, 0], &[0xff; 513], &[7; 100_000]] {
            assert!(Places::from_bytes(hostile).list().iter().all(|place| u64::from(*place) < RUN_LINES));
        }
    }
}
