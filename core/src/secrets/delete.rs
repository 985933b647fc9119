//! Deleting a secret with all its versions.

use super::{Secrets, Version, demand_current, find, folder_hashes};
use crate::{
    Code, Error, Result, SecretPath,
    audit::Receipt,
    keys::PseudonymKind,
    room::change_of,
    store::{Change, DeleteSecret},
};

/// How to delete a secret.
#[derive(Clone, Copy, Debug, Default)]
pub struct Delete {
    expected: Option<Version>,
}

impl Delete {
    /// Only if this is the current version. Default: whatever it is.
    #[must_use]
    pub fn expect(mut self, version: Version) -> Self {
        self.expected = Some(version);
        self
    }
}

/// What became of a deletion.
#[derive(Clone, Debug)]
pub struct Deleted {
    /// The version that was current.
    pub version: Version,
    /// Proof that it was recorded.
    pub receipt: Receipt,
}

impl Secrets {
    /// Removes a secret with all its versions, its description and its labels, from this database.
    ///
    /// Backups and replicas that were made before still hold it.
    ///
    /// # Errors
    /// `SecretNotFound`; `SecretConflict` if [`Delete::expect`] does not hold.
    pub async fn delete(&self, path: &SecretPath, options: Delete) -> Result<Deleted> {
        let path = self.full(path);
        let (version, receipt) = self
            .room
            .operate("secret.delete", &self.target(), &self.context, move |step| {
                let path = path.as_ref().map_err(Error::again)?;
                step.name(PseudonymKind::Secret, path.as_str().as_bytes())?;
                let row = find(step, path)?.ok_or(Code::SecretNotFound)?;
                demand_current(options.expected, row.current)?;
                let folders = folder_hashes(step.keys, path)?;
                step.version(row.current);
                // The last state of the row that is no more.
                step.line.row = Some(change_of(&row));
                step.changes.push(Change::DeleteSecret(DeleteSecret {
                    tenant: step.tenant.number,
                    id: row.id,
                    revision: row.revision,
                    folders,
                }));
                Ok(Version(row.current))
            })
            .await?;
        Ok(Deleted { version, receipt })
    }
}
