//! What every [`Store`] must do, whoever wrote it.
//!
//! An implementation calls [`check_store`] in a test, with a function that makes a new, empty store and
//! opens it twice, as two processes would. Rows in here are bytes: no key is involved.

#![allow(clippy::unwrap_used, reason = "a test kit panics where a rule is broken")]

use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use crate::{
    Code, Error, Result,
    id::{DeploymentId, Handle, ObjectId, TenantRef},
    keys::IndexHash,
    store::{
        ActorRow, Applied, Change, CommitRow, DeleteSecret, DeploymentRow, EpochRow, FolderRow, GenerationRow, Growth,
        HeadRow, IndexPart, IntentRow, LineKey, LineRow, LineSearch, LinesCounted, LinesFound, LogHeadRow,
        OpenGeneration, Order, PutSecret, Record, SecretRow, Snapshot, Store, TenantNumber, TenantRow, Transaction,
        Usage, VersionRow,
    },
};

/// One new, empty store, opened twice.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The one that most is tried on.
    pub store: Arc<dyn Store>,
    /// Stands for another process.
    pub other: Arc<dyn Store>,
}

/// One rule, and what tries it.
pub type Check = (&'static str, fn(&Pair));

/// All rules.
pub const CHECKS: &[Check] = &[
    ("an empty store is empty", empty),
    ("a deployment is created once", deployment),
    ("a tenant is created once, with its empty log", tenants),
    ("a secret is put revision by revision", secrets),
    ("versions are changed together or not at all", changing),
    ("what is due to expire is found until it is recorded", expiring),
    ("the oldest versions are removed", removing),
    ("the oldest versions are removed whoever puts, and whatever was undone", removing_in_turns),
    ("what tenants store more or less is counted, and kept within the room there is", growth),
    ("labels are replaced or left", labels),
    ("secrets and folders are walked through in order", walking),
    ("folders are found by the one above", folders),
    ("a deleted secret takes empty folders along", deletion),
    ("a secret moves with its versions and labels, and leaves empty folders", moving),
    ("an actor has one handle", actors),
    ("epochs are opened in turn and closed once", epochs),
    ("an intent stands until its result", intents),
    ("changes are applied together or not at all", all_or_nothing),
    ("what was recorded is read back", recording),
    ("lines are found with any part of them indexed", index_boundary),
    ("lines are found by their keys with any part of them indexed", searching),
    ("an index that was built is found to be right", index_is_right),
    ("generations keep their lines apart", generations),
    ("a snapshot stays what it is", snapshots),
    ("one writes at a time", exclusion),
    ("writers of two processes lose nothing", taking_turns),
    ("a sync waits for no transaction", syncing),
    ("a transaction that is dropped leaves nothing", dropping),
    ("a number too large is refused", numbers),
    ("a store that is sound says so", soundness),
];

/// Tries every rule, each on a store of its own. Panics at the first that is broken, after printing its name.
pub fn check_store(make: &dyn Fn() -> Pair) {
    for (name, check) in CHECKS {
        let broken = Broken(name);
        check(&make());
        std::mem::forget(broken);
    }
}

/// Names the rule while the panic passes by.
struct Broken(&'static str);

impl Drop for Broken {
    #[allow(clippy::print_stderr, reason = "of a test kit")]
    fn drop(&mut self) {
        eprintln!("store test kit: this does not hold: {}", self.0);
    }
}

/// A deployment row, as it is created.
pub fn deployment_row() -> DeploymentRow {
    DeploymentRow {
        deployment: DeploymentId::from_bytes([1; 16]),
        origin: "example.com/keys".into(),
        generation: 1,
        sys_ref: TenantRef::from_bytes([2; 16]),
        profile: b"{}".to_vec(),
        recovery: b"none".to_vec(),
        created_at: 1_700_000_000_000_000,
        revision: 1,
        mac: [3; 32],
    }
}

/// A tenant row, as it is created: everything in it follows from its number.
pub fn tenant_row(number: u32) -> TenantRow {
    TenantRow {
        number: TenantNumber(number),
        tenant: TenantRef::from_bytes(bytes(1, number)),
        name_hash: bytes(2, number),
        name: format!("name {number}").into_bytes(),
        salt: [4; 32],
        root_version: 1,
        key_epoch: 1,
        keyring: vec![5; 300],
        state: 1,
        settings: Vec::new(),
        created_at: 6,
        revision: 1,
        mac: [7; 32],
    }
}

/// A secret row of the first revision, in the folder of this hash.
pub fn secret_row(n: u32, parent_hash: IndexHash) -> SecretRow {
    SecretRow {
        id: ObjectId::from_bytes(bytes(3, n)),
        name_hash: bytes(4, n),
        parent_hash,
        name: format!("path {n}").into_bytes(),
        meta: vec![8; 40],
        enabled: true,
        latest: 1,
        current: 1,
        pending: None,
        previous: None,
        settings: Vec::new(),
        created_at: 9,
        updated_at: 10,
        revision: 1,
        mac: [11; 32],
    }
}

/// A version row of a secret.
pub fn version_row(n: u32, version: u64) -> VersionRow {
    VersionRow {
        secret: ObjectId::from_bytes(bytes(3, n)),
        version,
        state: 1,
        created_at: 12,
        expires_at: version.is_multiple_of(2).then_some(13),
        value: vec![14; 100],
        revision: 1,
        mac: [15; 32],
    }
}

/// A folder row, in the folder of this hash.
pub fn folder_row(n: u32, parent_hash: IndexHash) -> FolderRow {
    FolderRow {
        id: ObjectId::from_bytes(bytes(5, n)),
        name_hash: bytes(6, n),
        parent_hash,
        name: format!("folder {n}").into_bytes(),
        revision: 1,
        mac: [16; 32],
    }
}

/// Sixteen bytes that follow from a kind and a number.
fn bytes(kind: u8, n: u32) -> [u8; 16] {
    let mut bytes = [kind; 16];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    bytes
}

/// The hash that stands for the root folder.
const ROOT: IndexHash = [0xee; 16];

fn actor_row(n: u32) -> ActorRow {
    ActorRow {
        name_hash: bytes(7, n),
        handle: Handle::from_bytes(bytes(8, n)),
        name: format!("service:{n}").into_bytes(),
        revision: 1,
        mac: [17; 32],
    }
}

fn epoch_row(id: u32) -> EpochRow {
    let certificate = format!("certificate {id}").into_bytes();
    EpochRow { id, generation: 1, certificate, hard_limit: 18, closed: false, checkpoint: None }
}

fn put(n: u32, parent_hash: IndexHash) -> PutSecret {
    PutSecret {
        tenant: TenantNumber(5),
        secret: secret_row(n, parent_hash),
        version: Some(version_row(n, 1)),
        changed: Vec::new(),
        oldest: None,
        labels: None,
        folders: Vec::new(),
        left: Vec::new(),
    }
}

/// Applies in a transaction of its own, which is committed even if it is stale.
fn apply(store: &dyn Store, changes: &[Change]) -> Applied {
    let mut transaction = store.begin().unwrap();
    let applied = transaction.apply(changes).unwrap();
    transaction.commit().unwrap();
    applied
}

fn done(store: &dyn Store, changes: &[Change]) {
    assert_eq!(apply(store, changes), Applied::Done, "{changes:?}");
}

/// Stale, and nothing of it is left.
fn stale(store: &dyn Store, changes: &[Change]) {
    let before = everything(store);
    assert_eq!(apply(store, changes), Applied::Stale, "{changes:?}");
    assert_eq!(everything(store), before, "{changes:?}");
}

/// All there is about the tenants and objects that these checks use.
fn everything(store: &dyn Store) -> String {
    let mut view = store.snapshot().unwrap();
    let mut all = format!("{:?}", view.deployment().unwrap());
    all += &format!("{:?}{:?}{:?}", view.tenant(TenantNumber::SYS), view.tenants(), view.log_heads());
    all += &format!("{:?}{:?}{:?}", view.generations(), view.epochs(0, 100), view.head());
    for tenant in [5, 7].map(TenantNumber) {
        for n in 0..4 {
            let secret = view.secret(tenant, &bytes(4, n)).unwrap();
            let versions = secret.as_ref().map(|secret| view.versions(tenant, secret));
            all += &format!("{secret:?}{versions:?}");
            all += &format!("{:?}{:?}", view.folder(tenant, &bytes(6, n)), view.actor(tenant, &bytes(7, n)));
            all += &format!("{:?}", view.secrets_labelled(tenant, &[bytes(9, n)], 10));
        }
    }
    all
}

/// A deployment with `sys` and the tenants 5 and 7.
fn furnish(store: &dyn Store) {
    let mut changes = vec![Change::CreateDeployment(deployment_row())];
    changes.extend([0, 5, 7].map(|number| Change::CreateTenant(tenant_row(number))));
    done(store, &changes);
}

fn empty(Pair { store, .. }: &Pair) {
    let mut view = store.snapshot().unwrap();
    assert_eq!(view.deployment().unwrap(), None);
    assert_eq!(view.head().unwrap(), None);
    assert_eq!(view.tenants().unwrap(), []);
    assert_eq!(view.generations().unwrap(), []);
    assert_eq!(view.epoch_last().unwrap(), 0);
    assert_eq!(view.lines(0, 10).unwrap(), []);
    assert_eq!(view.lines_of(TenantNumber::SYS, 1, 0, 10).unwrap(), []);
    drop(view);
    assert!(!store.maintain(true).unwrap());
    let facts = store.facts().unwrap();
    assert_eq!((facts.secrets, facts.versions, facts.lines_unindexed), (0, 0, 0));
    assert!(facts.schema > 0 && facts.bytes > 0 && !facts.engine.is_empty());
}

fn deployment(Pair { store, other }: &Pair) {
    let row = deployment_row();
    done(&**store, &[Change::CreateDeployment(row.clone())]);
    stale(&**other, &[Change::CreateDeployment(row.clone())]);
    assert_eq!(other.snapshot().unwrap().deployment().unwrap().as_ref(), Some(&row));
    let first = GenerationRow {
        number: 1,
        after_seq: 0,
        after_commit: 0,
        opened_at: row.created_at,
        previous_size: 0,
        previous_root: None,
        reason: Vec::new(),
        checkpoint: Vec::new(),
    };
    assert_eq!(other.snapshot().unwrap().generations().unwrap(), [first]);
    assert_eq!(other.snapshot().unwrap().head().unwrap(), None, "there was no commit yet");

    let next = DeploymentRow { profile: b"{1}".to_vec(), revision: 2, mac: [4; 32], ..row };
    stale(&**store, &[Change::UpdateDeployment(DeploymentRow { revision: 3, ..next.clone() })]);
    done(&**store, &[Change::UpdateDeployment(next.clone())]);
    stale(&**store, &[Change::UpdateDeployment(next.clone())]);
    assert_eq!(other.snapshot().unwrap().deployment().unwrap(), Some(next));
}

fn tenants(Pair { store, other }: &Pair) {
    furnish(&**store);
    let (five, seven) = (tenant_row(5), tenant_row(7));
    let mut view = other.snapshot().unwrap();
    assert_eq!(view.tenants().unwrap(), [five.clone(), seven.clone()], "all but sys, by number");
    assert_eq!(view.tenant(TenantNumber::SYS).unwrap(), Some(tenant_row(0)));
    assert_eq!(view.tenant(TenantNumber(7)).unwrap(), Some(seven.clone()));
    assert_eq!(view.tenant_by_name(&five.name_hash).unwrap(), Some(five.clone()));
    assert_eq!(view.tenant_by_ref(&seven.tenant).unwrap(), Some(seven.clone()));
    assert_eq!(view.tenant(TenantNumber(6)).unwrap(), None);
    assert_eq!(view.tenant_by_name(&[9; 16]).unwrap(), None);
    assert_eq!(view.tenant_by_ref(&TenantRef::from_bytes([9; 16])).unwrap(), None);
    let log = LogHeadRow {
        tenant: TenantNumber(5),
        tenant_ref: five.tenant,
        size: 0,
        frontier: vec![0; 8],
        prev: Vec::new(),
        time: 0,
        status: 1,
        usage: Usage::default(),
    };
    assert_eq!(view.log_head(TenantNumber(5)).unwrap(), Some(log));
    let heads: Vec<u32> = view.log_heads().unwrap().iter().map(|head| head.tenant.0).collect();
    assert_eq!(heads, [0, 5, 7]);
    drop(view);

    let new = tenant_row(6);
    for (what, taken) in [
        ("number", TenantRow { number: TenantNumber(5), ..new.clone() }),
        ("ref", TenantRow { tenant: seven.tenant, ..new.clone() }),
        ("name", TenantRow { name_hash: five.name_hash, ..new.clone() }),
    ] {
        stale(&**store, &[Change::CreateTenant(taken)]);
        assert_eq!(store.snapshot().unwrap().log_heads().unwrap().len(), 3, "{what}");
    }

    let next = TenantRow { state: 3, revision: 2, mac: [9; 32], ..five };
    stale(&**store, &[Change::UpdateTenant(TenantRow { revision: 3, ..next.clone() })]);
    stale(&**store, &[Change::UpdateTenant(TenantRow { number: TenantNumber(6), ..next.clone() })]);
    done(&**store, &[Change::UpdateTenant(next.clone())]);
    stale(&**store, &[Change::UpdateTenant(next.clone())]);
    let mut view = other.snapshot().unwrap();
    assert_eq!(view.tenants().unwrap(), [next, seven], "and the other is as it was");
}

fn secrets(Pair { store, other }: &Pair) {
    furnish(&**store);
    let change = |put: PutSecret| [Change::PutSecret(Box::new(put))];
    done(&**store, &change(put(1, ROOT)));
    stale(&**store, &change(put(1, ROOT)));
    let same_name = SecretRow { name_hash: bytes(4, 1), ..secret_row(2, ROOT) };
    stale(&**store, &change(PutSecret { secret: same_name, version: None, ..put(2, ROOT) }));
    done(&**store, &change(PutSecret { tenant: TenantNumber(7), ..put(1, ROOT) }));

    let second = SecretRow {
        latest: 2,
        current: 2,
        pending: Some(3),
        previous: Some(1),
        enabled: false,
        meta: vec![1],
        updated_at: 99,
        revision: 2,
        ..secret_row(1, ROOT)
    };
    let next = || PutSecret { secret: second.clone(), version: Some(version_row(1, 2)), ..put(1, ROOT) };
    let skips = SecretRow { revision: 3, ..second.clone() };
    stale(&**store, &change(PutSecret { secret: skips, ..next() }));
    stale(
        &**store,
        &change(PutSecret { secret: SecretRow { revision: 2, ..secret_row(3, ROOT) }, version: None, ..next() }),
    );
    done(&**other, &change(next()));
    stale(&**store, &change(next()));
    // Without a version: only the row changes.
    let third = SecretRow { enabled: true, revision: 3, ..second.clone() };
    done(&**store, &change(PutSecret { secret: third.clone(), version: None, ..put(1, ROOT) }));

    let mut view = other.snapshot().unwrap();
    let (five, seven) = (TenantNumber(5), TenantNumber(7));
    assert_eq!(view.secret(five, &third.name_hash).unwrap(), Some(third.clone()));
    assert_eq!(view.secret(seven, &third.name_hash).unwrap(), Some(secret_row(1, ROOT)), "another tenant's");
    assert_eq!(view.secret(five, &[9; 16]).unwrap(), None);
    assert_eq!(view.version(five, &third, 1).unwrap(), Some(version_row(1, 1)));
    assert_eq!(view.version(five, &third, 3).unwrap(), None);
    assert_eq!(view.version(five, &third, u64::MAX).unwrap(), None);
    assert_eq!(view.versions(five, &third).unwrap(), [version_row(1, 2), version_row(1, 1)], "newest first");
    assert_eq!(view.versions(seven, &secret_row(1, ROOT)).unwrap(), [version_row(1, 1)]);
    assert_eq!(view.versions_astray().unwrap(), 0);
    drop(view);
    let facts = store.facts().unwrap();
    assert_eq!((facts.secrets, facts.versions), (2, 3));
}

/// Puts a secret with this many versions and revisions. Gives its next row, with the same versions.
fn with_versions(store: &dyn Store, count: u64) -> SecretRow {
    let row = |revision| SecretRow { latest: revision, current: revision, revision, ..secret_row(1, ROOT) };
    for number in 1..=count {
        // Another secret's versions lie in between.
        for (n, secret) in [(1, row(number)), (2, SecretRow { revision: number, ..secret_row(2, ROOT) })] {
            let put = PutSecret { secret, version: Some(version_row(n, number)), ..put(n, ROOT) };
            done(store, &[Change::PutSecret(Box::new(put))]);
        }
    }
    SecretRow { revision: count + 1, ..row(count) }
}

fn changing(Pair { store, other }: &Pair) {
    furnish(&**store);
    let next = with_versions(&**store, 3);
    let destroyed = |number| VersionRow { state: 4, value: Vec::new(), revision: 2, ..version_row(1, number) };
    let change = |secret: &SecretRow, changed: &[VersionRow]| {
        let put = PutSecret { secret: secret.clone(), changed: changed.to_vec(), ..with_none() };
        [Change::PutSecret(Box::new(put))]
    };
    let before = everything(&**other);
    for (name, changed) in [
        ("the same revision", VersionRow { revision: 1, ..destroyed(1) }),
        ("a revision left out", VersionRow { revision: 3, ..destroyed(1) }),
        ("no such version", destroyed(4)),
        ("version 0", destroyed(0)),
    ] {
        stale(&**store, &change(&next, &[destroyed(2), changed]));
        assert_eq!(everything(&**other), before, "{name}");
    }
    stale(&**store, &change(&SecretRow { revision: 3, ..next.clone() }, &[destroyed(2)]));
    assert_eq!(everything(&**other), before);

    done(&**store, &change(&next, &[destroyed(3), destroyed(1)]));
    let mut view = other.snapshot().unwrap();
    let five = TenantNumber(5);
    let found = view.versions(five, &next).unwrap();
    assert_eq!(found, [destroyed(3), version_row(1, 2), destroyed(1)]);
    assert_eq!(view.version(five, &next, 1).unwrap(), Some(destroyed(1)));
    assert_eq!(view.versions(five, &secret_row(2, ROOT)).unwrap().len(), 3, "another secret's are as they were");
    assert_eq!(view.versions_astray().unwrap(), 0);
    drop(view);
    // Together with a new version.
    let fifth = SecretRow { latest: 4, current: 4, revision: 5, ..next };
    let back = VersionRow { revision: 3, ..version_row(1, 1) };
    let both = || PutSecret { version: Some(version_row(1, 4)), changed: vec![back.clone()], ..with_none() };
    done(&**store, &[Change::PutSecret(Box::new(PutSecret { secret: fifth.clone(), ..both() }))]);
    let found = other.snapshot().unwrap().versions(five, &fifth).unwrap();
    assert_eq!(found, [version_row(1, 4), destroyed(3), version_row(1, 2), back.clone()]);
    let foreign = PutSecret { secret: secret_row(1, ROOT), changed: vec![version_row(2, 1)], ..with_none() };
    let error = spoilt(&**store, |transaction| transaction.apply(&[Change::PutSecret(Box::new(foreign))]).map(drop));
    assert_eq!(error.code(), Code::Internal);
}

fn expiring(Pair { store, other }: &Pair) {
    furnish(&**store);
    let tenant = |number: u32, revision, state| TenantRow { revision, state, ..tenant_row(number) };
    let settings = |text: &str| text.as_bytes().to_vec();
    let whole = |expired: &str, revision| SecretRow {
        settings: settings(&format!("{{{expired}\"expires_at\":20,\"v\":1}}")),
        revision,
        ..secret_row(1, ROOT)
    };
    let version = VersionRow { expires_at: Some(30), ..version_row(2, 1) };
    let disabled = VersionRow { expires_at: Some(10), state: 2, ..version_row(3, 1) };
    for put in [
        PutSecret { secret: whole("", 1), ..put(1, ROOT) },
        PutSecret { version: Some(version.clone()), ..put(2, ROOT) },
        PutSecret { version: Some(disabled.clone()), ..put(3, ROOT) },
        put(4, ROOT),
    ] {
        done(&**store, &[Change::PutSecret(Box::new(put))]);
    }
    let due = |now, limit| {
        let found = other.due(now, limit).unwrap();
        assert!(found.iter().all(|row| row.tenant == TenantNumber(5)));
        let mut hashes: Vec<_> = found.iter().map(|row| row.name_hash).collect();
        hashes.sort_unstable();
        hashes
    };
    let (one, two, three) = (bytes(4, 1), bytes(4, 2), bytes(4, 3));
    assert_eq!((due(19, 9), due(20, 9), due(29, 9)), (vec![], vec![one], vec![one]));
    assert_eq!((due(30, 9), due(u64::MAX, 9)), (vec![one, two], vec![one, two]), "what is disabled is not due");
    assert_eq!((due(30, 1).len(), due(30, 0).len()), (1, 0));

    // A tenant that takes no lines has nothing due, until it does again.
    done(&**store, &[Change::UpdateTenant(tenant(5, 2, 2))]);
    assert_eq!(due(30, 9), [[0; 16]; 0]);
    done(&**store, &[Change::UpdateTenant(tenant(5, 3, 1))]);
    assert_eq!(due(30, 9), [one, two]);

    // It is recorded, or given more time, or enabled.
    let changed = |secret, changed| Change::PutSecret(Box::new(PutSecret { secret, changed, ..with_none() }));
    done(&**store, &[changed(whole("\"expired\":true,", 2), Vec::new())]);
    assert_eq!(due(30, 9), [two]);
    let next = |n, revision| SecretRow { revision, ..secret_row(n, ROOT) };
    done(&**store, &[changed(next(2, 2), vec![VersionRow { state: 5, revision: 2, ..version.clone() }])]);
    assert_eq!(due(30, 9), [[0; 16]; 0]);
    done(&**store, &[changed(next(2, 3), vec![VersionRow { expires_at: Some(40), revision: 3, ..version }])]);
    done(&**store, &[changed(next(3, 2), vec![VersionRow { state: 1, revision: 2, ..disabled }])]);
    assert_eq!((due(39, 9), due(40, 9)), (vec![three], vec![two, three]));
    let delete = DeleteSecret { tenant: TenantNumber(5), id: secret_row(3, ROOT).id, revision: 2, folders: Vec::new() };
    done(&**store, &[Change::DeleteSecret(delete)]);
    assert_eq!(due(40, 9), [two]);
}

fn with_none() -> PutSecret {
    PutSecret { version: None, ..put(1, ROOT) }
}

fn removing(Pair { store, other }: &Pair) {
    furnish(&**store);
    let next = with_versions(&**store, 5);
    let five = TenantNumber(5);
    let numbers = |secret: &SecretRow| {
        let mut view = other.snapshot().unwrap();
        assert_eq!(view.versions_astray().unwrap(), 0);
        view.versions(five, secret).unwrap().iter().map(|version| version.version).collect::<Vec<_>>()
    };
    let put = |revision, version: Option<u64>, oldest| {
        let secret = SecretRow { revision, ..next.clone() };
        let version = version.map(|number| version_row(1, number));
        let put = PutSecret { secret, version, oldest: Some(oldest), ..with_none() };
        done(&**store, &[Change::PutSecret(Box::new(put))]);
    };
    put(6, None, 1);
    assert_eq!(numbers(&next), [5, 4, 3, 2, 1], "nothing is older than the first");
    put(7, Some(6), 2);
    assert_eq!(numbers(&next), [6, 5, 4, 3, 2]);
    put(8, None, 5);
    assert_eq!(numbers(&next), [6, 5]);
    put(9, Some(7), 7);
    assert_eq!(numbers(&next), [7], "all but the one that came with it");
    let mut view = other.snapshot().unwrap();
    assert_eq!(view.version(five, &next, 1).unwrap(), None);
    assert_eq!(view.version(five, &next, 7).unwrap(), Some(version_row(1, 7)));
    assert_eq!(view.versions(five, &secret_row(2, ROOT)).unwrap().len(), 5, "another secret's are as they were");
    drop(view);
    assert_eq!(store.facts().unwrap().versions, 6);
    let delete = DeleteSecret { tenant: five, id: next.id, revision: 9, folders: Vec::new() };
    done(&**store, &[Change::DeleteSecret(delete)]);
    assert_eq!(store.facts().unwrap().versions, 5);
}

fn removing_in_turns(Pair { store, other }: &Pair) {
    furnish(&**store);
    let next = with_versions(&**store, 5);
    let put = |version: u64| {
        let secret = SecretRow { revision: version, ..next.clone() };
        let version_row = Some(version_row(1, version));
        let put = PutSecret { secret, version: version_row, oldest: Some(version - 4), ..with_none() };
        [Change::PutSecret(Box::new(put))]
    };
    for version in next.revision..next.revision + 40 {
        let (one, another) = if version % 3 == 0 { (other, store) } else { (store, other) };
        if version % 4 == 0 {
            let mut undone = one.begin().unwrap();
            assert_eq!(undone.apply(&put(version)).unwrap(), Applied::Done);
        }
        if version % 5 == 0 {
            // Together with a change that is stale, it is undone within the transaction.
            let [change] = put(version);
            stale(&**one, &[change, Change::CreateTenant(tenant_row(5))]);
        }
        done(&**one, &put(version));
        let mut view = another.snapshot().unwrap();
        let there: Vec<_> = view.versions(TenantNumber(5), &next).unwrap().iter().map(|row| row.version).collect();
        assert_eq!(there, (version - 4..=version).rev().collect::<Vec<_>>());
        assert_eq!(view.versions_astray().unwrap(), 0);
    }
}

fn growth(Pair { store, .. }: &Pair) {
    furnish(&**store);
    let five = TenantNumber(5);
    let put_version = |revision: u64, version: u64, oldest: Option<u64>| {
        let value = vec![7; usize::try_from(10 * version).unwrap()];
        Change::PutSecret(Box::new(PutSecret {
            secret: SecretRow { revision, ..secret_row(1, ROOT) },
            version: Some(VersionRow { value, ..version_row(1, version) }),
            oldest,
            ..put(1, ROOT)
        }))
    };
    let room = |secrets, bytes| Growth { secrets, bytes };
    let apply = |changes: &[Change], room: Growth| {
        let mut transaction = store.begin().unwrap();
        let applied = transaction.apply_within(changes, room).unwrap();
        let grown = transaction.take_growth();
        assert_eq!(transaction.take_growth(), [], "it is told once");
        transaction.commit().unwrap();
        (applied, grown)
    };
    let first = || [put_version(1, 1, None)];
    let before = everything(&**store);
    for (name, little) in [("no secret", room(0, 10)), ("a byte too little", room(1, 9))] {
        assert_eq!(apply(&first(), little), (Applied::Exceeds(room(1, 10)), vec![]), "{name}");
        assert_eq!(everything(&**store), before, "{name}");
    }
    assert_eq!(apply(&first(), room(1, 10)), (Applied::Done, vec![(five, room(1, 10))]), "exactly");
    assert_eq!(apply(&first(), room(9, 99)), (Applied::Stale, vec![]));
    assert_eq!(apply(&[put_version(2, 2, None)], room(0, 20)), (Applied::Done, vec![(five, room(0, 20))]));
    // What it removes makes room for what it adds: in one change, and in several.
    assert_eq!(apply(&[put_version(3, 3, Some(3))], room(0, 0)), (Applied::Done, vec![(five, room(0, 0))]));
    let two = |left| [put_version(4, 4, None), shrink(5, 3, left)];
    assert_eq!(apply(&two(1), room(0, 10)).0, Applied::Exceeds(room(0, 11)));
    assert_eq!(apply(&two(0), room(0, 10)), (Applied::Done, vec![(five, room(0, 10))]));
    // What makes nothing more needs no room.
    assert_eq!(apply(&[shrink(6, 4, 0)], room(-9, -9)), (Applied::Done, vec![(five, room(0, -40))]));
    done(&**store, &[put_version(7, 5, None)]);
    let delete = DeleteSecret { tenant: five, id: secret_row(1, ROOT).id, revision: 7, folders: Vec::new() };
    assert_eq!(apply(&[Change::DeleteSecret(delete)], room(0, 0)), (Applied::Done, vec![(five, room(-1, -50))]));
    // What was applied and then taken back with its transaction is nobody's.
    let mut undone = store.begin().unwrap();
    assert_eq!(undone.apply(&first()).unwrap(), Applied::Done);
    drop(undone);
    assert_eq!(store.begin().unwrap().take_growth(), []);
}

/// A change of a version that leaves so many bytes of its value.
fn shrink(revision: u64, version: u64, left: usize) -> Change {
    let secret = SecretRow { revision, ..secret_row(1, ROOT) };
    let changed = VersionRow { revision: 2, value: vec![7; left], ..version_row(1, version) };
    Change::PutSecret(Box::new(PutSecret::of_row(TenantNumber(5), secret, vec![changed])))
}

fn labels(Pair { store, .. }: &Pair) {
    furnish(&**store);
    let (a, b, five) = (bytes(9, 1), bytes(9, 2), TenantNumber(5));
    let all_labelled = |labels: &[IndexHash], limit| {
        let found = store.snapshot().unwrap().secrets_labelled(five, labels, limit).unwrap();
        found.iter().map(|secret| secret.id).collect::<Vec<_>>()
    };
    let labelled = |label: &IndexHash, limit| all_labelled(&[*label], limit);
    let put = |n, revision, labels| {
        let secret = SecretRow { revision, ..secret_row(n, ROOT) };
        let put = PutSecret { secret, version: None, labels, ..put(n, ROOT) };
        done(&**store, &[Change::PutSecret(Box::new(put))]);
    };
    let ids = [1, 2].map(|n| secret_row(n, ROOT).id);
    put(1, 1, Some(vec![a, b]));
    put(2, 1, Some(vec![b]));
    assert_eq!((labelled(&a, 10), labelled(&b, 10)), (vec![ids[0]], ids.to_vec()));
    assert_eq!(labelled(&b, 1).len(), 1);
    assert_eq!((all_labelled(&[a, b], 10), all_labelled(&[b, a], 10)), (vec![ids[0]], vec![ids[0]]), "both together");
    assert_eq!(all_labelled(&[b, b], 10), ids);
    let many: Vec<_> = [a, b, b].into_iter().cycle().take(66).collect();
    assert_eq!(all_labelled(&many, 10), [ids[0]]);
    assert_eq!(all_labelled(&[a, b, bytes(9, 3)], 10), vec![]);
    assert_eq!(store.snapshot().unwrap().secrets_labelled(TenantNumber(7), &[b], 10).unwrap(), []);
    put(1, 2, None);
    assert_eq!(labelled(&a, 10), [ids[0]], "left alone");
    put(1, 3, Some(vec![b, a]));
    assert_eq!(store.snapshot().unwrap().labels_of(five, &ids[0]).unwrap(), [a, b], "in order");
    assert_eq!(store.snapshot().unwrap().labels_of(TenantNumber(7), &ids[0]).unwrap(), Vec::<IndexHash>::new());
    put(1, 4, Some(vec![b]));
    assert_eq!((labelled(&a, 10), labelled(&b, 10)), (vec![], ids.to_vec()), "replaced");
    put(1, 5, Some(vec![]));
    assert_eq!(labelled(&b, 10), [ids[1]], "removed");
}

fn walking(Pair { store, other }: &Pair) {
    furnish(&**store);
    let put = |tenant, n| {
        let put = PutSecret { tenant, folders: vec![folder_row(n, ROOT)], ..put(n, bytes(6, n)) };
        done(&**store, &[Change::PutSecret(Box::new(put))]);
    };
    let (five, seven) = (TenantNumber(5), TenantNumber(7));
    [3, 1, 2].into_iter().for_each(|n| put(five, n));
    put(seven, 4);
    let mut view = other.snapshot().unwrap();
    let rows = [1, 2, 3].map(|n| secret_row(n, bytes(6, n)));
    assert_eq!(view.secrets_after(five, None, 10).unwrap(), rows);
    assert_eq!(view.secrets_after(five, None, 2).unwrap(), rows[..2]);
    assert_eq!(view.secrets_after(five, Some(&rows[1].id), 10).unwrap(), rows[2..]);
    assert_eq!(view.secrets_after(five, Some(&rows[2].id), 10).unwrap(), []);
    let rows = [1, 2, 3].map(|n| folder_row(n, ROOT));
    assert_eq!(view.folders_after(five, None, 10).unwrap(), rows);
    assert_eq!(view.folders_after(five, Some(&rows[0].name_hash), 1).unwrap(), rows[1..2]);
    assert_eq!(view.folders_after(five, Some(&rows[2].name_hash), 1).unwrap(), []);
}

fn folders(Pair { store, .. }: &Pair) {
    furnish(&**store);
    let (outer, inner) = (folder_row(1, ROOT), folder_row(2, bytes(6, 1)));
    let put = |n, parent, folders: &[&FolderRow]| {
        let folders = folders.iter().map(|folder| (*folder).clone()).collect();
        done(&**store, &[Change::PutSecret(Box::new(PutSecret { folders, ..put(n, parent) }))]);
    };
    put(1, inner.name_hash, &[&inner, &outer]);
    let renamed = FolderRow { name: b"other".to_vec(), id: ObjectId::from_bytes([9; 16]), ..inner.clone() };
    put(2, inner.name_hash, &[&renamed, &outer]);
    put(3, outer.name_hash, &[&outer]);

    let mut view = store.snapshot().unwrap();
    let five = TenantNumber(5);
    assert_eq!(view.folder(five, &inner.name_hash).unwrap(), Some(inner.clone()), "one that exists is left alone");
    assert_eq!(view.folder(TenantNumber(7), &inner.name_hash).unwrap(), None);
    assert_eq!(view.folders_in(five, &ROOT, 10).unwrap(), std::slice::from_ref(&outer));
    assert_eq!(view.folders_in(five, &outer.name_hash, 10).unwrap(), std::slice::from_ref(&inner));
    assert_eq!(view.folders_in(five, &outer.name_hash, 0).unwrap(), []);
    let both = [secret_row(1, inner.name_hash), secret_row(2, inner.name_hash)];
    assert_eq!(view.secrets_in(five, &inner.name_hash, 10).unwrap(), both);
    assert_eq!(view.secrets_in(five, &inner.name_hash, 1).unwrap().len(), 1);
    assert_eq!(view.secrets_in(TenantNumber(7), &inner.name_hash, 10).unwrap(), []);
    for (what, folder, want) in
        [("inner", inner.name_hash, 2), ("outer: a secret and a folder", outer.name_hash, 2), ("root", ROOT, 1)]
    {
        assert_eq!(view.folder_entries(five, &folder).unwrap(), want, "{what}");
    }
}

fn deletion(Pair { store, other }: &Pair) {
    furnish(&**store);
    let (outer, inner) = (folder_row(1, ROOT), folder_row(2, bytes(6, 1)));
    let five = TenantNumber(5);
    for (n, folder) in [(1, &inner), (2, &inner), (3, &outer)] {
        let folders = vec![inner.clone(), outer.clone()];
        let put = PutSecret { folders, labels: Some(vec![bytes(9, 1)]), ..put(n, folder.name_hash) };
        done(&**store, &[Change::PutSecret(Box::new(put))]);
    }
    let delete = |n, revision| {
        let folders = vec![inner.name_hash, outer.name_hash];
        [Change::DeleteSecret(DeleteSecret { tenant: five, id: secret_row(n, ROOT).id, revision, folders })]
    };
    let there = || {
        let mut view = other.snapshot().unwrap();
        [&inner, &outer].map(|folder| view.folder(five, &folder.name_hash).unwrap().is_some())
    };
    stale(&**store, &delete(1, 2));
    stale(&**store, &delete(9, 1));
    done(&**store, &delete(1, 1));
    stale(&**store, &delete(1, 1));
    let mut view = other.snapshot().unwrap();
    assert_eq!(view.secret(five, &bytes(4, 1)).unwrap(), None);
    assert_eq!(view.versions(five, &secret_row(1, ROOT)).unwrap(), [], "its versions went with it");
    assert_eq!(view.secrets_labelled(five, &[bytes(9, 1)], 10).unwrap().len(), 2, "and its labels");
    drop(view);
    assert_eq!(there(), [true, true], "another secret is in the inner folder");
    // One that only the outer folder's secret kept from going: the inner one still holds a secret.
    let outer_only =
        DeleteSecret { tenant: five, id: secret_row(3, ROOT).id, revision: 1, folders: vec![outer.name_hash] };
    done(&**store, &[Change::DeleteSecret(outer_only)]);
    assert_eq!(there(), [true, true], "the inner folder is in the outer one");
    done(&**store, &delete(2, 1));
    assert_eq!(there(), [false, false], "nothing is left in either");
    let facts = store.facts().unwrap();
    assert_eq!((facts.secrets, facts.versions), (0, 0));
    // The name is free again.
    done(&**store, &[Change::PutSecret(Box::new(put(1, ROOT)))]);
}

fn moving(Pair { store, other }: &Pair) {
    furnish(&**store);
    let (outer, inner, five) = (folder_row(1, ROOT), folder_row(2, bytes(6, 1)), TenantNumber(5));
    let change = |put: PutSecret| [Change::PutSecret(Box::new(put))];
    let folders = || vec![inner.clone(), outer.clone()];
    let labels = Some(vec![bytes(9, 1)]);
    done(&**store, &change(PutSecret { folders: folders(), labels, ..put(1, inner.name_hash) }));
    let second = SecretRow { latest: 2, revision: 2, ..secret_row(1, inner.name_hash) };
    done(&**store, &change(PutSecret { secret: second.clone(), version: Some(version_row(1, 2)), ..with_none() }));
    done(&**store, &change(put(2, outer.name_hash)));

    let to = |name: u32, parent_hash, revision| SecretRow {
        name_hash: bytes(4, name),
        parent_hash,
        name: b"moved".to_vec(),
        revision,
        ..second.clone()
    };
    let left = || vec![inner.name_hash, outer.name_hash];
    let there = || {
        let mut view = other.snapshot().unwrap();
        [&inner, &outer].map(|folder| view.folder(five, &folder.name_hash).unwrap().is_some())
    };
    let moved = |secret| PutSecret { secret, left: left(), ..with_none() };
    let require = |tenant, n, revision| {
        [Change::RequireSecret { tenant: TenantNumber(tenant), id: secret_row(n, ROOT).id, revision }]
    };
    let before = everything(&**store);
    done(&**store, &require(5, 1, 2));
    assert_eq!(everything(&**store), before, "it changes nothing");
    for (tenant, n, revision) in [(5, 1, 1), (5, 1, 3), (5, 9, 1), (7, 1, 2)] {
        stale(&**store, &require(tenant, n, revision));
        let [required] = require(tenant, n, revision);
        stale(&**store, &[Change::PutSecret(Box::new(put(3, ROOT))), required]);
    }
    stale(&**store, &change(moved(to(2, outer.name_hash, 3))));
    stale(&**store, &change(moved(to(3, outer.name_hash, 4))));
    stale(&**store, &change(PutSecret { tenant: TenantNumber(7), ..moved(to(3, ROOT, 3)) }));
    assert_eq!(there(), [true, true]);
    done(&**other, &change(moved(to(3, outer.name_hash, 3))));
    assert_eq!(there(), [false, true], "nothing is left in the inner one, and it is in the outer one itself");

    let mut view = store.snapshot().unwrap();
    let now = to(3, outer.name_hash, 3);
    assert_eq!(view.secret(five, &bytes(4, 1)).unwrap(), None);
    assert_eq!(view.secret(five, &now.name_hash).unwrap().as_ref(), Some(&now));
    assert_eq!(view.versions(five, &now).unwrap(), [version_row(1, 2), version_row(1, 1)]);
    assert_eq!(view.secrets_labelled(five, &[bytes(9, 1)], 10).unwrap(), std::slice::from_ref(&now));
    assert_eq!(view.secrets_in(five, &inner.name_hash, 10).unwrap(), []);
    assert_eq!(view.secrets_in(five, &outer.name_hash, 10).unwrap(), [secret_row(2, outer.name_hash), now.clone()]);
    assert_eq!(view.versions_astray().unwrap(), 0);
    drop(view);
    // It goes on from there, and into folders that it brings along.
    let third = SecretRow { latest: 3, revision: 4, ..now };
    done(&**store, &change(PutSecret { secret: third, version: Some(version_row(1, 3)), ..with_none() }));
    done(&**store, &change(PutSecret { folders: folders(), ..moved(to(1, inner.name_hash, 5)) }));
    assert_eq!(there(), [true, true]);
    assert_eq!(store.snapshot().unwrap().versions(five, &to(1, inner.name_hash, 5)).unwrap().len(), 3);
    let facts = store.facts().unwrap();
    assert_eq!((facts.secrets, facts.versions), (2, 4));
}

fn actors(Pair { store, .. }: &Pair) {
    furnish(&**store);
    let (five, seven) = (TenantNumber(5), TenantNumber(7));
    done(&**store, &[Change::CreateActor(five, actor_row(1))]);
    stale(&**store, &[Change::CreateActor(five, ActorRow { handle: Handle::from_bytes([9; 16]), ..actor_row(1) })]);
    stale(&**store, &[Change::CreateActor(five, ActorRow { name_hash: [9; 16], ..actor_row(1) })]);
    done(&**store, &[Change::CreateActor(seven, actor_row(1))]);
    let mut view = store.snapshot().unwrap();
    assert_eq!(view.actor(five, &actor_row(1).name_hash).unwrap(), Some(actor_row(1)));
    assert_eq!(view.actor_by_handle(five, &actor_row(1).handle).unwrap(), Some(actor_row(1)));
    assert_eq!(view.actor(five, &actor_row(2).name_hash).unwrap(), None);
    assert_eq!(view.actor_by_handle(TenantNumber::SYS, &actor_row(1).handle).unwrap(), None);
}

/// Something that fails, after something that worked: neither can be committed any more.
fn spoilt(store: &dyn Store, work: impl FnOnce(&mut dyn Transaction) -> Result<()>) -> Error {
    let before = store.snapshot().unwrap().tenant(TenantNumber(5)).unwrap();
    let mut transaction = store.begin().unwrap();
    if let Some(row) = &before {
        let next = TenantRow { revision: row.revision + 1, created_at: 77, ..row.clone() };
        assert_eq!(transaction.apply(&[Change::UpdateTenant(next)]).unwrap(), Applied::Done);
    }
    let error = work(&mut *transaction).unwrap_err();
    assert!(transaction.commit().is_err(), "half a transaction was committed");
    assert_eq!(store.snapshot().unwrap().tenant(TenantNumber(5)).unwrap(), before);
    error
}

fn intents(Pair { store, other }: &Pair) {
    furnish(&**store);
    let row = |tenant, n, act: &str| IntentRow {
        tenant: TenantNumber(tenant),
        request: bytes(1, n),
        act: act.to_owned(),
        boot: [8; 16],
    };
    let (a, b, c) = (row(0, 2, "backup.create"), row(5, 1, "audit.export"), row(5, 1, "backup.create"));
    done(&**store, &[&c, &a, &b].map(|row| Change::OpenIntent(row.clone())));
    let again = IntentRow { boot: [9; 16], ..c.clone() };
    done(&**other, &[Change::OpenIntent(again.clone())]);
    let there = |limit| other.snapshot().unwrap().intents(limit).unwrap();
    assert_eq!(there(10), [a.clone(), b.clone(), again]);
    assert_eq!(there(1), std::slice::from_ref(&a));
    done(&**other, &[Change::CloseIntent(c)]);
    assert_eq!(there(10), [a.clone(), b]);
    done(&**store, &[Change::CloseIntent(row(7, 1, "audit.export"))]);
    assert_eq!(there(10).len(), 2, "closing what is not there is no trouble");
}

fn epochs(Pair { store, other }: &Pair) {
    furnish(&**store);
    let close = |id, checkpoint: Option<&[u8]>| [Change::CloseEpoch { id, checkpoint: checkpoint.map(Into::into) }];
    stale(&**store, &[Change::OpenEpoch(epoch_row(0))]);
    stale(&**store, &[Change::OpenEpoch(epoch_row(2))]);
    done(&**store, &[Change::OpenEpoch(epoch_row(1))]);
    stale(&**other, &[Change::OpenEpoch(epoch_row(1))]);
    done(&**other, &[Change::OpenEpoch(epoch_row(2)), Change::OpenEpoch(epoch_row(3))]);

    let mut transaction = store.begin().unwrap();
    transaction.keep_checkpoint(2, b"kept").unwrap();
    transaction.commit().unwrap();
    spoilt(&**store, |transaction| transaction.keep_checkpoint(9, b"of none").map(drop));
    done(&**store, &close(1, Some(b"last")));
    done(&**store, &close(2, None));
    stale(&**other, &close(2, Some(b"too late")));
    stale(&**store, &close(9, None));
    let want = [
        EpochRow { closed: true, checkpoint: Some(b"last".to_vec()), ..epoch_row(1) },
        EpochRow { closed: true, checkpoint: Some(b"kept".to_vec()), ..epoch_row(2) },
        epoch_row(3),
    ];
    let mut view = other.snapshot().unwrap();
    assert_eq!(view.epochs(0, 10).unwrap(), want);
    assert_eq!(view.epochs(1, 1).unwrap(), want[1..2]);
    assert_eq!(view.epochs(3, 10).unwrap(), []);
    assert_eq!(view.epochs_open().unwrap(), want[2..]);
    assert_eq!(view.epoch_last().unwrap(), 3);
}

fn all_or_nothing(Pair { store, .. }: &Pair) {
    furnish(&**store);
    let five = TenantNumber(5);
    let many = |last: Change| {
        let folders = vec![folder_row(1, ROOT)];
        let put = PutSecret { folders, labels: Some(vec![bytes(9, 1)]), ..put(1, bytes(6, 1)) };
        vec![
            Change::CreateActor(five, actor_row(1)),
            Change::CreateTenant(tenant_row(8)),
            Change::UpdateTenant(TenantRow { revision: 2, state: 2, ..tenant_row(7) }),
            Change::PutSecret(Box::new(put)),
            Change::OpenEpoch(epoch_row(1)),
            last,
        ]
    };
    stale(&**store, &many(Change::OpenEpoch(epoch_row(1))));

    // The transaction goes on: what was applied before and after is kept.
    let mut transaction = store.begin().unwrap();
    let mut apply = |changes: &[Change]| transaction.apply(changes).unwrap();
    assert_eq!(apply(&[Change::CreateActor(five, actor_row(2))]), Applied::Done);
    assert_eq!(apply(&many(Change::CreateActor(five, actor_row(2)))), Applied::Stale);
    assert_eq!(apply(&many(Change::CreateActor(five, actor_row(3)))), Applied::Done);
    assert_eq!(apply(&[]), Applied::Done);
    assert!(transaction.actor(five, &actor_row(1).name_hash).unwrap().is_some(), "its own view shows it");
    transaction.commit().unwrap();
    let mut view = store.snapshot().unwrap();
    for n in [1, 2, 3] {
        assert!(view.actor(five, &actor_row(n).name_hash).unwrap().is_some(), "actor {n}");
    }
    assert!(view.tenant(TenantNumber(8)).unwrap().is_some());
    assert!(view.secret(five, &bytes(4, 1)).unwrap().is_some());
}

/// Makes a line, of its number, its log and its position there.
pub type MakeLine = fn(u64, TenantNumber, u64) -> Vec<u8>;

/// Appends commits as the core does, each with lines of several logs.
#[derive(Debug)]
pub struct Appender {
    /// The head after the last commit.
    pub head: HeadRow,
    /// What the lines say; if empty, each says where it is.
    pub line: Vec<u8>,
    /// Makes each line; goes before `line`.
    pub make: Option<MakeLine>,
    sizes: Vec<(TenantNumber, u64)>,
}

impl Appender {
    /// Goes on where the store is, for these logs.
    pub fn new(view: &mut dyn Snapshot, logs: &[TenantNumber]) -> Result<Self> {
        let head = view.head()?.unwrap_or(HeadRow {
            generation: 1,
            commits: 0,
            frontier: vec![0; 8],
            last_commit: 0,
            last_seq: 0,
            time: 0,
            tenants: u64::try_from(logs.len()).expect("a few"),
            lines: 0,
            epoch: 1,
            checkpoint: Vec::new(),
        });
        let mut sizes = Vec::new();
        for log in logs {
            sizes.push((*log, view.log_head(*log)?.map_or(0, |head| head.size)));
        }
        Ok(Self { head, line: Vec::new(), make: None, sizes })
    }

    /// One commit of this many lines, dealt out to the logs in turn.
    pub fn append(&mut self, transaction: &mut dyn crate::store::Transaction, lines: usize) -> Result<Vec<LineRow>> {
        let mut rows = Vec::new();
        for _ in 0..lines {
            self.head.last_seq += 1;
            let logs = self.sizes.len();
            let (tenant, size) = &mut self.sizes[usize::try_from(self.head.last_seq).expect("64 bits") % logs];
            let line = match (self.make, &self.line[..]) {
                (Some(make), _) => make(self.head.last_seq, *tenant, *size),
                (None, []) => format!("{{\"log\":{},\"seq\":{}}}", tenant.0, *size).into_bytes(),
                (None, line) => line.to_vec(),
            };
            rows.push(LineRow { seq: self.head.last_seq, tenant: *tenant, log_seq: *size, line });
            *size += 1;
        }
        self.head.commits += 1;
        self.head.last_commit += 1;
        self.head.time += 1;
        self.head.lines += u64::try_from(lines).expect("64 bits");
        self.head.checkpoint = format!("checkpoint {}", self.head.last_commit).into_bytes();
        let heads: Vec<_> = self.sizes.iter().map(|(log, size)| log_head(*log, *size)).collect();
        let commit = commit_row(&self.head);
        transaction.record(&Record { lines: &rows, heads: &heads, commit: &commit, head: &self.head })?;
        Ok(rows)
    }
}

fn log_head(tenant: TenantNumber, size: u64) -> LogHeadRow {
    LogHeadRow {
        tenant,
        tenant_ref: tenant_row(tenant.0).tenant,
        size,
        frontier: size.to_be_bytes().to_vec(),
        prev: vec![1; 32],
        time: size,
        status: 1,
        usage: Usage { secrets: size, bytes: size + 1, day: 20_000, audit_bytes: size + 2 },
    }
}

fn commit_row(head: &HeadRow) -> CommitRow {
    let leaf = format!("leaf {}", head.last_commit).into_bytes();
    CommitRow { id: head.last_commit, leaf, blind: [2; 16], last_seq: head.last_seq }
}

const LOGS: [TenantNumber; 3] = [TenantNumber(0), TenantNumber(5), TenantNumber(7)];

fn append(store: &dyn Store, appender: &mut Appender, lines: usize) -> Vec<LineRow> {
    let mut transaction = store.begin().unwrap();
    let rows = appender.append(&mut *transaction, lines).unwrap();
    transaction.commit().unwrap();
    rows
}

fn recording(Pair { store, other }: &Pair) {
    furnish(&**store);
    let mut appender = Appender::new(&mut *store.snapshot().unwrap(), &LOGS).unwrap();
    let mut rows = Vec::new();
    for lines in [1, 2, 63, 64, 65, 300, 0] {
        rows.extend(append(&**store, &mut appender, lines));
    }
    let mut view = other.snapshot().unwrap();
    assert_eq!(view.head().unwrap().as_ref(), Some(&appender.head));
    let heads = appender.sizes.iter().map(|(log, size)| log_head(*log, *size)).collect::<Vec<_>>();
    assert_eq!(view.log_heads().unwrap(), heads);
    assert_eq!(view.log_head(TenantNumber(5)).unwrap(), Some(heads[1].clone()));

    assert_eq!(view.lines(0, 1_000).unwrap(), rows);
    assert_eq!(view.lines(490, 3).unwrap(), rows[490..493]);
    assert_eq!(view.lines(495, 3).unwrap(), []);
    assert_eq!(view.lines(u64::MAX, 3).unwrap(), []);
    assert_eq!(view.tenants_with_lines(0).unwrap(), LOGS);
    assert_eq!(view.tenants_with_lines(494).unwrap(), [rows[494].tenant]);
    assert_eq!(view.tenants_with_lines(495).unwrap(), []);
    let commits = view.commits(0, 100).unwrap();
    assert_eq!(commits.iter().map(|commit| commit.id).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(commits[2].last_seq, 66);
    assert_eq!(commits.last(), Some(&commit_row(&appender.head)));
    assert_eq!(view.commits(5, 1).unwrap(), commits[5..6]);
    drop(view);

    // What is there already cannot be written again, and the refused record leaves nothing.
    let head = HeadRow { time: 99, ..appender.head.clone() };
    let heads = [log_head(TenantNumber(5), 9_999)];
    let again = Record { lines: &rows[..1], heads: &heads, commit: &commit_row(&head), head: &head };
    spoilt(&**store, |transaction| transaction.record(&again));
    assert_eq!(store.snapshot().unwrap().head().unwrap(), Some(appender.head));
    assert_ne!(store.snapshot().unwrap().log_head(TenantNumber(5)).unwrap().unwrap().size, 9_999);
}

/// Compares `lines_of` with what was appended, whole and in parts.
fn lines_of_agree(store: &dyn Store, generation: u32, rows: &[LineRow], when: &str) {
    let mut view = store.snapshot().unwrap();
    for log in LOGS {
        let want: Vec<_> = rows.iter().filter(|row| row.tenant == log).cloned().collect();
        let size = u64::try_from(want.len()).unwrap();
        assert!(view.lines_of(log, generation, 0, usize::MAX).unwrap() == want, "{when}: all lines of {log:?}");
        for from in [0, 1, size / 3, size / 2, size - 2] {
            let at = usize::try_from(from).unwrap();
            let want = &want[at..want.len().min(at + 5)];
            assert_eq!(view.lines_of(log, generation, from, 5).unwrap(), want, "{when}: from {from}");
        }
        assert_eq!(view.lines_of(log, generation, size, 5).unwrap(), [], "{when}: beyond the end");
        assert_eq!(view.lines_of(log, generation, 0, 0).unwrap(), [], "{when}: none asked for");
    }
    assert_eq!(view.lines_of(TenantNumber(9), generation, 0, 5).unwrap(), [], "{when}: a log that is not");
}

fn index_boundary(Pair { store, other }: &Pair) {
    furnish(&**store);
    let mut appender = Appender::new(&mut *store.snapshot().unwrap(), &LOGS).unwrap();
    let mut rows = Vec::new();
    for _ in 0..10 {
        rows.extend(append(&**store, &mut appender, 1_000));
    }
    assert_eq!(store.facts().unwrap().lines_unindexed, 10_000);
    lines_of_agree(&**other, 1, &rows, "nothing indexed");
    store.maintain(true).unwrap();
    lines_of_agree(&**other, 1, &rows, "after one slice");
    rows.extend(append(&**store, &mut appender, 1_000));
    lines_of_agree(&**other, 1, &rows, "and more lines");
    while other.maintain(true).unwrap() {}
    assert!(store.facts().unwrap().lines_unindexed < 10_000, "something is indexed");
    lines_of_agree(&**store, 1, &rows, "as far as it goes");
    rows.extend(append(&**store, &mut appender, 10));
    lines_of_agree(&**store, 1, &rows, "and a few more");
}

/// What the line of this number says: actor, object, act and request by their numbers, and whether it was done.
fn facts(seq: u64) -> (u32, u32, u32, u32, bool) {
    let mixed = seq.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let part = |shift: u32, of: u64| u32::try_from((mixed >> shift) % of).unwrap();
    (part(0, 3), part(5, 50), part(11, 4), u32::try_from(seq / 3).unwrap(), !mixed.is_multiple_of(7))
}

/// A line whose actor, object, act, request and outcome follow from its number, as the core writes it.
pub fn line_with_facts(seq: u64, tenant: TenantNumber, log_seq: u64) -> Vec<u8> {
    let (actor, object, act, request, ok) = facts(seq);
    let origin = strongroom_log::Origin::parse("example.com/keys").unwrap();
    let log = origin.tenant(tenant_row(tenant.0).tenant.as_bytes());
    let who = strongroom_log::Who::Actor { kind: strongroom_log::ActorKind::Service, handle: bytes(8, actor) };
    let outcome = if ok { strongroom_log::Outcome::Ok } else { strongroom_log::Outcome::Refused("SR-CLOSED") };
    let line = strongroom_log::LineBuilder::new(&format!("act.{act}"), &log, who, bytes(10, request))
        .object(strongroom_log::Object { kind: "secret", id: bytes(3, object), version: None })
        .pseudonym_key(1)
        .finish(outcome)
        .unwrap();
    let mut bytes = Vec::new();
    line.splice(1, &strongroom_log::Hash::from([1; 32]), log_seq, seq, &mut bytes).unwrap();
    bytes
}

/// What is different each time a program runs, to be printed where something fails.
fn seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(now.as_nanos() % 1_000_000_007).unwrap()
}

/// Compares searches with what a look at every line gives.
fn search_agrees(store: &dyn Store, rows: &[LineRow], seed: u64, when: &str) {
    let mut chance = seed | 1;
    let mut draw = |below: u64| {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (chance >> 33) % below
    };
    let last = rows.last().map_or(0, |row| row.seq);
    let mut view = store.snapshot().unwrap();
    for _ in 0..40 {
        let tenant = LOGS[usize::try_from(draw(3)).unwrap()];
        let (actor, object) = (u32::try_from(draw(4)).unwrap(), u32::try_from(draw(52)).unwrap());
        let (act, request) = (u32::try_from(draw(5)).unwrap(), u32::try_from(draw(last / 3 + 2)).unwrap());
        let (ok, uses) = (draw(2) == 1, draw(32));
        let other = (object + 1) % 50;
        let sets = [
            vec![LineKey::actor(&bytes(8, actor))],
            vec![LineKey::object(&bytes(3, object)), LineKey::object(&bytes(3, other))],
            vec![LineKey::act(&format!("act.{act}"))],
            vec![LineKey::outcome(ok)],
            vec![LineKey::request(&bytes(10, request))],
        ];
        let keys: Vec<_> = (0..5).filter(|bit| uses >> bit & 1 == 1).map(|bit: usize| sets[bit].clone()).collect();
        let (one, two) = (draw(last + 2), draw(last + 2));
        let order = if draw(2) == 0 { Order::NewestFirst } else { Order::OldestFirst };
        let lines_max = usize::try_from(1 + draw(700)).unwrap();
        let mut search = LineSearch { tenant, keys: &keys, after: one.min(two), until: one.max(two), order, lines_max };
        let matches = |row: &&LineRow| {
            let facts = facts(row.seq);
            let agree = [facts.0 == actor, [object, other].contains(&facts.1), facts.2 == act, facts.4 == ok];
            let agree = agree.into_iter().chain([facts.3 == request]);
            row.tenant == tenant
                && row.seq > search.after
                && row.seq <= search.until
                && agree.enumerate().all(|(bit, agrees)| agrees || uses >> bit & 1 == 0)
        };
        let mut want: Vec<_> = rows.iter().filter(matches).cloned().collect();
        if order == Order::NewestFirst {
            want.reverse();
        }
        let case = format!("{when}, seed {seed}: {search:?}");
        let (mut counted, mut rest) = (0, search);
        loop {
            let count = view.count(&rest).unwrap();
            counted += count.lines;
            match count.looked_to {
                Some(at) => rest.after = at,
                None => break,
            }
        }
        assert_eq!(counted, want.len() as u64, "{case}: counted");
        let mut found = Vec::new();
        loop {
            let page = view.search(&search).unwrap();
            assert!(page.lines.len() <= lines_max, "{case}");
            found.extend(page.lines);
            match (page.looked_to, order) {
                (None, _) => break,
                (Some(at), Order::NewestFirst) => search.until = at - 1,
                (Some(at), Order::OldestFirst) => search.after = at,
            }
        }
        assert!(found == want, "{case}: {} lines, {} expected", found.len(), want.len());
    }
}

fn searching(Pair { store, other }: &Pair) {
    furnish(&**store);
    let mut appender = Appender::new(&mut *store.snapshot().unwrap(), &LOGS).unwrap();
    appender.make = Some(line_with_facts);
    let (mut rows, seed) = (Vec::new(), seed());
    search_agrees(&**other, &rows, seed, "no lines");
    for _ in 0..3 {
        rows.extend(append(&**store, &mut appender, 3_000));
    }
    search_agrees(&**other, &rows, seed, "nothing indexed");
    store.maintain(true).unwrap();
    search_agrees(&**other, &rows, seed + 1, "after one slice");
    rows.extend(append(&**store, &mut appender, 500));
    while other.maintain(true).unwrap() {}
    search_agrees(&**store, &rows, seed + 2, "as far as it goes");
    rows.extend(append(&**store, &mut appender, 10));
    search_agrees(&**store, &rows, seed + 3, "and a few more");
    let all = LineSearch {
        tenant: TenantNumber(9),
        keys: &[],
        after: 0,
        until: u64::MAX,
        order: Order::OldestFirst,
        lines_max: 10,
    };
    let mut view = other.snapshot().unwrap();
    assert_eq!(view.search(&all).unwrap(), LinesFound::default(), "a log that is not");
    let none = LineSearch { tenant: TenantNumber(5), lines_max: 0, ..all };
    assert_eq!(view.search(&none).unwrap(), LinesFound::default(), "none asked for");
    assert_eq!(view.count(&all).unwrap(), LinesCounted::default(), "a log that is not");
}

fn index_is_right(Pair { store, other }: &Pair) {
    furnish(&**store);
    let mut appender = Appender::new(&mut *store.snapshot().unwrap(), &LOGS).unwrap();
    appender.make = Some(line_with_facts);
    let check = |store: &dyn Store| {
        let mut view = store.snapshot().unwrap();
        let (mut slice, mut lines, mut findings) = (0, 0, view.check_index(IndexPart::Strays).unwrap().findings);
        loop {
            let found = view.check_index(IndexPart::Slice(slice)).unwrap();
            lines += found.lines;
            findings.extend(found.findings);
            if !found.more {
                return (lines, findings);
            }
            slice += 1;
        }
    };
    assert_eq!(check(&**store), (0, vec![]));
    for _ in 0..10 {
        append(&**store, &mut appender, 1_000);
    }
    assert_eq!(check(&**store), (10_000, vec![]), "nothing indexed");
    while store.maintain(true).unwrap() {}
    assert_eq!(check(&**other), (10_000, vec![]));
    for part in [IndexPart::Slice(0), IndexPart::Slice(2), IndexPart::Slice(99), IndexPart::Strays] {
        other.repair_index(part).unwrap();
        assert_eq!(check(&**store), (10_000, vec![]), "{part:?} built anew");
    }
    append(&**store, &mut appender, 5_000);
    while other.maintain(true).unwrap() {}
    assert_eq!(check(&**store), (15_000, vec![]), "and it goes on");
}

fn generations(Pair { store, other }: &Pair) {
    furnish(&**store);
    let mut appender = Appender::new(&mut *store.snapshot().unwrap(), &LOGS).unwrap();
    let first = append(&**store, &mut appender, 3_000);

    let heads: Vec<_> = LOGS.iter().map(|log| log_head(*log, 0)).collect();
    let generation = GenerationRow {
        number: 2,
        after_seq: appender.head.last_seq,
        after_commit: appender.head.last_commit,
        opened_at: 77,
        previous_size: 1,
        previous_root: Some([8; 32]),
        reason: b"sealed".to_vec(),
        checkpoint: Vec::new(),
    };
    let head = HeadRow { generation: 2, commits: 0, lines: 0, checkpoint: Vec::new(), ..appender.head.clone() };
    let open = OpenGeneration { generation: &generation, checkpoint: b"the last", heads: &heads, head: &head };
    let mut transaction = store.begin().unwrap();
    transaction.open_generation(&open).unwrap();
    transaction.commit().unwrap();

    let mut view = other.snapshot().unwrap();
    let rows = view.generations().unwrap();
    assert_eq!((rows.len(), &rows[0].checkpoint[..], &rows[1]), (2, &b"the last"[..], &generation));
    assert_eq!(view.generation_tenants(1).unwrap(), []);
    let tenants: Vec<_> = LOGS.iter().map(|log| (*log, tenant_row(log.0).tenant, 1)).collect();
    assert_eq!(view.generation_tenants(2).unwrap(), tenants);
    assert_eq!(view.log_heads().unwrap(), heads);
    assert_eq!(view.head().unwrap().as_ref(), Some(&head));
    drop(view);

    let mut appender = Appender::new(&mut *other.snapshot().unwrap(), &LOGS).unwrap();
    let second = append(&**other, &mut appender, 3_000);
    for when in ["nothing indexed", "indexed"] {
        lines_of_agree(&**store, 1, &first, when);
        lines_of_agree(&**store, 2, &second, when);
        assert_eq!(store.snapshot().unwrap().lines_of(TenantNumber(5), 3, 0, 5).unwrap(), [], "{when}");
        while store.maintain(true).unwrap() {}
    }

    // One that follows on none is refused whole.
    let stray = GenerationRow { number: 4, ..generation.clone() };
    spoilt(&**store, |transaction| transaction.open_generation(&OpenGeneration { generation: &stray, ..open }));
    assert_eq!(store.snapshot().unwrap().generations().unwrap().len(), 2);
    assert_eq!(store.snapshot().unwrap().head().unwrap(), Some(appender.head));
}

fn snapshots(Pair { store, other }: &Pair) {
    furnish(&**store);
    let mut appender = Appender::new(&mut *store.snapshot().unwrap(), &LOGS).unwrap();
    let before = appender.head.clone();
    let (mut here, mut there) = (store.snapshot().unwrap(), other.snapshot().unwrap());
    assert_eq!((here.head().unwrap(), there.head().unwrap()), (None, None));

    let mut transaction = store.begin().unwrap();
    appender.append(&mut *transaction, 10).unwrap();
    assert_eq!(transaction.apply(&[Change::CreateActor(LOGS[1], actor_row(1))]).unwrap(), Applied::Done);
    assert_eq!(transaction.head().unwrap().as_ref(), Some(&appender.head), "the transaction sees it");
    assert_eq!(store.snapshot().unwrap().head().unwrap(), None, "nobody else does before the commit");
    transaction.commit().unwrap();
    for (which, view) in [("here", &mut here), ("there", &mut there)] {
        assert_eq!(view.head().unwrap(), None, "{which}");
        assert_eq!(view.lines(0, 10).unwrap(), [], "{which}");
        assert_eq!(view.actor(LOGS[1], &actor_row(1).name_hash).unwrap(), None, "{which}");
    }
    drop((here, there));
    for (which, store) in [("here", store), ("there", other)] {
        assert_ne!(store.snapshot().unwrap().head().unwrap(), Some(before.clone()), "{which}");
        assert_eq!(store.snapshot().unwrap().head().unwrap().as_ref(), Some(&appender.head), "{which}");
    }
}

fn exclusion(Pair { store, other }: &Pair) {
    furnish(&**store);
    for second in [store, other] {
        let transaction = store.begin().unwrap();
        let (begun, begins) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut transaction = second.begin().unwrap();
                begun.send(transaction.head().unwrap()).unwrap();
            });
            assert!(begins.recv_timeout(Duration::from_millis(200)).is_err(), "a second one began");
            let mut transaction = transaction;
            let mut appender = Appender::new(&mut *transaction, &LOGS).unwrap();
            appender.append(&mut *transaction, 1).unwrap();
            transaction.commit().unwrap();
            let seen = begins.recv_timeout(Duration::from_secs(5)).unwrap();
            assert_eq!(seen, Some(appender.head), "it begins with what the first one left");
        });
    }
}

fn taking_turns(Pair { store, other }: &Pair) {
    const COMMITS: u64 = 100;
    furnish(&**store);
    let write = |store: &dyn Store| {
        for _ in 0..COMMITS {
            let mut transaction = store.begin().unwrap();
            let mut appender = Appender::new(&mut *transaction, &LOGS).unwrap();
            appender.append(&mut *transaction, 3).unwrap();
            transaction.commit().unwrap();
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| write(&**store));
        scope.spawn(|| write(&**store));
        scope.spawn(|| write(&**other));
    });
    let mut view = other.snapshot().unwrap();
    let head = view.head().unwrap().unwrap();
    assert_eq!((head.commits, head.last_seq), (3 * COMMITS, 9 * COMMITS));
    assert_eq!(view.commits(0, usize::MAX).unwrap().len(), 300);
    assert_eq!(view.lines(0, usize::MAX).unwrap().len(), 900);
}

fn syncing(Pair { store, other }: &Pair) {
    store.sync().expect("with nothing to sync");
    furnish(&**store);
    for store in [store, other] {
        let mut writing = store.begin().unwrap();
        assert_eq!(writing.apply(&[Change::OpenEpoch(epoch_row(1))]).unwrap(), Applied::Done);
        // What is under way is of no concern to it, nor to another process.
        thread::scope(|scope| scope.spawn(|| store.sync()).join().unwrap()).unwrap();
        other.sync().unwrap();
        drop(writing);
        assert!(store.snapshot().unwrap().epochs(0, 1).unwrap().is_empty());
    }
    let mut writing = store.begin().unwrap();
    assert_eq!(writing.apply(&[Change::OpenEpoch(epoch_row(1))]).unwrap(), Applied::Done);
    writing.commit().unwrap();
    assert_eq!(other.snapshot().unwrap().epochs(0, 1).unwrap().len(), 1, "seen before it is durable");
    store.sync().unwrap();
}

fn dropping(Pair { store, other }: &Pair) {
    furnish(&**store);
    let before = everything(&**other);
    let mut transaction = store.begin().unwrap();
    let mut appender = Appender::new(&mut *transaction, &LOGS).unwrap();
    appender.append(&mut *transaction, 10).unwrap();
    let changes = [Change::CreateTenant(tenant_row(8)), Change::PutSecret(Box::new(put(1, ROOT)))];
    assert_eq!(transaction.apply(&changes).unwrap(), Applied::Done);
    drop(transaction);
    assert_eq!(everything(&**store), before);
    assert_eq!(everything(&**other), before);
    assert_eq!(other.snapshot().unwrap().lines(0, 10).unwrap(), []);
    // Neither does a panic keep others from writing.
    let panicked = thread::scope(|scope| {
        scope
            .spawn(|| {
                let mut transaction = store.begin().unwrap();
                assert_eq!(transaction.apply(&changes).unwrap(), Applied::Done);
                std::panic::resume_unwind(Box::new("on purpose"));
            })
            .join()
    });
    assert!(panicked.is_err());
    assert_eq!(everything(&**other), before);
    done(&**store, &changes);
}

fn numbers(Pair { store, .. }: &Pair) {
    furnish(&**store);
    let largest = u64::try_from(i64::MAX).expect("positive");
    let row = |created_at| TenantRow { created_at, revision: 2, ..tenant_row(5) };
    let apply =
        |row| move |transaction: &mut dyn Transaction| transaction.apply(&[Change::UpdateTenant(row)]).map(drop);
    assert_eq!(spoilt(&**store, apply(row(largest + 1))).code(), Code::Internal);
    spoilt(&**store, apply(TenantRow { revision: 0, ..row(1) }));
    done(&**store, &[Change::UpdateTenant(row(largest))]);
    assert_eq!(store.snapshot().unwrap().tenant(TenantNumber(5)).unwrap(), Some(row(largest)));
}

fn soundness(Pair { store, other }: &Pair) {
    furnish(&**store);
    let mut appender = Appender::new(&mut *store.snapshot().unwrap(), &LOGS).unwrap();
    append(&**store, &mut appender, 100);
    store.check().unwrap();
    other.check().unwrap();
}
