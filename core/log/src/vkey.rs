//! Public keys of signed notes, with the name and key id by which a signature line refers to them.

use crate::codec::{base64_decode, base64_encode, hex_array, hex_encode};
use crate::error::FormatError;
use crate::hash::sha256_of;
use crate::origin::Origin;
use std::fmt;
use std::str::FromStr;

/// The C2SP signature type of plain Ed25519.
const ED25519: u8 = 1;

/// A named Ed25519 public key. Prints and parses as a C2SP vkey: `name+keyid+base64(01 ‖ key)`.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifyingKey {
    name: String,
    id: [u8; 4],
    key: ed25519_dalek::VerifyingKey,
}

impl VerifyingKey {
    /// The key of that name. Refused are names a note cannot carry, and bytes that are no point of the curve.
    pub fn new(name: &str, public_key: &[u8; 32]) -> Result<Self, FormatError> {
        if !is_key_name(name) {
            return Err(FormatError::new("key name", "is not empty and has neither spaces, control characters nor +"));
        }
        let key = ed25519_dalek::VerifyingKey::from_bytes(public_key)
            .map_err(|_| FormatError::new("public key", "is an Ed25519 point"))?;
        let hash = sha256_of(&[name.as_bytes(), b"\n", &[ED25519], public_key]);
        let [a, b, c, d, ..] = *hash.as_bytes();
        Ok(Self { name: name.to_owned(), id: [a, b, c, d], key })
    }

    /// The key's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first four bytes of the hash of name, type and key.
    pub fn id(&self) -> [u8; 4] {
        self.id
    }

    /// The public key itself.
    pub fn public_key(&self) -> [u8; 32] {
        self.key.to_bytes()
    }

    /// Whether `signature` is this key's over `message`, by the strict rules: one signature, one verdict everywhere.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        self.key.verify_strict(message, &signature).is_ok()
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[ED25519][..], self.key.as_bytes()].concat();
        write!(f, "{}+{}+{}", self.name, hex_encode(&self.id), base64_encode(&key))
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for VerifyingKey {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        let malformed = |rule| FormatError::new("verifier key", rule);
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(malformed("is name+id+key"));
        };
        let id: [u8; 4] = hex_array(id).ok_or(malformed("has an id of 8 hex digits"))?;
        let key = base64_decode(key).ok_or(malformed("ends in base64"))?;
        let Some((&ED25519, key)) = key.split_first() else {
            return Err(malformed("is of type Ed25519"));
        };
        let key = Self::new(name, key.try_into().map_err(|_| malformed("holds 32 bytes"))?)?;
        if key.id != id { Err(malformed("has the id of its name and key")) } else { Ok(key) }
    }
}

/// Names must not be empty and must have neither Unicode spaces nor plus; control characters can stand in no note.
pub(crate) fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c < ' ' || c == '+')
}

/// The root of trust: the device's audit key, which certifies epochs.
///
/// Parsed from a vkey, whose name binds it to one deployment, or from the 64 hex digits of the public key alone, which
/// then stands for whatever deployment the bundle says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootKey {
    public_key: [u8; 32],
    name: Option<String>,
}

impl RootKey {
    /// The root of trust of the deployment with this origin.
    pub fn of(origin: &Origin, public_key: &[u8; 32]) -> Result<Self, FormatError> {
        let key = VerifyingKey::new(&origin.root_key_name(), public_key)?;
        Ok(Self { public_key: *public_key, name: Some(key.name) })
    }

    /// The key under the name that certificates of `origin` must carry; `None` if it is another deployment's.
    pub fn for_origin(&self, origin: &Origin) -> Option<VerifyingKey> {
        let name = origin.root_key_name();
        if self.name.as_ref().is_some_and(|own| *own != name) {
            return None;
        }
        VerifyingKey::new(&name, &self.public_key).ok()
    }
}

impl FromStr for RootKey {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        if let Some(public_key) = hex_array(text) {
            VerifyingKey::new("root", &public_key)?;
            return Ok(Self { public_key, name: None });
        }
        let key: VerifyingKey = text.parse()?;
        Ok(Self { public_key: key.public_key(), name: Some(key.name) })
    }
}

impl fmt::Display for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.as_ref().map(|name| VerifyingKey::new(name, &self.public_key)) {
            Some(Ok(key)) => fmt::Display::fmt(&key, f),
            _ => f.write_str(&hex_encode(&self.public_key)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

    #[test]
    fn a_vkey_is_read_as_it_is_written() {
        let key: VerifyingKey = PETER.parse().unwrap();
        assert_eq!((key.name(), key.id()), ("PeterNeumann", [0xc7, 0x4f, 0x20, 0xa3]));
        assert_eq!(key.to_string(), PETER);
        for (name, text) in [
            ("another id", PETER.replace("c74f20a3", "c74f20a4")),
            ("another name", PETER.replace("Peter", "Pater")),
            ("another type", PETER.replace("+AR", "+BR")),
            ("space in the name", PETER.replace("rN", "r N")),
            ("no key", "PeterNeumann+c74f20a3".into()),
            ("short key", "PeterNeumann+c74f20a3+ARpc2Q==".into()),
            ("trailing", format!("{PETER}\n")),
        ] {
            assert!(text.parse::<VerifyingKey>().is_err(), "case: {name}");
        }
    }

    #[test]
    fn a_named_root_key_is_one_deployments() {
        let (ours, other) = (Origin::parse("ours").unwrap(), Origin::parse("other").unwrap());
        let public_key = PETER.parse::<VerifyingKey>().unwrap().public_key();
        let named = RootKey::of(&ours, &public_key).unwrap();
        assert_eq!(named.to_string().parse::<RootKey>().unwrap(), named);
        assert_eq!(named.for_origin(&ours.at_generation(3)).unwrap().name(), "ours/root");
        assert!(named.for_origin(&other).is_none());
        let bare: RootKey = hex_encode(&public_key).parse().unwrap();
        assert_eq!(bare.for_origin(&other).unwrap().name(), "other/root");
        assert_eq!(bare.to_string(), hex_encode(&public_key));
    }
}
