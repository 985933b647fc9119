//! Queries: the lines of one log that have an actor, an object, an act, an outcome, a request or a time.
//!
//! The store's index gives candidates, and what it does not know yet is read; here each line is read
//! and compared, so that nobody who changes an index can make a query show a line that does not match or is in
//! another log. What an index leaves out, a query misses: `check-index` finds that. Queries go over all
//! generations of a log. Times need no index, because no line is older than the one before it.

use std::{collections::HashMap, fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use strongroom_log::{Line, hex_array, parse_line};

use super::{
    Audit, AuditEntry, Receipt,
    view::{logs_of, resolve},
};
use crate::{
    Actor, ActorKind, Code, Error, Result, SecretPath,
    clock::Timestamp,
    keys::PseudonymKind,
    limits,
    names::RequestId,
    room::Step,
    store::{LineKey, LineRow, LineSearch, Order},
};

/// Longest act, in bytes, as lines have it.
const ACT_BYTES_MAX: usize = 64;

/// Which lines to look for. Each condition narrows it further; without any, all lines are meant.
///
/// ```
/// # use strongroom::{Actor, Query, Timestamp};
/// let refused = Query::new().actor(Actor::user("ada")?).act("secret.get").outcome(false).from(Timestamp(0));
/// # Ok::<(), strongroom::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Query {
    actor: Option<Who>,
    secret: Option<SecretPath>,
    /// Any of these; all if there are none.
    acts: Vec<String>,
    outcome: Option<bool>,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    request: Option<RequestId>,
    order: Order,
}

#[derive(Clone, Debug)]
enum Who {
    Named(Actor),
    System,
}

impl Query {
    /// All lines, the newest first.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only what this actor did.
    #[must_use]
    pub fn actor(mut self, actor: Actor) -> Self {
        self.actor = Some(Who::Named(actor));
        self
    }

    /// Only what Strongroom did by itself.
    #[must_use]
    pub fn by_system(mut self) -> Self {
        self.actor = Some(Who::System);
        self
    }

    /// Only what was done to the secret of this path, whether it is there or not.
    #[must_use]
    pub fn secret(mut self, path: SecretPath) -> Self {
        self.secret = Some(path);
        self
    }

    /// Only what was asked in these words, such as `secret.get`.
    #[must_use]
    pub fn act(mut self, act: &str) -> Self {
        self.acts = vec![act.to_owned()];
        self
    }

    /// Only what was asked in any of these words.
    pub(crate) fn acts<'a>(mut self, acts: impl IntoIterator<Item = &'a str>) -> Self {
        self.acts = acts.into_iter().map(str::to_owned).collect();
        self
    }

    /// Only what was done, or only what was refused.
    #[must_use]
    pub fn outcome(mut self, done: bool) -> Self {
        self.outcome = Some(done);
        self
    }

    /// Only what was committed at this time or later.
    #[must_use]
    pub fn from(mut self, time: Timestamp) -> Self {
        self.from = Some(time);
        self
    }

    /// Only what was committed before this time.
    #[must_use]
    pub fn until(mut self, time: Timestamp) -> Self {
        self.until = Some(time);
        self
    }

    /// Only what was asked in this request.
    #[must_use]
    pub fn request(mut self, id: RequestId) -> Self {
        self.request = Some(id);
        self
    }

    /// Which line comes first. Default: the newest.
    #[must_use]
    pub fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// Whether it begins at some time.
    pub(super) fn begins(&self) -> bool {
        self.from.is_some()
    }

    /// Whether it ends at some time.
    pub(super) fn ends(&self) -> bool {
        self.until.is_some()
    }

    /// What a line must have, in terms of the line; `None` if none can have it, because nobody of that name ever acted.
    pub(super) fn conditions(&self, step: &mut Step<'_>) -> Result<Option<Conditions>> {
        let act_is_one = |act: &String| {
            (1..=ACT_BYTES_MAX).contains(&act.len())
                && act.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte))
        };
        if !self.acts.iter().all(act_is_one) {
            return Err(Error::new(Code::QueryInvalid).detail("the act"));
        }
        if self.from.zip(self.until).is_some_and(|(from, until)| from >= until) {
            return Err(Error::new(Code::QueryInvalid).detail("it begins at its end or later"));
        }
        let actor = match &self.actor {
            None => None,
            Some(Who::System) => Some([0; 16]),
            Some(Who::Named(actor)) => {
                match step.room.actor_handle(step.snapshot, step.tenant.number, step.keys, actor)? {
                    (handle, None) => Some(*handle.as_bytes()),
                    (_, Some(_)) => return Ok(None),
                }
            }
        };
        let secret = match &self.secret {
            None => None,
            Some(path) => {
                let pseudonyms = step.keys.pseudonyms(PseudonymKind::Secret, path.as_str().as_bytes())?;
                Some(pseudonyms.into_iter().map(|pseudonym| pseudonym.hash).collect())
            }
        };
        Ok(Some(Conditions {
            actor,
            secret,
            acts: self.acts.clone(),
            outcome: self.outcome,
            request: self.request.map(|id| *id.as_bytes()),
            from: self.from.unwrap_or(Timestamp(0)),
            until: self.until.unwrap_or(Timestamp(u64::MAX)),
            logs: logs_of(step),
        }))
    }

    /// The name of all objects there can be in what is found, if the query says it.
    fn objects(&self, conditions: &Conditions) -> Option<HashMap<[u8; 16], String>> {
        let (path, ids) = self.secret.as_ref().zip(conditions.secret.as_ref())?;
        Some(ids.iter().map(|id| (*id, path.to_string())).collect())
    }
}

/// A query in terms of lines.
pub(super) struct Conditions {
    actor: Option<[u8; 16]>,
    secret: Option<Vec<[u8; 16]>>,
    acts: Vec<String>,
    outcome: Option<bool>,
    request: Option<[u8; 16]>,
    from: Timestamp,
    until: Timestamp,
    /// The origins of the log, by generation.
    logs: HashMap<String, u32>,
}

impl Conditions {
    /// By what the lines are found.
    fn keys(&self) -> Vec<Vec<LineKey>> {
        let actor = self.actor.map(|handle| vec![LineKey::actor(&handle)]);
        let secret = self.secret.as_ref().map(|ids| ids.iter().map(LineKey::object).collect());
        let acts: Vec<_> = self.acts.iter().map(|act| LineKey::act(act)).collect();
        let act = Some(acts).filter(|acts| !acts.is_empty());
        let outcome = self.outcome.map(|done| vec![LineKey::outcome(done)]);
        let request = self.request.map(|id| vec![LineKey::request(&id)]);
        [request, secret, actor, act, outcome].into_iter().flatten().collect()
    }

    /// Whether a line has all that is asked for. This is what counts.
    fn hold(&self, line: &Line<'_>) -> bool {
        let is = |hex: &str, bytes: &[u8; 16]| hex_array(hex).is_some_and(|found: [u8; 16]| found == *bytes);
        self.actor.is_none_or(|handle| is(line.who_id, &handle))
            && self.secret.as_ref().is_none_or(|ids| {
                line.obj.is_some_and(|object| object.kind == "secret" && ids.contains(&object.id_bytes()))
            })
            && (self.acts.is_empty() || self.acts.iter().any(|act| line.act == act))
            && self.outcome.is_none_or(|done| line.ok == done)
            && self.request.is_none_or(|id| is(line.rid, &id))
            && (self.from.0..self.until.0).contains(&line.ts)
    }

    /// Reads a line that is in this log, as it says itself.
    pub(super) fn read<'l>(&self, row: &'l LineRow) -> Result<(Line<'l>, u32)> {
        let damaged = || Error::new(Code::StoreDamaged).detail(format!("line {} of the log", row.log_seq));
        let line = parse_line(&row.line).map_err(|_| damaged())?;
        match self.logs.get(line.log) {
            Some(generation) if line.seq == row.log_seq => Ok((line, *generation)),
            _ => Err(damaged()),
        }
    }
}

/// A search under way: what is left of it, in numbers over all logs, which nobody outside gets to see.
pub(super) struct Search {
    pub(super) conditions: Conditions,
    keys: Vec<Vec<LineKey>>,
    order: Order,
    after: u64,
    until: u64,
    ended: bool,
    /// The store stopped before it found as many as it was asked for.
    tired: bool,
}

impl Search {
    pub(super) fn begin(step: &mut Step<'_>, conditions: Conditions, order: Order) -> Result<Self> {
        let last = step.snapshot.head()?.map_or(0, |head| head.last_seq);
        let after = first_at(step, conditions.from, last)?.saturating_sub(1);
        let until = first_at(step, conditions.until, last)?.saturating_sub(1);
        let keys = conditions.keys();
        Ok(Self { conditions, keys, order, after, until, ended: after >= until, tired: false })
    }

    /// Leaves out what comes before this position.
    fn begin_at(&mut self, step: &mut Step<'_>, cursor: QueryCursor) -> Result<()> {
        let rows = step.snapshot.lines_of(step.tenant.number, cursor.generation, cursor.seq, 1)?;
        let row = rows.first().filter(|row| row.log_seq == cursor.seq).ok_or(Code::CursorInvalid)?;
        match self.order {
            Order::NewestFirst => self.until = self.until.min(row.seq),
            Order::OldestFirst => self.after = self.after.max(row.seq - 1),
        }
        Ok(())
    }

    /// The next lines that match, `lines_max` candidates at most. None of them and not ended: there may be more.
    pub(super) fn next(&mut self, step: &mut Step<'_>, lines_max: usize) -> Result<Vec<LineRow>> {
        let search = LineSearch {
            tenant: step.tenant.number,
            keys: &self.keys,
            after: self.after,
            until: self.until,
            order: self.order,
            lines_max,
        };
        let found = step.snapshot.search(&search)?;
        self.tired = found.looked_to.is_some() && found.lines.len() < lines_max;
        match (found.looked_to, self.order) {
            (None, _) => self.ended = true,
            (Some(seq), Order::NewestFirst) => self.until = seq.saturating_sub(1),
            (Some(seq), Order::OldestFirst) => self.after = seq,
        }
        self.ended |= self.after >= self.until;
        let mut lines = found.lines;
        let mut refused = None;
        lines.retain(|row| match self.conditions.read(row) {
            Ok((line, _)) => self.conditions.hold(&line),
            Err(error) => {
                refused = Some(error);
                false
            }
        });
        refused.map_or(Ok(lines), Err)
    }

    /// What is left comes after this line, if the oldest come first.
    pub(super) fn after(&self) -> u64 {
        self.after
    }

    /// Leaves out this line and all before it.
    pub(super) fn skip_to(&mut self, seq: u64) {
        self.after = self.after.max(seq);
        self.ended |= self.after >= self.until;
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// The position that comes next, whether its line matches or not; `None` if the log has no more.
    fn cursor(&self, step: &mut Step<'_>) -> Result<Option<QueryCursor>> {
        let search = LineSearch {
            tenant: step.tenant.number,
            keys: &[],
            after: self.after,
            until: self.until,
            order: self.order,
            lines_max: 1,
        };
        let found = step.snapshot.search(&search)?;
        found.lines.first().map(|row| self.cursor_at(row)).transpose()
    }

    fn cursor_at(&self, row: &LineRow) -> Result<QueryCursor> {
        let (_, generation) = self.conditions.read(row)?;
        Ok(QueryCursor { order: self.order, generation, seq: row.log_seq })
    }
}

/// The number of the first line that is not older than this, of all `last` lines; `last + 1` if there is none.
fn first_at(step: &mut Step<'_>, time: Timestamp, last: u64) -> Result<u64> {
    let (mut low, mut high) = (1, last + 1);
    if time.0 == 0 || time.0 == u64::MAX {
        return Ok(if time.0 == 0 { low } else { high });
    }
    while low < high {
        let middle = low + (high - low) / 2;
        let rows = step.snapshot.lines(middle - 1, 1)?;
        let row = rows.first().filter(|row| row.seq <= last);
        let Some(row) = row else {
            high = middle;
            continue;
        };
        let line = parse_line(&row.line).map_err(|_| Error::new(Code::StoreDamaged).detail("a line of the log"))?;
        if line.ts < time.0 {
            low = row.seq + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

/// Where a page of a query begins. Opaque: a value comes from [`QueryPage::next`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryCursor {
    order: Order,
    generation: u32,
    seq: u64,
}

impl fmt::Display for QueryCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![1, u8::from(self.order == Order::OldestFirst)];
        bytes.extend(self.generation.to_be_bytes());
        bytes.extend(self.seq.to_be_bytes());
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for QueryCursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Code::CursorInvalid)?;
        let [1, order @ (0 | 1), rest @ ..] = &bytes[..] else { return Err(Code::CursorInvalid.into()) };
        let (generation, seq) = rest.split_at_checked(4).ok_or(Code::CursorInvalid)?;
        let order = if *order == 0 { Order::NewestFirst } else { Order::OldestFirst };
        Ok(Self {
            order,
            generation: u32::from_be_bytes(generation.try_into().map_err(|_| Code::CursorInvalid)?),
            seq: u64::from_be_bytes(seq.try_into().map_err(|_| Code::CursorInvalid)?),
        })
    }
}

/// A page of what a query found.
#[derive(Clone, Debug)]
pub struct QueryPage {
    /// In the order asked for.
    pub entries: Vec<AuditEntry>,
    /// Where the next page begins; `None` if this was the last. A page may end before it is full.
    pub next: Option<QueryCursor>,
    /// Proof that the query was recorded.
    pub receipt: Receipt,
}

impl Audit {
    /// The lines that match, `limit` at most (1 to 1,000), from a position on or from the first.
    ///
    /// Names are resolved as [`Self::show`] does. The query is recorded with the number of lines it gave.
    ///
    /// # Errors
    /// `LimitInvalid`; `QueryInvalid`; `CursorInvalid` if it is not from this log and order; `StoreDamaged` if a
    /// line cannot be read.
    pub async fn query(&self, query: &Query, after: Option<QueryCursor>, limit: usize) -> Result<QueryPage> {
        let query = query.clone();
        let ((entries, next), receipt) = self
            .room
            .operate("audit.query", &self.target, &self.context, move |step| {
                let (entries, next) = page(step, &query, after, limit)?;
                step.line.count = Some(entries.len() as u64);
                Ok((entries, next))
            })
            .await?;
        Ok(QueryPage { entries, next, receipt })
    }
}

pub(super) fn check_limit(limit: usize) -> Result<()> {
    let allowed = (limits::PAGE_ENTRIES_MIN..=limits::PAGE_ENTRIES_MAX).contains(&limit);
    if allowed { Ok(()) } else { Err(Code::LimitInvalid.into()) }
}

fn page(
    step: &mut Step<'_>,
    query: &Query,
    after: Option<QueryCursor>,
    limit: usize,
) -> Result<(Vec<AuditEntry>, Option<QueryCursor>)> {
    let (rows, next) = find_lines(step, query, after, limit)?;
    if rows.is_empty() {
        return Ok((Vec::new(), next));
    }
    let conditions = query.conditions(step)?;
    let objects = conditions.and_then(|conditions| query.objects(&conditions));
    Ok((resolve(step, &rows, objects)?, next))
}

/// The lines that match, as they are stored.
pub(crate) fn find_lines(
    step: &mut Step<'_>,
    query: &Query,
    after: Option<QueryCursor>,
    limit: usize,
) -> Result<(Vec<LineRow>, Option<QueryCursor>)> {
    check_limit(limit)?;
    if after.is_some_and(|cursor| cursor.order != query.order) {
        return Err(Error::new(Code::CursorInvalid).detail("it is of the other order"));
    }
    let Some(conditions) = query.conditions(step)? else { return Ok((Vec::new(), None)) };
    let mut search = Search::begin(step, conditions, query.order)?;
    if let Some(cursor) = after {
        search.begin_at(step, cursor)?;
    }
    let (mut rows, mut misses) = (Vec::new(), 0);
    let next = loop {
        if search.has_ended() {
            break None;
        }
        // One more than asked for shows where the next page begins.
        let wanted = limit + 1 - rows.len();
        let found = search.next(step, wanted)?;
        misses += wanted - found.len();
        rows.extend(found);
        if rows.len() > limit {
            break rows.pop().map(|row| search.cursor_at(&row)).transpose()?;
        }
        if (search.tired || misses >= limits::QUERY_MISSES_MAX) && !search.has_ended() {
            break search.cursor(step)?;
        }
    };
    Ok((rows, next))
}

/// The first line that matches, in the query's order, of those before this one of all logs' lines.
pub(crate) fn first_line(step: &mut Step<'_>, query: &Query, before: Option<u64>) -> Result<Option<LineRow>> {
    let Some(conditions) = query.conditions(step)? else { return Ok(None) };
    let mut search = Search::begin(step, conditions, query.order)?;
    if let Some(before) = before {
        search.until = search.until.min(before.saturating_sub(1));
        search.ended |= search.after >= search.until;
    }
    while !search.has_ended() {
        if let Some(row) = search.next(step, 1)?.pop() {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

/// How many lines match, as the index has it: none is read but those that it does not know yet.
pub(crate) fn count_lines(step: &mut Step<'_>, query: &Query) -> Result<u64> {
    let Some(conditions) = query.conditions(step)? else { return Ok(0) };
    let mut search = Search::begin(step, conditions, Order::OldestFirst)?;
    let mut lines = 0;
    while !search.has_ended() {
        let counted = step.snapshot.count(&LineSearch {
            tenant: step.tenant.number,
            keys: &search.keys,
            after: search.after,
            until: search.until,
            order: Order::OldestFirst,
            lines_max: 1,
        })?;
        lines += counted.lines;
        match counted.looked_to {
            Some(seq) => search.skip_to(seq),
            None => search.ended = true,
        }
    }
    Ok(lines)
}

/// The kind of actor that a line names, as a word.
pub(super) fn is_system(kind: &str) -> bool {
    kind == ActorKind::System.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written_and_nothing_else_is_one() {
        for order in [Order::NewestFirst, Order::OldestFirst] {
            let cursor = QueryCursor { order, generation: 2, seq: u64::MAX };
            let text = cursor.to_string();
            assert_eq!(text.parse::<QueryCursor>().unwrap(), cursor);
            let (short, long) = (&text[..text.len() - 1], format!("{text}A"));
            let other = URL_SAFE_NO_PAD.encode([1, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
            let version = URL_SAFE_NO_PAD.encode([2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
            for hostile in ["", "!", "AQ", short, &long, &other, &version, "AAAAAAAAAAAAAAAAAAA=", "\u{0}"] {
                assert_eq!(hostile.parse::<QueryCursor>().unwrap_err().code(), Code::CursorInvalid, "{hostile:?}");
            }
        }
    }
}
