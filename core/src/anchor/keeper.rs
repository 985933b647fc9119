//! The threads that write anchors, one for each, so that one whose volume hangs keeps none of the others.
//!
//! A commit only sets a flag. A thread waits a little for more of them, reads the head that is durable by then, and
//! replaces its file, if that is older. What fails is tried again for as long as the room is open: service goes on, and
//! the status says since when there is no memory outside.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use strongroom_log::{Anchor, Origin, RootKey};

use super::{
    AnchorPlace,
    check::{authentic, missing},
    file::Locked,
};
use crate::{
    Code, Deployment, DeploymentId, Error, KeyDevice, Result,
    clock::{Clock, Timestamp},
    store::Store,
};

/// How long a change waits for others before it is written: with the writing itself, less than a second.
const COALESCE: Duration = Duration::from_millis(400);

/// How long what failed is left alone.
const RETRY: Duration = Duration::from_secs(2);

/// How long closing waits for an anchor's last writing.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// What an anchor's thread needs to know of the deployment.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) device: Arc<dyn KeyDevice>,
    /// The data folder, once the database is in it.
    pub(crate) home: Option<Deployment>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) deployment: DeploymentId,
    /// The origin in the generation that is written.
    pub(crate) origin: Origin,
    pub(crate) root_key: RootKey,
}

/// What writing an anchor may do. Only a recorded act allows more than the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriteMode {
    /// Replace an older checkpoint of ours.
    Advance,
    /// Make the file, too, if there is none.
    Create,
    /// Replace what is there, whatever it remembers.
    Replace,
}

/// How an anchor is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnchorStatus {
    /// Which one.
    pub place: AnchorPlace,
    /// The generation of the log that it remembers; 0 while none is known.
    pub generation: u32,
    /// The commits of that generation that it remembers.
    pub commits: u64,
    /// When this process last found it up to date, or made it so.
    pub current_at: Option<Timestamp>,
    /// What keeps it from being written, if anything does.
    pub failing: Option<AnchorFailing>,
}

/// Why an anchor is not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnchorFailing {
    /// Since when, as far as this process knows.
    pub since: Timestamp,
    /// What the last try said.
    pub code: Code,
}

/// All anchors that this process writes.
#[derive(Debug)]
pub(crate) struct Keepers {
    facts: Arc<Facts>,
    keepers: Mutex<Vec<Keeper>>,
}

#[derive(Debug)]
struct Keeper {
    place: AnchorPlace,
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    /// There was a commit that the thread has not looked at.
    changed: AtomicBool,
    told: Mutex<Told>,
    woken: Condvar,
}

#[derive(Debug)]
struct Told {
    ends: bool,
    ended: bool,
    status: AnchorStatus,
}

impl Keepers {
    pub(crate) fn new(facts: Facts) -> Self {
        Self { facts: Arc::new(facts), keepers: Mutex::new(Vec::new()) }
    }

    /// What the threads know of the deployment.
    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Writes an anchor for the first time, in this mode, and then after each change. What fails now is tried again;
    /// why it failed is returned.
    pub(crate) fn start(&self, place: &AnchorPlace, mode: WriteMode) -> Result<Result<()>> {
        let written = write(place, &self.facts, mode);
        let status = AnchorStatus { place: place.clone(), generation: 0, commits: 0, current_at: None, failing: None };
        let failed = written.is_err();
        let outcome = written.as_ref().map(|_| ()).map_err(Error::again);
        let told = Mutex::new(Told { ends: false, ended: false, status });
        let shared = Arc::new(Shared { changed: AtomicBool::new(failed), told, woken: Condvar::new() });
        shared.note(&self.facts, written);
        let (own, own_place, facts) = (Arc::clone(&shared), place.clone(), Arc::clone(&self.facts));
        let thread = std::thread::Builder::new()
            .name("strongroom-anchor".to_owned())
            .spawn(move || {
                run(&own, &own_place, &facts);
                own.lock().ended = true;
                own.woken.notify_all();
            })
            .map_err(|error| Error::new(Code::Internal).detail("starting an anchor").caused_by(error))?;
        self.lock().push(Keeper { place: place.clone(), shared, thread });
        Ok(outcome)
    }

    /// Writes this one no more. What it holds stays as it is.
    pub(crate) fn stop(&self, place: &AnchorPlace) {
        let stopped: Vec<_> = self.lock().extract_if(.., |keeper| keeper.place == *place).collect();
        end(stopped);
    }

    /// There was a commit: it is durable.
    pub(crate) fn committed(&self) {
        for keeper in self.lock().iter() {
            if !keeper.shared.changed.swap(true, Ordering::AcqRel) {
                // Under the lock, so that the thread does not miss it between looking and sleeping.
                drop(keeper.shared.lock());
                keeper.shared.woken.notify_all();
            }
        }
    }

    /// How all of them are.
    pub(crate) fn status(&self) -> Vec<AnchorStatus> {
        self.lock().iter().map(|keeper| keeper.shared.lock().status.clone()).collect()
    }

    /// Has the last change written, and ends the threads. Waits for a bounded time. A second call does nothing.
    pub(crate) fn close(&self) {
        let keepers = std::mem::take(&mut *self.lock());
        end(keepers);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Keeper>> {
        self.keepers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Keepers {
    fn drop(&mut self) {
        self.close();
    }
}

fn end(keepers: Vec<Keeper>) {
    for keeper in &keepers {
        keeper.shared.lock().ends = true;
        keeper.shared.woken.notify_all();
    }
    for keeper in keepers {
        let waited = keeper.shared.woken.wait_timeout_while(keeper.shared.lock(), CLOSE_PATIENCE, |told| !told.ended);
        let ended = waited.unwrap_or_else(PoisonError::into_inner).0.ended;
        if ended {
            let _ = keeper.thread.join();
        } else {
            // It hangs in the file system. It holds nothing that anybody needs.
            tracing::warn!(anchor = %keeper.place, "an anchor does not answer; its last change is not written");
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a change, then a little for more; whether this is the end.
    fn wait(&self) -> bool {
        let idle = |told: &mut Told| !told.ends && !self.changed.load(Ordering::Acquire);
        let told = self.woken.wait_while(self.lock(), idle).unwrap_or_else(PoisonError::into_inner);
        let pause = if told.status.failing.is_some() { RETRY } else { COALESCE };
        let waited = self.woken.wait_timeout_while(told, pause, |told| !told.ends);
        waited.unwrap_or_else(PoisonError::into_inner).0.ends
    }

    /// Notes how the last try went, and says so when that changes.
    fn note(&self, facts: &Facts, written: Result<(u32, u64)>) {
        let now = facts.clock.now();
        let mut told = self.lock();
        let status = &mut told.status;
        match written {
            Ok((generation, commits)) => {
                if status.failing.take().is_some() {
                    tracing::info!(anchor = %status.place, "the anchor is written again");
                }
                (status.generation, status.commits, status.current_at) = (generation, commits, Some(now));
            }
            Err(error) => {
                let since = status.failing.map_or(now, |failing| failing.since);
                if status.failing.is_none_or(|failing| failing.code != error.code()) {
                    let code = error.code().name();
                    tracing::warn!(code, anchor = %status.place, "the anchor cannot be written; it is tried again");
                }
                status.failing = Some(AnchorFailing { since, code: error.code() });
            }
        }
    }
}

fn run(shared: &Shared, place: &AnchorPlace, facts: &Facts) {
    loop {
        let ends = shared.wait();
        shared.changed.store(false, Ordering::Release);
        let written = catch_unwind(AssertUnwindSafe(|| write(place, facts, WriteMode::Advance)))
            .unwrap_or_else(|_| Err(Code::Internal.into()));
        if written.is_err() {
            shared.changed.store(true, Ordering::Release);
        }
        shared.note(facts, written);
        if ends {
            return;
        }
    }
}

/// Brings an anchor up to date; which generation and how many commits it remembers then.
fn write(place: &AnchorPlace, facts: &Facts, mode: WriteMode) -> Result<(u32, u64)> {
    let locked = Locked::wait(place, facts)?;
    let there = match mode {
        WriteMode::Replace => None,
        WriteMode::Advance | WriteMode::Create => locked.read()?,
    };
    let there = match there {
        None if mode == WriteMode::Advance => return Err(missing(place)),
        None => None,
        Some(bytes) => Some(authentic(place, &bytes, facts)?),
    };
    // Read under the lock and after the file: what another process put there is in the database by now.
    let head = head(facts)?;
    let rank = |anchor: &Anchor| (anchor.origin().generation(), anchor.frontier().size());
    if let Some(there) = there {
        if rank(&there) > rank(&head) || rank(&there) == rank(&head) && there.frontier() != head.frontier() {
            return Err(Error::new(Code::LogRolledBack).detail(place.to_string()));
        }
        if rank(&there) == rank(&head) {
            return Ok(rank(&head));
        }
    }
    locked.replace(head.write().as_bytes())?;
    Ok(rank(&head))
}

/// The head of the log as it is durable now.
fn head(facts: &Facts) -> Result<Anchor> {
    let damaged = |what: &str| Error::new(Code::StoreDamaged).detail(what);
    let mut snapshot = facts.store.snapshot()?;
    let head = snapshot.head()?.ok_or_else(|| damaged("there is no head"))?;
    facts.store.sync()?;
    if head.generation != facts.origin.generation() {
        return Err(Error::new(Code::StoreUnavailable).detail("another log generation was opened"));
    }
    let epoch = snapshot.epochs(head.epoch.saturating_sub(1), 1)?.pop().filter(|row| row.id == head.epoch);
    let epoch = epoch.ok_or_else(|| damaged("the epoch of the newest checkpoint is missing"))?;
    let frontier = crate::audit::read_frontier(&head.frontier)?;
    Anchor::new(*facts.deployment.as_bytes(), &facts.origin, frontier, &head.checkpoint, &epoch.certificate)
        .map_err(|error| damaged("the newest checkpoint").caused_by(error))
}
