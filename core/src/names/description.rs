//! What a secret is for, in a person's words.

use super::name_type;
use crate::{Code, Error, Result, limits};

name_type! {
    /// What a secret is for: at most 1,024 bytes of text without control characters, and so one line. May
    /// be empty, as it is by default. Anything else is [`Code::LabelInvalid`].
    Description, parsed by parse
}

fn parse(text: &str) -> Result<&str> {
    if text.len() > limits::DESCRIPTION_BYTES_MAX {
        let detail = format!("the description has {} bytes, {} are allowed", text.len(), limits::DESCRIPTION_BYTES_MAX);
        return Err(Error::new(Code::LabelInvalid).detail(detail));
    }
    if text.chars().any(char::is_control) {
        return Err(Error::new(Code::LabelInvalid).detail("the description has a control character"));
    }
    Ok(text)
}

impl Description {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Default for Description {
    fn default() -> Self {
        Self("".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_one_line_within_its_limit() {
        let (longest, too_long) = ("a".repeat(1024), "a".repeat(1025));
        for allowed in ["", "for the r\u{e9}sum\u{e9} service \u{1f511} \"quoted\" \\", &longest] {
            assert_eq!(allowed.parse::<Description>().unwrap().as_str(), allowed);
        }
        for refused in ["a\nb", "\t", "\0", "\u{7f}", "\u{9b}", &too_long] {
            assert_eq!(refused.parse::<Description>().unwrap_err().code(), Code::LabelInvalid, "case: {refused:?}");
        }
        assert!(Description::default().is_empty());
    }
}
