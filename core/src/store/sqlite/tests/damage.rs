//! Files that are not as we left them.

use std::os::unix::fs::FileExt;

use super::*;
use crate::testing::store::tenant_row;

/// A closed store with some hundred pages in it.
fn filled() -> Ground {
    let ground = Ground::new();
    let store = ground.store(Maintenance::Background);
    let mut transaction = store.begin().unwrap();
    assert_eq!(transaction.apply(&[Change::CreateTenant(tenant_row(0))]).unwrap(), Applied::Done);
    transaction.commit().unwrap();
    append(&store, 20_000).unwrap();
    ground
}

fn overwrite(ground: &Ground, at: u64, bytes: &[u8]) {
    OpenOptions::new().write(true).open(&ground.path).unwrap().write_all_at(bytes, at).unwrap();
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let ground = filled();
    overwrite(&ground, 0, &[0x5a; 100]);
    assert_eq!(refusal(SqliteStore::open(&ground.path, Maintenance::Inline)).0, Code::StoreDamaged);
    assert_eq!(refusal(SqliteStore::open_still(&ground.path)).0, Code::StoreDamaged);

    fs::write(&ground.path, "some text that is long enough to be looked at\n".repeat(200)).unwrap();
    assert_eq!(refusal(SqliteStore::open(&ground.path, Maintenance::Inline)).0, Code::StoreDamaged);

    let ground = Ground::new();
    ground.thief().execute_batch("CREATE TABLE another_programs (a)").unwrap();
    let before = fs::read(&ground.path).unwrap();
    let (code, text) = refusal(SqliteStore::open(&ground.path, Maintenance::Inline));
    assert_eq!(code, Code::StoreDamaged);
    assert!(text.contains("not a Strongroom database"), "{text}");
    assert_eq!(refusal(SqliteStore::open_still(&ground.path)).0, Code::StoreDamaged);
    assert_eq!(fs::read(&ground.path).unwrap().len(), before.len());
}

#[test]
fn a_page_that_is_overwritten_is_found() {
    for (what, fill) in [("ones", 0xff), ("zeros", 0), ("noise", 0x5a)] {
        let ground = filled();
        let pages = fs::metadata(&ground.path).unwrap().len() / u64::from(connection::PAGE_BYTES);
        overwrite(&ground, pages / 2 * u64::from(connection::PAGE_BYTES), &[fill; 4_096]);
        let store = SqliteStore::open(&ground.path, Maintenance::Background).unwrap();
        assert_eq!(store.check().unwrap_err().code(), Code::StoreDamaged, "{what}");
        let read = store.snapshot().unwrap().lines(0, usize::MAX);
        assert_eq!(read.err().map(|error| error.code()), Some(Code::StoreDamaged), "{what}");
    }
}

#[test]
fn a_file_that_was_cut_is_found() {
    let ground = filled();
    let length = fs::metadata(&ground.path).unwrap().len();
    OpenOptions::new().write(true).open(&ground.path).unwrap().set_len(length / 2).unwrap();
    // Some of it may be readable yet: whichever comes first says the same.
    let checked = SqliteStore::open(&ground.path, Maintenance::Background).and_then(|store| store.check());
    assert_eq!(checked.unwrap_err().code(), Code::StoreDamaged);
}

#[test]
fn a_column_that_cannot_be_is_damage_and_named() {
    for (sql, place) in [
        ("UPDATE deployment SET mac = x'0102'", "deployment has a column mac"),
        ("UPDATE deployment SET sys_ref = zeroblob(17)", "deployment has a column sys_ref"),
        ("UPDATE deployment SET created_at = -1", "deployment has a column created_at"),
        ("UPDATE deployment SET generation = 4294967296", "deployment has a column generation"),
        ("UPDATE deployment SET origin = CAST(x'ff' AS TEXT)", "deployment has a column origin"),
    ] {
        let ground = filled();
        let store = SqliteStore::open(&ground.path, Maintenance::Background).unwrap();
        ground.thief().execute_batch(&format!("PRAGMA ignore_check_constraints = on; {sql}")).unwrap();
        let error = store.snapshot().unwrap().deployment().unwrap_err();
        assert_eq!(error.code(), Code::StoreDamaged, "{sql}");
        assert!(error.to_string().contains(place), "{sql}: {error}");
    }
    let ground = filled();
    let store = SqliteStore::open(&ground.path, Maintenance::Background).unwrap();
    ground.thief().execute_batch("UPDATE tenants SET state = 256").unwrap();
    let error = store.snapshot().unwrap().tenant(TenantNumber::SYS).unwrap_err();
    assert!(error.to_string().contains("tenants has a column state"), "{error}");
}

#[test]
fn rows_that_belong_to_nobody_are_found() {
    let ground = filled();
    let store = SqliteStore::open(&ground.path, Maintenance::Background).unwrap();
    store.check().unwrap();
    ground
        .thief()
        .execute_batch(
            "PRAGMA foreign_keys = off;
             INSERT INTO secret_labels (tenant, label_hash, secret) VALUES (9, zeroblob(16), zeroblob(16))",
        )
        .unwrap();
    let error = store.check().unwrap_err();
    assert_eq!(error.code(), Code::StoreDamaged);
    assert!(error.to_string().contains("a row of secret_labels belongs to no row of secrets"), "{error}");
}
