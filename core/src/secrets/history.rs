//! The life of a secret as the audit log has it: created, activated, read, rotated, and so on to its end.
//!
//! Nothing is stored for this. What a line of the log means for a secret stands in one table here, and its lines are
//! found by the index that queries use. So there is a history of a secret that was deleted too: its path is enough.

use strongroom_log::{Line, Phase, parse_line};

use super::{Secrets, Version};
use crate::{
    Code, Error, Query, QueryCursor, RequestId, Result, SecretPath,
    audit::{Receipt, actor_named, find_lines, first_line},
    clock::Timestamp,
    keys::PseudonymKind,
    room::Step,
    store::{LineRow, Order},
};

/// Something that happened to a secret, or to a version of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum EventKind {
    /// A version was put.
    Created,
    /// A version became the current one, the secret or a version can be read again, or it came here from another path.
    Activated,
    /// A value was handed out.
    Accessed,
    /// Another version took the place of the current one.
    Rotated,
    /// A version is no longer the current one.
    Deprecated,
    /// Its time was over.
    Expired,
    /// The secret or a version was withdrawn, and can come back; or the secret was moved to another path.
    Revoked,
    /// The secret was archived.
    Archived,
    /// Versions, or the whole secret, are gone for ever.
    Purged,
}

impl EventKind {
    /// All of them, in the order in which one line has them.
    pub const ALL: [Self; 9] = [
        Self::Created,
        Self::Activated,
        Self::Accessed,
        Self::Rotated,
        Self::Deprecated,
        Self::Expired,
        Self::Revoked,
        Self::Archived,
        Self::Purged,
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Activated => "activated",
            Self::Accessed => "accessed",
            Self::Rotated => "rotated",
            Self::Deprecated => "deprecated",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Archived => "archived",
            Self::Purged => "purged",
        }
    }
}

impl std::fmt::Display for EventKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Which events a line of each act can be. `docs/audit.md` has the same table.
pub(super) const EVENTS: &[(&str, &[EventKind])] = {
    use EventKind::{Accessed, Activated, Archived, Created, Deprecated, Expired, Purged, Revoked, Rotated};
    &[
        ("secret.expire", &[Expired]),
        ("secret.expire-version", &[Expired]),
        ("secret.extend-version", &[Activated]),
        ("secret.enable", &[Activated]),
        ("secret.disable", &[Revoked]),
        ("secret.enable-version", &[Activated]),
        ("secret.disable-version", &[Revoked]),
        ("secret.archive", &[Archived]),
        ("secret.unarchive", &[Activated]),
        ("secret.put", &[Created, Activated, Rotated, Deprecated, Purged]),
        ("secret.patch", &[Created, Activated, Rotated, Deprecated, Purged]),
        ("secret.put-pending", &[Created, Purged]),
        ("secret.promote", &[Activated, Rotated, Deprecated]),
        ("secret.copy", &[Created, Activated]),
        ("secret.move", &[Activated]),
        ("secret.move-from", &[Revoked]),
        ("secret.update", &[Purged]),
        ("secret.get", &[Accessed]),
        ("secret.try", &[Accessed]),
        ("secret.lease", &[Accessed]),
        ("lease.secret", &[Accessed]),
        ("secret.delete-version", &[Revoked]),
        ("secret.undelete", &[Activated]),
        ("secret.destroy", &[Purged]),
        ("secret.delete", &[Purged]),
    ]
};

/// The acts after which a version is the current one at a path.
const ACTIVATING: [&str; 5] = ["secret.put", "secret.patch", "secret.promote", "secret.copy", "secret.move"];

/// The acts after which there is no secret at a path.
const ENDING: [&str; 2] = ["secret.delete", "secret.move-from"];

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// To which version; `None` if it was to the secret, or to several versions at once.
    pub version: Option<Version>,
    /// When.
    pub time: Timestamp,
    /// `service:billing`; `system` for what Strongroom did by itself; `None` if the actor was forgotten.
    pub actor: Option<String>,
    /// What was asked, such as `secret.put`.
    pub act: String,
    /// How many: reads that a lease allows, values that were offered, versions that are gone.
    pub count: Option<u64>,
    /// The request.
    pub request: RequestId,
    /// Position of the line in its log, from 0.
    pub seq: u64,
}

/// Which events of a secret to show.
#[derive(Clone, Debug, Default)]
pub struct History {
    kinds: Vec<EventKind>,
    order: Order,
    after: Option<QueryCursor>,
}

impl History {
    /// All events, the newest first.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only those of these kinds.
    #[must_use]
    pub fn kinds(mut self, kinds: &[EventKind]) -> Self {
        self.kinds = kinds.to_vec();
        self
    }

    /// The oldest first.
    #[must_use]
    pub fn oldest_first(mut self) -> Self {
        self.order = Order::OldestFirst;
        self
    }

    /// From a position on. Default: the first.
    #[must_use]
    pub fn after(mut self, cursor: QueryCursor) -> Self {
        self.after = Some(cursor);
        self
    }

    fn wants(&self, kind: EventKind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }
}

/// A page of a secret's history.
#[derive(Clone, Debug)]
pub struct HistoryPage {
    /// In the order asked for.
    pub events: Vec<Event>,
    /// Where the next page begins; `None` if this was the last. A page may end before it is full.
    pub next: Option<QueryCursor>,
    /// Proof that the look was recorded.
    pub receipt: Receipt,
}

impl Secrets {
    /// The events in the life of the secret of this path, of `limit` lines of the log at most (1 to 1,000).
    ///
    /// Also of a secret that was deleted; of a path that was never used there are none. A folder's export, and what is
    /// read under a lease of a folder, is in the log as the folder's.
    ///
    /// # Errors
    /// `LimitInvalid`; `CursorInvalid` if it is not from this log and order; `StoreDamaged` if a line cannot be read.
    pub async fn history(&self, path: &SecretPath, history: &History, limit: usize) -> Result<HistoryPage> {
        let (path, history) = (self.full(path), history.clone());
        let ((events, next), receipt) = self
            .room
            .operate("secret.history", &self.target(), &self.context, move |step| {
                let path = path.as_ref().map_err(Error::again)?;
                step.name(PseudonymKind::Secret, path.as_str().as_bytes())?;
                let acts = EVENTS.iter().filter(|(_, kinds)| kinds.iter().any(|kind| history.wants(*kind)));
                let query = Query::new().secret(path.clone()).outcome(true).acts(acts.map(|(act, _)| *act));
                let query = query.order(history.order);
                let (rows, next) = find_lines(step, &query, history.after, limit)?;
                let events = events(step, path, &history, &rows)?;
                step.line.count = Some(events.len() as u64);
                Ok((events, next))
            })
            .await?;
        Ok(HistoryPage { events, next, receipt })
    }
}

fn read(row: &LineRow) -> Result<Line<'_>> {
    parse_line(&row.line).map_err(|_| Error::new(Code::StoreDamaged).detail(format!("line {} of the log", row.log_seq)))
}

/// What these lines, in the order asked for, say of the secret.
fn events(step: &mut Step<'_>, path: &SecretPath, history: &History, rows: &[LineRow]) -> Result<Vec<Event>> {
    let mut events = Vec::new();
    for row in rows {
        let line = read(row)?;
        let mut of_line = facts(&line);
        if of_line.iter().any(|(kind, ..)| *kind == EventKind::Deprecated && history.wants(*kind)) {
            let before = current_before(step, path, row.seq)?;
            let version = line.obj.and_then(|object| object.version);
            for fact in &mut of_line {
                if fact.0 == EventKind::Deprecated {
                    fact.1 = before.filter(|before| Some(*before) != version);
                }
            }
            of_line.retain(|(kind, version, _)| *kind != EventKind::Deprecated || version.is_some());
        }
        of_line.retain(|(kind, ..)| history.wants(*kind));
        if of_line.is_empty() {
            continue;
        }
        if history.order == Order::NewestFirst {
            of_line.reverse();
        }
        let actor = actor_named(step, &line)?;
        let request: RequestId = line.rid.parse().map_err(|_| Error::from(Code::StoreDamaged))?;
        events.extend(of_line.into_iter().map(|(kind, version, count)| Event {
            kind,
            version: version.map(Version),
            time: Timestamp(line.ts),
            actor: actor.clone(),
            act: line.act.to_owned(),
            count,
            request,
            seq: row.log_seq,
        }));
    }
    Ok(events)
}

type Fact = (EventKind, Option<u64>, Option<u64>);

/// The events that a line is: kind, version and count. Which version was deprecated is not in it.
fn facts(line: &Line<'_>) -> Vec<Fact> {
    use EventKind::{Accessed, Deprecated, Purged, Rotated};
    let version = line.obj.and_then(|object| object.version);
    let kinds = EVENTS.iter().find(|(act, _)| *act == line.act).map_or(&[][..], |(_, kinds)| kinds);
    let is_first = version == Some(1) && line.act != "secret.promote";
    let handed_out = match line.act {
        // The line that comes before the value does; the other one has counts.
        "secret.lease" | "secret.try" => line.ph == Phase::Intent,
        _ => true,
    };
    let may_remove = matches!(line.act, "secret.put" | "secret.patch" | "secret.put-pending" | "secret.update");
    kinds
        .iter()
        .filter_map(|kind| match kind {
            Rotated | Deprecated if is_first => None,
            Accessed if !handed_out => None,
            // What was asked for, and was so already.
            kind if *kind != Accessed && line.row.is_none() => None,
            Accessed => Some((*kind, version, line.n.filter(|_| line.ph == Phase::Intent))),
            // By the secret's version limit.
            Purged if may_remove => line.n.map(|removed| (*kind, None, Some(removed))),
            Purged if line.act == "secret.delete" => Some((*kind, None, None)),
            kind => Some((*kind, version, None)),
        })
        .collect()
}

/// The version that was current before this line of all logs' lines.
fn current_before(step: &mut Step<'_>, path: &SecretPath, seq: u64) -> Result<Option<u64>> {
    let acts = ACTIVATING.into_iter().chain(ENDING);
    let query = Query::new().secret(path.clone()).outcome(true).acts(acts);
    let Some(row) = first_line(step, &query, Some(seq))? else { return Ok(None) };
    let line = read(&row)?;
    Ok(line.obj.and_then(|object| object.version).filter(|_| !ENDING.contains(&line.act)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The documentation has the table of this file.
    #[test]
    fn what_lines_mean_is_documented() {
        let docs = include_str!("../../../docs/audit.md");
        for (act, kinds) in EVENTS {
            let words: Vec<_> = kinds.iter().map(|kind| kind.as_str()).collect();
            let row = format!("| `{act}` | {} |", words.join(", "));
            assert!(docs.contains(&row), "{row}");
            assert!(kinds.is_sorted(), "{act}: in the order of one line");
        }
        let rows = docs.lines().filter(|row| {
            row.starts_with("| `") && EventKind::ALL.iter().any(|kind| row.ends_with(&format!("{kind} |")))
        });
        assert_eq!(rows.count(), EVENTS.len());
        for kind in EventKind::ALL {
            assert!(EVENTS.iter().any(|(_, kinds)| kinds.contains(&kind)), "{kind}: nothing is one");
        }
    }
}
