//! What is under lease, how much of it may still be read, and whether it has ended.

use std::{
    sync::{
        Mutex, PoisonError, RwLock,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::oneshot;

use super::{LeaseCounts, LeaseLimits, LockedBytes, Reservation};
use crate::{
    Code, Context, ObjectId, RequestId, Result, SecretPath, SecretValue, ValueKind, Version,
    audit::Receipt,
    keys::IndexHash,
    room::{Named, Target},
    secrets::VersionState,
    store::{Snapshot, TenantNumber},
};

/// One secret under lease, with what tells whether it has changed.
#[derive(Debug)]
pub(crate) struct Held {
    /// As the caller knows it.
    pub(crate) path: SecretPath,
    pub(crate) id: ObjectId,
    pub(crate) name_hash: IndexHash,
    pub(crate) revision: u64,
    pub(crate) version: Version,
    pub(crate) version_revision: u64,
    pub(crate) kind: ValueKind,
    pub(crate) value: LockedBytes,
}

/// Of a row, whether it is still as it was.
#[derive(Clone, Copy, Debug)]
struct Mark {
    id: ObjectId,
    name_hash: IndexHash,
    revision: u64,
    version: Version,
    version_revision: u64,
}

/// Why a lease ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Expired = 1,
    Changed = 2,
    GivenUp = 3,
}

/// What the recording of a lease's end answers.
type Recorded = Result<Receipt>;

/// One lease.
#[derive(Debug)]
pub(crate) struct Grant {
    pub(super) target: Target,
    pub(super) context: Context,
    /// What its lines name.
    pub(super) object: Option<Named>,
    pub(super) tenant: TenantNumber,
    id: RequestId,
    limits: LeaseLimits,
    expires: Duration,
    marks: Vec<Mark>,
    /// Sorted by path, and their share of what may be under lease; `None` once it has ended.
    held: RwLock<Option<(Vec<Held>, Reservation)>>,
    reads: AtomicU64,
    bytes: AtomicU64,
    refused: AtomicU64,
    end: AtomicU8,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    recorded: Option<Recorded>,
    told: Option<oneshot::Sender<Recorded>>,
}

/// What a lease is of, as its opening line has it.
pub(crate) struct Opened {
    pub(crate) object: Option<Named>,
    pub(crate) tenant: TenantNumber,
    pub(crate) held: Vec<Held>,
    pub(crate) reservation: Reservation,
}

impl Grant {
    /// `expires` is a moment of the steady clock; the context has the lease's id as its request.
    pub(crate) fn new(
        (target, context, id): (Target, Context, RequestId),
        (limits, expires): (LeaseLimits, Duration),
        opened: Opened,
    ) -> Self {
        let mark = |held: &Held| Mark {
            id: held.id,
            name_hash: held.name_hash,
            revision: held.revision,
            version: held.version,
            version_revision: held.version_revision,
        };
        Self {
            target,
            context,
            object: opened.object,
            tenant: opened.tenant,
            id,
            limits,
            expires,
            marks: opened.held.iter().map(mark).collect(),
            held: RwLock::new(Some((opened.held, opened.reservation))),
            reads: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            end: AtomicU8::new(0),
            waiting: Mutex::default(),
        }
    }

    pub(super) fn id(&self) -> RequestId {
        self.id
    }

    pub(super) fn counts(&self) -> LeaseCounts {
        let count = |of: &AtomicU64| of.load(Ordering::Acquire);
        LeaseCounts { reads: count(&self.reads), bytes: count(&self.bytes), refused: count(&self.refused) }
    }

    pub(super) fn paths(&self) -> Vec<SecretPath> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.iter().flat_map(|(values, _)| values).map(|held| held.path.clone()).collect()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.end.load(Ordering::Acquire) != 0
    }

    /// Ends it if its time is over.
    pub(super) fn expire(&self, now: Duration) {
        if now >= self.expires && !self.has_ended() {
            self.end(End::Expired);
        }
    }

    /// Wipes what is held. When this returns no read is under way, and the counts are final.
    pub(super) fn end(&self, why: End) {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        if held.take().is_some() {
            self.end.store(why as u8, Ordering::Release);
        }
    }

    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// A copy of a value, if there is a read left for it.
    pub(super) fn read(&self, path: Option<&SecretPath>) -> Result<SecretValue> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let Some((values, _)) = &*held else { return Err(self.why_ended().into()) };
        let found = match path {
            None => values.first(),
            Some(path) => values.binary_search_by(|held| held.path.cmp(path)).ok().map(|at| &values[at]),
        };
        let found = found.ok_or(Code::SecretNotFound)?;
        take(&self.reads, 1, self.limits.reads)?;
        if let Err(error) = take(&self.bytes, found.value.len() as u64, self.limits.bytes) {
            self.reads.fetch_sub(1, Ordering::AcqRel);
            return Err(error);
        }
        Ok(SecretValue::checked_before(found.kind, found.value.to_bytes()?))
    }

    fn why_ended(&self) -> Code {
        match self.end.load(Ordering::Acquire) {
            end if end == End::Expired as u8 => Code::LeaseExpired,
            end if end == End::Changed as u8 => Code::LeaseEnded,
            _ => Code::Closed,
        }
    }

    /// Whether anything that is held has changed, or may not be read any more.
    pub(super) fn has_changed(&self, snapshot: &mut dyn Snapshot) -> Result<bool> {
        for mark in &self.marks {
            let Some(row) = snapshot.secret(self.tenant, &mark.name_hash)? else { return Ok(true) };
            // Another secret may have come to the path, with as many changes.
            if row.id != mark.id || row.revision != mark.revision {
                return Ok(true);
            }
            let Some(version) = snapshot.version(self.tenant, &row, mark.version.0)? else { return Ok(true) };
            if version.revision != mark.version_revision || version.state != VersionState::Enabled.number() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whoever waits is told of the end once it is recorded.
    pub(super) fn when_recorded(&self) -> oneshot::Receiver<Recorded> {
        let (told, recorded) = oneshot::channel();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match waiting.recorded.take() {
            Some(result) => drop(told.send(result)),
            None => waiting.told = Some(told),
        }
        recorded
    }

    pub(super) fn recorded(&self, result: Recorded) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match waiting.told.take() {
            Some(told) => drop(told.send(result)),
            None => waiting.recorded = Some(result),
        }
    }
}

/// Takes so much of a limit, or nothing.
fn take(used: &AtomicU64, amount: u64, most: u64) -> Result<()> {
    let more = |used: u64| used.checked_add(amount).filter(|used| *used <= most);
    used.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).map(drop).map_err(|_| Code::LeaseExhausted.into())
}
