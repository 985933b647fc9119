//! The main job from end to end, as a person does it in the first hour.

use std::fs;

use serde_json::{Value, json};

use crate::place::{Place, mode};

#[test]
fn on_a_software_device() {
    let place = Place::software();
    let made = place.run(&["init", "--no-recovery", "--device", &place.device]);
    assert!(made.stderr.contains("this is not an HSM"), "it says so at every start");
    main_job(&place);
}

#[test]
fn on_a_token() {
    let Some(place) = Place::softhsm() else { return };
    place.init();
    main_job(&place);

    let doctor = place.json(&["hsm", "doctor", "--module", place.hsm.as_ref().unwrap().module().to_str().unwrap()]);
    let labels: Vec<_> = doctor["slots"].as_array().unwrap().iter().map(|slot| &slot["token"]).collect();
    assert!(format!("{labels:?}").contains("strongroom"), "{labels:?}");
}

fn main_job(place: &Place) {
    assert_eq!((mode(&place.path("data")), mode(&place.path("data/strongroom.db"))), (0o700, 0o600));
    tenants(place);
    secrets(place);
    documents(place);
    environments(place);
    let root = audit(place);
    backups(place, &root);
    the_end(place);
}

fn suspended(place: &Place) {
    place.refused(&["tenant", "resume", "globex"], b"", 4, "SR-TENANT-ACTIVE");
    assert_eq!(place.json(&["tenant", "suspend", "globex"])["state"], "suspended");
    place.refused(&["--tenant", "globex", "secret", "list"], b"", 6, "SR-TENANT-SUSPENDED");
    place.refused(&["tenant", "suspend", "globex"], b"", 6, "SR-TENANT-SUSPENDED");
    assert_eq!(place.json(&["tenant", "set", "globex", "--leases", "off"])["settings"]["leases"], false);
    assert!(
        place.ok(&["tenant", "show", "globex"]).lines().any(|line| line.starts_with("leases") && line.ends_with("off"))
    );
    assert_eq!(place.json(&["tenant", "resume", "globex"])["state"], "active");
    place.ok(&["--tenant", "globex", "secret", "list"]);
}

fn tenants(place: &Place) {
    let created = place.json(&["tenant", "create", "acme"]);
    assert_eq!((&created["name"], &created["state"]), (&json!("acme"), &json!("active")));
    check_receipt(&created["receipt"]);
    place.ok(&["tenant", "create", "globex"]);
    let listed = place.json(&["tenant", "list"]);
    let names: Vec<_> = listed["tenants"].as_array().unwrap().iter().map(|tenant| &tenant["name"]).collect();
    assert_eq!(names, [&json!("acme"), &json!("globex")]);
    let shown = place.ok(&["tenant", "show", "acme"]);
    assert!(shown.lines().any(|line| line.split_whitespace().eq(["state", "active"])), "{shown}");
}

fn secrets(place: &Place) {
    let put = place
        .run_with(&["secret", "put", "prod/db/password", "--label", "owner=db", "--description", "main"], b"one\n");
    assert_eq!((put.exit, put.text()), (0, ""), "{}", put.stderr);
    assert!(put.stderr.contains("put prod/db/password version 1 (audit seq 0)\n"), "{}", put.stderr);
    let second: Value = serde_json::from_str(
        &place.ok_with(&["secret", "put", "prod/db/password", "--expect", "1", "-o", "json"], b"two"),
    )
    .unwrap();
    assert_eq!(second["version"], 2);
    check_receipt(&second["receipt"]);
    place.refused(&["secret", "put", "prod/db/password", "--expect", "1"], b"three", 4, "SR-SECRET-CONFLICT");

    assert_eq!(place.ok(&["secret", "get", "prod/db/password"]), "two");
    assert_eq!(place.ok(&["secret", "get", "prod/db/password", "--version", "1"]), "one");
    let got = place.json(&["secret", "get", "prod/db/password"]);
    assert_eq!((&got["value"], &got["version"], &got["current"]), (&json!("two"), &json!(2), &json!(true)));
    check_receipt(&got["receipt"]);
    place.refused(&["--tenant", "globex", "secret", "get", "prod/db/password"], b"", 3, "SR-SECRET-NOT-FOUND");

    assert_eq!(place.ok(&["secret", "list"]), "prod/\n");
    assert_eq!(place.ok(&["secret", "list", "prod"]), "prod/db/\n");
    assert_eq!(place.ok(&["secret", "list", "prod/db"]), "prod/db/password\n");
    let versions = place.json(&["secret", "versions", "prod/db/password"]);
    assert_eq!(versions["labels"], json!({"owner": "db"}), "labels outlive a new version");
    assert_eq!(versions["description"], "main");
    assert_eq!(versions["versions"].as_array().unwrap().len(), 2);
}

fn documents(place: &Place) {
    let env = "# mail\nSMTP_USER=app\nexport SMTP_PASSWORD='s p a c e'\nEMPTY=\n";
    fs::write(place.path("app.env"), env).unwrap();
    let imported = place.json(&["secret", "import", "--prefix", "prod/api", "app.env"]);
    assert_eq!(imported["secrets"].as_array().unwrap().len(), 3);
    check_receipt(&imported["receipt"]);

    let exported = place.json(&["secret", "export", "--prefix", "prod", "--file", "prod.json"]);
    assert_eq!((&exported["secrets"], mode(&place.path("prod.json"))), (&json!(4), 0o600));
    let document: Value = serde_json::from_slice(&fs::read(place.path("prod.json")).unwrap()).unwrap();
    let want = json!({
        "api": {"EMPTY": "", "SMTP_PASSWORD": "s p a c e", "SMTP_USER": "app"},
        "db": {"password": "two"},
    });
    assert_eq!(document, want);
    let file = fs::read(place.path("prod.json")).unwrap();
    assert_eq!(place.run(&["secret", "export", "--prefix", "prod", "--file", "prod.json"]).exit, 2, "it is there");
    assert_eq!(fs::read(place.path("prod.json")).unwrap(), file);

    place.ok_with(&["secret", "import", "--prefix", "copy", "--format", "json", "-"], &file);
    let back: Value =
        serde_json::from_str(&place.ok(&["secret", "export", "--prefix", "copy", "--format", "json"])).unwrap();
    assert_eq!(back, want);
    let back = place.ok(&["secret", "export", "--prefix", "prod/api"]);
    assert_eq!(back, "EMPTY=\nSMTP_PASSWORD='s p a c e'\nSMTP_USER=app\n");
}

fn environments(place: &Place) {
    assert_eq!(place.ok(&["--environment", "prod", "secret", "get", "db/password"]), "two");
    assert_eq!(place.ok(&["--environment", "dev", "secret", "list"]), "");
    place.refused(&["--environment", "dev", "secret", "get", "db/password"], b"", 3, "SR-SECRET-NOT-FOUND");
    place.refused(&["--environment", "dev", "secret", "get", "../prod/db/password"], b"", 5, "SR-PATH-INVALID");

    let shown = place.ok(&["run", "--prefix", "prod/api", "--", "sh", "-c", "echo \"$SMTP_USER $SMTP_PASSWORD\""]);
    assert_eq!(shown, "app s p a c e\n");
}

/// Gives the root key.
fn audit(place: &Place) -> String {
    let id = "00112233445566778899aabbccddeeff";
    place.ok(&["--as", "service:billing", "--request-id", id, "secret", "get", "prod/db/password"]);
    let shown = place.json(&["audit", "show"]);
    let entries = shown["entries"].as_array().unwrap();
    let last = entries.last().unwrap();
    assert_eq!(
        (&last["act"], &last["actor"], &last["object"], &last["version"], &last["request"], &last["ok"]),
        (
            &json!("secret.get"),
            &json!("service:billing"),
            &json!("prod/db/password"),
            &json!(2),
            &json!(id),
            &json!(true)
        )
    );
    assert!(!last["line"].as_str().unwrap().contains("prod"), "the line itself names nothing");
    let conflicts = entries.iter().filter(|entry| entry["code"] == "SR-SECRET-CONFLICT").count();
    assert_eq!(conflicts, 2, "what is refused is recorded");
    let page = place.json(&["audit", "show", "--from", "3", "--limit", "2"]);
    assert_eq!((page["entries"].as_array().unwrap().len(), &page["next"]), (2, &json!(5)));
    let of_deployment = place.ok(&["audit", "show", "--deployment"]);
    assert!(of_deployment.contains("tenant.create") && of_deployment.contains("globex"), "{of_deployment}");

    let root = place.json(&["status"])["root_key"].as_str().unwrap().to_owned();
    let verified = place.json(&["audit", "verify", "--root", &root, "--save-checkpoint", "kept.note"]);
    assert_eq!((&verified["ok"], &verified["verdict"]), (&json!(true), &json!("OK")));
    let continued = place.json(&["audit", "verify", "--checkpoint", "kept.note"]);
    assert_eq!(continued["remembered"], "continued");
    place.refused(&["audit", "verify", "--root", &"01".repeat(32)], b"", 8, "SR-AUDIT-BROKEN");

    place.ok(&["audit", "export", "acme.bundle"]);
    place.ok(&["audit", "export", "--deployment", "all.bundle"]);
    place.refused(&["audit", "export", "acme.bundle"], b"", 4, "SR-BACKUP-EXISTS");
    for (bundle, completeness) in [("acme.bundle", "one-log"), ("all.bundle", "full-range")] {
        // Offline: there is no deployment and no device where this is verified.
        let args = ["--data", "nowhere", "audit", "verify", bundle, "--root", &root];
        assert_eq!(place.json(&args)["completeness"], completeness);
        let forged =
            String::from_utf8(fs::read(place.path(bundle)).unwrap()).unwrap().replacen("secret.get", "secret.put", 1);
        fs::write(place.path("forged.bundle"), forged).unwrap();
        let args = ["--data", "nowhere", "audit", "verify", "forged.bundle", "--root", &root];
        let found = place.refused(&args, b"", 8, "SR-AUDIT-BROKEN");
        assert!(found.text().starts_with("TAMPERED\n  LINE-CHAIN "), "it names the place: {}", found.text());
    }
    root
}

fn backups(place: &Place, root: &str) {
    let made = place.json(&["backup", "create", "copy.db"]);
    check_receipt(&made["receipt"]);
    assert_eq!((mode(&place.path("copy.db")), mode(&place.path("copy.db.note"))), (0o600, 0o600));
    place.refused(&["backup", "create", "copy.db"], b"", 4, "SR-BACKUP-EXISTS");
    assert_eq!(place.json(&["--data", "nowhere", "backup", "verify", "copy.db", "--root", root])["ok"], true);

    let restore = ["--data", "again", "backup", "restore", "copy.db", "--reason", "a drill", "--device", &place.device];
    check_receipt(&place.json(&restore)["receipt"]);
    assert_eq!(place.ok(&["--data", "again", "secret", "get", "prod/db/password"]), "two");
    assert_eq!(place.json(&["--data", "again", "status"])["audit"]["generation"], 2);
    let verified = place.json(&["--data", "again", "audit", "verify", "--checkpoint", "kept.note"]);
    assert_eq!((&verified["ok"], &verified["generations"]), (&json!(true), &json!(2)));

    let mut damaged = fs::read(place.path("copy.db")).unwrap();
    damaged[9_000] ^= 1;
    fs::write(place.path("damaged.db"), damaged).unwrap();
    fs::copy(place.path("copy.db.note"), place.path("damaged.db.note")).unwrap();
    place.refused(&["backup", "verify", "damaged.db", "--root", root], b"", 8, "SR-BACKUP-INVALID");
}

fn the_end(place: &Place) {
    let args = ["secret", "delete", "copy/db/password"];
    assert_eq!(place.run(&args).exit, 2, "there is nobody to ask");
    place.refused(&[&args[..], &["--yes", "--expect", "7"]].concat(), b"", 4, "SR-SECRET-CONFLICT");
    check_receipt(&place.json(&[&args[..], &["--yes"]].concat())["receipt"]);
    place.refused(&["secret", "get", "copy/db/password"], b"", 3, "SR-SECRET-NOT-FOUND");

    suspended(place);
    place.ok(&["tenant", "close", "globex", "--yes"]);
    place.refused(&["--tenant", "globex", "secret", "list"], b"", 6, "SR-TENANT-CLOSED");
    place.refused(&["tenant", "close", "globex", "--yes"], b"", 6, "SR-TENANT-CLOSED");
    place.refused(&["tenant", "create", "globex"], b"", 4, "SR-TENANT-EXISTS");
    let status = place.json(&["status"]);
    assert_eq!(status["tenants"], json!({"total": 2, "closed": 1}));
    assert_eq!((&status["device"]["health"], &status["memory_locked"]), (&json!("ok"), &json!(true)));
    assert_eq!(place.json(&["audit", "verify"])["ok"], true);
}

fn check_receipt(receipt: &Value) {
    let is_hex = |key: &str, length| {
        let text = receipt[key].as_str().unwrap();
        assert!(text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit()), "{key}: {receipt}");
    };
    is_hex("leaf", 64);
    is_hex("head_root", 64);
    is_hex("signature", 128);
    assert!(receipt["origin"].as_str().unwrap().starts_with("strongroom.invalid/"), "{receipt}");
    for number in ["seq", "head_size", "epoch"] {
        assert!(receipt[number].is_u64(), "{number}: {receipt}");
    }
}
