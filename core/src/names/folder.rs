//! What secrets are in: `prod/database`, or the root.

use super::{SecretPath, name_type, segment};
use crate::Result;

name_type! {
    /// The full path of a folder in its tenant; the root folder is the empty text.
    ///
    /// When parsing, an empty text and `/` are the root, and one trailing slash is allowed and dropped. All
    /// else is as in a [`SecretPath`], errors too. A folder exists as long as something is in it.
    Folder, parsed by parse
}

fn parse(text: &str) -> Result<&str> {
    let text = text.strip_suffix('/').unwrap_or(text);
    if !text.is_empty() {
        segment::check_path(text)?;
    }
    Ok(text)
}

impl Folder {
    /// The folder that everything is in.
    pub fn root() -> Self {
        Self::default()
    }

    /// A folder from text that is known to obey the rules, because it is a part of one that does.
    pub(super) fn of_checked(text: &str) -> Self {
        debug_assert!(parse(text).is_ok());
        Self(text.into())
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The folder that this one is in; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        Some(Self::of_checked(self.0.rsplit_once('/').map_or("", |(parent, _)| parent)))
    }

    /// The last segment; `None` for the root.
    pub fn name(&self) -> Option<&str> {
        self.0.rsplit('/').next().filter(|name| !name.is_empty())
    }

    /// This folder, then the one it is in, and so on; never the root.
    ///
    /// For the secret `a/b/c`, `path.parent().ancestors()` gives the folders to be made or touched with
    /// it: `a/b`, then `a`. Each one's own [`parent`](Self::parent) is there for every item.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(self.clone()), Self::parent).filter(|folder| !folder.is_root())
    }

    /// The secret at `relative` in this folder: one segment, or several joined by `/`.
    ///
    /// [`Code::PathInvalid`](crate::Code::PathInvalid) if `relative` or the whole is not a valid path.
    pub fn join(&self, relative: &str) -> Result<SecretPath> {
        self.joined(relative).parse()
    }

    /// The folder at `relative` in this one, as [`join`](Self::join).
    pub fn child(&self, relative: &str) -> Result<Self> {
        // Not `parse`, which takes an empty text for the root and drops a slash: here both are mistakes.
        let joined = self.joined(relative);
        segment::check_path(&joined)?;
        Ok(Self(joined.into()))
    }

    fn joined(&self, relative: &str) -> String {
        if self.is_root() { relative.to_owned() } else { format!("{}/{relative}", self.0) }
    }

    /// Whether the secret is in this folder, directly or deeper.
    pub fn contains(&self, path: &SecretPath) -> bool {
        path.strip(self).is_some()
    }

    /// Whether the other folder is this one, or in it, directly or deeper.
    pub fn contains_folder(&self, other: &Self) -> bool {
        self.is_root() || other.0.strip_prefix(&*self.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl Default for Folder {
    fn default() -> Self {
        Self::of_checked("")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Code;

    fn folder(text: &str) -> Folder {
        text.parse().unwrap()
    }

    #[test]
    fn a_folder_is_parsed_to_one_form() {
        let (longest, too_long) = ("a".repeat(255), "a".repeat(256));
        for (text, form) in
            [("", ""), ("/", ""), ("a", "a"), ("a/", "a"), ("a/b", "a/b"), ("a/b/", "a/b"), (&longest, &longest)]
        {
            assert_eq!(folder(text).as_str(), form, "case: {text:?}");
        }
        for refused in ["//", "a//", "/a", "/a/", "a//b", ".", "./", "..", "a/../b", "a b", "a\t", &too_long] {
            assert_eq!(refused.parse::<Folder>().unwrap_err().code(), Code::PathInvalid, "case: {refused:?}");
        }
    }

    #[test]
    fn ancestors_end_before_the_root() {
        let path: SecretPath = "a/b/c/d".parse().unwrap();
        let found: Vec<_> =
            path.parent().ancestors().map(|f| (f.to_string(), f.parent().unwrap().to_string())).collect();
        let want = [("a/b/c", "a/b"), ("a/b", "a"), ("a", "")].map(|(f, p)| (f.to_owned(), p.to_owned()));
        assert_eq!(found, want);
        assert_eq!(Folder::root().ancestors().count(), 0);
        assert_eq!((Folder::root().parent(), Folder::root().name()), (None, None));
        assert_eq!(folder("a/b").name(), Some("b"));
    }

    #[test]
    fn join_and_child_obey_the_rules_of_paths() {
        assert_eq!(Folder::root().join("k").unwrap().as_str(), "k");
        assert_eq!(folder("a").join("k").unwrap().as_str(), "a/k");
        assert_eq!(folder("a").join("b/k").unwrap().as_str(), "a/b/k");
        assert_eq!(folder("a").child("b").unwrap().as_str(), "a/b");
        assert_eq!(Folder::root().child("b").unwrap().as_str(), "b");
        for refused in ["", "/", "k/", "/k", ".", "..", "../b", "a/../b", "k\n"] {
            for at in ["", "a"] {
                assert_eq!(folder(at).join(refused).unwrap_err().code(), Code::PathInvalid, "join {at:?} {refused:?}");
                assert_eq!(
                    folder(at).child(refused).unwrap_err().code(),
                    Code::PathInvalid,
                    "child {at:?} {refused:?}"
                );
            }
        }
        let long = folder(&"a".repeat(253));
        assert!(long.join("b").is_ok());
        assert!(long.join("bc").is_err());
        let deep = folder(&["a"; 15].join("/"));
        assert!(deep.join("b").is_ok());
        assert!(deep.join("b/c").is_err());
    }

    #[test]
    fn containing_goes_by_whole_segments() {
        let path: SecretPath = "prod/api/key".parse().unwrap();
        for (text, contains) in
            [("", true), ("prod", true), ("prod/api", true), ("pro", false), ("prod/api/key", false)]
        {
            assert_eq!(folder(text).contains(&path), contains, "case: {text}");
        }
        let inner = folder("prod/api");
        for (text, contains) in
            [("", true), ("prod", true), ("prod/api", true), ("prod/ap", false), ("prod/api/x", false)]
        {
            assert_eq!(folder(text).contains_folder(&inner), contains, "case: {text}");
        }
        assert!(!folder("prod").contains_folder(&Folder::root()));
    }
}
