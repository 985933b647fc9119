//! `secret list`.

use clap::Args;
use serde::Serialize;
use strongroom::{After, Entry, Folder, limits};

use crate::{
    app::App,
    failure::Failure,
    output::{self, ReceiptJson},
};

/// List what is in a folder: names only
///
/// One path a line; a folder ends in a slash. With `-o json` and --all, `receipts` has one receipt for
/// each page that was read.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strongroom secret list
  strongroom secret list prod/db
  strongroom secret list prod --all -o json | jq -r '.entries[].path'")]
pub(crate) struct ListArgs {
    /// Which folder [default: the top]
    #[arg(default_value = "", hide_default_value = true)]
    folder: String,
    /// How many entries at most, 1 to 1000
    #[arg(long, value_name = "ENTRIES", default_value_t = limits::PAGE_ENTRIES_MAX, conflicts_with = "all")]
    limit: usize,
    /// Go on after this cursor, which the page before named
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
    /// All pages
    #[arg(long)]
    all: bool,
}

#[derive(Serialize)]
struct Reply<'a> {
    folder: &'a str,
    entries: Vec<EntryJson<'a>>,
    next: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<ReceiptJson<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    receipts: Vec<ReceiptJson<'a>>,
}

#[derive(Serialize)]
struct EntryJson<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    path: &'a str,
}

impl ListArgs {
    pub(super) fn carry_out(&self, app: &App) -> Result<(), Failure> {
        let folder: Folder = self.folder.parse()?;
        let mut after = match &self.after {
            Some(cursor) => After::cursor(cursor)?,
            None => After::start(),
        };
        let (mut entries, mut receipts) = (Vec::new(), Vec::new());
        let next = app.in_secrets(async |secrets| {
            loop {
                let page = secrets.list(&folder, after, self.limit).await?;
                entries.extend(page.entries);
                receipts.push(page.receipt);
                match page.next {
                    Some(next) if self.all => after = next,
                    next => return Ok(next),
                }
            }
        })?;
        let mut receipts: Vec<ReceiptJson<'_>> = receipts.iter().map(ReceiptJson::from).collect();
        let reply = Reply {
            folder: folder.as_str(),
            entries: entries.iter().map(EntryJson::from).collect(),
            next: next.as_ref().map(ToString::to_string),
            receipt: if self.all { None } else { receipts.pop() },
            receipts,
        };
        app.out.reply(&reply, || entries.iter().map(line).collect())?;
        if entries.is_empty() {
            app.out.note("nothing here");
        }
        match &reply.next {
            Some(cursor) => {
                app.out.note(&format!("{}there is more: --after {cursor}, or --all{:#}", output::DIM, output::DIM));
                Ok(())
            }
            None => Ok(()),
        }
    }
}

fn line(entry: &Entry) -> String {
    match entry {
        Entry::Folder(folder) => format!("{folder}/\n"),
        Entry::Secret(path) => format!("{path}\n"),
    }
}

impl<'a> From<&'a Entry> for EntryJson<'a> {
    fn from(entry: &'a Entry) -> Self {
        match entry {
            Entry::Folder(folder) => Self { kind: "folder", path: folder.as_str() },
            Entry::Secret(path) => Self { kind: "secret", path: path.as_str() },
        }
    }
}
