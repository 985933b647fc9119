//! The main job, through the Rust API: tenants, secrets in and out, and a log that verifies.

mod common;

use common::{Place, admin, billing, operator, tenant};
use pollster::block_on;
use strongroom::{After, Code, Delete, Entry, Folder, Get, Import, ImportEntry, Put, SecretValue, Version};

fn text(value: &str) -> SecretValue {
    SecretValue::text(value).unwrap()
}

#[test]
fn secrets_go_in_and_out_and_the_log_verifies() {
    let (place, room) = Place::software();
    let acme = tenant(&room, "acme").secrets();
    let path = "prod/database/password".parse().unwrap();

    let put = block_on(acme.put(&path, text("hunter2"), Put::default())).unwrap();
    assert_eq!(put.version, Version(1));
    let got = block_on(acme.get(&path, Get::current())).unwrap();
    assert!(got.value.matches(&text("hunter2")));
    assert_eq!((got.version, got.is_current), (Version(1), true));

    let stale = block_on(acme.put(&path, text("x"), Put::default().expect(Version(0)))).unwrap_err();
    assert_eq!((stale.code(), stale.details()), (Code::SecretConflict, Some("expected version 0, found 1")));
    let put = block_on(acme.put(&path, text("hunter3"), Put::default().expect(Version(1)))).unwrap();
    assert_eq!(put.version, Version(2));
    let old = block_on(acme.get(&path, Get::version(Version(1)))).unwrap();
    assert!(old.value.matches(&text("hunter2")) && !old.is_current);

    let versions = block_on(acme.versions(&path)).unwrap();
    assert_eq!(versions.versions.iter().map(|v| v.version.0).collect::<Vec<_>>(), [2, 1]);

    let page = block_on(acme.list(&Folder::root(), After::start(), 10)).unwrap();
    assert_eq!(page.entries, [Entry::Folder("prod".parse().unwrap())]);

    let entries = ["A", "B", "sub/C"]
        .map(|name| ImportEntry { path: name.parse().unwrap(), value: text(name) })
        .into_iter()
        .collect();
    let imported = block_on(acme.import(&"prod".parse().unwrap(), entries, Import::default())).unwrap();
    assert_eq!(imported.versions.len(), 3);
    let exported = block_on(acme.export(&"prod".parse().unwrap())).unwrap();
    let names: Vec<_> = exported.secrets.iter().map(|secret| secret.path.as_str()).collect();
    assert_eq!(names, ["A", "B", "database/password", "sub/C"]);

    block_on(acme.delete(&path, Delete::default())).unwrap();
    assert_eq!(block_on(acme.get(&path, Get::current())).unwrap_err().code(), Code::SecretNotFound);
    let page = block_on(acme.list(&"prod".parse().unwrap(), After::start(), 2)).unwrap();
    assert_eq!(page.entries.len(), 2);
    let rest = block_on(acme.list(&"prod".parse().unwrap(), page.next.unwrap(), 2)).unwrap();
    assert_eq!((rest.entries.len(), rest.next), (1, None));

    let verified = block_on(admin(&room).audit().verify(None)).unwrap();
    assert!(verified.is_ok(), "{} {:?}", verified.report, verified.store);
    println!("{}", verified.report);
    let shown = block_on(room.tenant(&"acme".parse().unwrap()).acting_as(operator()).audit().show(0, 100)).unwrap();
    for entry in &shown.entries {
        println!("{} {} {:?} {:?} {}", entry.seq, entry.act, entry.actor, entry.object, entry.code);
    }
    assert!(shown.entries.iter().any(|entry| entry.code == "SR-SECRET-CONFLICT"));
    drop(place);
}

#[test]
fn a_closed_tenant_and_an_absent_one_are_refused_and_recorded() {
    let (_place, room) = Place::software();
    let beta = tenant(&room, "beta");
    block_on(beta.secrets().put(&"a".parse().unwrap(), text("1"), Put::default())).unwrap();
    block_on(admin(&room).close_tenant(&"beta".parse().unwrap())).unwrap();
    let error = block_on(beta.secrets().get(&"a".parse().unwrap(), Get::current())).unwrap_err();
    assert_eq!(error.code(), Code::TenantClosed);
    let nobody = room.tenant(&"nobody".parse().unwrap()).acting_as(billing()).secrets();
    let error = block_on(nobody.get(&"a".parse().unwrap(), Get::current())).unwrap_err();
    assert_eq!(error.code(), Code::TenantNotFound);
    let error = block_on(admin(&room).close_tenant(&"beta".parse().unwrap())).unwrap_err();
    assert_eq!(error.code(), Code::TenantClosed);

    let sys = block_on(admin(&room).audit().show(0, 100)).unwrap();
    let codes: Vec<_> = sys.entries.iter().map(|entry| (entry.act.as_str(), entry.code.as_str())).collect();
    assert!(
        codes.contains(&("secret.get", "SR-TENANT-CLOSED")) && codes.contains(&("secret.get", "SR-TENANT-NOT-FOUND"))
    );
    let verified = block_on(admin(&room).audit().verify(None)).unwrap();
    assert!(verified.is_ok(), "{} {:?}", verified.report, verified.store);
}

#[test]
fn it_opens_again_and_the_log_goes_on() {
    let (place, room) = Place::software();
    let acme = tenant(&room, "acme").secrets();
    let path = "a/b".parse().unwrap();
    block_on(acme.put(&path, text("1"), Put::default())).unwrap();
    room.close().unwrap();
    assert_eq!(block_on(acme.get(&path, Get::current())).unwrap_err().code(), Code::Closed);

    let room = place.open().unwrap();
    let acme = room.tenant(&"acme".parse().unwrap()).acting_as(billing());
    let got = block_on(acme.secrets().get(&path, Get::current())).unwrap();
    assert!(got.value.matches(&text("1")));
    let verified = block_on(admin(&room).audit().verify(None)).unwrap();
    assert!(verified.is_ok(), "{} {:?}", verified.report, verified.store);
    assert_eq!(verified.report.epochs, 3);

    let bundles = place.folder.path();
    for (name, audit) in [("full", admin(&room).audit()), ("acme", acme.audit())] {
        let file = bundles.join(name);
        block_on(audit.export(&file)).unwrap();
        let report = strongroom_log::verify(&std::fs::read(&file).unwrap(), room.root_key(), None);
        assert!(report.is_ok(), "{name}: {report}");
        println!("{report}");
    }
}
