//! Strongroom as a library: tenants, their keys, sealed secrets and the audit log.

mod audit;
mod backup;
mod clock;
mod deployment;
mod error;
mod id;
mod keys;
mod memory;
mod names;
mod profile;
mod random;
mod readers;
mod room;
mod runtime;
mod seal;
mod secrets;
mod value;

pub mod device;
pub mod limits;
pub mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod transfer;

pub use audit::{Audit, AuditEntry, AuditExport, AuditPage, Receipt, Verified};
pub use backup::{BackupReply, BackupReport, Restore, verify_backup};
pub use clock::{Clock, SystemClock, Timestamp};
pub use deployment::{Config, Deployment};
pub use device::KeyDevice;
pub use error::{Class, Code, Error, Result};
pub use id::{DeploymentId, Handle, IdError, KeyId, ObjectId, TenantRef};
pub use keys::{
    Authenticated, CACHE_TTL_DEFAULT, IndexHash, IndexKind, KEYRING_KEYS_MAX, KeyCache, KeyEntry, KeyEpoch, Keyring,
    LockedSigner, Pseudonym, PseudonymKind, Purpose, RootKey, RowHash, RowMac, Status, TenantKeys, TenantSeed,
    check_input, row_hash,
};
pub use memory::{
    ARENA_BYTES_DEFAULT, ARENA_BYTES_MAX, ARENA_BYTES_MIN, Arena, KEY_BYTES, LockedKey, Locking, harden_process,
    scrub_stack, scrubbed,
};
pub use names::{
    Actor, ActorKind, Context, Description, Environment, Folder, LabelName, LabelValue, Labels, Origin, RequestId,
    SecretPath, TenantId,
};
pub use profile::{AuditKeyProfile, DeviceProfile, RootProfile};
pub use random::{Random, SystemRandom};
pub use room::{
    ActingTenant, Admin, AuditHead, DeviceKeys, ExportedKey, Init, OpenOptions, Recovery, Status as DeploymentStatus,
    Strongroom, Tenant, TenantInfo, TenantState, Tenants,
};
pub use seal::{SealedHeader, Subject};
pub use secrets::{
    After, Delete, Deleted, Entry, Exported, ExportedSecret, Get, Import, ImportEntry, Imported, Meta, Page, Put,
    PutReply, Secret, Secrets, Version, VersionInfo, VersionState, Versions,
};
pub use value::{SecretValue, ValueKind};
