//! Bundles: the log as a text that leaves the deployment, one record a line.
//!
//! [`FullBundleWriter`] and [`TenantBundleWriter`] write it, [`BundleReader`] takes it apart again and hands the records
//! to a verifier. Neither judges what a record says.

mod read;
mod write;

pub use read::{BundleReader, RECORD_BYTES_MAX, verify};
pub use write::{FullBundleWriter, TenantBundleWriter, TenantProof};

/// The first record of a full bundle.
const FULL: &str = "strongroom-bundle/v1 full";
/// The first record of one log's bundle.
const TENANT: &str = "strongroom-bundle/v1 tenant";
