//! Statistics: how often each actor acted, or each secret was asked for, and when last.
//!
//! Counted from the lines themselves, the newest first, up to a limit: what an index says is no count.

use std::collections::HashMap;

use strongroom_log::{Phase, hex_array};

use super::{
    Audit, Query, Receipt,
    query::{Search, check_limit, is_system},
    view::{actor_name, names},
};
use crate::{Result, clock::Timestamp, limits, room::Step, store::Order};

/// What lines are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatsBy {
    /// Who acted.
    Actor,
    /// Which secret it was about; lines about anything else are not counted.
    Secret,
}

/// One actor, or one secret.
#[derive(Clone, Debug)]
pub struct StatsRow {
    /// `service:billing`, or the path; `None` if the actor was forgotten or the secret deleted.
    pub name: Option<String>,
    /// What lines have in its place: a handle, or a pseudonym.
    pub id: [u8; 16],
    /// Lines.
    pub total: u64,
    /// Lines about what was done.
    pub allowed: u64,
    /// Lines about what was refused.
    pub refused: u64,
    /// When the last of them was committed.
    pub last: Timestamp,
}

/// The statistics of one log.
#[derive(Clone, Debug)]
pub struct Stats {
    /// Those with the most lines, the greatest first.
    pub rows: Vec<StatsRow>,
    /// How many actors or secrets there are, shown or not.
    pub groups: u64,
    /// Lines that were counted.
    pub lines: u64,
    /// The time of the oldest of them.
    pub since: Option<Timestamp>,
    /// Whether all that match were counted; if not, only those from `since` on are sure to be.
    pub complete: bool,
    /// Proof that this was recorded.
    pub receipt: Receipt,
}

impl Audit {
    /// Counts the lines that match by actor or by secret, and gives the `top` ones (1 to 1,000).
    ///
    /// Looked at are the newest lines, at most [`limits::STATS_LINES_MAX`] of at most [`limits::STATS_GROUPS_MAX`]
    /// actors or secrets; go on with [`Query::until`].
    ///
    /// # Errors
    /// `LimitInvalid`; `QueryInvalid`; `StoreDamaged` if a line cannot be read.
    pub async fn stats(&self, query: &Query, by: StatsBy, top: usize) -> Result<Stats> {
        let query = query.clone().order(Order::NewestFirst);
        let (counted, receipt) = self
            .room
            .operate("audit.stats", &self.target, &self.context, move |step| {
                check_limit(top)?;
                let mut counted = count(step, &query, by)?;
                step.line.count = Some(counted.lines);
                let rows = named(step, &counted.groups, by)?;
                let groups = rows.len() as u64;
                let rows = rows.into_iter().take(top).collect::<Vec<_>>();
                counted.groups.clear();
                Ok((rows, groups, counted))
            })
            .await?;
        let (rows, groups, counted) = counted;
        Ok(Stats { rows, groups, lines: counted.lines, since: counted.since, complete: counted.complete, receipt })
    }
}

/// What was counted so far, and how much may be.
struct Counted {
    groups: HashMap<[u8; 16], StatsRow>,
    lines: u64,
    since: Option<Timestamp>,
    complete: bool,
    looked_at: u64,
    lines_max: u64,
    groups_max: usize,
}

impl Counted {
    fn new(lines_max: u64, groups_max: usize) -> Self {
        let (groups, since) = (HashMap::new(), None);
        Self { groups, lines: 0, since, complete: true, looked_at: 0, lines_max, groups_max }
    }

    /// Whether one more line may be looked at.
    fn looks_at_another(&mut self) -> bool {
        self.complete = self.looked_at < self.lines_max;
        self.looked_at += u64::from(self.complete);
        self.complete
    }

    /// Counts a line, unless it is of one group too many. The newest comes first.
    fn add(&mut self, id: [u8; 16], ok: bool, time: Timestamp) -> bool {
        self.complete = self.groups.len() < self.groups_max || self.groups.contains_key(&id);
        if self.complete {
            self.lines += 1;
            self.since = Some(time);
            let new = StatsRow { name: None, id, total: 0, allowed: 0, refused: 0, last: time };
            let group = self.groups.entry(id).or_insert(new);
            group.total += 1;
            group.allowed += u64::from(ok);
            group.refused += u64::from(!ok);
        }
        self.complete
    }
}

fn count(step: &mut Step<'_>, query: &Query, by: StatsBy) -> Result<Counted> {
    let mut counted = Counted::new(limits::STATS_LINES_MAX, limits::STATS_GROUPS_MAX);
    let Some(conditions) = query.conditions(step)? else { return Ok(counted) };
    let mut search = Search::begin(step, conditions, Order::NewestFirst)?;
    while !search.has_ended() {
        for row in search.next(step, limits::PAGE_ENTRIES_MAX)? {
            if !counted.looks_at_another() {
                return Ok(counted);
            }
            let (line, _) = search.conditions.read(&row)?;
            let id = match (by, line.obj) {
                (StatsBy::Actor, _) if is_system(line.who_type) => Some([0; 16]),
                (StatsBy::Actor, _) => hex_array(line.who_id),
                (StatsBy::Secret, Some(object)) if object.kind == "secret" => Some(object.id_bytes()),
                (StatsBy::Secret, _) => None,
            };
            // What is begun has a line of its own when it has ended.
            let Some(id) = id.filter(|_| line.ph == Phase::Result) else { continue };
            if !counted.add(id, line.ok, Timestamp(line.ts)) {
                return Ok(counted);
            }
        }
    }
    Ok(counted)
}

/// Finds the names, adds up what has one name and several ids, and sorts.
fn named(step: &mut Step<'_>, groups: &HashMap<[u8; 16], StatsRow>, by: StatsBy) -> Result<Vec<StatsRow>> {
    let objects = match by {
        StatsBy::Secret if !groups.is_empty() => names(step)?,
        _ => HashMap::new(),
    };
    let mut rows: Vec<StatsRow> = Vec::with_capacity(groups.len());
    let mut by_name: HashMap<String, usize> = HashMap::new();
    for group in groups.values() {
        let mut row = group.clone();
        row.name = match by {
            StatsBy::Secret => objects.get(&row.id).cloned(),
            StatsBy::Actor if row.id == [0; 16] => Some("system".to_owned()),
            StatsBy::Actor => actor_name(step, row.id)?,
        };
        let same = row.name.as_ref().and_then(|name| by_name.get(name)).copied();
        match same {
            Some(at) => {
                let all = &mut rows[at];
                all.total += row.total;
                all.allowed += row.allowed;
                all.refused += row.refused;
                all.last = all.last.max(row.last);
            }
            None => {
                if let Some(name) = &row.name {
                    by_name.insert(name.clone(), rows.len());
                }
                rows.push(row);
            }
        }
    }
    rows.sort_by_key(|row| std::cmp::Reverse((row.total, row.last, row.id)));
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_lines_are_looked_at_and_not_one_more() {
        let mut counted = Counted::new(2, 9);
        assert!(counted.looks_at_another() && counted.looks_at_another() && counted.complete);
        assert!(!counted.looks_at_another() && !counted.complete);
        assert_eq!(counted.looked_at, 2);
    }

    #[test]
    fn so_many_groups_are_counted_and_not_one_more() {
        let mut counted = Counted::new(9, 2);
        for (id, ok, time) in [(1, true, 8), (2, false, 7), (1, false, 6)] {
            assert!(counted.add([id; 16], ok, Timestamp(time)));
        }
        assert!(!counted.add([3; 16], true, Timestamp(5)));
        assert!(!counted.complete);
        let one = &counted.groups[&[1; 16]];
        assert_eq!((one.total, one.allowed, one.refused, one.last), (2, 1, 1, Timestamp(8)));
        assert_eq!((counted.groups.len(), counted.lines, counted.since), (2, 3, Some(Timestamp(6))), "not the third's");
    }
}
