//! The main job: a deployment, two tenants, and a shop's 200 secrets in and out.

use std::{collections::BTreeMap, path::Path, process::Command};

use crate::stage::{Result, Stage, private};

/// Entries in the example file.
const ENTRIES: usize = 200;

pub(crate) fn main_job(stage: &mut Stage) -> Result<()> {
    let data = stage.at("data");
    let uri = stage.uri.clone();

    stage.act("A deployment: the root key is made in the token and never leaves it");
    let made = stage.expect(
        &data,
        &["init", "--no-recovery", "--origin", "shop.example/keys", "--device", &uri],
        None,
        0,
        "root key",
    )?;
    stage.root_key = made
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("root key"))
        .map(|key| key.trim().to_owned())
        .ok_or("init printed no root key")?;
    stage.note(format!("init, two keys in the token: {:.0?}", made.took));
    for tenant in ["acme", "globex"] {
        stage.expect(&data, &["tenant", "create", tenant], None, 0, "created")?;
    }

    stage.act("Secrets go in by a pipe, a prompt or a file, never by an argument");
    let acme = ["--tenant", "acme", "secret"];
    let secret = |words: &[&'static str]| [&acme[..], words].concat();
    for (path, value) in [("prod/database/password", "tulip-42"), ("prod/database/user", "shop")] {
        stage.expect(&data, &[&acme[..], &["put", path]].concat(), Some(value), 0, "version 1")?;
    }
    stage.expect(
        &data,
        &secret(&["put", "prod/database/password", "--expect", "1"]),
        Some("tulip-43"),
        0,
        "version 2",
    )?;
    stage.expect(
        &data,
        &secret(&["put", "prod/database/password", "--expect", "1"]),
        Some("x"),
        4,
        "expected version 1, found 2",
    )?;
    stage.expect(&data, &secret(&["get", "prod/database/password"]), None, 0, "tulip-43")?;
    stage.expect(&data, &secret(&["get", "prod/database/password", "--version", "1"]), None, 0, "tulip-42")?;

    stage.act("A shop's .env: 200 entries in one transaction, and back");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("env/shop.env");
    let file = file.to_string_lossy();
    let imported = stage.run(&data, &[&acme[..], &["import", "--prefix", "prod/shop", &file]].concat(), None)?;
    stage.judge("strongroom --tenant acme secret import --prefix prod/shop examples/env/shop.env", &imported, 0, "200");
    stage.note(format!("import of 200 secrets, the whole command: {:.0?}", imported.took));
    let exported =
        stage.run(&data, &[&acme[..], &["export", "--prefix", "prod/shop", "--format", "json"]].concat(), None)?;
    let out: BTreeMap<String, serde_json::Value> = serde_json::from_str(&exported.stdout).unwrap_or_default();
    let entries = strongroom::transfer::dotenv::parse(&std::fs::read(&*file)?)?;
    let same = entries
        .iter()
        .filter(|entry| {
            let read = out.get(entry.path.as_str()).and_then(|value| value.as_str());
            read.is_some_and(|read| entry.value.expose(|bytes| bytes == read.as_bytes()))
        })
        .count();
    let command = "strongroom --tenant acme secret export --prefix prod/shop --format json";
    stage.check(
        command,
        same == ENTRIES && out.len() == ENTRIES,
        &format!("{same} of {ENTRIES} values are what the file has"),
    );
    stage.expect(
        &data,
        &[
            "--tenant",
            "acme",
            "run",
            "--prefix",
            "prod/shop",
            "--",
            "sh",
            "-c",
            "echo port $PORT, mail from $MAIL_FROM; exit 7",
        ],
        None,
        7,
        "port 8080, mail from Corner Shop",
    )?;
    let program = std::env::current_exe()?.with_file_name("first-steps");
    let read = stage.command(Command::new(program).arg(&data).args(["acme", "prod/shop"]), None)?;
    stage.judge("first-steps data acme prod/shop      # a small Rust program", &read, 0, "200 secrets");
    if let Some(line) = read.stdout.lines().last() {
        stage.note(format!("from Rust, {line}"));
    }

    stage.act("One tenant cannot reach another's, nor one environment another's");
    stage.expect(
        &data,
        &["--tenant", "globex", "secret", "get", "prod/database/password"],
        None,
        3,
        "SR-SECRET-NOT-FOUND",
    )?;
    stage.expect(
        &data,
        &["--tenant", "nobody", "secret", "get", "prod/database/password"],
        None,
        3,
        "SR-TENANT-NOT-FOUND",
    )?;
    stage.expect(
        &data,
        &["--tenant", "acme", "--environment", "dev", "secret", "get", "prod/database/password"],
        None,
        3,
        "SR-SECRET-NOT-FOUND",
    )?;
    stage.expect(&data, &["--tenant", "acme", "secret", "get", "../globex/key"], None, 5, "SR-PATH-INVALID")?;

    stage.act("A wrong PIN is tried once");
    let other = stage.at("other");
    private(&stage.at("wrong-pin"), "demo-9999")?;
    let wrong = uri.replace("/pin", "/wrong-pin").replace("wrong-pin-source", "pin-source");
    stage.expect(&other, &["init", "--no-recovery", "--device", &wrong], None, 6, "SR-DEVICE-PIN-REFUSED")?;
    Ok(())
}
