//! `secret patch`.

use std::path::PathBuf;

use clap::Args;
use strongroom::{Patch, SecretPath, ValueKind, Version};

use super::put;
use crate::{app::App, failure::Failure, input::Source};

/// Change members of a JSON value, and store the result as the new current version
///
/// What comes in, as for `secret put`, is a JSON merge patch (RFC 7396): a member that is null is removed, an object is
/// patched member by member, and anything else takes the place of what was there. The rest of the value stays as it is,
/// to the character. It is one step: what somebody else changes meanwhile is not lost.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strongroom secret patch prod/db/config --file change.json
  jq -n '{port: 5433, pool: {size: 20}, debug: null}' | strongroom secret patch prod/db/config
  strongroom secret patch prod/db/config --expect 4 < change.json     # only if version 4 is current")]
pub(crate) struct PatchArgs {
    /// Which secret
    path: String,
    /// Read the patch from this file; `-` is stdin
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Only if this is the current version
    #[arg(long, value_name = "VERSION")]
    expect: Option<u64>,
}

impl PatchArgs {
    pub(super) fn carry_out(&self, app: &App) -> Result<(), Failure> {
        let path: SecretPath = self.path.parse()?;
        let options = self.expect.map_or_else(Patch::default, |version| Patch::default().expect(Version(version)));
        app.tenant()?;
        app.context()?;
        let patch = Source { kind: ValueKind::Json, file: self.file.as_deref(), keep_newline: false }.read()?;
        let put = app.in_secrets(async |secrets| Ok(secrets.patch(&path, patch, options).await?))?;
        put::say(app, &path, &put, "patched")
    }
}
