//! The labels that keep one use of a key apart from every other.
//!
//! This is the whole list: a new use gets a new label here and in `docs/formats.md`, and a label is never used twice.

use std::fmt;

/// What an encoding is for: always its first field.
///
/// Only this module can make one, so nobody can invent a label in passing.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Label(&'static str);

impl Label {
    /// A tenant's pseudo-random key, in the device.
    pub const TENANT: Self = Self("strongroom/tenant/v1");
    /// A root key's check value, in the device.
    pub const CHECK: Self = Self("strongroom/check/v1");
    /// A tenant's wrap key.
    pub const WRAP: Self = Self("strongroom/wrap/v1");
    /// The associated data of everything sealed.
    pub const AAD: Self = Self("strongroom/aad/v1");
    /// Keyed hashes by which rows are found.
    pub const INDEX: Self = Self("strongroom/index/v1");
    /// Keyed hashes in audit lines.
    pub const PSEUDONYM: Self = Self("strongroom/pseudonym/v1");
    /// The authentication of mutable rows.
    pub const ROW: Self = Self("strongroom/row/v1");
    /// The associated data of the software device's key file.
    pub const SOFTWARE_DEVICE: Self = Self("strongroom/software-device/v1");

    /// Every label there is.
    pub const ALL: [Self; 8] = [
        Self::TENANT,
        Self::CHECK,
        Self::WRAP,
        Self::AAD,
        Self::INDEX,
        Self::PSEUDONYM,
        Self::ROW,
        Self::SOFTWARE_DEVICE,
    ];

    /// The label's text, as it is encoded.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_label_is_used_twice() {
        let distinct: HashSet<_> = Label::ALL.iter().map(|label| label.as_str()).collect();
        assert_eq!(distinct.len(), Label::ALL.len());
    }
}
