//! Exporting a folder with everything below it: current values, one operation.

use super::{
    Secrets, Version, find,
    get::{demand_readable, is_withheld, open_version},
    list::entries_in,
};
use crate::{
    Code, Error, Folder, Result, SecretPath, SecretValue, audit::Receipt, keys::PseudonymKind, limits, room::Step,
};

/// One exported secret.
#[derive(Debug)]
pub struct ExportedSecret {
    /// Below the folder that was exported.
    pub path: SecretPath,
    /// The current value.
    pub value: SecretValue,
    /// Its version.
    pub version: Version,
}

/// What an export gave.
#[derive(Debug)]
pub struct Exported {
    /// Sorted by path.
    pub secrets: Vec<ExportedSecret>,
    /// Proof that the access was recorded.
    pub receipt: Receipt,
}

impl Secrets {
    /// Reads the current value of every secret in a folder and below it. Left out are those that are disabled, archived
    /// or expired, and those whose current version is deleted, destroyed or expired.
    ///
    /// One line records the export with its folder and count.
    ///
    /// # Errors
    /// `ImportTooLarge` if there are more than an import takes; `Integrity`.
    pub async fn export(&self, folder: &Folder) -> Result<Exported> {
        let folder = self.full_folder(folder);
        let (secrets, receipt) = self
            .room
            .operate("secret.export", &self.target(), &self.context, move |step| {
                let folder = folder.as_ref().map_err(Error::again)?;
                step.name(PseudonymKind::Folder, folder.as_str().as_bytes())?;
                let mut paths = below(step, folder, limits::IMPORT_ENTRIES_MAX)?
                    .ok_or_else(|| Error::new(Code::ImportTooLarge).detail("export a smaller folder"))?
                    .1;
                paths.sort();
                let mut secrets = Vec::with_capacity(paths.len());
                for path in paths {
                    let row = find(step, &path)?.ok_or(Code::Integrity)?;
                    let now = step.now;
                    let opened = demand_readable(&row, now).and_then(|_| open_version(step, &row, row.current));
                    let (value, _) = match opened {
                        Err(error) if is_withheld(&error) => continue,
                        opened => opened?,
                    };
                    let path = super::relative(path, folder)?;
                    secrets.push(ExportedSecret { path, value, version: Version(row.current) });
                }
                step.line.count = Some(secrets.len() as u64);
                Ok(secrets)
            })
            .await?;
        Ok(Exported { secrets, receipt })
    }
}

/// All folders and secrets there are.
pub(crate) fn everything(step: &mut Step<'_>) -> Result<(Vec<Folder>, Vec<SecretPath>)> {
    Ok(below(step, &Folder::root(), usize::MAX)?.unwrap_or_default())
}

/// All folders and secrets in a folder, directly and deeper; `None` if there are more secrets than `most`.
pub(super) fn below(
    step: &mut Step<'_>,
    folder: &Folder,
    most: usize,
) -> Result<Option<(Vec<Folder>, Vec<SecretPath>)>> {
    let (mut open, mut folders, mut paths) = (vec![folder.clone()], Vec::new(), Vec::new());
    while let Some(next) = open.pop() {
        let (inner, secrets) = entries_in(step, &next)?;
        open.extend(inner.iter().cloned());
        folders.extend(inner);
        paths.extend(secrets);
        if paths.len() > most {
            return Ok(None);
        }
    }
    Ok(Some((folders, paths)))
}
