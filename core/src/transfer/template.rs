//! Templates: a text with places for secrets, such as a configuration file.
//!
//! # Syntax
//!
//! UTF-8. Everything stays as it is but what stands in `{{ … }}`, which is one of these:
//!
//! | placeholder | what takes its place |
//! | --- | --- |
//! | `{{ secret "prod/db/password" }}` | the current value, exactly; text or JSON |
//! | `{{ secret "prod/db/password" \| json }}` | text in double quotes, as a string in JSON, YAML and TOML; JSON as it is, without blanks around it |
//! | `{{ secret "prod/db/password" \| shell }}` | text or JSON as one word in a POSIX shell, in single quotes |
//! | `{{ secret "prod/db/password" \| url }}` | percent-encoded, for any part of a URL |
//! | `{{ secret "prod/tls/key" \| base64 }}` | standard, padded base64; also of binary values |
//! | `{{ "{{" }}` | the characters in the quotes: how a template writes `{{` |
//!
//! That is all there is: no conditions, no loops, nothing that computes, so that whoever may write a template can do no
//! more than place secrets, and what it reads is known before anything is read. Anything else in braces is
//! refused with its line. `}}` outside is plain text. What a value is put into without a filter has to be able to take any
//! characters: a value with a line break or a quote in it means something else to the program that reads the file.
//!
//! This module parses and fills; it reads no file and no secret ([`crate::Secrets::render`] does that, as one operation).

use std::{collections::BTreeSet, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::{json, output::Output};
use crate::{Code, Error, Result, SecretPath, SecretValue, ValueKind, limits};

/// A template that was read. What it holds besides paths is the text around them.
#[derive(Debug)]
pub struct Template {
    pieces: Vec<Piece>,
    hash: strongroom_log::Hash,
}

#[derive(Debug)]
enum Piece {
    Text(String),
    Secret(Placeholder),
}

/// A place for a secret.
#[derive(Debug)]
pub(crate) struct Placeholder {
    pub(crate) path: SecretPath,
    /// Where it is in the template, from 1.
    pub(crate) line: usize,
    filter: Option<Filter>,
}

/// How a value is written so that it stays one where it is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filter {
    Json,
    Shell,
    Url,
    Base64,
}

impl FromStr for Filter {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        match word {
            "json" => Ok(Self::Json),
            "shell" => Ok(Self::Shell),
            "url" => Ok(Self::Url),
            "base64" => Ok(Self::Base64),
            _ => Err(()),
        }
    }
}

impl Template {
    /// Reads a template.
    ///
    /// [`Code::TemplateInvalid`] with the line for what is not as described [above](self);
    /// [`Code::TemplateTooLarge`] over 1 MiB or 1,000 placeholders.
    ///
    /// ```
    /// # use strongroom::transfer::template::Template;
    /// let template = Template::parse(b"[db]\npassword = {{ secret \"prod/db/password\" | json }}\n")?;
    /// assert_eq!(template.paths().collect::<Vec<_>>(), [&"prod/db/password".parse()?]);
    ///
    /// let error = Template::parse(b"[db]\npassword = {{ secret prod }}\n").unwrap_err();
    /// assert_eq!(error.details(), Some("line 2: after `secret` comes a path in double quotes"));
    /// # Ok::<(), strongroom::Error>(())
    /// ```
    pub fn parse(document: &[u8]) -> Result<Self> {
        if document.len() > limits::TEMPLATE_BYTES_MAX {
            return Err(Error::new(Code::TemplateTooLarge).detail(format!("it has {} bytes", document.len())));
        }
        let text = std::str::from_utf8(document).map_err(|error| {
            let line = 1 + document[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count();
            invalid(line, "it is not UTF-8")
        })?;
        let (mut pieces, mut rest, mut line, mut placeholders) = (Vec::new(), text, 1, 0);
        let lines_in = |text: &str| text.bytes().filter(|&byte| byte == b'\n').count();
        while let Some((before, after)) = rest.split_once("{{") {
            line += lines_in(before);
            pieces.push(Piece::Text(before.to_owned()));
            let (piece, after_it) = placeholder(after, line)?;
            if placeholders == limits::TEMPLATE_PLACEHOLDERS_MAX {
                let detail = format!("it has more than {} placeholders", limits::TEMPLATE_PLACEHOLDERS_MAX);
                return Err(Error::new(Code::TemplateTooLarge).detail(detail));
            }
            placeholders += 1;
            line += lines_in(&after[..after.len() - after_it.len()]);
            pieces.push(piece);
            rest = after_it;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Ok(Self { pieces, hash: strongroom_log::sha256(document) })
    }

    /// The secrets it names, each once, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &SecretPath> {
        self.placeholders().map(|placeholder| &placeholder.path).collect::<BTreeSet<_>>().into_iter()
    }

    /// Every place, in the order of the template.
    pub(crate) fn placeholders(&self) -> impl Iterator<Item = &Placeholder> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Secret(placeholder) => Some(placeholder),
            Piece::Text(_) => None,
        })
    }

    /// The SHA-256 of its text.
    pub(crate) fn hash(&self) -> strongroom_log::Hash {
        self.hash
    }

    /// Puts a value into each place. `value_of` gives the value at a path.
    ///
    /// [`Code::TemplateInvalid`] with the line for a value that does not fit where it should go;
    /// [`Code::TemplateTooLarge`] over 16 MiB; what `value_of` says.
    pub fn fill<'v>(
        &self,
        mut value_of: impl FnMut(&SecretPath) -> Result<&'v SecretValue>,
    ) -> Result<Zeroizing<Vec<u8>>> {
        let mut output = Output::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => output.push(text.as_bytes()),
                Piece::Secret(place) => {
                    let value = value_of(&place.path)?;
                    value
                        .expose(|bytes| push(&mut output, place.filter, value.kind(), bytes))
                        .map_err(|rule| invalid(place.line, rule))?;
                }
            }
            if output.len() > limits::RENDERED_BYTES_MAX {
                return Err(Error::new(Code::TemplateTooLarge).detail("what becomes of it has more bytes"));
            }
        }
        Ok(output.finish())
    }
}

fn invalid(line: usize, rule: &str) -> Error {
    Error::new(Code::TemplateInvalid).detail(format!("line {line}: {rule}"))
}

/// What stands between the braces, and what comes after them. The text was opened on this line.
fn placeholder(text: &str, line: usize) -> Result<(Piece, &str)> {
    let refused = |rule: &str| Err(invalid(line, rule));
    let text = text.trim_start();
    if text.starts_with('"') {
        let Some((literal, rest)) = string(text) else { return refused("the text in quotes is never closed") };
        let Some(rest) = rest.trim_start().strip_prefix("}}") else {
            return refused("after the text in quotes comes }}");
        };
        return Ok((Piece::Text(literal.to_owned()), rest));
    }
    let Some(text) =
        text.strip_prefix("secret").filter(|text| text.starts_with(|c: char| c.is_whitespace() || c == '"'))
    else {
        return refused("in {{ }} stands secret \"PATH\"; for the braces themselves, write {{ \"{{\" }}");
    };
    let Some((path, rest)) = string(text.trim_start()) else {
        return refused("after `secret` comes a path in double quotes");
    };
    let path = path
        .parse::<SecretPath>()
        .map_err(|error| invalid(line, &format!("the path is not valid: {}", error.details().unwrap_or_default())))?;
    let mut rest = rest.trim_start();
    let mut filter = None;
    if let Some(after) = rest.strip_prefix('|') {
        let after = after.trim_start();
        let (word, after) = after.split_at(after.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(after.len()));
        let Ok(known) = word.parse() else { return refused("after | comes json, shell, url or base64") };
        filter = Some(known);
        rest = after.trim_start();
    }
    match rest.strip_prefix("}}") {
        Some(rest) => Ok((Piece::Secret(Placeholder { path, line, filter }), rest)),
        None if rest.starts_with('|') => refused("there is a second filter; one is all there is"),
        None => refused("it does not end with }}"),
    }
}

/// A text in double quotes, on one line, and what comes after it.
fn string(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix('"')?.split_once('"').filter(|(text, _)| !text.contains('\n'))
}

/// Writes a value, or says why it does not fit.
fn push(output: &mut Output, filter: Option<Filter>, kind: ValueKind, bytes: &[u8]) -> Result<(), &'static str> {
    match filter {
        None if kind == ValueKind::Binary => return Err("the value is binary; write | base64"),
        None => output.push(bytes),
        Some(Filter::Json) => match kind {
            ValueKind::Text => json::push_string(output, bytes),
            ValueKind::Json => output.push(bytes.trim_ascii()),
            ValueKind::Binary => return Err("the value is binary; write | base64"),
        },
        Some(Filter::Shell) => {
            if kind == ValueKind::Binary || bytes.contains(&0) {
                return Err("a shell cannot hold the value; write | base64");
            }
            output.push(b"'");
            for (place, part) in bytes.split(|byte| *byte == b'\'').enumerate() {
                output.push(if place > 0 { br"'\''" } else { b"" });
                output.push(part);
            }
            output.push(b"'");
        }
        Some(Filter::Url) => {
            for byte in bytes {
                if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
                    output.push(&[*byte]);
                } else {
                    let digit = |nibble: u8| b"0123456789ABCDEF"[usize::from(nibble)];
                    output.push(&[b'%', digit(byte >> 4), digit(byte & 0xf)]);
                }
            }
        }
        Some(Filter::Base64) => {
            let mut encoded = Zeroizing::new(vec![0; bytes.len().div_ceil(3) * 4]);
            let length = STANDARD.encode_slice(bytes, &mut encoded).expect("four characters for each three bytes fit");
            output.push(&encoded[..length]);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(template: &str, value: &SecretValue) -> Result<String> {
        let filled = Template::parse(template.as_bytes())?.fill(|_| Ok(value))?;
        Ok(String::from_utf8(filled.to_vec()).unwrap())
    }

    #[test]
    fn placeholders_are_filled_as_documented() {
        let text = SecretValue::text("it's\n\"a\"\\ \u{e9}$x").unwrap();
        let json = SecretValue::json(" {\"a\": 'x'}\n".replace('\'', "\"")).unwrap();
        let binary = SecretValue::binary(vec![0, 0xff, 0xfe]).unwrap();
        for (template, value, want) in [
            ("", &text, ""),
            ("no {places} } }} { {", &text, "no {places} } }} { {"),
            ("a={{ secret \"k\" }}b", &text, "a=it's\n\"a\"\\ \u{e9}$xb"),
            ("{{secret\"k\"|json}}", &text, "\"it's\\n\\\"a\\\"\\\\ \u{e9}$x\""),
            ("{{\tsecret\n \"k\"\n|\njson }}", &json, "{\"a\": \"x\"}"),
            ("{{ secret \"k\" }}", &json, " {\"a\": \"x\"}\n"),
            ("{{ secret \"k\" | shell }}", &text, "'it'\\''s\n\"a\"\\ \u{e9}$x'"),
            ("{{ secret \"k\" | url }}", &text, "it%27s%0A%22a%22%5C%20%C3%A9%24x"),
            ("{{ secret \"k\" | base64 }}", &binary, "AP/+"),
            ("{{ secret \"k\" | url }}", &binary, "%00%FF%FE"),
            ("{{ \"{{\" }} secret \"k\" }}{{\"\"}}", &text, "{{ secret \"k\" }}"),
            (
                "{\"a\": {\"b\": {{ secret \"k\" | json }}}}",
                &SecretValue::text("x").unwrap(),
                "{\"a\": {\"b\": \"x\"}}",
            ),
            (
                "{{{ secret \"k\" }}}",
                &text,
                "error: line 1: in {{ }} stands secret \"PATH\"; for the braces themselves, write {{ \"{{\" }}",
            ),
        ] {
            let found = filled(template, value).unwrap_or_else(|error| format!("error: {}", error.details().unwrap()));
            assert_eq!(found, want, "case: {template}");
        }
    }

    #[test]
    fn what_is_wrong_is_refused_with_its_line() {
        let braces = "in {{ }} stands secret \"PATH\"; for the braces themselves, write {{ \"{{\" }}";
        for (template, rule) in [
            ("{{", braces),
            ("{{ }}", braces),
            ("{{ secrets \"k\" }}", braces),
            ("{{ password }}", braces),
            ("{{ .Values.x }}", braces),
            ("{{ secret }}", "after `secret` comes a path in double quotes"),
            ("{{ secret 'k' }}", "after `secret` comes a path in double quotes"),
            ("{{ secret \"k }}\n\" }}", "after `secret` comes a path in double quotes"),
            ("{{ secret \"../k\" }}", "the path is not valid: segment 1 is only dots, which would mean another folder"),
            ("{{ secret \"\" }}", "the path is not valid: segment 1 is empty"),
            ("{{ secret \"k\" ", "it does not end with }}"),
            ("{{ secret \"k\" }", "it does not end with }}"),
            ("{{ secret \"k\" x }}", "it does not end with }}"),
            ("{{ secret \"k\" | }}", "after | comes json, shell, url or base64"),
            ("{{ secret \"k\" | upper }}", "after | comes json, shell, url or base64"),
            ("{{ secret \"k\" | json | url }}", "there is a second filter; one is all there is"),
            ("{{ \"x }}", "the text in quotes is never closed"),
            ("{{ \"x\" y }}", "after the text in quotes comes }}"),
        ] {
            let error = Template::parse(format!("{{{{ secret\n\"k\" }}}}\n\n{template}").as_bytes()).unwrap_err();
            assert_eq!(error.code(), Code::TemplateInvalid, "case: {template}");
            assert_eq!(error.details().unwrap(), format!("line 4: {rule}"), "case: {template}");
        }
        let error = Template::parse(b"\n\xff").unwrap_err();
        assert_eq!(error.details(), Some("line 2: it is not UTF-8"));
        let binary = SecretValue::binary(vec![0]).unwrap();
        let nul = SecretValue::text("s3cr3t\0").unwrap();
        for (template, value, rule) in [
            ("\n{{ secret \"k\" }}", &binary, "line 2: the value is binary; write | base64"),
            ("\n{{ secret \"k\" | json }}", &binary, "line 2: the value is binary; write | base64"),
            ("{{ secret \"k\" | shell }}", &binary, "line 1: a shell cannot hold the value; write | base64"),
            ("{{ secret \"k\" | shell }}", &nul, "line 1: a shell cannot hold the value; write | base64"),
        ] {
            let error = filled(template, value).unwrap_err();
            assert_eq!((error.code(), error.details()), (Code::TemplateInvalid, Some(rule)));
            assert!(!format!("{error:?}").contains("s3cr3t"));
        }
    }

    #[test]
    fn the_limits_are_the_last_sizes_allowed() {
        let code = |template: &[u8]| Template::parse(template).err().map(|error| error.code());
        let largest = vec![b' '; limits::TEMPLATE_BYTES_MAX + 1];
        assert_eq!((code(&largest[1..]), code(&largest)), (None, Some(Code::TemplateTooLarge)));
        let most = "{{ secret \"k\" }}".repeat(limits::TEMPLATE_PLACEHOLDERS_MAX);
        assert_eq!(
            (code(most.as_bytes()), code(format!("{most}{{{{\"\"}}}}").as_bytes())),
            (None, Some(Code::TemplateTooLarge))
        );
        let (value, one) = (SecretValue::text("x".repeat(65_536)).unwrap(), "{{ secret \"k\" }}");
        let count = limits::RENDERED_BYTES_MAX / 65_536;
        assert_eq!(filled(&one.repeat(count), &value).unwrap().len(), limits::RENDERED_BYTES_MAX);
        assert_eq!(filled(&format!("{} ", one.repeat(count)), &value).unwrap_err().code(), Code::TemplateTooLarge);
    }

    #[test]
    fn a_shell_reads_one_word_back() {
        for text in ["", "'", "''", "a'b", "$(false) `x` \"y\" \\ \n*", "-n"] {
            let word = filled("{{ secret \"k\" | shell }}", &SecretValue::text(text).unwrap()).unwrap();
            let shell = std::process::Command::new("sh").args(["-c", &format!("printf %s {word}")]).output().unwrap();
            if text != "-n" {
                assert_eq!(String::from_utf8(shell.stdout).unwrap(), text);
            }
        }
    }

    #[test]
    fn paths_come_once() {
        let template = Template::parse(b"{{ secret \"b\" }}{{ secret \"a\" }}\n{{ secret \"b\" | url }}").unwrap();
        assert_eq!(template.paths().map(SecretPath::as_str).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(template.placeholders().map(|place| place.line).collect::<Vec<_>>(), [1, 1, 2]);
    }
}
