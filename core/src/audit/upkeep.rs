//! Housekeeping beside the writer, on a thread of its own, so that no commit waits for it.
//!
//! The store says what there is to do and does it in bounded slices ([`Store::maintain`]); the writer says
//! when to look: after some commits, and when nobody waits.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
};

use crate::{Code, Error, Result, store::Store};

/// Commits after which it is worth looking: a look costs a few reads.
const LOOK_EVERY_COMMITS: u32 = 8;

/// A handle on the thread, held by the writer.
#[derive(Debug)]
pub(super) struct Upkeep {
    shared: Arc<Shared>,
    commits: u32,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    told: Mutex<Told>,
    changed: Condvar,
}

/// What the thread was told last.
#[derive(Debug, Default)]
struct Told {
    look: bool,
    idle: bool,
    ends: bool,
}

impl Upkeep {
    /// Starts the thread.
    pub(super) fn start(store: Arc<dyn Store>) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("strongroom-upkeep".to_owned())
            .spawn(move || run(&own, &*store))
            .map_err(|error| Error::new(Code::Internal).detail("starting the housekeeping").caused_by(error))?;
        Ok(Self { shared, commits: 0, thread: Some(thread) })
    }

    /// There was a commit.
    pub(super) fn committed(&mut self) {
        self.commits += 1;
        if self.commits.is_multiple_of(LOOK_EVERY_COMMITS) {
            self.tell(false);
        } else {
            self.shared.lock().idle = false;
        }
    }

    /// Nobody waits.
    pub(super) fn idle(&self) {
        self.tell(true);
    }

    fn tell(&self, idle: bool) {
        let mut told = self.shared.lock();
        told.look = true;
        told.idle = idle;
        drop(told);
        self.shared.changed.notify_one();
    }
}

/// Waits for the slice that is being done, and no longer.
impl Drop for Upkeep {
    fn drop(&mut self) {
        self.shared.lock().ends = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is something to look at, and says whether nobody else waits; `None` at the end.
    fn wait(&self) -> Option<bool> {
        let waited = self.changed.wait_while(self.lock(), |told| !told.look && !told.ends);
        let mut told = waited.unwrap_or_else(PoisonError::into_inner);
        told.look = false;
        (!told.ends).then_some(told.idle)
    }

    /// Whether nothing has happened since it was told to look because nobody waits.
    fn still_idle(&self) -> bool {
        let told = self.lock();
        told.idle && !told.ends
    }
}

fn run(shared: &Shared, store: &dyn Store) {
    while let Some(idle) = shared.wait() {
        while look(store, idle) && idle && shared.still_idle() {}
    }
}

/// Does one slice; whether there is more to do.
fn look(store: &dyn Store, idle: bool) -> bool {
    match catch_unwind(AssertUnwindSafe(|| store.maintain(idle))) {
        Ok(Ok(more)) => more,
        Ok(Err(error)) => {
            tracing::warn!(code = error.code().name(), "housekeeping failed; it is tried again");
            false
        }
        Err(_) => {
            tracing::error!("housekeeping panicked");
            false
        }
    }
}
