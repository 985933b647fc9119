//! The thief: who can write the database file, but has neither token nor PIN.
//!
//! Each theft works on a fresh copy of the data folder and is then looked at through the program.

use std::{fs, path::PathBuf};

use rusqlite::Connection;

use crate::stage::{Result, Stage};

/// A theft: what is done, in which statements, how a user meets it, and how that must end.
struct Theft {
    what: &'static str,
    sql: &'static str,
    then: &'static [&'static str],
    code: i32,
    says: &'static str,
}

const GET: &[&str] = &["--tenant", "acme", "secret", "get", "prod/database/password"];
const GET_USER: &[&str] = &["--tenant", "acme", "secret", "get", "prod/database/user"];
const LIST: &[&str] = &["--tenant", "acme", "secret", "list", "prod/shop"];
const VERIFY: &[&str] = &["--tenant", "acme", "audit", "verify"];

/// What the thief knows without a key: the order in which rows were made. `pw` is the first secret of the first
/// tenant, `us` the second, `sh` the third, which is in another folder; `theirs` is the other tenant's number.
const KNOWN: &str = "
    CREATE TEMP TABLE rows_of AS SELECT tenant, id, name_hash, parent_hash FROM secrets
        WHERE tenant = (SELECT tenant FROM secrets ORDER BY id LIMIT 1) ORDER BY id LIMIT 3;
    CREATE TEMP TABLE pw AS SELECT * FROM rows_of ORDER BY id LIMIT 1;
    CREATE TEMP TABLE us AS SELECT * FROM rows_of ORDER BY id LIMIT 1 OFFSET 1;
    CREATE TEMP TABLE sh AS SELECT * FROM rows_of ORDER BY id LIMIT 1 OFFSET 2;
    CREATE TEMP TABLE theirs AS SELECT number FROM tenants WHERE number NOT IN (0, (SELECT tenant FROM pw));";

const ROWS: &[Theft] = &[
    Theft {
        what: "swaps the ciphertexts of two secrets",
        sql: "CREATE TEMP TABLE a AS SELECT value FROM secret_versions WHERE secret = (SELECT id FROM us) AND version = 1;
              UPDATE secret_versions SET value = (SELECT value FROM secret_versions WHERE secret = (SELECT id FROM pw) AND version = 1)
                WHERE secret = (SELECT id FROM us) AND version = 1;
              UPDATE secret_versions SET value = (SELECT value FROM a) WHERE secret = (SELECT id FROM pw) AND version = 1;",
        then: GET_USER,
        code: 8,
        says: "SR-INTEGRITY",
    },
    Theft {
        what: "puts the password's old ciphertext where the new one is",
        sql: "UPDATE secret_versions SET value = (SELECT value FROM secret_versions WHERE secret = (SELECT id FROM pw) AND version = 1)
                WHERE secret = (SELECT id FROM pw) AND version = 2;",
        then: GET,
        code: 8,
        says: "SR-INTEGRITY",
    },
    Theft {
        what: "swaps the index hashes of two secrets, so that one is found as the other",
        sql: "UPDATE secrets SET name_hash = zeroblob(16) WHERE id = (SELECT id FROM us);
              UPDATE secrets SET name_hash = (SELECT name_hash FROM us) WHERE id = (SELECT id FROM pw);
              UPDATE secrets SET name_hash = (SELECT name_hash FROM pw) WHERE id = (SELECT id FROM us);",
        then: GET,
        code: 8,
        says: "SR-INTEGRITY",
    },
    Theft {
        what: "moves a secret into another folder by its parent hash",
        sql: "UPDATE secrets SET parent_hash = (SELECT parent_hash FROM sh) WHERE id = (SELECT id FROM pw);",
        then: LIST,
        code: 8,
        says: "SR-INTEGRITY",
    },
    Theft {
        what: "swaps the object ids of two secrets",
        sql: "UPDATE secrets SET id = zeroblob(16) WHERE id = (SELECT id FROM us);
              UPDATE secrets SET id = (SELECT id FROM us) WHERE id = (SELECT id FROM pw);
              UPDATE secrets SET id = (SELECT id FROM pw) WHERE id = zeroblob(16);",
        then: GET_USER,
        code: 8,
        says: "SR-INTEGRITY",
    },
    Theft {
        what: "points the current version back at an old one",
        sql: "UPDATE secrets SET current = 1 WHERE id = (SELECT id FROM pw);",
        then: GET,
        code: 8,
        says: "SR-INTEGRITY",
    },
    Theft {
        what: "flips the column `enabled`",
        sql: "UPDATE secrets SET enabled = 1 - enabled WHERE id = (SELECT id FROM pw);",
        then: GET,
        code: 8,
        says: "SR-INTEGRITY",
    },
    Theft {
        what: "gives one tenant's secret to another, under a hash the other looks for",
        sql: "CREATE TEMP TABLE bait AS SELECT id, name_hash, parent_hash FROM secrets WHERE tenant = (SELECT number FROM theirs);
              DELETE FROM secret_versions WHERE tenant = (SELECT number FROM theirs);
              DELETE FROM secrets WHERE tenant = (SELECT number FROM theirs);
              UPDATE secrets SET tenant = (SELECT number FROM theirs), name_hash = (SELECT name_hash FROM bait),
                parent_hash = (SELECT parent_hash FROM bait) WHERE id = (SELECT id FROM pw);
              UPDATE secret_versions SET tenant = (SELECT number FROM theirs) WHERE secret = (SELECT id FROM pw);",
        then: &["--tenant", "globex", "secret", "get", "bait"],
        code: 8,
        says: "SR-INTEGRITY",
    },
    Theft {
        what: "takes one tenant's row for another's",
        sql: "CREATE TEMP TABLE h AS SELECT name_hash FROM tenants WHERE number = (SELECT tenant FROM pw);
              UPDATE tenants SET name_hash = zeroblob(16) WHERE number = (SELECT tenant FROM pw);
              UPDATE tenants SET name_hash = (SELECT name_hash FROM h) WHERE number = (SELECT number FROM theirs);",
        then: GET,
        code: 8,
        says: "SR-INTEGRITY",
    },
];

const LOG: &[Theft] = &[
    Theft {
        what: "flips one byte of one line",
        sql: "UPDATE audit SET line = CAST(replace(CAST(line AS TEXT), 'SR-SECRET-CONFLICT', 'SR-SECRET-CONFLICU') AS BLOB)
                WHERE instr(line, 'SR-SECRET-CONFLICT') > 0;",
        then: VERIFY,
        code: 8,
        says: "line 3",
    },
    Theft {
        what: "deletes a line from the middle",
        sql: "DELETE FROM audit WHERE instr(line, 'SR-SECRET-CONFLICT') > 0;",
        then: VERIFY,
        code: 8,
        says: "line 3",
    },
    Theft {
        what: "cuts the log's tail",
        sql: "DELETE FROM audit WHERE seq > (SELECT max(seq) - 5 FROM audit);",
        then: VERIFY,
        code: 8,
        says: "no line follows it",
    },
    Theft {
        what: "cuts the tail and the heads with it, back to an earlier commit",
        sql: "DELETE FROM head_log WHERE id > (SELECT max(id) - 3 FROM head_log);
              DELETE FROM audit WHERE seq > (SELECT last_seq FROM head_log ORDER BY id DESC LIMIT 1);
              UPDATE head SET commits = commits - 3, last_commit = (SELECT max(id) FROM head_log), last_seq = (SELECT max(seq) FROM audit);",
        then: VERIFY,
        code: 8,
        says: "CHECKPOINT-SIZE",
    },
];

pub(crate) fn at_the_rows(stage: &mut Stage) -> Result<()> {
    let data = stage.at("data");
    stage.act("A thief at the database file: whatever is moved is refused, and the refusal recorded");
    stage.run(&data, &["--tenant", "globex", "secret", "put", "bait"], Some("globex's own"))?;
    for theft in ROWS {
        commit(stage, theft)?;
    }
    Ok(())
}

pub(crate) fn at_the_log(stage: &mut Stage) -> Result<()> {
    stage.act("The thief at the log: whatever is changed is found, with its place");
    for theft in LOG {
        commit(stage, theft)?;
    }
    stage.act("The thief puts yesterday's whole database back: every signature in it is good");
    let yesterday = copy(stage)?;
    let data = stage.at("data");
    let checkpoint = stage.at("today").to_string_lossy().into_owned();
    stage.run(&data, &["--tenant", "acme", "secret", "put", "prod/new"], Some("made today"))?;
    stage.expect(&data, &["--tenant", "acme", "audit", "verify", "--save-checkpoint", &checkpoint], None, 0, "OK")?;
    stage.say("Then the thief comes. Only what is remembered elsewhere can tell:");
    stage.expect(
        &yesterday,
        &["--tenant", "acme", "audit", "verify", "--checkpoint", &checkpoint],
        None,
        8,
        "ROLLBACK",
    )?;
    Ok(())
}

/// Steals, and looks.
fn commit(stage: &mut Stage, theft: &Theft) -> Result<()> {
    let data = copy(stage)?;
    let database = Connection::open(data.join("strongroom.db"))?;
    database.execute_batch("PRAGMA foreign_keys = OFF")?;
    database.execute_batch(KNOWN)?;
    database.execute_batch(theft.sql)?;
    drop(database);
    stage.say(&format!("The thief {}:", theft.what));
    stage.expect(&data, theft.then, None, theft.code, theft.says)?;
    Ok(())
}

/// A copy of the data folder, for one theft.
fn copy(stage: &Stage) -> Result<PathBuf> {
    let copy = tempfile::Builder::new().prefix("stolen-").tempdir_in(stage.at(""))?.keep();
    for file in fs::read_dir(stage.at("data"))? {
        let file = file?;
        fs::copy(file.path(), copy.join(file.file_name()))?;
    }
    Ok(copy)
}
