//! SQLite: the embedded default.

/// Stub.
#[derive(Debug)]
pub struct SqliteStore;
/// Who does the housekeeping.
#[derive(Clone, Copy, Debug)]
pub enum Maintenance {
    /// Stub.
    Background,
}
