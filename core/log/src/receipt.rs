//! Receipts: what a caller was given when its operation was recorded, as it is kept outside the deployment.
//!
//! A receipt is a checkpoint of the head log and one line below it. What the log makes of it, the verifier says.

use crate::checkpoint::Checkpoint;
use crate::codec::hex_array;
use crate::error::FormatError;
use crate::hash::Hash;
use serde::Deserialize;

/// A receipt as `docs/formats.md` §9 has it; read from JSON by `serde`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Fields")]
pub struct Receipt {
    pub(crate) log: String,
    pub(crate) seq: u64,
    pub(crate) leaf: Hash,
    pub(crate) head: Checkpoint,
    pub(crate) epoch: u32,
    pub(crate) signature: [u8; 64],
}

impl Receipt {
    /// A receipt of the line at `seq` of this log: its leaf hash, and the head log's size and root, signed by the epoch.
    pub fn new(
        log: String,
        seq: u64,
        leaf: Hash,
        head_size: u64,
        head_root: Hash,
        epoch: u32,
        signature: [u8; 64],
    ) -> Result<Self, FormatError> {
        let malformed = |rule| FormatError::new("receipt", rule);
        let deployment = match log.rsplit_once("/t/") {
            Some((deployment, tenant)) if hex_array::<16>(tenant).is_some() => Some(deployment),
            _ => log.strip_suffix("/sys"),
        };
        let deployment = deployment.ok_or(malformed("names the log of a tenant or sys"))?;
        if head_size == 0 {
            return Err(malformed("is of a head log with a commit"));
        }
        let head = Checkpoint { origin: format!("{deployment}/heads"), size: head_size, root: head_root };
        Ok(Self { log, seq, leaf, head, epoch, signature })
    }

    /// The log that has the line.
    pub fn log(&self) -> &str {
        &self.log
    }

    /// The line's position in it.
    pub fn seq(&self) -> u64 {
        self.seq
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    origin: String,
    seq: u64,
    leaf: String,
    head_size: u64,
    head_root: String,
    epoch: u32,
    signature: String,
}

impl TryFrom<Fields> for Receipt {
    type Error = FormatError;

    fn try_from(fields: Fields) -> Result<Self, FormatError> {
        let malformed = |rule| FormatError::new("receipt", rule);
        let hash = |hex: &str| hex_array(hex).map(Hash::from_bytes).ok_or(malformed("has hashes of 64 hex digits"));
        let (leaf, root) = (hash(&fields.leaf)?, hash(&fields.head_root)?);
        let signature = hex_array(&fields.signature).ok_or(malformed("has a signature of 128 hex digits"))?;
        Self::new(fields.origin, fields.seq, leaf, fields.head_size, root, fields.epoch, signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipts_are_read_strictly() {
        let good = format!(
            r#"{{"origin":"d/t/{}","seq":7,"leaf":"{}","head_size":9,"head_root":"{}","epoch":2,"signature":"{}"}}"#,
            "ab".repeat(16),
            "cd".repeat(32),
            "ef".repeat(32),
            "01".repeat(64),
        );
        let receipt: Receipt = serde_json::from_str(&good).unwrap();
        assert_eq!((receipt.head.origin.as_str(), receipt.head.size, receipt.epoch), ("d/heads", 9, 2));
        let sys = good.replace(&format!("d/t/{}", "ab".repeat(16)), "d/g2/sys");
        assert_eq!(serde_json::from_str::<Receipt>(&sys).unwrap().head.origin, "d/g2/heads");
        for (name, from, to) in [
            ("no log's origin", "d/t/", "d/x/"),
            ("a tenant ref too short", "d/t/ab", "d/t/"),
            ("upper case", "cdcd", "CDCD"),
            ("a leaf too short", "cdcd", "cd"),
            ("a root too long", "efef", "efefef"),
            ("a signature too short", "0101", "01"),
            ("an empty head log", "\"head_size\":9", "\"head_size\":0"),
            ("an epoch beyond 2^32", "\"epoch\":2", "\"epoch\":4294967296"),
            ("a field missing", "\"seq\":7,", ""),
            ("a field more", "\"seq\":7", "\"seq\":7,\"x\":1"),
        ] {
            assert!(good.contains(from), "case: {name}");
            assert!(serde_json::from_str::<Receipt>(&good.replacen(from, to, 1)).is_err(), "case: {name}");
        }
    }
}
