//! `secret list`.

use clap::Args;
use serde::Serialize;
use strongroom::{After, Entry, Folder, Receipt, Search, limits};

use super::search::{self, Pages};
use crate::{app::App, failure::Failure, output::ReceiptJson};

/// List what is in a folder: names only
///
/// One path a line; a folder ends in a slash. With --recursive, all secrets below it, and no folders. With `-o json` and --all, `receipts` has one receipt for
/// each page that was read: of one folder there is only one.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strongroom secret list
  strongroom secret list prod/db
  strongroom secret list prod --recursive
  strongroom secret list prod --all -o json | jq -r '.entries[].path'")]
pub(crate) struct ListArgs {
    /// Which folder [default: the top]
    #[arg(default_value = "", hide_default_value = true)]
    folder: String,
    /// What is in folders below it too
    #[arg(short, long)]
    recursive: bool,
    /// Secrets that are archived too
    #[arg(long)]
    archived: bool,
    #[command(flatten)]
    pages: Pages,
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
        let (entries, next, receipts) = if self.recursive {
            let found = search::search(app, &Search::below(folder.clone()).archived(self.archived), &self.pages)?;
            let entries = found.secrets.into_iter().map(|secret| Entry::Secret(secret.path)).collect();
            (entries, found.next, found.receipts)
        } else {
            self.one_folder(app, &folder)?
        };
        let mut receipts: Vec<ReceiptJson<'_>> = receipts.iter().map(ReceiptJson::from).collect();
        let reply = Reply {
            folder: folder.as_str(),
            entries: entries.iter().map(EntryJson::from).collect(),
            next: next.as_ref().map(ToString::to_string),
            receipt: if self.pages.all { None } else { receipts.pop() },
            receipts,
        };
        app.out.reply(&reply, || entries.iter().map(line).collect())?;
        if entries.is_empty() {
            app.out.note("nothing here");
        }
        Pages::say_next(app, reply.next.as_deref());
        Ok(())
    }

    fn one_folder(&self, app: &App, folder: &Folder) -> Result<Listed, Failure> {
        let mut after = self.pages.after()?;
        // All of a folder is one page: it is opened and sorted whole for each of them.
        let limit = if self.pages.all { limits::LIST_ENTRIES_MAX } else { self.pages.limit };
        let (mut entries, mut receipts) = (Vec::new(), Vec::new());
        let next = app.in_secrets(async |secrets| {
            loop {
                let page = if self.archived {
                    secrets.list_archived(folder, after, limit).await?
                } else {
                    secrets.list(folder, after, limit).await?
                };
                entries.extend(page.entries);
                receipts.push(page.receipt);
                match page.next {
                    Some(next) if self.pages.all => after = next,
                    next => return Ok(next),
                }
            }
        })?;
        Ok((entries, next, receipts))
    }
}

/// Entries, where the next page begins, and a receipt for each page.
type Listed = (Vec<Entry>, Option<After>, Vec<Receipt>);

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
