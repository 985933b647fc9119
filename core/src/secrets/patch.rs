//! Patching a JSON value: read, merged and put in one operation.

use std::sync::Arc;

use super::{
    Put, PutReply, Secrets, Version, demand_current, find,
    get::{demand_readable, open_version},
    merge::merge,
    put,
};
use crate::{Code, Error, Result, SecretPath, SecretValue, ValueKind, keys::PseudonymKind};

/// How to patch a secret.
#[derive(Clone, Copy, Debug, Default)]
pub struct Patch {
    expected: Option<Version>,
}

impl Patch {
    /// Only if this is the current version. Default: whatever it is.
    #[must_use]
    pub fn expect(mut self, version: Version) -> Self {
        self.expected = Some(version);
        self
    }
}

impl Secrets {
    /// Changes members of the current JSON value by a JSON merge patch (RFC 7396), and stores the result as the new
    /// current version: a member that is `null` in the patch is removed, an object is patched member by member, and
    /// anything else takes the place of what was there. What the patch does not name keeps its characters.
    ///
    /// It is one read-modify-write: if another call, in whatever process, changes the secret meanwhile, the patch is
    /// applied to that. No change is lost.
    ///
    /// # Errors
    /// `PatchInvalid` if the patch is not of kind JSON, has a name twice or is nested deeper than 32;
    /// `PatchUnsuitable` if the value is not JSON; `SecretNotFound`, `SecretTooLarge`, what [`Secrets::get`] says of
    /// the current version, and `SecretConflict` if [`Patch::expect`] does not hold.
    pub async fn patch(&self, path: &SecretPath, patch: SecretValue, options: Patch) -> Result<PutReply> {
        let (path, patch) = (self.full(path), Arc::new(patch));
        let ((version, removed), receipt) = self
            .room
            .operate("secret.patch", &self.target(), &self.context, move |step| {
                let path = path.as_ref().map_err(Error::again)?;
                step.name(PseudonymKind::Secret, path.as_str().as_bytes())?;
                let row = find(step, path)?.ok_or(Code::SecretNotFound)?;
                demand_readable(&row, step.now)?;
                demand_current(options.expected, row.current)?;
                let (value, _) = open_version(step, &row, row.current)?;
                let value = merged(&value, &patch)?;
                // Of the same snapshot: if the row has changed when this is written, all of it is computed again.
                let planned = put::plan(step, path, &value, &Put::default(), &mut put::Folders::default())?;
                step.changes.push(planned.change);
                step.line = planned.line;
                Ok((planned.version, planned.removed))
            })
            .await?;
        Ok(PutReply { version, removed, receipt })
    }
}

fn merged(value: &SecretValue, patch: &SecretValue) -> Result<SecretValue> {
    if patch.kind() != ValueKind::Json {
        return Err(Error::new(Code::PatchInvalid).detail("it is not of kind json"));
    }
    if value.kind() != ValueKind::Json {
        return Err(Error::new(Code::PatchUnsuitable).detail(format!("it is of kind {}", value.kind())));
    }
    let merged = value.expose(|value| patch.expose(|patch| merge(text(value)?, text(patch)?)))?;
    SecretValue::from_kind(ValueKind::Json, merged)
}

/// JSON is text, or it would not be a value.
fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| Code::Integrity.into())
}
