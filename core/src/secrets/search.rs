//! Searching: the secrets in a folder and below it, by what they say about themselves, in the order of their paths.
//!
//! Labels, types and owners are found by keyed hashes, so that a search by them does not open every secret of a tenant. A
//! hash only finds a candidate, whose sealed attributes are compared. A search without any of them, and one with more
//! candidates than are sorted in memory, walks the folders, which are in the order of paths already.

use std::vec;

use super::{
    After, Meta, SecretType, Secrets, Settings, Version, describe::due, list::rows_in, meta::MetaChange, mismatch,
    open_path, relative,
};
use crate::{
    Code, Error, Folder, Labels, Owner, Result, SecretPath,
    audit::Receipt,
    clock::Timestamp,
    keys::{IndexHash, PseudonymKind, TenantKeys},
    limits,
    room::Step,
    store::SecretRow,
};

/// Which secrets to search for. Each condition narrows it further; without any, all are found.
#[derive(Clone, Debug)]
pub struct Search {
    folder: Folder,
    labels: Labels,
    secret_type: Option<SecretType>,
    owner: Option<Owner>,
    due_before: Option<Timestamp>,
    archived: bool,
    /// How many candidates are sorted in memory.
    candidates_max: usize,
    /// How much a page opens.
    opened_max: usize,
}

impl Search {
    /// All that are in this folder, directly or deeper.
    pub fn below(folder: Folder) -> Self {
        Self {
            folder,
            labels: Labels::new(),
            secret_type: None,
            owner: None,
            due_before: None,
            archived: false,
            candidates_max: limits::SEARCH_CANDIDATES_MAX,
            opened_max: limits::SEARCH_OPENED_MAX,
        }
    }

    /// Only those that have all of these labels, with these values.
    #[must_use]
    pub fn labels(mut self, labels: Labels) -> Self {
        self.labels = labels;
        self
    }

    /// Only those of this type.
    #[must_use]
    pub fn secret_type(mut self, secret_type: SecretType) -> Self {
        self.secret_type = Some(secret_type);
        self
    }

    /// Only those of this owner; of an empty one, those that nobody answers for.
    #[must_use]
    pub fn owner(mut self, owner: Owner) -> Self {
        self.owner = Some(owner);
        self
    }

    /// Only those that are due for rotation before this time, and so those too that were due long ago.
    #[must_use]
    pub fn due_before(mut self, time: Timestamp) -> Self {
        self.due_before = Some(time);
        self
    }

    /// Those that are archived too. Default: they are left out.
    #[must_use]
    pub fn archived(mut self, archived: bool) -> Self {
        self.archived = archived;
        self
    }

    /// With other limits than [`limits::SEARCH_CANDIDATES_MAX`] and [`limits::SEARCH_OPENED_MAX`], for tests.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn bounded(mut self, candidates_max: usize, opened_max: usize) -> Self {
        (self.candidates_max, self.opened_max) = (candidates_max, opened_max);
        self
    }

    /// The hashes that each secret is found by which it is for, if there are any.
    fn hashes(&self, keys: &TenantKeys) -> Result<Vec<IndexHash>> {
        let said = MetaChange {
            labels: Some(self.labels.clone()),
            secret_type: self.secret_type,
            owner: self.owner.clone(),
            ..MetaChange::default()
        };
        said.of(Meta::default()).index_hashes(keys)
    }

    /// What the hashes say of a secret that they find.
    fn is_found_by_hashes(&self, meta: &Meta) -> bool {
        let secret_type = self.secret_type.unwrap_or_default();
        (secret_type == SecretType::default() || secret_type == meta.secret_type)
            && self.owner.as_ref().is_none_or(|owner| owner.is_empty() || *owner == meta.owner)
            && self.labels.iter().all(|(name, value)| meta.labels.value(name.as_str()) == Some(value))
    }

    /// Whether all conditions hold but that on time.
    fn takes(&self, meta: &Meta) -> bool {
        self.is_found_by_hashes(meta)
            && self.secret_type.is_none_or(|secret_type| secret_type == meta.secret_type)
            && self.owner.as_ref().is_none_or(|owner| *owner == meta.owner)
    }
}

/// Everything that can be seen.
impl Default for Search {
    fn default() -> Self {
        Self::below(Folder::root())
    }
}

/// One secret that a search found.
#[derive(Clone, Debug)]
pub struct FoundSecret {
    /// Where it is.
    pub path: SecretPath,
    /// Its description, labels, type, owner and rotation interval.
    pub meta: Meta,
    /// The version that is current.
    pub current: Version,
    /// When that was put.
    pub current_since: Timestamp,
    /// Of a certificate, when that ends.
    pub not_after: Option<Timestamp>,
    /// When that is due for rotation, if it ever is.
    pub rotate_by: Option<Timestamp>,
}

/// A page of what a search found.
#[derive(Clone, Debug)]
pub struct SearchPage {
    /// Sorted by path.
    pub secrets: Vec<FoundSecret>,
    /// Where the next page begins; `None` if this was the last. A page may end before it is full, when it has opened as
    /// much as one page does, and the last one may be empty.
    pub next: Option<After>,
    /// Proof that the access was recorded.
    pub receipt: Receipt,
}

impl Secrets {
    /// Finds secrets in a folder and below it by what they say about themselves, in the order of their paths, `limit` at
    /// most (1 to 1,000). No value is opened. A folder that does not exist has nothing in it.
    ///
    /// # Errors
    /// `LimitInvalid`; `Integrity` if a secret is not where it belongs, or was found by what it does not say.
    pub async fn search(&self, search: &Search, after: After, limit: usize) -> Result<SearchPage> {
        let (search, below) = (search.clone(), self.folder.clone());
        let folder = self.full_folder(&search.folder);
        let ((secrets, next), receipt) = self
            .room
            .operate("secret.search", &self.target(), &self.context, move |step| {
                let folder = folder.as_ref().map_err(Error::again)?;
                step.name(PseudonymKind::Folder, folder.as_str().as_bytes())?;
                if !(limits::PAGE_ENTRIES_MIN..=limits::PAGE_ENTRIES_MAX).contains(&limit) {
                    return Err(Code::LimitInvalid.into());
                }
                let last = after.as_text().map(|last| joined(&below, last));
                let mut source = Source::open(step, &search, folder, last.as_deref())?;
                let (mut found, mut last) = (Vec::new(), None);
                let next = loop {
                    let exhausted = source.opened >= search.opened_max && last.is_some();
                    if found.len() == limit || exhausted {
                        break if source.is_empty() { None } else { last };
                    }
                    // What is below a folder may take the last that this page opens.
                    match source.next(step, search.opened_max, last.is_some())? {
                        Next::Secret(path, row) => {
                            let path = relative(path, &below)?;
                            last = Some(After::text(path.as_str()));
                            found.extend(source.judge(step, &search, path, &row)?);
                        }
                        Next::TooMuch => break last,
                        Next::End => break None,
                    }
                };
                step.line.count = Some(found.len() as u64);
                Ok((found, next))
            })
            .await?;
        Ok(SearchPage { secrets, next, receipt })
    }
}

/// A path as the log and the rows have it, of whatever text a cursor holds: it is only compared.
fn joined(below: &Folder, relative: &str) -> String {
    if below.is_root() { relative.to_owned() } else { format!("{}/{relative}", below.as_str()) }
}

/// What is in a folder.
enum Node {
    Folder(Folder),
    Secret(SecretPath, Box<SecretRow>),
}

impl Node {
    /// What it is sorted by among what is in the same folder, so that all paths are in the order of their bytes.
    fn key(&self) -> String {
        match self {
            Self::Folder(folder) => format!("{}/", folder.as_str()),
            Self::Secret(path, _) => path.as_str().to_owned(),
        }
    }
}

/// What comes next.
enum Next {
    Secret(SecretPath, Box<SecretRow>),
    /// Another folder would be more than a page opens.
    TooMuch,
    End,
}

/// Secrets in the order of their paths, from a place on.
struct Source {
    /// What is left of each folder that is open, the innermost last.
    open: Vec<vec::IntoIter<Node>>,
    /// They were found by their hashes, and have to be what those say.
    by_hashes: bool,
    /// The path that comes before the first.
    after: Option<String>,
    /// How many names and attributes were opened.
    opened: usize,
}

impl Source {
    fn open(step: &mut Step<'_>, search: &Search, folder: &Folder, after: Option<&str>) -> Result<Self> {
        let mut source = Self { open: Vec::new(), by_hashes: false, after: after.map(str::to_owned), opened: 0 };
        let hashes = search.hashes(step.keys)?;
        if !hashes.is_empty() {
            let most = search.candidates_max.saturating_add(1);
            let rows = step.snapshot.secrets_labelled(step.tenant.number, &hashes, most)?;
            if rows.len() < most {
                let mut all = Vec::with_capacity(rows.len());
                step.keys.opening(|keys| {
                    for row in rows {
                        let path = open_path(keys, &row)?;
                        if folder.contains(&path) {
                            all.push(Node::Secret(path, Box::new(row)));
                        }
                    }
                    Ok(())
                })?;
                source.by_hashes = true;
                source.add(all);
                return Ok(source);
            }
        }
        source.enter(step, folder)?;
        Ok(source)
    }

    /// Opens a folder.
    fn enter(&mut self, step: &mut Step<'_>, folder: &Folder) -> Result<()> {
        let (folders, secrets) = rows_in(step, folder)?;
        let mut all: Vec<_> = folders.into_iter().map(Node::Folder).collect();
        all.extend(secrets.into_iter().map(|(path, row)| Node::Secret(path, Box::new(row))));
        self.add(all);
        Ok(())
    }

    fn add(&mut self, mut nodes: Vec<Node>) {
        self.opened += nodes.len();
        if let Some(after) = &self.after {
            nodes.retain(|node| {
                let key = node.key();
                key > *after || matches!(node, Node::Folder(_)) && after.starts_with(&key)
            });
        }
        nodes.sort_by_cached_key(Node::key);
        self.open.push(nodes.into_iter());
    }

    fn is_empty(&self) -> bool {
        self.open.iter().all(|nodes| nodes.as_slice().is_empty())
    }

    /// The next secret. If nothing was given yet, whatever that takes: each page goes on.
    fn next(&mut self, step: &mut Step<'_>, opened_max: usize, gave_some: bool) -> Result<Next> {
        while let Some(innermost) = self.open.last_mut() {
            match innermost.next() {
                None => drop(self.open.pop()),
                Some(Node::Secret(path, row)) => return Ok(Next::Secret(path, row)),
                Some(Node::Folder(_)) if gave_some && self.opened >= opened_max => return Ok(Next::TooMuch),
                Some(Node::Folder(folder)) => self.enter(step, &folder)?,
            }
        }
        Ok(Next::End)
    }

    /// A secret, if it is one that is searched for.
    fn judge(
        &mut self,
        step: &mut Step<'_>,
        search: &Search,
        path: SecretPath,
        row: &SecretRow,
    ) -> Result<Option<FoundSecret>> {
        self.opened += 1;
        let meta = Meta::open(step.keys, row)?;
        if self.by_hashes && !search.is_found_by_hashes(&meta) {
            return Err(mismatch());
        }
        if !search.takes(&meta) || Settings::of(row)?.archived && !search.archived {
            return Ok(None);
        }
        let due = due(step, row, &meta)?;
        if search.due_before.is_some_and(|before| due.rotate_by.is_none_or(|by| by >= before)) {
            return Ok(None);
        }
        let not_after = meta.not_after(row.current);
        let (current, current_since) = (Version(row.current), due.since);
        Ok(Some(FoundSecret { path, meta, current, current_since, not_after, rotate_by: due.rotate_by }))
    }
}
