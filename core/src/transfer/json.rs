//! JSON documents: nested objects are folders.
//!
//! # What is read
//!
//! One JSON object, UTF-8, with or without a byte order mark. A member whose value is an object is a
//! folder, to a depth of 16, the document included. Any other member is a secret:
//!
//! | in the document | the secret's value |
//! | --- | --- |
//! | a string | text |
//! | a number, `true`, `false`, `null`, an array | JSON, with exactly the characters of the document |
//! | `{"$json": "…"}` | JSON: the text in the string, exactly |
//! | `{"$binary": "…"}` | binary: the bytes that the string is standard, padded base64 of |
//!
//! A name is a path segment, or several joined by `/`: `{"a/b": 1}` is the same as `{"a": {"b": 1}}`. A
//! path given twice, in whatever way, is refused, where most readers take the last. An empty object in
//! the place of a folder is refused, since it would vanish; the empty document holds nothing, and is
//! allowed.
//!
//! # What is written
//!
//! Nested objects, sorted by path and indented, so that [`parse`] reads back the same paths, kinds and
//! bytes. JSON values that are objects or strings, or have blanks around them, are written as `$json`,
//! for else they would come back as something else. If one secret's path is also a folder of another
//! (`a` and `a/b`), nesting cannot hold both: then the whole document is flat, `{"a": …, "a/b": …}`.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::{Entries, Entry, Placed, malformed, output::Output, placed, text, too_many_entries};
use crate::{Error, Result, SecretPath, SecretValue, ValueKind, limits};

/// The member that holds a JSON value as text.
const JSON: &str = "$json";

/// The member that holds a binary value as base64.
const BINARY: &str = "$binary";

/// Reads a JSON document.
///
/// [`Code::ImportMalformed`](crate::Code::ImportMalformed) with the line for what is not as described
/// [above](self), or makes a path or value that is not valid;
/// [`Code::ImportTooLarge`](crate::Code::ImportTooLarge) over 16 MiB or 10,000 entries.
///
/// ```
/// # use strongroom::{ValueKind, transfer::json};
/// let document = br#"{"database": {"password": "x", "ports": [5432, 5433]}}"#;
/// let entries = json::parse(document)?;
/// assert_eq!(entries[0].path.as_str(), "database/password");
/// assert_eq!(entries[1].value.kind(), ValueKind::Json);
/// # Ok::<(), strongroom::Error>(())
/// ```
pub fn parse(document: &[u8]) -> Result<Vec<Entry>> {
    let text = text(document)?;
    // One pass over everything: whatever is found later is no longer an error of syntax.
    let root = serde_json::from_str::<&RawValue>(text).map_err(|error| {
        // serde's errors can repeat what they found: only the position leaves here.
        malformed(error.line().max(1), format_args!("it is not JSON near column {}", error.column().max(1)))
    })?;
    let mut reader = Reader { text, line_at: (0, 1), entries: Entries::default() };
    if !is_object(root) {
        return Err(malformed(reader.line(root), "the document is not a JSON object"));
    }
    let members = reader.members(root)?;
    reader.folder("", members, 1)?;
    Ok(reader.entries.found)
}

fn is_object(raw: &RawValue) -> bool {
    raw.get().starts_with('{')
}

/// Reads values in the order of the document.
///
/// Values are borrowed from the document, never built by serde: it would leave copies of them in
/// buffers that nobody wipes.
struct Reader<'a> {
    text: &'a str,
    /// An offset that was looked up, and its line.
    line_at: (usize, usize),
    entries: Entries,
}

type Members<'a> = Vec<(String, &'a RawValue)>;

impl<'a> Reader<'a> {
    /// The line that a value begins on. Counted on from the last one, so that all take one pass together.
    fn line(&mut self, raw: &RawValue) -> usize {
        let offset = (raw.get().as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        let (from, line) = if offset >= self.line_at.0 { self.line_at } else { (0, 1) };
        let passed = self.text.as_bytes().get(from..offset).unwrap_or_default();
        self.line_at = (offset, line + passed.iter().filter(|&&byte| byte == b'\n').count());
        self.line_at.1
    }

    /// The members of an object, duplicates too.
    fn members(&mut self, object: &'a RawValue) -> Result<Members<'a>> {
        let line = self.line(object);
        match serde_json::from_str(object.get()) {
            Ok(Object(members)) => Ok(members),
            Err(error) if error.is_data() => Err(too_many_entries()),
            Err(_) => Err(malformed(line, "a name in this object has half of a surrogate pair")),
        }
    }

    fn folder(&mut self, folder: &str, members: Members<'a>, depth: usize) -> Result<()> {
        for (name, raw) in members {
            let line = self.line(raw);
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            let value = match raw.get().as_bytes().first() {
                Some(b'"') => {
                    SecretValue::from_kind(ValueKind::Text, unescape(raw).ok_or_else(|| bad_surrogate(line))?)
                }
                Some(b'{') => {
                    let members = self.members(raw)?;
                    match members.as_slice() {
                        [] => return Err(malformed(line, "an empty object is neither a folder nor a value")),
                        [(name, raw)] if name.starts_with('$') => {
                            let content = match raw.get().starts_with('"') {
                                true => Some(unescape(raw).ok_or_else(|| bad_surrogate(line))?),
                                false => None,
                            };
                            wrapped(name, content).map_err(|rule| malformed(line, rule))?
                        }
                        _ if depth == limits::IMPORT_DEPTH_MAX => {
                            let max = limits::IMPORT_DEPTH_MAX;
                            return Err(malformed(line, format_args!("objects are nested deeper than {max}")));
                        }
                        _ => {
                            self.folder(&path, members, depth + 1)?;
                            continue;
                        }
                    }
                }
                _ => SecretValue::json(raw.get()),
            };
            self.entries.add(line, &path, value)?;
        }
        Ok(())
    }
}

fn bad_surrogate(line: usize) -> Error {
    malformed(line, "a string has half of a surrogate pair")
}

/// A value in an object of its own, by the string in it if that is what it holds. The outer error is a rule
/// that the document breaks; the inner is the value's.
pub(super) fn wrapped(name: &str, content: Option<Zeroizing<Vec<u8>>>) -> Result<Result<SecretValue>, &'static str> {
    let Some(content) = content.filter(|_| [JSON, BINARY].contains(&name)) else {
        return Err("$json and $binary are the only names with $, and hold a string");
    };
    if name == JSON {
        return Ok(SecretValue::from_kind(ValueKind::Json, content));
    }
    let mut bytes = Zeroizing::new(vec![0; base64::decoded_len_estimate(content.len())]);
    let length = STANDARD.decode_slice(&*content, &mut bytes).map_err(|_| "$binary is not base64")?;
    bytes.truncate(length);
    Ok(SecretValue::from_kind(ValueKind::Binary, bytes))
}

/// The bytes of a string that serde has found well-formed but for surrogates; `None` for half of a
/// pair. The buffer never grows: an escape is longer than what it stands for.
fn unescape(raw: &RawValue) -> Option<Zeroizing<Vec<u8>>> {
    let inner = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(inner.len()));
    let mut rest = inner;
    while let Some((plain, escape)) = rest.split_once('\\') {
        bytes.extend_from_slice(plain.as_bytes());
        rest = escape.get(1..)?;
        bytes.push(match escape.as_bytes().first()? {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'b' => 0x08,
            b'f' => 0x0c,
            b'u' => {
                let c = unicode_escape(&mut rest)?;
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            other => *other,
        });
    }
    bytes.extend_from_slice(rest.as_bytes());
    Some(bytes)
}

/// The character of the digits after `\u`, and of the second half's escape if there is one.
fn unicode_escape(rest: &mut &str) -> Option<char> {
    let unit = |from: &mut &str| {
        let unit = u16::from_str_radix(from.get(..4)?, 16).ok()?;
        *from = &from[4..];
        Some(unit)
    };
    let first = unit(rest)?;
    if !(0xd800..0xe000).contains(&first) {
        return char::from_u32(first.into());
    }
    *rest = rest.strip_prefix("\\u")?;
    let second = unit(rest)?;
    char::decode_utf16([first, second]).next()?.ok()
}

/// The members of one object, as they stand in the document.
struct Object<'a>(Members<'a>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor;

        impl<'de> Visitor<'de> for ObjectVisitor {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    if members.len() == limits::IMPORT_ENTRIES_MAX {
                        return Err(A::Error::custom("too many members"));
                    }
                    members.push(member);
                }
                Ok(Object(members))
            }
        }

        deserializer.deserialize_map(ObjectVisitor)
    }
}

/// Writes secrets as a JSON document, which can hold them all. Paths are relative to what is exported,
/// and each must come once.
pub fn export<'a>(secrets: impl IntoIterator<Item = (&'a SecretPath, &'a SecretValue)>) -> Zeroizing<Vec<u8>> {
    let mut writer = Writer { output: Output::new(), open: Vec::new(), is_first: true };
    writer.output.push(b"{");
    for Placed { folder, name, value } in placed(secrets) {
        let common = writer.open.iter().zip(&folder).take_while(|(open, segment)| open == segment).count();
        writer.close_to(common);
        for segment in &folder[common..] {
            writer.name(segment);
            writer.output.push(b"{");
            writer.open.push(segment);
            writer.is_first = true;
        }
        writer.name(name);
        value.expose(|bytes| push_value(&mut writer.output, value.kind(), bytes));
    }
    writer.close_to(0);
    if !writer.is_first {
        writer.output.push(b"\n");
    }
    writer.output.push(b"}\n");
    writer.output.finish()
}

struct Writer<'a> {
    output: Output,
    /// The folders whose objects are open.
    open: Vec<&'a str>,
    /// Whether the innermost object is still empty.
    is_first: bool,
}

impl Writer<'_> {
    fn new_line(&mut self) {
        self.output.push(b"\n");
        for _ in 0..=self.open.len() {
            self.output.push(b"  ");
        }
    }

    fn name(&mut self, name: &str) {
        if !self.is_first {
            self.output.push(b",");
        }
        self.is_first = false;
        self.new_line();
        push_string(&mut self.output, name.as_bytes());
        self.output.push(b": ");
    }

    fn close_to(&mut self, depth: usize) {
        while self.open.len() > depth {
            self.open.pop();
            self.new_line();
            self.output.push(b"}");
        }
    }
}

/// A JSON or binary value in an object of its own: also what YAML and TOML read as a mapping or table.
pub(super) fn push_wrapped(output: &mut Output, kind: ValueKind, bytes: &[u8], colon: &[u8]) {
    output.push(b"{");
    if kind == ValueKind::Json {
        push_string(output, JSON.as_bytes());
        output.push(colon);
        push_string(output, bytes);
    } else {
        push_string(output, BINARY.as_bytes());
        output.push(colon);
        output.push(b"\"");
        // A multiple of three bytes at a time: the pieces join without padding between them.
        let mut encoded = Zeroizing::new([0; 1024]);
        for piece in bytes.chunks(encoded.len() / 4 * 3) {
            let length = STANDARD.encode_slice(piece, &mut *encoded).expect("four bytes for each three fit");
            output.push(&encoded[..length]);
        }
        output.push(b"\"");
    }
    output.push(b"}");
}

fn push_value(output: &mut Output, kind: ValueKind, bytes: &[u8]) {
    match kind {
        ValueKind::Text => push_string(output, bytes),
        ValueKind::Json if is_verbatim(bytes) => output.push(bytes),
        ValueKind::Json | ValueKind::Binary => push_wrapped(output, kind, bytes, b": "),
    }
}

/// Whether a JSON value can stand in the document as it is and be read back as the same bytes.
fn is_verbatim(json: &[u8]) -> bool {
    let is_blank = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_whitespace);
    !is_blank(json.first()) && !is_blank(json.last()) && !matches!(json.first(), Some(b'{' | b'"'))
}

/// A string that YAML and TOML read the same way: JSON itself needs no escapes for DEL, for what YAML takes for a line
/// end, and for what it does not count as printable.
pub(super) fn push_string(output: &mut Output, text: &[u8]) {
    output.push(b"\"");
    for c in text.utf8_chunks().flat_map(|chunk| chunk.valid().chars()) {
        match c {
            '"' => output.push(br#"\""#),
            '\\' => output.push(br"\\"),
            '\n' => output.push(br"\n"),
            '\r' => output.push(br"\r"),
            '\t' => output.push(br"\t"),
            '\0'..' ' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                let digit = |shift: u32| b"0123456789abcdef"[((u32::from(c) >> shift) & 0xf) as usize];
                output.push(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]);
            }
            _ => output.push(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    output.push(b"\"");
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, collections::BTreeMap};

    use super::super::testing;
    use super::*;
    use crate::Code;
    use ValueKind::{Binary, Json, Text};

    fn read(document: &str) -> Result<Vec<testing::Found>> {
        testing::read(document, parse)
    }

    fn nested(levels: usize, inner: &str) -> String {
        format!("{}{inner}{}", "{\"a\":".repeat(levels), "}".repeat(levels))
    }

    #[test]
    fn values_are_read_as_documented() {
        for (value, kind, want) in [
            (r#""""#, Text, b"".as_slice()),
            (r#""a\n\r\t\b\f\"\\\/\u0041\u00e9""#, Text, "a\n\r\t\u{8}\u{c}\"\\/A\u{e9}".as_bytes()),
            (r#""\ud83d\udd11\u0000$x""#, Text, "\u{1f511}\0$x".as_bytes()),
            ("1", Json, b"1"),
            (" -1.50E+400 ", Json, b"-1.50E+400"),
            ("true", Json, b"true"),
            ("null", Json, b"null"),
            ("[ 1,\n{\"$binary\" : \"\\ud800\"} ]", Json, b"[ 1,\n{\"$binary\" : \"\\ud800\"} ]"),
            ("[]", Json, b"[]"),
            (r#"{"$json": " {\"a\" : 1}\n"}"#, Json, b" {\"a\" : 1}\n"),
            (r#"{"\u0024json":"\"x\""}"#, Json, b"\"x\""),
            (r#"{"$binary": ""}"#, Binary, b""),
            (r#"{"$binary": "AP\/+"}"#, Binary, &[0x00, 0xff, 0xfe]),
            (r#"{"$binary": "AA=="}"#, Binary, &[0]),
        ] {
            let found = read(&format!("{{\"K\":{value}}}")).unwrap_or_else(|error| panic!("{value}: {error}"));
            assert_eq!(found, [("K".to_owned(), kind, want.to_vec(), 1)], "case: {value}");
        }
    }

    #[test]
    fn objects_are_folders() {
        let document = "\u{feff}{\n \"a\": {\"b\": 1,\n\"c\":\n{\"d/e\": 2}}, \"f/g\": {\"h\": 3\n}, \"a/x\": 4\n}\n";
        let found: Vec<_> = read(document).unwrap().into_iter().map(|(path, _, _, line)| (path, line)).collect();
        let want = [("a/b", 2), ("a/c/d/e", 4), ("f/g/h", 4), ("a/x", 5)];
        assert_eq!(found, want.map(|(path, line)| (path.to_owned(), line)));
        assert_eq!(read("{}").unwrap(), []);
    }

    #[test]
    fn nesting_has_a_limit() {
        assert_eq!(read(&nested(16, "1")).unwrap()[0].0, ["a"; 16].join("/"));
        assert_eq!(read(&nested(16, "{\"$binary\":\"\"}")).unwrap().len(), 1);
        let error = read(&nested(17, "1")).unwrap_err();
        assert_eq!(error.details(), Some("line 1: objects are nested deeper than 16"));
        for levels in [100, 200_000] {
            let deep = read(&nested(levels, "1")).map(drop).unwrap_err();
            assert_eq!(deep.details(), Some("line 1: objects are nested deeper than 16"));
        }
        // An array is a value, however deep.
        assert!(read(&format!("{{\"K\":{}{}}}", "[".repeat(30_000), "]".repeat(30_000))).is_ok());
    }

    #[test]
    fn what_is_malformed_is_refused_with_its_line() {
        let long = format!("{{\n\"K\":\"{}\"}}", "s3cr3t".repeat(10_923));
        for (document, detail) in [
            ("", "line 1: it is not JSON near column "),
            ("\"s3cr3t\"", "line 1: the document is not a JSON object"),
            ("\n[\"s3cr3t\"]", "line 2: the document is not a JSON object"),
            ("{\"K\":\n \"s3cr3t\",}", "line 2: it is not JSON near column "),
            ("{\"K\": s3cr3t}", "line 1: it is not JSON near column "),
            ("{\"K\": \"s3cr3t\n\"}", "line 1: it is not JSON near column "),
            ("{\"K\": \"s3cr3t\"} x", "line 1: it is not JSON near column "),
            ("{\"K\": \"s3cr3t\"", "line 1: it is not JSON near column "),
            ("{1: \"s3cr3t\"}", "line 1: it is not JSON near column "),
            ("{\"\": \"s3cr3t\"}", "line 1: the name does not make a path: segment 1 is empty"),
            ("{\"a\":{\"b/\":\n\"s3cr3t\"}}", "line 2: the name does not make a path: segment 3 is empty"),
            (
                "{\"s3cr3t x\":1}",
                "line 1: the name does not make a path: segment 1 has a character outside [A-Za-z0-9_.-]",
            ),
            (
                "{\"$binary\":\"s3cr3t\"}",
                "line 1: the name does not make a path: segment 1 has a character outside [A-Za-z0-9_.-]",
            ),
            ("{\"K\":1,\n\"K\":\"s3cr3t\"}", "line 2: the name is the same as on line 1"),
            ("{\"a\":{\"b\":1},\n\"a\":{\"b\":\"s3cr3t\"}}", "line 2: the name is the same as on line 1"),
            ("{\"a\":{\"b\":1},\n\n\"a/b\":\"s3cr3t\"}", "line 3: the name is the same as on line 1"),
            ("{\"K\":\n{}}", "line 2: an empty object is neither a folder nor a value"),
            ("{\"K\":\"s3cr3t\\ud800\"}", "line 1: a string has half of a surrogate pair"),
            ("{\"K\":\"s3cr3t\\ud800\\u0041\"}", "line 1: a string has half of a surrogate pair"),
            ("{\"K\":\"s3cr3t\\udc00\\ud800\"}", "line 1: a string has half of a surrogate pair"),
            ("{\n\"s3cr3t\\ud800\":1}", "line 1: a name in this object has half of a surrogate pair"),
            (
                "{\"K\":{\"$text\":\"s3cr3t\"}}",
                "line 1: $json and $binary are the only names with $, and hold a string",
            ),
            ("{\"K\":{\"$json\":[1]}}", "line 1: $json and $binary are the only names with $, and hold a string"),
            (
                "{\"K\":{\"$json\":\"1\",\"b\":\"s3cr3t\"}}",
                "line 1: the name does not make a path: segment 2 has a character outside [A-Za-z0-9_.-]",
            ),
            ("{\"K\":{\"$binary\":\"s3cr3t\"}}", "line 1: $binary is not base64"),
            ("{\"K\":{\"$binary\":\"AB==\"}}", "line 1: $binary is not base64"),
            (
                "{\"K\":\n{\"$json\":\"s3cr3t\"}}",
                "line 2: the value is not what its type says: not JSON at line 1 column 1",
            ),
            (&long, "line 2: the value is larger than the limit: it has 65538 bytes"),
        ] {
            let error = read(document).map(drop).unwrap_err();
            assert_eq!(error.code(), Code::ImportMalformed, "case: {document:?}");
            let details = error.details().unwrap();
            // The column is serde's to say.
            let cut = if detail.ends_with("column ") { detail.len() } else { details.len() };
            assert_eq!(&details[..cut], detail, "case: {document:?}");
            assert!(!format!("{error:?}").contains("s3cr3t"), "case: {document:?}");
        }
        let error = parse(b"{\n\"\xff\":1}").unwrap_err();
        assert_eq!((error.code(), error.details()), (Code::ImportMalformed, Some("line 2: it is not UTF-8")));
    }

    fn written(secrets: &[(&str, SecretValue)]) -> String {
        let secrets: Vec<_> = secrets.iter().map(|(path, value)| (path.parse().unwrap(), value)).collect();
        let document = export(secrets.iter().map(|(path, value)| (path, *value)));
        String::from_utf8(document.to_vec()).unwrap()
    }

    #[test]
    fn secrets_are_written_nested_or_flat() {
        let value = || SecretValue::json("1").unwrap();
        let nested =
            written(&[("b", value()), ("a/x/y", value()), ("a-b", value()), ("a/z", value()), ("a/x/w", value())]);
        let want = "{\n  \"a-b\": 1,\n  \"a\": {\n    \"x\": {\n      \"w\": 1,\n      \"y\": 1\n    },\n    \"z\": 1\n  },\n  \"b\": 1\n}\n";
        assert_eq!(nested, want);

        let flat = written(&[("a/b", value()), ("a", value()), ("c/d", value())]);
        assert_eq!(flat, "{\n  \"a\": 1,\n  \"a/b\": 1,\n  \"c/d\": 1\n}\n");
        assert_eq!(written(&[]), "{}\n");
    }

    #[test]
    fn values_are_written_as_documented() {
        for (value, want) in [
            (SecretValue::text("a\"\\\n\u{1}\u{e9}/"), r#""a\"\\\n\u0001é/""#),
            (SecretValue::json("[1, 2.50]"), "[1, 2.50]"),
            (SecretValue::json("1 "), r#"{"$json": "1 "}"#),
            (SecretValue::json("{\"a\":1}"), r#"{"$json": "{\"a\":1}"}"#),
            (SecretValue::json("\"x\""), r#"{"$json": "\"x\""}"#),
            (SecretValue::binary(vec![0, 0xff, 0xfe, 1]), r#"{"$binary": "AP/+AQ=="}"#),
        ] {
            assert_eq!(written(&[("K", value.unwrap())]), format!("{{\n  \"K\": {want}\n}}\n"));
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        testing::for_each_seed(500, |random| {
            let secrets = testing::any_secrets(random);
            let document = export(&secrets);
            assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&document).is_ok());
            let entries = parse(&document).unwrap();
            assert_eq!(entries.len(), secrets.len());
            assert!(entries.iter().all(|entry| entry.value.matches(&secrets[&entry.path])));
        });
    }

    #[test]
    fn strings_are_read_as_serde_reads_them() {
        let pieces =
            [r"\n", r"\u0041", r"\ud83d", r"\udd11", r"\\", r#"\""#, r"\/", r"\b", "a", "\u{e9}", r"\uFFFF", r"\u0000"];
        testing::for_each_seed(2_000, |random| {
            let string: String = (0..random.below(6)).map(|_| random.pick(&pieces)).collect();
            let string = format!("\"{string}\"");
            let raw: &RawValue = serde_json::from_str(&string).unwrap();
            let want = serde_json::from_str::<String>(&string).ok().map(String::into_bytes);
            assert_eq!(unescape(raw).map(|bytes| bytes.to_vec()), want, "{string}");
        });
    }

    #[test]
    fn no_mutation_panics_or_leaks() {
        let sample = "\u{feff}{\"a\": {\"b\": \"s3cr3t\\n\\ud83d\\udd11\", \"c\": [1, {\"x\": null}]},\r\n\"d/e\": {\"$binary\": \"AP/+\"}, \"f\": {\"$json\": \"{\\\"s3cr3t\\\": 1}\"}, \"g\": -1.5e3}\n";
        let pieces =
            ["{", "}", "[", "]", "\"", "\\", ":", ",", "\\u", "d800", "{}", "\"a\":", "$", "1", "\n", "/", "\u{e9}"];
        let taken = Cell::new(0);
        testing::for_each_seed(4_000, |random| {
            let document = testing::mutated(random, sample.as_bytes(), &pieces);
            match parse(&document) {
                Err(error) => testing::check_error(&error),
                Ok(entries) => {
                    taken.set(taken.get() + 1);
                    let secrets: BTreeMap<_, _> = entries.into_iter().map(|e| (e.path, e.value)).collect();
                    let again = parse(&export(&secrets)).unwrap();
                    assert!(again.iter().all(|entry| entry.value.matches(&secrets[&entry.path])));
                    assert_eq!(again.len(), secrets.len());
                }
            }
        });
        // Else it would try only one side.
        assert!((100..3_900).contains(&taken.get()), "{} of 4,000 documents were taken", taken.get());
    }
}
