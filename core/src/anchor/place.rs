//! Where an anchor is kept, by the name that `config.toml` and commands give it.
//!
//! In a file, or in the key device, if that keeps documents.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

use crate::{Code, Error, Result, limits};

const FILE: &str = "file:";
const DEVICE: &str = "device";

/// Where an anchor is kept. Its name is `file:` and an absolute path, or `device`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AnchorPlace(Kind);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    Device,
    File(PathBuf),
}

impl AnchorPlace {
    /// The key device itself, as a data object of a token: no volume to go missing, and in nobody's backup of the disk.
    pub fn device() -> Self {
        Self(Kind::Device)
    }

    /// A file, best on another volume and in a folder of that volume: where the volume is not mounted, there is no such
    /// folder then, and nothing is written where it should have been.
    ///
    /// # Errors
    /// `AnchorNameInvalid` unless the path is absolute, names a file, and is UTF-8 without control characters within its
    /// limit.
    pub fn file(path: &Path) -> Result<Self> {
        let invalid = |rule: &str| Err(Error::new(Code::AnchorNameInvalid).detail(rule));
        let Some(text) = path.to_str() else { return invalid("the path is not UTF-8") };
        if text.len() > limits::ANCHOR_PATH_BYTES_MAX {
            return invalid("the path is too long");
        }
        if text.chars().any(char::is_control) {
            return invalid("the path has control characters");
        }
        if !path.is_absolute() || path.file_name().is_none() || text.ends_with('/') {
            return invalid("the path is not an absolute one of a file");
        }
        Ok(Self(Kind::File(path.to_owned())))
    }

    /// The path, if it is a file.
    pub fn path(&self) -> Option<&Path> {
        match &self.0 {
            Kind::Device => None,
            Kind::File(path) => Some(path),
        }
    }

    /// Refuses a place inside this folder: what is put back together with the database remembers nothing.
    pub(crate) fn demand_outside(&self, folder: &Path) -> Result<()> {
        if self.path().is_some_and(|path| path.starts_with(folder)) {
            return Err(Error::new(Code::AnchorNameInvalid).detail("it is in the data folder"));
        }
        Ok(())
    }
}

/// Refuses too many anchors, and the same one twice.
pub(crate) fn demand_distinct(anchors: &[AnchorPlace]) -> Result<()> {
    if anchors.len() > limits::ANCHORS_MAX {
        return Err(Code::AnchorLimit.into());
    }
    match anchors.iter().enumerate().find(|(at, anchor)| anchors[..*at].contains(anchor)) {
        Some((_, twice)) => Err(Error::new(Code::AnchorExists).detail(twice.to_string())),
        None => Ok(()),
    }
}

impl fmt::Display for AnchorPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Device => f.write_str(DEVICE),
            Kind::File(path) => write!(f, "{FILE}{}", path.display()),
        }
    }
}

impl FromStr for AnchorPlace {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        if name == DEVICE {
            return Ok(Self::device());
        }
        match name.strip_prefix(FILE) {
            Some(path) => Self::file(Path::new(path)),
            None => Err(Error::new(Code::AnchorNameInvalid).detail("it is neither device nor begins with file:")),
        }
    }
}

impl TryFrom<String> for AnchorPlace {
    type Error = Error;

    fn try_from(name: String) -> Result<Self> {
        name.parse()
    }
}

impl From<AnchorPlace> for String {
    fn from(anchor: AnchorPlace) -> Self {
        anchor.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed_strictly() {
        let longest = format!("file:/{}", "a".repeat(limits::ANCHOR_PATH_BYTES_MAX - 1));
        let too_long = format!("{longest}a");
        for (name, good) in [
            ("file:/mnt/log/strongroom.anchor", true),
            ("file:/a b/\u{e4}", true),
            (&longest, true),
            (&too_long, false),
            ("device", true),
            ("device:", false),
            ("/mnt/log/strongroom.anchor", false),
            ("file:strongroom.anchor", false),
            ("file:", false),
            ("file:/", false),
            ("file:/mnt/", false),
            ("file:/mnt/..", false),
            ("file:/mnt/a\nb", false),
            ("http://example.com", false),
            ("", false),
        ] {
            let parsed = name.parse::<AnchorPlace>();
            assert_eq!(parsed.is_ok(), good, "case: {name:?}");
            match parsed {
                Ok(anchor) => assert_eq!(anchor.to_string(), name),
                Err(error) => assert_eq!(error.code(), Code::AnchorNameInvalid, "case: {name:?}"),
            }
        }
    }

    #[test]
    fn as_many_as_the_limit_each_once_and_outside() {
        let many = |count: usize| -> Vec<AnchorPlace> {
            (0..count).map(|number| format!("file:/mnt/{number}").parse().unwrap()).collect()
        };
        demand_distinct(&many(limits::ANCHORS_MAX)).unwrap();
        assert_eq!(demand_distinct(&many(limits::ANCHORS_MAX + 1)).unwrap_err().code(), Code::AnchorLimit);
        let twice = [many(1), many(2)].concat();
        assert_eq!(demand_distinct(&twice).unwrap_err().code(), Code::AnchorExists);

        let [anchor] = &many(1)[..] else { panic!() };
        anchor.demand_outside(Path::new("/mnt/data")).unwrap();
        anchor.demand_outside(Path::new("/mn")).unwrap();
        assert_eq!(anchor.demand_outside(Path::new("/mnt")).unwrap_err().code(), Code::AnchorNameInvalid);
    }
}
