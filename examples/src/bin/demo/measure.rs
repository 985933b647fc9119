//! What it costs: the same operations through the API, in a process that keeps the deployment open.

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use pollster::block_on;
use strongroom::{Actor, Context, Deployment, Get, OpenOptions, Put, SecretValue};
use strongroom_hsm::open_deployment;

use crate::stage::Result;

const GETS: usize = 500;
const PUTS: usize = 200;

/// Measures, and returns the lines to show. Runs in a child process, which has the token in its environment.
pub(crate) fn measure(data: &Path) -> Result<Vec<String>> {
    let deployment = Deployment::at(data);
    let start = Instant::now();
    let room = block_on(open_deployment(&deployment, OpenOptions::default()))?;
    let opened = start.elapsed();
    let operator = Context::new(Actor::operator("demo")?);
    let secrets = room.tenant(&"acme".parse()?).acting_as(operator.clone()).secrets();
    let path = "prod/APP_SECRET".parse()?;

    let start = Instant::now();
    block_on(secrets.get(&path, Get::current()))?;
    let cold = start.elapsed();
    let gets = times(GETS, || block_on(secrets.get(&path, Get::current())).map(drop))?;
    let scratch = "measured/value".parse()?;
    let puts = times(PUTS, || {
        let value = SecretValue::text("a value of about the usual length, 50 bytes or so")?;
        block_on(secrets.put(&scratch, value, Put::default())).map(drop)
    })?;

    let start = Instant::now();
    let verified = block_on(room.admin(operator.clone()).audit().verify(None))?;
    let verifying = start.elapsed();
    if !verified.is_ok() {
        return Err(format!("the log does not verify: {}", verified.report).into());
    }
    let status = block_on(room.admin(operator).status())?;
    room.close()?;
    Ok(vec![
        format!("opening, token included   {}", shown(opened)),
        format!("first get of a tenant     {}   (its key is derived in the token)", shown(cold)),
        format!("get                       {}   ({GETS} gets, each with its durable audit line)", percentiles(gets)),
        format!("put                       {}   ({PUTS} puts)", percentiles(puts)),
        format!(
            "audit verify              {}   ({} lines in {} commits, every signature and hash)",
            shown(verifying),
            verified.report.entries,
            verified.report.commits
        ),
        format!(
            "stored                    {} secrets in {} versions, {} audit lines, {} KiB, after all this",
            status.store.secrets,
            status.store.versions,
            status.head.lines,
            status.store.bytes / 1024
        ),
    ])
}

/// Cores, processor, load and build: without them a figure says nothing.
pub(crate) fn machine() -> String {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown CPU", |(_, name)| name);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("unknown");
    let build = if cfg!(debug_assertions) { "unoptimised build; --release is faster" } else { "optimised build" };
    format!("{cores} cores of {cpu}, load {load}, SoftHSM, {build}")
}

fn times(count: usize, mut work: impl FnMut() -> strongroom::Result<()>) -> Result<Vec<Duration>> {
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let start = Instant::now();
        work()?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok(times)
}

fn percentiles(sorted: Vec<Duration>) -> String {
    let at = |percent: usize| shown(sorted[(sorted.len() - 1) * percent / 100]);
    format!("p50 {}, p99 {}", at(50), at(99))
}

pub(crate) fn shown(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
