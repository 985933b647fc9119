//! The note beside a backup: what was copied, when, and up to which head of the log.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};
use strongroom_log::{Hash, Origin, RootKey, base64_decode, base64_encode, hex_array, hex_encode, verify_note};

use crate::{Code, DeploymentId, Error, Result, deployment::unreadable};

const HEADER: &str = "strongroom-backup/v1";

/// What a note says (`docs/formats.md` §9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BackupNote {
    pub(super) origin: String,
    pub(super) deployment: DeploymentId,
    pub(super) created: u64,
    pub(super) file_bytes: u64,
    pub(super) file_sha256: [u8; 32],
    pub(super) generation: u32,
    pub(super) head_size: u64,
    pub(super) head_root: Hash,
}

impl BackupNote {
    /// The text that is signed.
    pub(crate) fn text(&self) -> String {
        format!(
            "{HEADER}\norigin {}\ndeployment {}\ncreated {}\nfile {} {}\ngeneration {}\nhead {} {}\n",
            self.origin,
            self.deployment,
            self.created,
            self.file_bytes,
            hex_encode(&self.file_sha256),
            self.generation,
            self.head_size,
            base64_encode(self.head_root.as_bytes()),
        )
    }

    /// Reads a note that this root key signed.
    pub(super) fn open(note: &[u8], root: &RootKey) -> Result<Self> {
        let invalid = |detail: &'static str| Error::new(Code::BackupInvalid).detail(detail);
        let text = strongroom_log::Note::parse(note).map_err(|_| invalid("its note is not a signed note"))?;
        // The key's name depends on the origin, which only the text names; it is believed after the signature.
        let unverified = Self::parse(text.unverified_text()).ok_or_else(|| invalid("its note is malformed"))?;
        let origin = Origin::parse(&unverified.origin).map_err(|_| invalid("its note is malformed"))?;
        let key = root.for_origin(&origin).ok_or_else(|| invalid("it is another deployment's"))?;
        let text = verify_note(note, &[&key]).map_err(|_| invalid("its note is not signed by the root key"))?;
        Self::parse(text).ok_or_else(|| invalid("its note is malformed"))
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let mut field = |name: &str| lines.next()?.strip_prefix(name);
        if field("")? != HEADER {
            return None;
        }
        let origin = field("origin ")?.to_owned();
        let deployment = DeploymentId::from_bytes(hex_array(field("deployment ")?)?);
        let created = field("created ")?.parse().ok()?;
        let (bytes, hash) = field("file ")?.split_once(' ')?;
        let generation = field("generation ")?.parse().ok()?;
        let (size, root) = field("head ")?.split_once(' ')?;
        let note = Self {
            origin,
            deployment,
            created,
            file_bytes: bytes.parse().ok()?,
            file_sha256: hex_array(hash)?,
            generation,
            head_size: size.parse().ok()?,
            head_root: Hash::from_slice(&base64_decode(root)?)?,
        };
        // One text only says one thing: whatever else would parse to the same is refused.
        (note.text() == text).then_some(note)
    }
}

/// Where the note of a backup is.
pub(super) fn note_file(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".note");
    PathBuf::from(name)
}

/// Length and SHA-256 of a file.
pub(super) fn digest(path: &Path) -> Result<(u64, [u8; 32])> {
    let mut file = File::open(path).map_err(|error| unreadable(path, error))?;
    let (mut hash, mut bytes, mut chunk) = (Sha256::new(), 0, vec![0; 1 << 20]);
    loop {
        match file.read(&mut chunk).map_err(|error| unreadable(path, error))? {
            0 => return Ok((bytes, hash.finalize().into())),
            read => {
                hash.update(&chunk[..read]);
                bytes += read as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_as_it_was_written_and_not_otherwise() {
        let note = BackupNote {
            origin: "example.com/keys".into(),
            deployment: DeploymentId::from_bytes([1; 16]),
            created: 2,
            file_bytes: 3,
            file_sha256: [4; 32],
            generation: 5,
            head_size: 6,
            head_root: strongroom_log::leaf_hash(b"7"),
        };
        let text = note.text();
        assert_eq!(BackupNote::parse(&text), Some(note));
        for (name, other) in [
            ("a line more", format!("{text}more\n")),
            ("no newline", text.trim_end().to_owned()),
            ("leading zero", text.replace("created 2", "created 02")),
            ("sign", text.replace("created 2", "created +2")),
            ("version", text.replace("/v1", "/v2")),
            ("short hash", text.replace("0404 ", "04 ").replace("04\ngen", "\ngen")),
        ] {
            assert_eq!(BackupNote::parse(&other), None, "case: {name}");
        }
    }
}
