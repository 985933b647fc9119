//! Which processes are alive: each holds a lock on a file of its own beside the database.
//!
//! The system lets go of a lock (`flock`) when the process that has it dies, however it dies: so what a dead process began
//! can be told at once from what a living one has under way. The lock is the file's, not its name's: it holds in another
//! container on the same files too. It is never on the database itself, where closing any handle would drop SQLite's own.
//!
//! A file without a lock stands for a process that is gone; no file says nothing, and neither does one where locks do not
//! work. Who cannot have such a file goes on without. What follows from it is decided elsewhere.

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use crate::{
    Deployment, Result,
    deployment::{create_private_folder, unwritable},
    store::Store,
};

/// How often a process tries for the lock on its own new file, which others may be looking at.
const OWN_ATTEMPTS: usize = 100;

/// How long it waits in between.
const OWN_PAUSE: Duration = Duration::from_millis(5);

/// Files of dead processes that are looked at when one opens: the rest at the next opening.
const FILES_LOOKED_AT_MAX: usize = 256;

/// Intents that are compared with them.
const INTENTS_COMPARED_MAX: usize = 1_024;

/// What is known of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It holds its lock.
    Alive,
    /// It let go of it, and will never have it again.
    Gone,
    /// It has no file, or ours cannot be locked.
    Unknown,
}

/// This process's file, locked until this is dropped, and what it tells of others.
#[derive(Debug)]
pub(crate) struct Presence {
    folder: PathBuf,
    boot: [u8; 16],
    own: Mutex<Option<File>>,
}

impl Presence {
    /// Takes the lock of this process. It is not known by anybody before: `boot` is new and random.
    ///
    /// The file is not synced: after a power cut without it what is known is what was known before there were files.
    ///
    /// # Errors
    /// If a file stays behind that is not locked: others would believe that this process is gone.
    pub(crate) fn announce(home: &Deployment, boot: [u8; 16]) -> Result<Self> {
        let folder = home.processes_folder();
        let path = file_of(&folder, &boot);
        let own = match create_private_folder(&folder).map_err(io::Error::other).and_then(|()| own_lock(&path)) {
            Ok(own) => Some(own),
            Err(error) => {
                tracing::warn!(%error, "other processes cannot see whether this one is alive");
                match fs::remove_file(&path) {
                    Err(error) if path.exists() => return Err(unwritable(&path, error)),
                    _ => None,
                }
            }
        };
        Ok(Self { folder, boot, own: Mutex::new(own) })
    }

    /// Whether the process that had this boot id is alive.
    pub(crate) fn look(&self, boot: &[u8; 16]) -> Seen {
        if *boot == self.boot {
            return Seen::Alive;
        }
        // Ours was tried: where it cannot be locked, neither is a lock of others to be believed.
        if self.own().is_none() {
            return Seen::Unknown;
        }
        let Ok(file) = File::open(file_of(&self.folder, boot)) else { return Seen::Unknown };
        // Shared, so that several who look at once do not take each other for the process.
        match file.try_lock_shared() {
            Ok(()) => Seen::Gone,
            Err(TryLockError::WouldBlock) => Seen::Alive,
            Err(TryLockError::Error(_)) => Seen::Unknown,
        }
    }

    /// Takes the file away: this process ends well, and nothing of it is left to be told.
    pub(crate) fn leave(&self) {
        if self.own().take().is_some() {
            let _ = fs::remove_file(file_of(&self.folder, &self.boot));
        }
    }

    /// Takes away the files of processes that are gone and began nothing whose end is still to be recorded.
    pub(crate) fn tidy(&self, store: &dyn Store) -> Result<()> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Ok(()) };
        let boots = entries.flatten().filter_map(|entry| strongroom_log::hex_array(entry.file_name().to_str()?));
        let gone: Vec<[u8; 16]> =
            boots.filter(|boot| self.look(boot) == Seen::Gone).take(FILES_LOOKED_AT_MAX).collect();
        if gone.is_empty() {
            return Ok(());
        }
        // Read after they were seen to be gone: they begin nothing more.
        let intents = store.snapshot()?.intents(INTENTS_COMPARED_MAX)?;
        if intents.len() == INTENTS_COMPARED_MAX {
            return Ok(());
        }
        let needed: BTreeSet<_> = intents.iter().map(|intent| intent.boot).collect();
        for boot in gone.iter().filter(|boot| !needed.contains(*boot)) {
            let path = file_of(&self.folder, boot);
            // Under the lock, which a process that was only about to take it waits for; and then it sees that its file is
            // not this one any more.
            if let Ok(file) = File::open(&path)
                && file.try_lock_shared().is_ok()
                && is_at(&file, &path)
            {
                let _ = fs::remove_file(&path);
            }
        }
        Ok(())
    }

    fn own(&self) -> std::sync::MutexGuard<'_, Option<File>> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn file_of(folder: &Path, boot: &[u8; 16]) -> PathBuf {
    folder.join(strongroom_log::hex_encode(boot))
}

/// Makes the file and locks it, and tries whether that means anything.
fn own_lock(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    for _ in 0..OWN_ATTEMPTS {
        match file.try_lock() {
            Ok(()) if is_at(&file, path) => {
                // Some file systems grant a lock to everybody.
                return match File::open(path)?.try_lock_shared() {
                    Err(TryLockError::WouldBlock) => Ok(file),
                    _ => Err(io::Error::new(io::ErrorKind::Unsupported, "locks do not work here")),
                };
            }
            // Somebody tidied it away before it was locked.
            Ok(()) => file = options.open(path)?,
            // Somebody looks at it.
            Err(TryLockError::WouldBlock) => thread::sleep(OWN_PAUSE),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(io::ErrorKind::ResourceBusy.into())
}

/// Whether the file that is open is the one under this name.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let (Ok(open), Ok(there)) = (file.metadata(), fs::symlink_metadata(path)) else { return false };
    (open.dev(), open.ino()) == (there.dev(), there.ino())
}

/// Elsewhere a file that is open keeps its name.
#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::SqliteStore;

    fn home() -> (tempfile::TempDir, Deployment, SqliteStore) {
        let folder = tempfile::tempdir().unwrap();
        let home = Deployment::at(folder.path());
        let store = SqliteStore::create(&home.database()).unwrap();
        (folder, home, store)
    }

    fn files(home: &Deployment) -> usize {
        fs::read_dir(home.processes_folder()).unwrap().count()
    }

    #[test]
    fn who_holds_its_lock_is_alive_and_who_let_go_is_gone() {
        let (_folder, home, _) = home();
        let [first, second, third] = [1, 2, 3].map(|boot| Presence::announce(&home, [boot; 16]).unwrap());
        assert_eq!(
            [1, 2, 3, 4].map(|boot| first.look(&[boot; 16])),
            [Seen::Alive, Seen::Alive, Seen::Alive, Seen::Unknown]
        );
        assert_eq!(third.look(&[1; 16]), Seen::Alive);
        drop(second);
        third.leave();
        assert_eq!((first.look(&[2; 16]), first.look(&[3; 16])), (Seen::Gone, Seen::Unknown));
        // Looking takes no lock that stays.
        assert_eq!(first.look(&[2; 16]), Seen::Gone);
    }

    #[test]
    fn the_files_of_the_dead_go_and_those_of_the_living_stay() {
        let (_folder, home, store) = home();
        let (first, second) =
            (Presence::announce(&home, [1; 16]).unwrap(), Presence::announce(&home, [2; 16]).unwrap());
        drop(Presence::announce(&home, [3; 16]).unwrap());
        fs::write(home.processes_folder().join("a stranger's"), "").unwrap();
        first.tidy(&store).unwrap();
        assert_eq!([1, 2, 3].map(|boot| second.look(&[boot; 16])), [Seen::Alive, Seen::Alive, Seen::Unknown]);
        assert_eq!(files(&home), 3);
    }

    #[test]
    fn who_cannot_lock_believes_no_lock() {
        let (_folder, home, _) = home();
        drop(Presence::announce(&home, [1; 16]).unwrap());
        let blind = Presence { folder: home.processes_folder(), boot: [2; 16], own: Mutex::new(None) };
        assert_eq!(blind.look(&[1; 16]), Seen::Unknown);
        fs::remove_dir_all(home.processes_folder()).unwrap();
        fs::write(home.processes_folder(), "no folder").unwrap();
        let without = Presence::announce(&home, [3; 16]).unwrap();
        assert_eq!(without.look(&[1; 16]), Seen::Unknown);
        without.leave();
    }

    /// One that somebody looks at while it is made, and one that somebody tidies away in that moment.
    #[test]
    fn a_file_that_others_look_at_is_locked_all_the_same() {
        let (_folder, home, _) = home();
        let first = Presence::announce(&home, [1; 16]).unwrap();
        let path = file_of(&home.processes_folder(), &[2; 16]);
        let looks = File::create(&path).unwrap();
        looks.try_lock_shared().unwrap();
        let second = thread::scope(|scope| {
            let second = scope.spawn(|| Presence::announce(&home, [2; 16]).unwrap());
            thread::sleep(4 * OWN_PAUSE);
            fs::remove_file(&path).unwrap();
            drop(looks);
            second.join().unwrap()
        });
        assert_eq!((first.look(&[2; 16]), second.look(&[1; 16])), (Seen::Alive, Seen::Alive));
    }
}
