//! A warm tenant: its keyring in locked memory, and everything that is done with it.

use std::{fmt, sync::Arc};

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{
    derive::TenantSeed,
    hash::{IndexHash, IndexKind, Pseudonym, PseudonymKind, index_hash, pseudonym_hash},
    keyring::{Keyring, Purpose},
    row::{Authenticated, RowMac, check_row, row_mac},
};
use crate::{
    Code, Error, Result, SecretValue,
    clock::Timestamp,
    device::Prk,
    id::{DeploymentId, ObjectId, TenantRef},
    memory::{Arena, LockedKey},
    random::Random,
    seal::{self, Content, Opened, Place, SealedHeader, SealingKey, Subject},
};

/// A tenant's keys, open. Made from the device's answer, which it does not keep.
///
/// The wrap key is not kept either: only a change of the keyring needs it, and that asks the device again.
pub struct TenantKeys {
    seed: TenantSeed,
    keyring: Keyring,
}

impl TenantKeys {
    /// Makes a new tenant's keys and seals them.
    ///
    /// Takes two answers of the device to the same question, asked in different sessions: one wrong
    /// answer must not seal a keyring for ever. What was sealed under the first is opened again under
    /// the second, and compared, before anything is returned.
    ///
    /// # Errors
    /// [`Code::DeviceWrongAnswer`] if the two differ; [`Code::RandomUnavailable`], [`Code::MemoryFull`].
    pub fn create(
        seed: TenantSeed,
        prk: &Prk,
        prk_again: &Prk,
        arena: &Arc<Arena>,
        random: &dyn Random,
        now: Timestamp,
    ) -> Result<(Self, Vec<u8>)> {
        if !bool::from(prk.expose_key().ct_eq(prk_again.expose_key())) {
            return Err(Code::DeviceWrongAnswer.into());
        }
        let keyring = Keyring::generate(arena, random, now)?;
        let sealed = {
            let wrap = seed.wrap_key(prk, arena)?;
            seal::seal_raw(wrapping(&seed, &wrap), &keyring_place(&seed), &keyring.to_bytes()?, random)?
        };
        let opened = Self::unseal(seed, prk_again, &sealed, arena)?;
        if !opened.keyring.same_as(&keyring)? {
            return Err(Error::new(Code::Internal).detail("a sealed keyring does not open to itself"));
        }
        Ok((opened, sealed))
    }

    /// Opens a tenant's keys.
    ///
    /// # Errors
    /// [`Code::Integrity`] if the keyring does not open under what the device answered; [`Code::MemoryFull`].
    pub fn unseal(seed: TenantSeed, prk: &Prk, sealed_keyring: &[u8], arena: &Arc<Arena>) -> Result<Self> {
        let wrap = seed.wrap_key(prk, arena)?;
        let plaintext = seal::open_raw(wrapping(&seed, &wrap), &keyring_place(&seed), &[], sealed_keyring)?;
        Ok(Self { seed, keyring: Keyring::from_bytes(&plaintext, arena)? })
    }

    /// Whose keys they are.
    pub fn tenant(&self) -> TenantRef {
        self.seed.tenant
    }

    /// Their deployment.
    pub fn deployment(&self) -> DeploymentId {
        self.seed.deployment
    }

    /// What they were derived from: compared with the tenant's row before a cached keyring is used.
    pub fn seed(&self) -> &TenantSeed {
        &self.seed
    }

    /// The keys.
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// Seals one version of a secret's value.
    ///
    /// # Errors
    /// [`Code::RandomUnavailable`]; [`Code::Closed`] in a forked child.
    pub fn seal_value(
        &self,
        secret: ObjectId,
        version: u64,
        value: &SecretValue,
        random: &dyn Random,
    ) -> Result<Vec<u8>> {
        let place = Place::value(self.seed.deployment, self.seed.tenant, secret, version);
        value.expose(|bytes| seal::seal(self.sealing(), &place, &[], Content::value(value.kind(), bytes), random))
    }

    /// Opens what was sealed as this version of this secret, under the key that it names.
    ///
    /// # Errors
    /// [`Code::Integrity`], whatever is wrong with it.
    pub fn open_value(&self, secret: ObjectId, version: u64, sealed: &[u8]) -> Result<SecretValue> {
        let place = Place::value(self.seed.deployment, self.seed.tenant, secret, version);
        let (kind, bytes) = self.open(&place, sealed)?.into_value()?;
        SecretValue::from_kind(kind, bytes).map_err(|error| Error::new(Code::Integrity).caused_by(error))
    }

    /// Seals a name or other text.
    ///
    /// # Errors
    /// [`Code::RandomUnavailable`]; [`Code::Closed`] in a forked child.
    pub fn seal_name(&self, subject: Subject, bytes: &[u8], random: &dyn Random) -> Result<Vec<u8>> {
        let place = Place::name(self.seed.deployment, self.seed.tenant, subject);
        seal::seal(self.sealing(), &place, &[], Content::name(bytes), random)
    }

    /// Opens what was sealed as this name or text, under the key that it names.
    ///
    /// # Errors
    /// [`Code::Integrity`], whatever is wrong with it.
    pub fn open_name(&self, subject: Subject, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        self.open(&Place::name(self.seed.deployment, self.seed.tenant, subject), sealed)?.into_name()
    }

    /// The hash by which a row is found.
    ///
    /// # Errors
    /// [`Code::Closed`] in a forked child.
    pub fn index(&self, kind: IndexKind, value: &[u8]) -> Result<IndexHash> {
        index_hash(&self.keyring.active(Purpose::Index).key, kind, value)
    }

    /// What stands for a name in an audit line written now.
    ///
    /// # Errors
    /// [`Code::Closed`] in a forked child.
    pub fn pseudonym(&self, kind: PseudonymKind, value: &[u8]) -> Result<Pseudonym> {
        let entry = self.keyring.active(Purpose::Pseudonym);
        Ok(Pseudonym { hash: pseudonym_hash(&entry.key, kind, value)?, key_version: entry.version })
    }

    /// What stood for a name when this version of the pseudonym key was in use; `None` if there never was one.
    ///
    /// # Errors
    /// [`Code::Closed`] in a forked child.
    pub fn pseudonym_of(&self, key_version: u32, kind: PseudonymKind, value: &[u8]) -> Result<Option<Pseudonym>> {
        let entry = self.keyring.find_version(Purpose::Pseudonym, key_version);
        let hash = entry.map(|entry| pseudonym_hash(&entry.key, kind, value)).transpose()?;
        Ok(hash.map(|hash| Pseudonym { hash, key_version }))
    }

    /// What stands for a name in audit lines of any time: a pseudonym for each version of the key that there is.
    ///
    /// # Errors
    /// [`Code::Closed`] in a forked child.
    pub fn pseudonyms(&self, kind: PseudonymKind, value: &[u8]) -> Result<Vec<Pseudonym>> {
        let keys = self.keyring.entries().filter(|entry| entry.purpose == Purpose::Pseudonym);
        keys.map(|entry| Ok(Pseudonym { hash: pseudonym_hash(&entry.key, kind, value)?, key_version: entry.version }))
            .collect()
    }

    /// The MAC that a row shall have, to be stored with it. The row's own `mac` does not matter.
    ///
    /// # Errors
    /// [`Code::Closed`] in a forked child.
    pub fn row_mac<R: Authenticated>(&self, row: &R) -> Result<RowMac> {
        row_mac(&self.keyring.active(Purpose::Metadata).key, self.seed.tenant, row)
    }

    /// Whether a row is one that we wrote for this tenant. Before this, nothing of a row is believed.
    ///
    /// # Errors
    /// [`Code::Integrity`] if it is not.
    pub fn check_row<R: Authenticated>(&self, row: &R) -> Result<()> {
        check_row(&self.keyring.active(Purpose::Metadata).key, self.seed.tenant, row)
    }

    fn sealing(&self) -> SealingKey<'_> {
        self.keyring.active(Purpose::SecretData).sealing()
    }

    fn open(&self, place: &Place, sealed: &[u8]) -> Result<Opened> {
        let header = SealedHeader::parse(sealed)?;
        let entry = self.keyring.find(Purpose::SecretData, header.key_id, header.key_version).ok_or(Code::Integrity)?;
        seal::open(entry.sealing(), place, &[], sealed)
    }
}

impl fmt::Debug for TenantKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantKeys").field("tenant", &self.seed.tenant).finish_non_exhaustive()
    }
}

fn keyring_place(seed: &TenantSeed) -> Place {
    Place::keyring(seed.deployment, seed.tenant, seed.epoch.0)
}

/// The wrap key as sealed keyrings name it: by the root key it comes from.
fn wrapping<'a>(seed: &TenantSeed, wrap: &'a LockedKey) -> SealingKey<'a> {
    SealingKey { id: seed.root.id, version: seed.root.version.0, key: wrap }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{
        device::RootVersion,
        id::KeyId,
        keys::{KeyEpoch, RootKey, testing::arena},
        store::FolderRow,
        testing::SeededRandom,
    };

    pub(crate) fn seed(tenant: u8) -> TenantSeed {
        TenantSeed {
            deployment: DeploymentId::from_bytes([1; 16]),
            tenant: TenantRef::from_bytes([tenant; 16]),
            salt: [3; 32],
            root: RootKey { id: KeyId::from_bytes([4; 16]), version: RootVersion::FIRST },
            epoch: KeyEpoch::FIRST,
        }
    }

    pub(crate) fn prk(byte: u8) -> Prk {
        Prk::from_slice(&[byte; 32]).unwrap()
    }

    pub(crate) fn created(seed: TenantSeed, arena: &Arc<Arena>) -> (TenantKeys, Vec<u8>) {
        TenantKeys::create(seed, &prk(9), &prk(9), arena, &SeededRandom::new(1), Timestamp(5)).unwrap()
    }

    #[test]
    fn a_tenant_is_opened_by_what_it_was_made_from_and_nothing_else() {
        let arena = arena();
        let (made, sealed) = created(seed(2), &arena);
        assert_eq!(arena.keys_used(), 4, "neither wrap key nor a second keyring is left");
        let opened = TenantKeys::unseal(seed(2), &prk(9), &sealed, &arena).unwrap();
        assert!(opened.keyring.same_as(&made.keyring).unwrap());
        let root = seed(2).root;
        for (name, other) in [
            ("deployment", TenantSeed { deployment: DeploymentId::from_bytes([0; 16]), ..seed(2) }),
            ("tenant", seed(0)),
            ("root id", TenantSeed { root: RootKey { id: KeyId::from_bytes([0; 16]), ..root }, ..seed(2) }),
            ("root version", TenantSeed { root: RootKey { version: RootVersion(2), ..root }, ..seed(2) }),
            ("epoch", TenantSeed { epoch: KeyEpoch(2), ..seed(2) }),
        ] {
            let error = TenantKeys::unseal(other, &prk(9), &sealed, &arena).expect_err(name);
            assert_eq!(error.code(), Code::Integrity, "another {name}");
        }
        assert_eq!(TenantKeys::unseal(seed(2), &prk(8), &sealed, &arena).unwrap_err().code(), Code::Integrity);
        assert_eq!(arena.keys_used(), 8);
    }

    #[test]
    fn two_answers_that_differ_make_no_tenant() {
        let arena = arena();
        let error = TenantKeys::create(seed(2), &prk(9), &prk(8), &arena, &SeededRandom::new(1), Timestamp(5));
        assert_eq!(error.unwrap_err().code(), Code::DeviceWrongAnswer);
        assert_eq!(arena.keys_used(), 0);
    }

    #[test]
    fn one_tenant_opens_nothing_of_another() {
        let arena = arena();
        let random = SeededRandom::new(7);
        let ((ours, _), secret) = (created(seed(2), &arena), ObjectId::from_bytes([6; 16]));
        let other = TenantKeys::create(seed(3), &prk(9), &prk(9), &arena, &random, Timestamp(5)).unwrap().0;
        let sealed = ours.seal_value(secret, 1, &SecretValue::text("hunter2").unwrap(), &random).unwrap();
        let opened = ours.open_value(secret, 1, &sealed).unwrap();
        assert!(opened.expose(|bytes| bytes == b"hunter2"));
        let refused = |keys: &TenantKeys, secret, version| {
            keys.open_value(secret, version, &sealed).is_err_and(|error| error.code() == Code::Integrity)
        };
        assert!(refused(&other, secret, 1), "tenant");
        assert!(refused(&ours, secret, 2), "version");
        assert!(refused(&ours, ObjectId::from_bytes([7; 16]), 1), "secret");
        assert!(ours.open_name(Subject::SecretName(secret), &sealed).is_err(), "kind");

        let sealed = ours.seal_name(Subject::SecretName(secret), b"a/b", &random).unwrap();
        assert_eq!(&ours.open_name(Subject::SecretName(secret), &sealed).unwrap()[..], b"a/b");
        assert!(ours.open_name(Subject::FolderName(secret), &sealed).is_err(), "kind");
        assert!(other.open_name(Subject::SecretName(secret), &sealed).is_err(), "tenant");

        let index = |keys: &TenantKeys| keys.index(IndexKind::Secret, b"a/b").unwrap();
        assert_eq!(index(&ours), index(&ours));
        assert_ne!(index(&ours), index(&other));
        let name_hash = index(&ours);
        let mut row =
            FolderRow { id: secret, name_hash, parent_hash: [0; 16], name: sealed, revision: 1, mac: [0; 32] };
        row.mac = ours.row_mac(&row).unwrap();
        ours.check_row(&row).unwrap();
        assert_eq!(other.check_row(&row).unwrap_err().code(), Code::Integrity);
    }

    #[test]
    fn pseudonyms_are_found_again_by_their_key_version() {
        let (keys, _) = created(seed(2), &arena());
        let now = keys.pseudonym(PseudonymKind::Secret, b"a/b").unwrap();
        assert_eq!(now.key_version, 1);
        assert_eq!(keys.pseudonym_of(1, PseudonymKind::Secret, b"a/b").unwrap(), Some(now));
        assert_eq!(keys.pseudonyms(PseudonymKind::Secret, b"a/b").unwrap(), [now]);
        assert_eq!(keys.pseudonym_of(2, PseudonymKind::Secret, b"a/b").unwrap(), None);
    }
}
