//! Parsers that are not public, for tests that throw bytes at them.
//!
//! Each reads what it finds, writes it again and returns that; `None` if it refused. Public parsers need no entry here.

use zeroize::Zeroizing;

use crate::{
    Config, Meta, ValueKind,
    backup::BackupNote,
    login,
    seal::{self, Content},
    secrets::{merge, not_after},
};

/// The plaintext of sealed bytes: type, length, content and padding (`docs/formats.md` §3).
pub fn content(bytes: &[u8]) -> Option<Vec<u8>> {
    // The type is the first byte: whoever opens it asks for a value or for a name.
    let kind = ValueKind::from_number(*bytes.first()?);
    let opened = seal::decode(Zeroizing::new(bytes.to_vec())).ok()?;
    let mut again = Vec::new();
    match kind {
        Some(_) => {
            let (kind, bytes) = opened.into_value().ok()?;
            Content::value(kind, &bytes).encode_into(&mut again);
        }
        None => Content::name(&opened.into_name().ok()?).encode_into(&mut again),
    }
    Some(again)
}

/// A secret's description and labels, as they are sealed.
pub fn meta(bytes: &[u8]) -> Option<Vec<u8>> {
    Some(Meta::from_stored(bytes).ok()?.to_stored().ok()?.to_vec())
}

/// A certificate in PEM or DER: the eight bytes of when it ends, in microseconds since 1970.
pub fn certificate(bytes: &[u8]) -> Option<Vec<u8>> {
    Some(not_after(bytes)?.0.to_be_bytes().to_vec())
}

/// A JSON value, a NUL and a merge patch: what the value becomes.
pub fn merge_patch(bytes: &[u8]) -> Option<Vec<u8>> {
    let (target, patch) = std::str::from_utf8(bytes).ok()?.split_once('\0')?;
    Some(merge(target, patch).ok()?.to_vec())
}

/// The text of the note beside a backup.
pub fn backup_note(bytes: &[u8]) -> Option<Vec<u8>> {
    Some(BackupNote::parse(std::str::from_utf8(bytes).ok()?)?.text().into_bytes())
}

/// The note of logins that the device refused.
pub fn refused_logins(bytes: &[u8]) -> Option<Vec<u8>> {
    login::Note::parse(bytes)?.to_bytes().ok()
}

/// `config.toml`, without its comment.
pub fn config(bytes: &[u8]) -> Option<Vec<u8>> {
    let config = Config::parse(std::str::from_utf8(bytes).ok()?).ok()?;
    toml::to_string(&config).ok().map(String::into_bytes)
}
