//! A bundle of any length, in memory of one size.

use crate::bundle::Writer;
use crate::program;
use std::fs;
use std::io::Write as _;
use std::process::Stdio;

const LINES: usize = 1_000_000;
const TENANTS: usize = 100;
const LINES_PER_COMMIT: usize = 64;

/// The most that the program may ever have had in memory.
const RESIDENT_KIB_MAX: u64 = 64 * 1024;

/// Feeds the program a million lines through a pipe, and looks at its memory before the last record.
#[test]
#[cfg(target_os = "linux")]
fn a_million_lines_take_no_more_memory_than_a_few() {
    let mut writer = Writer::new();
    let mut child = program()
        .args(["-", "--root", &writer.root_key().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let tenants: Vec<_> = (0..TENANTS).map(|_| writer.create_tenant()).collect();
    let mut bytes = 0;
    for first in (0..LINES).step_by(LINES_PER_COMMIT) {
        let logs: Vec<_> = (first..first + LINES_PER_COMMIT).map(|line| tenants[line % TENANTS]).collect();
        writer.read(&logs);
        let piece = writer.bundle.take();
        bytes += piece.len();
        pipe.write_all(&piece).unwrap();
    }
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    pipe.write_all(&writer.finish()).unwrap();
    drop(pipe);
    let output = child.wait_with_output().unwrap();
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(report.starts_with("OK\n"), "{report}");

    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB")?.trim().parse().ok());
    let peak: u64 = peak.unwrap();
    println!("{LINES} lines, {} MiB of bundle, at most {peak} KiB of memory", bytes >> 20);
    assert!(peak <= RESIDENT_KIB_MAX, "{peak} KiB");
}
