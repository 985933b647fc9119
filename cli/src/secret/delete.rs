//! `secret delete`.

use clap::Args;
use serde::Serialize;
use strongroom::{Delete, SecretPath, Version};

use super::lifecycle::delete_versions;
use crate::{
    app::App,
    confirm::confirm,
    failure::Failure,
    output::{self, ReceiptJson},
};

/// Delete a secret with all its versions, or some of its versions
///
/// A secret that is deleted as a whole cannot be brought back. Versions that are deleted with --version can, with
/// `secret undelete`: until then nothing reads them. `secret destroy` is for those that must never come back. Backups
/// that were made before still hold what was deleted.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strongroom secret delete staging/db/password
  strongroom secret delete staging/db/password --version 2,3    # can be undone
  strongroom secret delete staging/db/password --expect 3 --yes")]
pub(crate) struct DeleteArgs {
    /// Which secret
    path: String,
    /// Only these versions, so that they can be brought back; several with commas
    #[arg(long, value_name = "VERSION", value_delimiter = ',', conflicts_with_all = ["expect", "yes"])]
    version: Vec<u64>,
    /// Only if this is the current version
    #[arg(long, value_name = "VERSION")]
    expect: Option<u64>,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

#[derive(Serialize)]
struct Reply<'a> {
    path: &'a str,
    version: u64,
    receipt: ReceiptJson<'a>,
}

impl DeleteArgs {
    pub(super) fn carry_out(&self, app: &App) -> Result<(), Failure> {
        let path: SecretPath = self.path.parse()?;
        if !self.version.is_empty() {
            return delete_versions(app, &path, &self.version);
        }
        let (tenant, _) = (app.tenant()?, app.context()?);
        confirm(&format!("Delete {path} of {tenant} with all its versions?"), self.yes)?;
        let options = self.expect.map_or_else(Delete::default, |version| Delete::default().expect(Version(version)));
        let deleted = app.in_secrets(async |secrets| Ok(secrets.delete(&path, options).await?))?;
        let reply = Reply { path: path.as_str(), version: deleted.version.0, receipt: (&deleted.receipt).into() };
        app.out.done(&reply, || {
            format!("deleted {path}, last version {} {}", deleted.version.0, output::recorded(&deleted.receipt))
        })
    }
}
