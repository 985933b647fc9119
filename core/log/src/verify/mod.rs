//! Verification: what the log's records say, held against each other and against one root key.
//!
//! [`Verifier`] takes the records of a whole deployment, from a bundle or a live database, and [`TenantVerifier`] those of
//! one tenant's bundle. Both keep what grows with the tenants, the epochs and what is given to compare with, and nothing
//! that grows with the lines or commits.

mod chain;
mod full;
mod generation;
mod memory;
mod remembered;
mod salvage;
mod tenant;

pub use full::Verifier;
pub use memory::Memory;
pub use tenant::TenantVerifier;
