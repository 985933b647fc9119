//! `secret undelete` and `secret destroy`: the life of single versions. Their soft deletion is `secret delete --version`.

use clap::Args;
use serde::Serialize;
use strongroom::{SecretPath, Version, VersionsChanged};

use crate::{
    app::App,
    confirm::confirm,
    failure::Failure,
    output::{self, ReceiptJson},
};

/// Bring deleted versions back
///
/// What was deleted with `secret delete --version` can be read again. A version that is not deleted stays as it is; one
/// that is destroyed is gone.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strongroom secret undelete prod/db/password --version 3
  strongroom secret undelete prod/db/password --version 2,3")]
pub(crate) struct UndeleteArgs {
    /// Which secret
    path: String,
    /// Which versions; several with commas
    #[arg(long, value_name = "VERSION", value_delimiter = ',', required = true)]
    version: Vec<u64>,
}

impl UndeleteArgs {
    pub(super) fn carry_out(&self, app: &App) -> Result<(), Failure> {
        let (path, versions): (SecretPath, _) = (self.path.parse()?, numbers(&self.version));
        let done = app.in_secrets(async |secrets| Ok(secrets.undelete_versions(&path, &versions).await?))?;
        say(app, &path, &done, "undeleted", "not deleted")
    }
}

/// Destroy the values of versions, for ever
///
/// They are overwritten in the database, and nothing brings them back. That there was such a version, and when it was
/// put, stays. Backups that were made before still hold the values, sealed.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strongroom secret destroy prod/db/password --version 3
  strongroom secret destroy prod/db/password --version 1,2 --yes")]
pub(crate) struct DestroyArgs {
    /// Which secret
    path: String,
    /// Which versions; several with commas
    #[arg(long, value_name = "VERSION", value_delimiter = ',', required = true)]
    version: Vec<u64>,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

impl DestroyArgs {
    pub(super) fn carry_out(&self, app: &App) -> Result<(), Failure> {
        let (path, versions): (SecretPath, _) = (self.path.parse()?, numbers(&self.version));
        let (tenant, _) = (app.tenant()?, app.context()?);
        confirm(&format!("Destroy {path} of {tenant}, {}, for ever?", named(&versions)), self.yes)?;
        let done = app.in_secrets(async |secrets| Ok(secrets.destroy_versions(&path, &versions).await?))?;
        say(app, &path, &done, "destroyed", "destroyed already")
    }
}

/// `secret delete --version`.
pub(super) fn delete_versions(app: &App, path: &SecretPath, versions: &[u64]) -> Result<(), Failure> {
    let versions = numbers(versions);
    let done = app.in_secrets(async |secrets| Ok(secrets.delete_versions(path, &versions).await?))?;
    say(app, path, &done, "deleted", "deleted already")
}

#[derive(Serialize)]
struct Reply<'a> {
    path: &'a str,
    /// Those whose state changed.
    changed: Vec<u64>,
    receipt: ReceiptJson<'a>,
}

pub(super) fn say(
    app: &App,
    path: &SecretPath,
    done: &VersionsChanged,
    what: &str,
    nothing: &str,
) -> Result<(), Failure> {
    let changed = done.changed.iter().map(|version| version.0).collect();
    let reply = Reply { path: path.as_str(), changed, receipt: (&done.receipt).into() };
    app.out.done(&reply, || {
        let recorded = output::recorded(&done.receipt);
        if done.changed.is_empty() {
            return format!("{path} is as it was: {nothing} {recorded}");
        }
        format!("{what} {path} {} {recorded}", named(&done.changed))
    })
}

/// `version 3`, or `versions 1, 2`.
fn named(versions: &[Version]) -> String {
    let numbers: Vec<_> = versions.iter().map(ToString::to_string).collect();
    format!("version{} {}", if versions.len() == 1 { "" } else { "s" }, numbers.join(", "))
}

pub(super) fn numbers(versions: &[u64]) -> Vec<Version> {
    versions.iter().copied().map(Version).collect()
}
