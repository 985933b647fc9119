//! Describing a secret: all that is known of it but its values.

use super::{Meta, Revision, Secrets, Settings, Version, VersionLimit, VersionState, find, get::stored_version};
use crate::{
    Code, Error, Result, SecretPath, audit::Receipt, clock::Timestamp, keys::PseudonymKind, room::Step,
    store::SecretRow,
};

/// What is known of a secret besides its values.
#[derive(Clone, Debug)]
pub struct Described {
    /// Its description, labels, type, owner and rotation interval.
    pub meta: Meta,
    /// Whether its value may be read.
    pub is_enabled: bool,
    /// Whether it is archived.
    pub is_archived: bool,
    /// When it expires, if it does.
    pub expires_at: Option<Timestamp>,
    /// Whether it has expired.
    pub is_expired: bool,
    /// Counts its changes.
    pub revision: Revision,
    /// The highest version there is or was.
    pub latest: Version,
    /// The version that `get` returns.
    pub current: Version,
    /// The version put to become current, if any.
    pub pending: Option<Version>,
    /// The version that was current before, if any.
    pub previous: Option<Version>,
    /// How many versions it keeps.
    pub max_versions: VersionLimit,
    /// When it was first put.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When its current version was put.
    pub current_since: Timestamp,
    /// Whether its current version can be read, and if not, why.
    pub current_state: VersionState,
    /// Until when its current version may be read, if that ends.
    pub current_expires_at: Option<Timestamp>,
    /// Of a certificate, when its current version ends.
    pub not_after: Option<Timestamp>,
    /// When its current version is due for rotation, if it ever is: after the interval, and of a certificate before its
    /// end (see [`RotationInterval`](crate::RotationInterval)), whichever comes first.
    pub rotate_by: Option<Timestamp>,
    /// Proof that the access was recorded.
    pub receipt: Receipt,
}

impl Secrets {
    /// Says all that is known of a secret but its values. None of them is opened.
    ///
    /// # Errors
    /// `SecretNotFound`; `Integrity`.
    pub async fn describe(&self, path: &SecretPath) -> Result<Described> {
        let path = self.full(path);
        let ((row, meta, settings, due, now), receipt) = self
            .room
            .operate("secret.describe", &self.target(), &self.context, move |step| {
                let path = path.as_ref().map_err(Error::again)?;
                step.name(PseudonymKind::Secret, path.as_str().as_bytes())?;
                let row = find(step, path)?.ok_or(Code::SecretNotFound)?;
                let meta = Meta::open(step.keys, &row)?;
                let (settings, due) = (Settings::of(&row)?, due(step, &row, &meta)?);
                Ok((row, meta, settings, due, step.now))
            })
            .await?;
        Ok(Described {
            is_enabled: row.enabled,
            is_archived: settings.archived,
            expires_at: settings.expires_at.map(Timestamp),
            is_expired: settings.is_expired(now),
            revision: Revision(row.revision),
            latest: Version(row.latest),
            current: Version(row.current),
            pending: row.pending.map(Version),
            previous: row.previous.map(Version),
            max_versions: settings.limit(),
            created_at: Timestamp(row.created_at),
            updated_at: Timestamp(row.updated_at),
            current_since: due.since,
            current_state: due.state,
            current_expires_at: due.expires_at,
            not_after: meta.not_after(row.current),
            rotate_by: due.rotate_by,
            meta,
            receipt,
        })
    }
}

/// Since when a version is there, what it is now, and until when it is good.
pub(super) struct Due {
    pub(super) since: Timestamp,
    state: VersionState,
    expires_at: Option<Timestamp>,
    pub(super) rotate_by: Option<Timestamp>,
}

/// When the current version of a secret whose row was checked is due for rotation.
pub(super) fn due(step: &mut Step<'_>, row: &SecretRow, meta: &Meta) -> Result<Due> {
    let stored = stored_version(step, row, row.current)?;
    let since = Timestamp(stored.created_at);
    Ok(Due {
        since,
        state: VersionState::now(&stored, step.now)?,
        expires_at: stored.expires_at.map(Timestamp),
        rotate_by: meta.rotate_by(row.current, since),
    })
}
