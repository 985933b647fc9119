//! A tenant's quotas, as an operator sets them and its users meet them.

use serde_json::{Value, json};

use crate::place::Place;

fn show(place: &Place) -> Value {
    place.json(&["tenant", "show", "acme"])
}

#[test]
fn quotas_are_set_one_by_one_shown_and_met() {
    let place = Place::ready();
    let set = |words: &[&str]| place.json(&[&["tenant", "set", "acme"], words].concat());
    let reply = set(&["--max-secrets", "2", "--max-bytes", "1MiB"]);
    let quotas = json!({
        "leases": true, "max_secrets": 2, "max_bytes": 1_048_576, "max_rate": null, "max_audit_bytes": null
    });
    assert_eq!(reply["settings"], quotas);
    let ran = place.run(&["tenant", "set", "acme", "--max-rate", "500", "--max-audit-bytes", "1GiB"]);
    assert!(
        ran.stderr.contains("at most 2 secrets, at most 1048576 bytes, at most 500 operations per second"),
        "{}",
        ran.stderr
    );
    assert_eq!(set(&["--leases", "off"])["settings"]["max_rate"], 500);

    place.ok_with(&["secret", "put", "a"], b"one");
    place.ok_with(&["secret", "put", "b"], b"two");
    let ran = place.refused(&["secret", "put", "c"], b"three", 7, "SR-TENANT-QUOTA-EXCEEDED");
    assert!(ran.stderr.contains("at most 2 secrets") && ran.stderr.contains("tenant set"), "{}", ran.stderr);
    place.ok_with(&["secret", "put", "a"], b"another version");
    let shown = show(&place);
    assert_eq!(shown["usage"]["secrets"], 2);
    let bytes = shown["usage"]["bytes"].as_u64().unwrap();
    assert!(bytes > 0 && shown["usage"]["audit_bytes_today"].as_u64().unwrap() > 1_000, "{shown}");
    let text = place.ok(&["tenant", "show", "acme"]);
    assert!(text.contains("2 of 2") && text.contains(&format!("{bytes} of 1048576")), "{text}");
    assert!(text.contains("at most 500 operations per second"), "{text}");

    set(&["--max-bytes", &bytes.to_string()]);
    place.refused(&["secret", "put", "a"], b"more", 7, "SR-TENANT-QUOTA-EXCEEDED");
    place.ok(&["secret", "destroy", "a", "--version", "1", "--yes"]);
    place.ok_with(&["secret", "put", "a"], b"more");
    place.ok(&["secret", "delete", "b", "--yes"]);
    assert_eq!(show(&place)["usage"]["secrets"], 1);
    let found = place.json(&["audit", "query", "--act", "secret.put", "--outcome", "refused"]);
    // Each was tried twice, once for either form of the error.
    assert_eq!(found["entries"].as_array().unwrap().len(), 4, "{found}");
    assert_eq!(place.json(&["audit", "verify", "--state"])["ok"], true);

    let reply =
        set(&["--max-secrets", "none", "--max-bytes", "none", "--max-rate", "none", "--max-audit-bytes", "none"]);
    assert_eq!(reply["settings"]["max_audit_bytes"], Value::Null);
    place.ok_with(&["secret", "put", "c"], b"three");
}

#[test]
fn what_is_refused_for_audit_bytes_is_one_line_when_the_command_ends() {
    let place = Place::ready();
    place.ok_with(&["secret", "put", "a"], b"one");
    place.ok(&["tenant", "set", "acme", "--max-audit-bytes", "0"]);
    let lines = show(&place)["log"]["lines"].as_u64().unwrap();
    let ran = place.refused(&["secret", "get", "a"], b"", 7, "SR-TENANT-RATE-LIMITED");
    assert!(ran.stdout.is_empty() && ran.stderr.contains("; again in "), "{}", ran.stderr);
    // It was tried twice, by a process each, once for either form of the error.
    assert_eq!(show(&place)["log"]["lines"].as_u64().unwrap(), lines + 2);
    place.ok(&["tenant", "set", "acme", "--max-audit-bytes", "none"]);
    let found = place.json(&["audit", "query", "--act", "quota.refused"]);
    let entry = &found["entries"][0];
    assert_eq!((&entry["code"], &entry["count"]), (&json!("SR-TENANT-RATE-LIMITED"), &json!(1)), "{found}");
    assert_eq!(entry["object_type"], "quota.audit-bytes", "{found}");
    assert_eq!(place.json(&["audit", "verify"])["ok"], true);
}

#[test]
fn a_quota_that_is_none_is_refused() {
    let place = Place::ready();
    for words in [
        &[][..],
        &["--max-secrets", "many"],
        &["--max-secrets", "1KiB"],
        &["--max-bytes", "10MB"],
        &["--max-rate", "-1"],
        &["--max-rate", "1.5"],
    ] {
        assert_eq!(place.run(&[&["tenant", "set", "acme"], words].concat()).exit, 2, "{words:?}");
    }
    for words in
        [["--max-rate", "0"], ["--max-rate", "1000001"], ["--max-bytes", "2PiB"], ["--max-secrets", "1000000001"]]
    {
        place.refused(&[&["tenant", "set", "acme"], &words[..]].concat(), b"", 5, "SR-TENANT-QUOTA-INVALID");
    }
}
