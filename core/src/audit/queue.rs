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
