//! A store that keeps what it was asked, and of which tenant; and that can be told to take one tenant for another.
//!
//! So a test sees that an operation neither read nor wrote anything of anybody else, that two operations took the same
//! queries, and that it would notice if that were not so.

use std::{
    fmt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use super::reads;
use crate::{
    Result,
    id::{Handle, ObjectId, TenantRef},
    keys::IndexHash,
    store::{
        ActorRow, Applied, Change, CommitRow, DeploymentRow, DueRow, EpochRow, FolderRow, GenerationRow, Growth,
        HeadRow, IndexCheck, IndexPart, IntentRow, LineRow, LineSearch, LinesCounted, LinesFound, LogHeadRow,
        OpenGeneration, Record, Reserve, SecretRow, Snapshot, Store, StoreFacts, TenantNumber, TenantRow, Transaction,
        VersionRow,
    },
};

/// One call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Seen {
    /// The method; of a change that was applied, its kind.
    pub call: &'static str,
    /// The tenant that it names, if it names one.
    pub tenant: Option<TenantNumber>,
    /// Whether a tenant's rows or lines are changed by it.
    pub writes: bool,
}

/// A call that takes one tenant for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confusion {
    /// The read that is confused.
    pub call: &'static str,
    /// Who is asked for.
    pub asked: TenantNumber,
    /// Whose rows are given.
    pub given: TenantNumber,
}

/// Wraps a store.
pub struct WatchedStore {
    inner: Arc<dyn Store>,
    watch: Watching,
}

#[derive(Default)]
struct Watching(Mutex<Watch>);

#[derive(Default)]
struct Watch {
    seen: Vec<Seen>,
    confusion: Option<Confusion>,
}

impl WatchedStore {
    /// Changes nothing of what the store within does.
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner, watch: Watching::default() }
    }

    /// What was called since the last time, in order, by threads that carry out operations: not by those that keep house
    /// or look after leases.
    pub fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.watch.lock().seen)
    }

    /// From now on takes one tenant for another; `None`: no more.
    pub fn confuse(&self, confusion: Option<Confusion>) {
        self.watch.lock().confusion = confusion;
    }

    /// The store within.
    pub fn inner(&self) -> &Arc<dyn Store> {
        &self.inner
    }
}

impl fmt::Debug for WatchedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchedStore").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl Watching {
    fn lock(&self) -> std::sync::MutexGuard<'_, Watch> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn saw(&self, call: &'static str, tenant: Option<TenantNumber>, writes: bool) {
        let thread = thread::current();
        let operates = |name: &str| name.starts_with("strongroom-read-") || name == "strongroom-writer";
        if thread.name().is_some_and(operates) {
            self.lock().seen.push(Seen { call, tenant, writes });
        }
    }

    fn saw_all(&self, changes: &[Change]) {
        for change in changes {
            let (call, tenant) = kind_of(change);
            self.saw(call, tenant, true);
        }
    }

    /// The tenant that this call is to be about.
    fn whose(&self, call: &'static str, asked: TenantNumber) -> TenantNumber {
        let confused = self.lock().confusion.filter(|confusion| (confusion.call, confusion.asked) == (call, asked));
        confused.map_or(asked, |confusion| confusion.given)
    }
}

impl Store for WatchedStore {
    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>> {
        self.watch.saw("snapshot", None, false);
        Ok(Box::new(WatchedSnapshot { inner: self.inner.snapshot()?, watch: &self.watch }))
    }

    fn begin(&self) -> Result<Box<dyn Transaction + '_>> {
        Ok(Box::new(WatchedTransaction { inner: self.inner.begin()?, watch: &self.watch }))
    }

    fn sync(&self) -> Result<()> {
        self.inner.sync()
    }

    fn maintain(&self, idle: bool) -> Result<bool> {
        self.inner.maintain(idle)
    }

    fn due(&self, now: u64, limit: usize) -> Result<Vec<DueRow>> {
        self.inner.due(now, limit)
    }

    fn hold_reserve(&self) -> Reserve {
        self.inner.hold_reserve()
    }

    fn release_reserve(&self) -> bool {
        self.inner.release_reserve()
    }

    fn repair_index(&self, part: IndexPart) -> Result<()> {
        self.inner.repair_index(part)
    }

    fn back_up(&self, to: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<()> {
        self.inner.back_up(to, progress)
    }

    fn check(&self) -> Result<()> {
        self.inner.check()
    }

    fn facts(&self) -> Result<StoreFacts> {
        self.inner.facts()
    }
}

struct WatchedSnapshot<'s> {
    inner: Box<dyn Snapshot + 's>,
    watch: &'s Watching,
}

struct WatchedTransaction<'s> {
    inner: Box<dyn Transaction + 's>,
    watch: &'s Watching,
}

impl Transaction for WatchedTransaction<'_> {
    fn apply(&mut self, changes: &[Change]) -> Result<Applied> {
        self.watch.saw_all(changes);
        self.inner.apply(changes)
    }

    fn apply_within(&mut self, changes: &[Change], room: Growth) -> Result<Applied> {
        self.watch.saw_all(changes);
        self.inner.apply_within(changes, room)
    }

    fn take_growth(&mut self) -> Vec<(TenantNumber, Growth)> {
        self.inner.take_growth()
    }

    fn record(&mut self, record: &Record<'_>) -> Result<()> {
        for line in record.lines {
            self.watch.saw("line", Some(line.tenant), true);
        }
        for head in record.heads {
            self.watch.saw("head of a log", Some(head.tenant), true);
        }
        self.inner.record(record)
    }

    fn keep_checkpoint(&mut self, epoch: u32, checkpoint: &[u8]) -> Result<()> {
        self.inner.keep_checkpoint(epoch, checkpoint)
    }

    fn open_generation(&mut self, open: &OpenGeneration<'_>) -> Result<()> {
        self.inner.open_generation(open)
    }

    fn commit(self: Box<Self>) -> Result<()> {
        self.inner.commit()
    }
}

/// What a change is called, and whose rows it changes.
fn kind_of(change: &Change) -> (&'static str, Option<TenantNumber>) {
    match change {
        Change::CreateDeployment(_) => ("create deployment", None),
        Change::UpdateDeployment(_) => ("update deployment", None),
        Change::CreateTenant(row) => ("create tenant", Some(row.number)),
        Change::UpdateTenant(row) => ("update tenant", Some(row.number)),
        Change::PutSecret(put) => ("put secret", Some(put.tenant)),
        Change::DeleteSecret(delete) => ("delete secret", Some(delete.tenant)),
        Change::RequireSecret { tenant, .. } => ("require secret", Some(*tenant)),
        Change::CreateActor(tenant, _) => ("create actor", Some(*tenant)),
        Change::OpenIntent(row) => ("open intent", Some(row.tenant)),
        Change::CloseIntent(row) => ("close intent", Some(row.tenant)),
        Change::OpenEpoch(_) => ("open epoch", None),
        Change::CloseEpoch { .. } => ("close epoch", None),
    }
}

/// An argument of a read, which may name a tenant.
trait Argument: Sized {
    fn tenant(&self) -> Option<TenantNumber> {
        None
    }

    /// The same, with what the watching makes of the tenant.
    fn told(self, _: &Watching, _: &'static str) -> Self {
        self
    }
}

impl Argument for TenantNumber {
    fn tenant(&self) -> Option<TenantNumber> {
        Some(*self)
    }

    fn told(self, watch: &Watching, call: &'static str) -> Self {
        watch.whose(call, self)
    }
}

impl Argument for &LineSearch<'_> {
    fn tenant(&self) -> Option<TenantNumber> {
        Some(self.tenant)
    }
}

impl<T> Argument for Option<&T> {}
impl Argument for &IndexHash {}
impl Argument for &[IndexHash] {}
impl Argument for &TenantRef {}
impl Argument for &ObjectId {}
impl Argument for &Handle {}
impl Argument for &SecretRow {}
impl Argument for IndexPart {}
impl Argument for usize {}
impl Argument for u64 {}
impl Argument for u32 {}

/// Keeps what is read, and reads it in the store within.
macro_rules! watch {
    ($($name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        watch!(@impl WatchedSnapshot: $($name($($argument: $type),*) -> $result;)*);
        watch!(@impl WatchedTransaction: $($name($($argument: $type),*) -> $result;)*);
    };
    (@impl $wrapper:ident: $($name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        impl Snapshot for $wrapper<'_> {
            $(fn $name(&mut self $(, $argument: $type)*) -> Result<$result> {
                let call = stringify!($name);
                let tenants: &[Option<TenantNumber>] = &[$(Argument::tenant(&$argument)),*];
                self.watch.saw(call, tenants.iter().flatten().next().copied(), false);
                self.inner.$name($(Argument::told($argument, self.watch, call)),*)
            })*
        }
    };
}

reads!(watch);

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use super::*;
    use crate::{
        store::SqliteStore,
        testing::store::{Pair, check_store},
    };

    #[test]
    fn it_is_as_the_store_within() {
        let (folder, number) = (tempfile::tempdir().unwrap(), std::cell::Cell::new(0));
        check_store(&|| {
            let path = folder.path().join(format!("{}.db", number.replace(number.get() + 1)));
            let store = Arc::new(WatchedStore::new(Arc::new(SqliteStore::create(&path).unwrap())));
            let other = SqliteStore::open(&path, crate::store::Maintenance::Inline).unwrap();
            Pair { store, other: Arc::new(other) }
        });
    }

    #[test]
    fn it_keeps_what_threads_of_operations_ask_and_takes_one_tenant_for_another() {
        let folder = tempfile::tempdir().unwrap();
        let store = WatchedStore::new(Arc::new(SqliteStore::create(&folder.path().join("strongroom.db")).unwrap()));
        let (one, two) = (TenantNumber(1), TenantNumber(2));
        let ask = |name: &str| {
            let work = || drop(store.snapshot().unwrap().labels_of(one, &ObjectId::from_bytes([1; 16])).unwrap());
            thread::scope(|scope| {
                thread::Builder::new().name(name.to_owned()).spawn_scoped(scope, work).unwrap().join()
            })
            .unwrap();
            store.take()
        };
        assert_eq!(ask("strongroom-upkeep"), []);
        let seen = |call, tenant| Seen { call, tenant, writes: false };
        assert_eq!(ask("strongroom-read-0"), [seen("snapshot", None), seen("labels_of", Some(one))]);
        store.confuse(Some(Confusion { call: "labels_of", asked: one, given: two }));
        assert_eq!(store.watch.whose("labels_of", one), two);
        assert_eq!((store.watch.whose("labels_of", two), store.watch.whose("secret", one)), (two, one));
        store.confuse(None);
        assert_eq!(store.watch.whose("labels_of", one), one);
    }
}
