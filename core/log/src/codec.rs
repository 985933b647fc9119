//! Bytes as text: lower-case hex by table, and standard base64 with padding. Both are strict: one text for any bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The two digits of every byte, since audit lines are largely hex.
static PAIRS: [[u8; 2]; 256] = {
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        byte += 1;
    }
    pairs
};

/// The value of every lower-case digit; 255 for what is none.
static VALUES: [u8; 256] = {
    let mut values = [255; 256];
    let mut value = 0;
    while value < 16 {
        values[DIGITS[value] as usize] = value as u8;
        value += 1;
    }
    values
};

/// Lower-case hex of `bytes`.
pub fn hex_encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for &byte in bytes {
        let [high, low] = PAIRS[usize::from(byte)];
        text.push(char::from(high));
        text.push(char::from(low));
    }
    text
}

/// Appends the lower-case hex of `bytes` to `out`.
pub fn hex_encode_into<const N: usize>(bytes: &[u8; N], out: &mut Vec<u8>) {
    out.reserve(N * 2);
    for &byte in bytes {
        out.extend_from_slice(&PAIRS[usize::from(byte)]);
    }
}

/// The `N` bytes that `text` is the lower-case hex of, or `None`.
pub fn hex_array<const N: usize>(text: impl AsRef<[u8]>) -> Option<[u8; N]> {
    let text = text.as_ref();
    if text.len() != N * 2 {
        return None;
    }
    let mut bytes = [0; N];
    let mut seen = 0;
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let (high, low) = (VALUES[usize::from(pair[0])], VALUES[usize::from(pair[1])]);
        seen |= high | low;
        *byte = high << 4 | low & 15;
    }
    (seen < 16).then_some(bytes)
}

/// Whether a byte is a lower-case hex digit.
pub(crate) fn is_hex_digit(byte: u8) -> bool {
    VALUES[usize::from(byte)] != 255
}

/// Standard base64, padded.
pub fn base64_encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Decodes standard base64; missing padding, spaces and stray trailing bits are refused.
pub fn base64_decode(text: impl AsRef<[u8]>) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Appends a decimal without going through the formatting machinery.
pub(crate) fn decimal_into(mut value: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

/// A decimal without sign or leading zeros, as the one form a number may have.
pub(crate) fn parse_decimal(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_has_one_form() {
        let bytes: [u8; 256] = std::array::from_fn(|i| i as u8);
        let text = hex_encode(&bytes);
        assert_eq!(text, bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        let mut appended = Vec::new();
        hex_encode_into(&bytes, &mut appended);
        assert_eq!(appended, text.as_bytes());
        assert_eq!(hex_array(&text), Some(bytes));
        for (name, text) in
            [("upper case", "0A"), ("short", "0"), ("long", "0a0"), ("no digit", "0g"), ("sign", "+1"), ("empty", "")]
        {
            assert_eq!(hex_array::<1>(text), None, "case: {name}");
        }
    }

    #[test]
    fn base64_has_one_form() {
        assert_eq!(base64_decode("AA=="), Some(vec![0]));
        for (name, text) in [("no padding", "AA"), ("stray bits", "AB=="), ("url alphabet", "-_8="), ("space", "AA== ")]
        {
            assert_eq!(base64_decode(text), None, "case: {name}");
        }
    }

    #[test]
    fn decimals_have_one_form() {
        for value in [0, 1, 9, 10, 12_345, u64::MAX] {
            let mut out = Vec::new();
            decimal_into(value, &mut out);
            let text = String::from_utf8(out).unwrap();
            assert_eq!(text, value.to_string());
            assert_eq!(parse_decimal(&text), Some(value));
        }
        for text in ["", "00", "01", "+1", "-1", "1 ", "18446744073709551616"] {
            assert_eq!(parse_decimal(text), None, "{text:?}");
        }
    }
}
