//! Trying values: what is offered, in which order, and what the log says of it.

mod common;

use common::{Place, billing, tenant};
use pollster::block_on;
use strongroom::{
    Code, Environment, Get, Offered, Promote, Put, RequestId, SecretPath, SecretValue, Secrets, Stage, Strongroom,
    Verdict, Version,
};

fn at(path: &str) -> SecretPath {
    path.parse().unwrap()
}

fn put(secrets: &Secrets, text: &str) {
    block_on(secrets.put(&at("a"), SecretValue::text(text).unwrap(), Put::default())).unwrap();
}

/// What was offered: text, version and stage.
type Offers = Vec<(String, u64, Stage)>;

/// Tries, and accepts this text only. What was offered, and what came of it.
fn attempt(secrets: &Secrets, accepts: &str) -> (Offers, Result<(u64, Stage), Code>) {
    let mut offers = Vec::new();
    let check = |value: &SecretValue, offered: Offered| {
        let text = value.expose(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
        let verdict = match text == accepts {
            true => Verdict::Accept(text.len()),
            false if text == "stop" => Verdict::Stop,
            false => Verdict::Reject,
        };
        offers.push((text, offered.version.0, offered.stage));
        verdict
    };
    let tried = block_on(secrets.try_current(&at("a"), check));
    let tried = tried.map(|tried| {
        assert_eq!(tried.outcome, accepts.len(), "what the closure gave comes out");
        (tried.accepted.version.0, tried.accepted.stage)
    });
    (offers, tried.map_err(|error| error.code()))
}

/// Phase, version, count and code of the lines of attempts.
fn lines(room: &Strongroom) -> Vec<(bool, Option<u64>, Option<u64>, String)> {
    let page = block_on(tenant(room, "acme").audit().show(0, 1_000)).unwrap();
    let tries = page.entries.into_iter().filter(|entry| entry.act == "secret.try");
    tries.map(|entry| (entry.intent, entry.version, entry.count, entry.code)).collect()
}

#[test]
fn the_current_value_is_offered_and_then_the_previous_one() {
    let (_place, room) = Place::software();
    let secrets = tenant(&room, "acme").secrets();
    put(&secrets, "one");
    let offer = |text: &str, version, stage| (text.to_owned(), version, stage);
    assert_eq!(attempt(&secrets, "one"), (vec![offer("one", 1, Stage::Current)], Ok((1, Stage::Current))));
    assert_eq!(attempt(&secrets, "x"), (vec![offer("one", 1, Stage::Current)], Err(Code::TryRejected)));
    put(&secrets, "two");
    let both = vec![offer("two", 2, Stage::Current), offer("one", 1, Stage::Previous)];
    assert_eq!(attempt(&secrets, "one"), (both.clone(), Ok((1, Stage::Previous))));
    assert_eq!(attempt(&secrets, "x"), (both, Err(Code::TryRejected)));
    // A pending version is offered to nobody, and after the way back the roles are changed.
    block_on(secrets.put_pending(&at("a"), SecretValue::text("stop").unwrap(), Put::default())).unwrap();
    block_on(secrets.promote(&at("a"), Promote::previous())).unwrap();
    let turned = vec![offer("one", 1, Stage::Current), offer("two", 2, Stage::Previous)];
    assert_eq!(attempt(&secrets, "two"), (turned, Ok((2, Stage::Previous))));
    block_on(secrets.promote(&at("a"), Promote::pending())).unwrap();
    let stopped = vec![offer("stop", 3, Stage::Current)];
    assert_eq!(attempt(&secrets, "one"), (stopped, Err(Code::TryStopped)), "no other is offered then");

    let ok = |intent, version, count| (intent, Some(version), Some(count), "ok".to_owned());
    let refused = |code: Code| (false, None, None, code.name().to_owned());
    let want = [
        (ok(true, 1, 1), ok(false, 1, 1)),
        (ok(true, 1, 1), refused(Code::TryRejected)),
        (ok(true, 2, 2), ok(false, 1, 2)),
        (ok(true, 2, 2), refused(Code::TryRejected)),
        (ok(true, 1, 2), ok(false, 2, 2)),
        (ok(true, 3, 2), refused(Code::TryStopped)),
    ];
    let want: Vec<_> = want.into_iter().flat_map(|(intent, result)| [intent, result]).collect();
    assert_eq!(lines(&room), want);
}

#[test]
fn what_cannot_be_read_is_not_offered() {
    let (_place, room) = Place::software();
    let secrets = tenant(&room, "acme").secrets();
    assert_eq!(attempt(&secrets, "one"), (vec![], Err(Code::SecretNotFound)));
    put(&secrets, "one");
    put(&secrets, "two");
    block_on(secrets.delete_versions(&at("a"), &[Version(1)])).unwrap();
    assert_eq!(attempt(&secrets, "one").0.len(), 1, "the previous one is deleted");
    block_on(secrets.destroy_versions(&at("a"), &[Version(1)])).unwrap();
    assert_eq!(attempt(&secrets, "one").0.len(), 1, "or destroyed");
    put(&secrets, "three");
    block_on(secrets.delete_versions(&at("a"), &[Version(3)])).unwrap();
    assert_eq!(attempt(&secrets, "two"), (vec![], Err(Code::VersionUnavailable)), "there is no older one instead");
    let before = lines(&room).len();
    assert_eq!(lines(&room)[before - 1], (false, Some(3), None, Code::VersionUnavailable.name().to_owned()));
}

/// The line comes first: at the moment of the offer it is there.
#[test]
fn an_offer_is_recorded_before_it_is_made_and_within_its_environment() {
    let (_place, room) = Place::software();
    let acme = tenant(&room, "acme");
    let environment: Environment = "prod".parse().unwrap();
    let acme = acme.environment(environment);
    put(&acme.secrets(), "one");
    let other = tenant(&room, "acme").secrets();
    let request = RequestId::from_bytes([9; 16]);
    let secrets = room.tenant(&"acme".parse().unwrap()).acting_as(billing().request(request)).secrets();
    let tried = block_on(secrets.try_current_async(&at("prod/a"), async |value: &SecretValue, offered: Offered| {
        let seen = lines(&room);
        assert_eq!(seen, [(true, Some(1), Some(1), "ok".to_owned())]);
        // Others go on meanwhile.
        let got = other.get(&at("prod/a"), Get::current()).await.unwrap();
        assert_eq!((got.version, value.len()), (offered.version, got.value.len()));
        Verdict::Accept(seen)
    }))
    .unwrap();
    assert_eq!((tried.outcome.len(), tried.accepted.version), (1, Version(1)));
    let page = block_on(tenant(&room, "acme").audit().show(0, 100)).unwrap();
    let ours: Vec<_> = page.entries.iter().filter(|entry| entry.request == request).collect();
    assert_eq!(ours.len(), 2, "one request, and one more line than an operation has");
    assert_eq!((ours[1].seq, ours[1].object.as_deref()), (tried.receipt.seq, Some("prod/a")));
}

/// A check that panics has said nothing: the next opening says that nobody knows.
#[test]
fn a_check_that_never_answers_is_recorded_as_unknown() {
    let (place, room) = Place::software();
    let secrets = tenant(&room, "acme").secrets();
    put(&secrets, "one");
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        block_on(secrets.try_current::<()>(&at("a"), |_, _| panic!("on purpose")))
    }));
    assert!(panicked.is_err());
    assert_eq!(lines(&room).len(), 1);
    drop(secrets);
    room.close().unwrap();
    let room = place.open().unwrap();
    let code = Code::EffectUnknown.name().to_owned();
    assert_eq!(lines(&room)[1..], [(false, None, None, code)]);
}
