//! What is true of this store besides what the test kit asks of every store.

use std::sync::Arc;

use super::*;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn a_new_store_opens_again() {
    let folder = folder();
    let path = folder.path().join("strongroom.db");
    let store = SqliteStore::create(&path, Maintenance::Background).unwrap();
    println!("{:?}", store.facts().unwrap());
    store.check().unwrap();
    assert!(store.snapshot().unwrap().deployment().unwrap().is_none());
    println!("{:?}", maintain::tail(&store.writer().unwrap()));
    store.maintain(true).unwrap();
    store.begin().unwrap().commit().unwrap();
    drop(store);
    assert!(!path.with_extension("db-wal").exists());
    let store = SqliteStore::open(&path, Maintenance::Inline).unwrap();
    let _: Arc<dyn Store> = Arc::new(store);
}
