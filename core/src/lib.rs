//! Strongroom as a library: tenants, their keys, sealed secrets and the audit log.

mod error;
mod hex;
mod id;
mod keys;
mod profile;

pub mod device;
pub mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use device::KeyDevice;
pub use error::{Class, Code, Error, Result};
pub use id::{DeploymentId, Handle, KeyId, ObjectId, TenantRef};
pub use profile::{AuditKeyProfile, DeviceProfile, RootProfile};
