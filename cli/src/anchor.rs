//! `anchor`: add, remove and list what remembers the audit log outside of the database.

use std::path::Path;

use clap::{Args, Subcommand};
use serde::Serialize;
use strongroom::{AnchorPlace, AnchorStatus};

use crate::{
    app::App,
    failure::Failure,
    output::{self, ReceiptJson, Table},
};

/// Add, remove and list anchors: memory of the audit log outside of the database
///
/// An anchor is a small file on another volume, or a data object in the token. It is written within a second of every change, and when the deployment
/// is opened it must be there and the log must begin with what it remembers: a database that was put back to an older
/// state is refused. Add one with `init --anchor`, before there is any state to go back to.
#[derive(Debug, Subcommand)]
pub(crate) enum AnchorCommand {
    /// Add an anchor
    ///
    /// Use a folder of the other volume, not the place where that is mounted: while it is not mounted the folder is
    /// missing, and no anchor is made where nobody looks for it. A process that runs already does not write it before it
    /// is started again.
    #[command(
        after_help = "Examples:\n  strongroom anchor add /mnt/other/strongroom/anchor\n  strongroom anchor add device"
    )]
    Add(Place),
    /// Remove an anchor; its file stays
    #[command(after_help = "\
Examples:
  strongroom anchor remove /mnt/other/strongroom/anchor
  strongroom --accept-missing-anchor anchor remove /mnt/gone/anchor")]
    Remove(Place),
    /// List the anchors, and how each is
    #[command(after_help = "Examples:\n  strongroom anchor list\n  strongroom anchor list -o json")]
    List,
}

/// Which anchor.
#[derive(Args, Debug)]
pub(crate) struct Place {
    /// Its file; or `device`, for a data object in the token (`./device` is a file)
    #[arg(value_name = "FILE")]
    file: String,
}

#[derive(Serialize)]
struct Reply<'a> {
    anchor: &'a AnchorPlace,
    receipt: ReceiptJson<'a>,
}

#[derive(Serialize)]
struct ListReply<'a> {
    anchors: Vec<AnchorJson<'a>>,
    receipt: ReceiptJson<'a>,
}

/// An anchor and how it is.
#[derive(Serialize)]
pub(crate) struct AnchorJson<'a> {
    anchor: &'a AnchorPlace,
    generation: u32,
    commits: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    current: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failing: Option<FailingJson>,
}

#[derive(Serialize)]
struct FailingJson {
    code: &'static str,
    since: String,
}

impl AnchorCommand {
    pub(crate) fn carry_out(&self, app: &App) -> Result<(), Failure> {
        let context = app.context()?;
        match self {
            Self::Add(place) => {
                let anchor = parse(&place.file)?;
                let receipt = app.in_room(async |room| Ok(room.admin(context).add_anchor(&anchor).await?))?;
                let reply = Reply { anchor: &anchor, receipt: (&receipt).into() };
                app.out.done(&reply, || format!("added {anchor} {}", output::recorded(&receipt)))
            }
            Self::Remove(place) => {
                let anchor = parse(&place.file)?;
                let receipt = app.in_room(async |room| Ok(room.admin(context).remove_anchor(&anchor).await?))?;
                let reply = Reply { anchor: &anchor, receipt: (&receipt).into() };
                app.out.done(&reply, || format!("removed {anchor}; its file stays {}", output::recorded(&receipt)))
            }
            Self::List => {
                let all = app.in_room(async |room| Ok(room.admin(context).list_anchors().await?))?;
                let anchors = all.anchors.iter().map(AnchorJson::from).collect();
                let reply = ListReply { anchors, receipt: (&all.receipt).into() };
                app.out.reply(&reply, || table(&all.anchors))?;
                if all.anchors.is_empty() {
                    app.out.note("no anchors; add one on another volume with `strongroom anchor add FILE`");
                }
                Ok(())
            }
        }
    }
}

/// An anchor as it is typed: a path, or the name that is listed. Relative paths mean something else in another folder.
pub(crate) fn parse(file: &str) -> Result<AnchorPlace, Failure> {
    if file == "device" || file.starts_with("file:") {
        return Ok(file.parse()?);
    }
    let path = std::path::absolute(file).map_err(|_| Failure::usage("the path of an anchor is not one"))?;
    Ok(AnchorPlace::file(Path::new(&path))?)
}

impl<'a> From<&'a AnchorStatus> for AnchorJson<'a> {
    fn from(status: &'a AnchorStatus) -> Self {
        Self {
            anchor: &status.place,
            generation: status.generation,
            commits: status.commits,
            current: status.current_at.map(output::exact_time),
            failing: status
                .failing
                .map(|failing| FailingJson { code: failing.code.name(), since: output::exact_time(failing.since) }),
        }
    }
}

/// What is said of an anchor in a line.
pub(crate) fn state(status: &AnchorStatus) -> String {
    match status.failing {
        Some(failing) => format!("NOT written since {}: {}", output::time(failing.since), failing.code.sentence()),
        None => format!("{} remembered", output::count(status.commits, "commit")),
    }
}

fn table(anchors: &[AnchorStatus]) -> String {
    if anchors.is_empty() {
        return String::new();
    }
    let mut table = Table::with_heading(&["ANCHOR", "STATE"]);
    for status in anchors {
        table.row([status.place.to_string(), state(status)]);
    }
    table.finish()
}
