//! A secret as a whole: enabled or disabled, archived or in use.
//!
//! Disabled means not for now: nobody reads it, and it can be put. Archived means not any more: it is neither read nor
//! changed, and listings leave it out. Both can be undone; neither touches a version.

use super::{Secrets, Settings, find};
use crate::{
    Code, Error, Result, SecretPath,
    audit::Receipt,
    keys::PseudonymKind,
    room::{Step, change_of},
    store::{Change, PutSecret, SecretRow},
};

/// What became of a secret that was enabled, disabled, archived or brought back.
#[derive(Clone, Debug)]
pub struct StandingChanged {
    /// Whether that changed anything; if not, it was so already.
    pub changed: bool,
    /// Proof that it was recorded.
    pub receipt: Receipt,
}

impl Secrets {
    /// Lets a secret be read again that was disabled.
    ///
    /// # Errors
    /// `SecretNotFound`.
    pub async fn enable(&self, path: &SecretPath) -> Result<StandingChanged> {
        let path = self.full(path);
        let (changed, receipt) = self
            .room
            .operate("secret.enable", &self.target(), &self.context, move |step| {
                change(step, path.as_ref(), |row| Ok(SecretRow { enabled: true, ..row }))
            })
            .await?;
        Ok(StandingChanged { changed, receipt })
    }

    /// Keeps a secret from being read, until [`Secrets::enable`]. Leases on it end within a second.
    ///
    /// # Errors
    /// `SecretNotFound`.
    pub async fn disable(&self, path: &SecretPath) -> Result<StandingChanged> {
        let path = self.full(path);
        let (changed, receipt) = self
            .room
            .operate("secret.disable", &self.target(), &self.context, move |step| {
                change(step, path.as_ref(), |row| Ok(SecretRow { enabled: false, ..row }))
            })
            .await?;
        Ok(StandingChanged { changed, receipt })
    }

    /// Archives a secret: it is neither read nor put, patched or promoted, and [`Secrets::list`] leaves it out, until
    /// [`Secrets::unarchive`]. It can be deleted. Leases on it end within a second.
    ///
    /// # Errors
    /// `SecretNotFound`.
    pub async fn archive(&self, path: &SecretPath) -> Result<StandingChanged> {
        let path = self.full(path);
        let (changed, receipt) = self
            .room
            .operate("secret.archive", &self.target(), &self.context, move |step| {
                change(step, path.as_ref(), |row| archived(row, true))
            })
            .await?;
        Ok(StandingChanged { changed, receipt })
    }

    /// Brings an archived secret back, as it was.
    ///
    /// # Errors
    /// `SecretNotFound`.
    pub async fn unarchive(&self, path: &SecretPath) -> Result<StandingChanged> {
        let path = self.full(path);
        let (changed, receipt) = self
            .room
            .operate("secret.unarchive", &self.target(), &self.context, move |step| {
                change(step, path.as_ref(), |row| archived(row, false))
            })
            .await?;
        Ok(StandingChanged { changed, receipt })
    }
}

fn archived(row: SecretRow, archived: bool) -> Result<SecretRow> {
    let settings = Settings { archived, ..Settings::of(&row)? }.to_stored()?;
    Ok(SecretRow { settings, ..row })
}

/// Plans the change of a row, with its line. Whether it changes anything.
fn change(
    step: &mut Step<'_>,
    path: Result<&SecretPath, &Error>,
    to: impl FnOnce(SecretRow) -> Result<SecretRow>,
) -> Result<bool> {
    let path = path.map_err(Error::again)?;
    step.name(PseudonymKind::Secret, path.as_str().as_bytes())?;
    let row = find(step, path)?.ok_or(Code::SecretNotFound)?;
    let next = to(row.clone())?;
    if next == row {
        return Ok(false);
    }
    let mut next = SecretRow { updated_at: step.now.0, revision: row.revision + 1, ..next };
    next.mac = step.keys.row_mac(&next)?;
    step.line.row = Some(change_of(&next));
    step.changes.push(Change::PutSecret(Box::new(PutSecret::of_row(step.tenant.number, next, Vec::new()))));
    Ok(true)
}
