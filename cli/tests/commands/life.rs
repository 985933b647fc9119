//! The life of a secret's versions, as their users run it.

use serde_json::json;

use crate::place::Place;

#[test]
fn versions_are_deleted_brought_back_and_destroyed() {
    let place = Place::ready();
    for value in ["one", "two", "three"] {
        place.ok_with(&["secret", "put", "a/key"], value.as_bytes());
    }
    let ran = place.run(&["secret", "delete", "a/key", "--version", "1,3"]);
    assert!(ran.stderr.contains("deleted a/key versions 1, 3 "), "{}", ran.stderr);
    place.refused(&["secret", "get", "a/key"], b"", 3, "SR-SECRET-VERSION-UNAVAILABLE");
    assert_eq!(place.ok(&["secret", "get", "a/key", "--version", "2"]), "two");
    let states = |want: [&str; 3]| {
        let found = place.json(&["secret", "versions", "a/key"]);
        let states: Vec<_> =
            found["versions"].as_array().unwrap().iter().rev().map(|row| row["state"].clone()).collect();
        assert_eq!(states, want);
    };
    states(["deleted", "enabled", "deleted"]);

    let reply = place.json(&["secret", "undelete", "a/key", "--version", "3"]);
    assert_eq!((&reply["changed"], &reply["path"]), (&json!([3]), &json!("a/key")), "{reply}");
    assert!(reply["receipt"]["seq"].is_u64());
    assert_eq!(place.ok(&["secret", "get", "a/key"]), "three");
    let ran = place.run(&["secret", "undelete", "a/key", "--version", "3"]);
    assert!(ran.stderr.contains("a/key is as it was: not deleted "), "{}", ran.stderr);

    let destroy = ["secret", "destroy", "a/key", "--version", "1", "--version", "2"];
    let ran = place.run(&destroy);
    assert!(ran.exit == 2 && ran.stderr.contains("--yes"), "there is nobody to ask: {}", ran.stderr);
    assert_eq!(place.json(&[&destroy[..], &["--yes"]].concat())["changed"], json!([1, 2]));
    states(["destroyed", "destroyed", "enabled"]);
    place.refused(&["secret", "get", "a/key", "--version", "1"], b"", 3, "SR-SECRET-VERSION-DESTROYED");
    place.refused(&["secret", "undelete", "a/key", "--version", "1"], b"", 3, "SR-SECRET-VERSION-DESTROYED");
    place.refused(&["secret", "delete", "a/key", "--version", "4"], b"", 3, "SR-SECRET-VERSION-NOT-FOUND");
    for words in [&["undelete", "a/key"][..], &["destroy", "a/key", "--yes"], &["delete", "a/key", "--version", "x"]] {
        assert_eq!(place.run(&[&["secret"], words].concat()).exit, 2, "{words:?}");
    }

    // The folder that holds it goes on being exported, and so do environments.
    place.ok_with(&["secret", "put", "a/other"], b"kept");
    place.ok(&["secret", "delete", "a/key", "--version", "3"]);
    assert_eq!(place.ok(&["secret", "export", "--prefix", "a", "--format", "env"]), "other=kept\n");
    let verified = place.json(&["audit", "verify", "--state"]);
    assert_eq!(verified["ok"], true, "{verified}");
    place.ok(&["secret", "delete", "a/key", "--yes"]);
    place.refused(&["secret", "undelete", "a/key", "--version", "3"], b"", 3, "SR-SECRET-NOT-FOUND");
}

#[test]
fn a_secret_keeps_as_many_versions_as_it_is_told() {
    let place = Place::ready();
    let put = |more: &[&str]| {
        let reply = place.ok_with(&[&["-o", "json", "secret", "put", "a/key"], more].concat(), b"value");
        serde_json::from_str::<serde_json::Value>(&reply).unwrap()
    };
    assert_eq!(put(&["--max-versions", "2"])["removed"], 0);
    assert_eq!(put(&[])["removed"], 0);
    assert_eq!(put(&[])["removed"], 1);
    let ran = place.run_with(&["secret", "put", "a/key", "--max-versions", "1"], b"value");
    assert!(ran.stderr.contains("put a/key version 4, and removed the oldest 2 versions "), "{}", ran.stderr);
    let found = place.json(&["secret", "versions", "a/key"]);
    assert_eq!((&found["max_versions"], found["versions"].as_array().unwrap().len()), (&json!(1), 1), "{found}");
    assert!(place.ok(&["secret", "versions", "a/key"]).contains("\n  keeps 1 version\n"));
    place.refused(&["secret", "get", "a/key", "--version", "3"], b"", 3, "SR-SECRET-VERSION-DESTROYED");
    for limit in ["0", "1001"] {
        place.refused(&["secret", "put", "a/key", "--max-versions", limit], b"x", 5, "SR-SECRET-VERSION-LIMIT-INVALID");
    }
    assert_eq!(place.json(&["audit", "verify", "--state"])["ok"], true);
}

#[test]
fn a_json_value_is_patched_and_another_is_not() {
    let place = Place::ready();
    let config = br#"{"user": "app", "port": 5432, "debug": true}"#;
    place.ok_with(&["secret", "put", "a/config", "--json"], config);
    let ran = place.run_with(&["secret", "patch", "a/config"], b"{\"port\": 5433, \"debug\": null}\n");
    assert!(ran.exit == 0 && ran.stderr.contains("patched a/config version 2 "), "{}", ran.stderr);
    assert_eq!(place.ok(&["secret", "get", "a/config"]), r#"{"user":"app","port":5433}"#);
    std::fs::write(place.path("change.json"), r#"{"pool": {"size": 20}}"#).unwrap();
    let reply = place.json(&["secret", "patch", "a/config", "--file", "change.json", "--expect", "2"]);
    assert_eq!((&reply["version"], &reply["removed"]), (&json!(3), &json!(0)), "{reply}");
    let again = ["secret", "patch", "a/config", "--file", "change.json", "--expect", "2"];
    place.refused(&again, b"", 4, "SR-SECRET-CONFLICT");
    place.refused(&["secret", "patch", "a/config"], b"{", 5, "SR-SECRET-VALUE-INVALID");
    place.refused(&["secret", "patch", "a/config"], br#"{"a":1,"a":2}"#, 5, "SR-SECRET-PATCH-INVALID");
    place.refused(&["secret", "patch", "a/none"], b"{}", 3, "SR-SECRET-NOT-FOUND");
    place.ok_with(&["secret", "put", "a/text"], b"text");
    place.refused(&["secret", "patch", "a/text"], b"{}", 5, "SR-SECRET-PATCH-UNSUITABLE");
}

#[test]
fn a_rotation_goes_through_stages_and_back() {
    let place = Place::ready();
    place.ok_with(&["secret", "put", "a/key"], b"one");
    place.refused(&["secret", "promote", "a/key"], b"", 3, "SR-SECRET-STAGE-EMPTY");
    place.refused(&["secret", "put", "a/none", "--stage", "pending"], b"x", 3, "SR-SECRET-NOT-FOUND");
    place.ok_with(&["secret", "put", "a/key", "--stage", "pending"], b"two");
    assert_eq!(place.ok(&["secret", "get", "a/key"]), "one");
    assert_eq!(place.ok(&["secret", "get", "a/key", "--stage", "pending"]), "two");
    let versions = place.ok(&["secret", "versions", "a/key"]);
    assert!(versions.lines().any(|line| line.starts_with("2 ") && line.ends_with("pending")), "{versions}");

    place.refused(&["secret", "promote", "a/key", "--expect", "3"], b"", 4, "SR-SECRET-CONFLICT");
    let reply = place.json(&["secret", "promote", "a/key", "--expect", "2"]);
    assert_eq!((&reply["version"], &reply["previous"]), (&json!(2), &json!(1)), "{reply}");
    let got = place.json(&["secret", "get", "a/key"]);
    assert_eq!((&got["value"], &got["stage"], &got["current"]), (&json!("two"), &json!("current"), &json!(true)));
    let got = place.json(&["secret", "get", "a/key", "--version", "1"]);
    assert_eq!((&got["stage"], &got["current"]), (&json!("previous"), &json!(false)));
    let ran = place.run(&["secret", "promote", "a/key", "--stage", "previous"]);
    assert!(ran.stderr.contains("promoted a/key version 1, version 2 was current before "), "{}", ran.stderr);
    assert_eq!(place.ok(&["secret", "get", "a/key"]), "one");

    let pending = ["secret", "put", "a/key", "--stage", "pending", "--max-versions", "1"];
    place.refused(&pending, b"x", 7, "SR-SECRET-VERSIONS-FULL");
    for words in
        [&["promote", "a/key", "--stage", "current"][..], &["get", "a/key", "--stage", "current", "--version", "1"]]
    {
        assert_eq!(place.run(&[&["secret"], words].concat()).exit, 2, "{words:?}");
    }
    assert_eq!(place.json(&["audit", "verify", "--state"])["ok"], true);
}
