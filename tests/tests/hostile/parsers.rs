//! Every parser of bytes that a stranger may have written. The one list: the fuzz targets in `fuzz/` and the test beside
//! this file read it.
//!
//! Each takes any bytes, must not panic, and says whether it accepted them. What it accepts it writes again where there
//! is a writer, and panics if the bytes are others: a form with two spellings is one whose hash names nothing.
//!
//! Not here: rows of the database, which `bad_input.rs` rewrites column by column; and the software device's key file,
//! where a stranger's bytes may ask for the time and memory of a passphrase hash, within limits that its own tests know.

use std::{
    collections::BTreeSet,
    sync::{Arc, OnceLock},
};

use strongroom::{
    Actor, Arena, DeploymentId, Description, DeviceProfile, Environment, Folder, KeyEpoch, KeyId, Keyring, LabelName,
    LabelValue, Locking, ObjectId, Owner, QueryCursor, RequestId, RootKey as TenantRoot, SealedHeader, SecretPath,
    SecretType, SecretValue, TenantId, TenantKeys, TenantRef, TenantSeed,
    device::{Prk, RootVersion},
    testing::parsers,
    transfer::{Entry, dotenv, environment, json, template::Template, toml, yaml},
};
use strongroom_hsm::DeviceUri;
use strongroom_log::{
    Anchor, BundleReader, Checkpoint, CommitLeaf, EntryProof, EpochCertificate, Frontier, Hash, HeadsTree, Note,
    Origin, Receipt, RootKey, VerifyingKey, base64_decode, base64_encode, hex_array, hex_encode, parse_line,
    verify_consistency, verify_inclusion,
};

/// One of them.
#[derive(Debug)]
pub(crate) struct Parser {
    /// Its name; also that of the fuzz target, and of the folder of its corpus.
    pub(crate) name: &'static str,
    /// Reads any bytes, and says whether it accepted them.
    pub(crate) read: fn(&[u8]) -> bool,
    /// How many bytes it may hold while it reads so many.
    pub(crate) memory_bytes_max: fn(usize) -> usize,
}

/// What a reader needs whose result is hardly larger than what it reads: copies, also of what is written again.
fn copies(input: usize) -> usize {
    16 * 1024 + 16 * input
}

/// What a reader needs that makes small objects of small pieces.
fn objects(input: usize) -> usize {
    64 * 1024 + 256 * input
}

/// What a reader needs that keeps tokens of up to a thousand characters, and all of a collection, until it knows what
/// they are. It reads no more than 1 MiB.
fn lookahead(input: usize) -> usize {
    512 * 1024 + 320 * input
}

/// What a verifier needs: the trees it begins with, and then each log, epoch and finding.
fn verification(input: usize) -> usize {
    1024 * 1024 + 64 * input
}

macro_rules! parsers {
    ($($name:ident in $memory:ident),* $(,)?) => {
        /// All of them.
        pub(crate) const ALL: &[Parser] = &[$(Parser { name: stringify!($name), read: $name, memory_bytes_max: $memory }),*];
    };
}

parsers! {
    anchor in copies,
    backup_note in copies,
    base64 in copies,
    bundle in verification,
    certificate in copies,
    checkpoint in copies,
    commit in copies,
    config in objects,
    consistency in copies,
    content in copies,
    device_uri in objects,
    entry_proof in copies,
    env_file in objects,
    frontier in copies,
    heads in verification,
    inclusion in copies,
    json_file in objects,
    keyring in copies,
    line in copies,
    merge_patch in objects,
    meta in objects,
    names in copies,
    note in objects,
    origin in copies,
    profile in objects,
    receipt in copies,
    refused_logins in copies,
    remembered in verification,
    root_key in copies,
    sealed in copies,
    template in objects,
    toml_file in objects,
    value in copies,
    vkey in copies,
    x509 in objects,
    yaml_file in lookahead,
}

/// Accepted, and written again: it has to be what was read.
fn same(read: &[u8], written: Option<impl AsRef<[u8]>>) -> bool {
    let Some(written) = written else { return false };
    let (read, written) = (String::from_utf8_lossy(read), String::from_utf8_lossy(written.as_ref()));
    assert!(read == written, "it is written as\n{written}\nand was read from\n{read}");
    true
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

// ── strongroom-log ───────────────────────────────────────────────────────────────────────────────────

/// The deployment of the vectors, which the corpus was made from.
const ROOT: &str = "example.com/keys/root+ef0af77d+ASnlgzqRWmQppOOnlIR1wzjvQ264K+ickvBZcEQD251V";

fn deployment() -> (Origin, RootKey) {
    (Origin::parse("example.com/keys").expect("an origin"), ROOT.parse().expect("a key"))
}

/// Another JSON library says that it is in its one form.
fn line(bytes: &[u8]) -> bool {
    let again = || Some(serde_json::from_slice::<serde_json::Value>(bytes).expect("JSON").to_string());
    parse_line(bytes).is_ok() && same(bytes, again())
}

fn note(bytes: &[u8]) -> bool {
    let (origin, root) = deployment();
    let Ok(note) = Note::parse(bytes) else { return false };
    assert!(bytes.starts_with(note.unverified_text().as_bytes()), "its text is how it begins");
    let key = root.for_origin(&origin).expect("its own deployment");
    if let Ok(text) = note.verify(&[&key]) {
        assert_eq!(text, note.unverified_text());
        assert!(Checkpoint::open(bytes, &key).is_err(), "the root key signs no checkpoints");
    }
    true
}

fn vkey(bytes: &[u8]) -> bool {
    same(bytes, text(bytes).and_then(|text| text.parse::<VerifyingKey>().ok()).map(|key| key.to_string()))
}

fn root_key(bytes: &[u8]) -> bool {
    same(bytes, text(bytes).and_then(|text| text.parse::<RootKey>().ok()).map(|key| key.to_string()))
}

fn checkpoint(bytes: &[u8]) -> bool {
    same(bytes, text(bytes).and_then(|text| Checkpoint::parse(text).ok()).map(|checkpoint| checkpoint.text()))
}

fn certificate(bytes: &[u8]) -> bool {
    let (origin, _) = deployment();
    let parsed = text(bytes).and_then(|text| EpochCertificate::parse(text, &origin).ok());
    same(bytes, parsed.map(|certificate| certificate.text()))
}

/// What is kept of the log outside of the database; anybody may have written there.
fn anchor(bytes: &[u8]) -> bool {
    let Ok(anchor) = Anchor::parse(bytes) else { return false };
    let (_, root) = deployment();
    if let Ok(checkpoint) = anchor.verify(&root) {
        assert_eq!((checkpoint.size, checkpoint.root), (anchor.frontier().size(), anchor.frontier().root()));
    }
    same(bytes, Some(anchor.write()))
}

fn commit(bytes: &[u8]) -> bool {
    same(bytes, CommitLeaf::from_bytes(bytes).ok().map(|leaf| leaf.to_bytes()))
}

fn origin(bytes: &[u8]) -> bool {
    same(bytes, text(bytes).and_then(|text| Origin::parse(text).ok()).map(|origin| origin.first().to_owned()))
}

fn frontier(bytes: &[u8]) -> bool {
    let Ok(mut frontier) = Frontier::from_bytes(bytes) else { return false };
    same(bytes, Some(frontier.to_bytes()));
    let leaf = frontier.root();
    if frontier.size() < u64::MAX {
        let root = frontier.root_with(leaf);
        frontier.append(leaf);
        assert_eq!(frontier.root(), root);
    }
    true
}

/// Hex too: neither has two texts for the same bytes.
fn base64(bytes: &[u8]) -> bool {
    if let Some(decoded) = hex_array::<16>(bytes) {
        same(bytes, Some(hex_encode(&decoded)));
    }
    same(bytes, base64_decode(bytes).map(|decoded| base64_encode(&decoded)))
}

/// Two numbers, two hashes, and a proof.
fn proof(bytes: &[u8]) -> Option<(u64, u64, Hash, Hash, Vec<Hash>)> {
    let (first, rest) = bytes.split_first_chunk::<8>()?;
    let (second, rest) = rest.split_first_chunk::<8>()?;
    let mut hashes = rest.chunks_exact(32).filter_map(Hash::from_slice);
    let (a, b) = (hashes.next()?, hashes.next()?);
    Some((u64::from_be_bytes(*first), u64::from_be_bytes(*second), a, b, hashes.collect()))
}

fn inclusion(bytes: &[u8]) -> bool {
    let Some((index, size, leaf, root, proof)) = proof(bytes) else { return false };
    let holds = verify_inclusion(index, size, &leaf, &proof, &root);
    assert!(!holds || index < size && proof.len() <= 64);
    holds
}

fn consistency(bytes: &[u8]) -> bool {
    let Some((old, new, old_root, new_root, proof)) = proof(bytes) else { return false };
    let holds = verify_consistency(old, &old_root, new, &new_root, &proof);
    assert!(!holds || old <= new && proof.len() <= 65);
    holds
}

/// Positions and leaves, as the database has them.
fn heads(bytes: &[u8]) -> bool {
    let leaves: Vec<_> = bytes
        .chunks_exact(36)
        .filter_map(|chunk| {
            let (position, leaf) = chunk.split_first_chunk::<4>()?;
            Some((u32::from_be_bytes(*position), Hash::from_slice(leaf)?))
        })
        .collect();
    let Ok(tree) = HeadsTree::from_leaves(&leaves) else { return false };
    for (position, leaf) in leaves.iter().take(8) {
        let holds =
            verify_inclusion(u64::from(*position), u64::from(tree.size()), leaf, &tree.proof(*position), &tree.root());
        assert!(holds, "position {position}");
    }
    true
}

/// Read at once and in pieces; a piece's length depends on the bytes, so that it differs.
fn bundle(bytes: &[u8]) -> bool {
    let (_, root) = deployment();
    let read = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let mut reader = BundleReader::new(&root, None);
        pieces.for_each(|piece| reader.feed(piece));
        reader.finish()
    };
    let report = read(&mut [bytes].into_iter());
    let length = bytes.iter().take(64).fold(1, |sum, byte| sum + usize::from(*byte % 7));
    let in_pieces = read(&mut bytes.chunks(length));
    assert_eq!(format!("{report:?}"), format!("{in_pieces:?}"), "in pieces of {length} bytes");
    report.is_ok()
}

/// A checkpoint that somebody kept from before.
fn remembered(bytes: &[u8]) -> bool {
    static BUNDLE: OnceLock<String> = OnceLock::new();
    let bundle = BUNDLE.get_or_init(|| {
        let vector: serde_json::Value =
            serde_json::from_str(include_str!("../../vectors/log-tenant.json")).expect("a vector");
        let records = vector["bundle"].as_array().expect("records").iter();
        records.map(|record| format!("{}\n", record.as_str().expect("a record"))).collect()
    });
    let (_, root) = deployment();
    let mut reader = BundleReader::new(&root, Some(bytes));
    reader.feed(bundle.as_bytes());
    reader.finish().is_ok()
}

/// Whatever it says, only a line that is in the log is proven.
fn entry_proof(bytes: &[u8]) -> bool {
    static LINES: OnceLock<BTreeSet<String>> = OnceLock::new();
    let lines = LINES.get_or_init(|| {
        let vector: serde_json::Value =
            serde_json::from_str(include_str!("../../vectors/log-full.json")).expect("a vector");
        let records = vector["bundle"].as_array().expect("records").iter().filter_map(|record| record.as_str());
        records.filter_map(|record| record.strip_prefix("line ")).map(str::to_owned).collect()
    });
    let (_, root) = deployment();
    let Ok(proof) = EntryProof::parse(bytes) else { return false };
    if let Ok(proven) = proof.verify(&root) {
        assert!(lines.contains(proven.line()), "{} was never written", proven.line());
    }
    same(bytes, Some(proof.write()))
}

/// Not compared: it is JSON, which people lay out as they like. Nothing writes it from this type.
fn receipt(bytes: &[u8]) -> bool {
    static PROOF: OnceLock<EntryProof> = OnceLock::new();
    let proof = PROOF.get_or_init(|| {
        let vector: serde_json::Value =
            serde_json::from_str(include_str!("../../vectors/proof-tenant.json")).expect("a vector");
        let records = vector["proof"].as_array().expect("records").iter();
        let file: String = records.map(|record| format!("{}\n", record.as_str().expect("a record"))).collect();
        EntryProof::parse(file.as_bytes()).expect("a proof")
    });
    let (_, root) = deployment();
    let Ok(receipt) = serde_json::from_slice::<Receipt>(bytes) else { return false };
    let proven = proof.verify(&root).expect("it is good");
    if proven.matches(&receipt).is_ok() {
        assert_eq!((receipt.log(), receipt.seq()), (proven.parsed().log, proven.parsed().seq));
    }
    true
}

// ── strongroom ───────────────────────────────────────────────────────────────────────────────────────

fn env_file(bytes: &[u8]) -> bool {
    let Ok(entries) = dotenv::parse(bytes) else { return false };
    let _ = environment::names(entries.iter().map(|entry| &entry.path));
    // Not every value fits a `.env` file; those that came from one do.
    let again = dotenv::export(pairs(&entries)).expect("what came from such a file goes into one");
    assert_same_secrets(&entries, &dotenv::parse(&again).expect("we read what we write"));
    true
}

fn json_file(bytes: &[u8]) -> bool {
    let Ok(entries) = json::parse(bytes) else { return false };
    let again = json::export(pairs(&entries));
    assert_same_secrets(&entries, &json::parse(&again).expect("we read what we write"));
    true
}

fn yaml_file(bytes: &[u8]) -> bool {
    let Ok(entries) = yaml::parse(bytes) else { return false };
    let again = yaml::export(pairs(&entries));
    assert_same_secrets(&entries, &yaml::parse(&again).expect("we read what we write"));
    true
}

fn toml_file(bytes: &[u8]) -> bool {
    let Ok(entries) = toml::parse(bytes) else { return false };
    let again = toml::export(pairs(&entries));
    assert_same_secrets(&entries, &toml::parse(&again).expect("we read what we write"));
    true
}

/// Whatever it says, what becomes of it is what was in it and the values, in their places.
fn template(bytes: &[u8]) -> bool {
    let Ok(template) = Template::parse(bytes) else { return false };
    let value = SecretValue::text("").expect("a value");
    let mut places = 0;
    let filled = template.fill(|path| {
        assert!(template.paths().any(|named| named == path));
        places += 1;
        Ok(&value)
    });
    let filled = filled.expect("an empty text fits everywhere");
    assert!(places <= strongroom::limits::TEMPLATE_PLACEHOLDERS_MAX && filled.len() <= bytes.len());
    true
}

fn pairs(entries: &[Entry]) -> impl Iterator<Item = (&SecretPath, &SecretValue)> {
    entries.iter().map(|entry| (&entry.path, &entry.value))
}

fn assert_same_secrets(first: &[Entry], second: &[Entry]) {
    let sorted = |entries: &[Entry]| {
        let mut order: Vec<_> = (0..entries.len()).collect();
        order.sort_by(|a, b| entries[*a].path.cmp(&entries[*b].path));
        order
    };
    assert_eq!(first.len(), second.len());
    for (a, b) in sorted(first).into_iter().zip(sorted(second)) {
        assert_eq!(first[a].path, second[b].path);
        assert!(first[a].value.matches(&second[b].value), "{} has another value", first[a].path);
    }
}

/// All names that people give: what one of them says parses to itself.
fn names(bytes: &[u8]) -> bool {
    fn is_one<T: std::str::FromStr + ToString + PartialEq + std::fmt::Debug>(name: &str) -> bool
    where
        T::Err: std::fmt::Debug,
    {
        let Ok(parsed) = name.parse::<T>() else { return false };
        assert_eq!(parsed.to_string().parse::<T>().expect("its own text"), parsed);
        true
    }
    let Some(text) = text(bytes) else { return false };
    let one_of = [
        is_one::<SecretPath>,
        is_one::<Folder>,
        is_one::<Environment>,
        is_one::<TenantId>,
        is_one::<Actor>,
        is_one::<RequestId>,
        is_one::<QueryCursor>,
        is_one::<LabelName>,
        is_one::<LabelValue>,
        is_one::<Description>,
        is_one::<Owner>,
        is_one::<SecretType>,
        is_one::<strongroom::Origin>,
        is_one::<TenantRef>,
    ];
    // All of them read it, so they are counted.
    one_of.iter().filter(|is_one| is_one(text)).count() > 0
}

fn value(bytes: &[u8]) -> bool {
    let Some(text) = text(bytes) else { return false };
    SecretValue::json(text).is_ok_and(|value| value.expose(|kept| same(bytes, Some(kept))))
}

fn profile(bytes: &[u8]) -> bool {
    let parsed = DeviceProfile::from_bytes(bytes).ok();
    if let Some(profile) = &parsed {
        assert!(profile.root(profile.newest_root()).is_some());
    }
    same(bytes, parsed.map(|profile| profile.to_bytes()))
}

fn arena() -> Arc<Arena> {
    static ARENA: OnceLock<Arc<Arena>> = OnceLock::new();
    let make = || Arena::new(strongroom::ARENA_BYTES_MIN, Locking::Allow).expect("memory");
    ARENA.get_or_init(make).clone()
}

fn keyring(bytes: &[u8]) -> bool {
    same(bytes, Keyring::from_bytes(bytes, &arena()).ok().and_then(|keyring| Some(keyring.to_bytes().ok()?.to_vec())))
}

/// Sealed bytes: what is not ours does not open, whatever its header says.
fn sealed(bytes: &[u8]) -> bool {
    static KEYS: OnceLock<TenantKeys> = OnceLock::new();
    let keys = KEYS.get_or_init(|| {
        let keys: serde_json::Value = serde_json::from_str(include_str!("../../vectors/keys.json")).expect("a vector");
        let (acme, root) = (&keys["tenants"]["acme"], &keys["root"]);
        let seed = TenantSeed {
            deployment: DeploymentId::from_bytes(unhex(&keys["deployment"])),
            tenant: TenantRef::from_bytes(unhex(&acme["tenant"])),
            salt: unhex(&acme["salt"]),
            root: TenantRoot { id: KeyId::from_bytes(unhex(&root["id"])), version: RootVersion::FIRST },
            epoch: KeyEpoch(acme["key_epoch"].as_u64().and_then(|epoch| epoch.try_into().ok()).expect("a number")),
        };
        let prk = Prk::from_slice(&unhex::<32>(&acme["prk"])).expect("32 bytes");
        TenantKeys::unseal(seed, &prk, &unhex_all(&acme["keyring_sealed"]), &arena()).expect("a good vector")
    });
    let header = SealedHeader::parse(bytes);
    // Where the value in `sealed-value-text.json` belongs.
    let secret = ObjectId::from_bytes(hex_array("019b76da180070018002030405060708").expect("hex"));
    let opened = keys.open_value(secret, 7, bytes);
    assert!(opened.is_err() || header.is_ok());
    opened.is_ok()
}

fn unhex<const N: usize>(value: &serde_json::Value) -> [u8; N] {
    hex_array(value.as_str().expect("hex")).expect("of this length")
}

fn unhex_all(value: &serde_json::Value) -> Vec<u8> {
    let digits = value.as_str().expect("hex").as_bytes();
    digits.chunks_exact(2).map(|pair| hex_array::<1>(pair).expect("hex")[0]).collect()
}

fn content(bytes: &[u8]) -> bool {
    same(bytes, parsers::content(bytes))
}

/// Not compared: this JSON stands in sealed bytes, where nobody else has written it.
/// Another JSON library, and the standard's own words, say the same where they can read both.
fn merge_patch(bytes: &[u8]) -> bool {
    use serde_json::{Map, Value};
    fn model(target: Value, patch: Value) -> Value {
        let Value::Object(patch) = patch else { return patch };
        let mut target = if let Value::Object(target) = target { target } else { Map::new() };
        for (name, value) in patch {
            match (value, target.remove(&name)) {
                (Value::Null, _) => {}
                (value, before) => drop(target.insert(name, model(before.unwrap_or_default(), value))),
            }
        }
        Value::Object(target)
    }
    let Some(merged) = parsers::merge_patch(bytes) else { return false };
    let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok();
    let at = bytes.iter().position(|byte| *byte == 0).expect("two documents");
    assert!(SecretValue::json(String::from_utf8(merged.clone()).expect("text")).is_ok() || merged.len() > 65_536);
    if let (Some(target), Some(patch)) = (read(&bytes[..at]), read(&bytes[at + 1..])) {
        assert_eq!(read(&merged), Some(model(target, patch)));
    }
    true
}

fn meta(bytes: &[u8]) -> bool {
    let Some(written) = parsers::meta(bytes) else { return false };
    same(&written, parsers::meta(&written))
}

/// A value that may be a certificate. Not written again: only its end is read.
fn x509(bytes: &[u8]) -> bool {
    parsers::certificate(bytes).is_some()
}

fn backup_note(bytes: &[u8]) -> bool {
    same(bytes, parsers::backup_note(bytes))
}

fn refused_logins(bytes: &[u8]) -> bool {
    same(bytes, parsers::refused_logins(bytes))
}

/// People write it, in any form that TOML allows.
fn config(bytes: &[u8]) -> bool {
    let Some(written) = parsers::config(bytes) else { return false };
    same(&written, parsers::config(&written))
}

// ── strongroom-hsm ───────────────────────────────────────────────────────────────────────────────────

/// People write it; its own text is the one form.
fn device_uri(bytes: &[u8]) -> bool {
    let Some(uri) = text(bytes).and_then(|text| text.parse::<DeviceUri>().ok()) else { return false };
    let written = uri.to_string();
    same(written.as_bytes(), Some(written.parse::<DeviceUri>().expect("its own text").to_string()))
}
