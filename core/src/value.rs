//! A secret's value: a type that is awkward to leak.
//!
//! This module checks that a value is what its kind says and within its limit. Sealing, padding and
//! storing it are left to others.

use std::{fmt, str::FromStr};

use serde::de::IgnoredAny;
use subtle::ConstantTimeEq as _;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::{Code, Error, Result, limits};

/// What a value is. The numbers are those of the stored format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ValueKind {
    /// UTF-8 text.
    Text = 1,
    /// A JSON value, kept as it was written.
    Json = 2,
    /// Any bytes.
    Binary = 3,
}

impl ValueKind {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Binary => "binary",
        }
    }

    /// The number of the stored format.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The kind with this number; `None` if there is none.
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::Text, Self::Json, Self::Binary].into_iter().find(|kind| kind.number() == number)
    }
}

impl fmt::Display for ValueKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for ValueKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            "binary" => Ok(Self::Binary),
            _ => Err(Error::new(Code::ValueInvalid).detail("the kind is not text, json or binary")),
        }
    }
}

/// A secret's value, in the clear, for as short a time as possible: 0 to 65,536 bytes and their kind.
///
/// No `Clone`, `Serialize`, `Display` or `PartialEq`: each would make a copy, or a timing leak, easy to
/// write by accident. The bytes are taken over, never grown or moved to another buffer, and wiped with
/// the buffer's spare room when dropped; also when a constructor refuses them.
///
/// ```
/// # use strongroom::{Code, SecretValue};
/// let value = SecretValue::text("correct horse")?;
/// assert_eq!(value.expose(|bytes| bytes.len()), 13);
/// assert_eq!(SecretValue::binary(vec![0; 65_537]).unwrap_err().code(), Code::SecretTooLarge);
/// # Ok::<(), strongroom::Error>(())
/// ```
pub struct SecretValue {
    kind: ValueKind,
    bytes: Zeroizing<Vec<u8>>,
}

impl SecretValue {
    /// Text. A `String` is taken over; a `&str` is copied, and the original left to the caller.
    ///
    /// [`Code::SecretTooLarge`] if it has more than 65,536 bytes.
    pub fn text(text: impl Into<String>) -> Result<Self> {
        Self::from_kind(ValueKind::Text, Zeroizing::new(text.into().into_bytes()))
    }

    /// A JSON value of any type, kept byte for byte.
    ///
    /// [`Code::ValueInvalid`] if it is not JSON, with the position; [`Code::SecretTooLarge`] as for text.
    pub fn json(text: impl Into<String>) -> Result<Self> {
        Self::from_kind(ValueKind::Json, Zeroizing::new(text.into().into_bytes()))
    }

    /// Any bytes. The buffer is taken over: no copy is left behind.
    ///
    /// [`Code::SecretTooLarge`] as for text.
    pub fn binary(bytes: Vec<u8>) -> Result<Self> {
        Self::from_kind(ValueKind::Binary, Zeroizing::new(bytes))
    }

    /// A value of the given kind, from bytes that nobody has checked yet.
    ///
    /// [`Code::ValueInvalid`] if the bytes are not what the kind says, [`Code::SecretTooLarge`] if they
    /// are too many.
    pub fn from_kind(kind: ValueKind, bytes: Zeroizing<Vec<u8>>) -> Result<Self> {
        if bytes.len() > limits::VALUE_BYTES_MAX {
            return Err(Error::new(Code::SecretTooLarge).detail(format!("it has {} bytes", bytes.len())));
        }
        match kind {
            ValueKind::Binary => {}
            ValueKind::Text => check_utf8(&bytes).map(drop)?,
            ValueKind::Json => check_json(check_utf8(&bytes)?)?,
        }
        Ok(Self { kind, bytes })
    }

    /// A value that was checked when it was made, from a copy of its bytes.
    pub(crate) fn checked_before(kind: ValueKind, bytes: Zeroizing<Vec<u8>>) -> Self {
        Self { kind, bytes }
    }

    /// Lends the bytes to `read`. Named so that `grep expose` finds every use; what `read` copies out is
    /// the caller's to wipe.
    pub fn expose<R>(&self, read: impl FnOnce(&[u8]) -> R) -> R {
        read(&self.bytes)
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are no bytes. An empty text is a value like any other.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What the value is.
    pub fn kind(&self) -> ValueKind {
        self.kind
    }

    /// Whether both have the same kind and bytes. The time depends on the lengths only.
    pub fn matches(&self, other: &Self) -> bool {
        (self.kind == other.kind) & bool::from(self.bytes.ct_eq(&other.bytes))
    }
}

impl ZeroizeOnDrop for SecretValue {}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretValue").field("kind", &self.kind).finish_non_exhaustive()
    }
}

fn check_utf8(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|error| {
        Error::new(Code::ValueInvalid).detail(format!("not UTF-8 after {} bytes", error.valid_up_to()))
    })
}

/// `IgnoredAny` copies nothing of the value, and the error is not kept: only its position leaves here.
fn check_json(text: &str) -> Result<()> {
    serde_json::from_str::<IgnoredAny>(text).map(drop).map_err(|error| {
        Error::new(Code::ValueInvalid).detail(format!("not JSON at line {} column {}", error.line(), error.column()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_checked() {
        assert!(SecretValue::text("").unwrap().is_empty());
        assert_eq!(SecretValue::text("a\0\n\u{e9}".to_owned()).unwrap().len(), 5);
        for json in ["1", "null", "\"x\"", "[1, 2.50]", " {\"a\" : {}}\n", "1e400", "\"\\ud800\""] {
            let value = SecretValue::json(json).unwrap();
            value.expose(|bytes| assert_eq!(bytes, json.as_bytes()));
        }
        for json in ["", " ", "{", "[1,]", "{\"a\":1} x", "'a'", "NaN", "\"a\n\"", "\u{feff}1"] {
            assert_eq!(SecretValue::json(json).unwrap_err().code(), Code::ValueInvalid, "case: {json:?}");
        }
        for kind in [ValueKind::Text, ValueKind::Json] {
            let error = SecretValue::from_kind(kind, Zeroizing::new(vec![b'1', 0xff])).unwrap_err();
            assert_eq!((error.code(), error.details()), (Code::ValueInvalid, Some("not UTF-8 after 1 bytes")));
        }
        assert_eq!(SecretValue::binary(vec![0xff, 0]).unwrap().kind(), ValueKind::Binary);
    }

    #[test]
    fn the_limit_is_the_last_size_allowed() {
        let (largest, too_large) = ("1".repeat(65_536), "1".repeat(65_537));
        for made in [
            SecretValue::text(&*largest),
            SecretValue::json(&*largest),
            SecretValue::binary(largest.clone().into_bytes()),
        ] {
            assert_eq!(made.unwrap().len(), 65_536);
        }
        for made in [
            SecretValue::text(&*too_large),
            SecretValue::json(&*too_large),
            SecretValue::binary(too_large.clone().into_bytes()),
        ] {
            let error = made.unwrap_err();
            assert_eq!((error.code(), error.details()), (Code::SecretTooLarge, Some("it has 65537 bytes")));
        }
    }

    #[test]
    fn taken_bytes_stay_where_they_are() {
        let mut bytes = Vec::with_capacity(100);
        bytes.extend_from_slice(b"key");
        let at = bytes.as_ptr();
        SecretValue::binary(bytes).unwrap().expose(|bytes| assert_eq!(bytes.as_ptr(), at));

        let text = String::from("key");
        let at = text.as_ptr();
        SecretValue::text(text).unwrap().expose(|bytes| assert_eq!(bytes.as_ptr(), at));
    }

    #[test]
    fn debug_says_only_the_kind() {
        let shown = format!("{:?}", SecretValue::text("hunter2").unwrap());
        assert_eq!(shown, "SecretValue { kind: Text, .. }");
        let error = SecretValue::json("{\"password\": hunter2}").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }

    #[test]
    fn matching_is_by_kind_and_bytes() {
        let value = SecretValue::text("1").unwrap();
        assert!(value.matches(&SecretValue::text("1").unwrap()));
        assert!(!value.matches(&SecretValue::text("2").unwrap()));
        assert!(!value.matches(&SecretValue::text("11").unwrap()));
        assert!(!value.matches(&SecretValue::json("1").unwrap()));
    }

    #[test]
    fn kinds_have_words_and_numbers() {
        for (kind, word, number) in
            [(ValueKind::Text, "text", 1), (ValueKind::Json, "json", 2), (ValueKind::Binary, "binary", 3)]
        {
            assert_eq!((kind.to_string().as_str(), kind.number()), (word, number));
            assert_eq!(word.parse::<ValueKind>().unwrap(), kind);
            assert_eq!(ValueKind::from_number(number), Some(kind));
        }
        assert_eq!((ValueKind::from_number(0), ValueKind::from_number(4)), (None, None));
        assert_eq!("Text".parse::<ValueKind>().unwrap_err().code(), Code::ValueInvalid);
    }
}
