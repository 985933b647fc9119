//! `secret promote`, and the names of stages.

use clap::{Args, ValueEnum};
use serde::Serialize;
use strongroom::{Promote, SecretPath, Stage, Version};

use crate::{
    app::App,
    failure::Failure,
    output::{self, ReceiptJson},
};

/// A stage, as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum StageName {
    Current,
    Pending,
    Previous,
}

impl From<StageName> for Stage {
    fn from(name: StageName) -> Self {
        match name {
            StageName::Current => Self::Current,
            StageName::Pending => Self::Pending,
            StageName::Previous => Self::Previous,
        }
    }
}

/// Make the pending version the current one, or go back to the previous one
///
/// What was current becomes the previous version. It is one step: who reads the secret gets the one or the other.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strongroom secret put prod/db/password --stage pending < new.txt
  strongroom secret get prod/db/password --stage pending            # for those who must know it before
  strongroom secret promote prod/db/password
  strongroom secret promote prod/db/password --stage previous       # the way back")]
pub(crate) struct PromoteArgs {
    /// Which secret
    path: String,
    /// Which version
    #[arg(long, value_enum, default_value_t = PromoteStage::Pending)]
    stage: PromoteStage,
    /// Only if that is this version
    #[arg(long, value_name = "VERSION")]
    expect: Option<u64>,
}

/// The stages that a version can be promoted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PromoteStage {
    Pending,
    Previous,
}

#[derive(Serialize)]
struct Reply<'a> {
    path: &'a str,
    version: u64,
    previous: u64,
    receipt: ReceiptJson<'a>,
}

impl PromoteArgs {
    pub(super) fn carry_out(&self, app: &App) -> Result<(), Failure> {
        let path: SecretPath = self.path.parse()?;
        let promote = match self.stage {
            PromoteStage::Pending => Promote::pending(),
            PromoteStage::Previous => Promote::previous(),
        };
        let promote = self.expect.map_or(promote, |version| promote.expect(Version(version)));
        let done = app.in_secrets(async |secrets| Ok(secrets.promote(&path, promote).await?))?;
        let (version, previous) = (done.version.0, done.previous.0);
        let reply = Reply { path: path.as_str(), version, previous, receipt: (&done.receipt).into() };
        app.out.done(&reply, || {
            let recorded = output::recorded(&done.receipt);
            format!("promoted {path} version {version}, version {previous} was current before {recorded}")
        })
    }
}
