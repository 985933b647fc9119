//! How often the disk is asked to sync: counted by `strace` around a short run of this program.

use std::{env, fs, path::Path, process::Command};

use serde::Serialize;

use crate::{
    Effort, Result,
    callers::every,
    deployment::{Bench, TENANTS},
    plain::Plain,
};

/// Syncs of one run, without those of a run with a single operation: opening, the first commit, closing.
#[derive(Debug, Serialize)]
pub(crate) struct Syncs {
    pub(crate) operation: String,
    pub(crate) callers: usize,
    pub(crate) operations: u64,
    pub(crate) syncs: u64,
}

/// `None` if there is no strace, or if it may not trace.
pub(crate) fn measure(effort: Effort, folder: &Path) -> Result<Option<Vec<Syncs>>> {
    if !Command::new("strace").arg("-V").output().is_ok_and(|output| output.status.success()) {
        return Ok(None);
    }
    let bench = Bench::make(folder, TENANTS)?;
    for number in 0..16 {
        bench.caller(number)?.prepare()?;
    }
    bench.room.close()?;
    let per_caller = if effort.is_quick() { 16 } else { 64 };
    let mut results = Vec::new();
    for (operation, callers) in [("put", 1), ("get", 1), ("put", 16), ("get", 16), ("plain", 1)] {
        let (Some(least), Some(syncs)) =
            (traced(folder, operation, 1, 1)?, traced(folder, operation, callers, per_caller)?)
        else {
            return Ok(None);
        };
        results.push(Syncs {
            operation: operation.to_owned(),
            callers,
            operations: callers as u64 * per_caller - 1,
            syncs: syncs.saturating_sub(least),
        });
    }
    Ok(Some(results))
}

/// Runs the child under strace; its syncs.
fn traced(folder: &Path, operation: &str, callers: usize, per_caller: u64) -> Result<Option<u64>> {
    let counts = folder.join("strace.txt");
    let status = Command::new("strace")
        .args(["-f", "-c", "-e", "trace=fdatasync,fsync", "-o"])
        .arg(&counts)
        .arg(env::current_exe()?)
        .arg("child-operations")
        .arg(folder)
        .args([operation, &callers.to_string(), &per_caller.to_string()])
        .status()?;
    if !status.success() {
        return Ok(None);
    }
    // `% time  seconds  usecs/call  calls  [errors]  syscall`
    let text = fs::read_to_string(&counts)?;
    Ok(Some(
        text.lines()
            .filter(|line| line.ends_with(" fdatasync") || line.ends_with(" fsync"))
            .filter_map(|line| line.split_whitespace().nth(3)?.parse::<u64>().ok())
            .sum(),
    ))
}

/// In the child: so many operations by each of so many callers, all at once; or plain transactions of one row.
pub(crate) fn child(folder: &Path, operation: &str, callers: usize, per_caller: u64) -> Result<()> {
    if operation == "plain" {
        let own = tempfile::tempdir_in(folder)?;
        let mut plain = Plain::make(&own.path().join("plain.db"), 512)?;
        return (0..per_caller).try_for_each(|_| plain.transaction(1));
    }
    let bench = Bench::open(folder, TENANTS)?;
    let callers = (0..callers).map(|number| bench.caller(number)).collect::<Result<Vec<_>>>()?;
    every(&callers, |caller| {
        (0..per_caller).try_for_each(|call| if operation == "put" { caller.put(call) } else { caller.get(call) })
    })?;
    bench.room.close()?;
    Ok(())
}
