//! Importing many secrets: all in one transaction, or none.

use std::{collections::HashSet, sync::Arc};

use super::{Put, Secrets, Version, put};
use crate::{
    Code, Error, Folder, Result, SecretPath, SecretValue, audit::Receipt, keys::PseudonymKind, limits, room::Part,
};

/// One secret to import.
#[derive(Debug)]
pub struct ImportEntry {
    /// Below the folder that is imported to.
    pub path: SecretPath,
    /// The value.
    pub value: SecretValue,
}

/// How to import.
#[derive(Clone, Copy, Debug, Default)]
pub struct Import {
    new_only: bool,
}

impl Import {
    /// Refuses to touch a secret that exists. Default: it gets a new version.
    #[must_use]
    pub fn new_only(mut self) -> Self {
        self.new_only = true;
        self
    }
}

/// What became of an import.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The version that each entry now has, in the order given.
    pub versions: Vec<Version>,
    /// Proof that it was recorded.
    pub receipt: Receipt,
}

impl Secrets {
    /// Puts all of these below a folder, in one transaction: after an error or a crash there are all or none.
    ///
    /// # Errors
    /// `ImportMalformed` for a path that occurs twice; `ImportTooLarge`; `SecretConflict` with
    /// [`Import::new_only`]; what [`Secrets::put`] says.
    pub async fn import(&self, folder: &Folder, entries: Vec<ImportEntry>, options: Import) -> Result<Imported> {
        let folder = self.full_folder(folder);
        let all = folder.as_ref().map_err(Error::again).and_then(|folder| placed(folder, entries));
        let all = Arc::new(all);
        let (versions, receipt) = self
            .room
            .operate("secret.import", &self.target(), &self.context, move |step| {
                let each = if options.new_only { Put::default().expect(Version(0)) } else { Put::default() };
                let folder = folder.as_ref().map_err(Error::again)?;
                step.name(PseudonymKind::Folder, folder.as_str().as_bytes())?;
                let all = all.as_ref().as_ref().map_err(Error::again)?;
                let mut folders = put::Folders::default();
                let mut versions = Vec::with_capacity(all.len());
                for (path, value) in all {
                    let planned = put::plan(step, path, value, &each, &mut folders).map_err(|error| {
                        let detail = error.details().map_or_else(|| path.to_string(), |more| format!("{path}: {more}"));
                        error.detail(detail)
                    })?;
                    step.changes.push(planned.change);
                    step.parts.push(Part { act: "secret.put", line: planned.line, elsewhere: None });
                    versions.push(planned.version);
                }
                step.name(PseudonymKind::Folder, folder.as_str().as_bytes())?;
                step.line.count = Some(versions.len() as u64);
                Ok(versions)
            })
            .await?;
        Ok(Imported { versions, receipt })
    }
}

/// The full path of each entry, none of them twice.
fn placed(folder: &Folder, entries: Vec<ImportEntry>) -> Result<Vec<(SecretPath, SecretValue)>> {
    if entries.len() > limits::IMPORT_ENTRIES_MAX {
        return Err(Code::ImportTooLarge.into());
    }
    let mut seen = HashSet::new();
    let mut all = Vec::with_capacity(entries.len());
    for entry in entries {
        let path = folder.join(entry.path.as_str())?;
        if !seen.insert(path.clone()) {
            return Err(Error::new(Code::ImportMalformed).detail(format!("{} occurs twice", entry.path)));
        }
        all.push((path, entry.value));
    }
    Ok(all)
}
