//! What a sealed value holds: its type, its length, and padding that hides the length.

use zeroize::{Zeroize, Zeroizing};

use crate::{Code, Error, Result, ValueKind};

/// Contents are padded to a multiple of this, in bytes.
const PADDING_BYTES: usize = 32;

/// Padded contents are at most this long, in bytes. What is longer is not padded.
const PADDED_BYTES_MAX: usize = 1024;

/// A type and a length come first.
const HEADER_BYTES: usize = 5;

/// The type of names and metadata. Values have the numbers of [`ValueKind`].
const NAME: u8 = 0;

/// What is to be sealed.
#[derive(Clone, Copy)]
pub(crate) struct Content<'a> {
    content_type: u8,
    bytes: &'a [u8],
}

impl<'a> Content<'a> {
    /// A name, or an object's metadata.
    pub(crate) fn name(bytes: &'a [u8]) -> Self {
        Self { content_type: NAME, bytes }
    }

    /// A secret's value.
    pub(crate) fn value(kind: ValueKind, bytes: &'a [u8]) -> Self {
        Self { content_type: kind.number(), bytes }
    }

    /// How long it is once encoded.
    pub(super) fn encoded_bytes(&self) -> usize {
        padded(HEADER_BYTES + self.bytes.len())
    }

    /// Appends the encoded content.
    pub(crate) fn encode_into(&self, out: &mut Vec<u8>) {
        let end = out.len() + self.encoded_bytes();
        let length = u32::try_from(self.bytes.len()).expect("what we seal is far shorter than 4 GiB");
        out.push(self.content_type);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(self.bytes);
        out.resize(end, 0);
    }
}

/// What was opened. The bytes are wiped when it is dropped.
pub(crate) struct Opened {
    content_type: u8,
    bytes: Zeroizing<Vec<u8>>,
}

impl Opened {
    /// The bytes of a name or of metadata.
    pub(crate) fn into_name(self) -> Result<Zeroizing<Vec<u8>>> {
        if self.content_type == NAME { Ok(self.bytes) } else { Err(Code::Integrity.into()) }
    }

    /// A secret's value.
    pub(crate) fn into_value(self) -> Result<(ValueKind, Zeroizing<Vec<u8>>)> {
        let kind = ValueKind::from_number(self.content_type).ok_or(Code::Integrity)?;
        Ok((kind, self.bytes))
    }
}

/// Takes the type, length and padding off. Strict: a content has one encoding only.
pub(crate) fn decode(mut encoded: Zeroizing<Vec<u8>>) -> Result<Opened> {
    let (content_type, length) = check(&encoded).ok_or(Error::from(Code::Integrity))?;
    encoded.copy_within(HEADER_BYTES..HEADER_BYTES + length, 0);
    // `truncate` forgets the rest without wiping it, and the end of the moved bytes would stay behind.
    encoded[length..].zeroize();
    encoded.truncate(length);
    Ok(Opened { content_type, bytes: encoded })
}

fn check(encoded: &[u8]) -> Option<(u8, usize)> {
    let (header, rest) = encoded.split_first_chunk::<HEADER_BYTES>()?;
    let [content_type, length @ ..] = *header;
    let known = content_type == NAME || ValueKind::from_number(content_type).is_some();
    let length = usize::try_from(u32::from_be_bytes(length)).ok()?;
    let padding = rest.get(length..)?;
    let ours = encoded.len() == padded(HEADER_BYTES + length) && padding.iter().all(|&byte| byte == 0);
    (known && ours).then_some((content_type, length))
}

fn padded(bytes: usize) -> usize {
    let padded = bytes.next_multiple_of(PADDING_BYTES);
    if padded <= PADDED_BYTES_MAX { padded } else { bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(content: Content<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        content.encode_into(&mut out);
        out
    }

    fn text(bytes: &[u8]) -> Vec<u8> {
        encoded(Content::value(ValueKind::Text, bytes))
    }

    fn decoded(bytes: &[u8]) -> Result<Opened> {
        decode(Zeroizing::new(bytes.to_vec()))
    }

    #[test]
    fn lengths_are_padded_up_to_a_limit() {
        for (name, content_bytes, want) in [
            ("empty", 0, 32),
            ("fills one step", 27, 32),
            ("one more", 28, 64),
            ("longest padded", 1019, 1024),
            ("shortest unpadded", 1020, 1025),
            ("64 KiB", 65_536, 65_541),
        ] {
            let content = vec![b'x'; content_bytes];
            let encoded = text(&content);
            assert_eq!(encoded.len(), want, "case: {name}");
            let (kind, bytes) = decoded(&encoded).unwrap().into_value().unwrap();
            assert_eq!((kind, &bytes[..]), (ValueKind::Text, &content[..]), "case: {name}");
        }
    }

    #[test]
    fn a_name_is_no_value_and_a_value_no_name() {
        let name = encoded(Content::name(b"x"));
        assert_eq!(name[0], 0);
        assert_eq!(&decoded(&name).unwrap().into_name().unwrap()[..], b"x");
        assert!(decoded(&name).unwrap().into_value().is_err());
        for (kind, number) in [(ValueKind::Text, 1), (ValueKind::Json, 2), (ValueKind::Binary, 3)] {
            let value = encoded(Content::value(kind, b"1"));
            assert_eq!(value[0], number);
            assert_eq!(decoded(&value).unwrap().into_value().unwrap().0, kind);
            assert!(decoded(&value).unwrap().into_name().is_err());
        }
    }

    #[test]
    fn anything_but_the_one_encoding_is_refused() {
        let good = text(b"secret");
        decoded(&good).unwrap();
        let with = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            bytes
        };
        let unpadded = [&[1, 0, 0, 0, 6][..], b"secret"].concat();
        let long = text(&[b'x'; 1020]);
        for (name, bytes) in [
            ("unknown type", with(0, 4)),
            ("shorter length: padding is not zero", with(4, 5)),
            ("length beyond the end", with(4, 28)),
            ("length near 4 GiB", with(1, 255)),
            ("last byte of padding", with(31, 1)),
            ("not padded", unpadded),
            ("padded one step too far", [&good[..], &[0; 32]].concat()),
            ("long, but padded", [&long[..], &[0; 31]].concat()),
            ("header alone", vec![1, 0, 0, 0, 0]),
            ("less than a header", vec![1, 0, 0, 0]),
            ("nothing", vec![]),
        ] {
            let refused = decoded(&bytes).is_err_and(|error| error.code() == Code::Integrity);
            assert!(refused, "case: {name}");
        }
    }
}
