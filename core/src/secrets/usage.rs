//! How a secret is used: how often it was read, refused and changed, and by whom last.
//!
//! Nothing is counted at a read, which would cost its commit another row. The log has it all, and the index by keys
//! says how many lines have an act, an outcome and an object without opening them. Opened are only the lines of leases
//! and attempts, whose counts are inside.

use std::collections::HashSet;

use strongroom_log::{Line, Phase, parse_line};

use super::Secrets;
use crate::{
    Code, Error, Query, Result, SecretPath,
    audit::{Receipt, actor_named, count_lines, find_lines, first_line},
    clock::Timestamp,
    keys::PseudonymKind,
    limits,
    room::Step,
    store::{LineRow, Order},
};

/// The acts that hand out a value.
const READING: [&str; 4] = ["secret.get", "secret.try", "secret.lease", "lease.secret"];

/// The acts that change a secret or a version of it.
pub(super) const CHANGING: &[&str] = &[
    "secret.put",
    "secret.patch",
    "secret.put-pending",
    "secret.promote",
    "secret.copy",
    "secret.move",
    "secret.move-from",
    "secret.update",
    "secret.delete-version",
    "secret.undelete",
    "secret.destroy",
    "secret.delete",
    "secret.expire",
    "secret.expire-version",
    "secret.extend-version",
    "secret.enable",
    "secret.disable",
    "secret.enable-version",
    "secret.disable-version",
    "secret.archive",
    "secret.unarchive",
];

/// How a secret was used, from the beginning of the log on.
#[derive(Clone, Debug)]
pub struct Usage {
    /// Reads by `get` and `render`, and attempts to use it (`try_current`).
    pub reads: u64,
    /// Reads under leases, as far as their closing lines are there.
    pub leased_reads: u64,
    /// Leases whose counts are not in the log: they are open, or their process has died.
    pub leases_open: u64,
    /// Leases of a folder that it was in; how often it was read under them is in no line.
    pub folder_leases: u64,
    /// Reads, attempts and leases that were refused.
    pub refused: u64,
    /// Changes of its value, its versions and its state; also those that found it so already.
    pub changes: u64,
    /// When it was read first.
    pub first_access: Option<Timestamp>,
    /// When it was read last, or a lease of it ended.
    pub last_access: Option<Timestamp>,
    /// By whom: `service:billing`; `None` too if the actor was forgotten.
    pub last_reader: Option<String>,
    /// Proof that the look was recorded.
    pub receipt: Receipt,
}

#[derive(Default)]
struct Counts {
    reads: u64,
    leased_reads: u64,
    leases_open: u64,
    folder_leases: u64,
    refused: u64,
    changes: u64,
    first_access: Option<Timestamp>,
    last_access: Option<Timestamp>,
    last_reader: Option<String>,
}

impl Secrets {
    /// How the secret of this path was used, from the beginning of the log on, over all generations. Also of a secret
    /// that was deleted.
    ///
    /// The figures are as good as the log's index, which lags but is completed here, and is no evidence: see
    /// `Admin::check_index`. An export of a folder is in the log as the folder's, and not counted.
    ///
    /// # Errors
    /// `StoreDamaged` if a line cannot be read.
    pub async fn usage(&self, path: &SecretPath) -> Result<Usage> {
        let path = self.full(path);
        let (counts, receipt) = self
            .room
            .operate("secret.usage", &self.target(), &self.context, move |step| {
                let path = path.as_ref().map_err(Error::again)?;
                step.name(PseudonymKind::Secret, path.as_str().as_bytes())?;
                count(step, path)
            })
            .await?;
        let Counts { reads, leased_reads, leases_open, folder_leases, refused, changes, .. } = counts;
        let Counts { first_access, last_access, last_reader, .. } = counts;
        Ok(Usage {
            reads,
            leased_reads,
            leases_open,
            folder_leases,
            refused,
            changes,
            first_access,
            last_access,
            last_reader,
            receipt,
        })
    }
}

fn count(step: &mut Step<'_>, path: &SecretPath) -> Result<Counts> {
    let of_secret = Query::new().secret(path.clone());
    let gets = of_secret.clone().act("secret.get");
    let mut counts = Counts {
        reads: count_lines(step, &gets.clone().outcome(true))?,
        refused: count_lines(step, &gets.outcome(false))?,
        changes: count_lines(step, &of_secret.clone().acts(CHANGING.iter().copied()).outcome(true))?,
        folder_leases: count_lines(step, &of_secret.clone().act("lease.secret").outcome(true))?,
        ..Counts::default()
    };
    counts.add_effects(step, &of_secret)?;
    let read = of_secret.acts(READING).outcome(true);
    if let Some(row) = first_line(step, &read.clone().order(Order::OldestFirst), None)? {
        counts.first_access = Some(Timestamp(parsed(&row)?.ts));
    }
    if let Some(row) = first_line(step, &read, None)? {
        let line = parsed(&row)?;
        counts.last_access = Some(Timestamp(line.ts));
        counts.last_reader = actor_named(step, &line)?;
    }
    Ok(counts)
}

impl Counts {
    /// What has two lines: the intents say what was begun, the results how it ended.
    fn add_effects(&mut self, step: &mut Step<'_>, of_secret: &Query) -> Result<()> {
        let query = of_secret.clone().acts(["secret.try", "secret.lease"]).order(Order::OldestFirst);
        let (mut open, mut after) = (HashSet::new(), None);
        loop {
            let (rows, next) = find_lines(step, &query, after, limits::PAGE_ENTRIES_MAX)?;
            for row in &rows {
                let line = parsed(row)?;
                let is_lease = line.act == "secret.lease";
                match (line.ph, line.ok) {
                    (Phase::Intent, _) if is_lease => drop(open.insert(line.rid.to_owned())),
                    (Phase::Intent, _) => self.reads += 1,
                    (Phase::Result, true) if is_lease => {
                        self.leased_reads += line.n.unwrap_or(0);
                        open.remove(line.rid);
                    }
                    (Phase::Result, true) => {}
                    // How an attempt ended is no refusal of ours, and that nobody knows how is none at all.
                    (Phase::Result, false) => {
                        let refused = ![Code::TryRejected, Code::TryStopped, Code::EffectUnknown]
                            .iter()
                            .any(|code| code.name() == line.code);
                        self.refused += u64::from(refused);
                    }
                }
            }
            match next {
                Some(cursor) => after = Some(cursor),
                None => break,
            }
        }
        self.leases_open = open.len() as u64;
        Ok(())
    }
}

fn parsed(row: &LineRow) -> Result<Line<'_>> {
    parse_line(&row.line).map_err(|_| Error::new(Code::StoreDamaged).detail(format!("line {} of the log", row.log_seq)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::history::{EVENTS, EventKind};

    /// What is in the one table is in the other.
    #[test]
    fn every_act_of_a_history_is_a_read_or_a_change() {
        for (act, kinds) in EVENTS {
            let reads = kinds.contains(&EventKind::Accessed);
            assert_eq!((READING.contains(act), CHANGING.contains(act)), (reads, !reads), "{act}");
        }
        assert_eq!(EVENTS.len(), READING.len() + CHANGING.len());
    }
}
