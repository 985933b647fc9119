//! After `close` no key is left in memory: looked for in a process by another one.
//!
//! The child opens a deployment, uses it, and says when it is open and when it has closed. The parent knows
//! the root key, so it can compute, as `docs/formats.md` says and without the code under test, what the child
//! must have had in its hands: PRKs, wrap keys and all keys of the keyrings. It then reads the child's whole
//! memory. The seed of the signing epoch is random and stands nowhere; it is found by trying what lies in the
//! child's arena against the public key in the epoch's certificate.
//!
//! Before `close` the keys that are cached have to be found, or the search would prove nothing.
#![cfg(target_os = "linux")]

mod child;
mod common;

use std::{fs, os::unix::fs::FileExt as _};

use common::{Place, ROOT, billing, tenant};
use ed25519_dalek::SigningKey;
use hmac::{Hmac, KeyInit as _, Mac as _};
use memchr::memmem;
use pollster::block_on;
use sha2::Sha256;
use strongroom::{Get, Patch, Put, Secret, SecretValue, Strongroom};
use strongroom_log::VerifyingKey;
use xaes_256_gcm::{
    Xaes256Gcm,
    aead::{Aead as _, Payload},
};

const TENANT: &str = "acme";
/// How a slot of the arena in use begins, in memory.
const ALIVE: [u8; 8] = u64::from_be_bytes(*b"srkeyliv").to_ne_bytes();

/// A value that stands nowhere in the program, so that finding it is finding a copy.
fn value() -> Vec<u8> {
    (0..48_u8).map(|index| index.wrapping_mul(37) ^ 0x5a).collect()
}

/// What stands in a JSON value, as a name and as a value, likewise.
fn word() -> impl Iterator<Item = char> {
    (0..48_u8).map(|index| char::from(b'a' + index.wrapping_mul(37) % 23))
}

/// A JSON value with the word, in a text that does not grow while it is made: that would leave copies.
fn json(before: &str, after: &str) -> SecretValue {
    let mut text = String::with_capacity(200);
    text.push_str(before);
    text.extend(word());
    text.push_str(after);
    SecretValue::json(text).unwrap()
}

#[test]
fn child_opens_and_closes() {
    if !child::role("child_opens_and_closes") {
        return;
    }
    let room = child::open();
    let held = use_it(&room);
    child::say("open");
    child::wait();
    drop(held);
    room.close().unwrap();
    child::say("closed");
    child::wait();
}

/// Seals, opens, lists, hashes, signs. Gives a value that it holds.
fn use_it(room: &Strongroom) -> Secret {
    let acme = room.tenant(&TENANT.parse().unwrap()).acting_as(billing());
    let path = "app/key".parse().unwrap();
    for _ in 0..3 {
        block_on(acme.secrets().put(&path, SecretValue::binary(value()).unwrap(), Put::default())).unwrap();
        let got = block_on(acme.secrets().get(&path, Get::current())).unwrap();
        got.value.expose(|bytes| assert_eq!(bytes.len(), value().len()));
    }
    let config = "app/config".parse().unwrap();
    block_on(acme.secrets().put(&config, json(r#"{"n":1,"kept":[""#, r#""]}"#), Put::default())).unwrap();
    let number = SecretValue::json(r#"{"n":2}"#).unwrap();
    block_on(acme.secrets().patch(&config, number, Patch::default())).unwrap();
    block_on(acme.secrets().patch(&config, json(r#"{"added":{""#, r#"":"\u00e9"}}"#), Patch::default())).unwrap();
    let got = block_on(acme.secrets().get(&config, Get::current())).unwrap();
    got.value.expose(|bytes| assert_eq!(memmem::find_iter(bytes, r#""n":2,"kept":["#).count(), 1));
    drop(got);
    block_on(acme.audit().show(0, 10)).unwrap();
    block_on(room.admin(common::operator()).create_tenant(&"fresh".parse().unwrap())).unwrap();
    block_on(room.admin(common::operator()).dangerously_export_key(&TENANT.parse().unwrap())).unwrap();
    block_on(acme.secrets().get(&path, Get::current())).unwrap()
}

#[test]
fn no_key_is_left_in_memory_after_close() {
    let (place, room) = Place::software();
    tenant(&room, TENANT);
    room.close().unwrap();

    let mut child = child::start("child_opens_and_closes", &place, &[]);
    child.demand("open");
    // Only now: a child must not inherit what is looked for.
    let mut needles = needles(&place);
    let open = Memory::of(child.id());
    let epoch = epoch_key(&place, &open).expect("the epoch's seed is in the arena");
    needles.push(Needle { name: "the epoch's seed".into(), bytes: epoch.to_vec(), cached: true });
    for needle in &needles {
        let found = open.find(&needle.bytes);
        println!("open:   {:<32} {}", needle.name, places(&found));
        // What is not kept may not be there even now.
        assert_eq!(found.len(), usize::from(needle.cached), "{} while open", needle.name);
    }
    child.go_on();
    child.demand("closed");
    let closed = Memory::of(child.id());
    let mut left = Vec::new();
    for needle in &needles {
        for (form, bytes) in forms(&needle.bytes) {
            let found = closed.find(&bytes);
            if !found.is_empty() {
                left.push(format!("{}{form}: {}", needle.name, places(&found)));
            }
        }
    }
    println!("closed: {} needles looked for in {} MiB, {} found", needles.len(), closed.bytes() >> 20, left.len());
    assert!(left.is_empty(), "left after close: {left:#?}");
    child.go_on();
    child.finish();
}

struct Needle {
    name: String,
    bytes: Vec<u8>,
    /// Whether the child has it in memory while the room is open: in one place.
    cached: bool,
}

/// A key, and what HMAC makes of it before it begins.
fn forms(key: &[u8]) -> [(&'static str, Vec<u8>); 3] {
    let mixed = |pad: u8| key.iter().map(|byte| byte ^ pad).collect();
    [("", key.to_vec()), (" with the inner pad", mixed(0x36)), (" with the outer pad", mixed(0x5c))]
}

/// Everything that can be computed, from the root key and the database alone.
fn needles(place: &Place) -> Vec<Needle> {
    let thief = place.thief();
    let (deployment, profile): (Vec<u8>, Vec<u8>) = thief
        .query_row("SELECT deployment, profile FROM deployment", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    // The first "id" is the audit key's; that of the root stands behind "roots".
    let profile = String::from_utf8(profile).unwrap();
    let roots = profile.split_once("\"roots\"").unwrap().1;
    let root_id = hex(&roots.split_once("\"id\":\"").unwrap().1[..32]);

    let mut select = thief.prepare("SELECT number, ref, salt, keyring FROM tenants ORDER BY number").unwrap();
    let rows = select.query_map([], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?, row.get::<_, Vec<u8>>(2)?, row.get::<_, Vec<u8>>(3)?))
    });
    let word = word().collect::<String>().into_bytes();
    let mut needles = vec![
        Needle { name: "the value".into(), bytes: value(), cached: true },
        Needle { name: "the word that was patched in".into(), bytes: word, cached: false },
    ];
    for row in rows.unwrap() {
        let (number, tenant, salt, sealed) = row.unwrap();
        let one: &[u8] = &[0, 0, 0, 1];
        let prk = hmac(&ROOT, &enc(&[b"strongroom/tenant/v1", &deployment, &tenant, &salt, one, one]));
        // One block of HKDF-Expand.
        let info = enc(&[b"strongroom/wrap/v1", &deployment, &tenant, one, one]);
        let wrap = hmac(&prk, &[&info[..], &[1]].concat());

        assert_eq!((sealed[0], sealed[1], &sealed[2..18], &sealed[18..22]), (4, 1, &root_id[..], one));
        let epoch = 1_u64.to_be_bytes();
        let aad = enc(&[
            b"strongroom/aad/v1",
            &deployment,
            &tenant,
            b"keyring",
            &tenant,
            &epoch,
            &[4],
            &[1],
            &root_id,
            one,
            b"",
        ]);
        let cipher = Xaes256Gcm::new(&wrap.into());
        let nonce: [u8; 24] = sealed[22..46].try_into().unwrap();
        let keyring = cipher.decrypt(&nonce.into(), Payload { msg: &sealed[46..], aad: &aad }).unwrap();
        assert_eq!((keyring[0], &keyring[1..3]), (1, &[0, 4][..]));

        let whose = if number == 0 { "sys".to_owned() } else { format!("tenant {number}") };
        needles.push(Needle { name: format!("PRK of {whose}"), bytes: prk.to_vec(), cached: false });
        needles.push(Needle { name: format!("wrap key of {whose}"), bytes: wrap.to_vec(), cached: false });
        for entry in keyring[3..].chunks(62) {
            let purpose = ["data", "index", "pseudonym", "metadata"][usize::from(entry[0]) - 1];
            needles.push(Needle {
                name: format!("{purpose} key of {whose}"),
                bytes: entry[30..].to_vec(),
                cached: true,
            });
        }
    }
    assert_eq!(needles.len(), 2 + 3 * 6, "sys and two tenants");
    needles
}

/// The seed of the epoch that is open: what in the arena has the public key that its certificate names.
fn epoch_key(place: &Place, memory: &Memory) -> Option<[u8; 32]> {
    let certificate: Vec<u8> = place
        .thief()
        .query_row("SELECT certificate FROM epochs WHERE closed = 0 ORDER BY id DESC LIMIT 1", [], |row| row.get(0))
        .unwrap();
    let text = String::from_utf8(certificate).unwrap();
    let vkey = text.lines().find_map(|line| line.strip_prefix("key ")).unwrap();
    let public = vkey.parse::<VerifyingKey>().unwrap().public_key();
    memory.regions.iter().find_map(|region| {
        memmem::find_iter(&region.bytes, &ALIVE).find_map(|at| {
            let seed: [u8; 32] = region.bytes.get(at + 8..at + 40)?.try_into().unwrap();
            (SigningKey::from_bytes(&seed).verifying_key().to_bytes() == public).then_some(seed)
        })
    })
}

/// All that can be read of a process's memory.
struct Memory {
    regions: Vec<Region>,
}

struct Region {
    name: String,
    bytes: Vec<u8>,
}

impl Memory {
    fn of(process: u32) -> Self {
        let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
        let memory = fs::File::open(format!("/proc/{process}/mem")).unwrap();
        let mut regions = Vec::new();
        for map in maps.lines() {
            let fields: Vec<_> = map.split_whitespace().collect();
            let (start, end) = fields[0].split_once('-').unwrap();
            let [start, end] = [start, end].map(|address| u64::from_str_radix(address, 16).unwrap());
            let name = fields.get(5).copied().unwrap_or("anonymous");
            // The kernel's own pages cannot be read this way.
            if !fields[1].starts_with('r') || name.starts_with("[v") {
                continue;
            }
            let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
            memory.read_exact_at(&mut bytes, start).unwrap_or_else(|error| panic!("{map}: {error}"));
            regions.push(Region { name: format!("{name} {start:x} {}", fields[1]), bytes });
        }
        Self { regions }
    }

    /// Where these bytes are.
    fn find(&self, needle: &[u8]) -> Vec<String> {
        let finder = memmem::Finder::new(needle);
        self.regions
            .iter()
            .flat_map(|region| finder.find_iter(&region.bytes).map(|at| format!("{} +{at:#x}", region.name)))
            .collect()
    }

    fn bytes(&self) -> usize {
        self.regions.iter().map(|region| region.bytes.len()).sum()
    }
}

fn places(found: &[String]) -> String {
    if found.is_empty() { "nowhere".to_owned() } else { found.join(", ") }
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(message).finalize().into_bytes().into()
}

/// `docs/formats.md` §1.
fn enc(fields: &[&[u8]]) -> Vec<u8> {
    let field = |field: &&[u8]| [&u32::try_from(field.len()).unwrap().to_be_bytes()[..], field].concat();
    fields.iter().flat_map(field).collect()
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
