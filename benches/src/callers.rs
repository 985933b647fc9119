//! Put and get by 1, 16, 64 and 256 callers, durable and audited, beside plain SQLite.
//!
//! A caller waits for each reply and then calls again: as a thread of its own (`pollster::block_on`), or as a task
//! of one tokio runtime, as in a service. A put is a new version of a secret that is there already; a get opens the
//! current version. Everything runs in rounds, ours and plain in turn, and each figure is a median of its rounds.

use std::{
    path::Path,
    sync::{Arc, Barrier},
    thread,
    time::{Duration, Instant},
};

use serde::Serialize;

use crate::{
    Effort, Result,
    deployment::{Bench, Caller, TENANTS},
    machine::{SyncProbe, SyncTime},
    plain::Plain,
    sample::{median, nanos, percentile},
};

/// What the callers do.
#[derive(Clone, Copy, Debug)]
enum Operation {
    Put,
    Get,
}

const OPERATIONS: [Operation; 2] = [Operation::Put, Operation::Get];

impl Operation {
    fn word(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Get => "get",
        }
    }
}

/// What the callers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Threads,
    Tasks,
}

impl Kind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Threads => "threads",
            Self::Tasks => "tasks",
        }
    }
}

/// How many callers there are in turn, and of which kind.
const CALLERS: [(usize, Kind); 6] = [
    (1, Kind::Threads),
    (16, Kind::Threads),
    (64, Kind::Threads),
    (64, Kind::Tasks),
    (256, Kind::Threads),
    (256, Kind::Tasks),
];
/// Appends with a sync, in each round.
const SYNCS: usize = 200;

/// What was done in one stretch.
pub(crate) struct Load {
    operations: u64,
    elapsed: Duration,
    /// In order of size.
    times: Vec<u64>,
}

impl Load {
    pub(crate) fn new(operations: u64, elapsed: Duration, mut times: Vec<u64>) -> Self {
        times.sort_unstable();
        Self { operations, elapsed, times }
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.operations as f64 / self.elapsed.as_secs_f64()
    }
}

/// Put or get, by one number of callers; and plain SQLite with as many rows per transaction.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) operation: &'static str,
    pub(crate) callers: usize,
    pub(crate) kind: Kind,
    pub(crate) per_second: f64,
    pub(crate) p50_ns: f64,
    pub(crate) p99_ns: f64,
    /// Lines per commit.
    pub(crate) batch: f64,
    pub(crate) plain_per_second: f64,
    pub(crate) plain_p50_ns: f64,
    pub(crate) plain_p99_ns: f64,
    /// Of the two rates of the same round.
    pub(crate) ratio: f64,
    /// Against plain SQLite with one row per transaction, of the same round.
    pub(crate) ratio_to_one_row: f64,
}

/// The whole.
#[derive(Debug, Serialize)]
pub(crate) struct Callers {
    pub(crate) rounds: usize,
    pub(crate) stretch_ms: u64,
    pub(crate) sync: SyncTime,
    pub(crate) get_row_bytes: usize,
    pub(crate) put_row_bytes: usize,
    pub(crate) rows: Vec<Row>,
}

impl Callers {
    pub(crate) fn row(&self, operation: &str, callers: usize, kind: Kind) -> Option<&Row> {
        self.rows.iter().find(|row| row.operation == operation && row.callers == callers && row.kind == kind)
    }
}

/// The stretches of one row, one of each per round.
#[derive(Default)]
struct Stretches {
    ours: Vec<Load>,
    plain: Vec<Load>,
    batches: Vec<f64>,
}

pub(crate) fn measure(effort: Effort, folder: &Path) -> Result<Callers> {
    let bench = Bench::make(folder, TENANTS)?;
    let most = CALLERS.iter().map(|(count, _)| *count).max().unwrap_or(0);
    let callers: Arc<[Caller]> = (0..most).map(|number| bench.caller(number)).collect::<Result<_>>()?;
    every(&callers, |caller| caller.prepare())?;
    every(&callers[..1], |caller| caller.get(0))?;
    let (get_row_bytes, put_row_bytes) = row_bytes(&bench)?;
    let mut plains = [
        Plain::make(&folder.join("plain-put.db"), put_row_bytes)?,
        Plain::make(&folder.join("plain-get.db"), get_row_bytes)?,
    ];

    let (rounds, stretch) = if effort.is_quick() { (3, 300) } else { (5, 1_500) };
    let time = Duration::from_millis(stretch);
    let mut probe = SyncProbe::in_folder(folder)?;
    let mut stretches: Vec<Stretches> = Vec::new();
    stretches.resize_with(2 * CALLERS.len(), Stretches::default);
    for _ in 0..rounds {
        probe.measure(SYNCS)?;
        for (at, stretches) in stretches.iter_mut().enumerate() {
            let ((count, kind), operation) = (CALLERS[at / 2], OPERATIONS[at % 2]);
            stretches.plain.push(plains[at % 2].run(count, time)?);
            let before = bench.counts()?;
            stretches.ours.push(match (kind, operation) {
                (Kind::Threads, Operation::Put) => run(&callers[..count], time, Caller::put)?,
                (Kind::Threads, Operation::Get) => run(&callers[..count], time, Caller::get)?,
                (Kind::Tasks, operation) => run_tasks(&callers, count, time, operation)?,
            });
            let after = bench.counts()?;
            // The first of the two questions for the counts is among the second's.
            stretches.batches.push((after.1 - before.1 - 1) as f64 / (after.0 - before.0 - 1).max(1) as f64);
        }
    }
    let rows = (0..stretches.len()).map(|at| summary(&stretches, at)).collect();
    bench.room.close()?;
    Ok(Callers { rounds, stretch_ms: stretch, sync: probe.times(), get_row_bytes, put_row_bytes, rows })
}

fn summary(stretches: &[Stretches], at: usize) -> Row {
    let (own, one_row) = (&stretches[at], &stretches[at % 2]);
    let of = |loads: &[Load], figure: &dyn Fn(&Load) -> f64| median(loads.iter().map(figure).collect());
    let at_part = |part: f64| move |load: &Load| percentile(&load.times, part) as f64;
    let ratio = |plain: &[Load]| {
        median(own.ours.iter().zip(plain).map(|(ours, plain)| ours.per_second() / plain.per_second()).collect())
    };
    Row {
        operation: OPERATIONS[at % 2].word(),
        callers: CALLERS[at / 2].0,
        kind: CALLERS[at / 2].1,
        per_second: of(&own.ours, &Load::per_second),
        p50_ns: of(&own.ours, &at_part(0.5)),
        p99_ns: of(&own.ours, &at_part(0.99)),
        batch: median(own.batches.clone()),
        plain_per_second: of(&own.plain, &Load::per_second),
        plain_p50_ns: of(&own.plain, &at_part(0.5)),
        plain_p99_ns: of(&own.plain, &at_part(0.99)),
        ratio: ratio(&own.plain),
        ratio_to_one_row: ratio(&one_row.plain),
    }
}

/// All callers at once, for this long.
pub(crate) fn run(
    callers: &[Caller],
    time: Duration,
    call: impl Fn(&Caller, u64) -> Result<()> + Sync,
) -> Result<Load> {
    let start = Barrier::new(callers.len() + 1);
    thread::scope(|scope| {
        let threads: Vec<_> = callers
            .iter()
            .map(|caller| {
                let (start, call) = (&start, &call);
                scope.spawn(move || -> Result<Vec<u64>> {
                    let mut times = Vec::with_capacity(1 << 14);
                    start.wait();
                    let begin = Instant::now();
                    while begin.elapsed() < time {
                        let since = Instant::now();
                        call(caller, times.len() as u64)?;
                        times.push(nanos(since));
                    }
                    Ok(times)
                })
            })
            .collect();
        start.wait();
        let begin = Instant::now();
        let mut times = Vec::new();
        for thread in threads {
            times.extend(thread.join().map_err(|_| "a caller panicked")??);
        }
        Result::Ok(Load::new(times.len() as u64, begin.elapsed(), times))
    })
}

/// So many callers at once, for this long, as tasks of one runtime with a thread for each core.
fn run_tasks(callers: &Arc<[Caller]>, count: usize, time: Duration, operation: Operation) -> Result<Load> {
    let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
    let begin = Instant::now();
    let work = |at: usize| {
        let callers = Arc::clone(callers);
        async move {
            let mut times = Vec::with_capacity(1 << 14);
            while begin.elapsed() < time {
                let since = Instant::now();
                match operation {
                    Operation::Put => callers[at].put_soon(times.len() as u64).await?,
                    Operation::Get => callers[at].get_soon(times.len() as u64).await?,
                }
                times.push(nanos(since));
            }
            Result::<Vec<u64>>::Ok(times)
        }
    };
    runtime.block_on(async {
        let tasks: Vec<_> = (0..count).map(|at| tokio::spawn(work(at))).collect();
        let mut times = Vec::new();
        for task in tasks {
            times.extend(task.await??);
        }
        Ok(Load::new(times.len() as u64, begin.elapsed(), times))
    })
}

/// Each caller once, all at the same time.
pub(crate) fn every(callers: &[Caller], work: impl Fn(&Caller) -> Result<()> + Sync) -> Result<()> {
    thread::scope(|scope| {
        let threads: Vec<_> = callers.iter().map(|caller| scope.spawn(|| work(caller))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a caller panicked")?)
    })
}

/// Bytes of the rows that a get and a put store: the line, and of a put the version's and the secret's row too.
fn row_bytes(bench: &Bench) -> Result<(usize, usize)> {
    let database = rusqlite::Connection::open(bench.deployment.database())?;
    let ask = |sql: &str| -> Result<usize> { Ok(database.query_row(sql, [], |row| row.get::<_, f64>(0))? as usize) };
    let line = |act: &str| {
        ask(&format!("SELECT avg(length(line)) FROM audit WHERE instr(line, CAST('\"{act}\"' AS BLOB)) > 0"))
    };
    let version = ask("SELECT avg(length(secret) + length(value) + length(mac)) FROM secret_versions")?;
    let secret = ask(
        "SELECT avg(length(id) + length(name_hash) + length(parent_hash) + length(name) + length(meta) + length(mac)) FROM secrets",
    )?;
    Ok((line("secret.get")?, line("secret.put")? + version + secret))
}
