//! Getting a secret's value.

use super::{Secrets, Settings, Version, VersionState, expired, find};
use crate::{
    Code, Error, Result, SecretPath, SecretValue,
    audit::Receipt,
    clock::Timestamp,
    keys::PseudonymKind,
    room::Step,
    store::{SecretRow, VersionRow},
};

/// Which value to get.
#[derive(Clone, Copy, Debug, Default)]
pub struct Get {
    version: Option<Version>,
}

impl Get {
    /// The current version: the default.
    pub fn current() -> Self {
        Self::default()
    }

    /// This version.
    pub fn version(version: Version) -> Self {
        Self { version: Some(version) }
    }
}

/// A secret's value, and which one it is.
#[derive(Debug)]
pub struct Secret {
    /// The value.
    pub value: SecretValue,
    /// Its version.
    pub version: Version,
    /// Whether this is the current version.
    pub is_current: bool,
    /// When this version was put.
    pub created_at: Timestamp,
    /// Proof that the access was recorded.
    pub receipt: Receipt,
}

impl Secrets {
    /// Reads a value. It is released once the line that records the access is durable.
    ///
    /// # Errors
    /// `SecretNotFound`, `VersionNotFound`, `VersionUnavailable`, `VersionDestroyed`, `SecretDisabled`; `Integrity`
    /// if what is stored is not what was put there.
    pub async fn get(&self, path: &SecretPath, options: Get) -> Result<Secret> {
        let path = self.full(path);
        let ((value, version, is_current, created_at), receipt) = self
            .room
            .operate("secret.get", &self.target(), &self.context, move |step| {
                let path = path.as_ref().map_err(Error::again)?;
                step.name(PseudonymKind::Secret, path.as_str().as_bytes())?;
                let row = find(step, path)?.ok_or(Code::SecretNotFound)?;
                if !row.enabled {
                    return Err(Code::SecretDisabled.into());
                }
                let version = options.version.map_or(row.current, |version| version.0);
                let (value, created_at) = open_version(step, &row, version)?;
                step.version(version);
                Ok((value, Version(version), version == row.current, created_at))
            })
            .await?;
        Ok(Secret { value, version, is_current, created_at, receipt })
    }
}

/// Opens one version of a secret whose row was checked.
pub(super) fn open_version(step: &mut Step<'_>, row: &SecretRow, version: u64) -> Result<(SecretValue, Timestamp)> {
    let stored = stored_version(step, row, version)?;
    match VersionState::from_number(stored.state)? {
        VersionState::Destroyed => return Err(Code::VersionDestroyed.into()),
        VersionState::Enabled if !expired(stored.expires_at, step.now) => {}
        _ => return Err(Code::VersionUnavailable.into()),
    }
    let value = step.keys.open_value(row.id, version, &stored.value)?;
    Ok((value, Timestamp(stored.created_at)))
}

/// One version of a secret whose row was checked, in whatever state, and checked.
pub(super) fn stored_version(step: &mut Step<'_>, row: &SecretRow, version: u64) -> Result<VersionRow> {
    let stored = match step.snapshot.version(step.tenant.number, row, version)? {
        Some(stored) => stored,
        // There was such a version. Either the limit removed it, or somebody.
        None if (1..=row.latest).contains(&version) => {
            let code = if version < Settings::of(row)?.oldest { Code::VersionDestroyed } else { Code::Integrity };
            return Err(code.into());
        }
        None => return Err(Code::VersionNotFound.into()),
    };
    step.keys.check_row(&stored)?;
    Ok(stored)
}
