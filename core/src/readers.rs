//! The reader threads: where stored rows are read, opened and checked.
//!
//! Reading blocks and deciphering computes, so neither happens on a caller's event loop. The number of
//! operations under way is bounded: callers wait for a place. Places and threads are given to tenants in turn
//! ([`crate::turns`]). A snapshot that is open serves all who
//! were waiting when it was taken, since beginning one costs more than most reads.

use std::{
    collections::VecDeque,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
};

use tokio::sync::oneshot;

use crate::{
    Code, Error, Result, limits, memory,
    store::{Snapshot, Store, TenantNumber},
    turns::{Place, Places, Turns},
};

/// Threads that read: one goes on while the other has something long, and more of them only wake each other.
const THREADS: usize = 2;
/// Jobs that one snapshot serves at most: old pages are held no longer than that takes.
const SNAPSHOT_JOBS_MAX: usize = 64;

/// Work on a snapshot. It says whether that is still good for the next.
type Read = Box<dyn FnOnce(Result<&mut dyn Snapshot>) -> bool + Send>;

/// Work on the store itself.
type Other = Box<dyn FnOnce(&dyn Store) + Send>;

/// What waits.
enum Work {
    Read(Read),
    Other(Other),
}

pub(crate) struct Readers {
    places: Places,
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    waiting: Mutex<Waiting>,
    came: Condvar,
}

#[derive(Default)]
struct Waiting {
    /// Each with how much had been handed over when it was.
    work: Turns<(u64, Work)>,
    /// Those whose turn it is: as many as one snapshot serves, since it would serve few of them if each pick were the next
    /// tenant's newest.
    batch: VecDeque<(u64, Work)>,
    /// Everything that ever waited, so that a snapshot knows for whom it is recent enough.
    pushed: u64,
    /// Threads with nothing to do.
    sleeping: usize,
    /// One of them is being woken, and looks around by itself.
    waking: bool,
    closed: bool,
}

impl Waiting {
    fn front(&mut self) -> Option<&(u64, Work)> {
        if self.batch.is_empty() {
            self.batch.extend(std::iter::from_fn(|| self.work.pop()).take(SNAPSHOT_JOBS_MAX));
        }
        self.batch.front()
    }

    fn pop(&mut self) -> Option<(u64, Work)> {
        self.front()?;
        self.batch.pop_front()
    }

    fn is_empty(&self) -> bool {
        self.batch.is_empty() && self.work.is_empty()
    }
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
        Ok(Self { places: Places::new(limits::OPERATIONS_MAX), shared, threads: Mutex::new(threads) })
    }

    /// Waits for a place among the operations under way, which goes along with an operation until that is answered. A
    /// full house slows callers down and refuses nobody.
    pub(crate) async fn enter(&self, tenant: TenantNumber) -> Result<Place> {
        self.places.enter(tenant).await
    }

    /// Hands work to a reader thread, which gives it a snapshot no older than this call. The work answers
    /// by itself, and returns whether the snapshot is still good.
    pub(crate) fn hand_over(
        &self,
        tenant: TenantNumber,
        work: impl FnOnce(Result<&mut dyn Snapshot>) -> bool + Send + 'static,
    ) -> Result<()> {
        self.shared.push(tenant, Work::Read(Box::new(work)))
    }

    /// Runs this on a reader thread, with a snapshot. A caller that goes away before its turn costs nothing.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        tenant: TenantNumber,
        work: impl FnOnce(&mut dyn Snapshot) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let _place = self.enter(tenant).await?;
        let (answer, answered) = oneshot::channel();
        self.hand_over(tenant, move |snapshot| {
            if answer.is_closed() {
                return true;
            }
            let result = snapshot.and_then(work);
            let good = result.is_ok();
            let _ = answer.send(result);
            good
        })?;
        answered.await.map_err(|_| failed())?
    }

    /// Runs this on a reader thread, for the deployment.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Store) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let _place = self.enter(TenantNumber::SYS).await?;
        let (answer, answered) = oneshot::channel();
        self.shared.push(
            TenantNumber::SYS,
            Work::Other(Box::new(move |store| {
                if !answer.is_closed() {
                    let _ = answer.send(work(store));
                }
            })),
        )?;
        answered.await.map_err(|_| failed())?
    }

    /// Serves those who wait and ends the threads. Blocks.
    pub(crate) fn close(&self) {
        self.places.close();
        self.shared.lock().closed = true;
        self.shared.came.notify_all();
        for thread in self.threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // The last handle on the room may go on one of these threads, with the work of a caller that is gone.
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

/// A panic on the way drops the answer: an error of ours. A reader lives on; a writer is gone, and says so to the next.
pub(crate) fn failed() -> Error {
    Error::new(Code::Internal).detail("a thread of ours failed")
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, tenant: TenantNumber, work: Work) -> Result<()> {
        let mut waiting = self.lock();
        if waiting.closed {
            return Err(Code::Closed.into());
        }
        waiting.pushed += 1;
        let pushed = waiting.pushed;
        waiting.work.push(tenant, (pushed, work));
        self.wake_one(waiting);
        Ok(())
    }

    /// Wakes one thread for what waits, if none is being woken already: it wakes the next in turn.
    fn wake_one(&self, mut waiting: MutexGuard<'_, Waiting>) {
        let wake = !waiting.is_empty() && waiting.sleeping > 0 && !waiting.waking;
        waiting.waking |= wake;
        drop(waiting);
        if wake {
            self.came.notify_one();
        }
    }

    /// The next work, and how much had been handed over by now; `None` at the end.
    fn next(&self) -> Option<(Work, u64)> {
        let mut waiting = self.lock();
        loop {
            if let Some((_, work)) = waiting.pop() {
                let pushed = waiting.pushed;
                self.wake_one(waiting);
                return Some((work, pushed));
            }
            if waiting.closed {
                return None;
            }
            waiting.sleeping += 1;
            waiting = self.came.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            waiting.sleeping -= 1;
            waiting.waking = false;
        }
    }

    /// The next work for a snapshot that was taken when so much had been handed over.
    fn next_for(&self, pushed: u64) -> Option<Read> {
        let mut waiting = self.lock();
        if !matches!(waiting.front()?, (at, Work::Read(_)) if *at <= pushed) {
            return None;
        }
        match waiting.pop()? {
            (_, Work::Read(work)) => Some(work),
            (_, Work::Other(_)) => None,
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
    while let Some((work, pushed)) = shared.next() {
        match work {
            Work::Other(work) => {
                unharmed(|| {
                    work(store);
                    true
                });
            }
            Work::Read(work) => match store.snapshot() {
                Err(error) => {
                    unharmed(|| work(Err(error)));
                }
                Ok(mut snapshot) => {
                    let mut good = unharmed(|| work(Ok(&mut *snapshot)));
                    for _ in 1..SNAPSHOT_JOBS_MAX {
                        let Some(work) = good.then(|| shared.next_for(pushed)).flatten() else { break };
                        good = unharmed(|| work(Ok(&mut *snapshot)));
                    }
                }
            },
        }
    }
    memory::scrub_stack();
}

/// Whether the work ended well; a panic ends here.
fn unharmed(work: impl FnOnce() -> bool) -> bool {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        tracing::error!("a read panicked");
        false
    })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::{
        runtime::block_on,
        store::{Applied, Change, SqliteStore},
        testing::store::{deployment_row, tenant_row},
    };

    const ONE: TenantNumber = TenantNumber(1);

    struct Ground {
        _folder: tempfile::TempDir,
        store: Arc<dyn Store>,
        readers: Readers,
    }

    impl Ground {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let store: Arc<dyn Store> = Arc::new(SqliteStore::create(&folder.path().join("db")).unwrap());
            let ground = Self { _folder: folder, readers: Readers::start(&store).unwrap(), store };
            ground.write(Change::CreateDeployment(deployment_row()));
            ground
        }

        fn write(&self, change: Change) {
            let mut transaction = self.store.begin().unwrap();
            assert_eq!(transaction.apply(&[change]).unwrap(), Applied::Done);
            transaction.commit().unwrap();
        }

        /// Holds every thread inside a snapshot that it has read from. Dropping what this returns lets them go on.
        fn hold(&self) -> Vec<mpsc::Sender<()>> {
            let (reached, all) = mpsc::channel();
            let held = (0..THREADS)
                .map(|_| {
                    let (go, wait) = mpsc::channel::<()>();
                    let reached = reached.clone();
                    let work = move |snapshot: Result<&mut dyn Snapshot>| {
                        snapshot.unwrap().tenants().unwrap();
                        reached.send(()).unwrap();
                        wait.recv().is_err()
                    };
                    self.readers.hand_over(ONE, work).unwrap();
                    go
                })
                .collect();
            (0..THREADS).for_each(|_| all.recv().unwrap());
            held
        }
    }

    #[test]
    fn nobody_reads_from_before_the_call() {
        let ground = Ground::new();
        let held = ground.hold();
        ground.write(Change::CreateTenant(tenant_row(5)));
        let (answer, answered) = mpsc::channel();
        let work = move |snapshot: Result<&mut dyn Snapshot>| {
            answer.send(snapshot.unwrap().tenant(TenantNumber(5)).unwrap()).unwrap();
            true
        };
        ground.readers.hand_over(ONE, work).unwrap();
        drop(held);
        assert_eq!(answered.recv().unwrap(), Some(tenant_row(5)), "a snapshot older than the call was used");
    }

    #[test]
    fn a_tenant_with_much_to_read_is_overtaken_by_another() {
        let ground = Ground::new();
        let held = ground.hold();
        let (answer, answered) = mpsc::channel();
        let tenants = std::iter::repeat_n(1, 500).chain([2]);
        for tenant in tenants {
            let answer = answer.clone();
            let work = move |_: Result<&mut dyn Snapshot>| answer.send(tenant).is_ok();
            ground.readers.hand_over(TenantNumber(tenant), work).unwrap();
        }
        drop((held, answer));
        let order: Vec<_> = answered.iter().collect();
        let place = order.iter().position(|tenant| *tenant == 2).unwrap();
        // One turn of the other tenant, and what the other thread has at that moment.
        assert!(order.len() == 501 && place <= 1 + THREADS, "it was number {place}");
    }

    #[test]
    fn a_panic_is_the_callers_alone() {
        let ground = Ground::new();
        for _ in 0..2 * THREADS {
            let answer = block_on(ground.readers.read(ONE, |_| -> Result<()> { panic!("on purpose") }));
            assert_eq!(answer.unwrap_err().code(), Code::Internal);
        }
        assert_eq!(block_on(ground.readers.read(ONE, |snapshot| snapshot.tenants())).unwrap(), []);
        assert_eq!(block_on(ground.readers.run(|store| store.facts())).unwrap().secrets, 0);
    }

    #[test]
    fn who_waits_when_it_closes_is_served_and_nobody_else() {
        let ground = Ground::new();
        let held = ground.hold();
        let (answer, answered) = mpsc::channel();
        ground.readers.hand_over(ONE, move |_| answer.send(()).is_ok()).unwrap();
        std::thread::scope(|scope| {
            let closing = scope.spawn(|| ground.readers.close());
            while !ground.readers.shared.lock().closed {
                std::thread::yield_now();
            }
            assert_eq!(ground.readers.hand_over(ONE, |_| true).unwrap_err().code(), Code::Closed);
            drop(held);
            closing.join().unwrap();
        });
        answered.recv().unwrap();
        assert_eq!(block_on(ground.readers.read(ONE, |_| Ok(()))).unwrap_err().code(), Code::Closed);
    }
}
