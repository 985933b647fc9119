//! Every operation is recorded: done or refused, it leaves exactly one line with its act, its outcome
//! and its actor, in the log where it belongs; and without a durable line nobody gets a result.
//!
//! The list of operations below is compared with the sources: an operation that is added without a
//! case here fails the first test.

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use common::{Place, operator};
use pollster::block_on;
use strongroom::{
    Actor, Admin, After, AnchorPlace, Audit, Code, Config, Context, Delete, Deployment, Error, Expiry, Folder,
    Generate, Get, History, Import, ImportEntry, Init, KeyAlgorithm, Move, OpenOptions, Owner, Patch, Promote, Put,
    Query, Receipt, Recovery, RequestId, Restore, Search, SecretPath, SecretValue, Secrets, StatsBy, Strongroom,
    TenantChange, Timestamp, To, Update, Verdict, Version,
    store::{Maintenance, SqliteStore, Store},
    testing::faulty::{Failure, FaultyStore, Step},
    transfer::template::Template,
};

/// What an operation is called on.
struct On {
    secrets: Secrets,
    audit: Audit,
    admin: Admin,
    folder: PathBuf,
}

impl On {
    fn new(room: &Strongroom, tenant: &str, context: &Context, folder: &Path) -> Self {
        let tenant = room.tenant(&tenant.parse().unwrap()).acting_as(context.clone());
        Self {
            secrets: tenant.secrets(),
            audit: tenant.audit(),
            admin: room.admin(context.clone()),
            folder: folder.to_owned(),
        }
    }

    fn anchor(&self, name: &str) -> AnchorPlace {
        AnchorPlace::file(&self.file(name)).unwrap()
    }

    /// A file that is not there yet.
    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// Whose log a line is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Log {
    Sys,
    Acme,
    /// Of the tenant that is closed by `tenant.close`.
    Doomed,
    /// Of the tenant that is suspended and resumed.
    Idle,
    /// Of any other tenant: where nothing is expected.
    Other,
}

/// An operation that is called.
type Call = fn(&On) -> Result<Receipt, Error>;

/// One operation.
struct Case {
    act: &'static str,
    method: &'static str,
    /// Lines that it leaves besides its own, when it is done: in which log, and what act.
    besides: &'static [(Log, &'static str)],
    done: Call,
    /// Refused for a reason of its own. What a tenant is asked is also refused where there is no such tenant.
    refused: Option<(Call, Code)>,
    /// Where both are recorded.
    log: Log,
}

/// `act method (log, lines besides)`, then the two calls: expressions that give a receipt.
macro_rules! operations {
    ($($act:literal $method:ident ($log:ident, $besides:expr)
        done |$done_on:ident| $done:expr;
        $(refused |$refused_on:ident| $refused:expr => $code:ident;)?)*) => {
        const OPERATIONS: &[Case] = &[$(Case {
            act: $act,
            method: stringify!($method),
            besides: &$besides,
            done: |$done_on| block_on(async { $done }),
            refused: operations!(@refused $(|$refused_on| block_on(async { $refused }), Code::$code)?),
            log: Log::$log,
        },)*];
    };
    (@refused) => { None };
    (@refused $refused:expr, $code:expr) => { Some(($refused, $code)) };
}

operations! {
    "tenant.create" create_tenant (Sys, [])
        done |on| Ok(on.admin.create_tenant(&"fresh".parse().unwrap()).await?.1);
        refused |on| Ok(on.admin.create_tenant(&"acme".parse().unwrap()).await?.1) => TenantExists;
    "tenant.show" show_tenant (Sys, [])
        done |on| Ok(on.admin.show_tenant(&"acme".parse().unwrap()).await?.1);
        refused |on| Ok(on.admin.show_tenant(&"nobody".parse().unwrap()).await?.1) => TenantNotFound;
    "tenant.list" list_tenants (Sys, [])
        done |on| Ok(on.admin.list_tenants().await?.receipt);
        // There is nothing to ask for that is not there: what it cannot do is believe a row that was changed.
        refused |on| with_a_row_changed(on, "tenants", async || Ok(on.admin.list_tenants().await?.receipt)).await => Integrity;
    "tenant.close" close_tenant (Sys, [(Log::Doomed, "tenant.close")])
        done |on| Ok(on.admin.close_tenant(&"doomed".parse().unwrap()).await?.1);
        refused |on| Ok(on.admin.close_tenant(&"shut".parse().unwrap()).await?.1) => TenantClosed;
    "tenant.suspend" suspend_tenant (Sys, [(Log::Idle, "tenant.suspend")])
        done |on| Ok(on.admin.suspend_tenant(&"idle".parse().unwrap()).await?.1);
        refused |on| Ok(on.admin.suspend_tenant(&"shut".parse().unwrap()).await?.1) => TenantClosed;
    "tenant.resume" resume_tenant (Sys, [(Log::Idle, "tenant.resume")])
        done |on| Ok(on.admin.resume_tenant(&"idle".parse().unwrap()).await?.1);
        refused |on| Ok(on.admin.resume_tenant(&"acme".parse().unwrap()).await?.1) => TenantActive;
    "tenant.set" set_tenant (Sys, [(Log::Acme, "tenant.set")])
        done |on| Ok(on.admin.set_tenant(&"acme".parse().unwrap(), TenantChange::default().leases(false)).await?.1);
        refused |on| {
            Ok(on.admin.set_tenant(&"shut".parse().unwrap(), TenantChange::default()).await?.1)
        } => TenantClosed;
    "tenant.export-key" dangerously_export_key (Sys, [(Log::Acme, "tenant.export-key")])
        done |on| Ok(on.admin.dangerously_export_key(&"acme".parse().unwrap()).await?.receipt);
        refused |on| Ok(on.admin.dangerously_export_key(&"nobody".parse().unwrap()).await?.receipt) => TenantNotFound;
    "status.show" status (Sys, [])
        done |on| Ok(on.admin.status().await?.receipt);
        refused |on| with_a_row_changed(on, "deployment", async || Ok(on.admin.status().await?.receipt)).await => Integrity;
    "secret.put" put (Acme, [])
        done |on| Ok(on.secrets.put(&path("put"), text("1"), Put::default()).await?.receipt);
        refused |on| Ok(on.secrets.put(&path("app/key"), text("1"), Put::default().expect(Version(7))).await?.receipt)
            => SecretConflict;
    "secret.put-pending" put_pending (Acme, [])
        done |on| Ok(on.secrets.put_pending(&path("json"), json("{}"), Put::default()).await?.receipt);
        refused |on| Ok(on.secrets.put_pending(&path("none"), json("{}"), Put::default()).await?.receipt)
            => SecretNotFound;
    "secret.promote" promote (Acme, [])
        done |on| Ok(on.secrets.promote(&path("json"), Promote::pending()).await?.receipt);
        refused |on| Ok(on.secrets.promote(&path("app/key"), Promote::pending()).await?.receipt) => StageEmpty;
    "secret.patch" patch (Acme, [])
        done |on| Ok(on.secrets.patch(&path("json"), json("{\"a\":1}"), Patch::default()).await?.receipt);
        refused |on| Ok(on.secrets.patch(&path("app/key"), json("{\"a\":1}"), Patch::default()).await?.receipt)
            => PatchUnsuitable;
    "secret.get" get (Acme, [])
        done |on| Ok(on.secrets.get(&path("app/key"), Get::current()).await?.receipt);
        refused |on| Ok(on.secrets.get(&path("app/key"), Get::version(Version(7))).await?.receipt) => VersionNotFound;
    "secret.search" search (Acme, [])
        done |on| Ok(on.secrets.search(&Search::below(folder("app")), After::start(), 10).await?.receipt);
        refused |on| Ok(on.secrets.search(&Search::default(), After::start(), 0).await?.receipt) => LimitInvalid;
    "secret.copy" copy (Acme, [(Log::Acme, "secret.get")])
        done |on| Ok(on.secrets.copy(&path("app/key"), To(&path("copied")), Get::current()).await?.receipt);
        refused |on| Ok(on.secrets.copy(&path("app/key"), To(&path("app/other")), Get::current()).await?.receipt)
            => SecretExists;
    "secret.move" rename (Acme, [(Log::Acme, "secret.move-from")])
        done |on| Ok(on.secrets.rename(&path("move"), To(&path("to/moved")), Move::default()).await?.receipt);
        refused |on| Ok(on.secrets.rename(&path("app/key"), To(&path("app/other")), Move::default()).await?.receipt)
            => SecretExists;
    "secret.describe" describe (Acme, [])
        done |on| Ok(on.secrets.describe(&path("app/key")).await?.receipt);
        refused |on| Ok(on.secrets.describe(&path("app/none")).await?.receipt) => SecretNotFound;
    "secret.update" update (Acme, [])
        done |on| Ok(on.secrets.update(&path("app/key"), Update::default().owner(owner("web"))).await?.receipt);
        refused |on| {
            Ok(on.secrets.update(&path("app/key"), Update::default().expect(Version(7))).await?.receipt)
        } => SecretConflict;
    "secret.try" try_current (Acme, [(Log::Acme, "secret.try")])
        done |on| Ok(on.secrets.try_current(&path("app/key"), |_, _| Verdict::Accept(())).await?.receipt);
        refused |on| Ok(on.secrets.try_current(&path("app/none"), |_, _| Verdict::Accept(())).await?.receipt)
            => SecretNotFound;
    "secret.disable" disable (Acme, [])
        done |on| Ok(on.secrets.disable(&path("app/other")).await?.receipt);
        refused |on| Ok(on.secrets.disable(&path("app/none")).await?.receipt) => SecretNotFound;
    "secret.enable" enable (Acme, [])
        done |on| Ok(on.secrets.enable(&path("app/other")).await?.receipt);
        refused |on| Ok(on.secrets.enable(&path("app/none")).await?.receipt) => SecretNotFound;
    "secret.archive" archive (Acme, [])
        done |on| Ok(on.secrets.archive(&path("app/other")).await?.receipt);
        refused |on| Ok(on.secrets.archive(&path("app/none")).await?.receipt) => SecretNotFound;
    "secret.unarchive" unarchive (Acme, [])
        done |on| Ok(on.secrets.unarchive(&path("app/other")).await?.receipt);
        refused |on| Ok(on.secrets.unarchive(&path("app/none")).await?.receipt) => SecretNotFound;
    "secret.disable-version" disable_versions (Acme, [])
        done |on| Ok(on.secrets.disable_versions(&path("app/other"), &[Version(1)]).await?.receipt);
        refused |on| Ok(on.secrets.disable_versions(&path("app/other"), &[]).await?.receipt) => VersionsInvalid;
    "secret.enable-version" enable_versions (Acme, [])
        done |on| Ok(on.secrets.enable_versions(&path("app/other"), &[Version(1)]).await?.receipt);
        refused |on| Ok(on.secrets.enable_versions(&path("app/other"), &[Version(7)]).await?.receipt)
            => VersionNotFound;
    "secret.extend-version" extend_version (Acme, [])
        done |on| Ok(on.secrets.extend_version(&path("app/other"), Version(1), Expiry::Never).await?.receipt);
        refused |on| Ok(on.secrets.extend_version(&path("app/other"), Version(1), Expiry::At(Timestamp(1))).await?.receipt)
            => ExpiryInvalid;
    "secret.history" history (Acme, [])
        done |on| Ok(on.secrets.history(&path("app/none"), &History::new(), 10).await?.receipt);
        refused |on| Ok(on.secrets.history(&path("app/key"), &History::new(), 0).await?.receipt) => LimitInvalid;
    "secret.usage" usage (Acme, [])
        done |on| Ok(on.secrets.usage(&path("app/none")).await?.receipt);
    "secret.list" list (Acme, [])
        done |on| Ok(on.secrets.list(&folder("app"), After::start(), 10).await?.receipt);
        refused |on| with_a_row_changed(on, "secrets", async || {
            Ok(on.secrets.list(&folder("app"), After::start(), 10).await?.receipt)
        }).await => Integrity;
    "secret.versions" versions (Acme, [])
        done |on| Ok(on.secrets.versions(&path("app/key")).await?.receipt);
        refused |on| Ok(on.secrets.versions(&path("app/none")).await?.receipt) => SecretNotFound;
    "secret.delete" delete (Acme, [])
        done |on| Ok(on.secrets.delete(&path("delete"), Delete::default()).await?.receipt);
        refused |on| Ok(on.secrets.delete(&path("app/key"), Delete::default().expect(Version(7))).await?.receipt)
            => SecretConflict;
    "secret.delete-version" delete_versions (Acme, [])
        done |on| Ok(on.secrets.delete_versions(&path("life"), &[Version(1)]).await?.receipt);
        refused |on| Ok(on.secrets.delete_versions(&path("life"), &[Version(7)]).await?.receipt) => VersionNotFound;
    "secret.undelete" undelete_versions (Acme, [])
        done |on| Ok(on.secrets.undelete_versions(&path("life"), &[Version(1)]).await?.receipt);
        refused |on| Ok(on.secrets.undelete_versions(&path("none"), &[Version(1)]).await?.receipt) => SecretNotFound;
    "secret.destroy" destroy_versions (Acme, [])
        done |on| Ok(on.secrets.destroy_versions(&path("life"), &[Version(1)]).await?.receipt);
        refused |on| Ok(on.secrets.destroy_versions(&path("life"), &[]).await?.receipt) => VersionsInvalid;
    "secret.import" import (Acme, [(Log::Acme, "secret.put"), (Log::Acme, "secret.put")])
        done |on| Ok(on.secrets.import(&folder("in"), entries(&["a", "b"]), Import::default()).await?.receipt);
        refused |on| {
            Ok(on.secrets.import(&folder("app"), entries(&["new", "key"]), Import::default().new_only()).await?.receipt)
        } => SecretConflict;
    "secret.generate" generate (Acme, [(Log::Acme, "secret.put"), (Log::Acme, "secret.put")])
        done |on| Ok(on.secrets.generate(&path("made"), &key_pair(), Put::default()).await?.receipt);
        refused |on| Ok(on.secrets.generate(&path("app/key"), &key_pair(), Put::default().expect(Version(7))).await?.receipt)
            => SecretConflict;
    "secret.render" render (Acme, [(Log::Acme, "secret.get"), (Log::Acme, "secret.get")])
        done |on| Ok(on.secrets.render(&template(&["app/key", "app/other", "app/key"])).await?.receipt);
        refused |on| Ok(on.secrets.render(&template(&["app/key", "app/none"])).await?.receipt) => SecretNotFound;
    "secret.export" export (Acme, [])
        done |on| Ok(on.secrets.export(&folder("app")).await?.receipt);
        refused |on| with_a_row_changed(on, "secrets", async || Ok(on.secrets.export(&folder("app")).await?.receipt)).await
            => Integrity;
    "audit.show" show (Acme, [])
        done |on| Ok(on.audit.show(0, 10).await?.receipt);
    "audit.query" query (Acme, [])
        done |on| Ok(on.audit.query(&Query::new().act("secret.get"), None, 10).await?.receipt);
        refused |on| Ok(on.audit.query(&Query::new().act("secret get"), None, 10).await?.receipt) => QueryInvalid;
    "audit.stats" stats (Acme, [])
        done |on| Ok(on.audit.stats(&Query::new(), StatsBy::Secret, 10).await?.receipt);
        refused |on| Ok(on.audit.stats(&Query::new(), StatsBy::Actor, 0).await?.receipt) => LimitInvalid;
    // What it gives from then on leaves no lines.
    "audit.watch" watch (Acme, [])
        done |on| {
            let mut watch = on.audit.watch(&Query::new().from(Timestamp(1))).await?;
            assert!(!watch.more().await?.is_empty());
            Ok(watch.receipt)
        };
        refused |on| Ok(on.audit.watch(&Query::new().until(Timestamp(1))).await?.receipt) => QueryInvalid;
    "audit.check-index" check_index (Sys, [])
        done |on| Ok(on.admin.check_index(true).await?.receipt);
        refused |on| {
            let thief = rusqlite::Connection::open(on.folder.join("data/strongroom.db")).unwrap();
            let shift = |by: i64| thief.execute("UPDATE generations SET after_seq = after_seq + ?1", [by]).unwrap();
            shift(1);
            let refused = on.admin.check_index(true).await;
            shift(-1);
            Ok(refused?.receipt)
        } => StoreDamaged;
    "audit.verify" verify (Acme, [])
        done |on| Ok(on.audit.verify(None).await?.receipt);
    "audit.check-state" check_state (Acme, [])
        done |on| Ok(on.audit.check_state().await?.receipt);
    "audit.export" export (Acme, [(Log::Acme, "audit.export")])
        done |on| Ok(on.audit.export(&on.file("bundle")).await?.receipt);
        refused |on| Ok(on.audit.export(&on.file("taken")).await?.receipt) => BackupExists;
    "audit.prove" prove (Acme, [])
        done |on| Ok(on.audit.prove(0).await?.receipt);
        refused |on| Ok(on.audit.prove(9_999).await?.receipt) => LineNotFound;
    "clock.adopt" adopt_clock (Sys, [])
        done |on| on.admin.adopt_clock().await;
        refused |on| with_a_row_changed(on, "deployment", async || on.admin.adopt_clock().await).await => Integrity;
    "anchor.add" add_anchor (Sys, [])
        done |on| on.admin.add_anchor(&on.anchor("added")).await;
        refused |on| on.admin.add_anchor(&on.anchor("kept")).await => AnchorExists;
    "anchor.list" list_anchors (Sys, [])
        done |on| Ok(on.admin.list_anchors().await?.receipt);
        refused |on| with_a_row_changed(on, "deployment", async || Ok(on.admin.list_anchors().await?.receipt)).await
            => Integrity;
    "anchor.remove" remove_anchor (Sys, [])
        done |on| on.admin.remove_anchor(&on.anchor("kept")).await;
        refused |on| on.admin.remove_anchor(&on.anchor("none")).await => AnchorNotFound;
    "backup.create" back_up (Sys, [(Log::Sys, "backup.create")])
        done |on| Ok(on.admin.back_up(&on.file("backup"), |_, _| {}).await?.receipt);
        refused |on| Ok(on.admin.back_up(&on.file("taken"), |_, _| {}).await?.receipt) => BackupExists;
}

/// Acts with tests of their own, because there is no room before them: see the end of this file.
const BEFORE_THERE_IS_A_ROOM: [(&str, &str); 2] = [("deployment.init", "init"), ("backup.restore", "restore")];

/// Acts that are part of opening a deployment, with a test of their own.
const WHILE_OPENING: [&str; 2] = ["anchor.accept", "anchor.replace"];

/// Acts whose lines have a request of their own, with tests of their own: `leases.rs`.
const UNDER_A_REQUEST_OF_ITS_OWN: [(&str, &str); 2] = [("secret.lease", "lease"), ("secret.lease", "lease_folder")];

/// What Strongroom does to a tenant by itself, with tests of its own: `expiry.rs`.
const BY_ITSELF: [&str; 2] = ["secret.expire", "secret.expire-version"];

/// The operation of a case, with another kind of argument.
const ALIKE: [&str; 2] = ["list_archived", "try_current_async"];

/// Not operations: they open a deployment and act in nobody's name.
const OPENING: [&str; 3] = ["open", "open_in", "open_with"];

/// Not operations of their own: they go on with one that is recorded.
const GOING_ON: [&str; 3] = ["close", "close", "more"];

#[test]
fn the_list_covers_the_sources() {
    let mut acts = BTreeSet::new();
    let mut methods = Vec::new();
    for (file, text) in sources() {
        let alone = text.match_indices("act_alone(");
        for (at, _) in text.match_indices("operate(").chain(text.match_indices("record_first(")).chain(alone) {
            let after = text[at..].split_once('(').unwrap().1.trim_start();
            if let Some(literal) = after.strip_prefix('"') {
                acts.insert(literal.split_once('"').unwrap().0.to_owned());
            } else {
                // The definitions themselves; anything else hides an act from this test.
                assert!(
                    after.starts_with("&self,") || after.starts_with("self: &Arc<Self>,"),
                    "{}: an act that is not a literal",
                    file.display()
                );
            }
        }
        // Every public method that does I/O is asynchronous.
        methods.extend(text.match_indices("pub async fn ").map(|(at, found)| {
            let name = &text[at + found.len()..];
            name[..name.find(['(', '<']).unwrap()].to_owned()
        }));
    }
    let special = BEFORE_THERE_IS_A_ROOM.into_iter().chain(UNDER_A_REQUEST_OF_ITS_OWN);
    let (special_acts, special_methods): (Vec<_>, Vec<_>) = special.unzip();
    let ours: BTreeSet<_> = OPERATIONS
        .iter()
        .map(|case| case.act)
        .chain(special_acts)
        .chain(WHILE_OPENING)
        .chain(BY_ITSELF)
        .map(str::to_owned)
        .collect();
    assert_eq!(ours, acts, "the acts of this test (left) and of the sources (right)");

    let mut known: Vec<_> = OPERATIONS
        .iter()
        .map(|case| case.method)
        .chain(special_methods)
        .chain(OPENING)
        .chain(GOING_ON)
        .chain(ALIKE)
        .collect();
    known.sort_unstable();
    methods.sort_unstable();
    assert_eq!(known, methods, "the methods of this test (left) and of the sources (right)");
}

/// Words of the same form that are no acts: kinds of sealed things, types of objects in lines, and a file.
const NO_ACTS: [&str; 7] =
    ["anchor.lock", "quota.audit-bytes", "quota.rate", "secret.meta", "secret.name", "secret.value", "tenant.name"];

#[test]
fn the_acts_of_the_formats_are_those_of_the_sources() {
    let formats = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/formats.md");
    let formats = fs::read_to_string(formats).unwrap();
    let lines = formats.split("\n## ").find(|section| section.starts_with("6. Audit line")).unwrap();
    let rows = lines.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let mut documented: Vec<_> = rows.map(|(word, _)| word).filter(|word| word.contains('.')).collect();
    documented.sort_unstable();

    let sources = sources();
    let areas: BTreeSet<_> = documented.iter().filter_map(|act| act.split_once('.')).map(|(area, _)| area).collect();
    let is_act = |word: &&str| {
        let of_a_word =
            |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        word.split_once('.').is_some_and(|(area, rest)| areas.contains(area) && of_a_word(rest))
    };
    let written: BTreeSet<_> = sources
        .iter()
        .filter(|(file, _)| !file.components().any(|folder| folder.as_os_str() == "testing"))
        .flat_map(|(_, text)| text.split('"'))
        .filter(is_act)
        .filter(|word| !NO_ACTS.contains(word))
        .chain(OPERATIONS.iter().map(|case| case.act))
        .collect();
    let written: Vec<_> = written.into_iter().collect();
    assert_eq!(documented, written, "the acts of docs/formats.md, section 6 (left), and of the sources (right)");
}

/// The sources of the core, without its tests' own.
fn sources() -> Vec<(PathBuf, String)> {
    let core = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/src");
    let (mut folders, mut files) = (vec![core], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                files.push((path, text));
            }
        }
    }
    files
}

/// A deployment in which every case finds what it needs.
struct World {
    place: Place,
    room: Strongroom,
    store: Arc<FaultyStore>,
    /// Origins of the logs of `acme`, `doomed` and `idle`.
    origins: [String; 3],
    last_seq: i64,
}

impl World {
    fn new() -> Self {
        let (place, room) = Place::software();
        room.close().unwrap();
        let sqlite = SqliteStore::open(&place.deployment.database(), Maintenance::Background).unwrap();
        let store = Arc::new(FaultyStore::new(Arc::new(sqlite)));
        let seam: Arc<dyn Store> = Arc::<FaultyStore>::clone(&store);
        let room = block_on(Strongroom::open_in(seam, place.device().unwrap(), OpenOptions::default())).unwrap();
        let origins = ["acme", "doomed", "idle", "shut"]
            .map(|name| block_on(room.admin(operator()).create_tenant(&name.parse().unwrap())).unwrap().0.log_origin);
        block_on(room.admin(operator()).close_tenant(&"shut".parse().unwrap())).unwrap();
        let [acme, doomed, idle, _] = origins;
        let on = On::new(&room, "acme", &operator(), place.folder.path());
        for at in ["app/key", "app/other", "delete", "life", "move"] {
            block_on(on.secrets.put(&path(at), text("1"), Put::default())).unwrap();
        }
        block_on(on.secrets.put(&path("json"), json("{}"), Put::default())).unwrap();
        fs::write(on.file("taken"), "").unwrap();
        block_on(on.admin.add_anchor(&on.anchor("kept"))).unwrap();
        let mut world = Self { place, room, store, origins: [acme, doomed, idle], last_seq: 0 };
        world.new_lines();
        world
    }

    /// The lines since the last call: log, act, code, request and kind of actor. Lines of epochs don't count.
    fn new_lines(&mut self) -> Vec<Line> {
        let thief = self.place.thief();
        let mut select = thief.prepare("SELECT seq, line FROM audit WHERE seq > ?1 ORDER BY seq").unwrap();
        let rows = select.query_map([self.last_seq], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        let rows: Vec<(i64, Vec<u8>)> = rows.collect::<Result<_, _>>().unwrap();
        let mut lines = Vec::new();
        for (seq, bytes) in rows {
            self.last_seq = seq;
            let line = strongroom_log::parse_line(&bytes).unwrap();
            if line.who_type == "system" {
                assert!(line.act.starts_with("epoch."), "{}", line.act);
                continue;
            }
            let log = match line.log {
                origin if origin == self.origins[0] => Log::Acme,
                origin if origin == self.origins[1] => Log::Doomed,
                origin if origin == self.origins[2] => Log::Idle,
                origin if origin.ends_with("/sys") => Log::Sys,
                _ => Log::Other,
            };
            lines.push(Line {
                log,
                seq: line.seq,
                act: line.act.to_owned(),
                code: line.code.to_owned(),
                request: line.rid.to_owned(),
                kind: line.who_type.to_owned(),
            });
        }
        lines
    }

    fn demand_that_the_log_verifies(&mut self) {
        let verified = block_on(self.room.admin(operator()).audit().verify(None)).unwrap();
        assert!(verified.is_ok(), "{} {:?}", verified.report, verified.store);
        self.new_lines();
    }
}

#[derive(Debug)]
struct Line {
    log: Log,
    seq: u64,
    act: String,
    code: String,
    request: String,
    kind: String,
}

/// Who asks, different for each call, and what its lines say of it.
struct Caller {
    context: Context,
    request: String,
    name: String,
}

impl Caller {
    fn new(number: usize) -> Self {
        let (name, request) = (format!("caller-{number}"), format!("{:032x}", number + 1));
        let context = Context::new(Actor::service(&name).unwrap()).request(request.parse::<RequestId>().unwrap());
        Self { context, request, name: format!("service:{name}") }
    }

    /// These lines and no others, all of this caller.
    fn demand(&self, case: &str, lines: &[Line], want: &[(Log, &str, &str)]) {
        let found: Vec<_> = lines.iter().map(|line| (line.log, line.act.as_str(), line.code.as_str())).collect();
        assert_eq!(found, want, "{case}");
        for line in lines {
            assert_eq!((&*line.request, &*line.kind), (&*self.request, "service"), "{case}");
        }
    }
}

/// What a case leaves when it is done.
fn lines_when_done(case: &Case) -> Vec<(Log, &'static str, &'static str)> {
    let own = (case.log, case.act, "ok");
    case.besides.iter().map(|(log, act)| (*log, *act, "ok")).chain([own]).collect()
}

/// Whether a case has a line of its intent, in a commit before that of its result.
fn has_intent(case: &Case) -> bool {
    case.besides.contains(&(case.log, case.act))
}

#[test]
fn each_operation_done_or_refused_is_one_line() {
    let mut world = World::new();
    // By log and position: who is expected there.
    let mut callers: BTreeMap<(Log, u64), String> = BTreeMap::new();
    let mut number = 0;
    let mut call = |world: &mut World, tenant: &str, call: Call| {
        let caller = Caller::new(number);
        number += 1;
        let outcome = call(&On::new(&world.room, tenant, &caller.context, world.place.folder.path()));
        let lines = world.new_lines();
        callers.extend(lines.iter().map(|line| ((line.log, line.seq), caller.name.clone())));
        (caller, outcome, lines)
    };
    for case in OPERATIONS {
        assert!(case.refused.is_some() || case.log == Log::Acme, "{}: how is it refused?", case.act);
        if let Some((refused, code)) = case.refused {
            let (caller, outcome, lines) = call(&mut world, "acme", refused);
            let error = outcome.expect_err(case.act);
            assert_eq!(error.code(), code, "{}: {error}", case.act);
            caller.demand(&format!("{}, refused", case.act), &lines, &[(case.log, case.act, code.name())]);
        }

        let (caller, outcome, lines) = call(&mut world, "acme", case.done);
        let receipt = outcome.unwrap_or_else(|error| panic!("{}: {error}", case.act));
        caller.demand(&format!("{}, done", case.act), &lines, &lines_when_done(case));
        assert_eq!(receipt.seq, lines.last().unwrap().seq, "{}: the receipt is that of its own line", case.act);

        if case.log == Log::Acme {
            for (tenant, code) in [("nobody", Code::TenantNotFound), ("shut", Code::TenantClosed)] {
                let (caller, outcome, lines) = call(&mut world, tenant, case.done);
                assert_eq!(outcome.expect_err(case.act).code(), code, "{} of {tenant}", case.act);
                caller.demand(&format!("{} of {tenant}", case.act), &lines, &[(Log::Sys, case.act, code.name())]);
            }
        }
    }

    let audits = [
        (Log::Sys, world.room.admin(operator()).audit()),
        (Log::Acme, world.room.tenant(&"acme".parse().unwrap()).acting_as(operator()).audit()),
        (Log::Idle, world.room.tenant(&"idle".parse().unwrap()).acting_as(operator()).audit()),
    ];
    let mut resolved = 0;
    for (log, audit) in audits {
        for entry in block_on(audit.show(0, 1_000)).unwrap().entries {
            if let Some(caller) = callers.get(&(log, entry.seq)) {
                assert_eq!(entry.actor.as_deref(), Some(&**caller), "{log:?} {}", entry.seq);
                resolved += 1;
            }
        }
    }
    let in_doomed = callers.keys().filter(|(log, _)| *log == Log::Doomed).count();
    assert_eq!((resolved, in_doomed), (callers.len() - 1, 1), "all but the last line of a tenant that is closed");
    world.demand_that_the_log_verifies();
}

#[test]
fn without_a_durable_line_nobody_gets_a_result() {
    let mut world = World::new();
    for (number, case) in OPERATIONS.iter().enumerate() {
        let caller = Caller::new(number);
        let on = On::new(&world.room, "acme", &caller.context, world.place.folder.path());
        for call in case.refused.map(|(refused, _)| refused).into_iter().chain([case.done]) {
            world.store.fail(Step::Commit, 1, Failure::NotDone(Code::StoreUnavailable));
            let error = call(&on).expect_err(case.act);
            assert_eq!((error.code(), world.store.pending()), (Code::StoreUnavailable, 0), "{}", case.act);
            assert!(world.new_lines().is_empty(), "{}: nothing of it was stored", case.act);
        }
        assert!(!on.file("bundle").exists() && !on.file("backup").exists(), "{}", case.act);
        // Nothing of it was done either: now it is.
        (case.done)(&on).unwrap_or_else(|error| panic!("{}: {error}", case.act));
        caller.demand(case.act, &world.new_lines(), &lines_when_done(case));
        if has_intent(case) {
            for file in ["bundle", "backup", "backup.note"] {
                let _ = fs::remove_file(on.file(file));
            }
            world.store.fail(Step::Commit, 2, Failure::NotDone(Code::StoreUnavailable));
            let error = (case.done)(&on).expect_err(case.act);
            assert_eq!((error.code(), world.store.pending()), (Code::StoreUnavailable, 0), "{}", case.act);
            caller.demand("intent", &world.new_lines(), &lines_when_done(case)[..1]);
            assert!(!on.file("bundle").exists() && !on.file("backup").exists(), "{}", case.act);
        }
        for file in ["bundle", "backup", "backup.note"] {
            let _ = fs::remove_file(on.file(file));
        }
    }
    world.demand_that_the_log_verifies();
}

#[test]
fn what_failed_and_yet_was_done_is_recorded_once_and_the_log_goes_on() {
    let mut world = World::new();
    let with_intent = OPERATIONS.iter().filter(|case| has_intent(case)).map(|case| (case, 1));
    for (number, (case, nth)) in with_intent.chain(OPERATIONS.iter().map(|case| (case, 0))).enumerate() {
        let caller = Caller::new(number);
        let on = On::new(&world.room, "acme", &caller.context, world.place.folder.path());
        let (nth, lines) = match (has_intent(case), nth) {
            (true, 1) => (1, &lines_when_done(case)[..1]),
            (intent, _) => (1 + u64::from(intent), &lines_when_done(case)[..]),
        };
        world.store.fail(Step::Commit, nth, Failure::YetDone(Code::StoreUnavailable));
        let error = (case.done)(&on).expect_err(case.act);
        assert_eq!((error.code(), world.store.pending()), (Code::StoreUnavailable, 0), "{}", case.act);
        caller.demand(case.act, &world.new_lines(), lines);
        assert!(!on.file("bundle").exists() && !on.file("backup").exists(), "{}", case.act);

        let next = block_on(on.secrets.get(&path("app/key"), Get::current())).unwrap();
        assert!(next.value.matches(&text("1")));
        caller.demand("the next operation", &world.new_lines(), &[(Log::Acme, "secret.get", "ok")]);
        world.demand_that_the_log_verifies();
    }
}

#[test]
fn what_a_disk_did_not_take_is_told_to_nobody_and_nothing_is_built_on_it() {
    let mut world = World::new();
    let mut whole = 0;
    for (number, case) in OPERATIONS.iter().enumerate() {
        let caller = Caller::new(number);
        let on = On::new(&world.room, "acme", &caller.context, world.place.folder.path());
        world.store.fail(Step::Sync, 1, Failure::NotDone(Code::StoreUnavailable));
        let error = (case.done)(&on).expect_err(case.act);
        assert_eq!((error.code(), world.store.pending()), (Code::StoreUnavailable, 0), "{}", case.act);
        assert!(!on.file("bundle").exists() && !on.file("backup").exists(), "{}", case.act);
        // An anchor's sync may have been the one that failed: then not even a line is there.
        let (lines, all) = (world.new_lines(), lines_when_done(case));
        let expected = &all[..lines.len().min(if has_intent(case) { 1 } else { all.len() })];
        caller.demand(case.act, &lines, expected);
        whole += usize::from(!lines.is_empty());

        let refused = block_on(on.secrets.get(&path("app/key"), Get::current())).unwrap_err();
        assert_eq!(refused.code(), Code::StoreUnavailable, "{}", case.act);
        assert!(world.new_lines().is_empty(), "{}", case.act);
        world.store.open_again();
        let next = block_on(on.secrets.get(&path("app/key"), Get::current())).unwrap();
        assert!(next.value.matches(&text("1")));
        caller.demand("the next operation", &world.new_lines(), &[(Log::Acme, "secret.get", "ok")]);
        world.demand_that_the_log_verifies();
    }
    assert!(2 * whole > OPERATIONS.len(), "{whole}: the anchors had nearly all of them");
}

#[test]
fn init_is_recorded_and_where_there_is_a_deployment_it_changes_nothing() {
    let (place, room) = Place::software();
    let first = block_on(room.admin(operator()).audit().show(0, 1)).unwrap();
    let entry = &first.entries[0];
    assert_eq!((entry.act.as_str(), entry.code.as_str()), ("deployment.init", "ok"));
    assert_eq!(entry.actor.as_deref(), Some("operator:olga"));
    room.close().unwrap();

    let before = fs::read(place.deployment.database()).unwrap();
    let config = Config { device: "software:another".into(), ..Config::default() };
    let again = Init::new(config, Recovery::None, operator());
    let error = block_on(Strongroom::init(&place.deployment, again, OpenOptions::default(), |_, _| {
        panic!("the device is not asked")
    }))
    .unwrap_err();
    assert_eq!(error.code(), Code::DeploymentExists);
    assert_eq!(fs::read(place.deployment.database()).unwrap(), before);
}

#[test]
fn a_restore_is_recorded_and_where_there_is_a_deployment_it_changes_nothing() {
    let (place, room) = Place::software();
    let backup = place.folder.path().join("backup");
    block_on(room.admin(operator()).back_up(&backup, |_, _| {})).unwrap();
    room.close().unwrap();
    let config = Config { device: place.uri.to_string(), ..Config::default() };
    let restore = Restore::new(config, "the disk burnt", operator()).unwrap();

    let before = fs::read(place.deployment.database()).unwrap();
    let restored = |to: &Deployment| {
        let device = place.device().unwrap();
        block_on(Strongroom::restore(&backup, to, device, restore.clone(), OpenOptions::default()))
    };
    assert_eq!(restored(&place.deployment).unwrap_err().code(), Code::DeploymentExists);
    assert_eq!(fs::read(place.deployment.database()).unwrap(), before);

    let (room, receipt) = restored(&Deployment::at(place.folder.path().join("restored"))).unwrap();
    let lines = block_on(room.admin(operator()).audit().show(0, 100)).unwrap().entries;
    let ours: Vec<_> = lines.iter().filter(|line| line.act == "backup.restore").collect();
    let [line] = ours[..] else { panic!("{} lines", ours.len()) };
    assert_eq!((line.seq, line.code.as_str()), (receipt.seq, "ok"));
    assert_eq!(line.actor.as_deref(), Some("operator:olga"));
    let verified = block_on(room.admin(operator()).audit().verify(None)).unwrap();
    assert!(verified.is_ok() && verified.report.generations == 2, "{} {:?}", verified.report, verified.store);
}

#[test]
fn opening_without_an_anchor_or_over_one_is_recorded() {
    let (place, room) = Place::software();
    let at = |name: &str| AnchorPlace::file(&place.folder.path().join(name)).unwrap();
    block_on(room.admin(operator()).add_anchor(&at("anchor"))).unwrap();
    let backup = place.folder.path().join("backup");
    block_on(room.admin(operator()).back_up(&backup, |_, _| {})).unwrap();
    room.close().unwrap();

    let lines = |room: &Strongroom, act: &str| {
        let entries = block_on(room.admin(operator()).audit().show(0, 100)).unwrap().entries;
        let ours = entries.into_iter().filter(|line| line.act == act);
        ours.map(|line| (line.actor.unwrap(), line.object.unwrap(), line.version, line.code)).collect::<Vec<_>>()
    };
    let name = at("anchor").to_string();
    fs::rename(place.folder.path().join("anchor"), place.folder.path().join("aside")).unwrap();
    assert_eq!(place.open().unwrap_err().code(), Code::AnchorMissing);
    let anna = Context::new(Actor::operator("anna").unwrap());
    let options = OpenOptions::default().accept_missing_anchors(anna.clone());
    let room = block_on(Strongroom::open_with(&place.deployment, place.device().unwrap(), options.clone())).unwrap();
    let accepted = [("operator:anna".to_owned(), name.clone(), None, "ok".to_owned())];
    assert_eq!(lines(&room, "anchor.accept"), accepted);
    room.close().unwrap();
    // Nothing to accept, nothing to record.
    let room = block_on(Strongroom::open_with(&place.deployment, place.device().unwrap(), options)).unwrap();
    assert_eq!(lines(&room, "anchor.accept"), accepted);
    room.close().unwrap();

    let anchor = strongroom_log::Anchor::parse(&fs::read(place.folder.path().join("anchor")).unwrap()).unwrap();
    let config = Config { device: place.uri.to_string(), ..Config::default() };
    let restore = Restore::new(config, "the disk burnt", anna).unwrap().keep_anchors();
    let to = Deployment::at(place.folder.path().join("restored"));
    let restored = Strongroom::restore(&backup, &to, place.device().unwrap(), restore, OpenOptions::default());
    let room = block_on(restored).unwrap().0;
    let replaced = ("operator:anna".to_owned(), name, Some(anchor.frontier().size()), "ok".to_owned());
    assert_eq!(lines(&room, "anchor.replace"), [replaced]);
    room.close().unwrap();
}

fn text(value: &str) -> SecretValue {
    SecretValue::text(value).unwrap()
}

/// A template with these secrets.
fn template(paths: &[&str]) -> Arc<Template> {
    let text: String = paths.iter().map(|path| format!("{{{{ secret \"{path}\" }}}}\n")).collect();
    Arc::new(Template::parse(text.as_bytes()).unwrap())
}

/// What makes two secrets.
fn key_pair() -> Generate {
    Generate::key_pair(KeyAlgorithm::Ed25519)
}

fn json(value: &str) -> SecretValue {
    SecretValue::json(value).unwrap()
}

fn owner(text: &str) -> Owner {
    text.parse().unwrap()
}

fn path(text: &str) -> SecretPath {
    text.parse().unwrap()
}

fn folder(text: &str) -> Folder {
    text.parse().unwrap()
}

fn entries(names: &[&str]) -> Vec<ImportEntry> {
    names.iter().map(|name| ImportEntry { path: path(name), value: text(name) }).collect()
}

/// Stands for whoever has the database file: changes the rows of a table, and after the call puts them back.
async fn with_a_row_changed(
    on: &On,
    table: &str,
    call: impl AsyncFnOnce() -> Result<Receipt, Error>,
) -> Result<Receipt, Error> {
    let thief = rusqlite::Connection::open(on.folder.join("data/strongroom.db")).unwrap();
    // All but `sys`, without which nothing at all can be recorded.
    let rows = if table == "tenants" { "number > 0" } else { "true" };
    let change = |by: i64| {
        let changed =
            thief.execute(&format!("UPDATE {table} SET created_at = created_at + ?1 WHERE {rows}"), [by]).unwrap();
        assert!(changed > 0);
    };
    change(1);
    let outcome = call().await;
    change(-1);
    outcome
}
