//! Expiry: until when a secret, or one version of it, may be read.
//!
//! What is over is refused at once, by the clock. That it is over is also an event: whatever process has the deployment
//! open finds it by an index ([`crate::expiry`]), and changes the row together with the line that says so. The row's
//! state keeps a second process from doing it again.

use std::time::Duration;

use super::{Secrets, Settings, Version, VersionState, expired, find, get::stored_version, lifecycle::record_changes};
use crate::{
    Code, Error, Result, SecretPath,
    audit::Receipt,
    clock::Timestamp,
    keys::{IndexHash, PseudonymKind},
    limits,
    room::{Step, change_of},
    store::{Change, PutSecret, SecretRow, VersionRow},
};

/// Until when something may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// Until this moment, which is to come, and within [`limits::EXPIRY_SECONDS_MAX`].
    At(Timestamp),
    /// For so long from now on: more than nothing, and at most [`limits::EXPIRY_SECONDS_MAX`].
    In(Duration),
    /// For ever.
    Never,
}

impl Expiry {
    /// The moment, in microseconds since 1970.
    pub(super) fn moment(self, now: Timestamp) -> Result<Option<u64>> {
        let at = match self {
            Self::Never => return Ok(None),
            Self::At(at) => at,
            Self::In(time) => now.after(time),
        };
        let most = now.after(Duration::from_secs(limits::EXPIRY_SECONDS_MAX));
        if at > now && at <= most { Ok(Some(at.0)) } else { Err(Code::ExpiryInvalid.into()) }
    }
}

/// What became of a new time for a version.
#[derive(Clone, Debug)]
pub struct Extended {
    /// When it expires now, if it does.
    pub expires_at: Option<Timestamp>,
    /// Proof that it was recorded.
    pub receipt: Receipt,
}

impl Secrets {
    /// Gives a version another time to live, longer or shorter. One that had expired can be read again.
    ///
    /// That of a whole secret is changed with [`Update::expires`](crate::Update::expires).
    ///
    /// # Errors
    /// `ExpiryInvalid`; `SecretNotFound`, `VersionNotFound`, `VersionDestroyed`; `VersionUnavailable` if it is deleted.
    pub async fn extend_version(&self, path: &SecretPath, version: Version, expiry: Expiry) -> Result<Extended> {
        let path = self.full(path);
        let (expires_at, receipt) = self
            .room
            .operate("secret.extend-version", &self.target(), &self.context, move |step| {
                let path = path.as_ref().map_err(Error::again)?;
                step.name(PseudonymKind::Secret, path.as_str().as_bytes())?;
                let expires_at = expiry.moment(step.now)?;
                let row = find(step, path)?.ok_or(Code::SecretNotFound)?;
                let stored = stored_version(step, &row, version.0)?;
                let state = match VersionState::from_number(stored.state)? {
                    VersionState::Expired => VersionState::Enabled,
                    state @ (VersionState::Enabled | VersionState::Disabled) => state,
                    VersionState::Deleted => return Err(Code::VersionUnavailable.into()),
                    VersionState::Destroyed => return Err(Code::VersionDestroyed.into()),
                };
                let mut next =
                    VersionRow { state: state.number(), expires_at, revision: stored.revision + 1, ..stored };
                next.mac = step.keys.row_mac(&next)?;
                record_changes(step, row, vec![next], "secret.extend-version")?;
                Ok(expires_at.map(Timestamp))
            })
            .await?;
        Ok(Extended { expires_at, receipt })
    }
}

/// Ends the versions of a secret whose time is over. Whether there were any.
pub(crate) fn expire_versions(step: &mut Step<'_>, name_hash: &IndexHash) -> Result<bool> {
    let Some(row) = candidate(step, name_hash)? else { return Ok(false) };
    let mut changed = Vec::new();
    for stored in step.snapshot.versions(step.tenant.number, &row)? {
        step.keys.check_row(&stored)?;
        let is_due = VersionState::from_number(stored.state)? == VersionState::Enabled;
        if is_due && expired(stored.expires_at, step.now) && changed.len() < limits::VERSIONS_AT_ONCE_MAX {
            let state = VersionState::Expired.number();
            let mut next = VersionRow { state, revision: stored.revision + 1, ..stored };
            next.mac = step.keys.row_mac(&next)?;
            changed.push(next);
        }
    }
    if changed.is_empty() {
        return Ok(false);
    }
    changed.reverse();
    record_changes(step, row, changed, "secret.expire-version")?;
    Ok(true)
}

/// Ends a secret whose time is over. Whether it was.
pub(crate) fn expire_secret(step: &mut Step<'_>, name_hash: &IndexHash) -> Result<bool> {
    let Some(row) = candidate(step, name_hash)? else { return Ok(false) };
    let mut settings = Settings::of(&row)?;
    if !expired(settings.due(), step.now) {
        return Ok(false);
    }
    settings.expired = true;
    let settings = settings.to_stored()?;
    let mut next = SecretRow { settings, updated_at: step.now.0, revision: row.revision + 1, ..row };
    next.mac = step.keys.row_mac(&next)?;
    step.line.row = Some(change_of(&next));
    step.changes.push(Change::PutSecret(Box::new(PutSecret::of_row(step.tenant.number, next, Vec::new()))));
    Ok(true)
}

/// The secret that an index names, checked, and named in the line.
fn candidate(step: &mut Step<'_>, name_hash: &IndexHash) -> Result<Option<SecretRow>> {
    let Some(row) = step.snapshot.secret(step.tenant.number, name_hash)? else { return Ok(None) };
    let path = super::path_of(step.keys, &row)?;
    step.name(PseudonymKind::Secret, path.as_str().as_bytes())?;
    Ok(Some(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_to_come_and_not_too_far_away() {
        let now = Timestamp(1_000_000);
        let most = Duration::from_secs(limits::EXPIRY_SECONDS_MAX);
        let micro = Duration::from_micros(1);
        for (expiry, want) in [
            (Expiry::Never, Ok(None)),
            (Expiry::In(Duration::ZERO), Err(Code::ExpiryInvalid)),
            (Expiry::In(micro), Ok(Some(1_000_001))),
            (Expiry::In(most), Ok(Some(now.after(most).0))),
            (Expiry::In(most + micro), Err(Code::ExpiryInvalid)),
            (Expiry::In(Duration::MAX), Err(Code::ExpiryInvalid)),
            (Expiry::At(now), Err(Code::ExpiryInvalid)),
            (Expiry::At(Timestamp(0)), Err(Code::ExpiryInvalid)),
            (Expiry::At(now.after(micro)), Ok(Some(1_000_001))),
            (Expiry::At(now.after(most)), Ok(Some(now.after(most).0))),
            (Expiry::At(now.after(most + micro)), Err(Code::ExpiryInvalid)),
            (Expiry::At(Timestamp(u64::MAX)), Err(Code::ExpiryInvalid)),
        ] {
            assert_eq!(expiry.moment(now).map_err(|error| error.code()), want, "{expiry:?}");
        }
    }
}
