//! The report, for people; as JSON it is the same structure.

use std::fmt::{self, Display};

use serde::Serialize;

use crate::{
    callers::Callers, expectation::Expectation, isolation::Isolation, keys::Keys, lease::Lease, machine::Machine,
    machine::SyncTime, queries::Queries, seal::Sealing, sizes::Sizes, steady::Steady, syncs::Syncs,
    verification::Verification,
};

/// All that was measured. What was left out by the filter, or cannot be measured here, is `None`.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) quick: bool,
    pub(crate) machine: Machine,
    pub(crate) sync: SyncTime,
    pub(crate) sealing: Option<Vec<Sealing>>,
    pub(crate) keys: Option<Vec<Keys>>,
    pub(crate) callers: Option<Callers>,
    pub(crate) lease: Option<Lease>,
    pub(crate) syncs: Option<Vec<Syncs>>,
    pub(crate) verification: Option<Verification>,
    pub(crate) queries: Option<Queries>,
    pub(crate) steady: Option<Steady>,
    pub(crate) isolation: Option<Isolation>,
    pub(crate) sizes: Option<Sizes>,
    pub(crate) expectations: Vec<Expectation>,
    /// What was not measured, and why.
    pub(crate) notes: Vec<String>,
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machine = &self.machine;
        writeln!(f, "Machine")?;
        writeln!(f, "  {} cores, {}, Linux {}", machine.cores, machine.cpu, machine.kernel)?;
        writeln!(f, "  {}; load before {}; {}", machine.file_system, machine.load_before, machine.rustc)?;
        let SyncTime { p50_ns, p99_ns, .. } = self.sync;
        writeln!(f, "  append 4 KiB + fdatasync: p50 {}, p99 {}", time(p50_ns as f64), time(p99_ns as f64))?;
        if let Some(sealing) = &self.sealing {
            write_sealing(f, sealing)?;
        }
        if let Some(keys) = &self.keys {
            write_keys(f, keys)?;
        }
        if let Some(callers) = &self.callers {
            write_callers(f, callers)?;
        }
        if let Some(lease) = &self.lease {
            let [p50, p99, whole] =
                [lease.read_p50_ns, lease.read_p99_ns, lease.open_and_close_ns].map(|ns| time(ns as f64));
            let (value, locked) = (lease.value_bytes, lease.locked_bytes);
            writeln!(f, "\nA lease on a value of {value} B: {locked} B of locked memory")?;
            writeln!(f, "  a read p50 {p50}, p99 {p99}; opening and closing it {whole}, a commit each")?;
        }
        if let Some(syncs) = &self.syncs {
            writeln!(f, "\nSyncs, counted by strace (less those of a run with one operation)")?;
            for row in syncs {
                let each = row.syncs as f64 / row.operations as f64;
                let (operation, callers) = (&row.operation, row.callers);
                writeln!(
                    f,
                    "  {operation:<5} by {callers:>2}: {:>5} syncs for {:>4}: {each:.2} each",
                    row.syncs, row.operations
                )?;
            }
        }
        if let Some(found) = &self.verification {
            writeln!(f, "\nVerification of an exported log, one core")?;
            let (entries, commits, mb) = (found.entries, found.commits, found.bundle_bytes / 1_000_000);
            writeln!(
                f,
                "  {entries} entries, {commits} commits, {mb} MB: {} entries/s",
                rate(found.entries_per_second)
            )?;
        }
        if let Some(queries) = &self.queries {
            write_queries(f, queries)?;
        }
        if let Some(steady) = &self.steady {
            write_steady(f, steady)?;
        }
        if let Some(isolation) = &self.isolation {
            write_isolation(f, isolation)?;
        }
        if let Some(sizes) = &self.sizes {
            write_sizes(f, sizes)?;
        }
        write_expectations(f, &self.expectations)?;
        self.notes.iter().try_for_each(|note| writeln!(f, "note: {note}"))?;
        if self.quick {
            writeln!(f, "note: --quick measures too briefly to compare with anything but itself")?;
        }
        Ok(())
    }
}

fn write_sealing(f: &mut fmt::Formatter<'_>, rows: &[Sealing]) -> fmt::Result {
    writeln!(f, "\nSealing and opening, keys warm, per call")?;
    writeln!(
        f,
        "  {:>7} {:>9} {:>9} {:>7} {:>15} {:>9} {:>9} {:>7}",
        "bytes", "seal", "bare", "", "bare+own nonce", "open", "bare", ""
    )?;
    for row in rows {
        writeln!(
            f,
            "  {:>7} {:>9} {:>9} {:>5.1} × {:>15} {:>9} {:>9} {:>5.1} ×",
            row.value_bytes,
            time(row.seal_ns),
            time(row.bare_seal_ns),
            row.seal_ns / row.bare_seal_ns,
            time(row.bare_seal_random_nonce_ns),
            time(row.open_ns),
            time(row.bare_open_ns),
            row.open_ns / row.bare_open_ns,
        )?;
    }
    Ok(())
}

fn write_keys(f: &mut fmt::Formatter<'_>, rows: &[Keys]) -> fmt::Result {
    writeln!(f, "\nA tenant's keys")?;
    writeln!(f, "  {:<15} {:>10} {:>10} {:>10} {:>10}", "", "PRF p50", "cold p50", "cold p99", "warm")?;
    for row in rows {
        let [prf, cold, cold_p99] = [row.prf_p50_ns, row.cold_p50_ns, row.cold_p99_ns].map(|ns| time(ns as f64));
        writeln!(f, "  {:<15} {prf:>10} {cold:>10} {cold_p99:>10} {:>10}", row.device, time(row.warm_ns))?;
    }
    Ok(())
}

fn write_callers(f: &mut fmt::Formatter<'_>, load: &Callers) -> fmt::Result {
    let (get, put) = (load.get_row_bytes, load.put_row_bytes);
    writeln!(
        f,
        "\nPut and get of 100 B, durable and audited, beside plain SQLite (as many rows per transaction as callers;"
    )?;
    writeln!(
        f,
        "rows of {get} B for get, {put} B for put); medians of {} rounds of {} ms each",
        load.rounds, load.stretch_ms
    )?;
    writeln!(
        f,
        "  {:<17} {:>8} {:>9} {:>9} {:>11} | {:>10} {:>9} {:>9} | {:>6} {:>9}",
        "callers", "ops/s", "p50", "p99", "lines/commit", "plain/s", "p50", "p99", "ours", "to 1 row"
    )?;
    for row in &load.rows {
        writeln!(
            f,
            "  {} {:>5} {:<7} {:>8} {:>9} {:>9} {:>12.1} | {:>10} {:>9} {:>9} | {:>4.2} × {:>7.2} ×",
            row.operation,
            row.callers,
            row.kind.word(),
            rate(row.per_second),
            time(row.p50_ns),
            time(row.p99_ns),
            row.batch,
            rate(row.plain_per_second),
            time(row.plain_p50_ns),
            time(row.plain_p99_ns),
            row.ratio,
            row.ratio_to_one_row,
        )?;
    }
    writeln!(f, "  f in these rounds: p50 {}, p99 {}", time(load.sync.p50_ns as f64), time(load.sync.p99_ns as f64))
}

fn write_queries(f: &mut fmt::Formatter<'_>, found: &Queries) -> fmt::Result {
    let (lines, tenants) = (found.lines, crate::queries::tenants());
    writeln!(
        f,
        "\nQueries of a log of {lines} lines, {tenants} tenants, pages of 100 lines, each recorded before it is answered,"
    )?;
    let [most, written] = [found.writes_per_second, found.written_per_second].map(rate);
    let opened = time(found.open_ns as f64);
    writeln!(f, "while others write {written} lines/s; alone they reach {most}; opened in {opened}")?;
    for row in &found.rows {
        let [p50, p95] = [row.p50_ns, row.p95_ns].map(|ns| time(ns as f64));
        writeln!(f, "  {:<34} {:>3} lines: p50 {p50:>9}, p95 {p95:>9}", row.query, row.found)?;
    }
    write!(f, "  on disk: {:.0} B a line, of which the line {:.0} B", found.bytes_per_line, found.line_bytes)?;
    found.tables.iter().try_for_each(|(table, bytes)| write!(f, "; {table} {bytes:.1}"))?;
    writeln!(f)
}

fn write_steady(f: &mut fmt::Formatter<'_>, found: &Steady) -> fmt::Result {
    let Steady { seconds, callers, tenants, .. } = found;
    writeln!(f, "\nSteady load for {seconds} s: {callers} callers over {tenants} tenants, half of them put, half get")?;
    let [p50, p99, longest] = [found.p50_ns, found.p99_ns, found.longest_ns].map(|ns| time(ns as f64));
    let per_second = rate(found.per_second);
    writeln!(f, "  {} operations, {per_second}/s: p50 {p50}, p99 {p99}, longest {longest}", found.operations)?;
    let [early, late] = found.resident_bytes.map(|bytes| bytes as f64 / 1e6);
    writeln!(
        f,
        "  memory {early:.1} MB after a fifth of it, {late:.1} MB at the end; write-ahead log at most {:.1} MB; the log {}",
        found.wal_bytes_max as f64 / 1e6,
        if found.verified { "verifies" } else { "DOES NOT VERIFY" }
    )
}

fn write_isolation(f: &mut fmt::Formatter<'_>, found: &Isolation) -> fmt::Result {
    let Isolation { callers, samples, distance, control, by_chance, .. } = found;
    writeln!(
        f,
        "\nRefused gets of what another tenant has and of what nobody has: {samples} of each by {callers} callers"
    )?;
    let [foreign, absent] = [found.foreign_p50_ns, found.absent_p50_ns].map(|ns| time(ns as f64));
    writeln!(f, "  p50 {foreign} and {absent}; Kolmogorov-Smirnov distance {distance:.4}")?;
    writeln!(
        f,
        "  two samples of what nobody has: {control:.4}; by chance once in twenty times more than {by_chance:.4}"
    )
}

fn write_sizes(f: &mut fmt::Formatter<'_>, found: &Sizes) -> fmt::Result {
    writeln!(f, "\nSizes, one caller; beside each time its ratio to that of the smallest store")?;
    writeln!(
        f,
        "  {:>9} {:>8} {:>8} {:>18} {:>18} {:>24} {:>9} {:>18}  load",
        "secrets", "tenants", "MB", "get p50", "put p50", "list of all names", "its CPU", "open"
    )?;
    let Some(first) = found.rows.first() else { return Ok(()) };
    for row in &found.rows {
        let beside = |ns: u64, first: u64| format!("{} {:>5.2} ×", time(ns as f64), ns as f64 / first as f64);
        writeln!(
            f,
            "  {:>9} {:>8} {:>8} {:>18} {:>18} {:>15} of {:>5} {:>9} {:>18}  {}",
            row.secrets,
            row.tenants,
            row.bytes / 1_000_000,
            beside(row.get_p50_ns, first.get_p50_ns),
            beside(row.put_p50_ns, first.put_p50_ns),
            time(row.list_p50_ns as f64),
            row.listed,
            row.list_cpu_ns.map_or_else(|| "?".to_owned(), |ns| time(ns as f64)),
            beside(row.open_ns, first.open_ns),
            row.load,
        )?;
    }
    Ok(())
}

fn write_expectations(f: &mut fmt::Formatter<'_>, rows: &[Expectation]) -> fmt::Result {
    writeln!(f, "\n{:<26} {:<38} {:<20} verdict", "Expectation", "expected", "measured")?;
    for row in rows {
        let verdict = if row.met { "met" } else { "not met" };
        writeln!(f, "{:<26} {:<38} {:<20} {verdict}", row.what, row.expected, row.measured)?;
        if !row.met {
            writeln!(f, "{:<26} what binds: {}", "", row.binds)?;
        }
    }
    Ok(())
}

/// A time with its unit.
pub(crate) fn time(nanos: f64) -> String {
    match nanos {
        ..1_000.0 => format!("{nanos:.0} ns"),
        ..1_000_000.0 => format!("{:.1} µs", nanos / 1e3),
        ..1_000_000_000.0 => format!("{:.2} ms", nanos / 1e6),
        _ => format!("{:.2} s", nanos / 1e9),
    }
}

/// A rate in thousands.
pub(crate) fn rate(per_second: f64) -> String {
    if per_second < 1_000.0 { format!("{per_second:.0}") } else { format!("{:.1} k", per_second / 1e3) }
}
