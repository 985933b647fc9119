//! A small deployment made by the product itself: its rows, and its log as bundles.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use ed25519_dalek::{Signer as _, SigningKey};
use pollster::block_on;
use rusqlite::{Connection, types::ValueRef};
use serde_json::{Map, Value, json};
use strongroom::{
    Actor, AuditKeyProfile, Code, Config, Context, Deployment, DeviceProfile, Get, Init, KeyDevice, Labels,
    OpenOptions, Put, Receipt, Recovery, RootProfile, SecretValue, Strongroom, Version,
    device::{BoxFuture, DeviceError, DeviceIdentity, Health, Prk, RootVersion, Signature},
    store::{DeploymentRow, TenantRow},
    testing::{ManualClock, SeededRandom},
};
use strongroom_log::{
    CommitLeaf, EpochCertificate, Frontier, HeadsTree, LogStatus, Note, Origin, TenantHead, base64_decode,
    base64_encode, genesis_hash, hex_array, hex_encode as hex, leaf_hash, parse_line, stats_hash,
};

use super::{AUDIT_SEED, Files, ROOT_KEY, START, hmac_sha256};

/// A device of known keys that answers at once.
#[derive(Debug)]
struct VectorDevice(DeviceIdentity);

impl KeyDevice for VectorDevice {
    fn prf(&self, _: RootVersion, input: Vec<u8>, _: std::time::Instant) -> BoxFuture<'_, Result<Prk, DeviceError>> {
        let prk = Prk::from_slice(&hmac_sha256(&ROOT_KEY, &input)).expect("32 bytes");
        Box::pin(std::future::ready(Ok(prk)))
    }

    fn sign(&self, message: Vec<u8>, _: std::time::Instant) -> BoxFuture<'_, Result<Signature, DeviceError>> {
        let signature = SigningKey::from_bytes(&AUDIT_SEED).sign(&message).to_bytes();
        Box::pin(std::future::ready(Ok(signature)))
    }

    fn identity(&self) -> DeviceIdentity {
        self.0.clone()
    }

    fn health(&self) -> Health {
        Health::Ok
    }
}

/// What the deployment left behind.
struct Made {
    deployment: String,
    root_id: String,
    root_vkey: String,
    tables: Map<String, Value>,
    full: Vec<String>,
    acme: Vec<String>,
    acme_ref: String,
    receipts: Vec<Value>,
}

pub(super) fn vectors(files: &mut Files) {
    let made = make();
    files.add(
        "deployment",
        json!({
            "what": "The authenticated rows of a small deployment, and what a reader with the root key finds in them",
            "kind": "deployment",
            "outcome": "ok",
            "root": {"id": made.root_id, "version": 1, "key": hex(&ROOT_KEY)},
            "deployment": made.deployment,
            "tables": made.tables,
            "finds": {
                "tenants": ["acme", "beta", "sys"],
                "actors": {"acme": ["operator:olga", "service:billing"]},
                "secrets": {
                    "acme": {
                        "dev/token": {"current": 1, "versions": {"1": {"type": "binary", "value": "00ff"}}},
                        "prod/db/password": {
                            "current": 2,
                            "description": "the main database",
                            "labels": {"team": "db", "tier": "1"},
                            "versions": {
                                "1": {"type": "text", "value": hex(b"hunter2")},
                                "2": {"type": "json", "value": hex(b"{\"user\":\"app\"}")},
                            },
                        },
                    },
                    "beta": {"a": {"current": 1, "versions": {"1": {"type": "text", "value": ""}}}},
                },
            },
        }),
    );
    files.add(
        "log-full",
        json!({
            "what": "The same deployment's log as a full bundle, with every value on the way to its checkpoint",
            "kind": "bundle",
            "outcome": "ok",
            "root_vkey": made.root_vkey,
            "bundle": made.full,
            "steps": steps(&made.full),
            "receipts": made.receipts,
        }),
    );
    files.add(
        "log-tenant",
        json!({
            "what": "One tenant's log as a bundle: its lines, and the proofs up to a signed checkpoint",
            "kind": "bundle",
            "outcome": "ok",
            "root_vkey": made.root_vkey,
            "tenant": made.acme_ref,
            "bundle": made.acme,
        }),
    );
    refused(files, &made);
}

/// Bundles that were tampered with: by someone who can write the log, but not sign it.
fn refused(files: &mut Files, made: &Made) {
    let at = |tag: &str| made.full.iter().position(|record| record.starts_with(tag)).expect("there is one");
    let last = |tag: &str| made.full.iter().rposition(|record| record.starts_with(tag)).expect("there is one");
    let with = |change: &dyn Fn(&mut Vec<String>)| {
        let mut bundle = made.full.clone();
        change(&mut bundle);
        bundle
    };
    let renumber = |bundle: &mut Vec<String>| {
        let lines = bundle.iter().filter(|record| record.starts_with("line ")).count();
        *bundle.last_mut().expect("an end") = format!("end {lines}");
    };
    for (name, what, bundle) in [
        (
            "line-edited",
            "A refusal made a success",
            with(&|bundle| {
                let found = bundle.iter_mut().find(|record| record.contains("SR-SECRET-CONFLICT")).expect("one");
                *found = found.replace(r#""code":"SR-SECRET-CONFLICT","ok":false"#, r#""code":"ok","ok":true"#);
            }),
        ),
        (
            "line-dropped",
            "The last line left out",
            with(&|bundle| {
                bundle.remove(last("line "));
                renumber(bundle);
            }),
        ),
        ("lines-swapped", "Two lines of one log in the other order", {
            with(&|bundle| {
                let sys: Vec<_> = (0..bundle.len())
                    .filter(|&i| bundle[i].contains(r#"/sys","#) && bundle[i].starts_with("line "))
                    .collect();
                bundle.swap(sys[0], sys[1]);
            })
        }),
        (
            "tail-cut",
            "The last commit and its lines left out, the checkpoint kept",
            with(&|bundle| {
                let (from, to) = (last("commit "), last("checkpoint "));
                bundle.drain(from..to);
                renumber(bundle);
            }),
        ),
        (
            "blind",
            "Another blind than the commit's",
            with(&|bundle| {
                let commit = &mut bundle[at("commit ")];
                let end = commit.len() - 32;
                commit.replace_range(end.., &"0".repeat(32));
            }),
        ),
        (
            "checkpoint-signature",
            "A checkpoint whose signature was changed",
            with(&|bundle| {
                let checkpoint = &mut bundle[last("checkpoint ")];
                let mut note = base64_decode(&checkpoint[11..]).expect("base64");
                // Inside the base64 of the signature.
                let at = note.len() - 10;
                note[at] = if note[at] == b'A' { b'B' } else { b'A' };
                *checkpoint = format!("checkpoint {}", base64_encode(&note));
            }),
        ),
        (
            "epoch-forged",
            "A certificate with a later hard limit",
            with(&|bundle| {
                let epoch = &mut bundle[at("epoch ")];
                let note = String::from_utf8(base64_decode(&epoch[6..]).expect("base64")).expect("text");
                let forged = note.replace("hard-limit 1", "hard-limit 2");
                assert_ne!(note, forged);
                *epoch = format!("epoch {}", base64_encode(forged.as_bytes()));
            }),
        ),
        (
            "end",
            "An end that counts one line less",
            with(&|bundle| {
                let lines = bundle.iter().filter(|record| record.starts_with("line ")).count();
                *bundle.last_mut().expect("an end") = format!("end {}", lines - 1);
            }),
        ),
    ] {
        files.add(
            &format!("refused-log-{name}"),
            json!({
                "what": what, "kind": "bundle", "outcome": "refused", "reason": name,
                "root_vkey": made.root_vkey, "bundle": bundle,
            }),
        );
    }
}

fn make() -> Made {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Arc::new(ManualClock::at(START));
    let options = || {
        OpenOptions::default()
            .allow_unlocked_memory(true)
            .short_lived()
            .injected(clock.clone(), Arc::new(SeededRandom::new(3)))
    };
    let deployment = Deployment::at(folder.path().join("data"));
    let config = Config { device: "software:of the vectors".into(), allow_unlocked_memory: true, ..Config::default() };
    let operator = || Context::new(Actor::operator("olga").expect("a name")).request(request(1));
    let init = Init::new(config, Recovery::None, operator()).origin("example.com/keys".parse().expect("an origin"));
    let mut root_id = String::new();
    let mut receipts = Vec::new();
    let (room, receipt) = block_on(Strongroom::init(&deployment, init, options(), |keys, check| {
        root_id = keys.root.to_string();
        Ok(device(*keys.root.as_bytes(), *keys.audit.as_bytes(), check))
    }))
    .expect("a deployment");
    receipts.push(receipt);

    let step = || clock.advance(Duration::from_millis(1500));
    let admin = room.admin(operator());
    for name in ["acme", "beta"] {
        step();
        receipts.push(block_on(admin.create_tenant(&name.parse().expect("a name"))).expect("a tenant").1);
    }
    let billing =
        || Context::new(Actor::service("billing").expect("a name")).request(request(2)).source([192, 0, 2, 7].into());
    let acme = room.tenant(&"acme".parse().expect("a name")).acting_as(billing());
    let password = "prod/db/password".parse().expect("a path");
    let labels = Labels::parse(BTreeMap::from([("team".to_owned(), "db".to_owned()), ("tier".into(), "1".into())]));
    let put = Put::default().description("the main database".parse().expect("text")).labels(labels.expect("labels"));
    step();
    receipts.push(block_on(acme.secrets().put(&password, text("hunter2"), put)).expect("it is stored").receipt);
    step();
    let json = SecretValue::json("{\"user\":\"app\"}").expect("JSON");
    receipts.push(block_on(acme.secrets().put(&password, json, Put::default())).expect("it is stored").receipt);
    step();
    let stale =
        block_on(acme.secrets().put(&password, text("x"), Put::default().expect(Version(1)))).expect_err("stale");
    assert_eq!(stale.code(), Code::SecretConflict);
    step();
    let token = "dev/token".parse().expect("a path");
    let binary = SecretValue::binary(vec![0, 255]).expect("bytes");
    receipts.push(block_on(acme.secrets().put(&token, binary, Put::default())).expect("it is stored").receipt);
    step();
    receipts.push(block_on(acme.secrets().get(&password, Get::current())).expect("it is there").receipt);
    let beta = room.tenant(&"beta".parse().expect("a name")).acting_as(billing());
    step();
    receipts.push(
        block_on(beta.secrets().put(&"a".parse().expect("a path"), text(""), Put::default())).expect("stored").receipt,
    );
    step();
    receipts.push(block_on(admin.close_tenant(&"beta".parse().expect("a name"))).expect("it closes").1);

    let (full, tenant) = (folder.path().join("full"), folder.path().join("acme"));
    let acme_ref =
        block_on(admin.show_tenant(&"acme".parse().expect("a name"))).expect("acme").0.tenant_ref.to_string();
    block_on(room.tenant(&"acme".parse().expect("a name")).acting_as(operator()).audit().export(&tenant))
        .expect("a bundle");
    step();
    block_on(admin.audit().export(&full)).expect("a bundle");
    let root_vkey = room.root_key().to_string();
    room.close().expect("it closes");

    let database = Connection::open(deployment.database()).expect("the database");
    let tables = ["deployment", "tenants", "secrets", "secret_versions", "folders", "secret_labels", "actors"]
        .map(|table| (table.to_owned(), dump(&database, table)))
        .into_iter()
        .collect();
    let records = |path| std::fs::read_to_string(path).expect("a bundle").lines().map(str::to_owned).collect();
    let row: String = database
        .query_row("SELECT lower(hex(deployment)) FROM deployment", [], |row| row.get(0))
        .expect("a deployment");
    Made {
        deployment: row,
        root_id,
        root_vkey,
        tables,
        full: records(full),
        acme: records(tenant),
        acme_ref,
        receipts: receipts.iter().map(receipt_json).collect(),
    }
}

fn request(number: u8) -> strongroom::RequestId {
    strongroom::RequestId::from_bytes([number; 16])
}

fn text(value: &str) -> SecretValue {
    SecretValue::text(value).expect("short")
}

fn device(root_id: [u8; 16], audit_id: [u8; 16], check: &[u8]) -> (DeviceProfile, Arc<dyn KeyDevice>) {
    let audit_key = SigningKey::from_bytes(&AUDIT_SEED).verifying_key().to_bytes();
    let profile = DeviceProfile {
        audit: AuditKeyProfile { alg: "ed25519".into(), id: audit_id, key: audit_key },
        kind: "software".into(),
        roots: vec![RootProfile { check: hmac_sha256(&ROOT_KEY, check), id: root_id, prf: "hmac-sha256".into(), v: 1 }],
        serial: vec![7; 16],
        token: Vec::new(),
        v: 1,
    };
    let identity = DeviceIdentity {
        kind: profile.kind.clone(),
        serial: profile.serial.clone(),
        token: profile.token.clone(),
        audit_key,
        roots: vec![RootVersion::FIRST],
    };
    (profile, Arc::new(VectorDevice(identity)))
}

fn receipt_json(receipt: &Receipt) -> Value {
    json!({
        "origin": receipt.origin,
        "seq": receipt.seq,
        "leaf": hex(&receipt.leaf),
        "head_size": receipt.head_size,
        "head_root": hex(&receipt.head_root),
        "epoch": receipt.epoch,
        "signature": hex(&receipt.signature),
    })
}

/// A table's rows, in the order of its key: numbers as numbers, bytes as hex.
fn dump(database: &Connection, table: &str) -> Value {
    let mut statement = database.prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2, 3")).expect("a table");
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let rows = statement
        .query_map([], |row| {
            names
                .iter()
                .enumerate()
                .map(|(index, name)| {
                    let value = match row.get_ref(index)? {
                        ValueRef::Null => Value::Null,
                        ValueRef::Integer(number) => number.into(),
                        ValueRef::Blob(bytes) => hex(bytes).into(),
                        ValueRef::Text(text) => String::from_utf8_lossy(text).into(),
                        ValueRef::Real(_) => unreachable!("no floats are stored"),
                    };
                    Ok((name.clone(), value))
                })
                .collect::<rusqlite::Result<Map<_, _>>>()
        })
        .expect("rows");
    rows.map(|row| Value::Object(row.expect("a row"))).collect()
}

pub(super) fn deployment_row(row: &DeploymentRow) -> Value {
    json!({
        "deployment": hex(row.deployment.as_bytes()), "origin": row.origin, "generation": row.generation,
        "sys_ref": hex(row.sys_ref.as_bytes()), "profile": hex(&row.profile), "recovery": hex(&row.recovery),
        "created_at": row.created_at, "revision": row.revision,
    })
}

pub(super) fn tenant_row(row: &TenantRow) -> Value {
    json!({
        "number": row.number.0, "ref": hex(row.tenant.as_bytes()), "name_hash": hex(&row.name_hash),
        "name": hex(&row.name), "salt": hex(&row.salt), "root_version": row.root_version,
        "key_epoch": row.key_epoch, "keyring": hex(&row.keyring), "state": row.state, "settings": hex(&row.settings),
        "created_at": row.created_at, "revision": row.revision,
    })
}

/// What a reader of a full bundle computes, commit by commit.
fn steps(bundle: &[String]) -> Value {
    let origin = Origin::parse("example.com/keys").expect("an origin");
    let mut tree = HeadsTree::new();
    let mut head_log = Frontier::new();
    // By log: position, ref, lines so far, status.
    let mut logs: BTreeMap<String, (u32, [u8; 16], Frontier, LogStatus)> = BTreeMap::new();
    let (mut epochs, mut genesis, mut commits) = (Vec::new(), Vec::new(), Vec::new());
    let (mut lines_total, mut epoch_keys) = (0, BTreeMap::new());
    let mut records = bundle.iter().peekable();
    while let Some(record) = records.next() {
        let (tag, rest) = record.split_once(' ').expect("a tag");
        match tag {
            "tenant" => {
                let reference = hex_array(rest.split(' ').nth(1).expect("a ref")).expect("hex");
                logs.insert(origin.sys().to_string(), (0, reference, Frontier::new(), LogStatus::Open));
            }
            "epoch" => {
                let note = base64_decode(rest).expect("base64");
                let text = Note::parse(&note).expect("a note").unverified_text().to_owned();
                let certificate = EpochCertificate::parse(&text, &origin).expect("a certificate");
                epoch_keys.insert(certificate.epoch, certificate.key.public_key());
                epochs.push(json!({
                    "epoch": certificate.epoch,
                    "key": hex(&certificate.key.public_key()),
                    "text": text,
                    "hash": strongroom_log::sha256(&note).to_string(),
                }));
            }
            "commit" => {
                let (leaf, blind) = rest.split_once(' ').expect("two parts");
                let leaf = CommitLeaf::from_bytes(&base64_decode(leaf).expect("base64")).expect("a leaf");
                let mut lines = Vec::new();
                while let Some(line) = records.next_if(|record| record.starts_with("line ")) {
                    let line = &line.as_bytes()[5..];
                    let parsed = parse_line(line).expect("a line");
                    if parsed.act == "tenant.create" && parsed.ok && parsed.log == origin.sys().as_str() {
                        let reference = parsed.obj.as_ref().expect("an object").id_bytes();
                        let log = origin.tenant(&reference).to_string();
                        let position = parsed.pos.expect("a position");
                        logs.insert(log, (position, reference, Frontier::new(), LogStatus::Open));
                    }
                    if parsed.act == "tenant.close" && parsed.ok && parsed.log == origin.sys().as_str() {
                        let reference = parsed.obj.as_ref().expect("an object").id_bytes();
                        logs.get_mut(origin.tenant(&reference).as_str()).expect("it was created").3 = LogStatus::Closed;
                    }
                    let log = logs.get_mut(parsed.log).expect("it was created");
                    if log.2.size() == 0 {
                        let name = if log.0 == 0 { origin.sys() } else { origin.tenant(&log.1) };
                        let hash = genesis_hash(&name, &epoch_keys[&leaf.epoch], None);
                        genesis.push(json!({"log": name.to_string(), "genesis": hash.to_string()}));
                    }
                    log.2.append(leaf_hash(line));
                    lines_total += 1;
                    lines.push(json!({
                        "log": parsed.log,
                        "seq": parsed.seq,
                        "leaf": leaf_hash(line).to_string(),
                        "root": log.2.root().to_string(),
                        "frontier": hex(&log.2.to_bytes()),
                    }));
                }
                let heads: Vec<_> = logs
                    .values()
                    .map(|(position, tenant_ref, frontier, status)| {
                        let head = TenantHead {
                            tenant_ref: *tenant_ref,
                            size: frontier.size(),
                            root: frontier.root(),
                            status: *status,
                        };
                        (*position, head.leaf())
                    })
                    .collect();
                tree.set_many(&heads).expect("a tree");
                assert_eq!(tree.root(), leaf.heads_root, "the bundle is sound");
                let blind: [u8; 16] = hex_array(blind).expect("hex");
                assert_eq!(stats_hash(&blind, logs.len() as u64, lines_total), leaf.stats, "the bundle is sound");
                head_log.append(leaf.leaf());
                let positions: BTreeMap<_, _> =
                    heads.iter().map(|(position, leaf)| (position.to_string(), leaf.to_string())).collect();
                commits.push(json!({
                    "lines": lines,
                    "heads": positions,
                    "heads_root": tree.root().to_string(),
                    "tenants": logs.len(),
                    "lines_total": lines_total,
                    "stats": leaf.stats.to_string(),
                    "leaf": leaf.leaf().to_string(),
                    "frontier": hex(&head_log.to_bytes()),
                    "root": head_log.root().to_string(),
                }));
            }
            _ => {}
        }
    }
    json!({"epochs": epochs, "genesis": genesis, "commits": commits})
}
