//! Strongroom as a library: tenants, their keys, sealed secrets and the audit log.

mod error;
mod hex;
mod names;
mod profile;
mod value;

pub mod device;
pub mod limits;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod transfer;

pub use device::KeyDevice;
pub use error::{Class, Code, Error, Result};
pub use names::{
    Actor, ActorKind, Context, Description, Environment, Folder, LabelName, LabelValue, Labels, Origin, RequestId,
    SecretPath, TenantId,
};
pub use profile::{AuditKeyProfile, DeviceProfile, RootProfile};
pub use value::{SecretValue, ValueKind};
