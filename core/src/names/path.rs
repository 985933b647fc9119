//! Where a secret is: `prod/database/password`.

use super::{Folder, name_type, segment};
use crate::Result;

name_type! {
    /// The full path of a secret in its tenant, such as `prod/database/password`.
    ///
    /// 1 to 255 bytes, at most 16 segments of `[A-Za-z0-9_.-]` separated by `/`; none is empty, `.` or
    /// `..`. Upper and lower case differ. Anything else is [`Code::PathInvalid`](crate::Code::PathInvalid).
    ///
    /// ```
    /// # use strongroom::SecretPath;
    /// let path: SecretPath = "prod/database/password".parse()?;
    /// assert_eq!(path.name(), "password");
    /// assert_eq!(path.parent().as_str(), "prod/database");
    /// assert!("prod/../staging/password".parse::<SecretPath>().is_err());
    /// # Ok::<(), strongroom::Error>(())
    /// ```
    SecretPath, parsed by parse
}

fn parse(text: &str) -> Result<&str> {
    segment::check_path(text).map(|()| text)
}

impl SecretPath {
    /// The folder that the secret is in; the root for a path of one segment.
    pub fn parent(&self) -> Folder {
        Folder::of_checked(self.0.rsplit_once('/').map_or("", |(parent, _)| parent))
    }

    /// Whether the secret is in this folder itself, and not deeper.
    pub fn is_directly_in(&self, folder: &Folder) -> bool {
        self.strip(folder).is_some_and(|rest| !rest.contains('/'))
    }

    /// The last segment.
    pub fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&*self.0, |(_, name)| name)
    }

    /// The segments, from the root down.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// What is left of the path inside `folder`; `None` if the secret is not in it, at any depth.
    pub fn strip(&self, folder: &Folder) -> Option<&str> {
        if folder.is_root() {
            return Some(&self.0);
        }
        self.0.strip_prefix(folder.as_str())?.strip_prefix('/')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Code;

    #[test]
    fn a_path_is_parsed_strictly() {
        let (longest, too_long) = ("a".repeat(255), "a".repeat(256));
        let (deepest, too_deep) = (["a"; 16].join("/"), ["a"; 17].join("/"));
        for allowed in ["a", "A-z_0.9", "...", ".env", "a/..b/c.", &longest, &deepest] {
            assert_eq!(allowed.parse::<SecretPath>().unwrap().as_str(), allowed);
        }
        for (refused, detail) in [
            ("", "segment 1 is empty"),
            ("/", "segment 1 is empty"),
            ("/a", "segment 1 is empty"),
            ("a/", "segment 2 is empty"),
            ("a//b", "segment 2 is empty"),
            (".", "segment 1 is only dots, which would mean another folder"),
            ("prod/../db", "segment 2 is only dots, which would mean another folder"),
            ("a/b c", "segment 2 has a character outside [A-Za-z0-9_.-]"),
            ("a\\b", "segment 1 has a character outside [A-Za-z0-9_.-]"),
            ("a\n", "segment 1 has a character outside [A-Za-z0-9_.-]"),
            ("a\0", "segment 1 has a character outside [A-Za-z0-9_.-]"),
            ("caf\u{e9}", "segment 1 has a character outside [A-Za-z0-9_.-]"),
            ("\u{1b}[31m", "segment 1 has a character outside [A-Za-z0-9_.-]"),
            (&too_long, "it has 256 bytes, 255 are allowed"),
            (&too_deep, "it has more than 16 segments"),
        ] {
            let error = refused.parse::<SecretPath>().unwrap_err();
            assert_eq!((error.code(), error.details()), (Code::PathInvalid, Some(detail)), "case: {refused:?}");
        }
    }

    #[test]
    fn a_path_knows_its_parts() {
        let path: SecretPath = "a/b/c".parse().unwrap();
        assert_eq!((path.parent().as_str(), path.name()), ("a/b", "c"));
        assert_eq!(path.segments().rev().collect::<Vec<_>>(), ["c", "b", "a"]);

        let top: SecretPath = "c".parse().unwrap();
        assert_eq!((top.parent().as_str(), top.name()), ("", "c"));
    }

    #[test]
    fn a_path_is_stripped_by_whole_segments() {
        let path: SecretPath = "prod/api/key".parse().unwrap();
        for (folder, rest) in [
            ("", Some("prod/api/key")),
            ("prod", Some("api/key")),
            ("prod/api", Some("key")),
            ("prod/ap", None),
            ("prod/api/key", None),
            ("prod/api/key/more", None),
            ("Prod", None),
        ] {
            let folder: Folder = folder.parse().unwrap();
            assert_eq!(path.strip(&folder), rest, "case: {folder}");
            assert_eq!(path.is_directly_in(&folder), path.parent() == folder, "case: {folder}");
        }
    }
}
