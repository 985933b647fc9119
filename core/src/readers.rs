//! The reader threads: where stored rows are read, opened and checked.
//!
//! Reading blocks and deciphering computes, so neither happens on a caller's event loop. The queue
//! in front is bounded: callers wait for a place.

use std::{
    collections::VecDeque,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::JoinHandle,
};

use tokio::sync::{Semaphore, oneshot};

use crate::{
    Code, Error, Result, limits, memory,
    store::{Snapshot, Store},
};

/// Threads that read. SQLite answers from several connections at once, and two fill two cores.
const THREADS: usize = 4;

type Work = Box<dyn FnOnce(&dyn Store) + Send>;

pub(crate) struct Readers {
    places: Arc<Semaphore>,
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    waiting: Mutex<Waiting>,
    came: Condvar,
}

#[derive(Default)]
struct Waiting {
    work: VecDeque<Work>,
    closed: bool,
}

impl Readers {
    pub(crate) fn start(store: &Arc<dyn Store>) -> Result<Self> {
        let shared = Arc::new(Shared { waiting: Mutex::default(), came: Condvar::new() });
        let threads = (0..THREADS)
            .map(|number| {
                let (shared, store) = (Arc::clone(&shared), Arc::clone(store));
                std::thread::Builder::new()
                    .name(format!("strongroom-read-{number}"))
                    .spawn(move || run(&shared, &*store))
            })
            .collect::<std::io::Result<Vec<_>>>()
            .map_err(|error| Error::new(Code::Internal).detail("starting the readers").caused_by(error))?;
        Ok(Self {
            places: Arc::new(Semaphore::new(limits::READER_QUEUE_JOBS_MAX)),
            shared,
            threads: Mutex::new(threads),
        })
    }

    /// Runs this on a reader thread, with a snapshot. A caller that goes away before its turn costs nothing.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Snapshot) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.run(move |store| work(&mut *store.snapshot()?)).await
    }

    /// Runs this on a reader thread.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Store) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let place = self.places.acquire().await.map_err(|_| Code::Closed)?;
        let (answer, answered) = oneshot::channel();
        let work: Work = Box::new(move |store| {
            if !answer.is_closed() {
                let _ = answer.send(work(store));
            }
        });
        {
            let mut waiting = self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.closed {
                return Err(Code::Closed.into());
            }
            waiting.work.push_back(work);
        }
        self.shared.came.notify_one();
        // A panic on the thread drops the answer: an error of ours, and the thread lives on.
        let answer = answered.await.map_err(|_| Error::new(Code::Internal).detail("a reader failed"));
        drop(place);
        answer?
    }

    /// Serves those who wait and ends the threads. Blocks.
    pub(crate) fn close(&self) {
        self.places.close();
        self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.shared.came.notify_all();
        for thread in self.threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = thread.join();
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readers").finish_non_exhaustive()
    }
}

fn run(shared: &Shared, store: &dyn Store) {
    loop {
        let work = {
            let waiting = shared.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let mut waiting = shared
                .came
                .wait_while(waiting, |waiting| waiting.work.is_empty() && !waiting.closed)
                .unwrap_or_else(PoisonError::into_inner);
            match waiting.work.pop_front() {
                Some(work) => work,
                None => break,
            }
        };
        if catch_unwind(AssertUnwindSafe(|| work(store))).is_err() {
            tracing::error!("a read panicked");
        }
    }
    memory::scrub_stack();
}
