//! What a secret says about itself: its type, its owner, and when it is due for rotation.

mod common;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::{Place, tenant};
use pollster::block_on;
use strongroom::{
    Code, Described, Error, Folder, Generate, Get, Import, ImportEntry, Labels, Owner, PasswordPolicy, Patch, Promote,
    Put, Revision, RotationInterval, SecretPath, SecretType, SecretValue, Secrets, Strongroom, Timestamp, To, Update,
    Version, VersionLimit,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A certificate whose end is written as a UTCTime.
const CERTIFICATE: &[u8] = include_bytes!("../../fuzz/corpus/x509/ed25519.der");
const ITS_END: &[u8] = b"271130071215Z";

fn at(path: &str) -> SecretPath {
    path.parse().unwrap()
}

fn text(value: &str) -> SecretValue {
    SecretValue::text(value).unwrap()
}

fn owner(text: &str) -> Owner {
    text.parse().unwrap()
}

fn days(days: u64) -> RotationInterval {
    RotationInterval::days(days).unwrap()
}

/// A certificate that ends at this moment, in the form `YYMMDDHHMMSSZ`. Nobody checks who signed it.
fn certificate(end: &str) -> SecretValue {
    assert_eq!(end.len(), ITS_END.len());
    let place = memchr::memmem::find(CERTIFICATE, ITS_END).unwrap();
    let mut der = CERTIFICATE.to_vec();
    der[place..place + end.len()].copy_from_slice(end.as_bytes());
    SecretValue::binary(der).unwrap()
}

/// 00:00 on the first of January.
fn new_year(year: u64) -> Timestamp {
    let days = (1970..year).map(|year| if year.is_multiple_of(4) { 366 } else { 365 }).sum::<u64>();
    Timestamp(days * 24 * 60 * 60 * 1_000_000)
}

fn describe(secrets: &Secrets, path: &str) -> Described {
    block_on(secrets.describe(&at(path))).unwrap()
}

fn code<T>(outcome: Result<T, Error>) -> Result<T, Code> {
    outcome.map_err(|error| error.code())
}

fn put(secrets: &Secrets, path: &str, value: SecretValue, put: Put) -> Result<u64, Code> {
    code(block_on(secrets.put(&at(path), value, put))).map(|reply| reply.version.0)
}

fn update(secrets: &Secrets, path: &str, update: Update) -> Result<Revision, Code> {
    code(block_on(secrets.update(&at(path), update))).map(|updated| updated.revision)
}

/// The rows are those of the log.
fn demand_that_the_state_is_sound(room: &Strongroom) {
    let checked = block_on(tenant(room, "acme").audit().check_state()).unwrap();
    assert!(checked.is_ok(), "{:#?}", checked.findings);
}

#[test]
fn a_secret_is_described_without_its_value() {
    let (_place, room) = Place::software();
    let secrets = tenant(&room, "acme").secrets();
    put(&secrets, "a/b", text("1"), Put::default()).unwrap();
    let plain = describe(&secrets, "a/b");
    assert_eq!((plain.meta.secret_type, plain.meta.owner.as_str()), (SecretType::Generic, ""));
    assert_eq!((plain.meta.rotation_interval, plain.rotate_by), (RotationInterval::OF_TYPE, None));
    assert_eq!((plain.revision, plain.latest, plain.current), (Revision(1), Version(1), Version(1)));
    assert_eq!((plain.pending, plain.previous, plain.not_after), (None, None, None));
    assert!(plain.is_enabled && plain.created_at == plain.updated_at && plain.current_since == plain.created_at);
    assert_eq!(plain.max_versions, VersionLimit::DEFAULT);

    let said = Put::default()
        .description("for billing".parse().unwrap())
        .labels(Labels::parse([("team", "payments")]).unwrap())
        .secret_type(SecretType::DatabasePassword)
        .owner(owner("payments"))
        .max_versions(VersionLimit::new(3).unwrap());
    put(&secrets, "a/b", text("2"), said).unwrap();
    block_on(secrets.put_pending(&at("a/b"), text("3"), Put::default())).unwrap();
    let found = describe(&secrets, "a/b");
    assert_eq!((found.meta.description.as_str(), found.meta.owner.as_str()), ("for billing", "payments"));
    assert_eq!(found.meta.labels.value("team").unwrap().as_str(), "payments");
    assert_eq!(found.meta.secret_type, SecretType::DatabasePassword);
    assert_eq!((found.latest, found.current, found.revision), (Version(3), Version(2), Revision(3)));
    assert_eq!((found.pending, found.previous), (Some(Version(3)), Some(Version(1))));
    assert_eq!(found.max_versions.versions(), 3);
    assert!(found.created_at == plain.created_at && found.current_since >= plain.created_at);
    assert_eq!(found.rotate_by, Some(found.current_since.after(30 * DAY)), "as its type says");
    assert_eq!(block_on(secrets.versions(&at("a/b"))).unwrap().meta, found.meta, "and `versions` says the same");

    // What is current when it is described counts, not what was put last.
    block_on(secrets.promote(&at("a/b"), Promote::previous())).unwrap();
    assert_eq!(describe(&secrets, "a/b").current_since, plain.created_at);
    put(&secrets, "a/b", text("4"), Put::default().rotation_interval(days(7))).unwrap();
    let found = describe(&secrets, "a/b");
    assert_eq!(found.rotate_by, Some(found.current_since.after(7 * DAY)), "as was said for it alone");
    put(&secrets, "a/b", text("5"), Put::default().rotation_interval(RotationInterval::NEVER)).unwrap();
    assert_eq!(describe(&secrets, "a/b").rotate_by, None);

    // Whether or not its values can be read.
    block_on(secrets.destroy_versions(&at("a/b"), &[Version(5)])).unwrap();
    assert_eq!(describe(&secrets, "a/b").current, Version(5));
    assert_eq!(code(block_on(secrets.describe(&at("a/c")))).unwrap_err(), Code::SecretNotFound);
    demand_that_the_state_is_sound(&room);
}

#[test]
fn a_tenant_sees_nothing_of_another_and_an_environment_nothing_outside() {
    let (_place, room) = Place::software();
    let (acme, other) = (tenant(&room, "acme"), tenant(&room, "other"));
    put(&acme.secrets(), "dev/key", text("1"), Put::default()).unwrap();
    put(&acme.secrets(), "prod/key", text("1"), Put::default()).unwrap();
    let absent = |secrets: &Secrets, path: &str| {
        assert_eq!(code(block_on(secrets.describe(&at(path)))).unwrap_err(), Code::SecretNotFound, "{path}");
        assert_eq!(update(secrets, path, Update::default().owner(owner("x"))), Err(Code::SecretNotFound), "{path}");
    };
    absent(&other.secrets(), "dev/key");
    absent(&other.secrets(), "none");
    let dev = acme.environment("dev".parse().unwrap()).secrets();
    absent(&dev, "prod/key");
    absent(&dev, "dev/key");
    update(&dev, "key", Update::default().owner(owner("dev"))).unwrap();
    assert_eq!(describe(&acme.secrets(), "dev/key").meta.owner.as_str(), "dev");
    assert_eq!(describe(&acme.secrets(), "prod/key").meta.owner.as_str(), "");
}

#[test]
fn an_update_changes_what_it_names_and_no_version() {
    let (place, room) = Place::software();
    let secrets = tenant(&room, "acme").secrets();
    let first = Put::default().description("one".parse().unwrap()).labels(Labels::parse([("a", "1")]).unwrap());
    put(&secrets, "s", text("1"), first).unwrap();
    assert_eq!(update(&secrets, "s", Update::default().secret_type(SecretType::ApiKey)), Ok(Revision(2)));
    let found = describe(&secrets, "s");
    assert_eq!((found.meta.description.as_str(), found.meta.labels.len()), ("one", 1));
    assert_eq!((found.meta.secret_type, found.latest), (SecretType::ApiKey, Version(1)));
    assert!(found.updated_at >= found.created_at);
    assert_eq!(found.rotate_by, Some(found.created_at.after(90 * DAY)), "an update makes nothing younger");

    let all = Update::default()
        .description("two".parse().unwrap())
        .labels(Labels::new())
        .owner(owner("ops"))
        .rotation_interval(days(1));
    assert_eq!(update(&secrets, "s", all), Ok(Revision(3)));
    let found = describe(&secrets, "s");
    assert_eq!((found.meta.description.as_str(), found.meta.labels.len()), ("two", 0));
    assert_eq!((found.meta.owner.as_str(), found.meta.rotation_interval), ("ops", days(1)));
    assert_eq!(update(&secrets, "s", Update::default().owner(Owner::default())), Ok(Revision(4)), "nobody any more");

    let expecting = |version, revision| {
        let update_to = Update::default().owner(owner("x"));
        let update_to = update_to.expect(Version(version)).expect_revision(Revision(revision));
        update(&secrets, "s", update_to)
    };
    assert_eq!(expecting(2, 4), Err(Code::SecretConflict));
    assert_eq!(expecting(1, 3), Err(Code::SecretConflict));
    assert_eq!(expecting(1, 5), Err(Code::SecretConflict));
    assert_eq!(describe(&secrets, "s").meta.owner.as_str(), "", "nothing of what was refused");
    assert_eq!(expecting(1, 4), Ok(Revision(5)));

    // The line of each names the secret and its row, and no version.
    let lines = block_on(tenant(&room, "acme").audit().show(0, 100)).unwrap().entries;
    let updates: Vec<_> = lines.iter().filter(|line| line.act == "secret.update").collect();
    assert_eq!(updates.len(), 7);
    assert!(updates.iter().all(|line| line.object.as_deref() == Some("s") && line.version.is_none()));
    demand_that_the_state_is_sound(&room);

    // A thief puts the row back that was there before the last update.
    let row = |thief: &rusqlite::Connection| -> (Vec<u8>, i64, i64, Vec<u8>) {
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
        thief.query_row("SELECT meta, updated_at, revision, mac FROM secrets", [], read).unwrap()
    };
    let before = row(&place.thief());
    update(&secrets, "s", Update::default().rotation_interval(days(365))).unwrap();
    room.close().unwrap();
    place
        .thief()
        .execute(
            "UPDATE secrets SET meta = ?1, updated_at = ?2, revision = ?3, mac = ?4",
            rusqlite::params![before.0, before.1, before.2, before.3],
        )
        .unwrap();
    let room = place.open().unwrap();
    let checked = block_on(tenant(&room, "acme").audit().check_state()).unwrap();
    let codes: Vec<_> = checked.findings.iter().map(|finding| finding.code.as_str()).collect();
    assert_eq!(codes, ["STATE-REPLAYED"]);
}

#[test]
fn a_lower_limit_removes_versions_at_once() {
    let (place, room) = Place::software();
    let secrets = tenant(&room, "acme").secrets();
    for number in 1..=5 {
        put(&secrets, "s", text(&number.to_string()), Put::default()).unwrap();
    }
    let limit = |versions| Update::default().max_versions(VersionLimit::new(versions).unwrap());
    let updated = block_on(secrets.update(&at("s"), limit(2))).unwrap();
    assert_eq!((updated.version, updated.removed), (Version(5), 3));
    let numbers = || -> Vec<_> {
        let found = block_on(secrets.versions(&at("s"))).unwrap();
        found.versions.iter().map(|version| version.version.0).collect()
    };
    assert_eq!(numbers(), [5, 4]);
    let stored: i64 = place.thief().query_row("SELECT count(*) FROM secret_versions", [], |row| row.get(0)).unwrap();
    assert_eq!(stored, 2, "their rows are gone");
    let line = block_on(tenant(&room, "acme").audit().show(updated.receipt.seq, 1)).unwrap().entries.remove(0);
    assert_eq!((line.act.as_str(), line.count), ("secret.update", Some(3)));
    assert_eq!(block_on(secrets.update(&at("s"), limit(1_000))).unwrap().removed, 0);
    assert_eq!(numbers(), [5, 4], "a higher one brings nothing back");
    // Never what is current.
    block_on(secrets.put_pending(&at("s"), text("6"), Put::default())).unwrap();
    assert_eq!(update(&secrets, "s", limit(1)), Err(Code::VersionsFull));
    assert_eq!(block_on(secrets.update(&at("s"), limit(2))).unwrap().removed, 1);
    assert_eq!((numbers(), describe(&secrets, "s").previous), (vec![6, 5], None));
    demand_that_the_state_is_sound(&room);
}

#[test]
fn a_certificate_is_due_before_it_ends() {
    let (_place, room) = Place::software();
    let secrets = tenant(&room, "acme").secrets();
    let typed = || Put::default().secret_type(SecretType::Certificate);
    assert_eq!(put(&secrets, "tls", text("no certificate"), typed()), Err(Code::CertificateInvalid));
    assert_eq!(code(block_on(secrets.describe(&at("tls")))).unwrap_err(), Code::SecretNotFound, "nothing is stored");

    assert_eq!(put(&secrets, "tls", certificate("400101000000Z"), typed()), Ok(1));
    let found = describe(&secrets, "tls");
    assert_eq!(found.not_after, Some(new_year(2040)));
    assert_eq!(found.rotate_by, Some(Timestamp(new_year(2040).0 - micros(30 * DAY))));
    // Without saying so again; an interval that is shorter comes first.
    assert_eq!(put(&secrets, "tls", text("no"), Put::default()), Err(Code::CertificateInvalid));
    assert_eq!(put(&secrets, "tls", certificate("450101000000Z"), Put::default().rotation_interval(days(90))), Ok(2));
    let found = describe(&secrets, "tls");
    assert_eq!(found.not_after, Some(new_year(2045)));
    assert_eq!(found.rotate_by, Some(found.current_since.after(90 * DAY)));

    // Each version has its own end, and what is current has another after a promotion and back.
    block_on(secrets.put_pending(&at("tls"), certificate("480101000000Z"), Put::default())).unwrap();
    let end = || describe(&secrets, "tls").not_after;
    assert_eq!(end(), Some(new_year(2045)));
    block_on(secrets.promote(&at("tls"), Promote::pending())).unwrap();
    assert_eq!(end(), Some(new_year(2048)));
    block_on(secrets.promote(&at("tls"), Promote::previous())).unwrap();
    assert_eq!(end(), Some(new_year(2045)));

    // Whatever else puts values keeps to it.
    let refused = Err(Code::CertificateInvalid);
    assert_eq!(code(block_on(secrets.put_pending(&at("tls"), text("no"), Put::default()))).map(drop), refused);
    let json = SecretValue::json("{}").unwrap();
    put(&secrets, "json", json, Put::default()).unwrap();
    assert_eq!(update(&secrets, "json", Update::default().secret_type(SecretType::Certificate)).map(drop), refused);
    let password = Generate::password(&PasswordPolicy::new(24)).unwrap();
    assert_eq!(code(block_on(secrets.generate(&at("made"), &password, typed()))).map(drop), refused);
    let entries = vec![ImportEntry { path: at("tls"), value: text("no") }];
    assert_eq!(code(block_on(secrets.import(&Folder::root(), entries, Import::default()))).map(drop), refused);
    let patch = SecretValue::json("{}").unwrap();
    assert!(block_on(secrets.patch(&at("tls"), patch, Patch::default())).is_err());

    // It stops to be one, and becomes one again: of the versions that may become current the end is read then.
    update(&secrets, "tls", Update::default().secret_type(SecretType::Generic)).unwrap();
    assert_eq!(end(), None);
    assert_eq!(put(&secrets, "tls", text("anything"), Put::default()), Ok(4));
    let to_certificate = || Update::default().secret_type(SecretType::Certificate);
    assert_eq!(update(&secrets, "tls", to_certificate()).map(drop), refused, "its current version is none");
    block_on(secrets.promote(&at("tls"), Promote::previous())).unwrap();
    update(&secrets, "tls", to_certificate()).unwrap();
    assert_eq!(end(), Some(new_year(2045)));
    block_on(secrets.promote(&at("tls"), Promote::previous())).unwrap();
    assert_eq!(end(), None, "this one is none");
    block_on(secrets.delete_versions(&at("json"), &[Version(1)])).unwrap();
    assert_eq!(update(&secrets, "json", to_certificate()).map(drop), Err(Code::VersionUnavailable));
    demand_that_the_state_is_sound(&room);
}

#[test]
fn only_a_certificate_says_so_in_its_settings() {
    let (place, room) = Place::software();
    let secrets = tenant(&room, "acme").secrets();
    let settings = || -> Vec<u8> {
        place.thief().query_row("SELECT settings FROM secrets ORDER BY id LIMIT 1", [], |row| row.get(0)).unwrap()
    };
    let (typed, end) = (SecretType::Certificate, "400101000000Z");
    let said = br#"{"certificate":true,"v":1}"#;
    put(&secrets, "tls", certificate(end), Put::default()).unwrap();
    assert_eq!(settings(), b"", "it is none");
    put(&secrets, "tls", certificate(end), Put::default().secret_type(typed)).unwrap();
    assert_eq!(settings(), said, "put as one");
    put(&secrets, "tls", certificate(end), Put::default().secret_type(SecretType::Token)).unwrap();
    assert_eq!(settings(), b"");
    update(&secrets, "tls", Update::default().secret_type(typed)).unwrap();
    assert_eq!(settings(), said, "updated to one");
    put(&secrets, "tls", certificate(end), Put::default()).unwrap();
    update(&secrets, "tls", Update::default().owner("web".parse().unwrap())).unwrap();
    assert_eq!(settings(), said, "whatever else changes");
    block_on(secrets.copy(&at("tls"), To(&at("copy")), Get::current())).unwrap();
    assert_eq!(put(&secrets, "copy", text("no"), Put::default()), Err(Code::CertificateInvalid));
    assert_eq!(describe(&secrets, "copy").not_after, Some(new_year(2040)));
    put(&secrets, "new", certificate(end), Put::default().secret_type(typed)).unwrap();
    assert_eq!(put(&secrets, "new", text("no"), Put::default()), Err(Code::CertificateInvalid), "one from the start");
    demand_that_the_state_is_sound(&room);
}

/// A certificate that is good for a few days is not due as soon as it is there.
#[test]
fn a_short_certificate_is_due_when_a_third_of_it_is_left() {
    let (_place, room) = Place::software();
    let secrets = tenant(&room, "acme").secrets();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let end = humantime::format_rfc3339_seconds(UNIX_EPOCH + now + 9 * DAY).to_string();
    let digits: String = end[2..].chars().filter(char::is_ascii_digit).collect();
    let typed = Put::default().secret_type(SecretType::Certificate);
    put(&secrets, "tls", certificate(&format!("{digits}Z")), typed).unwrap();
    let found = describe(&secrets, "tls");
    let (since, end) = (found.current_since.0, found.not_after.unwrap().0);
    assert!(end > since + micros(8 * DAY));
    let left = found.rotate_by.unwrap().0 - since;
    assert!(left.abs_diff((end - since) * 2 / 3) <= 2, "{left} of {}", end - since);
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap()
}
