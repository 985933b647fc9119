//! A read under a lease: what a program pays that reads one secret often.

use std::{
    hint::black_box,
    path::Path,
    time::{Duration, Instant},
};

use pollster::block_on;
use serde::Serialize;
use strongroom::{LeaseLimits, limits};

use crate::{
    Effort, Result,
    deployment::{Bench, VALUE_BYTES},
    sample::{nanos, percentile},
};

/// Reads of one stretch.
const READS: usize = 100_000;

/// All that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Lease {
    pub(crate) value_bytes: usize,
    pub(crate) open_and_close_ns: u64,
    /// With the two readings of the clock that each measurement costs.
    pub(crate) read_p50_ns: u64,
    pub(crate) read_p99_ns: u64,
    /// Of the arena, for such a value.
    pub(crate) locked_bytes: usize,
}

pub(crate) fn measure(effort: Effort, folder: &Path) -> Result<Lease> {
    let bench = Bench::make(folder, 1)?;
    let caller = bench.caller(0)?;
    caller.prepare()?;
    let allowed = LeaseLimits { reads: limits::LEASE_READS_MAX, bytes: limits::LEASE_BYTES_MAX, seconds: 3_600 };
    let mut whole = Vec::new();
    for _ in 0..50 {
        let since = Instant::now();
        block_on(block_on(caller.lease(allowed))?.close())?;
        whole.push(nanos(since));
    }
    let lease = block_on(caller.lease(allowed))?;
    let mut reads = Vec::new();
    let begin = Instant::now();
    let time = Duration::from_millis(if effort.is_quick() { 200 } else { 2_000 });
    while begin.elapsed() < time {
        reads.reserve(READS);
        for _ in 0..READS {
            let since = Instant::now();
            black_box(lease.read()?);
            reads.push(nanos(since));
        }
    }
    block_on(lease.close())?;
    bench.room.close()?;
    whole.sort_unstable();
    reads.sort_unstable();
    Ok(Lease {
        value_bytes: VALUE_BYTES,
        open_and_close_ns: percentile(&whole, 0.5),
        read_p50_ns: percentile(&reads, 0.5),
        read_p99_ns: percentile(&reads, 0.99),
        // A slot of a cache line holds 32 bytes.
        locked_bytes: VALUE_BYTES.div_ceil(32) * 64,
    })
}
