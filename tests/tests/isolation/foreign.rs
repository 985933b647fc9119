//! What another tenant has looks exactly like what nobody has: the same answer in the same words, after the same queries
//! of the store and the same calls of the device. Their times are measured by `cargo xtask bench isolation`.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Instant,
};

use pollster::block_on;
use strongroom::{
    ActingTenant, After, Delete, Error, Expiry, Folder, Generate, Get, History, Import, ImportEntry, KeyAlgorithm,
    KeyDevice, Labels, LeaseLimits, Move, OpenOptions, Patch, Promote, Put, Query, Search, SecretPath, SecretValue,
    Stage, Strongroom, To, Update, Verdict, Version,
    device::{BoxFuture, DeviceError, DeviceIdentity, Health, Prk, RootVersion, Signature},
    store::{Maintenance, SqliteStore, Store},
    testing::watched::{Seen, WatchedStore},
    transfer::template::Template,
};

use crate::{
    common::{self, Place},
    kinds::KINDS,
};

/// A device whose calls are counted.
#[derive(Debug)]
struct Counted {
    inner: Arc<dyn KeyDevice>,
    calls: Mutex<Vec<&'static str>>,
}

impl Counted {
    fn saw(&self, call: &'static str) {
        self.calls.lock().unwrap().push(call);
    }
}

impl KeyDevice for Counted {
    fn prf(&self, root: RootVersion, input: Vec<u8>, deadline: Instant) -> BoxFuture<'_, Result<Prk, DeviceError>> {
        self.saw("prf");
        self.inner.prf(root, input, deadline)
    }

    fn sign(&self, message: Vec<u8>, deadline: Instant) -> BoxFuture<'_, Result<Signature, DeviceError>> {
        self.saw("sign");
        self.inner.sign(message, deadline)
    }

    fn identity(&self) -> DeviceIdentity {
        self.inner.identity()
    }

    fn health(&self) -> Health {
        self.inner.health()
    }
}

/// What a call gave: how much of something, or why not.
type Answer = Result<usize, Error>;

/// A call about a path, of a secret or a folder.
struct About {
    act: &'static str,
    call: fn(&ActingTenant, &str) -> Answer,
}

macro_rules! calls {
    ($name:ident $($act:literal |$tenant:ident, $at:ident| $call:expr;)*) => {
        const $name: &[About] =
            &[$(About { act: $act, call: |$tenant, $at| block_on(async { Ok($call) }) },)*];
    };
}

calls! { CALLS
    "secret.get" |tenant, at| tenant.secrets().get(&path(at), Get::current()).await?.value.len();
    "secret.get" |tenant, at| tenant.secrets().get(&path(at), Get::version(Version(1))).await?.value.len();
    "secret.get" |tenant, at| tenant.secrets().get(&path(at), Get::stage(Stage::Pending)).await?.value.len();
    "secret.versions" |tenant, at| tenant.secrets().versions(&path(at)).await?.versions.len();
    "secret.describe" |tenant, at| one(&tenant.secrets().describe(&path(at)).await?);
    "secret.update" |tenant, at| one(&tenant.secrets().update(&path(at), Update::default()).await?);
    "secret.put-pending" |tenant, at| one(&tenant.secrets().put_pending(&path(at), value(), Put::default()).await?);
    "secret.put" |tenant, at| one(&tenant.secrets().put(&path(at), value(), Put::default().expect(Version(2))).await?);
    "secret.promote" |tenant, at| one(&tenant.secrets().promote(&path(at), Promote::pending()).await?);
    "secret.patch" |tenant, at| one(&tenant.secrets().patch(&path(at), value(), Patch::default()).await?);
    "secret.delete" |tenant, at| one(&tenant.secrets().delete(&path(at), Delete::default()).await?);
    "secret.delete" |tenant, at| one(&tenant.secrets().delete(&path(at), Delete::default().expect(Version(2))).await?);
    "secret.delete-version" |tenant, at| tenant.secrets().delete_versions(&path(at), &[Version(1)]).await?.changed.len();
    "secret.undelete" |tenant, at| tenant.secrets().undelete_versions(&path(at), &[Version(1)]).await?.changed.len();
    "secret.destroy" |tenant, at| tenant.secrets().destroy_versions(&path(at), &[Version(1)]).await?.changed.len();
    "secret.enable-version" |tenant, at| tenant.secrets().enable_versions(&path(at), &[Version(1)]).await?.changed.len();
    "secret.disable-version" |tenant, at| tenant.secrets().disable_versions(&path(at), &[Version(1)]).await?.changed.len();
    "secret.extend-version" |tenant, at| one(&tenant.secrets().extend_version(&path(at), Version(1), Expiry::Never).await?);
    "secret.enable" |tenant, at| one(&tenant.secrets().enable(&path(at)).await?);
    "secret.disable" |tenant, at| one(&tenant.secrets().disable(&path(at)).await?);
    "secret.archive" |tenant, at| one(&tenant.secrets().archive(&path(at)).await?);
    "secret.unarchive" |tenant, at| one(&tenant.secrets().unarchive(&path(at)).await?);
    "secret.try" |tenant, at| one(&tenant.secrets().try_current(&path(at), |_, _| Verdict::Accept(())).await?);
    "secret.copy" |tenant, at| one(&tenant.secrets().copy(&path(at), To(&path("copied")), Get::current()).await?);
    "secret.move" |tenant, at| one(&tenant.secrets().rename(&path(at), To(&path("moved")), Move::default()).await?);
    "secret.history" |tenant, at| tenant.secrets().history(&path(at), &History::new(), 1).await?.events.len();
    "secret.usage" |tenant, at| usize::try_from(tenant.secrets().usage(&path(at)).await?.reads).unwrap();
    "secret.search" |tenant, at| tenant.secrets().search(&Search::below(folder(at)), After::start(), 10).await?.secrets.len();
    "secret.search" |tenant, at| {
        let search = Search::default().owner(at.parse()?).labels(Labels::parse([("at", &*at.replace('/', "-"))])?);
        tenant.secrets().search(&search, After::start(), 10).await?.secrets.len()
    };
    "secret.render" |tenant, at| {
        let template = format!("{{{{ secret \"{at}\" }}}}");
        tenant.secrets().render(&Arc::new(Template::parse(template.as_bytes())?)).await?.secrets.len()
    };
    "secret.list" |tenant, at| tenant.secrets().list(&folder(at), After::start(), 10).await?.entries.len();
    "secret.export" |tenant, at| tenant.secrets().export(&folder(at)).await?.secrets.len();
    "audit.query" |tenant, at| tenant.audit().query(&Query::new().secret(path(at)).act("no.act"), None, 10).await?.entries.len();
    // To a path that is another's, or nobody's: there it goes, and back.
    "secret.copy" |tenant, at| one(&tenant.secrets().copy(&path("mine"), To(&path(at)), Get::current()).await?);
    "secret.delete" |tenant, at| one(&tenant.secrets().delete(&path(at), Delete::default()).await?.version);
    "secret.move" |tenant, at| {
        tenant.secrets().rename(&path("mine"), To(&path(at)), Move::default()).await?;
        one(&tenant.secrets().rename(&path(at), To(&path("mine")), Move::default()).await?)
    };
    // What makes something, makes it: at both paths alike.
    "secret.put" |tenant, at| one(&tenant.secrets().put(&path(at), value(), Put::default()).await?.version);
    "secret.delete" |tenant, at| one(&tenant.secrets().delete(&path(at), Delete::default()).await?.version);
    "secret.generate" |tenant, at| {
        let pair = Generate::key_pair(KeyAlgorithm::Ed25519);
        one(&tenant.secrets().generate(&path(at), &pair, Put::default().expect(Version(0))).await?.version)
    };
    "secret.delete" |tenant, at| one(&tenant.secrets().delete(&path(at), Delete::default()).await?.version);
    "secret.import" |tenant, at| {
        let entries = vec![ImportEntry { path: path(at), value: value() }];
        tenant.secrets().import(&Folder::root(), entries, Import::default().new_only()).await?.versions.len()
    };
}

// Last: a thread then looks for changes for a while, which reads, too.
calls! { LEASES
    "secret.lease" |tenant, at| one(&tenant.secrets().lease(&path(at), LeaseLimits::default()).await?.close().await?);
    "secret.lease" |tenant, at| {
        let lease = tenant.secrets().lease_folder(&folder(at), LeaseLimits::default()).await?;
        let paths = lease.paths().len();
        lease.close().await?;
        paths
    };
}

/// Acts on a tenant in which nothing is named.
const ABOUT_NO_PATH: [&str; 7] =
    ["audit.show", "audit.stats", "audit.watch", "audit.verify", "audit.check-state", "audit.export", "audit.prove"];

fn path(at: &str) -> SecretPath {
    at.parse().unwrap()
}

fn folder(at: &str) -> Folder {
    at.parse().unwrap()
}

fn value() -> SecretValue {
    SecretValue::json(r#"{"a":"1"}"#).unwrap()
}

fn one<T>(_: &T) -> usize {
    1
}

/// Everything that a caller can see, and everything that it took.
#[derive(Debug, PartialEq)]
struct Trace {
    answer: Result<usize, (&'static str, Option<String>, &'static str, String)>,
    store: Vec<Seen>,
    device: Vec<&'static str>,
}

#[test]
fn what_is_another_tenants_looks_like_what_is_nobodys() {
    let (place, room) = Place::in_memory();
    room.close().unwrap();
    let sqlite = SqliteStore::open(&place.deployment.database(), Maintenance::Inline).unwrap();
    let store = Arc::new(WatchedStore::new(Arc::new(sqlite)));
    let device = Arc::new(Counted { inner: place.device().unwrap(), calls: Mutex::default() });
    let seam: Arc<dyn Store> = Arc::<WatchedStore>::clone(&store);
    let counted: Arc<dyn KeyDevice> = Arc::<Counted>::clone(&device);
    let room = block_on(Strongroom::open_in(seam, counted, OpenOptions::default())).unwrap();
    let (acme, beta) = (common::tenant(&room, "acme"), common::tenant(&room, "beta"));
    block_on(acme.secrets().put(&path("mine"), value(), Put::default())).unwrap();
    // Of the same length, in folders of the same length.
    let (foreign, absent) = ("theirs/db/key", "nobody/db/key");
    for _ in 0..2 {
        let labels = Labels::parse([("at", &*foreign.replace('/', "-"))]).unwrap();
        let said = Put::default().owner(foreign.parse().unwrap()).labels(labels);
        block_on(beta.secrets().put(&path(foreign), value(), said)).unwrap();
    }
    for at in ["theirs/more", "theirs/more/here"] {
        block_on(beta.secrets().put(&path(at), value(), Put::default())).unwrap();
    }
    block_on(beta.secrets().put_pending(&path(foreign), value(), Put::default())).unwrap();

    let trace = |about: &About, at: &str| {
        store.take();
        device.calls.lock().unwrap().clear();
        let answer = (about.call)(&acme, at).map_err(|error| {
            let plain = |text: &str| text.replace(at, "PATH");
            let detail = error.details().map(plain);
            (error.code().name(), detail, error.code().remedy(), plain(&format!("{error} {error:?}")))
        });
        Trace { answer, store: store.take(), device: device.calls.lock().unwrap().clone() }
    };
    let (mut refused, mut calls) = (0, 0);
    for about in CALLS {
        let [one, two] = [foreign, absent].map(|at| trace(about, at));
        println!(
            "{:<22} {:?}: {} calls of the store",
            about.act,
            one.answer.as_ref().map_err(|error| error.0),
            one.store.len()
        );
        assert!(!one.store.is_empty(), "{}", about.act);
        assert_eq!(one, two, "{} of what another tenant has (left) and of what nobody has (right)", about.act);
        refused += usize::from(one.answer.is_err());
        calls += one.store.len();
    }
    assert!(refused > CALLS.len() / 2 && calls > 5 * CALLS.len());
    // And what is its own looks different, so the comparison can fail.
    let own = trace(&CALLS[0], "mine");
    assert_ne!(own, trace(&CALLS[0], "none"));

    for about in LEASES {
        let is_the_same = || trace(about, "theirs/more") == trace(about, "nobody/more");
        assert!((0..100).any(|_| is_the_same()), "{}: never the same, and others only read now and then", about.act);
    }

    let ours: BTreeSet<_> = CALLS.iter().chain(LEASES).map(|about| about.act).chain(ABOUT_NO_PATH).collect();
    let all: BTreeSet<_> = KINDS.iter().map(|kind| kind.act).filter(|act| !act.starts_with("tenant.")).collect();
    assert_eq!(ours, all, "the acts of this test (left) and those that there are (right)");
    room.close().unwrap();
}
