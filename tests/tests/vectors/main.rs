//! The vectors, read by our own code: what shall be accepted is, what shall be refused is, and they
//! are what their maker makes. `tests/vectors/verify.py` reads the same files without our code.

mod make;
mod rows;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use pollster::block_on;
use serde_json::Value;
use strongroom::{
    ARENA_BYTES_MIN, Arena, Code, DeploymentId, Handle, IndexKind, KeyDevice, KeyEpoch, KeyId, Locking, ObjectId,
    PseudonymKind, Purpose, Result, RootKey, SealedHeader, Subject, TenantKeys, TenantRef, TenantSeed, check_input,
    device::{Prk, RootVersion},
    row_hash,
};
use strongroom_hsm::{DeviceUri, KeyIds};
use strongroom_log::{EntryProof, Receipt, RootKey as AuditRoot, hex_encode, leaf_hash, parse_line};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

fn vectors() -> BTreeMap<String, Value> {
    let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap())
        })
        .collect()
}

/// A vector is never changed once it is published: what comes out differently is another format.
#[test]
fn the_vectors_are_what_their_maker_makes() {
    let made = make::files();
    for (name, text) in &made {
        let stored = fs::read_to_string(folder().join(name)).unwrap_or_default();
        assert!(stored == *text, "{name} differs: see tests/examples/make_vectors.rs");
    }
    let stored: Vec<_> = vectors().into_keys().collect();
    let deployment = make::deployment_files();
    let all: std::collections::BTreeSet<_> = made.into_keys().chain(deployment.into_keys()).collect();
    assert_eq!(stored, all.into_iter().collect::<Vec<_>>(), "a file that nobody makes, or that was never written");
}

#[test]
fn every_vector_has_its_stated_outcome() {
    let vectors = vectors();
    assert!(vectors.len() >= 50, "{} files", vectors.len());
    for (name, vector) in &vectors {
        let outcome = match text(vector, "kind") {
            "xaes-256-gcm" => continue, // Tested where the cipher is used.
            "keys" => keys(vector),
            "keyring" => keyring(vector, &vectors),
            "sealed" => sealed(vector, &vectors),
            "hashes" => hashes(vector, &vectors),
            "rows" => check_rows(vector, &vectors),
            "deployment" => deployment(vector),
            "lines" => lines(vector),
            "software-device" => software_device(vector),
            "bundle" => bundle(vector),
            "proof" => proof(vector),
            "anchor" => anchor(vector),
            kind => panic!("{name}: nobody reads vectors of kind {kind}"),
        };
        match text(vector, "outcome") {
            "ok" => outcome.unwrap_or_else(|error| panic!("{name}: {error}")),
            "refused" => assert!(outcome.is_err(), "{name} is accepted"),
            other => panic!("{name}: outcome {other}"),
        }
    }
}

fn text<'a>(vector: &'a Value, key: &str) -> &'a str {
    vector[key].as_str().unwrap_or_else(|| panic!("`{key}` is a text"))
}

fn bytes(vector: &Value, key: &str) -> Vec<u8> {
    unhex(text(vector, key))
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn array<const N: usize>(vector: &Value, key: &str) -> [u8; N] {
    bytes(vector, key).try_into().unwrap()
}

fn number(vector: &Value, key: &str) -> u64 {
    vector[key].as_u64().unwrap_or_else(|| panic!("`{key}` is a number"))
}

fn arena() -> Arc<Arena> {
    Arena::new(ARENA_BYTES_MIN, Locking::Allow).unwrap()
}

fn seed(keys: &Value, tenant: &Value) -> TenantSeed {
    let root = &keys["root"];
    TenantSeed {
        deployment: DeploymentId::from_bytes(array(keys, "deployment")),
        tenant: TenantRef::from_bytes(array(tenant, "tenant")),
        salt: array(tenant, "salt"),
        root: RootKey { id: KeyId::from_bytes(array(root, "id")), version: RootVersion::FIRST },
        epoch: KeyEpoch(number(tenant, "key_epoch").try_into().unwrap()),
    }
}

fn unseal(keys: &Value, tenant: &Value, keyring: &[u8]) -> Result<TenantKeys> {
    TenantKeys::unseal(seed(keys, tenant), &Prk::from_slice(&bytes(tenant, "prk")).unwrap(), keyring, &arena())
}

/// The keys of the tenant that a vector names.
fn tenant_keys(vector: &Value, vectors: &BTreeMap<String, Value>) -> TenantKeys {
    let keys = &vectors[text(vector, "keys")];
    let tenant = &keys["tenants"][text(vector, "tenant")];
    unseal(keys, tenant, &bytes(tenant, "keyring_sealed")).unwrap()
}

fn keys(vector: &Value) -> Result<()> {
    let root = &vector["root"];
    assert_eq!(
        check_input(DeploymentId::from_bytes(array(vector, "deployment")), RootVersion::FIRST),
        bytes(root, "check_input")
    );
    for tenant in vector["tenants"].as_object().unwrap().values() {
        assert_eq!(seed(vector, tenant).prf_input(), bytes(tenant, "prf_input"));
        let opened = unseal(vector, tenant, &bytes(tenant, "keyring_sealed"))?;
        assert_eq!(opened.keyring().to_bytes()?[..], bytes(tenant, "keyring"));
        let in_use = Purpose::ALL.map(|purpose| opened.keyring().active(purpose).id.to_string());
        assert_eq!(serde_json::to_value(in_use).unwrap(), tenant["in_use"]);
    }
    Ok(())
}

fn keyring(vector: &Value, vectors: &BTreeMap<String, Value>) -> Result<()> {
    let keys = &vectors[text(vector, "keys")];
    let tenant = &keys["tenants"][text(vector, "tenant")];
    unseal(keys, tenant, &bytes(vector, "keyring_sealed")).map(drop).inspect_err(|error| {
        assert_eq!(error.code(), Code::Integrity);
    })
}

fn sealed(vector: &Value, vectors: &BTreeMap<String, Value>) -> Result<()> {
    let keys = tenant_keys(vector, vectors);
    let (place, sealed) = (&vector["place"], bytes(vector, "sealed"));
    let object: [u8; 16] = array(place, "object");
    let id = ObjectId::from_bytes(object);
    let subject = match text(place, "kind") {
        "secret.value" => None,
        "secret.name" => Some(Subject::SecretName(id)),
        "secret.meta" => Some(Subject::SecretMeta(id)),
        "folder.name" => Some(Subject::FolderName(id)),
        "actor.name" => Some(Subject::ActorName(Handle::from_bytes(object))),
        "tenant.name" => Some(Subject::TenantName(TenantRef::from_bytes(object))),
        kind => panic!("kind {kind}"),
    };
    let opened = match subject {
        None => keys.open_value(id, number(place, "version"), &sealed).map(|value| {
            let number = value.kind().number();
            (number, value.expose(<[u8]>::to_vec))
        }),
        Some(subject) => keys.open_name(subject, &sealed).map(|name| (0, name.to_vec())),
    };
    let (content_type, content) = opened.inspect_err(|error| assert_eq!(error.code(), Code::Integrity))?;
    assert_eq!((u64::from(content_type), content), (number(vector, "content_type"), bytes(vector, "content")));
    assert_eq!(SealedHeader::parse(&sealed)?.algorithm, 1);
    Ok(())
}

fn hashes(vector: &Value, vectors: &BTreeMap<String, Value>) -> Result<()> {
    use {IndexKind as I, PseudonymKind as P};
    let keys = tenant_keys(vector, vectors);
    for case in vector["index"].as_array().unwrap() {
        let kinds = [I::Secret, I::Folder, I::Label, I::Actor, I::Tenant, I::SecretType, I::Owner];
        let kind = kinds.into_iter().find(|kind| kind.as_str() == text(case, "kind")).unwrap();
        assert_eq!(hex_encode(&keys.index(kind, &bytes(case, "value"))?), text(case, "hash"));
    }
    for case in vector["pseudonyms"].as_array().unwrap() {
        let kinds = [P::Secret, P::Folder, P::Tenant, P::Address, P::Request];
        let kind = kinds.into_iter().find(|kind| kind.as_str() == text(case, "kind")).unwrap();
        let pseudonym = keys.pseudonym(kind, &bytes(case, "value"))?;
        assert_eq!(
            (hex_encode(&pseudonym.hash), u64::from(pseudonym.key_version)),
            (text(case, "hash").into(), number(case, "pk"))
        );
    }
    Ok(())
}

fn check_rows(vector: &Value, vectors: &BTreeMap<String, Value>) -> Result<()> {
    let keys = tenant_keys(vector, vectors);
    for case in vector["rows"].as_array().unwrap() {
        let mac = array(case, "mac");
        check_row(&keys, text(case, "table"), &case["row"], mac)?;
        assert_eq!(hex_encode(&row_hash(&mac)), text(case, "hash"));
    }
    Ok(())
}

fn check_row(keys: &TenantKeys, table: &str, row: &Value, mac: [u8; 32]) -> Result<()> {
    match table {
        "deployment" => keys.check_row(&rows::deployment(row, mac)),
        "tenants" => keys.check_row(&rows::tenant(row, mac)),
        "secrets" => keys.check_row(&rows::secret(row, mac)),
        "secret_versions" => keys.check_row(&rows::version(row, mac)),
        "folders" => keys.check_row(&rows::folder(row, mac)),
        "actors" => keys.check_row(&rows::actor(row, mac)),
        _ => panic!("table {table}"),
    }
}

/// Opens every tenant with the root key, checks its rows, and opens the names and values in them.
fn deployment(vector: &Value) -> Result<()> {
    let (tables, root) = (&vector["tables"], &vector["root"]);
    let rows_of = |table: &str| tables[table].as_array().unwrap().iter();
    let tenants: BTreeMap<u64, TenantKeys> = rows_of("tenants")
        .map(|row| {
            let seed = TenantSeed {
                deployment: DeploymentId::from_bytes(array(vector, "deployment")),
                tenant: TenantRef::from_bytes(array(row, "ref")),
                salt: array(row, "salt"),
                root: RootKey { id: KeyId::from_bytes(array(root, "id")), version: RootVersion::FIRST },
                epoch: KeyEpoch(number(row, "key_epoch").try_into().unwrap()),
            };
            let prk = make::hmac_sha256(&bytes(root, "key"), &seed.prf_input());
            let keys =
                TenantKeys::unseal(seed, &Prk::from_slice(&prk).unwrap(), &bytes(row, "keyring"), &arena()).unwrap();
            (number(row, "number"), keys)
        })
        .collect();
    let sys = &tenants[&0];
    for table in ["deployment", "tenants", "secrets", "secret_versions", "folders", "actors"] {
        for row in rows_of(table) {
            let keys = row.get("tenant").map_or(sys, |number| &tenants[&number.as_u64().unwrap()]);
            check_row(keys, table, row, array(row, "mac"))?;
        }
    }
    let mut names: Vec<_> = rows_of("tenants")
        .map(|row| {
            let subject = Subject::TenantName(TenantRef::from_bytes(array(row, "ref")));
            String::from_utf8(sys.open_name(subject, &bytes(row, "name")).unwrap().to_vec()).unwrap()
        })
        .collect();
    names.sort();
    assert_eq!(serde_json::to_value(names).unwrap(), vector["finds"]["tenants"]);
    for row in rows_of("secret_versions") {
        let keys = &tenants[&number(row, "tenant")];
        let secret = ObjectId::from_bytes(array(row, "secret"));
        keys.open_value(secret, number(row, "version"), &bytes(row, "value"))?;
    }
    Ok(())
}

fn lines(vector: &Value) -> Result<()> {
    for case in vector["cases"].as_array().unwrap() {
        let line = text(case, "line");
        parse_line(line.as_bytes()).map_err(|error| strongroom::Error::new(Code::LogBroken).caused_by(error))?;
        assert_eq!(leaf_hash(line.as_bytes()).to_string(), text(case, "leaf"));
    }
    Ok(())
}

fn software_device(vector: &Value) -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let (key, pass) = (folder.path().join("device.key"), folder.path().join("device.pass"));
    fs::write(&key, bytes(vector, "file")).unwrap();
    fs::write(&pass, text(vector, "passphrase")).unwrap();
    #[cfg(unix)]
    for file in [&key, &pass] {
        fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
    let uri: DeviceUri =
        format!("software:{}?passphrase-source=file:{}", key.display(), pass.display()).parse().unwrap();
    let id = |key: &str| vector[key]["id"].as_str().map_or([0; 16], |id| unhex(id).try_into().unwrap());
    let profile = uri.provision(&KeyIds { root: id("root"), audit: id("audit") }, b"check")?;
    let device: Arc<dyn KeyDevice> = uri.open(&profile)?;
    assert_eq!(hex_encode(&device.identity().serial), text(vector, "serial"));
    let prk = block_on(device.prf(RootVersion::FIRST, b"input".to_vec(), Instant::now() + Duration::from_secs(5)))?;
    assert_eq!(*prk.expose_key(), make::hmac_sha256(&bytes(&vector["root"], "key"), b"input"));
    Ok(())
}

fn bundle(vector: &Value) -> Result<()> {
    let root: AuditRoot = text(vector, "root_vkey").parse().unwrap();
    let mut bundle = String::new();
    for record in vector["bundle"].as_array().unwrap() {
        bundle.push_str(record.as_str().unwrap());
        bundle.push('\n');
    }
    let report = strongroom_log::verify(bundle.as_bytes(), &root, None);
    if report.is_ok() { Ok(()) } else { Err(strongroom::Error::new(Code::LogBroken).detail(report.to_string())) }
}

fn anchor(vector: &Value) -> Result<()> {
    let read = make::anchor::read(vector).map_err(|error| strongroom::Error::new(Code::AnchorInvalid).detail(error))?;
    let (size, root) = (read.frontier().size(), hex_encode(read.frontier().root().as_bytes()));
    assert_eq!((Some(size), &*root), (vector["steps"]["size"].as_u64(), text(&vector["steps"], "root")));
    Ok(())
}

fn proof(vector: &Value) -> Result<()> {
    let root: AuditRoot = text(vector, "root_vkey").parse().unwrap();
    let records = vector["proof"].as_array().unwrap().iter();
    let file: String = records.map(|record| format!("{}\n", record.as_str().unwrap())).collect();
    let receipt: Receipt = serde_json::from_value(vector["receipt"].clone()).unwrap();
    let broken = |error: &dyn std::fmt::Display| strongroom::Error::new(Code::ProofBroken).detail(error.to_string());
    let proof = EntryProof::parse(file.as_bytes()).map_err(|error| broken(&error))?;
    let proven = proof.verify(&root).map_err(|error| broken(&error))?;
    proven.matches(&receipt).map_err(|mismatch| broken(&mismatch))?;
    assert_eq!(proven.leaf().to_string(), text(&vector["steps"], "leaf"));
    assert!(proven.checkpoint_note().starts_with(text(&vector["steps"], "checkpoint")));
    Ok(())
}
