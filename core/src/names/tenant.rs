//! Whose secrets they are.

use super::name_type;
use crate::{Code, Error, Result, limits};

name_type! {
    /// The name of a tenant, such as `acme` or `acme-eu`.
    ///
    /// 1 to 63 bytes of `[a-z0-9-]`, beginning and ending with a letter or digit. `sys` is reserved for the
    /// deployment's own log. Anything else is [`Code::TenantInvalid`].
    TenantId, parsed by parse
}

/// The name that no tenant can have: the deployment's own.
const RESERVED: &str = "sys";

fn parse(text: &str) -> Result<&str> {
    let refuse = |detail: String| Err(Error::new(Code::TenantInvalid).detail(detail));
    let is_alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let (Some(&first), Some(&last)) = (bytes.first(), bytes.last()) else {
        return refuse("it is empty".into());
    };
    if bytes.len() > limits::TENANT_NAME_BYTES_MAX {
        return refuse(format!("it has {} bytes, {} are allowed", bytes.len(), limits::TENANT_NAME_BYTES_MAX));
    }
    if !bytes.iter().all(|&byte| is_alphanumeric(byte) || byte == b'-') {
        return refuse("it has a character outside [a-z0-9-]".into());
    }
    if !is_alphanumeric(first) || !is_alphanumeric(last) {
        return refuse("it begins or ends with -".into());
    }
    if text == RESERVED {
        return refuse("the name is reserved".into());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_is_parsed_strictly() {
        let (longest, too_long) = ("a".repeat(63), "a".repeat(64));
        for allowed in ["a", "7", "acme", "acme-eu", "a--b", "sys1", "sy", &longest] {
            assert_eq!(allowed.parse::<TenantId>().unwrap().as_str(), allowed);
        }
        for (refused, detail) in [
            ("", "it is empty"),
            (too_long.as_str(), "it has 64 bytes, 63 are allowed"),
            ("Acme", "it has a character outside [a-z0-9-]"),
            ("a_b", "it has a character outside [a-z0-9-]"),
            ("a.b", "it has a character outside [a-z0-9-]"),
            ("a/b", "it has a character outside [a-z0-9-]"),
            ("acme\n", "it has a character outside [a-z0-9-]"),
            ("\u{430}cme", "it has a character outside [a-z0-9-]"),
            ("-a", "it begins or ends with -"),
            ("a-", "it begins or ends with -"),
            ("-", "it begins or ends with -"),
            ("sys", "the name is reserved"),
        ] {
            let error = refused.parse::<TenantId>().unwrap_err();
            assert_eq!((error.code(), error.details()), (Code::TenantInvalid, Some(detail)), "case: {refused:?}");
        }
    }
}
