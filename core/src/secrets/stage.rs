//! Stages: which version is current, which one is to become it, and which one was it before.
//!
//! A rotation puts the new value as pending, makes the other side accept it, and promotes it: readers of the current
//! version see the one or the other, and the one before stays at hand.

use super::{Secrets, Settings, Version, demand_current, find, get::readable_version};
use crate::{
    Code, Error, Result, SecretPath,
    audit::Receipt,
    keys::PseudonymKind,
    room::change_of,
    store::{Change, PutSecret, SecretRow},
};

/// A role that one version of a secret has at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// What `get` returns.
    Current,
    /// Put to become current: see [`Secrets::put_pending`].
    Pending,
    /// What was current before.
    Previous,
}

impl Stage {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Pending => "pending",
            Self::Previous => "previous",
        }
    }

    /// The version that has it.
    pub(super) fn version_in(self, row: &SecretRow) -> Result<u64> {
        let version = match self {
            Self::Current => Some(row.current),
            Self::Pending => row.pending,
            Self::Previous => row.previous,
        };
        version.ok_or_else(|| Error::new(Code::StageEmpty).detail(format!("none is {self}")))
    }

    /// The one that a version has, if any.
    pub(super) fn of(version: u64, row: &SecretRow) -> Option<Self> {
        match Some(version) {
            found if found == Some(row.current) => Some(Self::Current),
            found if found == row.pending => Some(Self::Pending),
            found if found == row.previous => Some(Self::Previous),
            _ => None,
        }
    }
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Which version to promote.
#[derive(Clone, Copy, Debug)]
pub struct Promote {
    from: Stage,
    expected: Option<Version>,
}

impl Promote {
    /// The pending one: the end of a rotation.
    pub fn pending() -> Self {
        Self { from: Stage::Pending, expected: None }
    }

    /// The one that was current before: the way back.
    pub fn previous() -> Self {
        Self { from: Stage::Previous, expected: None }
    }

    /// Only if it is this version. Default: whichever it is.
    #[must_use]
    pub fn expect(mut self, version: Version) -> Self {
        self.expected = Some(version);
        self
    }
}

/// What became of a promotion.
#[derive(Clone, Debug)]
pub struct Promoted {
    /// The version that now is current.
    pub version: Version,
    /// The one that was, and now is previous.
    pub previous: Version,
    /// Proof that it was recorded.
    pub receipt: Receipt,
}

impl Secrets {
    /// Makes the pending version, or the previous one, the current one; what was current becomes the previous one. All
    /// in one step: no reader sees anything in between.
    ///
    /// ```no_run
    /// # async fn rotate(secrets: strongroom::Secrets, new: strongroom::SecretValue) -> strongroom::Result<()> {
    /// use strongroom::{Get, Promote, Put, Stage};
    ///
    /// let path = "prod/db/password".parse()?;
    /// let put = secrets.put_pending(&path, new, Put::default()).await?;
    /// // Whoever must accept the new password gets it while all others go on with the old one.
    /// let pending = secrets.get(&path, Get::stage(Stage::Pending)).await?;
    /// secrets.promote(&path, Promote::pending().expect(put.version)).await?;
    /// // If it was a mistake: what was current is the previous one now.
    /// secrets.promote(&path, Promote::previous()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `SecretNotFound`; `StageEmpty` if there is no such version; `VersionUnavailable`, `VersionDestroyed`, `VersionExpired` if it cannot
    /// be read; `SecretConflict` if [`Promote::expect`] does not hold.
    pub async fn promote(&self, path: &SecretPath, promote: Promote) -> Result<Promoted> {
        let path = self.full(path);
        let ((version, previous), receipt) = self
            .room
            .operate("secret.promote", &self.target(), &self.context, move |step| {
                let path = path.as_ref().map_err(Error::again)?;
                step.name(PseudonymKind::Secret, path.as_str().as_bytes())?;
                let row = find(step, path)?.ok_or(Code::SecretNotFound)?;
                Settings::of(&row)?.demand_alive(step.now)?;
                let version = promote.from.version_in(&row)?;
                step.version(version);
                demand_current(promote.expected, version)?;
                readable_version(step, &row, version)?;
                let before = row.current;
                let mut next = SecretRow {
                    current: version,
                    previous: Some(before),
                    pending: row.pending.filter(|pending| *pending != version),
                    updated_at: step.now.0,
                    revision: row.revision + 1,
                    ..row
                };
                next.mac = step.keys.row_mac(&next)?;
                step.line.row = Some(change_of(&next));
                step.changes.push(Change::PutSecret(Box::new(PutSecret::of_row(step.tenant.number, next, Vec::new()))));
                Ok((Version(version), Version(before)))
            })
            .await?;
        Ok(Promoted { version, previous, receipt })
    }
}
