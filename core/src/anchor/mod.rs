//! Anchors: memory of the audit log outside of its database, so that an older database does not pass for the present one.
//!
//! An anchor holds the newest checkpoint, with what is needed to check it ([`strongroom_log::Anchor`]). It is written
//! within a second of every change, on threads of its own; no commit waits for it. When a deployment is opened each
//! must be there and must be the beginning of the log that is found, or nothing is served.
//!
//! Which anchors there are stands in the row of `sys`, authenticated, and in `config.toml`, and both must agree: who
//! edits one of them removes nothing. Where an anchor is first made is always a recorded act.

mod check;
mod file;
mod keeper;
mod manage;
mod place;
mod settings;

pub(crate) use check::{Examined, Knowledge, demand_free, examine};
pub use keeper::{AnchorFailing, AnchorStatus};
pub(crate) use keeper::{Facts, Keepers, WriteMode};
pub use manage::Anchors;
pub(crate) use manage::with_anchors;
pub use place::AnchorPlace;
pub(crate) use place::demand_distinct;
pub(crate) use settings::{from_settings, to_settings};
