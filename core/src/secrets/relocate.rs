//! Copying a secret to another path of its tenant, and moving it there.

use super::{
    Get, Meta, Secrets, Settings, Version, VersionState, demand_current, find, folder_hashes,
    get::{demand_readable, open_stored, readable_version},
    put::{Folders, new_row},
};
use crate::{
    Code, Error, Result, SecretPath,
    audit::Receipt,
    keys::{IndexKind, PseudonymKind},
    room::{LineFacts, Part, Step, change_of},
    seal::Subject,
    store::{Change, PutSecret, SecretRow, VersionRow},
};

/// Where a secret goes: a type of its own, so that nobody takes the one path for the other.
#[derive(Clone, Copy, Debug)]
pub struct To<'a>(pub &'a SecretPath);

/// What became of a copy.
#[derive(Clone, Debug)]
pub struct Copied {
    /// The version that was copied.
    pub from: Version,
    /// The version that it is there: 1.
    pub version: Version,
    /// Proof that it was recorded.
    pub receipt: Receipt,
}

/// How to move a secret.
#[derive(Clone, Copy, Debug, Default)]
pub struct Move {
    expected: Option<Version>,
}

impl Move {
    /// Only if this is the current version. Default: whatever it is.
    #[must_use]
    pub fn expect(mut self, version: Version) -> Self {
        self.expected = Some(version);
        self
    }
}

/// What became of a move.
#[derive(Clone, Debug)]
pub struct Moved {
    /// The version that is current, as before.
    pub version: Version,
    /// Proof that it was recorded.
    pub receipt: Receipt,
}

impl Secrets {
    /// Makes a new secret of one version of another: that becomes version 1 there, with the same description, labels,
    /// type, owner, rotation interval, version limit and time to live.
    ///
    /// Recorded as a get of the one and a copy to the other, in one request.
    ///
    /// # Errors
    /// `SecretExists` if there is a secret at the other path; `SecretNotFound`, `FolderFull`, and what [`Secrets::get`]
    /// says of the version; `CertificateInvalid` for a version that is older than the secret's being a certificate, and
    /// is none.
    pub async fn copy(&self, path: &SecretPath, to: To<'_>, which: Get) -> Result<Copied> {
        let (from, to) = (self.full(path), self.full(to.0));
        let (version, receipt) = self
            .room
            .operate("secret.copy", &self.target(), &self.context, move |step| {
                let (from, to) = (from.as_ref().map_err(Error::again)?, to.as_ref().map_err(Error::again)?);
                step.name(PseudonymKind::Secret, from.as_str().as_bytes())?;
                let row = find(step, from)?.ok_or(Code::SecretNotFound)?;
                demand_readable(&row, step.now)?;
                let version = which.version_in(&row)?;
                let stored = readable_version(step, &row, version)?;
                step.version(version);
                let read = LineFacts { object: step.line.object, ..LineFacts::default() };
                demand_absent(step, to)?;
                let (change, line) = copy_of(step, &row, &stored, to)?;
                // A value that is destroyed meanwhile is not to live on elsewhere.
                let (tenant, id, revision) = (step.tenant.number, row.id, row.revision);
                step.changes.push(Change::RequireSecret { tenant, id, revision });
                step.parts.push(Part { act: "secret.get", line: read, elsewhere: None });
                step.line = line;
                step.changes.push(change);
                Ok(Version(version))
            })
            .await?;
        Ok(Copied { from: version, version: Version(1), receipt })
    }

    /// Moves a secret to another path of its tenant, with all its versions and what it says about itself. Leases on it end;
    /// folders that this leaves empty are no more.
    ///
    /// Recorded as two lines in one request: `secret.move-from` names the path that it had, `secret.move` the one that it
    /// has.
    ///
    /// # Errors
    /// `SecretExists` if there is a secret at the other path; `SecretNotFound`, `FolderFull`; `SecretConflict` if
    /// [`Move::expect`] does not hold.
    pub async fn rename(&self, path: &SecretPath, to: To<'_>, options: Move) -> Result<Moved> {
        let (from, to) = (self.full(path), self.full(to.0));
        let (version, receipt) = self
            .room
            .operate("secret.move", &self.target(), &self.context, move |step| {
                let (from, to) = (from.as_ref().map_err(Error::again)?, to.as_ref().map_err(Error::again)?);
                step.name(PseudonymKind::Secret, from.as_str().as_bytes())?;
                let row = find(step, from)?.ok_or(Code::SecretNotFound)?;
                demand_current(options.expected, row.current)?;
                step.version(row.current);
                // The last state of the row at the path that it leaves.
                let left = LineFacts { object: step.line.object, row: Some(change_of(&row)), ..LineFacts::default() };
                demand_absent(step, to)?;
                let current = row.current;
                let put = moved(step, row, from, to)?;
                step.version(current);
                step.line.row = Some(change_of(&put.secret));
                step.parts.push(Part { act: "secret.move-from", line: left, elsewhere: None });
                step.changes.push(Change::PutSecret(Box::new(put)));
                Ok(Version(current))
            })
            .await?;
        Ok(Moved { version, receipt })
    }
}

/// Names the path that a secret goes to, and refuses if there is one.
fn demand_absent(step: &mut Step<'_>, to: &SecretPath) -> Result<()> {
    step.name(PseudonymKind::Secret, to.as_str().as_bytes())?;
    match find(step, to)? {
        Some(_) => Err(Code::SecretExists.into()),
        None => Ok(()),
    }
}

/// A new secret with the value of this version.
fn copy_of(step: &mut Step<'_>, row: &SecretRow, stored: &VersionRow, to: &SecretPath) -> Result<(Change, LineFacts)> {
    let value = open_stored(step, stored)?;
    let meta = Meta::open(step.keys, row)?.of_a_copy(&value)?;
    let folders = Folders::default().make_room(step, to)?;
    let mut secret = new_row(step, to, &meta)?;
    secret.settings = Settings::of(row)?.of_a_copy().to_stored()?;
    let mut version = VersionRow {
        secret: secret.id,
        version: 1,
        state: VersionState::Enabled.number(),
        created_at: step.now.0,
        expires_at: stored.expires_at,
        value: step.keys.seal_value(secret.id, 1, &value, step.random())?,
        revision: 1,
        mac: [0; 32],
    };
    step.room.meter.sealed.inc();
    secret.mac = step.keys.row_mac(&secret)?;
    version.mac = step.keys.row_mac(&version)?;
    step.version(1);
    let line = LineFacts {
        object: step.line.object,
        row: Some(change_of(&secret)),
        version_row: Some(change_of(&version)),
        ..LineFacts::default()
    };
    let labels = Some(meta.index_hashes(step.keys)?);
    let put = PutSecret {
        version: Some(version),
        labels,
        folders,
        ..PutSecret::of_row(step.tenant.number, secret, Vec::new())
    };
    Ok((Change::PutSecret(Box::new(put)), line))
}

/// The same secret at another path.
fn moved(step: &mut Step<'_>, row: SecretRow, from: &SecretPath, to: &SecretPath) -> Result<PutSecret> {
    // In one folder it takes the place that it has, also in one that is full.
    let (folders, left) = if from.parent() == to.parent() {
        (Vec::new(), Vec::new())
    } else {
        (Folders::default().make_room(step, to)?, folder_hashes(step.keys, from)?)
    };
    let keys = step.keys;
    let mut next = SecretRow {
        name_hash: keys.index(IndexKind::Secret, to.as_str().as_bytes())?,
        parent_hash: keys.index(IndexKind::Folder, to.parent().as_str().as_bytes())?,
        name: keys.seal_name(Subject::SecretName(row.id), to.as_str().as_bytes(), step.random())?,
        updated_at: step.now.0,
        revision: row.revision + 1,
        ..row
    };
    next.mac = keys.row_mac(&next)?;
    Ok(PutSecret { folders, left, ..PutSecret::of_row(step.tenant.number, next, Vec::new()) })
}
