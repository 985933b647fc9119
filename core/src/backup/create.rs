//! Making a backup, while others go on.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use strongroom_log::{Frontier, Hash, sha256, write_note};

use super::note::{BackupNote, digest, note_file};
use crate::{
    Admin, Code, Error, Result,
    audit::{Receipt, create_private, partial_name},
    clock::{Clock as _, Timestamp},
    deployment::{sync_folder_of, unwritable},
    room::{Room, Target},
    store::{SqliteStore, Store as _},
};

/// How long the device has to sign a note.
const SIGN_TIMEOUT: Duration = Duration::from_secs(10);

/// A backup that was made.
#[derive(Clone, Debug)]
pub struct BackupReply {
    /// The copy of the database.
    pub file: PathBuf,
    /// The signed note beside it: keep the two together.
    pub note: PathBuf,
    /// Size of the copy in bytes.
    pub bytes: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// Commits of the log that it holds, in its generation.
    pub head_size: u64,
    /// Proof that the backup was recorded.
    pub receipt: Receipt,
}

impl Admin {
    /// Copies the whole database to a new file, with a signed note beside it (`<file>.note`).
    ///
    /// A line says that the backup begins before anything is written; both files appear once the line that says
    /// how it ended is durable; nothing is overwritten. The token is
    /// yours to back up: without it, or its own backup, this one opens nothing. `progress` is told the
    /// pages copied and the pages there are.
    ///
    /// # Errors
    /// `BackupExists`; `StoreFull` and the like; what the device says.
    pub async fn back_up(&self, file: &Path, progress: impl FnMut(u64, u64) + Send + 'static) -> Result<BackupReply> {
        let (partial, target) = (partial_name(file), file.to_owned());
        let context = self.room.one_request(&self.context)?;
        self.room
            .operate("backup.create", &Target::Sys, &context, move |step| {
                for taken in [&target, &note_file(&target)] {
                    if taken.exists() {
                        return Err(Error::new(Code::BackupExists).detail(taken.display().to_string()));
                    }
                }
                step.begins_effect();
                Ok(())
            })
            .await?;
        let made = self.copy(&partial, progress).await;
        let (note, text) = match &made {
            Ok((note, text)) => (Ok(note.clone()), text.clone()),
            Err(error) => (Err(error.code()), String::new()),
        };
        let det = sha256(text.as_bytes());
        let recorded = self
            .room
            .operate("backup.create", &Target::Sys, &context, move |step| {
                step.ends_effect();
                let note = note.as_ref().map_err(|code| Error::new(*code))?;
                step.line.detail = Some(det);
                step.line.count = Some(note.file_bytes);
                Ok(())
            })
            .await;
        let published = match (made, recorded) {
            (Ok((note, text)), Ok(((), receipt))) => publish(file, &partial, &text).map(|()| (note, receipt)),
            // What made the copy fail is the answer only once that is recorded; it knows more than its code.
            (Err(error), Err(recorded)) if error.code() == recorded.code() => Err(error),
            (_, Err(error)) | (Err(error), Ok(_)) => Err(error),
        };
        if published.is_err() {
            let _ = fs::remove_file(&partial);
        }
        let (note, receipt) = published?;
        Ok(BackupReply {
            file: file.to_owned(),
            note: note_file(file),
            bytes: note.file_bytes,
            created_at: Timestamp(note.created),
            head_size: note.head_size,
            receipt,
        })
    }

    async fn copy(
        &self,
        partial: &Path,
        mut progress: impl FnMut(u64, u64) + Send + 'static,
    ) -> Result<(BackupNote, String)> {
        let (room, to) = (&self.room, partial.to_owned());
        let (deployment, now) = (room.deployment, room.clock.now());
        let note = room
            .readers
            .run(move |store| {
                // What a run that was killed has left.
                let _ = fs::remove_file(&to);
                store.back_up(&to, &mut progress)?;
                let copy = SqliteStore::open_still(&to)?;
                let mut snapshot = copy.snapshot()?;
                let row = snapshot.deployment()?.ok_or(Code::Internal)?;
                let head = snapshot.head()?.ok_or(Code::Internal)?;
                let frontier = Frontier::from_bytes(&head.frontier).map_err(|_| Code::StoreDamaged)?;
                drop(snapshot);
                let (file_bytes, file_sha256) = digest(&to)?;
                Ok(BackupNote {
                    origin: row.origin,
                    deployment,
                    created: now.0,
                    file_bytes,
                    file_sha256,
                    generation: head.generation,
                    head_size: head.commits,
                    head_root: frontier.root(),
                })
            })
            .await?;
        let text = sign(room, &note.text()).await?;
        Ok((note, text))
    }
}

/// The signed note of a text, under the device's audit key.
async fn sign(room: &Room, text: &str) -> Result<String> {
    let key = room.root_key.for_origin(&room.origin.at_generation(1)).ok_or(Code::Internal)?;
    let signature = room.device.sign(text.as_bytes().to_vec(), Instant::now() + SIGN_TIMEOUT).await?;
    if !key.verifies(text.as_bytes(), &signature) {
        return Err(Error::new(Code::DeviceWrongAnswer).detail("the signature of a backup"));
    }
    write_note(text, &key, &signature).map_err(|error| Error::new(Code::Internal).caused_by(error))
}

/// Gives the copy and its note their names, the note first: a copy without one is none.
fn publish(file: &Path, partial: &Path, note: &str) -> Result<()> {
    let (note_path, note_partial) = (note_file(file), partial_name(&note_file(file)));
    let mut out = create_private(&note_partial)?;
    out.write_all(note.as_bytes()).and_then(|()| out.sync_all()).map_err(|error| unwritable(&note_partial, error))?;
    for (from, to) in [(&*note_partial, &*note_path), (partial, file)] {
        // A hard link, unlike a rename, never takes the place of a file that came in between.
        fs::hard_link(from, to).map_err(|error| unwritable(to, error))?;
        let _ = fs::remove_file(from);
    }
    sync_folder_of(file)
}

/// The root of a head log, for who compares.
pub(super) fn root_of(frontier: &[u8]) -> Option<Hash> {
    Frontier::from_bytes(frontier).ok().map(|frontier| frontier.root())
}
