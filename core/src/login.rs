//! Logins that the device refused: noted beside the database, until the log has them.
//!
//! Without the device nothing can be signed, so a refused login cannot be a line at once. It is noted in a file, durably,
//! before the caller hears of it; the next opening that succeeds writes it down as one line, and takes the note away when
//! that line is durable. Many refusals make one note: how many they were, when the first was, and the last.
//!
//! The note has an id, which the line names, and counts all refusals since it was begun. If a process dies between the
//! line and the taking away, the next one finds lines of that id, and writes down only what they do not count yet.
//!
//! A login is not tried where its refusal could not be noted, and a deployment is not opened past a note that cannot be
//! read. One that can be read and makes no sense is written down as that, with the hash of its bytes, by which it is
//! known if that happens twice. There is no name, PIN or place in a note.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, Read as _},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use strongroom_log::{
    INTEGER_MAX, LineBuilder, LineTemplate, Object, Origin, Outcome, Who, hex_array, hex_encode, parse_line, sha256,
};

use crate::{
    Code, Deployment, Error, Result,
    clock::{Clock as _, SystemClock, Timestamp},
    deployment::{unreadable, unwritable, write_durably},
    device::DeviceError,
    random::{Random, SystemRandom},
    store::{LineKey, LineSearch, Order, Store, TenantNumber},
};

/// The act of the line.
const ACT: &str = "device.login";

/// The type of its object.
const KIND: &str = "login";

/// A longer note was not written by us. Of what was not, this much is hashed.
const NOTE_BYTES_MAX: usize = 4_096;

/// How long another process may hold the lock: for as long as a commit takes.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);

/// How often it is tried in between.
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// Lines looked at in one go for what a note has in common with the log.
const LINES_SEARCHED: usize = 256;

/// The note, as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Note {
    /// Why the last one was refused.
    code: String,
    count: u64,
    first: u64,
    /// The time of the first and eight random bytes, in hex.
    id: String,
    last: u64,
    v: u8,
}

impl Note {
    fn begin(code: Code, now: u64) -> Result<Self> {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&now.to_be_bytes());
        SystemRandom.fill(&mut id[8..])?;
        Ok(Self { code: code.name().to_owned(), count: 0, first: now, id: hex_encode(&id), last: now, v: 1 })
    }

    /// One more. A clock that was set back does not make the last one older than the first.
    fn add(&mut self, code: Code, now: u64) {
        code.name().clone_into(&mut self.code);
        self.count = (self.count + 1).min(INTEGER_MAX);
        self.last = self.last.max(now);
    }

    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let note: Self = serde_json::from_slice(bytes).ok()?;
        let is_whole = note.v == 1
            && REFUSALS.iter().any(|code| code.name() == note.code)
            && (1..=INTEGER_MAX).contains(&note.count)
            && note.first <= note.last
            && note.last <= INTEGER_MAX
            && note.id().is_some_and(|id| id[..8] == note.first.to_be_bytes())
            && note.to_bytes().ok()? == bytes;
        is_whole.then_some(note)
    }

    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|error| Error::new(Code::Internal).caused_by(error))
    }

    fn id(&self) -> Option<[u8; 16]> {
        hex_array(&self.id)
    }
}

/// What a device says that refused a login.
const REFUSALS: [Code; 2] = [Code::DevicePinRefused, Code::DevicePinLocked];

impl Deployment {
    /// Has `log_in` open this deployment's device, or make or take away its keys, which tries the PIN or passphrase once.
    /// If the device refuses that, it is noted durably in the data folder, if there is one, and the next opening writes it
    /// to the audit log. Whoever opens a device for a deployment does it in here.
    ///
    /// # Errors
    /// What `log_in` says; before it is called, `StoreReadOnly` or `StoreFull` where nothing could be noted.
    pub fn log_in<T>(&self, log_in: impl FnOnce() -> Result<T, DeviceError>) -> Result<T> {
        let has_folder = self.folder().is_dir();
        if has_folder {
            drop(open_lock(self)?);
        }
        let error = match log_in() {
            Ok(device) => return Ok(device),
            Err(error) => Error::from(error),
        };
        if has_folder
            && REFUSALS.contains(&error.code())
            && let Err(unnoted) = note_refusal(self, error.code(), SystemClock::new().now())
        {
            // The caller gets nothing either way.
            tracing::error!(code = unnoted.code().name(), "the refused login could not be noted for the audit log");
        }
        Err(error)
    }
}

fn note_file(home: &Deployment) -> PathBuf {
    home.folder().join("login.refused")
}

/// Where a note goes that makes no sense and is in the way of another.
fn odd_file(home: &Deployment) -> PathBuf {
    home.folder().join("login.odd")
}

fn note_refusal(home: &Deployment, code: Code, now: Timestamp) -> Result<()> {
    let _lock = Lock::wait(home)?;
    let (path, now) = (note_file(home), now.0.min(INTEGER_MAX));
    let mut note = match read(&path)?.as_deref().map(Note::parse) {
        Some(Some(note)) => note,
        None => Note::begin(code, now)?,
        Some(None) => {
            fs::rename(&path, odd_file(home)).map_err(|error| unwritable(&path, error))?;
            Note::begin(code, now)?
        }
    };
    note.add(code, now);
    write_durably(&path, &note.to_bytes()?)
}

/// Refused logins that were noted, and a lock that keeps others from noting more until they are in the log.
#[derive(Debug)]
pub(crate) struct Refused {
    /// What the log does not have yet.
    pub(crate) lines: Vec<LineTemplate>,
    files: Vec<PathBuf>,
    _lock: Lock,
}

impl Refused {
    /// What is noted beside the database, if anything is.
    ///
    /// # Errors
    /// `FileUnreadable` if there is a note that cannot be read: no opening goes past it.
    pub(crate) fn take(
        home: &Deployment,
        store: &dyn Store,
        origin: &Origin,
        random: &dyn Random,
    ) -> Result<Option<Self>> {
        let files = [note_file(home), odd_file(home)];
        // Without the lock, most openings that there are.
        if files
            .iter()
            .all(|file| matches!(fs::symlink_metadata(file), Err(error) if error.kind() == ErrorKind::NotFound))
        {
            return Ok(None);
        }
        let mut refused = Self { lines: Vec::new(), files: Vec::new(), _lock: Lock::wait(home)? };
        for file in files {
            let Some(bytes) = read(&file)? else { continue };
            refused.lines.extend(line_of(&bytes, store, origin, random.array()?)?);
            refused.files.push(file);
        }
        Ok(Some(refused))
    }

    /// The lines are durable: the notes go.
    pub(crate) fn recorded(self) {
        for file in &self.files {
            if let Err(error) = fs::remove_file(file) {
                tracing::warn!(%error, "a note of refused logins stays; the log has it already");
            }
        }
    }
}

/// The line for a note, if the log does not have it yet.
fn line_of(bytes: &[u8], store: &dyn Store, origin: &Origin, request: [u8; 16]) -> Result<Option<LineTemplate>> {
    let sys = origin.sys();
    let line = LineBuilder::new(ACT, &sys, Who::System, request);
    let (line, code) = match Note::parse(bytes) {
        Some(note) => {
            let id = note.id().ok_or(Code::Internal)?;
            let count = note.count.saturating_sub(counted(store, &id)?);
            if count == 0 {
                return Ok(None);
            }
            let code = REFUSALS.into_iter().find(|code| code.name() == note.code).ok_or(Code::Internal)?;
            (line.object(Object { kind: KIND, id, version: Some(note.last) }).count(count), code)
        }
        None => {
            let hash = sha256(bytes);
            let mut id = [0; 16];
            id.copy_from_slice(&hash.as_bytes()[..16]);
            (line.object(Object { kind: KIND, id, version: None }).detail(hash), Code::DevicePinRefused)
        }
    };
    line.finish(Outcome::Refused(code.name())).map(Some).map_err(|error| Error::new(Code::Internal).caused_by(error))
}

/// How many refused logins of this note the log has.
fn counted(store: &dyn Store, id: &[u8; 16]) -> Result<u64> {
    let mut snapshot = store.snapshot()?;
    let keys = [vec![LineKey::object(id)], vec![LineKey::act(ACT)]];
    let mut until = snapshot.head()?.map_or(0, |head| head.last_seq);
    let mut count = 0_u64;
    loop {
        let search = LineSearch {
            tenant: TenantNumber::SYS,
            keys: &keys,
            after: 0,
            until,
            order: Order::NewestFirst,
            lines_max: LINES_SEARCHED,
        };
        let found = snapshot.search(&search)?;
        for row in &found.lines {
            let Ok(line) = parse_line(&row.line) else { continue };
            let is_ours = line.act == ACT
                && line.who_type == "system"
                && line.obj.is_some_and(|object| object.kind == KIND && object.id_bytes() == *id);
            if is_ours {
                count = count.saturating_add(line.n.unwrap_or(0));
            }
        }
        match found.looked_to {
            Some(seq) if seq > 1 => until = seq - 1,
            _ => return Ok(count),
        }
    }
}

/// What is in a file, as far as a note goes; `None` if there is none.
fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    let read = || -> io::Result<Vec<u8>> {
        // Asked first: to open a pipe would wait for whoever writes to it.
        if !fs::symlink_metadata(path)?.is_file() {
            return Err(ErrorKind::InvalidInput.into());
        }
        let mut bytes = Vec::new();
        File::open(path)?.take(NOTE_BYTES_MAX as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match read() {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(path, error)),
    }
}

/// Held while a note is read and replaced, and until what it says is in the log.
#[derive(Debug)]
struct Lock {
    _file: File,
}

impl Lock {
    fn wait(home: &Deployment) -> Result<Self> {
        let file = open_lock(home)?;
        let until = Instant::now() + LOCK_PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) if Instant::now() < until => thread::sleep(LOCK_PAUSE),
                Err(TryLockError::WouldBlock) => {
                    return Err(unreadable(&lock_file(home), ErrorKind::ResourceBusy.into()));
                }
                Err(TryLockError::Error(error)) => return Err(unreadable(&lock_file(home), error)),
            }
        }
    }
}

fn lock_file(home: &Deployment) -> PathBuf {
    home.folder().join("login.lock")
}

fn open_lock(home: &Deployment) -> Result<File> {
    let path = lock_file(home);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(&path).map_err(|error| unwritable(&path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: u64 = 1_900_000_000_000_000;

    fn home() -> (tempfile::TempDir, Deployment) {
        let folder = tempfile::tempdir().unwrap();
        let home = Deployment::at(folder.path());
        (folder, home)
    }

    fn refuse(home: &Deployment, error: DeviceError) -> Code {
        home.log_in(|| Err::<(), _>(error)).unwrap_err().code()
    }

    fn note(home: &Deployment) -> Option<Note> {
        Note::parse(&read(&note_file(home)).unwrap()?)
    }

    #[test]
    fn refusals_are_counted_and_nothing_else_is() {
        let (_folder, home) = home();
        home.log_in(|| Ok(())).unwrap();
        refuse(&home, DeviceError::Unavailable("away".to_owned()));
        refuse(&home, DeviceError::PinUnset);
        assert_eq!(note(&home), None);
        let before = SystemClock::new().now().0;
        assert_eq!(refuse(&home, DeviceError::PinRefused), Code::DevicePinRefused);
        let one = note(&home).unwrap();
        assert!(one.count == 1 && one.first == one.last && one.first >= before);
        assert_eq!(refuse(&home, DeviceError::PinLocked), Code::DevicePinLocked);
        let two = note(&home).unwrap();
        assert_eq!((two.count, two.first, &two.id, &*two.code), (2, one.first, &one.id, "SR-DEVICE-PIN-LOCKED"));
        home.log_in(|| Ok(())).unwrap();
        assert_eq!(note(&home), Some(two), "it goes when the log has it");
    }

    #[test]
    fn times_of_a_clock_that_was_set_back_are_in_order() {
        let mut note = Note::begin(Code::DevicePinRefused, FIRST).unwrap();
        note.add(Code::DevicePinRefused, FIRST - 9);
        note.add(Code::DevicePinRefused, FIRST + 9);
        note.add(Code::DevicePinRefused, FIRST + 8);
        assert_eq!((note.count, note.first, note.last), (3, FIRST, FIRST + 9));
        assert_eq!(Note::parse(&note.to_bytes().unwrap()), Some(note.clone()));
        note.count = INTEGER_MAX;
        note.add(Code::DevicePinRefused, FIRST);
        assert_eq!(note.count, INTEGER_MAX);
    }

    #[test]
    fn only_what_we_write_is_a_note() {
        let good = Note { count: 2, ..Note::begin(Code::DevicePinRefused, FIRST).unwrap() };
        assert!(Note::parse(&good.to_bytes().unwrap()).is_some());
        for (name, bad) in [
            ("none", Note { count: 0, ..good.clone() }),
            ("too many", Note { count: INTEGER_MAX + 1, ..good.clone() }),
            ("backwards", Note { last: FIRST - 1, ..good.clone() }),
            ("too late", Note { last: INTEGER_MAX + 1, ..good.clone() }),
            ("another time in its id", Note { first: FIRST - 1, ..good.clone() }),
            ("no id", Note { id: "00".to_owned(), ..good.clone() }),
            ("no refusal", Note { code: "SR-INTEGRITY".to_owned(), ..good.clone() }),
            ("from the future", Note { v: 2, ..good.clone() }),
        ] {
            assert_eq!(Note::parse(&bad.to_bytes().unwrap()), None, "{name}");
        }
        let text = String::from_utf8(good.to_bytes().unwrap()).unwrap();
        for bad in
            [text.replace(':', ": "), text.replace("\"v\"", "\"x\":1,\"v\""), text[1..].to_owned(), String::new()]
        {
            assert_eq!(Note::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn a_note_that_makes_no_sense_is_kept_and_counting_begins_anew() {
        let (_folder, home) = home();
        fs::write(note_file(&home), "what is this").unwrap();
        refuse(&home, DeviceError::PinRefused);
        assert_eq!(note(&home).unwrap().count, 1);
        assert_eq!(fs::read(odd_file(&home)).unwrap(), b"what is this");
    }

    #[test]
    fn where_nothing_can_be_noted_no_login_is_tried() {
        let (_folder, home) = home();
        fs::create_dir(lock_file(&home)).unwrap();
        home.log_in::<()>(|| panic!("the device is asked")).unwrap_err();
        // Where there is no folder yet, there is no deployment that it could be a line of.
        let nowhere = Deployment::at(home.folder().join("none"));
        assert_eq!(refuse(&nowhere, DeviceError::PinRefused), Code::DevicePinRefused);
        assert!(!nowhere.folder().exists());
    }
}
