//! `secret`: what is done with a tenant's secrets, each word in its file.

mod about;
mod attempt;
mod delete;
mod get;
mod history;
mod lifecycle;
mod list;
mod patch;
pub(crate) mod put;
mod relocate;
mod search;
mod show;
mod stage;
mod standing;
mod transfer;
mod update;
mod versions;

use std::path::Path;

use clap::{Subcommand, ValueEnum};
use strongroom::Folder;

use crate::{app::App, failure::Failure};

/// Store, read, find, rotate, expire and delete a tenant's secrets
#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommand {
    Put(put::PutArgs),
    Patch(patch::PatchArgs),
    Promote(stage::PromoteArgs),
    Get(get::GetArgs),
    Show(show::ShowArgs),
    Update(update::UpdateArgs),
    Try(attempt::TryArgs),
    List(list::ListArgs),
    Search(search::SearchArgs),
    Versions(versions::VersionsArgs),
    Copy(relocate::CopyArgs),
    Move(relocate::MoveArgs),
    History(history::HistoryArgs),
    Usage(history::UsageArgs),
    Delete(delete::DeleteArgs),
    Undelete(lifecycle::UndeleteArgs),
    Destroy(lifecycle::DestroyArgs),
    Enable(standing::EnableArgs),
    Disable(standing::DisableArgs),
    Extend(standing::ExtendArgs),
    Archive(standing::ArchiveArgs),
    Unarchive(standing::UnarchiveArgs),
    Import(transfer::ImportArgs),
    Export(transfer::ExportArgs),
}

impl SecretCommand {
    pub(crate) fn carry_out(&self, app: &App) -> Result<(), Failure> {
        match self {
            Self::Put(put) => put.carry_out(app),
            Self::Patch(patch) => patch.carry_out(app),
            Self::Promote(promote) => promote.carry_out(app),
            Self::Get(get) => get.carry_out(app),
            Self::Show(show) => show.carry_out(app),
            Self::Update(update) => update.carry_out(app),
            Self::Try(attempt) => attempt.carry_out(app),
            Self::List(list) => list.carry_out(app),
            Self::Search(search) => search.carry_out(app),
            Self::Versions(versions) => versions.carry_out(app),
            Self::Copy(copy) => copy.carry_out(app),
            Self::Move(relocate) => relocate.carry_out(app),
            Self::History(history) => history.carry_out(app),
            Self::Usage(usage) => usage.carry_out(app),
            Self::Delete(delete) => delete.carry_out(app),
            Self::Undelete(undelete) => undelete.carry_out(app),
            Self::Destroy(destroy) => destroy.carry_out(app),
            Self::Enable(enable) => enable.carry_out(app),
            Self::Disable(disable) => disable.carry_out(app),
            Self::Extend(extend) => extend.carry_out(app),
            Self::Archive(archive) => archive.carry_out(app),
            Self::Unarchive(unarchive) => unarchive.carry_out(app),
            Self::Import(import) => import.carry_out(app),
            Self::Export(export) => export.carry_out(app),
        }
    }
}

/// How a document of secrets is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Document {
    /// NAME=value lines.
    Env,
    /// Nested objects are folders.
    Json,
    /// Nested mappings are folders.
    Yaml,
    /// Tables are folders.
    Toml,
}

impl Document {
    /// The one that is asked for, else the one that the file's name says, else `.env`.
    fn of(asked: Option<Self>, file: Option<&Path>) -> Self {
        let by_name = || {
            let extension = file?.extension()?.to_str()?.to_ascii_lowercase();
            match extension.as_str() {
                "json" => Some(Self::Json),
                "yaml" | "yml" => Some(Self::Yaml),
                "toml" => Some(Self::Toml),
                _ => None,
            }
        };
        asked.or_else(by_name).unwrap_or(Self::Env)
    }
}

/// ` under prod/api`, or nothing for the root.
fn under(folder: &Folder) -> String {
    if folder.is_root() { String::new() } else { format!(" under {folder}") }
}
