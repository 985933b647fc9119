//! SQLite: the embedded default.
//!
//! One connection writes, a bounded number read. Several processes may have the same file open: they
//! take turns by SQLite's own lock, for which [`connection::begin_immediate`] waits fairly. The settings,
//! and why: [`connection`].

mod backup;
mod check_index;
mod connection;
mod due;
mod fault;
mod key_index;
mod maintain;
mod migrate;
mod places;
mod pool;
#[cfg(unix)]
mod reserve;
#[cfg(not(unix))]
#[path = "no_reserve.rs"]
mod reserve;
mod rows;
mod snapshot;
mod sync;
#[cfg(test)]
mod tests;
mod transaction;

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rusqlite::Connection;

pub use connection::Maintenance;

use self::{
    connection::{BEGIN_WAIT_MAX, Role, connect, refuse_network},
    fault::{Fault, Place},
    maintain::Upkeep,
    migrate::MIGRATIONS,
    places::Places,
    pool::{Lease, Pool},
    snapshot::{Reading, Session},
    sync::Wal,
    transaction::Writing,
};
use super::{DueRow, IndexPart, Reserve, Snapshot, Store, StoreFacts, Transaction};
use crate::{Code, Error, Result};

/// Snapshots that one process may hold at a time; who comes later waits.
const READERS_MAX: usize = 8;
/// How long a snapshot waits for a connection.
const READER_WAIT_MAX: Duration = Duration::from_secs(10);

/// A store in one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    place: Place,
    /// `None` if nothing is ever written.
    maintenance: Option<Maintenance>,
    upkeep: Upkeep,
    wal: Wal,
    places: Places,
    readers: Pool,
    housekeeper: Pool,
    writer: Pool,
}

impl SqliteStore {
    /// Makes a new file, readable by its owner only, with [`Maintenance::Inline`].
    ///
    /// # Errors
    /// `DeploymentExists` if there is a file, `DeploymentMissing` if there is no folder, `StoreReadOnly`,
    /// `StoreFull`, `StoreUnavailable` on a network file system.
    pub fn create(path: &Path) -> Result<Self> {
        let place = Place::new(path)?;
        refuse_network(&place)?;
        create_file(place.path()).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Error::new(Code::DeploymentExists),
            _ => place.blame_io(error),
        })?;
        let made =
            Self::start(place.clone(), Maintenance::Inline).and_then(|store| sync_folder(&place).map(|()| store));
        if made.is_err() {
            // It was made a moment ago and holds nothing. What stays behind is finished by `open`.
            for path in [place.path().to_owned(), place.wal(), place.beside("-shm")] {
                let _ = fs::remove_file(path);
            }
        }
        made
    }

    /// Opens a file, bringing its schema up to date. An empty file, which is what an interrupted
    /// [`Self::create`] leaves, is finished.
    ///
    /// # Errors
    /// `DeploymentMissing` if there is no file, `StoreDamaged` if it is none of ours, `SchemaNewer`, `SchemaDrift`,
    /// `StoreReadOnly`, `StoreFull`, `StoreUnavailable` on a network file system.
    pub fn open(path: &Path, maintenance: Maintenance) -> Result<Self> {
        let place = Place::new(path)?;
        refuse_network(&place)?;
        existing(&place)?;
        Self::start(place, maintenance)
    }

    /// Opens a file that nobody writes, such as a backup, without changing a byte of it or beside it.
    /// It must be of this program's schema or of an older one that reads the same; whoever would write
    /// gets `StoreReadOnly`.
    ///
    /// # Errors
    /// `DeploymentMissing` if there is no file, `StoreDamaged` if it is none of ours, `SchemaNewer`, `SchemaDrift`.
    pub fn open_still(path: &Path) -> Result<Self> {
        let place = Place::new(path)?;
        existing(&place)?;
        let reader = connect(&place, Role::Still)
            .and_then(|reader| {
                migrate::check(&reader, MIGRATIONS)?;
                Ok(reader)
            })
            .map_err(|fault| place.blame(fault))?;
        let never = || Pool::new(1, || Err(Error::new(Code::StoreReadOnly).detail("it was opened for reading only")));
        Ok(Self {
            maintenance: None,
            upkeep: Upkeep::default(),
            wal: Wal::default(),
            places: Places::default(),
            readers: pool(&place, READERS_MAX, Role::Still).with(reader),
            housekeeper: never(),
            writer: never(),
            place,
        })
    }

    fn start(place: Place, maintenance: Maintenance) -> Result<Self> {
        let writer = connect(&place, Role::Writer(maintenance))
            .and_then(|writer| {
                migrate::bring_up_to_date(&writer, MIGRATIONS, &|schema| Ok(keep(&place, schema)?))?;
                Ok(writer)
            })
            .map_err(|fault| place.blame(fault))?;
        Ok(Self {
            maintenance: Some(maintenance),
            upkeep: Upkeep::default(),
            wal: Wal::default(),
            places: Places::default(),
            readers: pool(&place, READERS_MAX, Role::Reader),
            housekeeper: pool(&place, 1, Role::Housekeeper),
            writer: pool(&place, 1, Role::Writer(maintenance)).with(writer),
            place,
        })
    }

    fn reader(&self) -> Result<Lease<'_>> {
        self.readers.lease(READER_WAIT_MAX)
    }

    fn writer(&self) -> Result<Lease<'_>> {
        self.writer.lease(BEGIN_WAIT_MAX)
    }

    /// Runs a query outside any transaction.
    fn query<T>(&self, query: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T> {
        let lease = self.reader()?;
        query(&lease).map_err(|fault| self.place.blame(fault))
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.readers.close_idle();
        self.housekeeper.close_idle();
        if self.maintenance.is_some()
            && let Ok(Some(writer)) = self.writer.lease_now()
        {
            maintain::leave(&writer);
        }
    }
}

impl Store for SqliteStore {
    /// The moment is that of the first read.
    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>> {
        Ok(Box::new(Session::<Reading>::begin(self, self.reader()?)?))
    }

    fn begin(&self) -> Result<Box<dyn Transaction + '_>> {
        self.wal.check()?;
        Ok(Box::new(Session::<Writing>::begin(self, self.writer()?)?))
    }

    fn sync(&self) -> Result<()> {
        if self.maintenance.is_some() { self.wal.sync(&self.place) } else { Ok(()) }
    }

    fn maintain(&self, idle: bool) -> Result<bool> {
        maintain::maintain(self, idle)
    }

    fn due(&self, now: u64, limit: usize) -> Result<Vec<DueRow>> {
        due::due(self, now, limit)
    }

    /// Only beside a service: a command that ends in a moment has no stop to record.
    fn hold_reserve(&self) -> Reserve {
        match self.maintenance {
            Some(Maintenance::Background) => reserve::hold(&self.place),
            Some(Maintenance::Inline) | None => Reserve::Unsupported,
        }
    }

    fn release_reserve(&self) -> bool {
        self.maintenance == Some(Maintenance::Background) && reserve::release(&self.place)
    }

    fn repair_index(&self, part: IndexPart) -> Result<()> {
        check_index::repair(self, part)
    }

    fn back_up(&self, to: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<()> {
        backup::back_up(&self.place, to, progress)
    }

    fn check(&self) -> Result<()> {
        self.query(backup::check)
    }

    fn facts(&self) -> Result<StoreFacts> {
        let size = |path: &Path| fs::metadata(path).map_or(0, |facts| facts.len());
        self.query(|db| {
            Ok(StoreFacts {
                schema: migrate::version(db)?,
                bytes: size(self.place.path()) + size(&self.place.wal()),
                engine: format!("SQLite {}", rusqlite::version()),
                secrets: rows::count(db, "SELECT count(*) FROM secrets", [])?,
                versions: rows::count(db, "SELECT count(*) FROM secret_versions", [])?,
                lines_unindexed: maintain::tail(db)?,
            })
        })
    }
}

/// Connections of one kind to one file.
fn pool(place: &Place, connections_max: usize, role: Role) -> Pool {
    let place = place.clone();
    Pool::new(connections_max, move || connect(&place, role).map_err(|fault| place.blame(fault)))
}

/// Copies a file of an older schema before the first step that changes it, to
/// `<name>.schema-<number>-<seconds since 1970>` beside it. Nobody removes these but the operator.
fn keep(place: &Place, schema: u32) -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let copy = place.beside(&format!(".schema-{schema:04}-{now}"));
    backup::back_up(place, &copy, &mut |_, _| {})
}

/// The file must be there: SQLite itself would not say why it cannot open it.
fn existing(place: &Place) -> Result<()> {
    match fs::metadata(place.path()) {
        Ok(facts) if facts.is_file() => Ok(()),
        Ok(_) => Err(Error::new(Code::StoreUnavailable).detail("it is not a file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Error::new(Code::DeploymentMissing)),
        Err(error) => Err(place.blame_io(error)),
    }
}

/// A new file that is its owner's alone. SQLite gives the files beside it the same mode.
fn create_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Makes a new name in the folder survive a crash.
fn sync_folder(place: &Place) -> Result<()> {
    let synced = File::open(place.folder()).and_then(|folder| folder.sync_all());
    synced.map_err(|error| place.blame_io(error))
}
