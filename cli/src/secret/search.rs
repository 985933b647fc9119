//! `secret search`, and the recursive form of `secret list`.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use clap::Args;
use serde::Serialize;
use strongroom::{After, Folder, FoundSecret, Receipt, Search, Timestamp, limits};

use super::about::{TypeArg, labels};
use crate::{
    app::App,
    failure::Failure,
    output::{self, ReceiptJson, Table},
};

/// Find secrets by labels, type, owner or when they are due for rotation: names and attributes only
///
/// In a folder and everything below it, sorted by path. Every condition narrows it further. A page may end before it is
/// full, when much was looked at in vain: then there is a cursor for the rest.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strongroom secret search --label team=payments --type api-key
  strongroom secret search prod --due-within 7d        # what is overdue too
  strongroom secret search --owner web --all -o json | jq -r '.secrets[].path'")]
pub(crate) struct SearchArgs {
    /// In which folder and below it [default: the top]
    #[arg(default_value = "", hide_default_value = true)]
    folder: String,
    /// With this label; may be given several times, and all have to be there
    #[arg(long, value_name = "NAME=VALUE")]
    label: Vec<String>,
    /// Of this type
    #[arg(long = "type", value_name = "TYPE", value_enum)]
    secret_type: Option<TypeArg>,
    /// Of this owner; an empty text for those that nobody answers for
    #[arg(long, value_name = "TEXT")]
    owner: Option<String>,
    /// Due for rotation within this time from now, such as 7d
    #[arg(long, value_name = "TIME")]
    due_within: Option<String>,
    /// Secrets that are archived too
    #[arg(long)]
    archived: bool,
    #[command(flatten)]
    pages: Pages,
}

/// Which page, or all of them.
#[derive(Args, Debug)]
pub(super) struct Pages {
    /// How many entries at most, 1 to 1000; of what is in one folder up to 10000
    #[arg(long, value_name = "ENTRIES", default_value_t = limits::PAGE_ENTRIES_MAX, conflicts_with = "all")]
    pub(super) limit: usize,
    /// Go on after this cursor, which the page before named
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
    /// All pages
    #[arg(long)]
    pub(super) all: bool,
}

impl Pages {
    /// Where the first page begins.
    pub(super) fn after(&self) -> Result<After, Failure> {
        Ok(self.after.as_deref().map_or_else(|| Ok(After::start()), After::cursor)?)
    }

    /// Says where the next page begins.
    pub(super) fn say_next(app: &App, next: Option<&str>) {
        if let Some(cursor) = next {
            app.out.note(&format!("{}there is more: --after {cursor}, or --all{:#}", output::DIM, output::DIM));
        }
    }
}

/// What was found, on one page or on all.
pub(super) struct Found {
    pub(super) secrets: Vec<FoundSecret>,
    pub(super) next: Option<After>,
    pub(super) receipts: Vec<Receipt>,
}

/// Searches, a page or all.
pub(super) fn search(app: &App, search: &Search, pages: &Pages) -> Result<Found, Failure> {
    let mut after = pages.after()?;
    let (mut found, mut receipts) = (Vec::new(), Vec::new());
    let next = app.in_secrets(async |secrets| {
        loop {
            let page = secrets.search(search, after, pages.limit).await?;
            found.extend(page.secrets);
            receipts.push(page.receipt);
            match page.next {
                Some(next) if pages.all => after = next,
                next => return Ok(next),
            }
        }
    })?;
    Ok(Found { secrets: found, next, receipts })
}

#[derive(Serialize)]
struct Reply<'a> {
    folder: &'a str,
    secrets: Vec<FoundJson<'a>>,
    next: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<ReceiptJson<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    receipts: Vec<ReceiptJson<'a>>,
}

#[derive(Serialize)]
struct FoundJson<'a> {
    path: &'a str,
    description: &'a str,
    labels: BTreeMap<&'a str, &'a str>,
    #[serde(rename = "type")]
    secret_type: &'static str,
    owner: &'a str,
    current: u64,
    current_since: String,
    rotate_by: Option<String>,
    not_after: Option<String>,
}

impl SearchArgs {
    pub(super) fn carry_out(&self, app: &App) -> Result<(), Failure> {
        let folder: Folder = self.folder.parse()?;
        let found = search(app, &self.search(folder.clone())?, &self.pages)?;
        let mut receipts: Vec<ReceiptJson<'_>> = found.receipts.iter().map(ReceiptJson::from).collect();
        let reply = Reply {
            folder: folder.as_str(),
            secrets: found.secrets.iter().map(FoundJson::from).collect(),
            next: found.next.as_ref().map(ToString::to_string),
            receipt: if self.pages.all { None } else { receipts.pop() },
            receipts,
        };
        app.out.reply(&reply, || table(&found.secrets))?;
        if found.secrets.is_empty() {
            app.out.note("nothing found");
        }
        Pages::say_next(app, reply.next.as_deref());
        Ok(())
    }

    fn search(&self, folder: Folder) -> Result<Search, Failure> {
        let mut search = Search::below(folder).labels(labels(&self.label)?).archived(self.archived);
        if let Some(secret_type) = self.secret_type {
            search = search.secret_type(secret_type.into());
        }
        if let Some(owner) = &self.owner {
            search = search.owner(owner.parse()?);
        }
        if let Some(within) = &self.due_within {
            search = search.due_before(from_now(within)?);
        }
        Ok(search)
    }
}

/// So long from now.
fn from_now(text: &str) -> Result<Timestamp, Failure> {
    let time = humantime::parse_duration(text)
        .map_err(|_| Failure::usage("give --due-within a number with a unit, such as 12h or 7d"))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let at = now.saturating_add(time).as_micros();
    Ok(Timestamp(u64::try_from(at).unwrap_or(u64::MAX)))
}

fn table(secrets: &[FoundSecret]) -> String {
    if secrets.is_empty() {
        return String::new();
    }
    let mut table = Table::with_heading(&["PATH", "TYPE", "ROTATE BY", "OWNER"]);
    for secret in secrets {
        table.row([
            secret.path.to_string(),
            secret.meta.secret_type.to_string(),
            secret.rotate_by.map_or_else(|| "-".to_owned(), output::time),
            secret.meta.owner.to_string(),
        ]);
    }
    table.finish()
}

impl<'a> From<&'a FoundSecret> for FoundJson<'a> {
    fn from(found: &'a FoundSecret) -> Self {
        Self {
            path: found.path.as_str(),
            description: found.meta.description.as_str(),
            labels: found.meta.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
            secret_type: found.meta.secret_type.as_str(),
            owner: found.meta.owner.as_str(),
            current: found.current.0,
            current_since: output::exact_time(found.current_since),
            rotate_by: found.rotate_by.map(output::exact_time),
            not_after: found.not_after.map(output::exact_time),
        }
    }
}
