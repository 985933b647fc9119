//! The writer: the one thread of a process that commits.
//!
//! It takes what waits, commits it at once, hands the answers to the syncer, and looks again: the sync under way is the
//! only timer there is.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use super::{
    Sequencer, Write, Written,
    queue::{Answer, Job, Queue, Taken},
    syncer::Syncer,
    upkeep::Upkeep,
};
use crate::{
    Code, Error, Result,
    anchor::Keepers,
    memory,
    metrics::{Meter, Timer},
    quota::{Gate, Quotas},
    store::{Reserve, Store},
};

/// How long the writer waits for work before it looks for housekeeping.
const IDLE_PATIENCE: Duration = Duration::from_millis(200);

/// A handle on the writer thread.
#[derive(Debug)]
pub(crate) struct Writer {
    queue: Arc<Queue>,
    position_limit: Arc<AtomicU32>,
    thread: Mutex<Option<JoinHandle<Result<()>>>>,
}

impl Writer {
    /// Starts the thread, which tells those who keep anchors of every commit.
    pub(crate) fn start(
        sequencer: Sequencer,
        anchors: Arc<Keepers>,
        meter: Arc<Meter>,
        gate: Arc<Gate>,
    ) -> Result<Self> {
        let queue = Arc::new(Queue::default());
        let position_limit = sequencer.position_limit();
        let own = Arc::clone(&queue);
        let thread = std::thread::Builder::new()
            .name("strongroom-writer".to_owned())
            .spawn(move || {
                let ended = catch_unwind(AssertUnwindSafe(|| run(Arc::clone(&own), sequencer, anchors, &meter, &gate)));
                // Whatever happened, nobody may wait for a thread that is gone.
                own.close();
                while let Taken::Jobs(jobs) = own.take(Duration::ZERO) {
                    for job in jobs {
                        (job.answer)(Err(Code::Closed.into()));
                    }
                }
                memory::scrub_stack();
                ended.unwrap_or_else(|_| Err(Code::Internal.into()))
            })
            .map_err(|error| Error::new(Code::Internal).detail("starting the writer").caused_by(error))?;
        Ok(Self { queue, position_limit, thread: Mutex::new(Some(thread)) })
    }

    /// Has a write committed together with what others have waiting. Says what became of it on the writer's
    /// own thread, always.
    pub(crate) fn push(&self, write: Write, answer: Answer) {
        self.queue.push(write, answer);
    }

    /// The first position in the heads tree that a new tenant may not take.
    pub(crate) fn position_limit(&self) -> u32 {
        self.position_limit.load(Ordering::Relaxed)
    }

    /// Serves those who wait, writes the closing line, and ends the thread. Blocks. A second call does nothing.
    pub(crate) fn close(&self) -> Result<()> {
        self.queue.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        thread.map_or(Ok(()), |thread| thread.join().unwrap_or_else(|_| Err(Code::Internal.into())))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::warn!(code = error.code().name(), "the last epoch was not closed in the log");
        }
    }
}

fn run(
    queue: Arc<Queue>,
    mut sequencer: Sequencer,
    anchors: Arc<Keepers>,
    meter: &Arc<Meter>,
    gate: &Arc<Gate>,
) -> Result<()> {
    let syncer = Syncer::start(sequencer.store(), Arc::clone(&anchors), Arc::clone(meter), Arc::clone(&queue))?;
    let mut upkeep = Upkeep::start(sequencer.store())?;
    let mut disk = Disk::new(sequencer.store());
    loop {
        let taken = queue.take(IDLE_PATIENCE);
        let ends = matches!(taken, Taken::Closed);
        let mut jobs = if let Taken::Jobs(jobs) = taken { jobs } else { Vec::new() };
        jobs.extend(refused(gate, ends));
        if jobs.is_empty() {
            upkeep.idle();
        } else if disk.is_full(&mut sequencer) {
            jobs.into_iter().for_each(|job| (job.answer)(Err(Code::StoreFull.into())));
            anchors.committed();
        } else {
            commit(&mut sequencer, meter, &mut disk, &syncer, &queue, jobs);
            upkeep.committed();
        }
        if ends {
            return sequencer.close();
        }
    }
}

/// The lines of what quotas refused that are due.
fn refused(gate: &Arc<Gate>, ends: bool) -> Vec<Job> {
    let due = gate.due(ends).into_iter().map(|refusals| {
        let lines = vec![(refusals.number, refusals.line.clone())];
        let gate = Arc::clone(gate);
        let answer = move |written: Result<Written>| match written {
            Ok(Written::Recorded(_)) => {}
            Ok(Written::Stale | Written::OverQuota(_)) => {
                tracing::warn!("the log of a tenant was closed before it said what was refused to it");
            }
            Err(_) => gate.give_back(refusals),
        };
        Job { write: Write { changes: Vec::new(), lines, quotas: Quotas::default() }, answer: Box::new(answer) }
    });
    due.collect()
}

/// What the writer knows of the disk. When it is full, the service stops: that is recorded in the room kept for it, and
/// nothing else is done until there is as much room again.
struct Disk {
    store: Arc<dyn Store>,
    full: bool,
}

impl Disk {
    fn new(store: Arc<dyn Store>) -> Self {
        if store.hold_reserve() == Reserve::NoRoom {
            tracing::warn!("the disk is nearly full: there is no room to keep for the log's last lines");
        }
        Self { store, full: false }
    }

    /// Whether the service is stopped; looks whether it still has to be.
    fn is_full(&mut self, sequencer: &mut Sequencer) -> bool {
        if self.full && self.store.hold_reserve() != Reserve::NoRoom {
            match sequencer.record("store.resumed", None) {
                Ok(()) => self.full = false,
                Err(error) => {
                    tracing::warn!(code = error.code().name(), "there is room again, and nothing can be recorded");
                    self.store.release_reserve();
                }
            }
        }
        self.full
    }

    /// A commit found no room.
    fn found_full(&mut self, sequencer: &mut Sequencer) {
        // Without a reserve the next commit finds out for itself.
        if !self.store.release_reserve() {
            return;
        }
        self.full = true;
        match sequencer.record("store.full", Some(Code::StoreFull)) {
            Ok(()) => tracing::error!("the disk is full: nothing is served until there is room again"),
            Err(error) => tracing::error!(code = error.code().name(), "the disk is full, and the log has no room"),
        }
    }
}

fn commit(sequencer: &mut Sequencer, meter: &Meter, disk: &mut Disk, syncer: &Syncer, queue: &Queue, jobs: Vec<Job>) {
    let writes: Vec<&Write> = jobs.iter().map(|job| &job.write).collect();
    let timer = Timer::start(&meter.commit);
    let outcome = sequencer.commit(&writes);
    drop(timer);
    match outcome {
        Ok(written) => {
            meter.commits.inc();
            let answers = jobs.into_iter().map(|job| job.answer).zip(written).collect();
            syncer.push(answers, queue.is_empty());
        }
        Err(error) => {
            if error.code() == Code::StoreFull {
                disk.found_full(sequencer);
            }
            tracing::warn!(code = error.code().name(), jobs = jobs.len(), "a commit failed; nothing of it was stored");
            for job in jobs {
                (job.answer)(Err(error.again()));
            }
        }
    }
}
