//! What one tenant has, told in plain values: no keys, no rows, no other tenant.

use std::collections::{BTreeMap, BTreeSet};

use strongroom::{Code, EventKind, SecretType};

pub(crate) use crate::{
    past::{Happened, Line, Object, Told, told},
    secret::{Life, Said, Secret, Stored, Until, Value, Which, to_come},
};

/// One tenant.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) name: String,
    /// How its log and rows call it; empty while it is absent.
    pub(crate) reference: String,
    pub(crate) number: u32,
    pub(crate) state: State,
    pub(crate) leases: bool,
    /// Most secrets and most bytes.
    pub(crate) most: [Option<u64>; 2],
    /// Has the same paths, values and actors as others of the kind.
    pub(crate) is_twin: bool,
    pub(crate) secrets: BTreeMap<String, Secret>,
    /// All lines of its log.
    pub(crate) lines: Vec<Line>,
    /// Operations that were done and refused, as the room counts them.
    pub(crate) allowed: u64,
    pub(crate) refused: u64,
    /// What the clock says, in microseconds since 1970.
    pub(crate) now: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Absent,
    Active,
    Suspended,
    Closed,
}

/// How to put.
#[derive(Clone, Debug, Default)]
pub(crate) struct How {
    pub(crate) expected: Option<u64>,
    pub(crate) limit: Option<u64>,
    pub(crate) said: Said,
    /// Of the version; nothing means for ever.
    pub(crate) version_until: Option<u64>,
    pub(crate) until: Until,
    pub(crate) pending: bool,
}

/// What was put.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) version: u64,
    /// How many versions the limit removed.
    pub(crate) removed: u64,
    pub(crate) events: Vec<Happened>,
}

/// What is done to versions.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    Delete,
    Undelete,
    Destroy,
    Enable,
    Disable,
}

/// What to search for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) said: Said,
    pub(crate) archived: bool,
    /// What is ever due for rotation.
    pub(crate) is_due: bool,
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
            most: [None; 2],
            is_twin,
            secrets: BTreeMap::new(),
            lines: Vec::new(),
            allowed: 0,
            refused: 0,
            now: 0,
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

    /// Secrets, and bytes of their sealed values.
    pub(crate) fn stored(&self) -> [u64; 2] {
        let bytes = self.secrets.values().flat_map(|secret| secret.versions.values()).map(Stored::bytes);
        [self.secrets.len() as u64, bytes.sum()]
    }

    /// Does something that may make more of what it has: all of it, or nothing if that is refused or more than it may have.
    pub(crate) fn grow<T>(&mut self, act: impl FnOnce(&mut Self) -> Result<T, Code>) -> Result<T, Code> {
        self.admit()?;
        let (before, had) = (self.secrets.clone(), self.stored());
        let done = act(self).and_then(|done| {
            let more = self.stored().into_iter().zip(had).zip(self.most);
            let is_over =
                |((has, had), most): ((u64, u64), Option<u64>)| has > had && most.is_some_and(|most| has > most);
            if more.into_iter().any(is_over) { Err(Code::QuotaExceeded) } else { Ok(done) }
        });
        if done.is_err() {
            self.secrets = before;
        }
        done
    }

    pub(crate) fn secret(&self, path: &str) -> Result<&Secret, Code> {
        self.secrets.get(path).ok_or(Code::SecretNotFound)
    }

    /// A value and which version it is.
    pub(crate) fn get(&self, path: &str, which: Which) -> Result<(u64, Value), Code> {
        let secret = self.secret(path)?;
        secret.demand_readable(self.now)?;
        let version = secret.in_stage(which)?;
        Ok((version, secret.value_of(version, self.now)?.clone()))
    }

    /// Puts a version.
    pub(crate) fn put(&mut self, path: &str, value: Value, how: &How) -> Result<Done, Code> {
        let current = self.secrets.get(path).map_or(0, |secret| secret.current);
        if how.expected.is_some_and(|expected| expected != current) {
            return Err(Code::SecretConflict);
        }
        let mut secret = match self.secrets.get(path) {
            Some(secret) => secret.clone(),
            None if how.pending => return Err(Code::SecretNotFound),
            None => Secret::new(),
        };
        secret.live_until(how.until, self.now)?;
        secret.demand_alive(self.now)?;
        let version = secret.latest + 1;
        secret.latest = version;
        let mut events = vec![(EventKind::Created, Some(version), None)];
        if how.pending {
            secret.pending = Some(version);
        } else {
            secret.previous = (version > 1).then_some(secret.current);
            secret.current = version;
            events.extend(activated(version, current));
        }
        secret.say(&how.said);
        secret.versions.insert(version, Stored::new(value, to_come(how.version_until, self.now)?));
        secret.revision += 1;
        let removed = secret.keep_to(how.limit)?;
        events.extend((removed > 0).then_some((EventKind::Purged, None, Some(removed))));
        self.secrets.insert(path.to_owned(), secret);
        Ok(Done { version, removed, events })
    }

    /// Changes what a secret says about itself; gives its revision, and how many versions the limit removed.
    pub(crate) fn update(&mut self, path: &str, how: &How, revision: Option<u64>) -> Result<(u64, u64), Code> {
        let mut secret = self.secret(path)?.clone();
        let is_expected = how.expected.is_none_or(|expected| expected == secret.current);
        if !is_expected || revision.is_some_and(|revision| revision != secret.revision) {
            return Err(Code::SecretConflict);
        }
        secret.live_until(how.until, self.now)?;
        secret.say(&how.said);
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
        secret.demand_alive(self.now)?;
        let version = secret.in_stage(from)?;
        if expected.is_some_and(|expected| expected != version) {
            return Err(Code::SecretConflict);
        }
        secret.value_of(version, self.now)?;
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
            let next = match (fate, secret.stored(version)?.life) {
                (Fate::Destroy, Life::Destroyed) => continue,
                (Fate::Destroy, _) => Life::Destroyed,
                (_, Life::Destroyed) => return Err(Code::VersionDestroyed),
                (Fate::Enable | Fate::Disable, Life::Deleted) => return Err(Code::VersionUnavailable),
                (Fate::Enable, Life::Expired) => return Err(Code::VersionExpired),
                (Fate::Delete, Life::Enabled | Life::Disabled | Life::Expired) => Life::Deleted,
                (Fate::Disable, Life::Enabled | Life::Expired) => Life::Disabled,
                (Fate::Undelete, Life::Deleted) | (Fate::Enable, Life::Disabled) => Life::Enabled,
                _ => continue,
            };
            changed.push((version, next));
        }
        let secret = self.secrets.get_mut(path).unwrap();
        secret.revision += u64::from(!changed.is_empty());
        for (version, life) in &changed {
            secret.versions.get_mut(version).unwrap().life = *life;
        }
        Ok(changed.into_iter().map(|(version, _)| version).collect())
    }

    /// Gives a version another time; gives that.
    pub(crate) fn extend(&mut self, path: &str, version: u64, until: Option<u64>) -> Result<Option<u64>, Code> {
        let until = to_come(until, self.now)?;
        match self.secret(path)?.stored(version)?.life {
            Life::Deleted => return Err(Code::VersionUnavailable),
            Life::Destroyed => return Err(Code::VersionDestroyed),
            Life::Enabled | Life::Disabled | Life::Expired => {}
        }
        let secret = self.secrets.get_mut(path).unwrap();
        secret.revision += 1;
        let stored = secret.versions.get_mut(&version).unwrap();
        stored.expires_at = until;
        if stored.life == Life::Expired {
            stored.life = Life::Enabled;
        }
        Ok(until)
    }

    /// Changes a secret as a whole; gives whether that changed anything.
    pub(crate) fn stand(
        &mut self,
        path: &str,
        to: impl FnOnce(&mut Secret) -> &mut bool,
        so: bool,
    ) -> Result<bool, Code> {
        self.secret(path)?;
        let secret = self.secrets.get_mut(path).unwrap();
        let was = std::mem::replace(to(secret), so);
        secret.revision += u64::from(was != so);
        Ok(was != so)
    }

    /// Copies a version; gives it. A refusal says whether it is for the path that the copy goes to.
    pub(crate) fn copy(&mut self, path: &str, to: &str, which: Which) -> Result<u64, (Code, bool)> {
        let source = |code| (code, false);
        let secret = self.secret(path).map_err(source)?;
        secret.demand_readable(self.now).map_err(source)?;
        let version = secret.in_stage(which).map_err(source)?;
        secret.value_of(version, self.now).map_err(source)?;
        if self.secrets.contains_key(to) {
            return Err((Code::SecretExists, true));
        }
        self.secrets.insert(to.to_owned(), secret.copy(version));
        Ok(version)
    }

    /// Moves a secret; gives its current version. A refusal says whether it is for the path that it goes to.
    pub(crate) fn rename(&mut self, path: &str, to: &str, expected: Option<u64>) -> Result<u64, (Code, bool)> {
        let current = self.secret(path).map_err(|code| (code, false))?.current;
        if expected.is_some_and(|expected| expected != current) {
            return Err((Code::SecretConflict, false));
        }
        if self.secrets.contains_key(to) {
            return Err((Code::SecretExists, true));
        }
        let mut secret = self.secrets.remove(path).unwrap();
        secret.revision += 1;
        self.secrets.insert(to.to_owned(), secret);
        Ok(current)
    }

    /// Adds the lines that say what has expired. Versions come first, each kind in the order of time. Whether some have
    /// the same time, and so may come in any order.
    pub(crate) fn expire(&mut self) -> bool {
        let now = self.now;
        if self.state != State::Active {
            return false;
        }
        let mut due = BTreeSet::new();
        for (path, secret) in &self.secrets {
            let versions = secret.versions.values().filter(|stored| stored.is_due(now));
            due.extend(versions.map(|stored| (false, stored.expires_at, path.clone())));
            due.extend(secret.is_due(now).then(|| (true, secret.expires_at, path.clone())));
        }
        let times: BTreeSet<_> = due.iter().map(|(is_secret, at, _)| (*is_secret, *at)).collect();
        let is_any_order = times.len() < due.len();
        for (.., path) in due {
            let secret = self.secrets.get_mut(&path).unwrap();
            let mut lines = Vec::new();
            for (number, stored) in secret.versions.iter_mut().filter(|(_, stored)| stored.is_due(now)) {
                stored.life = Life::Expired;
                let event = (EventKind::Expired, Some(*number), None);
                lines.push(told("secret.expire-version", Object::Secret(path.clone())).with([event]));
            }
            secret.revision += u64::from(!lines.is_empty());
            if secret.is_due(now) {
                secret.has_expired = true;
                secret.revision += 1;
                let event = (EventKind::Expired, None, None);
                lines.push(told("secret.expire", Object::Secret(path.clone())).with([event]));
            }
            self.lines.extend(lines.into_iter().map(|line| line.by("system", "ok")));
        }
        is_any_order
    }

    /// The secrets in a folder and below it whose current value can be read: path, version, value.
    pub(crate) fn below(&self, folder: &str) -> Vec<(String, u64, Value)> {
        let inside = self.secrets.iter().filter_map(|(path, secret)| {
            let inner = relative(path, folder)?;
            Some((inner.to_owned(), secret.current, secret.readable(secret.current, self.now).ok()?.clone()))
        });
        inside.collect()
    }

    /// What is directly in a folder, sorted: folders with a slash at their end, all relative to `below`.
    pub(crate) fn entries(&self, folder: &str, below: &str, archived: bool) -> Vec<String> {
        let names = self.secrets.iter().filter_map(|(path, secret)| {
            let inner = relative(path, folder)?;
            let name = match inner.split_once('/') {
                Some((first, _)) => format!("{first}/"),
                None if secret.is_archived && !archived => return None,
                None => inner.to_owned(),
            };
            let whole = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            Some(relative(&whole, below)?.to_owned())
        });
        names.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The secrets in a folder and below it that are as wanted, relative to `below`, with their current versions.
    pub(crate) fn search(&self, folder: &str, below: &str, wanted: &Wanted) -> Vec<(String, u64)> {
        let Said { note, kind, owner } = &wanted.said;
        let fits = |secret: &Secret| {
            (wanted.archived || !secret.is_archived)
                && note.as_ref().is_none_or(|note| secret.note.as_ref() == Some(note))
                && kind.is_none_or(|kind| secret.kind == kind)
                && owner.as_ref().is_none_or(|owner| secret.owner == *owner)
                && (!wanted.is_due || secret.kind != SecretType::Generic)
        };
        let inside = self.secrets.iter().filter(|(path, secret)| relative(path, folder).is_some() && fits(secret));
        inside.map(|(path, secret)| (relative(path, below).unwrap().to_owned(), secret.current)).collect()
    }
}

/// What it means that a version becomes current after this one; 0: there was none.
pub(crate) fn activated(version: u64, before: u64) -> Vec<Happened> {
    let mut events = vec![(EventKind::Activated, Some(version), None)];
    if before > 0 {
        events.push((EventKind::Rotated, Some(version), None));
        events.extend((before != version).then_some((EventKind::Deprecated, Some(before), None)));
    }
    events
}

/// The path as seen from a folder that it is in.
pub(crate) fn relative<'p>(path: &'p str, folder: &str) -> Option<&'p str> {
    if folder.is_empty() { Some(path) } else { path.strip_prefix(folder)?.strip_prefix('/') }
}
