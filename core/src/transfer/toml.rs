//! TOML documents: tables are folders.
//!
//! # What is read
//!
//! One TOML 1.1 document, UTF-8. As in [`super::json`], a table is a folder, to the same depth, however it is written
//! (`[a.b]`, `a.b = …`, `{…}`), a name may be several segments joined by `/`, a path given twice is refused, and so is
//! an empty table. Anything else is a secret:
//!
//! | in the document | the secret's value |
//! | --- | --- |
//! | a string, of any of the four forms | text |
//! | a date or time | text, with exactly the characters of the document |
//! | a number as JSON has it, `true`, `false` | JSON, with exactly the characters of the document |
//! | any other number, such as `0x1F`, `1_000`, `+1` or `inf` | refused, with its line: write it as JSON would, or in quotes |
//! | an array, also one of tables | JSON, written without blanks; its parts are read by the same rules |
//! | `{"$json" = "…"}`, `{"$binary" = "…"}` | as in JSON |
//!
//! # What is written
//!
//! What is at the top, then one table for each folder, sorted by path, so that [`parse`] reads back the same paths,
//! kinds and bytes. All text is in double quotes. JSON other than `true`, `false` and numbers that TOML has too is
//! written as `$json`. Where tables cannot hold all, the document is flat, as in JSON.
//!
//! What the library that reads TOML holds of the document is freed, but not wiped.

use std::{collections::BTreeMap, ops::Range};

use ::toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue},
};
use toml_parser::{Source, lexer::TokenKind};
use zeroize::Zeroizing;

use super::{
    Entries, Entry, Placed, is_json_number, json,
    list::{List, bytes_of},
    malformed,
    output::Output,
    placed, text, too_many_entries,
};
use crate::{Error, Result, SecretPath, SecretValue, ValueKind, limits};

/// Reads a TOML document.
///
/// [`Code::ImportMalformed`](crate::Code::ImportMalformed) with the line for what is not as described
/// [above](self), or makes a path or value that is not valid;
/// [`Code::ImportTooLarge`](crate::Code::ImportTooLarge) over 16 MiB or 10,000 entries.
///
/// ```
/// # use strongroom::{ValueKind, transfer::toml};
/// let entries = toml::parse(b"[database]\npassword = 'x'\nports = [5432, 5433]\n")?;
/// assert_eq!(entries[0].path.as_str(), "database/password");
/// entries[1].value.expose(|bytes| assert_eq!(bytes, b"[5432,5433]"));
/// # Ok::<(), strongroom::Error>(())
/// ```
pub fn parse(document: &[u8]) -> Result<Vec<Entry>> {
    let text = text(document)?;
    demand_shallow(text)?;
    let mut reader = Reader { text, found: Vec::new() };
    let table = DeTable::parse(text).map_err(|error| {
        let line = reader.line(error.span().map_or(0, |span| span.start));
        // The library's errors can repeat what they found: only its own fixed words are passed on.
        match error.message() {
            "duplicate key" => malformed(line, "the name is the same as one before"),
            _ => malformed(line, "it is not TOML"),
        }
    })?;
    reader.folder("", table.into_inner(), 1)?;

    // Tables come in any order: in that of the document, an error names the first line that is wrong.
    reader.found.sort_by_key(|(offset, ..)| *offset);
    let (mut entries, mut passed, mut line) = (Entries::default(), 0, 1);
    for (offset, path, value) in reader.found {
        line += newlines(&text[passed..offset]);
        passed = offset;
        entries.add(line, path.as_str(), value)?;
    }
    Ok(entries.found)
}

/// Names of many parts, and tables in tables, make the library's own tables as deep, which it then drops one within the other: a
/// document of a megabyte would end the process. What passes is never deeper than some hundred.
fn demand_shallow(text: &str) -> Result<()> {
    let (mut dots, mut braces) = (0_usize, 0_usize);
    for token in Source::new(text).lex() {
        match token.kind() {
            TokenKind::Dot => dots += 1,
            TokenKind::LeftCurlyBracket => (dots, braces) = (0, braces + 1),
            TokenKind::RightCurlyBracket => (dots, braces) = (0, braces.saturating_sub(1)),
            TokenKind::Equals
            | TokenKind::Comma
            | TokenKind::LeftSquareBracket
            | TokenKind::RightSquareBracket
            | TokenKind::Comment
            | TokenKind::Newline => dots = 0,
            _ => {}
        }
        if dots.max(braces) > NESTING_MAX {
            let line = 1 + newlines(&text[..token.span().start()]);
            return Err(malformed(line, format_args!("tables are nested deeper than {}", limits::IMPORT_DEPTH_MAX)));
        }
    }
    Ok(())
}

fn newlines(text: &str) -> usize {
    text.bytes().filter(|&byte| byte == b'\n').count()
}

/// Dots in one name, or braces within braces, before the document is read at all. The limit itself is checked later.
const NESTING_MAX: usize = limits::IMPORT_DEPTH_MAX + 4;

struct Reader<'a> {
    text: &'a str,
    /// Secrets, and where each one's name begins.
    found: Vec<(usize, SecretPath, Result<SecretValue>)>,
}

impl<'a> Reader<'a> {
    /// Counts from the start: for errors, of which there is one.
    fn line(&self, offset: usize) -> usize {
        1 + newlines(self.text.get(..offset).unwrap_or(self.text))
    }

    fn malformed(&self, offset: usize, rule: impl std::fmt::Display) -> Error {
        malformed(self.line(offset), rule)
    }

    fn folder(&mut self, folder: &str, table: DeTable<'a>, depth: usize) -> Result<()> {
        for (name, value) in table {
            if self.found.len() == limits::IMPORT_ENTRIES_MAX {
                return Err(too_many_entries());
            }
            let offset = name.span().start;
            let name = name.into_inner();
            let path = if folder.is_empty() { name.into_owned() } else { format!("{folder}/{name}") };
            // Of a folder too, or a long name would be copied for all that is in it.
            let path = path.parse().or_else(|_| super::path(self.line(offset), &path))?;
            let source = value.span();
            let value = match value.into_inner() {
                DeValue::Table(table) => match self.table(offset, &path, table, depth)? {
                    Some(value) => value,
                    None => continue,
                },
                DeValue::Array(array) => {
                    let mut list = List::new();
                    self.array(&mut list, offset, &array)?;
                    list.finish()
                }
                DeValue::String(text) => SecretValue::from_kind(ValueKind::Text, bytes_of(text)),
                other => {
                    let (kind, text) = self.scalar(&other, source)?;
                    SecretValue::from_kind(kind, bytes_of(text.into()))
                }
            };
            self.found.push((offset, path, value));
        }
        Ok(())
    }

    /// A table in the place of a value: a folder, or one value of a kind that is named.
    fn table(
        &mut self,
        offset: usize,
        path: &SecretPath,
        table: DeTable<'a>,
        depth: usize,
    ) -> Result<Option<Result<SecretValue>>> {
        if table.is_empty() {
            return Err(self.malformed(offset, "an empty table is neither a folder nor a value"));
        }
        if table.len() == 1 && table.keys().any(|name| name.get_ref().starts_with('$')) {
            let (name, value) = table.into_iter().next().expect("there is one");
            let content = match value.into_inner() {
                DeValue::String(content) => Some(bytes_of(content)),
                _ => None,
            };
            let value = json::wrapped(name.get_ref(), content).map_err(|rule| self.malformed(offset, rule))?;
            return Ok(Some(value));
        }
        if depth == limits::IMPORT_DEPTH_MAX {
            let max = limits::IMPORT_DEPTH_MAX;
            return Err(self.malformed(offset, format_args!("tables are nested deeper than {max}")));
        }
        self.folder(path.as_str(), table, depth + 1)?;
        Ok(None)
    }

    /// A value of one word: its kind, and its characters in the document.
    fn scalar(&self, value: &DeValue<'_>, source: Range<usize>) -> Result<(ValueKind, &'a str)> {
        let text: &'a str = &self.text[source.clone()];
        match value {
            DeValue::Boolean(_) => Ok((ValueKind::Json, text)),
            DeValue::Integer(_) | DeValue::Float(_) if is_json_number(text) => Ok((ValueKind::Json, text)),
            DeValue::Integer(_) | DeValue::Float(_) => {
                Err(self.malformed(source.start, "JSON has no such number; put it in quotes"))
            }
            _ => Ok((ValueKind::Text, text)),
        }
    }

    fn array(&self, list: &mut List, offset: usize, array: &DeArray<'a>) -> Result<()> {
        let refused = |rule| self.malformed(offset, rule);
        list.open(b'[').map_err(refused)?;
        for value in array {
            self.part(list, value)?;
        }
        list.close(b']');
        Ok(())
    }

    /// Something in an array. Names are unique: the library refuses others.
    fn part(&self, list: &mut List, value: &Spanned<DeValue<'a>>) -> Result<()> {
        let source = value.span();
        let offset = source.start;
        let refused = |rule| self.malformed(offset, rule);
        match value.get_ref() {
            DeValue::Array(array) => self.array(list, offset, array)?,
            DeValue::Table(table) => {
                list.open(b'{').map_err(refused)?;
                let mut members: Vec<_> = table.iter().collect();
                members.sort_by_key(|(name, _)| name.span().start);
                for (name, value) in members {
                    list.name(name.get_ref()).map_err(refused)?;
                    self.part(list, value)?;
                }
                list.close(b'}');
            }
            DeValue::String(text) => list.value(ValueKind::Text, text.as_bytes()).map_err(refused)?,
            other => {
                let (kind, text) = self.scalar(other, source)?;
                list.value(kind, text.as_bytes()).map_err(refused)?;
            }
        }
        Ok(())
    }
}

/// Writes secrets as a TOML document, which can hold them all. Paths are relative to what is exported,
/// and each must come once.
pub fn export<'a>(secrets: impl IntoIterator<Item = (&'a SecretPath, &'a SecretValue)>) -> Zeroizing<Vec<u8>> {
    let mut tables: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for Placed { folder, name, value } in placed(secrets) {
        tables.entry(folder).or_default().push((name, value));
    }
    let mut output = Output::new();
    // What is at the top comes first: after a table's heading it would be in that.
    for (folder, members) in tables {
        for (place, segment) in folder.iter().enumerate() {
            output.push(match place {
                0 if output.len() > 0 => b"\n[",
                0 => b"[",
                _ => b".",
            });
            push_name(&mut output, segment);
        }
        if !folder.is_empty() {
            output.push(b"]\n");
        }
        for (name, value) in members {
            push_name(&mut output, name);
            output.push(b" = ");
            value.expose(|bytes| push_value(&mut output, value.kind(), bytes));
            output.push(b"\n");
        }
    }
    output.finish()
}

fn push_name(output: &mut Output, name: &str) {
    if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-') {
        output.push(name.as_bytes());
    } else {
        json::push_string(output, name.as_bytes());
    }
}

fn push_value(output: &mut Output, kind: ValueKind, bytes: &[u8]) {
    match kind {
        ValueKind::Text => json::push_string(output, bytes),
        ValueKind::Json if std::str::from_utf8(bytes).is_ok_and(is_shared) => output.push(bytes),
        ValueKind::Json | ValueKind::Binary => json::push_wrapped(output, kind, bytes, b" = "),
    }
}

/// Whether JSON and TOML both have this value, written the same way. Readers of TOML keep integers in 64 bits.
fn is_shared(json: &str) -> bool {
    let is_number = || is_json_number(json) && (json.contains(['.', 'e', 'E']) || json.parse::<i64>().is_ok());
    json == "true" || json == "false" || is_number()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::super::testing;
    use super::*;
    use crate::Code;
    use ValueKind::{Binary, Json, Text};

    fn read(document: &str) -> Result<Vec<testing::Found>> {
        testing::read(document, parse)
    }

    #[test]
    fn values_are_read_as_documented() {
        for (value, kind, want) in [
            ("''", Text, b"".as_slice()),
            (r#""a\n\t\"\\\u00e9\U0001f511""#, Text, "a\n\t\"\\\u{e9}\u{1f511}".as_bytes()),
            (r"'a\n$x'", Text, br"a\n$x"),
            ("\"\"\"\na\nb\"\"\"", Text, b"a\nb"),
            ("'''a'b'''", Text, b"a'b"),
            ("1979-05-27T07:32:00Z", Text, b"1979-05-27T07:32:00Z"),
            ("07:32:00", Text, b"07:32:00"),
            ("1", Json, b"1"),
            ("-1.50e+40", Json, b"-1.50e+40"),
            ("123456789012345678901234567890", Json, b"123456789012345678901234567890"),
            ("true", Json, b"true"),
            ("[ 1,\n'x', [], {b = 2, a = \"y\\n\"}, 07:32:00 ]", Json, br#"[1,"x",[],{"b":2,"a":"y\n"},"07:32:00"]"#),
            ("[]", Json, b"[]"),
            ("{'$json' = ' {\"a\" : 1}'}", Json, b" {\"a\" : 1}"),
            ("{\"$binary\" = 'AP/+'}", Binary, &[0x00, 0xff, 0xfe]),
        ] {
            let found = read(&format!("K = {value}")).unwrap_or_else(|error| panic!("{value}: {error}"));
            assert_eq!(found, [("K".to_owned(), kind, want.to_vec(), 1)], "case: {value}");
        }
    }

    #[test]
    fn tables_are_folders() {
        let document = "\u{feff}z = 0 # top\n[a]\nb = 1\nc.d = 2\n\n[f.\"g/h\"]\ni = {j = 3}\n[a.x.e]\n'k.l' = 4\n";
        let found: Vec<_> = read(document).unwrap().into_iter().map(|(path, _, _, line)| (path, line)).collect();
        let want = [("z", 1), ("a/b", 3), ("a/c/d", 4), ("f/g/h/i/j", 7), ("a/x/e/k.l", 9)];
        assert_eq!(found, want.map(|(path, line)| (path.to_owned(), line)));
        let tables = read("[[a]]\nb = 1\n[[a]]\nb = 2\n").unwrap();
        assert_eq!(tables, [("a".to_owned(), Json, br#"[{"b":1},{"b":2}]"#.to_vec(), 1)]);
        // As in JSON, what is in a folder may come from several places, if no path comes twice.
        assert_eq!(read("[a]\nb = 1\n[x]\ny = 1\n['a/b']\nc = 1").unwrap().len(), 3);
        for empty in ["", "\n", "# a comment", "\u{feff}"] {
            assert_eq!(read(empty).unwrap(), [], "case: {empty:?}");
        }
    }

    #[test]
    fn nesting_has_a_limit() {
        let inline = |levels: usize| format!("{}1{}", "{a=".repeat(levels), "}".repeat(levels));
        let dotted = |levels: usize| format!("{} = 1", vec!["a"; levels].join("."));
        assert_eq!(read(&format!("a = {}", inline(15))).unwrap()[0].0, ["a"; 16].join("/"));
        assert_eq!(read(&dotted(16)).unwrap()[0].0, ["a"; 16].join("/"));
        for document in [format!("a = {}", inline(16)), dotted(17), dotted(70)] {
            assert_eq!(read(&document).unwrap_err().details(), Some("line 1: tables are nested deeper than 16"));
        }
        let list = |levels: usize| format!("K = {}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(read(&list(16)).is_ok());
        assert_eq!(read(&list(17)).unwrap_err().details(), Some("line 1: lists are nested deeper than 16"));
        // Names of many parts in tables within tables: neither is very deep, both together are.
        let (name, ends) = (vec!["a"; 2_000].join("."), "}".repeat(60));
        let both = format!("a = {}1{ends}", format!("{{{name}=").repeat(60));
        let header = |levels: usize| format!("[{}]", vec!["a"; levels].join("."));
        let inline = format!("a = {}", inline(200_000));
        let deep = [list(200_000), inline, dotted(200_000), header(200_000), header(40_000), both];
        for hostile in deep {
            assert_eq!(read(&hostile).unwrap_err().code(), Code::ImportMalformed);
        }
    }

    #[test]
    fn what_is_malformed_is_refused_with_its_line() {
        let long = format!("\nK = '{}'", "s3cr3t".repeat(10_923));
        let long_list = format!("\nK = ['{}']", "s3cr3t".repeat(10_923));
        for (document, detail) in [
            ("s3cr3t", "line 1: it is not TOML"),
            ("A = 1\nB = s3cr3t", "line 2: it is not TOML"),
            ("A = 's3cr3t", "line 1: it is not TOML"),
            ("A = 1 B = 2", "line 1: it is not TOML"),
            ("K = 1\nK = 's3cr3t'", "line 2: the name is the same as one before"),
            ("[a]\nb = 1\n[a]\nc = 's3cr3t'", "line 3: the name is the same as one before"),
            ("[z]\nx.y = 1\n[z.x]\ny = 's3cr3t'", "line 3: the name is the same as one before"),
            ("'a/b' = 1\n\n[a]\nb = 's3cr3t'", "line 4: the name is the same as on line 1"),
            ("[a]\nb = 1\n\n[x]\n['a/b']\nc = 1", "line 4: an empty table is neither a folder nor a value"),
            ("a = {}", "line 1: an empty table is neither a folder nor a value"),
            ("'' = 's3cr3t'", "line 1: the name does not make a path: segment 1 is empty"),
            (
                "\n'a s3cr3t' = 1",
                "line 2: the name does not make a path: segment 1 has a character outside [A-Za-z0-9_.-]",
            ),
            ("A = 0x1F", "line 1: JSON has no such number; put it in quotes"),
            ("A = 1_000", "line 1: JSON has no such number; put it in quotes"),
            ("A = +1", "line 1: JSON has no such number; put it in quotes"),
            ("A = 1\nB = -inf", "line 2: JSON has no such number; put it in quotes"),
            ("B = [1,\nnan]", "line 2: JSON has no such number; put it in quotes"),
            ("K = {'$text' = 's3cr3t'}", "line 1: $json and $binary are the only names with $, and hold a string"),
            ("K = {'$json' = 1}", "line 1: $json and $binary are the only names with $, and hold a string"),
            ("K = {'$binary' = 's3cr3t'}", "line 1: $binary is not base64"),
            (&long, "line 2: the value is larger than the limit: it has 65538 bytes"),
            (&long_list, "line 2: the value is larger than the limit: it has 65541 bytes"),
        ] {
            let error = read(document).map(drop).unwrap_err();
            assert_eq!((error.code(), error.details()), (Code::ImportMalformed, Some(detail)), "case: {document:?}");
            assert!(!format!("{error:?}").contains("s3cr3t"), "case: {document:?}");
        }
        let error = parse(b"\n\xff = 1").unwrap_err();
        assert_eq!((error.code(), error.details()), (Code::ImportMalformed, Some("line 2: it is not UTF-8")));
    }

    fn written(secrets: &[(&str, SecretValue)]) -> String {
        let secrets: Vec<_> = secrets.iter().map(|(path, value)| (path.parse().unwrap(), value)).collect();
        let document = export(secrets.iter().map(|(path, value)| (path, *value)));
        String::from_utf8(document.to_vec()).unwrap()
    }

    #[test]
    fn secrets_are_written_in_tables_or_flat() {
        let value = || SecretValue::json("1").unwrap();
        let nested =
            written(&[("a/x/y", value()), ("b", value()), ("a-b", value()), ("a/z.1", value()), ("a/x/w", value())]);
        assert_eq!(nested, "a-b = 1\nb = 1\n\n[a]\n\"z.1\" = 1\n\n[a.x]\nw = 1\ny = 1\n");
        let flat = written(&[("a/b", value()), ("a", value()), ("c/d", value())]);
        assert_eq!(flat, "a = 1\n\"a/b\" = 1\n\"c/d\" = 1\n");
        assert_eq!(written(&[]), "");
        for (value, want) in [
            (SecretValue::text("a\"\\\n\u{1}\u{e9}\u{7f}"), "\"a\\\"\\\\\\n\\u0001\u{e9}\\u007f\""),
            (SecretValue::json("9223372036854775807"), "9223372036854775807"),
            (SecretValue::json("9223372036854775808"), r#"{"$json" = "9223372036854775808"}"#),
            (SecretValue::json("null"), r#"{"$json" = "null"}"#),
            (SecretValue::json("[1]"), r#"{"$json" = "[1]"}"#),
            (SecretValue::binary(vec![0]), r#"{"$binary" = "AA=="}"#),
        ] {
            assert_eq!(written(&[("K", value.unwrap())]), format!("K = {want}\n"));
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
    fn no_mutation_panics_or_leaks() {
        let sample = "a.b = \"s3cr3t\\n\"\r\n[c]\nd = [1, {x = 's3cr3t'}]\n\n[\"e/f\"]\ng = {\"$binary\" = 'AP/+'}\nh = -1.5e3\ni = '''\ns3cr3t'''\n";
        let pieces =
            ["{", "}", "[", "]", "\"", "\\", "'''", ",", "=", ".", "a", "$", "1", "\n", "/", "#", "\u{e9}", "[[c]]"];
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
