//! Times to live, and secrets that are disabled or archived.

use std::{thread, time::Duration};

use crate::place::Place;

fn acts(place: &Place) -> Vec<String> {
    let found = place.json(&["audit", "query", "--actor", "system", "--oldest-first"]);
    let entries = found["entries"].as_array().unwrap();
    entries.iter().map(|entry| entry["act"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_version_and_a_secret_expire_and_get_more_time() {
    let place = Place::ready();
    place.ok_with(&["secret", "put", "a"], b"1");
    place.ok_with(&["secret", "put", "a", "--version-ttl", "3s"], b"2");
    place.ok_with(&["secret", "put", "b", "--ttl", "3s"], b"3");
    assert_eq!(place.ok(&["secret", "get", "a"]), "2");
    thread::sleep(Duration::from_secs(3));
    place.refused(&["secret", "get", "a"], b"", 3, "SR-SECRET-VERSION-EXPIRED");
    place.refused(&["secret", "get", "b"], b"", 6, "SR-SECRET-EXPIRED");
    place.refused(&["secret", "put", "b"], b"4", 6, "SR-SECRET-EXPIRED");
    place.refused(&["run", "--", "true"], b"", 3, "SR-SECRET-NOT-FOUND");
    assert_eq!(acts(&place), ["secret.expire-version", "secret.expire"], "by whichever command came first");
    let events = place.json(&["secret", "history", "a", "--event", "expired"]);
    assert_eq!((&events["events"][0]["version"], &events["events"][0]["actor"]), (&2.into(), &"system".into()));
    let versions = place.json(&["secret", "versions", "a"]);
    assert_eq!(
        (&versions["versions"][0]["state"], &versions["versions"][1]["state"]),
        (&"expired".into(), &"enabled".into())
    );
    let show = place.json(&["secret", "show", "b"]);
    assert_eq!((&show["expired"], &show["enabled"]), (&true.into(), &true.into()));
    let show = place.json(&["secret", "show", "a"]);
    assert_eq!((&show["current_state"], &show["expired"]), (&"expired".into(), &false.into()));
    assert!(
        place.ok(&["secret", "show", "a"]).lines().any(|line| line.contains("current ") && line.ends_with(", expired"))
    );
    assert!(place.ok(&["secret", "show", "b"]).contains("expired"));

    let extended = place.run(&["secret", "extend", "a", "--version", "2", "--ttl", "1h"]);
    assert!(extended.stderr.contains("extended a version 2 until"), "{}", extended.stderr);
    assert_eq!(
        place.json(&["secret", "extend", "a", "--version", "2", "--ttl", "never"])["expires"],
        serde_json::Value::Null
    );
    place.ok(&["secret", "update", "b", "--ttl", "2099-01-01T00:00:00Z"]);
    assert_eq!((place.ok(&["secret", "get", "a"]), place.ok(&["secret", "get", "b"])), ("2".into(), "3".into()));
    for ttl in ["0s", "1999-01-01T00:00:00Z", "36501d", "soon"] {
        let args = ["secret", "extend", "a", "--version", "2", "--ttl", ttl];
        place.refused(&args, b"", 5, "SR-SECRET-EXPIRY-INVALID");
    }
    assert_eq!(place.json(&["audit", "verify", "--state"])["ok"], true);
}

#[test]
fn a_secret_is_disabled_and_archived_and_comes_back() {
    let place = Place::ready();
    place.ok_with(&["secret", "put", "a"], b"1");
    place.ok_with(&["secret", "put", "b"], b"2");
    assert_eq!(place.json(&["secret", "disable", "a"])["changed"], true);
    assert_eq!(place.json(&["secret", "disable", "a"])["changed"], false);
    place.refused(&["secret", "get", "a"], b"", 6, "SR-SECRET-DISABLED");
    assert!(place.ok(&["secret", "show", "a"]).contains("disabled"));
    let enabled = place.run(&["secret", "enable", "a"]);
    assert!(enabled.stderr.contains("enabled a"), "{}", enabled.stderr);
    assert_eq!(place.json(&["secret", "disable", "a", "--version", "1"])["changed"], serde_json::json!([1]));
    place.refused(&["secret", "get", "a"], b"", 3, "SR-SECRET-VERSION-UNAVAILABLE");
    place.ok(&["secret", "enable", "a", "--version", "1"]);
    assert_eq!(place.ok(&["secret", "get", "a"]), "1");

    place.ok(&["secret", "archive", "a"]);
    place.refused(&["secret", "get", "a"], b"", 6, "SR-SECRET-ARCHIVED");
    place.refused(&["secret", "put", "a"], b"2", 6, "SR-SECRET-ARCHIVED");
    assert_eq!(
        (place.ok(&["secret", "list"]), place.ok(&["secret", "list", "--archived"])),
        ("b\n".into(), "a\nb\n".into())
    );
    place.ok(&["secret", "unarchive", "a"]);
    assert_eq!((place.ok(&["secret", "get", "a"]), place.ok(&["secret", "list"])), ("1".into(), "a\nb\n".into()));
    place.refused(&["secret", "archive", "none"], b"", 3, "SR-SECRET-NOT-FOUND");
    let events = place.json(&["secret", "history", "a", "--event", "archived", "--event", "revoked"]);
    assert_eq!(events["events"].as_array().unwrap().len(), 3);
    assert_eq!(place.json(&["audit", "verify", "--state"])["ok"], true);
}
