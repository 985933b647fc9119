//! `secret versions`.

use std::{collections::BTreeMap, fmt::Write as _};

use clap::Args;
use serde::Serialize;
use strongroom::{SecretPath, Stage, VersionInfo, Versions};

use crate::{
    app::App,
    failure::Failure,
    output::{self, ReceiptJson, Table},
};

/// Show a secret's versions, description and labels, without its values
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strongroom secret versions prod/db/password")]
pub(crate) struct VersionsArgs {
    /// Which secret
    path: String,
}

#[derive(Serialize)]
struct Reply<'a> {
    path: &'a str,
    description: &'a str,
    labels: BTreeMap<&'a str, &'a str>,
    created: String,
    updated: String,
    max_versions: u64,
    versions: Vec<VersionJson>,
    receipt: ReceiptJson<'a>,
}

#[derive(Serialize)]
struct VersionJson {
    version: u64,
    state: &'static str,
    current: bool,
    stage: Option<&'static str>,
    created: String,
    expires: Option<String>,
}

impl VersionsArgs {
    pub(super) fn carry_out(&self, app: &App) -> Result<(), Failure> {
        let path: SecretPath = self.path.parse()?;
        let found = app.in_secrets(async |secrets| Ok(secrets.versions(&path).await?))?;
        let reply = Reply {
            path: path.as_str(),
            description: found.meta.description.as_str(),
            labels: found.meta.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
            created: output::exact_time(found.created_at),
            updated: output::exact_time(found.updated_at),
            max_versions: found.max_versions.versions(),
            versions: found.versions.iter().map(VersionJson::from).collect(),
            receipt: (&found.receipt).into(),
        };
        app.out.reply(&reply, || text(&path, &found))
    }
}

impl From<&VersionInfo> for VersionJson {
    fn from(info: &VersionInfo) -> Self {
        Self {
            version: info.version.0,
            state: info.state.as_str(),
            current: info.is_current,
            stage: info.stage.map(Stage::as_str),
            created: output::exact_time(info.created_at),
            expires: info.expires_at.map(output::exact_time),
        }
    }
}

fn text(path: &SecretPath, found: &Versions) -> String {
    let mut text = format!("{path}\n");
    if !found.meta.description.is_empty() {
        let _ = writeln!(text, "  {}", found.meta.description);
    }
    for (name, value) in &found.meta.labels {
        let _ = writeln!(text, "  {name}={value}");
    }
    let _ = writeln!(text, "  keeps {}", output::count(found.max_versions.versions(), "version"));
    let mut table = Table::with_heading(&["VERSION", "STATE", "CREATED", "EXPIRES", "STAGE"]);
    for info in &found.versions {
        let stage = info.stage.map_or("", Stage::as_str);
        table.row([
            info.version.0.to_string(),
            info.state.as_str().into(),
            output::time(info.created_at),
            info.expires_at.map_or_else(|| "-".to_owned(), output::time),
            stage.into(),
        ]);
    }
    text + "\n" + &table.finish()
}
