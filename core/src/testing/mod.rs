//! Test kits: what every [`crate::KeyDevice`] and every store must do, whoever wrote it.

pub mod device;
pub mod faulty;
pub mod store;
