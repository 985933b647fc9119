//! The life of single versions: deleted, brought back, destroyed.
//!
//! A version that is deleted keeps its value, and can be brought back. Of one that is destroyed, number, times and
//! state stay, and its value is gone from the row. Neither moves what is current: `get` then refuses, until there is
//! another version.

use std::{collections::BTreeSet, sync::Arc};

use super::{Secrets, Version, VersionState, find, get::stored_version};
use crate::{
    Code, Error, Result, SecretPath,
    audit::Receipt,
    keys::PseudonymKind,
    limits,
    room::{LineFacts, Named, Part, Step, change_of},
    store::{Change, PutSecret, SecretRow, VersionRow},
};

/// What became of versions that were deleted, brought back or destroyed.
#[derive(Clone, Debug)]
pub struct VersionsChanged {
    /// Those whose state changed, in order. The others were as they should be already.
    pub changed: Vec<Version>,
    /// Proof that it was recorded: of the last of them.
    pub receipt: Receipt,
}

/// What is done to versions.
#[derive(Clone, Copy)]
enum Act {
    Delete,
    Undelete,
    Destroy,
    Enable,
    Disable,
}

impl Act {
    /// The state that it leads to from this one; `None` if there is nothing to do.
    fn from(self, state: VersionState) -> Result<Option<VersionState>> {
        use VersionState::{Deleted, Destroyed, Disabled, Enabled, Expired};
        match (self, state) {
            (Self::Delete, Enabled | Disabled | Expired) => Ok(Some(Deleted)),
            // What has expired does so again.
            (Self::Undelete, Deleted) | (Self::Enable, Disabled) => Ok(Some(Enabled)),
            (Self::Destroy, Enabled | Disabled | Deleted | Expired) => Ok(Some(Destroyed)),
            (Self::Disable, Enabled | Expired) => Ok(Some(Disabled)),
            (Self::Delete, Deleted)
            | (Self::Undelete, Enabled | Disabled | Expired)
            | (Self::Destroy, Destroyed)
            | (Self::Enable, Enabled)
            | (Self::Disable, Disabled) => Ok(None),
            (Self::Enable, Expired) => Err(Code::VersionExpired.into()),
            (Self::Enable | Self::Disable, Deleted) => Err(Code::VersionUnavailable.into()),
            (Self::Delete | Self::Undelete | Self::Enable | Self::Disable, Destroyed) => {
                Err(Code::VersionDestroyed.into())
            }
        }
    }
}

impl Secrets {
    /// Deletes versions so that [`Secrets::undelete_versions`] can bring them back. Nothing returns their values until
    /// then; they stay in the database, sealed.
    ///
    /// All of them, or none. Each has a line of its own.
    ///
    /// # Errors
    /// `SecretNotFound`, `VersionNotFound`, `VersionDestroyed`; `VersionsInvalid` for none, or more than 100.
    pub async fn delete_versions(&self, path: &SecretPath, versions: &[Version]) -> Result<VersionsChanged> {
        let (path, versions) = (self.full(path), Arc::<[Version]>::from(versions));
        let (changed, receipt) = self
            .room
            .operate("secret.delete-version", &self.target(), &self.context, move |step| {
                change(step, path.as_ref(), &versions, Act::Delete, "secret.delete-version")
            })
            .await?;
        Ok(VersionsChanged { changed, receipt })
    }

    /// Brings deleted versions back. All of them, or none.
    ///
    /// # Errors
    /// As [`Secrets::delete_versions`].
    pub async fn undelete_versions(&self, path: &SecretPath, versions: &[Version]) -> Result<VersionsChanged> {
        let (path, versions) = (self.full(path), Arc::<[Version]>::from(versions));
        let (changed, receipt) = self
            .room
            .operate("secret.undelete", &self.target(), &self.context, move |step| {
                change(step, path.as_ref(), &versions, Act::Undelete, "secret.undelete")
            })
            .await?;
        Ok(VersionsChanged { changed, receipt })
    }

    /// Lets versions be read again that were disabled. All of them, or none.
    ///
    /// # Errors
    /// As [`Secrets::delete_versions`]; `VersionUnavailable` for one that is deleted, `VersionExpired`.
    pub async fn enable_versions(&self, path: &SecretPath, versions: &[Version]) -> Result<VersionsChanged> {
        let (path, versions) = (self.full(path), Arc::<[Version]>::from(versions));
        let (changed, receipt) = self
            .room
            .operate("secret.enable-version", &self.target(), &self.context, move |step| {
                change(step, path.as_ref(), &versions, Act::Enable, "secret.enable-version")
            })
            .await?;
        Ok(VersionsChanged { changed, receipt })
    }

    /// Keeps versions from being read, until [`Secrets::enable_versions`]. All of them, or none.
    ///
    /// # Errors
    /// As [`Secrets::delete_versions`]; `VersionUnavailable` for one that is deleted.
    pub async fn disable_versions(&self, path: &SecretPath, versions: &[Version]) -> Result<VersionsChanged> {
        let (path, versions) = (self.full(path), Arc::<[Version]>::from(versions));
        let (changed, receipt) = self
            .room
            .operate("secret.disable-version", &self.target(), &self.context, move |step| {
                change(step, path.as_ref(), &versions, Act::Disable, "secret.disable-version")
            })
            .await?;
        Ok(VersionsChanged { changed, receipt })
    }

    /// Destroys the values of versions, for ever: they are overwritten in this database. Number, times and state of
    /// each version stay.
    ///
    /// Backups and replicas that were made before still hold the values, sealed. All of them, or none.
    ///
    /// # Errors
    /// As [`Secrets::delete_versions`]; a version that is destroyed already is as it should be.
    pub async fn destroy_versions(&self, path: &SecretPath, versions: &[Version]) -> Result<VersionsChanged> {
        let (path, versions) = (self.full(path), Arc::<[Version]>::from(versions));
        let (changed, receipt) = self
            .room
            .operate("secret.destroy", &self.target(), &self.context, move |step| {
                change(step, path.as_ref(), &versions, Act::Destroy, "secret.destroy")
            })
            .await?;
        Ok(VersionsChanged { changed, receipt })
    }
}

/// Plans the change of these versions, with a line for each: that of the last one is the operation's own.
fn change(
    step: &mut Step<'_>,
    path: Result<&SecretPath, &Error>,
    versions: &[Version],
    act: Act,
    name: &'static str,
) -> Result<Vec<Version>> {
    let path = path.map_err(Error::again)?;
    step.name(PseudonymKind::Secret, path.as_str().as_bytes())?;
    if !(1..=limits::VERSIONS_AT_ONCE_MAX).contains(&versions.len()) {
        return Err(Code::VersionsInvalid.into());
    }
    let row = find(step, path)?.ok_or(Code::SecretNotFound)?;
    let mut changed = Vec::new();
    for Version(version) in versions.iter().copied().collect::<BTreeSet<_>>() {
        // A refusal names the version that it is for, if there ever was such a one.
        if let Some(object) = &mut step.line.object {
            object.version = (version <= row.latest).then_some(version);
        }
        let stored = stored_version(step, &row, version)?;
        let Some(state) = act.from(VersionState::from_number(stored.state)?)? else { continue };
        let value = if state == VersionState::Destroyed { Vec::new() } else { stored.value };
        let mut next = VersionRow { state: state.number(), value, revision: stored.revision + 1, ..stored };
        next.mac = step.keys.row_mac(&next)?;
        changed.push(next);
    }
    step.line.count = Some(changed.len() as u64);
    if changed.is_empty() {
        return Ok(Vec::new());
    }
    let numbers = changed.iter().map(|version| Version(version.version)).collect();
    record_changes(step, row, changed, name)?;
    Ok(numbers)
}

/// Adds the change of versions, at least one, and of their secret's row, with a line for each: that of the last one is
/// the operation's own.
pub(super) fn record_changes(
    step: &mut Step<'_>,
    row: SecretRow,
    changed: Vec<VersionRow>,
    name: &'static str,
) -> Result<()> {
    step.line.count = Some(changed.len() as u64);
    let mut secret = SecretRow { updated_at: step.now.0, revision: row.revision + 1, ..row };
    secret.mac = step.keys.row_mac(&secret)?;
    let mut lines = changed
        .iter()
        .map(|version| {
            let object = step.line.object.map(|object| Named { version: Some(version.version), ..object });
            LineFacts {
                object,
                row: Some(change_of(&secret)),
                version_row: Some(change_of(version)),
                ..LineFacts::default()
            }
        })
        .collect::<Vec<_>>();
    let own = lines.pop().unwrap_or_default();
    step.line = LineFacts { count: step.line.count, ..own };
    step.parts.extend(lines.into_iter().map(|line| Part { act: name, line, elsewhere: None }));
    step.changes.push(Change::PutSecret(Box::new(PutSecret::of_row(step.tenant.number, secret, changed))));
    Ok(())
}
