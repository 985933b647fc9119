//! YAML documents: nested mappings are folders, and nothing is guessed.
//!
//! # What is read
//!
//! One YAML 1.2 document, UTF-8, whose top is a mapping; an empty document holds nothing. As in
//! [`super::json`], a mapping is a folder, to the same depth, a name may be several segments, a path given
//! twice is refused, and so is an empty mapping. Anything else is a secret:
//!
//! | in the document | the secret's value |
//! | --- | --- |
//! | in quotes, or a block (`\|`, `>`) | text |
//! | plain, and a number as JSON has it without an exponent, or `true`, `false`, `null` | JSON, with exactly these characters |
//! | plain, and what some version of YAML takes for something other than text | refused, with its line |
//! | plain, and anything else | text |
//! | a list | JSON, written without blanks; its parts are read by the same rules |
//! | `{$json: "…"}`, `{$binary: "…"}` | as in JSON |
//!
//! **Nothing is guessed.** Whether `no` is a word or `false`, whether `0123` is 83 or 123, whether `1e3` or `12:30` is a
//! number, depends on who reads it: such a scalar has to be put in quotes. These are, in any case: `y`,
//! `yes`, `n`, `no`, `on`, `off`; `True` and the like, `~`, and no value at all; numbers with a
//! sign in front but `-`, leading zeros, `_`, an exponent, a base or colons; `.inf`, `.nan`; dates; `=` and `<<`.
//! The rule is for values: a name is the characters that stand there.
//!
//! **Nothing is repeated.** Anchors, aliases and tags are refused: a short document with aliases of aliases is a
//! long one in memory, and a tag asks the reader to make something of a text. So is a second document.
//!
//! # What is written
//!
//! Nested mappings, sorted by path and indented, so that [`parse`] reads back the same paths, kinds and
//! bytes, and other readers too. All text is in double quotes. JSON other than plain numbers, `true`, `false`
//! and `null` is written as `$json`. Where nesting cannot hold all, the document is flat, as in JSON.
//!
//! What the library that reads YAML holds of the document is freed, but not wiped.

use std::{borrow::Cow, collections::HashSet};

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};
use zeroize::Zeroizing;

use super::{
    Entries, Entry, Placed, is_json_number, json,
    list::{List, bytes_of},
    malformed,
    output::Output,
    path, placed, text,
};
use crate::{Code, Error, Result, SecretPath, SecretValue, ValueKind, limits};

/// Reads a YAML document.
///
/// [`Code::ImportMalformed`] with the line for what is not as described
/// [above](self), or makes a path or value that is not valid;
/// [`Code::ImportTooLarge`] over 1 MiB or 10,000 entries.
///
/// ```
/// # use strongroom::{ValueKind, transfer::yaml};
/// let entries = yaml::parse(b"database:\n  password: x\n  port: 5432\n")?;
/// assert_eq!(entries[0].path.as_str(), "database/password");
/// assert_eq!(entries[1].value.kind(), ValueKind::Json);
///
/// let error = yaml::parse(b"country:\n  code: no\n").unwrap_err();
/// assert_eq!(error.details(), Some("line 2: not every reader takes this for text; put it in quotes"));
/// # Ok::<(), strongroom::Error>(())
/// ```
pub fn parse(document: &[u8]) -> Result<Vec<Entry>> {
    if document.len() > limits::IMPORT_YAML_BYTES_MAX {
        let detail = format!("it has {} bytes; YAML is read up to 1 MiB, import it as JSON", document.len());
        return Err(Error::new(Code::ImportTooLarge).detail(detail));
    }
    let mut reader = Reader { parser: Parser::new_from_str(text(document)?), line: 1, entries: Entries::default() };
    loop {
        match reader.next()? {
            Event::StreamStart | Event::DocumentStart(_) => {}
            Event::StreamEnd => return Ok(reader.entries.found),
            Event::MappingStart(anchor, tag) => {
                reader.refuse(anchor, tag.is_some())?;
                let line = reader.line;
                if let Some(first) = reader.name()? {
                    reader.folder(line, "", first, 1)?;
                }
                break;
            }
            // A document of nothing, after `---`.
            Event::Scalar(value, ScalarStyle::Plain, 0, None) if value.is_empty() || value == "~" => break,
            _ => return Err(malformed(reader.line, "the document is not a mapping")),
        }
    }
    match (reader.next()?, reader.next()?) {
        (Event::DocumentEnd, Event::StreamEnd) => Ok(reader.entries.found),
        _ => Err(malformed(reader.line, "there is a second document")),
    }
}

/// Reads events in the order of the document: no tree of it is ever built.
struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    /// Where the last event was.
    line: usize,
    entries: Entries,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Event<'a>> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => {
                self.line = span.start.line().max(1);
                Ok(event)
            }
            // The library's errors can repeat what they found: only the position leaves here.
            Some(Err(error)) => {
                let (line, column) = (error.marker().line().max(1), error.marker().col() + 1);
                Err(malformed(line, format_args!("it is not YAML near column {column}")))
            }
            None => Err(malformed(self.line, "it is not YAML: it ends too early")),
        }
    }

    fn refuse(&self, anchor: usize, has_tag: bool) -> Result<()> {
        match (anchor, has_tag) {
            (0, false) => Ok(()),
            (0, true) => Err(malformed(self.line, "there is a tag (!); write a plain value")),
            _ => Err(malformed(self.line, "there is an anchor (&); write the value where it belongs")),
        }
    }

    /// The next name of a mapping, as it stands there; `None` at its end.
    fn name(&mut self) -> Result<Option<Cow<'a, str>>> {
        match self.next()? {
            Event::MappingEnd => Ok(None),
            Event::Scalar(name, _, anchor, tag) => {
                self.refuse(anchor, tag.is_some())?;
                Ok(Some(name))
            }
            _ => Err(malformed(self.line, "a name is not a text")),
        }
    }

    /// A mapping whose first name was read.
    fn folder(&mut self, line: usize, folder: &str, first: Cow<'a, str>, depth: usize) -> Result<()> {
        if depth > limits::IMPORT_DEPTH_MAX {
            let max = limits::IMPORT_DEPTH_MAX;
            return Err(malformed(line, format_args!("mappings are nested deeper than {max}")));
        }
        let mut next = Some(first);
        while let Some(name) = next {
            let line = self.line;
            let path = if folder.is_empty() { name.into_owned() } else { format!("{folder}/{name}") };
            let value = match self.next()? {
                Event::Scalar(value, style, anchor, tag) => {
                    self.refuse(anchor, tag.is_some())?;
                    Some(self.scalar(value, style)?)
                }
                Event::SequenceStart(anchor, tag) => {
                    self.refuse(anchor, tag.is_some())?;
                    let mut list = List::new();
                    list.open(b'[').map_err(|rule| malformed(self.line, rule))?;
                    self.list(&mut list)?;
                    Some(list.finish())
                }
                Event::MappingStart(anchor, tag) => {
                    self.refuse(anchor, tag.is_some())?;
                    self.mapping(line, &path, depth)?
                }
                _ => return Err(self.alias()),
            };
            if let Some(value) = value {
                self.entries.add(line, &path, value)?;
            }
            next = self.name()?;
        }
        Ok(())
    }

    /// A mapping in the place of a value: a folder, or one value of a kind that is named.
    fn mapping(&mut self, line: usize, path_text: &str, depth: usize) -> Result<Option<Result<SecretValue>>> {
        match self.name()? {
            None => Err(malformed(line, "an empty mapping is neither a folder nor a value")),
            Some(name) if name.starts_with('$') => {
                let content = match self.next()? {
                    Event::Scalar(content, _, 0, None) => Some(bytes_of(content)),
                    _ => None,
                };
                let value = json::wrapped(&name, content).map_err(|rule| malformed(line, rule))?;
                match self.next()? {
                    Event::MappingEnd => Ok(Some(value)),
                    _ => Err(malformed(line, format_args!("{name} stands alone in its mapping"))),
                }
            }
            Some(first) => {
                path(line, path_text)?;
                self.folder(line, path_text, first, depth + 1)?;
                Ok(None)
            }
        }
    }

    /// The outer result is the document's, the inner the value's.
    fn scalar(&self, value: Cow<'a, str>, style: ScalarStyle) -> Result<Result<SecretValue>> {
        Ok(SecretValue::from_kind(self.kind(&value, style)?, bytes_of(value)))
    }

    fn kind(&self, value: &str, style: ScalarStyle) -> Result<ValueKind> {
        match style {
            ScalarStyle::Plain => plain_kind(value).map_err(|rule| malformed(self.line, rule)),
            _ => Ok(ValueKind::Text),
        }
    }

    /// A list that was opened, or an object in one, up to where it is closed again.
    fn list(&mut self, list: &mut List) -> Result<()> {
        // The brackets that are open, each with the names of its object.
        let mut open: Vec<Option<HashSet<String>>> = vec![None];
        while let Some(innermost) = open.last_mut() {
            if let Some(names) = innermost {
                match self.name()? {
                    None => {
                        list.close(b'}');
                        open.pop();
                        continue;
                    }
                    Some(name) => {
                        list.name(&name).map_err(|rule| malformed(self.line, rule))?;
                        if !names.insert(name.into_owned()) {
                            return Err(malformed(self.line, "the name is the same as one before in this mapping"));
                        }
                    }
                }
            }
            match self.next()? {
                Event::Scalar(value, style, anchor, tag) => {
                    self.refuse(anchor, tag.is_some())?;
                    let kind = self.kind(&value, style)?;
                    list.value(kind, &bytes_of(value)).map_err(|rule| malformed(self.line, rule))?;
                }
                Event::SequenceStart(anchor, tag) => {
                    self.refuse(anchor, tag.is_some())?;
                    list.open(b'[').map_err(|rule| malformed(self.line, rule))?;
                    open.push(None);
                }
                Event::MappingStart(anchor, tag) => {
                    self.refuse(anchor, tag.is_some())?;
                    list.open(b'{').map_err(|rule| malformed(self.line, rule))?;
                    open.push(Some(HashSet::new()));
                }
                Event::SequenceEnd => {
                    list.close(b']');
                    open.pop();
                }
                _ => return Err(self.alias()),
            }
        }
        Ok(())
    }

    fn alias(&self) -> Error {
        malformed(self.line, "there is an alias (*); write the value where it belongs")
    }
}

/// What a plain scalar is, or why it is refused.
fn plain_kind(text: &str) -> Result<ValueKind, &'static str> {
    if text.is_empty() || text == "~" {
        return Err("there is no value; write '' for an empty text");
    }
    if ["true", "false", "null"].contains(&text) || is_json_number(text) && !text.contains(['e', 'E']) {
        return Ok(ValueKind::Json);
    }
    if is_ambiguous(text) {
        return Err("not every reader takes this for text; put it in quotes");
    }
    Ok(ValueKind::Text)
}

/// Whether some version of YAML, or a reader that is widely used, takes a plain scalar for something other than text:
/// the types of YAML 1.1 (<https://yaml.org/type/>) and the core schema of 1.2.
fn is_ambiguous(text: &str) -> bool {
    const WORDS: [&str; 11] = ["y", "yes", "n", "no", "on", "off", "true", "false", "null", "=", "<<"];
    if WORDS.iter().any(|word| text.eq_ignore_ascii_case(word)) || is_date(text) {
        return true;
    }
    let number = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_digits = |text: &str| text.chars().all(|c| c.is_ascii_digit() || c == '_');
    let is_mantissa = |text: &str| {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        text.contains(|c: char| c.is_ascii_digit()) && is_digits(whole) && is_digits(fraction)
    };
    let is_exponent = |text: &str| {
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        !digits.is_empty() && is_digits(digits)
    };
    let is_based = |prefix: &str| {
        let (Some(base), Some(digits)) = (number.get(..2), number.get(2..)) else { return false };
        base.eq_ignore_ascii_case(prefix) && digits.chars().all(|c| c.is_ascii_hexdigit() || c == '_')
    };
    // Base 60: 12:30 is 750.
    let is_sexagesimal = || {
        let mut places = number.split(':').peekable();
        let is_first = places.next().is_some_and(|first| is_digits(first) && !first.is_empty());
        is_first && places.peek().is_some() && places.all(is_mantissa)
    };
    is_mantissa(number)
        || number
            .split_once(['e', 'E'])
            .is_some_and(|(mantissa, exponent)| is_mantissa(mantissa) && is_exponent(exponent))
        || ["0x", "0o", "0b"].into_iter().any(is_based)
        || [".inf", ".nan"].iter().any(|word| number.eq_ignore_ascii_case(word))
        || is_sexagesimal()
}

/// A timestamp of YAML 1.1: a date, with or without a time.
fn is_date(text: &str) -> bool {
    let date = text.split(['T', 't', ' ', '\t']).next().unwrap_or_default();
    let mut parts = date.split('-').map(|part| (part.len(), part.bytes().all(|byte| byte.is_ascii_digit())));
    matches!(
        (parts.next(), parts.next(), parts.next(), parts.next()),
        (Some((4, true)), Some((1..=2, true)), Some((1..=2, true)), None)
    )
}

/// Writes secrets as a YAML document, which can hold them all. Paths are relative to what is exported,
/// and each must come once.
pub fn export<'a>(secrets: impl IntoIterator<Item = (&'a SecretPath, &'a SecretValue)>) -> Zeroizing<Vec<u8>> {
    let mut output = Output::new();
    let mut open: Vec<&str> = Vec::new();
    let name_at = |output: &mut Output, depth: usize, name: &str| {
        (0..depth).for_each(|_| output.push(b"  "));
        push_name(output, name);
        output.push(b":");
    };
    for Placed { folder, name, value } in placed(secrets) {
        let common = open.iter().zip(&folder).take_while(|(open, segment)| open == segment).count();
        for (depth, segment) in folder.iter().enumerate().skip(common) {
            name_at(&mut output, depth, segment);
            output.push(b"\n");
        }
        name_at(&mut output, folder.len(), name);
        output.push(b" ");
        value.expose(|bytes| push_value(&mut output, value.kind(), bytes));
        output.push(b"\n");
        open = folder;
    }
    if output.len() == 0 {
        output.push(b"{}\n");
    }
    output.finish()
}

/// Plain, unless a reader could take it for something other than text or a name.
fn push_name(output: &mut Output, name: &str) {
    let is_plain =
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && plain_kind(name) == Ok(ValueKind::Text);
    if is_plain {
        output.push(name.as_bytes());
    } else {
        json::push_string(output, name.as_bytes());
    }
}

fn push_value(output: &mut Output, kind: ValueKind, bytes: &[u8]) {
    let is_plain = || std::str::from_utf8(bytes).is_ok_and(|text| plain_kind(text) == Ok(ValueKind::Json));
    match kind {
        ValueKind::Text => json::push_string(output, bytes),
        ValueKind::Json if is_plain() => output.push(bytes),
        ValueKind::Json | ValueKind::Binary => json::push_wrapped(output, kind, bytes, b": "),
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, collections::BTreeMap};

    use super::super::testing;
    use super::*;
    use ValueKind::{Binary, Json, Text};

    fn read(document: &str) -> Result<Vec<testing::Found>> {
        testing::read(document, parse)
    }

    #[test]
    fn values_are_read_as_documented() {
        for (value, kind, want) in [
            ("hunter2", Text, b"hunter2".as_slice()),
            ("two words # comment", Text, b"two words"),
            ("a:b", Text, b"a:b"),
            ("10.0.0.1", Text, b"10.0.0.1"),
            ("1.2.3", Text, b"1.2.3"),
            ("12ab", Text, b"12ab"),
            ("e3", Text, b"e3"),
            ("postgres://u:p@h/db", Text, b"postgres://u:p@h/db"),
            ("--", Text, b"--"),
            ("nobody", Text, b"nobody"),
            ("12:30x", Text, b"12:30x"),
            ("::1", Text, b"::1"),
            ("2001-01-x", Text, b"2001-01-x"),
            ("''", Text, b""),
            ("'it''s \\n'", Text, b"it's \\n"),
            (r#""a\n\t\"\\\u00e9\x41""#, Text, "a\n\t\"\\\u{e9}A".as_bytes()),
            ("'no'", Text, b"no"),
            ("\"0123\"", Text, b"0123"),
            ("|\n  a\n   b\n", Text, b"a\n b\n"),
            ("|-\n  a\n\n  b\n", Text, b"a\n\nb"),
            (">\n  a\n  b\n", Text, b"a b\n"),
            ("1", Json, b"1"),
            ("-0.50", Json, b"-0.50"),
            ("true", Json, b"true"),
            ("null", Json, b"null"),
            ("[1, x, 'no', {b: 2, a: \"y\\n\"}, [], {}]", Json, br#"[1,"x","no",{"b":2,"a":"y\n"},[],{}]"#),
            ("\n- 1\n- b: x\n  c:\n  - 'd'\n", Json, br#"[1,{"b":"x","c":["d"]}]"#),
            ("[]", Json, b"[]"),
            ("{$json: ' {\"a\" : 1}'}", Json, b" {\"a\" : 1}"),
            ("{\"$binary\": AP/+}", Binary, &[0x00, 0xff, 0xfe]),
        ] {
            let found = read(&format!("K: {value}")).unwrap_or_else(|error| panic!("{value}: {error}"));
            assert_eq!(found, [("K".to_owned(), kind, want.to_vec(), 1)], "case: {value}");
        }
    }

    /// What one reader takes for text and another does not, from the types of YAML 1.1 and the schemas of 1.2.
    #[test]
    fn what_could_be_something_else_is_refused() {
        for value in [
            "y",
            "Y",
            "yes",
            "NO",
            "n",
            "On",
            "off",
            "True",
            "FALSE",
            "Null",
            "NULL",
            "=",
            "<<",
            "0123",
            "00",
            "-01",
            "+1",
            "1_000",
            "1e3",
            "1E+3",
            "12e03",
            "1.5e+3",
            "-1e-2",
            "1.",
            ".5",
            "-.5",
            "+.5",
            "1_0.5",
            "0x1F",
            "0o17",
            "0b101",
            "-0xff",
            "0xdead_beef",
            ".inf",
            "-.Inf",
            "+.INF",
            ".nan",
            ".NaN",
            "12:30",
            "1:2:3",
            "190:20:30.15",
            "-12:30",
            "2001-01-01",
            "2001-1-1",
            "2001-12-14t21:59:43.10-05:00",
            "2001-12-14 21:59:43.10 -5",
        ] {
            for document in [format!("\nK: {value}\n"), format!("\nK: [{value}]\n"), format!("\nK: [a: {value}]\n")] {
                let error = read(&document).unwrap_err();
                let want = "line 2: not every reader takes this for text; put it in quotes";
                assert_eq!((error.code(), error.details()), (Code::ImportMalformed, Some(want)), "case: {document}");
            }
            let quoted = read(&format!("K: \"{value}\"\n")).unwrap();
            assert_eq!(quoted[0].2, value.as_bytes());
        }
        for value in ["", "~", "# comment", "\nL: 1"] {
            let error = read(&format!("K: {value}\n")).unwrap_err();
            let detail = error.details().unwrap();
            assert!(detail.ends_with(": there is no value; write '' for an empty text"), "case: {value}: {detail}");
        }
    }

    #[test]
    fn mappings_are_folders() {
        let document =
            "\u{feff}---\nz: 0 # top\na:\n  b: 1\n  c/d: 2\n\n'f': {g: {h: 3}}\n\"a/x\": |\n  1\nno: 4\n123: 5\n...\n";
        let found: Vec<_> = read(document).unwrap().into_iter().map(|(path, _, _, line)| (path, line)).collect();
        let want = [("z", 2), ("a/b", 4), ("a/c/d", 5), ("f/g/h", 7), ("a/x", 8), ("no", 10), ("123", 11)];
        assert_eq!(found, want.map(|(path, line)| (path.to_owned(), line)));
        for empty in ["", "\n", "# a comment", "\u{feff}", "---\n", "---\n...\n", "{}", "--- {}\n"] {
            assert_eq!(read(empty).unwrap(), [], "case: {empty:?}");
        }
    }

    #[test]
    fn nesting_has_a_limit() {
        let flow = |levels: usize| format!("{}1{}", "{a: ".repeat(levels), "}".repeat(levels));
        let block = |levels: usize| (0..levels).map(|n| format!("{}a:\n", " ".repeat(n))).collect::<String>();
        assert_eq!(read(&flow(16)).unwrap()[0].0, ["a"; 16].join("/"));
        assert_eq!(read(&flow(17)).unwrap_err().details(), Some("line 1: mappings are nested deeper than 16"));
        assert!(read(&format!("{}{}- x\n", block(16), " ".repeat(15))).is_ok());
        assert_eq!(read(&block(18)).unwrap_err().details(), Some("line 16: mappings are nested deeper than 16"));
        let list = |levels: usize| format!("K: {}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(read(&list(16)).is_ok());
        assert_eq!(read(&list(17)).unwrap_err().details(), Some("line 1: lists are nested deeper than 16"));
    }

    /// What makes some reader of YAML slow or large, or takes its stack.
    #[test]
    fn hostile_documents_are_done_with_in_no_time() {
        let laughs = "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n";
        let refused = read(laughs).unwrap_err();
        assert_eq!(refused.details(), Some("line 1: there is an anchor (&); write the value where it belongs"));
        for piece in [
            "[", "{", "- ", "? ", "a: ", "{a: ", "[a, ", "- - ", "a: [", "!a ", "&a ", "*a ", "\"", "'", "a ", "a\n",
            "# a\n", "%", "--- ", "---\n", "...\n", "|", ">", "\t", " ", ",", "]", "}", "\\", "a:\n ", "? a\n", "!!",
            "<<: ", "\u{feff}", "\u{85}", "[]: ", "a:\n- ",
        ] {
            let many = piece.repeat(100_000);
            let start = std::time::Instant::now();
            for document in [format!("K: {many}"), format!("K: [{many}"), format!("K: |\n {many}"), many] {
                if let Err(error) = parse(document.as_bytes())
                    && error.code() != Code::ImportTooLarge
                {
                    testing::check_error(&error);
                }
            }
            assert!(start.elapsed().as_secs() < 10, "{piece:?}: {:?}", start.elapsed());
        }
    }

    #[test]
    fn what_is_malformed_is_refused_with_its_line() {
        let long = format!("\nK: '{}'", "s3cr3t".repeat(10_923));
        let long_list = format!("\nK: ['{}']", "s3cr3t".repeat(10_923));
        for (document, detail) in [
            ("s3cr3t", "line 1: the document is not a mapping"),
            ("\n- s3cr3t", "line 2: the document is not a mapping"),
            ("a: 's3cr3t", "line "),
            ("a: x\n b: s3cr3t", "line 2: it is not YAML near column "),
            ("a: \"s3cr3t\\q\"", "line 1: it is not YAML near column "),
            ("a: {b: s3cr3t", "line "),
            ("a: x\n---\nb: s3cr3t", "line 2: there is a second document"),
            ("a: *s3cr3t", "line 1: it is not YAML near column "),
            ("a: &s3cr3t x", "line 1: there is an anchor (&); write the value where it belongs"),
            ("&s3cr3t a: x", "line 1: there is an anchor (&); write the value where it belongs"),
            ("a: [&s3cr3t x]", "line 1: there is an anchor (&); write the value where it belongs"),
            ("--- &x\na: 1", "line 1: there is an anchor (&); write the value where it belongs"),
            ("a: !!str s3cr3t", "line 1: there is a tag (!); write a plain value"),
            ("a: ! s3cr3t", "line 1: there is a tag (!); write a plain value"),
            ("a: !!binary AAAA", "line 1: there is a tag (!); write a plain value"),
            ("a: {? [s3cr3t] : x}", "line 1: a name is not a text"),
            ("a: x\na: s3cr3t", "line 2: the name is the same as on line 1"),
            ("a:\n  b: x\na/b: s3cr3t", "line 3: the name is the same as on line 2"),
            ("a: [{b: x,\n  b: s3cr3t}]", "line 2: the name is the same as one before in this mapping"),
            ("a: {}", "line 1: an empty mapping is neither a folder nor a value"),
            ("'': s3cr3t", "line 1: the name does not make a path: segment 1 is empty"),
            (
                "\na s3cr3t: x",
                "line 2: the name does not make a path: segment 1 has a character outside [A-Za-z0-9_.-]",
            ),
            ("<<: {a: x}", "line 1: the name does not make a path: segment 1 has a character outside [A-Za-z0-9_.-]"),
            ("a: {$text: s3cr3t}", "line 1: $json and $binary are the only names with $, and hold a string"),
            ("a: {$json: [1]}", "line 1: $json and $binary are the only names with $, and hold a string"),
            ("a: {$json: '1', b: s3cr3t}", "line 1: $json stands alone in its mapping"),
            ("a: {$binary: s3cr3t}", "line 1: $binary is not base64"),
            ("\na: {$json: s3cr3t}", "line 2: the value is not what its type says: not JSON at line 1 column 1"),
            (&long, "line 2: the value is larger than the limit: it has 65538 bytes"),
            (&long_list, "line 2: the value is larger than the limit: it has 65541 bytes"),
        ] {
            let error = read(document).map(drop).unwrap_err();
            assert_eq!(error.code(), Code::ImportMalformed, "case: {document:?}");
            let details = error.details().unwrap();
            // The column, and where what is never closed ends, are the library's to say.
            let cut = if detail.ends_with(' ') { detail.len() } else { details.len() };
            assert_eq!(&details[..cut], detail, "case: {document:?}");
            assert!(!format!("{error:?}").contains("s3cr3t"), "case: {document:?}");
        }
        let error = parse(b"\n\xff: 1").unwrap_err();
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
            written(&[("b", value()), ("a/x/y", value()), ("a-b", value()), ("a/no", value()), ("a/x/1", value())]);
        let want = "a-b: 1\na:\n  \"no\": 1\n  x:\n    \"1\": 1\n    \"y\": 1\nb: 1\n";
        assert_eq!(nested, want);
        let flat = written(&[("a/b", value()), ("a", value()), ("c/d", value())]);
        assert_eq!(flat, "a: 1\na/b: 1\nc/d: 1\n");
        assert_eq!(written(&[]), "{}\n");
        for (value, want) in [
            (SecretValue::text("no"), "\"no\""),
            (SecretValue::text("a\"\\\n\u{1}\u{e9}\u{85}\u{2028}"), "\"a\\\"\\\\\\n\\u0001\u{e9}\\u0085\\u2028\""),
            (SecretValue::json("-1.50"), "-1.50"),
            (SecretValue::json("null"), "null"),
            (SecretValue::json("1e3"), r#"{"$json": "1e3"}"#),
            (SecretValue::json("[1]"), r#"{"$json": "[1]"}"#),
            (SecretValue::binary(vec![0]), r#"{"$binary": "AA=="}"#),
        ] {
            assert_eq!(written(&[("K", value.unwrap())]), format!("K: {want}\n"));
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        testing::for_each_seed(500, |random| {
            let secrets = testing::any_secrets(random);
            let document = export(&secrets);
            let entries = parse(&document).unwrap();
            assert_eq!(entries.len(), secrets.len());
            assert!(entries.iter().all(|entry| entry.value.matches(&secrets[&entry.path])));
        });
    }

    #[test]
    fn json_is_yaml_with_the_same_secrets_in_it() {
        let document =
            r#"{"a": {"b": "x\n\u00e9", "c": 1.5, "d": true}, "e/f": {"$binary": "AP/+"}, "g": [1,{"h":null}]}"#
                .as_bytes();
        let (ours, json) = (parse(document).unwrap(), super::super::json::parse(document).unwrap());
        assert_eq!(ours.len(), json.len());
        for (one, other) in ours.iter().zip(&json) {
            assert!(one.path == other.path && one.value.matches(&other.value), "{}", one.path);
        }
    }

    #[test]
    fn no_mutation_panics_or_leaks() {
        let sample = "a:\n  b: \"s3cr3t\\n\"\n  c: |\n    s3cr3t\n    x\r\nd/e: {\"$binary\": 'AP/+'}\nf:\n- 1\n- x: s3cr3t\ng: -1.5\n";
        let pieces = [
            "{", "}", "[", "]", "\"", "\\", "'", ",", ": ", "- ", "&a ", "*a", "!", "|", ">", "\n", " ", "  ", "#",
            "\u{e9}", "---\n", "? ", "$", "%",
        ];
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
