//! `secret history` and `secret usage`.

use serde_json::Value;

use crate::place::Place;

#[test]
fn a_secret_has_a_history_and_a_usage_also_when_it_is_gone() {
    let place = Place::ready();
    for value in [&b"one"[..], b"two"] {
        place.ok_with(&["secret", "put", "db"], value);
    }
    place.ok(&["--as", "service:billing", "secret", "get", "db"]);
    place.run(&["secret", "get", "db", "--version", "7"]);
    place.ok(&["secret", "delete", "db", "--yes"]);

    let found = place.json(&["secret", "history", "db"]);
    let told = |found: &Value| -> Vec<(String, Option<u64>)> {
        let events = found["events"].as_array().unwrap();
        events.iter().map(|event| (event["event"].as_str().unwrap().to_owned(), event["version"].as_u64())).collect()
    };
    let event = |name: &str, version| (name.to_owned(), version);
    let want = [
        event("purged", None),
        event("accessed", Some(2)),
        event("deprecated", Some(1)),
        event("rotated", Some(2)),
        event("activated", Some(2)),
        event("created", Some(2)),
        event("activated", Some(1)),
        event("created", Some(1)),
    ];
    assert_eq!(told(&found), want);
    assert_eq!((&found["events"][1]["actor"], &found["next"]), (&"service:billing".into(), &Value::Null));

    let page = ["secret", "history", "db", "--event", "created", "--event", "purged", "--oldest-first", "--limit", "1"];
    let first = place.json(&page);
    assert_eq!(told(&first), [event("created", Some(1))]);
    let cursor = first["next"].as_str().unwrap();
    assert_eq!(told(&place.json(&[&page[..], &["--after", cursor]].concat())), [event("created", Some(2))]);
    place.refused(&["secret", "history", "db", "--after", cursor], b"", 5, "SR-CURSOR-INVALID");
    place.refused(&["secret", "history", "db", "--limit", "0"], b"", 5, "SR-LIMIT-INVALID");

    let text = place.ok(&["secret", "history", "db"]);
    assert_eq!(text.lines().count(), 1 + want.len(), "{text}");
    assert!(text.contains("service:billing") && text.contains("secret.get"), "{text}");
    let none = place.run(&["secret", "history", "none"]);
    assert_eq!((none.exit, none.text()), (0, ""));
    assert!(none.stderr.contains("no such event"), "{}", none.stderr);

    let usage = place.json(&["secret", "usage", "db"]);
    let counts =
        ["reads", "leased_reads", "leases_open", "refused", "changes"].map(|name| usage[name].as_u64().unwrap());
    assert_eq!(counts, [1, 0, 0, 1, 3]);
    assert_eq!(usage["first_access"], usage["last_access"]);
    assert_eq!(usage["last_reader"], "service:billing");
    let text = place.ok(&["secret", "usage", "none"]);
    assert!(text.contains("last access") && text.contains("never"), "{text}");
}
