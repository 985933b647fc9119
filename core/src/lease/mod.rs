//! Read leases: a secret that is read often, locally, with proof of how often at most.
//!
//! One durable line opens a lease before its first use and says how many reads and bytes there may be, and until when. The
//! reads are then local and synchronous, from locked memory, and have no line. A closing line has the counts. If the
//! process dies first, what the opening line allowed is the upper bound, and a line says that nobody knows more.
//!
//! A lease is an effect outside the database: its lines are an intent and its result, under the lease's id as their request.
//! Whatever changes the secret, in this process or another, ends the lease within a second: a thread looks for
//! changes, and where it could not look for a second nothing is read. In a forked child every lease is void.

mod bytes;
mod grant;
mod keeper;

use std::{fmt, sync::Arc};

pub(crate) use bytes::LockedBytes;
pub(crate) use grant::{Grant, Held, Opened};
pub(crate) use keeper::{Leases, Reservation};

use crate::{Code, Error, RequestId, Result, SecretPath, SecretValue, Version, audit::Receipt, limits, room::Room};

/// How much a lease allows. Reaching any of these ends it; the limits are hard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseLimits {
    /// Reads, at most [`limits::LEASE_READS_MAX`].
    pub reads: u64,
    /// Seconds, at most [`limits::LEASE_SECONDS_MAX`], on a clock that counts suspend.
    pub seconds: u32,
    /// Bytes read in all, at most [`limits::LEASE_BYTES_MAX`].
    pub bytes: u64,
}

/// 1,000 reads, 5 minutes, 16 MiB.
impl Default for LeaseLimits {
    fn default() -> Self {
        Self { reads: 1_000, seconds: 300, bytes: 16 * 1024 * 1024 }
    }
}

impl LeaseLimits {
    pub(crate) fn check(&self) -> Result<()> {
        let allowed = (1..=limits::LEASE_READS_MAX).contains(&self.reads)
            && (1..=limits::LEASE_SECONDS_MAX).contains(&self.seconds)
            && (1..=limits::LEASE_BYTES_MAX).contains(&self.bytes);
        if allowed { Ok(()) } else { Err(Code::LeaseInvalid.into()) }
    }
}

/// What was read under a lease so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeaseCounts {
    /// Reads that gave a value.
    pub reads: u64,
    /// Bytes that they gave.
    pub bytes: u64,
    /// Reads that were refused; they are in no line.
    pub refused: u64,
}

/// What a lease came to.
#[derive(Clone, Debug)]
pub struct LeaseClosed {
    /// What was read.
    pub counts: LeaseCounts,
    /// Proof that the counts were recorded.
    pub receipt: Receipt,
}

/// A lease on one secret. It may be shared between threads.
///
/// Close it with [`Lease::close`]. Dropped, it is wiped at once and closed in the log within a second.
pub struct Lease {
    held: Handle,
    version: Version,
    /// Proof that the lease was recorded.
    pub receipt: Receipt,
}

impl Lease {
    pub(crate) fn new(room: Arc<Room>, grant: Arc<Grant>, version: Version, receipt: Receipt) -> Self {
        Self { held: Handle { room, grant }, version, receipt }
    }

    /// The value. Local and synchronous: no I/O, no line; it counts.
    ///
    /// # Errors
    /// `LeaseExhausted`, `LeaseExpired`, `LeaseEnded` if the secret has changed: the value is wiped by then.
    /// `LeaseUnchecked` if for a second nobody could look whether it has; `Closed` in a forked child, or with the room.
    pub fn read(&self) -> Result<SecretValue> {
        self.held.read(None)
    }

    /// The version that is under lease.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The lease's id: the request of its lines.
    pub fn id(&self) -> RequestId {
        self.held.grant.id()
    }

    /// What was read so far.
    pub fn counts(&self) -> LeaseCounts {
        self.held.grant.counts()
    }

    /// Wipes the value, and records what was read.
    ///
    /// # Errors
    /// What keeps a line from being written; the value is gone in any case.
    pub async fn close(self) -> Result<LeaseClosed> {
        self.held.close().await
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("id", &self.id()).field("version", &self.version).finish_non_exhaustive()
    }
}

/// A lease on the secrets that a folder, and the folders in it, had when it was opened. As [`Lease`] otherwise; a change
/// of any of them ends it.
pub struct FolderLease {
    held: Handle,
    /// Proof that the lease was recorded.
    pub receipt: Receipt,
}

impl FolderLease {
    pub(crate) fn new(room: Arc<Room>, grant: Arc<Grant>, receipt: Receipt) -> Self {
        Self { held: Handle { room, grant }, receipt }
    }

    /// The value of a secret, by its path below the folder.
    ///
    /// # Errors
    /// `SecretNotFound` if there was none when the lease was opened; otherwise as [`Lease::read`].
    pub fn read(&self, path: &SecretPath) -> Result<SecretValue> {
        self.held.read(Some(path))
    }

    /// The paths below the folder, sorted; none once the lease has ended.
    pub fn paths(&self) -> Vec<SecretPath> {
        self.held.grant.paths()
    }

    /// The lease's id: the request of its lines.
    pub fn id(&self) -> RequestId {
        self.held.grant.id()
    }

    /// What was read so far.
    pub fn counts(&self) -> LeaseCounts {
        self.held.grant.counts()
    }

    /// As [`Lease::close`].
    ///
    /// # Errors
    /// As there.
    pub async fn close(self) -> Result<LeaseClosed> {
        self.held.close().await
    }
}

impl fmt::Debug for FolderLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FolderLease").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// What both kinds are behind the scenes.
struct Handle {
    room: Arc<Room>,
    grant: Arc<Grant>,
}

impl Handle {
    fn read(&self, path: Option<&SecretPath>) -> Result<SecretValue> {
        self.room.leases.read(&self.grant, &*self.room.clock, path)
    }

    async fn close(self) -> Result<LeaseClosed> {
        let recorded = self.room.leases.give_up(&self.grant);
        let receipt = recorded.await.map_err(|_| Error::from(Code::Closed))??;
        Ok(LeaseClosed { counts: self.grant.counts(), receipt })
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        drop(self.room.leases.give_up(&self.grant));
    }
}
