//! Verifying a backup: the file against its note, its structure, and the whole log in it. No device, no key but the root's
//! public one.

use std::{fs, path::Path};

use strongroom_log::{Report, RootKey};

use super::{
    create::root_of,
    note::{BackupNote, digest, note_file},
};
use crate::{
    Code, DeploymentId, Error, Result,
    audit::verify_store,
    clock::Timestamp,
    deployment::unreadable,
    store::{SqliteStore, Store as _},
};

/// What a backup is, and whether it holds.
#[derive(Clone, Debug)]
pub struct BackupReport {
    /// The deployment it is of.
    pub deployment: DeploymentId,
    /// When it was made.
    pub created_at: Timestamp,
    /// Size of the copy in bytes.
    pub bytes: u64,
    /// Generation of the log in it.
    pub generation: u32,
    /// What the verifier says of the log in it.
    pub report: Report,
    /// Where the store disagrees with the log it holds.
    pub store: Vec<String>,
}

impl BackupReport {
    /// Whether everything holds.
    pub fn is_ok(&self) -> bool {
        self.report.is_ok() && self.store.is_empty()
    }
}

/// Verifies a backup offline. Changes nothing beside it.
///
/// # Errors
/// `BackupInvalid` if the file is not what its note says, or the note is not signed by the root key;
/// `StoreDamaged`. Findings in the log are no errors: see [`BackupReport`].
pub fn verify_backup(file: &Path, root: &RootKey) -> Result<BackupReport> {
    let path = note_file(file);
    let note = fs::read(&path).map_err(|error| unreadable(&path, error))?;
    let note = BackupNote::open(&note, root)?;
    if digest(file)? != (note.file_bytes, note.file_sha256) {
        return Err(Error::new(Code::BackupInvalid).detail("the file is not the one that its note describes"));
    }
    let store = SqliteStore::open_still(file)?;
    store.check()?;
    let head = store.snapshot()?.head()?.ok_or(Code::BackupInvalid)?;
    if head.generation != note.generation
        || head.commits != note.head_size
        || root_of(&head.frontier) != Some(note.head_root)
    {
        return Err(Error::new(Code::BackupInvalid).detail("its head is not the one that its note describes"));
    }
    let (report, findings) = verify_store(&store, root, None)?;
    Ok(BackupReport {
        deployment: note.deployment,
        created_at: Timestamp(note.created),
        bytes: note.file_bytes,
        generation: note.generation,
        report,
        store: findings,
    })
}
