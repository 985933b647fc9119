//! Strongroom as a library: tenants, their keys, sealed secrets and the audit log.

mod error;
mod hex;
mod id;
mod keys;
mod names;
mod profile;
mod runtime;
mod value;

pub mod device;
pub mod limits;
pub mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod transfer;

pub use device::KeyDevice;
pub use error::{Class, Code, Error, Result};
pub use id::{DeploymentId, Handle, KeyId, ObjectId, TenantRef};
pub use names::{
    Actor, ActorKind, Context, Description, Environment, Folder, LabelName, LabelValue, Labels, Origin, RequestId,
    SecretPath, TenantId,
};
pub use profile::{AuditKeyProfile, DeviceProfile, RootProfile};
pub use value::{SecretValue, ValueKind};
