//! Verification: what the log's records say, held against each other and against one root key.
//!
//! [`Verifier`] takes the records of a whole deployment, from a bundle or a live database, and [`TenantVerifier`] those of
//! one tenant's bundle. Both keep what grows with the tenants and epochs, and nothing that grows with the lines.

mod chain;
mod full;
mod generation;
mod remembered;
mod salvage;
mod tenant;

pub use full::Verifier;
pub use tenant::TenantVerifier;
