//! Keyed hashes: by which rows are found, and which stand for names in audit lines (`docs/formats.md` §4).
//!
//! An index hash only finds a candidate: its sealed name is opened and compared before it is believed.

use std::fmt;

use strongroom_log::{Enc, Label, hex_encode};

use super::hmac::hmac_sha256;
use crate::{Result, memory::LockedKey};

/// What an index hash is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IndexKind {
    /// A secret's full path.
    Secret,
    /// A folder's full path; empty for the root folder.
    Folder,
    /// A label: `enc(name, value)`.
    Label,
    /// An actor: `<type>:<name>`.
    Actor,
    /// A tenant's name, under the index key of `sys`.
    Tenant,
    /// The word for a secret's type.
    SecretType,
    /// Who answers for a secret.
    Owner,
}

impl IndexKind {
    /// The text that is hashed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Folder => "folder",
            Self::Label => "label",
            Self::Actor => "actor",
            Self::Tenant => "tenant",
            Self::SecretType => "secret-type",
            Self::Owner => "owner",
        }
    }
}

/// What a pseudonym stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PseudonymKind {
    /// A secret's path.
    Secret,
    /// A folder's path.
    Folder,
    /// A tenant's name.
    Tenant,
    /// An IP address.
    Address,
    /// A request, as its caller names it.
    Request,
    /// An anchor, by its name in `config.toml`.
    Anchor,
}

impl PseudonymKind {
    /// The text that is hashed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Folder => "folder",
            Self::Tenant => "tenant",
            Self::Address => "address",
            Self::Request => "request",
            Self::Anchor => "anchor",
        }
    }
}

/// A keyed hash by which a row is found: it names a candidate and proves nothing.
pub type IndexHash = [u8; 16];

/// A keyed hash in an audit line, and the version of its key (`pk`).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pseudonym {
    /// The hash.
    pub hash: [u8; 16],
    /// The version of the pseudonym key.
    pub key_version: u32,
}

impl fmt::Debug for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pseudonym({}, {})", hex_encode(&self.hash), self.key_version)
    }
}

pub(super) fn index_hash(key: &LockedKey, kind: IndexKind, value: &[u8]) -> Result<IndexHash> {
    hash(key, Label::INDEX, kind.as_str(), value)
}

pub(super) fn pseudonym_hash(key: &LockedKey, kind: PseudonymKind, value: &[u8]) -> Result<[u8; 16]> {
    hash(key, Label::PSEUDONYM, kind.as_str(), value)
}

fn hash(key: &LockedKey, label: Label, kind: &str, value: &[u8]) -> Result<[u8; 16]> {
    let message = Enc::new(label).field(kind).field(value).finish();
    let mut hash = [0; 16];
    hash.copy_from_slice(&hmac_sha256(key, &message)?[..16]);
    Ok(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::testing::key;
    use std::collections::HashSet;

    #[test]
    fn hashes_differ_by_key_use_kind_and_value() {
        let (ours, other) = (key(&[1; 32]), key(&[2; 32]));
        let mut seen = HashSet::new();
        for (key, kind, value) in [
            (&ours, IndexKind::Secret, &b"a"[..]),
            (&ours, IndexKind::Secret, b"b"),
            (&ours, IndexKind::Folder, b"a"),
            (&ours, IndexKind::Folder, b""),
            (&other, IndexKind::Secret, b"a"),
        ] {
            let hash = index_hash(key, kind, value).unwrap();
            assert_eq!(index_hash(key, kind, value).unwrap(), hash);
            assert!(seen.insert(hash));
        }
        assert!(seen.insert(pseudonym_hash(&ours, PseudonymKind::Secret, b"a").unwrap()), "another use");
    }
}
