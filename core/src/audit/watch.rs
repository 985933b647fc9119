//! Following a log: new lines as they come, those of other processes too.
//!
//! It is recorded once, when it begins, with its own act; not for each look, which would be a line about every
//! line. Whoever reads the log knows from there on who was watching.

use super::{Audit, AuditEntry, Query, Receipt, query::Search, view::resolve};
use crate::{Code, Result, limits, room::Step, store::Order};

/// A log that is being followed. It only looks when it is asked: [`Watch::more`].
#[derive(Debug)]
pub struct Watch {
    audit: Audit,
    query: Query,
    /// The last line looked at, over all logs.
    seen: u64,
    /// Proof that the watching was recorded.
    pub receipt: Receipt,
}

impl Audit {
    /// Begins to follow the log: the lines that match, from the query's beginning in time on; without one, those
    /// that come after this call.
    ///
    /// # Errors
    /// `QueryInvalid`, also for a query that has an end.
    pub async fn watch(&self, query: &Query) -> Result<Watch> {
        let asked = query.clone().order(Order::OldestFirst);
        let query = asked.clone();
        let (seen, receipt) = self
            .room
            .operate("audit.watch", &self.target, &self.context, move |step| {
                if asked.ends() {
                    return Err(Code::QueryInvalid.into());
                }
                let last = step.snapshot.head()?.map_or(0, |head| head.last_seq);
                match (asked.begins(), asked.conditions(step)?) {
                    (true, Some(conditions)) => Ok(Search::begin(step, conditions, Order::OldestFirst)?.after()),
                    (true, None) => Ok(0),
                    (false, _) => Ok(last),
                }
            })
            .await?;
        Ok(Watch { audit: self.clone(), query, seen, receipt })
    }
}

impl Watch {
    /// What has come since the last call, at most 1,000 lines; nothing if nothing has. Call it again after a while.
    ///
    /// # Errors
    /// `StoreDamaged` if a line cannot be read; what keeps anybody from the log, such as `TenantClosed`.
    pub async fn more(&mut self) -> Result<Vec<AuditEntry>> {
        let (query, seen) = (self.query.clone(), self.seen);
        let room = &self.audit.room;
        let (entries, seen) = room.read_on(&self.audit.target, move |step| look(step, &query, seen)).await?;
        if !entries.is_empty() {
            // They are committed, but perhaps not durable yet: nobody may have seen what a power cut takes back.
            room.readers.run(|store| store.sync()).await?;
        }
        self.seen = seen;
        Ok(entries)
    }
}

fn look(step: &mut Step<'_>, query: &Query, seen: u64) -> Result<(Vec<AuditEntry>, u64)> {
    let last = step.snapshot.head()?.map_or(0, |head| head.last_seq);
    // Who has never acted may do so later.
    let Some(conditions) = query.conditions(step)? else { return Ok((Vec::new(), last.max(seen))) };
    if last <= seen {
        return Ok((Vec::new(), seen));
    }
    let mut search = Search::begin(step, conditions, Order::OldestFirst)?;
    search.skip_to(seen);
    let rows = search.next(step, limits::PAGE_ENTRIES_MAX)?;
    let seen = if search.has_ended() { last } else { search.after() };
    Ok((resolve(step, &rows, None)?, seen))
}
