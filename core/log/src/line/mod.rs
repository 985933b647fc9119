//! Audit lines: one JSON object each, in a subset where only one form is possible.
//!
//! [`LineBuilder`] writes them and [`parse_line`] reads them, both after the one table of keys in `fields`. What the
//! lines of a log say together is for the verifier.

mod build;
mod error;
mod fields;
mod parse;

pub use build::{ActorKind, LineBuildError, LineBuilder, LineTemplate, Object, Outcome, Phase, RowChange, Who};
pub use error::{LineError, LineReason};
pub use parse::{Line, LineObject, parse_line};

/// The longest line.
pub const LINE_BYTES_MAX: usize = 16 * 1024;

/// The largest integer in a line: beyond it, JSON readers start to round.
pub const INTEGER_MAX: u64 = (1 << 53) - 1;
