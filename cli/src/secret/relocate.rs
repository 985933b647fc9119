//! `secret copy` and `secret move`.

use clap::Args;
use serde::Serialize;
use strongroom::{Get, Move, SecretPath, To, Version};

use super::stage::StageName;
use crate::{
    app::App,
    failure::Failure,
    output::{self, ReceiptJson},
};

/// Make a new secret of one version of another, with all that is said of it
///
/// Within the tenant; from one environment to another only without --environment. Nothing is overwritten.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strongroom secret copy staging/api/key prod/api/key
  strongroom secret copy prod/api/key prod/api/old-key --version 3")]
pub(crate) struct CopyArgs {
    /// Which secret
    from: String,
    /// Where there is none yet
    to: String,
    /// This version instead of the current one
    #[arg(long, value_name = "VERSION", conflicts_with = "stage")]
    version: Option<u64>,
    /// The version in this stage
    #[arg(long, value_enum)]
    stage: Option<StageName>,
}

#[derive(Serialize)]
struct CopyReply<'a> {
    from: &'a str,
    from_version: u64,
    to: &'a str,
    version: u64,
    receipt: ReceiptJson<'a>,
}

impl CopyArgs {
    pub(super) fn carry_out(&self, app: &App) -> Result<(), Failure> {
        let (from, to): (SecretPath, SecretPath) = (self.from.parse()?, self.to.parse()?);
        let which = match (self.version, self.stage) {
            (Some(version), _) => Get::version(Version(version)),
            (None, Some(stage)) => Get::stage(stage.into()),
            (None, None) => Get::current(),
        };
        let copied = app.in_secrets(async |secrets| Ok(secrets.copy(&from, To(&to), which).await?))?;
        let reply = CopyReply {
            from: from.as_str(),
            from_version: copied.from.0,
            to: to.as_str(),
            version: copied.version.0,
            receipt: (&copied.receipt).into(),
        };
        app.out.done(&reply, || {
            format!("copied {from} version {} to {to} {}", copied.from, output::recorded(&copied.receipt))
        })
    }
}

/// Move a secret to another path, with all its versions
///
/// Within the tenant; from one environment to another only without --environment. Nothing is overwritten. Leases on the
/// secret end, and folders that this leaves empty are no more.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strongroom secret move prod/db/pasword prod/db/password
  strongroom secret move prod/api/key archive/api/key --expect 7      # only if version 7 is current")]
pub(crate) struct MoveArgs {
    /// Which secret
    from: String,
    /// Where there is none yet
    to: String,
    /// Only if this is the current version
    #[arg(long, value_name = "VERSION")]
    expect: Option<u64>,
}

#[derive(Serialize)]
struct MoveReply<'a> {
    from: &'a str,
    to: &'a str,
    version: u64,
    receipt: ReceiptJson<'a>,
}

impl MoveArgs {
    pub(super) fn carry_out(&self, app: &App) -> Result<(), Failure> {
        let (from, to): (SecretPath, SecretPath) = (self.from.parse()?, self.to.parse()?);
        let options = self.expect.map_or_else(Move::default, |version| Move::default().expect(Version(version)));
        let moved = app.in_secrets(async |secrets| Ok(secrets.rename(&from, To(&to), options).await?))?;
        let reply = MoveReply {
            from: from.as_str(),
            to: to.as_str(),
            version: moved.version.0,
            receipt: (&moved.receipt).into(),
        };
        app.out.done(&reply, || format!("moved {from} to {to} {}", output::recorded(&moved.receipt)))
    }
}
