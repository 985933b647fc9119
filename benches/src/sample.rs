//! Numbers from repeated measurements: medians and percentiles, never means of times.

use std::time::{Duration, Instant};

/// The middle one; of an even number, the upper of the two. 0 of none.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// The value that this part of the sorted values does not exceed. 0 of none.
pub(crate) fn percentile(sorted: &[u64], part: f64) -> u64 {
    let at = (sorted.len() as f64 * part) as usize;
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or(0)
}

/// Elapsed nanoseconds.
pub(crate) fn nanos(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Nanoseconds per call: calls in groups of `group` until `time` is over.
pub(crate) fn per_call(time: Duration, group: u32, mut call: impl FnMut()) -> f64 {
    let since = Instant::now();
    let mut calls = 0_u64;
    while since.elapsed() < time {
        (0..group).for_each(|_| call());
        calls += u64::from(group);
    }
    since.elapsed().as_nanos() as f64 / calls as f64
}

/// Measures each subject in turn, round after round, and gives each its median: what disturbs the
/// machine for a while disturbs all of them.
pub(crate) fn interleaved<const N: usize>(rounds: usize, mut subjects: [&mut dyn FnMut() -> f64; N]) -> [f64; N] {
    let mut times = [const { Vec::new() }; N];
    for _ in 0..rounds {
        for (subject, times) in subjects.iter_mut().zip(&mut times) {
            times.push(subject());
        }
    }
    times.map(median)
}
