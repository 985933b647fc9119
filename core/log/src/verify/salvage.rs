//! What can still be told of a line that is not canonical: which log and place it was meant for.
//!
//! Only for saying where the damage is. Nothing is accepted because of what is found here.

use super::chain::Link;
use crate::hash::leaf_hash;
use crate::line::INTEGER_MAX;

/// The log's name and the link of a line that is no line, if they are still in it.
pub(super) fn salvage(line: &[u8], place: u64, commit: Option<u64>) -> Option<(&str, Link<'_>)> {
    let log = text_after(line, b"\"log\":")?;
    let prev = text_after(line, b"\"prev\":")?;
    let digits = value_after(line, b"\"seq\":")?;
    let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    // Only what could be a line's number: whoever counts on from it does not get past the largest integer.
    let seq = std::str::from_utf8(&digits[..end]).ok()?.parse().ok().filter(|seq| *seq <= INTEGER_MAX)?;
    Some((log, Link { seq, prev, leaf: leaf_hash(line), place, commit, reported: true }))
}

/// What follows the last of these tokens. The last: an attacker's text may come before, but none after.
fn value_after<'a>(line: &'a [u8], token: &[u8]) -> Option<&'a [u8]> {
    let at = memchr::memmem::rfind(line, token)?;
    let rest = &line[at + token.len()..];
    Some(&rest[rest.iter().position(|byte| *byte != b' ')?..])
}

fn text_after<'a>(line: &'a [u8], token: &[u8]) -> Option<&'a str> {
    let rest = value_after(line, token)?.strip_prefix(b"\"")?;
    let end = memchr::memchr(b'"', rest)?;
    std::str::from_utf8(&rest[..end]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_line_still_says_where_it_was() {
        let line = br#"{"act":"x","log": "d/sys","prev":"ab","seq": 7 ,"zz":"#;
        let (log, link) = salvage(line, 1, Some(2)).unwrap();
        assert_eq!((log, link.prev, link.seq, link.leaf), ("d/sys", "ab", 7, leaf_hash(line)));
        for line in [
            &b""[..],
            b"{}",
            br#"{"log":"d"#,
            br#"{"log":"d","prev":"x","seq":}"#,
            br#"{"log":"d","prev":"x","seq":18446744073709551615}"#,
            br#"{"log":"","prev":"","seq":99999999999999999999999}"#,
        ] {
            assert!(salvage(line, 1, Some(2)).is_none());
        }
    }
}
