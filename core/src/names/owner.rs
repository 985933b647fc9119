//! Who answers for a secret, in a person's words.

use super::name_type;
use crate::{Code, Error, Result, limits};

name_type! {
    /// Who answers for a secret, such as a team or an address: at most 255 bytes of text without control characters.
    /// May be empty, as it is by default: then nobody is named. Anything else is [`Code::OwnerInvalid`].
    Owner, parsed by parse
}

fn parse(text: &str) -> Result<&str> {
    if text.len() > limits::OWNER_BYTES_MAX {
        let detail = format!("the owner has {} bytes, {} are allowed", text.len(), limits::OWNER_BYTES_MAX);
        return Err(Error::new(Code::OwnerInvalid).detail(detail));
    }
    if text.chars().any(char::is_control) {
        return Err(Error::new(Code::OwnerInvalid).detail("the owner has a control character"));
    }
    Ok(text)
}

impl Owner {
    /// Whether nobody is named.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Default for Owner {
    fn default() -> Self {
        Self("".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_one_line_within_its_limit() {
        let (longest, too_long) = ("a".repeat(255), "a".repeat(256));
        for allowed in ["", "payments", "Zo\u{eb} <zoe@example.com>", &longest] {
            assert_eq!(allowed.parse::<Owner>().unwrap().as_str(), allowed);
        }
        for refused in ["a\nb", "\t", "\0", "\u{9b}", &too_long] {
            assert_eq!(refused.parse::<Owner>().unwrap_err().code(), Code::OwnerInvalid, "case: {refused:?}");
        }
        assert!(Owner::default().is_empty());
    }
}
