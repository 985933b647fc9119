//! The audit log as it is written: who did what, in an order nobody can quietly change.
//!
//! Callers lay out their lines; one writer thread gives each its place, hashes and signs them, and
//! makes lines and changes durable together, before anybody hears that an operation worked. The
//! format itself and its verification are `strongroom-log`'s; storing is [`crate::store`]'s. Nothing
//! here ever sees a plaintext.

mod epoch;
mod head_proof;
mod heads;
mod index;
mod prove;
mod query;
mod queue;
mod receipt;
mod replay;
mod sequencer;
mod state;
mod stats;
mod syncer;
mod upkeep;
mod view;
mod watch;
mod writer;

pub(crate) use heads::{log_origin, read_frontier};
pub use index::IndexReport;
pub use prove::{AuditProof, Prove};
pub use query::{Query, QueryCursor, QueryPage};
pub(crate) use query::{count_lines, find_lines, first_line};
pub use receipt::Receipt;
pub(crate) use sequencer::{Founding, Sequencer};
pub use state::{StateCheck, StateCode, StateFinding};
pub use stats::{Stats, StatsBy, StatsRow};
pub use view::{Audit, AuditEntry, AuditExport, AuditPage, Verified};
pub(crate) use view::{actor_named, create_private, partial_name, verify_store};
pub use watch::Watch;
pub(crate) use writer::Writer;

use strongroom_log::LineTemplate;

use crate::{
    quota::{Quota, Quotas},
    store::{Change, TenantNumber},
};

/// What one operation hands to the writer: its changes, and the lines that record it.
#[derive(Debug)]
pub(crate) struct Write {
    /// Applied together with the lines, or neither is.
    pub(crate) changes: Vec<Change>,
    /// The last is the operation's own; its receipt is returned. None only to have the signing epoch opened, whose
    /// lines are the sequencer's.
    pub(crate) lines: Vec<(TenantNumber, LineTemplate)>,
    /// What the tenant may have when this is done.
    pub(crate) quotas: Quotas,
}

impl Write {
    /// Whose turn it takes.
    fn tenant(&self) -> TenantNumber {
        self.lines.last().map_or(TenantNumber::SYS, |(tenant, _)| *tenant)
    }

    /// What it adds to a commit, about.
    fn bytes(&self) -> usize {
        self.lines.iter().map(|(_, line)| line.line_bytes_max()).sum()
    }

    /// What it adds to the tenant's own log at most.
    fn own_bytes(&self) -> u64 {
        let own = self.tenant();
        self.lines.iter().filter(|(tenant, _)| *tenant == own).map(|(_, line)| line.line_bytes_max() as u64).sum()
    }
}

/// What became of a write.
#[derive(Debug)]
pub(crate) enum Written {
    /// It is durable.
    Recorded(Receipt),
    /// What it was computed from has changed: nothing was stored. Compute it again.
    Stale,
    /// The tenant would have more than this quota allows: nothing was stored.
    OverQuota(Quota),
}
