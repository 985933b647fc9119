//! The thief: has the database file and can change every byte of it, but has neither token nor keys.

use std::{fs, path::Path};

use rusqlite::{Connection, params};

use crate::stage::{Result, Stage, first_line, last_line, shortened};

/// One thing to try on a fresh copy of the data folder, and the command that must see it.
struct Attempt {
    /// What the thief does, in plain words.
    what: &'static str,
    change: fn(&Connection, &Loot) -> rusqlite::Result<()>,
    /// What an honest user then types.
    command: &'static str,
    /// The error code that must come.
    code: &'static str,
}

/// What the thief can tell apart without a key: a secret with two versions, others, and tenants.
struct Loot {
    acme: i64,
    globex: i64,
    /// The id of `prod/APP_SECRET`, the only secret with two versions.
    target: Vec<u8>,
    /// Some other secret of acme in the same folder.
    other: Vec<u8>,
    /// A secret of acme in another folder: the newest, which is in `staging/db`.
    elsewhere: Vec<u8>,
}

const GET: &str = "strongroom secret get prod/APP_SECRET --tenant acme";
const VERIFY: &str = "strongroom audit verify";

const ATTEMPTS: &[Attempt] = &[
    Attempt { what: "swaps the ciphertexts of two secrets", change: swap_values, command: GET, code: "SR-INTEGRITY" },
    Attempt {
        what: "puts the old ciphertext where the new one is",
        change: |thief, loot| {
            thief.execute("UPDATE secret_versions SET value = (SELECT value FROM secret_versions WHERE secret = ?1 AND version = 1) WHERE secret = ?1 AND version = 2", [&loot.target]).map(drop)
        },
        command: GET,
        code: "SR-INTEGRITY",
    },
    Attempt { what: "swaps the index hashes of two secrets", change: swap_hashes, command: GET, code: "SR-INTEGRITY" },
    Attempt {
        what: "swaps the parent hashes of two secrets, to show one in another folder",
        change: swap_parents,
        command: "strongroom secret list staging/db --tenant acme",
        code: "SR-INTEGRITY",
    },
    Attempt { what: "swaps the object ids of two secrets", change: swap_ids, command: GET, code: "SR-INTEGRITY" },
    Attempt {
        what: "points the current version back to the old value",
        change: |thief, loot| thief.execute("UPDATE secrets SET current = 1 WHERE id = ?1", [&loot.target]).map(drop),
        command: GET,
        code: "SR-INTEGRITY",
    },
    Attempt {
        what: "flips the column `enabled`",
        change: |thief, loot| {
            thief.execute("UPDATE secrets SET enabled = 1 - enabled WHERE id = ?1", [&loot.target]).map(drop)
        },
        command: GET,
        code: "SR-INTEGRITY",
    },
    Attempt {
        what: "moves acme's secret into globex, under a name that globex reads",
        change: move_to_globex,
        command: "strongroom secret get prod/mail/token --tenant globex",
        code: "SR-INTEGRITY",
    },
    Attempt {
        what: "gives globex the name of acme",
        change: |thief, loot| {
            let hash: Vec<u8> =
                thief.query_row("SELECT name_hash FROM tenants WHERE number = ?1", [loot.acme], |row| row.get(0))?;
            thief.execute("UPDATE tenants SET name_hash = zeroblob(16) WHERE number = ?1", [loot.acme])?;
            thief.execute("UPDATE tenants SET name_hash = ?2 WHERE number = ?1", params![loot.globex, hash]).map(drop)
        },
        command: GET,
        code: "SR-INTEGRITY",
    },
    Attempt { what: "flips one bit of an audit line", change: flip_a_bit, command: VERIFY, code: "SR-AUDIT-BROKEN" },
    Attempt {
        what: "deletes one line from the middle of the log",
        change: |thief, _| {
            thief.execute("DELETE FROM audit WHERE seq = (SELECT max(seq) / 2 FROM audit)", []).map(drop)
        },
        command: VERIFY,
        code: "SR-AUDIT-BROKEN",
    },
    Attempt {
        what: "cuts off the last three lines of the log",
        change: |thief, _| {
            thief.execute("DELETE FROM audit WHERE seq > (SELECT max(seq) - 3 FROM audit)", []).map(drop)
        },
        command: "strongroom audit verify --checkpoint kept.note",
        code: "SR-AUDIT-",
    },
];

/// Tries everything, each on a copy of its own. The token is in the same place: only the database was stolen.
pub(crate) fn play(stage: &mut Stage) -> Result<()> {
    // Without this, a copy that never works would pass for one that is refused.
    copy_folder(&stage.path("data"), &stage.path("untouched"))?;
    stage.say("  First, a copy that nobody changed.");
    stage.step(&format!("{GET} --data untouched"), b"", 0, |answer| Ok(answer.stdout.clone()))?;
    let verify = format!("{VERIFY} --checkpoint kept.note --data untouched");
    stage.step(&verify, b"", 0, |answer| Ok(first_line(&answer.stdout)))?;
    for (number, attempt) in ATTEMPTS.iter().enumerate() {
        let copy = format!("stolen-{}", number + 1);
        copy_folder(&stage.path("data"), &stage.path(&copy))?;
        {
            let thief = Connection::open(stage.path(&copy).join("strongroom.db"))?;
            thief.pragma_update(None, "foreign_keys", false)?;
            let loot = Loot::find(&thief)?;
            (attempt.change)(&thief, &loot)?;
            thief.pragma_query(None, "wal_checkpoint", |_| Ok(()))?;
        }
        attempt_is_seen(stage, attempt.what, &format!("{} --data {copy}", attempt.command), attempt.code)?;
    }
    attempt_is_seen(
        stage,
        "puts an older database back, whole and valid",
        &format!("{VERIFY} --checkpoint kept.note --data older"),
        "SR-AUDIT-ROLLED-BACK",
    )
}

/// What a row's MAC cannot show: that the row is an old one. Who only reads it is served the old value; the log knows.
pub(crate) fn old_row(stage: &mut Stage) -> Result<()> {
    copy_folder(&stage.path("data"), &stage.path("stolen-row"))?;
    {
        let thief = Connection::open(stage.path("stolen-row").join("strongroom.db"))?;
        thief.pragma_update(None, "foreign_keys", false)?;
        let target = Loot::find(&thief)?.target;
        thief.execute("ATTACH ?1 AS older", [stage.path("older").join("strongroom.db").to_string_lossy()])?;
        thief.execute("DELETE FROM main.secrets WHERE id = ?1", [&target])?;
        thief.execute("INSERT INTO main.secrets SELECT * FROM older.secrets WHERE id = ?1", [&target])?;
    }
    stage.say("  Rows and log agree, where nobody changed them.");
    stage.step(&format!("{VERIFY} --state --data untouched"), b"", 0, |answer| Ok(last_line(&answer.stdout)))?;
    attempt_is_seen(
        stage,
        "puts a single row back as it was, from an older copy",
        &format!("{VERIFY} --state --data stolen-row"),
        "SR-STATE-DIFFERS",
    )
}

/// The command must fail as an integrity error, with this code; what it says of the place is shown.
fn attempt_is_seen(stage: &mut Stage, what: &str, typed: &str, code: &str) -> Result<()> {
    stage.say(&format!("  The thief {what}."));
    stage.typed(typed);
    let answer = stage.run(typed, b"")?;
    let error = answer.error();
    let seen = answer.exit == 8 && error.starts_with(code);
    let outcome = if seen { Ok(error) } else { Err(format!("exit {}: {error}", answer.exit)) };
    let is_log = typed.contains("audit verify");
    stage.judge(if is_log { "found" } else { "ok, refused" }, what, outcome);
    // Of the report of `audit verify`: its findings are the indented lines before the first blank one.
    let findings = answer.stdout.lines().skip(1).take_while(|line| !line.is_empty());
    for finding in findings.take(if is_log { 1 } else { 0 }) {
        stage.say(&format!("           {}", shortened(finding.trim())));
    }
    Ok(())
}

impl Loot {
    fn find(thief: &Connection) -> rusqlite::Result<Self> {
        let (acme, target, folder): (i64, Vec<u8>, Vec<u8>) =
            thief.query_row("SELECT tenant, id, parent_hash FROM secrets WHERE latest = 2 ORDER BY id", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?;
        let another = |condition: &str| {
            // Ids are in the order of time: the last one.
            let sql = format!(
                "SELECT id FROM secrets WHERE tenant = ?1 AND id <> ?2 AND parent_hash {condition} ?3 ORDER BY id DESC"
            );
            thief.query_row(&sql, params![acme, target, folder], |row| row.get(0))
        };
        let globex = thief.query_row("SELECT tenant FROM secrets WHERE tenant <> ?1", [acme], |row| row.get(0))?;
        Ok(Self { acme, globex, other: another("=")?, elsewhere: another("<>")?, target })
    }
}

fn swap_values(thief: &Connection, loot: &Loot) -> rusqlite::Result<()> {
    let newest = |id| {
        thief.query_row("SELECT value FROM secret_versions WHERE secret = ?1 ORDER BY version DESC", [id], |row| {
            row.get::<_, Vec<u8>>(0)
        })
    };
    let (one, two) = (newest(&loot.target)?, newest(&loot.other)?);
    for (id, value) in [(&loot.target, two), (&loot.other, one)] {
        let sql = "UPDATE secret_versions SET value = ?2 WHERE secret = ?1
                   AND version = (SELECT max(version) FROM secret_versions WHERE secret = ?1)";
        thief.execute(sql, params![id, value])?;
    }
    Ok(())
}

fn swap_hashes(thief: &Connection, loot: &Loot) -> rusqlite::Result<()> {
    swap(thief, "name_hash", &loot.target, &loot.other)
}

fn swap_parents(thief: &Connection, loot: &Loot) -> rusqlite::Result<()> {
    swap(thief, "parent_hash", &loot.target, &loot.elsewhere)
}

/// Of the rows alone: with their versions, only the names would have changed places.
fn swap_ids(thief: &Connection, loot: &Loot) -> rusqlite::Result<()> {
    let free = vec![0_u8; 16];
    for (from, to) in [(&loot.target, &free), (&loot.other, &loot.target), (&free, &loot.other)] {
        thief.execute("UPDATE secrets SET id = ?2 WHERE id = ?1", [from, to])?;
    }
    Ok(())
}

/// Exchanges a column of two secrets; unique ones are free for a moment.
fn swap(thief: &Connection, column: &str, one: &[u8], two: &[u8]) -> rusqlite::Result<()> {
    let value = |id: &[u8]| {
        thief.query_row(&format!("SELECT {column} FROM secrets WHERE id = ?1"), [id], |row| row.get::<_, Vec<u8>>(0))
    };
    let (first, second) = (value(one)?, value(two)?);
    for (id, value) in [(one, vec![0; 16]), (two, first), (one, second)] {
        thief.execute(&format!("UPDATE secrets SET {column} = ?2 WHERE id = ?1"), params![id, value])?;
    }
    Ok(())
}

fn move_to_globex(thief: &Connection, loot: &Loot) -> rusqlite::Result<()> {
    let hash: Vec<u8> =
        thief.query_row("SELECT name_hash FROM secrets WHERE tenant = ?1", [loot.globex], |row| row.get(0))?;
    thief.execute("DELETE FROM secrets WHERE tenant = ?1", [loot.globex])?;
    thief.execute(
        "UPDATE secrets SET tenant = ?1, name_hash = ?2 WHERE tenant = ?3 AND id = ?4",
        params![loot.globex, hash, loot.acme, loot.target],
    )?;
    thief.execute("UPDATE secret_versions SET tenant = ?1 WHERE secret = ?2", params![loot.globex, loot.target])?;
    Ok(())
}

/// In the time of a line, so that it is a line like any other.
fn flip_a_bit(thief: &Connection, _: &Loot) -> rusqlite::Result<()> {
    let (seq, mut line): (i64, Vec<u8>) =
        thief.query_row("SELECT seq, line FROM audit WHERE seq = (SELECT max(seq) / 2 FROM audit)", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let time = line.windows(5).position(|window| window == b"\"ts\":").unwrap_or_default() + 5;
    line[time + 9] ^= 1;
    thief.execute("UPDATE audit SET line = ?2 WHERE seq = ?1", params![seq, line]).map(drop)
}

/// A copy of a data folder that nobody writes to; without its folder of processes, which mean nothing elsewhere.
pub(crate) fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
