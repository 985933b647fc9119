//! What a secret says about itself, as its users say it.

use serde_json::json;

use crate::place::Place;

const CERTIFICATE: &[u8] = include_bytes!("../../../fuzz/corpus/x509/ed25519.pem");

#[test]
fn a_secret_has_a_type_an_owner_and_an_interval() {
    let place = Place::ready();
    let put = ["secret", "put", "a/key", "--type", "database-password", "--owner", "payments", "--label", "tier=db"];
    place.ok_with(&put, b"one");
    let shown = place.json(&["secret", "show", "a/key"]);
    assert_eq!((&shown["type"], &shown["owner"]), (&json!("database-password"), &json!("payments")), "{shown}");
    assert_eq!((&shown["rotate_every"], &shown["rotate_every_seconds"]), (&json!("default"), &json!(2_592_000)));
    assert_eq!(
        (&shown["current"], &shown["revision"], &shown["labels"]),
        (&json!(1), &json!(1), &json!({"tier": "db"}))
    );
    assert!(shown["rotate_by"].as_str().unwrap() > shown["created"].as_str().unwrap());
    assert!(!shown.to_string().contains("one"), "no value: {shown}");
    let text = place.ok(&["secret", "show", "a/key"]);
    for part in ["a/key\n", "  tier=db\n", "database-password", "30d, as its type says", "version 1, since "] {
        assert!(text.contains(part), "{part:?} in {text}");
    }

    let ran = place.run(&["secret", "update", "a/key", "--rotate-every", "14d", "--owner", "", "--expect", "1"]);
    assert!(ran.exit == 0 && ran.stderr.contains("updated a/key revision 2 "), "{}", ran.stderr);
    let reply = place.json(&["secret", "update", "a/key", "--no-labels", "--expect-revision", "2"]);
    assert_eq!(
        (&reply["revision"], &reply["version"], &reply["removed"]),
        (&json!(3), &json!(1), &json!(0)),
        "{reply}"
    );
    let shown = place.json(&["secret", "show", "a/key"]);
    assert_eq!((&shown["rotate_every"], &shown["owner"], &shown["labels"]), (&json!("14d"), &json!(""), &json!({})));
    for (interval, said, seconds) in
        [("never", "never", json!(null)), ("90m", "90m", json!(5_400)), ("default", "default", json!(2_592_000))]
    {
        place.ok(&["secret", "update", "a/key", "--rotate-every", interval]);
        let shown = place.json(&["secret", "show", "a/key"]);
        assert_eq!((&shown["rotate_every"], &shown["rotate_every_seconds"]), (&json!(said), &seconds), "{shown}");
    }

    let update = |more: &[&str], exit, code: &str| {
        place.refused(&[&["secret", "update", "a/key"], more].concat(), b"", exit, code);
    };
    update(&["--owner", "x", "--expect", "2"], 4, "SR-SECRET-CONFLICT");
    update(&["--owner", "x", "--expect-revision", "2"], 4, "SR-SECRET-CONFLICT");
    update(&["--owner", "a\nb"], 5, "SR-SECRET-OWNER-INVALID");
    update(&["--owner", &"x".repeat(256)], 5, "SR-SECRET-OWNER-INVALID");
    update(&["--label", "x"], 5, "SR-LABEL-INVALID");
    for interval in ["30", "59s", "3651d", "tomorrow"] {
        update(&["--rotate-every", interval], 5, "SR-SECRET-ROTATION-INVALID");
    }
    place.refused(&["secret", "update", "a/none", "--owner", "x"], b"", 3, "SR-SECRET-NOT-FOUND");
    place.refused(&["secret", "show", "a/none"], b"", 3, "SR-SECRET-NOT-FOUND");
    for words in [&["a/key"][..], &["a/key", "--type", "other"], &["a/key", "--no-labels", "--label", "a=b"]] {
        assert_eq!(place.run(&[&["secret", "update"], words].concat()).exit, 2, "{words:?}");
    }

    for _ in 0..3 {
        place.ok_with(&["secret", "put", "a/key"], b"more");
    }
    let ran = place.run(&["secret", "update", "a/key", "--max-versions", "2"]);
    assert!(ran.stderr.contains("and removed the oldest 2 versions "), "{}", ran.stderr);
    // What is generated has them too.
    place.ok(&["generate", "password", "a/made", "--type", "token", "--rotate-every", "1d"]);
    let shown = place.json(&["secret", "show", "a/made"]);
    assert_eq!((&shown["type"], &shown["rotate_every"]), (&json!("token"), &json!("1d")), "{shown}");
    assert_eq!(place.json(&["audit", "verify", "--state"])["ok"], true);
}

#[test]
fn a_certificate_is_one_and_says_when_it_ends() {
    let place = Place::ready();
    place.refused(&["secret", "put", "tls/cert", "--type", "certificate"], b"x", 5, "SR-SECRET-CERTIFICATE-INVALID");
    place.refused(&["secret", "show", "tls/cert"], b"", 3, "SR-SECRET-NOT-FOUND");
    place.ok_with(&["secret", "put", "tls/cert", "--type", "certificate"], CERTIFICATE);
    let shown = place.json(&["secret", "show", "tls/cert"]);
    assert_eq!(shown["not_after"], "2027-11-30T07:12:15.000000Z", "{shown}");
    assert!(shown["rotate_by"].as_str().unwrap() <= "2027-11-30T07:12:15.000000Z", "{shown}");
    place.refused(&["secret", "put", "tls/cert"], b"x", 5, "SR-SECRET-CERTIFICATE-INVALID");
    place.ok_with(&["secret", "put", "tls/other"], b"x");
    let update = ["secret", "update", "tls/other", "--type", "certificate"];
    place.refused(&update, b"", 5, "SR-SECRET-CERTIFICATE-INVALID");
}
