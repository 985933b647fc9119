//! The names of a deployment's logs and keys, and the hash each log starts from.
//!
//! Every name derives from the deployment's origin and the generation of its log, so a line, a checkpoint or a
//! certificate says which deployment it belongs to, and cannot be moved to another.

use crate::codec::{hex_array, hex_encode};
use crate::error::FormatError;
use crate::hash::{Hash, sha256_of};
use std::fmt;

/// The longest origin, so that the longest name still fits in a line and a note.
pub const ORIGIN_BYTES_MAX: usize = 128;

/// A deployment's origin in one generation of its log: `example.com/keys`, then `example.com/keys/g2`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    first: String,
    generation: u32,
    full: String,
}

impl Origin {
    /// The origin of generation 1: printable ASCII without space, `"`, `\` and `+`, not starting or ending with `/`.
    pub fn parse(first: &str) -> Result<Self, FormatError> {
        let fail = |rule| Err(FormatError::new("origin", rule));
        if first.is_empty() || first.len() > ORIGIN_BYTES_MAX {
            return fail("has 1 to 128 bytes");
        }
        if !first.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'+')) {
            return fail(r#"is printable ASCII without space, ", \ and +"#);
        }
        if first.starts_with('/') || first.ends_with('/') {
            return fail("neither starts nor ends with /");
        }
        Ok(Self { first: first.to_owned(), generation: 1, full: first.to_owned() })
    }

    /// The same deployment in generation `k`, from 1.
    ///
    /// # Panics
    /// If `k` is 0: there is no such generation.
    #[must_use]
    pub fn at_generation(&self, k: u32) -> Self {
        assert!(k > 0, "generations count from 1");
        let full = if k == 1 { self.first.clone() } else { format!("{}/g{k}", self.first) };
        Self { first: self.first.clone(), generation: k, full }
    }

    /// The generation, from 1.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// The origin of generation 1.
    pub fn first(&self) -> &str {
        &self.first
    }

    /// The origin of this generation.
    pub fn as_str(&self) -> &str {
        &self.full
    }

    /// The head log, whose checkpoints the epochs sign; also the name of their keys.
    pub fn heads(&self) -> String {
        format!("{}/heads", self.full)
    }

    /// What an epoch certificate starts with.
    pub fn epochs(&self) -> String {
        format!("{}/epochs", self.full)
    }

    /// The name of the root of trust's key, the same in every generation.
    pub fn root_key_name(&self) -> String {
        format!("{}/root", self.first)
    }

    /// The deployment's own log.
    pub fn sys(&self) -> LogOrigin {
        LogOrigin(format!("{}/sys", self.full))
    }

    /// A tenant's log.
    pub fn tenant(&self, tenant_ref: &[u8; 16]) -> LogOrigin {
        LogOrigin(format!("{}/t/{}", self.full, hex_encode(tenant_ref)))
    }

    /// Which log of this origin a name means: `None` is another's, `Some(None)` is `sys`.
    pub(crate) fn log_of(&self, name: &str) -> Option<Option<[u8; 16]>> {
        match name.strip_prefix(&self.full)? {
            "/sys" => Some(None),
            rest => Some(Some(hex_array(rest.strip_prefix("/t/")?)?)),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.full)
    }
}

/// The name of one log, as its lines carry it. Made by [`Origin::sys`] and [`Origin::tenant`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LogOrigin(String);

impl LogOrigin {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LogOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The head log that the generation before ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreviousGeneration {
    /// How many commits it had.
    pub size: u64,
    /// Its root at that size.
    pub root: Hash,
}

/// The `prev` of a log's first line: of its name, the key that writes it, and what came before.
pub fn genesis_hash(log: &LogOrigin, epoch_key: &[u8; 32], previous: Option<&PreviousGeneration>) -> Hash {
    let before = previous.map(|previous| [&previous.size.to_be_bytes()[..], previous.root.as_bytes()].concat());
    sha256_of(&[b"sr-genesis/v1", &[0], log.0.as_bytes(), &[0], epoch_key, before.as_deref().unwrap_or_default()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::empty_root;

    #[test]
    fn names_follow_from_origin_and_generation() {
        let first = Origin::parse("example.com/keys").unwrap();
        let second = first.at_generation(2);
        assert_eq!(first.sys().as_str(), "example.com/keys/sys");
        assert_eq!(second.tenant(&[0xab; 16]).as_str(), format!("example.com/keys/g2/t/{}", "ab".repeat(16)));
        assert_eq!(
            (second.heads(), second.epochs()),
            ("example.com/keys/g2/heads".into(), "example.com/keys/g2/epochs".into())
        );
        assert_eq!(second.root_key_name(), "example.com/keys/root");
        assert_eq!(second.at_generation(1), first);
        assert_eq!(second.log_of(second.sys().as_str()), Some(None));
        assert_eq!(second.log_of(second.tenant(&[7; 16]).as_str()), Some(Some([7; 16])));
        for other in
            ["example.com/keys/sys", "example.com/keys/g2/t/0", "example.com/keys/g2", "example.com/keys/g2/heads"]
        {
            assert_eq!(second.log_of(other), None, "{other}");
        }
    }

    #[test]
    fn origins_are_parsed_strictly() {
        let (longest, too_long) = ("a".repeat(128), "a".repeat(129));
        for (input, good) in [
            (longest.as_str(), true),
            (too_long.as_str(), false),
            ("strongroom.invalid/0123", true),
            ("", false),
            ("a b", false),
            ("a+b", false),
            ("a\"b", false),
            ("a\\b", false),
            ("/a", false),
            ("a/", false),
            ("ä", false),
            ("a\n", false),
        ] {
            assert_eq!(Origin::parse(input).is_ok(), good, "{input:?}");
        }
    }

    #[test]
    fn genesis_depends_on_all_of_it() {
        let origin = Origin::parse("d").unwrap();
        let base = genesis_hash(&origin.sys(), &[1; 32], None);
        let before = PreviousGeneration { size: 0, root: empty_root() };
        assert_ne!(base, genesis_hash(&origin.tenant(&[0; 16]), &[1; 32], None));
        assert_ne!(base, genesis_hash(&origin.sys(), &[2; 32], None));
        assert_ne!(base, genesis_hash(&origin.sys(), &[1; 32], Some(&before)));
    }
}
