//! Quotas as they are typed: a number, a size with a unit, or `none`.

/// How much at most; `None` is without bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Most(pub(crate) Option<u64>);

/// What sizes may end in, and what that stands for.
const UNITS: [(&str, u64); 5] =
    [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40), ("PiB", 1 << 50)];

/// A plain number, or `none`.
pub(crate) fn number(text: &str) -> Result<Most, String> {
    if text == "none" {
        return Ok(Most(None));
    }
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits);
    number.map(|number| Most(Some(number))).ok_or_else(|| "give a whole number, or none".to_owned())
}

/// A number of bytes, perhaps with a unit, or `none`.
pub(crate) fn bytes(text: &str) -> Result<Most, String> {
    let (digits, unit) =
        UNITS.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit))).unwrap_or((text, 1));
    let wrong = || "give bytes such as 65536, 512KiB, 10MiB or 1GiB, or none".to_owned();
    match number(digits) {
        Ok(Most(None)) if unit == 1 => Ok(Most(None)),
        Ok(Most(Some(number))) => number.checked_mul(unit).map(|bytes| Most(Some(bytes))).ok_or_else(wrong),
        Ok(Most(None)) | Err(_) => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_strictly() {
        for (text, want) in [
            ("0", Some(Some(0))),
            ("65536", Some(Some(65_536))),
            ("10MiB", Some(Some(10 << 20))),
            ("1GiB", Some(Some(1 << 30))),
            ("2TiB", Some(Some(2 << 40))),
            ("1PiB", Some(Some(1 << 50))),
            ("none", Some(None)),
            ("18446744073709551615", Some(Some(u64::MAX))),
            ("18446744073709551616", None),
            ("16384PiB", None),
            ("noneMiB", None),
            ("10MB", None),
            ("10 MiB", None),
            ("+1", None),
            ("-1", None),
            ("1.5GiB", None),
            ("MiB", None),
            ("", None),
        ] {
            assert_eq!(bytes(text).ok().map(|most| most.0), want, "{text:?}");
        }
        assert_eq!(number("12"), Ok(Most(Some(12))));
        assert!(number("10MiB").is_err());
    }
}
