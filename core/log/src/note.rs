//! C2SP signed notes: a text, and under it the signatures of one or more keys.
//!
//! Any reader of such notes can check ours; `https://c2sp.org/signed-note` is the standard. What the texts say is
//! [`crate::Checkpoint`]'s and [`crate::EpochCertificate`]'s business.

use crate::codec::{base64_decode, base64_encode};
use crate::vkey::{VerifyingKey, is_key_name};

/// The longest note accepted. Sixteen post-quantum signatures of 5 kB take 110 kB.
pub const NOTE_BYTES_MAX: usize = 128 * 1024;

/// The most signatures accepted; the standard asks for at least 16.
pub const NOTE_SIGNATURES_MAX: usize = 64;

/// Why a note is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// It is no signed note.
    #[error("malformed note: {0}")]
    Malformed(&'static str),
    /// More than a limit of ours allows.
    #[error("note too large: more than {0}")]
    TooLarge(&'static str),
    /// None of its signatures is by a key we know.
    #[error("note not signed by a known key")]
    UnknownKey,
    /// It says to be signed by a known key, and is not.
    #[error("bad signature of {0}")]
    BadSignature(String),
    /// One known key stands under it twice.
    #[error("two signatures of {0}")]
    DuplicateSignature(String),
}

/// A note taken apart, its signatures **not** verified.
#[derive(Debug, Clone)]
pub struct Note<'a> {
    whole: &'a str,
    text: &'a str,
    signatures: Vec<SignatureLine<'a>>,
}

#[derive(Debug, Clone)]
struct SignatureLine<'a> {
    name: &'a str,
    id: [u8; 4],
    signature: Vec<u8>,
}

impl<'a> Note<'a> {
    /// Takes a note apart.
    pub fn parse(note: &'a [u8]) -> Result<Self, NoteError> {
        if note.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLarge("128 KiB"));
        }
        let note = std::str::from_utf8(note).map_err(|_| NoteError::Malformed("it is not UTF-8"))?;
        if note.bytes().any(|byte| byte < 0x20 && byte != b'\n') {
            return Err(NoteError::Malformed("it has control characters"));
        }
        let blank = note.rfind("\n\n").ok_or(NoteError::Malformed("no blank line before the signatures"))?;
        let (text, lines) = (&note[..=blank], &note[blank + 2..]);
        let lines = lines.strip_suffix('\n').ok_or(NoteError::Malformed("it does not end in a signature line"))?;
        let mut signatures = Vec::new();
        for line in lines.split('\n') {
            if signatures.len() == NOTE_SIGNATURES_MAX {
                return Err(NoteError::TooLarge("64 signatures"));
            }
            signatures.push(SignatureLine::parse(line).ok_or(NoteError::Malformed("a signature line is not one"))?);
        }
        Ok(Self { whole: note, text, signatures })
    }

    /// The text, with its last newline. Nobody has vouched for it yet.
    pub fn unverified_text(&self) -> &'a str {
        self.text
    }

    /// The whole note, with its signatures.
    pub(crate) fn to_text(&self) -> String {
        self.whole.to_owned()
    }

    /// The signature of this key, **not** verified; `None` if it has none of the length of ours.
    pub(crate) fn signature_by(&self, key: &VerifyingKey) -> Option<[u8; 64]> {
        let line = self.signatures.iter().find(|line| line.name == key.name() && line.id == key.id())?;
        line.signature.as_slice().try_into().ok()
    }

    /// The text, once at least one known key has signed it and no known key's signature is bad.
    pub fn verify(&self, known: &[&VerifyingKey]) -> Result<&'a str, NoteError> {
        let mut signed = vec![false; known.len()];
        for line in &self.signatures {
            let of = |key: &&VerifyingKey| key.name() == line.name && key.id() == line.id;
            let Some(index) = known.iter().position(of) else {
                continue;
            };
            let name = || line.name.to_owned();
            if signed[index] {
                return Err(NoteError::DuplicateSignature(name()));
            }
            let good = <&[u8; 64]>::try_from(line.signature.as_slice())
                .is_ok_and(|signature| known[index].verifies(self.text.as_bytes(), signature));
            if !good {
                return Err(NoteError::BadSignature(name()));
            }
            signed[index] = true;
        }
        if signed.contains(&true) { Ok(self.text) } else { Err(NoteError::UnknownKey) }
    }
}

impl<'a> SignatureLine<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (name, signature) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
        let bytes = base64_decode(signature)?;
        let (id, signature) = bytes.split_first_chunk::<4>()?;
        (is_key_name(name) && !signature.is_empty()).then(|| Self { name, id: *id, signature: signature.to_vec() })
    }
}

/// Reads a note and returns its text, as [`Note::verify`] does.
pub fn verify_note<'a>(note: &'a [u8], known: &[&VerifyingKey]) -> Result<&'a str, NoteError> {
    Note::parse(note)?.verify(known)
}

/// The note of `text` with one signature, made beforehand over the text's bytes: for keys that answer later.
///
/// Refuses a text no note can carry, and a signature that is not the key's.
pub fn write_note(text: &str, key: &VerifyingKey, signature: &[u8; 64]) -> Result<String, NoteError> {
    let note = compose(text, key, signature)?;
    verify_note(note.as_bytes(), &[key])?;
    Ok(note)
}

/// Signs `text` with a key at hand and writes the note. Refuses a text no note can carry.
///
/// The signature is believed: to check it takes twice the time of making it.
pub fn sign_note(text: &str, key: &VerifyingKey, sign: impl FnOnce(&[u8]) -> [u8; 64]) -> Result<String, NoteError> {
    let note = compose(text, key, &sign(text.as_bytes()))?;
    debug_assert!(verify_note(note.as_bytes(), &[key]).is_ok(), "the signature is another key's");
    Ok(note)
}

fn compose(text: &str, key: &VerifyingKey, signature: &[u8; 64]) -> Result<String, NoteError> {
    let signature = base64_encode(&[&key.id()[..], signature].concat());
    let note = format!("{text}\n\u{2014} {} {signature}\n", key.name());
    if Note::parse(note.as_bytes())?.unverified_text() == text {
        Ok(note)
    } else {
        Err(NoteError::Malformed("the text is not one"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::{Signer, SigningKey};

    const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const TEXT: &str =
        "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
    const LINE: &str = "\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    fn peter() -> VerifyingKey {
        PETER.parse().unwrap()
    }

    #[test]
    fn the_example_of_the_standard_verifies() {
        assert_eq!(verify_note(format!("{TEXT}\n{LINE}").as_bytes(), &[&peter()]), Ok(TEXT));
    }

    #[test]
    fn notes_are_read_strictly() {
        let stranger = format!("\u{2014} stranger {}\n", base64_encode(&[9; 4 + 2_420]));
        let short = LINE.replace("PeterNeumann ", "short ").replace(" x08g", " x08h");
        let many = |count: usize| format!("{TEXT}\n{}{LINE}", stranger.repeat(count));
        let small = format!("\u{2014} s {}\n", base64_encode(&[9; 5]));
        let malformed = |note: String| (note, Err("malformed"));
        for (name, (note, want)) in [
            ("a stranger's signature too", (format!("{TEXT}\n{stranger}{LINE}"), Ok(()))),
            ("our name under another id", (format!("{TEXT}\n{}{LINE}", LINE.replace("x08go", "x08gp")), Ok(()))),
            ("our id under another name", (format!("{TEXT}\n{short}{LINE}"), Ok(()))),
            ("sixteen large signatures", (many(15), Ok(()))),
            ("most signatures", (format!("{TEXT}\n{}{LINE}", small.repeat(63)), Ok(()))),
            ("one more", (format!("{TEXT}\n{}{LINE}", small.repeat(64)), Err("large"))),
            ("too long", (format!("{}\n{TEXT}\n{LINE}", "x".repeat(NOTE_BYTES_MAX)), Err("large"))),
            ("only strangers", (format!("{TEXT}\n{stranger}"), Err("unknown"))),
            ("twice", (format!("{TEXT}\n{LINE}{LINE}"), Err("twice"))),
            ("changed text", (format!("{}\n{LINE}", TEXT.replace("think", "thing")), Err("bad"))),
            ("changed signature", (format!("{TEXT}\n{}", LINE.replace("ZJku", "ZJkv")), Err("bad"))),
            ("good and bad of one key", (format!("{TEXT}\n{}{LINE}", LINE.replace("ZJku", "ZJkv")), Err("bad"))),
            ("signature of one byte", (format!("{TEXT}\n\u{2014} PeterNeumann x08go/Y=\n"), Err("bad"))),
            ("signature of none", malformed(format!("{TEXT}\n\u{2014} PeterNeumann x08gow==\n"))),
            ("no blank line", malformed(format!("{TEXT}{LINE}"))),
            ("no signature", malformed(format!("{TEXT}\n"))),
            ("no last newline", malformed(format!("{TEXT}\n{}", LINE.trim_end()))),
            ("text after", malformed(format!("{TEXT}\n{LINE}more\n"))),
            ("hyphen for the dash", malformed(format!("{TEXT}\n{}", LINE.replace('\u{2014}', "-")))),
            ("two spaces", malformed(format!("{TEXT}\n{}", LINE.replace("n x", "n  x")))),
            ("no padding", malformed(format!("{TEXT}\n{}", LINE.replace('=', "")))),
            ("carriage return", malformed(format!("{TEXT}\n{LINE}").replace('\n', "\r\n"))),
            ("tab", malformed(format!("\t{TEXT}\n{LINE}"))),
            ("empty", malformed(String::new())),
        ] {
            let got = verify_note(note.as_bytes(), &[&peter()]).map(drop).map_err(|error| match error {
                NoteError::Malformed(_) => "malformed",
                NoteError::TooLarge(_) => "large",
                NoteError::UnknownKey => "unknown",
                NoteError::BadSignature(_) => "bad",
                NoteError::DuplicateSignature(_) => "twice",
            });
            assert_eq!(got, want, "case: {name}");
        }
        let latin1 = [b"\xff\n\n", LINE.as_bytes()].concat();
        assert!(matches!(verify_note(&latin1, &[&peter()]), Err(NoteError::Malformed(_))));
    }

    #[test]
    fn what_is_signed_verifies_and_nothing_else_is_written() {
        let signer = SigningKey::from_bytes(&[3; 32]);
        let key = VerifyingKey::new("example.com/log", signer.verifying_key().as_bytes()).unwrap();
        let sign = |message: &[u8]| signer.sign(message).to_bytes();
        let note = sign_note("a\n\nb\n", &key, sign).unwrap();
        assert_eq!(verify_note(note.as_bytes(), &[&peter(), &key]), Ok("a\n\nb\n"));
        assert_eq!(verify_note(note.as_bytes(), &[&peter()]), Err(NoteError::UnknownKey));
        assert!(matches!(write_note("a\n", &key, &[0; 64]), Err(NoteError::BadSignature(_))));
        for text in ["", "a", "a\r\n", "a\tb\n"] {
            assert!(sign_note(text, &key, sign).is_err(), "{text:?}");
        }
    }
}
