//! The queue in front of the writer: bounded, and fair between tenants.
//!
//! Callers wait for a place before they enter, so a full queue slows them down and refuses nothing.
//! The writer takes one job of each waiting tenant in turn, so a busy tenant fills what the others
//! leave of a commit and no more.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::{Write, Written};
use crate::{Code, Result, limits, store::TenantNumber};

/// One caller's write, and where its answer goes.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) write: Write,
    pub(crate) answer: oneshot::Sender<Result<Written>>,
    _place: OwnedSemaphorePermit,
}

/// What the writer is given.
#[derive(Debug)]
pub(crate) enum Taken {
    /// Jobs for one commit, in order.
    Jobs(Vec<Job>),
    /// Nobody waited for as long as was asked.
    Idle,
    /// No more will come.
    Closed,
}

#[derive(Debug)]
pub(crate) struct Queue {
    places: Arc<Semaphore>,
    waiting: Mutex<Waiting>,
    came: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    by_tenant: HashMap<TenantNumber, VecDeque<Job>>,
    turns: VecDeque<TenantNumber>,
    closed: bool,
}

impl Queue {
    pub(crate) fn new() -> Self {
        Self {
            places: Arc::new(Semaphore::new(limits::WRITER_QUEUE_JOBS_MAX)),
            waiting: Mutex::default(),
            came: Condvar::new(),
        }
    }

    /// Hands a write to the writer and waits for its answer.
    ///
    /// Once queued, it is carried out even if the caller goes away: an operation that is under way
    /// is not undone by a cancelled future.
    pub(crate) async fn submit(&self, write: Write) -> Result<Written> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| Code::Closed)?;
        let (answer, answered) = oneshot::channel();
        {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.closed {
                return Err(Code::Closed.into());
            }
            let tenant = write.tenant();
            let jobs = waiting.by_tenant.entry(tenant).or_default();
            jobs.push_back(Job { write, answer, _place: place });
            if jobs.len() == 1 {
                waiting.turns.push_back(tenant);
            }
        }
        self.came.notify_one();
        answered.await.map_err(|_| Code::Closed)?
    }

    /// Takes what waits, up to the limits of one commit.
    pub(crate) fn take(&self, patience: Duration) -> Taken {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.turns.is_empty() && !waiting.closed {
            let (woken, _) = self
                .came
                .wait_timeout_while(waiting, patience, |waiting| waiting.turns.is_empty() && !waiting.closed)
                .unwrap_or_else(PoisonError::into_inner);
            waiting = woken;
        }
        let (mut jobs, mut lines, mut bytes) = (Vec::new(), 0, 0);
        while let Some(tenant) = waiting.turns.pop_front() {
            let (job, more) = {
                let own = waiting.by_tenant.get_mut(&tenant).expect("a tenant with a turn has jobs");
                let next = own.front().expect("a tenant with a turn has a job");
                let full = lines + next.write.lines.len() > limits::COMMIT_LINES_MAX
                    || bytes + next.write.bytes() > limits::COMMIT_BYTES_MAX;
                if full && !jobs.is_empty() {
                    waiting.turns.push_front(tenant);
                    break;
                }
                let job = own.pop_front().expect("a tenant with a turn has a job");
                (job, !own.is_empty())
            };
            if more {
                waiting.turns.push_back(tenant);
            } else {
                waiting.by_tenant.remove(&tenant);
            }
            lines += job.write.lines.len();
            bytes += job.write.bytes();
            jobs.push(job);
        }
        match (jobs.is_empty(), waiting.closed) {
            (false, _) => Taken::Jobs(jobs),
            (true, true) => Taken::Closed,
            (true, false) => Taken::Idle,
        }
    }

    /// Whether anybody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).turns.is_empty()
    }

    /// Lets nobody else in. Those who wait are still served.
    pub(crate) fn close(&self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.places.close();
        self.came.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::block_on;
    use std::thread;
    use strongroom_log::{LineBuilder, Origin, Outcome, Who};

    fn write(tenant: u32, lines: usize) -> Write {
        let origin = Origin::parse("example.com/keys").unwrap();
        let line = LineBuilder::new("x", &origin.sys(), Who::System, [0; 16]).finish(Outcome::Ok).unwrap();
        Write { changes: Vec::new(), lines: vec![(TenantNumber(tenant), line); lines] }
    }

    /// Waits until so many jobs wait: a place alone is not yet a job.
    fn filled(queue: &Queue, jobs: usize) {
        let waiting = || queue.waiting.lock().unwrap().by_tenant.values().map(VecDeque::len).sum::<usize>();
        while waiting() < jobs {
            thread::yield_now();
        }
    }

    fn tenants(taken: &Taken) -> Vec<u32> {
        let Taken::Jobs(jobs) = taken else { panic!("{taken:?}") };
        jobs.iter().map(|job| job.write.tenant().0).collect()
    }

    #[test]
    fn a_busy_tenant_fills_only_what_the_others_leave() {
        let queue = Queue::new();
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| block_on(queue.submit(write(1, limits::COMMIT_LINES_MAX / 4))));
            }
            filled(&queue, 8);
            scope.spawn(|| block_on(queue.submit(write(2, 1))));
            scope.spawn(|| block_on(queue.submit(write(3, 1))));
            filled(&queue, 10);
            let first = tenants(&queue.take(Duration::ZERO));
            assert_eq!(first.iter().filter(|tenant| **tenant == 1).count(), 3, "{first:?}");
            assert!(first.contains(&2) && first.contains(&3), "{first:?}");
            assert_eq!(tenants(&queue.take(Duration::ZERO)), [1; 4]);
            assert_eq!(tenants(&queue.take(Duration::ZERO)), [1]);
            assert!(matches!(queue.take(Duration::ZERO), Taken::Idle));
            assert!(queue.is_empty());
        });
    }

    #[test]
    fn an_operation_larger_than_a_commit_gets_one_of_its_own() {
        let queue = Queue::new();
        thread::scope(|scope| {
            scope.spawn(|| block_on(queue.submit(write(1, limits::COMMIT_LINES_MAX + 1))));
            scope.spawn(|| block_on(queue.submit(write(2, limits::COMMIT_LINES_MAX + 1))));
            filled(&queue, 2);
            assert_eq!(tenants(&queue.take(Duration::ZERO)).len(), 1);
            assert_eq!(tenants(&queue.take(Duration::ZERO)).len(), 1);
        });
    }

    #[test]
    fn who_waits_when_it_closes_is_served_and_nobody_else() {
        let queue = Queue::new();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| block_on(queue.submit(write(1, 1))));
            filled(&queue, 1);
            queue.close();
            assert_eq!(block_on(queue.submit(write(1, 1))).unwrap_err().code(), Code::Closed);
            assert_eq!(tenants(&queue.take(Duration::ZERO)), [1]);
            assert!(matches!(queue.take(Duration::ZERO), Taken::Closed));
            // The job was taken and dropped without an answer, as by a writer that died.
            assert_eq!(waiting.join().unwrap().unwrap_err().code(), Code::Closed);
        });
    }
}
