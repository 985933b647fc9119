//! Changing what a secret says about itself, without a new version.

use super::{
    Expiry, Meta, RotationInterval, SecretType, Secrets, Settings, Version, VersionLimit, demand_current, find,
    get::{open_stored, readable_version},
    meta::MetaChange,
    put::{keep_to_limit, replace_meta},
};
use crate::{
    Code, Description, Error, Labels, Owner, Result, SecretPath,
    audit::Receipt,
    keys::PseudonymKind,
    room::{Step, change_of},
    store::{Change, PutSecret, SecretRow},
};

/// Counts the changes of a secret, of its versions and of what it says about itself: 1, 2, …
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl std::fmt::Display for Revision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// What to change of a secret. What is not said stays as it is.
#[derive(Clone, Debug, Default)]
pub struct Update {
    expected: Option<Version>,
    expected_revision: Option<Revision>,
    meta: MetaChange,
    max_versions: Option<VersionLimit>,
    expiry: Option<Expiry>,
}

impl Update {
    /// Only if this is the current version. Default: whatever it is.
    #[must_use]
    pub fn expect(mut self, version: Version) -> Self {
        self.expected = Some(version);
        self
    }

    /// Only if nothing at all has changed since this revision. Default: whatever it is.
    #[must_use]
    pub fn expect_revision(mut self, revision: Revision) -> Self {
        self.expected_revision = Some(revision);
        self
    }

    /// Sets the description.
    #[must_use]
    pub fn description(mut self, description: Description) -> Self {
        self.meta.description = Some(description);
        self
    }

    /// Sets the labels, all of them.
    #[must_use]
    pub fn labels(mut self, labels: Labels) -> Self {
        self.meta.labels = Some(labels);
        self
    }

    /// Sets what kind of secret it is. To become a certificate, its current version has to be one.
    #[must_use]
    pub fn secret_type(mut self, secret_type: SecretType) -> Self {
        self.meta.secret_type = Some(secret_type);
        self
    }

    /// Sets who answers for it.
    #[must_use]
    pub fn owner(mut self, owner: Owner) -> Self {
        self.meta.owner = Some(owner);
        self
    }

    /// Sets how often its value should be another one.
    #[must_use]
    pub fn rotation_interval(mut self, interval: RotationInterval) -> Self {
        self.meta.rotation_interval = Some(interval);
        self
    }

    /// Sets until when it may be read. One that had expired can be read again.
    #[must_use]
    pub fn expires(mut self, expiry: Expiry) -> Self {
        self.expiry = Some(expiry);
        self
    }

    /// Sets how many versions it keeps, and removes the oldest ones beyond that for ever.
    #[must_use]
    pub fn max_versions(mut self, limit: VersionLimit) -> Self {
        self.max_versions = Some(limit);
        self
    }
}

/// What became of an update.
#[derive(Clone, Debug)]
pub struct Updated {
    /// The version that is current, as before.
    pub version: Version,
    /// The revision that the secret now has.
    pub revision: Revision,
    /// How many of the oldest versions a lower limit removed.
    pub removed: u64,
    /// Proof that it was recorded.
    pub receipt: Receipt,
}

impl Secrets {
    /// Changes description, labels, type, owner, rotation interval, expiry and version limit of a secret, without a new version.
    ///
    /// # Errors
    /// `SecretNotFound`; `SecretConflict` if [`Update::expect`] or [`Update::expect_revision`] does not hold;
    /// `CertificateInvalid`, and what [`Secrets::get`] says of the current version, if it is to become a certificate;
    /// `ExpiryInvalid`; `VersionsFull` if a lower limit would remove the current version.
    pub async fn update(&self, path: &SecretPath, update: Update) -> Result<Updated> {
        let path = self.full(path);
        let ((version, revision, removed), receipt) = self
            .room
            .operate("secret.update", &self.target(), &self.context, move |step| {
                let path = path.as_ref().map_err(Error::again)?;
                step.name(PseudonymKind::Secret, path.as_str().as_bytes())?;
                let row = find(step, path)?.ok_or(Code::SecretNotFound)?;
                demand_current(update.expected, row.current)?;
                demand_revision(update.expected_revision, row.revision)?;
                let before = Meta::open(step.keys, &row)?;
                let mut meta = update.meta.of(before.clone());
                if !before.is_certificate() {
                    note_staged(step, &row, &mut meta)?;
                }
                let mut next = SecretRow { updated_at: step.now.0, revision: row.revision + 1, ..row };
                if let Some(expiry) = update.expiry {
                    let mut settings = Settings::of(&next)?;
                    settings.expire(expiry, step.now)?;
                    next.settings = settings.to_stored()?;
                }
                let (oldest, removed) = keep_to_limit(&mut next, update.max_versions)?;
                let labels = replace_meta(step, &mut next, before, meta)?;
                next.mac = step.keys.row_mac(&next)?;
                step.line.row = Some(change_of(&next));
                step.line.count = (removed > 0).then_some(removed);
                let done = (Version(next.current), Revision(next.revision), removed);
                let put = PutSecret::of_row(step.tenant.number, next, Vec::new());
                step.changes.push(Change::PutSecret(Box::new(PutSecret { oldest, labels, ..put })));
                Ok(done)
            })
            .await?;
        Ok(Updated { version, revision, removed, receipt })
    }
}

/// Looks at the values of a secret that becomes a certificate. The current one has to be one; of the others that may
/// become current it is known when they end, if they can be read and are certificates.
fn note_staged(step: &mut Step<'_>, row: &SecretRow, meta: &mut Meta) -> Result<()> {
    if !meta.is_certificate() {
        return Ok(());
    }
    let stored = readable_version(step, row, row.current)?;
    meta.note_value(row.current, &open_stored(step, &stored)?)?;
    for version in row.pending.into_iter().chain(row.previous) {
        let noted = readable_version(step, row, version)
            .and_then(|stored| open_stored(step, &stored))
            .and_then(|value| meta.note_value(version, &value));
        match noted.map_err(|error| error.code()) {
            Ok(()) | Err(Code::CertificateInvalid | Code::VersionUnavailable | Code::VersionDestroyed) => {}
            Err(code) => return Err(code.into()),
        }
    }
    Ok(())
}

/// Refuses if the secret has changed since a caller looked.
fn demand_revision(expected: Option<Revision>, found: u64) -> Result<()> {
    match expected {
        Some(Revision(expected)) if expected != found => {
            Err(Error::new(Code::SecretConflict).detail(format!("expected revision {expected}, found {found}")))
        }
        _ => Ok(()),
    }
}
