//! The keeper of leases: one thread that looks for changes, ends what is over, and records how it ended.

use std::{
    fmt,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use tokio::sync::oneshot;

use super::grant::{End, Grant};
use crate::{
    Code, Error, Result, SecretPath, SecretValue, TenantSettings, TenantState,
    audit::Receipt,
    clock::Clock,
    limits,
    memory::Arena,
    metrics::Meter,
    room::{LineFacts, Named, Part, Room},
    runtime::block_on,
    store::{Snapshot, TenantNumber},
};

/// How often it looks for changes.
const LOOK_EVERY: Duration = Duration::from_millis(400);
/// With the last look older than this nothing is read.
const UNCHECKED_MAX: Duration = Duration::from_secs(1);
/// Ends that are recorded between two looks.
const RECORDED_AT_ONCE: usize = 64;

/// The leases of a room.
pub(crate) struct Leases {
    arena: Arc<Arena>,
    meter: Arc<Meter>,
    told: Mutex<Told>,
    woken: Condvar,
    /// When the last look began: nanoseconds of the steady clock.
    looked_at: AtomicU64,
    /// Secrets under lease.
    secrets: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct Told {
    grants: Vec<Arc<Grant>>,
    thread: Option<JoinHandle<()>>,
    /// There is a new lease, or one that has ended.
    news: bool,
    ends: bool,
}

/// Room for some secrets among those that may be under lease.
#[derive(Debug)]
pub(crate) struct Reservation {
    secrets: Arc<AtomicUsize>,
    count: usize,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.secrets.fetch_sub(self.count, Ordering::AcqRel);
    }
}

impl Leases {
    pub(crate) fn new(arena: Arc<Arena>, meter: Arc<Meter>) -> Self {
        let (told, looked_at, secrets) = (Mutex::default(), AtomicU64::new(0), Arc::default());
        Self { arena, meter, told, woken: Condvar::new(), looked_at, secrets }
    }

    /// Makes room for so many more secrets.
    ///
    /// # Errors
    /// `LeaseLimit`.
    pub(crate) fn reserve(&self, count: usize) -> Result<Reservation> {
        let more = |secrets: usize| Some(secrets + count).filter(|secrets| *secrets <= limits::LEASED_SECRETS_MAX);
        self.secrets.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).map_err(|_| Code::LeaseLimit)?;
        Ok(Reservation { secrets: Arc::clone(&self.secrets), count })
    }

    /// Takes charge of a lease, whose rows were read at this moment of the steady clock or later.
    pub(crate) fn keep(&self, room: &Arc<Room>, grant: &Arc<Grant>, since: Duration) -> Result<()> {
        let mut told = self.told();
        if told.ends {
            return Err(Code::Closed.into());
        }
        if told.thread.is_none() {
            let (leases, room) = (Arc::clone(&room.leases), Arc::downgrade(room));
            let thread = std::thread::Builder::new()
                .name("strongroom-leases".to_owned())
                .spawn(move || run(&leases, &room))
                .map_err(|error| Error::new(Code::Internal).detail("starting the keeper").caused_by(error))?;
            told.thread = Some(thread);
        }
        if told.grants.is_empty() {
            self.looked_at.store(nanos(since), Ordering::Release);
        }
        told.grants.push(Arc::clone(grant));
        told.news = true;
        drop(told);
        self.woken.notify_one();
        Ok(())
    }

    /// Reads under a lease, if it stands.
    pub(super) fn read(&self, grant: &Grant, clock: &dyn Clock, path: Option<&SecretPath>) -> Result<SecretValue> {
        // Before any lock: in a forked child it may be held by a thread that is not there.
        self.arena.check_process()?;
        let now = clock.monotonic();
        grant.expire(now);
        let checked = nanos(now).saturating_sub(self.looked_at.load(Ordering::Acquire)) <= nanos(UNCHECKED_MAX);
        let read = if checked || grant.has_ended() { grant.read(path) } else { Err(Code::LeaseUnchecked.into()) };
        if read.is_ok() {
            self.meter.lease_hits.inc();
        } else {
            self.meter.lease_misses.inc();
            grant.refused();
        }
        read
    }

    /// Ends a lease. What this returns is told once that is recorded.
    pub(super) fn give_up(&self, grant: &Grant) -> oneshot::Receiver<Result<Receipt>> {
        if let Err(error) = self.arena.check_process() {
            let (told, recorded) = oneshot::channel();
            let _ = told.send(Err(error));
            return recorded;
        }
        grant.end(End::GivenUp);
        let recorded = grant.when_recorded();
        self.told().news = true;
        self.woken.notify_one();
        recorded
    }

    /// Ends all, records that, and ends the thread. Blocks.
    pub(crate) fn close(&self) {
        let mut told = self.told();
        told.ends = true;
        let thread = told.thread.take();
        told.grants.iter().for_each(|grant| grant.end(End::GivenUp));
        drop(told);
        self.woken.notify_one();
        if let Some(thread) = thread
            && thread.thread().id() != std::thread::current().id()
        {
            let _ = thread.join();
        }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it is time to look. Whether there is news, and whether this is the end.
    fn wait(&self) -> (bool, bool) {
        let told = self.told();
        let idle = told.grants.is_empty();
        let waits = |told: &mut Told| !told.news && !told.ends;
        let mut told = if idle {
            self.woken.wait_while(told, waits).unwrap_or_else(PoisonError::into_inner)
        } else {
            self.woken.wait_timeout_while(told, LOOK_EVERY, waits).unwrap_or_else(PoisonError::into_inner).0
        };
        (std::mem::take(&mut told.news), told.ends)
    }
}

impl fmt::Debug for Leases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leases").field("secrets", &self.secrets).finish_non_exhaustive()
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn run(leases: &Leases, room: &Weak<Room>) {
    let mut seen = None;
    loop {
        let (news, ends) = leases.wait();
        // Without a room nobody can read any more, and nothing can be recorded.
        let Some(room) = room.upgrade() else { return };
        if !ends {
            match look(leases, &room, if news { None } else { seen }) {
                Ok(last) => seen = Some(last),
                Err(error) => {
                    tracing::warn!(code = error.code().name(), "nobody knows whether secrets under lease have changed");
                }
            }
        }
        let left = record(leases, &room, ends);
        if ends {
            return;
        }
        leases.told().news |= left;
    }
}

/// Ends the leases whose time is over or whose secrets have changed. Nothing can have changed in a log that has not
/// grown since it was seen last. Gives the log's last line.
fn look(leases: &Leases, room: &Room, seen: Option<u64>) -> Result<u64> {
    let now = room.clock.monotonic();
    let grants: Vec<_> = leases.told().grants.clone();
    grants.iter().for_each(|grant| grant.expire(now));
    let open: Vec<_> = grants.into_iter().filter(|grant| !grant.has_ended()).collect();
    let last = block_on(room.readers.read(TenantNumber::SYS, move |snapshot| {
        let last = snapshot.head()?.map_or(0, |head| head.last_seq);
        if seen != Some(last) {
            for grant in open {
                if has_changed(&grant, snapshot)? {
                    grant.end(End::Changed);
                }
            }
        }
        Ok(last)
    }))?;
    leases.looked_at.store(nanos(now), Ordering::Release);
    Ok(last)
}

fn has_changed(grant: &Grant, snapshot: &mut dyn Snapshot) -> Result<bool> {
    let Some(row) = snapshot.tenant(grant.tenant)? else { return Ok(true) };
    let allowed = row.state == TenantState::Active.number() && TenantSettings::from_row(&row)?.leases;
    Ok(!allowed || grant.has_changed(snapshot)?)
}

/// Records leases that have ended, as many as are due at once or all. Whether there are more.
fn record(leases: &Leases, room: &Arc<Room>, all: bool) -> bool {
    let most = if all { usize::MAX } else { RECORDED_AT_ONCE };
    let mut told = leases.told();
    let (mut ended, mut left) = (Vec::new(), false);
    told.grants.retain(|grant| {
        let due = grant.has_ended() && ended.len() < most;
        left |= grant.has_ended() && !due;
        if due {
            ended.push(Arc::clone(grant));
        }
        !due
    });
    drop(told);
    for grant in ended {
        let recorded = block_on(record_one(room, &grant));
        if let Err(error) = &recorded {
            tracing::warn!(code = error.code().name(), "the end of a lease could not be recorded");
        }
        grant.recorded(recorded);
    }
    left
}

async fn record_one(room: &Arc<Room>, grant: &Grant) -> Result<Receipt> {
    let (counts, object, id) = (grant.counts(), grant.object, *grant.id().as_bytes());
    let ((), receipt) = room
        .operate("secret.lease", &grant.target, &grant.context.clone().ending_effect(), move |step| {
            step.ends_effect();
            step.line.object = object;
            step.line.count = Some(counts.reads);
            step.parts.push(Part {
                act: "lease.use",
                line: LineFacts {
                    object: Some(Named { kind: "lease", id, version: None, pseudonym_key: None }),
                    count: Some(counts.bytes),
                    ..LineFacts::default()
                },
                elsewhere: None,
            });
            Ok(())
        })
        .await?;
    Ok(receipt)
}
