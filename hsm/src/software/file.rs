//! The key file: `docs/formats.md` §9.
//!
//! A wrong passphrase is told from a damaged file by the commitment, which is compared first: only
//! the key that sealed the file opens anything, as AES-GCM alone would not promise.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use secrecy::{ExposeSecret, SecretBox};
use sha2::{Digest, Sha256};
use strongroom::{device::DeviceError, scrub_stack};
use subtle::ConstantTimeEq;
use xaes_256_gcm::{
    Nonce, Xaes256Gcm,
    aead::{Aead, KeyInit, Payload},
};
use zeroize::{Zeroize, Zeroizing};

use super::keys::{HeldKeys, KeyBox};

const MAGIC: &[u8; 8] = b"SRSOFT01";
const SALT_BYTES: usize = 32;
const COMMITMENT_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;
/// Magic, cost and salt: what the associated data covers.
const BOUND_BYTES: usize = 8 + 3 * 4 + SALT_BYTES;
const HEADER_BYTES: usize = BOUND_BYTES + COMMITMENT_BYTES + NONCE_BYTES;
const TAG_BYTES: usize = 16;

const PLAINTEXT_FORMAT: u8 = 1;
const TYPE_ROOT: u8 = 1;
const TYPE_AUDIT: u8 = 2;
const OBJECT_BYTES: usize = 1 + 16 + 32;

/// Most keys in a file.
const OBJECTS_MAX: usize = 64;
const FILE_BYTES_MAX: usize = HEADER_BYTES + 3 + OBJECTS_MAX * OBJECT_BYTES + TAG_BYTES;

/// What a guess at the passphrase costs: Argon2id's parameters (RFC 9106).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Cost {
    /// RFC 9106 §4's second recommendation, on one lane, as nothing here is parallel.
    pub(crate) const DEFAULT: Self = Self { memory_kib: 64 * 1024, passes: 3, lanes: 1 };

    /// For tests, which make many.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) const CHEAP: Self = Self { memory_kib: 64, passes: 1, lanes: 1 };

    /// The most that a file may ask of us, since it asks before it is authenticated: 1 GiB.
    const MAX: Self = Self { memory_kib: 1024 * 1024, passes: 64, lanes: 16 };

    fn is_sane(self) -> bool {
        self.memory_kib <= Self::MAX.memory_kib
            && (1..=Self::MAX.passes).contains(&self.passes)
            && (1..=Self::MAX.lanes).contains(&self.lanes)
            && self.memory_kib >= 8 * self.lanes
    }
}

/// What a key file holds.
#[derive(Debug)]
pub(super) struct KeyFile {
    pub(super) keys: HeldKeys,
    /// The first 16 bytes of SHA-256 of the salt.
    pub(super) serial: [u8; 16],
}

/// Writes a new key file: whole or not at all, and never over another.
pub(super) fn create(
    path: &Path,
    passphrase: &SecretBox<Vec<u8>>,
    keys: &HeldKeys,
    cost: Cost,
) -> Result<(), DeviceError> {
    let mut random = [0; SALT_BYTES + NONCE_BYTES];
    getrandom::fill(&mut random)
        .map_err(|error| DeviceError::Unavailable(format!("the system's random source: {error}")))?;
    let (salt, nonce) = random.split_at(SALT_BYTES);
    let bytes = seal(passphrase.expose_secret(), keys, cost, salt, nonce)?;
    write_new(path, &bytes).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => DeviceError::FileExists(format!("{}: it exists already", path.display())),
        _ => refuse(path, &error.to_string()),
    })
}

/// Reads a key file.
pub(super) fn open(path: &Path, passphrase: &SecretBox<Vec<u8>>) -> Result<KeyFile, DeviceError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| refuse(path, &error.to_string()))?;
    unseal(passphrase.expose_secret(), &bytes).map_err(|problem| match problem {
        Problem::Passphrase => DeviceError::PinRefused,
        Problem::File(what) => refuse(path, what),
    })
}

pub(super) fn refuse(path: &Path, what: &str) -> DeviceError {
    DeviceError::File(format!("{}: {what}", path.display()))
}

#[derive(Debug, PartialEq, Eq)]
enum Problem {
    Passphrase,
    File(&'static str),
}

fn seal(passphrase: &[u8], keys: &HeldKeys, cost: Cost, salt: &[u8], nonce: &[u8]) -> Result<Vec<u8>, DeviceError> {
    let mut bytes = MAGIC.to_vec();
    for number in [cost.memory_kib, cost.passes, cost.lanes] {
        bytes.extend(number.to_be_bytes());
    }
    bytes.extend(salt);
    let stretched = stretch(passphrase, salt, cost)
        .map_err(|_| DeviceError::Unavailable("there is not enough memory for the passphrase hash".into()))?;
    let (key, commitment) = stretched.split_at(32);
    let sealed = cipher(key)
        .encrypt(&nonce_of(nonce), Payload { msg: &pack(keys), aad: &associated(&bytes) })
        .expect("a few hundred bytes are not too many");
    scrub_stack();
    bytes.extend(commitment);
    bytes.extend(nonce);
    bytes.extend(sealed);
    Ok(bytes)
}

fn unseal(passphrase: &[u8], bytes: &[u8]) -> Result<KeyFile, Problem> {
    if !bytes.starts_with(MAGIC) {
        return Err(Problem::File("it is not a software device's key file"));
    }
    if bytes.len() < HEADER_BYTES + TAG_BYTES || bytes.len() > FILE_BYTES_MAX {
        return Err(Problem::File("it is damaged: it is too short or too long"));
    }
    let (bound, rest) = bytes.split_at(BOUND_BYTES);
    let (commitment, rest) = rest.split_at(COMMITMENT_BYTES);
    let (nonce, sealed) = rest.split_at(NONCE_BYTES);
    let number = |at: usize| u32::from_be_bytes(bound[at..at + 4].try_into().expect("four bytes"));
    let cost = Cost { memory_kib: number(8), passes: number(12), lanes: number(16) };
    if !cost.is_sane() {
        return Err(Problem::File("it is damaged: its passphrase hash is out of bounds"));
    }
    let salt = &bound[20..];
    let stretched =
        stretch(passphrase, salt, cost).map_err(|_| Problem::File("there is not enough memory to open it"))?;
    let (key, expected) = stretched.split_at(32);
    if !bool::from(commitment.ct_eq(expected)) {
        return Err(Problem::Passphrase);
    }
    let opened = cipher(key).decrypt(&nonce_of(nonce), Payload { msg: sealed, aad: &associated(bound) });
    scrub_stack();
    let plain = Zeroizing::new(opened.map_err(|_| Problem::File("it is damaged"))?);
    let keys = unpack(&plain).ok_or(Problem::File("it is damaged, or of a newer version"))?;
    let serial = Sha256::digest(salt)[..16].try_into().expect("16 bytes");
    Ok(KeyFile { keys, serial })
}

/// Argon2id of the passphrase: the key, then the commitment.
fn stretch(passphrase: &[u8], salt: &[u8], cost: Cost) -> Result<Zeroizing<Vec<u8>>, argon2::Error> {
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(64))?;
    // Ours, to be wiped: its last blocks give the key away.
    let mut memory = Vec::new();
    memory.try_reserve_exact(params.block_count()).map_err(|_| argon2::Error::OutOfMemory)?;
    memory.resize(params.block_count(), Block::new());
    let mut stretched = Zeroizing::new(vec![0; 64]);
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let done = argon2.hash_password_into_with_memory(passphrase, salt, &mut stretched, &mut memory[..]);
    memory.iter_mut().for_each(Zeroize::zeroize);
    scrub_stack();
    done.map(|()| stretched)
}

fn cipher(key: &[u8]) -> Xaes256Gcm {
    Xaes256Gcm::new_from_slice(key).expect("the key has 32 bytes")
}

fn nonce_of(bytes: &[u8]) -> Nonce {
    bytes.try_into().expect("the nonce has 24 bytes")
}

/// `enc("strongroom/software-device/v1", …)`: `docs/formats.md` §1.
fn associated(bound: &[u8]) -> Vec<u8> {
    [&b"strongroom/software-device/v1"[..], bound]
        .iter()
        .flat_map(|field| (field.len() as u32).to_be_bytes().into_iter().chain(field.iter().copied()))
        .collect()
}

fn pack(keys: &HeldKeys) -> Zeroizing<Vec<u8>> {
    let count = keys.roots.len() + 1;
    // Allocated once at full size: a vector that grows leaves copies behind.
    let mut plain = Zeroizing::new(Vec::with_capacity(3 + count * OBJECT_BYTES));
    plain.push(PLAINTEXT_FORMAT);
    plain.extend((count as u16).to_be_bytes());
    let roots = keys.roots.iter().map(|root| (TYPE_ROOT, root));
    for (kind, (id, key)) in roots.chain([(TYPE_AUDIT, &keys.audit)]) {
        plain.push(kind);
        plain.extend(id);
        plain.extend(key.expose_key());
    }
    plain
}

fn unpack(plain: &[u8]) -> Option<HeldKeys> {
    let (&[PLAINTEXT_FORMAT, high, low], objects) = plain.split_first_chunk::<3>()? else { return None };
    if objects.len() != usize::from(u16::from_be_bytes([high, low])) * OBJECT_BYTES {
        return None;
    }
    let (mut roots, mut audit) = (Vec::new(), None);
    for object in objects.chunks_exact(OBJECT_BYTES) {
        let (id, key) = object[1..].split_first_chunk::<16>()?;
        let held = (*id, KeyBox::new(key.try_into().ok()?));
        match object[0] {
            TYPE_ROOT if roots.iter().all(|(other, _)| other != id) => roots.push(held),
            TYPE_AUDIT if audit.is_none() => audit = Some(held),
            _ => return None,
        }
    }
    audit.filter(|_| !roots.is_empty()).map(|audit| HeldKeys { roots, audit })
}

/// Writes and syncs a file beside its place, then gives it its name unless something has it.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut suffix = [0; 8];
    getrandom::fill(&mut suffix).map_err(io::Error::other)?;
    let temporary = folder.join(format!(".{}.{:016x}", name.to_string_lossy(), u64::from_be_bytes(suffix)));
    let written = write_synced(&temporary, bytes).and_then(|()| name_if_free(&temporary, path));
    let _ = fs::remove_file(&temporary);
    written?;
    sync_folder(folder)
}

fn write_synced(path: &PathBuf, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// A hard link is what fails if the name is taken; renaming would replace it.
fn name_if_free(temporary: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(temporary, path) {
        // A file system without links: two who make the same file at the same moment are not told apart there.
        Err(error) if error.kind() == io::ErrorKind::Unsupported || error.kind() == io::ErrorKind::PermissionDenied => {
            match path.try_exists()? {
                true => Err(io::ErrorKind::AlreadyExists.into()),
                false => fs::rename(temporary, path),
            }
        }
        linked => linked,
    }
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
