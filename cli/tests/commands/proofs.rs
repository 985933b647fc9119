//! Single lines proven to somebody else: made on the deployment, verified where there is nothing but the root key.

use std::fs;

use serde_json::{Value, json};

use crate::place::{Place, mode};

/// A deployment with a receipt in `kept.json`, as the reply that it came with; gives the root key too.
fn with_receipt() -> (Place, String) {
    let place = Place::ready();
    for (number, file) in ["kept.json", "newer.json"].into_iter().enumerate() {
        let reply = place.ok_with(&["secret", "put", "db/password", "-o", "json"], format!("{number}").as_bytes());
        fs::write(place.path(file), reply).unwrap();
    }
    let root = place.json(&["status"])["root_key"].as_str().unwrap().to_owned();
    (place, root)
}

/// Where there is no deployment and no device.
fn offline<'a>(proof: &'a str, root: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["--data", "nowhere", "audit", "verify-proof", proof, "--root", root], more].concat()
}

fn receipt(place: &Place, file: &str) -> Value {
    serde_json::from_slice::<Value>(&fs::read(place.path(file)).unwrap()).unwrap()["receipt"].clone()
}

/// The receipt with another value for a key, in a file.
fn changed(place: &Place, key: &str, value: Value) -> &'static str {
    let mut receipt = receipt(place, "kept.json");
    assert_ne!(receipt[key], value, "{key}");
    receipt[key] = value;
    fs::write(place.path("changed.json"), receipt.to_string()).unwrap();
    "changed.json"
}

#[test]
fn a_line_is_proven_by_its_place_or_its_receipt() {
    let (place, root) = with_receipt();
    let kept = receipt(&place, "kept.json");

    // By the receipt, into a file that only its owner reads and nothing overwrites unasked.
    let ran = place.run(&["audit", "prove", "--receipt", "kept.json", "--file", "kept.proof"]);
    assert_eq!((ran.exit, ran.text()), (0, ""), "{}", ran.stderr);
    assert!(ran.stderr.contains("the proof of line 0 (audit seq 2)\n"), "{}", ran.stderr);
    assert_eq!(mode(&place.path("kept.proof")), 0o600);
    let file = fs::read_to_string(place.path("kept.proof")).unwrap();
    assert_eq!(place.run(&["audit", "prove", "0", "--file", "kept.proof"]).exit, 2, "it is there");
    assert_eq!(fs::read_to_string(place.path("kept.proof")).unwrap(), file);

    let proven = place.json(&offline("kept.proof", &root, &["--receipt", "kept.json"]));
    assert_eq!(
        (&proven["ok"], &proven["log"], &proven["seq"], &proven["leaf"], &proven["act"], &proven["code"]),
        (&json!(true), &kept["origin"], &json!(0), &kept["leaf"], &json!("secret.put"), &json!("ok"))
    );
    assert_eq!((&proven["of_receipt"], &proven["root"]), (&json!(true), &json!(root)));
    assert!(file.contains(&format!("\nline {}\n", proven["line"].as_str().unwrap())));
    fs::write(place.path("kept.note"), proven["checkpoint"].as_str().unwrap()).unwrap();
    assert_eq!(place.json(&["audit", "verify", "--checkpoint", "kept.note"])["remembered"], "continued");
    let text = place.ok(&offline("kept.proof", &root, &[]));
    assert!(text.starts_with("PROVEN\n") && text.contains("receipt   none given\n"), "{text}");
    assert!(!file.contains("db/password") && !text.contains("db/password"), "it names nothing");

    // By the place, to stdout, from where it is piped into the verification; a bare receipt will do as well.
    fs::write(place.path("bare.json"), receipt(&place, "newer.json").to_string()).unwrap();
    let piped = place.ok(&["audit", "prove", "1"]);
    let ran = place.run_with(&offline("-", &root, &["--receipt", "bare.json"]), piped.as_bytes());
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    assert!(ran.text().contains("receipt   it is of this line\n"), "{}", ran.text());

    // In JSON: the proof is in the reply, or in the file that the reply names.
    let made = place.json(&["audit", "prove", "0"]);
    fs::write(place.path("made.proof"), made["proof"].as_str().unwrap()).unwrap();
    assert_eq!((&made["leaf"], &made["file"]), (&kept["leaf"], &Value::Null));
    place.ok(&offline("made.proof", &root, &["--receipt", "kept.json"]));
    let made = place.json(&["audit", "prove", "0", "--file", "made.proof", "--force"]);
    assert_eq!((&made["proof"], &made["file"]), (&Value::Null, &json!("made.proof")));
    let key = place.json(&offline("made.proof", &hex_of(&root), &[]));
    assert_eq!(key["seq"], 0, "the root key in hex will do");

    let shown = place.ok(&["audit", "show"]);
    assert!(shown.contains("audit.prove  line 0"), "proving is recorded: {shown}");
    assert_eq!(place.json(&["audit", "verify"])["ok"], true);
}

fn hex_of(root: &str) -> String {
    let key = strongroom_log::base64_decode(root.splitn(3, '+').nth(2).unwrap()).unwrap();
    strongroom_log::hex_encode(&key[1..])
}

#[test]
fn the_deployments_own_log_is_proven_too() {
    let place = Place::ready();
    let created = place.json(&["tenant", "create", "globex"]);
    fs::write(place.path("created.json"), created.to_string()).unwrap();
    let root = place.json(&["status"])["root_key"].as_str().unwrap().to_owned();
    let args = ["audit", "prove", "--deployment", "--receipt", "created.json", "--file", "created.proof"];
    let made = place.command(&args).env_remove("STRONGROOM_TENANT").output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let proven = place.json(&offline("created.proof", &root, &["--receipt", "created.json"]));
    assert_eq!((&proven["act"], &proven["log"]), (&json!("tenant.create"), &created["receipt"]["origin"]));
    assert!(place.ok(&["audit", "show", "--deployment"]).contains("audit.prove"));
    assert_eq!(place.json(&["audit", "prove", "--deployment", "0"])["seq"], 0);
}

#[test]
fn what_is_of_something_else_is_invalid_and_what_contradicts_is_evidence() {
    let (place, root) = with_receipt();
    place.ok(&["tenant", "create", "globex"]);
    let other = place.ok_with(&["--tenant", "globex", "secret", "put", "a", "-o", "json"], b"1");
    fs::write(place.path("other.json"), other).unwrap();
    place.ok(&["audit", "prove", "0", "--file", "kept.proof"]);
    let prove = |receipt| ["audit", "prove", "--receipt", receipt];
    let verify = |receipt| offline("kept.proof", &root, &["--receipt", receipt]);

    // Of another tenant, of another line, of nothing.
    place.refused(&prove("other.json"), b"", 5, "SR-AUDIT-RECEIPT-INVALID");
    let args = ["--tenant", "globex", "audit", "prove", "--receipt", "kept.json"];
    place.refused(&args, b"", 5, "SR-AUDIT-RECEIPT-INVALID");
    let ran = place.refused(&verify("other.json"), b"", 5, "SR-AUDIT-RECEIPT-INVALID");
    assert!(ran.text().starts_with("NOT PROVEN\n  RECEIPT-LOG: "), "{}", ran.text());
    place.refused(&verify("newer.json"), b"", 5, "SR-AUDIT-RECEIPT-INVALID");
    place.refused(&prove("kept.proof"), b"", 5, "SR-AUDIT-RECEIPT-INVALID");
    place.refused(&verify("kept.proof"), b"", 5, "SR-AUDIT-RECEIPT-INVALID");
    place.refused(&["audit", "prove", "9"], b"", 3, "SR-AUDIT-LINE-NOT-FOUND");
    place.refused(&["--tenant", "nobody", "audit", "prove", "0"], b"", 3, "SR-TENANT-NOT-FOUND");

    // Of this line, and yet the two cannot both be true.
    let newer = receipt(&place, "newer.json");
    let contradicted = changed(&place, "leaf", newer["leaf"].clone());
    place.refused(&prove(contradicted), b"", 8, "SR-AUDIT-RECEIPT-CONTRADICTED");
    let refused = place.run(&[&verify(contradicted)[..], &["-o", "json"]].concat());
    let reply: Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert_eq!((refused.exit, &reply["ok"], &reply["finding"]), (8, &json!(false), &json!("RECEIPT-LINE")));
    let absent = changed(&place, "seq", json!(1_000));
    place.refused(&prove(absent), b"", 8, "SR-AUDIT-RECEIPT-CONTRADICTED");
    let later = changed(&place, "head_size", json!(1_000_000));
    place.refused(&verify(later), b"", 8, "SR-AUDIT-RECEIPT-CONTRADICTED");
    assert_eq!(place.json(&["audit", "verify"])["ok"], true, "a made-up receipt changes nothing");
}

#[test]
fn a_file_that_was_changed_proves_nothing() {
    let (place, root) = with_receipt();
    let whole = place.ok(&["audit", "prove", "0"]);
    let record = |tag: &str| whole.lines().find(|line| line.starts_with(&format!("{tag} "))).unwrap().to_owned();
    let other = |text: &str| text.replacen('A', "B", 1);
    let broken = |name: &str, bytes: &[u8], finding: &str| {
        let ran = place.refused(&offline("-", &root, &[]), bytes, 8, "SR-AUDIT-PROOF-BROKEN");
        assert!(ran.text().starts_with(&format!("NOT PROVEN\n  {finding}: ")), "case: {name}: {}", ran.text());
    };
    for (name, from, to, finding) in [
        ("another act", "secret.put", "secret.get", "LINE-PROOF"),
        ("another head", "head 2 ", "head 3 ", "HEAD-PROOF"),
        ("another heads tree", &record("heads-proof"), &other(&record("heads-proof")), "HEAD-PROOF"),
        ("another commit", &record("commit-leaf"), &record("commit-leaf").replace("AAAA", "AAAB"), "COMMIT-PROOF"),
        ("another checkpoint", "checkpoint ", "checkpoint 1", "CHECKPOINT-SIGNATURE"),
        ("another epoch", &record("epoch"), &other(&record("epoch")), "EPOCH-SIGNATURE"),
        ("a record left out", &format!("{}\n", record("log")), "", "PROOF-RECORD"),
        ("a record more", "\nlog ", "\nlog \nlog ", "PROOF-RECORD"),
        ("other line ends", "\n", "\r\n", "PROOF-VERSION"),
    ] {
        assert!(whole.contains(from), "case: {name}");
        let forged = whole.replacen(from, to, 1);
        assert_ne!(forged, whole, "case: {name}");
        if finding == "PROOF-VERSION" {
            place.refused(&offline("-", &root, &[]), forged.as_bytes(), 5, "SR-AUDIT-PROOF-INVALID");
        } else {
            broken(name, forged.as_bytes(), finding);
        }
    }
    broken("cut off", &whole.as_bytes()[..whole.len() - 1], "PROOF-RECORD");
    broken("more after its end", format!("{whole}x").as_bytes(), "PROOF-RECORD");
    broken("no text", &[whole.as_bytes(), b"\xff"].concat(), "PROOF-RECORD");

    // It is another deployment's, or the root key is.
    let (theirs, their_root) = with_receipt();
    broken("of another deployment", theirs.ok(&["audit", "prove", "0"]).as_bytes(), "ROOT-KEY");
    place.refused(&offline("-", &their_root, &[]), whole.as_bytes(), 8, "SR-AUDIT-PROOF-BROKEN");
    place.refused(&offline("-", &hex_of(&their_root), &[]), whole.as_bytes(), 8, "SR-AUDIT-PROOF-BROKEN");
}

/// None of it is read further than shows what it is.
#[test]
fn a_file_of_any_size_and_kind_is_refused() {
    let (place, root) = with_receipt();
    let whole = place.ok(&["audit", "prove", "0", "--file", "kept.proof"]);
    assert_eq!(whole, "");
    // As large as a disk, on one block of it.
    let huge = fs::File::create(place.path("huge")).unwrap();
    huge.set_len(1 << 40).unwrap();
    fs::copy(place.path("kept.proof"), place.path("padded.proof")).unwrap();
    fs::OpenOptions::new().write(true).open(place.path("padded.proof")).unwrap().set_len(1 << 40).unwrap();
    fs::write(place.path("empty"), "").unwrap();
    fs::write(place.path("deep.json"), "[".repeat(100_000)).unwrap();
    for file in ["huge", "empty", "deep.json", "kept.json", "/dev/zero"] {
        place.refused(&offline(file, &root, &[]), b"", 5, "SR-AUDIT-PROOF-INVALID");
    }
    place.refused(&offline("padded.proof", &root, &[]), b"", 8, "SR-AUDIT-PROOF-BROKEN");
    for file in ["huge", "empty", "deep.json", "/dev/zero"] {
        place.refused(&offline("kept.proof", &root, &["--receipt", file]), b"", 5, "SR-AUDIT-RECEIPT-INVALID");
        place.refused(&["audit", "prove", "--receipt", file], b"", 5, "SR-AUDIT-RECEIPT-INVALID");
    }
    for file in ["no-such-file", "data"] {
        place.refused(&offline(file, &root, &[]), b"", 5, "SR-FILE-UNREADABLE");
        place.refused(&["audit", "prove", "--receipt", file], b"", 5, "SR-FILE-UNREADABLE");
    }
    place.refused(&["audit", "prove", "0", "--file", "no/such/folder/x"], b"", 5, "SR-FILE-UNREADABLE");
}

#[test]
fn a_receipt_from_before_a_restore_is_of_a_generation_that_ended() {
    let (place, root) = with_receipt();
    place.ok(&["audit", "prove", "--receipt", "kept.json", "--file", "kept.proof"]);
    place.ok(&["backup", "create", "copy.db"]);
    let restore = ["--data", "again", "backup", "restore", "copy.db", "--reason", "a drill", "--device", &place.device];
    place.ok(&restore);
    let args = ["--data", "again", "audit", "prove", "--receipt", "kept.json"];
    place.refused(&args, b"", 3, "SR-AUDIT-GENERATION-ENDED");
    place.ok(&offline("kept.proof", &root, &["--receipt", "kept.json"]));
    let again = place.ok_with(&["--data", "again", "secret", "put", "db/password", "-o", "json"], b"after the restore");
    fs::write(place.path("again.json"), again).unwrap();
    let args = ["--data", "again", "audit", "prove", "--receipt", "again.json", "--file", "again.proof"];
    place.ok(&args);
    let proven = place.json(&offline("again.proof", &root, &["--receipt", "again.json"]));
    assert!(proven["log"].as_str().unwrap().contains("/g2/t/"), "{proven}");
}
