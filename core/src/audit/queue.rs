//! The queue in front of the writer, fair between tenants.
//!
//! It is as long as there are operations under way, whose number [`crate::readers`] bounds. The writer takes
//! one job of each waiting tenant in turn ([`crate::turns`]), so a busy tenant fills what the others leave of a commit and no more.

use std::{
    fmt,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{Write, Written};
use crate::{Code, Result, limits, turns::Turns};

/// What is done with a write's answer, on the writer's thread: in no time, and without a panic.
pub(crate) type Answer = Box<dyn FnOnce(Result<Written>) + Send>;

/// One caller's write, and where its answer goes.
pub(crate) struct Job {
    pub(crate) write: Write,
    pub(crate) answer: Answer,
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("write", &self.write).finish_non_exhaustive()
    }
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

#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    came: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    jobs: Turns<Job>,
    /// With fewer the writer does not begin yet; with one at least it does.
    worthwhile: usize,
    /// The writer has nothing to do, and nobody has woken it yet.
    asleep: bool,
    closed: bool,
}

impl Queue {
    /// Hands a write to the writer. It is carried out even if the caller goes away: an operation that is under
    /// way is not undone by a cancelled future.
    pub(crate) fn push(&self, write: Write, answer: Answer) {
        let mut waiting = self.lock();
        if waiting.closed {
            drop(waiting);
            return answer(Err(Code::Closed.into()));
        }
        waiting.jobs.push(write.tenant(), Job { write, answer });
        self.wake(waiting);
    }

    /// Takes what waits, up to the limits of one commit.
    pub(crate) fn take(&self, patience: Duration) -> Taken {
        let mut waiting = self.lock();
        if !waiting.is_worthwhile() {
            waiting.asleep = true;
            let (woken, _) = self
                .came
                .wait_timeout_while(waiting, patience, |waiting| !waiting.is_worthwhile())
                .unwrap_or_else(PoisonError::into_inner);
            waiting = woken;
            waiting.asleep = false;
        }
        let (mut jobs, mut lines, mut bytes) = (Vec::new(), 0, 0);
        while let Some(next) = waiting.jobs.front() {
            let (more_lines, more_bytes) = (next.write.lines.len(), next.write.bytes());
            let full = lines + more_lines > limits::COMMIT_LINES_MAX || bytes + more_bytes > limits::COMMIT_BYTES_MAX;
            if full && !jobs.is_empty() {
                break;
            }
            lines += more_lines;
            bytes += more_bytes;
            jobs.extend(waiting.jobs.pop());
        }
        match (jobs.is_empty(), waiting.closed) {
            (false, _) => Taken::Jobs(jobs),
            (true, true) => Taken::Closed,
            (true, false) => Taken::Idle,
        }
    }

    /// Whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().jobs.is_empty()
    }

    /// Has the writer wait until so many jobs do.
    pub(crate) fn gather(&self, jobs: usize) {
        let mut waiting = self.lock();
        waiting.worthwhile = jobs;
        self.wake(waiting);
    }

    fn wake(&self, mut waiting: MutexGuard<'_, Waiting>) {
        let wake = waiting.asleep && waiting.is_worthwhile();
        if wake {
            waiting.asleep = false;
        }
        drop(waiting);
        if wake {
            self.came.notify_one();
        }
    }

    /// Lets nobody else in. Those who wait are still served.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.came.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Whether the writer has something to do.
    fn is_worthwhile(&self) -> bool {
        self.closed || self.jobs.len() >= self.worthwhile.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{quota::Quotas, store::TenantNumber};
    use std::{sync::mpsc, thread};
    use strongroom_log::{LineBuilder, Origin, Outcome, Who};

    fn write(tenant: u32, lines: usize) -> Write {
        let origin = Origin::parse("example.com/keys").unwrap();
        let line = LineBuilder::new("x", &origin.sys(), Who::System, [0; 16]).finish(Outcome::Ok).unwrap();
        Write { changes: Vec::new(), lines: vec![(TenantNumber(tenant), line); lines], quotas: Quotas::default() }
    }

    fn tenants(taken: &Taken) -> Vec<u32> {
        let Taken::Jobs(jobs) = taken else { panic!("{taken:?}") };
        jobs.iter().map(|job| job.write.tenant().0).collect()
    }

    fn push(queue: &Queue, tenant: u32, lines: usize) {
        queue.push(write(tenant, lines), Box::new(drop));
    }

    #[test]
    fn a_busy_tenant_fills_only_what_the_others_leave() {
        let queue = Queue::default();
        for _ in 0..8 {
            push(&queue, 1, limits::COMMIT_LINES_MAX / 4);
        }
        push(&queue, 2, 1);
        push(&queue, 3, 1);
        let first = tenants(&queue.take(Duration::ZERO));
        assert_eq!(first.iter().filter(|tenant| **tenant == 1).count(), 3, "{first:?}");
        assert!(first.contains(&2) && first.contains(&3), "{first:?}");
        assert_eq!(tenants(&queue.take(Duration::ZERO)), [1; 4]);
        assert_eq!(tenants(&queue.take(Duration::ZERO)), [1]);
        assert!(matches!(queue.take(Duration::ZERO), Taken::Idle));
    }

    #[test]
    fn an_operation_larger_than_a_commit_gets_one_of_its_own() {
        let queue = Queue::default();
        push(&queue, 1, limits::COMMIT_LINES_MAX + 1);
        push(&queue, 2, limits::COMMIT_LINES_MAX + 1);
        assert_eq!(tenants(&queue.take(Duration::ZERO)).len(), 1);
        assert_eq!(tenants(&queue.take(Duration::ZERO)).len(), 1);
    }

    #[test]
    fn who_waits_when_it_closes_is_served_and_nobody_else() {
        let queue = Queue::default();
        push(&queue, 1, 1);
        queue.close();
        let (answer, answered) = mpsc::channel();
        queue.push(write(1, 1), Box::new(move |written| answer.send(written).unwrap()));
        assert_eq!(answered.recv().unwrap().unwrap_err().code(), Code::Closed);
        assert_eq!(tenants(&queue.take(Duration::ZERO)), [1]);
        assert!(matches!(queue.take(Duration::ZERO), Taken::Closed));
    }

    #[test]
    fn a_sleeping_writer_is_woken() {
        let queue = Queue::default();
        thread::scope(|scope| {
            let taken = scope.spawn(|| queue.take(Duration::from_secs(60)));
            while !queue.lock().asleep {
                thread::yield_now();
            }
            push(&queue, 1, 1);
            assert_eq!(tenants(&taken.join().unwrap()), [1]);
        });
    }
}
