//! Strongroom as a library: tenants, their keys, sealed secrets and the audit log.
//!
//! A [`Strongroom`] is a deployment that is open in this process. Nothing can be done with it alone:
//! [`Strongroom::tenant`] and [`Strongroom::admin`] lead to handles that act in somebody's name, and
//! every method of those is one operation with one durable line in the audit log, whether it was
//! allowed or refused.
//!
//! ```no_run
//! # async fn example(device: std::sync::Arc<dyn strongroom::KeyDevice>) -> strongroom::Result<()> {
//! use strongroom::{Actor, Context, Deployment, Get, Put, SecretValue, Strongroom};
//!
//! // `strongroom_hsm::open_device` finds the token that the deployment was made with.
//! let room = Strongroom::open(&Deployment::at("/var/lib/strongroom"), device).await?;
//! let acme = room.tenant(&"acme".parse()?).acting_as(Context::new(Actor::service("billing")?));
//!
//! let path = "prod/database/password".parse()?;
//! let put = acme.secrets().put(&path, SecretValue::text("hunter2")?, Put::default()).await?;
//! let secret = acme.secrets().get(&path, Get::current()).await?;
//! secret.value.expose(|bytes| assert_eq!(bytes, b"hunter2"));
//! println!("version {} is recorded as {}", put.version, put.receipt);
//! room.close()
//! # }
//! ```
//!
//! The futures need no particular runtime: reading, deciphering and committing happen on threads of
//! the room's own. [`Strongroom::close`] blocks, and so do [`verify_backup`] and what says so.
//!
//! Names are parsed at the edge ([`SecretPath`], [`TenantId`], [`Actor`], …), values are
//! [`SecretValue`]s, errors have a stable [`Code`] and one of eight [`Class`]es, limits stand in
//! [`limits`]. A device is a [`KeyDevice`]; `strongroom-hsm` has two. The log's format and its
//! verification, without any I/O, are `strongroom-log`'s.

mod anchor;
mod audit;
mod backup;
mod clock;
mod deployment;
mod error;
mod expiry;
mod generate;
mod id;
mod keys;
mod lease;
mod login;
mod memory;
mod metrics;
mod names;
mod presence;
mod profile;
mod quota;
mod random;
mod readers;
mod room;
mod runtime;
mod seal;
mod secrets;
mod turns;
mod value;

pub mod device;
pub mod limits;
pub mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod transfer;

pub use anchor::{AnchorFailing, AnchorPlace, AnchorStatus, Anchors};
pub use audit::{
    Audit, AuditEntry, AuditExport, AuditPage, AuditProof, IndexReport, Prove, Query, QueryCursor, QueryPage, Receipt,
    StateCheck, StateCode, StateFinding, Stats, StatsBy, StatsRow, Verified, Watch,
};
pub use backup::{BackupReply, BackupReport, Restore, verify_backup};
pub use clock::{Clock, SystemClock, Timestamp};
pub use deployment::{Config, Deployment};
pub use device::KeyDevice;
pub use error::{Class, Code, Error, Result};
pub use generate::{ByteEncoding, CharacterClass, Generate, KeyAlgorithm, PasswordPolicy};
pub use id::{DeploymentId, Handle, IdError, KeyId, ObjectId, TenantRef};
pub use keys::{
    Authenticated, CACHE_TTL_DEFAULT, IndexHash, IndexKind, KEYRING_KEYS_MAX, KeyCache, KeyEntry, KeyEpoch, Keyring,
    LockedSigner, Pseudonym, PseudonymKind, Purpose, RootKey, RowHash, RowMac, Status, TenantKeys, TenantSeed,
    check_input, row_hash,
};
pub use lease::{FolderLease, Lease, LeaseClosed, LeaseCounts, LeaseLimits};
pub use memory::{
    ARENA_BYTES_DEFAULT, ARENA_BYTES_MAX, ARENA_BYTES_MIN, Arena, KEY_BYTES, LockedKey, Locking, harden_process,
    scrub_stack, scrubbed,
};
pub use metrics::{Metrics, TenantTotals, Totals};
pub use names::{
    Actor, ActorKind, Context, Description, Environment, Folder, LabelName, LabelValue, Labels, Origin, Owner,
    RequestId, SecretPath, TenantId,
};
pub use profile::{AuditKeyProfile, DeviceProfile, RootProfile};
pub use quota::Quotas;
pub use random::{Random, SystemRandom};
pub use room::{
    ActingTenant, Admin, AuditHead, DeviceKeys, ExportedKey, Init, OpenOptions, Recovery, Status as DeploymentStatus,
    Strongroom, Tenant, TenantChange, TenantInfo, TenantSettings, TenantState, Tenants,
};
pub use seal::{SealedHeader, Subject};
pub use secrets::{
    After, Copied, Delete, Deleted, Described, Entry, Event, EventKind, Expiry, Exported, ExportedSecret, Extended,
    FoundSecret, Generated, GeneratedPublic, Get, History, HistoryPage, Import, ImportEntry, Imported, Meta, Move,
    Moved, Offered, Page, Patch, Promote, Promoted, Put, PutReply, Rendered, Revision, RotationInterval, Search,
    SearchPage, Secret, SecretType, Secrets, Stage, StandingChanged, To, Tried, Update, Updated, Usage, Verdict,
    Version, VersionInfo, VersionLimit, VersionState, Versions, VersionsChanged,
};
pub use value::{SecretValue, ValueKind};
