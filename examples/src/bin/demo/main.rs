//! `cargo xtask demo`: the product from the outside, and a thief at work.
//!
//! Everything happens in a temporary folder, on a SoftHSM token made for it, with the real `strongroom`
//! program. Each step shows the command, runs it, and compares what comes with what should: the exit
//! status is 0 only if everything is as it should be.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal: this is where its results go")]

mod measure;
mod stage;
mod thief;

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::Duration,
};

use rusqlite::Connection;
use stage::{Answer, Result, Stage, answer, first_line};
use strongroom::transfer::dotenv;

const SHOP: &str = include_str!("../../../env/shop.env");

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let done = match (arguments.next(), arguments.next()) {
        (Some(first), Some(data)) if first == "--measure" => {
            measure::measure(Path::new(&data)).map(|lines| println!("{}", lines.join("\n"))).map(|()| true)
        }
        (Some(_), _) => Err("the demo takes no arguments".into()),
        _ => play(),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("the demo could not go on: {error}");
            ExitCode::FAILURE
        }
    }
}

/// All of it. `false` if something was not as expected.
fn play() -> Result<bool> {
    let here = env::current_exe()?;
    let beside = |name: &str| here.with_file_name(name);
    let program = env::var_os("STRONGROOM_BIN").map_or_else(|| beside("strongroom"), PathBuf::from);
    let module = env::var_os("STRONGROOM_TEST_PKCS11").ok_or("set STRONGROOM_TEST_PKCS11 to SoftHSM's library")?;
    let shop = settings()?;
    let mut stage = Stage::new(program)?;
    let device = stage.make_token(Path::new(&module), "demo")?;

    stage.heading("Strongroom: keys and secrets of many tenants, under a root key that never leaves an HSM", "");
    stage.say(&format!("  working in {}, with a private SoftHSM token", stage.folder().display()));
    stage.typed("export STRONGROOM_DATA=data STRONGROOM_ACTOR=user:anna");

    let root = beginning(&mut stage, &device)?;
    let import_took = secrets(&mut stage, &shop)?;
    read_by_a_program(&mut stage, &beside("first-steps"), shop.len())?;
    life(&mut stage)?;
    walls(&mut stage)?;
    quota(&mut stage)?;
    evidence(&mut stage, &root)?;
    stolen(&mut stage, &shop)?;
    stage.heading(
        "The thief changes the database",
        "Each time a fresh copy, changed with plain SQL; the token is untouched.",
    );
    thief::play(&mut stage)?;
    thief::old_row(&mut stage)?;

    stage.heading("Measured", &measure::machine());
    stage.say(&format!(
        "  import of {} by command   {import_took}   (process start, token and log included)",
        shop.len()
    ));
    let mut child = stage.command(&here);
    child.args(["--measure", "data"]);
    let measured = answer(child, b"")?;
    if measured.exit != 0 {
        return Err(measured.stderr.into());
    }
    for line in measured.stdout.lines() {
        stage.say(&format!("  {line}"));
    }
    Ok(verdict(&stage))
}

/// The shop's settings, as they must come back.
fn settings() -> Result<BTreeMap<String, String>> {
    let entries = dotenv::parse(SHOP.as_bytes())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(entries.iter().map(|entry| (entry.path.to_string(), entry.value.expose(text))).collect())
}

/// The deployment and two tenants. Returns the root key.
fn beginning(stage: &mut Stage, device: &str) -> Result<String> {
    stage.heading(
        "A deployment and two tenants",
        "Two keys are made in the token and stay there: one that all others come from, one that signs the log.",
    );
    let init = format!("strongroom init --no-recovery --origin shop.example/keys --device '{device}'");
    let made = stage.step(&init, b"", 0, |answer| {
        root_key(answer).map(|root| format!("root key {root}")).ok_or_else(|| "it prints no root key".to_owned())
    })?;
    for tenant in ["acme", "globex"] {
        stage.step(&format!("strongroom tenant create {tenant}"), b"", 0, |answer| Ok(answer.note()))?;
    }
    root_key(&made).ok_or_else(|| "there is no root key to go on with".into())
}

fn root_key(answer: &Answer) -> Option<String> {
    Some(answer.stdout.lines().find_map(|line| line.strip_prefix("root key"))?.trim().to_owned())
}

/// Secrets in and out, by the command. Returns how long the import took.
fn secrets(stage: &mut Stage, shop: &BTreeMap<String, String>) -> Result<String> {
    stage.heading(
        "A .env file moves in",
        "examples/env/shop.env: passwords, keys of many lines, JSON, flags; all or nothing.",
    );
    fs::write(stage.path("shop.env"), SHOP)?;
    let import = "strongroom secret import --tenant acme --prefix prod shop.env";
    let imported = stage.step(import, b"", 0, |answer| Ok(answer.note()))?;
    stage.step("strongroom secret export --tenant acme --prefix prod --format json", b"", 0, |answer| {
        let found: BTreeMap<String, String> =
            serde_json::from_str(&answer.stdout).map_err(|error| error.to_string())?;
        let same = shop.iter().filter(|(name, value)| found.get(*name) == Some(value)).count();
        let summary = format!("{same} of {} values are byte for byte what was imported", shop.len());
        if same == shop.len() && found.len() == same { Ok(summary) } else { Err(summary) }
    })?;
    stage.step("strongroom secret list prod --tenant acme --limit 3", b"", 0, |answer| {
        Ok(answer.stdout.lines().collect::<Vec<_>>().join("  ") + "  …")
    })?;

    // The state that the thief will put back later.
    checkpoint(&stage.path("data"))?;
    thief::copy_folder(&stage.path("data"), &stage.path("older"))?;

    stage.heading("Versions", "A new value never replaces the old one.");
    let put = "echo the-value-after-rotation | strongroom secret put prod/APP_SECRET --tenant acme";
    stage.step(put, b"the-value-after-rotation\n", 0, |answer| Ok(answer.note()))?;
    for (typed, want) in [
        ("strongroom secret get prod/APP_SECRET --tenant acme", "the-value-after-rotation"),
        ("strongroom secret get prod/APP_SECRET --version 1 --tenant acme", &*shop["APP_SECRET"]),
    ] {
        stage.step(typed, b"", 0, |answer| expect_value(answer, want))?;
    }
    let stale = "echo too-late | strongroom secret put prod/APP_SECRET --expect 1 --tenant acme";
    stage.step(stale, b"too-late\n", 4, |answer| Ok(answer.error()))?;
    Ok(measure::shown(imported.took))
}

fn expect_value(answer: &Answer, want: &str) -> std::result::Result<String, String> {
    if answer.stdout == want { Ok(answer.stdout.clone()) } else { Err(format!("got {:?}", answer.stdout)) }
}

/// The same through the API, by a program to copy from.
fn read_by_a_program(stage: &mut Stage, program: &Path, count: usize) -> Result<()> {
    stage.heading(
        "The same from a program",
        "examples/src/bin/first_steps.rs, through the Rust API: names, lengths and receipts only.",
    );
    stage.typed("first-steps data acme prod");
    let mut command = stage.command(program);
    command.args(["data", "acme", "prod"]);
    let found = answer(command, b"")?;
    for line in found.stdout.lines().take(2) {
        stage.say(&format!("    {line}"));
    }
    let last = found.stdout.lines().last().unwrap_or_default().to_owned();
    let as_expected = found.exit == 0 && last.starts_with(&format!("{count} secrets, "));
    stage.judge("ok", "first-steps", if as_expected { Ok(last) } else { Err(first_line(&found.stderr)) });
    Ok(())
}

/// A password that nobody has seen, rotated without an outage, used, and over when its time is.
fn life(stage: &mut Stage) -> Result<()> {
    stage.heading(
        "A life",
        "Made where it is stored, rotated while the other side still knows the old value, used, over; the log tells it.",
    );
    let generate = "strongroom generate password db/admin --type database-password --owner payments --tenant acme";
    stage.step(generate, b"", 0, |answer| Ok(answer.note()))?;
    let pending = "echo the-next-one | strongroom secret put db/admin --stage pending --tenant acme";
    stage.step(pending, b"the-next-one\n", 0, |answer| Ok(answer.note()))?;
    stage.step("strongroom secret get db/admin --stage pending --tenant acme", b"", 0, |answer| {
        expect_value(answer, "the-next-one")
    })?;
    stage.step("strongroom secret promote db/admin --tenant acme", b"", 0, |answer| Ok(answer.note()))?;
    // What knows the old password only: it has 24 characters, and the new one 12.
    let attempt = "strongroom secret try db/admin --tenant acme -- grep -qE '^.{24}$'";
    stage.step(attempt, b"", 0, |answer| expect(answer.note(), "version 1 was accepted, the previous one"))?;
    let search = "strongroom secret search --type database-password --due-within 31d --tenant acme";
    stage.step(search, b"", 0, |answer| {
        let found: Vec<_> = answer.stdout.lines().skip(1).flat_map(str::split_whitespace).collect();
        expect(found.join("  "), "db/admin  database-password  ")
    })?;

    fs::write(stage.path("app.toml.in"), "password = {{ secret \"db/admin\" | json }}")?;
    stage.typed("echo 'password = {{ secret \"db/admin\" | json }}' > app.toml.in");
    stage.step("strongroom render app.toml.in --tenant acme", b"", 0, |answer| {
        expect(answer.stdout.clone(), "password = \"the-next-one\"")
    })?;
    let put = "echo for-a-second | strongroom secret put deploy/token --version-ttl 1s --tenant acme";
    stage.step(put, b"for-a-second\n", 0, |answer| Ok(answer.note()))?;
    thread::sleep(Duration::from_millis(1_100));
    let get = "strongroom secret get deploy/token --tenant acme";
    stage.step(get, b"", 3, |answer| expect(answer.error(), "SR-SECRET-VERSION-EXPIRED"))?;
    stage.step("strongroom secret history db/admin --oldest-first --tenant acme", b"", 0, |answer| {
        let events = answer.stdout.lines().skip(1).filter_map(|line| line.split_whitespace().nth(1));
        let told = events.collect::<Vec<_>>().join(" ");
        let want = "created activated created accessed activated rotated deprecated accessed accessed";
        if told == want { Ok(told) } else { Err(format!("{told}, and not {want}")) }
    })?;
    Ok(())
}

/// As it is, if it has this in it.
fn expect(text: String, part: &str) -> std::result::Result<String, String> {
    if text.contains(part) { Ok(text) } else { Err(format!("no {part:?} in {text:?}")) }
}

/// What a tenant may use.
fn quota(stage: &mut Stage) -> Result<()> {
    stage.heading("A quota", "Compared where it is stored: exact, over all processes.");
    stage.step("strongroom tenant set globex --max-secrets 1", b"", 0, |answer| Ok(answer.note()))?;
    let put = "echo one-too-many | strongroom secret put prod/mail/other --tenant globex";
    stage.step(put, b"one-too-many\n", 7, |answer| expect(answer.error(), "SR-TENANT-QUOTA-EXCEEDED"))?;
    Ok(())
}

/// What nobody gets.
fn walls(stage: &mut Stage) -> Result<()> {
    stage.heading("Walls", "What is another's looks exactly like what is not there.");
    let get = "strongroom secret get prod/APP_SECRET --tenant globex";
    stage.step(get, b"", 3, |answer| Ok(answer.error()))?;
    stage.step(
        "echo of-globex | strongroom secret put prod/mail/token --tenant globex",
        b"of-globex\n",
        0,
        |answer| Ok(answer.note()),
    )?;
    let put = "echo only-for-staging | strongroom secret put db/password --environment staging --tenant acme";
    stage.step(put, b"only-for-staging\n", 0, |answer| Ok(answer.note()))?;
    let get = "strongroom secret get prod/APP_SECRET --environment staging --tenant acme";
    stage.step(get, b"", 3, |answer| Ok(answer.error()))?;

    thief::copy_folder(&stage.path("data"), &stage.path("misconfigured"))?;
    stage.typed("cp -r data misconfigured; sed -i s,/pin,/wrong-pin, misconfigured/config.toml");
    let config = stage.path("misconfigured").join("config.toml");
    let text = fs::read_to_string(&config)?;
    let pin = stage.path("pin").display().to_string();
    fs::write(&config, text.replace(&pin, &stage.path("wrong-pin").display().to_string()))?;
    let wrong = "strongroom secret list --tenant acme --data misconfigured";
    stage.step(wrong, b"", 6, |answer| Ok(answer.error()))?;
    stage.step("strongroom secret list --tenant acme", b"", 0, |answer| {
        Ok(format!("the token is not locked: {}", answer.stdout.lines().collect::<Vec<_>>().join("  ")))
    })?;
    Ok(())
}

/// Backup and audit log.
fn evidence(stage: &mut Stage, root: &str) -> Result<()> {
    stage.heading(
        "Backup and audit log",
        "Everything above is in the log, refusals too. It verifies without the token.",
    );
    stage.step("strongroom backup create monday.backup", b"", 0, |answer| Ok(answer.note()))?;
    let verify = format!("strongroom backup verify monday.backup --root {root}");
    stage.step(&verify, b"", 0, |answer| Ok(verified(answer)))?;
    stage.step("strongroom audit show --tenant globex", b"", 0, |answer| {
        let lines: Vec<_> = answer.stdout.lines().collect();
        let line = lines.iter().find(|line| line.contains("SR-SECRET-NOT-FOUND")).ok_or("the refusal is not in it")?;
        Ok(format!("{} lines, among them: {}", lines.len() - 1, line.split_whitespace().collect::<Vec<_>>().join(" ")))
    })?;
    stage.step("strongroom audit verify --save-checkpoint kept.note", b"", 0, |answer| Ok(verified(answer)))?;
    stage.step("strongroom audit export --deployment all.bundle", b"", 0, |answer| Ok(answer.note()))?;
    let offline = format!("strongroom audit verify all.bundle --root {root} --data nowhere");
    stage
        .step(&offline, b"", 0, |answer| Ok(format!("offline, with nothing but the root key: {}", verified(answer))))?;
    Ok(())
}

/// `OK, 240 lines in 3 logs, …`
fn verified(answer: &Answer) -> String {
    let row = answer.stdout.lines().find_map(|line| line.trim().strip_prefix("verified")).unwrap_or_default().trim();
    let verdict = answer.stdout.lines().map(str::trim).find(|line| *line == "OK").unwrap_or_default();
    format!("{verdict}, {row}").trim_matches([',', ' ']).to_owned()
}

/// What can be read in a stolen database.
fn stolen(stage: &mut Stage, shop: &BTreeMap<String, String>) -> Result<()> {
    stage.heading(
        "The thief reads the database",
        "A plain search of data/strongroom.db for each name and value that was imported.",
    );
    checkpoint(&stage.path("data"))?;
    let bytes = fs::read(stage.path("data").join("strongroom.db"))?;
    // Shorter ones occur by chance.
    let needles: Vec<&[u8]> = shop
        .iter()
        .flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()])
        .filter(|needle| needle.len() >= 8)
        .collect();
    let found = needles.iter().filter(|needle| contains(&bytes, needle)).count();
    let control = contains(&bytes, b"secret.import");
    let summary = format!("{found} of {} names and values found in {} KiB", needles.len(), bytes.len() / 1024);
    stage.judge("ok", "the search for plaintext", if found == 0 && control { Ok(summary) } else { Err(summary) });
    Ok(())
}

fn contains(hay: &[u8], needle: &[u8]) -> bool {
    let first = needle[0];
    let mut from = 0;
    while let Some(at) = hay[from..].iter().position(|byte| *byte == first) {
        if hay[from + at..].starts_with(needle) {
            return true;
        }
        from += at + 1;
    }
    false
}

/// Brings everything into the one file, so that a copy of the folder is whole.
fn checkpoint(data: &Path) -> Result<()> {
    let database = Connection::open(data.join("strongroom.db"))?;
    Ok(database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)
}

fn verdict(stage: &Stage) -> bool {
    if stage.failures.is_empty() {
        stage.heading(&format!("All {} checks were as expected.", stage.checks), "");
        return true;
    }
    stage.heading(&format!("{} of {} checks were NOT as expected:", stage.failures.len(), stage.checks), "");
    for failure in &stage.failures {
        stage.say(&format!("  {failure}"));
    }
    false
}
