//! Documents to secrets and back: `.env`, JSON, YAML, TOML, templates, and the environment of a command.
//!
//! A document knows nothing of the folder it comes from or goes to: its paths are relative to that.
//!
//! Everything here is a pure function of its input: it reads no file, changes nothing and is no
//! operation. An import is parsed whole before any of it is stored, so a document is taken whole or
//! not at all. Errors name lines, rules and paths, never a value; a document may be all secrets, so not
//! even a name from it is repeated until it has become a path.
//!
//! What holds values is wiped when dropped. The caller's document is the caller's to wipe. YAML and TOML
//! are read by libraries, which free copies of parts of the document without wiping them: [`dotenv`] and
//! [`json`] leave nothing behind.

pub mod dotenv;
pub mod environment;
pub mod json;
pub mod template;
pub mod toml;
pub mod yaml;

mod list;
mod output;
#[cfg(test)]
mod testing;

use std::collections::{BTreeMap, HashMap};

use crate::{Code, Error, Result, SecretPath, SecretValue, limits};

/// One secret of a document.
#[derive(Debug)]
#[non_exhaustive]
pub struct Entry {
    /// Where it goes, below the folder that the document is for.
    pub path: SecretPath,
    /// Its value.
    pub value: SecretValue,
    /// The line of the document where its name is, from 1; in JSON, where its value begins.
    pub line: usize,
}

/// The entries found so far.
#[derive(Default)]
struct Entries {
    lines: HashMap<SecretPath, usize>,
    found: Vec<Entry>,
}

impl Entries {
    /// Adds a secret by its name in the document, which may be one segment or several.
    fn add(&mut self, line: usize, name: &str, value: Result<SecretValue>) -> Result<()> {
        if self.found.len() == limits::IMPORT_ENTRIES_MAX {
            return Err(too_many_entries());
        }
        let path = path(line, name)?;
        let value = value.map_err(|error| malformed(line, error))?;
        if let Some(first) = self.lines.insert(path.clone(), line) {
            return Err(malformed(line, format_args!("the name is the same as on line {first}")));
        }
        self.found.push(Entry { path, value, line });
        Ok(())
    }
}

/// The path that a name makes. Also of a folder: whatever is in one whose name does not is refused.
fn path(line: usize, name: &str) -> Result<SecretPath> {
    name.parse().map_err(|error: Error| {
        malformed(line, format_args!("the name does not make a path: {}", error.details().unwrap_or_default()))
    })
}

/// Whether these are the characters of a JSON number.
fn is_json_number(text: &str) -> bool {
    text.starts_with(|c: char| c == '-' || c.is_ascii_digit())
        && text.ends_with(|c: char| c.is_ascii_digit())
        && SecretValue::json(text).is_ok()
}

/// A secret in the place that it has in a nested document.
struct Placed<'a> {
    folder: Vec<&'a str>,
    name: &'a str,
    value: &'a SecretValue,
}

/// Secrets in the order in which nested documents are written: all that are in a folder come one after
/// another. If one's path is also a folder of another, nesting cannot hold both: then all are at the top.
fn placed<'a>(
    secrets: impl IntoIterator<Item = (&'a SecretPath, &'a SecretValue)>,
) -> impl Iterator<Item = Placed<'a>> {
    let secrets: BTreeMap<_, _> = secrets.into_iter().map(|(path, value)| (path.as_str(), value)).collect();
    let is_flat = secrets.keys().any(|path| path.match_indices('/').any(|(at, _)| secrets.contains_key(&path[..at])));
    secrets.into_iter().map(move |(path, value)| match path.rsplit_once('/') {
        Some((folder, name)) if !is_flat => Placed { folder: folder.split('/').collect(), name, value },
        _ => Placed { folder: Vec::new(), name: path, value },
    })
}

fn malformed(line: usize, rule: impl std::fmt::Display) -> Error {
    Error::new(Code::ImportMalformed).detail(format!("line {line}: {rule}"))
}

fn too_many_entries() -> Error {
    Error::new(Code::ImportTooLarge).detail(format!("it has more than {} entries", limits::IMPORT_ENTRIES_MAX))
}

/// The document as text, without the byte order mark that some editors write.
fn text(document: &[u8]) -> Result<&str> {
    if document.len() > limits::IMPORT_BYTES_MAX {
        return Err(Error::new(Code::ImportTooLarge).detail(format!("it has {} bytes", document.len())));
    }
    let text = std::str::from_utf8(document).map_err(|error| {
        let line = 1 + document[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count();
        malformed(line, "it is not UTF-8")
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

fn unsuitable_path(path: &SecretPath, why: &str) -> Error {
    Error::new(Code::ExportUnsuitable).detail(format!("{path} {why}"))
}

fn unsuitable_value(path: &SecretPath, why: &str) -> Error {
    Error::new(Code::ExportUnsuitable).detail(format!("{path} {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_entries_is_the_last_number_allowed() {
        for (entries, want) in [(10_000, Ok(10_000)), (10_001, Err(Code::ImportTooLarge))] {
            let env: String = (0..entries).map(|n| format!("K{n}=v\n")).collect();
            assert_eq!(dotenv::parse(env.as_bytes()).map(|e| e.len()).map_err(|e| e.code()), want);

            let yaml: String = (0..entries).map(|n| format!("K{n}: v\n")).collect();
            assert_eq!(yaml::parse(yaml.as_bytes()).map(|e| e.len()).map_err(|e| e.code()), want);
            let toml: String = (0..entries).map(|n| format!("[{n}]\nk = 'v'\n")).collect();
            assert_eq!(toml::parse(toml.as_bytes()).map(|e| e.len()).map_err(|e| e.code()), want);

            let flat: Vec<_> = (0..entries).map(|n| format!("\"K{n}\":1")).collect();
            let flat = format!("{{{}}}", flat.join(","));
            assert_eq!(json::parse(flat.as_bytes()).map(|e| e.len()).map_err(|e| e.code()), want);

            let nested: Vec<_> = (0..entries).map(|n| format!("\"{n}\":{{\"k\":1}}")).collect();
            let nested = format!("{{{}}}", nested.join(","));
            assert_eq!(json::parse(nested.as_bytes()).map(|e| e.len()).map_err(|e| e.code()), want);
        }
    }

    #[test]
    fn the_limit_of_bytes_is_the_last_size_allowed() {
        let mut document = vec![b' '; limits::IMPORT_BYTES_MAX];
        document[..2].copy_from_slice(b"{}");
        assert!(json::parse(&document).is_ok());
        document.push(b' ');
        assert_eq!(json::parse(&document).unwrap_err().code(), Code::ImportTooLarge);

        document.fill(b'\n');
        assert_eq!(toml::parse(&document).unwrap_err().code(), Code::ImportTooLarge);
        assert!(toml::parse(&document[1..]).unwrap().is_empty());
        let yaml = &document[..=limits::IMPORT_YAML_BYTES_MAX];
        assert_eq!(yaml::parse(yaml).unwrap_err().code(), Code::ImportTooLarge);
        assert!(yaml::parse(&yaml[1..]).unwrap().is_empty());
        assert_eq!(dotenv::parse(&document).unwrap_err().code(), Code::ImportTooLarge);
        document.pop();
        assert!(dotenv::parse(&document).unwrap().is_empty());
    }
}
