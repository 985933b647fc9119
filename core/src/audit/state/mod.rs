//! The state check: whether the rows are those that the log speaks of last.
//!
//! A row's MAC shows that we wrote it, and not that it is the newest we wrote. The line of every change
//! names the row's revision and the hash of its MAC, so an old row that was put back, a row that was
//! taken away or hidden, and a version without a line are found by comparing the two.

mod deployment;
mod logged;
mod secrets;

use std::fmt;

use super::{Audit, Receipt};
use crate::{
    Result,
    keys::{Authenticated, RowHash, TenantKeys, row_hash},
    limits,
    room::Named,
    store::TenantNumber,
};
use logged::Logged;

/// What became of a comparison of the stored rows with the log.
#[derive(Clone, Debug)]
pub struct StateCheck {
    /// Rows that were compared.
    pub rows: u64,
    /// Lines of the log that were read.
    pub lines: u64,
    /// Where the two differ, [`limits::STATE_FINDINGS_MAX`] at most.
    pub findings: Vec<StateFinding>,
    /// Findings beyond those.
    pub findings_omitted: u64,
    /// Proof that the check was recorded.
    pub receipt: Receipt,
}

impl StateCheck {
    /// Whether the rows are those of the log.
    pub fn is_ok(&self) -> bool {
        self.findings.is_empty()
    }
}

/// One difference between a row and the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateFinding {
    /// What kind of difference it is.
    pub code: StateCode,
    /// Which row: the path of a secret or folder, the name of a tenant, or the id where there is no name.
    pub object: String,
    /// Which version of it.
    pub version: Option<u64>,
    /// What the last line says, and what is stored.
    pub detail: String,
}

impl fmt::Display for StateFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.object)?;
        if let Some(version) = self.version {
            write!(f, " v{version}")?;
        }
        write!(f, ": {}", self.detail)
    }
}

/// Kinds of difference. The texts are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StateCode {
    /// A row is not as we wrote it.
    Altered,
    /// An older row stands in the place of the newest.
    Replayed,
    /// A row, or a newer state of it, of which no line speaks.
    Unlogged,
    /// A line speaks of a row that is not there.
    Missing,
    /// Another row than the one of which the last line speaks, with the same revision.
    Replaced,
    /// What a row is found by is not what it says of itself.
    Hidden,
    /// More or less is there than is counted for the tenant's quotas.
    Miscounted,
}

impl StateCode {
    /// The text for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Altered => "STATE-ALTERED",
            Self::Replayed => "STATE-REPLAYED",
            Self::Unlogged => "STATE-UNLOGGED",
            Self::Missing => "STATE-MISSING",
            Self::Replaced => "STATE-REPLACED",
            Self::Hidden => "STATE-HIDDEN",
            Self::Miscounted => "STATE-MISCOUNTED",
        }
    }
}

impl fmt::Display for StateCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Audit {
    /// Compares every row with the last line that names its revision and hash: of a tenant, its secrets,
    /// their versions, labels and folders; of the deployment, its own row and those of its tenants.
    ///
    /// The lines are believed as far as their chain and the stored head of the log go; [`Audit::verify`]
    /// says whether those are whole. Memory grows with the number of secrets and versions, by about 150
    /// bytes each.
    ///
    /// # Errors
    /// `LogBroken` if the log's lines do not hold together. Findings are no errors: see [`StateCheck`].
    pub async fn check_state(&self) -> Result<StateCheck> {
        let (found, receipt) = self
            .room
            .operate("audit.check-state", &self.target, &self.context, |step| {
                let mut found = Found::default();
                if step.tenant.number == TenantNumber::SYS {
                    deployment::compare(step, &mut found)?;
                } else {
                    secrets::compare(step, &mut found)?;
                }
                let version = Some(u64::from(!found.findings.is_empty()));
                step.line.object = Some(Named { kind: "verdict", id: [0; 16], version, pseudonym_key: None });
                step.line.count = Some(found.rows);
                Ok(found)
            })
            .await?;
        let Found { rows, lines, findings, findings_omitted } = found;
        Ok(StateCheck { rows, lines, findings, findings_omitted, receipt })
    }
}

/// What was found so far.
#[derive(Default)]
struct Found {
    rows: u64,
    lines: u64,
    findings: Vec<StateFinding>,
    findings_omitted: u64,
}

impl Found {
    fn add(&mut self, code: StateCode, object: &str, version: Option<u64>, detail: impl Into<String>) {
        if self.findings.len() == limits::STATE_FINDINGS_MAX {
            self.findings_omitted += 1;
            return;
        }
        self.findings.push(StateFinding { code, object: object.to_owned(), version, detail: detail.into() });
    }

    /// Whether a row is one that we wrote. Nothing is read of one that is not.
    fn authentic<R: Authenticated>(&mut self, keys: &TenantKeys, row: &R, object: &str, version: Option<u64>) -> bool {
        self.rows += 1;
        let authentic = keys.check_row(row).is_ok();
        if !authentic {
            self.add(
                StateCode::Altered,
                object,
                version,
                format!("the row of `{}` is not as it was written", R::TABLE),
            );
        }
        authentic
    }

    /// Compares a row with the last line about it.
    fn compare<R: Authenticated>(&mut self, logged: Option<&Logged>, row: &R, object: &str, version: Option<u64>) {
        let (revision, hash) = (row.revision(), row_hash(row.mac()));
        let Some(logged) = logged else {
            return self.add(StateCode::Unlogged, object, version, format!("revision {revision} is in no line"));
        };
        let code = match revision.cmp(&logged.revision) {
            std::cmp::Ordering::Less => StateCode::Replayed,
            std::cmp::Ordering::Greater => StateCode::Unlogged,
            std::cmp::Ordering::Equal if hash != logged.hash => StateCode::Replaced,
            std::cmp::Ordering::Equal => return,
        };
        self.add(code, object, version, format!("revision {revision} is stored, and {logged}"));
    }

    /// What the lines speak of, and is not there.
    fn missing(&mut self, logged: &Logged, object: &str, version: Option<u64>) {
        self.add(StateCode::Missing, object, version, format!("nothing is stored, and {logged}"));
    }
}

/// A row hash as a line has it.
fn parse_hash(hex: &str) -> RowHash {
    strongroom_log::hex_array(hex).unwrap_or_default()
}
