//! Logins that a token refused, and what the log says of them.

use std::{fs, path::PathBuf};

use serde_json::json;

use crate::place::Place;

#[test]
fn two_wrong_pins_and_a_right_one_are_one_line() {
    let Some(place) = Place::softhsm() else { return };
    place.init();
    place.ok(&["tenant", "create", "acme"]);
    let pin = PathBuf::from(place.device.split_once("pin-source=file:").unwrap().1);
    let right = fs::read(&pin).unwrap();
    fs::write(&pin, "987654").unwrap();
    // In JSON, and in text: two runs.
    place.refused(&["status"], b"", 6, "SR-DEVICE-PIN-REFUSED");
    let note = fs::read_to_string(place.path("data/login.refused")).unwrap();
    assert!(!note.contains("987654") && !note.contains("123456") && !note.contains("pin"), "{note}");
    fs::write(&pin, &right).unwrap();
    place.ok(&["status"]);
    place.ok(&["status"]);

    let logins = place.json(&["audit", "query", "--deployment", "--act", "device.login"]);
    let [login] = &logins["entries"].as_array().unwrap()[..] else { panic!("{logins}") };
    assert_eq!(login["count"], 2);
    assert_eq!((&login["actor"], &login["code"]), (&json!("system"), &json!("SR-DEVICE-PIN-REFUSED")));
    assert!(!place.path("data/login.refused").exists());
    let shown = place.ok(&["audit", "show", "--deployment"]);
    let row = shown.lines().find(|line| line.contains("device.login")).unwrap();
    assert!(row.contains(" to ") && row.contains(" (2)"), "{row}");
    assert_eq!(place.json(&["audit", "verify"])["ok"], true);

    let bundle = place.path("all.bundle");
    place.ok(&["audit", "export", "--deployment", bundle.to_str().unwrap()]);
    let root = place.json(&["status"])["root_key"].as_str().unwrap().to_owned();
    assert_eq!(place.json(&["audit", "verify", bundle.to_str().unwrap(), "--root", &root])["ok"], true);
}
