//! One run: read, verify, report.

use std::fs::{self, File};
use std::io::{self, IsTerminal as _, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::CommandFactory as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use strongroom_log::{BundleReader, FINDING_CODES, Memory, Report, ReportText, RootKey};

use crate::args::{Args, Format};
use crate::failure::Failure;
use crate::kept;

/// How much of a bundle is read at once, in bytes.
const PIECE_BYTES: usize = 256 * 1024;

#[derive(Serialize)]
struct Reply<'a> {
    ok: bool,
    #[serde(flatten)]
    report: &'a Report,
}

/// Does what the arguments say, and tells the exit code.
pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    if args.codes {
        let codes =
            FINDING_CODES.iter().map(|code| format!("{:20}  {:12}  {}\n", code.name, code.verdict, code.sentence));
        return write(&codes.collect::<String>()).map(|()| ExitCode::SUCCESS);
    }
    if let Some(shell) = args.completion {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Args::command(), "strongroom-verify", &mut script);
        return write(&String::from_utf8_lossy(&script)).map(|()| ExitCode::SUCCESS);
    }
    let Some(bundle) = &args.bundle else { return Err(Failure::new("no bundle was given")) };
    let report = verify(bundle, &kept::root_key(args)?, kept::memory(args)?)?;
    match args.output {
        Format::Text => write(&ReportText::new(&report).colours().to_string())?,
        Format::Json => {
            let reply = Reply { ok: report.is_ok(), report: &report };
            let document = serde_json::to_string(&reply).map_err(|error| Failure::new(error.to_string()))?;
            write(&format!("{document}\n"))?;
        }
    }
    if let (Some(file), Some(note)) = (&args.save_checkpoint, &report.checkpoint) {
        save(file, note).map_err(|error| Failure::of(file, error))?;
    }
    Ok(report.exit_code().into())
}

/// Verifies a bundle as it comes, in pieces.
fn verify(bundle: &Path, root: &RootKey, memory: Memory) -> Result<Report, Failure> {
    let unreadable = |error: io::Error| Failure::of(bundle, error);
    let (mut from, total): (Box<dyn Read>, _) = if bundle.as_os_str() == "-" {
        (Box::new(io::stdin().lock()), None)
    } else {
        let file = File::open(bundle).map_err(unreadable)?;
        let total = file.metadata().ok().filter(fs::Metadata::is_file).map(|metadata| metadata.len());
        (Box::new(file), total)
    };
    let bar = bar(total);
    let mut reader = BundleReader::new(root, memory);
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match from.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => {
                reader.feed(&piece[..read]);
                bar.inc(read as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                bar.finish_and_clear();
                return Err(unreadable(error));
            }
        }
    }
    bar.finish_and_clear();
    Ok(reader.finish())
}

/// How far it is, for who waits at a terminal.
fn bar(total: Option<u64>) -> ProgressBar {
    let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new);
    if !io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let template = match total {
        Some(_) => "verifying [{bar:30}] {bytes}/{total_bytes} {eta}",
        None => "verifying {spinner} {bytes} {bytes_per_sec}",
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style.progress_chars("=> "));
    bar
}

/// Writes to stdout, with colours if it is a terminal. That a reader such as `head` has seen enough is no failure.
fn write(text: &str) -> Result<(), Failure> {
    let mut stdout = anstream::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(format!("stdout: {error}"))),
        _ => Ok(()),
    }
}

/// Writes the file whole or not at all: it may be the only memory of the log, and it is replaced by a newer one.
fn save(file: &Path, note: &str) -> io::Result<()> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let mut new = File::create(&beside)?;
    new.write_all(note.as_bytes())?;
    new.sync_all()?;
    fs::rename(&beside, file)
}
