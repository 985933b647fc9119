//! What is true of this store besides what the test kit asks of every store.

use std::sync::Arc;

use super::*;
use crate::testing::store::{Pair, check_store};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn it_does_what_every_store_must() {
    let folder = folder();
    let mut number = 0..;
    let number = std::cell::RefCell::new(&mut number);
    for maintenance in [Maintenance::Background, Maintenance::Inline] {
        check_store(&|| {
            let path = folder.path().join(format!("{}.db", number.borrow_mut().next().unwrap()));
            drop(SqliteStore::create(&path).unwrap());
            let store = Arc::new(SqliteStore::open(&path, maintenance).unwrap());
            Pair { store, other: Arc::new(SqliteStore::open(&path, maintenance).unwrap()) }
        });
    }
}
