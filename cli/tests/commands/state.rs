//! `audit verify --state`: rows held against the log.

use rusqlite::Connection;

use crate::place::Place;

fn thief(place: &Place, sql: &str) {
    let database = Connection::open(place.path("data").join("strongroom.db")).unwrap();
    database.execute("ATTACH ?1 AS kept", [place.path("kept.db").to_str().unwrap()]).unwrap();
    database.execute_batch(&format!("PRAGMA foreign_keys = off; {sql}")).unwrap();
}

#[test]
fn rows_are_compared_with_the_log_and_what_was_done_to_them_is_said() {
    let place = Place::ready();
    place.ok(&["tenant", "create", "beta"]);
    place.ok(&["tenant", "create", "closed"]);
    place.ok(&["tenant", "close", "closed", "--yes"]);
    place.ok_with(&["secret", "put", "prod/db"], b"one");
    thief(&place, "CREATE TABLE kept.older AS SELECT * FROM secrets");
    place.ok_with(&["secret", "put", "prod/db"], b"two");
    thief(&place, "CREATE TABLE kept.newest AS SELECT * FROM secrets");

    let reply = place.json(&["audit", "verify", "--state"]);
    assert_eq!((&reply["ok"], &reply["state"]["rows"]), (&true.into(), &8.into()), "{reply}");
    assert_eq!(reply["state"]["findings"].as_array().unwrap().len(), 0);
    assert_eq!(reply["state"]["skipped"][0], "closed");
    let text = place.ok(&["audit", "verify", "--state"]);
    assert!(text.contains("\nstate        8 rows of the deployment and 2 tenants, compared with "), "{text}");
    assert!(text.starts_with("OK\n") && text.contains("without closed: closed or suspended"), "{text}");

    thief(&place, "DELETE FROM secrets; INSERT INTO secrets SELECT * FROM kept.older");
    let ran = place.run(&["audit", "verify", "--state"]);
    let text = String::from_utf8(ran.stdout).unwrap();
    assert_eq!(ran.exit, 8, "{}", ran.stderr);
    assert!(ran.stderr.contains("SR-STATE-DIFFERS"), "{}", ran.stderr);
    assert!(text.starts_with("TAMPERED\n  DATABASE: STATE-UNLOGGED versions of secrets: 1 of them"), "{text}");
    assert!(text.contains("acme: STATE-REPLAYED prod/db: revision 1 is stored, and line 1 names revision 2"), "{text}");
    assert!(text.contains("acme: STATE-MISSING prod/db v2: nothing is stored, and line 1 names"), "{text}");
    assert_eq!(place.json(&["audit", "verify"])["ok"], true, "the log itself is whole");

    thief(&place, "DELETE FROM secrets");
    let ran = place.run(&["-o", "json", "audit", "verify", "--state"]);
    let reply: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!((ran.exit, &reply["ok"]), (8, &false.into()));
    let finding = &reply["state"]["findings"][1];
    assert_eq!((&finding["tenant"], &finding["code"]), (&"acme".into(), &"STATE-MISSING".into()), "{reply}");

    // A line that nothing leads to: no state to compare with, said beside all else.
    thief(
        &place,
        "INSERT INTO secrets SELECT * FROM kept.newest; DELETE FROM audit_by_log;
         UPDATE index_progress SET seq = (SELECT max(seq) FROM audit) WHERE name = 'audit_by_log'",
    );
    let ran = place.run(&["audit", "verify", "--state"]);
    let text = String::from_utf8(ran.stdout).unwrap();
    assert_eq!(ran.exit, 8, "{}", ran.stderr);
    assert!(text.contains("acme: SR-AUDIT-BROKEN"), "{text}");
}
