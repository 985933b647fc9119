//! Makes the vectors: the same bytes every time, from seeded randomness and a clock moved by hand.
//!
//! What the public API makes (keyrings, sealed bytes, rows, a whole deployment with its log) comes from
//! it. Intermediate values that it keeps to itself are computed here from `docs/formats.md`, with the
//! same cryptographic crates; that both agree is what the tests of the vectors show. So are the files
//! that must be refused although they are sealed well: the API would not make them.

#[path = "anchor.rs"]
pub(crate) mod anchor;
#[path = "deployment.rs"]
mod deployment;
#[path = "proof.rs"]
mod proof;

use std::{collections::BTreeMap, sync::Arc};

use argon2::{Algorithm, Argon2, Params};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use strongroom::{
    ARENA_BYTES_MIN, Arena, DeploymentId, Handle, IndexKind, KeyEpoch, KeyId, Locking, ObjectId, PseudonymKind,
    Purpose, Random, RootKey, SecretValue, Subject, TenantKeys, TenantRef, TenantSeed, Timestamp, check_input,
    device::{Prk, RootVersion},
    row_hash,
    store::{ActorRow, DeploymentRow, FolderRow, SecretRow, TenantNumber, TenantRow, VersionRow},
    testing::SeededRandom,
};
use strongroom_log::{Enc, Label, hex_encode as hex};
use xaes_256_gcm::{
    Xaes256Gcm,
    aead::{Aead as _, Payload},
};

/// 2026-01-01T00:00:00Z.
pub(crate) const START: Timestamp = Timestamp(1_767_225_600_000_000);

pub(crate) const ROOT_KEY: [u8; 32] = [0x52; 32];
pub(crate) const AUDIT_SEED: [u8; 32] = [0xa5; 32];

/// The vectors that are made from parts, by file name.
pub(crate) fn files() -> BTreeMap<String, String> {
    let mut files = Files::default();
    let tenants = Tenants::make();
    files.add("xaes-256-gcm", xaes());
    files.add("keys", tenants.vector());
    sealed(&mut files, &tenants);
    keyrings(&mut files, &tenants);
    files.add("hashes", hashes(&tenants));
    files.add("rows", rows(&tenants));
    lines(&mut files);
    software_device(&mut files);
    proof::vectors(&mut files);
    anchor::vectors(&mut files);
    attributes(&mut files, &tenants);
    files.0
}

/// The vectors that a whole deployment left behind, by file name.
///
/// They were made once, by the product as it was. A later one may do other things in another order, so
/// these are not compared with what it makes; but it must read them for ever.
pub(crate) fn deployment_files() -> BTreeMap<String, String> {
    let mut files = Files::default();
    deployment::vectors(&mut files);
    files.0
}

#[derive(Default)]
pub(crate) struct Files(BTreeMap<String, String>);

impl Files {
    pub(crate) fn add(&mut self, name: &str, vector: Value) {
        let text = serde_json::to_string_pretty(&vector).expect("a vector is plain JSON");
        let before = self.0.insert(format!("{name}.json"), text + "\n");
        assert!(before.is_none(), "{name} twice");
    }
}

/// The published vectors of C2SP XAES-256-GCM.
fn xaes() -> Value {
    let case = |key: u8, associated_data: &str, derived_key: &str, sealed: &str| {
        json!({
            "associated_data": hex(associated_data.as_bytes()),
            "derived_key": derived_key,
            "key": hex(&[key; 32]),
            "nonce": hex(b"ABCDEFGHIJKLMNOPQRSTUVWX"),
            "plaintext": hex(b"XAES-256-GCM"),
            "sealed": sealed,
        })
    };
    json!({
        "what": "The two vectors of c2sp.org/XAES-256-GCM, and its accumulated test over 10,000 messages",
        "kind": "xaes-256-gcm",
        "outcome": "ok",
        "cases": [
            case(
                1,
                "",
                "c8612c9ed53fe43e8e005b828a1631a0bbcb6ab2f46514ec4f439fcfd0fa969b",
                "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271",
            ),
            case(
                3,
                "c2sp.org/XAES-256-GCM",
                "e9c621d4cdd9b11b00a6427ad7e559aeedd66b3857646677748f8ca796cb3fd8",
                "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d",
            ),
        ],
        "accumulated_10000": "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939",
    })
}

/// Three tenants of one deployment, whose keys the other vectors use.
struct Tenants {
    deployment: DeploymentId,
    root: RootKey,
    random: SeededRandom,
    arena: Arc<Arena>,
    by_name: BTreeMap<&'static str, OneTenant>,
}

struct OneTenant {
    seed: TenantSeed,
    prk: [u8; 32],
    wrap_key: [u8; 32],
    keyring_associated_data: Vec<u8>,
    keyring: Vec<u8>,
    keyring_sealed: Vec<u8>,
    keys: TenantKeys,
}

impl Tenants {
    fn make() -> Self {
        let random = SeededRandom::new(1);
        let arena = Arena::new(ARENA_BYTES_MIN, Locking::Allow).expect("an arena");
        let deployment = DeploymentId::random(&random).expect("an id");
        let root = RootKey { id: KeyId::random(&random).expect("an id"), version: RootVersion::FIRST };
        let mut tenants = Self { deployment, root, random, arena, by_name: BTreeMap::new() };
        for name in ["acme", "beta", "rotated"] {
            let tenant = tenants.tenant(name == "rotated");
            tenants.by_name.insert(name, tenant);
        }
        tenants
    }

    fn array<const N: usize>(&self) -> [u8; N] {
        let random: &dyn Random = &self.random;
        random.array().expect("seeded randomness")
    }

    fn tenant(&self, rotated: bool) -> OneTenant {
        let seed = TenantSeed {
            deployment: self.deployment,
            tenant: TenantRef::random(&self.random).expect("an id"),
            salt: self.array(),
            root: self.root,
            epoch: if rotated { KeyEpoch(3) } else { KeyEpoch::FIRST },
        };
        let prk = hmac_sha256(&ROOT_KEY, &seed.prf_input());
        let wrap_key = expand(&prk, &wrap_info(&seed));
        let answer = || Prk::from_slice(&prk).expect("32 bytes");
        let (mut keys, mut keyring_sealed) =
            TenantKeys::create(seed, &answer(), &answer(), &self.arena, &self.random, START).expect("a tenant");
        let mut keyring = keys.keyring().to_bytes().expect("a keyring").to_vec();
        let header = Header { format: 4, key_id: *self.root.id.as_bytes(), key_version: 1 };
        let place = RawPlace { kind: "keyring", object: *seed.tenant.as_bytes(), version: seed.epoch.0.into() };
        let keyring_associated_data = place.associated_data(&seed, &header);
        if rotated {
            // Version 1 of the data key is retired, 2 is in use, 3 was retired before it was ever used much.
            let first = keyring[3..65].to_vec();
            keyring[4] = 2;
            for (version, status) in [(2_u32, 1), (3, 2)] {
                let mut entry = first.clone();
                entry[1] = status;
                entry[2..18].copy_from_slice(&self.array::<16>());
                entry[18..22].copy_from_slice(&version.to_be_bytes());
                entry[30..].copy_from_slice(&self.array::<32>());
                keyring.extend(entry);
            }
            keyring[2] = 6;
            keyring_sealed = header.seal(&wrap_key, &self.array(), &keyring_associated_data, &keyring);
            keys = TenantKeys::unseal(seed, &answer(), &keyring_sealed, &self.arena).expect("it opens");
        }
        OneTenant { seed, prk, wrap_key, keyring_associated_data, keyring, keyring_sealed, keys }
    }

    fn vector(&self) -> Value {
        let tenants: BTreeMap<_, _> = self.by_name.iter().map(|(name, tenant)| (name, tenant.vector())).collect();
        let check = check_input(self.deployment, self.root.version);
        json!({
            "what": "From a root key to tenants' keys: what the device is asked, what it answers, and what follows",
            "kind": "keys",
            "outcome": "ok",
            "deployment": self.deployment.to_string(),
            "root": {
                "id": self.root.id.to_string(),
                "version": 1,
                "key": hex(&ROOT_KEY),
                "check_input": hex(&check),
                "check_value": hex(&hmac_sha256(&ROOT_KEY, &check)),
            },
            "tenants": tenants,
        })
    }
}

impl OneTenant {
    fn vector(&self) -> Value {
        let keys: Vec<_> = self
            .keys
            .keyring()
            .entries()
            .map(|entry| {
                json!({
                    "purpose": entry.purpose.number(),
                    "status": entry.status.number(),
                    "id": entry.id.to_string(),
                    "version": entry.version,
                    "created_at": entry.created_at.0,
                    "key": hex(entry.key.expose_key().expect("no fork")),
                })
            })
            .collect();
        let in_use: Vec<_> = Purpose::ALL.map(|purpose| self.keys.keyring().active(purpose).id.to_string()).into();
        json!({
            "tenant": self.seed.tenant.to_string(),
            "salt": hex(&self.seed.salt),
            "key_epoch": self.seed.epoch.0,
            "prf_input": hex(&self.seed.prf_input()),
            "prk": hex(&self.prk),
            "wrap_info": hex(&wrap_info(&self.seed)),
            "wrap_key": hex(&self.wrap_key),
            "keyring": hex(&self.keyring),
            "keyring_associated_data": hex(&self.keyring_associated_data),
            "keyring_sealed": hex(&self.keyring_sealed),
            "keys": keys,
            "in_use": in_use,
        })
    }

    /// The data key in use: its id, version and bytes.
    fn data_key(&self) -> (Header, [u8; 32]) {
        let entry = self.keys.keyring().active(Purpose::SecretData);
        let header = Header { format: 1, key_id: *entry.id.as_bytes(), key_version: entry.version };
        (header, *entry.key.expose_key().expect("no fork"))
    }
}

fn wrap_info(seed: &TenantSeed) -> Vec<u8> {
    Enc::new(Label::WRAP)
        .field(seed.deployment.as_bytes())
        .field(seed.tenant.as_bytes())
        .u32(seed.root.version.0)
        .u32(seed.epoch.0)
        .finish()
}

/// The front of sealed bytes, without the nonce.
#[derive(Clone, Copy)]
struct Header {
    format: u8,
    key_id: [u8; 16],
    key_version: u32,
}

impl Header {
    fn seal(&self, key: &[u8; 32], nonce: &[u8; 24], associated_data: &[u8], plaintext: &[u8]) -> Vec<u8> {
        let mut sealed = vec![self.format, 1];
        sealed.extend(self.key_id);
        sealed.extend(self.key_version.to_be_bytes());
        sealed.extend(nonce);
        sealed.extend(xaes_seal(key, nonce, associated_data, plaintext));
        sealed
    }
}

#[derive(Clone, Copy)]
struct RawPlace {
    kind: &'static str,
    object: [u8; 16],
    version: u64,
}

impl RawPlace {
    fn associated_data(&self, seed: &TenantSeed, header: &Header) -> Vec<u8> {
        Enc::new(Label::AAD)
            .field(seed.deployment.as_bytes())
            .field(seed.tenant.as_bytes())
            .field(self.kind)
            .field(self.object)
            .u64(self.version)
            .u8(header.format)
            .u8(1)
            .field(header.key_id)
            .u32(header.key_version)
            .field(b"")
            .finish()
    }
}

/// One sealed value or name, and what it opens to.
struct Sealed<'a> {
    what: &'a str,
    tenant: &'a str,
    place: RawPlace,
    content_type: u8,
    content: &'a [u8],
    sealed: Vec<u8>,
}

impl Sealed<'_> {
    fn vector(&self, tenants: &Tenants) -> Value {
        let tenant = &tenants.by_name[self.tenant];
        let (header, _) = tenant.data_key();
        json!({
            "what": self.what,
            "kind": "sealed",
            "outcome": "ok",
            "keys": "keys.json",
            "tenant": self.tenant,
            "place": {"kind": self.place.kind, "object": hex(&self.place.object), "version": self.place.version},
            "associated_data": hex(&self.place.associated_data(&tenant.seed, &header)),
            "content_type": self.content_type,
            "content": hex(self.content),
            "encoded": hex(&encoded(self.content_type, self.content)),
            "sealed": hex(&self.sealed),
        })
    }
}

/// `u8 type | u32 length | bytes | zeros`.
fn encoded(content_type: u8, content: &[u8]) -> Vec<u8> {
    let mut encoded = vec![content_type];
    encoded.extend(u32::try_from(content.len()).expect("short").to_be_bytes());
    encoded.extend(content);
    let padded = encoded.len().next_multiple_of(32);
    if padded <= 1024 {
        encoded.resize(padded, 0);
    }
    encoded
}

fn sealed(files: &mut Files, tenants: &Tenants) {
    let secret = ObjectId::from_bytes(*b"\x01\x9b\x76\xda\x18\x00\x70\x01\x80\x02\x03\x04\x05\x06\x07\x08");
    let object = *secret.as_bytes();
    let handle = Handle::from_bytes(tenants.array());
    let long = vec![b'x'; 1020];
    let longest_padded = vec![b'x'; 1019];

    let values: [(&str, &str, &str, SecretValue, &[u8]); 6] = [
        ("text", "acme", "A text value", value_of(1, b"hunter2"), b"hunter2"),
        ("empty", "acme", "An empty text is a value too", value_of(1, b""), b""),
        ("json", "acme", "A JSON value", value_of(2, br#"{"user":"app"}"#), br#"{"user":"app"}"#),
        ("padded", "acme", "The longest value that is padded", value_of(3, &longest_padded), &longest_padded),
        ("unpadded", "acme", "The shortest value that is not padded", value_of(3, &long), &long),
        ("rotated", "rotated", "Sealed under version 2 of the data key", value_of(1, b"hunter2"), b"hunter2"),
    ];
    for (name, tenant, what, value, content) in values {
        let content_type = value.kind().number();
        let place = RawPlace { kind: "secret.value", object, version: 7 };
        let sealed = tenants.by_name[tenant].keys.seal_value(secret, 7, &value, &tenants.random).expect("it seals");
        let vector = Sealed { what, tenant, place, content_type, content, sealed };
        files.add(&format!("sealed-value-{name}"), vector.vector(tenants));
    }

    let beta = tenants.by_name["beta"].seed.tenant;
    let meta: &[u8] = br#"{"description":"the main database","labels":{"team":"db"}}"#;
    for (name, what, kind, subject, object, content) in [
        (
            "secret-name",
            "A secret's path",
            "secret.name",
            Subject::SecretName(secret),
            object,
            &b"prod/db/password"[..],
        ),
        ("secret-meta", "A secret's metadata", "secret.meta", Subject::SecretMeta(secret), object, meta),
        ("folder-name", "A folder's path", "folder.name", Subject::FolderName(secret), object, b"prod/db"),
        ("actor-name", "An actor", "actor.name", Subject::ActorName(handle), *handle.as_bytes(), b"service:billing"),
        (
            "tenant-name",
            "A tenant's name, sealed by another that plays `sys`",
            "tenant.name",
            Subject::TenantName(beta),
            *beta.as_bytes(),
            b"beta",
        ),
    ] {
        let sealed = tenants.by_name["acme"].keys.seal_name(subject, content, &tenants.random).expect("it seals");
        let place = RawPlace { kind, object, version: 0 };
        let vector = Sealed { what, tenant: "acme", place, content_type: 0, content, sealed };
        files.add(&format!("sealed-{name}"), vector.vector(tenants));
    }

    refused_sealed(files, tenants, object);
}

/// A secret's metadata with all that can be in it. Made last, so that what was made before is as it was.
fn attributes(files: &mut Files, tenants: &Tenants) {
    let secret = ObjectId::from_bytes([7; 16]);
    let content: &[u8] = concat!(
        r#"{"description":"","labels":{},"not_after":[[3,1830000000000000]],"owner":"web","#,
        r#""rotate_seconds":7776000,"type":"certificate"}"#
    )
    .as_bytes();
    let sealed = tenants.by_name["acme"].keys.seal_name(Subject::SecretMeta(secret), content, &tenants.random);
    let place = RawPlace { kind: "secret.meta", object: *secret.as_bytes(), version: 0 };
    let what = "A secret's metadata with its attributes";
    let vector = Sealed { what, tenant: "acme", place, content_type: 0, content, sealed: sealed.expect("it seals") };
    files.add("sealed-secret-attributes", vector.vector(tenants));
}

/// Each sealed well, under the right key, and yet to be refused.
fn refused_sealed(files: &mut Files, tenants: &Tenants, object: [u8; 16]) {
    let acme = &tenants.by_name["acme"];
    let (header, key) = acme.data_key();
    let place = RawPlace { kind: "secret.value", object, version: 7 };
    let refused = |what: &str, reason: &str, header: Header, key: &[u8; 32], place: RawPlace, encoded: &[u8]| {
        let associated_data = place.associated_data(&acme.seed, &header);
        json!({
            "what": what,
            "kind": "sealed",
            "outcome": "refused",
            "reason": reason,
            "keys": "keys.json",
            "tenant": "acme",
            "place": {"kind": "secret.value", "object": hex(&object), "version": 7},
            "sealed": hex(&header.seal(key, &tenants.array(), &associated_data, encoded)),
        })
    };
    let good = encoded(1, b"hunter2");
    let changed = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let mut twice = good.clone();
    twice.extend([0; 32]);
    for (name, what, reason, bytes) in [
        ("padding", "Padding that is not zero", "padding", changed(31, 1)),
        ("length", "A length one less than it is", "padding", changed(4, 6)),
        ("length-beyond", "A length beyond the end", "length", changed(4, 28)),
        ("type", "A type that does not exist", "type", changed(0, 4)),
        ("type-of-names", "A name where a value should be", "type", changed(0, 0)),
        ("padded-further", "One step of padding too many", "length", twice),
        ("not-padded", "No padding", "length", good[..12].to_vec()),
    ] {
        let name = format!("refused-sealed-{name}");
        files.add(&name, refused(what, reason, header, &key, place, &bytes));
    }
    let metadata = acme.keys.keyring().active(Purpose::Metadata);
    let metadata_header = Header { format: 1, key_id: *metadata.id.as_bytes(), key_version: metadata.version };
    let metadata_key = *metadata.key.expose_key().expect("no fork");
    for (name, what, reason, header, key, place) in [
        ("format", "Sealed and labelled as a wrapped key", "format", Header { format: 4, ..header }, key, place),
        (
            "purpose",
            "Sealed under a key of the keyring that is for something else",
            "key",
            metadata_header,
            metadata_key,
            place,
        ),
        ("version", "The value of another version", "tag", header, key, RawPlace { version: 6, ..place }),
        (
            "kind",
            "A secret's name in place of its value",
            "tag",
            header,
            key,
            RawPlace { kind: "secret.name", ..place },
        ),
        ("object", "The value of another secret", "tag", header, key, RawPlace { object: [9; 16], ..place }),
    ] {
        files.add(&format!("refused-sealed-{name}"), refused(what, reason, header, &key, place, &good));
    }
}

/// Keyrings that open and yet are none.
fn keyrings(files: &mut Files, tenants: &Tenants) {
    let acme = &tenants.by_name["acme"];
    let header = Header { format: 4, key_id: *tenants.root.id.as_bytes(), key_version: 1 };
    let good = &acme.keyring;
    let changed = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let mut twice = [&[1, 0, 5], &good[3..]].concat();
    twice.extend(&good[3..65]);
    for (name, what, reason, plaintext) in [
        ("format", "A form that does not exist", "format", changed(0, 2)),
        ("count", "A count that is not the number of keys", "length", changed(2, 3)),
        ("purpose", "A purpose that does not exist", "purpose", changed(3, 5)),
        ("status", "A status that does not exist", "status", changed(4, 3)),
        ("nothing-active", "No active key for secret data", "active", changed(4, 2)),
        ("version-0", "A version 0", "version", changed(3 + 21, 0)),
        ("version-twice", "The same version twice", "version", twice),
    ] {
        let sealed = header.seal(&acme.wrap_key, &tenants.array(), &acme.keyring_associated_data, &plaintext);
        let vector = json!({
            "what": what,
            "kind": "keyring",
            "outcome": "refused",
            "reason": reason,
            "keys": "keys.json",
            "tenant": "acme",
            "keyring_sealed": hex(&sealed),
        });
        files.add(&format!("refused-keyring-{name}"), vector);
    }
}

fn hashes(tenants: &Tenants) -> Value {
    let acme = &tenants.by_name["acme"];
    let key = |purpose| hex(acme.keys.keyring().active(purpose).key.expose_key().expect("no fork"));
    let label = Enc::nested().field("team").field("db").finish();
    let index: [(IndexKind, &[u8]); 8] = [
        (IndexKind::Secret, b"prod/db/password"),
        (IndexKind::Folder, b"prod/db"),
        (IndexKind::Folder, b""),
        (IndexKind::Label, &label),
        (IndexKind::Actor, b"service:billing"),
        (IndexKind::Tenant, b"acme"),
        (IndexKind::SecretType, b"token"),
        (IndexKind::Owner, b"payments"),
    ];
    let index = index.map(|(kind, value)| {
        json!({
            "kind": kind.as_str(),
            "value": hex(value),
            "input": hex(&Enc::new(Label::INDEX).field(kind.as_str()).field(value).finish()),
            "hash": hex(&acme.keys.index(kind, value).expect("a hash")),
        })
    });
    let pseudonyms: [(PseudonymKind, &[u8]); 5] = [
        (PseudonymKind::Secret, b"prod/db/password"),
        (PseudonymKind::Folder, b"prod/db"),
        (PseudonymKind::Tenant, b"acme"),
        (PseudonymKind::Address, b"192.0.2.7"),
        (PseudonymKind::Request, b"4bf92f3577b34da6a3ce929d0e0e4736"),
    ];
    let pseudonyms = pseudonyms.map(|(kind, value)| {
        let pseudonym = acme.keys.pseudonym(kind, value).expect("a hash");
        json!({
            "kind": kind.as_str(),
            "value": hex(value),
            "input": hex(&Enc::new(Label::PSEUDONYM).field(kind.as_str()).field(value).finish()),
            "hash": hex(&pseudonym.hash),
            "pk": pseudonym.key_version,
        })
    });
    json!({
        "what": "Keyed hashes by which rows are found, and those that stand for names in audit lines",
        "kind": "hashes",
        "outcome": "ok",
        "keys": "keys.json",
        "tenant": "acme",
        "index_key": key(Purpose::Index),
        "pseudonym_key": key(Purpose::Pseudonym),
        "index": index,
        "pseudonyms": pseudonyms,
    })
}

/// A row of each table, its columns by name, its MAC and the hash of that.
fn rows(tenants: &Tenants) -> Value {
    let acme = &tenants.by_name["acme"];
    let (beta, id) = (tenants.by_name["beta"].seed, ObjectId::from_bytes([6; 16]));
    let deployment = DeploymentRow {
        deployment: tenants.deployment,
        origin: "example.com/keys".into(),
        generation: 1,
        sys_ref: acme.seed.tenant,
        profile: b"{}".to_vec(),
        recovery: b"none".to_vec(),
        created_at: START.0,
        revision: 1,
        mac: [0; 32],
    };
    let tenant = TenantRow {
        number: TenantNumber(421),
        tenant: beta.tenant,
        name_hash: [1; 16],
        name: b"sealed name".to_vec(),
        salt: beta.salt,
        root_version: 1,
        key_epoch: 1,
        keyring: b"sealed keyring".to_vec(),
        state: 1,
        settings: Vec::new(),
        created_at: START.0,
        revision: 2,
        mac: [0; 32],
    };
    let secret = SecretRow {
        id,
        name_hash: [1; 16],
        parent_hash: [2; 16],
        name: b"sealed name".to_vec(),
        meta: b"sealed meta".to_vec(),
        enabled: true,
        latest: 3,
        current: 2,
        pending: Some(3),
        previous: None,
        settings: Vec::new(),
        created_at: START.0,
        updated_at: START.0 + 1,
        revision: 4,
        mac: [0; 32],
    };
    let version = VersionRow {
        secret: id,
        version: 2,
        state: 1,
        created_at: START.0,
        expires_at: Some(START.0 + 2),
        value: b"sealed value".to_vec(),
        revision: 1,
        mac: [0; 32],
    };
    let folder = FolderRow {
        id,
        name_hash: [1; 16],
        parent_hash: [2; 16],
        name: b"sealed name".to_vec(),
        revision: 1,
        mac: [0; 32],
    };
    let handle = Handle::from_bytes([7; 16]);
    let actor = ActorRow { name_hash: [1; 16], handle, name: b"sealed name".to_vec(), revision: 1, mac: [0; 32] };

    let mac = |table: &str, mac: strongroom::Result<[u8; 32]>, row: Value| {
        let mac = mac.expect("a MAC");
        json!({"table": table, "row": row, "mac": hex(&mac), "hash": hex(&row_hash(&mac))})
    };
    let keys = &acme.keys;
    let kept = SecretRow { settings: br#"{"max_versions":20,"oldest":2,"v":1}"#.to_vec(), ..secret.clone() };
    let destroyed = VersionRow { state: 4, value: Vec::new(), revision: 2, ..version.clone() };
    json!({
        "what": "A row of each table, as the schema names its columns, a secret with settings, a destroyed version, and what authenticates them. `acme` also plays `sys`",
        "kind": "rows",
        "outcome": "ok",
        "keys": "keys.json",
        "tenant": "acme",
        "rows": [
            mac("deployment", keys.row_mac(&deployment), deployment::deployment_row(&deployment)),
            mac("tenants", keys.row_mac(&tenant), deployment::tenant_row(&tenant)),
            mac("secrets", keys.row_mac(&secret), json!({
                "id": hex(secret.id.as_bytes()), "name_hash": hex(&secret.name_hash),
                "parent_hash": hex(&secret.parent_hash), "name": hex(&secret.name), "meta": hex(&secret.meta),
                "enabled": 1, "latest": 3, "current": 2, "pending": 3, "previous": null, "settings": "",
                "created_at": START.0, "updated_at": START.0 + 1, "revision": 4,
            })),
            mac("secret_versions", keys.row_mac(&version), json!({
                "secret": hex(version.secret.as_bytes()), "version": 2, "state": 1, "created_at": START.0,
                "expires_at": START.0 + 2, "value": hex(&version.value), "revision": 1,
            })),
            mac("folders", keys.row_mac(&folder), json!({
                "id": hex(folder.id.as_bytes()), "name_hash": hex(&folder.name_hash),
                "parent_hash": hex(&folder.parent_hash), "name": hex(&folder.name), "revision": 1,
            })),
            mac("actors", keys.row_mac(&actor), json!({
                "name_hash": hex(&actor.name_hash), "handle": hex(actor.handle.as_bytes()),
                "name": hex(&actor.name), "revision": 1,
            })),
            mac("secrets", keys.row_mac(&kept), json!({
                "id": hex(secret.id.as_bytes()), "name_hash": hex(&secret.name_hash),
                "parent_hash": hex(&secret.parent_hash), "name": hex(&secret.name), "meta": hex(&secret.meta),
                "enabled": 1, "latest": 3, "current": 2, "pending": 3, "previous": null,
                "settings": hex(&kept.settings), "created_at": START.0, "updated_at": START.0 + 1, "revision": 4,
            })),
            mac("secret_versions", keys.row_mac(&destroyed), json!({
                "secret": hex(version.secret.as_bytes()), "version": 2, "state": 4, "created_at": START.0,
                "expires_at": START.0 + 2, "value": "", "revision": 2,
            })),
        ],
    })
}

/// Lines that are lines, and some that nearly are.
fn lines(files: &mut Files) {
    let zeros = "0".repeat(32);
    let (handle, prev) = ("0123456789abcdef".repeat(2), "0123456789abcdef".repeat(4));
    let least = format!(
        r#"{{"act":"epoch.open","ep":1,"log":"example.com/keys/sys","ph":"result","prev":"{prev}","res":{{"code":"ok","ok":true}},"rid":"{handle}","seq":0,"ts":1767225600000000,"v":1,"who":{{"id":"{zeros}","t":"system"}}}}"#
    );
    let most = format!(
        r#"{{"act":"secret.put","det":"{prev}","ep":4294967295,"log":"example.com/keys/t/{handle}","n":2,"obj":{{"id":"{handle}","t":"secret","ver":3}},"ph":"result","pk":1,"pos":5,"prev":"{prev}","res":{{"code":"SR-SECRET-CONFLICT","ok":false}},"rid":"{handle}","row":{{"h":"{handle}","rev":4}},"seq":9007199254740991,"src":{{"ip":"{handle}"}},"ts":0,"v":1,"vrow":{{"h":"{handle}","rev":1}},"who":{{"id":"{handle}","t":"service"}}}}"#
    );
    let case = |line: &str| json!({"line": line, "leaf": strongroom_log::leaf_hash(line.as_bytes()).to_string()});
    files.add(
        "lines",
        json!({
            "what": "The shortest line and one with every key, and their leaf hashes",
            "kind": "lines",
            "outcome": "ok",
            "cases": [case(&least), case(&most)],
        }),
    );
    for (name, what, line) in [
        ("space", "A space", least.replace(r#""ep":1"#, r#""ep": 1"#)),
        (
            "order",
            "Keys out of order",
            least.replace(r#""seq":0,"ts":1767225600000000"#, r#""ts":1767225600000000,"seq":0"#),
        ),
        ("key-twice", "A key twice", least.replace(r#""ep":1,"#, r#""ep":1,"ep":1,"#)),
        ("key-missing", "A key missing", least.replace(r#""seq":0,"#, "")),
        ("key-unknown", "A key that is none", least.replace(r#""v":1"#, r#""v":1,"vx":1"#)),
        ("escape", "An escape", least.replace("epoch.open", r"epoch\u002eopen")),
        ("upper-case", "Hex in upper case", least.replace(&prev, &prev.to_uppercase())),
        ("leading-zero", "A number with a leading zero", least.replace(r#""ep":1"#, r#""ep":01"#)),
        ("float", "A float", least.replace(r#""seq":0"#, r#""seq":0.0"#)),
        ("too-large", "A number beyond 2^53-1", least.replace(r#""seq":0"#, r#""seq":9007199254740992"#)),
        ("null", "A null", least.replace(r#""seq":0"#, r#""seq":null"#)),
        ("outcome", "`ok`, and an error code", least.replace(r#""code":"ok""#, r#""code":"SR-CLOSED""#)),
        ("system", "A handle of zeros that is not the system", least.replace(r#""t":"system""#, r#""t":"user""#)),
        ("version", "Another `v`", least.replace(r#""v":1"#, r#""v":2"#)),
        ("newline", "A newline at the end", format!("{least}\n")),
    ] {
        assert_ne!(line, least, "{name}");
        files.add(
            &format!("refused-line-{name}"),
            json!({"what": what, "kind": "lines", "outcome": "refused", "reason": "form", "cases": [{"line": line}]}),
        );
    }
}

/// The key file of the software device, with a passphrase hash that is too cheap for use.
fn software_device(files: &mut Files) {
    let random = SeededRandom::new(2);
    let random: &dyn Random = &random;
    let passphrase = "correct horse battery staple";
    let (root_id, audit_id) = (random.array::<16>().expect("seeded"), random.array::<16>().expect("seeded"));
    let salt: [u8; 32] = random.array().expect("seeded");
    let nonce: [u8; 24] = random.array().expect("seeded");
    let mut bound = b"SRSOFT01".to_vec();
    for number in [64_u32, 1, 1] {
        bound.extend(number.to_be_bytes());
    }
    bound.extend(salt);
    let params = Params::new(64, 1, 1, Some(64)).expect("parameters");
    let mut stretched = [0; 64];
    Argon2::new(Algorithm::Argon2id, argon2::Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), &salt, &mut stretched)
        .expect("a hash");
    let plaintext = [&[1, 0, 2, 1][..], &root_id, &ROOT_KEY, &[2], &audit_id, &AUDIT_SEED].concat();
    let associated_data = Enc::new(Label::SOFTWARE_DEVICE).field(&bound).finish();
    let key: [u8; 32] = stretched[..32].try_into().expect("half of it");
    let file = |plaintext: &[u8]| {
        [&bound[..], &stretched[32..], &nonce, &xaes_seal(&key, &nonce, &associated_data, plaintext)].concat()
    };
    files.add(
        "software-device",
        json!({
            "what": "The key file of a software device, opened by its passphrase",
            "kind": "software-device",
            "outcome": "ok",
            "passphrase": passphrase,
            "memory_kib": 64,
            "passes": 1,
            "lanes": 1,
            "salt": hex(&salt),
            "stretched": hex(&stretched),
            "associated_data": hex(&associated_data),
            "plaintext": hex(&plaintext),
            "root": {"id": hex(&root_id), "key": hex(&ROOT_KEY)},
            "audit": {"id": hex(&audit_id), "seed": hex(&AUDIT_SEED)},
            "serial": hex(&Sha256::digest(salt)[..16]),
            "file": hex(&file(&plaintext)),
        }),
    );
    let mut damaged = file(&plaintext);
    *damaged.last_mut().expect("a tag") ^= 1;
    let no_root = [&[1, 0, 1, 2][..], &audit_id, &AUDIT_SEED].concat();
    for (name, what, reason, passphrase, file) in [
        ("passphrase", "Another passphrase", "commitment", "correct horse battery stable", file(&plaintext)),
        ("damaged", "A byte of the tag changed", "tag", passphrase, damaged),
        ("no-root", "No root key in it", "objects", passphrase, file(&no_root)),
    ] {
        files.add(
            &format!("refused-software-device-{name}"),
            json!({
                "what": what, "kind": "software-device", "outcome": "refused", "reason": reason,
                "passphrase": passphrase, "file": hex(&file),
            }),
        );
    }
}

fn value_of(kind: u8, bytes: &[u8]) -> SecretValue {
    let kind = strongroom::ValueKind::from_number(kind).expect("a kind");
    SecretValue::from_kind(kind, bytes.to_vec().into()).expect("a value")
}

fn xaes_seal(key: &[u8; 32], nonce: &[u8; 24], associated_data: &[u8], plaintext: &[u8]) -> Vec<u8> {
    use xaes_256_gcm::aead::KeyInit as _;
    let payload = Payload { msg: plaintext, aad: associated_data };
    Xaes256Gcm::new(key.into()).encrypt(nonce.into(), payload).expect("short")
}

pub(crate) fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    Hmac::<Sha256>::new_from_slice(key).expect("any length").chain_update(message).finalize().into_bytes().into()
}

fn expand(prk: &[u8; 32], info: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    hkdf::Hkdf::<Sha256>::from_prk(prk).expect("32 bytes").expand(info, &mut key).expect("one block");
    key
}
