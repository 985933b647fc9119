//! Checkpoints: the size and root of a head log, in the note form every witness and monitor reads.

use crate::codec::{base64_decode, base64_encode, parse_decimal};
use crate::error::FormatError;
use crate::hash::Hash;
use crate::note::{Note, NoteError, sign_note};
use crate::vkey::VerifyingKey;

/// What an epoch signs in every commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log, such as `example.com/keys/heads`.
    pub origin: String,
    /// How many leaves it has.
    pub size: u64,
    /// The root at that size.
    pub root: Hash,
}

impl Checkpoint {
    /// The text that is signed.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, base64_encode(self.root.as_bytes()))
    }

    /// Reads a text. Extension lines are refused: our logs never write any.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let malformed = |rule| FormatError::new("checkpoint", rule);
        let mut lines = text.split('\n');
        let (Some(origin), Some(size), Some(root), Some(""), None) =
            (lines.next(), lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(malformed("has three lines"));
        };
        if origin.is_empty() {
            return Err(malformed("names its origin"));
        }
        let size = parse_decimal(size).ok_or(malformed("has a decimal size"))?;
        let root =
            base64_decode(root).and_then(|root| Hash::from_slice(&root)).ok_or(malformed("has a root of 32 bytes"))?;
        Ok(Self { origin: origin.to_owned(), size, root })
    }

    /// The signed note.
    pub fn sign(&self, key: &VerifyingKey, sign: impl FnOnce(&[u8]) -> [u8; 64]) -> Result<String, NoteError> {
        sign_note(&self.text(), key, sign)
    }

    /// The checkpoint in a note, once `key` has signed it.
    pub fn open(note: &[u8], key: &VerifyingKey) -> Result<Self, FormatError> {
        Self::parse(Note::parse(note)?.verify(&[key])?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::empty_root;
    use ed25519_dalek::{Signer, SigningKey};

    #[test]
    fn the_text_is_read_as_it_is_written() {
        let checkpoint =
            Checkpoint { origin: "example.com/behind-the-sofa".into(), size: 20_852_163, root: empty_root() };
        let text = checkpoint.text();
        assert_eq!(text, "example.com/behind-the-sofa\n20852163\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n");
        assert_eq!(Checkpoint::parse(&text).as_ref(), Ok(&checkpoint));
        for (name, text) in [
            ("extension line", format!("{text}more\n")),
            ("empty line", format!("{text}\n")),
            ("no newline", text.trim_end().to_owned()),
            ("no origin", text.replace("example.com/behind-the-sofa", "")),
            ("leading zero", text.replace("20852163", "020852163")),
            ("sign", text.replace("20852163", "+20852163")),
            ("size too large", text.replace("20852163", "18446744073709551616")),
            ("short root", text.replace("47DE", "")),
            ("padding", text.replace("FU=", "FV=")),
            ("empty", String::new()),
        ] {
            assert!(Checkpoint::parse(&text).is_err(), "case: {name}");
        }
    }

    #[test]
    fn a_signed_one_opens_under_its_key_only() {
        let signer = SigningKey::from_bytes(&[5; 32]);
        let key = VerifyingKey::new("d/heads", signer.verifying_key().as_bytes()).unwrap();
        let other = VerifyingKey::new("e/heads", signer.verifying_key().as_bytes()).unwrap();
        let checkpoint = Checkpoint { origin: "d/heads".into(), size: 1, root: empty_root() };
        let note = checkpoint.sign(&key, |message| signer.sign(message).to_bytes()).unwrap();
        assert_eq!(Checkpoint::open(note.as_bytes(), &key), Ok(checkpoint));
        assert_eq!(Checkpoint::open(note.as_bytes(), &other), Err(NoteError::UnknownKey.into()));
    }
}
