//! `init` that did not come to its end: finished by the same command, or given up.

use std::fs;

use crate::place::{Place, private_file};

#[test]
fn an_init_is_finished_or_abandoned() {
    let place = Place::software();
    let init = ["init", "--no-recovery", "--device", &place.device];
    let keep = place.path("kept");
    fs::rename(place.path("passphrase"), &keep).unwrap();
    place.refused(&init, b"", 9, "SR-DEVICE-FILE");
    assert!(place.path("data/init.intent").exists());
    place.refused(&["status"], b"", 4, "SR-DEPLOYMENT-UNFINISHED");
    let other = ["init", "--no-recovery", "--device", "software:other?passphrase-source=file:kept"];
    place.refused(&other, b"", 4, "SR-DEPLOYMENT-UNFINISHED");

    // Given up, then begun anew.
    assert_eq!(place.run(&["init", "--abandon"]).exit, 2, "there is nobody to ask");
    assert_eq!(place.json(&["init", "--abandon", "--yes"])["objects_removed"], 0);
    assert!(!place.path("data/init.intent").exists());
    place.refused(&["init", "--abandon", "--yes"], b"", 3, "SR-DEPLOYMENT-MISSING");

    // Interrupted again, and finished.
    place.refused(&init, b"", 9, "SR-DEVICE-FILE");
    let intent = fs::read(place.path("data/init.intent")).unwrap();
    fs::rename(&keep, place.path("passphrase")).unwrap();
    place.init();
    place.refused(&init, b"", 4, "SR-DEPLOYMENT-EXISTS");
    place.ok(&["tenant", "create", "acme"]);

    // An intent beside a database that is complete: its keys must not be taken from it.
    private_file(&place.path("data/init.intent"), std::str::from_utf8(&intent).unwrap());
    place.refused(&["init", "--abandon", "--yes"], b"", 4, "SR-DEPLOYMENT-EXISTS");
    place.init();
    assert_eq!(place.json(&["tenant", "list"])["tenants"].as_array().unwrap().len(), 1);
}

#[test]
fn the_keys_of_an_abandoned_init_leave_the_token() {
    let Some(place) = Place::softhsm() else { return };
    // The keys are made, the database cannot be: its name is taken by a folder.
    fs::create_dir_all(place.path("data/strongroom.db.init")).unwrap();
    assert_ne!(place.run(&["init", "--no-recovery", "--device", &place.device]).exit, 0);
    fs::remove_dir(place.path("data/strongroom.db.init")).unwrap();
    assert_eq!(place.json(&["init", "--abandon", "--yes"])["objects_removed"], 3, "a root key and both halves of R");
    place.init();
}
