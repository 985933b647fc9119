//! Nothing happens unrecorded: every operation, in an allowed and in a refused form, is exactly one line, and none
//! returns a result while the line cannot be made durable.
//!
//! The list of operations is compared with the sources: one without a case here fails.

mod common;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use common::{Place, admin, billing, operator, tenant};
use pollster::block_on;
use strongroom::{
    After, Audit, Code, Delete, Folder, Get, Import, ImportEntry, OpenOptions, Put, Receipt, SecretValue, Strongroom,
    TenantId, Version,
    store::{Maintenance, SqliteStore},
    testing::faulty::{Failure, FaultyStore, Step},
};

/// What an operation came to: its receipt, or the code of its refusal.
type Outcome = Result<Receipt, Code>;

/// One operation in one form.
struct Case {
    act: &'static str,
    /// What its line must say.
    code: &'static str,
    /// In the tenant's log, or in that of the deployment.
    in_tenant: bool,
    /// Lines of its parts, in the same log.
    parts: usize,
    run: fn(&Strongroom, &Path) -> Outcome,
}

fn acme(room: &Strongroom) -> strongroom::Secrets {
    room.tenant(&"acme".parse().unwrap()).acting_as(billing()).secrets()
}

fn acme_audit(room: &Strongroom) -> Audit {
    room.tenant(&"acme".parse().unwrap()).acting_as(billing()).audit()
}

fn text(value: &str) -> SecretValue {
    SecretValue::text(value).unwrap()
}

fn entries(paths: &[&str]) -> Vec<ImportEntry> {
    paths.iter().map(|path| ImportEntry { path: path.parse().unwrap(), value: text(path) }).collect()
}

fn fresh(folder: &Path, name: &str) -> PathBuf {
    (0..).map(|n| folder.join(format!("{name}-{n}"))).find(|file| !file.exists()).unwrap()
}

macro_rules! cases {
    ($($act:literal $code:literal $in_tenant:literal $parts:literal |$room:ident, $folder:ident| $run:expr;)*) => {
        const CASES: &[Case] = &[$(Case {
            act: $act,
            code: $code,
            in_tenant: $in_tenant,
            parts: $parts,
            run: |$room, $folder| { let _ = $folder; block_on($run).map_err(|error: strongroom::Error| error.code()) },
        }),*];
    };
}

cases! {
    "secret.put" "ok" true 0 |room, _folder| async { Ok(acme(room).put(&"a/b".parse()?, text("1"), Put::default()).await?.receipt) };
    "secret.put" "SR-SECRET-CONFLICT" true 0 |room, _folder| async {
        Ok(acme(room).put(&"a/b".parse()?, text("1"), Put::default().expect(Version(99))).await?.receipt)
    };
    "secret.get" "ok" true 0 |room, _folder| async { Ok(acme(room).get(&"a/b".parse()?, Get::current()).await?.receipt) };
    "secret.get" "SR-SECRET-NOT-FOUND" true 0 |room, _folder| async { Ok(acme(room).get(&"no".parse()?, Get::current()).await?.receipt) };
    "secret.get" "SR-SECRET-VERSION-NOT-FOUND" true 0 |room, _folder| async {
        Ok(acme(room).get(&"a/b".parse()?, Get::version(Version(999))).await?.receipt)
    };
    "secret.get" "SR-TENANT-NOT-FOUND" false 0 |room, _folder| async {
        let nobody = room.tenant(&"nobody".parse()?).acting_as(billing()).secrets();
        Ok(nobody.get(&"a/b".parse()?, Get::current()).await?.receipt)
    };
    "secret.get" "SR-TENANT-CLOSED" false 0 |room, _folder| async {
        let closed = room.tenant(&"closed".parse()?).acting_as(billing()).secrets();
        Ok(closed.get(&"a/b".parse()?, Get::current()).await?.receipt)
    };
    "secret.list" "ok" true 0 |room, _folder| async { Ok(acme(room).list(&Folder::root(), After::start(), 10).await?.receipt) };
    "secret.list" "SR-LIMIT-INVALID" true 0 |room, _folder| async { Ok(acme(room).list(&Folder::root(), After::start(), 0).await?.receipt) };
    "secret.versions" "ok" true 0 |room, _folder| async { Ok(acme(room).versions(&"a/b".parse()?).await?.receipt) };
    "secret.versions" "SR-SECRET-NOT-FOUND" true 0 |room, _folder| async { Ok(acme(room).versions(&"no".parse()?).await?.receipt) };
    "secret.import" "ok" true 2 |room, _folder| async {
        Ok(acme(room).import(&"i".parse()?, entries(&["x", "y"]), Import::default()).await?.receipt)
    };
    "secret.import" "SR-IMPORT-MALFORMED" true 0 |room, _folder| async {
        Ok(acme(room).import(&"i".parse()?, entries(&["x", "x"]), Import::default()).await?.receipt)
    };
    "secret.import" "SR-SECRET-CONFLICT" true 0 |room, _folder| async {
        Ok(acme(room).import(&Folder::root(), entries(&["new", "a/b"]), Import::default().new_only()).await?.receipt)
    };
    "secret.export" "ok" true 0 |room, _folder| async { Ok(acme(room).export(&"a".parse()?).await?.receipt) };
    "secret.export" "SR-TENANT-NOT-FOUND" false 0 |room, _folder| async {
        Ok(room.tenant(&"nobody".parse()?).acting_as(billing()).secrets().export(&Folder::root()).await?.receipt)
    };
    "secret.delete" "ok" true 0 |room, _folder| async { Ok(acme(room).delete(&"del".parse()?, Delete::default()).await?.receipt) };
    "secret.delete" "SR-SECRET-NOT-FOUND" true 0 |room, _folder| async { Ok(acme(room).delete(&"no".parse()?, Delete::default()).await?.receipt) };
    "audit.show" "ok" true 0 |room, _folder| async { Ok(acme_audit(room).show(0, 1).await?.receipt) };
    "audit.show" "SR-LIMIT-INVALID" true 0 |room, _folder| async { Ok(acme_audit(room).show(0, 1_001).await?.receipt) };
    "audit.verify" "ok" true 0 |room, _folder| async { Ok(acme_audit(room).verify(None).await?.receipt) };
    "audit.verify" "SR-TENANT-CLOSED" false 0 |room, _folder| async {
        Ok(room.tenant(&"closed".parse()?).acting_as(billing()).audit().verify(None).await?.receipt)
    };
    "audit.export" "ok" true 0 |room, folder| async { Ok(acme_audit(room).export(&fresh(folder, "bundle")).await?.receipt) };
    "audit.export" "SR-BACKUP-EXISTS" true 0 |room, folder| async { Ok(acme_audit(room).export(folder).await?.receipt) };
    "tenant.create" "ok" false 0 |room, folder| async {
        // A name for each time, taken from a file that is made for it.
        let file = fresh(folder, "tenant");
        fs::write(&file, "").unwrap();
        let name: TenantId = file.file_name().unwrap().to_str().unwrap().parse()?;
        Ok(room.admin(billing()).create_tenant(&name).await?.1)
    };
    "tenant.create" "SR-TENANT-EXISTS" false 0 |room, _folder| async { Ok(room.admin(billing()).create_tenant(&"acme".parse()?).await?.1) };
    "tenant.show" "ok" false 0 |room, _folder| async { Ok(room.admin(billing()).show_tenant(&"acme".parse()?).await?.1) };
    "tenant.show" "SR-TENANT-NOT-FOUND" false 0 |room, _folder| async { Ok(room.admin(billing()).show_tenant(&"nobody".parse()?).await?.1) };
    "tenant.list" "ok" false 0 |room, _folder| async { Ok(room.admin(billing()).list_tenants().await?.receipt) };
    "tenant.close" "ok" false 0 |room, _folder| async { Ok(room.admin(billing()).close_tenant(&"closing".parse()?).await?.1) };
    "tenant.close" "SR-TENANT-CLOSED" false 0 |room, _folder| async { Ok(room.admin(billing()).close_tenant(&"closed".parse()?).await?.1) };
    "tenant.export-key" "ok" false 0 |room, _folder| async { Ok(room.admin(billing()).dangerously_export_key(&"acme".parse()?).await?.receipt) };
    "tenant.export-key" "SR-TENANT-NOT-FOUND" false 0 |room, _folder| async {
        Ok(room.admin(billing()).dangerously_export_key(&"nobody".parse()?).await?.receipt)
    };
    "status.show" "ok" false 0 |room, _folder| async { Ok(room.admin(billing()).status().await?.receipt) };
    "backup.create" "ok" false 0 |room, folder| async { Ok(room.admin(billing()).back_up(&fresh(folder, "backup"), |_, _| {}).await?.receipt) };
    "backup.create" "SR-BACKUP-EXISTS" false 0 |room, folder| async { Ok(room.admin(billing()).back_up(folder, |_, _| {}).await?.receipt) };
}

/// Recorded where the deployment is made, before there is a room to call anything on: seen by the tests of `main_job`.
const ELSEWHERE: [&str; 2] = ["deployment.init", "backup.restore"];

/// Only what depends on nothing that could be refused.
const NEVER_REFUSED: [&str; 2] = ["tenant.list", "status.show"];

#[test]
fn every_operation_has_a_case() {
    let core = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/src");
    let mut acts = BTreeSet::new();
    collect_acts(&core, &mut acts);
    assert!(acts.len() > 15, "the sources were read: {acts:?}");
    for act in &acts {
        let forms = |ok: bool| CASES.iter().any(|case| case.act == act && (case.code == "ok") == ok);
        let elsewhere = ELSEWHERE.contains(&act.as_str());
        assert!(elsewhere || forms(true), "no allowed case of {act}");
        assert!(elsewhere || forms(false) || NEVER_REFUSED.contains(&act.as_str()), "no refused case of {act}");
    }
    for case in CASES {
        assert!(acts.contains(case.act), "{} is no operation", case.act);
    }
}

/// The first argument of each call of `operate`.
fn collect_acts(folder: &Path, acts: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect_acts(&path, acts);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            for call in fs::read_to_string(&path).unwrap().split(".operate(").skip(1) {
                if let Some(act) = call.trim_start().strip_prefix('"').and_then(|call| call.split_once('"')) {
                    acts.insert(act.0.to_owned());
                }
            }
        }
    }
}

/// The lines of a log that the system did not write: act and code.
fn lines(place: &Place, in_tenant: bool) -> Vec<(String, String, String)> {
    let database = place.thief();
    let number = if in_tenant { "(SELECT tenant FROM secrets LIMIT 1)" } else { "0" };
    let mut query = database.prepare(&format!("SELECT line FROM audit WHERE tenant = {number} ORDER BY seq")).unwrap();
    let rows = query.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
    rows.map(|line| {
        let line = line.unwrap();
        let line = strongroom_log::parse_line(&line).unwrap();
        (line.act.to_owned(), line.code.to_owned(), line.who_type.to_owned())
    })
    .filter(|(_, _, who)| who != "system")
    .collect()
}

fn furnish(room: &Strongroom) {
    let secrets = tenant(room, "acme").secrets();
    block_on(secrets.put(&"a/b".parse().unwrap(), text("0"), Put::default())).unwrap();
    block_on(secrets.put(&"del".parse().unwrap(), text("0"), Put::default())).unwrap();
    tenant(room, "closed");
    tenant(room, "closing");
    block_on(admin(room).close_tenant(&"closed".parse().unwrap())).unwrap();
}

#[test]
fn each_is_exactly_one_line_in_its_log() {
    let (place, room) = Place::software();
    furnish(&room);
    for case in CASES {
        let name = format!("{} → {}", case.act, case.code);
        let (before, other) = (lines(&place, case.in_tenant), lines(&place, !case.in_tenant).len());
        let outcome = (case.run)(&room, place.folder.path());
        let said = outcome.as_ref().map_or_else(|code| code.name(), |_| "ok");
        assert_eq!(said, case.code, "{name}");
        let after = lines(&place, case.in_tenant);
        let new = &after[before.len()..];
        assert_eq!(new.len(), 1 + case.parts, "{name}: {new:?}");
        let (act, code, who) = new.last().unwrap();
        assert_eq!((act.as_str(), code.as_str(), who.as_str()), (case.act, case.code, "service"), "{name}");
        // What an operator does to a tenant stands in the tenant's log as well, for its owner to see.
        let seen_by_owner = case.act == "tenant.export-key" && case.code == "ok";
        assert_eq!(lines(&place, !case.in_tenant).len(), other + usize::from(seen_by_owner), "{name}: the other log");
    }
    let verified = block_on(room.admin(operator()).audit().verify(None)).unwrap();
    assert!(verified.is_ok(), "{} {:?}", verified.report, verified.store);
}

#[test]
fn no_result_leaves_while_its_line_is_not_durable() {
    let (place, room) = Place::software();
    furnish(&room);
    room.close().unwrap();
    let inner = Arc::new(SqliteStore::open(&place.deployment.database(), Maintenance::Inline).unwrap());
    let faulty = Arc::new(FaultyStore::new(inner));
    let room = block_on(Strongroom::open_in(faulty.clone(), place.device().unwrap(), OpenOptions::default())).unwrap();
    for case in CASES {
        for (how, failure) in [
            ("not done", Failure::NotDone(Code::StoreUnavailable)),
            ("yet done", Failure::YetDone(Code::StoreUnavailable)),
        ] {
            // "Yet done" closes the tenant all the same, so the second time it is refused, and that cannot be recorded either.
            faulty.fail(Step::Commit, 1, failure);
            let outcome = (case.run)(&room, place.folder.path());
            assert_eq!(outcome.err(), Some(Code::StoreUnavailable), "{} → {}, {how}", case.act, case.code);
            assert_eq!(faulty.pending(), 0, "{} → {}, {how}", case.act, case.code);
        }
    }
    let verified = block_on(room.admin(operator()).audit().verify(None)).unwrap();
    assert!(verified.is_ok(), "{} {:?}", verified.report, verified.store);
    block_on(acme(&room).put(&"after".parse().unwrap(), text("1"), Put::default())).unwrap();
}
