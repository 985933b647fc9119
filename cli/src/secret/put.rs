//! `secret put`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;
use strongroom::{Put, PutReply, SecretPath, ValueKind, Version};

use super::about::About;
use crate::{
    app::App,
    failure::Failure,
    input::Source,
    output::{self, ReceiptJson},
};

/// Store a value as the new current version of a secret
///
/// The value is read from a pipe, from --file, or asked for twice on a terminal; never from an argument,
/// which others on this machine could see. Of what is piped in as text or JSON, one newline at the end is
/// dropped: `echo` and its like add it. A file is stored byte for byte.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strongroom secret put prod/db/password                        # asks, without showing it
  pwgen -s 32 1 | strongroom secret put prod/db/password
  strongroom secret put prod/tls/key --file key.pem --label tier=web --description 'for www'
  strongroom secret put prod/tls/cert --file cert.pem --type certificate --owner web
  strongroom secret put prod/db/password --type database-password --rotate-every 14d
  strongroom secret put prod/db/config --json < config.json
  strongroom secret put prod/db/password --expect 0             # only if there is none yet
  strongroom secret put prod/db/password --stage pending        # until `secret promote prod/db/password`
  strongroom secret put prod/api/token --version-ttl 12h        # refused when that is over, which is recorded
  strongroom secret put prod/db/password --max-versions 50      # keeps that many from now on")]
pub(crate) struct PutArgs {
    /// Where, such as prod/db/password
    path: String,
    /// Read the value from this file, byte for byte; `-` is stdin
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The value is JSON
    #[arg(long, conflicts_with = "binary")]
    json: bool,
    /// The value is any bytes
    #[arg(long)]
    binary: bool,
    /// Keep the newline at the end of what is piped in
    #[arg(long)]
    raw: bool,
    /// As which version: one that is pending becomes current with `secret promote`
    #[arg(long, value_enum, default_value_t = PutStage::Current)]
    stage: PutStage,
    #[command(flatten)]
    how: How,
}

/// What can be said of a new version, wherever its value comes from.
#[derive(Args, Debug)]
pub(crate) struct How {
    /// Only if this is the current version; 0: only if there is none yet
    #[arg(long, value_name = "VERSION")]
    expect: Option<u64>,
    /// For how long this version may be read, from now on, such as 12h or 30d; or until when, as RFC 3339 [default: no end]
    #[arg(long, value_name = "TIME")]
    version_ttl: Option<String>,
    #[command(flatten)]
    about: About,
}

/// The stages that a new value can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PutStage {
    Current,
    Pending,
}

#[derive(Serialize)]
struct Reply<'a> {
    path: &'a str,
    version: u64,
    /// How many of the oldest versions the limit removed.
    removed: u64,
    receipt: ReceiptJson<'a>,
}

impl PutArgs {
    pub(super) fn carry_out(&self, app: &App) -> Result<(), Failure> {
        let path: SecretPath = self.path.parse()?;
        let options = self.how.options()?;
        // Whoever is asked for a value should not learn afterwards that the command was wrong.
        app.tenant()?;
        app.context()?;
        let value = Source { kind: self.kind(), file: self.file.as_deref(), keep_newline: self.raw }.read()?;
        let put = app.in_secrets(async |secrets| {
            Ok(match self.stage {
                PutStage::Current => secrets.put(&path, value, options).await?,
                PutStage::Pending => secrets.put_pending(&path, value, options).await?,
            })
        })?;
        say(app, &path, &put, "put")
    }

    fn kind(&self) -> ValueKind {
        match (self.json, self.binary) {
            (true, _) => ValueKind::Json,
            (_, true) => ValueKind::Binary,
            _ => ValueKind::Text,
        }
    }
}

impl How {
    pub(crate) fn options(&self) -> Result<Put, Failure> {
        let mut put = Put::default();
        if let Some(version) = self.expect {
            put = put.expect(Version(version));
        }
        let said = self.about.said()?;
        if let Some(ttl) = &self.version_ttl {
            put = put.version_expires(super::about::expiry(ttl)?);
        }
        if let Some(expiry) = said.expiry {
            put = put.expires(expiry);
        }
        if let Some(limit) = said.max_versions {
            put = put.max_versions(limit);
        }
        if let Some(description) = said.description {
            put = put.description(description);
        }
        if let Some(labels) = said.labels {
            put = put.labels(labels);
        }
        if let Some(secret_type) = said.secret_type {
            put = put.secret_type(secret_type);
        }
        if let Some(owner) = said.owner {
            put = put.owner(owner);
        }
        if let Some(interval) = said.rotation_interval {
            put = put.rotation_interval(interval);
        }
        Ok(put)
    }
}

/// What became of a new version.
pub(super) fn say(app: &App, path: &SecretPath, put: &PutReply, what: &str) -> Result<(), Failure> {
    let receipt = (&put.receipt).into();
    let reply = Reply { path: path.as_str(), version: put.version.0, removed: put.removed, receipt };
    app.out.done(&reply, || {
        let removed = match put.removed {
            0 => String::new(),
            removed => format!(", and removed the oldest {}", output::count(removed, "version")),
        };
        format!("{what} {path} version {}{removed} {}", put.version.0, output::recorded(&put.receipt))
    })
}
