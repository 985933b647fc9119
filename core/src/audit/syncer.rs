//! The syncer: makes commits durable while the writer is at the next, and answers.
//!
//! Nobody hears of a commit before the disk has it. While one sync is under way more commits gather, and the next sync is
//! for all of them. The writer, for its part, begins the next commit once as many jobs wait as have no answer yet, or the
//! sync is done: without that commits would shrink, and each costs a signature.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
};

use super::{
    Written,
    queue::{Answer, Queue},
};
use crate::{
    Code, Error, Result,
    anchor::Keepers,
    metrics::{Meter, Timer},
    store::Store,
};

/// Answers that wait for a sync.
pub(super) type Answers = Vec<(Answer, Written)>;

/// A handle on the thread, held by the writer.
pub(super) struct Syncer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    store: Arc<dyn Store>,
    anchors: Arc<Keepers>,
    meter: Arc<Meter>,
    queue: Arc<Queue>,
    waiting: Mutex<Waiting>,
    came: Condvar,
}

#[derive(Default)]
struct Waiting {
    answers: Answers,
    /// A sync is under way.
    busy: bool,
    /// Jobs that are committed and have no answer.
    unanswered: usize,
    ends: bool,
    /// The thread is gone: nothing is ever synced.
    gone: bool,
}

impl Syncer {
    /// Starts the thread, which tells those who keep anchors of every sync.
    pub(super) fn start(
        store: Arc<dyn Store>,
        anchors: Arc<Keepers>,
        meter: Arc<Meter>,
        queue: Arc<Queue>,
    ) -> Result<Self> {
        let (waiting, came) = (Mutex::default(), Condvar::new());
        let shared = Arc::new(Shared { store, anchors, meter, queue, waiting, came });
        let own = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("strongroom-syncer".to_owned())
            .spawn(move || {
                let _ = catch_unwind(AssertUnwindSafe(|| run(&own)));
                own.leave();
            })
            .map_err(|error| Error::new(Code::Internal).detail("starting the syncer").caused_by(error))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Has what was committed synced, and answers. On this thread if it is alone, since waking another would take
    /// longer than there is to gain.
    pub(super) fn push(&self, answers: Answers, alone: bool) {
        let mut waiting = self.shared.lock();
        if waiting.gone {
            drop(waiting);
            return refuse(answers, &Code::Internal.into());
        }
        if alone && !waiting.busy && waiting.answers.is_empty() {
            drop(waiting);
            return self.shared.sync(answers);
        }
        waiting.unanswered += answers.len();
        waiting.answers.extend(answers);
        self.shared.queue.gather(waiting.unanswered);
        let wake = !waiting.busy;
        drop(waiting);
        if wake {
            self.shared.came.notify_one();
        }
    }
}

/// Waits until all have their answer.
impl Drop for Syncer {
    fn drop(&mut self) {
        self.shared.lock().ends = true;
        self.shared.came.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Syncer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Syncer").finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sync(&self, answers: Answers) {
        let timer = Timer::start(&self.meter.sync);
        let synced =
            catch_unwind(AssertUnwindSafe(|| self.store.sync())).unwrap_or_else(|_| Err(Code::Internal.into()));
        drop(timer);
        match synced {
            Ok(()) => {
                for (answer, written) in answers {
                    answer(Ok(written));
                }
                self.anchors.committed();
            }
            Err(error) => {
                tracing::error!(code = error.code().name(), "a sync failed: nobody knows what the disk has");
                refuse(answers, &error);
            }
        }
    }

    /// Nobody may wait for a thread that is gone, neither the writer nor those whose answers it had.
    fn leave(&self) {
        let mut waiting = self.lock();
        waiting.gone = true;
        let answers = std::mem::take(&mut waiting.answers);
        drop(waiting);
        refuse(answers, &Code::Internal.into());
        self.queue.gather(0);
    }
}

fn refuse(answers: Answers, error: &Error) {
    for (answer, _) in answers {
        answer(Err(error.again()));
    }
}

fn run(shared: &Shared) {
    loop {
        let waited = shared.came.wait_while(shared.lock(), |waiting| waiting.answers.is_empty() && !waiting.ends);
        let mut waiting = waited.unwrap_or_else(PoisonError::into_inner);
        let answers = std::mem::take(&mut waiting.answers);
        if answers.is_empty() {
            return;
        }
        waiting.busy = true;
        drop(waiting);
        let count = answers.len();
        shared.sync(answers);
        let mut waiting = shared.lock();
        waiting.busy = false;
        waiting.unanswered -= count;
        shared.queue.gather(waiting.unanswered);
    }
}
