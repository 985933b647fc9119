//! The record: the audit log read, verified and exported; a backup made, verified and restored.

use crate::stage::{Result, Stage};

pub(crate) fn log_and_backup(stage: &mut Stage) -> Result<()> {
    let data = stage.at("data");
    let at = |name: &str| stage.at(name).to_string_lossy().into_owned();
    let (checkpoint, bundle, backup, restored) =
        (at("checkpoint"), at("acme.bundle"), at("backup"), stage.at("restored"));
    let (uri, root) = (stage.uri.clone(), stage.root_key.clone());

    stage.act("Everything was recorded: allowed or refused, before its result was released");
    stage.expect(&data, &["--tenant", "acme", "audit", "show", "--limit", "8"], None, 0, "SR-SECRET-CONFLICT")?;
    let verified = stage.expect(
        &data,
        &["--tenant", "acme", "audit", "verify", "--save-checkpoint", &checkpoint],
        None,
        0,
        "all logs, from the first line",
    )?;
    stage.note(format!("verification of the whole log, the whole command: {:.0?}", verified.took));

    stage.act("An auditor verifies offline, with a file and the root key");
    stage.expect(&data, &["--tenant", "acme", "audit", "export", &bundle], None, 0, "acme.bundle")?;
    stage.expect(&stage.at("nowhere"), &["audit", "verify", &bundle, "--root", &root], None, 0, "OK")?;

    stage.act("A backup, verified, and restored as a new generation of the log");
    stage.expect(&data, &["backup", "create", &backup], None, 0, "backed up")?;
    stage.expect(&stage.at("nowhere"), &["backup", "verify", &backup, "--root", &root], None, 0, "OK")?;
    stage.expect(&restored, &["backup", "restore", &backup, "--device", &uri, "--reason", "demo"], None, 0, "/g2/")?;
    stage.expect(&restored, &["--tenant", "acme", "secret", "get", "prod/database/password"], None, 0, "tulip-43")?;
    stage.expect(&restored, &["--tenant", "acme", "audit", "verify"], None, 0, "generations  2")?;
    Ok(())
}
