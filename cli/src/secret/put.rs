//! `secret put`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;
use strongroom::{Code, Error, Labels, Put, PutReply, SecretPath, ValueKind, Version, VersionLimit};

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
  strongroom secret put prod/tls/key --file key.pem --label owner=web --description 'for www'
  strongroom secret put prod/db/config --json < config.json
  strongroom secret put prod/db/password --expect 0             # only if there is none yet
  strongroom secret put prod/db/password --stage pending        # until `secret promote prod/db/password`
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
    /// What it is for, one line [default: as it was]
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// How many versions to keep, 1 to 1000; the oldest ones beyond that are removed for ever [default: as it was, 10 at first]
    #[arg(long, value_name = "VERSIONS")]
    max_versions: Option<u64>,
    /// A label; may be given several times, and replaces all there were [default: as they were]
    #[arg(long, value_name = "NAME=VALUE")]
    label: Vec<String>,
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
        if let Some(versions) = self.max_versions {
            put = put.max_versions(VersionLimit::new(versions)?);
        }
        if let Some(text) = &self.description {
            put = put.description(text.parse()?);
        }
        if !self.label.is_empty() {
            let pairs: Option<Vec<_>> = self.label.iter().map(|label| label.split_once('=')).collect();
            let pairs = pairs.ok_or_else(|| Error::new(Code::LabelInvalid).detail("a label is given as NAME=VALUE"))?;
            put = put.labels(Labels::parse(pairs)?);
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
