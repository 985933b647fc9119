//! `secret update`.

use clap::Args;
use serde::Serialize;
use strongroom::{Labels, Revision, SecretPath, Update, Version};

use super::about::About;
use crate::{
    app::App,
    failure::Failure,
    output::{self, ReceiptJson},
};

/// Change what is said of a secret, without a new version
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strongroom secret update prod/db/password --type database-password --owner payments
  strongroom secret update prod/db/password --rotate-every 14d --expect 3    # only if version 3 is current
  strongroom secret update prod/db/password --label tier=db --label team=payments
  strongroom secret update prod/db/password --no-labels --owner ''
  strongroom secret update prod/db/password --ttl 90d                        # also of one that has expired
  strongroom secret update prod/db/password --max-versions 3                 # removes older ones now")]
pub(crate) struct UpdateArgs {
    /// Which secret
    path: String,
    /// Only if this is the current version
    #[arg(long, value_name = "VERSION")]
    expect: Option<u64>,
    /// Only if nothing has changed since this revision, which `secret show` says
    #[arg(long, value_name = "REVISION")]
    expect_revision: Option<u64>,
    /// Take all labels away
    #[arg(long, conflicts_with = "label")]
    no_labels: bool,
    #[command(flatten)]
    about: About,
}

#[derive(Serialize)]
struct Reply<'a> {
    path: &'a str,
    version: u64,
    revision: u64,
    /// How many of the oldest versions the limit removed.
    removed: u64,
    receipt: ReceiptJson<'a>,
}

impl UpdateArgs {
    pub(super) fn carry_out(&self, app: &App) -> Result<(), Failure> {
        let path: SecretPath = self.path.parse()?;
        if self.about.is_empty() && !self.no_labels {
            return Err(Failure::usage("what is to change? Give --description, --label, --type, --owner or another"));
        }
        let update = self.update()?;
        let updated = app.in_secrets(async |secrets| Ok(secrets.update(&path, update).await?))?;
        let reply = Reply {
            path: path.as_str(),
            version: updated.version.0,
            revision: updated.revision.0,
            removed: updated.removed,
            receipt: (&updated.receipt).into(),
        };
        app.out.done(&reply, || {
            let removed = match updated.removed {
                0 => String::new(),
                removed => format!(", and removed the oldest {}", output::count(removed, "version")),
            };
            format!("updated {path} revision {}{removed} {}", updated.revision, output::recorded(&updated.receipt))
        })
    }

    fn update(&self) -> Result<Update, Failure> {
        let said = self.about.said()?;
        let mut update = Update::default();
        if let Some(version) = self.expect {
            update = update.expect(Version(version));
        }
        if let Some(revision) = self.expect_revision {
            update = update.expect_revision(Revision(revision));
        }
        if let Some(description) = said.description {
            update = update.description(description);
        }
        if let Some(labels) = said.labels.or(self.no_labels.then(Labels::new)) {
            update = update.labels(labels);
        }
        if let Some(secret_type) = said.secret_type {
            update = update.secret_type(secret_type);
        }
        if let Some(owner) = said.owner {
            update = update.owner(owner);
        }
        if let Some(interval) = said.rotation_interval {
            update = update.rotation_interval(interval);
        }
        if let Some(expiry) = said.expiry {
            update = update.expires(expiry);
        }
        if let Some(limit) = said.max_versions {
            update = update.max_versions(limit);
        }
        Ok(update)
    }
}
