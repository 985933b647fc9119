//! `enc`: fields joined so that no two lists of fields give the same bytes.
//!
//! Each field is preceded by its length. Whoever hashes or authenticates several values together goes through here;
//! what the values mean is the caller's business.

use crate::labels::Label;

/// Builds the bytes of one encoding, field by field.
///
/// ```
/// use strongroom_log::{Enc, Label};
///
/// let bytes = Enc::new(Label::WRAP).field(b"deployment").u32(1).finish();
/// assert_eq!(bytes.len(), (4 + Label::WRAP.as_str().len()) + (4 + 10) + (4 + 4));
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Enc(Vec<u8>);

impl Enc {
    /// Starts an encoding that is hashed, authenticated or derived from. The label comes first.
    pub fn new(label: Label) -> Self {
        Self::new_in(Vec::new(), label)
    }

    /// The same, in a buffer that was used before, as [`Enc::finish`] gave it back. Its contents go.
    pub fn new_in(mut buffer: Vec<u8>, label: Label) -> Self {
        buffer.clear();
        buffer.reserve(512);
        Self(buffer).field(label.as_str().as_bytes())
    }

    /// Starts an encoding that will itself be a field of a labelled one, such as `enc(name, value)`.
    pub fn nested() -> Self {
        Self(Vec::with_capacity(64))
    }

    /// Adds bytes, or the UTF-8 bytes of a text.
    ///
    /// # Panics
    /// If the field has 4 GiB or more: nothing that large is ever a field.
    pub fn field(mut self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        let length = u32::try_from(bytes.len()).expect("a field is shorter than 4 GiB");
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    /// Adds a u8 as one byte.
    pub fn u8(self, value: u8) -> Self {
        self.field([value])
    }

    /// Adds a u32 as four bytes.
    pub fn u32(self, value: u32) -> Self {
        self.field(value.to_be_bytes())
    }

    /// Adds a u64 as eight bytes.
    pub fn u64(self, value: u64) -> Self {
        self.field(value.to_be_bytes())
    }

    /// Adds an optional field: empty when absent, `01` and the bytes when present.
    ///
    /// # Panics
    /// As [`Enc::field`].
    pub fn opt(mut self, value: Option<&[u8]>) -> Self {
        let Some(bytes) = value else { return self.field([]) };
        let length = u32::try_from(1 + bytes.len()).expect("a field is shorter than 4 GiB");
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.push(1);
        self.0.extend_from_slice(bytes);
        self
    }

    /// Adds an optional u64, as [`Enc::opt`] does its eight bytes.
    pub fn opt_u64(self, value: Option<u64>) -> Self {
        self.opt(value.map(u64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice))
    }

    /// The encoding.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_carries_its_length() {
        let got = Enc::nested().field("ab").u8(7).u32(1).u64(2).opt(None).opt(Some(b"x")).opt_u64(Some(3)).finish();
        let want = [
            &[0, 0, 0, 2, b'a', b'b'][..],
            &[0, 0, 0, 1, 7],
            &[0, 0, 0, 4, 0, 0, 0, 1],
            &[0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 2],
            &[0, 0, 0, 0],
            &[0, 0, 0, 2, 1, b'x'],
            &[0, 0, 0, 9, 1, 0, 0, 0, 0, 0, 0, 0, 3],
        ]
        .concat();
        assert_eq!(got, want);
        assert_eq!(Enc::new_in(got, Label::ROW).u8(7).finish(), Enc::new(Label::ROW).u8(7).finish());
    }

    #[test]
    fn moving_a_boundary_or_an_absence_changes_the_bytes() {
        let enc = |a: &str, b: &str| Enc::new(Label::ROW).field(a).field(b).finish();
        assert_ne!(enc("ab", "c"), enc("a", "bc"));
        assert_ne!(Enc::nested().opt(None).finish(), Enc::nested().opt(Some(b"")).finish());
    }
}
