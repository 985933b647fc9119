//! Listing a folder: names only, in order, a page at a time.

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
    /// What it is sorted by: folders end in a slash.
    fn key(&self) -> String {
        match self {
            Self::Folder(folder) => format!("{}/", folder.as_str()),
            Self::Secret(path) => path.as_str().to_owned(),
        }
    }
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
    /// Lists what is directly in a folder, sorted by name, `limit` entries at most (1 to 1,000).
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
                if !(limits::PAGE_ENTRIES_MIN..=limits::PAGE_ENTRIES_MAX).contains(&limit) {
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
                        all.push(Entry::Secret(super::relative(&path, &below)?));
                    }
                }
                all.sort_by_cached_key(Entry::key);
                let mut page: Vec<_> = match &after.0 {
                    Some(last) => all.into_iter().filter(|entry| entry.key() > *last).collect(),
                    None => all,
                };
                let more = page.len() > limit;
                page.truncate(limit);
                step.line.count = Some(page.len() as u64);
                let next = page.last().filter(|_| more).map(|entry| After(Some(entry.key())));
                Ok((page, next))
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
    let mut folders = Vec::new();
    for row in step.snapshot.folders_in(step.tenant.number, &hash, most)? {
        folders.push(folder_in(step.keys, &row, folder)?);
    }
    let mut secrets = Vec::new();
    for row in step.snapshot.secrets_in(step.tenant.number, &hash, most)? {
        secrets.push((path_in(step.keys, &row, folder)?, row));
    }
    if folders.len() + secrets.len() > 2 * limits::FOLDER_ENTRIES_MAX {
        return Err(Error::new(Code::Integrity).detail("a folder has more entries than it can"));
    }
    Ok((folders, secrets))
}
