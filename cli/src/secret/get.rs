//! `secret get`.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use strongroom::{Get, Secret, SecretPath, Stage, ValueKind, Version};
use zeroize::Zeroizing;

use super::stage::StageName;
use crate::{
    app::App,
    failure::Failure,
    files::Target,
    output::{self, ReceiptJson},
};

/// Print a secret's value
///
/// Exactly the value and nothing else; on a terminal a newline follows. A binary value is not shown on a
/// terminal. With `-o json`, the value is a string, of a binary value in base64, with its version, its
/// time and the receipt.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strongroom secret get prod/db/password
  psql \"postgres://app:$(strongroom secret get prod/db/password)@db/app\"
  strongroom secret get prod/tls/key --file key.pem
  strongroom secret get prod/db/password --version 2 -o json
  strongroom secret get prod/db/password --stage previous")]
pub(crate) struct GetArgs {
    /// Which secret
    path: String,
    /// Which version [default: the current one]
    #[arg(long)]
    version: Option<u64>,
    /// The version in this stage
    #[arg(long, value_enum, conflicts_with = "version")]
    stage: Option<StageName>,
    /// Write the value to this new file, readable by you alone
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Replace the file if it is there
    #[arg(long, requires = "file")]
    force: bool,
}

#[derive(Serialize)]
struct Reply<'a> {
    path: &'a str,
    version: u64,
    current: bool,
    stage: Option<&'static str>,
    created: String,
    kind: &'static str,
    encoding: &'static str,
    value: &'a str,
    receipt: ReceiptJson<'a>,
}

impl GetArgs {
    pub(super) fn carry_out(&self, app: &App) -> Result<(), Failure> {
        let path: SecretPath = self.path.parse()?;
        let target = Target::new(self.file.as_deref(), self.force)?;
        let options = match (self.version, self.stage) {
            (Some(version), _) => Get::version(Version(version)),
            (None, Some(stage)) => Get::stage(stage.into()),
            (None, None) => Get::current(),
        };
        let secret = app.in_secrets(async |secrets| Ok(secrets.get(&path, options).await?))?;
        if app.out.is_json() {
            return target.write(&reply(&path, &secret)?);
        }
        let on_terminal = matches!(target, Target::Stdout) && output::stdout_is_terminal();
        if on_terminal && secret.value.kind() == ValueKind::Binary {
            return Err(Failure::usage("the value is binary, and this is a terminal: give --file, or a pipe"));
        }
        secret.value.expose(|bytes| target.write(bytes))?;
        if on_terminal { output::to_stdout(b"\n") } else { Ok(()) }
    }
}

/// The reply in JSON, in a buffer that is wiped and never grows.
fn reply(path: &SecretPath, secret: &Secret) -> Result<Zeroizing<Vec<u8>>, Failure> {
    output::encoded(&secret.value, |encoding, value| {
        let reply = Reply {
            path: path.as_str(),
            version: secret.version.0,
            current: secret.is_current,
            stage: secret.stage.map(Stage::as_str),
            created: output::exact_time(secret.created_at),
            kind: secret.value.kind().as_str(),
            encoding,
            value,
            receipt: (&secret.receipt).into(),
        };
        // Six bytes for one, as in \u0000, is the worst that JSON makes of text; the rest is under 2 KiB.
        let mut json = Zeroizing::new(Vec::with_capacity(6 * value.len() + 2048));
        serde_json::to_writer(&mut *json, &reply).map_err(output::internal)?;
        json.push(b'\n');
        Ok(json)
    })
}
