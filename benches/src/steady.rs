//! Minutes of gets and puts by 32 callers over 100 tenants: what the slowest call took, and whether memory or the
//! write-ahead log grow.
//!
//! Half of the callers put, half get, as tasks of one runtime. Times go into a histogram (HDR, three digits), so that
//! the measuring itself keeps no memory.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::{
    Effort, Result,
    callers::every,
    deployment::{Bench, Caller},
    machine::{SyncProbe, SyncTime},
    sample::nanos,
};

/// Callers, and the tenants that they are spread over: each minute's callers work for others.
const CALLERS: usize = 32;
const TENANTS: usize = 100;
/// Times that are told apart go up to this, in nanoseconds.
const LONGEST_NS: u64 = 60_000_000_000;
/// How often memory and files are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// All that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Steady {
    pub(crate) seconds: u64,
    pub(crate) callers: usize,
    pub(crate) tenants: usize,
    pub(crate) sync: SyncTime,
    pub(crate) operations: u64,
    pub(crate) per_second: f64,
    pub(crate) p50_ns: u64,
    pub(crate) p99_ns: u64,
    pub(crate) longest_ns: u64,
    /// 20 syncs and 50 ms.
    pub(crate) stall_ns: u64,
    /// Calls that took longer.
    pub(crate) stalls: u64,
    /// Resident memory after a fifth of the time, and at the end.
    pub(crate) resident_bytes: [u64; 2],
    pub(crate) wal_bytes_max: u64,
    pub(crate) verified: bool,
}

pub(crate) fn measure(effort: Effort, folder: &Path, minutes: Option<u64>) -> Result<Steady> {
    let time = match (minutes, effort) {
        (Some(minutes), _) => Duration::from_secs(60 * minutes),
        (None, Effort::Quick) => Duration::from_secs(5),
        (None, Effort::Full) => Duration::from_secs(60),
    };
    let bench = Bench::make(folder, TENANTS)?;
    let callers: Arc<[Caller]> = (0..TENANTS).map(|number| bench.caller(number)).collect::<Result<_>>()?;
    for some in callers.chunks(CALLERS) {
        every(some, Caller::prepare)?;
    }
    let mut probe = SyncProbe::in_folder(folder)?;
    probe.measure(200)?;

    let looking = Looking::start(&bench, time / 5);
    let begin = Instant::now();
    let times = run(&callers, time)?;
    let elapsed = begin.elapsed();
    let (early, wal_bytes_max) = looking.end();
    let resident_bytes = [early, resident()];
    probe.measure(200)?;

    let sync = probe.times();
    let stall_ns = 20 * sync.p50_ns + 50_000_000;
    let verified = pollster::block_on(bench.admin()?.audit().verify(None))?.is_ok();
    bench.room.close()?;
    Ok(Steady {
        seconds: elapsed.as_secs(),
        callers: CALLERS,
        tenants: TENANTS,
        sync,
        operations: times.len(),
        per_second: times.len() as f64 / elapsed.as_secs_f64(),
        p50_ns: times.value_at_quantile(0.5),
        p99_ns: times.value_at_quantile(0.99),
        longest_ns: times.max(),
        stall_ns,
        stalls: times.count_between(stall_ns, LONGEST_NS),
        resident_bytes,
        wal_bytes_max,
        verified,
    })
}

/// Each task is in turn the caller of one tenant after the other.
fn run(callers: &Arc<[Caller]>, time: Duration) -> Result<Histogram<u64>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
    let begin = Instant::now();
    let work = |task: usize| {
        let callers = Arc::clone(callers);
        async move {
            let mut times = histogram()?;
            for call in 0.. {
                // Sixteen calls for a tenant, then for another.
                let caller = &callers[(task + CALLERS * (call as usize / 16)) % TENANTS];
                let since = Instant::now();
                if task.is_multiple_of(2) {
                    caller.get_soon(call).await?
                } else {
                    caller.put_soon(call).await?
                }
                times.saturating_record(nanos(since));
                if begin.elapsed() >= time {
                    break;
                }
            }
            Result::<Histogram<u64>>::Ok(times)
        }
    };
    runtime.block_on(async {
        let tasks: Vec<_> = (0..CALLERS).map(|task| tokio::spawn(work(task))).collect();
        let mut times = histogram()?;
        for task in tasks {
            times.add(task.await??)?;
        }
        Ok(times)
    })
}

fn histogram() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1_000, LONGEST_NS, 3)?)
}

/// A thread that looks at memory and at the write-ahead log.
struct Looking {
    ends: Arc<AtomicBool>,
    early: Arc<AtomicU64>,
    thread: thread::JoinHandle<u64>,
}

impl Looking {
    fn start(bench: &Bench, early_after: Duration) -> Self {
        let mut wal = bench.deployment.database().into_os_string();
        wal.push("-wal");
        let (ends, early) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (own_ends, own_early, begin) = (Arc::clone(&ends), Arc::clone(&early), Instant::now());
        let thread = thread::spawn(move || {
            let mut most = 0;
            while !own_ends.load(Ordering::Relaxed) {
                most = most.max(fs::metadata(&wal).map_or(0, |facts| facts.len()));
                if own_early.load(Ordering::Relaxed) == 0 && begin.elapsed() >= early_after {
                    own_early.store(resident(), Ordering::Relaxed);
                }
                thread::sleep(LOOK_EVERY);
            }
            most
        });
        Self { ends, early, thread }
    }

    fn end(self) -> (u64, u64) {
        self.ends.store(true, Ordering::Relaxed);
        let most = self.thread.join().unwrap_or(0);
        (self.early.load(Ordering::Relaxed), most)
    }
}

/// Bytes of this process in memory; 0 where the system does not say.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1_024
}
