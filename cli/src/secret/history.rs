//! `secret history` and `secret usage`: what the audit log has of one secret.

use clap::{Args, ValueEnum};
use serde::Serialize;
use strongroom::{Event, EventKind, History, HistoryPage, SecretPath, Timestamp, Usage};

use crate::{
    app::App,
    failure::Failure,
    output::{self, ReceiptJson, Table},
};

/// Show what happened to a secret: created, rotated, read, revoked and so on, from the audit log
///
/// The newest event first. Also of a secret that was deleted: its path is enough. The look is recorded too.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strongroom secret history prod/db/password
  strongroom secret history prod/db/password --event rotated --event expired
  strongroom secret history prod/db/password --event accessed --oldest-first -o json")]
pub(crate) struct HistoryArgs {
    /// Which secret
    path: String,
    /// Only events of this kind; may be given several times
    #[arg(long = "event", value_enum, value_name = "EVENT")]
    events: Vec<EventName>,
    /// The oldest event first
    #[arg(long)]
    oldest_first: bool,
    /// How many lines of the log at most, 1 to 1000; a line may be several events
    #[arg(long, value_name = "LINES", default_value_t = 100)]
    limit: usize,
    /// Where the page begins: the cursor that the page before ended with
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum EventName {
    Created,
    Activated,
    Accessed,
    Rotated,
    Deprecated,
    Expired,
    Revoked,
    Archived,
    Purged,
}

impl From<EventName> for EventKind {
    fn from(name: EventName) -> Self {
        match name {
            EventName::Created => Self::Created,
            EventName::Activated => Self::Activated,
            EventName::Accessed => Self::Accessed,
            EventName::Rotated => Self::Rotated,
            EventName::Deprecated => Self::Deprecated,
            EventName::Expired => Self::Expired,
            EventName::Revoked => Self::Revoked,
            EventName::Archived => Self::Archived,
            EventName::Purged => Self::Purged,
        }
    }
}

#[derive(Serialize)]
struct HistoryReply<'a> {
    path: &'a str,
    events: Vec<EventJson<'a>>,
    next: Option<String>,
    receipt: ReceiptJson<'a>,
}

#[derive(Serialize)]
struct EventJson<'a> {
    event: &'static str,
    version: Option<u64>,
    time: String,
    actor: Option<&'a str>,
    act: &'a str,
    count: Option<u64>,
    request: String,
    seq: u64,
}

impl<'a> From<&'a Event> for EventJson<'a> {
    fn from(event: &'a Event) -> Self {
        Self {
            event: event.kind.as_str(),
            version: event.version.map(|version| version.0),
            time: output::exact_time(event.time),
            actor: event.actor.as_deref(),
            act: &event.act,
            count: event.count,
            request: event.request.to_string(),
            seq: event.seq,
        }
    }
}

impl HistoryArgs {
    pub(super) fn carry_out(&self, app: &App) -> Result<(), Failure> {
        let path: SecretPath = self.path.parse()?;
        let kinds: Vec<EventKind> = self.events.iter().map(|name| (*name).into()).collect();
        let mut history = History::new().kinds(&kinds);
        if self.oldest_first {
            history = history.oldest_first();
        }
        if let Some(cursor) = &self.after {
            history = history.after(cursor.parse()?);
        }
        let page = app.in_secrets(async |secrets| Ok(secrets.history(&path, &history, self.limit).await?))?;
        let next = page.next.map(|next| next.to_string());
        let reply = HistoryReply {
            path: path.as_str(),
            events: page.events.iter().map(EventJson::from).collect(),
            next: next.clone(),
            receipt: (&page.receipt).into(),
        };
        app.out.reply(&reply, || table(&page))?;
        if page.events.is_empty() && next.is_none() {
            app.out.note(&format!("the log has no such event of {path}"));
        }
        if let Some(next) = next {
            app.out.note(&format!("there is more: --after {next}"));
        }
        Ok(())
    }
}

fn table(page: &HistoryPage) -> String {
    if page.events.is_empty() {
        return String::new();
    }
    let mut table = Table::with_heading(&["TIME", "EVENT", "VERSION", "COUNT", "ACT", "WHO"]);
    for event in &page.events {
        let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        table.row([
            output::time(event.time),
            event.kind.as_str().into(),
            number(event.version.map(|version| version.0)),
            number(event.count),
            event.act.clone(),
            event.actor.clone().unwrap_or_else(|| "(forgotten)".to_owned()),
        ]);
    }
    table.finish()
}

/// Show how a secret was used: reads, refusals, changes, first and last access
///
/// Counted in the audit log, from its beginning on, also of a secret that was deleted. Reads under leases count once
/// the lease has ended. The export of a folder is recorded as the folder's, and not counted here.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strongroom secret usage prod/db/password
  strongroom secret usage prod/db/password -o json | jq .last_access")]
pub(crate) struct UsageArgs {
    /// Which secret
    path: String,
}

#[derive(Serialize)]
struct UsageReply<'a> {
    path: &'a str,
    reads: u64,
    leased_reads: u64,
    leases_open: u64,
    folder_leases: u64,
    refused: u64,
    changes: u64,
    first_access: Option<String>,
    last_access: Option<String>,
    last_reader: Option<&'a str>,
    receipt: ReceiptJson<'a>,
}

impl UsageArgs {
    pub(super) fn carry_out(&self, app: &App) -> Result<(), Failure> {
        let path: SecretPath = self.path.parse()?;
        let usage = app.in_secrets(async |secrets| Ok(secrets.usage(&path).await?))?;
        let reply = UsageReply {
            path: path.as_str(),
            reads: usage.reads,
            leased_reads: usage.leased_reads,
            leases_open: usage.leases_open,
            folder_leases: usage.folder_leases,
            refused: usage.refused,
            changes: usage.changes,
            first_access: usage.first_access.map(output::exact_time),
            last_access: usage.last_access.map(output::exact_time),
            last_reader: usage.last_reader.as_deref(),
            receipt: (&usage.receipt).into(),
        };
        app.out.reply(&reply, || text(&usage))
    }
}

fn text(usage: &Usage) -> String {
    let at = |time: Option<Timestamp>| time.map_or_else(|| "never".to_owned(), output::time);
    let mut table = Table::new();
    let mut row = |name: &str, value: String| table.row([name.to_owned(), value]);
    row("reads", usage.reads.to_string());
    row("under leases", usage.leased_reads.to_string());
    if usage.leases_open > 0 {
        row("leases without counts", usage.leases_open.to_string());
    }
    if usage.folder_leases > 0 {
        row("leases of a folder", usage.folder_leases.to_string());
    }
    row("refused", usage.refused.to_string());
    row("changes", usage.changes.to_string());
    row("first access", at(usage.first_access));
    row("last access", at(usage.last_access));
    row("last reader", usage.last_reader.clone().unwrap_or_else(|| "-".to_owned()));
    table.finish()
}
