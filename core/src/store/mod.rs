//! Durable state, as the core needs it: no SQL and no table names in sight.
//!
//! Two halves. A [`Snapshot`] reads, consistently, from any thread. A [`Transaction`] is what the one
//! writer thread of a process uses: it holds the head that all writers of all processes take turns
//! at, applies changes, appends lines, and makes everything durable together or nothing at all.
//! Sequencing, hashing and signing are not here, nor is any key.

mod rows;
mod search;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::{fmt, path::Path};

pub use rows::*;
#[cfg(feature = "sqlite")]
pub(crate) use search::Sieve;
pub use search::{IndexCheck, IndexPart, LineKey, LineSearch, LinesCounted, LinesFound, Order};
#[cfg(feature = "sqlite")]
pub use sqlite::{Maintenance, SqliteStore};

use crate::{
    Result,
    id::{Handle, ObjectId, TenantRef},
    keys::IndexHash,
};

/// A store of one deployment. Usable from many threads; calls block.
///
/// Transient trouble (a busy lock) is retried inside; an error that comes out is the caller's.
/// An implementation passes the test kit in [`crate::testing::store`].
pub trait Store: Send + Sync + fmt::Debug {
    /// A consistent view, of the moment of its first read. Cheap; held for as short a time as can be.
    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>>;

    /// Begins the one transaction that may write, waiting for other processes.
    /// Dropping it undoes everything.
    fn begin(&self) -> Result<Box<dyn Transaction + '_>>;

    /// Makes durable, on the disk, what was committed before this call, by whatever process. Any thread may call it while
    /// others commit. After an error nobody knows what of it the disk has: this store then begins no transaction any more,
    /// and has to be opened again.
    fn sync(&self) -> Result<()>;

    /// Does a bounded slice of housekeeping outside any commit: indexes that lag, the write-ahead log.
    /// `idle` says that nobody waits. Returns whether there is more to do. Any thread may call it, as long as that
    /// thread holds no transaction.
    fn maintain(&self, idle: bool) -> Result<bool>;

    /// Secrets of active tenants of which something expires at this time (in microseconds since 1970) or before, and of
    /// which that is not recorded yet, the longest overdue first, `limit` at most; found by an index, and each named once
    /// or twice. Candidates: their rows say whether it is so.
    fn due(&self, now: u64, limit: usize) -> Result<Vec<DueRow>>;

    /// Keeps room on the disk for the last lines of a store that is full, and says whether it has it. Cheap if it has.
    fn hold_reserve(&self) -> Reserve;

    /// Gives that room up, so that a little more can be written. Whether there was any.
    fn release_reserve(&self) -> bool;

    /// Builds a part of the indexes anew from the lines, in a short transaction of its own.
    fn repair_index(&self, part: IndexPart) -> Result<()>;

    /// Copies the whole store, as it is at one moment, to a new file, while others go on.
    /// Calls `progress(done, total)` in pages now and then.
    fn back_up(&self, to: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<()>;

    /// Checks the store's own structure, without keys. `Code::StoreDamaged` if it is not sound.
    fn check(&self) -> Result<()>;

    /// The schema's version, and the size of the store in bytes.
    fn facts(&self) -> Result<StoreFacts>;
}

/// Whether a store keeps room for its last lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserve {
    /// It does.
    Held,
    /// There is none to keep.
    NoRoom,
    /// It cannot, or need not.
    Unsupported,
}

/// What a store says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreFacts {
    /// Number of the last migration applied.
    pub schema: u32,
    /// Bytes on disk.
    pub bytes: u64,
    /// What it is, with its version: `SQLite 3.50.2`.
    pub engine: String,
    /// Secrets of all tenants.
    pub secrets: u64,
    /// Secret versions of all tenants.
    pub versions: u64,
    /// Lines not yet in the lagging index.
    pub lines_unindexed: u64,
}

/// Reads, all from the same moment.
pub trait Snapshot {
    /// Whose store this is; `None` before `init` is complete.
    fn deployment(&mut self) -> Result<Option<DeploymentRow>>;

    /// One tenant by number.
    fn tenant(&mut self, number: TenantNumber) -> Result<Option<TenantRow>>;
    /// One tenant by the keyed hash of its name.
    fn tenant_by_name(&mut self, name_hash: &IndexHash) -> Result<Option<TenantRow>>;
    /// One tenant by its ref.
    fn tenant_by_ref(&mut self, tenant: &TenantRef) -> Result<Option<TenantRow>>;
    /// All tenants but `sys`, by number.
    fn tenants(&mut self) -> Result<Vec<TenantRow>>;

    /// The candidate for a path.
    fn secret(&mut self, tenant: TenantNumber, name_hash: &IndexHash) -> Result<Option<SecretRow>>;
    /// The candidates for a folder's direct secrets, in the order of their hashes, `limit` at most.
    fn secrets_in(&mut self, tenant: TenantNumber, parent_hash: &IndexHash, limit: usize) -> Result<Vec<SecretRow>>;
    /// How many direct secrets and folders a folder has.
    fn folder_entries(&mut self, tenant: TenantNumber, parent_hash: &IndexHash) -> Result<u64>;
    /// The candidates for the folders directly in a folder, `limit` at most.
    fn folders_in(&mut self, tenant: TenantNumber, parent_hash: &IndexHash, limit: usize) -> Result<Vec<FolderRow>>;
    /// The candidate for a folder.
    fn folder(&mut self, tenant: TenantNumber, name_hash: &IndexHash) -> Result<Option<FolderRow>>;
    /// One version of a secret.
    fn version(&mut self, tenant: TenantNumber, secret: &SecretRow, version: u64) -> Result<Option<VersionRow>>;
    /// All versions of a secret, newest first.
    fn versions(&mut self, tenant: TenantNumber, secret: &SecretRow) -> Result<Vec<VersionRow>>;
    /// The candidates for all of these labels together, at least one, by id, `limit` at most. The first label is the one
    /// that most is left out by.
    fn secrets_labelled(
        &mut self,
        tenant: TenantNumber,
        label_hashes: &[IndexHash],
        limit: usize,
    ) -> Result<Vec<SecretRow>>;

    /// Secrets with an id over `after`, by id, `limit` at most.
    fn secrets_after(&mut self, tenant: TenantNumber, after: Option<&ObjectId>, limit: usize)
    -> Result<Vec<SecretRow>>;
    /// Folders with a name hash over `after`, by that, `limit` at most.
    fn folders_after(
        &mut self,
        tenant: TenantNumber,
        after: Option<&IndexHash>,
        limit: usize,
    ) -> Result<Vec<FolderRow>>;
    /// The keyed hashes of the labels that a secret is found by, in order.
    fn labels_of(&mut self, tenant: TenantNumber, secret: &ObjectId) -> Result<Vec<IndexHash>>;
    /// Versions, of all tenants, that are in the history of no secret.
    fn versions_astray(&mut self) -> Result<u64>;

    /// The handle of an actor.
    fn actor(&mut self, tenant: TenantNumber, name_hash: &IndexHash) -> Result<Option<ActorRow>>;
    /// Who a handle stands for.
    fn actor_by_handle(&mut self, tenant: TenantNumber, handle: &Handle) -> Result<Option<ActorRow>>;

    /// The head of everything; `None` before the first commit.
    fn head(&mut self) -> Result<Option<HeadRow>>;
    /// The heads of all logs of the current generation, by number.
    fn log_heads(&mut self) -> Result<Vec<LogHeadRow>>;
    /// The head of one log.
    fn log_head(&mut self, tenant: TenantNumber) -> Result<Option<LogHeadRow>>;
    /// All generations, oldest first.
    fn generations(&mut self) -> Result<Vec<GenerationRow>>;
    /// The tenants that a generation after the first started with: number, ref, status.
    fn generation_tenants(&mut self, generation: u32) -> Result<Vec<(TenantNumber, TenantRef, u8)>>;
    /// Epochs with an id over `after`, in order, `limit` at most.
    fn epochs(&mut self, after: u32, limit: usize) -> Result<Vec<EpochRow>>;
    /// Epochs whose closing line is not written.
    fn epochs_open(&mut self) -> Result<Vec<EpochRow>>;
    /// Intents whose result is not recorded, `limit` at most.
    fn intents(&mut self, limit: usize) -> Result<Vec<IntentRow>>;
    /// The id of the newest epoch; 0 if there was none.
    fn epoch_last(&mut self) -> Result<u32>;
    /// The tenants with lines numbered over `after`.
    fn tenants_with_lines(&mut self, after: u64) -> Result<Vec<TenantNumber>>;
    /// Commits with an id over `after`, in order, `limit` at most.
    fn commits(&mut self, after: u64, limit: usize) -> Result<Vec<CommitRow>>;
    /// Lines of all logs with a number over `after`, in order, `limit` at most.
    fn lines(&mut self, after: u64, limit: usize) -> Result<Vec<LineRow>>;
    /// Lines of one log and generation from position `from` on, in order, `limit` at most; unindexed ones too.
    fn lines_of(&mut self, tenant: TenantNumber, generation: u32, from: u64, limit: usize) -> Result<Vec<LineRow>>;
    /// Candidates for the lines of one log that have certain keys, of all generations; unindexed ones too. The work
    /// of one call is bounded: see [`LinesFound::looked_to`].
    fn search(&mut self, search: &LineSearch<'_>) -> Result<LinesFound>;
    /// Counts the candidates of a search, from the oldest on, without reading those that the index knows. Order and
    /// [`LineSearch::lines_max`] mean nothing here; the work of one call is bounded, as that of a search.
    fn count(&mut self, search: &LineSearch<'_>) -> Result<LinesCounted>;
    /// Compares a part of the indexes with the lines.
    fn check_index(&mut self, part: IndexPart) -> Result<IndexCheck>;
}

/// What one operation changes. Applied whole or not at all; `Stale` means that what it was computed
/// from has changed since, and nothing of it was applied.
#[derive(Debug)]
pub enum Change {
    /// The first row of all. Stale if there is one.
    CreateDeployment(DeploymentRow),
    /// A new version of the deployment row. Stale unless the stored revision is one less.
    UpdateDeployment(DeploymentRow),
    /// A new tenant, with its empty log. Stale if the number, ref or name is taken.
    CreateTenant(TenantRow),
    /// A new version of a tenant row. Stale unless the stored revision is one less.
    UpdateTenant(TenantRow),
    /// A new version of a secret row, with the version it adds, those it changes and those it removes; it may have another
    /// name than before. Stale unless the stored revision is one less (none for revision 1), and if another secret has
    /// the name.
    PutSecret(Box<PutSecret>),
    /// A secret with all its versions and labels, and the folders that this leaves empty.
    DeleteSecret(DeleteSecret),
    /// None: other changes were computed from this secret. Stale unless the stored revision is this.
    RequireSecret {
        /// Whose secret.
        tenant: TenantNumber,
        /// Which one.
        id: ObjectId,
        /// As it was read.
        revision: u64,
    },
    /// A new actor. Stale if the name has a handle already.
    CreateActor(TenantNumber, ActorRow),
    /// Something outside the store is about to be done. One of the same tenant, request and act gives way.
    OpenIntent(IntentRow),
    /// What became of it is recorded. Never stale: another process may have recorded that nobody knows.
    CloseIntent(IntentRow),
    /// A new epoch. Stale if its id is not the next one.
    OpenEpoch(EpochRow),
    /// Marks an epoch closed, with the last checkpoint it is known to have signed. Stale if there is no
    /// such epoch, or if somebody closed it already: its closing is written once.
    CloseEpoch {
        /// Which one.
        id: u32,
        /// Its last checkpoint, if the caller knows it.
        checkpoint: Option<Vec<u8>>,
    },
}

/// See [`Change::PutSecret`].
#[derive(Debug)]
pub struct PutSecret {
    /// Whose secret.
    pub tenant: TenantNumber,
    /// The row as it shall be.
    pub secret: SecretRow,
    /// The version to add, if any.
    pub version: Option<VersionRow>,
    /// Versions that are there, as they shall be. Stale unless the stored revision of each is one less.
    pub changed: Vec<VersionRow>,
    /// Removes the versions below this one.
    pub oldest: Option<u64>,
    /// The keyed hashes of its labels as they shall be; `None` leaves them.
    pub labels: Option<Vec<IndexHash>>,
    /// The folders that it is in; those that exist are left alone.
    pub folders: Vec<FolderRow>,
    /// The folders that it was in before, innermost first; each is removed if nothing is left in it.
    pub left: Vec<IndexHash>,
}

impl PutSecret {
    /// A change of the row, and of versions that are there; nothing is added or removed.
    pub(crate) fn of_row(tenant: TenantNumber, secret: SecretRow, changed: Vec<VersionRow>) -> Self {
        Self {
            tenant,
            secret,
            version: None,
            changed,
            oldest: None,
            labels: None,
            folders: Vec::new(),
            left: Vec::new(),
        }
    }
}

/// See [`Change::DeleteSecret`].
#[derive(Debug)]
pub struct DeleteSecret {
    /// Whose secret.
    pub tenant: TenantNumber,
    /// Which one.
    pub id: ObjectId,
    /// Stale unless the stored revision is this.
    pub revision: u64,
    /// The folders it is in, innermost first; each is removed if nothing is left in it.
    pub folders: Vec<IndexHash>,
}

/// Whether a change was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Applied {
    /// It was.
    Done,
    /// What it was computed from has changed: nothing of it was applied.
    Stale,
    /// There is no room for so much more: nothing of it was applied.
    Exceeds(Growth),
}

/// Everything that one commit adds to the audit log.
#[derive(Debug)]
pub struct Record<'a> {
    /// The new lines, in order.
    pub lines: &'a [LineRow],
    /// The heads of the logs that changed.
    pub heads: &'a [LogHeadRow],
    /// The new leaf of the head log.
    pub commit: &'a CommitRow,
    /// The new head.
    pub head: &'a HeadRow,
}

/// A new generation: see [`Transaction::open_generation`].
#[derive(Debug)]
pub struct OpenGeneration<'a> {
    /// The generation to open.
    pub generation: &'a GenerationRow,
    /// The last checkpoint of the generation before.
    pub checkpoint: &'a [u8],
    /// The empty heads of all logs.
    pub heads: &'a [LogHeadRow],
    /// The head it starts with: no commits, no lines.
    pub head: &'a HeadRow,
}

/// The one transaction that writes. Holds off all other writers until it ends. After an error of any of its
/// methods it can only be dropped, which undoes it: a commit is refused.
pub trait Transaction: Snapshot {
    /// Applies all of these changes, or none.
    fn apply(&mut self, changes: &[Change]) -> Result<Applied> {
        self.apply_within(changes, Growth::ANY)
    }
    /// The same; none, too, if a tenant would then have more in store than `room` over what it has. What makes nothing
    /// more is applied whatever the room.
    fn apply_within(&mut self, changes: &[Change], room: Growth) -> Result<Applied>;
    /// By how much the changes that were applied since the last call of this made more of what each tenant has stored.
    fn take_growth(&mut self) -> Vec<(TenantNumber, Growth)>;
    /// Writes the commit's part of the audit log.
    fn record(&mut self, record: &Record<'_>) -> Result<()>;
    /// Keeps the last checkpoint that an epoch signed, before another epoch's replaces it in the head.
    fn keep_checkpoint(&mut self, epoch: u32, checkpoint: &[u8]) -> Result<()>;
    /// Ends the open generation and begins the next: heads of all logs, head and history.
    fn open_generation(&mut self, open: &OpenGeneration<'_>) -> Result<()>;
    /// Makes it all visible to everybody, whole. It survives the end of this process; a crash of the machine only once
    /// [`Store::sync`] was called after it.
    fn commit(self: Box<Self>) -> Result<()>;
}
