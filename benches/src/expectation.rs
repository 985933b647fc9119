//! What we expect, what was measured, and what stands in the way where they differ.
//!
//! A verdict is something to read, never an exit code: the machine may be busy.

use serde::Serialize;

use crate::{
    callers::Kind,
    report::{Report, rate, time},
};

/// One line of the last table.
#[derive(Debug, Serialize)]
pub(crate) struct Expectation {
    pub(crate) what: &'static str,
    pub(crate) expected: String,
    pub(crate) measured: String,
    pub(crate) met: bool,
    /// What binds, if it is not met.
    pub(crate) binds: String,
}

pub(crate) fn judge(report: &Report) -> Vec<Expectation> {
    let mut table = Vec::new();
    seal(report, &mut table);
    callers(report, &mut table);
    if let Some(found) = &report.lease {
        table.push(Expectation {
            what: "goal: read under a lease",
            expected: "p50 ≤ 2 µs".to_owned(),
            measured: time(found.read_p50_ns as f64),
            met: found.read_p50_ns <= 2_000,
            binds: "copying the value out of locked memory".to_owned(),
        });
    }
    if let Some(row) = report.sizes.as_ref().and_then(|sizes| sizes.rows.iter().find(|row| row.listed == 10_000)) {
        table.push(Expectation {
            what: "goal: listing a folder",
            expected: "≤ 50 ms for 10,000 names".to_owned(),
            measured: format!("{}, CPU {}", time(row.list_p50_ns as f64), time(row.list_cpu_ns.unwrap_or(0) as f64)),
            met: row.list_p50_ns <= 50_000_000,
            binds: "checking a MAC and opening a name for each entry".to_owned(),
        });
    }
    if let Some(found) = &report.isolation {
        table.push(Expectation {
            what: "foreign and absent alike",
            expected: format!("distance ≤ {:.4}", 2.0 * found.by_chance),
            measured: format!("{:.4}", found.distance),
            met: found.distance <= 2.0 * found.by_chance,
            binds: "what is different between the two; see the control beside it".to_owned(),
        });
    }
    if let Some(found) = &report.verification {
        table.push(Expectation {
            what: "verification, one core",
            expected: "≥ 200 k entries/s".to_owned(),
            measured: format!("{} entries/s", rate(found.entries_per_second)),
            met: found.entries_per_second >= 200_000.0,
            binds: "parsing and two SHA-256 of each line".to_owned(),
        });
    }
    if let Some(found) = &report.queries {
        let slowest = found.rows.iter().map(|row| row.p95_ns).max().unwrap_or(0) as f64;
        table.push(Expectation {
            what: "goal: any query, p95",
            expected: "≤ 50 ms at 10 M lines, at half rate".to_owned(),
            measured: format!("{} at {} lines", time(slowest), rate(found.lines as f64)),
            met: slowest <= 50e6,
            binds: "a look into each run of 4,096 lines, and the lines beyond the index".to_owned(),
        });
        table.push(Expectation {
            what: "goal: start-up",
            expected: "≤ 2 s at 10 M lines".to_owned(),
            measured: format!("{} at {} lines", time(found.open_ns as f64), rate(found.lines as f64)),
            met: found.open_ns <= 2_000_000_000,
            binds: "the heads of all logs, and the passphrase's Argon2id".to_owned(),
        });
        table.push(Expectation {
            what: "goal: a line on disk",
            expected: "≤ 850 B with all indexes".to_owned(),
            measured: format!("{:.0} B", found.bytes_per_line),
            met: found.bytes_per_line <= 850.0,
            binds: "the line itself, and what of a page it leaves empty".to_owned(),
        });
    }
    steady(report, &mut table);
    table
}

fn seal(report: &Report, table: &mut Vec<Expectation>) {
    let Some(small) = report.sealing.iter().flatten().find(|row| row.value_bytes == 100) else { return };
    let ratio = small.seal_ns / small.bare_seal_ns;
    table.push(Expectation {
        what: "warm seal of 100 B",
        expected: "≤ 4 × bare aes-gcm".to_owned(),
        measured: format!("{ratio:.1} ×"),
        met: ratio <= 4.0,
        binds: format!(
            "the nonce alone costs {} (24 bytes of the system), then the key derived from it; {:.1} × a bare call that draws its nonce",
            time(small.bare_seal_random_nonce_ns - small.bare_seal_ns),
            small.seal_ns / small.bare_seal_random_nonce_ns
        ),
    });
}

fn callers(report: &Report, table: &mut Vec<Expectation>) {
    let Some(load) = &report.callers else { return };
    let sync = load.sync.p50_ns as f64;
    let bound = 1.5 * sync + 200_000.0;
    for (operation, what) in [("put", "put, 1 caller, p50"), ("get", "get, 1 caller, p50")] {
        let Some(row) = load.row(operation, 1, Kind::Threads) else { continue };
        table.push(Expectation {
            what,
            expected: format!("≤ 1.5 f + 0.2 ms = {}", time(bound)),
            measured: time(row.p50_ns),
            met: row.p50_ns <= bound,
            binds: format!("plain SQLite's commit of one row is {} of it; the rest is ours", time(row.plain_p50_ns)),
        });
    }
    for (operation, kind, what) in [
        ("put", Kind::Tasks, "put, 64 tasks"),
        ("get", Kind::Tasks, "get, 64 tasks"),
        ("put", Kind::Threads, "put, 64 threads"),
        ("get", Kind::Threads, "get, 64 threads"),
    ] {
        let Some(row) = load.row(operation, 64, kind) else { continue };
        table.push(Expectation {
            what,
            expected: "≥ 4 × plain SQLite, 1 row/transaction".to_owned(),
            measured: format!("{:.1} × ({}/s)", row.ratio_to_one_row, rate(row.per_second)),
            met: row.ratio_to_one_row >= 4.0,
            binds: format!(
                "{:.0} lines a commit; {} of CPU and waiting for each",
                row.batch,
                time(1e9 / row.per_second)
            ),
        });
    }
    if let Some(row) = load.row("get", 1, Kind::Threads) {
        let ratio = row.p50_ns / row.plain_p50_ns;
        table.push(Expectation {
            what: "goal: get, 1 caller, p50",
            expected: "≤ 1.5 × plain commit of 1 row".to_owned(),
            measured: format!("{ratio:.2} ×"),
            met: ratio <= 1.5,
            binds: "two threads are woken on the way to the disk and one on the way back".to_owned(),
        });
    }
    if let Some(row) = load.row("get", 256, Kind::Tasks) {
        table.push(Expectation {
            what: "goal: get, 256 tasks",
            expected: "≥ 0.35 × plain, 256 rows/transaction".to_owned(),
            measured: format!("{:.2} × ({}/s)", row.ratio, rate(row.per_second)),
            met: row.ratio >= 0.35,
            binds: "all callers, readers and the writer share the cores; plain SQLite is one thread without any"
                .to_owned(),
        });
    }
}

fn steady(report: &Report, table: &mut Vec<Expectation>) {
    let Some(found) = &report.steady else { return };
    let apart = found.p99_ns.saturating_sub(found.p50_ns) as f64;
    table.push(Expectation {
        what: "goal: 32 callers, p99",
        expected: "within 5 ms of p50".to_owned(),
        measured: format!("{} apart", time(apart)),
        met: apart <= 5e6,
        binds: "a sync that waits behind a checkpoint's".to_owned(),
    });
    table.push(Expectation {
        what: "goal: no stall",
        expected: format!("none over 20 f + 50 ms = {}", time(found.stall_ns as f64)),
        measured: format!("{}, longest {}", found.stalls, time(found.longest_ns as f64)),
        met: found.stalls == 0,
        binds: "a sync that waits behind a checkpoint's".to_owned(),
    });
}
