//! A tenant's keyring: its random keys, by purpose and version, in locked memory.

use std::sync::Arc;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{
    Code, Error, Result,
    clock::Timestamp,
    id::KeyId,
    memory::{Arena, KEY_BYTES, LockedKey, scrubbed},
    random::Random,
    seal::SealingKey,
};

/// Version of the keyring's form.
const FORMAT: u8 = 1;

/// Format and count come first.
const HEADER_BYTES: usize = 1 + 2;

/// Each key takes as much.
const ENTRY_BYTES: usize = 1 + 1 + 16 + 4 + 8 + KEY_BYTES;

/// Most keys in a keyring.
pub const KEYRING_KEYS_MAX: usize = 4096;

/// What a key is for. A key has one purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Seals values, names and metadata.
    SecretData,
    /// Keyed hashes by which rows are found.
    Index,
    /// Keyed hashes in audit lines.
    Pseudonym,
    /// Authenticates mutable rows.
    Metadata,
}

impl Purpose {
    /// All purposes; a new keyring has a key of each, in this order.
    pub const ALL: [Self; 4] = [Self::SecretData, Self::Index, Self::Pseudonym, Self::Metadata];

    /// The stored number.
    pub const fn number(self) -> u8 {
        match self {
            Self::SecretData => 1,
            Self::Index => 2,
            Self::Pseudonym => 3,
            Self::Metadata => 4,
        }
    }

    fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.number() == number)
    }
}

/// Whether a key still makes anything new.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// In use, if its version is the highest of its purpose.
    Active,
    /// Only opens and checks what it once made.
    Retired,
}

impl Status {
    /// The stored number.
    pub const fn number(self) -> u8 {
        match self {
            Self::Active => 1,
            Self::Retired => 2,
        }
    }

    fn from_number(number: u8) -> Option<Self> {
        [Self::Active, Self::Retired].into_iter().find(|known| known.number() == number)
    }
}

/// One key of a keyring.
#[derive(Debug)]
pub struct KeyEntry {
    /// What it is for.
    pub purpose: Purpose,
    /// Whether it is in use.
    pub status: Status,
    /// Its id.
    pub id: KeyId,
    /// Its version, from 1, among the keys of its purpose.
    pub version: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// The key.
    pub key: LockedKey,
}

impl KeyEntry {
    /// As sealing wants it.
    pub(super) fn sealing(&self) -> SealingKey<'_> {
        SealingKey { id: self.id, version: self.version, key: &self.key }
    }
}

/// All keys of a tenant. There is an active one of each purpose.
#[derive(Debug)]
pub struct Keyring {
    entries: Vec<KeyEntry>,
    /// Where the active key of each purpose stands, in the order of `Purpose::ALL`.
    active: [usize; Purpose::ALL.len()],
}

impl Keyring {
    /// A new keyring, with one random key of each purpose.
    ///
    /// # Errors
    /// [`Code::RandomUnavailable`], [`Code::MemoryFull`].
    pub fn generate(arena: &Arc<Arena>, random: &dyn Random, now: Timestamp) -> Result<Self> {
        let entries = Purpose::ALL.into_iter().map(|purpose| {
            Ok(KeyEntry {
                purpose,
                status: Status::Active,
                id: KeyId::random(random)?,
                version: 1,
                created_at: now,
                key: arena.alloc_key(|key| random.fill(key))?,
            })
        });
        Self::from_entries(entries.collect::<Result<_>>()?)
    }

    /// Reads the plaintext form. Strict: what we would not write is refused.
    ///
    /// # Errors
    /// [`Code::Integrity`], [`Code::MemoryFull`].
    pub fn from_bytes(bytes: &[u8], arena: &Arc<Arena>) -> Result<Self> {
        let damaged = || Error::new(Code::Integrity).detail("keyring");
        let (&[format, ref count @ ..], mut rest) = bytes.split_first_chunk::<HEADER_BYTES>().ok_or_else(damaged)?;
        let count = usize::from(u16::from_be_bytes([count[0], count[1]]));
        if format != FORMAT || count > KEYRING_KEYS_MAX || rest.len() != count * ENTRY_BYTES {
            return Err(damaged());
        }
        let mut entries = Vec::with_capacity(count);
        while let Some((entry, after)) = rest.split_first_chunk::<ENTRY_BYTES>() {
            entries.push(read_entry(entry, arena)?.ok_or_else(damaged)?);
            rest = after;
        }
        Self::from_entries(entries)
    }

    /// The plaintext form, in a buffer that is wiped.
    ///
    /// # Errors
    /// [`Code::Closed`] in a forked child.
    pub fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>> {
        // Its final size from the start: growing would leave copies of keys behind.
        let mut out = Zeroizing::new(Vec::with_capacity(HEADER_BYTES + self.entries.len() * ENTRY_BYTES));
        let count = u16::try_from(self.entries.len()).expect("KEYRING_KEYS_MAX is less than that");
        out.push(FORMAT);
        out.extend_from_slice(&count.to_be_bytes());
        for entry in &self.entries {
            out.extend_from_slice(&[entry.purpose.number(), entry.status.number()]);
            out.extend_from_slice(entry.id.as_bytes());
            out.extend_from_slice(&entry.version.to_be_bytes());
            out.extend_from_slice(&entry.created_at.0.to_be_bytes());
            let key = entry.key.expose_key()?;
            scrubbed(|| out.extend_from_slice(key));
        }
        Ok(out)
    }

    /// The key in use for a purpose.
    pub fn active(&self, purpose: Purpose) -> &KeyEntry {
        &self.entries[self.active[usize::from(purpose.number() - 1)]]
    }

    /// A key of a purpose by its id and version, in use or retired.
    pub fn find(&self, purpose: Purpose, id: KeyId, version: u32) -> Option<&KeyEntry> {
        self.entries.iter().find(|entry| entry.purpose == purpose && entry.version == version && entry.id == id)
    }

    /// A key of a purpose by its version, in use or retired.
    pub fn find_version(&self, purpose: Purpose, version: u32) -> Option<&KeyEntry> {
        self.entries.iter().find(|entry| entry.purpose == purpose && entry.version == version)
    }

    /// All keys, in stored order.
    pub fn entries(&self) -> impl Iterator<Item = &KeyEntry> {
        self.entries.iter()
    }

    /// Whether two keyrings hold the same keys, in constant time.
    pub(super) fn same_as(&self, other: &Self) -> Result<bool> {
        Ok(self.to_bytes()?.ct_eq(&other.to_bytes()?).into())
    }

    fn from_entries(entries: Vec<KeyEntry>) -> Result<Self> {
        let mut active = [0; Purpose::ALL.len()];
        for (place, purpose) in active.iter_mut().zip(Purpose::ALL) {
            let mut versions: Vec<_> = entries.iter().filter(|e| e.purpose == purpose).map(|e| e.version).collect();
            versions.sort_unstable();
            let twice = versions.windows(2).any(|pair| pair[0] == pair[1]);
            let in_use = entries.iter().enumerate().filter(|(_, e)| e.purpose == purpose && e.status == Status::Active);
            match in_use.max_by_key(|(_, entry)| entry.version) {
                Some((index, _)) if !twice && versions.first() > Some(&0) => *place = index,
                _ => return Err(Error::new(Code::Integrity).detail("keyring")),
            }
        }
        Ok(Self { entries, active })
    }
}

/// `None` if it is not an entry that we would write.
fn read_entry(entry: &[u8; ENTRY_BYTES], arena: &Arc<Arena>) -> Result<Option<KeyEntry>> {
    let [purpose, status, rest @ ..] = entry;
    let (id, rest) = rest.split_first_chunk().expect("an entry has a fixed length");
    let (version, rest) = rest.split_first_chunk().expect("an entry has a fixed length");
    let (created_at, raw) = rest.split_first_chunk().expect("an entry has a fixed length");
    let (Some(purpose), Some(status)) = (Purpose::from_number(*purpose), Status::from_number(*status)) else {
        return Ok(None);
    };
    let key = arena.alloc_key(|key| {
        scrubbed(|| key.copy_from_slice(raw));
        Ok(())
    })?;
    Ok(Some(KeyEntry {
        purpose,
        status,
        id: KeyId::from_bytes(*id),
        version: u32::from_be_bytes(*version),
        created_at: Timestamp(u64::from_be_bytes(*created_at)),
        key,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{keys::testing::arena, testing::SeededRandom};

    fn keyring(arena: &Arc<Arena>) -> Keyring {
        Keyring::generate(arena, &SeededRandom::new(1), Timestamp(77)).unwrap()
    }

    #[test]
    fn a_keyring_is_read_as_it_is_written() {
        let arena = arena();
        let keyring = keyring(&arena);
        let bytes = keyring.to_bytes().unwrap();
        assert_eq!(bytes.len(), 3 + 4 * 62);
        assert_eq!(bytes.capacity(), bytes.len(), "never grown");
        assert_eq!(bytes[..5], [1, 0, 4, 1, 1]);
        let again = Keyring::from_bytes(&bytes, &arena).unwrap();
        assert!(keyring.same_as(&again).unwrap());
        let other = Keyring::generate(&arena, &SeededRandom::new(2), Timestamp(77)).unwrap();
        assert!(!keyring.same_as(&other).unwrap());
        for purpose in Purpose::ALL {
            let entry = again.active(purpose);
            assert_eq!((entry.purpose, entry.version, entry.created_at), (purpose, 1, Timestamp(77)));
            assert!(again.find(purpose, entry.id, 1).is_some());
            assert!(again.find(purpose, entry.id, 2).is_none());
            assert!(again.find(purpose, KeyId::from_bytes([0; 16]), 1).is_none());
        }
        assert!(again.find(Purpose::Index, again.active(Purpose::SecretData).id, 1).is_none(), "another purpose");
    }

    #[test]
    fn the_newest_active_key_is_in_use() {
        let arena = arena();
        let mut bytes = keyring(&arena).to_bytes().unwrap().to_vec();
        let data = bytes[3..3 + ENTRY_BYTES].to_vec();
        for (version, status) in [(2_u32, 1), (3, 2)] {
            let mut entry = data.clone();
            entry[1] = status;
            entry[18..22].copy_from_slice(&version.to_be_bytes());
            bytes.extend_from_slice(&entry);
        }
        bytes[2] = 6;
        let keyring = Keyring::from_bytes(&bytes, &arena).unwrap();
        assert_eq!(keyring.active(Purpose::SecretData).version, 2, "3 is retired");
        assert!(keyring.find_version(Purpose::SecretData, 3).is_some());
        assert!(keyring.find_version(Purpose::SecretData, 4).is_none());
    }

    #[test]
    fn what_we_would_not_write_is_refused() {
        let arena = arena();
        let good = keyring(&arena).to_bytes().unwrap().to_vec();
        let with = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            bytes
        };
        let twice = [&[1, 0, 5], &good[3..], &good[3..3 + ENTRY_BYTES]].concat();
        for (name, bytes) in [
            ("format", with(0, 2)),
            ("count", with(2, 3)),
            ("purpose", with(3, 5)),
            ("purpose 0", with(3, 0)),
            ("status", with(4, 3)),
            ("no active key of a purpose", with(4, 2)),
            ("version 0", with(3 + 21, 0)),
            ("one version twice", twice),
            ("cut", good[..good.len() - 1].to_vec()),
            ("longer", [&good[..], &[0]].concat()),
            ("no keys", vec![1, 0, 0]),
            ("nothing", vec![]),
        ] {
            let error = Keyring::from_bytes(&bytes, &arena).expect_err(name);
            assert_eq!(error.code(), Code::Integrity, "case: {name}");
        }
        assert_eq!(arena.keys_used(), 0, "nothing is left of what was refused");
    }
}
