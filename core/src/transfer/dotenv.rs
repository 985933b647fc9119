//! `.env` files, as most tools read them, strictly.
//!
//! # What is read
//!
//! UTF-8, with or without a byte order mark; lines end with LF or CRLF. Blank lines and lines whose
//! first visible character is `#` are passed over. Everything else is `NAME=value` or
//! `export NAME=value`, with blanks (spaces and tabs) allowed before the name and around the `=`. A name
//! is a path segment, `[A-Za-z0-9_.-]`.
//!
//! - **Unquoted:** up to the end of the line or a `#` after a blank, without the blanks around it. May be
//!   empty. Backslashes and quotes inside are plain characters; control characters, tabs too, are
//!   refused, and so is a backtick in front, which some tools take for a quote.
//! - **`'single'`:** up to the next `'`, over several lines if need be, everything as it stands.
//! - **`"double"`:** up to the next `"`, over several lines if need be, with the escapes `\n`, `\r`, `\t`,
//!   `\"`, `\\` and `\$`; any other backslash is refused.
//!
//! After a closing quote there may be blanks and a comment. In quotes, a line end is read as LF however
//! the file writes it; a NUL or a CR that ends no line is refused.
//!
//! **Nothing is expanded:** `$HOME` and `${HOME}` are these characters, in every kind of quotes. A name
//! given twice is refused, where other tools take the first or the last.
//!
//! # What is written
//!
//! `NAME=value` for each secret, sorted, quoted so that [`parse`] reads back the
//! same bytes: not at all if possible, else in single quotes, which other tools and POSIX shells read
//! alike, else in double quotes. The format holds neither sub-folders nor binary values, and forgets that
//! a value was JSON: [`super::json`] holds everything.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::{Entries, Entry, malformed, output::Output, text, unsuitable_path, unsuitable_value};
use crate::{Result, SecretPath, SecretValue, ValueKind};

/// Reads a `.env` file. All values are text.
///
/// [`Code::ImportMalformed`](crate::Code::ImportMalformed) with the line for what is not as described
/// [above](self), or makes a path or value that is not valid;
/// [`Code::ImportTooLarge`](crate::Code::ImportTooLarge) over 16 MiB or 10,000 entries.
///
/// ```
/// # use strongroom::transfer::dotenv;
/// let entries = dotenv::parse(b"# mail\nexport SMTP_PASSWORD='s p a c e' # quoted\n")?;
/// assert_eq!(entries[0].path.as_str(), "SMTP_PASSWORD");
/// assert_eq!(entries[0].line, 2);
///
/// let error = dotenv::parse(b"A=1\nB 2\n").unwrap_err();
/// assert_eq!(error.details(), Some("line 2: there is no = after the name"));
/// # Ok::<(), strongroom::Error>(())
/// ```
pub fn parse(document: &[u8]) -> Result<Vec<Entry>> {
    let mut entries = Entries::default();
    let mut reader = Reader { rest: text(document)?, line: 1 };
    while reader.next_statement() {
        let line = reader.line;
        let name = reader.name()?;
        let value = reader.value()?;
        entries.add(line, name, value)?;
    }
    Ok(entries.found)
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

/// What is still to be read, and the line that it begins on.
struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Reader<'a> {
    /// Passes over blank lines and comments; false at the end.
    fn next_statement(&mut self) -> bool {
        loop {
            self.skip_blanks();
            if self.rest.is_empty() {
                return false;
            }
            let line = self.rest_of_line();
            if !line.is_empty() && !line.starts_with('#') {
                return true;
            }
            self.skip_line();
        }
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches(is_blank);
    }

    /// Up to the end of the line, without the line end.
    fn rest_of_line(&self) -> &'a str {
        match self.rest.split_once('\n') {
            Some((line, _)) => line.strip_suffix('\r').unwrap_or(line),
            None => self.rest,
        }
    }

    fn skip_line(&mut self) {
        match self.rest.split_once('\n') {
            Some((_, rest)) => {
                self.rest = rest;
                self.line += 1;
            }
            None => self.rest = "",
        }
    }

    /// The name, and past its `=`.
    fn name(&mut self) -> Result<&'a str> {
        let mut name = self.word();
        self.skip_blanks();
        if name == "export" && !self.rest.starts_with('=') && !self.rest_of_line().is_empty() {
            name = self.word();
            self.skip_blanks();
        }
        if let Some(rest) = self.rest.strip_prefix('=')
            && !name.is_empty()
        {
            self.rest = rest;
            return Ok(name);
        }
        Err(malformed(
            self.line,
            match self.rest_of_line() {
                _ if name.is_empty() => "it does not begin with a name of [A-Za-z0-9_.-]",
                line if line.contains('=') => "the name has a character outside [A-Za-z0-9_.-]",
                _ => "there is no = after the name",
            },
        ))
    }

    fn word(&mut self) -> &'a str {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        let (word, rest) = self.rest.split_at(self.rest.find(|c| !is_plain(c)).unwrap_or(self.rest.len()));
        self.rest = rest;
        word
    }

    /// The value, and past the end of its line. The outer result is the document's, the inner the value's.
    fn value(&mut self) -> Result<Result<SecretValue>> {
        match self.rest.trim_start_matches(is_blank).chars().next() {
            Some(quote @ ('\'' | '"')) => {
                self.skip_blanks();
                let value = self.quoted(quote)?;
                self.skip_blanks();
                let line = self.rest_of_line();
                if !line.is_empty() && !line.starts_with('#') {
                    return Err(malformed(self.line, "there is something after the closing quote"));
                }
                self.skip_line();
                Ok(SecretValue::from_kind(ValueKind::Text, value))
            }
            Some('`') => Err(malformed(self.line, "a backtick does not quote; use single or double quotes")),
            _ => {
                let value = unquoted(self.rest_of_line());
                if value.contains(char::is_control) {
                    return Err(malformed(self.line, "an unquoted value has a control character"));
                }
                self.skip_line();
                Ok(SecretValue::text(value))
            }
        }
    }

    /// What is between two quotes, and past the second. The buffer never grows: nothing that is read
    /// gets longer.
    fn quoted(&mut self, quote: char) -> Result<Zeroizing<Vec<u8>>> {
        let opened = self.line;
        let unclosed = || malformed(opened, "the quote is never closed");
        let inner = self.rest.strip_prefix(quote).ok_or_else(unclosed)?;
        let length = closing(inner, quote).ok_or_else(unclosed)?;
        let mut value = Zeroizing::new(Vec::with_capacity(length));
        let mut bytes = inner.as_bytes()[..length].iter().copied().peekable();
        while let Some(byte) = bytes.next() {
            match byte {
                b'\\' if quote == '"' => value.push(match bytes.next() {
                    Some(b'n') => b'\n',
                    Some(b'r') => b'\r',
                    Some(b't') => b'\t',
                    Some(escaped @ (b'"' | b'\\' | b'$')) => escaped,
                    _ => return Err(malformed(self.line, r#"a backslash escapes none of n r t " \ $"#)),
                }),
                b'\n' => {
                    self.line += 1;
                    value.push(byte);
                }
                b'\r' if bytes.peek() == Some(&b'\n') => {}
                b'\r' => return Err(malformed(self.line, r#"there is a CR in a value; write "\r""#)),
                0 => return Err(malformed(self.line, "there is a NUL in a value")),
                _ => value.push(byte),
            }
        }
        self.rest = &inner[length + 1..];
        Ok(value)
    }
}

/// Where the closing quote is.
fn closing(inner: &str, quote: char) -> Option<usize> {
    if quote == '\'' {
        return inner.find(quote);
    }
    let mut escaped = false;
    inner.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

/// An unquoted value, without its comment and the blanks around it.
fn unquoted(line: &str) -> &str {
    let comment = line.match_indices('#').map(|(at, _)| at).find(|&at| line[..at].ends_with(is_blank));
    line[..comment.unwrap_or(line.len())].trim_matches(is_blank)
}

/// Writes secrets as a `.env` file. Paths are relative to what is exported, and each must come once.
///
/// [`Code::ExportUnsuitable`](crate::Code::ExportUnsuitable) for a secret in a sub-folder;
/// [`Code::ExportUnsuitable`](crate::Code::ExportUnsuitable) for a binary value, or one with a NUL. The path is
/// named and nothing is written.
pub fn export<'a>(secrets: impl IntoIterator<Item = (&'a SecretPath, &'a SecretValue)>) -> Result<Zeroizing<Vec<u8>>> {
    let mut output = Output::new();
    for (path, value) in secrets.into_iter().collect::<BTreeMap<_, _>>() {
        if !path.parent().is_root() {
            return Err(unsuitable_path(path, "is in a sub-folder, which .env cannot hold; export as JSON"));
        }
        if value.kind() == ValueKind::Binary {
            return Err(unsuitable_value(path, "is binary, which .env cannot hold; export as JSON"));
        }
        let quotes = value
            .expose(quotes_for)
            .ok_or_else(|| unsuitable_value(path, "has a NUL, which .env cannot hold; export as JSON"))?;
        output.push(path.as_str().as_bytes());
        output.push(b"=");
        value.expose(|bytes| push_quoted(&mut output, quotes, bytes));
        output.push(b"\n");
    }
    Ok(output.finish())
}

enum Quotes {
    None,
    Single,
    Double,
}

/// The plainest form that is read back as these bytes; `None` if there is no such form.
fn quotes_for(bytes: &[u8]) -> Option<Quotes> {
    // What no shell and no other reader of these files treats in a special way.
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-/:@%+,=".contains(byte);
    if bytes.contains(&0) {
        None
    } else if bytes.iter().all(is_plain) {
        Some(Quotes::None)
    } else if !bytes.contains(&b'\'') && !bytes.contains(&b'\r') {
        Some(Quotes::Single)
    } else {
        Some(Quotes::Double)
    }
}

fn push_quoted(output: &mut Output, quotes: Quotes, bytes: &[u8]) {
    match quotes {
        Quotes::None => output.push(bytes),
        Quotes::Single => {
            output.push(b"'");
            output.push(bytes);
            output.push(b"'");
        }
        Quotes::Double => {
            output.push(b"\"");
            for &byte in bytes {
                match byte {
                    b'\n' => output.push(br"\n"),
                    b'\r' => output.push(br"\r"),
                    b'\t' => output.push(br"\t"),
                    b'"' | b'\\' | b'$' => output.push(&[b'\\', byte]),
                    _ => output.push(&[byte]),
                }
            }
            output.push(b"\"");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::super::testing::{self, Random};
    use super::*;
    use crate::Code;

    fn read(document: &str) -> Result<Vec<(String, String, usize)>> {
        let show = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let entries = parse(document.as_bytes())?;
        Ok(entries.iter().map(|e| (e.path.to_string(), e.value.expose(show), e.line)).collect())
    }

    /// The value of a document's only entry.
    fn read_one(document: &str) -> String {
        let entries = read(document).unwrap_or_else(|error| panic!("{document:?}: {error}"));
        assert_eq!(entries.len(), 1, "{document:?}");
        entries[0].1.clone()
    }

    #[test]
    fn values_are_read_as_documented() {
        for (document, want) in [
            // unquoted
            ("K=v", "v"),
            ("K=", ""),
            ("K= \t", ""),
            ("  K = v  ", "v"),
            ("\tK\t=\tv w\t\r\n", "v w"),
            ("K=a=b==", "a=b=="),
            ("K=a#b", "a#b"),
            ("K=#b", "#b"),
            ("K= #b", ""),
            ("K=a #b #c", "a"),
            ("K=a\t#b", "a"),
            ("K=$HOME/${X}", "$HOME/${X}"),
            ("K=a'b\"c\\n`", "a'b\"c\\n`"),
            ("K=caf\u{e9} \u{1f511}\u{a0}", "caf\u{e9} \u{1f511}\u{a0}"),
            // single
            ("K=''", ""),
            ("K = ' v '  ", " v "),
            ("K='a\\n$x\"#' # c", "a\\n$x\"#"),
            ("K='a\nb'#c", "a\nb"),
            ("K='a\r\nb\r\n'\r\n", "a\nb\n"),
            ("K='\u{1b}\t'", "\u{1b}\t"),
            // double
            ("K=\"\"", ""),
            ("K=\" a'b \"", " a'b "),
            (r#"K="a\n\r\t\"\\\$HOME $HOME""#, "a\n\r\t\"\\$HOME $HOME"),
            (r#"K="\\" # "c""#, "\\"),
            ("K=\"a\nb\\\\\r\n\"", "a\nb\\\n"),
            // the rest
            ("\u{feff}K=v", "v"),
            ("export K=v", "v"),
            ("  export\t K='v'", "v"),
            ("# K=x\n\n  # y\n \t\nK=v\n#", "v"),
            ("#K=x\0\r\nK=v", "v"),
        ] {
            assert_eq!(read_one(document), want, "case: {document:?}");
        }
    }

    #[test]
    fn names_and_lines_are_found() {
        let document = "a.b-C_9=1\nexport=2\nexport export2=\"x\n\ny\"\n\nexport = 3 \n.env=4";
        let error = read(document).unwrap_err();
        assert_eq!(error.details(), Some("line 7: the name is the same as on line 2"));
        let found = read(&document.replace("export = 3", "e=3")).unwrap();
        let found: Vec<_> = found.iter().map(|(name, value, line)| (name.as_str(), value.as_str(), *line)).collect();
        let want = [("a.b-C_9", "1", 1), ("export", "2", 2), ("export2", "x\n\ny", 3), ("e", "3", 7), (".env", "4", 8)];
        assert_eq!(found, want);
        for empty in ["", "\n", "# only a comment", "\u{feff}", " \r\n"] {
            assert_eq!(read(empty).unwrap(), [], "case: {empty:?}");
        }
    }

    #[test]
    fn what_is_malformed_is_refused_with_its_line() {
        let long = format!("K={}", "s3cr3t".repeat(10_923));
        for (document, detail) in [
            ("A=1\ns3cr3t", "line 2: there is no = after the name"),
            ("A=1\nB s3cr3t", "line 2: there is no = after the name"),
            ("export", "line 1: there is no = after the name"),
            ("export K", "line 1: there is no = after the name"),
            ("=s3cr3t", "line 1: it does not begin with a name of [A-Za-z0-9_.-]"),
            ("export =s\nexport \u{e9}=s3cr3t", "line 2: it does not begin with a name of [A-Za-z0-9_.-]"),
            ("'K'=s3cr3t", "line 1: it does not begin with a name of [A-Za-z0-9_.-]"),
            ("\0K=s3cr3t", "line 1: it does not begin with a name of [A-Za-z0-9_.-]"),
            ("K/L=s3cr3t", "line 1: the name has a character outside [A-Za-z0-9_.-]"),
            ("K\0=s3cr3t", "line 1: the name has a character outside [A-Za-z0-9_.-]"),
            ("K: a=s3cr3t", "line 1: the name has a character outside [A-Za-z0-9_.-]"),
            (
                "..=s3cr3t",
                "line 1: the name does not make a path: segment 1 is only dots, which would mean another folder",
            ),
            ("K=s3cr3t\0", "line 1: an unquoted value has a control character"),
            ("K=s3cr3t\tx", "line 1: an unquoted value has a control character"),
            ("K=s3cr3t\r", "line 1: an unquoted value has a control character"),
            ("K=s3cr3t\rL=1\n", "line 1: an unquoted value has a control character"),
            ("K=\u{9b}s3cr3t", "line 1: an unquoted value has a control character"),
            ("K=`s3cr3t`", "line 1: a backtick does not quote; use single or double quotes"),
            ("\nK='s3cr3t\n\n", "line 2: the quote is never closed"),
            ("\nK=\"s3cr3t\\\"\n", "line 2: the quote is never closed"),
            ("K='s3cr3t' x", "line 1: there is something after the closing quote"),
            ("K=\"a\nb\"s3cr3t", "line 2: there is something after the closing quote"),
            ("K=\"a\ns3cr3t\\d\"", "line 2: a backslash escapes none of n r t \" \\ $"),
            ("K=\"a\\\ns3cr3t\"", "line 1: a backslash escapes none of n r t \" \\ $"),
            ("K='a\ns3cr3t\rb'", "line 2: there is a CR in a value; write \"\\r\""),
            ("K=\"a\ns3cr3t\0b\"", "line 2: there is a NUL in a value"),
            ("K=1\n\nL=2\nK=s3cr3t", "line 4: the name is the same as on line 1"),
            (&long, "line 1: the value is larger than the limit: it has 65538 bytes"),
        ] {
            let error = read(document).map(drop).unwrap_err();
            assert_eq!((error.code(), error.details()), (Code::ImportMalformed, Some(detail)), "case: {document:?}");
            assert!(!format!("{error:?}").contains("s3cr3t"), "case: {document:?}");
        }
        let error = parse(b"A=1\nB=\xff").unwrap_err();
        assert_eq!((error.code(), error.details()), (Code::ImportMalformed, Some("line 2: it is not UTF-8")));
    }

    #[test]
    fn secrets_are_written_in_the_plainest_form() {
        for (value, want) in [
            ("", "K="),
            ("abc/d=", "K=abc/d="),
            ("a b", "K='a b'"),
            ("#", "K='#'"),
            ("$HOME", "K='$HOME'"),
            ("a\nb\\", "K='a\nb\\'"),
            ("it's $5\n", "K=\"it's \\$5\\n\""),
            ("a\r\n", "K=\"a\\r\\n\""),
        ] {
            let (path, value) = ("K".parse().unwrap(), SecretValue::text(value).unwrap());
            let document = export([(&path, &value)]).unwrap();
            assert_eq!(String::from_utf8(document.to_vec()).unwrap(), format!("{want}\n"));
        }
    }

    #[test]
    fn what_the_format_cannot_hold_is_refused_by_path() {
        let text = SecretValue::text("s3cr3t").unwrap();
        for (path, value, code, detail) in [
            ("g/K", &text, Code::ExportUnsuitable, "g/K is in a sub-folder, which .env cannot hold; export as JSON"),
            (
                "K",
                &SecretValue::binary(b"s3cr3t".to_vec()).unwrap(),
                Code::ExportUnsuitable,
                "K is binary, which .env cannot hold; export as JSON",
            ),
            (
                "K",
                &SecretValue::text("s3cr3t\0").unwrap(),
                Code::ExportUnsuitable,
                "K has a NUL, which .env cannot hold; export as JSON",
            ),
        ] {
            let error = export([(&path.parse().unwrap(), value)]).unwrap_err();
            assert_eq!((error.code(), error.details()), (code, Some(detail)));
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        testing::for_each_seed(300, |random| {
            let secrets = testing::secrets(random, |random| {
                let path = testing::segment(random).parse().unwrap();
                let value = testing::text(random).replace('\0', "0");
                (path, if random.one_in(8) { testing::json(random) } else { SecretValue::text(value).unwrap() })
            });
            let document = export(&secrets).unwrap();
            let entries = parse(&document).unwrap();
            assert_eq!(entries.len(), secrets.len());
            for (entry, (path, value)) in entries.iter().zip(&secrets) {
                assert_eq!(&entry.path, path);
                entry.value.expose(|read| value.expose(|written| assert_eq!(read, written)));
            }
        });
    }

    #[test]
    fn no_mutation_panics_or_leaks() {
        let sample =
            "\u{feff}# c\r\nA=s3cr3t #c\nexport B='s3cr3t\n$x'\n C = \"s3cr3t\\n\\\"\\\\\\$\r\ny\" # z\nD=\n.e-f=#1\n";
        let pieces = ["\r", "\n", "'", "\"", "\\", "=", "#", " ", "\t", "\0", "$", "`", "export ", "A", "\u{e9}"];
        let taken = Cell::new(0);
        testing::for_each_seed(4_000, |random: &mut Random| {
            let document = testing::mutated(random, sample.as_bytes(), &pieces);
            match parse(&document) {
                Err(error) => testing::check_error(&error),
                Ok(entries) => {
                    taken.set(taken.get() + 1);
                    let secrets: BTreeMap<_, _> = entries.into_iter().map(|e| (e.path, e.value)).collect();
                    let again = parse(&export(&secrets).unwrap()).unwrap();
                    assert!(again.iter().all(|entry| entry.value.matches(&secrets[&entry.path])));
                    assert_eq!(again.len(), secrets.len());
                }
            }
        });
        // Else it would try only one side.
        assert!((100..3_900).contains(&taken.get()), "{} of 4,000 documents were taken", taken.get());
    }
}
