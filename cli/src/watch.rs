//! `audit watch`: a log as it grows.
//!
//! It looks into the database a few times a second, which sees the lines of other processes as well. Ctrl-C, or
//! SIGTERM, ends it as if it had come to its end: the signing epoch is closed and the keys are wiped.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use clap::Args;
use strongroom::{AuditEntry, limits};

use crate::{
    app::App,
    audit::{EntryJson, Which, object},
    failure::Failure,
    output,
    query::Filter,
};

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(250);
/// How soon a signal is noticed.
const BLINK: Duration = Duration::from_millis(25);

/// Follow a log: new lines as they come, those of other processes too
///
/// Until Ctrl-C. With --since, first what has come since then. That somebody watches is recorded once, when it
/// begins, with act audit.watch; not for each line that is shown. With json, each line is one document.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strongroom audit watch --tenant acme
  strongroom audit watch --tenant acme --outcome refused --since 10m
  strongroom audit watch --deployment -o json | jq -r '[.time, .actor, .act, .code] | @tsv'")]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    filter: Filter,
}

impl WatchArgs {
    pub(crate) fn carry_out(&self, app: &App) -> Result<(), Failure> {
        let query = self.filter.query(app)?;
        let stop = signalled()?;
        self.which.in_audit(app, async |audit| {
            let mut watch = audit.watch(&query).await?;
            app.out.note(&format!("watching; Ctrl-C ends it {}", output::recorded(&watch.receipt)));
            while !stop.load(Ordering::Relaxed) {
                let entries = watch.more().await?;
                let full = entries.len() == limits::PAGE_ENTRIES_MAX;
                for entry in &entries {
                    app.out.reply(&EntryJson::from(entry), || line(entry))?;
                }
                let mut waited = Duration::ZERO;
                while !full && waited < PAUSE && !stop.load(Ordering::Relaxed) {
                    thread::sleep(BLINK);
                    waited += BLINK;
                }
            }
            Ok(())
        })
    }
}

/// `12  2026-11-24T12:00:00Z  user:ada  secret.get  prod/db/password v2  ok`
fn line(entry: &AuditEntry) -> String {
    let who = entry.actor.as_deref().unwrap_or("(forgotten)");
    let (seq, time, object) = (entry.seq, output::time(entry.time), object(entry));
    let object = if object.is_empty() { "-" } else { &object };
    format!("{seq}  {time}  {who}  {}  {object}  {}\n", entry.act, entry.code)
}

/// Becomes true when somebody wants this to end. A second signal ends it at once.
#[cfg(unix)]
fn signalled() -> Result<Arc<AtomicBool>, Failure> {
    use signal_hook::{
        consts::{SIGINT, SIGTERM},
        flag,
    };
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stop)).map_err(output::internal)?;
        flag::register(signal, Arc::clone(&stop)).map_err(output::internal)?;
    }
    Ok(stop)
}

/// Elsewhere the system ends the program, and the epoch ends by itself.
#[cfg(not(unix))]
fn signalled() -> Result<Arc<AtomicBool>, Failure> {
    Ok(Arc::default())
}
