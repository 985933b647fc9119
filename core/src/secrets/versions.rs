//! The versions of a secret, without their values.

use super::{Meta, Secrets, Settings, Stage, Version, VersionLimit, VersionState, find, mismatch};
use crate::{Code, Error, Result, SecretPath, audit::Receipt, clock::Timestamp, keys::PseudonymKind};

/// One version, without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionInfo {
    /// Its number.
    pub version: Version,
    /// What may be done with it.
    pub state: VersionState,
    /// Whether `get` returns it.
    pub is_current: bool,
    /// Its stage, if it has one.
    pub stage: Option<Stage>,
    /// When it was put.
    pub created_at: Timestamp,
    /// When it expires, if it does.
    pub expires_at: Option<Timestamp>,
}

/// What is known of a secret besides its values.
#[derive(Clone, Debug)]
pub struct Versions {
    /// Newest first, without those that the limit removed.
    pub versions: Vec<VersionInfo>,
    /// How many versions the secret keeps.
    pub max_versions: VersionLimit,
    /// Its description and labels.
    pub meta: Meta,
    /// When the secret was first put.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Proof that the access was recorded.
    pub receipt: Receipt,
}

impl Secrets {
    /// Lists a secret's versions, newest first, with its description and labels.
    ///
    /// # Errors
    /// `SecretNotFound`; `Integrity`.
    pub async fn versions(&self, path: &SecretPath) -> Result<Versions> {
        let path = self.full(path);
        let ((versions, max_versions, meta, created_at, updated_at), receipt) = self
            .room
            .operate("secret.versions", &self.target(), &self.context, move |step| {
                let path = path.as_ref().map_err(Error::again)?;
                step.name(PseudonymKind::Secret, path.as_str().as_bytes())?;
                let row = find(step, path)?.ok_or(Code::SecretNotFound)?;
                let mut versions = Vec::new();
                let settings = Settings::of(&row)?;
                let mut expected = (settings.oldest..=row.latest).rev();
                for stored in step.snapshot.versions(step.tenant.number, &row)? {
                    step.keys.check_row(&stored)?;
                    if expected.next() != Some(stored.version) {
                        return Err(mismatch());
                    }
                    versions.push(VersionInfo {
                        version: Version(stored.version),
                        state: VersionState::now(&stored, step.now)?,
                        is_current: stored.version == row.current,
                        stage: Stage::of(stored.version, &row),
                        created_at: Timestamp(stored.created_at),
                        expires_at: stored.expires_at.map(Timestamp),
                    });
                }
                if expected.next().is_some() {
                    return Err(Error::new(Code::Integrity).detail("a version is missing"));
                }
                let meta = Meta::open(step.keys, &row)?;
                Ok((versions, settings.limit(), meta, Timestamp(row.created_at), Timestamp(row.updated_at)))
            })
            .await?;
        Ok(Versions { versions, max_versions, meta, created_at, updated_at, receipt })
    }
}
