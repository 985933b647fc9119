//! Getting a secret's value.

use super::{Secrets, Settings, Stage, Version, VersionState, expired, find};
use crate::{
    Code, Error, Result, SecretPath, SecretValue,
    audit::Receipt,
    clock::Timestamp,
    keys::PseudonymKind,
    room::Step,
    store::{SecretRow, VersionRow},
};

/// Which value to get.
#[derive(Clone, Copy, Debug)]
pub struct Get(Which);

#[derive(Clone, Copy, Debug)]
enum Which {
    Stage(Stage),
    Version(Version),
}

impl Get {
    /// The current version: the default.
    pub fn current() -> Self {
        Self::stage(Stage::Current)
    }

    /// The version in this stage.
    pub fn stage(stage: Stage) -> Self {
        Self(Which::Stage(stage))
    }

    /// This version.
    pub fn version(version: Version) -> Self {
        Self(Which::Version(version))
    }

    /// The number of the version that is meant.
    pub(super) fn version_in(self, row: &SecretRow) -> Result<u64> {
        match self.0 {
            Which::Stage(stage) => stage.version_in(row),
            Which::Version(Version(version)) => Ok(version),
        }
    }
}

impl Default for Get {
    fn default() -> Self {
        Self::current()
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
    /// Its stage, if it has one.
    pub stage: Option<Stage>,
    /// When this version was put.
    pub created_at: Timestamp,
    /// Proof that the access was recorded.
    pub receipt: Receipt,
}

impl Secrets {
    /// Reads a value. It is released once the line that records the access is durable.
    ///
    /// # Errors
    /// `SecretNotFound`, `StageEmpty`, `VersionNotFound`, `VersionUnavailable`, `VersionDestroyed`, `VersionExpired`,
    /// `SecretDisabled`, `SecretArchived`, `SecretExpired`; `Integrity`
    /// if what is stored is not what was put there.
    pub async fn get(&self, path: &SecretPath, options: Get) -> Result<Secret> {
        let path = self.full(path);
        let ((value, version, stage, created_at), receipt) = self
            .room
            .operate("secret.get", &self.target(), &self.context, move |step| {
                let path = path.as_ref().map_err(Error::again)?;
                step.name(PseudonymKind::Secret, path.as_str().as_bytes())?;
                let row = find(step, path)?.ok_or(Code::SecretNotFound)?;
                demand_readable(&row, step.now)?;
                let version = options.version_in(&row)?;
                let (value, created_at) = open_version(step, &row, version)?;
                step.version(version);
                Ok((value, Version(version), Stage::of(version, &row), created_at))
            })
            .await?;
        let is_current = stage == Some(Stage::Current);
        Ok(Secret { value, version, is_current, stage, created_at, receipt })
    }
}

/// Refuses a secret that nobody may read now. Gives its settings.
pub(super) fn demand_readable(row: &SecretRow, now: Timestamp) -> Result<Settings> {
    let settings = Settings::of(row)?;
    if !row.enabled && !settings.archived {
        return Err(Code::SecretDisabled.into());
    }
    settings.demand_alive(now)?;
    Ok(settings)
}

/// Whether a refusal says that something is there and is not to be read now: what goes over many secrets leaves it out.
pub(super) fn is_withheld(error: &Error) -> bool {
    matches!(
        error.code(),
        Code::SecretDisabled
            | Code::SecretArchived
            | Code::SecretExpired
            | Code::VersionUnavailable
            | Code::VersionDestroyed
            | Code::VersionExpired
    )
}

/// Opens one version of a secret whose row was checked.
pub(super) fn open_version(step: &mut Step<'_>, row: &SecretRow, version: u64) -> Result<(SecretValue, Timestamp)> {
    let stored = readable_version(step, row, version)?;
    Ok((open_stored(step, &stored)?, Timestamp(stored.created_at)))
}

/// The value of a version that may be read.
pub(super) fn open_stored(step: &Step<'_>, stored: &VersionRow) -> Result<SecretValue> {
    let value = step.keys.open_value(stored.secret, stored.version, &stored.value)?;
    step.room.meter.opened.inc();
    Ok(value)
}

/// One version of a secret whose row was checked, if its state lets it be read.
pub(super) fn readable_version(step: &mut Step<'_>, row: &SecretRow, version: u64) -> Result<VersionRow> {
    let stored = stored_version(step, row, version)?;
    match VersionState::from_number(stored.state)? {
        VersionState::Destroyed => Err(Code::VersionDestroyed.into()),
        VersionState::Enabled if !expired(stored.expires_at, step.now) => Ok(stored),
        VersionState::Enabled | VersionState::Expired => Err(Code::VersionExpired.into()),
        VersionState::Disabled | VersionState::Deleted => Err(Code::VersionUnavailable.into()),
    }
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
