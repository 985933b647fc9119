//! What one tenant's log says: its lines, and what follows from them for a secret.

use std::collections::BTreeMap;

use strongroom::{EventKind, StatsBy};

use crate::model::{Model, relative};

/// A line of its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) act: &'static str,
    pub(crate) code: &'static str,
    pub(crate) actor: String,
    pub(crate) object: Object,
    pub(crate) intent: bool,
    /// What it means for its secret.
    pub(crate) events: Vec<Happened>,
    /// Reads under a lease that it is the end of.
    pub(crate) leased: u64,
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

/// An event: what, which version, and how many.
pub(crate) type Happened = (EventKind, Option<u64>, Option<u64>);

/// What a line says besides who and whether.
pub(crate) struct Told {
    pub(crate) act: &'static str,
    pub(crate) object: Object,
    pub(crate) intent: bool,
    pub(crate) events: Vec<Happened>,
    pub(crate) leased: u64,
}

/// A line of this act on this object.
pub(crate) fn told(act: &'static str, object: Object) -> Told {
    Told { act, object, intent: false, events: Vec::new(), leased: 0 }
}

impl Told {
    /// It is about to be done.
    pub(crate) fn begun(self) -> Self {
        Self { intent: true, ..self }
    }

    pub(crate) fn with(self, events: impl Into<Vec<Happened>>) -> Self {
        Self { events: events.into(), ..self }
    }

    pub(crate) fn by(self, actor: &str, code: &'static str) -> Line {
        let Self { act, object, intent, events, leased } = self;
        Line { act, code, actor: actor.to_owned(), object, intent, events, leased }
    }
}

/// How a secret was used.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) reads: u64,
    pub(crate) leased_reads: u64,
    pub(crate) folder_leases: u64,
    pub(crate) refused: u64,
    pub(crate) changes: u64,
    pub(crate) last_reader: Option<String>,
}

/// An event as it is shown: what, which version, how many, who, act, position.
pub(crate) type Shown = (EventKind, Option<u64>, Option<u64>, Option<String>, String, u64);

impl Model {
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

    fn lines_about(&self, path: &str) -> impl DoubleEndedIterator<Item = (u64, &Line)> {
        let lines = self.lines.iter().enumerate().map(|(seq, line)| (seq as u64, line));
        lines.filter(move |(_, line)| matches!(&line.object, Object::Secret(other) if other == path))
    }

    /// The events of the secrets that had this path, the oldest first; without any kind, of all kinds.
    pub(crate) fn history(&self, path: &str, kinds: &[EventKind]) -> Vec<Shown> {
        let mut all = Vec::new();
        for (seq, line) in self.lines_about(path).filter(|(_, line)| line.code == "ok") {
            let events = line.events.iter().filter(|event| kinds.is_empty() || kinds.contains(&event.0));
            all.extend(events.map(|(kind, version, count)| {
                (*kind, *version, *count, Some(line.actor.clone()), line.act.to_owned(), seq)
            }));
        }
        all
    }

    pub(crate) fn usage(&self, path: &str) -> Used {
        let mut used = Used::default();
        for (_, line) in self.lines_about(path) {
            let hands_out = ["secret.get", "secret.try", "secret.lease", "lease.secret"].contains(&line.act);
            let looks = [
                "secret.versions",
                "secret.describe",
                "secret.history",
                "secret.usage",
                // It is in the lines of its puts.
                "secret.generate",
            ];
            match line.code {
                "ok" if hands_out => used.last_reader = Some(line.actor.clone()),
                "ok" => used.changes += u64::from(!looks.contains(&line.act)),
                "SR-SECRET-TRY-REJECTED" | "SR-SECRET-TRY-STOPPED" => {}
                _ => used.refused += u64::from(hands_out),
            }
            let is_read = line.act == "secret.get" || line.act == "secret.try" && line.intent;
            used.reads += u64::from(line.code == "ok" && is_read);
            used.folder_leases += u64::from(line.act == "lease.secret");
            used.leased_reads += line.leased;
        }
        used
    }
}
