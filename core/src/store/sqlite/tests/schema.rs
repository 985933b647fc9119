//! Migrations: forwards only, each once, and nothing beside them.

use std::cell::RefCell;

use super::{
    migrate::{MIGRATIONS, Migration, bring_up_to_date, version},
    *,
};

const NEXT: Migration = Migration {
    number: 2,
    name: "next",
    sql: "CREATE TABLE later (a INTEGER NOT NULL) STRICT; INSERT INTO later VALUES (1)",
};

fn migrate(connection: &Connection, known: &[Migration]) -> (Result<(), Fault>, Vec<u32>) {
    let kept = RefCell::new(Vec::new());
    let result = bring_up_to_date(connection, known, &|schema| {
        kept.borrow_mut().push(schema);
        Ok(())
    });
    (result, kept.into_inner())
}

fn code(result: Result<(), Fault>) -> Code {
    match result.unwrap_err() {
        Fault::Known(error) => error.code(),
        Fault::Sql(error) => panic!("{error}"),
    }
}

#[test]
fn numbers_run_from_one_without_a_gap() {
    for (number, migration) in (1..).zip(MIGRATIONS) {
        assert_eq!(migration.number, number);
    }
}

#[test]
fn an_older_file_is_copied_then_brought_up_to_date() {
    let ground = Ground::new();
    drop(ground.store(Maintenance::Inline));
    let connection = ground.thief();
    let known = [MIGRATIONS[0], NEXT];
    let (result, kept) = migrate(&connection, &known);
    result.unwrap();
    assert_eq!(kept, [1], "a copy is made before the first step");
    assert_eq!(version(&connection).unwrap(), 2);
    let (result, kept) = migrate(&connection, &known);
    result.unwrap();
    assert!(kept.is_empty(), "nothing to do");
    let rows: i64 = connection.query_row("SELECT count(*) FROM later", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 1);
}

#[test]
fn the_copy_before_a_migration_is_one_that_opens() {
    let ground = Ground::new();
    let store = ground.store(Maintenance::Inline);
    append(&store, 5).unwrap();
    keep(&store.place, 1).unwrap();
    let folder = fs::read_dir(ground.path.parent().unwrap()).unwrap();
    let copies: Vec<_> = folder
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().contains("strongroom.db.schema-0001-"))
        .collect();
    assert_eq!(copies.len(), 1);
    let copy = SqliteStore::open_still(&copies[0]).unwrap();
    assert_eq!(copy.snapshot().unwrap().lines(0, 10).unwrap().len(), 5);
}

#[test]
fn a_step_that_fails_leaves_nothing() {
    let ground = Ground::new();
    drop(ground.store(Maintenance::Inline));
    let connection = ground.thief();
    let broken = Migration { sql: "CREATE TABLE later (a) ; SELECT nonsense", ..NEXT };
    assert!(migrate(&connection, &[MIGRATIONS[0], broken]).0.is_err());
    assert_eq!(version(&connection).unwrap(), 1);
    migrate(&connection, MIGRATIONS).0.unwrap();
    // Nor does it if the copy cannot be made.
    let result = bring_up_to_date(&connection, &[MIGRATIONS[0], NEXT], &|_| Err(Error::new(Code::StoreFull).into()));
    assert_eq!(code(result), Code::StoreFull);
    assert_eq!(version(&connection).unwrap(), 1);
}

#[test]
fn a_newer_schema_is_refused() {
    let ground = Ground::new();
    drop(ground.store(Maintenance::Inline));
    migrate(&ground.thief(), &[MIGRATIONS[0], NEXT]).0.unwrap();
    for opened in [SqliteStore::open(&ground.path, Maintenance::Inline), SqliteStore::open_still(&ground.path)] {
        let (code, text) = refusal(opened);
        assert_eq!(code, Code::SchemaNewer);
        assert!(text.contains("migration 2, this program knows 1"), "{text}");
    }
}

#[test]
fn a_schema_that_is_not_as_recorded_is_refused() {
    for (what, sql, named) in [
        ("another hash", "UPDATE schema_migrations SET sha256 = zeroblob(32)", "migration 1"),
        ("another name", "UPDATE schema_migrations SET name = 'other'", "migration 1"),
        (
            "a trigger",
            "CREATE TRIGGER planted AFTER INSERT ON audit BEGIN DELETE FROM audit WHERE seq < new.seq; END",
            "trigger planted",
        ),
        ("a view", "CREATE VIEW planted AS SELECT 1", "view planted"),
        ("a table", "CREATE TABLE planted (a)", "table planted"),
        ("an index less", "DROP INDEX secrets_by_parent", "index secrets_by_parent"),
        (
            "a rule less",
            "PRAGMA writable_schema = on;
             UPDATE sqlite_schema SET sql = replace(sql, 'NOT NULL', '') WHERE name = 'actors'",
            "table actors",
        ),
    ] {
        let ground = Ground::new();
        drop(ground.store(Maintenance::Inline));
        ground.thief().execute_batch(sql).unwrap();
        for opened in [SqliteStore::open(&ground.path, Maintenance::Inline), SqliteStore::open_still(&ground.path)] {
            let (code, text) = refusal(opened);
            assert_eq!(code, Code::SchemaDrift, "{what}: {text}");
            assert!(text.contains(named), "{what}: {text}");
        }
    }
}

#[test]
fn a_trigger_planted_while_open_never_runs() {
    let ground = Ground::new();
    let store = ground.store(Maintenance::Background);
    append(&store, 3).unwrap();
    let plant = "CREATE TRIGGER planted AFTER INSERT ON audit BEGIN DELETE FROM audit WHERE seq < new.seq; END";
    ground.thief().execute_batch(plant).unwrap();
    append(&store, 3).unwrap();
    assert_eq!(store.snapshot().unwrap().lines(0, 10).unwrap().len(), 6);
    assert_eq!(store.check().unwrap_err().code(), Code::SchemaDrift);
}
