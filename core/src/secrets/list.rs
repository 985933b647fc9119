//! Listing a folder: names only, in order, a page at a time.

use std::cmp::Ordering;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{Secrets, Settings, folder_in, path_in};
use crate::{
    Code, Error, Folder, Result, SecretPath,
    audit::Receipt,
    keys::{IndexKind, PseudonymKind},
    limits,
    room::Step,
    store::SecretRow,
};

/// Where a page begins. Opaque: a value comes from [`Page::next`] or [`SearchPage::next`](crate::SearchPage::next), or is
/// the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct After(Option<String>);

impl After {
    /// The first page.
    pub fn start() -> Self {
        Self::default()
    }

    /// After what comes before all that is sorted after this.
    pub(super) fn text(last: &str) -> Self {
        Self(Some(last.to_owned()))
    }

    /// What comes before all that is meant; `None` for the start.
    pub(super) fn as_text(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// A cursor in text form, as it prints.
    ///
    /// # Errors
    /// `CursorInvalid`.
    pub fn cursor(text: &str) -> Result<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Code::CursorInvalid)?;
        match bytes.split_first() {
            Some((1, name)) => {
                let name = String::from_utf8(name.to_vec()).map_err(|_| Code::CursorInvalid)?;
                Ok(Self(Some(name)))
            }
            _ => Err(Code::CursorInvalid.into()),
        }
    }
}

impl std::fmt::Display for After {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.0.as_deref().unwrap_or_default();
        f.write_str(&URL_SAFE_NO_PAD.encode([&[1], name.as_bytes()].concat()))
    }
}

/// One entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A folder with something in it.
    Folder(Folder),
    /// A secret.
    Secret(SecretPath),
}

impl Entry {
    /// What it is sorted by, in two parts: folders end in a slash.
    fn key(&self) -> [&str; 2] {
        match self {
            Self::Folder(folder) => [folder.as_str(), "/"],
            Self::Secret(path) => [path.as_str(), ""],
        }
    }
}

/// Compares texts that are in two parts each, as if they were in one.
fn compare([a, a_end]: [&str; 2], [b, b_end]: [&str; 2]) -> Ordering {
    let both = a.len().min(b.len());
    let ends = || a.bytes().skip(both).chain(a_end.bytes()).cmp(b.bytes().skip(both).chain(b_end.bytes()));
    a.as_bytes()[..both].cmp(&b.as_bytes()[..both]).then_with(ends)
}

/// A page of a folder.
#[derive(Clone, Debug)]
pub struct Page {
    /// Sorted by name.
    pub entries: Vec<Entry>,
    /// Where the next page begins; `None` if this was the last.
    pub next: Option<After>,
    /// Proof that the access was recorded.
    pub receipt: Receipt,
}

impl Secrets {
    /// Lists what is directly in a folder, sorted by name, `limit` entries at most (1 to 10,000: as many as a folder has).
    ///
    /// Secrets that are archived are left out: see [`Secrets::list_archived`]. A folder that does not exist is empty.
    ///
    /// # Errors
    /// `LimitInvalid`; `Integrity` if an entry is not where it belongs.
    pub async fn list(&self, folder: &Folder, after: After, limit: usize) -> Result<Page> {
        self.list_where(folder, after, limit, false).await
    }

    /// As [`Secrets::list`], with the secrets that are archived too.
    ///
    /// # Errors
    /// As there.
    pub async fn list_archived(&self, folder: &Folder, after: After, limit: usize) -> Result<Page> {
        self.list_where(folder, after, limit, true).await
    }

    async fn list_where(&self, folder: &Folder, after: After, limit: usize, archived: bool) -> Result<Page> {
        let (full, below) = (self.full_folder(folder), self.folder.clone());
        let ((entries, next), receipt) = self
            .room
            .operate("secret.list", &self.target(), &self.context, move |step| {
                let full = full.as_ref().map_err(Error::again)?;
                step.name(PseudonymKind::Folder, full.as_str().as_bytes())?;
                if !(limits::PAGE_ENTRIES_MIN..=limits::LIST_ENTRIES_MAX).contains(&limit) {
                    return Err(Code::LimitInvalid.into());
                }
                let (folders, secrets) = rows_in(step, full)?;
                let mut all = Vec::with_capacity(folders.len() + secrets.len());
                for folder in folders {
                    let text = folder.as_str().get(below.as_str().len()..).unwrap_or_default();
                    all.push(Entry::Folder(text.trim_start_matches('/').parse()?));
                }
                for (path, row) in secrets {
                    if archived || !Settings::of(&row)?.archived {
                        all.push(Entry::Secret(super::relative(path, &below)?));
                    }
                }
                if let Some(last) = &after.0 {
                    all.retain(|entry| compare(entry.key(), [last, ""]).is_gt());
                }
                all.sort_unstable_by(|a, b| compare(a.key(), b.key()));
                let more = all.len() > limit;
                all.truncate(limit);
                step.line.count = Some(all.len() as u64);
                let next = all.last().filter(|_| more).map(|entry| After(Some(entry.key().concat())));
                Ok((all, next))
            })
            .await?;
        Ok(Page { entries, next, receipt })
    }
}

/// The folders and secrets directly in a folder, each checked to belong there.
pub(super) fn entries_in(step: &mut Step<'_>, folder: &Folder) -> Result<(Vec<Folder>, Vec<SecretPath>)> {
    let (folders, secrets) = rows_in(step, folder)?;
    Ok((folders, secrets.into_iter().map(|(path, _)| path).collect()))
}

/// What is directly in a folder, with the rows of its secrets.
type Rows = (Vec<Folder>, Vec<(SecretPath, SecretRow)>);

/// The same, with the rows of the secrets.
pub(super) fn rows_in(step: &mut Step<'_>, folder: &Folder) -> Result<Rows> {
    let hash = step.keys.index(IndexKind::Folder, folder.as_str().as_bytes())?;
    // One over the limit shows that a row was put there by somebody else.
    let most = limits::FOLDER_ENTRIES_MAX + 1;
    let folders = step.snapshot.folders_in(step.tenant.number, &hash, most)?;
    let secrets = step.snapshot.secrets_in(step.tenant.number, &hash, most)?;
    if folders.len() + secrets.len() > 2 * limits::FOLDER_ENTRIES_MAX {
        return Err(Error::new(Code::Integrity).detail("a folder has more entries than it can"));
    }
    step.keys.opening(|keys| {
        let folders = folders.iter().map(|row| folder_in(keys, row, folder)).collect::<Result<_>>()?;
        let secrets = secrets.into_iter().map(|row| Ok((path_in(keys, &row, folder)?, row))).collect::<Result<_>>()?;
        Ok((folders, secrets))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_in_the_order_of_their_whole_names() {
        let names = ["a", "a-", "a-b", "a/", "a.b/", "a0", "b", "a/a", "a/a/", "a/a-", "a/a0/", ""];
        let parts = |name: &'static str| name.strip_suffix('/').map_or([name, ""], |folder| [folder, "/"]);
        for a in names {
            for b in names {
                assert_eq!(compare(parts(a), parts(b)), a.cmp(b), "{a:?} {b:?}");
                assert_eq!(compare(parts(a), [b, ""]), a.cmp(b), "a cursor: {a:?} {b:?}");
            }
        }
    }
}
