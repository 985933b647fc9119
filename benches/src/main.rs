//! What Strongroom costs, beside what it cannot cost less than. `README.md` says how to read the report.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people speaks on the terminal")]
#![allow(clippy::cast_precision_loss, reason = "figures are rounded to a few digits")]

mod callers;
mod deployment;
mod expectation;
mod isolation;
mod keys;
mod lease;
mod machine;
mod plain;
mod queries;
mod report;
mod sample;
mod seal;
mod sizes;
mod steady;
mod syncs;
mod verification;

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand, ValueEnum};
use machine::{Machine, SyncProbe};
use report::Report;

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// Measures what Strongroom costs.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench", args_conflicts_with_subcommands = false)]
struct Arguments {
    /// Measure briefly: to see whether it works.
    #[arg(long)]
    quick: bool,
    /// How to print the report.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Output,
    /// Where to write; its file system and disk are what is measured. Default: the temporary folder.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Lines of the log that is queried. Default: 1,000,000, or 100,000 if it is to be brief.
    #[arg(long)]
    lines: Option<u64>,
    /// Minutes of steady load. Default: 1, or a few seconds if it is to be brief.
    #[arg(long)]
    minutes: Option<u64>,
    /// Secrets of the largest store that is measured. Default: 100,000, or 20,000 if it is to be brief.
    #[arg(long)]
    secrets: Option<usize>,
    /// Only the parts whose name has this in it: seal, keys, callers, lease, syncs, verification, queries, steady,
    /// isolation, sizes.
    filter: Option<String>,
    #[command(subcommand)]
    child: Option<Child>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

/// What this program runs of itself in another process.
#[derive(Debug, Subcommand)]
enum Child {
    #[command(hide = true)]
    ChildToken { uri: String },
    #[command(hide = true)]
    ChildOperations { folder: PathBuf, operation: String, callers: usize, per_caller: u64 },
}

/// Load before, and sync time, beyond which the report warns of its verdicts.
const LOAD_MAX: f64 = 0.5;
const SYNC_NS_MAX: u64 = 500_000;

/// How long to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effort {
    Quick,
    Full,
}

impl Effort {
    fn is_quick(self) -> bool {
        self == Self::Quick
    }

    /// As a child is told.
    fn argument(self) -> Option<&'static str> {
        self.is_quick().then_some("--quick")
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let effort = if arguments.quick { Effort::Quick } else { Effort::Full };
    match &arguments.child {
        None => {}
        Some(Child::ChildToken { uri }) => {
            println!("{}", serde_json::to_string(&keys::child(uri, effort)?)?);
            return Ok(());
        }
        Some(Child::ChildOperations { folder, operation, callers, per_caller }) => {
            return syncs::child(folder, operation, *callers, *per_caller);
        }
    }
    let parent = arguments.folder.clone().unwrap_or_else(std::env::temp_dir);
    let folder = tempfile::Builder::new().prefix("strongroom-bench-").tempdir_in(parent)?;
    let report = measure(effort, folder.path(), &arguments)?;
    match arguments.output {
        Output::Text => print!("{report}"),
        Output::Json => println!("{}", serde_json::to_string_pretty(&report)?),
    }
    Ok(())
}

/// Each part in a folder of its own, one after the other.
fn measure(effort: Effort, folder: &Path, arguments: &Arguments) -> Result<Report> {
    let filter = arguments.filter.as_deref().unwrap_or("");
    let machine = Machine::look(folder);
    let mut probe = SyncProbe::in_folder(folder)?;
    probe.measure(if effort.is_quick() { 100 } else { 500 })?;
    let mut report = Report {
        quick: effort.is_quick(),
        machine,
        sync: probe.times(),
        sealing: None,
        keys: None,
        callers: None,
        lease: None,
        syncs: None,
        verification: None,
        queries: None,
        steady: None,
        isolation: None,
        sizes: None,
        expectations: Vec::new(),
        notes: Vec::new(),
    };
    let part = |name: &str| -> Result<Option<PathBuf>> {
        if !name.contains(filter) {
            return Ok(None);
        }
        eprintln!("measuring: {name}");
        let own = folder.join(name);
        std::fs::create_dir(&own)?;
        Ok(Some(own))
    };
    if part("seal")?.is_some() {
        report.sealing = Some(seal::measure(effort)?);
    }
    if let Some(own) = part("keys")? {
        let (software, token) = keys::measure(effort, &own)?;
        if token.is_none() {
            report.notes.push("no cold key from a token: SoftHSM is not installed".to_owned());
        }
        report.keys = Some([Some(software), token].into_iter().flatten().collect());
    }
    if let Some(own) = part("callers")? {
        report.callers = Some(callers::measure(effort, &own)?);
    }
    if let Some(own) = part("lease")? {
        report.lease = Some(lease::measure(effort, &own)?);
    }
    if let Some(own) = part("syncs")? {
        report.syncs = syncs::measure(effort, &own)?;
        if report.syncs.is_none() {
            report.notes.push("syncs not counted: strace is not installed, or may not trace".to_owned());
        }
    }
    if part("verification")?.is_some() {
        report.verification = Some(verification::measure(effort)?);
    }
    if let Some(own) = part("queries")? {
        report.queries = Some(queries::measure(effort, &own, arguments.lines)?);
    }
    if let Some(own) = part("steady")? {
        report.steady = Some(steady::measure(effort, &own, arguments.minutes)?);
    }
    if let Some(own) = part("isolation")? {
        report.isolation = Some(isolation::measure(effort, &own)?);
    }
    if let Some(own) = part("sizes")? {
        report.sizes = Some(sizes::measure(effort, &own, arguments.secrets)?);
    }
    let load: f64 = report.machine.load_before.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0);
    let sync_ns = report.callers.as_ref().map_or(report.sync.p50_ns, |callers| callers.sync.p50_ns);
    if load > LOAD_MAX || sync_ns > SYNC_NS_MAX {
        report.notes.push(
            "the machine was busy or its disk slow: with a slow sync, one row per transaction is slow as well, and the \
             verdicts against it are easier to meet than on an idle machine"
                .to_owned(),
        );
    }
    report.expectations = expectation::judge(&report);
    Ok(report)
}
