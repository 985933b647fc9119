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

#[test]
fn secrets_are_found_by_what_they_say() {
    let place = Place::ready();
    let put = |path: &str, more: &[&str]| {
        place.ok_with(&[&["secret", "put", path], more].concat(), b"value");
    };
    put("prod/db/password", &["--type", "database-password", "--label", "team=pay", "--label", "tier=db"]);
    put("prod/api/key", &["--type", "api-key", "--label", "team=pay", "--owner", "ann"]);
    put("dev/key", &["--type", "token", "--rotate-every", "2d"]);
    let paths = |more: &[&str]| -> Vec<String> {
        let reply = place.json(&[&["secret", "search"], more].concat());
        assert!(reply["receipt"]["seq"].is_u64() || reply["receipts"].is_array(), "{reply}");
        let found = reply["secrets"].as_array().unwrap().iter();
        found.map(|secret| secret["path"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(paths(&[]), ["dev/key", "prod/api/key", "prod/db/password"]);
    assert_eq!(paths(&["prod", "--label", "team=pay"]), ["prod/api/key", "prod/db/password"]);
    assert_eq!(paths(&["--label", "team=pay", "--label", "tier=db"]), ["prod/db/password"]);
    assert_eq!(paths(&["--type", "api-key", "--owner", "ann"]), ["prod/api/key"]);
    assert_eq!(paths(&["--owner", ""]), ["dev/key", "prod/db/password"]);
    assert_eq!(paths(&["--due-within", "7d"]), ["dev/key"]);
    assert_eq!(paths(&["--due-within", "31d"]), ["dev/key", "prod/db/password"]);
    assert_eq!(paths(&["--due-within", "0s"]), Vec::<String>::new());
    assert_eq!(paths(&["--all", "--label", "team=pay"]).len(), 2);
    assert_eq!(paths(&["--environment", "prod"]), ["api/key", "db/password"]);
    let text = place.ok(&["secret", "search", "--owner", "ann"]);
    assert!(text.starts_with("PATH ") && text.contains("prod/api/key  api-key  20"), "{text}");
    let ran = place.run(&["secret", "search", "--owner", "nobody"]);
    assert!(ran.exit == 0 && ran.stdout.is_empty() && ran.stderr.contains("nothing found"), "{}", ran.stderr);

    // In pages; and a recursive list is a search for everything.
    let reply = place.json(&["secret", "search", "--limit", "2"]);
    assert_eq!(reply["secrets"].as_array().unwrap().len(), 2);
    assert_eq!(paths(&["--limit", "2", "--after", reply["next"].as_str().unwrap()]), ["prod/db/password"]);
    assert_eq!(place.ok(&["secret", "list", "--recursive"]), "dev/key\nprod/api/key\nprod/db/password\n");
    assert_eq!(place.ok(&["secret", "list", "prod", "-r"]), "prod/api/key\nprod/db/password\n");
    let ran = place.run(&["secret", "list", "-r", "--limit", "1"]);
    assert!(ran.stdout == b"dev/key\n" && ran.stderr.contains("there is more: --after "), "{}", ran.stderr);
    let reply = place.json(&["secret", "list", "-r", "--all"]);
    assert_eq!(reply["entries"][2], json!({"type": "secret", "path": "prod/db/password"}), "{reply}");

    place.refused(&["secret", "search", "--limit", "0"], b"", 5, "SR-LIMIT-INVALID");
    place.refused(&["secret", "search", "--after", "?"], b"", 5, "SR-CURSOR-INVALID");
    place.refused(&["secret", "search", "--label", "x"], b"", 5, "SR-LABEL-INVALID");
    for words in [&["--due-within", "soon"][..], &["--type", "other"], &["--all", "--limit", "1"]] {
        assert_eq!(place.run(&[&["secret", "search"], words].concat()).exit, 2, "{words:?}");
    }
}

#[test]
fn secrets_are_copied_and_moved() {
    let place = Place::ready();
    place.ok_with(&["secret", "put", "staging/key", "--owner", "ann", "--type", "token"], b"one");
    place.ok_with(&["secret", "put", "staging/key"], b"two");
    let ran = place.run(&["secret", "copy", "staging/key", "prod/key"]);
    assert!(ran.exit == 0 && ran.stderr.contains("copied staging/key version 2 to prod/key "), "{}", ran.stderr);
    assert_eq!(place.ok(&["secret", "get", "prod/key"]), "two");
    let shown = place.json(&["secret", "show", "prod/key"]);
    assert_eq!((&shown["owner"], &shown["type"], &shown["current"]), (&json!("ann"), &json!("token"), &json!(1)));
    let reply = place.json(&["secret", "copy", "staging/key", "prod/first", "--version", "1"]);
    assert_eq!((&reply["from_version"], &reply["version"]), (&json!(1), &json!(1)), "{reply}");
    place.ok(&["secret", "copy", "staging/key", "prod/previous", "--stage", "previous"]);
    assert_eq!(place.ok(&["secret", "get", "prod/previous"]), "one");
    place.refused(&["secret", "copy", "staging/key", "prod/key"], b"", 4, "SR-SECRET-EXISTS");
    place.refused(&["secret", "copy", "staging/none", "prod/x"], b"", 3, "SR-SECRET-NOT-FOUND");

    let ran = place.run(&["secret", "move", "staging/key", "prod/moved", "--expect", "2"]);
    assert!(ran.exit == 0 && ran.stderr.contains("moved staging/key to prod/moved "), "{}", ran.stderr);
    assert_eq!(place.ok(&["secret", "get", "prod/moved", "--version", "1"]), "one");
    assert_eq!(place.ok(&["secret", "list"]), "prod/\n");
    place.refused(&["secret", "move", "prod/moved", "prod/key"], b"", 4, "SR-SECRET-EXISTS");
    place.refused(&["secret", "move", "prod/moved", "x", "--expect", "1"], b"", 4, "SR-SECRET-CONFLICT");
    place.refused(&["secret", "move", "staging/key", "x"], b"", 3, "SR-SECRET-NOT-FOUND");
    let reply = place.json(&["--environment", "prod", "secret", "move", "moved", "staging/key"]);
    assert_eq!((&reply["from"], &reply["to"], &reply["version"]), (&json!("moved"), &json!("staging/key"), &json!(2)));
    assert_eq!(place.ok(&["secret", "get", "prod/staging/key"]), "two");
    for path in ["staging/key", "prod/moved"] {
        let found = place.json(&["audit", "query", "--secret", path]);
        let acts = found["entries"].as_array().unwrap().iter().map(|entry| entry["act"].as_str().unwrap());
        assert!(acts.into_iter().any(|act| act.starts_with("secret.move")), "{path}: {found}");
    }
    assert_eq!(place.json(&["audit", "verify", "--state"])["ok"], true);
}
