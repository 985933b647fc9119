//! A store that fails on cue: before it does a step, or after it has done it.
//!
//! "Failed, yet done" is what a broken connection or a disk that reports late looks like from above. Whoever
//! writes must neither lose nor repeat anything then.

use std::{
    fmt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use super::reads;
use crate::{
    Code, Error, Result,
    id::{Handle, ObjectId, TenantRef},
    keys::IndexHash,
    store::{
        ActorRow, Applied, Change, CommitRow, DeploymentRow, DueRow, EpochRow, FolderRow, GenerationRow, Growth,
        HeadRow, IndexCheck, IndexPart, IntentRow, LineRow, LineSearch, LinesCounted, LinesFound, LogHeadRow,
        OpenGeneration, Record, Reserve, SecretRow, Snapshot, Store, StoreFacts, TenantNumber, TenantRow, Transaction,
        VersionRow,
    },
};

/// A call that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// [`Store::snapshot`].
    Snapshot,
    /// [`Store::begin`].
    Begin,
    /// [`Store::sync`].
    Sync,
    /// [`Store::maintain`].
    Maintain,
    /// [`Store::repair_index`].
    RepairIndex,
    /// [`Transaction::apply`].
    Apply,
    /// [`Transaction::record`].
    Record,
    /// [`Transaction::keep_checkpoint`].
    KeepCheckpoint,
    /// [`Transaction::open_generation`].
    OpenGeneration,
    /// [`Transaction::commit`].
    Commit,
}

/// In what way a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Failed, and nothing was done.
    NotDone(Code),
    /// Failed, and yet it was done.
    YetDone(Code),
}

/// Wraps a store and plays a script.
///
/// ```text
/// let faulty = FaultyStore::new(store);
/// faulty.fail(Step::Commit, 2, Failure::YetDone(Code::StoreUnavailable)); // the second commit from here on
/// ```
pub struct FaultyStore {
    inner: Arc<dyn Store>,
    plan: Plan,
}

#[derive(Default)]
struct Plan(Mutex<Script>);

#[derive(Default)]
struct Script {
    /// Each step with the calls to go until it fails.
    cues: Vec<(Step, u64, Failure)>,
    calls: Vec<Step>,
    /// A sync failed.
    broken: bool,
}

impl FaultyStore {
    /// Fails nothing until told to.
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner, plan: Plan::default() }
    }

    /// The `nth` call of this step from now on fails, 1 being the next; those after it do not. After a failed
    /// [`Step::Sync`] each transaction and each sync is refused, as by every store.
    pub fn fail(&self, step: Step, nth: u64, failure: Failure) {
        assert!(nth > 0, "1 is the next call");
        self.plan.script(|script| script.cues.push((step, nth, failure)));
    }

    /// Makes it as it is when it has been opened again, after a failed sync.
    pub fn open_again(&self) {
        self.plan.script(|script| script.broken = false);
    }

    /// How often a step was called, failed calls included.
    pub fn calls(&self, step: Step) -> usize {
        self.plan.script(|script| script.calls.iter().filter(|call| **call == step).count())
    }

    /// Failures that have not happened yet. A test that ends with some tested less than it says.
    pub fn pending(&self) -> usize {
        self.plan.script(|script| script.cues.len())
    }

    /// The store within, which does not fail.
    pub fn inner(&self) -> &Arc<dyn Store> {
        &self.inner
    }
}

impl fmt::Debug for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyStore").field("inner", &self.inner).field("pending", &self.pending()).finish()
    }
}

impl Plan {
    fn script<T>(&self, work: impl FnOnce(&mut Script) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts the call, and does it or fails as it is its turn to.
    fn play<T>(&self, step: Step, call: impl FnOnce() -> Result<T>) -> Result<T> {
        let failure = self.script(|script| {
            script.calls.push(step);
            if script.broken && matches!(step, Step::Begin | Step::Sync) {
                return Some(Failure::NotDone(Code::StoreUnavailable));
            }
            script.cues.iter_mut().filter(|cue| cue.0 == step).for_each(|cue| cue.1 -= 1);
            let due = script.cues.iter().position(|cue| cue.0 == step && cue.1 == 0)?;
            script.broken |= step == Step::Sync;
            Some(script.cues.remove(due).2)
        });
        let error = |code| Error::new(code).detail(format!("{step:?} failed as told"));
        match failure {
            None => call(),
            Some(Failure::NotDone(code)) => Err(error(code)),
            Some(Failure::YetDone(code)) => call().and_then(|_| Err(error(code))),
        }
    }
}

impl Store for FaultyStore {
    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>> {
        self.plan.play(Step::Snapshot, || self.inner.snapshot())
    }

    fn begin(&self) -> Result<Box<dyn Transaction + '_>> {
        self.plan.play(Step::Begin, || {
            Ok(Box::new(FaultyTransaction { inner: self.inner.begin()?, plan: &self.plan }) as Box<dyn Transaction>)
        })
    }

    fn sync(&self) -> Result<()> {
        self.plan.play(Step::Sync, || self.inner.sync())
    }

    fn maintain(&self, idle: bool) -> Result<bool> {
        self.plan.play(Step::Maintain, || self.inner.maintain(idle))
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
        self.plan.play(Step::RepairIndex, || self.inner.repair_index(part))
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

struct FaultyTransaction<'s> {
    inner: Box<dyn Transaction + 's>,
    plan: &'s Plan,
}

impl Transaction for FaultyTransaction<'_> {
    fn apply_within(&mut self, changes: &[Change], room: Growth) -> Result<Applied> {
        self.plan.play(Step::Apply, || self.inner.apply_within(changes, room))
    }

    fn take_growth(&mut self) -> Vec<(TenantNumber, Growth)> {
        self.inner.take_growth()
    }

    fn record(&mut self, record: &Record<'_>) -> Result<()> {
        self.plan.play(Step::Record, || self.inner.record(record))
    }

    fn keep_checkpoint(&mut self, epoch: u32, checkpoint: &[u8]) -> Result<()> {
        self.plan.play(Step::KeepCheckpoint, || self.inner.keep_checkpoint(epoch, checkpoint))
    }

    fn open_generation(&mut self, open: &OpenGeneration<'_>) -> Result<()> {
        self.plan.play(Step::OpenGeneration, || self.inner.open_generation(open))
    }

    fn commit(self: Box<Self>) -> Result<()> {
        let Self { inner, plan } = *self;
        plan.play(Step::Commit, || inner.commit())
    }
}

/// Reads pass through: what a store that fails them does to its caller, a failing `snapshot` shows too.
macro_rules! pass_through {
    ($($name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        impl Snapshot for FaultyTransaction<'_> {
            $(fn $name(&mut self $(, $argument: $type)*) -> Result<$result> {
                self.inner.$name($($argument),*)
            })*
        }
    };
}

reads!(pass_through);

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use super::*;
    use crate::{
        store::SqliteStore,
        testing::store::{Pair, check_store, deployment_row},
    };

    fn store(folder: &Path) -> FaultyStore {
        FaultyStore::new(Arc::new(SqliteStore::create(&folder.join("strongroom.db")).expect("a new store")))
    }

    #[test]
    fn without_a_script_it_is_as_the_store_within() {
        let (folder, number) = (tempfile::tempdir().unwrap(), std::cell::Cell::new(0));
        check_store(&|| {
            let path = folder.path().join(format!("{}.db", number.replace(number.get() + 1)));
            let store = Arc::new(FaultyStore::new(Arc::new(SqliteStore::create(&path).unwrap())));
            let other = SqliteStore::open(&path, crate::store::Maintenance::Inline).unwrap();
            Pair { store, other: Arc::new(other) }
        });
    }

    #[test]
    fn each_step_fails_in_both_ways_and_only_in_its_turn() {
        let steps = [Step::Begin, Step::Apply, Step::Commit];
        for (step, failure, done) in steps.into_iter().flat_map(|step| {
            let yet_done = step == Step::Commit;
            [(step, Failure::NotDone(Code::StoreFull), false), (step, Failure::YetDone(Code::StoreFull), yet_done)]
        }) {
            let folder = tempfile::tempdir().unwrap();
            let store = store(folder.path());
            let work = || {
                let mut transaction = store.begin()?;
                let applied = transaction.apply(&[Change::CreateDeployment(deployment_row())])?;
                transaction.commit()?;
                Ok::<_, Error>(applied)
            };
            store.begin().unwrap().commit().unwrap();
            store.fail(step, 1, failure);
            assert_eq!(store.pending(), 1);
            let error = work().unwrap_err();
            assert_eq!(error.code(), Code::StoreFull, "{step:?} {failure:?}");
            assert_eq!(store.pending(), 0);
            let there = store.snapshot().unwrap().deployment().unwrap().is_some();
            assert_eq!(there, done, "{step:?} {failure:?}");
            let applied = work().unwrap();
            assert_eq!(applied == Applied::Stale, done, "{step:?} {failure:?}");
            assert!(store.calls(step) >= 2);
        }
    }

    #[test]
    fn after_a_failed_sync_nothing_is_begun_until_it_is_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        store.begin().unwrap().commit().unwrap();
        store.fail(Step::Sync, 1, Failure::NotDone(Code::StoreFull));
        assert_eq!(store.sync().unwrap_err().code(), Code::StoreFull);
        for refused in [store.sync().err(), store.begin().err()] {
            assert_eq!(refused.unwrap().code(), Code::StoreUnavailable);
        }
        assert!(store.snapshot().is_ok(), "it may be looked at");
        store.open_again();
        store.begin().unwrap().commit().unwrap();
        store.sync().unwrap();
    }

    #[test]
    fn a_cue_waits_for_its_turn() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        store.fail(Step::Snapshot, 3, Failure::NotDone(Code::StoreBusy));
        store.fail(Step::Snapshot, 1, Failure::YetDone(Code::StoreFull));
        let codes: Vec<_> = (0..4).map(|_| store.snapshot().err().map(|error| error.code())).collect();
        assert_eq!(codes, [Some(Code::StoreFull), None, Some(Code::StoreBusy), None]);
    }
}
