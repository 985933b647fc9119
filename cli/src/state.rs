//! `audit verify --state`: the stored rows held against the log.

use std::fmt;

use serde::Serialize;
use strongroom::{Code, Context, Error, StateCheck, StateFinding, Strongroom, TenantId, TenantState};

use crate::{failure::Failure, output, progress};

/// What the comparison said of the deployment and all its tenants.
#[derive(Debug, Default, Serialize)]
pub(crate) struct States {
    rows: u64,
    lines: u64,
    findings: Vec<FindingJson>,
    findings_omitted: u64,
    /// Tenants that are closed or suspended: nothing acts on them, and nothing of them was compared.
    skipped: Vec<String>,
    #[serde(skip)]
    tenants: u64,
}

#[derive(Debug, Serialize)]
struct FindingJson {
    /// The tenant; none for the deployment's own rows.
    tenant: Option<String>,
    code: &'static str,
    object: String,
    version: Option<u64>,
    detail: String,
    #[serde(skip)]
    text: String,
}

impl States {
    /// Compares all rows. Each tenant's comparison is recorded in its own log.
    pub(crate) async fn check(room: &Strongroom, context: &Context) -> Result<Self, Failure> {
        let mut states = Self::default();
        let admin = room.admin(context.clone());
        states.add(None, admin.audit().check_state().await)?;
        let tenants = admin.list_tenants().await?.tenants;
        let bar = progress::things("comparing", tenants.len() as u64);
        for tenant in tenants {
            if tenant.state == TenantState::Active {
                let audit = room.tenant(&tenant.id).acting_as(context.clone()).audit();
                states.tenants += 1;
                states.add(Some(&tenant.id), audit.check_state().await)?;
            } else {
                states.skipped.push(tenant.id.to_string());
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(states)
    }

    fn add(&mut self, tenant: Option<&TenantId>, checked: Result<StateCheck, Error>) -> Result<(), Failure> {
        let checked = match checked {
            Ok(checked) => checked,
            Err(error) if error.code() == Code::LogBroken => {
                self.findings.push(FindingJson::of_log(tenant, &error));
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        self.rows += checked.rows;
        self.lines += checked.lines;
        self.findings_omitted += checked.findings_omitted;
        self.findings.extend(checked.findings.into_iter().map(|finding| FindingJson::new(tenant, finding)));
        Ok(())
    }

    /// Whether all rows agree.
    pub(crate) fn is_ok(&self) -> bool {
        self.findings.is_empty()
    }

    /// The findings, for people.
    pub(crate) fn lines(&self) -> Vec<String> {
        let omitted = (self.findings_omitted > 0).then(|| format!("and {} more", self.findings_omitted));
        self.findings.iter().map(|finding| finding.text.clone()).chain(omitted).collect()
    }

    /// An error, unless they do.
    pub(crate) fn verdict(&self) -> Result<(), Failure> {
        if self.is_ok() {
            return Ok(());
        }
        let findings = self.findings.len() as u64 + self.findings_omitted;
        Err(Error::new(Code::StateDiffers).detail(output::count(findings, "finding")).into())
    }
}

impl FindingJson {
    /// Lines that cannot be read say nothing of rows.
    fn of_log(tenant: Option<&TenantId>, error: &Error) -> Self {
        let (code, detail) = (error.code().name(), error.to_string());
        Self {
            text: format!("{}{code} {detail}", of(tenant)),
            tenant: tenant.map(ToString::to_string),
            code,
            object: "log".to_owned(),
            version: None,
            detail,
        }
    }

    fn new(tenant: Option<&TenantId>, finding: StateFinding) -> Self {
        Self {
            text: format!("{}{finding}", of(tenant)),
            tenant: tenant.map(ToString::to_string),
            code: finding.code.as_str(),
            object: finding.object,
            version: finding.version,
            detail: finding.detail,
        }
    }
}

/// Before what is said of a tenant's row.
fn of(tenant: Option<&TenantId>) -> String {
    tenant.map(|tenant| format!("{tenant}: ")).unwrap_or_default()
}

impl fmt::Display for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rows, lines) = (output::count(self.rows, "row"), output::count(self.lines, "line"));
        let tenants = output::count(self.tenants, "tenant");
        let agree = if self.is_ok() { "" } else { ": they differ" };
        writeln!(f, "state        {rows} of the deployment and {tenants}, compared with {lines}{agree}")?;
        if self.skipped.is_empty() {
            return Ok(());
        }
        writeln!(f, "             without {}: closed or suspended", self.skipped.join(", "))
    }
}
