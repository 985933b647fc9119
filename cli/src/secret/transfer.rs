//! `secret import` and `secret export`: documents of secrets, in and out.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use strongroom::{
    Folder, Import, ImportEntry,
    transfer::{dotenv, json, toml, yaml},
};

use super::{Document, under};
use crate::{
    app::App,
    failure::Failure,
    files::Target,
    input,
    output::{self, ReceiptJson},
};

/// Import a .env, JSON, YAML or TOML document: all of it in one transaction, or nothing
///
/// In a .env file, each NAME=value becomes the secret PREFIX/NAME; nothing is expanded. In JSON, YAML and
/// TOML, nested objects (mappings, tables) are folders, strings are text, and numbers, true, false and lists
/// are JSON values. YAML is read without guessing: what some reader could take for something other than
/// text, such as no, 0123, 1e3 or 12:30, has to be in quotes, and anchors, aliases and tags are refused.
/// What is malformed is refused with its line, and nothing is imported. At most 16 MiB, of YAML 1 MiB.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strongroom secret import --prefix prod/api .env
  strongroom secret import --prefix prod values.yaml
  sops -d secrets.json | strongroom secret import --format json -
  strongroom secret import --prefix prod/api --new-only .env    # touches nothing that exists")]
pub(crate) struct ImportArgs {
    /// The document; `-` is stdin
    file: PathBuf,
    /// Folder to import into [default: the top]
    #[arg(long, value_name = "FOLDER", default_value = "", hide_default_value = true)]
    prefix: String,
    /// What the document is [default: by the end of the file's name: .json, .yaml, .yml, .toml; else env]
    #[arg(long)]
    format: Option<Document>,
    /// Refuse the whole import if one of the secrets exists
    #[arg(long)]
    new_only: bool,
}

#[derive(Serialize)]
struct ImportReply<'a> {
    prefix: &'a str,
    secrets: Vec<Imported<'a>>,
    receipt: ReceiptJson<'a>,
}

#[derive(Serialize)]
struct Imported<'a> {
    path: &'a str,
    version: u64,
}

impl ImportArgs {
    pub(super) fn carry_out(&self, app: &App) -> Result<(), Failure> {
        let folder: Folder = self.prefix.parse()?;
        app.tenant()?;
        app.context()?;
        let document = input::read_document(&self.file)?;
        let entries = match Document::of(self.format, Some(&self.file)) {
            Document::Env => dotenv::parse(&document)?,
            Document::Json => json::parse(&document)?,
            Document::Yaml => yaml::parse(&document)?,
            Document::Toml => toml::parse(&document)?,
        };
        let paths: Vec<_> = entries.iter().map(|entry| entry.path.clone()).collect();
        let entries = entries.into_iter().map(|entry| ImportEntry { path: entry.path, value: entry.value }).collect();
        let options = if self.new_only { Import::default().new_only() } else { Import::default() };
        let done = app.in_secrets(async |secrets| Ok(secrets.import(&folder, entries, options).await?))?;
        let secrets = paths
            .iter()
            .zip(&done.versions)
            .map(|(path, version)| Imported { path: path.as_str(), version: version.0 })
            .collect();
        let reply = ImportReply { prefix: folder.as_str(), secrets, receipt: (&done.receipt).into() };
        app.out.done(&reply, || {
            let secrets = output::count(paths.len() as u64, "secret");
            format!("imported {secrets}{} {}", under(&folder), output::recorded(&done.receipt))
        })
    }
}

/// Export the current values of a folder and everything below it
///
/// The document can be imported again: JSON, YAML and TOML hold everything but descriptions, labels and older
/// versions; .env holds neither sub-folders nor binary values. Secrets whose current version is deleted or
/// destroyed are left out. A file is readable by you alone, and appears only when it is complete. With `-o json`
/// and no --file, the receipt is the last line on stderr.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strongroom secret export --prefix prod/api --format env
  strongroom secret export --file acme.yaml
  strongroom secret export --format json | jq .")]
pub(crate) struct ExportArgs {
    /// Folder to export [default: the top]
    #[arg(long, value_name = "FOLDER", default_value = "", hide_default_value = true)]
    prefix: String,
    /// What to write [default: by the end of the file's name: .json, .yaml, .yml, .toml; else env]
    #[arg(long)]
    format: Option<Document>,
    /// Write to this new file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Replace the file if it is there
    #[arg(long, requires = "file")]
    force: bool,
}

#[derive(Serialize)]
struct ExportReply<'a> {
    prefix: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    secrets: u64,
    receipt: ReceiptJson<'a>,
}

impl ExportArgs {
    pub(super) fn carry_out(&self, app: &App) -> Result<(), Failure> {
        let folder: Folder = self.prefix.parse()?;
        let target = Target::new(self.file.as_deref(), self.force)?;
        let exported = app.in_secrets(async |secrets| Ok(secrets.export(&folder).await?))?;
        let secrets = exported.secrets.iter().map(|secret| (&secret.path, &secret.value));
        let document = match Document::of(self.format, self.file.as_deref()) {
            Document::Env => dotenv::export(secrets)?,
            Document::Json => json::export(secrets),
            Document::Yaml => yaml::export(secrets),
            Document::Toml => toml::export(secrets),
        };
        target.write(&document)?;
        let count = exported.secrets.len() as u64;
        let note = || {
            let secrets = output::count(count, "secret");
            format!("exported {secrets}{} {}", under(&folder), output::recorded(&exported.receipt))
        };
        let (prefix, receipt) = (folder.as_str(), (&exported.receipt).into());
        match target {
            // The document has stdout for itself: what is said about it goes to stderr, in JSON too.
            Target::Stdout if app.out.is_json() => {
                let reply = ExportReply { prefix, file: None, secrets: count, receipt };
                output::to_stderr(&serde_json::to_string(&reply).map_err(output::internal)?);
                Ok(())
            }
            Target::Stdout => {
                app.out.note(&note());
                Ok(())
            }
            Target::File { path, .. } => {
                let file = Some(path.display().to_string());
                app.out.done(&ExportReply { prefix, file, secrets: count, receipt }, note)
            }
        }
    }
}
