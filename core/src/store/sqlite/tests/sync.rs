//! What syncs, and what follows if that fails. That it makes durable is tested where the power goes (`tests/`).

use super::*;

#[test]
fn a_failed_sync_ends_all_writing_until_the_database_is_opened_again() {
    let ground = Ground::new();
    let store = ground.store(Maintenance::Background);
    append(&store, 1).unwrap();
    store.sync().unwrap();
    append(&store, 1).unwrap();
    // A disk that fails is hard to come by. A log that is not where it was can be had, and is no better.
    let (wal, away) = (store.place.wal(), store.place.beside("-away"));
    fs::rename(&wal, &away).unwrap();
    assert_eq!(store.sync().unwrap_err().code(), Code::StoreUnavailable);
    fs::rename(&away, &wal).unwrap();

    for refused in [store.sync().err(), append(&store, 1).err()] {
        let refused = refused.expect("nothing is built on what may not be there");
        assert_eq!(refused.code(), Code::StoreUnavailable);
        assert!(refused.to_string().contains("opened again"), "{refused}");
    }
    assert_eq!(store.snapshot().unwrap().head().unwrap().unwrap().last_seq, 2, "it may be looked at");

    drop(store);
    let store = SqliteStore::open(&ground.path, Maintenance::Background).unwrap();
    append(&store, 1).unwrap();
    store.sync().unwrap();
}

#[test]
fn a_log_that_was_made_anew_is_the_one_that_is_synced() {
    let ground = Ground::new();
    let store = ground.store(Maintenance::Background);
    append(&store, 1).unwrap();
    store.sync().unwrap();
    let held = |store: &SqliteStore| store.wal.held_inode();
    let before = held(&store);
    // As when all have closed the database: its log goes with the last of them.
    store.readers.close_idle();
    store.housekeeper.close_idle();
    store.writer.close_idle();
    assert!(!store.place.wal().exists());
    append(&store, 1).unwrap();
    store.sync().unwrap();
    let now = fs::metadata(store.place.wal()).unwrap();
    assert_eq!(held(&store), Some(std::os::unix::fs::MetadataExt::ino(&now)), "was {before:?}");
}

#[test]
fn through_a_link_it_is_the_log_of_the_file_that_is_synced() {
    let ground = Ground::new();
    drop(ground.store(Maintenance::Background));
    let elsewhere = tempfile::tempdir().unwrap();
    let link = elsewhere.path().join("linked.db");
    std::os::unix::fs::symlink(&ground.path, &link).unwrap();
    let store = SqliteStore::open(&link, Maintenance::Background).unwrap();
    append(&store, 1).unwrap();
    store.sync().unwrap();
    assert!(!store.place.wal().exists(), "SQLite names it after the file");
}
