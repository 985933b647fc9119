//! The PKCS#11 device on real tokens: SoftHSM's, one for each test.
//!
//! What must happen in a process of its own (a broken configuration, a search of the memory) runs
//! this program again, with `child` as the only test.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests may panic and print, also in their helpers")]

use std::{
    env,
    fs::{self, File},
    os::unix::fs::FileExt,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use cryptoki::{
    context::Pkcs11,
    error::{Error, RvError},
    mechanism::Mechanism,
    object::{Attribute, AttributeInfo, AttributeType, KeyType, ObjectClass, ObjectHandle},
    session::{Session, SessionState, UserType},
    types::AuthPin,
};
use strongroom::{
    Actor, Code, Config, Context, Deployment, DeviceProfile, OpenOptions, Recovery,
    device::{DeviceError, Health, Prk, RootVersion},
    testing::device::{block_on, check},
};
use strongroom_hsm::{
    DeviceUri, KeyIds, doctor, initialize, open_deployment,
    testing::{SoftHsm, login_attempts},
};

const PIN: &str = "user-1234";
const IDS: KeyIds = KeyIds { root: [0xA1; 16], audit: [0xB2; 16] };

/// A token, its URI, and a way past our own code.
struct Fixture {
    hsm: &'static SoftHsm,
    uri: DeviceUri,
}

/// A new token of this name; `None`, recorded, where SoftHSM is not installed.
fn token(label: &str) -> Option<Fixture> {
    let hsm = SoftHsm::for_this_process()?;
    let uri = hsm.token(label, PIN).parse().unwrap();
    Some(Fixture { hsm, uri })
}

impl Fixture {
    fn provision(&self) -> DeviceProfile {
        self.uri.provision(&IDS, b"check").unwrap()
    }

    /// The library as another user of the same process sees it.
    fn module(&self) -> Pkcs11 {
        Pkcs11::new(self.hsm.module()).unwrap()
    }

    /// A session past our own code, logged in.
    fn session(&self) -> Session {
        let module = self.module();
        let text = self.uri.to_string();
        let label = text.strip_prefix("pkcs11:token=").unwrap().split(['?', ';']).next().unwrap();
        let named = |slot: &_| module.get_token_info(*slot).unwrap().label() == label;
        let slot = module.get_slots_with_token().unwrap().into_iter().find(named).unwrap();
        let session = module.open_rw_session(slot).unwrap();
        match session.login(UserType::User, Some(&AuthPin::from(PIN))) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => session,
            Err(error) => panic!("{error}"),
        }
    }
}

fn find(session: &Session, class: ObjectClass, id: [u8; 16]) -> Vec<ObjectHandle> {
    session.find_objects(&[Attribute::Class(class), Attribute::Id(id.to_vec())]).unwrap()
}

fn one(session: &Session, class: ObjectClass, id: [u8; 16]) -> ObjectHandle {
    let found = find(session, class, id);
    assert_eq!(found.len(), 1);
    found[0]
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn code(error: &Error) -> RvError {
    match error {
        Error::Pkcs11(code, _) => *code,
        other => panic!("{other}"),
    }
}

#[test]
fn it_is_a_key_device() {
    let Some(token) = token("kit") else { return };
    check(&token.uri.open(&token.provision()).unwrap());
}

/// Refused logins are a line of the opening that succeeds.
#[test]
fn what_a_token_refused_is_in_the_log() {
    let Some(token) = token("guessed") else { return };
    let text = token.uri.to_string();
    let pin = PathBuf::from(text.split_once("pin-source=file:").unwrap().1);
    let folder = tempfile::tempdir().unwrap();
    let deployment = Deployment::at(folder.path().join("data"));
    let write_pin = |pin_now: &str| fs::write(&pin, pin_now).unwrap();
    let operator = || Context::new(Actor::operator("olga").unwrap());

    // Also those of an `init`, which is forgotten but for that.
    let begin = || {
        let config = Config { device: text.clone(), ..Config::default() };
        block_on(initialize(&deployment, config, Recovery::None, None, operator(), OpenOptions::default()))
    };
    write_pin("guess-1");
    assert_eq!(begin().unwrap_err().code(), Code::DevicePinRefused);
    write_pin(PIN);
    begin().unwrap().0.close().unwrap();

    let open = || block_on(open_deployment(&deployment, OpenOptions::default()));
    for guess in ["guess-2", "guess-3"] {
        write_pin(guess);
        assert_eq!(open().unwrap_err().code(), Code::DevicePinRefused);
    }
    write_pin(PIN);
    open().unwrap().close().unwrap();
    let room = open().unwrap();
    let lines = block_on(room.admin(operator()).audit().show(0, 100)).unwrap().entries;
    let told = lines.iter().filter(|line| line.act == "device.login").map(|line| (&*line.code, line.count));
    let refused = "SR-DEVICE-PIN-REFUSED";
    assert_eq!(told.collect::<Vec<_>>(), [(refused, Some(1)), (refused, Some(2))]);
    room.close().unwrap();
}

/// Between the new object and the end of the old one there are two; the newest counts, and the next writing clears up.
#[test]
fn a_document_is_private_and_its_replacement_may_be_interrupted() {
    let Some(fixture) = token("documents") else { return };
    let profile = fixture.provision();
    let device = fixture.uri.open(&profile).unwrap();
    let deployment = [0xd3; 16];
    let write = |document: &[u8]| block_on(device.write_document(deployment, document.to_vec(), soon())).unwrap();
    let read = || block_on(device.read_document(deployment, soon())).unwrap().unwrap();
    write(b"first");
    write(b"second");
    let session = fixture.session();
    let ours = || {
        let wanted = [Attribute::Class(ObjectClass::DATA), Attribute::Application(b"strongroom".to_vec())];
        session.find_objects(&wanted).unwrap()
    };
    let [object] = ours()[..] else { panic!("{} objects", ours().len()) };
    let wanted = [AttributeType::Private, AttributeType::Modifiable, AttributeType::Label, AttributeType::Value];
    let label = |number: u64| format!("strongroom-anchor-{}-{number}", "d3".repeat(16)).into_bytes();
    let held = session.get_attributes(object, &wanted).unwrap();
    let (private, modifiable) = (Attribute::Private(true), Attribute::Modifiable(false));
    assert_eq!(held, [private, modifiable, Attribute::Label(label(2)), Attribute::Value(b"second".to_vec())]);

    for (number, value) in [(10, "interrupted"), (9, "older")] {
        let template = [
            Attribute::Class(ObjectClass::DATA),
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Application(b"strongroom".to_vec()),
            Attribute::Label(label(number)),
            Attribute::Value(value.into()),
        ];
        session.create_object(&template).unwrap();
    }
    assert_eq!((read().as_slice(), ours().len()), (&b"interrupted"[..], 3));
    write(b"third");
    assert_eq!((read().as_slice(), ours().len()), (&b"third"[..], 1));
    // What is no number of ours is no document of ours, and stays.
    let stranger = [
        Attribute::Class(ObjectClass::DATA),
        Attribute::Token(true),
        Attribute::Application(b"strongroom".to_vec()),
        Attribute::Label([&label(7)[..], b"x"].concat()),
    ];
    session.create_object(&stranger).unwrap();
    write(b"fourth");
    assert_eq!((read().as_slice(), ours().len()), (&b"fourth"[..], 2));
}

#[test]
fn provisioning_twice_is_provisioning_once() {
    let Some(token) = token("twice") else { return };
    let profile = token.provision();
    assert_eq!(token.provision(), profile);
    assert_eq!(profile.to_bytes(), DeviceProfile::from_bytes(&profile.to_bytes()).unwrap().to_bytes());
    assert_eq!(token.session().find_objects(&[]).unwrap().len(), 3);
    assert_eq!(profile.token, b"twice");
    assert_eq!(profile.serial.len(), 16);
}

#[test]
fn an_interrupted_provisioning_is_finished() {
    let Some(token) = token("interrupted") else { return };
    let first = token.provision();
    let session = token.session();

    // Only the root key was made.
    session.destroy_object(one(&session, ObjectClass::PRIVATE_KEY, IDS.audit)).unwrap();
    session.destroy_object(one(&session, ObjectClass::PUBLIC_KEY, IDS.audit)).unwrap();
    let second = token.provision();
    assert_eq!(second.roots, first.roots, "the root key is the one that was there");
    assert_ne!(second.audit.key, first.audit.key);

    // Half of the audit key was made.
    session.destroy_object(one(&session, ObjectClass::PRIVATE_KEY, IDS.audit)).unwrap();
    let third = token.provision();
    assert_eq!(third.roots, first.roots);
    assert_ne!(third.audit.key, second.audit.key);
    assert_eq!(session.find_objects(&[]).unwrap().len(), 3);

    // Only the audit key is there.
    session.destroy_object(one(&session, ObjectClass::SECRET_KEY, IDS.root)).unwrap();
    let fourth = token.provision();
    assert_eq!(fourth.audit, third.audit);
    assert_ne!(fourth.roots[0].check, third.roots[0].check);

    // A private key without its public half was in use: it is not thrown away.
    session.destroy_object(one(&session, ObjectClass::PUBLIC_KEY, IDS.audit)).unwrap();
    let refused = token.uri.provision(&IDS, b"check");
    assert!(matches!(refused, Err(DeviceError::KeyMissing(_))), "{refused:?}");
    assert_eq!(find(&session, ObjectClass::PRIVATE_KEY, IDS.audit).len(), 1);
    // And is good to open.
    assert!(token.uri.open(&fourth).is_ok());
}

#[test]
fn removing_takes_the_keys_and_nothing_else() {
    let Some(token) = token("remove") else { return };
    let other = KeyIds { root: [0xA3; 16], audit: [0xB4; 16] };
    let kept = token.uri.provision(&other, b"check").unwrap();
    let session = token.session();
    let data = [
        Attribute::Class(ObjectClass::DATA),
        Attribute::Token(true),
        Attribute::Label(b"strongroom-root-v1".to_vec()),
        Attribute::Value(vec![1]),
    ];
    session.create_object(&data).unwrap();
    token.provision();
    assert_eq!(session.find_objects(&[]).unwrap().len(), 7);
    assert_eq!(token.uri.remove(&IDS).unwrap(), 3);
    assert_eq!(token.uri.remove(&IDS).unwrap(), 0);
    assert_eq!(session.find_objects(&[]).unwrap().len(), 4);
    assert!(token.uri.open(&kept).is_ok());
}

#[test]
fn the_root_key_cannot_be_taken_out() {
    let Some(token) = token("hardened") else { return };
    token.provision();
    let session = token.session();
    let root = one(&session, ObjectClass::SECRET_KEY, IDS.root);
    let audit = one(&session, ObjectClass::PRIVATE_KEY, IDS.audit);
    let wrapping = session
        .generate_key(
            &Mechanism::AesKeyGen,
            &[
                Attribute::Token(false),
                Attribute::ValueLen(32.into()),
                Attribute::Wrap(true),
                Attribute::Unwrap(true),
                Attribute::Encrypt(true),
            ],
        )
        .unwrap();
    for (what, key) in [("root", root), ("audit", audit)] {
        let info = session.get_attribute_info(key, &[AttributeType::Value]).unwrap();
        assert!(matches!(info[..], [AttributeInfo::Sensitive]), "{what} key is readable");
        assert!(session.get_attributes(key, &[AttributeType::Value]).unwrap().is_empty());
        for change in [
            Attribute::Sensitive(false),
            Attribute::Extractable(true),
            Attribute::Modifiable(true),
            Attribute::Copyable(true),
            Attribute::Wrap(true),
            Attribute::Unwrap(true),
            Attribute::Derive(true),
            Attribute::Encrypt(true),
            Attribute::Decrypt(true),
            Attribute::Label(b"mine".to_vec()),
            Attribute::Id(vec![1]),
        ] {
            assert!(session.update_attributes(key, std::slice::from_ref(&change)).is_err(), "{what}: {change:?}");
        }
        for template in
            [vec![], vec![Attribute::Token(false)], vec![Attribute::Sensitive(false), Attribute::Extractable(true)]]
        {
            assert!(session.copy_object(key, &template).is_err(), "{what} key was copied: {template:?}");
        }
        for mechanism in [Mechanism::AesKeyWrap, Mechanism::AesKeyWrapPad] {
            let error = session.wrap_key(&mechanism, wrapping, key).unwrap_err();
            assert_eq!(code(&error), RvError::KeyUnextractable, "{what} key with {mechanism:?}");
        }
    }
    // Nor used for anything else.
    assert!(session.sign(&Mechanism::Sha1Hmac, root, b"x").is_err());
    assert!(session.sign(&Mechanism::Sha512Hmac, root, b"x").is_err());
    assert!(session.encrypt(&Mechanism::AesEcb, root, &[0; 16]).is_err());
    assert!(session.wrap_key(&Mechanism::AesKeyWrap, root, wrapping).is_err());
    assert!(session.sign(&Mechanism::Sha256Hmac, root, b"x").is_ok());
}

#[test]
fn a_wrong_pin_is_tried_once() {
    let Some(token) = token("wrong-pin") else { return };
    let profile = token.provision();
    let wrong = token.hsm.pin_file("not-the-pin");
    let right = token.uri.to_string();
    let (start, _) = right.split_once("&pin-source=").unwrap();
    let uri: DeviceUri = format!("{start}&pin-source=file:{}", wrong.display()).parse().unwrap();
    let info = || {
        let report = doctor(token.hsm.module()).unwrap();
        report.slots.into_iter().filter_map(|slot| slot.token).find(|token| token.label == "wrong-pin").unwrap()
    };
    assert!(!info().is_pin_count_low);
    for (what, got) in [
        ("open", uri.open(&profile).map(drop)),
        ("provision", uri.provision(&IDS, b"check").map(drop)),
        ("remove", uri.remove(&IDS).map(drop)),
    ] {
        assert!(matches!(got, Err(DeviceError::PinRefused)), "{what}: {got:?}");
    }
    let before = login_attempts();
    assert!(matches!(uri.open(&profile), Err(DeviceError::PinRefused)));
    assert_eq!(login_attempts(), before + 1);
    assert!(info().is_pin_count_low && !info().is_pin_locked);
    assert!(doctor(token.hsm.module()).unwrap().to_string().contains("a wrong PIN was given"));
    assert!(token.uri.open(&profile).is_ok());
    assert!(!info().is_pin_count_low);
}

#[test]
fn a_pin_that_is_not_there_is_not_tried() {
    let Some(token) = token("no-pin") else { return };
    let profile = token.provision();
    let right = token.uri.to_string();
    let (start, _) = right.split_once("&pin-source=").unwrap();
    let before = login_attempts();
    let uri: DeviceUri = format!("{start}&pin-source=/nowhere/pin").parse().unwrap();
    assert!(matches!(uri.open(&profile), Err(DeviceError::File(_))));
    let empty = env::temp_dir().join(format!("strongroom-empty-pin-{}", std::process::id()));
    fs::write(&empty, "\n").unwrap();
    let uri: DeviceUri = format!("{start}&pin-source={}", empty.display()).parse().unwrap();
    let got = uri.open(&profile);
    fs::remove_file(&empty).unwrap();
    assert!(matches!(got, Err(DeviceError::File(_))), "{got:?}");
    if env::var_os("CREDENTIALS_DIRECTORY").is_none() {
        let got = start.parse::<DeviceUri>().unwrap().open(&profile);
        assert!(matches!(got, Err(DeviceError::Uri(_))), "{got:?}");
    }
    assert_eq!(login_attempts(), before);
}

#[test]
fn a_token_without_a_user_pin_says_so() {
    let Some(token) = token("pin-unset") else { return };
    // Initialising it again takes the PIN away.
    let module = token.module();
    let slots = module.get_slots_with_token().unwrap();
    let slot = slots.into_iter().find(|slot| module.get_token_info(*slot).unwrap().label() == "pin-unset").unwrap();
    module.init_token(slot, &AuthPin::from(strongroom_hsm::testing::SO_PIN), "pin-unset").unwrap();
    let before = login_attempts();
    let got = token.uri.provision(&IDS, b"check");
    assert!(matches!(got, Err(DeviceError::PinUnset)), "{got:?}");
    assert_eq!(login_attempts(), before);
}

#[test]
fn what_is_no_module_is_refused() {
    let Some(hsm) = SoftHsm::for_this_process() else { return };
    let text = hsm.conf_path();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let libc =
        maps.lines().filter_map(|line| line.split_whitespace().last()).find(|path| path.contains("/libc.so")).unwrap();
    for (path, part) in [
        (PathBuf::from("/nowhere/p11.so"), "No such file"),
        (text, "cannot be loaded as a library"),
        (PathBuf::from("/usr/lib"), "cannot be loaded as a library"),
        (PathBuf::from(libc), "not a PKCS#11 library"),
    ] {
        let uri: DeviceUri = format!("pkcs11:token=x?module-path={}&pin-source=/x", path.display()).parse().unwrap();
        match uri.provision(&IDS, b"check") {
            Err(DeviceError::Module(message)) => assert!(message.contains(part), "{message}"),
            got => panic!("{}: {got:?}", path.display()),
        }
        assert!(matches!(doctor(&path), Err(DeviceError::Module(_))));
    }
}

#[test]
fn the_one_token_that_is_named_is_used() {
    let Some(first) = token("same-name") else { return };
    let profile = first.provision();
    let second = token("same-name").unwrap();
    let got = second.uri.provision(&IDS, b"check");
    match &got {
        Err(DeviceError::TokenAmbiguous(message)) => assert_eq!(message.matches("serial=").count(), 2, "{message}"),
        _ => panic!("{got:?}"),
    }
    assert!(matches!(first.uri.open(&profile), Err(DeviceError::TokenAmbiguous(_))));

    let serial = String::from_utf8(profile.serial.clone()).unwrap();
    let by_serial = first.uri.to_string().replacen("token=same-name", &format!("token=same-name;serial={serial}"), 1);
    let by_serial: DeviceUri = by_serial.parse().unwrap();
    assert!(by_serial.open(&profile).is_ok());

    let none = first.uri.to_string().replacen("same-name", "no-such-token", 1);
    let got = none.parse::<DeviceUri>().unwrap().open(&profile);
    assert!(matches!(got, Err(DeviceError::TokenNotFound(_))), "{got:?}");
    let other_maker = by_serial.to_string().replacen('?', ";manufacturer=Nobody?", 1);
    let got = other_maker.parse::<DeviceUri>().unwrap().open(&profile);
    assert!(matches!(got, Err(DeviceError::TokenNotFound(_))), "{got:?}");
}

#[test]
fn another_token_or_key_is_refused() {
    let Some(token) = token("profile") else { return };
    let profile = token.provision();
    let change = |change: fn(&mut DeviceProfile)| {
        let mut changed = profile.clone();
        change(&mut changed);
        token.uri.open(&changed).unwrap_err()
    };
    let before = login_attempts();
    assert!(matches!(change(|p| p.kind = "software".into()), DeviceError::WrongToken(_)));
    assert!(matches!(change(|p| p.serial[0] ^= 1), DeviceError::WrongToken(_)));
    assert_eq!(login_attempts(), before, "the PIN is not shown to another token");
    assert!(matches!(change(|p| p.roots[0].id[0] ^= 1), DeviceError::KeyMissing(_)));
    assert!(matches!(change(|p| p.audit.id[0] ^= 1), DeviceError::KeyMissing(_)));
    assert!(matches!(change(|p| p.audit.key[0] ^= 1), DeviceError::WrongKey(_)));
}

#[test]
fn a_missing_key_is_missing() {
    let Some(token) = token("missing") else { return };
    let profile = token.provision();
    let device = token.uri.open(&profile).unwrap();
    let session = token.session();
    session.destroy_object(one(&session, ObjectClass::SECRET_KEY, IDS.root)).unwrap();
    let got = block_on(device.prf(RootVersion(1), b"x".to_vec(), soon()));
    assert!(matches!(got, Err(DeviceError::KeyMissing(_))), "{got:?}");
    assert_eq!(device.health(), Health::Down);
    assert!(block_on(device.sign(b"x".to_vec(), soon())).is_ok());
    assert_eq!(device.health(), Health::Down, "that it signs does not make it well");
    let got = token.uri.open(&profile);
    assert!(matches!(got, Err(DeviceError::KeyMissing(_))), "{got:?}");
}

#[test]
fn a_doubled_key_is_refused() {
    let Some(token) = token("doubled") else { return };
    let profile = token.provision();
    let session = token.session();
    let twin = [
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::GENERIC_SECRET),
        Attribute::Token(true),
        Attribute::Sign(true),
        Attribute::Value(vec![7; 32]),
        Attribute::Id(IDS.root.to_vec()),
    ];
    session.create_object(&twin).unwrap();
    for got in [token.uri.open(&profile).map(drop), token.uri.provision(&IDS, b"check").map(drop)] {
        assert!(matches!(got, Err(DeviceError::KeyAmbiguous(_))), "{got:?}");
    }
    assert_eq!(find(&session, ObjectClass::SECRET_KEY, IDS.root).len(), 2, "neither is destroyed");
}

#[test]
fn a_weak_key_with_our_id_is_refused() {
    let Some(token) = token("weak") else { return };
    let session = token.session();
    for weakness in [Attribute::Sensitive(false), Attribute::Extractable(true), Attribute::Modifiable(true)] {
        let mut template = vec![
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::ValueLen(32.into()),
            Attribute::Sign(true),
            Attribute::Id(IDS.root.to_vec()),
        ];
        let good = [Attribute::Sensitive(true), Attribute::Extractable(false), Attribute::Modifiable(false)];
        let is_weak = |other: &Attribute| std::mem::discriminant(other) == std::mem::discriminant(&weakness);
        template.extend(good.into_iter().filter(|attribute| !is_weak(attribute)));
        template.push(weakness.clone());
        let key = session.generate_key(&Mechanism::GenericSecretKeyGen, &template).unwrap();
        let got = token.uri.provision(&IDS, b"check");
        assert!(matches!(got, Err(DeviceError::WeakToken(_))), "{weakness:?}: {got:?}");
        assert_eq!(one(&session, ObjectClass::SECRET_KEY, IDS.root), key, "what was found is not destroyed");
        assert_eq!(token.uri.remove(&IDS).unwrap(), 1);
    }
}

#[test]
fn a_logout_is_not_answered_with_the_pin() {
    let Some(token) = token("logout") else { return };
    let profile = token.provision();
    let device = token.uri.open(&profile).unwrap();
    assert!(block_on(device.prf(RootVersion(1), b"x".to_vec(), soon())).is_ok());
    token.session().logout().unwrap();
    for _ in 0..3 {
        let got = block_on(device.prf(RootVersion(1), b"x".to_vec(), soon()));
        assert!(matches!(&got, Err(DeviceError::Unavailable(text)) if text.contains("logged")), "{got:?}");
    }
    assert_eq!(device.health(), Health::Down);
    // An operator starts again: the login of the new device serves the old one too.
    let again = token.uri.open(&profile).unwrap();
    assert!(block_on(again.prf(RootVersion(1), b"x".to_vec(), soon())).is_ok());
    assert!(block_on(device.prf(RootVersion(1), b"x".to_vec(), soon())).is_ok());
    assert_eq!(device.health(), Health::Ok);
}

#[test]
fn a_token_that_vanishes_is_not_taken_for_well() {
    let Some(hsm) = SoftHsm::new() else { return };
    let uri = hsm.token("vanishing", PIN);
    let said = in_child(&hsm, "vanish", &uri);
    assert!(said.contains("SR-DEVICE-KEY-MISSING") || said.contains("SR-DEVICE-UNAVAILABLE"), "{said}");
}

#[test]
fn a_dropped_device_leaves_no_session() {
    let Some(token) = token("sessions") else { return };
    let profile = token.provision();
    let module = token.module();
    let slots = module.get_slots_with_token().unwrap();
    let slot = slots.into_iter().find(|slot| module.get_token_info(*slot).unwrap().label() == "sessions").unwrap();
    // A login lasts as long as any session of the process does.
    let is_logged_in = || {
        let state = module.open_rw_session(slot).unwrap().get_session_info().unwrap().session_state();
        matches!(state, SessionState::RwUser)
    };
    for _ in 0..5 {
        let device = token.uri.open(&profile).unwrap();
        assert!(is_logged_in());
        drop(device);
        assert!(!is_logged_in());
    }
    let mut wrong = profile;
    wrong.audit.key[0] ^= 1;
    assert!(token.uri.open(&wrong).is_err());
    assert!(!is_logged_in(), "after a failure");
    token.provision();
    assert!(!is_logged_in(), "after provisioning");
}

#[test]
fn the_doctor_describes_what_is_there() {
    let Some(token) = token("doctor") else { return };
    let report = doctor(token.hsm.module()).unwrap();
    let slot =
        report.slots.iter().find(|slot| slot.token.as_ref().is_some_and(|token| token.label == "doctor")).unwrap();
    assert!(slot.mechanisms.iter().all(|mechanism| mechanism.is_listed));
    let found = slot.token.as_ref().unwrap();
    assert!(found.is_initialized && found.has_user_pin && found.needs_login && !found.is_pin_locked);
    let text = report.to_string();
    assert!(text.contains("doctor") && text.contains("CKM_EDDSA"), "{text}");
    let json = serde_json::to_value(&report).unwrap();
    assert!(json["slots"].as_array().unwrap().iter().any(|slot| slot["token"]["label"] == "doctor"));
}

#[test]
fn softhsm_that_does_not_start_says_why() {
    let Some(hsm) = SoftHsm::new() else { return };
    let uri = hsm.token("broken", PIN);
    let conf = hsm.conf_path();
    let good = fs::read_to_string(&conf).unwrap();
    assert_eq!(in_child(&hsm, "open", &uri), "ok");
    fs::write(&conf, good.replace("/tokens", "/no-such-folder")).unwrap();
    assert!(in_child(&hsm, "open", &uri).contains("SR-DEVICE-MODULE"));
    let said = in_child(&hsm, "open", &uri);
    assert!(said.contains("no-such-folder") && said.contains("softhsm2.conf"), "{said}");
    fs::remove_file(&conf).unwrap();
    let said = in_child(&hsm, "open", &uri);
    assert!(said.contains("SR-DEVICE-MODULE") && said.contains("set SOFTHSM2_CONF"), "{said}");
}

#[test]
fn an_uninitialised_token_says_so() {
    let Some(hsm) = SoftHsm::new() else { return };
    let uri = format!("pkcs11:?module-path={}&pin-source=file:{}", hsm.module().display(), hsm.pin_file(PIN).display());
    assert!(in_child(&hsm, "open", &uri).contains("SR-DEVICE-TOKEN-UNINITIALIZED"));
    let by_slot = uri.replacen(':', ":slot-id=0", 1);
    assert!(in_child(&hsm, "open", &by_slot).contains("SR-DEVICE-TOKEN-UNINITIALIZED"));
    let by_label = uri.replacen(':', ":token=prod", 1);
    assert!(in_child(&hsm, "open", &by_label).contains("SR-DEVICE-TOKEN-NOT-FOUND"));
    hsm.token("prod", PIN);
    assert_eq!(in_child(&hsm, "open", &uri), "ok");
    assert_eq!(in_child(&hsm, "open", &by_label), "ok");
}

#[test]
fn a_token_without_a_mechanism_says_so() {
    let Some(hsm) = SoftHsm::new() else { return };
    let uri = hsm.token("mechanisms", PIN);
    let conf = fs::read_to_string(hsm.conf_path()).unwrap();
    // Key generation it does not take away, and the first of a list it forgets.
    for mechanism in ["CKM_SHA256_HMAC", "CKM_EDDSA"] {
        fs::write(hsm.conf_path(), format!("{conf}slots.mechanisms = -CKM_MD5,{mechanism}\n")).unwrap();
        let said = in_child(&hsm, "open", &uri);
        assert!(said.contains("SR-DEVICE-UNSUPPORTED"), "{mechanism}: {said}");
    }
    // What was made before the failure is taken up again.
    fs::write(hsm.conf_path(), conf).unwrap();
    assert_eq!(in_child(&hsm, "open", &uri), "ok");
}

#[test]
fn lost_sessions_are_opened_again_without_the_pin() {
    let Some(hsm) = SoftHsm::new() else { return };
    let uri = hsm.token("lost", PIN);
    assert_eq!(in_child(&hsm, "lose sessions", &uri), "ok");
}

#[test]
fn a_token_that_is_used_first_by_others_is_refused() {
    let Some(hsm) = SoftHsm::new() else { return };
    let uri = hsm.token("taken", PIN);
    assert!(in_child(&hsm, "initialise first", &uri).contains("SR-DEVICE-MODULE"));
}

#[test]
fn a_derived_key_leaves_no_copy_in_memory() {
    let Some(hsm) = SoftHsm::new() else { return };
    let uri = hsm.token("memory", PIN);
    assert_eq!(in_child(&hsm, "search memory", &uri), "ok");
}

/// Runs [`child`] in a process of its own.
fn in_child(hsm: &SoftHsm, play: &str, uri: &str) -> String {
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .envs(hsm.env())
        .env("STRONGROOM_TEST_CHILD", play)
        .env("STRONGROOM_TEST_URI", uri)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = text.lines().find_map(|line| line.split_once("child says: "));
    said.map(|(_, said)| said.to_owned())
        .unwrap_or_else(|| panic!("{text}\n{}", String::from_utf8_lossy(&output.stderr)))
}

/// Not a test: what [`in_child`] runs.
#[test]
fn child() {
    let Ok(play) = env::var("STRONGROOM_TEST_CHILD") else { return };
    let uri: DeviceUri = env::var("STRONGROOM_TEST_URI").unwrap().parse().unwrap();
    let outcome = match play.as_str() {
        "open" => uri.provision(&IDS, b"check").and_then(|profile| uri.open(&profile).map(drop)),
        "lose sessions" => lose_sessions(&uri),
        "initialise first" => {
            use cryptoki::context::{CInitializeArgs, CInitializeFlags};
            let module = Pkcs11::new(SoftHsm::new().unwrap().module()).unwrap();
            module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
            uri.provision(&IDS, b"check").map(drop)
        }
        "vanish" => vanish(&uri),
        "search memory" => search_memory(&uri),
        other => panic!("{other}"),
    };
    match outcome {
        Ok(()) => println!("child says: ok"),
        Err(error) => println!("child says: {} {error}", error.code().name()),
    }
}

/// Deletes the token under the open device. What it answers then is the outcome.
fn vanish(uri: &DeviceUri) -> Result<(), DeviceError> {
    let profile = uri.provision(&IDS, b"check")?;
    let device = uri.open(&profile)?;
    let conf = PathBuf::from(env::var_os("SOFTHSM2_CONF").unwrap());
    fs::remove_dir_all(conf.parent().unwrap().join("tokens")).unwrap();
    let got = block_on(device.prf(RootVersion(1), b"check".to_vec(), soon()));
    assert_eq!(device.health(), Health::Down);
    got.map(drop)
}

/// Closes the workers' sessions under them, but not the one that holds the login.
#[allow(unsafe_code)]
fn lose_sessions(uri: &DeviceUri) -> Result<(), DeviceError> {
    let profile = uri.provision(&IDS, b"check")?;
    let device = uri.open(&profile)?;
    let want = block_on(device.prf(RootVersion(1), b"check".to_vec(), soon()))?;
    let attempts = login_attempts();
    let path = SoftHsm::new().unwrap().module().to_owned();
    // SAFETY: the library is loaded already; its functions are called as the standard says, and closing
    // a session that another thread uses is what this test is about: it has to be an error, not a crash.
    let closed = unsafe {
        let library = cryptoki_sys::Pkcs11::new(path).unwrap();
        let mut list: *mut cryptoki_sys::CK_FUNCTION_LIST = std::ptr::null_mut();
        assert_eq!(library.C_GetFunctionList(&mut list), cryptoki_sys::CKR_OK);
        let (info, close) = ((*list).C_GetSessionInfo.unwrap(), (*list).C_CloseSession.unwrap());
        let mut sessions = (1..1000).filter(|handle| {
            let mut answer = cryptoki_sys::CK_SESSION_INFO::default();
            info(*handle, &mut answer) == cryptoki_sys::CKR_OK
        });
        sessions.next().expect("the anchor");
        sessions.map(|handle| assert_eq!(close(handle), cryptoki_sys::CKR_OK)).count()
    };
    assert_eq!(closed, 4);
    for _ in 0..20 {
        let got = block_on(device.prf(RootVersion(1), b"check".to_vec(), soon()))?;
        assert_eq!(got.expose_key(), want.expose_key());
    }
    assert_eq!(login_attempts(), attempts);
    check(&device);
    Ok(())
}

/// Derives a key, drops it, and looks for it in all memory that this process can write.
fn search_memory(uri: &DeviceUri) -> Result<(), DeviceError> {
    let profile = uri.provision(&IDS, b"check")?;
    let device = uri.open(&profile)?;
    // Kept so that it is not itself found.
    let mut needles: Vec<[u8; 32]> = Vec::new();
    let mut held: Vec<Prk> = Vec::new();
    for round in 0..64_u8 {
        let prk = block_on(device.prf(RootVersion(1), vec![round; 150], soon()))?;
        needles.push(std::array::from_fn(|at| prk.expose_key()[at] ^ 0x5A));
        held.push(prk);
    }
    let while_held = count_in_memory(&needles);
    drop(held);
    let after = count_in_memory(&needles);
    println!("found {while_held} while held, {after} after");
    assert!(while_held >= 64, "the search does not find what is there: {while_held}");
    assert_eq!(after, 0, "copies left behind");
    Ok(())
}

fn count_in_memory(needles: &[[u8; 32]]) -> usize {
    let memory = File::open("/proc/self/mem").unwrap();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    // Which needles begin with these two bytes: the search is over all memory, in an unoptimised build.
    let mut by_start: Vec<Vec<usize>> = vec![Vec::new(); 1 << 16];
    for (number, needle) in needles.iter().enumerate() {
        by_start[usize::from(u16::from_be_bytes([needle[0] ^ 0x5A, needle[1] ^ 0x5A]))].push(number);
    }
    let mut found = 0;
    let mut page = vec![0; 1 << 20];
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (start, end) = line.split_whitespace().next().unwrap().split_once('-').unwrap();
        let (start, end) = (u64::from_str_radix(start, 16).unwrap(), u64::from_str_radix(end, 16).unwrap());
        let own = page.as_ptr() as u64;
        let mut at = start;
        while at < end {
            let length = page.len().min((end - at) as usize);
            // Reading this very buffer would find what it was filled with.
            let is_own = at < own + page.len() as u64 && own < at + length as u64;
            if !is_own && memory.read_exact_at(&mut page[..length], at).is_ok() {
                for window in page[..length].windows(32) {
                    for number in &by_start[usize::from(u16::from_be_bytes([window[0], window[1]]))] {
                        let same = window.iter().zip(&needles[*number]).all(|(byte, masked)| byte ^ 0x5A == *masked);
                        found += usize::from(same);
                    }
                }
            }
            // Overlapping, so that nothing hides between two pieces.
            at += if at + (length as u64) < end { length as u64 - 31 } else { length as u64 };
        }
    }
    page.fill(0);
    found
}
