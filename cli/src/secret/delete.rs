//! `secret delete`.

use clap::Args;
use serde::Serialize;
use strongroom::{Delete, SecretPath, Version};

use crate::{
    app::App,
    confirm::confirm,
    failure::Failure,
    output::{self, ReceiptJson},
};

/// Delete a secret with all its versions
///
/// It cannot be taken back. Backups that were made before still hold it.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strongroom secret delete staging/db/password
  strongroom secret delete staging/db/password --expect 3 --yes")]
pub(crate) struct DeleteArgs {
    /// Which secret
    path: String,
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
