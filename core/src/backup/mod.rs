//! Backups: a copy of the whole database with a signed note beside it, and what becomes of one.
//!
//! A backup is made while others go on. It holds no key: without the token, or a copy of it, it opens
//! nothing. It verifies offline, with the root key alone. A restore never continues the log it finds:
//! it opens a new generation, and the log says so for ever.

mod create;
mod note;
mod restore;
mod verify;

#[cfg(any(test, feature = "testing"))]
pub(crate) use note::BackupNote;

pub use create::BackupReply;
pub use restore::Restore;
pub use verify::{BackupReport, verify_backup};
