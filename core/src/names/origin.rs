//! What a deployment's logs are called, for ever.

use super::name_type;
use crate::{Code, Error, Result, limits};

name_type! {
    /// The origin of a deployment's logs: a schema-less URL such as `example.com/keys`.
    ///
    /// It becomes a C2SP checkpoint origin and key name, and stands in every audit line. So: 1 to 128
    /// bytes of printable ASCII without spaces, `+`, `"` and `\`; no scheme; no empty segment, and so no
    /// slash at either end; the last segment is not `g` with digits, which is how a later generation of
    /// another origin is written. Anything else is [`Code::OriginInvalid`].
    Origin, parsed by parse
}

fn parse(text: &str) -> Result<&str> {
    let refuse = |detail: String| Err(Error::new(Code::OriginInvalid).detail(detail));
    if text.is_empty() {
        return refuse("it is empty".into());
    }
    if text.len() > limits::ORIGIN_BYTES_MAX {
        return refuse(format!("it has {} bytes, {} are allowed", text.len(), limits::ORIGIN_BYTES_MAX));
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'+' | b'"' | b'\\')) {
        return refuse("it has a space, +, \", \\ or a character that is not printable ASCII".into());
    }
    if text.contains("://") {
        return refuse("it has a scheme".into());
    }
    if text.split('/').any(str::is_empty) {
        return refuse("it has an empty segment, or a slash at its beginning or end".into());
    }
    if text.rsplit('/').next().is_some_and(is_generation) {
        return refuse("its last segment is that of a generation".into());
    }
    Ok(text)
}

fn is_generation(segment: &str) -> bool {
    segment.strip_prefix('g').is_some_and(|n| !n.is_empty() && n.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_parsed_strictly() {
        let (longest, too_long) = ("a".repeat(128), "a".repeat(129));
        for allowed in
            ["example.com", "example.com/keys", "localhost:8200/a/b", "a/g2/b", "a/g", "a/g2x", "g", &longest]
        {
            assert_eq!(allowed.parse::<Origin>().unwrap().as_str(), allowed);
        }
        for (refused, detail) in [
            ("", "it is empty"),
            (too_long.as_str(), "it has 129 bytes, 128 are allowed"),
            ("a b", "it has a space, +, \", \\ or a character that is not printable ASCII"),
            ("a+b", "it has a space, +, \", \\ or a character that is not printable ASCII"),
            ("a\"", "it has a space, +, \", \\ or a character that is not printable ASCII"),
            ("a\\b", "it has a space, +, \", \\ or a character that is not printable ASCII"),
            ("a\n", "it has a space, +, \", \\ or a character that is not printable ASCII"),
            ("\u{e9}.com", "it has a space, +, \", \\ or a character that is not printable ASCII"),
            ("https://example.com/keys", "it has a scheme"),
            ("example.com/", "it has an empty segment, or a slash at its beginning or end"),
            ("/keys", "it has an empty segment, or a slash at its beginning or end"),
            ("example.com//keys", "it has an empty segment, or a slash at its beginning or end"),
            ("example.com/g2", "its last segment is that of a generation"),
        ] {
            let error = refused.parse::<Origin>().unwrap_err();
            assert_eq!((error.code(), error.details()), (Code::OriginInvalid, Some(detail)), "case: {refused:?}");
        }
    }
}
