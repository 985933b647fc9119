//! The deployment's own rows: itself, and its tenants.

use std::collections::HashMap;

use strongroom_log::{Line, hex_encode};

use super::{
    Found, StateCode,
    logged::{Logged, Position, read},
};
use crate::{Code, Result, room::Step};

/// What the lines of `sys` say of rows.
#[derive(Default)]
struct History {
    deployment: Option<Logged>,
    /// The row of `sys`, which names the anchors.
    sys: Option<Logged>,
    tenants: HashMap<[u8; 16], Logged>,
}

impl History {
    fn take(&mut self, line: &Line<'_>, at: Position) {
        let Some(row) = line.row else { return };
        let logged = Logged::new(row, at);
        match line.obj {
            Some(object) if object.kind == "tenant" => drop(self.tenants.insert(object.id_bytes(), logged)),
            Some(object) if object.kind == "anchor" => self.sys = Some(logged),
            _ => self.deployment = Some(logged),
        }
    }
}

/// Compares the rows that are under `sys` with its log.
pub(super) fn compare(step: &mut Step<'_>, found: &mut Found) -> Result<()> {
    let mut history = History::default();
    found.lines = read(step, |line, at| history.take(line, at))?;
    let row = step.snapshot.deployment()?.ok_or(Code::Integrity)?;
    if found.authentic(step.keys, &row, "deployment", None) {
        found.compare(history.deployment.as_ref(), &row, "deployment", None);
    }
    let sys = step.tenant;
    // Its first state is in no line: `deployment.init` names the deployment's row.
    if (history.sys.is_some() || sys.revision > 1) && found.authentic(step.keys, sys, "sys", None) {
        found.compare(history.sys.as_ref(), sys, "sys", None);
    }
    for row in step.snapshot.tenants()? {
        let reference = row.tenant.to_string();
        let logged = history.tenants.remove(row.tenant.as_bytes());
        if !found.authentic(step.keys, &row, &reference, None) {
            continue;
        }
        match step.room.tenant_name(step.keys, &row) {
            Ok(name) => found.compare(logged.as_ref(), &row, name.as_str(), None),
            Err(_) => found.add(StateCode::Altered, &reference, None, "its name does not open"),
        }
    }
    for (tenant, logged) in &history.tenants {
        found.missing(logged, &format!("tenant {}", hex_encode(tenant)), None);
    }
    let astray = step.snapshot.versions_astray()?;
    if astray > 0 {
        let detail = format!("{astray} of them are in no secret's history");
        found.add(StateCode::Unlogged, "versions of secrets", None, detail);
    }
    Ok(())
}
