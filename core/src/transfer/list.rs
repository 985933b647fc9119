//! A list of a YAML or TOML document, written as JSON while it is read: without blanks, in the document's order.

use zeroize::Zeroizing;

use super::{json, output::Output};
use crate::{SecretValue, ValueKind, limits};

/// The JSON text so far. Errors are rules, for the caller to say on which line they were broken.
pub(super) struct List {
    text: Output,
    depth: usize,
    /// Whether a comma has to come before what comes next.
    is_after_value: bool,
}

impl List {
    pub(super) fn new() -> Self {
        Self { text: Output::new(), depth: 0, is_after_value: false }
    }

    /// Begins a list or an object.
    pub(super) fn open(&mut self, bracket: u8) -> Result<(), String> {
        if self.depth == limits::IMPORT_DEPTH_MAX {
            return Err(format!("lists are nested deeper than {}", limits::IMPORT_DEPTH_MAX));
        }
        self.comma();
        self.text.push(&[bracket]);
        self.depth += 1;
        self.is_after_value = false;
        self.check()
    }

    pub(super) fn close(&mut self, bracket: u8) {
        self.text.push(&[bracket]);
        self.depth -= 1;
        self.is_after_value = true;
    }

    /// A name in an object; its value comes next.
    pub(super) fn name(&mut self, name: &str) -> Result<(), String> {
        self.comma();
        json::push_string(&mut self.text, name.as_bytes());
        self.text.push(b":");
        self.is_after_value = false;
        self.check()
    }

    /// A text, or what is JSON as it stands.
    pub(super) fn value(&mut self, kind: ValueKind, text: &[u8]) -> Result<(), String> {
        self.comma();
        match kind {
            ValueKind::Json => self.text.push(text),
            _ => json::push_string(&mut self.text, text),
        }
        self.is_after_value = true;
        self.check()
    }

    pub(super) fn finish(self) -> crate::Result<SecretValue> {
        SecretValue::from_kind(ValueKind::Json, self.text.finish())
    }

    fn comma(&mut self) {
        if self.is_after_value {
            self.text.push(b",");
        }
    }

    /// Stops before a long document becomes a longer value, to be refused at the end.
    fn check(&self) -> Result<(), String> {
        if self.text.len() <= limits::VALUE_BYTES_MAX {
            return Ok(());
        }
        // The same words as for any other value that is too large.
        SecretValue::binary(vec![0; self.text.len()]).map(drop).map_err(|error| error.to_string())
    }
}

/// Text as a value: what the library owns is taken over, the rest is copied.
pub(super) fn bytes_of(text: std::borrow::Cow<'_, str>) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(text.into_owned().into_bytes())
}
