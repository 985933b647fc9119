//! What one tenant has, told in plain values: no keys, no rows, no other tenant.

use std::collections::{BTreeMap, BTreeSet};

use strongroom::{Code, StatsBy, ValueKind};

/// One tenant.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) name: String,
    /// How its log and rows call it; empty while it is absent.
    pub(crate) reference: String,
    pub(crate) number: u32,
    pub(crate) state: State,
    pub(crate) leases: bool,
    /// Has the same paths, values and actors as others of the kind.
    pub(crate) is_twin: bool,
    pub(crate) secrets: BTreeMap<String, Secret>,
    /// All lines of its log.
    pub(crate) lines: Vec<Line>,
    /// Operations that were done and refused, as the room counts them.
    pub(crate) allowed: u64,
    pub(crate) refused: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Absent,
    Active,
    Suspended,
    Closed,
}

/// A line of its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) act: &'static str,
    pub(crate) code: &'static str,
    pub(crate) actor: String,
    pub(crate) object: Object,
    pub(crate) intent: bool,
}

/// What a line is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Object {
    None,
    /// By its whole path.
    Secret(String),
    /// By its whole path, without a slash at its end.
    Folder(String),
    /// Something that has no name.
    Unnamed,
}

/// A value, or what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Known(ValueKind, String),
    /// Made where it is stored, and not read yet.
    Unseen,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Enabled,
    Deleted,
    Destroyed,
}

#[derive(Clone, Debug)]
pub(crate) struct Secret {
    /// Those that the limit left.
    pub(crate) versions: BTreeMap<u64, (Value, Life)>,
    pub(crate) latest: u64,
    pub(crate) current: u64,
    pub(crate) pending: Option<u64>,
    pub(crate) previous: Option<u64>,
    pub(crate) limit: u64,
    pub(crate) revision: u64,
    /// Its description, which is the value of its one label, too.
    pub(crate) note: Option<String>,
}

/// How to put.
#[derive(Clone, Debug, Default)]
pub(crate) struct How {
    pub(crate) expected: Option<u64>,
    pub(crate) limit: Option<u64>,
    pub(crate) note: Option<String>,
    pub(crate) pending: bool,
}

/// Which version.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Which {
    Current,
    Pending,
    Previous,
    Number(u64),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    Delete,
    Undelete,
    Destroy,
}

impl Model {
    /// A tenant that is not there.
    pub(crate) fn absent(name: String, is_twin: bool) -> Self {
        Self {
            name,
            reference: String::new(),
            number: 0,
            state: State::Absent,
            leases: true,
            is_twin,
            secrets: BTreeMap::new(),
            lines: Vec::new(),
            allowed: 0,
            refused: 0,
        }
    }

    /// Refuses what is asked of a tenant that is not in use.
    pub(crate) fn admit(&self) -> Result<(), Code> {
        match self.state {
            State::Absent => Err(Code::TenantNotFound),
            State::Active => Ok(()),
            State::Suspended => Err(Code::TenantSuspended),
            State::Closed => Err(Code::TenantClosed),
        }
    }

    pub(crate) fn secret(&self, path: &str) -> Result<&Secret, Code> {
        self.secrets.get(path).ok_or(Code::SecretNotFound)
    }

    /// A value and which version it is.
    pub(crate) fn get(&self, path: &str, which: Which) -> Result<(u64, Value), Code> {
        let secret = self.secret(path)?;
        let version = match which {
            Which::Number(version) => version,
            stage => secret.in_stage(stage)?,
        };
        Ok((version, secret.readable(version)?.clone()))
    }

    /// Puts a version; gives it, and how many the limit removed.
    pub(crate) fn put(&mut self, path: &str, value: Value, how: &How) -> Result<(u64, u64), Code> {
        let current = self.secrets.get(path).map_or(0, |secret| secret.current);
        if how.expected.is_some_and(|expected| expected != current) {
            return Err(Code::SecretConflict);
        }
        let mut secret = match self.secrets.get(path) {
            Some(secret) => secret.clone(),
            None if how.pending => return Err(Code::SecretNotFound),
            None => Secret::new(),
        };
        let version = secret.latest + 1;
        secret.latest = version;
        if how.pending {
            secret.pending = Some(version);
        } else {
            secret.previous = (version > 1).then_some(secret.current);
            secret.current = version;
        }
        secret.note = how.note.clone().or(secret.note);
        secret.versions.insert(version, (value, Life::Enabled));
        secret.revision += 1;
        let removed = secret.keep_to(how.limit)?;
        self.secrets.insert(path.to_owned(), secret);
        Ok((version, removed))
    }

    /// Changes what a secret says about itself; gives its revision, and how many versions the limit removed.
    pub(crate) fn update(&mut self, path: &str, how: &How, revision: Option<u64>) -> Result<(u64, u64), Code> {
        let mut secret = self.secret(path)?.clone();
        let is_expected = how.expected.is_none_or(|expected| expected == secret.current);
        if !is_expected || revision.is_some_and(|revision| revision != secret.revision) {
            return Err(Code::SecretConflict);
        }
        secret.note = how.note.clone().or(secret.note);
        secret.revision += 1;
        let removed = secret.keep_to(how.limit)?;
        let revision = secret.revision;
        self.secrets.insert(path.to_owned(), secret);
        Ok((revision, removed))
    }

    /// Removes a secret; gives its current version.
    pub(crate) fn delete(&mut self, path: &str, expected: Option<u64>) -> Result<u64, Code> {
        let current = self.secret(path)?.current;
        if expected.is_some_and(|expected| expected != current) {
            return Err(Code::SecretConflict);
        }
        self.secrets.remove(path);
        Ok(current)
    }

    /// Makes another version current; gives it, and the one that was.
    pub(crate) fn promote(&mut self, path: &str, from: Which, expected: Option<u64>) -> Result<(u64, u64), Code> {
        let secret = self.secret(path)?;
        let version = secret.in_stage(from)?;
        if expected.is_some_and(|expected| expected != version) {
            return Err(Code::SecretConflict);
        }
        secret.readable(version)?;
        let secret = self.secrets.get_mut(path).unwrap();
        let before = std::mem::replace(&mut secret.current, version);
        secret.previous = Some(before);
        secret.pending = secret.pending.filter(|pending| *pending != version);
        secret.revision += 1;
        Ok((version, before))
    }

    /// Changes the life of versions; gives those that changed.
    pub(crate) fn change(&mut self, path: &str, versions: &[u64], fate: Fate) -> Result<Vec<u64>, Code> {
        if versions.is_empty() {
            return Err(Code::VersionsInvalid);
        }
        let secret = self.secret(path)?;
        let mut changed = Vec::new();
        for version in versions.iter().copied().collect::<BTreeSet<_>>() {
            let life = secret.stored(version)?.1;
            let next = match (fate, life) {
                (Fate::Delete | Fate::Undelete, Life::Destroyed) => return Err(Code::VersionDestroyed),
                (Fate::Delete, Life::Enabled) => Life::Deleted,
                (Fate::Undelete, Life::Deleted) => Life::Enabled,
                (Fate::Destroy, Life::Enabled | Life::Deleted) => Life::Destroyed,
                _ => continue,
            };
            changed.push((version, next));
        }
        let secret = self.secrets.get_mut(path).unwrap();
        secret.revision += u64::from(!changed.is_empty());
        for (version, life) in &changed {
            secret.versions.get_mut(version).unwrap().1 = *life;
        }
        Ok(changed.into_iter().map(|(version, _)| version).collect())
    }

    /// The secrets in a folder and below it whose current value can be read: path, version, value.
    pub(crate) fn below(&self, folder: &str) -> Vec<(String, u64, Value)> {
        let inside = self.secrets.iter().filter_map(|(path, secret)| {
            let inner = relative(path, folder)?;
            Some((inner.to_owned(), secret.current, secret.readable(secret.current).ok()?.clone()))
        });
        inside.collect()
    }

    /// What is directly in a folder, sorted: folders with a slash at their end, all relative to `below`.
    pub(crate) fn entries(&self, folder: &str, below: &str) -> Vec<String> {
        let names = self.secrets.keys().filter_map(|path| {
            let inner = relative(path, folder)?;
            let name = inner.split_once('/').map_or(inner.to_owned(), |(first, _)| format!("{first}/"));
            let whole = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            Some(relative(&whole, below)?.to_owned())
        });
        names.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// By actor or by secret: the name, all lines, those of what was done.
    pub(crate) fn stats(&self, by: StatsBy) -> Vec<(Option<String>, u64, u64)> {
        let mut rows: BTreeMap<&str, (Option<String>, u64, u64)> = BTreeMap::new();
        for line in self.lines.iter().filter(|line| !line.intent) {
            let (id, name) = match (by, &line.object) {
                (StatsBy::Actor, _) => (&line.actor, Some(line.actor.clone())),
                (StatsBy::Secret, Object::Secret(path)) => (path, self.name_of(&line.object)),
                (StatsBy::Secret, _) => continue,
            };
            let row = rows.entry(id).or_insert((name, 0, 0));
            row.1 += 1;
            row.2 += u64::from(line.code == "ok");
        }
        let mut rows: Vec<_> = rows.into_values().collect();
        rows.sort();
        rows
    }

    /// How an object is called, if it is still there.
    pub(crate) fn name_of(&self, object: &Object) -> Option<String> {
        match object {
            Object::Secret(path) => self.secrets.contains_key(path).then(|| path.clone()),
            Object::Folder(folder) => {
                let is_there = folder.is_empty() || self.secrets.keys().any(|path| relative(path, folder).is_some());
                is_there.then(|| format!("{folder}/"))
            }
            Object::None | Object::Unnamed => None,
        }
    }
}

impl Secret {
    fn new() -> Self {
        let limit = strongroom::limits::VERSIONS_DEFAULT;
        Self {
            versions: BTreeMap::new(),
            latest: 0,
            current: 0,
            pending: None,
            previous: None,
            limit,
            revision: 0,
            note: None,
        }
    }

    pub(crate) fn oldest(&self) -> u64 {
        *self.versions.first_key_value().unwrap().0
    }

    /// Removes what is beyond the limit, which may be a new one; gives how many.
    fn keep_to(&mut self, limit: Option<u64>) -> Result<u64, Code> {
        self.limit = limit.unwrap_or(self.limit);
        let before = self.versions.len();
        while self.versions.len() as u64 > self.limit {
            self.versions.pop_first();
        }
        let oldest = self.oldest();
        if self.current < oldest {
            return Err(Code::VersionsFull);
        }
        self.pending = self.pending.filter(|pending| *pending >= oldest);
        self.previous = self.previous.filter(|previous| *previous >= oldest);
        Ok((before - self.versions.len()) as u64)
    }

    fn in_stage(&self, stage: Which) -> Result<u64, Code> {
        let version = match stage {
            Which::Current => Some(self.current),
            Which::Pending => self.pending,
            Which::Previous => self.previous,
            Which::Number(version) => Some(version),
        };
        version.ok_or(Code::StageEmpty)
    }

    fn stored(&self, version: u64) -> Result<&(Value, Life), Code> {
        match self.versions.get(&version) {
            Some(stored) => Ok(stored),
            None if (1..=self.latest).contains(&version) => Err(Code::VersionDestroyed),
            None => Err(Code::VersionNotFound),
        }
    }

    pub(crate) fn readable(&self, version: u64) -> Result<&Value, Code> {
        match self.stored(version)? {
            (value, Life::Enabled) => Ok(value),
            (_, Life::Deleted) => Err(Code::VersionUnavailable),
            (_, Life::Destroyed) => Err(Code::VersionDestroyed),
        }
    }
}

/// The path as seen from a folder that it is in.
pub(crate) fn relative<'p>(path: &'p str, folder: &str) -> Option<&'p str> {
    if folder.is_empty() { Some(path) } else { path.strip_prefix(folder)?.strip_prefix('/') }
}
