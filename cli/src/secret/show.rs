//! `secret show`.

use std::{collections::BTreeMap, fmt::Write as _};

use clap::Args;
use serde::Serialize;
use strongroom::{Described, SecretPath, VersionState};

use crate::{
    app::App,
    failure::Failure,
    output::{self, ReceiptJson, Table},
};

/// Show all that is known of a secret but its values: state, expiry, type, rotation, stages, limit
///
/// `strongroom secret versions` has the same of each version, `history` what happened to it, and `usage` who reads it.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strongroom secret show prod/db/password
  strongroom secret show prod/tls/cert -o json | jq -r .rotate_by")]
pub(crate) struct ShowArgs {
    /// Which secret
    path: String,
}

#[derive(Serialize)]
struct Reply<'a> {
    path: &'a str,
    description: &'a str,
    labels: BTreeMap<&'a str, &'a str>,
    #[serde(rename = "type")]
    secret_type: &'static str,
    owner: &'a str,
    /// As it was said: `default`, `never` or an interval.
    rotate_every: String,
    /// What that comes to, if it is anything.
    rotate_every_seconds: Option<u64>,
    rotate_by: Option<String>,
    not_after: Option<String>,
    enabled: bool,
    archived: bool,
    expires: Option<String>,
    expired: bool,
    current: u64,
    current_since: String,
    current_state: &'static str,
    current_expires: Option<String>,
    pending: Option<u64>,
    previous: Option<u64>,
    latest: u64,
    max_versions: u64,
    created: String,
    updated: String,
    revision: u64,
    receipt: ReceiptJson<'a>,
}

impl ShowArgs {
    pub(super) fn carry_out(&self, app: &App) -> Result<(), Failure> {
        let path: SecretPath = self.path.parse()?;
        let found = app.in_secrets(async |secrets| Ok(secrets.describe(&path).await?))?;
        let meta = &found.meta;
        let reply = Reply {
            path: path.as_str(),
            description: meta.description.as_str(),
            labels: meta.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
            secret_type: meta.secret_type.as_str(),
            owner: meta.owner.as_str(),
            rotate_every: meta.rotation_interval.to_string(),
            rotate_every_seconds: meta.rotation_interval.for_type(meta.secret_type).map(|every| every.as_secs()),
            rotate_by: found.rotate_by.map(output::exact_time),
            not_after: found.not_after.map(output::exact_time),
            enabled: found.is_enabled,
            archived: found.is_archived,
            expires: found.expires_at.map(output::exact_time),
            expired: found.is_expired,
            current: found.current.0,
            current_since: output::exact_time(found.current_since),
            current_state: found.current_state.as_str(),
            current_expires: found.current_expires_at.map(output::exact_time),
            pending: found.pending.map(|version| version.0),
            previous: found.previous.map(|version| version.0),
            latest: found.latest.0,
            max_versions: found.max_versions.versions(),
            created: output::exact_time(found.created_at),
            updated: output::exact_time(found.updated_at),
            revision: found.revision.0,
            receipt: (&found.receipt).into(),
        };
        app.out.reply(&reply, || text(&path, &found))
    }
}

fn text(path: &SecretPath, found: &Described) -> String {
    let meta = &found.meta;
    let mut text = format!("{path}\n");
    if !meta.description.is_empty() {
        let _ = writeln!(text, "  {}", meta.description);
    }
    for (name, value) in &meta.labels {
        let _ = writeln!(text, "  {name}={value}");
    }
    let mut table = Table::new();
    let mut row = |name: &str, value: String| table.row([format!("  {name}"), value]);
    row("state", state(found));
    row("expires", found.expires_at.map_or_else(|| "never".to_owned(), output::time));
    row("type", meta.secret_type.to_string());
    if !meta.owner.is_empty() {
        row("owner", meta.owner.to_string());
    }
    row("rotated every", every(found));
    if let Some(end) = found.not_after {
        row("ends", output::time(end));
    }
    row("rotate by", found.rotate_by.map_or_else(|| "-".to_owned(), output::time));
    row("current", current(found));
    for (stage, version) in [("pending", found.pending), ("previous", found.previous)] {
        if let Some(version) = version {
            row(stage, format!("version {version}"));
        }
    }
    row("keeps", output::count(found.max_versions.versions(), "version"));
    row("created", output::time(found.created_at));
    row("updated", format!("{}, revision {}", output::time(found.updated_at), found.revision));
    text + &table.finish()
}

/// Whether the secret may be read, and if not, all that keeps it from that.
fn state(found: &Described) -> String {
    let all = [(!found.is_enabled, "disabled"), (found.is_archived, "archived"), (found.is_expired, "expired")];
    let all: Vec<_> = all.into_iter().filter_map(|(is_so, state)| is_so.then_some(state)).collect();
    if all.is_empty() { "enabled".to_owned() } else { all.join(", ") }
}

/// The current version, and what is to be known before it is read.
fn current(found: &Described) -> String {
    let mut text = format!("version {}, since {}", found.current, output::time(found.current_since));
    if let Some(at) = found.current_expires_at {
        let _ = write!(text, ", until {}", output::time(at));
    }
    if found.current_state != VersionState::Enabled {
        let _ = write!(text, ", {}", found.current_state.as_str());
    }
    text
}

/// The interval that holds, and whether that is because of its type.
fn every(found: &Described) -> String {
    let (said, kind) = (found.meta.rotation_interval, found.meta.secret_type);
    if said != strongroom::RotationInterval::OF_TYPE {
        return said.to_string();
    }
    match said.for_type(kind).and_then(|every| strongroom::RotationInterval::seconds(every.as_secs()).ok()) {
        Some(every) => format!("{every}, as its type says"),
        None => "-".to_owned(),
    }
}
