//! The key hierarchy below a tenant's PRK.

/// A keyed hash by which a row is found: it names a candidate and proves nothing.
pub type IndexHash = [u8; 16];

/// Authenticates a mutable row (`docs/formats.md` §5).
pub type RowMac = [u8; 32];
