//! Where this was measured: without it no number below means anything.

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    path::Path,
    process::Command,
    time::Instant,
};

use serde::Serialize;

use crate::{
    Result,
    sample::{nanos, percentile},
};

/// The machine, before anything else ran.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) cpu: String,
    /// The load averages, before.
    pub(crate) load_before: String,
    pub(crate) kernel: String,
    pub(crate) file_system: String,
    pub(crate) rustc: String,
}

impl Machine {
    pub(crate) fn look(folder: &Path) -> Self {
        let cpu = read("/proc/cpuinfo")
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name.to_owned()))
            .unwrap_or_else(|| std::env::consts::ARCH.to_owned());
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            cpu,
            load_before: load(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            file_system: file_system(folder),
            rustc: rustc(),
        }
    }
}

/// The load averages now.
pub(crate) fn load() -> String {
    read("/proc/loadavg").split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// Nanoseconds of CPU that the threads of this process have had; `None` where the system does not say. Other than a time
/// it does not depend on what else runs.
pub(crate) fn cpu_ns() -> Option<u64> {
    let of_thread = |thread: fs::DirEntry| -> Option<u64> {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse().ok()
    };
    fs::read_dir("/proc/self/task").ok()?.map(|thread| of_thread(thread.ok()?)).sum()
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// Type and device of the mount that holds the folder.
fn file_system(folder: &Path) -> String {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let mounts = read("/proc/mounts");
    mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ');
            let (device, at, kind) = (fields.next()?, fields.next()?, fields.next()?);
            folder.starts_with(at).then(|| (at.len(), format!("{kind} on {device}")))
        })
        // Of two mounts at one place, the later is the one that is seen.
        .max_by_key(|(length, _)| *length)
        .map_or_else(|| "unknown".to_owned(), |(_, name)| name)
}

fn rustc() -> String {
    let output = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())).arg("--version").output();
    output.map_or_else(|_| "unknown".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A file to measure the sync time with: what one durable write costs at least, here and now.
#[derive(Debug)]
pub(crate) struct SyncProbe {
    file: File,
    times: Vec<u64>,
}

impl SyncProbe {
    pub(crate) fn in_folder(folder: &Path) -> Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(folder.join("sync-probe"))?;
        Ok(Self { file, times: Vec::new() })
    }

    /// Appends 4 KiB and syncs (fdatasync), this often. The p50 of these times, in nanoseconds.
    pub(crate) fn measure(&mut self, count: usize) -> Result<u64> {
        let block = [0x5a; 4096];
        let begin = self.times.len();
        for _ in 0..count {
            let since = Instant::now();
            self.file.write_all(&block)?;
            self.file.sync_data()?;
            self.times.push(nanos(since));
        }
        let mut times = self.times[begin..].to_vec();
        times.sort_unstable();
        Ok(percentile(&times, 0.5))
    }

    /// Of all times so far.
    pub(crate) fn times(&self) -> SyncTime {
        let mut sorted = self.times.clone();
        sorted.sort_unstable();
        SyncTime { p50_ns: percentile(&sorted, 0.5), p99_ns: percentile(&sorted, 0.99), samples: sorted.len() }
    }
}

/// Append 4 KiB and fdatasync.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct SyncTime {
    pub(crate) p50_ns: u64,
    pub(crate) p99_ns: u64,
    pub(crate) samples: usize,
}
