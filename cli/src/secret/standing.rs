//! `secret enable`, `disable`, `archive`, `unarchive` and `extend`: what keeps a secret from being read, and brings it back.

use clap::Args;
use serde::Serialize;
use strongroom::{SecretPath, StandingChanged, Version};

use super::{about::expiry, lifecycle};
use crate::{
    app::App,
    failure::Failure,
    output::{self, ReceiptJson},
};

/// Let a secret, or versions of it, be read again
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strongroom secret enable prod/db/password
  strongroom secret enable prod/db/password --version 2,3")]
pub(crate) struct EnableArgs {
    /// Which secret
    path: String,
    /// Only these versions, which were disabled; several with commas
    #[arg(long, value_name = "VERSION", value_delimiter = ',')]
    version: Vec<u64>,
}

impl EnableArgs {
    pub(super) fn carry_out(&self, app: &App) -> Result<(), Failure> {
        let path: SecretPath = self.path.parse()?;
        if self.version.is_empty() {
            let done = app.in_secrets(async |secrets| Ok(secrets.enable(&path).await?))?;
            return say(app, &path, &done, "enabled", "enabled already");
        }
        let versions = lifecycle::numbers(&self.version);
        let done = app.in_secrets(async |secrets| Ok(secrets.enable_versions(&path, &versions).await?))?;
        lifecycle::say(app, &path, &done, "enabled", "enabled already")
    }
}

/// Keep a secret, or versions of it, from being read, until `secret enable`
///
/// Leases end within a second. Nothing is lost, and a new version can be put.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strongroom secret disable prod/db/password
  strongroom secret disable prod/db/password --version 3")]
pub(crate) struct DisableArgs {
    /// Which secret
    path: String,
    /// Only these versions; several with commas
    #[arg(long, value_name = "VERSION", value_delimiter = ',')]
    version: Vec<u64>,
}

impl DisableArgs {
    pub(super) fn carry_out(&self, app: &App) -> Result<(), Failure> {
        let path: SecretPath = self.path.parse()?;
        if self.version.is_empty() {
            let done = app.in_secrets(async |secrets| Ok(secrets.disable(&path).await?))?;
            return say(app, &path, &done, "disabled", "disabled already");
        }
        let versions = lifecycle::numbers(&self.version);
        let done = app.in_secrets(async |secrets| Ok(secrets.disable_versions(&path, &versions).await?))?;
        lifecycle::say(app, &path, &done, "disabled", "disabled already")
    }
}

/// Archive a secret: it is neither read nor changed, and not listed, until `secret unarchive`
///
/// It can be deleted. `secret list --archived` shows it.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strongroom secret archive prod/old/password
  strongroom secret list prod/old --archived")]
pub(crate) struct ArchiveArgs {
    /// Which secret
    path: String,
}

impl ArchiveArgs {
    pub(super) fn carry_out(&self, app: &App) -> Result<(), Failure> {
        let path: SecretPath = self.path.parse()?;
        let done = app.in_secrets(async |secrets| Ok(secrets.archive(&path).await?))?;
        say(app, &path, &done, "archived", "archived already")
    }
}

/// Bring an archived secret back, as it was
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strongroom secret unarchive prod/old/password")]
pub(crate) struct UnarchiveArgs {
    /// Which secret
    path: String,
}

impl UnarchiveArgs {
    pub(super) fn carry_out(&self, app: &App) -> Result<(), Failure> {
        let path: SecretPath = self.path.parse()?;
        let done = app.in_secrets(async |secrets| Ok(secrets.unarchive(&path).await?))?;
        say(app, &path, &done, "unarchived", "not archived")
    }
}

/// Give a version another time to live, more or less; one that has expired can be read again
///
/// That of the whole secret is set with `secret update --ttl`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strongroom secret extend prod/db/password --version 3 --ttl 7d
  strongroom secret extend prod/db/password --version 3 --ttl 2027-01-31T12:00:00Z
  strongroom secret extend prod/db/password --version 3 --ttl never")]
pub(crate) struct ExtendArgs {
    /// Which secret
    path: String,
    /// Which version
    #[arg(long, value_name = "VERSION")]
    version: u64,
    /// For how long from now on, such as 12h or 30d; or until when, as RFC 3339; or `never` for no end
    #[arg(long, value_name = "TIME")]
    ttl: String,
}

#[derive(Serialize)]
struct ExtendReply<'a> {
    path: &'a str,
    version: u64,
    expires: Option<String>,
    receipt: ReceiptJson<'a>,
}

impl ExtendArgs {
    pub(super) fn carry_out(&self, app: &App) -> Result<(), Failure> {
        let (path, version): (SecretPath, _) = (self.path.parse()?, Version(self.version));
        let expiry = expiry(&self.ttl)?;
        let done = app.in_secrets(async |secrets| Ok(secrets.extend_version(&path, version, expiry).await?))?;
        let reply = ExtendReply {
            path: path.as_str(),
            version: version.0,
            expires: done.expires_at.map(output::exact_time),
            receipt: (&done.receipt).into(),
        };
        app.out.done(&reply, || {
            let until =
                done.expires_at.map_or_else(|| "without an end".to_owned(), |at| format!("until {}", output::time(at)));
            format!("extended {path} version {version} {until} {}", output::recorded(&done.receipt))
        })
    }
}

#[derive(Serialize)]
struct Reply<'a> {
    path: &'a str,
    changed: bool,
    receipt: ReceiptJson<'a>,
}

fn say(app: &App, path: &SecretPath, done: &StandingChanged, what: &str, nothing: &str) -> Result<(), Failure> {
    let reply = Reply { path: path.as_str(), changed: done.changed, receipt: (&done.receipt).into() };
    app.out.done(&reply, || {
        let recorded = output::recorded(&done.receipt);
        if done.changed {
            format!("{what} {path} {recorded}")
        } else {
            format!("{path} is as it was: {nothing} {recorded}")
        }
    })
}
