//! Reading lines: one pass over the bytes that accepts the canonical form and nothing else.
//!
//! Two different byte strings never mean the same line, so there is nothing to normalise and nothing to hash again. Only
//! when a line is refused is it looked at a second time, to say why.

use super::build::Phase;
use super::error::{LineError, LineReason};
use super::fields::{Field, Kind, LINE, PLAIN, SLOTS, Slot};
use super::{INTEGER_MAX, LINE_BYTES_MAX};
use crate::codec::{hex_array, is_hex_digit};

const SYSTEM_HANDLE: &str = "00000000000000000000000000000000";

/// A line's fields, borrowed from its bytes. Hex fields are kept as the digits they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// What was asked.
    pub act: &'a str,
    /// Hex SHA-256 of a document.
    pub det: Option<&'a str>,
    /// Epoch of the commit.
    pub ep: u32,
    /// Origin of the log.
    pub log: &'a str,
    /// How many things it covers.
    pub n: Option<u64>,
    /// What was acted upon.
    pub obj: Option<LineObject<'a>>,
    /// Intent or result.
    pub ph: Phase,
    /// Version of the pseudonym key.
    pub pk: Option<u32>,
    /// Position in the heads tree.
    pub pos: Option<u32>,
    /// Hex leaf hash of the line before.
    pub prev: &'a str,
    /// `ok` or the error code.
    pub code: &'a str,
    /// Whether it went well.
    pub ok: bool,
    /// Request id.
    pub rid: &'a str,
    /// Row hash and revision of the row that changed.
    pub row: Option<(&'a str, u64)>,
    /// Position in the log.
    pub seq: u64,
    /// Pseudonym of the source address.
    pub src_ip: Option<&'a str>,
    /// Time in microseconds.
    pub ts: u64,
    /// As `row`, for the version row.
    pub vrow: Option<(&'a str, u64)>,
    /// The actor's handle.
    pub who_id: &'a str,
    /// And kind.
    pub who_type: &'a str,
}

/// A line's `obj`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineObject<'a> {
    /// 32 hex digits.
    pub id: &'a str,
    /// The type.
    pub kind: &'a str,
    /// The version.
    pub version: Option<u64>,
}

impl LineObject<'_> {
    /// The id's bytes.
    pub fn id_bytes(&self) -> [u8; 16] {
        hex_array(self.id).expect("an object's id was read as 32 hex digits")
    }
}

/// Reads one line, without its newline.
pub fn parse_line(line: &[u8]) -> Result<Line<'_>, LineError> {
    if line.len() > LINE_BYTES_MAX {
        return Err(LineError { offset: LINE_BYTES_MAX, reason: LineReason::TooLong });
    }
    let text = match std::str::from_utf8(line) {
        Ok(text) => text,
        Err(error) => {
            return Err(LineError { offset: error.valid_up_to(), reason: LineReason::Expected("ASCII") });
        }
    };
    let mut scanner = Scanner { text, bytes: line, at: 0, values: Values([Value::Absent; SLOTS]) };
    match scanner.line() {
        Ok(()) => Ok(scanner.values.line()),
        Err(reason) => Err(match later_version(text) {
            Some((offset, version)) => LineError { offset, reason: LineReason::UnsupportedVersion(version) },
            None => LineError { offset: scanner.at, reason },
        }),
    }
}

#[derive(Debug, Clone, Copy)]
enum Value<'a> {
    Absent,
    Int(u64),
    Bool(bool),
    Text(&'a str),
}

/// The values found, each in its key's slot. The table decides which are there and of what type.
struct Values<'a>([Value<'a>; SLOTS]);

impl<'a> Values<'a> {
    fn text_if(&self, slot: Slot) -> Option<&'a str> {
        if let Value::Text(text) = self.0[slot as usize] { Some(text) } else { None }
    }

    fn text(&self, slot: Slot) -> &'a str {
        self.text_if(slot).unwrap_or_default()
    }

    fn int_if(&self, slot: Slot) -> Option<u64> {
        if let Value::Int(int) = self.0[slot as usize] { Some(int) } else { None }
    }

    fn int(&self, slot: Slot) -> u64 {
        self.int_if(slot).unwrap_or_default()
    }

    /// Of a key whose row in the table says that it is a u32.
    fn u32_if(&self, slot: Slot) -> Option<u32> {
        self.int_if(slot).map(|int| int as u32)
    }

    fn is_true(&self, slot: Slot) -> bool {
        matches!(self.0[slot as usize], Value::Bool(true))
    }

    fn line(&self) -> Line<'a> {
        let object = |id| LineObject { id, kind: self.text(Slot::ObjType), version: self.int_if(Slot::ObjVersion) };
        Line {
            act: self.text(Slot::Act),
            det: self.text_if(Slot::Det),
            ep: self.u32_if(Slot::Ep).unwrap_or_default(),
            log: self.text(Slot::Log),
            n: self.int_if(Slot::N),
            obj: self.text_if(Slot::ObjId).map(object),
            ph: if self.text(Slot::Phase) == "intent" { Phase::Intent } else { Phase::Result },
            pk: self.u32_if(Slot::PseudonymKey),
            pos: self.u32_if(Slot::Position),
            prev: self.text(Slot::Prev),
            code: self.text(Slot::ResCode),
            ok: self.is_true(Slot::ResOk),
            rid: self.text(Slot::Rid),
            row: self.text_if(Slot::RowHash).map(|hash| (hash, self.int(Slot::RowRevision))),
            seq: self.int(Slot::Seq),
            src_ip: self.text_if(Slot::SrcIp),
            ts: self.int(Slot::Ts),
            vrow: self.text_if(Slot::VersionRowHash).map(|hash| (hash, self.int(Slot::VersionRowRevision))),
            who_id: self.text(Slot::WhoId),
            who_type: self.text(Slot::WhoType),
        }
    }
}

struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    values: Values<'a>,
}

type Scan<T = ()> = Result<T, LineReason>;

impl<'a> Scanner<'a> {
    fn line(&mut self) -> Scan {
        self.object(LINE)?;
        if self.at != self.bytes.len() {
            return Err(LineReason::Trailing);
        }
        let whole = self.at;
        self.at = 0;
        if self.values.is_true(Slot::ResOk) != (self.values.text(Slot::ResCode) == "ok") {
            return Err(LineReason::Value("a res whose ok and code agree"));
        }
        if self.values.int(Slot::V) != 1 {
            return Err(LineReason::Value("version 1"));
        }
        let system = self.values.text(Slot::WhoType) == "system";
        if system != (self.values.text(Slot::WhoId) == SYSTEM_HANDLE) {
            return Err(LineReason::Value("a who in which the system alone has the handle of zeros"));
        }
        self.at = whole;
        Ok(())
    }

    fn object(&mut self, fields: &'static [Field]) -> Scan {
        self.byte(b'{', "{")?;
        let mut first = true;
        for field in fields {
            let start = self.at + usize::from(!first);
            let here = (first || self.peek() == Some(b','))
                && starts_with(&self.bytes[start.min(self.bytes.len())..], field.token);
            if here {
                self.at = start + field.token.len();
                self.value(field)?;
                first = false;
            } else if field.required {
                return Err(self.wrong_key(field, fields, first));
            }
        }
        if self.peek() == Some(b',') {
            return Err(self.wrong_key(&fields[fields.len() - 1], fields, first));
        }
        self.byte(b'}', "} or a key")
    }

    /// What stands where `wanted`, or an optional key before it, should.
    fn wrong_key(&mut self, wanted: &Field, fields: &[Field], first: bool) -> LineReason {
        match (first, self.peek()) {
            (true, _) => {}
            (false, Some(b',')) => self.at += 1,
            (false, Some(b'}')) => return LineReason::MissingKey(wanted.token),
            (false, _) => return LineReason::Expected(", or }"),
        }
        let rest = &self.bytes[self.at..];
        if rest.first() != Some(&b'"') {
            return if first && rest.first() == Some(&b'}') {
                LineReason::MissingKey(wanted.token)
            } else {
                LineReason::Expected("a key")
            };
        }
        let known = |field: &Field| rest.starts_with(field.token.as_bytes());
        match fields.iter().find(|field| known(field)) {
            None => LineReason::UnknownKey,
            Some(field) if field.token > wanted.token => LineReason::MissingKey(wanted.token),
            Some(_) => LineReason::MisplacedKey,
        }
    }

    #[inline]
    fn value(&mut self, field: &'static Field) -> Scan {
        let value = match field.kind {
            Kind::Object(fields) => return self.object(fields),
            Kind::Int(max) => Value::Int(self.int(max)?),
            Kind::Bool => Value::Bool(self.bool()?),
            Kind::Text(bytes_max) => {
                let text = self.string(|byte| PLAIN[usize::from(byte)])?;
                if text.is_empty() || text.len() > bytes_max {
                    return Err(LineReason::Value("a text of the length allowed"));
                }
                Value::Text(text)
            }
            Kind::Hex(digits) => Value::Text(self.hex(digits)?),
            Kind::Word(words) => {
                let text = self.string(|byte| PLAIN[usize::from(byte)])?;
                if !words.contains(&text) {
                    return Err(LineReason::Value("one of the words allowed"));
                }
                Value::Text(text)
            }
        };
        self.values.0[field.slot as usize] = value;
        Ok(())
    }

    #[inline]
    fn string(&mut self, allowed: impl Fn(u8) -> bool) -> Scan<&'a str> {
        self.byte(b'"', "a string")?;
        let start = self.at;
        let length = self.bytes[start..].iter().position(|byte| !allowed(*byte)).unwrap_or(self.bytes.len() - start);
        self.at = start + length;
        self.byte(b'"', "an allowed character or the string's end")?;
        Ok(&self.text[start..start + length])
    }

    /// Half of a line is hex, so it is looked at in one sweep; only to say what is wrong, digit by digit.
    #[inline]
    fn hex(&mut self, digits: usize) -> Scan<&'a str> {
        let at = self.at;
        if let Some([b'"', hex @ .., b'"']) = self.bytes.get(at..at + digits + 2)
            && hex.iter().fold(true, |all, byte| all & matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        {
            self.at += digits + 2;
            return Ok(&self.text[at + 1..=at + digits]);
        }
        self.string(is_hex_digit)?;
        Err(LineReason::Value("hex of the length required"))
    }

    fn int(&mut self, max: u64) -> Scan<u64> {
        let digits = &self.bytes[self.at..];
        let mut value: u64 = 0;
        let mut length = 0;
        while let Some(digit) = digits.get(length).filter(|byte| byte.is_ascii_digit()) {
            value = value * 10 + u64::from(digit - b'0');
            length += 1;
            if value > max.min(INTEGER_MAX) {
                return Err(LineReason::Value("an integer in range"));
            }
            if value == 0 {
                break;
            }
        }
        if length == 0 {
            return Err(LineReason::Expected("an integer"));
        }
        self.at += length;
        Ok(value)
    }

    fn bool(&mut self) -> Scan<bool> {
        for (word, value) in [("true", true), ("false", false)] {
            if self.bytes[self.at..].starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(LineReason::Expected("true or false"))
    }

    #[inline]
    fn byte(&mut self, byte: u8, what: &'static str) -> Scan {
        if self.peek() != Some(byte) {
            return Err(LineReason::Expected(what));
        }
        self.at += 1;
        Ok(())
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }
}

/// Most keys that do not match differ in the byte after their quote, which spares a call.
#[inline]
fn starts_with(rest: &[u8], token: &str) -> bool {
    let token = token.as_bytes();
    rest.get(1) == token.get(1) && rest.starts_with(token)
}

/// Where and as what a line says to be of another version than 1, however the rest of it looks.
fn later_version(text: &str) -> Option<(usize, u64)> {
    const TOKEN: &str = "\"v\":";
    let mut depth = 0;
    let mut quoted = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' if depth == 1 && !quoted && text[at..].starts_with(TOKEN) => {
                let digits = &text[at + TOKEN.len()..];
                let end = digits.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
                return digits[..end].parse().ok().filter(|version| *version != 1).map(|version| (at, version));
            }
            b'"' => quoted = !quoted,
            b'{' if !quoted => depth += 1,
            b'}' if !quoted => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE_TEXT: &str = r#"{"act":"secret.get","ep":1,"log":"d/sys","obj":{"id":"cccccccccccccccccccccccccccccccc","t":"secret","ver":3},"ph":"result","prev":"1111111111111111111111111111111111111111111111111111111111111111","res":{"code":"ok","ok":true},"rid":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","seq":9,"ts":10,"v":1,"who":{"id":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","t":"user"}}"#;

    #[test]
    fn a_line_is_taken_apart() {
        let line = parse_line(LINE_TEXT.as_bytes()).unwrap();
        assert_eq!((line.act, line.ep, line.log, line.seq, line.ts), ("secret.get", 1, "d/sys", 9, 10));
        assert_eq!((line.code, line.ok, line.ph, line.who_type), ("ok", true, Phase::Result, "user"));
        assert_eq!(line.obj.map(|obj| (obj.id_bytes(), obj.kind, obj.version)), Some(([0xcc; 16], "secret", Some(3))));
        assert_eq!((line.det, line.n, line.pk, line.pos, line.row, line.vrow, line.src_ip), Default::default());
    }

    #[test]
    fn every_other_form_of_the_same_meaning_is_refused() {
        let system = r#""id":"00000000000000000000000000000000","t":"system""#;
        for (name, from, to, reason) in [
            ("space", "\"ep\":1", "\"ep\": 1", LineReason::Expected("an integer")),
            ("space before a key", ",\"ep\"", ", \"ep\"", LineReason::Expected("a key")),
            ("leading zero", ":9,", ":09,", LineReason::Expected(", or }")),
            ("plus", ":9,", ":+9,", LineReason::Expected("an integer")),
            ("minus zero", ":9,", ":-0,", LineReason::Expected("an integer")),
            ("float", ":9,", ":9.0,", LineReason::Expected(", or }")),
            ("exponent", ":9,", ":9e0,", LineReason::Expected(", or }")),
            ("null", ":9,", ":null,", LineReason::Expected("an integer")),
            ("number as text", ":9,", ":\"9\",", LineReason::Expected("an integer")),
            ("largest integer and one", ":9,", ":9007199254740992,", LineReason::Value("an integer in range")),
            ("a number that wraps", ":9,", ":18446744073709551625,", LineReason::Value("an integer in range")),
            ("epoch beyond 2^32", "\"ep\":1", "\"ep\":4294967296", LineReason::Value("an integer in range")),
            (
                "escape",
                "secret.get",
                "secret\\u002eget",
                LineReason::Expected("an allowed character or the string's end"),
            ),
            ("control", "secret.get", "secret\tget", LineReason::Expected("an allowed character or the string's end")),
            ("delete", "secret.get", "secret\x7fget", LineReason::Expected("an allowed character or the string's end")),
            (
                "not ASCII",
                "secret.get",
                "secr\u{e9}t.get",
                LineReason::Expected("an allowed character or the string's end"),
            ),
            ("upper case hex", "cccc", "CCCC", LineReason::Expected("an allowed character or the string's end")),
            ("hex too short", "cccc", "ccc", LineReason::Value("hex of the length required")),
            ("hex too long", "cccc", "ccccc", LineReason::Value("hex of the length required")),
            ("empty text", "secret.get", "", LineReason::Value("a text of the length allowed")),
            ("unknown word", "\"result\"", "\"results\"", LineReason::Value("one of the words allowed")),
            ("key twice", "\"ep\":1", "\"ep\":1,\"ep\":1", LineReason::MisplacedKey),
            (
                "keys swapped",
                "\"ep\":1,\"log\":\"d/sys\"",
                "\"log\":\"d/sys\",\"ep\":1",
                LineReason::MissingKey("\"ep\":"),
            ),
            ("optional key late", "\"ep\":1", "\"ep\":1,\"det\":\"\"", LineReason::MisplacedKey),
            ("unknown key", "\"ep\":1", "\"ep\":1,\"foo\":1", LineReason::UnknownKey),
            ("unknown key last", "\"}}", "\"},\"zoo\":1}", LineReason::UnknownKey),
            ("unknown key inside", "\"ver\":3", "\"ver\":3,\"w\":1", LineReason::UnknownKey),
            ("required key missing", "\"ep\":1,", "", LineReason::MissingKey("\"ep\":")),
            ("required key missing inside", ",\"t\":\"user\"", "", LineReason::MissingKey("\"t\":")),
            ("empty object", "{\"code\":\"ok\",\"ok\":true}", "{}", LineReason::MissingKey("\"code\":")),
            ("array", "{\"code\":\"ok\",\"ok\":true}", "[]", LineReason::Expected("{")),
            ("deep", "\"ver\":3", "\"ver\":{\"a\":{\"a\":{}}}", LineReason::Expected("an integer")),
            (
                "ok with an error code",
                "\"ok\",\"ok\"",
                "\"SR-X\",\"ok\"",
                LineReason::Value("a res whose ok and code agree"),
            ),
            ("not ok with ok", "true", "false", LineReason::Value("a res whose ok and code agree")),
            ("trailing space", "\"user\"}}", "\"user\"}} ", LineReason::Trailing),
            ("unclosed", "\"user\"}}", "\"user\"}", LineReason::Expected("} or a key")),
            ("trailing comma", "\"user\"}}", "\"user\"},}", LineReason::Expected("a key")),
            ("later version", "\"v\":1", "\"v\":2", LineReason::UnsupportedVersion(2)),
            ("later version's key", "\"ts\":10,\"v\":1", "\"tt\":10,\"v\":2", LineReason::UnsupportedVersion(2)),
            (
                "system with a handle",
                "\"user\"}}",
                "\"system\"}}",
                LineReason::Value("a who in which the system alone has the handle of zeros"),
            ),
        ] {
            assert!(LINE_TEXT.contains(from), "case: {name}");
            let got = parse_line(LINE_TEXT.replacen(from, to, 1).as_bytes()).map(drop).map_err(|error| error.reason);
            assert_eq!(got, Err(reason), "case: {name}");
        }
        let user = r#""id":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","t":"user""#;
        assert!(parse_line(LINE_TEXT.replace(user, system).as_bytes()).is_ok());
    }

    #[test]
    fn every_prefix_and_every_overlong_line_is_refused() {
        for length in 0..LINE_TEXT.len() {
            assert!(parse_line(&LINE_TEXT.as_bytes()[..length]).is_err(), "{length} bytes");
        }
        let padded = |length: usize| LINE_TEXT.to_owned() + &" ".repeat(length - LINE_TEXT.len());
        let reason = |length| parse_line(padded(length).as_bytes()).map(drop).map_err(|error| error.reason);
        assert_eq!(reason(LINE_BYTES_MAX), Err(LineReason::Trailing));
        assert_eq!(reason(LINE_BYTES_MAX + 1), Err(LineReason::TooLong));
        assert!(parse_line(b"\xff").is_err());
    }

    #[test]
    fn changing_any_byte_is_refused_or_read_differently() {
        let line = parse_line(LINE_TEXT.as_bytes()).unwrap();
        for at in 0..LINE_TEXT.len() {
            for byte in 0..=255 {
                let mut changed = LINE_TEXT.as_bytes().to_vec();
                changed[at] = byte;
                if byte != LINE_TEXT.as_bytes()[at] {
                    assert_ne!(parse_line(&changed).as_ref(), Ok(&line), "byte {at} to {byte}");
                }
            }
        }
    }
}
